/* SPDX-License-Identifier: MIT */
/*
 * test_evict.c - taking pages away: trimming, writing, errors of the store,
 * and the ends of memory.
 */
#include "machine.h"

#include "mm/mm.h"

static struct rig r;

TEST(more_pages_than_frames, "A04 A07 A08 B32 B33 B34")
{
	r = rig_start(512, 1, 8192);
	must(soft_map(r.cpu, BASE, 3000, RW) == FW_OK, "map");
	for (unsigned round = 0; round < 3; round++) {
		ok(put_pages(r.cpu, BASE, 3000, round * 7), "write");
		is_u64(wrong_pages(r.cpu, BASE, 3000, round * 7), 0, "read");
		rig_verify(&r);
	}
	ok(r.s->io_pages[SOFT_STORE_READ] > 5000, "it did page");
	ok(fw_space_resident(r.cpu->space) <= 512, "resident");
	rig_end(&r);
}

TEST(random_order, "A04 B33")
{
	static uint64_t seed[2000];
	uint64_t x = 1;

	r = rig_start(512, 2, 8192);
	must(map_flags(&r, BASE, 2000, RW, FW_VADF_RANDOM) == FW_OK, "map");
	for (unsigned i = 0; i < 30000; i++) {
		uint64_t page = (x = x * 6364136223846793005 + 1) >> 33;

		page %= 2000;
		if (x >> 60 & 1) {
			seed[page] = i + 1;
			put_pages(r.cpu, BASE + page * PAGE, 1, i + 1);
		} else if (!seed[page]) {
			ok(is_zero_page(r.cpu, BASE + page * PAGE), "zero");
		} else {
			is_u64(wrong_pages(r.cpu, BASE + page * PAGE, 1,
					   seed[page]),
			       0, "page %d, step %u", (int)page, i);
		}
	}
	rig_end(&r);
}

/* Pages a read brings, on average, in percent. */
static uint64_t pages_a_read(uint64_t reads, uint64_t pages)
{
	return (r.s->io_pages[SOFT_STORE_READ] - pages) * 100 /
	       (r.s->ios[SOFT_STORE_READ] - reads);
}

