/* SPDX-License-Identifier: MIT */
/*
 * fault_zero.c - demand zero, stack growth, and host views: pages that come
 * from nowhere. One fault may give a window of pages: as many as lie valid
 * directly before it, plus one, so that windows grow 1, 2, 4, 8, 16 with a
 * sequential program, whatever other streams there are in the region.
 */
#include <mm/plan.h>

struct zero_window {
	fw_vpn lo;
	unsigned n;
	bool zeroed[FW_BLOCK_PAGES];
};

/* Valid pages in a row beside the faulting one, in the same table. */
static unsigned run_beside(const struct fw_plan *p, bool above)
{
	unsigned at = (unsigned)p->vpn & (FW_TABLE_ENTRIES - 1), k = 0;
	unsigned room = above ? FW_TABLE_ENTRIES - 1 - at : at;

	if (room > FW_BLOCK_PAGES - 1)
		room = FW_BLOCK_PAGES - 1;
	while (k < room &&
	       pte_is_valid(above ? p->pte[1 + k] : *(p->pte - 1 - k)))
		k++;
	return k;
}

static bool page_wants_zero(const struct fw_plan *p, fw_vpn vpn)
{
	fw_pte *pte = p->pte + ((int64_t)vpn - (int64_t)p->vpn);
	bool proto;
	fw_pte *loc = page_locate(p->mm, p->vad, vpn, pte, &proto);

	return loc && pte_is_zero_demand(*loc);
}

unsigned zero_window_size(const struct fw_plan *p)
{
	const struct fw_vad *vad = p->vad;
	unsigned n = run_beside(p, p->grow) + 1, before;

	before = __atomic_load_n(&vad->window, __ATOMIC_RELAXED);
	if (vad->flags & FW_VADF_RANDOM)
		return 1;
	if (vad->flags & FW_VADF_SEQUENTIAL)
		return FW_BLOCK_PAGES;
	if (__atomic_load_n(&vad->last_fault, __ATOMIC_RELAXED) == p->vpn &&
	    before * 2 > n)
		n = before * 2;
	return n < FW_BLOCK_PAGES ? n : FW_BLOCK_PAGES;
}

/* Hints: a word that another stripe's fault writes at the same time is as
 * good. */
void zero_window_note(struct fw_plan *p, fw_vpn end, unsigned want)
{
	struct fw_vad *vad = p->vad;

	if (vad->flags & FW_VADF_RANDOM)
		return;
	__atomic_store_n(&vad->window, (uint8_t)want, __ATOMIC_RELAXED);
	__atomic_store_n(&vad->last_fault, end, __ATOMIC_RELAXED);
}

static void window_choose(struct fw_plan *p, struct zero_window *w)
{
	unsigned want = zero_window_size(p), n = 1, block;
	fw_vpn lo;

	block = plan_block(p, &lo);
	w->lo = p->vpn;
	if (p->grow) {
		/* Downwards; the lowest page of the region is the guard. */
		if (lo == p->vad->start)
			lo++;
		if (p->vad->flags & FW_VADF_GUARD)
			want = 1;
		while (n < want && w->lo > lo &&
		       page_wants_zero(p, w->lo - 1)) {
			w->lo--;
			n++;
		}
	} else {
		while (n < want && p->vpn + n < lo + block &&
		       page_wants_zero(p, p->vpn + n))
			n++;
	}
	w->n = n;
	zero_window_note(p, w->lo + n, want);
}

/* Takes the frames of the window. True when all of them are zeroed. */
static bool window_take(struct fw_plan *p, struct zero_window *w)
{
	fw_pte *pte = p->pte + ((int64_t)w->lo - (int64_t)p->vpn), *loc;
	struct frame_cluster c;
	bool all = true, proto;
	unsigned i, index;

	loc = page_locate(p->mm, p->vad, w->lo, pte, &proto);
	c = plan_cluster(p, loc, proto, w->lo, &index);
	for (i = 0; i < w->n; i++) {
		p->pfn[i] = frame_take_in(p->mm, &c,
					  (index + i) & FW_BLOCK_MASK, true,
					  &w->zeroed[i]);
		FW_ASSERT(p->pfn[i] != FW_PFN_NONE);
		all = all && w->zeroed[i];
	}
	return all;
}

