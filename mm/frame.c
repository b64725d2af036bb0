/* SPDX-License-Identifier: MIT */
/*
 * frame.c - the frame database: one record a frame, and its state.
 *
 *                  demand zero, core                 read, copy
 *        +----------------------------------+  +--------------------+
 *        |                                  v  v                    |
 *   +--------+   zero thread   +------+   +--------+                |
 *   | ZEROED |<----------------| FREE |-->| ACTIVE |-------+        |
 *   +--------+                 +------+   +--------+       | unmap, |
 *        ^                       ^  ^       |  |  ^        | exit   |
 *        | all-zero page elided  |  +-------+--|--|--------+        |
 *        |                       |    trimmed, |  | fault on a      |
 *        |             repurpose |    last PTE |  | page that is    |
 *        |             (->ACTIVE)|             v  | still here      |
 *   +------------+  written   +---------+   (clean)|                |
 *   | TRANSITION |----------->| STANDBY |<---------+                |
 *   | I/O, not   |<--+        +---------+           |               |
 *   | mapped     |   |        +----------+ (dirty)  |               |
 *   +------------+   +--------| MODIFIED |<---------+               |
 *      ^     writer takes it  +----------+                          |
 *      +------------------------------------------------------------+
 *
 *   from        to          who                    when
 *   ZEROED FREE ACTIVE      frame_take*            a page, table or slab
 *   STANDBY     ACTIVE      frame_take*            repurposed; *pte gets
 *                                                  `original` back first
 *   STANDBY     FREE        frames_prime           the same, by way of ACTIVE
 *   ACTIVE      TRANSITION  fault_io.c             a read begins
 *   TRANSITION  STANDBY     frame_read_done        a read ends well
 *   TRANSITION  FREE        frame_read_done        ... or badly
 *   STANDBY MODIFIED TRANSITION  ACTIVE  fault_trans.c   soft fault
 *   ACTIVE      STANDBY MODIFIED FREE    frame_unshare   last PTE gone
 *   ACTIVE      TRANSITION  frame_unshare          ... while being written
 *   MODIFIED    TRANSITION  writer.c               a write begins
 *   TRANSITION  STANDBY     frame_write_done       a write ends well
 *   TRANSITION  MODIFIED    frame_write_done       ... badly, or in vain
 *   TRANSITION  ZEROED      writer.c               the page is all zero
 *   any         FREE        frame_discard, frame_free   the page is gone
 *   FREE        ACTIVE      writer of zeros (zero.c), then ZEROED
 *
 * What may be trusted in each state:
 *   ZEROED, FREE  nobody names the frame; its bit in its block is set.
 *   STANDBY   *pte is in transition form and names the frame; `original`
 *             is where the same content is; not DIRTY; no I/O.
 *   MODIFIED  the same, but DIRTY, and `original` has no slot.
 *   TRANSITION  READ: *pte is in transition form, `owner` is the actor that
 *             reads. WRITE: *pte is in transition form, `original` names the
 *             slot being written, unless DIRTY again. DELETED: pte is NULL,
 *             and whoever ends the I/O frees the frame.
 *   ACTIVE    USER: `share` valid PTEs name the frame. PROTO: *pte is a
 *             prototype, valid, and they all have the prototype bit. Else
 *             share is 1 and pte is that PTE. WRITE: a write-out that began
 *             before it was rescued still runs. HELD: in an actor's held[].
 *
 * A reference count beside the share count, as NT has it, is not needed: the
 * READ and WRITE flags are the only other references there are.
 */
#include <mm/policy.h>

static struct fw_list *frame_list(struct fw_mm *mm, const struct fw_frame *f)
{
	switch (f->state) {
	case FRAME_STANDBY:
		return &mm->standby[f->prio];
	case FRAME_MODIFIED:
		return &mm->modified;
	case FRAME_MODIFIED_NO_WRITE:
		return &mm->no_write;
	default:
		return NULL;
	}
}

/* Performs and counts every change of state. */
void frame_move(struct fw_mm *mm, struct fw_frame *f, enum frame_state to)
{
	enum frame_state from = f->state;
	fw_pfn pfn = frame_pfn(mm, f);
	struct fw_list *l = frame_list(mm, f);

	FW_ASSERT(from != to && from < FRAME_STATES);
	if (from == FRAME_ACTIVE)
		policy_forget(mm, f);
	if (from == FRAME_ZEROED || from == FRAME_FREE)
		block_get(mm, pfn);
	else if (l)
		list_remove(mm, l, f);
	FW_SUB(mm, mm->count[from], 1);
	FW_ADD(mm, mm->count[to], 1);
	FW_SET(mm, f->state, to);
	l = frame_list(mm, f);
	if (to == FRAME_ZEROED || to == FRAME_FREE)
		block_put(mm, pfn, to == FRAME_ZEROED);
	else if (l)
		list_push(mm, l, f);
	mm->moves[from][to]++;
}

