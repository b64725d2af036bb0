/* SPDX-License-Identifier: MIT */
/*
 * test_cstore.c - the compressed store: what goes into it, what comes back,
 * what moves on, and its ends.
 */
#include "machine.h"

#include "mm/cstore.h"

static struct rig r;

/* Machines have RIG_STORE frames of it; here, as many as the test wants. */
static struct rig start(uint32_t nframes, uint32_t store, uint64_t slots)
{
	return rig_start_config(&(struct soft_config){
		.nframes = nframes,
		.page_files = slots > 0,
		.slots = slots,
		.store_frames = store});
}

static void let_go(void)
{
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

TEST(what_compresses_stays_in_ram, "B26")
{
	struct fw_totals t;

	r = start(2048, 512, 8192);
	map_single(&r, BASE, 500);
	put_pages(r.cpu, BASE, 500, 0);
	trim_all(&r, r.cpu);
	write_all(&r);
	t = totals(&r);
	/* Every fifth pattern does not compress. */
	is_u64(t.store_pages, 400, "in it");
	is_u64(t.store_in, 400, "put there");
	is_u64(r.s->io_pages[SOFT_STORE_WRITE], 100, "others are written");
	ok(t.store_frames < 200, "%d frames", (int)t.store_frames);
	ok(t.store_bytes < t.store_frames * PAGE, "bytes");
	is_u64(t.slots_used, 100, "slots");
	flush_standby(&r);
	rig_verify(&r);
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_READ), FW_KIND_COMPRESSED);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_PAGE_FILE);
	is_u64(wrong_pages(r.cpu, BASE, 500, 0), 0, "all is there");
	ok(totals(&r).store_pages < 50, "what is read leaves it");
	rig_end(&r);
}

TEST(it_never_grows_beyond_its_size, "B26 B34")
{
	struct fw_totals t;

	r = start(1024, 64, 16384);
	map_single(&r, BASE, 3000);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3000; i++) {
			put_pages(r.cpu, BASE + i * PAGE, 1, i + round);
			if (i % 50 == 0)
				ok(totals(&r).store_frames <= 64, "size");
		}
		for (unsigned i = 3000; i-- > 0;)
			is_u64(wrong_pages(r.cpu, BASE + i * PAGE, 1,
					   i + round), 0, "page %u", i);
		rig_verify(&r);
	}
	t = totals(&r);
	ok(t.store_moved > 1000, "%d moved on", (int)t.store_moved);
	ok(t.store_loads > 100, "%d came back", (int)t.store_loads);
	rig_end(&r);
}

TEST(what_moves_on_is_written_in_runs, "B26")
{
	uint64_t writes, pages;
	uint64_t x = 1;

	r = start(1024, 64, 16384);
	map_single(&r, BASE, 3000);
	/* Pages of odd seeds alone, and in any order. */
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t page = (x = x * 6364136223846793005 + 1) >> 33;

		page %= 3000;
		put_pages(r.cpu, BASE + page * PAGE, 1, page * 5 + 1);
	}
	writes = r.s->ios[SOFT_STORE_WRITE];
	pages = r.s->io_pages[SOFT_STORE_WRITE];
	ok(pages > 5000, "%d pages", (int)pages);
	ok(pages > writes * 8, "in %d writes", (int)writes);
	rig_end(&r);
}

/* While two thirds of it are holes, nothing has to go to the disk. */
TEST(holes_are_packed, "B26 B34")
{
	unsigned frames;

	r = start(2048, 128, 8192);
	map_single(&r, BASE, 1000);
	for (unsigned i = 0; i < 200; i++)
		put_pages(r.cpu, BASE + i * PAGE, 1, 5 * i + 1);
	let_go();
	frames = (unsigned)totals(&r).store_frames;
	for (unsigned i = 0; i < 200; i++)
		if (i % 3 != 0)
			put_pages(r.cpu, BASE + i * PAGE, 1, 5);
	ok(totals(&r).store_frames > frames / 2, "objects hold their frames");
	r.s->mm->store_goal = frames;
	for (unsigned i = 200; i < 250; i++)
		put_pages(r.cpu, BASE + i * PAGE, 1, 5 * i + 1);
	let_go();
	ok(r.s->mm->store_packed > 0, "packed");
	is_u64(totals(&r).store_moved, 0, "moved on");
	rig_verify(&r);
	for (unsigned i = 0; i < 250; i++)
		is_u64(wrong_pages(r.cpu, BASE + i * PAGE, 1,
				   i < 200 && i % 3 != 0 ? 5 : 5 * i + 1),
		       0, "page %u", i);
	rig_end(&r);
}

/* Touches pages in any order. */
static void wander(unsigned pages, unsigned times)
{
	static uint64_t x = 1;

	for (unsigned i = 0; i < times; i++) {
		x = x * 6364136223846793005 + 1;
		touch(r.cpu, BASE + (x >> 33) % pages * PAGE, FW_ACC_READ);
	}
}

static void fill_with(unsigned pages, unsigned step, unsigned plus)
{
	for (unsigned i = 0; i < pages; i++)
		put_pages(r.cpu, BASE + i * PAGE, 1, step * i + plus);
}

