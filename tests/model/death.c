/* SPDX-License-Identifier: MIT */
/* death.c - operations on spaces and regions, and faults, in which the actor
 * dies at every step; see death.h. */
#include "model/death.h"

static void map_more(struct world *w)
{
	WANT(soft_map(w->victim, FREE_AT, 40, RW));
}

static void write_new(struct world *w)
{
	put_pages(w->victim, FREE_AT, 20, 5000);
}

TEST(death_in_demand_zero, "B12")
{
	die_everywhere(&(struct scenario){map_more, write_new, 0, 0, NULL});
}

/* From the stripe's stock: nothing is journalled, so nothing rolled back but
 * where the stock is filled. */
TEST(death_in_demand_zero_in_stripes, "B12")
{
	rig_stripes = 4;
	die_everywhere(&(struct scenario){map_more, write_new, 0, 0, NULL});
	rig_stripes = 0;
}

TEST(death_in_map, "C48")
{
	die_everywhere(&(struct scenario){NULL, map_more, 0, 0, NULL});
}

static void map_over(struct world *w)
{
	struct fw_map_request rq = {.start = BASE + 2 * PAGE,
				    .len = 300 * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = 7,
				    .replace = 1};

	WANT(fw_map(AT(w), &rq));
}

TEST(death_in_replacing, "C48")
{
	die_everywhere(&(struct scenario){NULL, map_over, 0, N_PRIVATE, NULL});
}

static void unmap(struct world *w)
{
	WANT(fw_unmap(AT(w), BASE + 2 * PAGE, 4 * PAGE));
	WANT(fw_unmap(AT(w), SHARED_AT + PAGE, N_SHARED * PAGE));
}

TEST(death_in_unmap, "C48")
{
	die_everywhere(&(struct scenario){NULL, unmap, 0, 6, NULL});
}

/* Regions that do not merge, and one of them. */
#define N_REGIONS 12
#define REGION_AT(i) (FREE_AT + (uint64_t)(i) * 4 * PAGE)

static void map_regions(struct world *w)
{
	for (unsigned i = 0; i < N_REGIONS; i++)
		WANT(soft_map(w->victim, REGION_AT(i), 2, RW));
}

/* The tree is balanced anew at one or the other. */
static void come_and_go(struct world *w)
{
	for (unsigned i = N_REGIONS; i < N_REGIONS + 6; i++)
		WANT(soft_map(w->victim, REGION_AT(i), 2, RW));
	for (unsigned i = N_REGIONS; i < N_REGIONS + 6; i++)
		WANT(fw_unmap(AT(w), REGION_AT(i), 2 * PAGE));
}

static void find_regions(struct world *w)
{
	struct fw_space *space = w->mate->space;

	fw_space_lock(space, w->mate->actor);
	for (unsigned i = 0; i < N_REGIONS; i++) {
		const struct fw_vad *v =
			fw_vad_at_or_above(space, REGION_AT(i));

		ok(v && v->start == REGION_AT(i) >> FW_PAGE_SHIFT,
		   "region %u is found", i);
	}
	fw_space_unlock(space);
	WANT(fw_unmap(w->r.s->mm, w->mate->actor, space, REGION_AT(5),
		      2 * PAGE));
	ok(fw_vad_at_or_above(space, REGION_AT(5))->start ==
	   REGION_AT(6) >> FW_PAGE_SHIFT, "one is unmapped");
}

/* Who gets the space lock of a dead one finds its regions in order, whether
 * he takes the mm lock or not. */
TEST(death_in_a_tree_that_others_read, "C48")
{
	mate_acts = find_regions;
	die_everywhere(&(struct scenario){map_regions, come_and_go, 0, 0,
					  NULL});
	mate_acts = NULL;
}

