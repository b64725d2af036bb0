/* SPDX-License-Identifier: MIT */
/*
 * cstore_io.c - pages out of the compressed store: back into a frame, or on to
 * a page file.
 *
 * Reading needs no lock and pins nothing. The bytes are copied, and then
 * decompressed; if the object went meanwhile, what came of it is thrown away
 * (fault_io.c asks the index again before it counts).
 *
 * An object that is being written to a page file is MOVING, and stands in the
 * actor's record with the slot that it goes to. It can be read meanwhile. If
 * its own slot is freed, it is only marked DELETED, and goes when the write
 * has ended.
 */
#include <mm/cstore.h>

#define MOVE_FRAMES 64 /* of the log, that are looked at for one write */

/* The object, of at most CSTORE_MOST bytes, as it is just now; which method
 * made it. */
static unsigned object_copy(const struct fw_mm *mm, cstore_pos pos,
			    uint64_t *to, bool *ret_dense)
{
	const volatile struct cstore_object *o = cstore_object(mm, pos);
	fw_pfn pfn = pos / CSTORE_UNITS, next = mm->frames[pfn].next;
	unsigned at = pos % CSTORE_UNITS * CSTORE_UNIT, n, k;
	const char *page = frame_data(mm, pfn);

	n = o->bytes;
	*ret_dense = (o->flags & CSTORE_DENSE) != 0;
	at += (unsigned)sizeof(struct cstore_object);
	if (n == 0 || n > CSTORE_MOST)
		return 0;
	k = CSTORE_PAGE - at < n ? CSTORE_PAGE - at : n;
	fw_memcpy(to, page + at, k);
	if (k == n)
		return n;
	if (next < mm->base || next >= mm->nframes)
		return 0;
	fw_memcpy((char *)to + k, frame_data(mm, next), n - k);
	return n;
}

bool cstore_load(const struct fw_mm *mm, cstore_pos pos, void *page)
{
	uint64_t bytes[CSTORE_MOST / sizeof(uint64_t)];
	bool dense;
	unsigned n = object_copy(mm, pos, bytes, &dense);

	if (n == 0)
		return false;
	return dense ? fwp_expand(mm, bytes, n, page)
		     : fwp_decompress(mm, bytes, n, page);
}

/* ---- to a page file ------------------------------------------------------ */

struct move {
	struct fw_mm *mm;
	struct fw_actor *actor;
	unsigned n, n_runs;
	cstore_pos pos[FW_MAX_ACTOR_MOVES];
	fw_pfn pfn[FW_MAX_ACTOR_MOVES];
	struct move_run {
		unsigned first, n, file;
		uint64_t slot;
		enum fw_status status;
	} run[FW_MAX_ACTOR_MOVES];
};

/* The oldest objects that nobody else is writing. */
static void move_choose(struct move *m, unsigned most)
{
	struct fw_mm *mm = m->mm;
	fw_pfn pfn = mm->store_log.head;
	unsigned frames;

	for (frames = 0; pfn != FW_PFN_NONE && frames < MOVE_FRAMES;
	     frames++) {
		unsigned unit = 0;
		cstore_pos pos;

		while (m->n < most &&
		       (pos = cstore_next(mm, pfn, unit)) != 0) {
			unit = pos % CSTORE_UNITS + 1;
			if (cstore_live(mm, pos) &&
			    !(cstore_object(mm, pos)->flags & CSTORE_MOVING))
				m->pos[m->n++] = pos;
		}
		pfn = frame_at(mm, pfn)->next;
	}
}

/* Frames to write them from. */
static unsigned move_frames(struct move *m)
{
	struct fw_mm *mm = m->mm;
	unsigned n = 0;
	bool zero;

	while (n < FW_MAX_ACTOR_MOVES &&
	       frames_available(mm) > FRAMES_LAST &&
	       !refused(mm, FW_NEED_FRAME) &&
	       (m->pfn[n] = frame_take(mm, false, &zero)) != FW_PFN_NONE)
		n++;
	return n;
}