/* All that there is would fit into RAM compressed: it comes to that. What does
 * not compress, and nearly fits as it is, pushes the store out. (2-level PTEs
 * do not tell when a page left.) */
TEST(its_size_is_what_it_is_worth, "B26")
{
	r = start(1024, 768, 16384);
	map_single(&r, BASE, 1800);
	r.s->mm->store_goal = 128;
	fill_with(1800, 5, 1);
	wander(1800, 60000);
	if (FW_LEVELS > 2)
		ok(r.s->mm->store_goal > 300, "goal %u",
		   r.s->mm->store_goal);
	r.s->io_pages[SOFT_STORE_READ] = 0;
	wander(1800, 2000);
	if (FW_LEVELS > 2)
		ok(r.s->io_pages[SOFT_STORE_READ] < 200, "reads");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 1800 * PAGE);
	map_single(&r, BASE + 1800 * PAGE, 2000);
	map_single(&r, BASE, 1000);
	fill_with(1000, 5, 0);
	wander(1000, 60000);
	if (FW_LEVELS > 2)
		ok(r.s->mm->store_goal < 300, "goal %u",
		   r.s->mm->store_goal);
	rig_verify(&r);
	rig_end(&r);
}

TEST(shared_after_fork, "B16 B17")
{
	struct soft_cpu *child;

	r = start(2048, 512, 8192);
	map_single(&r, BASE, 200);
	put_pages(r.cpu, BASE, 200, 7);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	trim_all(&r, child);
	let_go();
	ok(totals(&r).store_pages > 100, "once for both");
	ok(totals(&r).store_pages <= 200, "once for both");
	put_pages(child, BASE, 100, 9000);
	is_u64(wrong_pages(r.cpu, BASE, 200, 7), 0, "parent");
	is_u64(wrong_pages(child, BASE, 100, 9000), 0, "child's own");
	is_u64(wrong_pages(child, BASE + 100 * PAGE, 100, 107), 0, "shared");
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(what_is_unmapped_leaves_it, "B28")
{
	r = start(2048, 512, 8192);
	map_single(&r, BASE, 300);
	put_pages(r.cpu, BASE, 300, 3);
	let_go();
	ok(totals(&r).store_pages > 0, "stored");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 300 * PAGE);
	is_u64(totals(&r).store_pages, 0, "pages");
	is_u64(totals(&r).store_frames, 0, "frames");
	rig_end(&r);
}

/* While it is being written, its page is unmapped. */
static enum fw_status unmap_at_write(void *arg, enum soft_io io, uint64_t where,
				     unsigned n)
{
	(void)arg, (void)where, (void)n;
	if (io != SOFT_STORE_WRITE)
		return FW_OK;
	r.s->io_hook = NULL;
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 400 * PAGE);
	return FW_OK;
}

/* Patterns of these seeds compress, but not by much. */
static uint64_t large(unsigned i)
{
	return 33 * (5 * (uint64_t)i + 1);
}

static uint64_t wrong_large(void)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < 400; i++)
		wrong += wrong_pages(r.cpu, BASE + i * PAGE, 1, large(i));
	return wrong;
}

static enum fw_status read_at_write(void *arg, enum soft_io io, uint64_t where,
				    unsigned n)
{
	(void)arg, (void)where, (void)n;
	if (io != SOFT_STORE_WRITE)
		return FW_OK;
	r.s->io_hook = NULL;
	is_u64(wrong_large(), 0, "read meanwhile");
	return FW_OK;
}

static void fill_then(enum fw_status (*hook)(void *, enum soft_io, uint64_t,
					     unsigned))
{
	r = start(2048, 32, 8192);
	map_single(&r, BASE, 400);
	for (unsigned i = 0; i < 400; i++)
		put_pages(r.cpu, BASE + i * PAGE, 1, large(i));
	trim_all(&r, r.cpu);
	while (totals(&r).store_frames <= 24)
		must(fw_write_modified(r.s->mm, r.s->keeper, 8) > 0, "write");
	r.s->io_hook = hook;
	ok(cstore_make_room(r.s->mm, r.s->keeper, 64), "room");
	ok(!r.s->io_hook, "something was written");
	rig_verify(&r);
}

TEST(a_page_goes_while_it_is_moved, "B28 B34")
{
	fill_then(unmap_at_write);
	is_u64(totals(&r).store_pages, 0, "pages");
	rig_end(&r);
	fill_then(read_at_write);
	is_u64(wrong_large(), 0, "all is there");
	rig_end(&r);
}

TEST(the_disk_fails, "B42")
{
	r = start(2048, 64, 8192);
	map_single(&r, BASE, 400);
	r.s->fail_ios = 1u << SOFT_STORE_WRITE;
	put_pages(r.cpu, BASE, 400, 1);
	trim_all(&r, r.cpu);
	for (unsigned i = 0; i < 20; i++)
		fw_write_modified(r.s->mm, r.s->keeper, 64);
	rig_verify(&r);
	ok(!cstore_make_room(r.s->mm, r.s->keeper, 64), "there is no room");
	is_u64(wrong_pages(r.cpu, BASE, 400, 1), 0, "nothing is lost");
	r.s->fail_ios = 0;
	let_go();
	is_u64(wrong_pages(r.cpu, BASE, 400, 1), 0, "now it works");
	rig_end(&r);
}

