/* SPDX-License-Identifier: MIT */
/*
 * fault_io.c - in-page: reading from a page file or the file of a section.
 *
 * Under the locks, the pages get frames, go to transition with READ set, and
 * the actor's record lists the frames. Then the read runs without any lock;
 * whoever needs one of the pages meanwhile waits for it. When it ends the
 * frames go to standby, and the fault is looked at again: usually it finds
 * its page there. If meanwhile the page was unmapped, moved or taken for
 * something else, that second look finds out.
 */
#include <mm/ahead.h>
#include <mm/cstore.h>

void frame_read_done(struct fw_mm *mm, struct fw_frame *f, bool good,
		     bool keep)
{
	FW_ASSERT((f->flags & FRAME_READ) && f->state == FRAME_TRANSITION);
	(*frame_wait_word(mm, frame_pfn(mm, f)))++;
	if (f->flags & FRAME_DELETED) {
		frame_free(mm, f);
	} else if (good) {
		if (!keep && pte_has_slot(f->original) &&
		    cstore_has(mm, f->original))
			frame_give_up_slot(mm, f);
		FW_SET(mm, f->flags, f->flags & ~FRAME_READ);
		FW_SET(mm, f->owner, 0);
		frame_settle(mm, f);
	} else {
		FW_SET(mm, *f->pte, f->original);
		frame_free(mm, f);
	}
}

/* The page at loc goes to transition, its frame waits for the read. */
static void read_prepare(struct fw_plan *p, fw_pte *loc, bool proto,
			 fw_pfn pfn)
{
	struct fw_mm *mm = p->mm;
	struct fw_frame *f = frame_at(mm, pfn);

	FW_SET(mm, f->pte, loc);
	FW_SET(mm, f->original, *loc);
	FW_SET(mm, f->flags, f->flags | FRAME_READ | (proto ? FRAME_PROTO : 0));
	FW_SET(mm, f->type, FRAME_USER);
	frame_set_prio(mm, f, plan_prio(p));
	FW_SET(mm, f->owner, p->actor->id);
	frame_move(mm, f, FRAME_TRANSITION);
	FW_SET(mm, *loc, pte_make_transition(pfn, pte_prot(f->original)));
}

/* Where a page is that is in no frame. False: it is in one, or nowhere. */
static bool slot_look(struct fw_plan *p, fw_vpn vpn)
{
	fw_pte *pte = p->pte + ((int64_t)vpn - (int64_t)p->vpn), *loc;
	struct fw_source *s = plan_source(p, vpn);

	loc = page_locate(p->mm, p->vad, vpn, pte, &s->proto);
	if (!loc || !pte_has_slot(*loc))
		return false;
	s->loc = loc;
	s->slot = pte_slot(*loc);
	s->place = cstore_has(p->mm, *loc) ?
			   cstore_find(p->mm, s->slot) :
			   cstore_on_disk(pte_file(*loc), s->slot);
	return true;
}

/* Both are in the compressed store, or in adjacent slots on a disk. */
static bool slot_joins(struct fw_plan *p, fw_vpn below)
{
	cstore_place a = plan_source(p, below)->place;
	cstore_place b = plan_source(p, below + 1)->place;

	if (a & CSTORE_ON_DISK)
		return cstore_adjacent(a, b);
	return !(b & CSTORE_ON_DISK);
}

/* The pages around the faulting one, within the window, to be read with it. */
static unsigned slot_run(struct fw_plan *p)
{
	unsigned n = ahead_window(p, &p->read_lo);
	fw_vpn end = p->read_lo + n, hi = p->vpn + 1, lo = p->vpn;

	p->source_lo = p->read_lo;
	slot_look(p, p->vpn);
	while (lo > p->read_lo && slot_look(p, lo - 1) && slot_joins(p, lo - 1))
		lo--;
	while (hi < end && slot_look(p, hi) && slot_joins(p, hi - 1))
		hi++;
	p->read_lo = lo;
	return (unsigned)(hi - lo);
}

enum fw_step fault_read_slot(struct fw_plan *p)
{
	unsigned want = slot_run(p), n, i, index;
	struct frame_cluster c;
	bool zero;

