/* SPDX-License-Identifier: MIT */
/*
 * scenes_section.c - two spaces with views of one section: prototypes that
 * both use, files that are read and written.
 */
#include "explore.h"

static void map_view(struct soft_cpu *cpu, enum fw_vad_kind kind,
		     uint64_t cookie)
{
	struct fw_map_request rq = {.start = BASE,
				    .len = PAGES * PAGE,
				    .kind = (uint8_t)kind,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = FW_VADF_RANDOM,
				    .section = w->section,
				    .cookie = cookie};

	want(fw_map(w->s->mm, cpu->actor, cpu->space, &rq) == FW_OK, "no view");
}

/* ---- where they begin ------------------------------------------------- */

/* CPU 0 in one space, 1 in the other, 2 in the first again. */
static void two_spaces(void)
{
	add_cpu(0, 0);
	add_cpu(1, 1);
	add_cpu(2, 0);
}

static void shared(void)
{
	two_spaces();
	want(fw_section_create(w->s->mm, w->s->keeper, NULL, PAGES,
			       &w->section) == FW_OK,
	     "no section");
	map_view(w->cpu[0], FW_VAD_SECTION, 0);
	map_view(w->cpu[1], FW_VAD_SECTION, 0);
}

static void shared_resident(void)
{
	shared();
	fill(w->cpu[0], 2);
	want_value(w->cpu[1], PAGE_AT(0), value_of(0));
	want_value(w->cpu[1], PAGE_AT(1), value_of(1));
}

static void shared_out(void)
{
	shared_resident();
	push_out(w->cpu[1]);
	page_out(w->cpu[0]);
}

static void shared_read_fails(void)
{
	shared_out();
	w->errors = 1;
	w->fail_io = SOFT_STORE_READ;
}

static void file_of(enum fw_vad_kind kind)
{
	uint8_t *data = arena_alloc(PAGES * PAGE);
	uint64_t cookie;

	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t value = value_of(i);

		memcpy(data + i * PAGE, &value, sizeof(value));
	}
	two_spaces();
	w->section = soft_file(w->s, data, PAGES * PAGE, &cookie);
	map_view(w->cpu[0], kind, cookie);
	map_view(w->cpu[1], kind, cookie);
}

static void file_shared(void)
{
	file_of(FW_VAD_SECTION);
}

static void file_private(void)
{
	file_of(FW_VAD_PRIVATE_VIEW);
}

static void file_looked_at(void)
{
	file_of(FW_VAD_PRIVATE_VIEW);
	want_value(w->cpu[0], PAGE_AT(0), value_of(0));
	want_value(w->cpu[1], PAGE_AT(0), value_of(0));
}

static void file_dirty(void)
{
	file_of(FW_VAD_SECTION);
	put(w->cpu[0], PAGE_AT(0), 6);
	push_out(w->cpu[0]);
}

/* Views of the second space and our reference are gone: the last view, and
 * with it the section, goes while its page is read. */
static void file_last_view(void)
{
	file_of(FW_VAD_SECTION);
	fw_unmap(w->s->mm, w->cpu[1]->actor, w->cpu[1]->space, BASE,
		 PAGES * PAGE);
	fw_section_unref(w->s->mm, w->s->keeper, w->section);
	w->section = NULL;
}

static void file_last_dirty(void)
{
	file_last_view();
	put(w->cpu[0], PAGE_AT(0), 6);
	push_out(w->cpu[0]);
}

/* CPU 1 has the view instead. */
static void file_last_exit(void)
{
	file_last_dirty();
	soft_cpu_free(w->cpu[2]);
	w->cpu[2] = w->cpu[1];
	w->cpu[1] = w->cpu[0];
	w->cpu[0] = w->cpu[2];
	w->cpu[2] = NULL;
}

static void file_read_fails(void)
{
	file_of(FW_VAD_SECTION);
	w->errors = 1;
	w->fail_io = SOFT_FILE_READ;
}

static void file_write_fails(void)
{
	file_dirty();
	w->errors = 1;
	w->fail_io = SOFT_FILE_WRITE;
}

/* ---- what the actors do ----------------------------------------------- */

static void read_first(struct soft_cpu *me)
{
	want_value(me, PAGE_AT(0), value_of(0));
}

static void write_own(struct soft_cpu *me)
{
	fw_addr at = PAGE_AT(0) + 64 * (1 + running());

	put(me, at, 0xbeef + running());
	want_value(me, at, 0xbeef + running());
}

