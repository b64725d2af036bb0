/* SPDX-License-Identifier: MIT */
/*
 * scenes_broken.c - the explorer finds what is wrong: in ports that lose a
 * wake-up, a flush or a lock, and in actors that only some orders bring down.
 * Each must be found, and with as few preemptions as it takes.
 */
#include "explore.h"

static void two_cpus(void)
{
	add_cpu(0, 0);
	add_cpu(1, 0);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 2);
}

static void is_out(void)
{
	two_cpus();
	page_out(w->cpu[0]);
}

static void two_spaces(void)
{
	add_cpu(0, 0);
	add_cpu(1, 1);
}

static void read_first(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(0), value_of(0));
}

static void write_twice(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 6);
	put(me, PAGE_AT(0), 7);
}

static void trim_write_and_reuse(struct soft_cpu *me)
{
	trim(me);
	write_and_reuse(me);
}

static void is_seven(void)
{
	want_value(w->cpu[1], PAGE_AT(0), 7);
}

/* ---- ports ------------------------------------------------------------ */

SCENARIO(finds_a_lost_wake_up, "", .broken = true, .needs = 0,
	 .defect = DEFECT_LOST_WAKE, .actors = 2, .setup = is_out,
	 .run = {read_first, read_first})
/* The read must end between the look at the page and the wait. */
SCENARIO(finds_a_late_wait, "", .broken = true, .needs = 1,
	 .defect = DEFECT_SHORT_WAIT, .actors = 2, .setup = is_out,
	 .run = {read_first, read_first})
SCENARIO(finds_a_lost_flush, "", .broken = true, .needs = 0,
	 .defect = DEFECT_LOST_FLUSH, .actors = 2, .setup = two_cpus,
	 .run = {write_twice, trim_write_and_reuse}, .finish = is_seven)
SCENARIO(finds_an_open_lock, "", .broken = true, .needs = 1,
	 .defect = DEFECT_OPEN_LOCK, .actors = 2, .setup = two_cpus,
	 .run = {trim, trim})

/* ---- actors ----------------------------------------------------------- */

static void lock_both(struct soft_cpu *me)
{
	struct fw_space *mine = me->space;
	struct fw_space *other = w->cpu[1 - running()]->space;

	fw_space_lock(mine, NULL);
	fw_space_lock(other, NULL);
	fw_space_unlock(other);
	fw_space_unlock(mine);
}

static void count_up(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), get(me, PAGE_AT(0)) + 1);
}

static void counted_twice(void)
{
	want_value(w->cpu[0], PAGE_AT(0), value_of(0) + 2);
}

static void open_for_a_moment(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 1);
	put(me, PAGE_AT(0), 0);
}

static void look_twice(struct soft_cpu *me)
{
	uint64_t first = get(me, PAGE_AT(0));
	uint64_t second = get(me, PAGE_AT(0));

	want(first != 1 || second != 0, "it was open, and is closed");
}

static void spin(struct soft_cpu *me)
{
	while (get(me, PAGE_AT(0)) != 7)
		;
}

SCENARIO(finds_a_deadlock, "", .broken = true, .needs = 1, .actors = 2,
	 .setup = two_spaces, .run = {lock_both, lock_both})
SCENARIO(finds_a_lost_update, "", .broken = true, .needs = 1, .actors = 2,
	 .setup = two_cpus, .run = {count_up, count_up},
	 .finish = counted_twice)
SCENARIO(finds_what_takes_two, "", .broken = true, .needs = 2, .actors = 2,
	 .setup = two_cpus, .run = {open_for_a_moment, look_twice})
SCENARIO(finds_no_end, "", .broken = true, .needs = 0, .actors = 2,
	 .setup = two_cpus, .run = {spin, write_first})
