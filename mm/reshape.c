/* SPDX-License-Identifier: MIT */
/*
 * reshape.c - changing regions that exist: protection, flags, place.
 */
#include <mm/region.h>

#define BATCH 64
#define MOVE_TRIES 4

/* The protection stands in invalid PTEs too; valid ones are made anew. */
static void page_protect(struct fw_mm *mm, const struct fw_vad *vad,
			 fw_pte *pte, fw_pte lost)
{
	const fw_pte keep = (PTE_CACHED_MASK | PTE_AGE_MASK) &
			    ~lost;
	fw_pte v = *pte;

	if (pte_is_valid(v)) {
		FW_SET(mm, *pte,
		       page_pte(vad, fw_pte_pfn(v), (v & PTE_PROTO) != 0,
				(v & PTE_D) != 0) | (v & keep));
		return;
	}
	if (v == 0 || pte_is_pointer(v))
		return;
	FW_SET(mm, *pte, pte_with_prot(v, vad->prot));
	if (pte_is_transition(v)) {
		struct fw_frame *f = frame_at(mm, fw_pte_pfn(v));

		FW_SET(mm, f->original, pte_with_prot(f->original, vad->prot));
	}
}

static void range_protect(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, struct fw_vad *vad,
			  fw_pte lost)
{
	fw_vpn at = vad->start;
	fw_pte *pte;

	mm_lock(mm, actor);
	while ((pte = table_next(space, &at, vad->end)) != NULL) {
		fw_vpn stop = (at | (BATCH - 1)) + 1;

		if (stop > vad->end)
			stop = vad->end;
		for (; at < stop; at++, pte++)
			page_protect(mm, vad, pte, lost);
		mm_breathe(mm, actor);
	}
	mm_unlock(mm);
}

static void range_flush(struct fw_space *space, const struct fw_vad *vad,
			enum fw_flush how)
{
	fw_vpn at = vad->start;

	if (table_next(space, &at, vad->end))
		fwp_tlb_flush(space, vad->start, vad->end - vad->start, how);
}

/* A region that could not be written to may become charged. */
static bool vad_promise(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, struct fw_vad *vad,
			unsigned prot)
{
	uint32_t flags = commit_flags(mm, vad->flags, prot);
	uint64_t n = vad->end - vad->start, charge;
	bool ok;

	/* What was written to stays charged. */
	if (!mm->strict || flags == vad->flags || !(prot & FW_PROT_W))
		return true;
	mm_lock(mm, actor);
	ok = commit_allows(mm, n, flags);
	if (ok) {
		charge = vad_charge(vad, n);
		FW_SET(mm, vad->flags, flags);
		commit_charge(mm, space, (int64_t)(vad_charge(vad, n) -
						   charge));
	}
	mm_unlock(mm);
	return ok;
}

/* The whole region gets a protection that differs from its own. */
static void vad_protect(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, struct fw_vad *vad,
			unsigned prot)
{
	unsigned taken = vad->prot & ~prot, changed = vad->prot ^ prot;
	fw_pte lost = 0;

	if (prot == 0) {
		evict_range_locked(mm, actor, space, vad->start, vad->end,
				   false);
	} else if (taken & FW_PROT_W) {
		range_flush(space, vad, FW_FLUSH_WRPROT);
		lost = FW_PTE_CACHED_W;
	}
	mm_lock(mm, actor);
	FW_SET(mm, vad->prot, prot);
	mm_unlock(mm);
	range_protect(mm, actor, space, vad, lost);
	/* Gaining X as well: what is cached does not say whether it may be
	 * executed. Not dropped, since a call of the host may be about to use
	 * it: to that, X means nothing. */
	if (prot != 0 && (taken & FW_PROT_R || changed & FW_PROT_X))
		range_flush(space, vad, FW_FLUSH_RIGHTS);
}

/* The region that begins at r.start, cut to the range. */
static struct fw_vad *vad_cut(struct fw_mm *mm, struct fw_actor *actor,
			      struct fw_space *space, struct vrange r)
{
	bool ok;

	mm_lock(mm, actor);
	ok = range_isolate(mm, space, r);
	mm_unlock(mm);
	return ok ? vad_find(space, r.start) : NULL;
}

