/* SPDX-License-Identifier: MIT */
/*
 * fault_store.c - in-page from the compressed store (cstore.c). The protocol is
 * that of fault_io.c; instead of the read, pages are decompressed.
 */
#include <mm/cstore.h>
#include <mm/plan.h>

/* What was decompressed counts if the object still is the slot's. */
static bool load_counts(struct fw_plan *p, unsigned i)
{
	const struct fw_source *s = plan_source(p, p->read_lo + i);

	return cstore_find(p->mm, s->slot) == s->place;
}

/* An object may go while it is read; the page is then looked for again. One
 * that stays, and is no page, is an error. */
enum fw_step fault_load(struct fw_plan *p)
{
	struct fw_mm *mm = p->mm;
	unsigned good = 0, i;
	bool bad;

	while (good < p->n_read &&
	       cstore_load(mm,
			   (cstore_pos)plan_source(p, p->read_lo + good)->place,
			   frame_data(mm, p->pfn[good])))
		good++;
	mm_lock(mm, p->actor);
	/* Only the page that was asked for may fail the fault. */
	bad = good == 0 && p->n_read == 1 && load_counts(p, 0);
	p->single = good == 0;
	if (bad)
		read_note_error(p, FW_E_IO);
	for (i = 0; i < p->n_read; i++)
		frame_read_done(mm, frame_at(mm, p->pfn[i]),
				i < good && load_counts(p, i), false);
	actor_unhold(mm, p->actor);
	mm->store_reads++;
	mm->store_loads += good;
	mm_unlock(mm);
	for (i = 0; i < p->n_read; i++)
		mm_wake(mm, frame_wait_word(mm, p->pfn[i]));
	p->did_io = true;
	p->f->io_pages += good;
	if (!bad)
		return FW_STEP_AGAIN;
	p->f->status = FW_E_IO;
	p->f->kind = FW_KIND_IOERR;
	return FW_STEP_DONE;
}

bool fault_is_dear(const struct fw_plan *p, const struct fw_frame *f)
{
	return p->did_io && p->io_kind == FW_KIND_PAGE_FILE &&
	       pte_has_slot(f->original) && !cstore_has(p->mm, f->original) &&
	       p->mm->store_pages > p->mm->nframes / 16;
}