/* Reading ahead grows where its pages are used and stops where they are not. */
TEST(read_ahead_follows_its_use, "B04 B25")
{
	uint64_t x = 1, reads, pages, far;
	struct fw_totals t;

	r = rig_start(512, 1, 16384);
	must(soft_map(r.cpu, BASE, 6000, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 6000, 1);
	reads = r.s->ios[SOFT_STORE_READ];
	pages = r.s->io_pages[SOFT_STORE_READ];
	is_u64(wrong_pages(r.cpu, BASE, 4000, 1), 0, "in order");
	far = pages_a_read(reads, pages);
	ok(far > 1000, "%d.%02d pages a read", (int)far / 100, (int)far % 100);
	t = totals(&r);
	ok(t.ahead_used > 200 && t.ahead_wasted < t.ahead_used / 10,
	   "%d used, %d wasted of %d", (int)t.ahead_used, (int)t.ahead_wasted,
	   (int)t.ahead);
	reads = r.s->ios[SOFT_STORE_READ];
	pages = r.s->io_pages[SOFT_STORE_READ];
	for (unsigned i = 0; i < 4000; i++) {
		uint64_t page = (x = x * 6364136223846793005 + 1) >> 33;

		wrong_pages(r.cpu, BASE + page % 6000 * PAGE, 1, 0);
	}
	far = pages_a_read(reads, pages);
	ok(far < 150, "at random: %d.%02d", (int)far / 100, (int)far % 100);
	reads = r.s->ios[SOFT_STORE_READ];
	pages = r.s->io_pages[SOFT_STORE_READ];
	is_u64(wrong_pages(r.cpu, BASE, 4000, 1), 0, "in order again");
	far = pages_a_read(reads, pages);
	ok(far > 1000, "%d.%02d pages a read", (int)far / 100, (int)far % 100);
	rig_end(&r);
}

TEST(writes_are_clustered, "B26")
{
	r = rig_start(2048, 1, 4096);
	map_single(&r, BASE, 640);
	put_pages(r.cpu, BASE, 640, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(r.s->io_pages[SOFT_STORE_WRITE], 640, "each page once");
	ok(r.s->ios[SOFT_STORE_WRITE] <= 640 / 16, "in %d writes",
	   (int)r.s->ios[SOFT_STORE_WRITE]);
	is_u64(totals(&r).slots_used, 640, "a slot each");
	rig_end(&r);
}

TEST(zero_pages_cost_no_io, "B29")
{
	uint64_t zero[PAGE / 8] = {0};

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	for (unsigned i = 0; i < 64; i++)
		soft_write(r.cpu, BASE + i * PAGE, zero, PAGE);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(r.s->io_pages[SOFT_STORE_WRITE], 0, "nothing is written");
	is_u64(totals(&r).slots_used, 0, "no slot is used");
	is_u64(totals(&r).pages_zero_elided, 64, "and that is counted");
	for (unsigned i = 0; i < 64; i++)
		ok(is_zero_page(r.cpu, BASE + i * PAGE), "page %u", i);
	rig_end(&r);
}

TEST(clean_pages_keep_their_slot, "B33")
{
	uint64_t written;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	for (unsigned i = 0; i < 4; i++) {
		flush_standby(&r);
		written = r.s->io_pages[SOFT_STORE_WRITE];
		is_u64(wrong_pages(r.cpu, BASE, 64, 1), 0, "read");
		trim_all(&r, r.cpu);
		write_all(&r);
		is_u64(r.s->io_pages[SOFT_STORE_WRITE], written,
		       "not written again");
	}
	is_u64(totals(&r).slots_used, 64, "the same slots");
	rig_end(&r);
}

TEST(slots_come_back, "B26")
{
	r = rig_start(1024, 1, 1024);
	for (unsigned round = 0; round < 20; round++) {
		map_single(&r, BASE, 400);
		put_pages(r.cpu, BASE, 400, round);
		trim_all(&r, r.cpu);
		write_all(&r);
		flush_standby(&r);
		is_u64(wrong_pages(r.cpu, BASE, 400, round), 0, "read");
		fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
			 400 * PAGE);
		is_u64(totals(&r).slots_used, 0, "all slots are free");
	}
	rig_end(&r);
}

TEST(locked_pages_stay, "B48")
{
	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, 16, RW, FW_VADF_LOCKED | FW_VADF_RANDOM);
	map_single(&r, BASE + 16 * PAGE, 16);
	put_pages(r.cpu, BASE, 32, 1);
	for (unsigned i = 0; i < 50; i++)
		fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 64);
	is_u64(fw_space_resident(r.cpu->space), 16, "only the others went");
	for (unsigned i = 0; i < 16; i++)
		ok(soft_pte(r.cpu, BASE + i * PAGE) & FW_PTE_VALID, "page %u",
		   i);
	rig_end(&r);
}

/* ---- errors of the store ------------------------------------------------ */

struct plan {
	enum soft_io io;
	unsigned skip, fail; /* I/Os of that kind */
};

static enum fw_status failing(void *arg, enum soft_io io, uint64_t where,
			      unsigned n)
{
	struct plan *plan = arg;

	(void)where, (void)n;
	if (io != plan->io)
		return FW_OK;
	if (plan->skip) {
		plan->skip--;
		return FW_OK;
	}
	if (!plan->fail)
		return FW_OK;
	plan->fail--;
	return FW_E_IO;
}

static void inject(struct plan *plan)
{
	r.s->io_hook = plan ? failing : NULL;
	r.s->io_arg = plan;
}

TEST(a_read_that_fails, "B03 B04 A22")
{
	struct plan plan = {SOFT_STORE_READ, 0, 1};
	uint64_t resident;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 32);
	put_pages(r.cpu, BASE, 32, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	resident = fw_space_resident(r.cpu->space);
	inject(&plan);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_IOERR);
	is_u64(fw_space_resident(r.cpu->space), resident, "nothing came");
	rig_verify(&r);
	inject(NULL);
	is_u64(wrong_pages(r.cpu, BASE, 32, 1), 0, "it is not lost");
	is_u64(totals(&r).kind_count[FW_KIND_IOERR], 1, "counted");
	rig_end(&r);
}