	n = plan_room_read(p, want);
	if (n == 0)
		return FW_STEP_FRAMES;
	if (n < want)
		p->read_lo = p->vpn;
	p->f->distance = refault_return(p->mm, p->loc, false);
	p->space->returns++;
	cstore_note(p->mm, p->f->distance, plan_source(p, p->vpn)->place,
		    cstore_has(p->mm, *p->loc));
	p->section = NULL;
	c = plan_cluster(p, plan_source(p, p->read_lo)->loc,
			 plan_source(p, p->read_lo)->proto, p->read_lo,
			 &index);
	for (i = 0; i < n; i++) {
		p->pfn[i] = frame_take_in(p->mm, &c,
					  (index + i) & FW_BLOCK_MASK, false,
					  &zero);
		FW_ASSERT(p->pfn[i] != FW_PFN_NONE);
	}
	/* Taking a frame cannot have changed our pages: they are in slots. */
	for (i = 0; i < n; i++) {
		const struct fw_source *s = plan_source(p, p->read_lo + i);

		read_prepare(p, s->loc, s->proto, p->pfn[i]);
	}
	p->n_read = n;
	ahead_note(p);
	p->io_kind = plan_source(p, p->read_lo)->place & CSTORE_ON_DISK ?
			     FW_KIND_PAGE_FILE : FW_KIND_COMPRESSED;
	actor_hold(p->mm, p->actor, HELD_READ, p->pfn, n);
	return FW_STEP_READ;
}

/* The run of unread pages around the faulting one in its block of the file,
 * as far as the view goes: the port reads through the view. */
static unsigned file_run(const struct fw_plan *p, uint64_t page,
			 struct fw_proto **ret_first, uint64_t *ret_page)
{
	struct fw_proto *mid = (struct fw_proto *)p->loc;
	uint64_t block = page & ~(uint64_t)FW_BLOCK_MASK;
	uint64_t lo = page, hi = page + 1;
	uint64_t end = block + FW_BLOCK_PAGES;
	uint64_t view_end = p->vad->page + (p->vad->end - p->vad->start);

	if (end > p->vad->section->pages)
		end = p->vad->section->pages;
	if (end > view_end)
		end = view_end;
	if (block < p->vad->page)
		block = p->vad->page;
	if (p->vad->section->image)
		image_clip(p->vad->section, page, &block, &end);
	if (!p->single && !(p->vad->flags & FW_VADF_RANDOM)) {
		while (lo > block &&
		       pte_is_pointer((mid - (page - lo) - 1)->pte))
			lo--;
		while (hi < end && pte_is_pointer(mid[hi - page].pte))
			hi++;
	}
	*ret_first = mid - (page - lo);
	*ret_page = lo;
	return (unsigned)(hi - lo);
}

enum fw_step fault_read_file(struct fw_plan *p)
{
	const struct fw_vad *vad = p->vad;
	struct fw_proto *first;
	struct frame_cluster c;
	unsigned n, i, index;
	bool zero;

	p->fault_page = vad->page + (p->vpn - vad->start);
	n = file_run(p, p->fault_page, &first, &p->page);
	if (plan_room(p, n) != n) {
		first = (struct fw_proto *)p->loc;
		p->page = p->fault_page;
		n = plan_room_read(p, 1);
		if (n == 0)
			return FW_STEP_FRAMES;
	}
	p->f->distance = refault_return(p->mm, p->loc, true);
	p->space->returns += p->f->distance > 0;
	c = plan_cluster(p, p->loc, true, p->vpn, &index);
	index = (unsigned)p->page & FW_BLOCK_MASK;
	for (i = 0; i < n; i++) {
		p->pfn[i] = frame_take_in(p->mm, &c, index + i, false, &zero);
		FW_ASSERT(p->pfn[i] != FW_PFN_NONE);
		read_prepare(p, &first[i].pte, true, p->pfn[i]);
	}
	p->n_read = n;
	p->read_lo = p->vpn - (p->fault_page - p->page);
	p->io_kind = FW_KIND_MAPPED_FILE;
	p->cookie = vad->cookie;
	p->section = vad->section;
	section_get(p->mm, p->section);
	FW_SET(p->mm, p->actor->held_section, p->section);
	actor_hold(p->mm, p->actor, HELD_READ, p->pfn, n);
	return FW_STEP_READ;
}

/*
 * What could not be read is an in-page error of the one who read, and of each
 * who waited for it: for his address and his access. It is noted beside the
 * word they wait on; a note that is overwritten costs them a read of their own.
 */
void read_note_error(struct fw_plan *p, enum fw_status status)
{
	struct fw_mm *mm = p->mm;
	uint32_t *word = frame_wait_word(mm, p->pfn[0]);
	struct read_error *e = &mm->read_error[word - mm->wait];

	e->loc = frame_at(mm, p->pfn[0])->pte;
	e->space = p->section ? p->space : NULL;
	e->word = *word + 1;
	e->status = status;
}

