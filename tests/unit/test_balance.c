/* SPDX-License-Identifier: MIT */
/*
 * test_balance.c - limits of working sets, how long pages were away, and the
 * kernel threads, called by hand.
 */
#include "machine.h"

#include "mm/mm.h"

static struct rig r;

static enum fw_status limit(struct soft_cpu *cpu, uint64_t min, uint64_t max,
			    uint32_t flags)
{
	return fw_space_set_limits(r.s->mm, cpu->actor, cpu->space, min, max,
				   flags);
}

/* ---- limits -------------------------------------------------------------- */

TEST(a_hard_maximum_holds, "B48")
{
	uint64_t most = 0;

	r = rig_start(2048, 1, 8192);
	is_u64(limit(r.cpu, 0, 200, FW_WS_MAX_HARD), FW_OK, "limit");
	must(soft_map(r.cpu, BASE, 1000, RW) == FW_OK, "map");
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 1000; i++) {
			put_pages(r.cpu, BASE + i * PAGE, 1, i);
			if (fw_space_resident(r.cpu->space) > most)
				most = fw_space_resident(r.cpu->space);
		}
	ok(most <= 200 && most > 150, "at most %d pages", (int)most);
	ok(totals(&r).free + totals(&r).zeroed > 500,
	   "though there are free frames");
	is_u64(wrong_pages(r.cpu, BASE, 1000, 0), 0, "contents");
	is_u64(r.s->io_pages[SOFT_STORE_READ], 0, "back without I/O");
	is_u64(limit(r.cpu, 0, 0, 0), FW_OK, "no limit");
	is_u64(wrong_pages(r.cpu, BASE, 1000, 0), 0, "contents");
	is_u64(fw_space_resident(r.cpu->space), 1000, "all of them");
	is_u64(limit(r.cpu, 0, 300, FW_WS_MAX_HARD), FW_OK, "limit");
	ok(fw_space_resident(r.cpu->space) <= 300,
	       "what is above goes at once");
	rig_end(&r);
}

TEST(a_soft_maximum_may_be_exceeded, "B48")
{
	r = rig_start(2048, 1, 8192);
	is_u64(limit(r.cpu, 0, 200, 0), FW_OK, "limit");
	must(soft_map(r.cpu, BASE, 1000, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 1000, 1);
	is_u64(fw_space_resident(r.cpu->space), 1000, "frames are there");
	rig_end(&r);
}

TEST(limits_are_checked, "B48")
{
	struct soft_cpu *child;

	r = rig_start(2048, 1, 8192);
	is_u64(limit(r.cpu, 300, 200, 0), FW_E_INVAL, "min above max");
	is_u64(limit(r.cpu, 0, 100, FW_WS_MAX_HARD), FW_E_INVAL, "too small");
	is_u64(limit(r.cpu, 0, 0, 8), FW_E_INVAL, "no such flag");
	is_u64(limit(r.cpu, 1500, 0, FW_WS_MIN_HARD), FW_E_LIMIT,
	       "more than half of the frames");
	is_u64(limit(r.cpu, 900, 0, FW_WS_MIN_HARD), FW_OK, "less");
	rig_verify(&r);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(child->space->ws_flags, 0, "a child keeps no frames");
	is_u64(limit(child, 200, 0, FW_WS_MIN_HARD), FW_E_LIMIT, "together");
	soft_cpu_exit(child);
	is_u64(limit(r.cpu, 0, 0, 0), FW_OK, "none");
	is_u64(limit(r.cpu, 1000, 0, FW_WS_MIN_HARD), FW_OK, "given back");
	rig_verify(&r);
	rig_end(&r);
}

/* However hard another space presses. */
TEST(a_hard_minimum_is_kept, "B48")
{
	struct soft_cpu *other;

	r = rig_start(1024, 1, 8192);
	other = soft_cpu_create(r.s, NULL);
	must(soft_map(r.cpu, BASE, 600, RW) == FW_OK, "map");
	must(soft_map(other, BASE, 2000, RW) == FW_OK, "map");
	is_u64(limit(r.cpu, 300, 0, FW_WS_MIN_HARD), FW_OK, "limit");
	put_pages(r.cpu, BASE, 600, 1);
	ok(put_pages(other, BASE, 2000, 7), "the other one");
	ok(fw_space_resident(r.cpu->space) >= 300, "%d left",
	   (int)fw_space_resident(r.cpu->space));
	for (unsigned i = 0; i < 100; i++)
		fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 64);
	is_u64(fw_space_resident(r.cpu->space), 300, "nor by asking");
	is_u64(wrong_pages(other, BASE, 2000, 7), 0, "contents");
	is_u64(wrong_pages(r.cpu, BASE, 600, 1), 0, "contents");
	rig_verify(&r);
	soft_cpu_exit(other);
	rig_end(&r);
}