TEST(a_file_read_that_fails, "B05")
{
	static uint8_t data[32 * 4096];
	struct plan plan = {SOFT_FILE_READ, 1, 2};
	struct fw_section *file;
	uint64_t cookie;

	for (unsigned i = 0; i < 32; i++)
		pattern(data + i * PAGE, 1 + i);
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, data, sizeof(data), &cookie);
	soft_map_view(r.cpu, BASE, 32, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	inject(&plan);
	for (unsigned i = 0; i < 32; i++)
		touch(r.cpu, BASE + i * PAGE, FW_ACC_READ);
	ok(r.cpu->count[FW_KIND_IOERR] >= 1, "an in-page error");
	is_u64(plan.fail, 0, "both failures were met");
	rig_verify(&r);
	inject(NULL);
	is_u64(wrong_pages(r.cpu, BASE, 32, 1), 0, "read after all");
	rig_end(&r);
}

TEST(a_write_that_fails, "B34")
{
	struct plan plan = {SOFT_STORE_WRITE, 0, 3};

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 200);
	put_pages(r.cpu, BASE, 200, 1);
	trim_all(&r, r.cpu);
	inject(&plan);
	fw_write_modified(r.s->mm, r.s->keeper, 64);
	is_u64(plan.fail, 2, "it failed");
	is_u64(totals(&r).modified, 200, "and the pages are modified still");
	rig_verify(&r);
	is_u64(wrong_pages(r.cpu, BASE, 200, 1), 0, "contents");
	trim_all(&r, r.cpu);
	for (unsigned i = 0; i < 50 && plan.fail; i++)
		fw_write_modified(r.s->mm, r.s->keeper, 64);
	inject(NULL);
	write_all(&r);
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 200, 1), 0, "written at last");
	rig_end(&r);
}

/* Each single I/O of a scenario fails in turn; nothing is lost for good. */
TEST(every_io_fails_once, "B03 B34 A22")
{
	for (unsigned which = 0; which < 120; which++) {
		struct plan plan = {which & 1 ? SOFT_STORE_READ
					      : SOFT_STORE_WRITE,
				    which / 2, 1};

		r = rig_start(400, 1, 4096);
		must(soft_map(r.cpu, BASE, 600, RW) == FW_OK, "map");
		inject(&plan);
		for (uint64_t i = 0; i < 600; i++)
			while (!put_pages(r.cpu, BASE + i * PAGE, 1, i))
				if (r.cpu->last.kind != FW_KIND_IOERR)
					break;
		for (uint64_t i = 0; i < 600; i += 3)
			wrong_pages(r.cpu, BASE + i * PAGE, 1, i);
		inject(NULL);
		is_u64(wrong_pages(r.cpu, BASE, 600, 0), 0, "I/O %u", which);
		rig_end(&r);
		if (test_failures())
			break;
	}
}

/* ---- the ends of memory ------------------------------------------------- */

TEST(memory_and_page_file_are_full, "A04 A22 B03")
{
	uint64_t done = 0, page[PAGE / 8];

	r = rig_start(400, 1, 256);
	must(map_flags(&r, BASE, 5000, RW,
		       FW_VADF_NORESERVE | FW_VADF_RANDOM) == FW_OK,
	     "map");
	for (; done < 5000; done++) {
		pattern(page, done);
		if (!soft_write(r.cpu, BASE + done * PAGE, page, PAGE))
			break;
	}
	is_kind(r.cpu->last.kind, FW_KIND_NOMEM);
	ok(done > 400, "but only after %d pages", (int)done);
	rig_verify(&r);
	is_u64(totals(&r).slots_used, totals(&r).slots, "no slot is left");
	/* What is in the page file can be had all the same, again and again:
	 * a page goes there for each that comes. */
	for (unsigned round = 0; round < 3; round++)
		is_u64(wrong_pages(r.cpu, BASE, done, 0), 0, "all are there");
	is_u64(totals(&r).kind_count[FW_KIND_NOMEM], 1, "refused once");
	rig_verify(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 100 * PAGE);
	is_u64(wrong_pages(r.cpu, BASE + 100 * PAGE, done - 100, 100), 0,
	       "with some room none of them is lost");
	ok(put_pages(r.cpu, BASE + 4000 * PAGE, 50, 9), "there is room again");
	is_u64(wrong_pages(r.cpu, BASE + 4000 * PAGE, 50, 9), 0, "for others");
	rig_end(&r);
}

