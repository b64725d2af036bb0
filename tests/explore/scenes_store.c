/* SPDX-License-Identifier: MIT */
/*
 * scenes_store.c - the compressed store: pages on their way into it, out of
 * it, and on to a page file, while others want them or let them go.
 */
#include "explore.h"

#include "mm/cstore.h"

#define STORE 16u /* frames */
#define CHILD 3

/* ---- what the actors do ----------------------------------------------- */

static void read_first(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(0), value_of(0));
}

static void read_all(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(1), value_of(1));
	want_value(me, PAGE_AT(0), value_of(0));
}

static void move_on(struct soft_cpu *me)
{
	cstore_shrink(w->s->mm, me->actor);
}

static void pack(struct soft_cpu *me)
{
	bool shorter;

	cstore_pack(w->s->mm, me->actor, &shorter);
}

/* All in one piece of work; no more is left then. */
static void condense(struct soft_cpu *me)
{
	want(!cstore_condense(w->s->mm, me->actor), "it has no end");
}

static void trim_and_store(struct soft_cpu *me)
{
	trim(me);
	write_and_reuse(me);
}

static void discard(struct soft_cpu *me)
{
	want(fw_discard(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE) ==
		     FW_OK,
	     "discard fails");
}

static void read_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_MAPERR ||
		     (kind == DONE && (got == value_of(0) || got == 0)),
	     "reads %#llx", (unsigned long long)got);
}

static void just_fork(struct soft_cpu *me)
{
	want(soft_fork(me, &w->cpu[CHILD]) == FW_OK, "fork fails");
	want_value(w->cpu[CHILD], PAGE_AT(0), value_of(0));
}

/* ---- where they begin ------------------------------------------------- */

static void stored(void)
{
	two_pages_out();
	want(w->s->mm->store_pages == 2, "pages are in the store");
}

static void stored_cluster(void)
{
	three_with(0, 4);
	page_out(w->cpu[0]);
	want(w->s->mm->store_pages == 4, "pages are in the store");
}

static void stored_of_another(void)
{
	add_cpu(0, 0);
	add_cpu(1, 1);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 2);
	page_out(w->cpu[0]);
}

static void stored_and_shared(void)
{
	add_cpu(0, 0);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 2);
	want(soft_fork(w->cpu[0], &w->cpu[1]) == FW_OK, "fork fails");
	add_cpu(2, 2);
	push_out(w->cpu[1]);
	page_out(w->cpu[0]);
	want(w->s->mm->store_pages == 2, "pages are in the store");
}

/* What is stored has been there for a while, and is to be condensed. */
static void grow_old(void)
{
	struct fw_mm *mm = w->s->mm;

	w->note[0] = mm->store_bytes;
	mm->evicted += mm->nframes / 4;
	mm->store_dense = 1;
	want(cstore_wants_dense(mm), "pages are to be condensed");
}

static void old(void)
{
	stored();
	grow_old();
}

static void old_cluster(void)
{
	stored_cluster();
	grow_old();
}

static void old_of_another(void)
{
	stored_of_another();
	grow_old();
}

static void old_and_shared(void)
{
	stored_and_shared();
	grow_old();
}

static void condensed(void)
{
	old();
	condense(w->cpu[2]);
	want(w->s->mm->store_condensed == 2, "pages are condensed");
}

static void moved(void)
{
	stored();
	cstore_shrink(w->s->mm, w->s->keeper);
	want(w->s->mm->store_pages == 0, "pages are on the disk");
}

static void move_fails(void)
{
	stored();
	w->errors = 1;
	w->fail_io = SOFT_STORE_WRITE;
}

/* ---- what must be there in the end ------------------------------------ */

/* Also when the pages have been in the store, and on the disk, once more. */
static void both_there(void)
{
	for (unsigned i = 0; i < 3; i++) {
		want_value(w->cpu[0], PAGE_AT(0), value_of(0));
		want_value(w->cpu[0], PAGE_AT(1), value_of(1));
		page_out(w->cpu[0]);
		if (i == 1)
			cstore_shrink(w->s->mm, w->s->keeper);
	}
}

