/* SPDX-License-Identifier: MIT */
/*
 * test_arguments.c - what no caller should ask for: each function answers with
 * the status that its contract names, and has changed nothing.
 */
#include "machine.h"

#include "mm/mm.h"

#include <stdlib.h>

static struct rig r;
static struct fw_mm *mm;

#define AT mm, r.cpu->actor, r.cpu->space
#define KEEPER mm, r.s->keeper
#define INVALID(call) is_u64((call), FW_E_INVAL, #call)

static void start(void)
{
	r = rig_start(1024, 1, 4096);
	mm = r.s->mm;
}

/* Nothing was mapped, charged or taken meanwhile. */
static void end_untouched(void)
{
	is_u64(r.cpu->space->n_vads, 0, "regions");
	is_u64(totals(&r).committed, 0, "charges");
	rig_end(&r);
}

/* ---- ranges -------------------------------------------------------------- */

static const struct {
	fw_addr at;
	uint64_t len;
	const char *what;
} ranges[] = {
	{BASE + 1, PAGE, "not at a page"},
	{BASE, PAGE + 1, "not of pages"},
	{BASE, 0, "empty"},
	{BASE, 0 - BASE, "ends at zero"},
	{BASE, PAGE - BASE, "wraps"},
	{TOP - PAGE, 2 * PAGE, "across the top"},
	{TOP, PAGE, "at the top"},
	{UINT64_C(1) << 52, PAGE, "not an address"},
	{0 - PAGE, PAGE, "the last page"},
};

TEST(ranges_that_are_none, "C48")
{
	struct fw_map_request rq = {.kind = FW_VAD_PRIVATE, .prot = RW};

	start();
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		fw_addr at = rq.start = ranges[i].at;
		uint64_t len = rq.len = ranges[i].len;

		diag("%s", ranges[i].what);
		INVALID(fw_map(AT, &rq));
		INVALID(fw_unmap(AT, at, len));
		INVALID(fw_protect(AT, at, len, RW));
		INVALID(fw_discard(AT, at, len));
		INVALID(fw_set_flags(AT, at, len, FW_VADF_RANDOM, 0));
		INVALID(fw_set_priority(AT, at, len, 1));
		INVALID(fw_extend(AT, at, len));
		INVALID(fw_move(AT, at, len, 4 * BASE));
		if (at != BASE)
			INVALID(fw_move(AT, BASE, len, at));
	}
	end_untouched();
}

TEST(regions_that_cannot_be, "C48")
{
	static const struct fw_map_request bad[] = {
		{.kind = FW_VAD_RESERVED + 1},
		{.kind = FW_VAD_PRIVATE, .prot = 8},
		{.kind = FW_VAD_PRIVATE, .max_prot = 8},
		{.kind = FW_VAD_SECTION, .prot = RW},
		{.kind = FW_VAD_PRIVATE_VIEW, .prot = RW},
		{.kind = FW_VAD_HOST, .flags = FW_VADF_STACK},
		{.kind = FW_VAD_PRIVATE,
		 .flags = FW_VADF_STACK | FW_VADF_GUARD},
	};
	struct fw_section *section;

	start();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fw_map_request rq = bad[i];

		rq.start = BASE;
		rq.len = 2 * PAGE;
		INVALID(fw_map(AT, &rq));
	}
	must(fw_section_create(KEEPER, NULL, 4, &section) == FW_OK, "section");
	INVALID(soft_map_view(r.cpu, BASE, 4, RW, FW_VAD_PRIVATE, section, 0,
			      0));
	fw_section_unref(KEEPER, section);
	end_untouched();
}

