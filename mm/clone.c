/* SPDX-License-Identifier: MIT */
/*
 * clone.c - fork. A private page of the parent gets a clone prototype, to
 * which both spaces refer: the parent by a valid, read-only, copy-on-write
 * PTE if it had a valid one, else by a pointer, the child by a pointer. Page
 * and slot belong to the prototype from then on; the last one to refer to it
 * takes them back (fault_cow.c). No page is copied, except those that are
 * announced for writing in the parent.
 *
 * Pages in I/O need no care: whoever ends the I/O finds the prototype through
 * the frame's `pte`.
 *
 * The work is done in batches of 64 pages. After each, both spaces are
 * consistent; should the actor die, the child is destroyed like any space,
 * and the parent's pages are taken back one by one when it writes to them.
 */
#include <mm/policy.h>

#define BATCH 64

struct clone {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_space *parent, *child;
	struct fw_vad *vad; /* the parent's */
	struct announcers who;
	uint64_t stays[FW_TABLE_ENTRIES / 64]; /* see clone_flush() */
	uint64_t eager;	   /* pages copied for the child */
	uint64_t resident; /* valid PTEs of the child in this batch */
};

struct fw_vad *vad_duplicate(struct fw_mm *mm, struct fw_space *to_space,
			     const struct fw_vad *vad, fw_vpn to)
{
	struct fw_vad *copy = pool_alloc(mm, sizeof(*copy));

	if (!copy)
		return NULL;
	fw_memcpy((char *)copy + sizeof(fw_word),
		  (const char *)vad + sizeof(fw_word),
		  sizeof(*vad) - sizeof(fw_word));
	copy->start = to;
	copy->end = to + (vad->end - vad->start);
	copy->stack_low = vad->stack_low - vad->start + to;
	copy->last_fault = 0;
	if (copy->section)
		section_get(mm, copy->section);
	commit_charge(mm, to_space,
		      (int64_t)vad_charge(copy, copy->end - copy->start));
	vad_insert(mm, to_space, copy);
	return copy;
}

static struct fw_proto *proto_new(struct clone *c, fw_pte content)
{
	struct fw_proto *p = pool_alloc(c->mm, POOL_PROTO);

	/* There was room when the batch began. */
	FW_ASSERT(p);
	p->pte = content;
	/* Undoably: a free prototype has no references, and verify counts by
	 * that. */
	FW_SET(c->mm, p->refs, 2);
	return p;
}

/* The page is being written by somebody who must not lose it: the child gets
 * a copy at once. */
static void clone_eager(struct clone *c, fw_pte v, fw_pte *child)
{
	struct fw_mm *mm = c->mm;
	struct fw_frame *f;
	fw_pfn pfn = frame_take_idle(mm);

	FW_ASSERT(pfn != FW_PFN_NONE);
	fw_memcpy(frame_data(mm, pfn), frame_data(mm, fw_pte_pfn(v)),
		  FW_PAGE_SIZE);
	f = frame_at(mm, pfn);
	FW_SET(mm, f->pte, child);
	FW_SET(mm, f->original, pte_make_zero(c->vad->prot));
	FW_SET(mm, f->type, FRAME_USER);
	frame_set_prio(mm, f, frame_prio(frame_at(mm, fw_pte_pfn(v))));
	FW_SET(mm, f->share, 1);
	FW_SET(mm, *child, page_pte(c->vad, pfn, false, true));
	c->eager++;
}

/* The child has the page as the parent has it. */
static void clone_share(struct clone *c, struct fw_frame *f, fw_pte v,
			fw_pte *child)
{
	FW_ADD(c->mm, f->share, 1);
	FW_SET(c->mm, *child, v);
	c->resident++;
}

static bool page_stays(const struct clone *c, fw_vpn vpn)
{
	return c->stays[vpn % FW_TABLE_ENTRIES / 64] >> vpn % 64 & 1;
}