static void first_is_seven(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(w->cpu[0], PAGE_AT(0), 7);
		want_value(w->cpu[0], PAGE_AT(1), value_of(1));
		page_out(w->cpu[0]);
	}
}

static void nothing_stored(void)
{
	want(w->s->mm->store_pages == 0, "an object is left");
}

/* Nothing kept an actor from condensing them, once: two runs of words each. */
static void both_condensed(void)
{
	want(w->s->mm->store_condensed == 2, "%d pages are condensed",
	     (int)w->s->mm->store_condensed);
	want(w->s->mm->store_bytes == w->note[0] - 2 * 2 * 8 + 2 * 4,
	     "%d bytes are left", (int)w->s->mm->store_bytes);
	both_there();
}

static void condensed_or_moved(void)
{
	want(w->s->mm->store_condensed + w->s->mm->store_moved >= 4,
	     "neither condensed nor moved");
	both_there();
}

/* ---- out of it -------------------------------------------------------- */

SCENARIOS(store_read, "B03 B04", .store = STORE, .actors = 2, .setup = stored,
	  .run = {read_first, read_all}, .finish = both_there)
SCENARIO(store_read_three, "B03 B04", .store = STORE, .actors = 3,
	 .setup = stored_cluster, .run = {read_first, read_all, read_first},
	 .finish = both_there)
SCENARIOS(store_read_trim, "B04 B07", .store = STORE, .actors = 2,
	  .setup = stored, .run = {read_all, trim_and_store},
	  .finish = both_there)
SCENARIO(store_read_unmap, "B28 C48", .store = STORE, .actors = 2,
	 .setup = stored_cluster, .run = {read_or_gone, unmap},
	 .finish = nothing_stored)
SCENARIO(store_read_discard, "B28", .store = STORE, .actors = 3,
	 .setup = stored, .run = {read_or_gone, discard, move_on})

/* ---- on to the disk --------------------------------------------------- */

SCENARIOS(store_move_read, "B04 B34", .store = STORE, .actors = 2,
	  .setup = stored, .run = {read_all, move_on}, .finish = both_there)
SCENARIO(store_move_twice, "B34", .store = STORE, .actors = 3,
	 .setup = stored_cluster, .run = {move_on, move_on, read_first},
	 .finish = both_there)
SCENARIO(store_move_unmap, "B28 B34", .store = STORE, .actors = 2,
	 .setup = stored, .run = {unmap, move_on}, .finish = nothing_stored)
SCENARIO(store_move_exit, "B28 C48", .store = STORE, .actors = 2,
	 .setup = stored_of_another, .run = {exit_now, move_on},
	 .finish = nothing_stored)
SCENARIO(store_move_write, "B34", .store = STORE, .actors = 3, .setup = stored,
	 .run = {write_first, move_on, trim_and_store},
	 .finish = first_is_seven)
SCENARIO(store_move_error, "B34 B42", .store = STORE, .actors = 3,
	 .setup = move_fails, .run = {read_all, move_on, move_on},
	 .finish = both_there)
SCENARIO(store_move_error_unmap, "B34 B42", .store = STORE, .actors = 2,
	 .setup = move_fails, .run = {unmap, move_on},
	 .finish = nothing_stored)
SCENARIO(store_moved_read, "B03 B04", .store = STORE, .actors = 3,
	 .setup = moved, .run = {read_all, read_first, trim_and_store},
	 .finish = both_there)
SCENARIO(store_moved_unmap, "B28", .store = STORE, .actors = 2,
	 .setup = moved, .run = {read_or_gone, unmap},
	 .finish = nothing_stored)

/* ---- to its end ------------------------------------------------------- */

SCENARIOS(store_pack_read, "B04 B34", .store = STORE, .actors = 2,
	  .setup = stored, .run = {read_all, pack}, .finish = both_there)
SCENARIO(store_pack_move, "B34", .store = STORE, .actors = 3,
	 .setup = stored_cluster, .run = {pack, move_on, read_first},
	 .finish = both_there)
SCENARIO(store_pack_twice, "B34", .store = STORE, .actors = 3,
	 .setup = stored_cluster, .run = {pack, pack, trim_and_store},
	 .finish = both_there)