TEST(changes_that_cannot_be, "C48 C75")
{
	struct fw_map_request rq = {.start = BASE,
				    .len = 4 * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = FW_PROT_R,
				    .max_prot = FW_PROT_R};

	start();
	is_u64(fw_map(AT, &rq), FW_OK, "a region to be read");
	is_u64(fw_protect(AT, BASE, PAGE, RW), FW_E_FAULT, "not to be written");
	INVALID(fw_protect(AT, BASE, PAGE, 8));
	INVALID(fw_set_flags(AT, BASE, PAGE, FW_VADF_STACK, 0));
	INVALID(fw_set_flags(AT, BASE, PAGE, 0, FW_VADF_KERNEL));
	INVALID(fw_set_priority(AT, BASE, PAGE, FW_PRIO_LEVELS));
	INVALID(fw_set_priority(AT, BASE, PAGE, FW_PRIO_NONE - 1));
	INVALID(fw_space_set_priority(AT, FW_PRIO_LEVELS));
	INVALID(fw_space_set_priority(AT, FW_PRIO_NONE - 1));
	INVALID(fw_actor_set_priority(r.cpu->actor, FW_PRIO_LEVELS));
	INVALID(fw_actor_set_priority(r.cpu->actor, FW_PRIO_NONE - 1));
	is_u64(fw_protect(AT, BASE + 8 * PAGE, PAGE, 0), FW_E_NOENT, "a hole");
	is_u64(fw_extend(AT, BASE + 2 * PAGE, PAGE), FW_E_NOENT,
	       "not the end of a region");
	is_u64(fw_extend(AT, BASE * 2, PAGE), FW_E_NOENT, "no region");
	is_u64(fw_extend(AT, 0, PAGE), FW_E_NOENT, "nothing before it");
	is_u64(fw_move(AT, BASE, 8 * PAGE, 4 * BASE), FW_E_FAULT,
	       "more than a region");
	is_u64(fw_move(AT, BASE, PAGE, BASE + PAGE), FW_E_EXIST, "occupied");
	INVALID(fw_move_over(AT, BASE, 2 * PAGE, BASE + PAGE, 2 * PAGE));
	INVALID(fw_move_over(AT, BASE + PAGE, PAGE, BASE, 2 * PAGE));
	INVALID(fw_move_over(AT, BASE, 2 * PAGE, BASE + 2 * PAGE, PAGE));
	is_u64(fw_move_over(AT, BASE * 2, PAGE, BASE, PAGE), FW_E_FAULT,
	       "nothing to move, and what is there stays");
	INVALID(fw_extend_down(AT, BASE, BASE + PAGE));
	INVALID(fw_extend_down(AT, BASE, 0));
	is_u64(fw_extend_down(AT, BASE + PAGE, PAGE), FW_E_NOENT,
	       "not the beginning of a region");
	is_u64(fw_extend_down(AT, BASE * 2, PAGE), FW_E_NOENT, "no region");
	is_u64(r.cpu->space->n_vads, 1, "one region still");
	is_u64(fw_unmap(AT, BASE, 4 * PAGE), FW_OK, "unmap");
	end_untouched();
}

/* ---- objects ------------------------------------------------------------- */