TEST(who_is_above_his_maximum_goes_first, "B48")
{
	struct soft_cpu *other;

	r = rig_start(1024, 1, 8192);
	other = soft_cpu_create(r.s, NULL);
	must(soft_map(r.cpu, BASE, 300, RW) == FW_OK, "map");
	must(soft_map(other, BASE, 300, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 250, 1);
	put_pages(other, BASE, 300, 1);
	limit(r.cpu, 0, 150, 0);
	ok(fw_pick_victim(r.s->mm, r.s->keeper, NULL) == r.cpu->space,
	   "the one above its maximum");
	limit(r.cpu, 300, 0, 0);
	limit(other, 350, 0, 0);
	ok(!fw_pick_victim(r.s->mm, r.s->keeper, NULL),
	   "nobody below his minimum");
	soft_cpu_exit(other);
	rig_end(&r);
}

/* Each makes room in its own pages first; but not for ever, beside one that
 * has far more and uses none of it. */
TEST(who_is_far_better_off_gives_up_pages, "B48")
{
	struct soft_cpu *other;
	uint64_t reads;

	r = rig_start(2048, 1, 8192);
	other = soft_cpu_create(r.s, NULL);
	must(soft_map(other, BASE, 1500, RW) == FW_OK, "map");
	must(soft_map(r.cpu, BASE, 1200, RW) == FW_OK, "map");
	put_pages(other, BASE, 1500, 1);
	for (unsigned i = 0; i < 4; i++)
		put_pages(r.cpu, BASE, 1200, 2);
	reads = totals(&r).pages_read;
	is_u64(wrong_pages(r.cpu, BASE, 1200, 2), 0, "contents");
	ok(totals(&r).pages_read - reads < 100, "%d pages read again",
	   (int)(totals(&r).pages_read - reads));
	ok(fw_space_resident(r.cpu->space) > 1100, "%d pages for who works",
	   (int)fw_space_resident(r.cpu->space));
	is_u64(wrong_pages(other, BASE, 1500, 1), 0, "contents");
	soft_cpu_exit(other);
	rig_end(&r);
}

/* ---- how long pages were away -------------------------------------------- */

/* Pages touched in turn, one after the other, more than there are frames. */
static void cycle(uint64_t pages, unsigned rounds)
{
	must(map_flags(&r, BASE, pages, RW, FW_VADF_RANDOM) == FW_OK, "map");
	for (unsigned round = 0; round < rounds; round++)
		put_pages(r.cpu, BASE, pages, 1);
}

#if FW_LEVELS == 2 /* no room in the PTE of a private page */
TEST(nothing_is_known_of_private_pages, "B25")
{
	r = rig_start(2048, 1, 16384);
	cycle(2300, 4);
	is_u64(totals(&r).refaults, 0, "refaults that know their distance");
	rig_end(&r);
}
#else
TEST(refaults_know_their_distance, "B25")
{
	struct fw_totals t;
	uint64_t n = 0, distance;
	unsigned top = 0;

	r = rig_start(2048, 1, 16384);
	cycle(5000, 1);
	t = totals(&r);
	is_u64(t.refaults, 0, "first time");
	touch(r.cpu, BASE, FW_ACC_READ);
	is_kind(r.cpu->last.kind, FW_KIND_PAGE_FILE);
	distance = r.cpu->last.distance;
	/* It left first of all that did. */
	is_u64(totals(&r).refaults, 1, "a page is back");
	ok(distance > 2500 && distance < 5000, "%d left since",
	   (int)distance);
	for (unsigned round = 0; round < 3; round++)
		put_pages(r.cpu, BASE, 5000, 1);
	t = totals(&r);
	for (unsigned i = 0; i < FW_DISTANCES; i++) {
		n += t.refault_distance[i];
		if (t.refault_distance[i] > t.refault_distance[top])
			top = i;
	}
	is_u64(n, t.refaults, "all are in the histogram");
	/* The cycle is 5000 pages, RAM 1900: so 3100 others, about. */
	is_u64(top, 11, "2048 to 4095");
	ok(t.refaults_near < t.refaults / 10,
	   "the frames there are would not have kept them: %d of %d",
	   (int)t.refaults_near, (int)t.refaults);
	rig_end(&r);
}

TEST(a_page_missed_by_a_little, "B25")
{
	struct fw_totals t;

	r = rig_start(2048, 1, 16384);
	cycle(2300, 4);
	t = totals(&r);
	ok(t.refaults > 1000, "%d came back", (int)t.refaults);
	ok(t.refaults_near > t.refaults * 9 / 10, "nearly all of them soon");
	rig_end(&r);
}
#endif

TEST(pages_of_files_know_it_too, "B36")
{
	static uint8_t data[300 * 4096];
	struct fw_section *file;
	uint64_t cookie;

	r = rig_start(400, 1, 4096);
	file = soft_file(r.s, data, sizeof(data), &cookie);
	soft_map_view(r.cpu, 4 * BASE, 300, FW_PROT_R, FW_VAD_SECTION, file,
		      0, cookie);
	touch(r.cpu, 4 * BASE, FW_ACC_READ);
	is_u64(r.cpu->last.distance, 0, "the first time");
	trim_all(&r, r.cpu);
	cycle(600, 1);
	touch(r.cpu, 4 * BASE, FW_ACC_READ);
	is_kind(r.cpu->last.kind, FW_KIND_MAPPED_FILE);
	ok(r.cpu->last.distance > 100, "%d left since",
	   (int)r.cpu->last.distance);
	rig_end(&r);
}

/* ---- the kernel threads -------------------------------------------------- */

static unsigned thrashed;

void fwp_thrash(struct fw_mm *mm, unsigned percent)
{
	(void)mm;
	thrashed = percent;
}

#if FW_LEVELS != 2 /* see above */
TEST(thrashing_is_noticed, "B48")
{
	thrashed = 0;
	r = rig_start(1024, 1, 16384);
	cycle(600, 4);
	fw_balance_second(r.s->mm, r.s->keeper, 0);
	is_u64(thrashed, 0, "it fits");
	put_pages(r.cpu, BASE, 600, 1);
	is_u64(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
			600 * PAGE), FW_OK, "unmap");
	cycle(1200, 4);
	fw_balance_second(r.s->mm, r.s->keeper, 0);
	ok(thrashed > 50, "%u percent", thrashed);
	is_u64(totals(&r).thrash, thrashed, "and told");
	thrashed = 0;
	fw_balance_second(r.s->mm, r.s->keeper, 0);
	is_u64(thrashed, 0, "it is over");
	rig_end(&r);
}
#endif

