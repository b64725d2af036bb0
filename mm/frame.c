/* SPDX-License-Identifier: MIT */
/*
 * frame.c - the frame database: one record a frame, and its state.
 *
 *                 demand zero, core                read, copy
 *      +------------------------------------+  +-----------------+
 *      |                                    v  v                 |
 *  +--------+   zero thread    +------+   +--------+             |
 *  | ZEROED |<--- (ACTIVE) ----| FREE |-->| ACTIVE |<-----+      |
 *  +--------+                  +------+   +--------+      |      |
 *      ^                         ^  ^       |  |  |  fault on a  |
 *      | all-zero page           |  +-------|--|--+  page that   |
 *      | needs no write          |   unmap, |  |     is still    |
 *      |         repurpose       |   exit   |  |     here        |
 *      |         (ACTIVE) +------+          |  |          |      |
 *  +------------+  written|   +---------+   |  |          |      |
 *  | TRANSITION |---------|-->| STANDBY |<--+  | trimmed: |      |
 *  | I/O runs,  |<-----+  +---| 0 to 7  | clean|          |      |
 *  | not mapped |      |      +---------+      |  dirty   |      |
 *  +------------+   writer    +----------+     |          |      |
 *      ^     |  ^   takes it  | MODIFIED |<----+          |      |
 *      |     |  |      +------|          |     |  dirty   |      |
 *      |     |  |             +----------+     |  and held|      |
 *      |     |  |     released  ^              v          |      |
 *      |     |  |             +-------------------+       |      |
 *      |     |  +------------>| MODIFIED_NO_WRITE |-------+      |
 *      |     |   write ends,  +-------------------+       |      |
 *      |     |   dirty, held                              |      |
 *      |     +--------------------------------------------+      |
 *      |            fault while it is being written              |
 *      +---------------------------------------------------------+
 *   BAD: from any state, once nobody needs what is in the frame; for good.
 *
 *   from        to          who                    when
 *   ZEROED FREE ACTIVE      frame_take*            a page, table or slab
 *   STANDBY     ACTIVE      frame_take*            repurposed, lowest
 *                                                  priority and oldest first;
 *                                                  *pte gets `original` back
 *   STANDBY     FREE        frames_prime           the same, by way of ACTIVE
 *   FREE        ACTIVE      zero page thread       then, by the same, ZEROED
 *   ACTIVE      TRANSITION  fault_io.c             a read begins
 *   TRANSITION  STANDBY     frame_read_done        a read ends well
 *   TRANSITION  MODIFIED    frame_read_done        ... and gave up its slot
 *   TRANSITION  FREE        frame_read_done        ... or badly
 *   STANDBY MODIFIED MODIFIED_NO_WRITE TRANSITION
 *               ACTIVE      fault_trans.c          soft fault
 *   ACTIVE      STANDBY MODIFIED MODIFIED_NO_WRITE FREE
 *                           frame_unshare          last PTE gone
 *   ACTIVE      TRANSITION  frame_unshare          ... while being written
 *   MODIFIED    TRANSITION  writer.c, mapped.c     a write begins
 *   TRANSITION  STANDBY     frame_write_done       a write ends well
 *   TRANSITION  MODIFIED MODIFIED_NO_WRITE
 *                           frame_write_done       ... badly, or in vain
 *   TRANSITION  ZEROED      writer.c               the page is all zero
 *   MODIFIED_NO_WRITE MODIFIED  fw_release         it may be written now
 *   ACTIVE      ZEROED      frame_free             a table, empty again
 *   any         FREE        frame_discard, frame_free   the page is gone
 *   ZEROED FREE BAD         fw_frame_retire        nobody uses it
 *   others      BAD         frame_settle, frame_free    RETIRE, and now it is
 *                                                  free or its content
 *                                                  elsewhere
 *   ZEROED      ACTIVE      frames_lend            16 into a stripe's stock
 *   ACTIVE      ZEROED      frames_return          ... and back, unused
 *
 * What may be trusted in each state:
 *   ZEROED, FREE  nobody names the frame; its bit in its block is set.
 *   STANDBY   *pte is in transition form and names the frame; `original`
 *             is where the same content is; not DIRTY; no I/O; not RETIRE.
 *   MODIFIED  the same, but DIRTY, not HOLD, and `original` has no slot: it
 *             is demand zero (list `modified`: goes to a page file) or in
 *             file form (list `mapped`: goes to the file of its section).
 *   MODIFIED_NO_WRITE  DIRTY and HOLD, `original` in file form.
 *   TRANSITION  READ: *pte is in transition form, `owner` is the actor that
 *             reads. WRITE: *pte is in transition form, `original` names the
 *             slot or file being written, unless DIRTY again. DELETED: pte is
 *             NULL, and whoever ends the I/O frees the frame.
 *   ACTIVE    USER: `share` valid PTEs name the frame. PROTO: *pte is a
 *             prototype, valid, and they all have the prototype bit. Else
 *             share is 1 and pte is that PTE. WRITE: a write-out that began
 *             before it was rescued still runs. HELD: in an actor's held[].
 *             In a stock (stripe.c) the record says ZEROED until it is used.
 *   BAD       nobody names it, and nobody ever will.
 *
 * A reference count beside the share count, as NT has it, is not needed: the
 * READ and WRITE flags are the only other references there are.
 */
