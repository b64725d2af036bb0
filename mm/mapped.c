/* SPDX-License-Identifier: MIT */
/*
 * mapped.c - writing pages of shared views back to their files, and holding
 * them back. What is written together lies together in the file: from the
 * oldest page of the list on, its modified neighbours on both sides.
 *
 * Apart from the page-file writer (writer.c), so that pages of the page file
 * never wait for a file system. While the write runs no lock is held; a page
 * may be rescued and written to meanwhile (DIRTY: written once more).
 */
#include <mm/mm.h>

#define BATCH 16

struct mapped_batch {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_section *section;
	uint64_t page;
	unsigned n;
	fw_pfn pfn[BATCH];
};

/* The frame of a page that may join the batch, or NULL. */
static struct fw_frame *batch_mate(struct fw_mm *mm,
				   const struct fw_proto *proto)
{
	struct fw_frame *f;

	if (!pte_is_transition(proto->pte))
		return NULL;
	f = frame_at(mm, fw_pte_pfn(proto->pte));
	return f->state == FRAME_MODIFIED ? f : NULL;
}

/* The run of modified pages around `proto` in its chunk, up to `want`. */
static void batch_choose(struct mapped_batch *b, struct fw_proto *proto,
			 unsigned want)
{
	struct fw_mm *mm = b->mm;
	uint64_t page = section_page(mm, proto);
	unsigned at = (unsigned)(page % PROTO_CHUNK), below = 0, n, i;

	while (below < at && below + 1 < want &&
	       batch_mate(mm, proto - below - 1))
		below++;
	n = below + 1;
	while (n < want && at - below + n < PROTO_CHUNK &&
	       batch_mate(mm, proto - below + n))
		n++;
	b->page = page - below;
	b->n = n;
	for (i = 0; i < n; i++)
		b->pfn[i] = fw_pte_pfn(proto[(int)i - (int)below].pte);
}

static void batch_begin(struct mapped_batch *b)
{
	struct fw_mm *mm = b->mm;
	unsigned i;

	for (i = 0; i < b->n; i++) {
		struct fw_frame *f = frame_at(mm, b->pfn[i]);

		frame_move(mm, f, FRAME_TRANSITION);
		FW_SET(mm, f->flags,
		       (f->flags | FRAME_WRITE) & ~FRAME_DIRTY);
	}
	actor_hold(mm, b->actor, HELD_WRITE, b->pfn, b->n);
}

static bool batch_end(struct mapped_batch *b, bool good)
{
	struct fw_mm *mm = b->mm;
	unsigned i;
	bool last;

	mm_lock(mm, b->actor);
	for (i = 0; i < b->n; i++)
		frame_write_done(mm, frame_at(mm, b->pfn[i]), good);
	actor_unhold(mm, b->actor);
	last = b->section->refs == 0 && b->section->dirty == 0;
	mm->mapped_writes += good;
	mm->mapped_pages += good ? b->n : 0;
	mm->write_errors += !good;
	mm->progress++;
	mm_unlock(mm);
	mm_wake(mm, &mm->progress);
	return last;
}

/* Writes the batch that was begun; returns how many pages became clean. */
static unsigned batch_write(struct mapped_batch *b)
{
	bool good = fwp_section_write(b->section, b->page, b->pfn, b->n) ==
		    FW_OK;

	if (batch_end(b, good))
		section_sweep(b->mm, b->actor);
	return good ? b->n : 0;
}

unsigned fw_write_mapped(struct fw_mm *mm, struct fw_actor *actor, unsigned n)
{
	struct mapped_batch b = { .mm = mm, .actor = actor };
	struct fw_frame *f;

	if (mm->mapped.count == 0 || n == 0)
		return 0;
	mm_lock(mm, actor);
	if (mm->mapped.head == FW_PFN_NONE) {
		mm_unlock(mm);
		return 0;
	}
	f = frame_at(mm, mm->mapped.head);
	b.section = pte_section(mm, f->original);
	batch_choose(&b, (struct fw_proto *)f->pte, n < BATCH ? n : BATCH);
	batch_begin(&b);
	mm_unlock(mm);
	return batch_write(&b);
}

/* ---- flushing ------------------------------------------------------------ */

/* The first page of [*page, end) that is to be written; what is being written
 * by others is waited for. False: there is none. */
static bool flush_next(struct mapped_batch *b, uint64_t *page, uint64_t end,
		       bool *ret_busy)
{
	struct fw_mm *mm = b->mm;

	*ret_busy = false;
	for (; (*page = section_next(b->section, *page)) < end; ++*page) {
		struct fw_proto *p = section_proto(mm, b->section, *page,
						   false);

		if (pte_is_valid(p->pte) || pte_is_transition(p->pte))
			*ret_busy |= (frame_at(mm, fw_pte_pfn(p->pte))->flags &
				      FRAME_WRITE) != 0;
		if (!batch_mate(mm, p))
			continue;
		batch_choose(b, p, BATCH);
		batch_begin(b);
		return true;
	}
	return false;
}

