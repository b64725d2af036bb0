/* SPDX-License-Identifier: MIT */
/*
 * fault_store.c - in-page from the compressed store (cstore.c). The protocol is
 * that of fault_io.c; instead of the read, pages are decompressed.
 */
#include <mm/cstore.h>
#include <mm/plan.h>

unsigned fault_stored(struct fw_plan *p, unsigned want)
{
	fw_vpn lo;
	unsigned n, block = plan_block(p, &lo);

	for (n = 0; n < want && p->vpn + n < lo + block; n++) {
		bool proto;
		fw_pte *loc = page_locate(p->mm, p->vad, p->vpn + n,
					  p->pte + n, &proto);
		cstore_place at;

		if (!loc || !pte_has_slot(*loc) || !cstore_has(p->mm, *loc))
			break;
		at = cstore_find(p->mm, pte_slot(*loc));
		if (at & CSTORE_ON_DISK)
			break;
		p->home[n] = pte_slot(*loc);
		p->stored[n] = (cstore_pos)at;
	}
	return n;
}

/* What was decompressed counts if the object still is the slot's. */
static bool load_counts(const struct fw_plan *p, unsigned i)
{
	return cstore_find(p->mm, p->home[i]) == p->stored[i];
}

/* An object may go while it is read; the page is then looked for again. One
 * that stays, and is no page, is an error. */
enum fw_step fault_load(struct fw_plan *p)
{
	struct fw_mm *mm = p->mm;
	unsigned good = 0, i;
	bool bad;

	while (good < p->n_read &&
	       cstore_load(mm, p->stored[good], p->pfn[good]))
		good++;
	mm_lock(mm, p->actor);
	bad = good == 0 && load_counts(p, 0);
	if (bad)
		read_note_error(p, FW_E_IO);
	for (i = 0; i < p->n_read; i++)
		frame_read_done(mm, frame_at(mm, p->pfn[i]),
				i < good && load_counts(p, i));
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