/* Takes a clean page's frame away from it. */
static void frame_repurpose(struct fw_mm *mm, struct fw_frame *f)
{
	FW_ASSERT(f->pte && pte_is_transition(*f->pte));
	FW_ASSERT((f->flags & (FRAME_DIRTY | FRAME_READ | FRAME_WRITE)) == 0);
	FW_SET(mm, *f->pte, f->original);
	frame_move(mm, f, FRAME_ACTIVE);
}

static void frame_reset(struct fw_mm *mm, struct fw_frame *f,
			enum frame_type type)
{
	FW_PUT(mm, f->pte, NULL);
	FW_PUT(mm, f->original, 0);
	FW_PUT(mm, f->share, 0);
	FW_PUT(mm, f->flags, 0);
	FW_PUT(mm, f->type, type);
	FW_PUT(mm, f->prio, STANDBY_NORMAL);
	FW_PUT(mm, f->owner, 0);
}

static bool frame_takable(const struct fw_mm *mm, fw_pfn pfn)
{
	if (pfn < mm->base || pfn >= mm->fresh)
		return false;
	return mm->frames[pfn].state <= FRAME_STANDBY;
}

static fw_pfn frame_take_this(struct fw_mm *mm, fw_pfn pfn, bool *ret_zero)
{
	struct fw_frame *f = frame_at(mm, pfn);

	*ret_zero = f->state == FRAME_ZEROED;
	if (f->state == FRAME_STANDBY)
		frame_repurpose(mm, f);
	else
		frame_move(mm, f, FRAME_ACTIVE);
	frame_reset(mm, f, FRAME_HELD);
	if (mm->count[FRAME_ACTIVE] > mm->peak_active)
		mm->peak_active = mm->count[FRAME_ACTIVE];
	return pfn;
}

static fw_pfn frame_standby_head(const struct fw_mm *mm)
{
	unsigned i;

	for (i = 0; i < STANDBY_LISTS; i++)
		if (mm->standby[i].head != FW_PFN_NONE)
			return mm->standby[i].head;
	return FW_PFN_NONE;
}

void frames_prime_slow(struct fw_mm *mm, uint64_t n)
{
	while (mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE] < n) {
		fw_pfn pfn = frame_standby_head(mm);

		if (pfn == FW_PFN_NONE)
			return;
		frame_repurpose(mm, frame_at(mm, pfn));
		frame_free(mm, frame_at(mm, pfn));
		mm_checkpoint(mm);
	}
}

/* Free frames are kept back for those who must fill them at once. */
fw_pfn frame_take(struct fw_mm *mm, bool want_zero, bool *ret_zero)
{
	uint64_t idle = mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE];
	fw_pfn pfn = FW_PFN_NONE;

	if (idle <= frames_reserve(mm))
		pfn = frame_standby_head(mm);
	if (pfn == FW_PFN_NONE)
		pfn = block_find_single(mm, want_zero);
	if (pfn == FW_PFN_NONE)
		pfn = frame_standby_head(mm);
	if (pfn == FW_PFN_NONE)
		return pfn;
	return frame_take_this(mm, pfn, ret_zero);
}

fw_pfn frame_take_idle(struct fw_mm *mm)
{
	fw_pfn pfn = block_find_single(mm, false);
	bool zero;

	return pfn == FW_PFN_NONE ? pfn : frame_take_this(mm, pfn, &zero);
}

fw_pfn frame_take_free(struct fw_mm *mm)
{
	fw_pfn pfn = block_find_free(mm);
	bool zero;

	return pfn == FW_PFN_NONE ? pfn : frame_take_this(mm, pfn, &zero);
}

/* The block of the oldest standby frame, if all of it can be had. */
static fw_pfn frame_standby_block(const struct fw_mm *mm)
{
	fw_pfn first = frame_standby_head(mm), i;

	if (first == FW_PFN_NONE)
		return first;
	first &= ~FW_BLOCK_MASK;
	for (i = 0; i < FW_BLOCK_PAGES; i++)
		if (!frame_takable(mm, first + i))
			return FW_PFN_NONE;
	return first;
}

/* An idle frame that is kept for tables and pools. */
static bool frame_is_core(const struct fw_mm *mm, fw_pfn pfn)
{
	return mm->core_frames > 0 &&
	       mm->frames[pfn].state != FRAME_STANDBY &&
	       mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE] <=
		       frames_reserve(mm);
}

