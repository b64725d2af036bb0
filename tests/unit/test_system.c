/* SPDX-License-Identifier: MIT */
/*
 * test_system.c - the kernel half: one system space in all processes, sessions
 * in theirs, their working sets, copies on write, and the pageable pool.
 */
#include "kernel_rig.h"

#include "mm/mm.h"

static struct rig r;
static struct fw_space *system_space;
static uint8_t file_data[16 * 4096];

static void start(uint32_t nframes)
{
	r = kernel_rig((struct soft_config){
		.nframes = nframes, .page_files = 1, .slots = 8192});
	system_space = fw_system_space(r.s->mm);
	r.cpu = soft_cpu_create(r.s, NULL);
}

static void finish(void)
{
	struct fw_mm *mm = r.s->mm;

	rig_verify(&r);
	is_u64(fw_system_destroy(mm, r.s->keeper), FW_E_BUSY, "not yet");
	soft_cpu_exit(r.cpu);
	kernel_rig_end(&r);
}

static enum fw_status map_kernel(struct fw_space *space, fw_addr at,
				 uint64_t pages, enum fw_vad_kind kind,
				 struct fw_section *section, uint64_t cookie)
{
	struct fw_map_request rq = {.start = at,
				    .len = pages * PAGE,
				    .kind = (uint8_t)kind,
				    .prot = RW,
				    .max_prot = RW,
				    .flags = FW_VADF_RANDOM,
				    .section = section,
				    .cookie = cookie};

	return fw_map(r.s->mm, r.s->keeper, space, &rq);
}

static bool put_kernel(struct soft_cpu *cpu, fw_addr at, uint64_t pages,
		       uint64_t seed)
{
	uint64_t page[PAGE / 8];

	for (uint64_t i = 0; i < pages; i++) {
		pattern(page, seed + i);
		if (!soft_kernel_access(cpu, at + i * PAGE, page, PAGE,
					FW_ACC_WRITE))
			return false;
	}
	return true;
}

static uint64_t wrong_kernel(struct soft_cpu *cpu, fw_addr at, uint64_t pages,
			     uint64_t seed)
{
	uint64_t want[PAGE / 8], got[PAGE / 8], wrong = 0;

	for (uint64_t i = 0; i < pages; i++) {
		pattern(want, seed + i);
		wrong += !soft_kernel_access(cpu, at + i * PAGE, got, PAGE,
					     FW_ACC_READ) ||
			 memcmp(got, want, PAGE) != 0;
	}
	return wrong;
}

static enum fw_kind touch_kernel(struct soft_cpu *cpu, fw_addr at,
				 uint32_t access)
{
	uint8_t byte = 0x5a;

	cpu->last.kind = NO_FAULT;
	soft_kernel_access(cpu, at, &byte, 1, access);
	return cpu->last.kind;
}

static void trim_kernel(struct fw_space *space)
{
	for (unsigned i = 0; i < 1000 && fw_space_resident(space); i++)
		fw_trim(r.s->mm, r.s->keeper, space, 64);
	is_u64(fw_space_resident(space), 0, "trimmed");
}