#include <mm/policy.h>

static struct fw_list *frame_list(struct fw_mm *mm, const struct fw_frame *f)
{
	switch (f->state) {
	case FRAME_STANDBY:
		return &mm->standby[frame_prio(f)];
	case FRAME_MODIFIED:
		return pte_is_pointer(f->original) ? &mm->mapped :
						     &mm->modified;
	case FRAME_MODIFIED_NO_WRITE:
		return &mm->no_write;
	default:
		return NULL;
	}
}

#define TO(state) (1u << FRAME_##state)
#define TO_GONE (TO(FREE) | TO(BAD))

/* Where a frame may go from each state. */
static const uint8_t legal[FRAME_STATES] = {
	[FRAME_ZEROED] = TO(ACTIVE) | TO(BAD),
	[FRAME_FREE] = TO(ACTIVE) | TO(BAD),
	[FRAME_STANDBY] = TO(ACTIVE) | TO_GONE,
	[FRAME_MODIFIED] = TO(ACTIVE) | TO(TRANSITION) | TO_GONE,
	[FRAME_MODIFIED_NO_WRITE] = TO(ACTIVE) | TO(MODIFIED) | TO_GONE,
	[FRAME_TRANSITION] = TO(ACTIVE) | TO(STANDBY) | TO(MODIFIED) |
			     TO(MODIFIED_NO_WRITE) | TO(ZEROED) | TO_GONE,
	[FRAME_ACTIVE] = TO(STANDBY) | TO(MODIFIED) | TO(MODIFIED_NO_WRITE) |
			 TO(TRANSITION) | TO(ZEROED) | TO_GONE,
	[FRAME_BAD] = 0,
};