static void protect(struct world *w)
{
	WANT(fw_protect(AT(w), BASE + PAGE, 4 * PAGE, FW_PROT_R));
	WANT(fw_protect(AT(w), BASE, N_PRIVATE * PAGE, FW_PROT_R));
	WANT(fw_set_flags(AT(w), BASE + 3 * PAGE, PAGE, FW_VADF_RANDOM, 0));
}

TEST(death_in_protect, "C48")
{
	die_everywhere(&(struct scenario){NULL, protect, 0, 0, NULL});
}

static void discard(struct world *w)
{
	WANT(fw_discard(AT(w), BASE, 8 * PAGE));
	WANT(fw_discard(AT(w), SHARED_AT, N_SHARED * PAGE));
}

TEST(death_in_discard, "C48")
{
	die_everywhere(&(struct scenario){NULL, discard, 0, 8, NULL});
}

static void move(struct world *w)
{
	WANT(fw_move(AT(w), BASE, 8 * PAGE, FREE_AT));
}

TEST(death_in_move, "C48")
{
	die_everywhere(&(struct scenario){NULL, move, 0, 8, NULL});
}

/* Onto pages of its own; then a view of the section onto the file's. */
static void move_over(struct world *w)
{
	WANT(fw_move_over(AT(w), BASE, 4 * PAGE, BASE + 4 * PAGE, 8 * PAGE));
	WANT(fw_move_over(AT(w), SHARED_AT, 6 * PAGE, FILE_AT, 6 * PAGE));
}

TEST(death_in_move_over, "C48")
{
	die_everywhere(&(struct scenario){NULL, move_over, 0, 12, NULL});
}

static void grow_down(struct world *w)
{
	WANT(fw_extend_down(AT(w), BASE, 8 * PAGE));
	put_pages(w->victim, BASE - 8 * PAGE, 8, 1);
}

TEST(death_in_growing_down, "C48")
{
	die_everywhere(&(struct scenario){NULL, grow_down, 0, 0, NULL});
}

static void copy_on_write(struct world *w)
{
	put_pages(w->victim, BASE + 12 * PAGE, 8, 1012);
	put_pages(w->victim, FILE_AT, 3, 7000);
}

TEST(death_in_copy_on_write, "B16 C68")
{
	die_everywhere(&(struct scenario){NULL, copy_on_write, 0, 20, NULL});
}

TEST(death_in_fork, "C63")
{
	die_everywhere(&(struct scenario){NULL, fork_again, 0, 0, NULL});
}

static void trim(struct world *w)
{
	fw_trim(AT(w), 30);
}

TEST(death_in_trim, "B46")
{
	die_everywhere(&(struct scenario){NULL, trim, 0, 0, NULL});
}

TEST(death_in_trim_in_stripes, "B46")
{
	rig_stripes = 4;
	die_everywhere(&(struct scenario){NULL, trim, 0, 0, NULL});
	rig_stripes = 0;
}

TEST(death_in_writing, "B34")
{
	die_everywhere(&(struct scenario){trim_first, write_out, 0, 0, NULL});
}

TEST(death_in_transition, "B06 B07")
{
	die_everywhere(&(struct scenario){trim_first, touch_all, 0, 0, NULL});
}

static void to_page_file(struct world *w)
{
	trim_all(&w->r, w->victim);
	trim_all(&w->r, w->relative);
	trim_all(&w->r, w->stranger);
	write_all(&w->r);
	flush_standby(&w->r);
}

TEST(death_in_page_file_read, "B04 B42")
{
	die_everywhere(&(struct scenario){to_page_file, touch_all, 0, 0, NULL});
}

static void touch_file(struct world *w)
{
	for (unsigned i = 0; i < N_FILE; i++)
		touch(w->victim, FILE_AT + i * PAGE, FW_ACC_READ);
}

TEST(death_in_file_read, "B05 B36")
{
	die_everywhere(&(struct scenario){NULL, touch_file, 0, 0, NULL});
}

