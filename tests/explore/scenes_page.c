/* SPDX-License-Identifier: MIT */
/* scenes_page.c - threads of one space: in-page, trim, write-out, unmap. */
#include "explore.h"

#define NO_FLAGS 0u

/* ---- what the actors do ----------------------------------------------- */

static void read_first(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(0), value_of(0));
}

static void read_third(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(2), value_of(2));
}

/* A word of its own in the first page. */
static void write_own(struct soft_cpu *me)
{
	fw_addr at = PAGE_AT(0) + 64 * (1 + running());

	put(me, at, 0xbeef);
	want_value(me, at, 0xbeef);
}

void write_first(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 7);
	want_value(me, PAGE_AT(0), 7);
}

static void write_twice(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 6);
	put(me, PAGE_AT(0), 7);
	want_value(me, PAGE_AT(0), 7);
}

void trim(struct soft_cpu *me)
{
	fw_trim(w->s->mm, me->actor, me->space, 64);
}

/* Its pages leave it, and what need not be written loses its frame. */
void trim_and_reuse(struct soft_cpu *me)
{
	trim(me);
	drop_standby(me->actor);
}

static void write_modified(struct soft_cpu *me)
{
	fw_write_modified(w->s->mm, me->actor, 64);
}

void write_and_reuse(struct soft_cpu *me)
{
	write_modified(me);
	drop_standby(me->actor);
}

static void trim_and_write(struct soft_cpu *me)
{
	trim(me);
	write_modified(me);
}

void unmap(struct soft_cpu *me)
{
	uint64_t got;

	want(fw_unmap(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE) ==
		     FW_OK,
	     "unmap fails");
	want(try_get(me, PAGE_AT(0), &got) == FW_KIND_MAPERR,
	     "an access after unmap");
}

static void unmap_and_map(struct soft_cpu *me)
{
	unmap(me);
	map_at(me, BASE, FW_VADF_RANDOM);
	want_value(me, PAGE_AT(0), 0);
	put(me, PAGE_AT(0), 9);
	want_value(me, PAGE_AT(0), 9);
}

static void discard(struct soft_cpu *me)
{
	want(fw_discard(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE) ==
		     FW_OK,
	     "discard fails");
}

void exit_now(struct soft_cpu *me)
{
	w->cpu[running()] = NULL;
	soft_cpu_exit(me);
}

/* Either what was there, or nothing is there any more. */
static void read_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_MAPERR ||
		     (kind == DONE && (got == value_of(0) || got == 7)),
	     "reads %#llx", (unsigned long long)got);
}

static void write_or_gone(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, PAGE_AT(0), 7);

	want(kind == FW_KIND_MAPERR || kind == DONE, "a write fails");
}

/* The old page, or the new one before or after it was written. */
static void read_across(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_MAPERR || (kind == DONE && (got == value_of(0) ||
							 got == 0 || got == 9)),
	     "reads %#llx", (unsigned long long)got);
}

static void read_or_zero(struct soft_cpu *me)
{
	uint64_t got = get(me, PAGE_AT(0));

	want(got == value_of(0) || got == 0, "reads %#llx",
	     (unsigned long long)got);
}

/* ---- where they begin ------------------------------------------------- */

static void page_is_out(void)
{
	three_with(FW_VADF_RANDOM, 4);
	page_out(w->cpu[0]);
}

static void cluster_is_out(void)
{
	three_with(NO_FLAGS, 4);
	page_out(w->cpu[0]);
}

static void page_is_resident(void)
{
	three_with(FW_VADF_RANDOM, 4);
}

static void page_is_modified(void)
{
	three_with(FW_VADF_RANDOM, 4);
	push_out(w->cpu[0]);
}

static void page_is_standby(void)
{
	three_with(FW_VADF_RANDOM, 4);
	push_out(w->cpu[0]);
	write_out();
}

/* Resident, clean, and with a slot. */
static void page_is_clean(void)
{
	page_is_out();
	for (unsigned i = 0; i < 4; i++)
		want_value(w->cpu[0], PAGE_AT(i), value_of(i));
}

static void page_of_zeros(void)
{
	add_cpu(0, 0);
	add_cpu(1, 0);
	add_cpu(2, 0);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	put(w->cpu[0], PAGE_AT(0), 0);
	push_out(w->cpu[0]);
}

