/* SPDX-License-Identifier: MIT */
/*
 * test_cstore_dense.c - the compressed store's second method: pages that are
 * condensed as they come, those that are later, and that there is an end to it.
 */
#include "machine.h"

#include "mm/cstore.h"

#define MANY_TICKS 1000 /* more than there can be work for */

static struct rig r;

static void start(uint32_t nframes, uint32_t store, bool dense)
{
	r = rig_start_config(&(struct soft_config){.nframes = nframes,
						   .page_files = 1,
						   .slots = 16384,
						   .store_frames = store});
	r.s->mm->store_dense = dense;
}

/* Pages of the first seed, and so on, into the store. */
static void store_pages(unsigned pages, uint64_t seed)
{
	map_single(&r, BASE, pages);
	put_pages(r.cpu, BASE, pages, seed);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

/* What is in the store has been there for a while, and is to be condensed. */
static void grow_old(void)
{
	r.s->mm->evicted += r.s->mm->nframes / 4;
	r.s->mm->store_dense = 1;
}

/* The log may be gone through once more, though nothing has come. */
static void go_through_again(void)
{
	r.s->mm->store_cursor = 0;
	r.s->mm->store_seen = 0;
	grow_old();
}

/* Live objects, of those whose flags under the mask are these. */
static unsigned count_objects(uint16_t mask, uint16_t flags)
{
	struct fw_mm *mm = r.s->mm;
	unsigned n = 0;

	for (fw_pfn pfn = mm->store_log.head; pfn != FW_PFN_NONE;
	     pfn = mm->frames[pfn].next) {
		unsigned unit = 0;
		cstore_pos pos;

		while ((pos = cstore_next(mm, pfn, unit)) != 0) {
			unit = cstore_unit(pos) + 1;
			n += cstore_live(mm, pos) &&
			     (cstore_object(mm, pos)->flags & mask) == flags;
		}
	}
	return n;
}

static void tick_to_the_end(void)
{
	unsigned n = 0;

	while (n < MANY_TICKS && fw_writer_tick(r.s->mm, r.s->keeper))
		n++;
	ok(n < MANY_TICKS, "there is an end");
}

/* Bytes of the same pages, by one method or the other. */
static uint64_t bytes_of_some(bool dense)
{
	struct fw_totals t;

	start(2048, 512, dense);
	store_pages(100, 1);
	t = totals(&r);
	is_u64(t.store_pages, 80, "in it");
	is_u64(count_objects(CSTORE_DENSE, CSTORE_DENSE), dense ? 80 : 0,
	       "are condensed");
	rig_verify(&r);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_COMPRESSED);
	is_u64(wrong_pages(r.cpu, BASE, 100, 1), 0, "all is there");
	rig_end(&r);
	return t.store_bytes;
}

TEST(what_comes_is_condensed, "B26")
{
	uint64_t light = bytes_of_some(false), dense = bytes_of_some(true);

	ok(dense < light / 4 * 3, "%d bytes, not %d", (int)dense, (int)light);
}

/* As long as much is to be written. */
TEST(a_writer_that_hurries_is_quick, "B26 B34")
{
	start(2048, 512, true);
	map_single(&r, BASE, 400);
	put_pages(r.cpu, BASE, 400, 1);
	trim_all(&r, r.cpu);
	ok(fw_write_modified(r.s->mm, r.s->keeper, 64) > 0, "written");
	ok(totals(&r).store_pages > 0, "some are in the store");
	is_u64(count_objects(CSTORE_DENSE, CSTORE_DENSE), 0, "condensed");
	write_all(&r);
	ok(count_objects(CSTORE_DENSE, CSTORE_DENSE) > 50, "the last are");
	is_u64(wrong_pages(r.cpu, BASE, 400, 1), 0, "all is there");
	rig_end(&r);
}

TEST(what_is_there_becomes_smaller, "B26 B34")
{
	struct fw_totals before, t;

	start(2048, 512, false);
	store_pages(400, 1);
	before = totals(&r);
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, 0, "unless it is to");
	grow_old();
	tick_to_the_end();
	t = totals(&r);
	is_u64(t.store_pages, before.store_pages, "pages");
	is_u64(r.s->mm->store_condensed, t.store_pages, "condensed");
	is_u64(count_objects(CSTORE_DENSE, CSTORE_DENSE), t.store_pages,
	       "objects");
	ok(t.store_bytes < before.store_bytes / 4 * 3, "%d bytes, not %d",
	   (int)t.store_bytes, (int)before.store_bytes);
	ok(t.store_frames < before.store_frames, "%d frames, not %d",
	   (int)t.store_frames, (int)before.store_frames);
	rig_verify(&r);
	go_through_again();
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, t.store_pages, "once");
	is_u64(wrong_pages(r.cpu, BASE, 400, 1), 0, "all is there");
	rig_end(&r);
}

