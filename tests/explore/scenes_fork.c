/* SPDX-License-Identifier: MIT */
/*
 * scenes_fork.c - fork while other threads of the parent fault, write, trim
 * and unmap; and what parent and child do with the pages they share then.
 */
#include "explore.h"

#define CHILD 3 /* its CPU, in w->cpu */

/* ---- what the actors do ----------------------------------------------- */

static void fork_as(struct soft_cpu *me, unsigned cpu)
{
	want(soft_fork(me, &w->cpu[cpu]) == FW_OK, "fork fails");
}

/* The child sees what the parent had at one moment: who wrote 7 to the second
 * page had written it to the first one before. Then it writes for itself. */
static void fork_and_look(struct soft_cpu *me)
{
	struct soft_cpu *child;
	uint64_t first, second;

	fork_as(me, CHILD);
	child = w->cpu[CHILD];
	second = get(child, PAGE_AT(1));
	first = get(child, PAGE_AT(0));
	want(first == value_of(0) || first == 7, "reads %#llx",
	     (unsigned long long)first);
	want(second == value_of(1) || (second == 7 && first == 7),
	     "reads %#llx after %#llx", (unsigned long long)second,
	     (unsigned long long)first);
	w->note[0] = second;
	put(child, PAGE_AT(0), 0xc0);
	want_value(child, PAGE_AT(0), 0xc0);
}

static void just_fork(struct soft_cpu *me)
{
	fork_as(me, CHILD + running());
}

static void fork_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind;

	fork_as(me, CHILD);
	kind = try_get(w->cpu[CHILD], PAGE_AT(0), &got);
	want(kind == FW_KIND_MAPERR || (kind == DONE && got == value_of(0)),
	     "reads %#llx", (unsigned long long)got);
	w->note[0] = kind == DONE;
}

static void write_in_order(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 7);
	put(me, PAGE_AT(1), 7);
	want_value(me, PAGE_AT(0), 7);
}

static void read_two(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(0), value_of(0));
	want_value(me, PAGE_AT(1), value_of(1));
}

static void write_eight(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 8);
	want_value(me, PAGE_AT(0), 8);
}

static void write_and_exit(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 8);
	exit_now(me);
}

static void fork_and_exit(struct soft_cpu *me)
{
	fork_as(me, CHILD);
	want_value(w->cpu[CHILD], PAGE_AT(0), value_of(0));
	soft_cpu_exit(w->cpu[CHILD]);
	w->cpu[CHILD] = NULL;
}

/* The child's pages become its own before it runs. */
static void copy_child(struct soft_cpu *me)
{
	uint64_t copied;

	want(fw_fork_copy(w->s->mm, me->actor, w->cpu[1]->space, &copied) ==
		     FW_OK,
	     "no copies");
}

/* ---- where they begin ------------------------------------------------- */

/* CPU 0 in the parent, 1 in the child, 2 in the parent again. */
static void forked(void)
{
	add_cpu(0, 0);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 2);
	fork_as(w->cpu[0], 1);
	add_cpu(2, 0);
}

static void forked_and_out(void)
{
	forked();
	push_out(w->cpu[1]);
	page_out(w->cpu[0]);
}

static void forked_and_modified(void)
{
	forked();
	push_out(w->cpu[1]);
	push_out(w->cpu[0]);
}

static void forked_and_half_out(void)
{
	forked();
	push_out(w->cpu[0]);
}

static void forked_read_fails(void)
{
	forked_and_out();
	w->errors = 1;
	w->fail_io = SOFT_STORE_READ;
}

/* ---- what must be there in the end ------------------------------------ */

static void in_and_out(struct soft_cpu *cpu, uint64_t first, uint64_t second)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(cpu, PAGE_AT(0), first);
		want_value(cpu, PAGE_AT(1), second);
		page_out(cpu);
	}
}

static void child_kept_its_own(void)
{
	in_and_out(w->cpu[0], 7, 7);
	in_and_out(w->cpu[CHILD], 0xc0, w->note[0]);
}

static void child_wrote(void)
{
	in_and_out(w->cpu[0], value_of(0), value_of(1));
	in_and_out(w->cpu[CHILD], 0xc0, value_of(1));
}

static void child_and_seven(void)
{
	in_and_out(w->cpu[0], 7, value_of(1));
	in_and_out(w->cpu[CHILD], 0xc0, value_of(1));
}

static void all_as_before(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		if (w->cpu[i])
			in_and_out(w->cpu[i], value_of(0), value_of(1));
}

static void gone_but_for_the_child(void)
{
	uint64_t got;

	want(try_get(w->cpu[0], PAGE_AT(0), &got) == FW_KIND_MAPERR,
	     "the parent has it still");
	if (w->note[0])
		in_and_out(w->cpu[CHILD], value_of(0), value_of(1));
}

static void seven_and_eight(void)
{
	in_and_out(w->cpu[0], 7, value_of(1));
	in_and_out(w->cpu[1], 8, value_of(1));
}

static void seven_and_old(void)
{
	in_and_out(w->cpu[0], 7, value_of(1));
	in_and_out(w->cpu[1], value_of(0), value_of(1));
}

static void parent_has_seven(void)
{
	in_and_out(w->cpu[0], 7, value_of(1));
}

