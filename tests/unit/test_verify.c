/* SPDX-License-Identifier: MIT */
/*
 * test_verify.c - the oracle can fail: each thing that fw_verify looks at is
 * spoilt in turn in a machine that has something of everything, and fw_verify
 * must say just what is wrong. Then the machine is put back as it was, byte by
 * byte, and must be right again.
 */
#include "spoil.h"

#include <stdio.h>
#include <stdlib.h>

struct rig r;
struct fw_mm *mm;
struct soft_cpu *child;
struct fw_section *shared, *file;
static uint8_t file_data[FILE_PAGES * 4096];
static uint8_t *saved;
/* What was said, each complaint once, in the order of the alphabet. */
static char said[2048];

/* ---- a machine that has everything --------------------------------------- */

static void page_out(void)
{
	map_single(&r, BASE, 24);
	put_pages(r.cpu, STANDBY, 8, 12);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	for (unsigned i = 0; i < 4; i++)
		touch(r.cpu, STANDBY + i * PAGE, FW_ACC_READ);
	put_pages(r.cpu, MODIFIED, 4, 8);
	trim_all(&r, r.cpu);
	put_pages(r.cpu, VALID, 8, 0);
	touch(r.cpu, CLONE, FW_ACC_READ);
}

static void file_pages(void)
{
	uint64_t cookie;

	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	soft_map_view(r.cpu, MAPPED, FILE_PAGES, RW, FW_VAD_SECTION, file, 0,
		      cookie);
	put_pages(r.cpu, MAPPED, FILE_PAGES, 5);
	must(fw_hold(mm, r.cpu->actor, r.cpu->space, MAPPED + PAGE, PAGE) ==
		     FW_OK,
	     "hold");
	must(fw_section_create(mm, r.s->keeper, NULL, SHARED_PAGES, &shared) ==
		     FW_OK,
	     "a section");
	soft_map_view(r.cpu, SHARED, 8, RW, FW_VAD_SECTION, shared, 0, 0);
	put_pages(r.cpu, SHARED, 8, 6);
	soft_map_view(child, SHARED, 8, RW, FW_VAD_SECTION, shared,
		      SHARED_PAGES - 8, 0);
	put_pages(child, SHARED, 8, 7);
}

static void kernel_half(void)
{
	struct fw_system_config kernel = {SYSTEM, SPAN, SESSION, SPAN};
	struct fw_space *session = NULL;
	fw_addr piece;

	must(fw_system_create(mm, r.s->keeper, &kernel) == FW_OK &&
		     fw_pool_create(mm, r.s->keeper, POOL, 64) == FW_OK &&
		     fw_session_create(mm, r.s->keeper, &session) == FW_OK,
	     "a system");
	r.cpu = soft_cpu_create(r.s, NULL);
	must(r.cpu && fw_session_join(mm, r.s->keeper, r.cpu->space,
				      session) == FW_OK,
	     "a process");
	must(fw_pool_alloc(mm, r.s->keeper, 100, &piece) == FW_OK,
	     "pageable memory");
	soft_kernel_access(r.cpu, piece & ~FW_PAGE_MASK, file_data, PAGE,
			   FW_ACC_WRITE);
}

static void start(uint32_t policy, uint32_t stripes)
{
	struct soft_config config = {.nframes = stripes ? 4000 : 1400,
				     .page_files = 2,
				     .slots = 1024,
				     .policy = policy,
				     .stripes = stripes,
				     .user_top = USER_TOP};

	r = (struct rig){.s = soft_create(&config)};
	mm = r.s->mm;
	kernel_half();
	map_single(&r, CLONE, 4);
	put_pages(r.cpu, CLONE, 4, 1);
	must(soft_fork(r.cpu, &child) == FW_OK, "a child");
	page_out();
	file_pages();
	map_flags(&r, GUARD, 4, RW, FW_VADF_GUARD);
	fw_space_lock(r.cpu->space, r.cpu->actor);
	evict_range_locked(mm, r.cpu->actor, r.cpu->space,
			   vpn_of(MAPPED + PAGE), vpn_of(MAPPED + 4 * PAGE),
			   false);
	fw_space_unlock(r.cpu->space);
	is_u64(fw_space_set_limits(mm, r.cpu->actor, r.cpu->space, 10, 0,
				   FW_WS_MIN_HARD),
	       FW_OK, "a hard minimum");
	while (stripes && fw_zero_frames(mm, r.s->keeper, 64))
		;
	map_single(&r, FRESH, 4);
	put_pages(r.cpu, FRESH, 2, 9);
	saved = malloc(r.s->ram_bytes);
	must(saved, "memory");
	memcpy(saved, r.s->ram, r.s->ram_bytes);
}