/* Judged in the section that would read the page again, so that who waited and
 * comes late does not. */
bool read_failed(struct fw_plan *p)
{
	const struct read_error *e;

	if (!p->wait_word)
		return false;
	e = &p->mm->read_error[p->wait_word - p->mm->wait];
	p->wait_word = NULL;
	if (e->loc != p->loc || (e->space && e->space != p->space) ||
	    e->word - p->wait_seen - 1 >= UINT32_MAX / 2)
		return false;
	p->f->status = e->status;
	p->f->kind = e->status == FW_E_EOF ? FW_KIND_EOF : FW_KIND_IOERR;
	return true;
}

/*
 * A page that was read from a disk keeps its slot, so that it can go again
 * without a write. But if the compressed store has room, or would still hold it
 * (as far as its PTE can tell), it shall go there the next time.
 */
static bool read_keeps(const struct fw_plan *p)
{
	uint64_t distance = p->f->distance;

	if (cstore_has_room(p->mm))
		return false;
	return distance == 0 || distance > p->mm->store_pages;
}

/* Ends the read: the first `good` frames have content. `status`: what those
 * who wait are to be told. */
static void read_finish(struct fw_plan *p, unsigned good,
			enum fw_status status)
{
	struct fw_mm *mm = p->mm;
	bool sweep = false, keep;
	unsigned i;

	mm_lock(mm, p->actor);
	keep = read_keeps(p);
	if (status != FW_OK)
		read_note_error(p, status);
	for (i = 0; i < p->n_read; i++)
		frame_read_done(mm, frame_at(mm, p->pfn[i]), i < good,
				keep);
	actor_unhold(mm, p->actor);
	if (p->section) {
		FW_SET(mm, p->actor->held_section, NULL);
		sweep = section_put(mm, p->section);
	}
	mm->reads++;
	mm->pages_read += good;
	mm_unlock(mm);
	for (i = 0; i < p->n_read; i++)
		mm_wake(mm, frame_wait_word(mm, p->pfn[i]));
	if (sweep)
		section_sweep(mm, p->actor);
}

/* Whether what could not be read still is what is mapped there: another
 * thread may have unmapped the view, and the port closed its file. */
static bool read_matters(struct fw_plan *p)
{
	struct fw_vad *vad;
	bool same;

	if (!p->section)
		return true;
	fw_space_lock(p->space, p->actor);
	vad = vad_find(p->space, p->vpn);
	same = vad && vad->section == p->section &&
	       vad->cookie == p->cookie &&
	       vad->page + (p->vpn - vad->start) == p->fault_page;
	fw_space_unlock(p->space);
	return same;
}

/* From the file or the page file; no locks. */
static enum fw_status read_pages(struct fw_plan *p, unsigned *ret_good)
{
	struct fw_section *s = p->section;
	enum fw_status status;

	if (!s) {
		cstore_place at = plan_source(p, p->read_lo)->place;

		return fwp_store_read(p->mm, cstore_disk_file(at),
				      cstore_disk_slot(at), p->pfn,
				      p->n_read);
	}
	if (!s->image)
		return fwp_section_read(s, p->cookie, p->page, p->pfn,
					p->n_read, ret_good);
	status = fwp_section_read(s, p->cookie, image_file_page(s, p->page),
				  p->pfn, p->n_read, ret_good);
	if (status == FW_OK)
		image_zero_tail(p->mm, s, p->page, p->pfn, p->n_read);
	return status;
}

enum fw_step fault_read(struct fw_plan *p)
{
	unsigned good = p->n_read;
	enum fw_status status;
	bool final;

	if (p->io_kind == FW_KIND_COMPRESSED)
		return fault_load(p);
	status = read_pages(p, &good);
	FW_ASSERT(good <= p->n_read);
	if (status != FW_OK)
		good = 0;
	/* Only the page that was asked for may fail the fault. */
	final = status != FW_OK && p->n_read == 1 && read_matters(p);
	read_finish(p, good, final ? status : FW_OK);
	p->did_io = true;
	p->f->io_pages += good;
	if (status == FW_OK) {
		if (!p->section || p->fault_page - p->page < good)
			return FW_STEP_AGAIN;
		status = FW_E_EOF;
	} else if (!final) {
		p->single = true;
		return FW_STEP_AGAIN;
	}
	p->f->status = status;
	p->f->kind = status == FW_E_EOF ? FW_KIND_EOF : FW_KIND_IOERR;
	return FW_STEP_DONE;
}
