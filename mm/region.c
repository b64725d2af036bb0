/* SPDX-License-Identifier: MIT */
/*
 * region.c - mapping and unmapping: fw_map, fw_unmap, fw_extend, fw_discard,
 * and finding gaps. Long ranges are worked in batches, each a critical
 * section of its own that leaves everything consistent; the space lock is
 * held from the first to the last.
 */
#include <mm/region.h>

#define BATCH 64
#define META_FRAMES 8 /* enough for any change of regions */

bool meta_room(struct fw_mm *mm, struct fw_actor *actor,
	       struct fw_space *space)
{
	uint32_t trimmed = 0;
	unsigned round = 0;

	while (frames_available(mm) < META_FRAMES)
		if (!reclaim(mm, actor, space, META_FRAMES, round++,
			     &trimmed))
			return false;
	return true;
}

bool range_valid(const struct fw_space *space, fw_addr start, uint64_t len,
		 struct vrange *ret)
{
	ret->start = vpn_of(start);
	ret->end = ret->start + (len >> FW_PAGE_SHIFT);
	return ((start | len) & FW_PAGE_MASK) == 0 && len > 0 &&
	       start + len > start && addr_of(ret->start) == start &&
	       ret->start >= space->low && ret->end <= space->user_top;
}

void range_lock(struct fw_mm *mm, struct fw_actor *actor,
		struct fw_space *space, struct vrange r)
{
	uint32_t nobody = 0;

	fw_space_lock(space, actor);
	while (pinned_within(mm, actor, space, r.start, r.end)) {
		fw_space_unlock(space);
		fwp_wait(&nobody, 0, 0);
		fw_space_lock(space, actor);
	}
}

/* Drops up to 64 PTEs of one table. A page takes up to some 60 entries of the
 * journal: checkpoint in time. */
static void drop_batch(struct fw_mm *mm, struct fw_space *space, fw_pte *pte,
		       unsigned n)
{
	unsigned i, valid = 0;

	for (i = 0; i < n; i++) {
		if (pte[i] == 0)
			continue;
		valid += page_drop(mm, pte + i);
		if (mm->undo_count < FW_UNDO_MAX / 4)
			continue;
		space_resident(mm, space, -(int64_t)valid);
		mm_checkpoint(mm);
		valid = 0;
	}
	space_resident(mm, space, -(int64_t)valid);
}

void range_drop(struct fw_mm *mm, struct fw_actor *actor,
		struct fw_space *space, fw_vpn start, fw_vpn end, bool flush)
{
	fw_vpn at = start;
	fw_pte *pte = table_next(space, &at, end);

	if (!pte)
		return;
	if (flush)
		fwp_tlb_flush(space, start, end - start, FW_FLUSH_DROP);
	mm_lock(mm, actor);
	while (pte) {
		fw_vpn stop = (at | (BATCH - 1)) + 1;

		if (stop > end)
			stop = end;
		drop_batch(mm, space, pte, (unsigned)(stop - at));
		mm_breathe(mm, actor);
		at = stop;
		pte = table_next(space, &at, end);
	}
	mm->progress++;
	mm_unlock(mm);
}

/* Cuts regions so that the range begins and ends between two. */
bool range_isolate(struct fw_mm *mm, struct fw_space *space, struct vrange r)
{
	struct fw_vad *v = vad_find(space, r.start);

	if (v && v->start < r.start && !vad_split(mm, space, v, r.start))
		return false;
	mm_checkpoint(mm);
	v = vad_find(space, r.end);
	if (v && v->start < r.end && !vad_split(mm, space, v, r.end))
		return false;
	mm_checkpoint(mm);
	return true;
}

/* Removes one region without pages. */
static void region_remove(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, struct fw_vad *v)
{
	bool view = v->section || v->kind == FW_VAD_HOST;
	uint64_t cookie = v->cookie, page = v->page, n = v->end - v->start;

	mm_lock(mm, actor);
	commit_charge(mm, space, -(int64_t)vad_charge(v, n));
	vad_remove(mm, space, v);
	if (v->section)
		section_put(mm, v->section);
	pool_free(mm, v, sizeof(*v));
	mm_unlock(mm);
	if (view)
		fwp_view_gone(space, cookie, page, n);
}