static void page_of_another(void)
{
	add_cpu(0, 0);
	add_cpu(1, 1);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 4);
	push_out(w->cpu[0]);
}

static void read_fails(void)
{
	page_is_out();
	w->errors = 1;
	w->fail_io = SOFT_STORE_READ;
}

static void cluster_read_fails(void)
{
	cluster_is_out();
	w->errors = 2;
	w->fail_io = SOFT_STORE_READ;
}

static void write_fails(void)
{
	page_is_modified();
	w->errors = 1;
	w->fail_io = SOFT_STORE_WRITE;
}

static void another_write_fails(void)
{
	page_of_another();
	w->errors = 1;
	w->fail_io = SOFT_STORE_WRITE;
}

/* ---- what must be there in the end ------------------------------------ */

static void all_there(void)
{
	for (unsigned i = 0; i < 4; i++)
		want_value(w->cpu[0], PAGE_AT(i), value_of(i));
}

static void after_one_read(void)
{
	want(w->s->ios[SOFT_STORE_READ] == 1, "%llu reads",
	     (unsigned long long)w->s->ios[SOFT_STORE_READ]);
	all_there();
}

/* Also when the page comes back from the page file once more. */
static void own_words_there(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		all_there();
		want_value(w->cpu[0], PAGE_AT(0) + 64 * 2, 0xbeef);
		page_out(w->cpu[0]);
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

static void gone(void)
{
	uint64_t got;

	want(try_get(w->cpu[0], PAGE_AT(0), &got) == FW_KIND_MAPERR,
	     "it is still mapped");
}

static void first_is_seven_only(void)
{
	want_value(w->cpu[0], PAGE_AT(0), 7);
	page_out(w->cpu[0]);
	want_value(w->cpu[0], PAGE_AT(0), 7);
	want_value(w->cpu[0], PAGE_AT(1), 0);
}

static void first_is_nine(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(w->cpu[0], PAGE_AT(0), 9);
		want_value(w->cpu[0], PAGE_AT(1), 0);
		page_out(w->cpu[0]);
	}
}

static void first_is_zero(void)
{
	want_value(w->cpu[0], PAGE_AT(0), 0);
	want_value(w->cpu[0], PAGE_AT(1), 0);
}

/* ---- two threads need a page that is being read ----------------------- */

SCENARIOS(collide, "B42", .actors = 2, .setup = page_is_out,
	  .run = {read_first, read_first}, .finish = after_one_read)
SCENARIOS(collide_write, "B42", .actors = 2, .setup = page_is_out,
	  .run = {read_first, write_own}, .finish = own_words_there)
SCENARIOS(collide_cluster, "B42", .actors = 2, .setup = cluster_is_out,
	  .run = {read_first, read_third}, .finish = all_there)
SCENARIO(collide_three, "B42", .actors = 3, .setup = page_is_out,
	 .run = {read_first, write_own, read_first}, .finish = own_words_there)

/* ---- a page on its way in --------------------------------------------- */

SCENARIOS(in_trim, "B42 B07", .actors = 2, .setup = page_is_out,
	  .run = {write_first, trim_and_reuse}, .finish = first_is_seven)
SCENARIO(in_cluster_trim, "B42", .actors = 2, .setup = cluster_is_out,
	 .run = {read_third, trim_and_reuse}, .finish = all_there)
SCENARIOS(in_unmap, "B42 C48", .actors = 2, .setup = page_is_out,
	  .run = {read_or_gone, unmap}, .finish = gone)
SCENARIO(in_cluster_unmap, "B42 C48", .actors = 2, .setup = cluster_is_out,
	 .run = {write_or_gone, unmap}, .finish = gone)
SCENARIOS(in_remap, "B42 C48", .actors = 2, .setup = page_is_out,
	  .run = {read_across, unmap_and_map}, .finish = first_is_nine)
SCENARIO(in_discard, "B42", .actors = 2, .setup = page_is_out,
	 .run = {read_or_zero, discard}, .finish = first_is_zero)
SCENARIOS(collide_unmap, "B42 C48", .actors = 3, .setup = page_is_out,
	  .run = {read_or_gone, write_or_gone, unmap}, .finish = gone)
SCENARIO(collide_remap, "B42 C48", .actors = 3, .setup = page_is_out,
	 .run = {read_across, read_across, unmap_and_map},
	 .finish = first_is_nine)
