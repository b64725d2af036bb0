/* SPDX-License-Identifier: MIT */
/*
 * cstore_fill.c - segments: new frames of the compressed store's log, and what
 * comes into them: pages that are compressed, and objects out of frames in
 * which most others have gone.
 *
 * A segment is filled by one actor without locks. Its frames stand in his
 * record, and nobody else knows them, until they are sealed in one section.
 *
 * A frame leaves the log when its last object does, and pages are read back in
 * any order; so before objects are moved to the disk for want of room, and as
 * long as much of the log is holes, those of its oldest frames go to its end
 * (the cleaning of LFS). That costs a copy, and they are taken for young.
 */
#include <mm/cstore.h>

#define SEGMENT_STEP 4	/* frames that are taken at once */
#define PACK_STEPS 2	/* ... of these for packing */
#define PACK_UNDO (FW_UNDO_MAX / 8 * 7) /* ... in one section; to be sealed */
#define PACK_FRAMES 64	/* most that are looked at */
#define PACK_TRIES 32
#define SPARSE 1 /* eighths that are holes: packed before anything is moved */
#define UNTIDY 2 /* ... and when there is nothing else to do */
#define TIDY_LEAST 64 /* frames; the ends of segments are holes for ever */

void cstore_begin(struct cstore_segment *s, struct fw_mm *mm,
		  struct fw_actor *actor)
{
	s->mm = mm;
	s->actor = actor;
	s->at = 0;
	s->packs = false;
	s->hard = false;
	s->full = !cstore_on(mm) || !actor;
	s->dense = !s->full && cstore_wants_dense(mm);
}

/* Some frames more. What is compressed frees more than it takes: it may have
 * frames that pages may not. So does what is packed, in the end: it may go
 * beyond what the store may have. */
static bool segment_grow(struct cstore_segment *s)
{
	struct fw_actor *a = s->actor;
	struct fw_mm *mm = s->mm;
	unsigned i, n = SEGMENT_STEP;
	bool zero;

	if (a->n_log + n > FW_MAX_ACTOR_LOG)
		return false;
	mm_lock(mm, a);
	if ((!s->packs &&
	     mm->store_frames + a->n_log + n > cstore_limit(mm)) ||
	    frames_available(mm) < n + FRAMES_LAST)
		n = 0;
	for (i = 0; i < n; i++) {
		fw_pfn pfn = refused(mm, FW_NEED_FRAME) ?
				     FW_PFN_NONE : frame_take(mm, false, &zero);

		if (pfn == FW_PFN_NONE || pfn >> CSTORE_PFN_BITS != 0) {
			if (pfn != FW_PFN_NONE)
				frame_free(mm, frame_at(mm, pfn));
			break;
		}
		FW_SET(mm, a->log[a->n_log], pfn);
		FW_ADD(mm, a->n_log, 1);
	}
	mm_unlock(mm);
	return n > 0 && i == n;
}

/* Copies to where the segment is filled up to; it has room. */
static void segment_copy(struct cstore_segment *s, unsigned at,
			 const void *from, unsigned n)
{
	const char *p = from;

	while (n > 0) {
		unsigned in = at % CSTORE_PAGE, k = CSTORE_PAGE - in;
		fw_pfn pfn = s->actor->log[at / CSTORE_PAGE];

		if (k > n)
			k = n;
		fw_memcpy((char *)frame_data(s->mm, pfn) + in, p, k);
		p += k;
		at += k;
		n -= k;
	}
}

/* The name of the object there. */
static cstore_pos segment_pos(const struct cstore_segment *s, unsigned at)
{
	return s->actor->log[at / CSTORE_PAGE] * CSTORE_UNITS +
	       at % CSTORE_PAGE / CSTORE_UNIT;
}

static bool segment_has_room(const struct cstore_segment *s, unsigned bytes)
{
	return s->at + cstore_units(bytes) * CSTORE_UNIT <=
	       s->actor->n_log * CSTORE_PAGE;
}

/* By the quick method, whose results are noted. */
static unsigned compress(struct cstore_segment *s, const void *page, void *to)
{
	unsigned n = fwp_compress(s->mm, page, to, CSTORE_MOST);

	s->hard = n == 0;
	if (n > 0)
		cstore_note_light(s->mm, n);
	return n;
}

/* By the one that the store wants. Pages that nothing makes smaller come in
 * rows, and are found out by the quick one. */
static unsigned page_bytes(struct cstore_segment *s, const void *page,
			   void *to, uint16_t *flags)
{
	unsigned n = 0;

	if (s->hard || !s->dense)
		n = compress(s, page, to);
	if (s->hard || !s->dense)
		return n;
	n = fwp_condense(s->mm, page, to, CSTORE_DENSE_MOST);
	if (n == 0)
		return compress(s, page, to);
	*flags |= CSTORE_DENSE;
	return n;
}