TEST(what_is_refused, "C25")
{
	struct fw_system_config bad[] = {
		{BASE, SPAN, 0, 0},
		{SYSTEM + PAGE, SPAN, 0, 0},
		{SYSTEM, SPAN - PAGE, 0, 0},
		{SYSTEM, 0, 0, 0},
		{SYSTEM, SPAN, SYSTEM, SPAN},
		{SYSTEM, SPAN, BASE, SPAN},
#if FW_LEVELS == 4
		{SYSTEM - SPAN, SPAN, 0, 0}, /* not canonical */
#endif
	};
	struct soft_config config = {.nframes = 2048, .user_top = USER_TOP};
	struct fw_system_config none = {SYSTEM, SPAN, 0, 0};
	struct fw_space *session;
	fw_addr at;

	r = (struct rig){.s = soft_create(&config)};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_u64(fw_system_create(r.s->mm, r.s->keeper, &bad[i]),
		       FW_E_INVAL, "bad range %u", i);
	is_u64(fw_session_create(r.s->mm, r.s->keeper, &session), FW_E_NOENT,
	       "a session without a system");
	is_u64(fw_pool_create(r.s->mm, r.s->keeper, POOL, 64), FW_E_NOENT,
	       "a pool without a system");
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, 64, &at), FW_E_NOMEM,
	       "nothing to allocate from");
	r.cpu = soft_cpu_create(r.s, NULL);
	is_u64(fw_system_create(r.s->mm, r.s->keeper, &none), FW_E_BUSY,
	       "there is a process already");
	is_kind(touch_kernel(r.cpu, SYSTEM, FW_ACC_READ), FW_KIND_MAPERR);
	soft_cpu_exit(r.cpu);
	is_u64(fw_system_create(r.s->mm, r.s->keeper, &none), FW_OK,
	       "without sessions");
	is_u64(fw_session_create(r.s->mm, r.s->keeper, &session), FW_E_NOENT,
	       "no sessions");
	r.cpu = soft_cpu_create(r.s, NULL);
	is_u64(map_kernel(fw_system_space(r.s->mm), BASE, 1, FW_VAD_PRIVATE,
			  NULL, 0),
	       FW_E_INVAL, "a user's address in the system");
	is_u64(soft_map(r.cpu, SYSTEM, 1, RW), FW_E_INVAL,
	       "the system's address in a process");
	is_u64(map_kernel(fw_system_space(r.s->mm), SYSTEM, 1, FW_VAD_HOST,
			  NULL, 0),
	       FW_E_INVAL, "a host view");
	soft_cpu_exit(r.cpu);
	fw_system_destroy(r.s->mm, r.s->keeper);
	soft_destroy(r.s);
}

/* The root entries are the same in all, and what is mapped or comes in by one
 * is there for the others without a fault. */
TEST(one_kernel_half_for_all, "A19 A20 C26 B48")
{
	struct soft_cpu *other, *late;
	uint64_t faults;

	start(3072);
	other = soft_cpu_create(r.s, NULL);
	is_u64(map_kernel(system_space, SYSTEM + 7 * PAGE, 64, FW_VAD_PRIVATE,
			  NULL, 0),
	       FW_OK, "mapped after both were made");
	ok(put_kernel(r.cpu, SYSTEM + 7 * PAGE, 32, 1), "written by one");
	faults = other->faults;
	is_u64(wrong_kernel(other, SYSTEM + 7 * PAGE, 32, 1), 0,
	       "read by the other");
	is_u64(other->faults, faults, "without a fault");
	late = soft_cpu_create(r.s, NULL);
	is_u64(wrong_kernel(late, SYSTEM + 7 * PAGE, 32, 1), 0,
	       "and by one that was made later");
	for (fw_addr at = SYSTEM; at != SYSTEM + SPAN; at += SPAN / 4) {
		fw_pte a[FW_LEVELS], b[FW_LEVELS];

		table_path(r.cpu->space, vpn_of(at), a);
		table_path(other->space, vpn_of(at), b);
		is_u64(a[0], b[0], "one entry");
		ok(pte_is_valid(a[0]), "which is there");
	}
	is_u64(fw_space_resident(system_space), 32,
	       "in the system's working set");
	is_u64(fw_space_resident(r.cpu->space) +
		       fw_space_resident(other->space),
	       0, "in nobody else's");
	is_u64(fw_space_faults(system_space), 32, "the system's faults");
	is_u64(fw_space_faults(r.cpu->space), 0, "not the process's");
	soft_cpu_exit(late);
	soft_cpu_exit(other);
	is_u64(wrong_kernel(r.cpu, SYSTEM + 7 * PAGE, 32, 1), 0,
	       "after two are gone");
	finish();
}