enum fw_status fw_section_flush(struct fw_mm *mm, struct fw_actor *actor,
				struct fw_section *section, uint64_t page,
				uint64_t n)
{
	struct mapped_batch b = { .mm = mm, .actor = actor,
				  .section = section };
	uint64_t end = page + n, at = page;
	uint32_t seen;
	bool busy, more;

	if (!section->is_file || end < page)
		return FW_E_INVAL;
	for (;;) {
		mm_lock(mm, actor);
		if (end > section->pages)
			end = section->pages;
		seen = mm->progress;
		more = flush_next(&b, &at, end, &busy);
		mm_unlock(mm);
		if (more && batch_write(&b) == 0)
			return FW_E_IO;
		if (more)
			continue;
		if (!busy)
			return FW_OK;
		mm_wait(mm, &mm->progress, seen, 0);
		at = page;
	}
}

/* ---- holding back -------------------------------------------------------- */

/* Holds one page that is valid and writable. Space lock. True: a write that
 * began before still runs. */
static bool hold_page(struct fw_mm *mm, struct fw_actor *actor, fw_pte pte)
{
	struct fw_frame *f = frame_at(mm, fw_pte_pfn(pte));
	bool running;

	mm_lock(mm, actor);
	frame_mark_dirty(mm, f);
	if (!(f->flags & FRAME_HOLD))
		FW_SET(mm, f->flags, f->flags | FRAME_HOLD);
	running = (f->flags & FRAME_WRITE) != 0;
	mm_unlock(mm);
	return running;
}

/* One look; FW_E_BUSY: a write must end first; FW_E_FAULT: `f` must be
 * resolved first. */
static enum fw_status hold_try(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *space, fw_vpn vpn,
			       uint32_t *ret_seen)
{
	enum fw_status status = FW_OK;
	struct fw_vad *vad;
	fw_pte pte;

	fw_space_lock(space, actor);
	vad = vad_find(space, vpn);
	pte = fw_pte_read_locked(space, vpn);
	*ret_seen = mm->progress;
	if (!vad || vad->kind != FW_VAD_SECTION || !vad->section->is_file ||
	    vad->section->image || !(vad->prot & FW_PROT_W))
		status = FW_E_INVAL;
	else if (!pte_is_valid(pte) || !(pte & PTE_W))
		status = FW_E_FAULT;
	else if (hold_page(mm, actor, pte))
		status = FW_E_BUSY;
	fw_space_unlock(space);
	return status;
}

enum fw_status fw_hold(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, fw_addr start, uint64_t len)
{
	fw_vpn vpn = start >> FW_PAGE_SHIFT;
	fw_vpn end = ((start + len - 1) >> FW_PAGE_SHIFT) + 1;
	enum fw_status status;
	struct fw_fault f;
	uint32_t seen;

	if (len == 0 || start + len < start)
		return FW_E_INVAL;
	while (vpn < end) {
		status = hold_try(mm, actor, space, vpn, &seen);
		if (status == FW_OK) {
			vpn++;
		} else if (status == FW_E_BUSY) {
			mm_wait(mm, &mm->progress, seen, 0);
		} else if (status != FW_E_FAULT) {
			return status;
		} else {
			f.addr = vpn << FW_PAGE_SHIFT;
			f.access = FW_ACC_WRITE | FW_ACC_USER;
			fw_fault(mm, actor, space, &f);
			if (!fw_kind_resolved(f.kind))
				return kind_status(f.kind);
		}
	}
	return FW_OK;
}

uint64_t fw_release(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_section *section, uint64_t page, uint64_t n)
{
	uint64_t released = 0, end = page + n;

	mm_lock(mm, actor);
	if (end < page || end > section->pages)
		end = section->pages;
	for (; (page = section_next(section, page)) < end; page++) {
		struct fw_proto *p = section_proto(mm, section, page, false);
		struct fw_frame *f;

		if (page % 64 == 63)
			mm_breathe(mm, actor);
		if (!pte_is_valid(p->pte) && !pte_is_transition(p->pte))
			continue;
		f = frame_at(mm, fw_pte_pfn(p->pte));
		if (!(f->flags & FRAME_HOLD))
			continue;
		FW_SET(mm, f->flags, f->flags & ~FRAME_HOLD);
		if (f->state == FRAME_MODIFIED_NO_WRITE)
			frame_move(mm, f, FRAME_MODIFIED);
		released++;
	}
	mm_unlock(mm);
	return released;
}
