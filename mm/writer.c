/* SPDX-License-Identifier: MIT */
/*
 * writer.c - writing modified pages to the page files. Slots are assigned
 * only now, so that what is written together lies together: the modified
 * list is in the order of the trims, which is that of the addresses. Pages
 * full of zeros cost no I/O: they become demand zero again. Pages that
 * compress well stay in RAM, in the compressed store (cstore.c).
 *
 * While the write runs no lock is held. A page may be rescued meanwhile (it
 * stays active, and clean if nobody writes to it), be dirtied and trimmed
 * again (DIRTY: written once more), or vanish (DELETED).
 */
#include <mm/cstore.h>

#define BATCH 64

struct write_run {
	unsigned first, n, file;
	uint64_t slot;
	enum fw_status status;
};

struct write_batch {
	struct fw_mm *mm;
	struct fw_actor *actor;
	unsigned n, n_runs, done;
	fw_pfn pfn[BATCH];
	bool zero[BATCH];
	bool later[BATCH];    /* the store is full, and was not before */
	cstore_pos at[BATCH]; /* its object, if it was compressed */
	struct cstore_segment segment;
	struct write_run run[BATCH];
};

void frame_write_done(struct fw_mm *mm, struct fw_frame *f, bool good)
{
	bool idle = f->state == FRAME_TRANSITION;

	FW_ASSERT(f->flags & FRAME_WRITE);
	FW_SET(mm, f->flags, f->flags & ~FRAME_WRITE);
	if (f->flags & FRAME_DELETED) {
		frame_drop_slot(mm, f);
		frame_free(mm, f);
		return;
	}
	if (!good)
		FW_SET(mm, f->flags, f->flags | FRAME_DIRTY);
	if (f->flags & FRAME_DIRTY)
		frame_drop_slot(mm, f);
	else if (pte_is_pointer(f->original))
		section_dirtied(mm, pte_section(mm, f->original), -1);
	if (idle)
		frame_settle(mm, f);
}

static void batch_take(struct write_batch *b, unsigned want)
{
	struct fw_mm *mm = b->mm;

	while (b->n < want && mm->modified.head != FW_PFN_NONE) {
		struct fw_frame *f = frame_at(mm, mm->modified.head);

		b->pfn[b->n++] = mm->modified.head;
		frame_move(mm, f, FRAME_TRANSITION);
		FW_SET(mm, f->flags,
		       (f->flags | FRAME_WRITE) & ~FRAME_DIRTY);
	}
	actor_hold(mm, b->actor, HELD_WRITE, b->pfn, b->n);
}

/* Ends what need not be written; the rest moves up. */
static void batch_sort_out(struct write_batch *b)
{
	struct fw_mm *mm = b->mm;
	unsigned i, k = 0;

	for (i = 0; i < b->n; i++) {
		struct fw_frame *f = frame_at(mm, b->pfn[i]);
		bool idle = f->state == FRAME_TRANSITION &&
			    !(f->flags & (FRAME_DIRTY | FRAME_DELETED));

		if (idle && b->zero[i]) {
			FW_SET(mm, *f->pte, f->original);
			frame_free_zeroed(mm, f);
			mm->pages_zero_elided++;
			b->done++;
		} else if (!idle) {
			frame_write_done(mm, f, b->zero[i]);
		} else {
			b->at[k] = b->at[i];
			b->later[k] = b->later[i];
			b->pfn[k++] = b->pfn[i];
		}
	}
	b->n = k;
}

/* The page, if it is not written to meanwhile, will be in this slot. */
static void page_assign(struct write_batch *b, unsigned i, unsigned file,
			uint64_t slot)
{
	struct fw_frame *f = frame_at(b->mm, b->pfn[i]);

	FW_SET(b->mm, f->original,
	       pte_make_slot(file, slot, pte_prot(f->original)));
}

/* A page that was compressed is as good as written. */
static bool page_store(struct write_batch *b, unsigned i)
{
	struct fw_mm *mm = b->mm;
	uint64_t slot = cstore_publish(mm, b->at[i]);

	if (!slot)
		return false;
	page_assign(b, i, CSTORE_FILE, slot);
	frame_write_done(mm, frame_at(mm, b->pfn[i]), true);
	mm->store_in++;
	mm->store_in_bytes += cstore_object(mm, b->at[i])->bytes;
	return true;
}

