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
#include <mm/cstore.h>
#include <mm/plan.h>

void frame_read_done(struct fw_mm *mm, struct fw_frame *f, bool good)
{
	FW_ASSERT((f->flags & FRAME_READ) && f->state == FRAME_TRANSITION);
	(*frame_wait_word(mm, frame_pfn(mm, f)))++;
	if (f->flags & FRAME_DELETED) {
		frame_free(mm, f);
	} else if (good) {
		if (pte_has_slot(f->original) && cstore_has(mm, f->original))
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

/*
 * The window of a region's reads follows what they are good for. The last page
 * of each cluster stays unmapped (fault_trans.c). If it has been touched by the
 * time of the next read, or that read is for the page behind it, the window
 * doubles; else it is halved, down to the page that is needed. vad->ahead
 * holds the last window, and AHEAD_HIT once that page was touched.
 */
static unsigned slot_window(const struct fw_plan *p)
{
	const struct fw_vad *vad = p->vad;
	unsigned last = vad->ahead & ~AHEAD_HIT;

	if (p->single || (vad->flags & FW_VADF_RANDOM))
		return 1;
	if (vad->flags & FW_VADF_SEQUENTIAL)
		return FW_BLOCK_PAGES;
	if (last == 0)
		return AHEAD_FIRST;
	if (!(vad->ahead & AHEAD_HIT) && vad->last_fault != p->vpn)
		return last > 1 ? last / 2 : 1;
	return last * 2 < FW_BLOCK_PAGES ? last * 2 : FW_BLOCK_PAGES;
}

/* Where on a disk the page is, which is not in a frame. */
static cstore_place slot_place(const struct fw_mm *mm, fw_pte pte)
{
	return cstore_has(mm, pte) ? cstore_find(mm, pte_slot(pte)) :
		       cstore_on_disk(pte_file(pte), pte_slot(pte));
}

/* How many pages from the faulting one on lie in adjacent slots. */
static unsigned slot_pages(const struct fw_plan *p, unsigned want)
{
	cstore_place first = slot_place(p->mm, *p->loc);
	fw_vpn lo;
	unsigned n, block = plan_block(p, &lo);

	for (n = 1; n < want && p->vpn + n < lo + block; n++) {
		bool proto;
		fw_pte *loc = page_locate(p->mm, p->vad, p->vpn + n,
					  p->pte + n, &proto);

		if (!loc || !pte_has_slot(*loc) ||
		    slot_place(p->mm, *loc) != first + n)
			break;
	}
	return n;
}

enum fw_step fault_read_slot(struct fw_plan *p)
{
	unsigned want = slot_window(p), n, i, index;
	struct frame_cluster c;
	bool zero, stored;

	n = fault_stored(p, want);
	stored = n > 0;
	n = plan_room_read(p, stored ? n : slot_pages(p, want));
	if (n == 0)
		return FW_STEP_FRAMES;
	p->from_store = stored;
	p->vad->ahead = (uint8_t)want;
	p->file = cstore_disk_file(slot_place(p->mm, *p->loc));
	p->slot = cstore_disk_slot(slot_place(p->mm, *p->loc));
	p->f->distance = refault_return(p->mm, p->loc, false);
	p->section = NULL;
	c = plan_cluster(p, p->loc, p->proto, p->vpn, &index);
	for (i = 0; i < n; i++) {
		p->pfn[i] = frame_take_in(p->mm, &c,
					  (index + i) & FW_BLOCK_MASK, false,
					  &zero);
		FW_ASSERT(p->pfn[i] != FW_PFN_NONE);
	}
	/* Taking a frame cannot have changed our pages: they are in slots. */
	for (i = 0; i < n; i++) {
		bool proto;
		fw_pte *loc = page_locate(p->mm, p->vad, p->vpn + i,
					  p->pte + i, &proto);

		read_prepare(p, loc, proto, p->pfn[i]);
	}
	if (n > 1) {
		struct fw_frame *f = frame_at(p->mm, p->pfn[n - 1]);

		FW_SET(p->mm, f->prio, f->prio | FRAME_AHEAD);
		p->mm->ahead++;
	}
	p->n_read = n;
	p->io_kind = stored ? FW_KIND_COMPRESSED : FW_KIND_PAGE_FILE;
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
	c = plan_cluster(p, p->loc, true, p->vpn, &index);
	index = (unsigned)p->page & FW_BLOCK_MASK;
	for (i = 0; i < n; i++) {
		p->pfn[i] = frame_take_in(p->mm, &c, index + i, false, &zero);
		FW_ASSERT(p->pfn[i] != FW_PFN_NONE);
		read_prepare(p, &first[i].pte, true, p->pfn[i]);
	}
	p->n_read = n;
	p->from_store = false;
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

/* Ends the read: the first `good` frames have content. `status`: what those
 * who wait are to be told. */
static void read_finish(struct fw_plan *p, unsigned good,
			enum fw_status status)
{
	struct fw_mm *mm = p->mm;
	bool sweep = false;
	unsigned i;

	mm_lock(mm, p->actor);
	if (status != FW_OK)
		read_note_error(p, status);
	for (i = 0; i < p->n_read; i++)
		frame_read_done(mm, frame_at(mm, p->pfn[i]), i < good);
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

	if (!s)
		return fwp_store_read(p->mm, p->file, p->slot, p->pfn,
				      p->n_read);
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

	if (p->from_store)
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
