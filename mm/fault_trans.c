/* SPDX-License-Identifier: MIT */
/*
 * fault_trans.c - pages that are still, or already, in a frame: on standby or
 * modified (transition), valid in another space (prototype), or on their way
 * in (collided). Neighbours in the same block come along: they cost next to
 * nothing now and a fault each later.
 */
#include <mm/age.h>
#include <mm/ahead.h>
#include <mm/cstore.h>

#define AGE_RESCUED 1 /* one lap of the clock more than others */
#define AGE_DEAR 3

/* page_locate(), where `beside` is the prototype of p->vpn in a section (else
 * NULL): those of a block lie side by side. */
static fw_pte *resident_locate(const struct fw_plan *p, fw_pte *beside,
			       fw_vpn vpn, fw_pte *pte, bool *ret_proto)
{
	const int stride = sizeof(struct fw_proto) / sizeof(fw_pte);
	const struct fw_vad *vad = p->vad;

	if (!beside || !pte_asks_region(*pte))
		return page_locate(p->mm, vad, vpn, pte, ret_proto);
	*ret_proto = true;
	if (vad->page + (vpn - vad->start) >= vad->section->pages)
		return NULL;
	return beside + stride * ((int)vpn - (int)p->vpn);
}

/* Maps a page if its content is in a frame and not being read. */
static bool resident_map(struct fw_plan *p, fw_pte *beside, fw_vpn vpn,
			 fw_pte *pte)
{
	bool proto, rescued, dirty;
	fw_pte *loc = resident_locate(p, beside, vpn, pte, &proto);
	struct fw_frame *f;
	fw_pfn pfn;

	if (!loc || (!pte_is_valid(*loc) && !pte_is_transition(*loc)))
		return false;
	pfn = fw_pte_pfn(*loc);
	f = frame_at(p->mm, pfn);
	if (f->flags & FRAME_READ)
		return false;
	rescued = !pte_is_valid(*loc) && !p->did_io;
	dirty = (vpn == p->vpn && plan_writes(p)) ||
		(!proto && ahead_writes(p, vpn));
	if (!ahead_touched(p, f, vpn))
		return false;
	plan_map(p, pte, loc, proto, pfn, dirty);
	if (p->did_io && pte_has_slot(f->original) && pfile_full(p->mm))
		frame_mark_dirty(p->mm, f); /* another page needs its slot */
	if (rescued)
		page_set_age(p->mm, pte, AGE_RESCUED);
	else if (vpn == p->vpn && fault_is_dear(p, f))
		page_set_age(p->mm, pte, AGE_DEAR);
	return true;
}

/* Free frames are gone: what is brought back pushes something else out. */
static bool frames_short(const struct fw_mm *mm)
{
	return frames_idle(mm) < 2 * reclaim_low(mm);
}

/*
 * The pages that come back together. With frames to spare, all that the block
 * has; when frames are short, neighbours are worth their frame only where the
 * faults follow each other (or where the page itself has just been read, with
 * what was read along): else the clock would lose what it knows.
 */
static unsigned resident_window(const struct fw_plan *p, fw_vpn *ret_lo)
{
	unsigned n = plan_block(p, ret_lo);
	fw_vpn lo = p->vpn, hi = p->vpn + 1;

	if (p->vad->flags & FW_VADF_RANDOM) {
		*ret_lo = lo;
		return 1;
	}
	if (!frames_short(p->mm) || p->vad->section ||
	    p->vad->last_fault == p->vpn)
		return n;
	/* The region may have become smaller since the read began. */
	if (p->did_io && p->read_lo > *ret_lo)
		lo = p->read_lo;
	else if (p->did_io)
		lo = *ret_lo;
	if (p->did_io)
		hi = p->read_lo + p->n_read;
	if (hi > *ret_lo + n)
		hi = *ret_lo + n;
	*ret_lo = lo;
	return (unsigned)(hi - lo);
}

/* Where a walk goes on, if this is one. */
static fw_vpn resident_next(const struct fw_plan *p, fw_vpn end)
{
	if (!p->did_io)
		return end;
	return plan_upwards(p) ? p->read_lo + p->n_read : p->read_lo - 1;
}

enum fw_step fault_resident(struct fw_plan *p)
{
	bool was_valid = pte_is_valid(*p->loc);
	fw_vpn lo;
	unsigned n = resident_window(p, &lo), i, mapped = 0;
	fw_pte *pte = p->pte - (p->vpn - lo);
	fw_pte *beside = p->proto && pte_asks_region(*p->pte) ? p->loc : NULL;
	bool cow;

	for (i = 0; i < n; i++)
		mapped += resident_map(p, beside, lo + i, pte + i);
	FW_ASSERT(pte_is_valid(*p->pte));
	space_resident(p->mm, p->space, mapped);
	if (!was_valid && !p->did_io)
		cstore_note_rescue(p->mm);
	plan_window(p, lo, n,
		    was_valid ? FW_KIND_PROTOTYPE : FW_KIND_TRANSITION);
	p->vad->last_fault = resident_next(p, lo + n);
	cow = (*p->pte & PTE_COW) != 0;
	return cow && plan_writes(p) ? FW_STEP_AGAIN : FW_STEP_DONE;
}

enum fw_step fault_collided(struct fw_plan *p)
{
	fw_pfn pfn = fw_pte_pfn(*p->loc);

	p->wait_word = frame_wait_word(p->mm, pfn);
	p->wait_seen = *p->wait_word;
	p->wait_owner = frame_at(p->mm, pfn)->owner;
	return FW_STEP_WAIT;
}