TEST(closed_to_user_mode, "B10 C27 A09 A10 C49")
{
	uint8_t buffer[100];

	start(3072);
	map_kernel(system_space, SYSTEM, 4, FW_VAD_PRIVATE, NULL, 0);
	is_kind(touch(r.cpu, SYSTEM, FW_ACC_READ), FW_KIND_ACCERR);
	is_u64(r.cpu->last_error, FW_PF_U, "nothing there yet");
	is_kind(touch_kernel(r.cpu, SYSTEM, FW_ACC_WRITE),
		FW_KIND_DEMAND_ZERO);
	is_kind(touch(r.cpu, SYSTEM, FW_ACC_READ), FW_KIND_ACCERR);
	is_u64(r.cpu->last_error, FW_PF_U | FW_PF_P, "present, but not his");
	is_kind(touch(r.cpu, SYSTEM, FW_ACC_WRITE), FW_KIND_ACCERR);
	is_kind(touch(r.cpu, SYSTEM, FW_ACC_EXEC), FW_KIND_ACCERR);
	is_kind(touch(r.cpu, SYSTEM + 100 * PAGE, FW_ACC_READ),
		FW_KIND_ACCERR);
	is_u64(touch_kernel(r.cpu, SYSTEM, FW_ACC_READ), NO_FAULT,
	       "the kernel may");
	is_kind(touch_kernel(r.cpu, SYSTEM + 100 * PAGE, FW_ACC_READ),
		FW_KIND_MAPERR);
	is_kind(touch_kernel(r.cpu, SESSION, FW_ACC_READ), FW_KIND_MAPERR);
	/* Nor through a system call. */
	memset(buffer, 7, sizeof(buffer));
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer, SYSTEM,
			  1),
	       0, "out of it");
	is_u64(buffer[0], 7, "nothing was read");
	is_u64(fw_copy_out(r.s->mm, r.cpu->actor, r.cpu->space, SYSTEM, buffer,
			   1),
	       0, "into it");
	soft_kernel_access(r.cpu, SYSTEM, buffer, 1, FW_ACC_READ);
	is_u64(buffer[0], 0x5a, "nothing was written");
	ok(!(fw_pte_read_locked(system_space, vpn_of(SYSTEM)) & PTE_U), "U");
	finish();
}

