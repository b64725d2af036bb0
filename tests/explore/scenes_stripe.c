/* SPDX-License-Identifier: MIT */
/*
 * scenes_stripe.c - a space lock in two stripes: what is done under one of
 * them without the mm lock, against those who take all, and those who take
 * none. Each store of the fast way is a point.
 */
#include "explore.h"

#include "mm/stripe.h"

#define CHILD 3
#define GUARDED (BASE + 2 * PAGES * PAGE) /* of the stripe of BASE */
#define TABLE_BYTES ((fw_addr)FW_TABLE_ENTRIES * PAGE)

/* A region whose pages belong to another stripe than those at BASE. */
static fw_addr other_stripe(void)
{
	struct fw_space *space = w->cpu[0]->space;
	struct fw_lock *first = fw_space_lock_of(space, BASE / PAGE);
	fw_addr at = BASE;

	do
		at += TABLE_BYTES;
	while (fw_space_lock_of(space, at / PAGE) == first);
	return at;
}

/* Both stripes have tables and a stock of frames. */
static void stocked(void)
{
	fw_addr other;

	add_cpu(0, 0);
	add_cpu(1, 0);
	add_cpu(2, 0);
	other = other_stripe();
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	map_at(w->cpu[0], other, FW_VADF_RANDOM);
	put(w->cpu[0], BASE, value_of(0));
	put(w->cpu[0], other, value_of(0));
	for (unsigned i = 0; i < 2; i++)
		want(stripe_has(&w->cpu[0]->space->stripe[i]), "no stock");
	w->note[0] = other;
}

static void stocked_and_another(void)
{
	stocked();
	soft_cpu_free(w->cpu[1]);
	add_cpu(1, 1);
	map_at(w->cpu[1], BASE, FW_VADF_RANDOM);
	put(w->cpu[1], BASE, value_of(0));
}

static void stocked_and_guarded(void)
{
	stocked();
	map_at(w->cpu[0], GUARDED, FW_VADF_RANDOM | FW_VADF_GUARD);
	map_at(w->cpu[0], w->note[0] + 2 * PAGES * PAGE, FW_VADF_RANDOM);
}

static fw_addr there(void)
{
	return w->note[0];
}

/* Clean pages without a slot: the first write to one needs no mm lock. */
static void clean(void)
{
	stocked();
	push_out(w->cpu[0]);
	write_out();
	for (unsigned i = 0; i < 2; i++)
		want_value(w->cpu[0], BASE, value_of(0));
}

static void modified(void)
{
	stocked();
	push_out(w->cpu[0]);
}

/* ---- what the actors do ----------------------------------------------- */

static void touch_here(struct soft_cpu *me)
{
	fw_addr at = BASE + PAGE;

	put(me, at, 7);
	want_value(me, at, 7);
}

static void touch_there(struct soft_cpu *me)
{
	put(me, there() + PAGE, 8);
	want_value(me, there() + PAGE, 8);
}

static void touch_or_gone(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, BASE + PAGE, 7);

	want(kind == DONE || kind == FW_KIND_MAPERR, "a write fails");
}

static void write_here(struct soft_cpu *me)
{
	put(me, BASE, 7);
	want_value(me, BASE, 7);
}

static void read_then_write(struct soft_cpu *me)
{
	want_value(me, BASE, value_of(0));
	put(me, BASE, 7);
	want_value(me, BASE, 7);
}

static void fork_and_look(struct soft_cpu *me)
{
	uint64_t got;

	want(soft_fork(me, &w->cpu[CHILD]) == FW_OK, "fork fails");
	got = get(w->cpu[CHILD], BASE + PAGE);
	want(got == 0 || got == 7, "reads %#llx", (unsigned long long)got);
	w->note[1] = got;
	want_value(w->cpu[CHILD], BASE, value_of(0));
}

/* Changes the tree of regions. */
static void touch_guard(struct soft_cpu *me)
{
	want(try_put(me, GUARDED + 3 * PAGE, 7) == FW_KIND_GUARD,
	     "the page is not guarded");
	put(me, GUARDED + 3 * PAGE, 7);
}

/* In a region that the stripe does not remember: it is looked for. */
static void touch_another(struct soft_cpu *me)
{
	put(me, there() + 2 * PAGES * PAGE, 8);
	put(me, there() + PAGE, 8);
}