static enum fw_status protect_locked(struct fw_mm *mm, struct fw_actor *actor,
				     struct fw_space *space, struct vrange r,
				     unsigned prot)
{
	while (r.start < r.end) {
		struct fw_vad *vad = vad_find(space, r.start);
		struct vrange part = r;

		if (!vad)
			return FW_E_NOENT;
		if (prot & ~(unsigned)vad->max_prot)
			return FW_E_FAULT;
		if (vad->end < part.end)
			part.end = vad->end;
		if (vad->prot != prot) {
			vad = vad_cut(mm, actor, space, part);
			if (!vad || !vad_promise(mm, actor, space, vad, prot))
				return FW_E_NOMEM;
			vad_protect(mm, actor, space, vad, prot);
			mm_lock(mm, actor);
			vad_merge(mm, space, vad);
			mm_unlock(mm);
		}
		r.start = part.end;
	}
	return FW_OK;
}

enum fw_status fw_protect(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, fw_addr start, uint64_t len,
			  unsigned prot)
{
	enum fw_status status;
	bool refill;
	struct vrange r;

	if (!range_valid(space, start, len, &r) || prot > 7)
		return FW_E_INVAL;
	if (!meta_room(mm, actor, space))
		return FW_E_NOMEM;
	if (prot == 0)
		range_lock(mm, actor, space, r);
	else
		fw_space_lock(space, actor);
	status = protect_locked(mm, actor, space, r, prot);
	refill = announced_within(mm, space, r.start, r.end);
	fw_space_unlock(space);
	if (refill)
		announced_refill(mm, actor, space, r.start, r.end);
	return status;
}

/* What is to become of the regions of a range. */
struct change {
	uint32_t set, clear;
	bool set_prio;
	uint8_t prio;
};

static bool change_needed(const struct fw_vad *vad, const struct change *c)
{
	return ((vad->flags | c->set) & ~c->clear) != vad->flags ||
	       (c->set_prio && vad->prio != c->prio);
}

static void vad_change(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, struct fw_vad *vad,
		       const struct change *c)
{
	uint32_t flags = (vad->flags | c->set) & ~c->clear;
	uint64_t n = vad->end - vad->start, old, new;

	/* Guard pages are never valid. */
	if ((flags & FW_VADF_GUARD) && !(flags & FW_VADF_STACK))
		evict_range_locked(mm, actor, space, vad->start, vad->end,
				   false);
	mm_lock(mm, actor);
	old = vad_charge(vad, n);
	FW_SET(mm, vad->flags, flags);
	if (c->set_prio)
		FW_SET(mm, vad->prio, c->prio);
	new = vad_charge(vad, n);
	commit_charge(mm, space, (int64_t)new - (int64_t)old);
	vad_merge(mm, space, vad);
	mm_unlock(mm);
}

static enum fw_status change_locked(struct fw_mm *mm, struct fw_actor *actor,
				    struct fw_space *space, struct vrange r,
				    const struct change *c)
{
	enum fw_status status = FW_OK;

	while (r.start < r.end) {
		struct fw_vad *vad = vad_above(space, r.start);
		struct vrange part = r;

		if (!vad || vad->start > r.start)
			status = FW_E_NOENT;
		if (!vad || vad->start >= r.end)
			break;
		if (vad->start > part.start)
			part.start = vad->start;
		if (vad->end < part.end)
			part.end = vad->end;
		if (change_needed(vad, c)) {
			vad = vad_cut(mm, actor, space, part);
			if (!vad)
				return FW_E_NOMEM;
			vad_change(mm, actor, space, vad, c);
		}
		r.start = part.end;
	}
	return status;
}

static enum fw_status range_change(struct fw_mm *mm, struct fw_actor *actor,
				   struct fw_space *space, fw_addr start,
				   uint64_t len, const struct change *c)
{
	enum fw_status status;
	struct vrange r;

	if (!range_valid(space, start, len, &r))
		return FW_E_INVAL;
	if (!meta_room(mm, actor, space))
		return FW_E_NOMEM;
	if (c->set & FW_VADF_GUARD)
		range_lock(mm, actor, space, r);
	else
		fw_space_lock(space, actor);
	status = change_locked(mm, actor, space, r, c);
	fw_space_unlock(space);
	return status;
}

