/* SPDX-License-Identifier: MIT */
/*
 * guard.c - guard pages: a page that tells of its first access, of whatever
 * kind, and is an ordinary page from then on.
 *
 * FW_VADF_GUARD says it of a region; its pages are never valid. An access that
 * the region's protection permits cuts its page out of the region and clears
 * the flag there: the next access finds an ordinary page.
 *
 * In a stack (FW_VADF_STACK) the flag means NT's way to grow instead of
 * Linux's: the page below the lowest one given is the guard, and what lies
 * below that is only reserved. The guard moves down with each access to it,
 * and nothing but a fault is seen; when the page below it is the region's last,
 * it cannot move: the page is given all the same, so that the program has a
 * stack to handle the overflow on, and the access ends as one.
 *
 * Windows Internals 6e part 1 ch. 10 "Stacks"; nt-facts a.3, steps 8 and 9.
 */
#include <mm/plan.h>
#include <mm/region.h>

static bool stack_is_guarded(const struct fw_vad *vad)
{
	return (vad->flags & FW_VADF_GUARD) != 0;
}

enum guard_says guard_stack(const struct fw_vad *vad, fw_vpn vpn)
{
	if (!(vad->flags & FW_VADF_STACK) || vpn >= vad->stack_low)
		return GUARD_NOTHING;
	if (!stack_is_guarded(vad))
		return vpn == vad->start ? GUARD_NOT_MAPPED : GUARD_GROWS;
	if (vpn == vad->start || vpn + 1 < vad->stack_low)
		return GUARD_DENIED;
	return vpn - 1 > vad->start ? GUARD_GROWS : GUARD_OVERFLOW;
}

bool guard_region(const struct fw_vad *vad)
{
	return (vad->flags & (FW_VADF_GUARD | FW_VADF_STACK)) == FW_VADF_GUARD;
}

/* The last page that the stack can have. */
static enum fw_step guard_overflow(struct fw_plan *p)
{
	FW_SET(p->mm, p->vad->stack_low, p->vpn);
	p->f->kind = FW_KIND_OVERFLOW;
	return FW_STEP_DONE;
}

enum fw_step fault_guard(struct fw_plan *p)
{
	struct vrange page = { p->vpn, p->vpn + 1 };
	struct fw_vad *vad;

	if (p->vad->flags & FW_VADF_STACK)
		return guard_overflow(p);
	p->need = 4;
	if (frames_available(p->mm) < 8 ||
	    !range_isolate(p->mm, p->space, page))
		return FW_STEP_FRAMES;
	vad = vad_find(p->space, p->vpn);
	FW_SET(p->mm, vad->flags, vad->flags & ~(uint32_t)FW_VADF_GUARD);
	mm_checkpoint(p->mm);
	vad_merge(p->mm, p->space, vad);
	p->f->kind = FW_KIND_GUARD;
	return FW_STEP_DONE;
}