TEST(sections_and_images_that_cannot_be, "C48")
{
	const struct fw_section_key key = {1, 2, 3};
	const uint64_t huge = UINT64_C(1) << 44;
	static struct fw_segment many[200];
	const struct fw_segment bad[] = {
		{0, 0, 0, 0, FW_PROT_R, 0, {0}},
		{huge, 1, 0, 0, FW_PROT_R, 0, {0}},
		{0, huge, 0, 0, FW_PROT_R, 0, {0}},
		{huge - 1, 1, 0, 0, FW_PROT_R, 0, {0}},
		{UINT64_MAX, 2, 0, 0, FW_PROT_R, 0, {0}},
		{0, 1, 0, 8192, FW_PROT_R, 0, {0}},
		{0, 1, 0, 0, 8, 0, {0}},
	};
	struct fw_section *s = NULL, *file;
	struct fw_map_request rq = {.start = BASE};

	start();
	INVALID(fw_section_create(KEEPER, NULL, huge, &s));
	INVALID(fw_section_create(KEEPER, &key, huge, &s));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		INVALID(fw_image_create(KEEPER, &key, &bad[i], 1, &s));
	for (unsigned i = 0; i < 200; i++)
		many[i] = (struct fw_segment){i, 1, 0, 0, FW_PROT_R, 0, {0}};
	INVALID(fw_image_create(KEEPER, NULL, many, 1, &s));
	INVALID(fw_image_create(KEEPER, &key, many, 0, &s));
	INVALID(fw_image_create(KEEPER, &key, many, 200, &s));
	many[1].page = 0;
	INVALID(fw_image_create(KEEPER, &key, many, 2, &s));
	ok(!s, "the output is untouched");
	INVALID(fw_image_map(AT, &rq));
	must(fw_section_create(KEEPER, NULL, 4, &s) == FW_OK &&
		     fw_section_create(KEEPER, &key, 4, &file) == FW_OK,
	     "sections");
	rq.section = s;
	INVALID(fw_image_map(AT, &rq));
	ok(!fw_section_file(s), "it is no file");
	is_mem(fw_section_file(file), &key, sizeof(key), "its key");
	INVALID(fw_section_resize(KEEPER, s, huge));
	INVALID(fw_section_resize(KEEPER, file, 2));
	INVALID(fw_section_flush(KEEPER, s, 0, 1));
	INVALID(fw_section_flush(KEEPER, file, 9, UINT64_MAX));
	is_u64(fw_release(KEEPER, file, 9, UINT64_MAX), 0, "none is held");
	is_u64(fw_write_mapped(mm, r.s->keeper, 0), 0, "none to be written");
	fw_section_unref(KEEPER, s);
	fw_section_unref(KEEPER, file);
	end_untouched();
}

/* Keys that differ in one word only, enough of them to meet in a bucket. */
TEST(each_word_of_a_key_counts, "C45")
{
	static struct fw_section *made[300];

	start();
	for (unsigned i = 0; i < 300; i++) {
		struct fw_section_key key = {i % 3 == 0 ? 100 + i : 1,
					     i % 3 == 1 ? 100 + i : 1,
					     i % 3 == 2 ? 100 + i : 1};

		must(fw_section_create(KEEPER, &key, 4, &made[i]) == FW_OK,
		     "a section");
		for (unsigned k = 0; k < i; k++)
			ok(made[k] != made[i], "%u and %u", k, i);
	}
	is_u64(totals(&r).sections, 300, "all are different");
	for (unsigned i = 0; i < 300; i++)
		fw_section_unref(KEEPER, made[(i * 7) % 300]);
	end_untouched();
}

TEST(page_files_that_cannot_be, "C48 B43")
{
	unsigned n = 99;

	start();
	INVALID(fw_page_file_add(KEEPER, 0, &n));
	INVALID(fw_page_file_add(KEEPER, 1, &n));
	INVALID(fw_page_file_add(KEEPER, (uint64_t)PTE_SLOT_VAD + 1, &n));
	is_u64(n, 99, "the output is untouched");
	is_u64(fw_page_file_remove(KEEPER, 1), FW_E_NOENT, "not there");
	is_u64(fw_page_file_remove(KEEPER, UINT32_MAX), FW_E_NOENT, "nowhere");
	is_u64(fw_page_file_add(KEEPER, 3 * PFILE_CHUNK_SLOTS, &n), FW_OK,
	       "one with several bitmaps");
	ok(!slot_is_used(mm, n, 3 * PFILE_CHUNK_SLOTS) &&
		   !slot_is_used(mm, n + 1, 1),
	   "what is not there is not used");
	pfile_grow(mm);
	is_u64(fw_page_file_remove(KEEPER, n), FW_OK, "goes");
	is_u64(totals(&r).slots, 4095, "slots");
	end_untouched();
}

