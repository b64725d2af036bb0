/* SPDX-License-Identifier: MIT */
/*
 * fault_fast.c - faults that need only the stripe's lock: a translation that
 * the cache has lost, the first write to a clean page without a slot, the
 * first touch of anonymous memory while the stripe has a stock of frames.
 *
 * Without the mm lock, only that may be believed which no section under the
 * mm lock changes without this stripe: a valid PTE, one that is all zero,
 * regions, tables that exist. Any other form of a PTE may change under us, or
 * be undone after a death: those faults go the long way.
 */
#include <mm/plan.h>
#include <mm/stripe.h>

/* A PTE that others may turn meanwhile from one invalid form to another. */
static fw_pte fast_look(const fw_pte *pte)
{
	return *(const volatile fw_pte *)pte;
}

static bool fast_refill(struct fw_plan *p)
{
	fw_vpn lo;
	unsigned n = plan_block(p, &lo);

	plan_window(p, lo, n, FW_KIND_REFILL);
	return true;
}

/* A write-out that still runs will look at the slot; else it is ours. */
static bool fast_dirty(struct fw_plan *p)
{
	fw_pte v = *p->pte;
	struct fw_frame *f = frame_at(p->mm, fw_pte_pfn(v));

	if ((v & (PTE_SWW | PTE_PROTO | PTE_COW)) != PTE_SWW ||
	    (__atomic_load_n(&f->flags, __ATOMIC_ACQUIRE) & FRAME_WRITE) ||
	    pte_has_slot(f->original))
		return false;
	*p->pte = v | PTE_D | PTE_W;
	plan_window(p, p->vpn, 1, FW_KIND_DIRTY);
	return true;
}

static bool fast_zero(struct fw_plan *p)
{
	unsigned want = zero_window_size(p), n = 0;
	fw_vpn lo, end;

	if (p->vad->kind != FW_VAD_PRIVATE || p->vad->section ||
	    (p->vad->flags & FW_VADF_STACK) || !stripe_has(p->stripe) ||
	    (p->space->ws_flags & FW_WS_MAX_HARD))
		return false;
	end = plan_block(p, &lo) + lo;
	while (n < want && p->vpn + n < end && fast_look(p->pte + n) == 0 &&
	       stripe_has(p->stripe)) {
		stripe_map(p->mm, p->stripe, p->vad, p->vpn + n, p->pte + n,
			   plan_writes(p), plan_prio(p));
		n++;
	}
	zero_window_note(p, p->vpn + n, want);
	plan_window(p, p->vpn, n, FW_KIND_DEMAND_ZERO);
	return true;
}

bool fault_fast(struct fw_plan *p)
{
	fw_pte v;

	/* A guard page changes regions. */
	if (!plan_permitted(p) || p->guard)
		return false;
	p->pte = table_find(p->space, p->vpn);
	if (!p->pte)
		return false;
	v = fast_look(p->pte);
	if (v == 0)
		return fast_zero(p);
	if (!pte_is_valid(v) || p->did_io || p->f->collisions > 0)
		return false;
	if (!plan_writes(p) || (v & PTE_W))
		return fast_refill(p);
	return fast_dirty(p);
}
