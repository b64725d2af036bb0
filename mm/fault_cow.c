/* SPDX-License-Identifier: MIT */
/*
 * fault_cow.c - writes to pages that are shared until written: private views
 * of sections, and private memory since a fork (clone prototypes). The last
 * one who refers to a clone prototype takes its page back without a copy.
 */
#include <mm/plan.h>

void clone_take_back(struct fw_mm *mm, fw_pte *pte)
{
	struct fw_proto *proto = pte_pointer(mm, *pte);
	fw_pte v = proto->pte;

	/* Valid although ours is the only reference: cannot be, a valid PTE
	 * is one too. */
	if (proto->refs != 1)
		return;
	FW_ASSERT(!pte_is_valid(v));
	if (pte_is_transition(v)) {
		struct fw_frame *f = frame_at(mm, fw_pte_pfn(v));

		FW_SET(mm, f->pte, pte);
		FW_SET(mm, f->flags, f->flags & ~FRAME_PROTO);
	}
	FW_SET(mm, *pte, v != 0 ? v : pte_make_zero(FW_PROT_R));
	FW_SET(mm, proto->refs, 0);
	pool_free(mm, proto, POOL_PROTO);
	mm_checkpoint(mm);
}

static enum fw_step cow_reuse(struct fw_plan *p, struct fw_frame *f)
{
	struct fw_mm *mm = p->mm;
	struct fw_proto *proto = (struct fw_proto *)f->pte;
	fw_pte keep = *p->pte & PTE_CACHED_MASK;

	FW_SET(mm, f->pte, p->pte);
	FW_SET(mm, f->flags, f->flags & ~FRAME_PROTO);
	frame_drop_slot(mm, f);
	FW_SET(mm, *p->pte,
	       page_pte(p->vad, frame_pfn(mm, f), false, true) | keep);
	FW_SET(mm, proto->pte, 0);
	FW_SET(mm, proto->refs, 0);
	pool_free(mm, proto, POOL_PROTO);
	plan_window(p, p->vpn, 1, FW_KIND_COW_REUSE);
	return FW_STEP_DONE;
}

/* The page becomes private in frame `pfn`, which holds a copy. */
static void cow_commit(struct fw_plan *p, struct fw_frame *old, fw_pfn pfn)
{
	struct fw_mm *mm = p->mm;
	struct fw_frame *f = frame_at(mm, pfn);
	struct fw_proto *proto = (struct fw_proto *)old->pte;

	FW_SET(mm, f->pte, p->pte);
	FW_SET(mm, f->original, pte_make_zero(p->vad->prot));
	FW_SET(mm, f->type, FRAME_USER);
	frame_set_prio(mm, f, plan_prio(p));
	FW_SET(mm, f->share, 1);
	FW_SET(mm, *p->pte, page_pte(p->vad, pfn, false, true));
	frame_unshare(mm, old, false, pte_prot(old->original));
	if (proto->refs > 0)
		proto_unref(mm, proto);
}

enum fw_step fault_cow(struct fw_plan *p)
{
	struct fw_mm *mm = p->mm;
	struct fw_frame *old = frame_at(mm, fw_pte_pfn(*p->pte));
	fw_pfn from = frame_pfn(mm, old), pfn;
	struct frame_cluster c;
	unsigned index;
	bool zero;

	FW_ASSERT((old->flags & FRAME_PROTO) && old->share > 0);
	if (((struct fw_proto *)old->pte)->refs == 1 && old->share == 1)
		return cow_reuse(p, old);
	if (plan_room(p, 1) == 0)
		return FW_STEP_FRAMES;
	c = plan_cluster(p, p->pte, false, p->vpn, &index);
	pfn = frame_take_in(mm, &c, index, false, &zero);
	FW_ASSERT(pfn != FW_PFN_NONE);
	actor_hold(mm, p->actor, HELD_RESERVED, &pfn, 1);
	mm_unlock(mm);
	/* Our share keeps the old page, and nobody can write to it as long
	 * as we refer to its prototype. */
	fw_memcpy(frame_data(mm, pfn), frame_data(mm, from), FW_PAGE_SIZE);
	fwp_tlb_replace(p->space, p->vpn);
	mm_lock(mm, p->actor);
	actor_unhold(mm, p->actor);
	cow_commit(p, old, pfn);
	plan_window(p, p->vpn, 1, FW_KIND_COW);
	return FW_STEP_DONE;
}
