/* SPDX-License-Identifier: MIT */
/*
 * cstore.c - the compressed store: pages that have left, compressed, in RAM.
 * A log of objects, one a page, in front of the page files.
 *
 * A page that compresses well gets a slot of a page file that has no medium,
 * and its bytes go to the end of the log. PTEs and prototypes name the slot,
 * as they do for any page file; an index beside its bitmap says where the page
 * is. When the log has its full size, its oldest objects are written to page
 * files, many to adjacent slots whatever their own are, and the index says so.
 * So what is looked for soon is found in RAM, what is not lies on the disk,
 * and the disk is written to in long runs.
 *
 * A page of the log is there only: when it is read it gives back its slot, and
 * is compressed anew when it leaves, the youngest then. One that is read from a
 * disk may keep its place there (fault_io.c). Pages that do not compress go to
 * page files by themselves and keep their slots.
 *
 *   frame      +--------+------------+-------+------------+---------+--
 *   of the log | object | bytes .... | object | bytes      ...      |
 *              +--------+------------+-------+------------+---------+--
 *                                              goes on in the next frame
 *
 * The frames of the log are on mm->store_log in the order in which they were
 * filled, by new pages or by packing (cstore_fill.c); `owner` of each
 * counts the live objects that have bytes in it, and says where the first
 * object begins in it and where the last one ends. An object is live if the
 * index says so; what is not stays where it is. A frame without live objects
 * leaves the log for mm->store_empty, and is free at the next consistent
 * point (not at once: what an undo brings back must still be there).
 *
 * A frame that a live object goes on into has that object itself, so it does
 * not leave the log, and stays the next one.
 *
 * A cache in front of slots is Linux's zswap; a log in order of age, written
 * in long runs, Rosenblum and Ousterhout's (LFS).
 */
#include <mm/cstore.h>

#define INDEX_SLOTS (FW_PAGE_SIZE / sizeof(cstore_place)) /* in one frame */
#define INDEX_FRAMES (PFILE_CHUNK_SLOTS / INDEX_SLOTS)
#define DIR_ENTRIES 512u
#define SLOTS_PER_FRAME 128 /* of RAM: more than will ever be needed */

/* In fw_frame.owner: live objects, first unit of one, units in use. */
#define INFO_COUNT 0x3ffu
#define INFO_FIRST_SHIFT 10
#define INFO_END_SHIFT 20
#define INFO_UNITS 0x1ffu

struct cstore_object *cstore_object(const struct fw_mm *mm, cstore_pos pos)
{
	char *data = frame_data(mm, cstore_pfn(pos));

	return (void *)(data + cstore_unit(pos) * CSTORE_UNIT);
}

unsigned cstore_count(const struct fw_frame *f)
{
	return f->owner & INFO_COUNT;
}

/* ---- the index ----------------------------------------------------------- */

static struct fw_pfile *store_file(struct fw_mm *mm)
{
	return &mm->pfile[CSTORE_FILE];
}

void cstore_init(struct fw_mm *mm)
{
	uint64_t slots = (uint64_t)mm->nframes * SLOTS_PER_FRAME;

	if (!cstore_on(mm))
		return;
	if (slots > PTE_SLOT_VAD)
		slots = PTE_SLOT_VAD;
	store_file(mm)->slots = slots < UINT32_MAX ? slots : UINT32_MAX;
	store_file(mm)->hint = 1;
	cstore_size_init(mm);
}

static cstore_place *index_word(const struct fw_mm *mm, uint64_t slot)
{
	uint64_t c = slot / PFILE_CHUNK_SLOTS;
	uint64_t i = slot % PFILE_CHUNK_SLOTS / INDEX_SLOTS;
	cstore_place ***dir = mm->store_index[c / DIR_ENTRIES];
	cstore_place **frames = dir ? dir[c % DIR_ENTRIES] : NULL;

	return frames && frames[i] ? frames[i] + slot % INDEX_SLOTS : NULL;
}

