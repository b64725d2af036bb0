/* SPDX-License-Identifier: MIT */
/*
 * test_fork.c - copy-on-write between parents and children.
 */
#include "machine.h"

static struct rig r;
static uint8_t file_data[16 * 4096];

static struct soft_cpu *must_fork(struct soft_cpu *parent)
{
	struct soft_cpu *child = NULL;

	must(soft_fork(parent, &child) == FW_OK, "fork");
	return child;
}

TEST(shared_read_only_in_both, "C63 C66 C67 C71")
{
	struct soft_cpu *child;
	struct fw_totals before, after;

	r = rig_start(2048, 1, 4096);
	map_single(&r, BASE, 600);
	put_pages(r.cpu, BASE, 600, 1);
	before = totals(&r);
	child = must_fork(r.cpu);
	after = totals(&r);
	ok(frames_in_use(&after) - frames_in_use(&before) < 40,
	   "tables and records only, no page is copied");
	for (uint64_t i = 0; i < 600; i += 37) {
		fw_pte pte = soft_pte(r.cpu, BASE + i * PAGE);

		ok(!(pte & FW_PTE_VALID) || !(pte & FW_PTE_WRITE),
		   "parent's page is read-only");
		touch(child, BASE + i * PAGE, FW_ACC_READ);
		is_u64(fw_pte_pfn(soft_pte(child, BASE + i * PAGE)),
		       fw_pte_pfn(pte), "one frame");
		ok(!(soft_pte(child, BASE + i * PAGE) & FW_PTE_WRITE),
		   "child's page is read-only");
	}
	rig_verify(&r);
	is_u64(wrong_pages(child, BASE, 600, 1), 0, "child sees a copy");
	is_u64(wrong_pages(r.cpu, BASE, 600, 1), 0, "parent, too");
	is_u64(child->count[FW_KIND_COW] + r.cpu->count[FW_KIND_COW], 0,
	       "nothing was copied");
	soft_cpu_exit(child);
	rig_end(&r);
}

/* Who writes first, whose page is looked at: all orders. */
TEST(either_writes_first, "A15 B16 C68 C69 C70")
{
	for (unsigned order = 0; order < 3; order++) {
		struct soft_cpu *child;

		r = rig_start(1024, 1, 4096);
		map_single(&r, BASE, 8);
		put_pages(r.cpu, BASE, 8, 1);
		child = must_fork(r.cpu);
		if (order != 1) {
			put_pages(r.cpu, BASE, 8, 100);
			is_u64(r.cpu->count[FW_KIND_COW], 8, "copies");
			is_u64(wrong_pages(child, BASE, 8, 1), 0, "child's");
		}
		if (order != 0) {
			put_pages(child, BASE, 8, 200);
			is_u64(child->count[FW_KIND_COW],
			       order == 1 ? 8 : 0, "copies");
			is_u64(wrong_pages(r.cpu, BASE, 8,
					   order == 1 ? 1 : 100),
			       0, "parent's");
			is_u64(wrong_pages(child, BASE, 8, 200), 0, "child's");
		}
		rig_verify(&r);
		soft_cpu_exit(child);
		is_u64(wrong_pages(r.cpu, BASE, 8, order == 1 ? 1 : 100), 0,
		       "after the child has gone");
		rig_end(&r);
	}
}

TEST(the_last_owner_takes_the_page_back, "C73")
{
	struct soft_cpu *child;
	fw_pfn pfn;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	pfn = fw_pte_pfn(soft_pte(r.cpu, BASE));
	child = must_fork(r.cpu);
	touch(child, BASE, FW_ACC_READ);
	soft_cpu_exit(child);
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_COW_REUSE);
	is_u64(fw_pte_pfn(soft_pte(r.cpu, BASE)), pfn, "the same frame");
	is_u64(r.cpu->count[FW_KIND_COW], 0, "no copy");
	rig_end(&r);
}