/* Kernel pages are trimmed, written, and read back like any others. */
TEST(the_system_is_pageable, "B04 B06 B48 C46")
{
	struct soft_cpu *other;

	start(3072);
	other = soft_cpu_create(r.s, NULL);
	map_kernel(system_space, SYSTEM, 64, FW_VAD_PRIVATE, NULL, 0);
	put_kernel(r.cpu, SYSTEM, 64, 9);
	is_u64(wrong_kernel(other, SYSTEM, 64, 9), 0, "seen by both");
	trim_kernel(system_space);
	is_kind(touch_kernel(other, SYSTEM, FW_ACC_READ),
		FW_KIND_TRANSITION);
	trim_kernel(system_space);
	write_all(&r);
	flush_standby(&r);
	is_kind(touch_kernel(r.cpu, SYSTEM, FW_ACC_READ), FW_KIND_PAGE_FILE);
	is_u64(wrong_kernel(other, SYSTEM, 64, 9), 0, "from the page file");
	put_kernel(other, SYSTEM, 64, 90);
	is_u64(wrong_kernel(r.cpu, SYSTEM, 64, 90), 0, "the newer contents");
	fw_unmap(r.s->mm, r.s->keeper, system_space, SYSTEM, 64 * PAGE);
	is_kind(touch_kernel(r.cpu, SYSTEM, FW_ACC_READ), FW_KIND_MAPERR);
	is_kind(touch_kernel(other, SYSTEM, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(totals(&r).slots_used, 0, "slots");
	soft_cpu_exit(other);
	finish();
}

/* Two processes of one session and one of another, which have the same
 * addresses; a fork stays in the session. */
TEST(sessions, "B17 B48 A17")
{
	struct fw_space *one, *two;
	struct soft_cpu *b, *c, *child;

	start(3072);
	is_u64(fw_session_create(r.s->mm, r.s->keeper, &one), FW_OK, "one");
	is_u64(fw_session_create(r.s->mm, r.s->keeper, &two), FW_OK, "two");
	b = soft_cpu_create(r.s, NULL);
	c = soft_cpu_create(r.s, NULL);
	is_u64(fw_session_join(r.s->mm, r.s->keeper, r.cpu->space, one),
	       FW_OK, "join");
	fw_session_join(r.s->mm, r.s->keeper, b->space, one);
	fw_session_join(r.s->mm, r.s->keeper, c->space, two);
	is_u64(fw_session_join(r.s->mm, r.s->keeper, c->space, one),
	       FW_E_BUSY, "one session for life");
	is_u64(fw_session_join(r.s->mm, r.s->keeper, one, two), FW_E_INVAL,
	       "a session is no process");
	map_kernel(one, SESSION, 16, FW_VAD_PRIVATE, NULL, 0);
	map_kernel(two, SESSION, 16, FW_VAD_PRIVATE, NULL, 0);
	put_kernel(r.cpu, SESSION, 16, 1);
	put_kernel(c, SESSION, 16, 100);
	is_u64(wrong_kernel(b, SESSION, 16, 1), 0, "shared in the session");
	is_u64(wrong_kernel(c, SESSION, 16, 100), 0, "not beyond it");
	is_u64(fw_space_resident(one), 16, "its working set");
	is_u64(soft_fork(b, &child), FW_OK, "fork");
	is_u64(wrong_kernel(child, SESSION, 16, 1), 0, "the child is in it");
	put_kernel(child, SESSION, 4, 50);
	is_u64(wrong_kernel(r.cpu, SESSION, 4, 50), 0, "and not a copy of it");
	is_kind(touch(child, SESSION, FW_ACC_READ), FW_KIND_ACCERR);
	trim_kernel(one);
	is_u64(fw_space_resident(two), 16, "trimmed alone");
	rig_verify(&r);
	is_u64(fw_session_destroy(r.s->mm, r.s->keeper, two), FW_E_BUSY,
	       "in use");
	soft_cpu_exit(c);
	is_u64(fw_session_destroy(r.s->mm, r.s->keeper, two), FW_OK, "gone");
	soft_cpu_exit(child);
	soft_cpu_exit(b);
	soft_cpu_exit(r.cpu);
	is_u64(fw_session_destroy(r.s->mm, r.s->keeper, one), FW_OK, "gone");
	r.cpu = soft_cpu_create(r.s, NULL);
	finish();
}

/* One file in two sessions, the system and a process: four views copy on
 * write, each with a copy of its own, the file with none. */
TEST(copies_of_the_session_and_of_the_system, "B16 B17 B18 B48")
{
	struct fw_space *one, *two;
	struct fw_section *file;
	struct soft_cpu *b, *c;
	uint64_t cookie, cow;

	for (unsigned i = 0; i < 16; i++)
		pattern(file_data + i * PAGE, 1 + i);
	start(3072);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	fw_session_create(r.s->mm, r.s->keeper, &one);
	fw_session_create(r.s->mm, r.s->keeper, &two);
	b = soft_cpu_create(r.s, NULL);
	c = soft_cpu_create(r.s, NULL);
	fw_session_join(r.s->mm, r.s->keeper, r.cpu->space, one);
	fw_session_join(r.s->mm, r.s->keeper, b->space, one);
	fw_session_join(r.s->mm, r.s->keeper, c->space, two);
	map_kernel(one, SESSION, 16, FW_VAD_PRIVATE_VIEW, file, cookie);
	map_kernel(two, SESSION, 16, FW_VAD_PRIVATE_VIEW, file, cookie);
	map_kernel(system_space, SYSTEM, 16, FW_VAD_PRIVATE_VIEW, file,
		   cookie);
	soft_map_view(r.cpu, BASE, 16, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	is_u64(wrong_kernel(r.cpu, SESSION, 16, 1), 0, "session one");
	is_u64(wrong_kernel(c, SESSION, 16, 1), 0, "session two");
	is_u64(wrong_kernel(r.cpu, SYSTEM, 16, 1), 0, "the system");
	is_u64(wrong_pages(r.cpu, BASE, 16, 1), 0, "the process");
	is_u64(fw_pte_pfn(fw_pte_read_locked(one, vpn_of(SESSION))),
	       fw_pte_pfn(fw_pte_read_locked(system_space, vpn_of(SYSTEM))),
	       "one frame for all");
	cow = totals(&r).kind_count[FW_KIND_COW];
	is_kind(touch_kernel(r.cpu, SESSION, FW_ACC_WRITE), FW_KIND_COW);
	is_u64(fw_space_resident(one), 16,
	       "the copy replaces it in the working set");
	put_kernel(r.cpu, SESSION, 1, 1000);
	is_u64(wrong_kernel(b, SESSION, 1, 1000), 0, "the session's copy");
	is_u64(wrong_kernel(c, SESSION, 1, 1), 0, "not the other's");
	is_kind(touch_kernel(b, SYSTEM, FW_ACC_WRITE), FW_KIND_COW);
	put_kernel(b, SYSTEM, 1, 2000);
	is_u64(wrong_kernel(c, SYSTEM, 1, 2000), 0, "the system's, for all");
	is_u64(fw_space_resident(system_space), 16, "in its working set");
	is_u64(wrong_pages(r.cpu, BASE, 16, 1), 0, "the process's view");
	put_pages(r.cpu, BASE, 1, 3000);
	is_u64(totals(&r).kind_count[FW_KIND_COW], cow + 3, "three copies");
	is_u64(wrong_kernel(r.cpu, SESSION, 1, 1000), 0, "the session's");
	is_u64(wrong_kernel(r.cpu, SYSTEM, 1, 2000), 0, "the system's");
	is_u64(wrong_kernel(c, SESSION, 16, 1), 0, "the file");
	trim_kernel(one);
	write_all(&r);
	flush_standby(&r);
	is_u64(wrong_kernel(b, SESSION, 1, 1000), 0, "by the page file");
	soft_cpu_exit(c);
	soft_cpu_exit(b);
	soft_cpu_exit(r.cpu);
	fw_session_destroy(r.s->mm, r.s->keeper, two);
	fw_session_destroy(r.s->mm, r.s->keeper, one);
	r.cpu = soft_cpu_create(r.s, NULL);
	finish();
}

/* ---- the pageable pool --------------------------------------------------- */

#define PIECES 400

static fw_addr piece[PIECES];
static uint64_t piece_size[PIECES];

static void fill_piece(unsigned i, bool check)
{
	uint8_t want[3 * 4096], got[3 * 4096] = { 0 };
	uint64_t n = piece_size[i];

	for (uint64_t k = 0; k < n; k++)
		want[k] = (uint8_t)(i * 31 + k * 7);
	for (uint64_t k = 0; k < n;) {
		uint64_t m = PAGE - ((piece[i] + k) & FW_PAGE_MASK);

		if (m > n - k)
			m = n - k;
		must(soft_kernel_access(r.cpu, piece[i] + k,
					(check ? got : want) + k, m,
					check ? FW_ACC_READ : FW_ACC_WRITE),
		     "piece %u", i);
		k += m;
	}
	if (check)
		is_mem(got, want, n, "piece %u", i);
}

static void take_piece(unsigned i, uint64_t size)
{
	piece_size[i] = size;
	must(fw_pool_alloc(r.s->mm, r.s->keeper, size, &piece[i]) == FW_OK,
	     "piece %u of %u bytes", i, (unsigned)size);
	fill_piece(i, false);
}

TEST(the_pageable_pool, "B48 C62")
{
	static const uint16_t sizes[] = {1,    32,   33,   100,	 500,
					 1024, 2048, 2049, 4096, 9000};
	uint64_t charged;
	fw_addr at;

	start(4096);
	charged = totals(&r).committed;
	is_u64(fw_pool_create(r.s->mm, r.s->keeper, POOL, 1024), FW_OK,
	       "create");
	is_u64(fw_pool_create(r.s->mm, r.s->keeper, POOL, 1024), FW_E_EXIST,
	       "there is one");
	is_u64(totals(&r).committed, charged, "charged as it is used");
	for (unsigned i = 0; i < PIECES; i++)
		take_piece(i, sizes[i % 10]);
	ok(totals(&r).committed > charged + 200, "charged");
	ok(fw_space_resident(system_space) > 200,
	       "in the system's working set");
	for (unsigned i = 0; i < PIECES; i++)
		fill_piece(i, true);
	trim_kernel(system_space);
	write_all(&r);
	flush_standby(&r);
	for (unsigned i = 0; i < PIECES; i++)
		fill_piece(i, true);
	rig_verify(&r);
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, piece[3] + 1), FW_E_INVAL,
	       "not the start of a piece");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, POOL + 1000 * PAGE),
	       FW_E_INVAL, "never given out");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, SYSTEM), FW_E_INVAL,
	       "not in the pool");
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, 0, &at), FW_E_INVAL,
	       "nothing");
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, 1025 * PAGE, &at),
	       FW_E_NOMEM, "more than there is");
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, UINT64_MAX - 252, &at),
	       FW_E_NOMEM, "more than there can be");
	for (unsigned i = 0; i < PIECES; i += 2)
		is_u64(fw_pool_free(r.s->mm, r.s->keeper, piece[i]), FW_OK,
		       "free");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, piece[0]), FW_E_INVAL,
	       "twice");
	for (unsigned i = 0; i < PIECES; i += 2)
		take_piece(i, sizes[(i / 2 + 3) % 10]);
	rig_verify(&r);
	for (unsigned i = 0; i < PIECES; i++)
		fill_piece(i, true);
	for (unsigned i = 0; i < PIECES; i++)
		is_u64(fw_pool_free(r.s->mm, r.s->keeper, piece[i]), FW_OK,
		       "free");
	is_u64(totals(&r).committed, charged, "nothing is charged");
	is_u64(fw_space_resident(system_space), 0, "nothing resident");
	is_u64(totals(&r).slots_used, 0, "no slots");
	take_piece(0, 100);
	take_piece(1, 9000);
	finish();
}