static void clone_valid(struct clone *c, fw_vpn vpn, fw_pte *pte,
			fw_pte *child)
{
	const fw_pte keep = FW_PTE_CACHED | PTE_AGE_MASK;
	struct fw_mm *mm = c->mm;
	fw_pte v = *pte;
	fw_pfn pfn = fw_pte_pfn(v);
	struct fw_frame *f = frame_at(mm, pfn);
	struct fw_proto *p;

	if (v & PTE_PROTO) {
		p = (struct fw_proto *)f->pte;
		if (p->refs > 0) /* not the section's */
			FW_ADD(mm, p->refs, 1);
		clone_share(c, f, v, child);
		return;
	}
	if (page_stays(c, vpn)) {
		clone_eager(c, v, child);
		return;
	}
	p = proto_new(c, pte_make_proto_valid(pfn));
	if (v & PTE_D)
		frame_mark_dirty(mm, f);
	policy_forget(mm, f);
	FW_SET(mm, f->pte, &p->pte);
	FW_SET(mm, f->flags, f->flags | FRAME_PROTO);
	v = page_pte(c->vad, pfn, true, false) | (v & keep);
	FW_SET(mm, *pte, v);
	clone_share(c, f, v, child);
}

static void clone_page(struct clone *c, fw_vpn vpn, fw_pte *pte,
		       fw_pte *child)
{
	struct fw_mm *mm = c->mm;
	fw_pte v = *pte;
	struct fw_proto *p;

	if (pte_is_valid(v)) {
		clone_valid(c, vpn, pte, child);
		return;
	}
	if (c->vad->kind == FW_VAD_SECTION)
		return; /* the child asks its region */
	if (pte_is_pointer(v)) {
		p = pte_pointer(mm, v);
		FW_ADD(mm, p->refs, 1);
		FW_SET(mm, *child, v);
		return;
	}
	if (pte_is_zero_demand(v)) {
		FW_SET(mm, *child, v);
		return;
	}
	p = proto_new(c, v);
	if (pte_is_transition(v)) {
		struct fw_frame *f = frame_at(mm, fw_pte_pfn(v));

		FW_SET(mm, f->pte, &p->pte);
		FW_SET(mm, f->flags, f->flags | FRAME_PROTO);
	}
	FW_SET(mm, *pte, pte_make_pointer(mm, p));
	FW_SET(mm, *child, pte_make_pointer(mm, p));
}

/* Frames for one batch: tables, prototypes, and copies. mm lock. */
static bool clone_room(struct clone *c)
{
	uint64_t need = c->who.n > 0 || c->who.all ? 8 + BATCH : 8;
	struct fw_mm *mm = c->mm;

	frames_prime(mm, need);
	return !refused(mm, FW_NEED_ROOM) &&
	       mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE] >= need;
}

static bool clone_batch(struct clone *c, fw_vpn at, fw_vpn stop, fw_pte *pte)
{
	struct fw_mm *mm = c->mm;
	fw_pte *child = NULL;
	bool ok;

	mm_lock(mm, c->actor);
	ok = clone_room(c);
	c->eager = c->resident = 0;
	for (; ok && at < stop; at++, pte++) {
		if (*pte == 0) {
			if (child)
				child++;
			continue;
		}
		if (!child)
			child = table_make(mm, c->child, at);
		FW_ASSERT(child);
		clone_page(c, at, pte, child++);
	}
	space_resident(mm, c->child, (int64_t)(c->eager + c->resident));
	FW_SET(mm, c->child->eager, c->child->eager + c->eager);
	mm_unlock(mm);
	return ok;
}

/*
 * Write-protects what can be cached for writing in one table, but for what is
 * announced. Which pages those are is decided here for clone_valid() as well:
 * who announces takes the space lock, but withdraws without any.
 */
static void clone_flush(struct clone *c, fw_vpn at, fw_vpn stop,
			const fw_pte *pte)
{
	fw_vpn lo = 0, hi = 0;
	bool any = false;

	fw_memzero(c->stays, sizeof(c->stays));
	for (; at < stop; at++, pte++) {
		bool writable = (*pte & (PTE_V | PTE_W)) == (PTE_V | PTE_W);
		bool stays = announced(&c->who, at, true);

		c->stays[at % FW_TABLE_ENTRIES / 64] |= (uint64_t)stays
							<< at % 64;
		if (any && stays) {
			fwp_tlb_flush(c->parent, lo, hi - lo, FW_FLUSH_WRPROT);
			any = false;
		}
		if (!writable || stays)
			continue;
		if (!any)
			lo = at;
		any = true;
		hi = at + 1;
	}
	if (any)
		fwp_tlb_flush(c->parent, lo, hi - lo, FW_FLUSH_WRPROT);
}