TEST(child_runs_a_little_then_leaves, "C64 C72")
{
	struct soft_cpu *child;

	r = rig_start(2048, 1, 4096);
	map_single(&r, BASE, 600);
	put_pages(r.cpu, BASE, 600, 1);
	child = must_fork(r.cpu);
	put_pages(child, BASE + 10 * PAGE, 3, 500);
	is_u64(fw_unmap(r.s->mm, child->actor, child->space, BASE, 600 * PAGE),
	       FW_OK, "exec drops its pages");
	is_u64(child->count[FW_KIND_COW], 3, "a handful of copies");
	is_u64(wrong_pages(r.cpu, BASE, 600, 1), 0, "parent");
	rig_verify(&r);
	soft_cpu_exit(child);
	rig_end(&r);
}

/* A chain: each generation changes some pages and forks; then they go in an
 * order of their own. */
TEST(generations, "C74")
{
	enum { DEPTH = 8, PAGES = 40 };
	struct soft_cpu *cpu[DEPTH];
	static const unsigned leave[DEPTH] = {3, 7, 1, 5, 2, 6, 4, 0};

	r = rig_start(2048, 1, 4096);
	map_single(&r, BASE, PAGES);
	put_pages(r.cpu, BASE, PAGES, 0);
	cpu[0] = r.cpu;
	for (unsigned i = 1; i < DEPTH; i++) {
		cpu[i] = must_fork(cpu[i - 1]);
		put_pages(cpu[i], BASE + i * PAGE, 1, 1000 + i);
	}
	rig_verify(&r);
	for (unsigned k = 0; k < DEPTH; k++) {
		for (unsigned i = 0; i < DEPTH; i++) {
			if (!cpu[i])
				continue;
			for (unsigned p = 0; p < PAGES; p++)
				is_u64(wrong_pages(cpu[i], BASE + p * PAGE, 1,
						   p && p <= i ? 1000 + p : p),
				       0, "generation %u page %u", i, p);
		}
		if (leave[k])
			soft_cpu_exit(cpu[leave[k]]);
		cpu[leave[k]] = NULL;
		rig_verify(&r);
	}
	rig_end(&r);
}