fw_pfn frame_take_in(struct fw_mm *mm, struct frame_cluster *c,
		     unsigned index, bool want_zero, bool *ret_zero)
{
	if (c->base == FW_PFN_NONE && !c->whole_tried) {
		c->whole_tried = true;
		c->base = block_find_whole(mm, want_zero);
		if (c->base == FW_PFN_NONE)
			c->base = frame_standby_block(mm);
	}
	if (c->base != FW_PFN_NONE && frame_takable(mm, c->base + index) &&
	    !frame_is_core(mm, c->base + index))
		return frame_take_this(mm, c->base + index, ret_zero);
	return frame_take(mm, want_zero, ret_zero);
}

fw_pfn frame_take_core(struct fw_mm *mm, enum frame_type type)
{
	fw_pfn pfn = block_find_single(mm, true);
	bool zero;

	if (pfn == FW_PFN_NONE)
		return pfn;
	frame_take_this(mm, pfn, &zero);
	if (!zero)
		fw_memzero(frame_data(mm, pfn), FW_PAGE_SIZE);
	FW_SET(mm, frame_at(mm, pfn)->type, type);
	if (type == FRAME_TABLE)
		FW_ADD(mm, mm->tables, 1);
	else
		FW_ADD(mm, mm->pool, 1);
	return pfn;
}

void frame_free(struct fw_mm *mm, struct fw_frame *f)
{
	bool table = f->type == FRAME_TABLE;

	if (table)
		FW_SUB(mm, mm->tables, 1);
	else if (f->type == FRAME_POOL)
		FW_SUB(mm, mm->pool, 1);
	/* A table is freed when its last entry has become zero. First off its
	 * list: the record is cleared then. */
	frame_move(mm, f, table ? FRAME_ZEROED : FRAME_FREE);
	frame_reset(mm, f, FRAME_USER);
}

void frame_free_zeroed(struct fw_mm *mm, struct fw_frame *f)
{
	frame_move(mm, f, FRAME_ZEROED);
	frame_reset(mm, f, FRAME_USER);
}

void frame_drop_slot(struct fw_mm *mm, struct fw_frame *f)
{
	fw_pte o = f->original;

	if (!pte_has_slot(o) || (f->flags & FRAME_WRITE))
		return;
	slot_free(mm, pte_file(o), pte_slot(o));
	FW_SET(mm, f->original, pte_make_zero(pte_prot(o)));
}

void frame_discard(struct fw_mm *mm, struct fw_frame *f)
{
	frame_drop_slot(mm, f);
	if ((f->flags & (FRAME_READ | FRAME_WRITE)) == 0) {
		frame_free(mm, f);
		return;
	}
	FW_SET(mm, f->pte, NULL);
	FW_SET(mm, f->flags, (f->flags | FRAME_DELETED) & ~FRAME_PROTO);
	if (f->state != FRAME_TRANSITION) {
		FW_SET(mm, f->share, 0);
		frame_move(mm, f, FRAME_TRANSITION);
	}
}

void frame_mark_dirty(struct fw_mm *mm, struct fw_frame *f)
{
	if ((f->flags & FRAME_DIRTY) == 0)
		FW_SET(mm, f->flags, f->flags | FRAME_DIRTY);
	frame_drop_slot(mm, f);
	/* A page of a file that was written belongs to the page file. */
	if (pte_is_pointer(f->original))
		FW_SET(mm, f->original, pte_make_zero(pte_prot(f->original)));
}

/* Where a page that nobody maps goes. */
static void frame_retire(struct fw_mm *mm, struct fw_frame *f, unsigned prot)
{
	fw_pfn pfn = frame_pfn(mm, f);
	bool dirty = (f->flags & FRAME_DIRTY) != 0;

	if (!(f->flags & FRAME_WRITE) && !dirty &&
	    pte_is_zero_demand(f->original)) {
		/* Never written: zeros are to be had anywhere. */
		FW_SET(mm, *f->pte, f->original);
		frame_free(mm, f);
		return;
	}
	FW_SET(mm, *f->pte, pte_make_transition(pfn, prot));
	if (!(f->flags & FRAME_PROTO))
		FW_SET(mm, f->original, pte_with_prot(f->original, prot));
	if (f->flags & FRAME_WRITE)
		frame_move(mm, f, FRAME_TRANSITION);
	else
		frame_move(mm, f, dirty ? FRAME_MODIFIED : FRAME_STANDBY);
}

void frame_unshare(struct fw_mm *mm, struct fw_frame *f, bool dirty,
		   unsigned prot)
{
	FW_ASSERT(f->state == FRAME_ACTIVE && f->type == FRAME_USER);
	FW_ASSERT(f->share > 0);
	if (dirty)
		frame_mark_dirty(mm, f);
	FW_SUB(mm, f->share, 1);
	if (f->share == 0)
		frame_retire(mm, f, prot);
}

uint32_t *frame_wait_word(struct fw_mm *mm, fw_pfn pfn)
{
	return &mm->wait[pfn % WAIT_WORDS];
}

void *fw_frame_data(struct fw_mm *mm, fw_pfn pfn)
{
	return frame_data(mm, pfn);
}
