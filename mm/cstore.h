/* SPDX-License-Identifier: MIT */
/*
 * cstore.h - the compressed store: pages that have left, compressed, in frames
 * of RAM in front of the page files; cstore.c,
 * cstore_fill.c, cstore_io.c, cstore_size.c.
 */
#ifndef FW_MM_CSTORE_H
#define FW_MM_CSTORE_H

#include <mm/mm.h>

#define CSTORE_UNIT 16u /* objects begin at multiples of it */
#define CSTORE_PAGE ((unsigned)FW_PAGE_SIZE)
/* What does not become smaller than this goes to the page file as it is. */
#define CSTORE_MOST (CSTORE_PAGE / 16 * 15)
/* ... and is not worth the longer way. */
#define CSTORE_DENSE_MOST (CSTORE_PAGE / 4 * 3)
#define CSTORE_UNITS (CSTORE_PAGE / CSTORE_UNIT) /* in a frame */
#define CSTORE_TRIES 4 /* rounds of making room before a batch */

/* Where an object is: its frame, and where in it in units. 0: nowhere. */
typedef uint32_t cstore_pos;
#define CSTORE_PFN_BITS 24 /* RAM of 64 GiB */

static inline fw_pfn cstore_pfn(cstore_pos pos)
{
	return pos / CSTORE_UNITS;
}

static inline unsigned cstore_unit(cstore_pos pos)
{
	return pos % CSTORE_UNITS;
}

/*
 * PTEs name pages of the store like those of a page file, by a slot of file
 * CSTORE_FILE, which has no medium. A word for each slot says where the page
 * is: nowhere (0), in an object, or in a slot of a page file. No other may
 * have this number.
 */
#define CSTORE_FILE (FW_MAX_PAGE_FILES - 1u)
typedef uint64_t cstore_place;
#define CSTORE_ON_DISK ((cstore_place)1 << 63)

static inline cstore_place cstore_on_disk(unsigned file, uint64_t slot)
{
	return CSTORE_ON_DISK | (cstore_place)file << 56 | slot;
}

static inline unsigned cstore_disk_file(cstore_place place)
{
	return (unsigned)(place >> 56 & 15);
}

static inline uint64_t cstore_disk_slot(cstore_place place)
{
	return place & (((cstore_place)1 << 56) - 1);
}

/* Whether b is the next slot on the disk after a. */
static inline bool cstore_adjacent(cstore_place a, cstore_place b)
{
	return cstore_disk_file(a) == cstore_disk_file(b) &&
	       cstore_disk_slot(a) + 1 == cstore_disk_slot(b);
}

/* What stands before the bytes of an object. */
struct cstore_object {
	uint32_t slot;
	uint16_t bytes;
	uint16_t flags; /* enum cstore_flag, and when it came: cstore_age */
};

static inline unsigned cstore_units(unsigned bytes)
{
	unsigned n = (unsigned)sizeof(struct cstore_object) + bytes;

	return (n + CSTORE_UNIT - 1) / CSTORE_UNIT;
}

enum cstore_flag {
	CSTORE_MOVING = 1,  /* an actor is writing it to a page file */
	CSTORE_DELETED = 2, /* ... and is to free the slot afterwards */
	CSTORE_FLAGS = 3,   /* what may change */
	CSTORE_DENSE = 4,   /* made by fwp_condense ... */
	CSTORE_TRIED = 8,   /* ... or not: it would be no smaller */
};
#define CSTORE_WHEN_SHIFT 4

/* New frames of the log, being filled by one actor, who lists them. */
struct cstore_segment {
	struct fw_mm *mm;
	struct fw_actor *actor;
	unsigned at; /* bytes filled */
	bool full;   /* no more frames can be had */
	bool dense;  /* pages are to become as small as they can ... */
	bool hard;   /* ... but the last one did not become smaller */
	bool packs;  /* it takes what is in the log already */
};

/* ---- cstore.c ------------------------------------------------------------ */

static inline bool cstore_on(const struct fw_mm *mm)
{
	return mm->store_max > 0;
}

/* Whether the PTE, which has a slot, names a page of the store. */
static inline bool cstore_has(const struct fw_mm *mm, fw_pte pte)
{
	return cstore_on(mm) && pte_file(pte) == CSTORE_FILE;
}

/* Where the page of this slot of CSTORE_FILE is. mm lock, as all that follow
 * where they say nothing else. */
cstore_place cstore_find(const struct fw_mm *mm, uint64_t slot);
/* The slot is being freed: its object goes, or its slot on the disk. True: it
 * may not be free yet, and will be when the object has been written. */
bool cstore_drop(struct fw_mm *mm, uint64_t slot);
/* The object goes; its page is now in this place. */
void cstore_release(struct fw_mm *mm, cstore_pos pos, cstore_place now);
/* The object has been copied from there, all of it. */
void cstore_relocate(struct fw_mm *mm, cstore_pos from, cstore_pos to);
/* A frame with `count` live objects, of which the first begins in this unit,
 * and the last ends before that, is the youngest of the log. */