TEST(the_pool_is_used_up, "A22 C62")
{
	unsigned n = 0;
	fw_addr at;

	start(3072);
	fw_pool_create(r.s->mm, r.s->keeper, POOL, 16);
	while (fw_pool_alloc(r.s->mm, r.s->keeper, 3000, &at) == FW_OK)
		n++;
	is_u64(n, 16, "a page each");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, at), FW_OK, "one back");
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, 2 * PAGE, &at), FW_E_NOMEM,
	       "no two in a row");
	for (n = 0; fw_pool_alloc(r.s->mm, r.s->keeper, 32, &at) == FW_OK;)
		n++;
	is_u64(n, 128, "pieces of the last page");
	finish();
}

/* Runs of more pages than there is room for in the journal. */
TEST(large_runs_of_the_pool, "B48 C62")
{
	const uint64_t n = WIDE ? 10000 : 4500;
	uint64_t charged;
	fw_addr run[3], at;

	start(4096);
	charged = totals(&r).committed;
	is_u64(fw_pool_create(r.s->mm, r.s->keeper, POOL, 3 * n + 1), FW_OK,
	       "create");
	for (unsigned i = 0; i < 3; i++)
		is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, n * PAGE, &run[i]),
		       FW_OK, "run %u", i);
	is_u64(totals(&r).committed, charged + 3 * n, "charged");
	for (unsigned i = 0; i < 3; i++)
		ok(put_kernel(r.cpu, run[i] + (n - 10) * PAGE, 10, i * 10),
		   "written to");
	rig_verify(&r);
	is_u64(fw_pool_alloc(r.s->mm, r.s->keeper, 2 * PAGE, &at), FW_E_NOMEM,
	       "one page is left");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, run[1] + PAGE), FW_E_INVAL,
	       "not the start of it");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, run[1]), FW_OK, "free");
	is_u64(fw_pool_free(r.s->mm, r.s->keeper, run[1]), FW_E_INVAL,
	       "twice");
	is_u64(totals(&r).committed, charged + 2 * n, "charged");
	for (unsigned i = 0; i < 30; i++)
		must(fw_pool_alloc(r.s->mm, r.s->keeper, 100 * PAGE, &at) ==
		     FW_OK && at - run[1] < n * PAGE, "in its place");
	rig_verify(&r);
	for (unsigned i = 0; i < 3; i += 2)
		is_u64(wrong_kernel(r.cpu, run[i] + (n - 10) * PAGE, 10,
				    i * 10), 0, "contents");
	finish();
}