SCENARIO(collide_trim, "B42", .actors = 3, .setup = page_is_out,
	 .run = {read_first, write_own, trim_and_reuse},
	 .finish = own_words_there)

/* ---- reads that fail -------------------------------------------------- */

/* The page, or an in-page error; and then the page. */
static void read_or_error(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	w->note[running()] = kind == FW_KIND_IOERR;
	if (kind != FW_KIND_IOERR)
		want(kind == DONE && got == value_of(0), "reads %#llx",
		     (unsigned long long)got);
}

/* Of two, who waited for the other's read did so for the one that failed. */
static void read_or_told(struct soft_cpu *me)
{
	read_or_error(me);
	want(w->note[running()] || !me->last.collisions,
	     "waited for a read that failed, and was not told");
}

static void error_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_IOERR || kind == FW_KIND_MAPERR ||
		     (kind == DONE && got == value_of(0)),
	     "reads %#llx", (unsigned long long)got);
}

static void somebody_was_told(void)
{
	want(w->note[0] + w->note[1] + w->note[2] > 0,
	     "an error that nobody was told of");
	all_there();
}

SCENARIOS(error, "B42 B03", .actors = 2, .setup = read_fails,
	  .run = {read_or_told, read_or_told}, .finish = somebody_was_told)
SCENARIO(error_three, "B42 B03", .actors = 3, .setup = read_fails,
	 .run = {read_or_error, read_or_error, read_or_error},
	 .finish = somebody_was_told)
SCENARIO(error_cluster, "B42 B03", .actors = 2, .setup = cluster_read_fails,
	 .run = {read_or_error, read_or_error}, .finish = all_there)
SCENARIO(error_unmap, "B42 C48", .actors = 3, .setup = read_fails,
	 .run = {error_or_gone, error_or_gone, unmap}, .finish = gone)

/* ---- a page on its way out -------------------------------------------- */

SCENARIOS(out_touch, "B07 B34", .actors = 2, .setup = page_is_modified,
	  .run = {write_first, write_and_reuse}, .finish = first_is_seven)
SCENARIO(out_again, "B07 B34", .actors = 3, .setup = page_is_modified,
	 .run = {write_twice, trim_and_write, write_and_reuse},
	 .finish = first_is_seven)
SCENARIO(out_zero, "B34", .actors = 2, .setup = page_of_zeros,
	 .run = {write_first, write_and_reuse}, .finish = first_is_seven_only)
SCENARIO(out_unmap, "B34 C48", .actors = 2, .setup = page_is_modified,
	 .run = {unmap, write_and_reuse}, .finish = gone)
SCENARIOS(out_remap, "B34 C48", .actors = 2, .setup = page_is_modified,
	  .run = {unmap_and_map, write_and_reuse}, .finish = first_is_nine)
SCENARIO(out_exit, "B34 C48", .actors = 2, .setup = page_of_another,
	 .run = {exit_now, write_and_reuse})
SCENARIO(out_error, "B07 B34", .actors = 2, .setup = write_fails,
	 .run = {write_first, write_and_reuse}, .finish = first_is_seven)
SCENARIOS(out_touch_unmap, "B34 C48", .actors = 3, .setup = page_is_modified,
	  .run = {write_or_gone, write_and_reuse, unmap}, .finish = gone)
SCENARIO(out_two_writers, "B34", .actors = 3, .setup = page_is_modified,
	 .run = {write_first, write_and_reuse, trim_and_write},
	 .finish = first_is_seven)

SCENARIO(out_error_unmap, "B34 C48", .actors = 3, .setup = write_fails,
	 .run = {write_or_gone, write_and_reuse, unmap}, .finish = gone)
SCENARIO(out_error_exit, "B34 C48", .actors = 2, .setup = another_write_fails,
	 .run = {exit_now, write_and_reuse})

/* ---- translations ----------------------------------------------------- */

SCENARIOS(clean_touch, "B07 B34", .actors = 2, .setup = page_is_clean,
	  .run = {write_first, trim_and_reuse}, .finish = first_is_seven)
SCENARIOS(dirty_touch, "B07 B34", .actors = 3, .setup = page_is_resident,
	  .run = {write_twice, trim_and_write, write_own},
	  .finish = first_is_seven)
SCENARIO(standby_touch, "B07", .actors = 3, .setup = page_is_standby,
	 .run = {write_own, trim_and_reuse, read_first}, .finish = all_there)