enum fw_status range_unmap(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, struct vrange r)
{
	struct fw_vad *v = vad_above(space, r.start);
	bool ok;

	if (!v || v->start >= r.end)
		return FW_OK;
	mm_lock(mm, actor);
	ok = range_isolate(mm, space, r);
	mm_unlock(mm);
	if (!ok)
		return FW_E_NOMEM;
	range_drop(mm, actor, space, r.start, r.end, true);
	while ((v = vad_above(space, r.start)) != NULL && v->start < r.end)
		region_remove(mm, actor, space, v);
	mm_lock(mm, actor);
	table_prune(mm, space, r.start, r.end);
	mm_unlock(mm);
	return FW_OK;
}

enum fw_status fw_unmap(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_addr start, uint64_t len)
{
	enum fw_status status;
	struct vrange r;

	if (!range_valid(space, start, len, &r))
		return FW_E_INVAL;
	/* Only cutting a region in two needs a frame; who gives memory back is
	 * not refused for the lack of one. */
	meta_room(mm, actor, space);
	range_lock(mm, actor, space, r);
	status = range_unmap(mm, actor, space, r);
	fw_space_unlock(space);
	section_sweep(mm, actor);
	return status;
}

bool range_mappable(const struct fw_space *space, struct vrange r)
{
	return space->kind != FW_SPACE_PROCESS ||
	       r.start >= space->mm->user_min;
}

static bool request_valid(const struct fw_map_request *rq)
{
	bool view = rq->kind == FW_VAD_SECTION ||
		    rq->kind == FW_VAD_PRIVATE_VIEW;

	return rq->kind <= FW_VAD_RESERVED && view == (rq->section != NULL) &&
	       rq->prot < 8 && rq->max_prot < 8 &&
	       (!(rq->flags & FW_VADF_STACK) ||
		rq->kind == FW_VAD_PRIVATE) &&
	       ((rq->flags & (FW_VADF_STACK | FW_VADF_GUARD)) !=
			(FW_VADF_STACK | FW_VADF_GUARD) ||
		rq->len >= 3 * FW_PAGE_SIZE);
}

static enum fw_status region_insert(struct fw_mm *mm, struct fw_space *space,
				    const struct fw_map_request *rq,
				    struct vrange r)
{
	struct fw_vad *v = pool_alloc(mm, sizeof(*v));
	uint64_t charge;

	if (!v)
		return FW_E_NOMEM;
	v->start = r.start;
	v->end = r.end;
	v->kind = rq->kind;
	v->prot = rq->prot;
	v->max_prot = rq->max_prot | rq->prot;
	v->flags = rq->flags & ~(uint32_t)FW_VADF_KERNEL;
	if (space->kind != FW_SPACE_PROCESS)
		v->flags |= FW_VADF_KERNEL;
	v->flags = commit_flags(mm, v->flags, v->prot);
	v->section = rq->section;
	v->page = rq->page;
	v->cookie = rq->cookie;
	/* A guarded stack begins with one page and the guard. */
	v->stack_low = rq->flags & FW_VADF_GUARD ? r.end - 1 : r.end;
	v->tag = rq->tag;
	charge = vad_charge(v, v->end - v->start);
	if (mm->strict && charge > 0 && !commit_allows(mm, charge, v->flags)) {
		pool_free(mm, v, sizeof(*v));
		return FW_E_NOMEM;
	}
	if (v->section)
		section_get(mm, v->section);
	commit_charge(mm, space, (int64_t)charge);
	vad_insert(mm, space, v);
	mm_checkpoint(mm);
	vad_merge(mm, space, v);
	return FW_OK;
}

