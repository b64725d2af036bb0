/* SPDX-License-Identifier: MIT */
/*
 * cstore_size.c - how much of RAM the compressed store has: what it is worth.
 *
 * A frame more for pages as they are saves the faults on pages that left last.
 * A frame more for the store saves the reads of pages that it moved to the disk
 * last. Both are seen as they come: a page that comes back tells how long it
 * was away (refault.c), one that the store has moved when that was. Each counts
 * with what it has cost, and so does each page that is rescued from standby, or
 * moved; every now and then the side that would have saved more
 * gets some frames of the other. (ARC weighs its two lists so, by their ghosts;
 * here the costs differ.)
 *
 * So pages that do not compress, and are needed, push the store out; and one
 * that holds all that a program has, compressed, is left to.
 */
#include <mm/cstore.h>

#define COST_RESCUE 1	/* of a page from standby: some 5 us */
#define COST_LOAD 3	/* ... from the store, which leaves again */
#define COST_DISK 20	/* ... from a page file */
#define COST_MOVE 1	/* to the disk, with others */
#define NEAR 16		/* of RAM: how much more is asked about */
#define ROUND 256	/* page faults between two decisions */
#define STEP 64	/* of RAM: what changes hands then */
#define LEAST 64	/* of RAM: what it always may have, or all it may */
#define START 4		/* of RAM: its share at first */

void cstore_size_init(struct fw_mm *mm)
{
	uint32_t start = mm->nframes / START;

	mm->store_goal = start < mm->store_max ? start : mm->store_max;
}

uint64_t cstore_limit(const struct fw_mm *mm)
{
	/* What cannot go to a disk must stay. */
	return pfile_full(mm) ? mm->store_max : mm->store_goal;
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

	/* Not for nothing. */
	if (store > ram + ram / 4)
		goal_move(mm, true);
	else if (ram > store + store / 4)
		goal_move(mm, false);
	mm->gain_ram = mm->gain_store = 0;
}

/* Pages that the store would hold more if it had NEARth of RAM more, and pages
 * as they are that much less. */
static uint64_t near_pages(const struct fw_mm *mm)
{
	uint32_t pages = (uint32_t)mm->store_pages, eighths;

	if (pages <= mm->store_frames)
		return 0;
	/* Pages to a frame, less the one that it would hold as it is. */
	eighths = pages * 8 / (uint32_t)mm->store_frames - 8;
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
	if (distance <= mm->nframes / NEAR)
		mm->gain_ram += disk ? COST_DISK : COST_LOAD;
	if (stored && disk && cstore_since(mm, place) < near_pages(mm))
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