static bool clone_pages(struct clone *c)
{
	fw_vpn at = c->vad->start;
	fw_pte *pte;

	while ((pte = table_next(c->parent, &at, c->vad->end)) != NULL) {
		fw_vpn end = table_end(at);

		if (end > c->vad->end)
			end = c->vad->end;
		if (c->vad->kind != FW_VAD_SECTION)
			clone_flush(c, at, end, pte);
		while (at < end) {
			fw_vpn stop = (at | (BATCH - 1)) + 1;

			if (stop > end)
				stop = end;
			if (!clone_batch(c, at, stop, pte))
				return false;
			pte += stop - at;
			at = stop;
		}
	}
	return true;
}

static bool clone_vad(struct clone *c)
{
	struct fw_vad *copy = NULL;

	mm_lock(c->mm, c->actor);
	if (clone_room(c) &&
	    (!c->mm->strict ||
	     commit_allows(c->mm,
			   vad_charge(c->vad, c->vad->end - c->vad->start),
			   0)))
		copy = vad_duplicate(c->mm, c->child, c->vad, c->vad->start);
	if (copy && (copy->flags & FW_VADF_LOCKED)) /* not inherited */
		FW_SET(c->mm, copy->flags,
		       copy->flags & ~(uint32_t)FW_VADF_LOCKED);
	mm_unlock(c->mm);
	if (!copy)
		return false;
	if (c->vad->flags & FW_VADF_WIPEONFORK)
		return true;
	if (c->vad->kind == FW_VAD_HOST)
		return true;
	return clone_pages(c);
}

/* The child is charged for all that it could come to have of its own. Strict:
 * refused here, and, should others be faster, region by region. */
static bool clone_promise(struct clone *c)
{
	struct fw_mm *mm = c->mm;
	uint64_t charge = 0;
	struct fw_vad *vad;
	bool ok;

	if (!mm->strict)
		return true;
	mm_lock(mm, c->actor);
	for (vad = vad_above(c->parent, 0); vad; vad = fw_vad_next(vad))
		if (!(vad->flags & FW_VADF_DONTFORK))
			charge += vad_charge(vad, vad->end - vad->start);
	ok = commit_allows(mm, charge, 0);
	mm_unlock(mm);
	return ok;
}

enum fw_status fw_space_fork_locked(struct fw_mm *mm, struct fw_actor *actor,
				    struct fw_space *parent,
				    struct fw_space **ret_child)
{
	struct clone c;
	enum fw_status status;
	bool ok = true;

	if (parent->kind != FW_SPACE_PROCESS)
		return FW_E_INVAL;
	c.mm = mm;
	c.actor = actor;
	c.parent = parent;
	if (!clone_promise(&c))
		return FW_E_NOMEM;
	status = space_create_now(mm, actor, true, &c.child);
	if (status != FW_OK)
		return status;
	c.child->ws_min = parent->ws_min;
	c.child->ws_max = parent->ws_max;
	c.child->ws_flags = parent->ws_flags & FW_WS_MAX_HARD;
	c.child->prio = parent->prio;
	c.child->user_top = parent->user_top;
	c.child->trim_hand = parent->trim_hand;
	mm_lock(mm, actor);
	space_join(mm, c.child, parent->session);
	announcers_of(mm, parent, &c.who);
	mm_unlock(mm);
	c.vad = vad_above(parent, 0);
	for (; ok && c.vad; c.vad = fw_vad_next(c.vad))
		if (!(c.vad->flags & FW_VADF_DONTFORK))
			ok = clone_vad(&c);
	if (!ok) {
		fw_space_destroy(mm, actor, c.child);
		return FW_E_NOMEM;
	}
	*ret_child = c.child;
	return FW_OK;
}

uint64_t fw_space_fork_need(const struct fw_space *parent)
{
	return parent->table_frames * 3 + parent->n_vads / 32 + 96;
}

bool fw_make_room(struct fw_mm *mm, struct fw_actor *actor,
		  struct fw_space *space, uint64_t n)
{
	uint32_t trimmed = 0;
	unsigned round = 0;

	while (frames_available(mm) < n)
		if (!reclaim(mm, actor, space, (unsigned)n, round++, &trimmed))
			return false;
	return true;
}
