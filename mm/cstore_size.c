/* SPDX-License-Identifier: MIT */
/*
 * cstore_size.c - how much of RAM the compressed store has: what it is worth.
 *
 * A frame more for pages as they are saves the faults on pages that left last.
 * A frame more for the store saves reads of pages that it moved to the disk.
 * Both are seen as they come: a page that comes back tells how long it was
 * away (refault.c). If that is as good as nothing, more RAM would have kept it;
 * if it is not much more than what the store spans, a larger store would have.
 * Each counts with what it has cost, and so does each page that is rescued from
 * standby, or moved. Every now and then the side that would have saved more
 * gets some frames of the other. (ARC weighs its two lists so, by their ghosts;
 * here the costs differ.)
 *
 * So pages that do not compress, and are needed, push the store out; and one
 * that holds all that a program has, compressed, is left to.
 */
#include <mm/cstore.h>

#define COST_RESCUE 1	/* of a page from standby; another will be instead */
#define COST_LOAD 10	/* ... from the store, which leaves again: 17 us */
#define COST_DISK 60	/* ... from a page file: 100 us */
#define COST_MOVE 2	/* to the disk, with others */
#define COST_DENSE 2	/* of a load, if fwp_condense made the page */
#define NEAR 16		/* of RAM: how much more is asked about */
#define ROUND 512	/* page faults between two decisions */
#define STEP 64		/* of RAM: what changes hands then */
#define LEAST 64	/* of RAM: what it always may have, or all it may */
#define START 2		/* of RAM: its share at first */
#define LIGHT 16	/* pages, of which the mean is known */
#define BEHIND 18 /* of RAM: a writer that has so much to do is in a hurry */

void cstore_size_init(struct fw_mm *mm)
{
	uint32_t start = mm->nframes / START;

	mm->store_goal = start < mm->store_max ? start : mm->store_max;
}

uint64_t cstore_limit(const struct fw_mm *mm)
{
	uint64_t turns = turn_leaves(mm);

	/* What cannot go to a disk must stay. */
	if (pfile_full(mm))
		return mm->store_max;
	return mm->store_goal < turns ? mm->store_goal : turns;
}

/* A mean of the last sixteen or so: two writers at once may lose one. */
void cstore_note_light(struct fw_mm *mm, unsigned n)
{
	uint32_t mean = mm->store_light;

	mm->store_light = mean == 0 ? n * LIGHT : mean - mean / LIGHT + n;
}

bool cstore_wants_dense(const struct fw_mm *mm)
{
	return mm->store_dense && mm->modified.count < mm->page_frames / BEHIND;
}

/*
 * Whether the frames that smaller pages leave to others are worth what it takes
 * to expand them. (How much smaller is only known when it is done: some three
 * eighths.)
 */
static void dense_decide(struct fw_mm *mm)
{
	uint64_t light = mm->store_light / LIGHT;
	uint64_t saved = mm->store_pages * light / (CSTORE_PAGE * 8 / 3);

	mm->store_dense = mm->gain_ram * saved >
			  mm->gain_loads * COST_DENSE * (mm->nframes / NEAR);
	mm->gain_loads = 0;
}

static void goal_move(struct fw_mm *mm, bool up)
{
	uint32_t step = mm->nframes / STEP + 1, least = mm->nframes / LEAST;

	if (least > mm->store_max)
		least = mm->store_max;
	if (up)
		mm->store_goal = mm->store_max - mm->store_goal < step ?
					 mm->store_max : mm->store_goal + step;
	else
		mm->store_goal = mm->store_goal < least + step ?
					 least : mm->store_goal - step;
}

static void goal_decide(struct fw_mm *mm)
{
	uint64_t ram = mm->gain_ram, store = mm->gain_store;

	/* What is too large costs little; what is moved to the disk for nothing
	 * has to be read from there. */
	if (store > ram)
		goal_move(mm, true);
	else if (ram > 2 * store + ROUND)
		goal_move(mm, false);
	dense_decide(mm);
	mm->gain_ram = mm->gain_store = 0;
}

/* One tick is a 256th of RAM; they count 16 times the RAM. */
static unsigned when_shift(const struct fw_mm *mm)
{
	unsigned shift = 0;

	while (mm->nframes >> shift > 256)
		shift++;
	return shift;
}

uint16_t cstore_now(const struct fw_mm *mm)
{
	return (uint16_t)(mm->evicted >> when_shift(mm)
			  << CSTORE_WHEN_SHIFT);
}

uint64_t cstore_age(const struct fw_mm *mm, const struct cstore_object *o)
{
	unsigned ticks = (uint16_t)(cstore_now(mm) - o->flags);

	return (uint64_t)(ticks >> CSTORE_WHEN_SHIFT) << when_shift(mm);
}

/* How long ago its oldest page left memory, on the clock of refault.c. */
static uint64_t store_span(const struct fw_mm *mm)
{
	fw_pfn head = mm->store_log.head;
	cstore_pos pos = head == FW_PFN_NONE ? 0 : cstore_next(mm, head, 0);

	return pos == 0 ? 0 : cstore_age(mm, cstore_object(mm, pos));
}

/* How much longer if it had NEARth of RAM more, and pages as they are that much
 * less. */
static uint64_t near_span(const struct fw_mm *mm)
{
	uint32_t pages = (uint32_t)mm->store_pages, eighths;

	if (pages <= mm->store_log.count)
		return 0;
	/* Pages to a frame, less the one that it would hold as it is. */
	eighths = pages * 8 / mm->store_log.count - 8;
	return (uint64_t)(mm->nframes / NEAR) * eighths / 8;
}

static void note_round(struct fw_mm *mm, unsigned n)
{
	mm->store_noted += n;
	if (mm->store_noted < ROUND)
		return;
	mm->store_noted = 0;
	goal_decide(mm);
}

void cstore_note(struct fw_mm *mm, uint64_t distance, cstore_place place,
		 bool stored)
{
	bool disk = (place & CSTORE_ON_DISK) != 0;

	if (!cstore_on(mm) || distance == 0)
		return;
	mm->gain_loads += stored && !disk;
	if (distance <= mm->nframes / NEAR)
		mm->gain_ram += stored ? COST_LOAD : COST_DISK;
	if (stored && disk && distance <= store_span(mm) + near_span(mm))
		mm->gain_store += COST_DISK - COST_LOAD;
	note_round(mm, 1);
}

void cstore_note_rescue(struct fw_mm *mm)
{
	mm->gain_ram += COST_RESCUE;
}

void cstore_note_moved(struct fw_mm *mm, unsigned pages)
{
	mm->gain_store += pages * COST_MOVE;
	note_round(mm, pages);
}