/* An object that is nobody's. */
static cstore_pos segment_put(struct cstore_segment *s, const void *bytes,
			      unsigned n, uint16_t flags)
{
	struct cstore_object o = {.flags = flags, .bytes = (uint16_t)n};
	unsigned at = s->at;

	while (!segment_has_room(s, n))
		if (!segment_grow(s)) {
			s->full = true;
			return 0;
		}
	segment_copy(s, at, &o, sizeof(o));
	segment_copy(s, at + (unsigned)sizeof(o), bytes, n);
	s->at += cstore_units(n) * CSTORE_UNIT;
	return segment_pos(s, at);
}

/* Not inlined: the page stands on the stack only while one is compressed. */
__attribute__((noinline)) cstore_pos cstore_put(struct cstore_segment *s,
						const void *page)
{
	uint64_t bytes[CSTORE_MOST / sizeof(uint64_t)];
	uint16_t flags = cstore_now(s->mm);
	unsigned n = s->full ? 0 : page_bytes(s, page, bytes, &flags);

	return n > 0 ? segment_put(s, bytes, n, flags) : 0;
}

__attribute__((noinline)) cstore_pos cstore_put_dense(struct cstore_segment *s,
						      const void *page,
						      unsigned most)
{
	uint64_t bytes[CSTORE_MOST / sizeof(uint64_t)];
	unsigned n = s->full ? 0 : fwp_condense(s->mm, page, bytes, most);

	return n > 0 ? segment_put(s, bytes, n, CSTORE_DENSE) : 0;
}

/* A frame of the segment: which objects have bytes in it. */
struct filled {
	unsigned count, first, end;
};

/* Walks the objects of a segment; of frame i it learns what is in there. */
static unsigned segment_walk(const struct cstore_segment *s,
			     struct filled filled[FW_MAX_ACTOR_LOG])
{
	unsigned at = 0, n = (s->at + CSTORE_PAGE - 1) / CSTORE_PAGE, i;

	for (i = 0; i < FW_MAX_ACTOR_LOG; i++)
		filled[i] = (struct filled){0, CSTORE_UNITS, CSTORE_UNITS};
	if (s->at % CSTORE_PAGE != 0)
		filled[n - 1].end = s->at % CSTORE_PAGE / CSTORE_UNIT;
	while (at < s->at) {
		unsigned frame = at / CSTORE_PAGE;
		cstore_pos pos = segment_pos(s, at);
		unsigned unit = cstore_unit(pos);
		unsigned units = cstore_units(
			cstore_object(s->mm, pos)->bytes);
		bool live = cstore_live(s->mm, pos);

		if (unit < filled[frame].first)
			filled[frame].first = unit;
		filled[frame].count += live;
		if (unit + units > CSTORE_UNITS)
			filled[frame + 1].count += live;
		at += units * CSTORE_UNIT;
	}
	return n;
}

/* Frames between two that are kept stay in the log too, so that an object's
 * frames follow each other there; one without objects goes the usual way. */
void cstore_seal(struct cstore_segment *s)
{
	struct filled filled[FW_MAX_ACTOR_LOG];
	struct fw_actor *a = s->actor;
	struct fw_mm *mm = s->mm;
	unsigned i, n;

	if (!a || a->n_log == 0)
		return;
	n = segment_walk(s, filled);
	for (i = 0; i < a->n_log; i++) {
		struct fw_frame *f = frame_at(mm, a->log[i]);

		if (i >= n || filled[i].count == 0) {
			frame_free(mm, f);
			continue;
		}
		cstore_join(mm, f, filled[i].count, filled[i].first,
			    filled[i].end);
	}
	FW_SET(mm, a->n_log, 0);
}


/* ---- packing ------------------------------------------------------------- */

/* More than so many eighths of the log are holes. */
static bool has_holes(const struct fw_mm *mm, unsigned eighths)
{
	uint64_t live = mm->store_bytes + mm->store_pages * CSTORE_UNIT;

	return live < (uint64_t)mm->store_log.count *
			      (CSTORE_PAGE / 8 * (8 - eighths));
}

static bool is_sparse(const struct fw_mm *mm)
{
	return has_holes(mm, SPARSE);
}

bool cstore_has_room(const struct fw_mm *mm)
{
	uint64_t most = cstore_limit(mm);

	return cstore_on(mm) &&
	       (is_sparse(mm) || mm->store_log.count + most / 16 < most);
}