TEST(each_tick_is_bounded, "B30 B31 B34")
{
	uint64_t before, steps = 0;
	struct fw_mm *mm;

	r = rig_start(2048, 1, 8192);
	mm = r.s->mm;
	ok(!fw_writer_tick(mm, r.s->keeper), "nothing to write");
	must(soft_map(r.cpu, BASE, 2500, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 2500, 1);
	trim_all(&r, r.cpu);
	for (; steps < 1000; steps++) {
		before = r.s->io_pages[SOFT_STORE_WRITE];
		if (!fw_writer_tick(mm, r.s->keeper))
			break;
		ok(r.s->io_pages[SOFT_STORE_WRITE] - before <= 64,
		   "64 pages a step");
	}
	ok(steps > 1 && steps < 100, "%d steps", (int)steps);
	fw_unmap(mm, r.cpu->actor, r.cpu->space, BASE, 2500 * PAGE);
	before = totals(&r).zeroed;
	ok(totals(&r).free > 64, "free frames");
	ok(fw_zero_tick(mm, r.s->keeper), "zeroes");
	is_u64(totals(&r).zeroed, before + 64, "64 frames a step");
	while (fw_zero_tick(mm, r.s->keeper))
		;
	ok(totals(&r).zeroed > 64, "and more");
	rig_end(&r);
}

TEST(files_are_written_after_a_while, "B05 B34")
{
	static uint8_t data[40 * 4096];
	struct fw_section *file;
	uint64_t cookie;
	unsigned second = 0;

	r = rig_start(2048, 1, 4096);
	file = soft_file(r.s, data, sizeof(data), &cookie);
	soft_map_view(r.cpu, BASE, 40, RW, FW_VAD_SECTION, file, 0, cookie);
	put_pages(r.cpu, BASE, 40, 1);
	trim_all(&r, r.cpu);
	for (; second < 100 && totals(&r).mapped; second++) {
		fw_balance_second(r.s->mm, r.s->keeper, 0);
		while (fw_mapped_tick(r.s->mm, r.s->keeper))
			;
	}
	is_u64(second, 30, "seconds");
	is_u64(r.s->io_pages[SOFT_FILE_WRITE], 40, "pages");
	rig_end(&r);
}

/* Memory that is nearly full: 100 pages on standby, 100 modified, those of a
 * file or not. Fewer than who faults would write itself. */
static void fill_up(bool files)
{
	static uint8_t data[200 * 4096];
	struct fw_section *file;
	uint64_t cookie;

	r = rig_start(2048, 1, 8192);
	file = soft_file(r.s, data, sizeof(data), &cookie);
	soft_map_view(r.cpu, BASE, 200, RW, FW_VAD_SECTION, file, 0, cookie);
	for (unsigned i = 0; i < 100; i++)
		touch(r.cpu, BASE + i * PAGE, FW_ACC_READ);
	if (files)
		put_pages(r.cpu, BASE + 100 * PAGE, 100, 1);
	must(soft_map(r.cpu, 2 * BASE, 100, RW) == FW_OK, "map");
	if (!files)
		put_pages(r.cpu, 2 * BASE, 100, 1);
	trim_all(&r, r.cpu);
	must(soft_map(r.cpu, 4 * BASE, 2048, RW) == FW_OK, "map");
	memset(r.s->kicked, 0, sizeof(r.s->kicked));
	for (unsigned i = 0; totals(&r).zeroed + totals(&r).free > 16; i++)
		touch(r.cpu, 4 * BASE + i * PAGE, FW_ACC_WRITE);
}

TEST(who_has_pages_to_write_is_kicked, "")
{
	fill_up(false);
	is_u64(totals(&r).modified, 100, "modified");
	ok(r.s->kicked[FW_KTHREAD_WRITER] > 0, "the writer");
	is_u64(r.s->kicked[FW_KTHREAD_MAPPED], 0, "not that of files");
	rig_end(&r);
	fill_up(true);
	is_u64(totals(&r).mapped, 100, "modified");
	ok(r.s->kicked[FW_KTHREAD_MAPPED] > 0, "that of files");
	is_u64(r.s->kicked[FW_KTHREAD_WRITER], 0, "not the writer");
	while (fw_mapped_tick(r.s->mm, r.s->keeper))
		;
	is_u64(totals(&r).mapped, 0, "which writes them");
	rig_end(&r);
}

TEST(the_balance_set_manager_trims, "B48")
{
	struct soft_cpu *other;
	unsigned steps = 0;

	r = rig_start(1024, 1, 8192);
	other = soft_cpu_create(r.s, NULL);
	must(soft_map(other, BASE, 600, RW) == FW_OK, "map");
	put_pages(other, BASE, 600, 1);
	is_u64(fw_balance_tick(r.s->mm, r.s->keeper), false, "no need");
	must(map_flags(&r, BASE, 2000, RW, FW_VADF_LOCKED) == FW_OK, "map");
	for (unsigned i = 0; totals(&r).zeroed + totals(&r).free > 20; i++)
		touch(r.cpu, BASE + i * PAGE, FW_ACC_WRITE);
	while (steps < 100 && fw_balance_tick(r.s->mm, r.s->keeper)) {
		steps++;
		fw_write_modified(r.s->mm, r.s->keeper, 64);
	}
	ok(steps > 0 && steps < 100, "%u steps", steps);
	ok(totals(&r).standby + totals(&r).free + totals(&r).zeroed >= 32,
	   "frames are available");
	ok(fw_space_resident(other->space) < 600, "taken from the idle one");
	rig_verify(&r);
	soft_cpu_exit(other);
	rig_end(&r);
}