static void condense_all(void)
{
	r.s->mm->store_dense = 1;
	for (unsigned n = 0; cstore_condense(r.s->mm, r.s->keeper); n++)
		must(n < MANY_TICKS, "there is an end");
}

/* Back into memory, and into the store again, by the quick method. */
static void come_again(unsigned pages)
{
	is_u64(wrong_pages(r.cpu, BASE, pages, 1), 0, "read");
	put_pages(r.cpu, BASE, pages, 1);
	r.s->mm->store_dense = 0;
	trim_all(&r, r.cpu);
	write_all(&r);
}

/* One piece of work at a time: what is read back in between is left alone, and
 * so are pages that have just come. Until some come it is not looked whether
 * they have grown old. */
TEST(only_what_is_old_and_there, "B26 B28")
{
	start(2048, 512, false);
	store_pages(200, 1);
	r.s->mm->evicted += r.s->mm->nframes; /* its clock goes on */
	r.s->mm->store_dense = 1;
	ok(cstore_condense(r.s->mm, r.s->keeper), "there is more");
	is_u64(r.s->mm->store_condensed, 16, "condensed at a time");
	rig_verify(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 150 * PAGE,
		 50 * PAGE);
	come_again(100);
	is_u64(totals(&r).store_pages, 120, "are there again");
	condense_all(); /* on from where it was */
	condense_all(); /* anew: enough has come */
	is_u64(count_objects(CSTORE_DENSE, 0), 80, "are too young");
	is_u64(count_objects(CSTORE_DENSE, CSTORE_DENSE), 40, "are condensed");
	rig_verify(&r);
	r.s->mm->evicted += r.s->mm->nframes;
	condense_all();
	is_u64(count_objects(CSTORE_DENSE, 0), 80, "are not looked at");
	come_again(20);
	condense_all();
	is_u64(count_objects(CSTORE_DENSE, 0), 16, "have come last");
	rig_verify(&r);
	is_u64(wrong_pages(r.cpu, BASE, 150, 1), 0, "all is there");
	rig_end(&r);
}

/* The quick method has a word for the step from word to word, the other one
 * half of it. */
#define LONG_STEP ((uint64_t)1 << 40)

/* Page i of those that have `runs` runs with this step. */
static void make_runs(uint64_t word[PAGE / 8], unsigned i, unsigned runs,
		      uint64_t step)
{
	unsigned n = PAGE / 8 / runs;

	for (unsigned k = 0; k < PAGE / 8; k++)
		word[k] = k % n > 0 ? word[k - 1] + step :
				      (i + 3 + k) * 0x9e3779b97f4a7c15;
}

static void put_runs(unsigned pages, unsigned runs, uint64_t step)
{
	uint64_t word[PAGE / 8];

	for (unsigned i = 0; i < pages; i++) {
		make_runs(word, i, runs, step);
		must(soft_write(r.cpu, BASE + i * PAGE, word, PAGE), "write");
	}
}

static unsigned wrong_runs(unsigned pages, unsigned runs, uint64_t step)
{
	uint64_t want[PAGE / 8], got[PAGE / 8];
	unsigned wrong = 0;

	for (unsigned i = 0; i < pages; i++) {
		make_runs(want, i, runs, step);
		wrong += !soft_read(r.cpu, BASE + i * PAGE, got, PAGE) ||
			 memcmp(got, want, PAGE) != 0;
	}
	return wrong;
}

static void store_runs(unsigned pages, unsigned runs, uint64_t step)
{
	map_single(&r, BASE, pages);
	put_runs(pages, runs, step);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	is_u64(totals(&r).store_pages, pages, "in the store");
}

/* All objects, of one run each, become such that they could be condensed (with
 * LONG_STEP: that they could not). */
static void set_steps(uint64_t step)
{
	struct fw_mm *mm = r.s->mm;

	for (fw_pfn pfn = mm->store_log.head; pfn != FW_PFN_NONE;
	     pfn = mm->frames[pfn].next) {
		cstore_pos pos = cstore_next(mm, pfn, 0);

		while (pos != 0) {
			struct cstore_object *o = cstore_object(mm, pos);

			memcpy((char *)(o + 1) + 8, &step, sizeof(step));
			pos = cstore_next(mm, pfn, cstore_unit(pos) + 1);
		}
	}
}

