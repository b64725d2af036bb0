/* SPDX-License-Identifier: MIT */
/*
 * test_guard.c - guard pages: one violation each, whatever the access; stacks
 * that grow by a guard page, and their end.
 */
#include "machine.h"

static struct rig r;

static enum fw_status set_flags(fw_addr at, uint64_t pages, uint32_t set,
				uint32_t clear)
{
	return fw_set_flags(r.s->mm, r.cpu->actor, r.cpu->space, at,
			    pages * PAGE, set, clear);
}

/* One violation that leaves nothing behind, then an ordinary page. */
static void guards_once(fw_addr at, uint32_t access, enum fw_kind then)
{
	uint64_t resident = fw_space_resident(r.cpu->space);
	uint64_t count = totals(&r).kind_count[FW_KIND_GUARD];

	is_kind(touch(r.cpu, at, access), FW_KIND_GUARD);
	is_u64(fw_space_resident(r.cpu->space), resident, "no page came");
	is_u64(totals(&r).kind_count[FW_KIND_GUARD], count + 1, "counted");
	is_kind(touch(r.cpu, at, access), then);
	is_kind(touch(r.cpu, at, access), NO_FAULT);
	rig_verify(&r);
}

TEST(one_violation_a_page, "B13 B49")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	is_u64(map_flags(&r, BASE + 4 * PAGE, 4, 7,
			 FW_VADF_GUARD | FW_VADF_RANDOM),
	       FW_OK, "map");
	guards_once(BASE + 5 * PAGE, FW_ACC_READ, FW_KIND_DEMAND_ZERO);
	guards_once(BASE + 6 * PAGE, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO);
	guards_once(BASE + 7 * PAGE + 77, FW_ACC_EXEC, FW_KIND_DEMAND_ZERO);
	is_u64(r.cpu->space->n_vads, 3, "ordinary pages are one region");
	guards_once(BASE + 4 * PAGE, FW_ACC_READ, FW_KIND_DEMAND_ZERO);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_DEMAND_ZERO);
	is_u64(totals(&r).kind_count[FW_KIND_GUARD], 4, "four in all");
	rig_end(&r);
}

/* Rights come before the guard, which stays. */
TEST(a_violation_does_not_spend_the_guard, "B11 B13")
{
	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, BASE, 1, FW_PROT_R, FW_VADF_GUARD), FW_OK, "map");
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_ACCERR);
	if (FW_PTE_NX)
		is_kind(touch(r.cpu, BASE, FW_ACC_EXEC),
			FW_KIND_ACCERR);
	guards_once(BASE, FW_ACC_READ, FW_KIND_DEMAND_ZERO);
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_ACCERR);
	rig_end(&r);
}

/* Pages with contents: resident, on the lists, in the page file, of a file;
 * the guard costs none of them their contents. */
TEST(contents_behind_a_guard, "B13 B43")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	is_u64(set_flags(BASE + 2 * PAGE, 4, FW_VADF_GUARD, 0), FW_OK, "set");
	is_u64(fw_space_resident(r.cpu->space), 4,
	       "guard pages leave the working set");
	guards_once(BASE + 2 * PAGE, FW_ACC_READ, FW_KIND_TRANSITION);
	guards_once(BASE + 3 * PAGE, FW_ACC_READ, FW_KIND_TRANSITION);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	guards_once(BASE + 4 * PAGE, FW_ACC_READ, FW_KIND_PAGE_FILE);
	is_u64(wrong_pages(r.cpu, BASE, 5, 1), 0, "contents");
	is_u64(set_flags(BASE, 8, 0, FW_VADF_GUARD), FW_OK, "clear");
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "contents of all");
	is_u64(r.cpu->space->n_vads, 1, "one region again");
	is_u64(r.cpu->count[FW_KIND_GUARD], 3, "no more violations");
	rig_end(&r);
}

TEST(guards_are_inherited, "B13 C63")
{
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 3);
	put_pages(r.cpu, BASE, 3, 1);
	set_flags(BASE + PAGE, 1, FW_VADF_GUARD, 0);
	is_u64(soft_fork(r.cpu, &child), FW_OK, "fork");
	is_kind(touch(child, BASE + PAGE, FW_ACC_READ), FW_KIND_GUARD);
	is_u64(wrong_pages(child, BASE, 3, 1), 0, "the child's");
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_READ), FW_KIND_GUARD);
	is_u64(wrong_pages(r.cpu, BASE, 3, 1), 0, "the parent's");
	soft_cpu_exit(child);
	rig_end(&r);
}

/* The kernel's copies meet it as a program does, and stop. */
TEST(a_guard_in_a_buffer, "B13 C51")
{
	uint8_t buffer[3 * 4096];
	struct fw_range range = {BASE, 3 * PAGE, FW_ACC_READ, 0};
	unsigned whole = 9;
	uint64_t bytes = 0;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 3);
	put_pages(r.cpu, BASE, 3, 1);
	set_flags(BASE + 2 * PAGE, 1, FW_VADF_GUARD, 0);
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer, BASE,
			  sizeof(buffer)),
	       2 * PAGE, "up to the guard");
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer, BASE,
			  sizeof(buffer)),
	       3 * PAGE, "which is spent");
	set_flags(BASE + PAGE, 1, FW_VADF_GUARD, 0);
	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, &range, 1,
			   &whole, &bytes),
	       FW_E_FAULT, "announce");
	is_u64(bytes, PAGE, "up to the guard");
	fw_withdraw(r.cpu->actor);
	rig_end(&r);
}

/* One page at first; each touch of the guard gives one page more; what lies
 * below the guard is reserved; and at the end it overflows, once. */
