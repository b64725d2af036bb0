/* SPDX-License-Identifier: MIT */
/*
 * death_store.c - deaths on the way into and out of the compressed store. The
 * store is so small (RIG_STORE) that most pages have to move on from it.
 */
#include "model/death.h"

#include "mm/cstore.h"

#define MANY 150

/* Patterns of these seeds compress, but not by much. */
static uint64_t large(unsigned i)
{
	return 33 * (5 * (uint64_t)i + 1);
}

TEST(death_in_compressing, "B34 B28")
{
	die_everywhere(&(struct scenario){trim_first, write_out, 0, 0, NULL});
}

static void to_store(struct world *w)
{
	trim_all(&w->r, w->victim);
	trim_all(&w->r, w->relative);
	trim_all(&w->r, w->stranger);
	write_all(&w->r);
	flush_standby(&w->r);
	ok(totals(&w->r).store_pages > 10, "pages in the store");
}

TEST(death_in_decompressing, "B04 B42")
{
	die_everywhere(&(struct scenario){to_store, touch_all, 0, 0, NULL});
}

static void unmap_all(struct world *w)
{
	fw_unmap(AT(w), BASE, N_PRIVATE * PAGE);
}

TEST(death_in_dropping_what_is_stored, "B28")
{
	die_everywhere(&(struct scenario){to_store, unmap_all, 0, N_PRIVATE,
					  NULL});
}

/* Some pages were in a part of the index of their own. */
static void leave_a_part(struct world *w)
{
	to_store(w);
	must(soft_map(w->victim, FREE_AT, 20, RW) == FW_OK, "map");
	put_pages(w->victim, FREE_AT, 20, 1);
	w->r.s->mm->pfile[CSTORE_FILE].hint = 3000;
	to_store(w);
	fw_unmap(AT(w), FREE_AT, 20 * PAGE);
	w->r.s->mm->store_freed = 1000; /* as if there had been more */
}

static void sweep(struct world *w)
{
	cstore_sweep(w->r.s->mm, w->victim->actor);
}

TEST(death_in_sweeping_the_index, "B34")
{
	die_everywhere(&(struct scenario){leave_a_part, sweep, 0, 0, NULL});
}

/* As much as the store holds, of somebody else's. */
static void fill_store(struct world *w)
{
	struct soft_cpu *cpu = w->stranger;

	must(soft_map(cpu, FREE_AT, MANY, RW) == FW_OK, "map");
	for (unsigned i = 0; i < MANY; i++)
		put_pages(cpu, FREE_AT + i * PAGE, 1, large(i));
	trim_all(&w->r, cpu);
	while (totals(&w->r).store_frames <= RIG_STORE / 4 * 3)
		must(fw_write_modified(w->r.s->mm, w->r.s->keeper, 8) > 0,
		     "write");
}

static void make_room(struct world *w)
{
	ok(cstore_make_room(w->r.s->mm, w->victim->actor, 64), "room");
}

static void find_all(struct world *w)
{
	for (unsigned i = 0; i < MANY; i++)
		is_u64(wrong_pages(w->stranger, FREE_AT + i * PAGE, 1,
				   large(i)), 0, "page %u", i);
}

TEST(death_in_moving_on, "B26 B34")
{
	die_everywhere(&(struct scenario){fill_store, make_room, 0, 0,
					  find_all});
}

/* Holes between what others have there. */
static void make_holes(struct world *w)
{
	to_store(w);
	for (unsigned i = 0; i < N_PRIVATE; i += 2)
		touch(w->victim, BASE + i * PAGE, FW_ACC_READ);
}

static void pack(struct world *w)
{
	bool shorter;

	ok(cstore_pack(w->r.s->mm, w->victim->actor, &shorter) > 5, "packed");
}

TEST(death_in_packing, "B34")
{
	die_everywhere(&(struct scenario){make_holes, pack, 0, 0, NULL});
}

/* As if they had been there for a while, and were to be smaller. */
static void grow_old(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;

	mm->evicted += mm->nframes / 4;
	mm->store_dense = 1;
	mm->store_seen = 0;
	mm->store_cursor = 0;
}

static void old(struct world *w)
{
	to_store(w);
	grow_old(w);
}