/* What cannot be stored moves up. */
static void batch_store(struct write_batch *b)
{
	unsigned i, k = 0;

	for (i = 0; i < b->n; i++) {
		if (b->at[i] && page_store(b, i))
			b->done++;
		else if (b->later[i])
			frame_write_done(b->mm, frame_at(b->mm, b->pfn[i]),
					 false);
		else
			b->pfn[k++] = b->pfn[i];
	}
	b->n = k;
	cstore_seal(&b->segment);
}

/* Slots for all that is left, in as few runs as there are. */
static void batch_assign(struct write_batch *b)
{
	struct fw_mm *mm = b->mm;
	unsigned at = 0, i;

	while (at < b->n) {
		struct write_run *r = &b->run[b->n_runs];

		r->first = at;
		r->n = slot_alloc(mm, b->n - at, &r->file, &r->slot);
		if (r->n == 0)
			break;
		for (i = 0; i < r->n; i++)
			page_assign(b, at + i, r->file, r->slot + i);
		at += r->n;
		b->n_runs++;
	}
	for (i = at; i < b->n; i++)
		frame_write_done(mm, frame_at(mm, b->pfn[i]), false);
	b->n = at;
}

static void batch_write(struct write_batch *b)
{
	unsigned i;

	for (i = 0; i < b->n_runs; i++) {
		struct write_run *r = &b->run[i];

		r->status = fwp_store_write(b->mm, r->file, r->slot,
					    b->pfn + r->first, r->n);
	}
}

static void batch_finish(struct write_batch *b)
{
	struct fw_mm *mm = b->mm;
	unsigned i, k;

	for (i = 0; i < b->n_runs; i++) {
		const struct write_run *r = &b->run[i];

		for (k = 0; k < r->n; k++)
			frame_write_done(mm, frame_at(mm, b->pfn[r->first + k]),
					 r->status == FW_OK);
		slot_written(mm, r->file, r->slot, r->n, r->status);
		if (r->status != FW_OK)
			continue;
		mm->writes++;
		mm->pages_written += r->n;
		b->done += r->n;
	}
	actor_unhold(mm, b->actor);
	mm->progress++;
}

/* What can be seen of the pages without a lock: whether they are zero, what
 * they become when they are compressed. Those that the store had no room for
 * any more wait for the next batch, unless it had for none. */
static void batch_look(struct write_batch *b)
{
	bool any = false;
	unsigned i;

	cstore_begin(&b->segment, b->mm, b->actor);
	for (i = 0; i < b->n; i++) {
		const void *page = frame_data(b->mm, b->pfn[i]);

		b->zero[i] = fw_page_is_zero(page);
		b->at[i] = b->zero[i] ? 0 : cstore_put(&b->segment, page);
		any = any || b->at[i];
		b->later[i] = any && !b->at[i] && b->segment.full;
	}
}

/* Each page gets its place, if it still wants one. */
static void batch_place(struct write_batch *b)
{
	struct fw_mm *mm = b->mm;

	actor_unhold(mm, b->actor);
	batch_sort_out(b);
	actor_hold(mm, b->actor, HELD_WRITE, b->pfn, b->n);
	/* Frames that have just come free must not be filled before. */
	mm_checkpoint(mm);
	actor_unhold(mm, b->actor);
	batch_store(b);
	batch_assign(b);
	actor_hold(mm, b->actor, HELD_WRITE, b->pfn, b->n);
}

unsigned fw_write_modified(struct fw_mm *mm, struct fw_actor *actor,
			   unsigned n)
{
	struct write_batch b;

	if (mm->modified.count == 0)
		return 0;
	b.mm = mm;
	b.actor = actor;
	b.n = b.n_runs = b.done = 0;
	n = n < BATCH ? n : BATCH;
	cstore_make_room(mm, actor, n);
	mm_lock(mm, actor);
	pfile_grow(mm);
	mm_checkpoint(mm);
	batch_take(&b, n);
	mm_unlock(mm);
	batch_look(&b);
	mm_lock(mm, actor);
	batch_place(&b);
	mm_unlock(mm);
	if (b.n > 0) {
		batch_write(&b);
		mm_lock(mm, actor);
		batch_finish(&b);
		mm_unlock(mm);
	}
	mm_wake(mm, &mm->progress);
	return b.done;
}