cstore_place cstore_find(const struct fw_mm *mm, uint64_t slot)
{
	const cstore_place *w = index_word(mm, slot);

	return w ? *w : 0;
}

/* Memory for a part of the index, if it is not there yet. */
static void *index_part(struct fw_mm *mm, void *there, size_t size)
{
	return there ? there : pool_alloc(mm, size);
}

static cstore_place *index_make(struct fw_mm *mm, uint64_t slot)
{
	uint64_t c = slot / PFILE_CHUNK_SLOTS;
	uint64_t i = slot % PFILE_CHUNK_SLOTS / INDEX_SLOTS;
	cstore_place ****at = &mm->store_index[c / DIR_ENTRIES];
	cstore_place ***dir, **frames, *words;

	dir = index_part(mm, *at, FW_PAGE_SIZE);
	if (!dir)
		return NULL;
	FW_PUT(mm, *at, dir);
	dir += c % DIR_ENTRIES;
	frames = index_part(mm, *dir, INDEX_FRAMES * sizeof(*frames));
	if (!frames)
		return NULL;
	FW_PUT(mm, *dir, frames);
	words = index_part(mm, frames[i], FW_PAGE_SIZE);
	if (!words)
		return NULL;
	FW_PUT(mm, frames[i], words);
	return words + slot % INDEX_SLOTS;
}

/* Whether all words of the part of the index with this slot are 0. */
static bool index_is_empty(const struct fw_mm *mm, uint64_t slot)
{
	unsigned i;

	for (i = 0; i < INDEX_SLOTS; i += 64)
		if (!slot_word_empty(mm, CSTORE_FILE, slot + i))
			return false;
	return true;
}

/* Parts of the index of one chunk. */
static void index_sweep(struct fw_mm *mm, uint64_t c)
{
	cstore_place ***dir = mm->store_index[c / DIR_ENTRIES];
	cstore_place **frames = dir ? dir[c % DIR_ENTRIES] : NULL;
	unsigned i;

	for (i = 0; frames && i < INDEX_FRAMES; i++) {
		if (!frames[i] || !index_is_empty(mm, c * PFILE_CHUNK_SLOTS +
							      i * INDEX_SLOTS))
			continue;
		pool_free(mm, frames[i], FW_PAGE_SIZE);
		FW_SET(mm, frames[i], NULL);
		mm_checkpoint(mm);
	}
}

void cstore_sweep(struct fw_mm *mm, struct fw_actor *actor)
{
	uint64_t c;

	if (mm->store_freed < INDEX_SLOTS)
		return;
	mm_lock(mm, actor);
	mm->store_freed = 0;
	for (c = 0; c * PFILE_CHUNK_SLOTS < store_file(mm)->limit; c++) {
		index_sweep(mm, c);
		mm_breathe(mm, actor);
	}
	mm_unlock(mm);
}

/* ---- objects ------------------------------------------------------------- */

bool cstore_live(const struct fw_mm *mm, cstore_pos pos)
{
	const struct cstore_object *o = cstore_object(mm, pos);

	return o->slot < mm->pfile[CSTORE_FILE].limit &&
	       cstore_find(mm, o->slot) == pos;
}

cstore_pos cstore_next(const struct fw_mm *mm, fw_pfn pfn, unsigned unit)
{
	uint32_t info = mm->frames[pfn].owner;
	unsigned first = info >> INFO_FIRST_SHIFT & INFO_UNITS;
	unsigned end = info >> INFO_END_SHIFT & INFO_UNITS, at = first;

	while (at < unit && at < end)
		at += cstore_units(
			cstore_object(mm, pfn * CSTORE_UNITS + at)->bytes);
	return at < end ? pfn * CSTORE_UNITS + at : 0;
}