TEST(frames_and_limits_that_cannot_be, "C48")
{
	start();
	INVALID(fw_frame_retire(KEEPER, 0));
	INVALID(fw_frame_retire(KEEPER, mm->base - 1));
	INVALID(fw_frame_retire(KEEPER, mm->nframes));
	INVALID(fw_space_set_limits(AT, 9, 8, 0));
	INVALID(fw_space_set_limits(AT, 0, 0, 4));
	INVALID(fw_space_set_limits(AT, 0, FW_WS_MAX_LEAST - 1,
				    FW_WS_MAX_HARD));
	is_u64(fw_space_set_limits(AT, mm->nframes, 0, FW_WS_MIN_HARD),
	       FW_E_LIMIT, "more than there are");
	is_u64(fw_space_set_limits(AT, mm->nframes / 2 + 1, 0,
				   FW_WS_MIN_HARD),
	       FW_E_LIMIT, "more than half");
	ok(fw_zero_frames(KEEPER, 1000) <= FW_MAX_ACTOR_FRAMES, "a batch");
	ok(!fw_make_room(AT, mm->nframes * 2ull), "no room for so many");
	end_untouched();
}

/* ---- announcements ------------------------------------------------------- */

TEST(announcements_that_cannot_be, "C46 C48")
{
	static struct fw_range many[FW_MAX_ANNOUNCE + 1];
	struct fw_range bad[] = {{0 - PAGE, 2 * PAGE, 0, 0},
				 {BASE, 100 * PAGE, 0, 0},
				 {TOP, 1, 0, 0},
				 {BASE, 1, 0, 0},
				 {BASE, 0, 0, 0}};
	const enum fw_status want[] = {FW_E_LIMIT, FW_E_LIMIT, FW_E_FAULT,
				       FW_E_FAULT, FW_OK};
	unsigned ranges_ok;
	uint64_t bytes;

	start();
	for (unsigned i = 0; i < 5; i++) {
		is_u64(fw_announce(AT, &bad[i], 1, &ranges_ok, &bytes),
		       want[i], "range %u", i);
		fw_withdraw(r.cpu->actor);
	}
	is_u64(fw_announce(AT, many, FW_MAX_ANNOUNCE + 1, &ranges_ok, &bytes),
	       FW_E_LIMIT, "too many");
	end_untouched();
}

#define CROWD 40

/* More than a trim keeps a list of: it asks each of them. */
TEST(a_crowd_of_announcers, "C46 B46")
{
	struct fw_actor *crowd[CROWD];
	struct fw_range range = {.len = 1, .access = FW_ACC_WRITE};
	struct soft_cpu *child;
	unsigned n;
	uint64_t bytes;

	start();
	map_single(&r, BASE, CROWD + 20);
	put_pages(r.cpu, BASE, CROWD + 20, 1);
	for (unsigned i = 0; i < CROWD; i++) {
		range.start = BASE + i * PAGE;
		range.access = i % 2 ? FW_ACC_WRITE : FW_ACC_READ;
		must(fw_actor_create(KEEPER, &crowd[i]) == FW_OK &&
			     fw_announce(mm, crowd[i], r.cpu->space, &range, 1,
					 &n, &bytes) == FW_OK,
		     "announced");
	}
	for (unsigned i = 0; i < 8; i++)
		fw_trim(AT, 64);
	is_u64(fw_space_resident(r.cpu->space), CROWD, "these stay");
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(child->space->eager, CROWD / 2, "copies of what is written to");
	for (unsigned i = 0; i < CROWD; i++) {
		fw_withdraw(crowd[i]);
		fw_actor_destroy(KEEPER, crowd[i]);
	}
	is_u64(wrong_pages(child, BASE, CROWD + 20, 1), 0, "the child's");
	is_u64(wrong_pages(r.cpu, BASE, CROWD + 20, 1), 0, "the parent's");
	soft_cpu_exit(child);
	rig_end(&r);
}

/* ---- the whole ----------------------------------------------------------- */