/* Performs and counts every change of state. */
void frame_move(struct fw_mm *mm, struct fw_frame *f, enum frame_state to)
{
	enum frame_state from = f->state;
	fw_pfn pfn = frame_pfn(mm, f);
	struct fw_list *l = frame_list(mm, f);

	FW_ASSERT(from < FRAME_STATES && (legal[from] >> to & 1));
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

/* Takes a clean page's frame away from it: the page is where `original` says,
 * and nowhere else. */
static void frame_forget(struct fw_mm *mm, struct fw_frame *f)
{
	FW_ASSERT(f->pte && pte_is_transition(*f->pte));
	FW_ASSERT((f->flags & (FRAME_DIRTY | FRAME_READ | FRAME_WRITE)) == 0);
	FW_SET(mm, *f->pte, refault_leave(mm, f));
	mm->ahead_wasted += (f->prio & FRAME_AHEAD) != 0;
}

static void frame_repurpose(struct fw_mm *mm, struct fw_frame *f)
{
	frame_forget(mm, f);
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
	if (mm->frames[pfn].state == FRAME_STANDBY)
		return true;
	return block_has(mm, pfn);
}

static void frames_peak(struct fw_mm *mm)
{
	if (mm->count[FRAME_ACTIVE] > mm->peak_active)
		mm->peak_active = mm->count[FRAME_ACTIVE];
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
	mm->taken++;
	frames_peak(mm);
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
	fw_pfn pfn = refused(mm, FW_NEED_FRAME) ?
			     FW_PFN_NONE : block_find_single(mm, false);
	bool zero;

	return pfn == FW_PFN_NONE ? pfn : frame_take_this(mm, pfn, &zero);
}

fw_pfn frames_lend(struct fw_mm *mm)
{
	fw_pfn base = block_get_all(mm);

	if (base == FW_PFN_NONE)
		return base;
	FW_SUB(mm, mm->count[FRAME_ZEROED], FW_BLOCK_PAGES);
	FW_ADD(mm, mm->count[FRAME_ACTIVE], FW_BLOCK_PAGES);
	mm->moves[FRAME_ZEROED][FRAME_ACTIVE] += FW_BLOCK_PAGES;
	frames_peak(mm);
	return base;
}

void frames_return(struct fw_mm *mm, fw_pfn base, uint32_t left)
{
	unsigned n = 0;
	uint32_t bits;

	for (bits = left; bits != 0; bits &= bits - 1)
		n++;
	block_put_zeroed(mm, base, left);
	FW_ADD(mm, mm->count[FRAME_ZEROED], n);
	FW_SUB(mm, mm->count[FRAME_ACTIVE], n);
	mm->moves[FRAME_ACTIVE][FRAME_ZEROED] += n;
	for (bits = left; bits != 0; bits &= bits - 1) {
		fw_pfn pfn = base + (fw_pfn)__builtin_ctz(bits);

		if (frame_at(mm, pfn)->prio & FRAME_RETIRE)
			frame_move(mm, frame_at(mm, pfn), FRAME_BAD);
	}
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
	fw_pfn pfn = refused(mm, FW_NEED_CORE) ? FW_PFN_NONE :
						 block_find_single(mm, true);
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
	if (f->prio & FRAME_RETIRE)
		frame_move(mm, f, FRAME_BAD);
	else
		frame_move(mm, f, table ? FRAME_ZEROED : FRAME_FREE);
	frame_reset(mm, f, FRAME_USER);
}

void frame_free_zeroed(struct fw_mm *mm, struct fw_frame *f)
{
	frame_move(mm, f, f->prio & FRAME_RETIRE ? FRAME_BAD : FRAME_ZEROED);
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

void frame_give_up_slot(struct fw_mm *mm, struct fw_frame *f)
{
	FW_SET(mm, f->flags, f->flags | FRAME_DIRTY);
	frame_drop_slot(mm, f);
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
	/* Images are not written to: from now on it is the page file's. */
	if (pte_is_pointer(f->original) &&
	    pte_section(mm, f->original)->image)
		FW_SET(mm, f->original, pte_make_zero(pte_prot(f->original)));
	if (pte_is_pointer(f->original) &&
	    (f->flags & (FRAME_DIRTY | FRAME_WRITE)) == 0)
		section_dirtied(mm, pte_section(mm, f->original), 1);
	if ((f->flags & FRAME_DIRTY) == 0)
		FW_SET(mm, f->flags, f->flags | FRAME_DIRTY);
	frame_drop_slot(mm, f);
}

void frame_settle(struct fw_mm *mm, struct fw_frame *f)
{
	if ((f->flags & FRAME_DIRTY) && (f->flags & FRAME_HOLD)) {
		frame_move(mm, f, FRAME_MODIFIED_NO_WRITE);
	} else if (f->flags & FRAME_DIRTY) {
		frame_move(mm, f, FRAME_MODIFIED);
	} else if (f->prio & FRAME_RETIRE) {
		frame_forget(mm, f);
		frame_free(mm, f);
	} else {
		frame_move(mm, f, FRAME_STANDBY);
	}
}

/* Where a page that nobody maps goes. */
static void frame_retire(struct fw_mm *mm, struct fw_frame *f, unsigned prot)
{
	fw_pfn pfn = frame_pfn(mm, f);

	if (!(f->flags & (FRAME_WRITE | FRAME_DIRTY)) &&
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
		frame_settle(mm, f);
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

enum fw_status fw_frame_retire(struct fw_mm *mm, struct fw_actor *actor,
			       fw_pfn pfn)
{
	enum fw_status status = FW_OK;
	struct fw_frame *f;

	if (pfn < mm->base || pfn >= mm->nframes)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	block_reach(mm, pfn);
	f = frame_at(mm, pfn);
	if (f->state == FRAME_STANDBY)
		frame_repurpose(mm, f);
	else if (!block_has(mm, pfn) && f->state != FRAME_BAD)
		status = FW_E_BUSY;
	if (status == FW_E_BUSY) {
		/* Not undone: it may be in a stock, where the rest of the
		 * word is changed without the mm lock. */
		__atomic_fetch_or(&f->prio, FRAME_RETIRE, __ATOMIC_RELAXED);
	} else if (f->state != FRAME_BAD) {
		frame_move(mm, f, FRAME_BAD);
		frame_reset(mm, f, FRAME_USER);
	}
	mm_unlock(mm);
	return status;
}

void *fw_frame_data(struct fw_mm *mm, fw_pfn pfn)
{
	return frame_data(mm, pfn);
}
