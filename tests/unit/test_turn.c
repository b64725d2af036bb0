/* SPDX-License-Identifier: MIT */
/*
 * test_turn.c - turns, when programs together want more than there is.
 */
#include "machine.h"

#include "mm/mm.h"

#define SECOND 1000 /* ticks */
#define PAGES 1500  /* of each: one would fit, two do not */

static struct rig r;
static struct soft_cpu *a, *b;

static void start(uint32_t store)
{
	struct soft_config config = {.nframes = 2048, .page_files = 1,
				     .slots = 16384, .store_frames = store};

	r = rig_start_config(&config);
	a = r.cpu;
	b = soft_cpu_create(r.s, NULL);
	must(soft_map(a, BASE, PAGES, RW) == FW_OK, "map");
	must(soft_map(b, BASE, PAGES, RW) == FW_OK, "map");
}

static void stop(void)
{
	rig_verify(&r);
	soft_cpu_exit(b);
	rig_end(&r);
}

/* Both use all they have, in bits, one after the other. */
static void both_work(void)
{
	for (unsigned i = 0; i < PAGES; i += 50) {
		put_pages(a, BASE + i * PAGE, 50, 1);
		put_pages(b, BASE + i * PAGE, 50, 2);
	}
}

/* ... for most of a second, half of which each waits, and it is over. */
static void second(unsigned waited)
{
	both_work();
	a->actor->fault_ticks[FW_KIND_PAGE_FILE] += waited;
	b->actor->fault_ticks[FW_KIND_COMPRESSED] += waited;
	fw_balance_second(r.s->mm, r.s->keeper, SECOND);
}

static void turns_begin(void)
{
	for (unsigned i = 0; i < 5 && !r.s->mm->turn; i++)
		second(SECOND);
	must(r.s->mm->turn != 0, "somebody has a turn");
}

static struct soft_cpu *holder(void)
{
	return r.s->mm->turn == a->space->id ? a : b;
}

TEST(nobody_needs_a_turn, "B48")
{
	start(0);
	both_work();
	second(SECOND / 4);
	is_u64(r.s->mm->turn, 0, "they wait little");
	both_work();
	fw_balance_second(r.s->mm, r.s->keeper, 0);
	is_u64(r.s->mm->turn, 0, "a second of unknown length");
	put_pages(a, BASE, PAGES, 1);
	fw_balance_second(r.s->mm, r.s->keeper, SECOND);
	put_pages(a, BASE, PAGES, 1);
	a->actor->fault_ticks[FW_KIND_PAGE_FILE] += SECOND;
	fw_balance_second(r.s->mm, r.s->keeper, SECOND);
	is_u64(r.s->mm->turn, 0, "one alone");
	is_u64(totals(&r).turns, 0, "none was given");
	stop();
}

TEST(whose_turn_it_is_keeps_its_pages, "B48")
{
	struct soft_cpu *now, *other;
	uint64_t reads;

	start(0);
	turns_begin();
	now = holder();
	other = now == a ? b : a;
	put_pages(now, BASE, PAGES, 3);
	is_u64(fw_space_resident(now->space), PAGES, "all that it has is in");
	for (unsigned i = 0; i < 3; i++)
		put_pages(other, BASE, PAGES, 4);
	is_u64(fw_space_resident(now->space), PAGES, "and stays");
	ok(fw_pick_victim(r.s->mm, r.s->keeper, NULL) == other->space,
	   "it is the other one whose pages are wanted");
	reads = totals(&r).pages_read;
	is_u64(wrong_pages(now, BASE, PAGES, 3), 0, "contents");
	is_u64(totals(&r).pages_read, reads, "without a read");
	is_u64(wrong_pages(other, BASE, PAGES, 4), 0, "contents");
	stop();
}

TEST(turns_go_round, "B48")
{
	unsigned had[2] = {0, 0}, i;

	start(0);
	turns_begin();
	for (i = 0; i < 60; i++) {
		second(SECOND);
		if (!r.s->mm->turn)
			break;
		had[holder() == b]++;
	}
	is_u64(i, 60, "while both wait, somebody has one");
	ok(had[0] > 20 && had[1] > 20, "%u and %u seconds", had[0], had[1]);
	ok(totals(&r).turns >= 5, "%d turns", (int)totals(&r).turns);
	stop();
}

TEST(turns_end, "B48")
{
	start(0);
	turns_begin();
	for (unsigned i = 0; i < 2; i++) {
		ok(r.s->mm->turn != 0, "not at once");
		put_pages(holder(), BASE, PAGES, 1);
		fw_balance_second(r.s->mm, r.s->keeper, SECOND);
	}
	is_u64(r.s->mm->turn, 0, "when nobody else wants one");
	turns_begin();
	for (unsigned i = 0; i < 2; i++)
		second(0);
	is_u64(r.s->mm->turn, 0, "when nobody waits");
	turns_begin();
	if (holder() == b) {
		soft_cpu_exit(b);
		b = soft_cpu_create(r.s, NULL);
	} else {
		soft_cpu_exit(a);
		r.cpu = a = soft_cpu_create(r.s, NULL);
	}
	fw_balance_second(r.s->mm, r.s->keeper, SECOND);
	is_u64(r.s->mm->turn, 0, "when its space does");
	stop();
}

/* Who is larger than RAM leaves a quarter to others. */
TEST(a_turn_leaves_something, "B48")
{
	struct soft_cpu *now;

	start(0);
	turns_begin();
	now = holder();
	must(soft_map(now, 2 * BASE, 4000, RW) == FW_OK, "map");
	for (unsigned i = 0; i < 2; i++)
		put_pages(now, 2 * BASE, 4000, 5);
	ok(fw_space_resident(now->space) < 2048, "not all");
	put_pages(now == a ? b : a, BASE, 400, 6);
	ok(fw_space_resident(now->space) <= 2048 * 3 / 4, "%d left",
	   (int)fw_space_resident(now->space));
	is_u64(wrong_pages(now, 2 * BASE, 4000, 5), 0, "contents");
	is_u64(wrong_pages(now == a ? b : a, BASE, 400, 6), 0, "contents");
	stop();
}

/* Pages that are kept compressed are of no use to who does not run. */
TEST(the_store_makes_room_for_it, "B48")
{
	struct soft_cpu *now;

	start(1536);
	for (unsigned i = 0; i < 4; i++)
		both_work();
	turns_begin();
	now = holder();
	put_pages(now, BASE, PAGES, 3);
	put_pages(now, BASE, PAGES, 3);
	is_u64(fw_space_resident(now->space), PAGES, "all that it has is in");
	ok(totals(&r).store_frames <= 2048 / 4, "%d frames for the store",
	   (int)totals(&r).store_frames);
	is_u64(wrong_pages(now, BASE, PAGES, 3), 0, "contents");
	stop();
}