/* ---- the port's own entries ---------------------------------------------- */

/* Below them nothing but users: with 32 bits, the lower GiB. */
#define PORT_TOP (WIDE ? SOFT_USER_TOP : (fw_vpn)1 << (30 - FW_PAGE_SHIFT))
#define PORT_ENTRY ((fw_pte)0x7ffff0e3) /* a large page, in no frame of ours */

static fw_pte *port_entry(const struct fw_space *space)
{
	fw_pte *root = fw_frame_data(space->mm, space->root);

	return root + (WIDE ? 400 : FW_LEVELS == 3 ? 1 : 0x100);
}

static void port_start(bool system)
{
	struct soft_config config = {.nframes = 2048,
				     .page_files = 1,
				     .slots = 8192,
				     .user_top = PORT_TOP};
	struct fw_system_config kernel = {SYSTEM, SPAN, 0, 0};
	struct fw_totals t;

	r = (struct rig){.s = soft_create(&config)};
	t = totals(&r);
	r.in_use = frames_in_use(&t) - t.pool;
	if (system)
		is_u64(fw_system_create(r.s->mm, r.s->keeper, &kernel), FW_OK,
		       "system");
	r.cpu = soft_cpu_create(r.s, NULL);
	*port_entry(r.cpu->space) = PORT_ENTRY;
}