static void read_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_MAPERR || (kind == DONE && got == value_of(0)),
	     "reads %#llx", (unsigned long long)got);
}

static void read_or_error(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	w->note[running()] = kind == FW_KIND_IOERR;
	want(kind == FW_KIND_IOERR || (kind == DONE && got == value_of(0)),
	     "reads %#llx", (unsigned long long)got);
}

static void error_or_gone(struct soft_cpu *me)
{
	uint64_t got = 0;
	enum fw_kind kind = try_get(me, PAGE_AT(0), &got);

	want(kind == FW_KIND_IOERR || kind == FW_KIND_MAPERR ||
		     (kind == DONE && got == value_of(0)),
	     "reads %#llx", (unsigned long long)got);
}

static void write_file(struct soft_cpu *me)
{
	fw_write_mapped(w->s->mm, me->actor, 16);
	drop_standby(me->actor);
}

static void flush_file(struct soft_cpu *me)
{
	enum fw_status status =
		fw_section_flush(w->s->mm, me->actor, w->section, 0, PAGES);

	want(status == FW_OK || (status == FW_E_IO && w->fail_io),
	     "flush fails");
}

static void hold_file(struct soft_cpu *me)
{
	want(fw_hold(w->s->mm, me->actor, me->space, PAGE_AT(0), PAGE) == FW_OK,
	     "hold fails");
	put(me, PAGE_AT(0), 7);
	want(fw_release(w->s->mm, me->actor, w->section, 0, PAGES) == 1,
	     "not held");
}

static void write_eight(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 8);
	want_value(me, PAGE_AT(0), 8);
}

static enum fw_status read_file(struct fw_file_change *c, uint64_t page,
				void *to)
{
	(void)c;
	memcpy(to, w->s->files[0].data + page * PAGE, PAGE);
	return FW_OK;
}

/* As write(2) would: to the file itself, which the view then shows. */
static void change_file(struct soft_cpu *me)
{
	static uint8_t buffer[ACTORS][PAGE];
	uint64_t at = 64 * (1 + running()), value = 0xbeef + running();
	struct fw_file_change c = {.dev = 1, .ino = 1, .n = 2,
				   .read = read_file,
				   .buffer = buffer[running()]};

	memcpy(w->s->files[0].data + at, &value, sizeof(value));
	want(fw_file_changed(w->s->mm, me->actor, &c) == FW_OK, "not renewed");
	want_value(me, PAGE_AT(0) + at, value);
}

/* ---- what must be there in the end ------------------------------------ */

static void both_there(void)
{
	want_value(w->cpu[0], PAGE_AT(0), value_of(0));
	want_value(w->cpu[1], PAGE_AT(0), value_of(0));
}

static void second_there(void)
{
	want_value(w->cpu[1], PAGE_AT(0), value_of(0));
}

static void both_words_there(void)
{
	for (unsigned i = 0; i < 2; i++) {
		want_value(w->cpu[i], PAGE_AT(0) + 64, 0xbeef);
		want_value(w->cpu[i], PAGE_AT(0) + 128, 0xbeef + 1);
		want_value(w->cpu[i], PAGE_AT(0), value_of(0));
	}
}

static void first_word_there(void)
{
	want_value(w->cpu[0], PAGE_AT(0) + 64, 0xbeef);
	want_value(w->cpu[1], PAGE_AT(0) + 64, 0xbeef);
}

static void words_come_back(void)
{
	both_words_there();
	push_out(w->cpu[1]);
	page_out(w->cpu[0]);
	both_words_there();
}

static void somebody_was_told(void)
{
	want(w->note[0] + w->note[1] + w->note[2] > 0,
	     "an error that nobody was told of");
	both_there();
}

static void seven_everywhere(void)
{
	want_value(w->cpu[0], PAGE_AT(0), 7);
	want_value(w->cpu[1], PAGE_AT(0), 7);
	push_out(w->cpu[1]);
	page_out(w->cpu[0]);
	want_value(w->cpu[1], PAGE_AT(0), 7);
	want(*(uint64_t *)(void *)w->s->files[0].data == 7,
	     "the file has not got it");
}

static void each_its_own(void)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(w->cpu[0], PAGE_AT(0), 7);
		want_value(w->cpu[1], PAGE_AT(0), 8);
		push_out(w->cpu[1]);
		page_out(w->cpu[0]);
	}
}

static void six_in_the_file(void)
{
	while (fw_write_mapped(w->s->mm, w->s->keeper, 16))
		;
	want(*(uint64_t *)(void *)w->s->files[0].data == 6,
	     "the file has not got it");
}