/* The same with code to be read from its file as well. */
TEST(a_file_is_read_when_all_is_full, "A22 B36")
{
	static uint8_t data[64 * 4096];
	struct fw_section *file;
	uint64_t cookie, done = 0;

	for (unsigned i = 0; i < 64; i++)
		pattern(data + i * PAGE, 1 + i);
	r = rig_start(400, 1, 256);
	file = soft_file(r.s, data, sizeof(data), &cookie);
	soft_map_view(r.cpu, 2 * BASE, 64, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	must(map_flags(&r, BASE, 5000, RW,
		       FW_VADF_NORESERVE | FW_VADF_RANDOM) == FW_OK,
	     "map");
	while (done < 5000 && put_pages(r.cpu, BASE + done * PAGE, 1, done))
		done++;
	is_kind(r.cpu->last.kind, FW_KIND_NOMEM);
	for (unsigned round = 0; round < 2; round++) {
		is_u64(wrong_pages(r.cpu, 2 * BASE, 64, 1), 0, "the file");
		is_u64(wrong_pages(r.cpu, BASE, done, 0), 0, "the others");
	}
	rig_end(&r);
}

TEST(sixteen_page_files, "B24 B26 B27 B28")
{
	unsigned file = 99;
	uint64_t least = UINT64_MAX, most = 0;

	r = rig_start(4096, 16, 256);
	is_u64(fw_page_file_add(r.s->mm, r.s->keeper, 64, &file), FW_E_LIMIT,
	       "the 17th");
	is_u64(file, 99, "no number");
	map_single(&r, BASE, 1600);
	put_pages(r.cpu, BASE, 1600, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	for (unsigned i = 0; i < 16; i++) {
		uint64_t used = r.s->mm->pfile[i].used;

		least = used < least ? used : least;
		most = used > most ? used : most;
	}
	ok(least > 0 && most - least <= 64, "filled evenly: %d to %d",
	   (int)least, (int)most);
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 1600, 1), 0, "read back");
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, 7), FW_E_BUSY,
	       "in use");
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, 16), FW_E_NOENT,
	       "no such file");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 1600 * PAGE);
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, 7), FW_OK, "unused");
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, 7), FW_E_NOENT,
	       "gone");
	rig_verify(&r);
	map_single(&r, BASE, 800);
	put_pages(r.cpu, BASE, 800, 2);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(r.s->mm->pfile[7].used, 0, "nothing goes there");
	is_u64(fw_page_file_add(r.s->mm, r.s->keeper, 256, &file), FW_OK,
	       "its place is free");
	is_u64(file, 7, "and its number");
	rig_end(&r);
}

/* Every slot of a file is used; slot 0 is not, which the port checks. */
TEST(all_slots_but_the_first, "B26 B28")
{
	/* flush_standby() uses 40 more. */
	r = rig_start(400, 1, 129 + 40);
	map_single(&r, BASE, 128);
	put_pages(r.cpu, BASE, 128, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(totals(&r).slots_used, 128, "a slot each");
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 128, 1), 0, "read back");
	map_single(&r, 2 * BASE, 40);
	put_pages(r.cpu, 2 * BASE, 40, 7);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(totals(&r).slots_used, 168, "all are used");
	ok(slot_is_used(r.s->mm, 0, 168), "the last one");
	rig_end(&r);
}

TEST(without_a_page_file, "A22 B34")
{
	uint64_t done = 0;

	r = rig_start(400, 0, 0);
	must(map_flags(&r, BASE, 1000, RW, FW_VADF_NORESERVE) == FW_OK, "map");
	while (done < 1000 && put_pages(r.cpu, BASE + done * PAGE, 1, done))
		done++;
	is_kind(r.cpu->last.kind, FW_KIND_NOMEM);
	ok(done > 150, "%d pages fit", (int)done);
	is_u64(wrong_pages(r.cpu, BASE, done, 0), 0, "and stay");
	rig_end(&r);
}

