/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the replacement policies.
 *
 *   nt      ages in the PTEs, the hand in the order of addresses; trims ahead
 *           of need to standby and modified, from where pages come back
 *           (Windows Internals 6e part 2 ch. 10, "Working sets")
 *   clock   second chance: the oldest page, unless it was used since it was
 *           looked at last; then it counts as new (Corbato 1968)
 *   fifo    the oldest page
 *   random  any page
 *
 * The latter three take one page when one frame is needed. They know the
 * order of arrival from a list through the records of a space's resident
 * private frames: `next` and, backwards, `owner`, which mean nothing else in
 * an active frame; FRAME_LISTED says that a frame stands on it. The record of
 * the space's root table is its head, so that a frame leaves it without
 * knowing the space. Shared pages have no place on it: they are taken by the
 * sweep of `nt` when the list has nothing to give.
 */
#include <mm/policy.h>

/* ---- the list of arrival ------------------------------------------------- */

static void ring_add(struct fw_mm *mm, fw_pfn root, fw_pfn pfn)
{
	struct fw_frame *head = frame_at(mm, root), *f = frame_at(mm, pfn);

	if (head->owner == 0) { /* never used: a list of itself */
		FW_SET(mm, head->next, root);
		FW_SET(mm, head->owner, root);
	}
	FW_SET(mm, f->next, root);
	FW_SET(mm, f->owner, head->owner);
	FW_SET(mm, frame_at(mm, head->owner)->next, pfn);
	FW_SET(mm, head->owner, pfn);
	FW_SET(mm, f->flags, f->flags | FRAME_LISTED);
}

void policy_forget(struct fw_mm *mm, struct fw_frame *f)
{
	if (!(f->flags & FRAME_LISTED))
		return;
	FW_SET(mm, frame_at(mm, f->owner)->next, f->next);
	FW_SET(mm, frame_at(mm, f->next)->owner, f->owner);
	FW_SET(mm, f->next, FW_PFN_NONE);
	FW_SET(mm, f->owner, 0);
	FW_SET(mm, f->flags, f->flags & ~FRAME_LISTED);
}

void policy_note(struct fw_mm *mm, struct fw_space *space, fw_pte *pte,
		 unsigned n)
{
	const struct fw_policy *policy = policy_of(mm);
	unsigned i;

	for (i = 0; policy->listed && i < n; i++) {
		fw_pfn pfn = fw_pte_pfn(pte[i]);

		if (!pte_is_valid(pte[i]) || (pte[i] & PTE_PROTO))
			continue;
		/* Used: where the port's cache hides further uses, as after
		 * a refill, this is all that is known of them. */
		if (!(pte[i] & PTE_A))
			pte[i] |= PTE_A;
		if (!(frame_at(mm, pfn)->flags & FRAME_LISTED))
			ring_add(mm, space->root, pfn);
	}
}

/* ---- choosing from it ---------------------------------------------------- */

struct ring_scan {
	struct sweep *s;
	const struct fw_vad *vad; /* of the last page */
	unsigned n_cold;
	fw_vpn cold[SWEEP_BATCH]; /* translations to be dropped */
};

/* The page that an active private frame holds: up from its PTE, since the
 * record of a table points to the entry that names it. */
static fw_vpn frame_vpn(const struct fw_mm *mm, const struct fw_frame *f)
{
	const fw_pte *e = f->pte;
	fw_vpn vpn = 0;
	unsigned level;

	for (level = 1; e; level++) {
		uintptr_t at = (uintptr_t)e - (uintptr_t)mm;

		vpn |= (at & FW_PAGE_MASK) / sizeof(*e) << table_shift(level);
		e = mm->frames[at >> FW_PAGE_SHIFT].pte;
	}
	return vpn;
}

static bool ring_evictable(struct ring_scan *r, fw_vpn vpn)
{
	if (!r->vad || vpn < r->vad->start || vpn >= r->vad->end)
		r->vad = vad_find(r->s->space, vpn);
	return r->vad && !(r->vad->flags & FW_VADF_LOCKED) &&
	       !announced(&r->s->who, vpn, false);
}