static void condense(struct world *w)
{
	cstore_condense(w->r.s->mm, w->victim->actor);
	ok(w->r.s->mm->store_condensed > 5, "condensed");
}

/* Live objects that are not. The bytes of all are what the store says. */
static unsigned light_ones(struct fw_mm *mm)
{
	uint64_t bytes = 0;
	unsigned n = 0;

	for (fw_pfn pfn = mm->store_log.head; pfn != FW_PFN_NONE;
	     pfn = mm->frames[pfn].next) {
		unsigned unit = 0;
		cstore_pos pos;

		while ((pos = cstore_next(mm, pfn, unit)) != 0) {
			const struct cstore_object *o = cstore_object(mm, pos);

			unit = cstore_unit(pos) + 1;
			if (!cstore_live(mm, pos))
				continue;
			n += !(o->flags & CSTORE_DENSE);
			bytes += o->bytes;
		}
	}
	is_u64(mm->store_bytes, bytes, "bytes");
	return n;
}

/* Another one finds nothing that the dead one still has. */
static void condense_the_rest(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;
	unsigned n = 0;

	grow_old(w);
	while (n < 100 && cstore_condense(mm, w->r.s->keeper))
		n++;
	ok(n < 100, "there is an end");
	ok(mm->store_pages > 0, "pages in the store");
	is_u64(light_ones(mm), 0, "objects that are left");
}

TEST(death_in_condensing, "B34")
{
	die_everywhere(&(struct scenario){old, condense, 0, 0,
					  condense_the_rest});
}

static void trim_dense(struct world *w)
{
	trim_first(w);
	w->r.s->mm->store_dense = 1;
}

/* Few at a time: a writer that has much to do does not condense. */
static void write_dense(struct world *w)
{
	write_out(w);
	ok(light_ones(w->r.s->mm) < w->r.s->mm->store_pages, "some are dense");
}

TEST(death_in_writing_condensed_pages, "B34 B28")
{
	die_everywhere(&(struct scenario){trim_dense, write_dense, 0, 0, NULL});
}

static void old_condensed(struct world *w)
{
	old(w);
	condense_the_rest(w);
}

TEST(death_in_reading_condensed_pages, "B04 B42")
{
	die_everywhere(&(struct scenario){old_condensed, touch_all, 0, 0,
					  NULL});
}

/* The victim's own pages first, so that they move on first. */
static void fill_and_move(struct world *w)
{
	to_store(w);
	fill_store(w);
	while (totals(&w->r).store_pages > 0 &&
	       totals(&w->r).store_moved < 2 * N_PRIVATE) {
		w->r.s->mm->store_goal = 8;
		must(cstore_make_room(w->r.s->mm, w->r.s->keeper, 64), "room");
	}
	w->r.s->mm->store_goal = RIG_STORE;
}

TEST(death_in_reading_what_moved, "B04 B42")
{
	die_everywhere(&(struct scenario){fill_and_move, touch_all, 0, 0,
					  find_all});
}

/* Frames for the index cannot be had: pages are written as they are. */
static bool refuse_records(void *arg, enum fw_need need)
{
	(void)arg;
	return need == FW_NEED_POOL;
}

TEST(without_an_index, "A22 B34")
{
	struct rig r = rig_start(500, 1, 1024);

	map_single(&r, BASE, 100);
	put_pages(r.cpu, BASE, 100, 1);
	trim_all(&r, r.cpu);
	mm_lock(r.s->mm, r.s->keeper);
	pfile_grow(r.s->mm); /* slots there are */
	mm_unlock(r.s->mm);
	r.s->refuse_hook = refuse_records;
	while (fw_write_modified(r.s->mm, r.s->keeper, 64) > 0)
		;
	r.s->refuse_hook = NULL;
	is_u64(totals(&r).store_pages, 0, "nothing is stored");
	rig_verify(&r);
	is_u64(wrong_pages(r.cpu, BASE, 100, 1), 0, "nothing is lost");
	rig_end(&r);
}

TEST(death_in_fork_of_stored_pages, "B16")
{
	die_everywhere(&(struct scenario){to_store, fork_again, 0, 0, NULL});
}