/* Another space's pages can be had by asking for them. */
TEST(two_spaces_share_the_frames, "A04 A17 B48")
{
	struct soft_cpu *other;

	r = rig_start(512, 1, 8192);
	other = soft_cpu_create(r.s, NULL);
	must(soft_map(r.cpu, BASE, 1000, RW) == FW_OK, "map");
	must(soft_map(other, BASE, 1000, RW) == FW_OK, "map");
	for (unsigned round = 0; round < 3; round++) {
		ok(put_pages(r.cpu, BASE, 1000, round), "one writes");
		ok(put_pages(other, BASE, 1000, 7777 + round), "the other");
		is_u64(wrong_pages(r.cpu, BASE, 1000, round), 0, "one");
		is_u64(wrong_pages(other, BASE, 1000, 7777 + round), 0,
		       "the other");
	}
	rig_verify(&r);
	soft_cpu_exit(other);
	rig_end(&r);
}

/* Two large spaces, and one that locks whatever it gets. */
static struct soft_cpu *crowd(struct soft_cpu **ret_locker)
{
	struct soft_cpu *second;

	r = rig_start(1024, 1, 4096);
	second = soft_cpu_create(r.s, NULL);
	*ret_locker = soft_cpu_create(r.s, NULL);
	must(second && *ret_locker, "cpus");
	must(soft_map(second, BASE, 400, RW) == FW_OK, "map");
	must(soft_map(*ret_locker, BASE, 300, RW) == FW_OK, "map");
	must(fw_set_flags(r.s->mm, r.cpu->actor, (*ret_locker)->space, BASE,
			  300 * PAGE, FW_VADF_LOCKED, 0) == FW_OK, "lock");
	map_single(&r, BASE, 500);
	put_pages(r.cpu, BASE, 500, 1);
	put_pages(second, BASE, 300, 2000);
	return second;
}

static void disperse(struct soft_cpu *second, struct soft_cpu *locker)
{
	is_u64(wrong_pages(locker, BASE, 300, 5000), 0, "locker");
	soft_cpu_exit(locker);
	is_u64(wrong_pages(r.cpu, BASE, 500, 1), 0, "first");
	is_u64(wrong_pages(second, BASE, 300, 2000), 0, "second");
	soft_cpu_exit(second);
	rig_end(&r);
}

TEST(who_does_not_answer_is_passed_over, "A04 A17")
{
	struct soft_cpu *locker, *second = crowd(&locker);

	r.s->deaf = r.cpu->space;
	ok(put_pages(locker, BASE, 300, 5000), "frames from the other");
	disperse(second, locker);
}

static void hear_again(void *arg)
{
	unsigned *steps = arg;

	if (++*steps == 500)
		r.s->deaf = NULL;
}

TEST(who_answers_late_is_waited_for, "A04 A17")
{
	struct soft_cpu *locker, *second = crowd(&locker);
	unsigned steps = 0;

	fw_set_flags(r.s->mm, r.cpu->actor, second->space, BASE, 400 * PAGE,
		     FW_VADF_LOCKED, 0);
	ok(put_pages(locker, BASE, 20, 5000), "the first pages");
	r.s->deaf = r.cpu->space;
	r.s->step_arg = &steps;
	r.s->step_hook = hear_again;
	ok(put_pages(locker, BASE, 300, 5000), "frames, late");
	ok(steps >= 500, "it was late");
	r.s->step_hook = NULL;
	fw_set_flags(r.s->mm, r.cpu->actor, second->space, BASE, 400 * PAGE, 0,
		     FW_VADF_LOCKED);
	disperse(second, locker);
}

TEST(background_work, "B31")
{
	struct fw_pressure p;

	r = rig_start(1024, 1, 8192);
	must(soft_map(r.cpu, BASE, 2000, RW) == FW_OK, "map");
	for (unsigned i = 0; i < 2000; i++) {
		put_pages(r.cpu, BASE + i * PAGE, 1, i);
		if (i % 50 == 0)
			soft_background(r.s);
	}
	soft_background(r.s);
	fw_pressure(r.s->mm, &p);
	is_u64(p.want_write, 0, "nothing left to write");
	is_u64(wrong_pages(r.cpu, BASE, 2000, 0), 0, "contents");
	rig_end(&r);
}
