/* SPDX-License-Identifier: MIT */
/*
 * verify_frames.c - the part of fw_verify that goes from frame to frame: each
 * record, list and counter against what was seen of it. What each state
 * guarantees is written at the head of frame.c; this file checks it.
 */
#include <mm/verify.h>

static void list_visit(struct verify *v, const struct fw_list *l,
		       enum frame_state state, unsigned prio)
{
	fw_pfn pfn = l->head, prev = FW_PFN_NONE;
	uint64_t n = 0;

	while (pfn != FW_PFN_NONE && n <= v->mm->nframes) {
		struct fw_frame *f = frame_at(v->mm, pfn);

		if (f->state != state || f->prev != prev ||
		    (state == FRAME_STANDBY && frame_prio(f) != prio) ||
		    (state == FRAME_MODIFIED &&
		     pte_is_pointer(f->original) != (prio == 1)))
			complain(v, "bad frame on a list", pfn, f->state);
		v->mm->scratch[pfn] |= SEEN_LIST;
		prev = pfn;
		pfn = f->next;
		n++;
	}
	expect(v, "frames on a list", l->count, n);
	expect(v, "tail of a list", l->tail, prev);
}

static void lists_visit(struct verify *v)
{
	unsigned i;

	for (i = 0; i < STANDBY_LISTS; i++)
		list_visit(v, &v->mm->standby[i], FRAME_STANDBY, i);
	list_visit(v, &v->mm->modified, FRAME_MODIFIED, 0);
	list_visit(v, &v->mm->mapped, FRAME_MODIFIED, 1);
	list_visit(v, &v->mm->no_write, FRAME_MODIFIED_NO_WRITE, 0);
}

static void frame_active(struct verify *v, fw_pfn pfn,
			 const struct fw_frame *f, uint32_t seen)
{
	switch (f->type) {
	case FRAME_USER:
		if (f->share == 0 || f->share != (seen & SEEN_VALID))
			complain(v, "share count of frame", pfn, f->share);
		if (!(seen & SEEN_NAMED))
			complain(v, "active frame is not named", pfn, f->flags);
		if (f->flags & (FRAME_READ | FRAME_DELETED))
			complain(v, "active frame has flags", pfn, f->flags);
		break;
	case FRAME_HELD:
		if (!(seen & SEEN_HELD))
			complain(v, "nobody holds frame", pfn, f->flags);
		break;
	case FRAME_TABLE:
		if (!(seen & SEEN_TABLE))
			complain(v, "table belongs to no space", pfn, 0);
		break;
	case FRAME_STORE:
		if (cstore_count(f) != seen)
			complain(v, "objects in a frame of the log", pfn, seen);
		break;
	}
}

static void frame_waiting(struct verify *v, fw_pfn pfn,
			  const struct fw_frame *f, uint32_t seen)
{
	bool listed = f->state != FRAME_TRANSITION;
	bool named = (seen & SEEN_NAMED) != 0;
	bool io = (f->flags & (FRAME_READ | FRAME_WRITE)) != 0;

	if (seen & SEEN_VALID)
		complain(v, "mapped, but in state", pfn, f->state);
	if (listed != ((seen & SEEN_LIST) != 0))
		complain(v, "not on its list", pfn, f->state);
	if (named == ((f->flags & FRAME_DELETED) != 0))
		complain(v, "named and deleted, or neither", pfn, f->flags);
	if (io == listed || io != ((seen & SEEN_HELD) != 0))
		complain(v, "I/O flags do not fit", pfn, f->flags);
	if (f->state == FRAME_STANDBY && (f->flags & FRAME_DIRTY))
		complain(v, "dirty on standby", pfn, f->flags);
	if (f->state == FRAME_STANDBY && pte_is_zero_demand(f->original))
		complain(v, "standby without a home", pfn, f->original);
	if (f->state == FRAME_STANDBY && (f->prio & FRAME_RETIRE))
		complain(v, "on standby, though to be retired", pfn, f->flags);
	if ((f->state == FRAME_MODIFIED ||
	     f->state == FRAME_MODIFIED_NO_WRITE) &&
	    (!(f->flags & FRAME_DIRTY) || pte_has_slot(f->original)))
		complain(v, "modified, but clean", pfn, f->flags);
	if (f->state != FRAME_TRANSITION &&
	    ((f->flags & FRAME_HOLD) != 0) !=
		    (f->state == FRAME_MODIFIED_NO_WRITE))
		complain(v, "held back, or not", pfn, f->flags);
}