/* Pages that somebody maps, that are on standby, that were never read. */
static void some_file(struct world *w)
{
	for (unsigned i = 2; i < N_FILE; i++)
		touch(w->victim, FILE_AT + i * PAGE, FW_ACC_READ);
	fw_evict(AT(w), FILE_AT, N_FILE * PAGE);
	for (unsigned i = 4; i < N_FILE; i++)
		touch(w->relative, FILE_AT + i * PAGE, FW_ACC_READ);
	put_pages(w->victim, FILE_AT + 7 * PAGE, 1, 7000);
}

static enum fw_status read_file(struct fw_file_change *c, uint64_t page,
				void *to)
{
	(void)c;
	memcpy(to, file_data + page * PAGE, PAGE);
	return FW_OK;
}

static void file_changes(struct world *w)
{
	static uint8_t buffer[PAGE];
	struct fw_file_change c = {.dev = 1, .ino = 1, .n = N_FILE,
				   .read = read_file, .buffer = buffer};

	fw_file_watch(w->r.s->mm, w->victim->actor, 1, 1);
	ok(fw_file_is_watched(w->r.s->mm, w->victim->actor, 1, 1), "watched");
	WANT(fw_file_changed(w->r.s->mm, w->victim->actor, &c));
	fw_file_cut(AT(w), 1, 1, 5);
}

TEST(death_as_a_file_changes, "B05 B16")
{
	die_everywhere(&(struct scenario){some_file, file_changes, 0, 0, NULL});
}

static void leave(struct world *w)
{
	fw_space_destroy(w->r.s->mm, w->victim->actor, w->victim->space);
	w->victim->space = NULL;
}

TEST(death_in_exit, "C48")
{
	die_everywhere(&(struct scenario){NULL, leave, 0, N_PRIVATE, NULL});
}

/* A guard page in the middle of a region, and in a stack. */
static void guard_pages(struct world *w)
{
	struct fw_map_request rq = {.start = FREE_AT + 64 * PAGE,
				    .len = 16 * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = RW,
				    .flags = FW_VADF_STACK | FW_VADF_GUARD};
	fw_addr top = rq.start + rq.len;

	WANT(fw_set_flags(AT(w), BASE, 4 * PAGE, FW_VADF_GUARD, 0));
	is_kind(touch(w->victim, BASE + PAGE, FW_ACC_READ), FW_KIND_GUARD);
	is_kind(touch(w->victim, BASE + 2 * PAGE, FW_ACC_READ),
		FW_KIND_GUARD);
	WANT(fw_set_flags(AT(w), BASE, 4 * PAGE, 0, FW_VADF_GUARD));
	WANT(fw_map(w->r.s->mm, w->victim->actor, w->victim->space, &rq));
	for (uint64_t i = 1; i < 5; i++)
		put_pages(w->victim, top - i * PAGE, 1, i);
}

TEST(death_at_guard_pages, "B13 B14")
{
	die_everywhere(&(struct scenario){NULL, guard_pages, 0, 4, NULL});
}

static struct fw_map_request image_view;

static void make_image(struct world *w)
{
	static const struct fw_segment segments[] = {
		{0, 2, 0, 4097, FW_PROT_R | FW_PROT_X, 0, {0}},
		{2, 3, 3, 4096 + 100, RW, 0, {0}},
	};

	image_view = (struct fw_map_request){.start = FREE_AT};
	image_view.section = soft_image(w->r.s, file_data, sizeof(file_data),
					segments, 2, &image_view.cookie);
}

static void run_image(struct world *w)
{
	WANT(fw_image_map(AT(w), &image_view));
	touch(w->victim, FREE_AT, FW_ACC_EXEC);
	put_pages(w->victim, FREE_AT + 2 * PAGE, 3, 6000);
	WANT(fw_unmap(AT(w), FREE_AT, 5 * PAGE));
}

TEST(death_in_an_image, "B16 B36")
{
	die_everywhere(&(struct scenario){make_image, run_image, 0, 0, NULL});
}

