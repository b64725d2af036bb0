/* SPDX-License-Identifier: MIT */
/*
 * balance.c - the kernel threads, as steps: each fw_*_tick() does one bounded
 * piece of work and says whether there is more. A port runs each in a thread
 * of its own and sleeps when there is nothing left; tests call them by hand.
 *
 *   writer   modified pages to the page files; if there are none, what is in
 *            the compressed store becomes smaller
 *   mapped   modified pages of files to their files
 *   zero     free frames to zeroed ones; frames touched ahead of their use
 *   balance  once a second: while frames are short, trims spaces that have
 *            more than their share; ages modified pages of files, and watches
 *            for thrashing
 *
 * None of them is needed for progress: a thread that faults does each of
 * these things itself when it must (reclaim.c).
 */
#include <mm/cstore.h>

#define STEP 64
#define MAPPED_STEP 16
#define MAPPED_AGE 30	/* balance ticks that a file's page may stay modified */
#define THRASH_LEAST 64 /* pages that came back too soon within one tick */

bool fw_writer_tick(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_pressure p;
	unsigned n;

	fw_pressure(mm, &p);
	if (p.want_write == 0)
		return cstore_tidy(mm, actor);
	n = p.want_write < STEP ? (unsigned)p.want_write : STEP;
	return fw_write_modified(mm, actor, n) > 0;
}

bool fw_mapped_tick(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_pressure p;
	unsigned done;

	fw_pressure(mm, &p);
	if (p.want_mapped == 0)
		return false;
	done = fw_write_mapped(mm, actor, MAPPED_STEP);
	/* A statistic of sorts: two writers at once may write a little more. */
	mm->mapped_due -= done < mm->mapped_due ? done : mm->mapped_due;
	return done > 0;
}

bool fw_zero_tick(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_pressure p;

	fw_pressure(mm, &p);
	if (p.want_zero && fw_zero_frames(mm, actor, STEP) > 0)
		return true;
	return p.want_touch && fw_touch_frames(mm, actor, STEP) > 0;
}

/* Reads of pages that should not have left, against all reads: when they are
 * most of them, memory is too small for what runs. */
static void thrash_watch(struct fw_mm *mm)
{
	/* Of a second, or so: 32 bits, which every CPU can divide. */
	uint32_t near = (uint32_t)(mm->refaults_near - mm->thrash_near);
	uint64_t all = mm->reads + mm->store_reads;
	uint32_t read = (uint32_t)(all - mm->thrash_read);

	mm->thrash_near = mm->refaults_near;
	mm->thrash_read = all;
	mm->thrash = 0;
	if (near < THRASH_LEAST)
		return;
	mm->thrash = near < read ? near * 100 / read : 100;
	if (mm->thrash > 50)
		fwp_thrash(mm, mm->thrash);
}

void fw_balance_second(struct fw_mm *mm, struct fw_actor *actor,
		       uint64_t ticks)
{
	mm->seconds++;
	if (mm->seconds % MAPPED_AGE == 0)
		mm->mapped_due = mm->mapped.count;
	thrash_watch(mm);
	turn_second(mm, actor, ticks);
}

bool fw_balance_tick(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_space *victim;
	struct fw_pressure p;

	fw_pressure(mm, &p);
	if (p.available >= p.low)
		return false;
	victim = fw_pick_victim(mm, actor, NULL);
	return victim && fwp_ask_trim(mm, victim, STEP);
}