/* A life of a process and its child, up to the last page below user_top. */
static void port_lives(void)
{
	const fw_addr high = (PORT_TOP - 8) << FW_PAGE_SHIFT;
	struct soft_cpu *child;

	is_u64(soft_map(r.cpu, high, 8, RW), FW_OK, "map");
	ok(soft_write(r.cpu, high, "x", 1), "write");
	is_u64(soft_fork(r.cpu, &child), FW_OK, "fork");
	is_u64(*port_entry(child->space), 0, "not the child's");
	*port_entry(child->space) = PORT_ENTRY;
	ok(soft_write(child, high, "y", 1), "copy on write");
	rig_verify(&r);
	is_u64(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, high, 8 * PAGE),
	       FW_OK, "unmap");
	soft_cpu_exit(child);
	is_u64(*port_entry(r.cpu->space), PORT_ENTRY, "still there");
	rig_verify(&r);
}

TEST(what_the_port_has_in_the_root_is_its_own, "A19 C25 C26")
{
	port_start(false);
	port_lives();
	rig_end(&r);
	port_start(true);
	port_lives();
	soft_cpu_exit(r.cpu);
	is_u64(fw_system_destroy(r.s->mm, r.s->keeper), FW_OK, "the end");
	r.cpu = soft_cpu_create(r.s, NULL);
	rig_end(&r);
}