TEST(shared_pages_stay_shared, "C75")
{
	struct fw_section *section;
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	must(fw_section_create(r.s->mm, r.s->keeper, NULL, 16, &section) ==
		     FW_OK,
	     "section");
	soft_map_view(r.cpu, BASE, 16, RW, FW_VAD_SECTION, section, 0, 0);
	fw_section_unref(r.s->mm, r.s->keeper, section);
	put_pages(r.cpu, BASE, 16, 1);
	child = must_fork(r.cpu);
	put_pages(child, BASE, 8, 100);
	is_u64(wrong_pages(r.cpu, BASE, 8, 100), 0, "parent sees child's");
	put_pages(r.cpu, BASE + 8 * PAGE, 8, 200);
	is_u64(wrong_pages(child, BASE + 8 * PAGE, 8, 200), 0,
	       "child sees parent's");
	is_u64(child->count[FW_KIND_COW] + r.cpu->count[FW_KIND_COW], 0,
	       "no copies");
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(pages_that_are_out_at_fork, "C76 C77")
{
	struct soft_cpu *child;
	uint64_t slots;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	/* 0-31 in the page file, 32-47 on standby, 48-63 modified. */
	is_u64(wrong_pages(r.cpu, BASE + 32 * PAGE, 16, 33), 0, "read back");
	put_pages(r.cpu, BASE + 48 * PAGE, 16, 300);
	trim_all(&r, r.cpu);
	slots = totals(&r).slots_used;
	child = must_fork(r.cpu);
	is_u64(totals(&r).slots_used, slots, "slots are shared");
	rig_verify(&r);
	is_u64(wrong_pages(child, BASE, 48, 1), 0, "child: from the file");
	is_u64(wrong_pages(child, BASE + 48 * PAGE, 16, 300), 0, "modified");
	put_pages(child, BASE, 4, 900);
	is_u64(wrong_pages(r.cpu, BASE, 48, 1), 0, "parent's are its own");
	trim_all(&r, r.cpu);
	trim_all(&r, child);
	write_all(&r);
	flush_standby(&r);
	rig_verify(&r);
	soft_cpu_exit(child);
	is_u64(wrong_pages(r.cpu, BASE, 48, 1), 0, "after the child has gone");
	is_u64(wrong_pages(r.cpu, BASE + 48 * PAGE, 16, 300), 0, "modified");
	rig_end(&r);
}

TEST(parent_goes_first, "C74 C76")
{
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	child = must_fork(r.cpu);
	put_pages(child, BASE, 8, 100);
	soft_cpu_exit(r.cpu);
	r.cpu = child;
	rig_verify(&r);
	is_u64(wrong_pages(child, BASE, 8, 100), 0, "its own");
	is_u64(wrong_pages(child, BASE + 8 * PAGE, 56, 9), 0, "inherited");
	put_pages(child, BASE, 64, 200);
	is_u64(child->count[FW_KIND_COW], 8, "only those copied before");
	rig_end(&r);
}

TEST(views_of_files, "C79 C80")
{
	struct fw_section *file;
	struct soft_cpu *child;
	uint64_t cookie, page[PAGE / 8];

	for (unsigned i = 0; i < 16; i++)
		pattern(file_data + i * PAGE, 1 + i);
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	soft_map_view(r.cpu, BASE, 16, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	is_u64(wrong_pages(r.cpu, BASE, 16, 1), 0, "the file");
	put_pages(r.cpu, BASE, 4, 100);
	child = must_fork(r.cpu);
	put_pages(child, BASE + 2 * PAGE, 4, 200);
	is_u64(wrong_pages(r.cpu, BASE, 4, 100), 0, "parent's copies");
	is_u64(wrong_pages(r.cpu, BASE + 4 * PAGE, 12, 5), 0, "and the file");
	is_u64(wrong_pages(child, BASE, 2, 100), 0, "inherited copies");
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 4, 200), 0, "its own");
	is_u64(wrong_pages(child, BASE + 6 * PAGE, 10, 7), 0, "the file");
	for (unsigned i = 0; i < 16; i++) {
		pattern(page, 1 + i);
		is_mem(file_data + i * PAGE, page, PAGE, "unchanged");
	}
	rig_verify(&r);
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(not_for_the_child, "C63")
{
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, 4, RW, FW_VADF_DONTFORK);
	map_flags(&r, BASE + 8 * PAGE, 4, RW, FW_VADF_WIPEONFORK);
	put_pages(r.cpu, BASE, 4, 1);
	put_pages(r.cpu, BASE + 8 * PAGE, 4, 9);
	child = must_fork(r.cpu);
	is_kind(touch(child, BASE, FW_ACC_READ), FW_KIND_MAPERR);
	ok(is_zero_page(child, BASE + 8 * PAGE), "wiped");
	is_u64(wrong_pages(r.cpu, BASE, 4, 1), 0, "the parent's stay");
	is_u64(wrong_pages(r.cpu, BASE + 8 * PAGE, 4, 9), 0, "both");
	soft_cpu_exit(child);
	rig_end(&r);
}

/* What is announced for writing (a host call may be filling it) stays the
 * parent's to write; the child gets its copy at once. */
TEST(announced_pages_are_copied_at_fork, "C46 C67")
{
	struct soft_cpu *child;
	struct fw_range range = {BASE + 2 * PAGE + 5, PAGE, FW_ACC_WRITE, 0};
	unsigned done;
	uint64_t bytes;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, &range, 1,
			   &done, &bytes),
	       FW_OK, "announce");
	child = must_fork(r.cpu);
	ok(soft_pte(r.cpu, BASE + 2 * PAGE) & FW_PTE_WRITE, "still writable");
	ok(soft_pte(r.cpu, BASE + 3 * PAGE) & FW_PTE_WRITE, "both pages");
	ok(!(soft_pte(r.cpu, BASE + 4 * PAGE) & FW_PTE_WRITE), "not others");
	put_pages(r.cpu, BASE + 2 * PAGE, 2, 100);
	is_u64(wrong_pages(child, BASE, 8, 1), 0, "child's own");
	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 1000);
	ok(soft_pte(r.cpu, BASE + 2 * PAGE) & FW_PTE_VALID, "not trimmed");
	fw_withdraw(r.cpu->actor);
	rig_verify(&r);
	soft_cpu_exit(child);
	rig_end(&r);
}

static struct soft_cpu *caller;
static uint64_t flushes;