/* The object goes to the segment, which has room for it. */
static void pack_object(struct cstore_segment *s, cstore_pos pos)
{
	struct fw_mm *mm = s->mm;
	const struct cstore_object *o = cstore_object(mm, pos);
	const struct fw_frame *f = frame_at(mm, cstore_pfn(pos));
	unsigned n = (unsigned)sizeof(*o) + o->bytes, at = s->at;
	unsigned k = CSTORE_PAGE - cstore_unit(pos) * CSTORE_UNIT;

	if (k > n)
		k = n;
	segment_copy(s, at, o, k);
	if (k < n)
		segment_copy(s, at + k, frame_data(mm, f->next), n - k);
	s->at += cstore_units(o->bytes) * CSTORE_UNIT;
	cstore_relocate(mm, pos, segment_pos(s, at));
}

/* The objects of one frame; false: the segment is full, or the journal. */
static bool pack_frame(struct cstore_segment *s, fw_pfn pfn, unsigned *n)
{
	unsigned unit = 0;
	cstore_pos pos;

	while ((pos = cstore_next(s->mm, pfn, unit)) != 0) {
		const struct cstore_object *o = cstore_object(s->mm, pos);

		unit = cstore_unit(pos) + 1;
		if (!cstore_live(s->mm, pos) || (o->flags & CSTORE_MOVING))
			continue;
		if (s->mm->undo_count > PACK_UNDO ||
		    !segment_has_room(s, o->bytes))
			return false;
		pack_object(s, pos);
		(*n)++;
	}
	return true;
}

/* From the oldest frame on. One whose objects have all gone is on the log no
 * more. */
static unsigned pack_oldest(struct cstore_segment *s)
{
	struct fw_mm *mm = s->mm;
	fw_pfn stays = FW_PFN_NONE, pfn = mm->store_log.head;
	unsigned n = 0, i;

	for (i = 0; i < PACK_FRAMES && pfn != FW_PFN_NONE; i++) {
		if (!pack_frame(s, pfn, &n))
			break;
		if (cstore_count(frame_at(mm, pfn)) > 0)
			stays = pfn;
		pfn = stays == FW_PFN_NONE ? mm->store_log.head :
					     frame_at(mm, stays)->next;
	}
	return n;
}

unsigned cstore_pack(struct fw_mm *mm, struct fw_actor *actor,
		     bool *ret_shorter)
{
	struct cstore_segment s;
	unsigned i, n = 0;
	uint32_t frames;

	cstore_begin(&s, mm, actor);
	s.packs = true;
	for (i = 0; i < PACK_STEPS && segment_grow(&s); i++)
		;
	mm_lock(mm, actor);
	frames = mm->store_log.count;
	if (actor->n_log > 0)
		n = pack_oldest(&s);
	cstore_seal(&s);
	*ret_shorter = mm->store_log.count < frames;
	mm->store_packed += n;
	mm_unlock(mm);
	return n;
}

/* False also if it makes the log no shorter: its holes are elsewhere. */
static bool pack_pays(struct fw_mm *mm, struct fw_actor *actor)
{
	bool shorter;

	return cstore_pack(mm, actor, &shorter) > 0 && shorter;
}

static bool tidy_pack(struct fw_mm *mm, struct fw_actor *actor)
{
	return mm->store_log.count >= TIDY_LEAST && has_holes(mm, UNTIDY) &&
	       pack_pays(mm, actor);
}

bool cstore_tidy(struct fw_mm *mm, struct fw_actor *actor)
{
	if (!cstore_on(mm) || !actor)
		return false;
	if (tidy_pack(mm, actor) || cstore_condense(mm, actor))
		return true;
	cstore_sweep(mm, actor);
	return false;
}

/* As those that are there need; most become half as large. A quarter of a small
 * store is enough. */
static uint64_t room_wanted(const struct fw_mm *mm, unsigned pages)
{
	uint64_t want = pages / 2 + 1, most = cstore_limit(mm) / 4;

	if (mm->store_pages > pages)
		want = pages * mm->store_log.count /
			       (uint32_t)mm->store_pages + SEGMENT_STEP;
	return want < most ? want : most;
}

bool cstore_make_room(struct fw_mm *mm, struct fw_actor *actor, unsigned n)
{
	unsigned packs = 0, moves = 0;
	bool pays = true;

	if (!cstore_on(mm) || !actor)
		return false;
	while (moves < CSTORE_TRIES) {
		if (mm->store_log.count + room_wanted(mm, n) <=
		    cstore_limit(mm))
			return true;
		if (pays && packs < PACK_TRIES && is_sparse(mm) &&
		    (pays = pack_pays(mm, actor)))
			packs++;
		else if (cstore_shrink(mm, actor) > 0)
			moves++;
		else
			return false;
	}
	return true;
}