enum fw_status fw_map(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space, const struct fw_map_request *rq)
{
	enum fw_status status = FW_OK;
	bool refill;
	struct fw_vad *v;
	struct vrange r;

	if (!range_valid(space, rq->start, rq->len, &r) ||
	    !range_mappable(space, r) || !request_valid(rq) ||
	    (space->kind != FW_SPACE_PROCESS && rq->kind == FW_VAD_HOST))
		return FW_E_INVAL;
	if (!mm->strict && rq->kind == FW_VAD_PRIVATE &&
	    (rq->prot & FW_PROT_W) &&
	    !commit_allows(mm, r.end - r.start, rq->flags))
		return FW_E_NOMEM;
	if (!meta_room(mm, actor, space))
		return FW_E_NOMEM;
	if (rq->replace)
		range_lock(mm, actor, space, r);
	else
		fw_space_lock(space, actor);
	v = vad_above(space, r.start);
	if (v && v->start < r.end)
		status = rq->replace ? range_unmap(mm, actor, space, r) :
				       FW_E_EXIST;
	if (status == FW_OK) {
		mm_lock(mm, actor);
		status = region_insert(mm, space, rq, r);
		mm_unlock(mm);
	}
	refill = status == FW_OK &&
		 announced_within(mm, space, r.start, r.end);
	fw_space_unlock(space);
	if (rq->replace)
		section_sweep(mm, actor);
	if (refill)
		announced_refill(mm, actor, space, r.start, r.end);
	return status;
}

/* The region takes over the n free pages on one side of it, at `edge`. */
static enum fw_status region_grow(struct fw_mm *mm, struct fw_actor *actor,
				  struct fw_space *space, struct fw_vad *v,
				  fw_vpn *edge, struct vrange r)
{
	uint64_t n = r.end - r.start;
	enum fw_status status = FW_OK;

	mm_lock(mm, actor);
	if (vad_charge(v, n) > 0 && !commit_allows(mm, n, v->flags))
		status = FW_E_NOMEM;
	if (status == FW_OK) {
		FW_SET(mm, *edge, edge == &v->end ? r.end : r.start);
		space_grown(mm, space, n);
		commit_charge(mm, space, (int64_t)vad_charge(v, n));
		vad_merge(mm, space, v);
	}
	mm_unlock(mm);
	return status;
}

enum fw_status fw_extend(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space, fw_addr end, uint64_t more)
{
	enum fw_status status = FW_E_NOENT;
	struct fw_vad *v, *next;
	struct vrange r;

	if (!range_valid(space, end, more, &r))
		return FW_E_INVAL;
	fw_space_lock(space, actor);
	v = r.start > 0 ? vad_find(space, r.start - 1) : NULL;
	if (v && v->end == r.start) {
		next = fw_vad_next(v);
		status = next && next->start < r.end ? FW_E_EXIST : FW_OK;
	}
	if (status == FW_OK)
		status = region_grow(mm, actor, space, v, &v->end, r);
	fw_space_unlock(space);
	return status;
}

enum fw_status fw_extend_down(struct fw_mm *mm, struct fw_actor *actor,
			      struct fw_space *space, fw_addr start,
			      uint64_t more)
{
	enum fw_status status = FW_E_NOENT;
	struct fw_vad *v, *prev;
	struct vrange r;

	if (more > start || !range_valid(space, start - more, more, &r) ||
	    !range_mappable(space, r))
		return FW_E_INVAL;
	fw_space_lock(space, actor);
	v = vad_find(space, r.end);
	if (v && v->start == r.end && v->kind == FW_VAD_PRIVATE) {
		prev = vad_prev(v);
		status = prev && prev->end > r.start ? FW_E_EXIST : FW_OK;
	}
	if (status == FW_OK)
		status = region_grow(mm, actor, space, v, &v->start, r);
	fw_space_unlock(space);
	return status;
}

/*
 * A page that is announced, discarded where it is: its translation and its
 * frame stay with whoever uses them. False: what is there is neither what
 * others have as well nor anonymous, and has to go.
 */