static void withdraw_once(void *arg)
{
	(void)arg;
	if (r.s->flushes == flushes)
		return;
	r.s->step_hook = NULL;
	fw_withdraw(caller->actor);
}

/* Who withdraws takes no lock: it may be when the translations have been
 * write-protected, and the page not yet been shared. */
TEST(withdrawn_during_fork, "C46 C67 C77")
{
	struct fw_range range = {BASE + PAGE, 100, FW_ACC_WRITE, 0};
	struct soft_cpu *child;
	unsigned done;
	uint64_t bytes;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 4, 1);
	caller = soft_cpu_create(r.s, r.cpu->space);
	is_u64(fw_announce(r.s->mm, caller->actor, r.cpu->space, &range, 1,
			   &done, &bytes),
	       FW_OK, "announce");
	flushes = r.s->flushes;
	r.s->step_hook = withdraw_once;
	child = must_fork(r.cpu);
	ok(r.s->step_hook == NULL, "withdrawn behind a flush");
	put_pages(r.cpu, BASE, 4, 50);
	is_u64(wrong_pages(child, BASE, 4, 1), 0,
	       "the child has what was there when it was made");
	rig_verify(&r);
	soft_cpu_free(caller);
	soft_cpu_exit(child);
	rig_end(&r);
}

/* Enough generations under pressure that everything goes through the page
 * file more than once. */
TEST(under_pressure, "A04 C63 C74 C76")
{
	struct soft_cpu *child[4];

	r = rig_start(512, 1, 16384);
	must(soft_map(r.cpu, BASE, 600, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 600, 1);
	for (unsigned i = 0; i < 4; i++) {
		child[i] = must_fork(r.cpu);
		put_pages(child[i], BASE + i * 100 * PAGE, 150, 5000 * (i + 1));
	}
	rig_verify(&r);
	for (unsigned i = 0; i < 4; i++) {
		is_u64(wrong_pages(child[i], BASE + i * 100 * PAGE, 150,
				   5000 * (i + 1)),
		       0, "child %u: its own", i);
		is_u64(wrong_pages(child[i], BASE, i * 100, 1), 0,
		       "child %u: below", i);
		is_u64(wrong_pages(child[i], BASE + (i * 100 + 150) * PAGE,
				   450 - i * 100, i * 100 + 151),
		       0, "child %u: above", i);
	}
	is_u64(wrong_pages(r.cpu, BASE, 600, 1), 0, "parent");
	ok(r.s->io_pages[SOFT_STORE_READ] > 1000, "it did page");
	rig_verify(&r);
	for (unsigned i = 0; i < 4; i++)
		soft_cpu_exit(child[i]);
	rig_end(&r);
}

/* Until it is handed over, a space goes with the actor that made it. */
TEST(whose_a_new_space_is, "C63")
{
	struct fw_space *space, **ref;
	struct fw_actor *actor;

	r = rig_start(1024, 1, 1024);
	ref = fw_kalloc(r.s->mm, r.cpu->actor, sizeof(struct fw_space *));
	must(fw_actor_create(r.s->mm, r.cpu->actor, &actor) == FW_OK, "actor");
	must(fw_space_create(r.s->mm, actor, &space) == FW_OK, "space");
	is_u64(totals(&r).spaces, 2, "spaces");
	fw_actor_reap(r.s->mm, r.cpu->actor, actor->id);
	is_u64(totals(&r).spaces, 1, "it went with its maker");
	must(fw_actor_create(r.s->mm, r.cpu->actor, &actor) == FW_OK, "actor");
	must(fw_space_create(r.s->mm, actor, &space) == FW_OK, "space");
	fw_space_hand_over(r.s->mm, actor, space, ref);
	ok(*ref == space, "it is named");
	fw_actor_reap(r.s->mm, r.cpu->actor, actor->id);
	is_u64(totals(&r).spaces, 2, "it stays");
	fw_space_destroy_ref(r.s->mm, r.cpu->actor, ref);
	ok(!*ref, "nobody names it any more");
	fw_kfree(r.s->mm, r.cpu->actor, ref, sizeof(struct fw_space *));
	rig_end(&r);
}