enum fw_status fw_set_flags(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space, fw_addr start,
			    uint64_t len, uint32_t set, uint32_t clear)
{
	struct change c = { .set = set, .clear = clear };

	if ((set | clear) & (FW_VADF_STACK | FW_VADF_KERNEL))
		return FW_E_INVAL;
	return range_change(mm, actor, space, start, len, &c);
}

enum fw_status fw_set_priority(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *space, fw_addr start,
			       uint64_t len, int prio)
{
	struct change c = { .set_prio = true, .prio = (uint8_t)(prio + 1) };

	if (prio < FW_PRIO_NONE || prio >= FW_PRIO_LEVELS)
		return FW_E_INVAL;
	return range_change(mm, actor, space, start, len, &c);
}

enum fw_status fw_set_cookie(struct fw_mm *mm, struct fw_actor *actor,
			     struct fw_space *space, fw_addr start,
			     uint64_t len, uint64_t cookie)
{
	enum fw_status status = FW_E_NOENT;
	struct fw_vad *vad;
	struct vrange r;

	if (!range_valid(space, start, len, &r))
		return FW_E_INVAL;
	fw_space_lock(space, actor);
	vad = vad_find(space, r.start);
	if (vad && vad->start == r.start && vad->end == r.end) {
		mm_lock(mm, actor);
		FW_SET(mm, vad->cookie, cookie);
		vad_merge(mm, space, vad);
		mm_unlock(mm);
		status = FW_OK;
	}
	fw_space_unlock(space);
	return status;
}

enum fw_status fw_evict(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_addr start, uint64_t len)
{
	struct vrange r;

	if (!range_valid(space, start, len, &r))
		return FW_E_INVAL;
	fw_space_lock(space, actor);
	evict_range_locked(mm, actor, space, r.start, r.end, true);
	fw_space_unlock(space);
	return FW_OK;
}

/* ---- moving -------------------------------------------------------------- */

static void page_move(struct fw_mm *mm, fw_pte *from, fw_pte *to)
{
	fw_pte v = *from;

	if (v == 0)
		return;
	if ((pte_is_valid(v) && !(v & PTE_PROTO)) || pte_is_transition(v))
		FW_SET(mm, frame_at(mm, fw_pte_pfn(v))->pte, to);
	if (pte_is_valid(v))
		v &= ~PTE_CACHED_MASK;
	FW_SET(mm, *to, v);
	FW_SET(mm, *from, 0);
}

/* The tables of the target, for all pages that have one. */
static bool move_tables(struct fw_mm *mm, struct fw_space *space,
			struct vrange from, fw_vpn to)
{
	fw_vpn at = from.start, last;

	while (table_next(space, &at, from.end)) {
		last = (table_end(at) < from.end ? table_end(at) : from.end) -
		       1;
		if (!table_make(mm, space, to + (at - from.start)) ||
		    !table_make(mm, space, to + (last - from.start)))
			return false;
		mm_checkpoint(mm);
		frames_prime(mm, FRAMES_LAST);
		at = last + 1;
	}
	return true;
}

static void move_pages(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, struct vrange from, fw_vpn to)
{
	fw_vpn at = from.start;
	fw_pte *pte = table_next(space, &at, from.end);

	if (!pte)
		return;
	fwp_tlb_flush(space, from.start, from.end - from.start,
		      FW_FLUSH_DROP);
	mm_lock(mm, actor);
	for (; pte; pte = table_next(space, &at, from.end)) {
		fw_vpn stop = (at | (BATCH - 1)) + 1;
		fw_pte *target = NULL;

		if (stop > from.end)
			stop = from.end;
		for (; at < stop; at++, pte++) {
			fw_vpn vpn = to + (at - from.start);

			if (!target || (vpn & (FW_TABLE_ENTRIES - 1)) == 0)
				target = table_find(space, vpn);
			page_move(mm, pte, target++);
		}
		mm_breathe(mm, actor);
	}
	mm_unlock(mm);
}