/* Slots to write them to, as many as there are. */
static void move_slots(struct move *m)
{
	unsigned at = 0, i;

	while (at < m->n) {
		struct move_run *r = &m->run[m->n_runs];

		r->first = at;
		r->n = slot_alloc(m->mm, m->n - at, &r->file, &r->slot);
		if (r->n == 0)
			break;
		for (i = 0; i < r->n; i++)
			FW_SET(m->mm, m->actor->moving_to[at + i],
			       cstore_on_disk(r->file, r->slot + i));
		at += r->n;
		m->n_runs++;
	}
	m->n = at;
}

static void move_begin(struct move *m)
{
	struct fw_mm *mm = m->mm;
	unsigned i, n;

	mm_lock(mm, m->actor);
	n = move_frames(m);
	move_choose(m, n);
	move_slots(m);
	for (i = 0; i < m->n; i++) {
		struct cstore_object *o = cstore_object(mm, m->pos[i]);

		FW_SET(mm, o->flags, o->flags | CSTORE_MOVING);
		FW_SET(mm, m->actor->moving[i], m->pos[i]);
	}
	FW_SET(mm, m->actor->n_moving, m->n);
	for (i = m->n; i < n; i++)
		frame_free(mm, frame_at(mm, m->pfn[i]));
	actor_hold(mm, m->actor, HELD_RESERVED, m->pfn, m->n);
	mm_unlock(mm);
}

/* FW_E_INVAL: there was nothing to be written. */
static enum fw_status move_write(struct move *m, const struct move_run *r)
{
	unsigned i;

	for (i = r->first; i < r->first + r->n; i++)
		if (!cstore_load(m->mm, m->pos[i],
				 frame_data(m->mm, m->pfn[i])))
			return FW_E_INVAL;
	return fwp_store_write(m->mm, r->file, r->slot, m->pfn + r->first,
			       r->n);
}

bool cstore_settle(struct fw_mm *mm, cstore_pos pos)
{
	struct cstore_object *o = cstore_object(mm, pos);
	bool deleted = (o->flags & CSTORE_DELETED) != 0;

	FW_SET(mm, o->flags, o->flags & ~CSTORE_FLAGS);
	if (deleted)
		slot_free(mm, CSTORE_FILE, o->slot);
	return !deleted;
}

/* The object has come to its place, or has not. */
static void move_settle(struct fw_mm *mm, cstore_pos pos, cstore_place to,
			bool good)
{
	if (cstore_settle(mm, pos) && good)
		cstore_release(mm, pos, to);
	else if (to) /* 0: it was to be condensed */
		slot_free(mm, cstore_disk_file(to), cstore_disk_slot(to));
}

static unsigned move_end(struct move *m)
{
	struct fw_mm *mm = m->mm;
	unsigned i, k, done = 0;

	mm_lock(mm, m->actor);
	for (i = 0; i < m->n_runs; i++) {
		const struct move_run *r = &m->run[i];
		bool good = r->status == FW_OK;

		for (k = r->first; k < r->first + r->n; k++)
			move_settle(mm, m->pos[k], m->actor->moving_to[k],
				    good);
		if (r->status != FW_E_INVAL)
			slot_written(mm, r->file, r->slot, r->n, r->status);
		done += good ? r->n : 0;
		mm->writes += good;
	}
	for (i = 0; i < m->n; i++)
		frame_free(mm, frame_at(mm, m->pfn[i]));
	actor_unhold(mm, m->actor);
	FW_SET(mm, m->actor->n_moving, 0);
	mm->pages_written += done;
	mm->store_moved += done;
	cstore_note_moved(mm, done);
	mm->progress++;
	mm_unlock(mm);
	return done;
}

unsigned cstore_shrink(struct fw_mm *mm, struct fw_actor *actor)
{
	struct move m = {.mm = mm, .actor = actor};
	unsigned i;

	if (!actor || mm->store_pages == 0)
		return 0;
	move_begin(&m);
	for (i = 0; i < m.n_runs; i++)
		m.run[i].status = move_write(&m, &m.run[i]);
	return move_end(&m);
}

void cstore_abandon(struct fw_mm *mm, struct fw_actor *dead)
{
	uint32_t i;

	for (i = 0; i < dead->n_moving; i++)
		move_settle(mm, dead->moving[i], dead->moving_to[i], false);
	FW_SET(mm, dead->n_moving, 0);
	for (i = 0; i < dead->n_log; i++)
		frame_free(mm, frame_at(mm, dead->log[i]));
	FW_SET(mm, dead->n_log, 0);
}