TEST(what_would_be_no_smaller_is_tried_once, "B26")
{
	uint64_t bytes;

	start(2048, 512, false);
	store_runs(100, 1, LONG_STEP);
	bytes = totals(&r).store_bytes;
	grow_old();
	tick_to_the_end();
	is_u64(count_objects(CSTORE_TRIED | CSTORE_MOVING | CSTORE_DENSE,
			     CSTORE_TRIED), 100, "are marked");
	is_u64(r.s->mm->store_condensed, 0, "condensed");
	is_u64(totals(&r).store_bytes, bytes, "bytes");
	rig_verify(&r);
	set_steps(1);
	go_through_again();
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, 0, "tried again");
	set_steps(LONG_STEP);
	is_u64(wrong_runs(100, 1, LONG_STEP), 0, "all is there");
	rig_end(&r);
}

/* Without frames for what it would make nothing is tried, nor marked. */
static bool refuse_frames(void *arg, enum fw_need need)
{
	(void)arg;
	return need == FW_NEED_FRAME;
}

TEST(frames_cannot_be_had, "A22 B26")
{
	start(2048, 512, false);
	store_pages(100, 1);
	grow_old();
	r.s->refuse_hook = refuse_frames;
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, 0, "condensed");
	is_u64(count_objects(CSTORE_TRIED | CSTORE_MOVING, 0), 80,
	       "are as they were");
	rig_verify(&r);
	r.s->refuse_hook = NULL;
	go_through_again();
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, 80, "condensed then");
	is_u64(wrong_pages(r.cpu, BASE, 100, 1), 0, "all is there");
	rig_end(&r);
}

/* What is written in one piece of work ends within a frame: of objects so small
 * that this is much of it, a log is full of holes. There is an end to packing
 * them. */
static void ends_with_small_ones(unsigned pages, unsigned runs, bool dense)
{
	start(8192, 2048, false);
	store_runs(pages, runs, 1);
	ok(r.s->mm->store_log.count > 64, "%d frames",
	   (int)r.s->mm->store_log.count);
	if (dense)
		grow_old();
	tick_to_the_end();
	is_u64(r.s->mm->store_condensed, dense ? pages : 0, "condensed");
	rig_verify(&r);
	is_u64(wrong_runs(pages, runs, 1), 0, "all is there");
	rig_end(&r);
}

TEST(small_objects_are_not_packed_for_ever, "B34")
{
	ends_with_small_ones(4800, 1, false);
	ends_with_small_ones(2400, 4, false);
	ends_with_small_ones(4800, 1, true);
	ends_with_small_ones(2400, 4, true);
}

/* The store, of 64 frames, is full of such. They are packed, once or twice, and
 * fill their frames then; before that nothing has to move on. */
static void is_full_of_small_ones(unsigned pages, unsigned runs, unsigned fit)
{
	struct fw_totals t;

	start(2048, 64, false);
	map_single(&r, BASE, pages);
	put_runs(fit, runs, 1);
	is_u64(totals(&r).store_moved, 0, "moved on");
	put_runs(pages, runs, 1);
	t = totals(&r);
	ok(t.store_frames > 48, "%d frames", (int)t.store_frames);
	ok(t.store_moved > 0, "%d moved on", (int)t.store_moved);
	ok(t.store_packed < 4 * pages, "%d packed", (int)t.store_packed);
	rig_verify(&r);
	is_u64(wrong_runs(pages, runs, 1), 0, "all is there");
	rig_end(&r);
}

TEST(a_store_full_of_small_objects, "B26 B34")
{
	is_full_of_small_ones(11000, 1, 7000);
	is_full_of_small_ones(5000, 4, 2000);
	is_full_of_small_ones(5000, 8, 1500);
}

/* Holes, pages of both kinds, and others that have just come. */
TEST(an_idle_machine_comes_to_rest, "B26 B34")
{
	uint64_t frames;

	start(2048, 256, false);
	store_pages(600, 1);
	for (unsigned i = 0; i < 600; i++)
		if (i % 2 != 0)
			put_pages(r.cpu, BASE + i * PAGE, 1, 5);
	frames = totals(&r).store_frames;
	grow_old();
	tick_to_the_end();
	ok(totals(&r).store_frames < frames / 4 * 3, "%d frames, not %d",
	   (int)totals(&r).store_frames, (int)frames);
	ok(r.s->mm->store_packed > 0, "packed");
	ok(r.s->mm->store_condensed > 0, "condensed");
	rig_verify(&r);
	for (unsigned i = 0; i < 600; i++)
		is_u64(wrong_pages(r.cpu, BASE + i * PAGE, 1,
				   i % 2 != 0 ? 5 : 1 + i), 0, "page %u", i);
	rig_end(&r);
}