/* What says where the page is once its frame is taken away. */
static void original_visit(struct verify *v, fw_pfn pfn,
			   const struct fw_frame *f)
{
	bool file = pte_is_pointer(f->original);

	slot_seen(v, f->original);
	if ((f->flags & FRAME_HOLD) && (!file || !(f->flags & FRAME_DIRTY)))
		complain(v, "held back, but not a file's", pfn, f->flags);
	if (file && (f->flags & (FRAME_DIRTY | FRAME_WRITE)))
		v->dirty++;
}

/* Only active private pages may stand on a list of arrival. */
static void frame_listed(struct verify *v, fw_pfn pfn,
			 const struct fw_frame *f, uint64_t *listed)
{
	if (!(f->flags & FRAME_LISTED))
		return;
	(*listed)++;
	if (f->state != FRAME_ACTIVE || f->type != FRAME_USER ||
	    (f->flags & FRAME_PROTO))
		complain(v, "listed, but in state", pfn, f->state);
}

static void frame_visit(struct verify *v, fw_pfn pfn, uint64_t *pools)
{
	const struct fw_frame *f = frame_at(v->mm, pfn);
	uint32_t seen = v->mm->scratch[pfn];
	bool idle = f->state == FRAME_ZEROED || f->state == FRAME_FREE;
	const struct fw_block *b = &v->mm->blocks[pfn >> FW_BLOCK_SHIFT];
	unsigned bit = 1u << (pfn & FW_BLOCK_MASK);

	if (seen & SEEN_STOCK) {
		if (seen != SEEN_STOCK || ((b->zero | b->free) & bit))
			complain(v, "frame in a stock is seen", pfn, seen);
		return;
	}
	if (((b->zero & bit) != 0) != (f->state == FRAME_ZEROED) ||
	    ((b->free & bit) != 0) != (f->state == FRAME_FREE))
		complain(v, "block bits of frame", pfn, f->state);
	if (idle && seen != 0) {
		complain(v, "free, but seen", pfn, seen);
	} else if (f->state == FRAME_ACTIVE) {
		frame_active(v, pfn, f, seen);
		*pools += f->type == FRAME_POOL;
	} else if (f->state == FRAME_BAD) {
		if (seen != 0 || f->pte || f->original != 0)
			complain(v, "bad, but in use", pfn, seen);
	} else if (!idle) {
		frame_waiting(v, pfn, f, seen);
	}
	if (!idle && f->type == FRAME_USER)
		original_visit(v, pfn, f);
}

static void frames_visit(struct verify *v)
{
	struct fw_mm *mm = v->mm;
	uint64_t count[FRAME_STATES], pools = 0, tables = 0, listed = 0;
	unsigned i;
	fw_pfn pfn;

	for (i = 0; i < FRAME_STATES; i++)
		count[i] = 0;
	count[FRAME_ACTIVE] = mm->base;
	count[FRAME_ZEROED] = mm->nframes - mm->fresh;
	for (pfn = mm->base; pfn < mm->fresh; pfn++) {
		frame_visit(v, pfn, &pools);
		frame_listed(v, pfn, frame_at(mm, pfn), &listed);
		if (mm->scratch[pfn] & SEEN_STOCK)
			count[FRAME_ACTIVE]++;
		else
			count[frame_at(mm, pfn)->state]++;
		tables += (mm->scratch[pfn] & SEEN_TABLE) != 0;
	}
	for (i = 0; i < FRAME_STATES; i++)
		expect(v, "frames in a state", mm->count[i], count[i]);
	expect(v, "frames on lists of arrival", v->listed, listed);
	expect(v, "pool frames", mm->pool, pools);
	expect(v, "table frames", mm->tables, tables);
}

static void blocks_visit(struct verify *v)
{
	struct fw_mm *mm = v->mm;
	uint64_t listed = 0, n = 0;
	unsigned list;
	uint32_t b;

	for (b = mm->base >> FW_BLOCK_SHIFT; b < mm->fresh >> FW_BLOCK_SHIFT;
	     b++)
		listed += (mm->blocks[b].free | mm->blocks[b].zero) != 0;
	for (list = 0; list < BLOCK_LISTS; list++)
		for (b = mm->block_head[list]; b != FW_PFN_NONE;
		     b = mm->blocks[b].next) {
			if (mm->blocks[b].list != list + 1)
				complain(v, "block on a wrong list", b, list);
			if (n++ > mm->nframes)
				return;
		}
	expect(v, "blocks on lists", n, listed);
}

void verify_frames(struct verify *v)
{
	lists_visit(v);
	frames_visit(v);
	blocks_visit(v);
}