/* One live object more or less in the frame. */
static void frame_count(struct fw_mm *mm, struct fw_frame *f, int by)
{
	FW_ASSERT(by > 0 || (f->owner & INFO_COUNT) > 0);
	FW_SET(mm, f->owner, f->owner + (uint32_t)by);
	if (by < 0 && (f->owner & INFO_COUNT) == 0) {
		/* It may be at the end of the log when that is used. */
		if (f == mm->frames + mm->store_cursor)
			mm->store_cursor = f->next == FW_PFN_NONE ? 0 : f->next;
		list_remove(mm, &mm->store_log, f);
		list_push(mm, &mm->store_empty, f);
	}
}

/* The object has no bytes there any more. */
static void object_leave(struct fw_mm *mm, cstore_pos pos)
{
	struct fw_frame *f = frame_at(mm, cstore_pfn(pos));
	unsigned bytes = cstore_object(mm, pos)->bytes;

	if (cstore_unit(pos) + cstore_units(bytes) > CSTORE_UNITS)
		frame_count(mm, frame_at(mm, f->next), -1);
	frame_count(mm, f, -1);
}

void cstore_release(struct fw_mm *mm, cstore_pos pos, cstore_place now)
{
	const struct cstore_object *o = cstore_object(mm, pos);

	FW_SET(mm, *index_word(mm, o->slot), now);
	FW_SUB(mm, mm->store_pages, 1);
	FW_SUB(mm, mm->store_bytes, o->bytes);
	object_leave(mm, pos);
}

void cstore_relocate(struct fw_mm *mm, cstore_pos from, cstore_pos to)
{
	FW_SET(mm, *index_word(mm, cstore_object(mm, from)->slot), to);
	object_leave(mm, from);
}

bool cstore_drop(struct fw_mm *mm, uint64_t slot)
{
	cstore_place *w = index_word(mm, slot), at = w ? *w : 0;
	struct cstore_object *o;

	if (at == 0) /* no page has come there yet */
		return false;
	if (at & CSTORE_ON_DISK) {
		FW_SET(mm, *w, 0);
		slot_free(mm, cstore_disk_file(at), cstore_disk_slot(at));
		return false;
	}
	o = cstore_object(mm, (cstore_pos)at);
	if (o->flags & CSTORE_MOVING) {
		FW_ASSERT(!(o->flags & CSTORE_DELETED));
		FW_SET(mm, o->flags, o->flags | CSTORE_DELETED);
		return true;
	}
	cstore_release(mm, (cstore_pos)at, 0);
	return false;
}

void cstore_reap(struct fw_mm *mm)
{
	while (mm->store_empty.head != FW_PFN_NONE) {
		struct fw_frame *f = frame_at(mm, mm->store_empty.head);

		list_remove(mm, &mm->store_empty, f);
		FW_SUB(mm, mm->store_frames, 1);
		frame_free(mm, f);
		mm_checkpoint(mm);
	}
}

uint64_t cstore_publish(struct fw_mm *mm, cstore_pos pos)
{
	struct cstore_object *o = cstore_object(mm, pos);
	uint64_t slot = slot_alloc_store(mm);
	cstore_place *w = slot ? index_make(mm, slot) : NULL;

	if (!w) {
		if (slot)
			slot_free(mm, CSTORE_FILE, slot);
		return 0;
	}
	FW_ASSERT(*w == 0);
	/* Nobody knows the object yet: not journalled. */
	o->slot = (uint32_t)slot;
	FW_SET(mm, *w, pos);
	FW_ADD(mm, mm->store_pages, 1);
	FW_ADD(mm, mm->store_bytes, o->bytes);
	return slot;
}

void cstore_join(struct fw_mm *mm, struct fw_frame *f, unsigned count,
		 unsigned first, unsigned end)
{
	FW_SET(mm, f->type, FRAME_STORE);
	FW_SET(mm, f->owner,
	       count | first << INFO_FIRST_SHIFT | end << INFO_END_SHIFT);
	FW_ADD(mm, mm->store_frames, 1);
	list_push(mm, &mm->store_log, f);
}