static void child_has_eight(void)
{
	uint64_t got;

	want(try_get(w->cpu[0], PAGE_AT(0), &got) == FW_KIND_MAPERR,
	     "the parent has it still");
	in_and_out(w->cpu[1], 8, value_of(1));
}

/* ---- fork ------------------------------------------------------------- */

SCENARIOS(fork_fault, "C77 B42", .actors = 2, .setup = two_pages_out,
	  .run = {fork_and_look, read_two}, .finish = child_wrote)
SCENARIOS(fork_write, "C77 A17", .actors = 2, .setup = two_pages,
	  .run = {fork_and_look, write_in_order}, .finish = child_kept_its_own)
SCENARIO(fork_write_out, "C77 A17", .actors = 2, .setup = two_pages_out,
	 .run = {fork_and_look, write_in_order}, .finish = child_kept_its_own)
SCENARIOS(fork_trim, "C77", .actors = 2, .setup = two_pages,
	  .run = {fork_and_look, trim_and_reuse}, .finish = child_wrote)
SCENARIO(fork_writer, "C77 B34", .actors = 2, .setup = two_pages_modified,
	 .run = {fork_and_look, write_and_reuse}, .finish = child_wrote)
SCENARIOS(fork_unmap, "C77 C48", .actors = 2, .setup = two_pages,
	  .run = {fork_or_gone, unmap}, .finish = gone_but_for_the_child)
SCENARIO(fork_fork, "C77", .actors = 2, .setup = two_pages_modified,
	 .run = {just_fork, just_fork}, .finish = all_as_before)
SCENARIO(fork_exit_write, "C77", .actors = 2, .setup = two_pages,
	 .run = {fork_and_exit, read_two}, .finish = all_as_before)
SCENARIO(fork_fault_trim, "C77 B42", .actors = 3, .setup = two_pages_out,
	 .run = {fork_and_look, write_first, trim_and_reuse},
	 .finish = child_and_seven)
SCENARIO(fork_trim_writer, "C77 B34", .actors = 3, .setup = two_pages,
	 .run = {just_fork, trim, write_and_reuse}, .finish = all_as_before)

/* ---- after it --------------------------------------------------------- */

SCENARIOS(cow_both, "A17 B07", .actors = 2, .setup = forked,
	  .run = {write_first, write_eight}, .finish = seven_and_eight)
SCENARIO(cow_both_out, "A17 B42", .actors = 2, .setup = forked_and_out,
	 .run = {write_first, write_eight}, .finish = seven_and_eight)
SCENARIO(cow_both_modified, "A17 B07", .actors = 2,
	 .setup = forked_and_modified, .run = {write_first, write_eight},
	 .finish = seven_and_eight)
SCENARIO(cow_half_out, "A17 B07", .actors = 2, .setup = forked_and_half_out,
	 .run = {write_first, write_eight}, .finish = seven_and_eight)
SCENARIO(cow_read, "A17 B42", .actors = 2, .setup = forked_and_out,
	 .run = {write_first, read_two}, .finish = seven_and_old)
SCENARIO(cow_exit, "A17 C48", .actors = 2, .setup = forked,
	 .run = {write_first, write_and_exit}, .finish = parent_has_seven)
SCENARIO(cow_exit_out, "A17 C48", .actors = 2, .setup = forked_and_out,
	 .run = {write_first, exit_now}, .finish = parent_has_seven)
SCENARIO(cow_unmap, "A17 C48", .actors = 2, .setup = forked_and_out,
	 .run = {unmap, write_eight}, .finish = child_has_eight)
SCENARIO(cow_trim, "A17 B46", .actors = 3, .setup = forked,
	 .run = {write_first, write_eight, trim_and_reuse},
	 .finish = seven_and_eight)
SCENARIO(cow_out_trim, "A17 B42", .actors = 3, .setup = forked_and_out,
	 .run = {write_first, write_eight, trim_and_reuse},
	 .finish = seven_and_eight)
SCENARIO(cow_writer, "A17 B34", .actors = 3, .setup = forked_and_modified,
	 .run = {write_first, write_eight, write_and_reuse},
	 .finish = seven_and_eight)
SCENARIO(cow_fork, "A17 C77", .actors = 3, .setup = forked,
	 .run = {write_first, write_eight, just_fork},
	 .finish = seven_and_eight)

/* Nobody runs in the child meanwhile. */
SCENARIO(cow_copy, "A17", .actors = 3, .setup = forked,
	 .run = {write_first, copy_child, trim_and_reuse},
	 .finish = seven_and_old)
SCENARIO(cow_copy_out, "A17 B42", .actors = 3, .setup = forked_and_out,
	 .run = {write_first, copy_child, write_and_reuse},
	 .finish = seven_and_old)

/* The reader who is told of the error is not the one who waits in the other
 * space: he reads for himself, or is told as well. */
static void eight_or_error(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, PAGE_AT(0), 8);

	want(kind == DONE || kind == FW_KIND_IOERR, "a write fails");
}

static void second_there(void)
{
	want_value(w->cpu[0], PAGE_AT(1), value_of(1));
	want_value(w->cpu[1], PAGE_AT(1), value_of(1));
}

SCENARIO(cow_error, "A17 B03", .actors = 2, .setup = forked_read_fails,
	 .run = {eight_or_error, eight_or_error}, .finish = second_there)