static void make_section(struct world *w)
{
	WANT(fw_section_create(w->r.s->mm, w->r.s->keeper, NULL, 600,
			       &w->extra));
}

static void map_section(struct world *w)
{
	WANT(soft_map_view(w->victim, FREE_AT, 600, RW, FW_VAD_SECTION,
			   w->extra, 0, 0));
	put_pages(w->victim, FREE_AT + 250 * PAGE, 8, 8000);
	WANT(fw_unmap(AT(w), FREE_AT, 600 * PAGE));
}

TEST(death_in_section, "B44 B45 B46")
{
	die_everywhere(&(struct scenario){make_section, map_section, 0, 0,
					  NULL});
}

/* Nobody else has one of the two. */
static void hold_sections(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;
	struct fw_actor *actor = w->victim->actor;
	struct fw_section *own;

	WANT(fw_section_create_held(mm, actor, NULL, 600, &own));
	WANT(soft_map_view(w->victim, FREE_AT, 600, RW, FW_VAD_SECTION, own, 0,
			   0));
	fw_section_let_go(mm, actor);
	put_pages(w->victim, FREE_AT, 8, 8000);
	fw_section_hold(mm, actor, own);
	WANT(fw_unmap(AT(w), FREE_AT, 600 * PAGE));
	fw_section_let_go(mm, actor);
	fw_section_hold(mm, actor, w->extra);
	fw_section_let_go(mm, actor);
}

TEST(death_in_holding_a_section, "B16 C48")
{
	die_everywhere(&(struct scenario){make_section, hold_sections, 0, 0,
					  NULL});
}

/* Some pages of it are in another's working set, some in the page file. */
static void fill_section(struct world *w)
{
	make_section(w);
	WANT(soft_map_view(w->victim, FREE_AT, 600, RW, FW_VAD_SECTION,
			   w->extra, 0, 0));
	WANT(soft_map_view(w->stranger, FREE_AT, 600, RW, FW_VAD_SECTION,
			   w->extra, 0, 0));
	put_pages(w->victim, FREE_AT + 250 * PAGE, 16, 8000);
	to_page_file(w);
	wrong_pages(w->victim, FREE_AT + 250 * PAGE, 4, 8000);
	put_pages(w->stranger, FREE_AT + 252 * PAGE, 4, 8000);
}

static void clear_section(struct world *w)
{
	WANT(fw_section_zero(w->r.s->mm, w->victim->actor, w->extra, 0,
			      600));
}

TEST(death_in_clearing_a_section, "C48")
{
	die_everywhere(&(struct scenario){fill_section, clear_section, 0, 0,
					  NULL});
}

static void zero(struct world *w)
{
	while (fw_zero_frames(w->r.s->mm, w->victim->actor, 8))
		;
}

static void free_some(struct world *w)
{
	WANT(soft_map(w->victim, FREE_AT, 40, RW));
	put_pages(w->victim, FREE_AT, 40, 1);
	WANT(fw_unmap(AT(w), FREE_AT, 40 * PAGE));
}

TEST(death_in_zeroing, "B31")
{
	die_everywhere(&(struct scenario){free_some, zero, 0, 0, NULL});
}

/* Frames are so short that each write has to take other pages away. */
static void fill_memory(struct world *w)
{
	struct fw_totals t = totals(&w->r);
	uint64_t n = t.zeroed + t.free + t.standby;

	WANT(soft_map(w->victim, FREE_AT, n + 100, RW));
	put_pages(w->victim, FREE_AT, n, 1);
}

static void write_under_pressure(struct world *w)
{
	put_pages(w->victim, FREE_AT, 12, 9000);
	put_pages(w->victim, BASE + 12 * PAGE, 2, 1012);
}

TEST(death_in_reclaim, "B32 B34")
{
	die_everywhere(&(struct scenario){fill_memory, write_under_pressure,
					  300, 14, NULL});
}