void cstore_join(struct fw_mm *mm, struct fw_frame *f, unsigned count,
		 unsigned first, unsigned end);
/* The page file whose slots PTEs name is made; when the manager is. */
void cstore_init(struct fw_mm *mm);
struct cstore_object *cstore_object(const struct fw_mm *mm, cstore_pos pos);
/* The next object in a frame of the log: at or behind `unit`; 0: no more. */
cstore_pos cstore_next(const struct fw_mm *mm, fw_pfn pfn, unsigned unit);
/* Whether the object is that of its slot: others have been dropped. */
bool cstore_live(const struct fw_mm *mm, cstore_pos pos);
/* Gives back the frames in which nothing is left. Checkpoints. */
void cstore_reap(struct fw_mm *mm);
/* Frees what the index does not need any more, if there may be much of that; no
 * locks. */
void cstore_sweep(struct fw_mm *mm, struct fw_actor *actor);
/* Marks in mm->scratch how many live objects have bytes in each frame; returns
 * how many things are wrong. `owns` is called for slots that objects own. */
uint64_t cstore_audit(struct fw_mm *mm,
		      void (*owns)(void *arg, unsigned file, uint64_t slot),
		      void *arg);
/* Live objects with bytes in a frame of the log. */
unsigned cstore_count(const struct fw_frame *f);

/* ---- cstore_fill.c: no locks --------------------------------------------- */

void cstore_begin(struct cstore_segment *s, struct fw_mm *mm,
		  struct fw_actor *actor);
/* Compresses a page into the segment; where it is, or 0 when it would not
 * become small enough, or there are no frames for it. */
cstore_pos cstore_put(struct cstore_segment *s, const void *page);
/* Condenses it into the segment, to at most so many bytes; or 0. */
cstore_pos cstore_put_dense(struct cstore_segment *s, const void *page,
			    unsigned most);

/* Objects of the oldest frames go to its end, into full ones: how many. Whether
 * there are fewer frames then. */
unsigned cstore_pack(struct fw_mm *mm, struct fw_actor *actor,
		     bool *ret_shorter);
/* A piece of work of a thread that has nothing else to do: it becomes smaller.
 * False: there is none. */
bool cstore_tidy(struct fw_mm *mm, struct fw_actor *actor);
/* Whether more could be put there, and nothing moved. */
bool cstore_has_room(const struct fw_mm *mm);
/* Packs the log, or writes its oldest objects to page files, until n pages more
 * have room. False: there is none. */
bool cstore_make_room(struct fw_mm *mm, struct fw_actor *actor, unsigned n);

/* ---- cstore_dense.c ------------------------------------------------------ */

/* Some of the older objects become smaller, and go to the log's end; true:
 * there may be more. For a thread that has nothing else to do; no locks. */
bool cstore_condense(struct fw_mm *mm, struct fw_actor *actor);

/* ---- cstore_fill.c: publishing: mm lock, one section, in this order ------ */

/* A slot of CSTORE_FILE whose page is this object, or 0: none is to be had. */
uint64_t cstore_publish(struct fw_mm *mm, cstore_pos pos);
/* The frames that hold published objects join the log, others are free. */
void cstore_seal(struct cstore_segment *s);

/* ---- cstore_size.c ------------------------------------------------------- */

void cstore_size_init(struct fw_mm *mm);
/* The time, for the flags of a new object; how long ago one came, in pages that
 * have lost their frames since (refault.c). */
uint16_t cstore_now(const struct fw_mm *mm);
uint64_t cstore_age(const struct fw_mm *mm, const struct cstore_object *o);
/* Frames that it may have just now. */
uint64_t cstore_limit(const struct fw_mm *mm);
/* A page became n bytes by the quick method. */
void cstore_note_light(struct fw_mm *mm, unsigned n);
/* Whether pages are to be made smaller than that. */
bool cstore_wants_dense(const struct fw_mm *mm);
/* A page in a slot is needed, so long after it left memory; `stored`: it went
 * to the store then. */
void cstore_note(struct fw_mm *mm, uint64_t distance, cstore_place place,
		 bool stored);
/* A page comes back that has not lost its frame; pages have moved. */
void cstore_note_rescue(struct fw_mm *mm);
void cstore_note_moved(struct fw_mm *mm, unsigned pages);

/* ---- cstore_io.c --------------------------------------------------------- */

/* The page of this object; no locks. The object may change or go meanwhile: the
 * content counts only if cstore_find() still says `pos` afterwards. False: no
 * page came of it. */
bool cstore_load(const struct fw_mm *mm, cstore_pos pos, void *page);
/* Writes some of the oldest objects to page files: how many; no locks. */
unsigned cstore_shrink(struct fw_mm *mm, struct fw_actor *actor);
/* An object is MOVING no more; mm lock. False: it has gone. */
bool cstore_settle(struct fw_mm *mm, cstore_pos pos);
/* What a dead actor was writing. */
void cstore_abandon(struct fw_mm *mm, struct fw_actor *dead);

#endif