/* Whatever the touch will take, or has taken. */
static void retire_stock(struct soft_cpu *me)
{
	fw_pfn base = stock_base(me->space->stripe[0].stock[0]);

	for (unsigned i = 0; i < FW_BLOCK_PAGES; i++)
		fw_frame_retire(w->s->mm, me->actor, base + i);
}

/* ---- what must be there in the end ------------------------------------ */

static void both_there(void)
{
	want_value(w->cpu[0], BASE + PAGE, 7);
	want_value(w->cpu[0], there() + PAGE, 8);
	want_value(w->cpu[0], BASE, value_of(0));
	want_value(w->cpu[0], there(), value_of(0));
}

static void there_only(void)
{
	want_value(w->cpu[0], there() + PAGE, 8);
	want_value(w->cpu[0], GUARDED + 3 * PAGE, 7);
	want_value(w->cpu[0], BASE, value_of(0));
}

static void second_there(void)
{
	uint64_t got;

	want_value(w->cpu[0], there() + PAGE, 8);
	want(try_get(w->cpu[0], BASE + PAGE, &got) == FW_KIND_MAPERR,
	     "it is still mapped");
}

static void parent_and_child(void)
{
	want_value(w->cpu[0], BASE + PAGE, 7);
	want_value(w->cpu[0], BASE, value_of(0));
	want_value(w->cpu[CHILD], BASE + PAGE, w->note[1]);
	want_value(w->cpu[CHILD], BASE, value_of(0));
}

static void here(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(w->cpu[0], BASE + PAGE, 7);
		want_value(w->cpu[0], BASE, value_of(0));
		page_out(w->cpu[0]);
	}
}

/* None is forgotten, whoever had it. */
static void all_retired(void)
{
	struct fw_totals t;

	here();
	fw_unmap(w->s->mm, w->cpu[0]->actor, w->cpu[0]->space, BASE,
		 PAGES * PAGE);
	trim(w->cpu[0]);
	fw_totals(w->s->mm, w->s->keeper, &t);
	want(t.bad == FW_BLOCK_PAGES, "%llu of 16 frames are out of use",
	     (unsigned long long)t.bad);
}

static void written(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(w->cpu[0], BASE, 7);
		page_out(w->cpu[0]);
	}
}

SCENARIO(stripe_touch, "A17 B12", .stripes = 2, .actors = 2, .setup = stocked,
	 .run = {touch_here, touch_there}, .finish = both_there)
SCENARIO(stripe_same, "B12", .stripes = 2, .actors = 2, .setup = stocked,
	 .run = {touch_here, touch_here}, .finish = here)
SCENARIO(stripe_unmap, "B12 C48", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked, .run = {touch_or_gone, unmap})
SCENARIO(stripe_unmap_other, "B12 C48", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked, .run = {touch_there, unmap}, .finish = second_there)
SCENARIO(stripe_fork, "B12 C77", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked, .run = {fork_and_look, touch_here},
	 .finish = parent_and_child)
SCENARIO(stripe_trim, "B12", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked, .run = {touch_here, trim_and_reuse}, .finish = here)
SCENARIO(stripe_guard, "B12 B03", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked_and_guarded, .run = {touch_guard, touch_another},
	 .finish = there_only)
SCENARIO(stripe_retire, "B12", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked, .run = {touch_here, retire_stock},
	 .finish = all_retired)
SCENARIO(stripe_exit, "B12 C48", .stripes = 2, .actors = 2, .fine = true,
	 .setup = stocked_and_another, .run = {touch_here, exit_now},
	 .finish = here)
SCENARIO(stripe_writer, "B07 B34", .stripes = 2, .actors = 2, .fine = true,
	 .setup = modified, .run = {read_then_write, write_and_reuse},
	 .finish = written)
SCENARIO(stripe_dirty_trim, "B07 B34", .stripes = 2, .actors = 2, .fine = true,
	 .setup = clean, .run = {write_here, trim_and_reuse}, .finish = written)
SCENARIO(stripe_touch_unmap, "B12 C48", .stripes = 2, .actors = 3,
	 .setup = stocked, .run = {touch_or_gone, touch_there, unmap},
	 .finish = second_there)
SCENARIO(stripe_touch_fork, "B12 C77", .stripes = 2, .actors = 3,
	 .setup = stocked, .run = {fork_and_look, touch_here, touch_there},
	 .finish = parent_and_child)