static bool page_renew(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, const struct fw_vad *v,
		       fw_vpn vpn)
{
	const fw_pte *pte = table_find(space, vpn);
	struct fw_frame *f;

	if (!pte || !pte_is_valid(*pte))
		return false;
	f = frame_at(mm, fw_pte_pfn(*pte));
	if (v->kind == FW_VAD_SECTION || v->kind == FW_VAD_HOST)
		return true;
	if (v->kind == FW_VAD_PRIVATE_VIEW)
		return (*pte & PTE_PROTO) &&
		       ((struct fw_proto *)f->pte)->refs == 0;
	if (*pte & PTE_PROTO)
		return false;
	mm_lock(mm, actor);
	frame_mark_dirty(mm, f);
	mm_unlock(mm);
	fw_memzero(frame_data(mm, fw_pte_pfn(*pte)), FW_PAGE_SIZE);
	return true;
}

static void range_discard(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, const struct fw_vad *v,
			  fw_vpn at, fw_vpn stop)
{
	while (at < stop) {
		fw_vpn start = stop, end = stop;

		if (!fw_announced_next(mm, space, at, &start, &end) ||
		    start > stop)
			start = stop;
		if (end > stop)
			end = stop;
		if (at < start)
			range_drop(mm, actor, space, at, start, true);
		for (at = at < start ? start : at; at < end; at++)
			if (!page_renew(mm, actor, space, v, at))
				range_drop(mm, actor, space, at, at + 1, true);
	}
}

enum fw_status fw_discard(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, fw_addr start, uint64_t len)
{
	enum fw_status status = FW_OK;
	bool refill;
	struct vrange r;
	fw_vpn at;

	if (!range_valid(space, start, len, &r))
		return FW_E_INVAL;
	range_lock(mm, actor, space, r);
	for (at = r.start; at < r.end;) {
		struct fw_vad *v = vad_above(space, at);
		fw_vpn stop;

		if (!v || v->start > at)
			status = FW_E_NOENT;
		if (!v || v->start >= r.end)
			break;
		if (at < v->start)
			at = v->start;
		stop = v->end < r.end ? v->end : r.end;
		range_discard(mm, actor, space, v, at, stop);
		at = stop;
	}
	refill = announced_within(mm, space, r.start, r.end);
	fw_space_unlock(space);
	if (refill)
		announced_refill(mm, actor, space, r.start, r.end);
	return status;
}

enum fw_status fw_find_gap_locked(struct fw_space *space, uint64_t len,
				  fw_addr low, fw_addr high, bool top_down,
				  fw_addr *ret_start)
{
	/* Rounded up without wrapping. */
	fw_vpn lo = (low >> FW_PAGE_SHIFT) + ((low & FW_PAGE_MASK) != 0);
	fw_vpn hi = high >> FW_PAGE_SHIFT, best = 0;
	uint64_t n = (len >> FW_PAGE_SHIFT) + ((len & FW_PAGE_MASK) != 0);
	struct fw_vad *v;
	bool found = false;

	if (lo < space->mm->user_min)
		lo = space->mm->user_min;
	if (space->kind != FW_SPACE_PROCESS) {
		lo = vpn_of(low + FW_PAGE_MASK);
		hi = vpn_of(high - 1) + 1;
		if (lo < space->low)
			lo = space->low;
	}
	if (hi > space->user_top)
		hi = space->user_top;
	if (n == 0)
		return FW_E_INVAL;
	for (v = vad_above(space, lo); lo < hi; v = fw_vad_next(v)) {
		fw_vpn end = v && v->start < hi ? v->start : hi;

		if (end >= lo && end - lo >= n) {
			found = true;
			best = top_down ? end - n : lo;
			if (!top_down)
				break;
		}
		if (!v)
			break;
		if (v->end > lo)
			lo = v->end;
	}
	if (!found)
		return FW_E_NOMEM;
	*ret_start = addr_of(best);
	return FW_OK;
}