/* Drops what was noted, without the mm lock. */
static void ring_flush(struct ring_scan *r)
{
	struct sweep *s = r->s;
	unsigned i;

	if (r->n_cold == 0)
		return;
	mm_unlock(s->mm);
	for (i = 0; i < r->n_cold; i++)
		fwp_tlb_flush(s->space, r->cold[i], 1, FW_FLUSH_DROP);
	r->n_cold = 0;
	mm_lock(s->mm, s->actor);
}

/* Second chance: true when the page was used since the last look. */
static bool ring_used(struct ring_scan *r, struct fw_frame *f, fw_vpn vpn)
{
	if (!(*f->pte & PTE_A))
		return false;
	*f->pte &= ~PTE_A;
	r->cold[r->n_cold++] = vpn;
	return true;
}

/* Oldest first; `chance`: those that were used go behind the others. What is
 * chosen leaves the list, which also says that it was looked at. */
static void ring_choose(struct sweep *s, bool chance)
{
	struct ring_scan r = { .s = s };
	uint64_t steps = 2 * fw_space_resident(s->space) + 1;
	fw_pfn root = s->space->root, pfn;

	mm_lock(s->mm, s->actor);
	while (s->n < s->want && steps-- > 0) {
		struct fw_frame *f;
		fw_vpn vpn;

		pfn = frame_at(s->mm, root)->next;
		if (pfn == root || frame_at(s->mm, root)->owner == 0)
			break;
		f = frame_at(s->mm, pfn);
		vpn = frame_vpn(s->mm, f);
		policy_forget(s->mm, f);
		if (ring_evictable(&r, vpn) &&
		    !(chance && ring_used(&r, f, vpn)))
			s->vpn[s->n++] = vpn;
		else
			ring_add(s->mm, root, pfn);
		mm_checkpoint(s->mm);
		if (r.n_cold == SWEEP_BATCH)
			ring_flush(&r);
	}
	ring_flush(&r);
	mm_unlock(s->mm);
}

static void fifo_choose(struct sweep *s)
{
	ring_choose(s, false);
	if (s->n == 0)
		sweep_choose(s);
}

static void clock_choose(struct sweep *s)
{
	ring_choose(s, true);
	if (s->n == 0)
		sweep_choose(s);
}

/* xorshift64; a hint that needs no journal. */
static uint64_t random_next(struct fw_mm *mm)
{
	uint64_t x = mm->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mm->random = x;
	return x;
}

/* A number below n, without a division that 32-bit CPUs do not have. */
static uint32_t random_below(struct fw_mm *mm, uint32_t n)
{
	return (uint32_t)((random_next(mm) >> 32) * n >> 32);
}

/* Draws frames until one is a page of the space; after some draws, and for
 * more than one page, the oldest must do. */
static void random_choose(struct sweep *s)
{
	struct ring_scan r = { .s = s };
	struct fw_mm *mm = s->mm;
	unsigned draws;

	mm_lock(mm, s->actor);
	for (draws = 0; draws < 256 && s->n == 0; draws++) {
		fw_pfn pfn = mm->base + random_below(mm, mm->fresh - mm->base);
		struct fw_frame *f = frame_at(mm, pfn);
		fw_vpn vpn;

		if (!(f->flags & FRAME_LISTED))
			continue;
		vpn = frame_vpn(mm, f);
		if (table_find(s->space, vpn) == f->pte &&
		    ring_evictable(&r, vpn))
			s->vpn[s->n++] = vpn;
	}
	mm_unlock(mm);
	if (s->n == 0)
		fifo_choose(s);
}

/* ---- the table ----------------------------------------------------------- */

static const struct fw_policy policies[FW_POLICIES] = {
	[FW_POLICY_NT] = { "nt", "working sets age; trims ahead of need",
			   true, false, sweep_choose },
	[FW_POLICY_CLOCK] = { "clock", "second chance", false, true,
			      clock_choose },
	[FW_POLICY_FIFO] = { "fifo", "first in, first out", false, true,
			     fifo_choose },
	[FW_POLICY_RANDOM] = { "random", "any page", false, true,
			       random_choose },
};

const struct fw_policy *policy_of(const struct fw_mm *mm)
{
	return &policies[mm->policy];
}

const char *fw_policy_name(enum fw_policy_id id)
{
	return (unsigned)id < FW_POLICIES ? policies[id].name : NULL;
}

const char *fw_policy_text(enum fw_policy_id id)
{
	return (unsigned)id < FW_POLICIES ? policies[id].text : NULL;
}