/* ---- a section of the page file --------------------------------------- */

SCENARIOS(share_collide, "B42 B45", .actors = 2, .setup = shared_out,
	  .run = {read_first, write_own}, .finish = both_there)
SCENARIO(share_write, "B45 B46", .actors = 2, .setup = shared_out,
	 .run = {write_own, write_own}, .finish = words_come_back)
SCENARIO(share_zero, "B45", .actors = 2, .setup = shared,
	 .run = {write_own, write_own}, .finish = NULL)
SCENARIOS(share_unmap, "B42 B45 C48", .actors = 2, .setup = shared_out,
	  .run = {unmap, read_first}, .finish = second_there)
SCENARIO(share_in_unmap, "B42 B46 C48", .actors = 3, .setup = shared_out,
	 .run = {read_or_gone, read_first, unmap}, .finish = second_there)
SCENARIO(share_exit, "B42 B46 C48", .actors = 2, .setup = shared_resident,
	 .run = {write_own, exit_now})
SCENARIO(share_trim, "B45 B46", .actors = 3, .setup = shared_resident,
	 .run = {write_own, write_own, trim_and_reuse},
	 .finish = words_come_back)
SCENARIO(share_trim_both, "B46", .actors = 2, .setup = shared_resident,
	 .run = {trim_and_reuse, trim_and_reuse}, .finish = both_there)
SCENARIO(share_error, "B42 B45 B03", .actors = 2, .setup = shared_read_fails,
	 .run = {read_or_error, read_or_error}, .finish = somebody_was_told)

/* ---- files ------------------------------------------------------------ */

SCENARIO(file_collide, "B42 B45", .actors = 2, .setup = file_shared,
	 .run = {read_first, write_own}, .finish = both_there)
SCENARIO(file_unmap, "B42 C48", .actors = 3, .setup = file_shared,
	 .run = {read_or_gone, read_first, unmap}, .finish = second_there)
SCENARIO(file_error, "B42 B03", .actors = 2, .setup = file_read_fails,
	 .run = {read_or_error, read_or_error}, .finish = somebody_was_told)
SCENARIO(file_error_unmap, "B42 B03 C48", .actors = 3, .setup = file_read_fails,
	 .run = {error_or_gone, read_or_error, unmap})
SCENARIO(file_cow, "B42 A17", .actors = 2, .setup = file_private,
	 .run = {write_first, write_eight}, .finish = each_its_own)
SCENARIO(file_change_read, "B05 B42", .actors = 3, .setup = file_private,
	 .run = {change_file, read_first, read_first},
	 .finish = first_word_there)
SCENARIO(file_change_trim, "B05 B46", .actors = 3, .setup = file_looked_at,
	 .run = {change_file, trim_and_reuse, trim_and_reuse},
	 .finish = first_word_there)
SCENARIO(file_change_twice, "B05 B42", .actors = 2, .setup = file_looked_at,
	 .run = {change_file, change_file}, .finish = both_words_there)
SCENARIO(file_change_unmap, "B05 C48", .actors = 2, .setup = file_looked_at,
	 .run = {unmap, change_file}, .finish = NULL)
SCENARIO(file_out_touch, "B34", .actors = 2, .setup = file_dirty,
	 .run = {write_first, write_file}, .finish = seven_everywhere)
SCENARIO(file_out_error, "B34", .actors = 2, .setup = file_write_fails,
	 .run = {write_first, write_file}, .finish = seven_everywhere)
SCENARIO(file_out_unmap, "B34 C48", .actors = 2, .setup = file_dirty,
	 .run = {unmap, write_file})
SCENARIO(file_two_writers, "B34", .actors = 3, .setup = file_dirty,
	 .run = {write_first, write_file, flush_file},
	 .finish = seven_everywhere)
SCENARIO(file_hold, "B34", .actors = 2, .setup = file_dirty,
	 .run = {hold_file, write_file}, .finish = seven_everywhere)

/* ---- the last view ---------------------------------------------------- */

SCENARIO(last_unmap, "B42 C48", .actors = 3, .setup = file_last_view,
	 .run = {read_or_gone, unmap, write_file})
SCENARIO(last_write, "B34 C48", .actors = 2, .setup = file_last_dirty,
	 .run = {unmap, write_file}, .finish = six_in_the_file)
SCENARIO(last_exit, "B34 C48", .actors = 2, .setup = file_last_exit,
	 .run = {write_file, exit_now}, .finish = six_in_the_file)