/* ---- all in turn --------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct saying {
	char line[64][80];
	unsigned n;
};

static void listen(void *arg, const char *line)
{
	struct saying *s = arg;

	if (s->n < 64)
		snprintf(s->line[s->n++], sizeof(s->line[0]), "%.*s",
			 (int)(strstr(line, ": ") - line), line);
}

static unsigned verify_says(void)
{
	static struct saying s;
	unsigned errors;

	s.n = 0;
	said[0] = '\0';
	errors = fw_verify(mm, r.s->keeper, listen, &s);
	qsort(s.line, s.n, sizeof(s.line[0]), by_name);
	for (unsigned i = 0; i < s.n; i++) {
		if (i > 0 && strcmp(s.line[i], s.line[i - 1]) == 0)
			continue;
		strcat(said, i > 0 ? "; " : "");
		strcat(said, s.line[i]);
	}
	return errors;
}

static void put_back(void)
{
	memcpy(r.s->ram, saved, r.s->ram_bytes);
	is_u64(verify_says(), 0, "put back, but: %s", said);
}

static void spoil_each(const struct spoil *spoil, unsigned n)
{
	is_u64(verify_says(), 0, "at first: %s", said);
	for (unsigned i = 0; i < n; i++) {
		spoil[i].how();
		ok(verify_says() > 0, "it is noticed");
		if (!is_str(said, spoil[i].says, "what it says"))
			diag("spoilt in way %u", i);
		put_back();
	}
}

/* It is a machine still, and ends as one. */
static void finish(void)
{
	struct fw_space *session = r.cpu->space->session;

	is_u64(wrong_pages(r.cpu, VALID, 20, 0) -
		       wrong_pages(r.cpu, STANDBY, 8, 12),
	       0, "its pages");
	fw_release(mm, r.s->keeper, file, 0, FILE_PAGES);
	soft_cpu_exit(child);
	soft_cpu_exit(r.cpu);
	fw_section_unref(mm, r.s->keeper, shared);
	fw_section_unref(mm, r.s->keeper, file);
	write_all(&r);
	is_u64(fw_session_destroy(mm, r.s->keeper, session), FW_OK, "session");
	is_u64(fw_system_destroy(mm, r.s->keeper), FW_OK, "system");
	is_u64(totals(&r).sections + totals(&r).spaces, 0, "nothing is left");
	is_u64(soft_verify(r.s), 0, "at the end");
	soft_destroy(r.s);
	free(saved);
}

TEST(each_complaint_in_turn, "A04")
{
	start(FW_POLICY_NT, 0);
	spoil_each(spoil_always, n_always);
	finish();
}

TEST(complaints_about_stripes, "A04")
{
	start(FW_POLICY_NT, 4);
	spoil_each(spoil_stripes, n_stripes);
	finish();
}

TEST(complaints_about_lists_of_arrival, "A04")
{
	start(FW_POLICY_FIFO, 0);
	spoil_each(spoil_order, n_order);
	finish();
}

/* All are counted, the first of them told, or none. */
TEST(many_complaints, "")
{
	unsigned errors, lines = 0;
	struct saying s = {.n = 0};

	start(FW_POLICY_NT, 0);
	for (fw_pfn pfn = mm->base; pfn < mm->fresh; pfn++)
		mm->frames[pfn].share ^= 0x100;
	errors = fw_verify(mm, r.s->keeper, listen, &s);
	lines = s.n;
	ok(errors > 40, "%u complaints", errors);
	is_u64(lines, 32, "lines");
	is_u64(fw_verify(mm, r.s->keeper, NULL, NULL), errors, "untold");
	put_back();
	finish();
}

static enum fw_status look(void *arg, enum soft_io io, uint64_t where,
			   unsigned n)
{
	uint64_t *looks = arg;

	(void)where, (void)n;
	looks[io]++;
	is_u64(verify_says(), 0, "amid I/O %d: %s", io, said);
	return FW_OK;
}

/* Nothing is wrong while pages are read and written. */
TEST(no_complaint_amid_io, "A04 B36")
{
	uint64_t looks[SOFT_IOS] = {0};

	start(FW_POLICY_NT, 0);
	r.s->io_hook = look;
	r.s->io_arg = looks;
	fw_space_set_limits(mm, r.cpu->actor, r.cpu->space, 0, 0, 0);
	is_u64(wrong_pages(r.cpu, PAGED_OUT, 4, 16), 0, "read");
	trim_all(&r, r.cpu);
	while (fw_write_modified(mm, r.s->keeper, 8) ||
	       fw_write_mapped(mm, r.s->keeper, 4))
		;
	ok(looks[SOFT_STORE_READ] && looks[SOFT_STORE_WRITE] &&
		   looks[SOFT_FILE_WRITE],
	   "it was looked at");
	r.s->io_hook = NULL;
	finish();
}