/* The n-th object of the log. */
static struct cstore_object *object_number(unsigned n)
{
	fw_pfn pfn = r.s->mm->store_log.head;
	cstore_pos pos = cstore_next(r.s->mm, pfn, 0);

	while (n-- > 0) {
		unsigned unit = cstore_unit(pos) + 1;

		pos = cstore_next(r.s->mm, pfn, unit);
		if (pos == 0) {
			pfn = r.s->mm->frames[pfn].next;
			pos = cstore_next(r.s->mm, pfn, 0);
		}
	}
	return cstore_object(r.s->mm, pos);
}

/* What is read along fails for itself alone. */
TEST(a_bad_neighbour, "B04 B42")
{
	struct cstore_object *bad;
	uint16_t bytes;

	r = start(2048, 512, 8192);
	map_single(&r, BASE, 64);
	fill_with(64, 5, 1);
	let_go();
	bad = object_number(4);
	bytes = bad->bytes;
	bad->bytes = 0;
	is_kind(touch(r.cpu, BASE + 5 * PAGE, FW_ACC_READ),
		FW_KIND_COMPRESSED);
	is_kind(touch(r.cpu, BASE + 4 * PAGE, FW_ACC_READ), FW_KIND_IOERR);
	bad->bytes = bytes;
	for (unsigned i = 0; i < 64; i++)
		is_u64(wrong_pages(r.cpu, BASE + i * PAGE, 1, 5 * i + 1), 0,
		       "page %u", i);
	rig_verify(&r);
	rig_end(&r);
}

/* Without a page file there is no more memory than the store gives. */
TEST(alone, "B28")
{
	r = start(512, 128, 0);
	map_single(&r, BASE, 240);
	map_single(&r, BASE + 240 * PAGE, 240);
	for (unsigned i = 0; i < 480; i++)
		must(put_pages(r.cpu, BASE + i * PAGE, 1, 5 * i + 1),
		     "a page");
	for (unsigned i = 0; i < 480; i++)
		is_u64(wrong_pages(r.cpu, BASE + i * PAGE, 1, 5 * i + 1), 0,
		       "page %u", i);
	ok(totals(&r).store_loads > 50, "they came from it");
	rig_end(&r);
}

/* A word for each page that is away, not for each that ever was. */
TEST(the_index_is_no_larger_than_it_must_be, "B26")
{
	uint64_t pool;

	r = start(2048, 512, 8192);
	map_single(&r, BASE, 300);
	fill_with(300, 5, 1);
	let_go();
	pool = totals(&r).pool;
	for (unsigned i = 0; i < 150; i++) {
		fill_with(300, 5, 1 + i);
		let_go();
	}
	ok(r.s->mm->store_in > 30000, "%d pages went there",
	   (int)r.s->mm->store_in);
	ok(totals(&r).pool <= pool + 3, "%d frames, %d before",
	   (int)totals(&r).pool, (int)pool);
	rig_end(&r);
}

TEST(the_index_becomes_smaller, "B26")
{
	uint64_t page[PAGE / 8], pool, wrong = 0;

	r = start(2048, 512, 8192);
	map_single(&r, BASE, 8000);
	pool = totals(&r).pool;
	for (uint64_t i = 0; i < 8000; i++) {
		for (unsigned k = 0; k < PAGE / 8; k++)
			page[k] = i * 977 + 1;
		soft_write(r.cpu, BASE + i * PAGE, page, PAGE);
	}
	let_go();
	ok(totals(&r).pool > pool + 14, "frames of the index");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 500 * PAGE,
		 7500 * PAGE);
	while (fw_writer_tick(r.s->mm, r.s->keeper))
		;
	ok(totals(&r).pool < pool + 5, "%d frames, %d before",
	   (int)totals(&r).pool, (int)pool);
	rig_verify(&r);
	for (uint64_t i = 0; i < 500; i++) {
		soft_read(r.cpu, BASE + i * PAGE, page, PAGE);
		wrong += page[9] != i * 977 + 1;
	}
	is_u64(wrong, 0, "the others are there");
	put_pages(r.cpu, BASE, 500, 1);
	let_go();
	is_u64(wrong_pages(r.cpu, BASE, 500, 1), 0, "and come back");
	rig_end(&r);
}

TEST(bad_sizes_are_refused, "B28")
{
	struct fw_mm_config config = {.nframes = 1024, .user_min = 1,
				      .user_top = SOFT_USER_TOP,
				      .store_frames = 769};
	static char ram[1024 * PAGE] __attribute__((aligned(4096)));
	struct fw_mm *mm;

	is_u64(fw_mm_init(ram, &config, &mm), FW_E_INVAL, "all the RAM");
	config.store_frames = 768;
	is_u64(fw_mm_init(ram, &config, &mm), FW_OK, "three quarters");
}