TEST(a_stack_that_grows_by_its_guard, "B13 B14 B15")
{
	const uint64_t pages = 32;
	const fw_addr top = BASE + pages * PAGE;

	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, BASE, 2, RW, FW_VADF_STACK | FW_VADF_GUARD),
	       FW_E_INVAL, "too small");
	is_u64(map_flags(&r, BASE, pages, RW, FW_VADF_STACK | FW_VADF_GUARD),
	       FW_OK, "map");
	is_kind(touch(r.cpu, top - 8, FW_ACC_WRITE), FW_KIND_DEMAND_ZERO);
	is_kind(touch(r.cpu, top - 2 * PAGE - 8, FW_ACC_WRITE),
		FW_KIND_ACCERR);
	for (uint64_t i = 2; i < pages - 1; i++) {
		is_kind(touch(r.cpu, top - i * PAGE,
			      i & 1 ? FW_ACC_READ : FW_ACC_WRITE),
			FW_KIND_STACK);
		is_u64(r.cpu->last.n, 1, "one page");
		is_u64(fw_space_resident(r.cpu->space), i, "so many are given");
		is_kind(touch(r.cpu, top - (i + 2) * PAGE, FW_ACC_READ),
			FW_KIND_ACCERR);
	}
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_WRITE), FW_KIND_OVERFLOW);
	is_u64(fw_space_resident(r.cpu->space), pages - 2, "nothing came yet");
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_WRITE), FW_KIND_DEMAND_ZERO);
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_ACCERR);
	is_u64(r.cpu->count[FW_KIND_STACK], pages - 3, "growth");
	is_u64(r.cpu->count[FW_KIND_OVERFLOW], 1, "one overflow");
	is_u64(r.cpu->count[FW_KIND_GUARD], 0, "no guard violation");
	rig_end(&r);
}

TEST(a_guarded_stack_keeps_its_contents, "B14 C70")
{
	const uint64_t pages = 64;
	const fw_addr top = BASE + pages * PAGE;
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, pages, RW, FW_VADF_STACK | FW_VADF_GUARD);
	for (uint64_t i = 1; i <= 40; i++)
		put_pages(r.cpu, top - i * PAGE, 1, i);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	is_u64(soft_fork(r.cpu, &child), FW_OK, "fork");
	for (uint64_t i = 1; i <= 50; i++)
		ok(put_pages(child, top - i * PAGE, 1, 100 + i), "deeper");
	for (uint64_t i = 1; i <= 40; i++)
		is_u64(wrong_pages(r.cpu, top - i * PAGE, 1, i), 0, "ours");
	is_kind(touch(r.cpu, top - 41 * PAGE, FW_ACC_WRITE), FW_KIND_STACK);
	for (uint64_t i = 1; i <= 50; i++)
		is_u64(wrong_pages(child, top - i * PAGE, 1, 100 + i), 0,
		       "the child's");
	soft_cpu_exit(child);
	rig_end(&r);
}

/* With a stock of frames at hand, which ordinary pages come from without the
 * lock of the core: a guard still tells of its first access. */
TEST(guards_where_faults_run_in_parallel, "B13 B14 B15")
{
	const fw_addr top = 2 * BASE + 16 * PAGE;

	rig_stripes = 8;
	r = rig_start(4096, 1, 4096);
	rig_stripes = 0;
	map_single(&r, BASE, 64);
	for (uint64_t i = 0; i < 32; i++)
		touch(r.cpu, BASE + i * PAGE, FW_ACC_WRITE);
	set_flags(BASE + 34 * PAGE, 8, FW_VADF_GUARD, 0);
	for (uint64_t i = 32; i < 48; i++)
		is_kind(touch(r.cpu, BASE + i * PAGE, FW_ACC_READ),
			i >= 34 && i < 42 ? FW_KIND_GUARD :
					    FW_KIND_DEMAND_ZERO);
	for (uint64_t i = 34; i < 42; i++)
		is_kind(touch(r.cpu, BASE + i * PAGE, FW_ACC_WRITE),
			FW_KIND_DEMAND_ZERO);
	rig_verify(&r);
	map_flags(&r, 2 * BASE, 16, RW, FW_VADF_STACK | FW_VADF_GUARD);
	touch(r.cpu, top - 8, FW_ACC_WRITE);
	for (uint64_t i = 2; i < 15; i++)
		is_kind(touch(r.cpu, top - i * PAGE, FW_ACC_WRITE),
			FW_KIND_STACK);
	is_kind(touch(r.cpu, 2 * BASE + PAGE, FW_ACC_WRITE),
		FW_KIND_OVERFLOW);
	rig_end(&r);
}

TEST(the_classes_of_event_tracing, "B49")
{
	static const struct {
		enum fw_kind kind;
		unsigned class;
	} want[] = {{FW_KIND_TRANSITION, 10}, {FW_KIND_PROTOTYPE, 10},
		    {FW_KIND_DEMAND_ZERO, 11}, {FW_KIND_COW, 12},
		    {FW_KIND_GUARD, 13}, {FW_KIND_STACK, 13},
		    {FW_KIND_PAGE_FILE, 14}, {FW_KIND_MAPPED_FILE, 14},
		    {FW_KIND_MAPERR, 15}, {FW_KIND_ACCERR, 15},
		    {FW_KIND_DIRTY, 0}, {FW_KIND_IOERR, 0}};

	for (unsigned i = 0; i < sizeof(want) / sizeof(*want); i++)
		is_u64(fw_kind_class(want[i].kind), want[i].class, "%s",
		       fw_kind_key(want[i].kind));
}