TEST(machines_that_cannot_be, "C48")
{
	const struct fw_mm_config good = {
		.nframes = 1024, .user_min = 1, .user_top = SOFT_USER_TOP};
	char *ram = aligned_alloc(PAGE, 1025 * PAGE);
	struct fw_mm_config bad;
	struct fw_mm *made = NULL;

	must(ram, "memory");
	memset(ram, 0, 1025 * PAGE);
#define BAD(field, value)                                       \
	do {                                                    \
		bad = good;                                     \
		bad.field = (value);                            \
		is_u64(fw_mm_init(ram, &bad, &made), FW_E_INVAL, \
		       #field " " #value);                      \
	} while (0)
	BAD(nframes, 255);
	BAD(nframes, 1u << FW_PFN_BITS);
	BAD(user_min, SOFT_USER_TOP);
	BAD(user_top, FW_USER_END + 1);
	BAD(policy, FW_POLICIES);
	BAD(strict, 2);
	BAD(stripes, 3);
	BAD(stripes, 2 * FW_STRIPES_MAX);
	BAD(page_frames, 1024);
	BAD(port_bytes, 1024 * PAGE);
	bad = good;
	bad.policy = FW_POLICY_FIFO;
	bad.stripes = 2;
	INVALID(fw_mm_init(ram, &bad, &made));
	is_u64(fw_mm_init(ram + 64, &good, &made), FW_E_INVAL, "not at a page");
	ok(!made, "the output is untouched");
	is_u64(fw_mm_init(ram, &good, &made), FW_OK, "the good one");
	free(ram);
}

#define KNOWN(text) ok((text) && strncmp((text), "unknown", 7), #text)

TEST(each_name_is_known, "")
{
	for (unsigned i = 0; i < FW_STATUS_COUNT; i++)
		KNOWN(fw_status_text((enum fw_status)i));
	for (unsigned i = 0; i < FW_KIND_COUNT; i++) {
		KNOWN(fw_kind_text((enum fw_kind)i));
		KNOWN(fw_kind_key((enum fw_kind)i));
	}
	for (unsigned i = 0; i < FW_POLICIES; i++) {
		KNOWN(fw_policy_name((enum fw_policy_id)i));
		KNOWN(fw_policy_text((enum fw_policy_id)i));
	}
	ok(!fw_policy_name(FW_POLICIES) && !fw_policy_text(FW_POLICIES),
	   "no policy");
	is_str(fw_status_text(FW_STATUS_COUNT), "unknown status", "status");
	is_str(fw_kind_text(FW_KIND_COUNT), "unknown", "kind");
	is_str(fw_kind_key(FW_KIND_COUNT), "unknown", "kind");
}

static void count_space(struct fw_space *space, void *arg)
{
	*(unsigned *)arg += space->kind == FW_SPACE_PROCESS;
}

static void count_actor(struct fw_actor *actor, void *arg)
{
	*(unsigned *)arg += actor->id != 0;
}

TEST(each_is_visited, "")
{
	struct soft_cpu *other;
	unsigned spaces = 0, actors = 0;

	start();
	other = soft_cpu_create(r.s, NULL);
	fw_space_each(KEEPER, count_space, &spaces);
	fw_actor_each(KEEPER, count_actor, &actors);
	is_u64(spaces, 2, "processes");
	is_u64(actors, 4, "who runs them, keeps and trims");
	soft_cpu_exit(other);
	end_untouched();
}

/* Who ends a space that is gone already has nothing to do. */
TEST(a_space_that_is_gone, "C48")
{
	struct fw_space **ref;

	start();
	ref = fw_kalloc(KEEPER, sizeof(*ref));
	must(ref && fw_space_create(KEEPER, ref) == FW_OK, "a space");
	fw_space_hand_over(KEEPER, *ref, ref);
	fw_space_destroy_ref(KEEPER, ref);
	ok(!*ref, "gone");
	fw_space_destroy_ref(KEEPER, ref);
	fw_kfree(KEEPER, ref, sizeof(*ref));
	end_untouched();
}