SCENARIO(store_pack_unmap, "B28 B34", .store = STORE, .actors = 2,
	 .setup = stored, .run = {unmap, pack}, .finish = nothing_stored)
SCENARIO(store_pack_write, "B34", .store = STORE, .actors = 3, .setup = stored,
	 .run = {write_first, pack, trim_and_store},
	 .finish = first_is_seven)

/* ---- made smaller ----------------------------------------------------- */

SCENARIOS(store_dense_read, "B04 B34", .store = STORE, .actors = 2,
	  .setup = old, .run = {read_all, condense}, .finish = both_there)
SCENARIO(store_dense_unmap, "B28 B34", .store = STORE, .actors = 2,
	 .setup = old, .run = {unmap, condense}, .finish = nothing_stored)
SCENARIO(store_dense_read_unmap, "B28 C48", .store = STORE, .actors = 3,
	 .setup = old, .run = {read_or_gone, unmap, condense},
	 .finish = nothing_stored)
SCENARIO(store_dense_discard, "B28", .store = STORE, .actors = 3,
	 .setup = old, .run = {read_or_gone, discard, condense})
SCENARIO(store_dense_exit, "B28 C48", .store = STORE, .actors = 2,
	 .setup = old_of_another, .run = {exit_now, condense},
	 .finish = nothing_stored)
SCENARIO(store_dense_move, "B34", .store = STORE, .actors = 3,
	 .setup = old_cluster, .run = {condense, move_on, read_first},
	 .finish = both_there)
SCENARIO(store_dense_or_move, "B34", .store = STORE, .actors = 2,
	 .setup = old_cluster, .run = {condense, move_on},
	 .finish = condensed_or_moved)
SCENARIO(store_dense_pack, "B34", .store = STORE, .actors = 2, .setup = old,
	 .run = {condense, pack}, .finish = both_condensed)
SCENARIO(store_dense_twice, "B34", .store = STORE, .actors = 2, .setup = old,
	 .run = {condense, condense}, .finish = both_condensed)
SCENARIO(store_dense_write, "B34", .store = STORE, .actors = 3, .setup = old,
	 .run = {write_first, condense, trim_and_store},
	 .finish = first_is_seven)
SCENARIO(store_dense_shared, "B16 B17", .store = STORE, .actors = 3,
	 .setup = old_and_shared, .run = {read_all, write_first, condense},
	 .finish = both_there)
SCENARIOS(store_condensed_read, "B03 B04", .store = STORE, .actors = 2,
	  .setup = condensed, .run = {read_first, read_all},
	  .finish = both_there)
SCENARIO(store_condensed_move, "B04 B34", .store = STORE, .actors = 3,
	 .setup = condensed, .run = {read_all, move_on, trim_and_store},
	 .finish = both_there)
SCENARIO(store_condensed_unmap, "B28 C48", .store = STORE, .actors = 3,
	 .setup = condensed, .run = {read_or_gone, unmap, pack},
	 .finish = nothing_stored)

/* ---- into it ---------------------------------------------------------- */

SCENARIOS(store_in_touch, "B07 B34", .store = STORE, .actors = 2,
	  .setup = two_pages_modified, .run = {write_first, write_and_reuse},
	  .finish = first_is_seven)
SCENARIO(store_in_unmap, "B34 C48", .store = STORE, .actors = 2,
	 .setup = two_pages_modified, .run = {unmap, write_and_reuse},
	 .finish = nothing_stored)
SCENARIO(store_in_and_on, "B34", .store = STORE, .actors = 3,
	 .setup = two_pages_modified,
	 .run = {write_and_reuse, move_on, read_all}, .finish = both_there)

/* ---- and fork --------------------------------------------------------- */

SCENARIO(store_fork, "B16 B34", .store = STORE, .actors = 2, .setup = stored,
	 .run = {just_fork, move_on}, .finish = both_there)
SCENARIO(store_shared, "B16 B17", .store = STORE, .actors = 3,
	 .setup = stored_and_shared, .run = {read_all, write_first, move_on},
	 .finish = both_there)