/* ---- for verify.c -------------------------------------------------------- */

/* The objects of one frame of the log. */
static uint64_t audit_frame(struct fw_mm *mm, fw_pfn pfn, uint64_t *ret_live,
			    void (*owns)(void *, unsigned, uint64_t),
			    void *arg)
{
	const struct fw_frame *f = frame_at(mm, pfn);
	uint64_t wrong = f->type != FRAME_STORE || f->state != FRAME_ACTIVE;
	cstore_pos pos;
	unsigned unit = 0;

	while ((pos = cstore_next(mm, pfn, unit)) != 0) {
		const struct cstore_object *o = cstore_object(mm, pos);
		unsigned end = cstore_unit(pos) + cstore_units(o->bytes);

		unit = cstore_unit(pos) + 1;
		if (!cstore_live(mm, pos))
			continue;
		(*ret_live)++;
		mm->scratch[pfn]++;
		if (end > CSTORE_UNITS && f->next == FW_PFN_NONE)
			return wrong + 1;
		if (end > CSTORE_UNITS)
			mm->scratch[f->next]++;
		wrong += o->bytes == 0 || o->bytes > CSTORE_MOST ||
			 (o->flags & CSTORE_FLAGS) == CSTORE_DELETED;
		if (o->flags & CSTORE_DELETED)
			owns(arg, CSTORE_FILE, o->slot);
	}
	return wrong;
}

/* How many words of the index name an object. */
static uint64_t audit_index(const struct fw_mm *mm,
			    void (*owns)(void *, unsigned, uint64_t),
			    void *arg)
{
	uint64_t n = 0, s;

	for (s = 0; s < mm->pfile[CSTORE_FILE].limit; s += INDEX_SLOTS) {
		const cstore_place *w = index_word(mm, s);
		unsigned i;

		for (i = 0; w && i < INDEX_SLOTS; i++)
			if (w[i] & CSTORE_ON_DISK)
				owns(arg, cstore_disk_file(w[i]),
				     cstore_disk_slot(w[i]));
			else
				n += w[i] != 0;
	}
	return n;
}

/* Objects that an actor says it is writing, and the slots they go to. */
static uint64_t audit_moving(struct fw_mm *mm, const struct fw_actor *a,
			     void (*owns)(void *, unsigned, uint64_t),
			     void *arg)
{
	uint64_t wrong = 0;
	uint32_t k;

	for (k = 0; k < a->n_moving; k++) {
		wrong += !cstore_live(mm, a->moving[k]) ||
			 !(cstore_object(mm, a->moving[k])->flags &
			   CSTORE_MOVING);
		if (a->moving_to[k])
			owns(arg, cstore_disk_file(a->moving_to[k]),
			     cstore_disk_slot(a->moving_to[k]));
	}
	return wrong;
}

uint64_t cstore_audit(struct fw_mm *mm,
		      void (*owns)(void *arg, unsigned file, uint64_t slot),
		      void *arg)
{
	uint64_t wrong = 0, live = 0, frames = 0;
	uint32_t i;
	fw_pfn pfn;

	if (!cstore_on(mm))
		return mm->store_frames + mm->store_pages;
	for (pfn = mm->store_log.head; pfn != FW_PFN_NONE && !wrong;
	     pfn = frame_at(mm, pfn)->next)
		wrong += audit_frame(mm, pfn, &live, owns, arg) +
			 (cstore_count(frame_at(mm, pfn)) == 0) +
			 (frames++ > mm->nframes);
	for (i = 0; i < mm->actor_top; i++)
		if (mm->actor[i])
			wrong += audit_moving(mm, mm->actor[i], owns, arg);
	return wrong + (live != audit_index(mm, owns, arg)) +
	       (live != mm->store_pages) +
	       (frames + mm->store_empty.count != mm->store_frames);
}