/* A region without pages goes; whoever mapped it is not told. */
static void vad_end(struct fw_mm *mm, struct fw_space *space,
		    struct fw_vad *vad)
{
	struct vrange r = { vad->start, vad->end };

	commit_charge(mm, space, -(int64_t)vad_charge(vad, r.end - r.start));
	vad_remove(mm, space, vad);
	if (vad->section)
		section_put(mm, vad->section);
	pool_free(mm, vad, sizeof(*vad));
	mm_checkpoint(mm);
	table_prune(mm, space, r.start, r.end);
}

/* The target's region and tables. NULL: frames are short, nothing is made. */
static struct fw_vad *move_prepare(struct fw_mm *mm, struct fw_actor *actor,
				   struct fw_space *space, struct fw_vad *vad,
				   fw_vpn to)
{
	struct vrange from = { vad->start, vad->end };
	struct fw_vad *copy;

	mm_lock(mm, actor);
	copy = vad_duplicate(mm, space, vad, to);
	mm_checkpoint(mm);
	if (copy && !move_tables(mm, space, from, to)) {
		vad_end(mm, space, copy);
		copy = NULL;
	}
	if (!copy)
		vad_merge(mm, space, vad);
	mm_unlock(mm);
	return copy;
}

/* Both regions exist while the pages move, each page in one of them. */
static enum fw_status move_locked(struct fw_mm *mm, struct fw_actor *actor,
				  struct fw_space *space, struct vrange from,
				  struct vrange to, bool replace)
{
	uint64_t n = from.end - from.start;
	struct fw_vad *vad = vad_find(space, from.start), *copy;

	if (!vad || vad->end < from.end)
		return FW_E_FAULT;
	copy = vad_above(space, to.start);
	if (!replace && copy && copy->start < to.start + n)
		return FW_E_EXIST;
	if (replace && range_unmap(mm, actor, space, to) != FW_OK)
		return FW_E_NOMEM;
	vad = vad_cut(mm, actor, space, from);
	if (!vad)
		return FW_E_NOMEM;
	copy = move_prepare(mm, actor, space, vad, to.start);
	if (!copy)
		return FW_E_NOMEM;
	move_pages(mm, actor, space, from, to.start);
	mm_lock(mm, actor);
	vad_end(mm, space, vad);
	vad_merge(mm, space, copy);
	mm_unlock(mm);
	return FW_OK;
}

static enum fw_status range_move(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_space *space, struct vrange from,
				 struct vrange to, bool replace)
{
	enum fw_status status = FW_E_NOMEM;
	uint64_t need = space->table_frames + 8;
	unsigned i;

	if (need > (from.end - from.start) / FW_TABLE_ENTRIES + 8)
		need = (from.end - from.start) / FW_TABLE_ENTRIES + 8;
	/* Others may take what was made available. */
	for (i = 0; i < MOVE_TRIES && status == FW_E_NOMEM; i++) {
		if (!fw_make_room(mm, actor, space, need))
			return FW_E_NOMEM;
		if (replace)
			range_lock(mm, actor, space, to);
		else
			fw_space_lock(space, actor);
		status = move_locked(mm, actor, space, from, to, replace);
		fw_space_unlock(space);
	}
	return status;
}

enum fw_status fw_move(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, fw_addr from, uint64_t len,
		       fw_addr to)
{
	struct vrange r, t;

	if (!range_valid(space, from, len, &r) ||
	    !range_valid(space, to, len, &t) || !range_mappable(space, t))
		return FW_E_INVAL;
	return range_move(mm, actor, space, r, t, false);
}

enum fw_status fw_move_over(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space, fw_addr from, uint64_t len,
			    fw_addr to, uint64_t room)
{
	enum fw_status status;
	struct vrange r, t;

	if (!range_valid(space, from, len, &r) ||
	    !range_valid(space, to, room, &t) || !range_mappable(space, t) ||
	    room < len || (r.start < t.end && t.start < r.end))
		return FW_E_INVAL;
	status = range_move(mm, actor, space, r, t, true);
	section_sweep(mm, actor);
	return status;
}