/* Zeroes outside the mm lock what is not zero yet. */
static void window_zero(struct fw_plan *p, const struct zero_window *w)
{
	unsigned i;

	actor_hold(p->mm, p->actor, HELD_RESERVED, p->pfn, w->n);
	mm_unlock(p->mm);
	for (i = 0; i < w->n; i++)
		if (!w->zeroed[i])
			fw_memzero(frame_data(p->mm, p->pfn[i]), FW_PAGE_SIZE);
	mm_lock(p->mm, p->actor);
	actor_unhold(p->mm, p->actor);
}

/* False when somebody else was faster with the prototype. */
static bool window_map(struct fw_plan *p, fw_vpn vpn, fw_pfn pfn, bool dirty)
{
	struct fw_frame *f = frame_at(p->mm, pfn);
	fw_pte *pte = p->pte + ((int64_t)vpn - (int64_t)p->vpn);
	bool proto;
	fw_pte *loc = page_locate(p->mm, p->vad, vpn, pte, &proto);

	if (!loc || !pte_is_zero_demand(*loc)) {
		frame_free_zeroed(p->mm, f);
		return false;
	}
	FW_SET(p->mm, f->pte, loc);
	FW_SET(p->mm, f->original,
	       pte_make_zero(proto ? FW_PROT_R | FW_PROT_W : p->vad->prot));
	if (proto)
		FW_SET(p->mm, f->flags, f->flags | FRAME_PROTO);
	plan_map(p, pte, loc, proto, pfn, dirty);
	return true;
}

enum fw_step fault_zero(struct fw_plan *p)
{
	struct zero_window w;
	unsigned i, mapped = 0;
	bool dirty = plan_writes(p), got = true;
	bool cow = p->proto && p->vad->kind != FW_VAD_SECTION;

	window_choose(p, &w);
	if (plan_room(p, w.n) != w.n) {
		w.lo = p->vpn;
		w.n = 1;
		if (plan_room(p, 1) == 0)
			return FW_STEP_FRAMES;
	}
	if (!window_take(p, &w))
		window_zero(p, &w);
	for (i = 0; i < w.n; i++) {
		bool ok = window_map(p, w.lo + i, p->pfn[i], dirty);

		mapped += ok;
		if (w.lo + i == p->vpn)
			got = ok;
	}
	space_resident(p->mm, p->space, mapped);
	if (p->grow)
		FW_SET(p->mm, p->vad->stack_low, w.lo);
	if (!got)
		return FW_STEP_AGAIN;
	plan_window(p, w.lo, w.n,
		    p->grow ? FW_KIND_STACK : FW_KIND_DEMAND_ZERO);
	return dirty && cow ? FW_STEP_AGAIN : FW_STEP_DONE;
}

/* Each page costs a frame: the credit, whose content is never used. */
enum fw_step fault_host(struct fw_plan *p)
{
	struct fw_mm *mm = p->mm;
	fw_vpn lo;
	unsigned block = plan_block(p, &lo), i, mapped = 0;

	if (plan_room(p, block) != block) {
		lo = p->vpn;
		block = plan_room(p, 1);
		if (block == 0)
			return FW_STEP_FRAMES;
	}
	for (i = 0; i < block; i++) {
		fw_pte *pte = p->pte + ((int64_t)(lo + i) - (int64_t)p->vpn);
		struct fw_frame *f;
		bool zero;
		fw_pfn pfn;

		if (*pte != 0)
			continue;
		pfn = frame_take(mm, false, &zero);
		FW_ASSERT(pfn != FW_PFN_NONE);
		f = frame_at(mm, pfn);
		FW_SET(mm, f->pte, pte);
		FW_SET(mm, f->flags, f->flags | FRAME_HOST);
		FW_SET(mm, f->type, FRAME_USER);
		FW_SET(mm, f->share, 1);
		FW_SET(mm, *pte, page_pte(p->vad, pfn, false, true));
		mapped++;
	}
	space_resident(mm, p->space, mapped);
	plan_window(p, lo, block, FW_KIND_HOST_VIEW);
	return FW_STEP_DONE;
}
