/* SPDX-License-Identifier: MIT */
/*
 * smoke_mm.c - the core on the smallest possible port: RAM from mmap, a store
 * that is an array, locks that are flags, and no cache of translations, so
 * that all accesses go through fw_copy_in and fw_copy_out. Each phase ends
 * with fw_verify. With FW_STEP, also dies at every store of some operations.
 */
#define _GNU_SOURCE
#include <faultwise/mm.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define FRAMES 1024u
#define SLOTS 16384u
#define BASE ((fw_addr)0x10000000)

static struct fw_mm *mm;
static struct fw_actor *me;
static char *store;
static bool store_fails;
static int failures;

/* ---- the port ------------------------------------------------------------ */

static long step_left = -1; /* stores until death; -1: immortal */
static bool owner_died;
static jmp_buf death;
static unsigned long steps;

void fwp_step(struct fw_mm *m)
{
	(void)m;
	steps++;
	if (step_left > 0 && --step_left == 0) {
		step_left = -1;
		owner_died = true;
		longjmp(death, 1);
	}
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	bool died = owner_died && lock->word;

	if (lock->word && !owner_died) {
		fprintf(stderr, "deadlock\n");
		abort();
	}
	lock->word = 1;
	lock->owner = actor_id;
	if (lock == (struct fw_lock *)mm)
		owner_died = false;
	return died;
}

void fwp_unlock(struct fw_lock *lock)
{
	lock->word = 0;
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	(void)word, (void)seen, (void)owner;
	return true;
}

void fwp_wake(uint32_t *word)
{
	(void)word;
}

enum fw_status fwp_store_read(struct fw_mm *m, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	unsigned i;

	(void)file;
	if (store_fails)
		return FW_E_IO;
	for (i = 0; i < n; i++)
		memcpy(fw_frame_data(m, pfn[i]), store + (slot + i) * 4096,
		       4096);
	return FW_OK;
}

enum fw_status fwp_store_write(struct fw_mm *m, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	unsigned i;

	(void)file;
	if (store_fails)
		return FW_E_IO;
	for (i = 0; i < n; i++)
		memcpy(store + (slot + i) * 4096, fw_frame_data(m, pfn[i]),
		       4096);
	return FW_OK;
}

enum fw_status fwp_section_read(struct fw_section *section, uint64_t cookie,
				uint64_t page, const fw_pfn *pfn, unsigned n,
				unsigned *ret_n)
{
	unsigned i;

	(void)section, (void)cookie;
	for (i = 0; i < n; i++)
		memset(fw_frame_data(mm, pfn[i]), (int)(page + i) & 0xff,
		       4096);
	*ret_n = n;
	return FW_OK;
}

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	(void)space, (void)vpn, (void)n, (void)how;
}

_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, message);
	abort();
}

/* ---- helpers ------------------------------------------------------------- */

#define CHECK(cond)                                                     \
	do {                                                            \
		if (!(cond)) {                                          \
			fprintf(stderr, "%s:%d: %s\n", __FILE__,        \
				__LINE__, #cond);                       \
			failures++;                                     \
		}                                                       \
	} while (0)

static void complain(void *arg, const char *line)
{
	fprintf(stderr, "verify (%s): %s\n", (const char *)arg, line);
}

static void verify(const char *phase)
{
	unsigned n = fw_verify(mm, me, complain, (void *)(uintptr_t)phase);

	if (n) {
		fprintf(stderr, "%s: %u discrepancies\n", phase, n);
		failures++;
	}
}

static void start(unsigned frames)
{
	struct fw_mm_config config = { .nframes = frames, .user_min = 16,
				       .user_top = (fw_vpn)1 << 35,
				       .port_bytes = 4096 };
	void *ram = mmap(NULL, (size_t)frames * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned file;

	mm = NULL;
	CHECK(fw_mm_init(ram, &config, &mm) == FW_OK);
	CHECK(fw_actor_create(mm, NULL, &me) == FW_OK);
	CHECK(fw_page_file_add(mm, me, SLOTS, &file) == FW_OK && file == 0);
	verify("start");
}

static struct fw_space *new_space(void)
{
	struct fw_space *s = NULL;

	CHECK(fw_space_create(mm, me, &s) == FW_OK);
	return s;
}

static void map(struct fw_space *s, fw_addr at, uint64_t pages, int kind,
		struct fw_section *section, uint64_t page)
{
	struct fw_map_request rq = {
		.start = at, .len = pages * 4096, .kind = (uint8_t)kind,
		.prot = FW_PROT_R | FW_PROT_W, .max_prot = 7,
		.section = section, .page = page, .replace = 1,
	};

	CHECK(fw_map(mm, me, s, &rq) == FW_OK);
}

static void put(struct fw_space *s, fw_addr at, uint64_t value)
{
	CHECK(fw_copy_out(mm, me, s, at, &value, 8) == 8);
}

static uint64_t get(struct fw_space *s, fw_addr at)
{
	uint64_t value = 0xdeadbeef;

	CHECK(fw_copy_in(mm, me, s, &value, at, 8) == 8);
	return value;
}

static uint32_t seed = 12345;
static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void flush_out(struct fw_space *s)
{
	while (fw_trim(mm, me, s, 64) > 0)
		;
	while (fw_write_modified(mm, me, 64) > 0)
		;
}

/* ---- phases -------------------------------------------------------------- */

static void phase_random(void)
{
	static uint64_t model[4 * FRAMES];
	struct fw_space *s = new_space();
	unsigned i;

	memset(model, 0, sizeof(model));
	map(s, BASE, 4 * FRAMES, FW_VAD_PRIVATE, NULL, 0);
	for (i = 0; i < 40000; i++) {
		uint32_t page = rnd(4 * FRAMES);
		fw_addr at = BASE + page * 4096ul + 8 * (page % 500);

		if (rnd(2)) {
			model[page] = rnd(1 << 24);
			put(s, at, model[page]);
		} else {
			CHECK(get(s, at) == model[page]);
		}
		if (i % 1000 == 0)
			verify("random");
	}
	for (i = 0; i < 4 * FRAMES; i++)
		CHECK(get(s, BASE + i * 4096ul + 8 * (i % 500)) == model[i]);
	verify("random, end");
	CHECK(fw_unmap(mm, me, s, BASE + 100 * 4096, 1000 * 4096) == FW_OK);
	verify("unmap");
	fw_space_destroy(mm, me, s);
	verify("destroy");
}

static void phase_fork(void)
{
	struct fw_space *s = new_space(), *c = NULL, *g = NULL;
	unsigned i;

	map(s, BASE, 300, FW_VAD_PRIVATE, NULL, 0);
	for (i = 0; i < 200; i++)
		put(s, BASE + i * 4096, i + 1);
	flush_out(s);
	for (i = 50; i < 150; i++)
		CHECK(get(s, BASE + i * 4096) == i + 1);
	fw_space_lock(s, me);
	CHECK(fw_space_fork_locked(mm, me, s, &c) == FW_OK);
	fw_space_unlock(s);
	verify("fork");
	for (i = 0; i < 200; i += 3)
		put(c, BASE + i * 4096, 1000 + i);
	for (i = 0; i < 200; i += 7)
		put(s, BASE + i * 4096, 2000 + i);
	verify("fork, written");
	fw_space_lock(c, me);
	CHECK(fw_space_fork_locked(mm, me, c, &g) == FW_OK);
	fw_space_unlock(c);
	verify("fork twice");
	flush_out(c);
	verify("fork, trimmed");
	for (i = 0; i < 300; i++) {
		uint64_t was = i < 200 ? i + 1 : 0;
		uint64_t mine = i < 200 && i % 7 == 0 ? 2000 + i : was;
		uint64_t theirs = i < 200 && i % 3 == 0 ? 1000 + i : was;

		CHECK(get(s, BASE + i * 4096) == mine);
		CHECK(get(c, BASE + i * 4096) == theirs);
		CHECK(get(g, BASE + i * 4096) == theirs);
	}
	fw_space_destroy(mm, me, c);
	verify("child gone");
	for (i = 0; i < 200; i++)
		put(g, BASE + i * 4096, 5000 + i);
	for (i = 0; i < 200; i++)
		put(s, BASE + i * 4096, 6000 + i);
	verify("sole owners");
	for (i = 0; i < 200; i++) {
		CHECK(get(g, BASE + i * 4096) == 5000 + i);
		CHECK(get(s, BASE + i * 4096) == 6000 + i);
	}
	fw_space_destroy(mm, me, s);
	fw_space_destroy(mm, me, g);
	verify("fork, end");
}

static void phase_sections(void)
{
	struct fw_section_key key = { 1, 2, 3 };
	struct fw_section *anon = NULL, *file = NULL;
	struct fw_space *a = new_space(), *b = new_space();
	struct fw_totals t;
	unsigned i;

	CHECK(fw_section_create(mm, me, NULL, 600, &anon) == FW_OK);
	CHECK(fw_section_create(mm, me, &key, 100, &file) == FW_OK);
	map(a, BASE, 600, FW_VAD_SECTION, anon, 0);
	map(b, BASE * 2, 590, FW_VAD_SECTION, anon, 10);
	map(a, BASE * 4, 100, FW_VAD_PRIVATE_VIEW, file, 0);
	map(b, BASE * 4, 90, FW_VAD_PRIVATE_VIEW, file, 5);
	for (i = 0; i < 600; i += 2)
		put(a, BASE + i * 4096, i);
	for (i = 0; i < 590; i++)
		CHECK(get(b, BASE * 2 + i * 4096) ==
		      ((i + 10) % 2 ? 0 : i + 10));
	verify("shared");
	flush_out(a);
	flush_out(b);
	verify("shared, trimmed");
	for (i = 0; i < 590; i++)
		CHECK(get(b, BASE * 2 + i * 4096) ==
		      ((i + 10) % 2 ? 0 : i + 10));
	for (i = 0; i < 90; i++)
		CHECK((get(b, BASE * 4 + i * 4096) & 0xff) == i + 5);
	for (i = 0; i < 100; i += 5)
		put(a, BASE * 4 + i * 4096, 777 + i);
	for (i = 0; i < 100; i++)
		CHECK(get(a, BASE * 4 + i * 4096) ==
		      (i % 5 ? i * 0x0101010101010101ul : 777 + i));
	for (i = 0; i < 90; i++)
		CHECK((get(b, BASE * 4 + i * 4096) & 0xff) == i + 5);
	verify("private views");
	CHECK(fw_protect(mm, me, a, BASE * 4, 50 * 4096, 0) == FW_OK);
	CHECK(fw_copy_in(mm, me, a, &i, BASE * 4, 4) == 0);
	verify("no access");
	CHECK(fw_protect(mm, me, a, BASE * 4, 50 * 4096, FW_PROT_R) == FW_OK);
	CHECK(get(a, BASE * 4 + 5 * 4096) == 777 + 5);
	CHECK(fw_copy_out(mm, me, a, BASE * 4, &i, 4) == 0);
	CHECK(fw_move(mm, me, a, BASE * 4, 100 * 4096, BASE * 6) != FW_OK);
	CHECK(fw_move(mm, me, a, BASE * 4 + 50 * 4096, 50 * 4096,
		      BASE * 6 + 3 * 4096) == FW_OK);
	verify("moved");
	CHECK(get(a, BASE * 6 + (3 + 5) * 4096) == 777 + 55);
	CHECK(fw_discard(mm, me, a, BASE * 6 + 3 * 4096, 50 * 4096) == FW_OK);
	CHECK((get(a, BASE * 6 + (3 + 5) * 4096) & 0xff) == 55);
	verify("discarded");
	fw_section_unref(mm, me, anon);
	fw_section_unref(mm, me, file);
	fw_space_destroy(mm, me, a);
	verify("one view gone");
	fw_space_destroy(mm, me, b);
	verify("sections, end");
	fw_totals(mm, me, &t);
	CHECK(t.sections == 0 && t.slots_used == 0 && t.spaces == 0);
}

static void phase_faults(void)
{
	struct fw_space *s = new_space();
	struct fw_fault f = { .addr = BASE, .access = FW_ACC_WRITE };
	struct fw_map_request rq = {
		.start = BASE * 2, .len = 64 * 4096, .kind = FW_VAD_PRIVATE,
		.prot = FW_PROT_R | FW_PROT_W, .flags = FW_VADF_STACK,
	};
	struct fw_range r = { BASE + 10, 3 * 4096, FW_ACC_WRITE, 0 };
	unsigned ok;
	uint64_t bytes;

	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_MAPERR);
	map(s, BASE, 64, FW_VAD_PRIVATE, NULL, 0);
	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_DEMAND_ZERO && f.n == 1);
	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_REFILL);
	f.access = FW_ACC_EXEC;
	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_ACCERR);
	CHECK(fw_map(mm, me, s, &rq) == FW_OK);
	f.addr = BASE * 2 + 63 * 4096;
	f.access = FW_ACC_WRITE;
	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_STACK);
	f.addr = BASE * 2;
	fw_fault(mm, me, s, &f);
	CHECK(f.kind == FW_KIND_MAPERR);
	CHECK(fw_announce(mm, me, s, &r, 1, &ok, &bytes) == FW_OK && ok == 1);
	flush_out(s);
	CHECK(fw_space_resident(s) == 4);
	fw_withdraw(me);
	put(s, BASE, 42);
	flush_out(s);
	store_fails = true;
	f.addr = BASE;
	f.access = FW_ACC_READ;
	while (fw_zero_frames(mm, me, 64))
		;
	fw_fault(mm, me, s, &f);
	store_fails = false;
	CHECK(f.kind == FW_KIND_TRANSITION || f.kind == FW_KIND_IOERR);
	CHECK(get(s, BASE) == 42);
	verify("faults");
	fw_space_destroy(mm, me, s);
	verify("faults, end");
}

#ifdef FW_STEP
static struct fw_space *d_space, *d_child;

static void story(void)
{
	struct fw_space *c = NULL;
	unsigned i;

	for (i = 0; i < 40; i++)
		put(d_space, BASE + i * 4096, i);
	flush_out(d_space);
	for (i = 0; i < 20; i++)
		put(d_space, BASE + i * 4096, i);
	fw_space_lock(d_space, me);
	if (fw_space_fork_locked(mm, me, d_space, &c) == FW_OK)
		d_child = c;
	fw_space_unlock(d_space);
	for (i = 0; i < 30; i++)
		put(d_child, BASE + i * 4096, i);
	flush_out(d_child);
	fw_protect(mm, me, d_space, BASE + 4096, 4096, FW_PROT_R);
	fw_move(mm, me, d_space, BASE + 4 * 4096, 8 * 4096, BASE * 3);
	fw_unmap(mm, me, d_space, BASE, 30 * 4096);
	fw_space_destroy(mm, me, d_child);
	d_child = NULL;
}

static struct fw_space *any_space(struct fw_space *not_this)
{
	return fw_pick_victim(mm, me, not_this);
}

static void phase_death(void)
{
	struct fw_actor *first = me, *mortal;
	long n = 1;
	bool died = true;

	for (n = 1; died; n++) {
		me = first;
		CHECK(fw_actor_create(mm, first, &mortal) == FW_OK);
		d_space = new_space();
		d_child = NULL;
		map(d_space, BASE, 100, FW_VAD_PRIVATE, NULL, 0);
		me = mortal;
		died = setjmp(death) != 0;
		if (!died) {
			step_left = n;
			story();
			step_left = -1;
		}
		me = first;
		verify("death");
		fw_actor_reap(mm, first, mortal);
		verify("reaped");
		(void)any_space;
		{
			extern struct fw_space *smoke_spaces(struct fw_mm *);
			struct fw_space *s;

			while ((s = smoke_spaces(mm)) != NULL)
				fw_space_destroy(mm, first, s);
		}
		verify("after death");
		if (failures > 5)
			break;
	}
	printf("died %ld times\n", n - 2);
}
#endif

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void touch(struct fw_space *s, unsigned i, struct fw_fault *f)
{
	f->addr = BASE + (uint64_t)i * 4096;
	f->access = FW_ACC_WRITE;
	fw_fault(mm, me, s, f);
}

static void bench(void)
{
	const unsigned n = 32768;
	struct fw_space *s, *c = NULL;
	struct fw_fault f;
	struct fw_map_request rq = {
		.start = BASE, .len = n * 4096ul, .kind = FW_VAD_PRIVATE,
		.prot = 3, .flags = FW_VADF_RANDOM,
	};
	double t;
	unsigned i;

	start(65536);
	memset(fw_frame_data(mm, 4000), 0, 61000ul * 4096);
	for (i = 0; i < 2; i++) {
		s = new_space();
		CHECK(fw_map(mm, me, s, &rq) == FW_OK);
		t = now();
		for (unsigned k = 0; k < n; k++)
			touch(s, k, &f);
		printf("demand zero, single:  %.0f ns\n", (now() - t) / n);
		if (i == 0)
			fw_space_destroy(mm, me, s);
		while (fw_zero_frames(mm, me, 64))
			;
	}
	t = now();
	fw_trim(mm, me, s, n);
	printf("trim:                 %.0f ns a page\n", (now() - t) / n);
	t = now();
	for (i = 0; i < n; i++)
		touch(s, i, &f);
	printf("transition, single:   %.0f ns\n", (now() - t) / n);
	fw_space_lock(s, me);
	t = now();
	CHECK(fw_space_fork_locked(mm, me, s, &c) == FW_OK);
	printf("fork:                 %.0f ns a page\n", (now() - t) / n);
	fw_space_unlock(s);
	t = now();
	verify("bench");
	printf("verify:               %.2f ms\n", (now() - t) / 1e6);
	t = now();
	fw_space_destroy(mm, me, c);
	printf("destroy child:        %.0f ns a page\n", (now() - t) / n);
	t = now();
	for (i = 0; i < n; i++)
		touch(s, i, &f);
	CHECK(f.kind == FW_KIND_COW_REUSE);
	printf("sole owner:           %.0f ns\n", (now() - t) / n);
	t = now();
	fw_space_destroy(mm, me, s);
	printf("destroy:              %.0f ns a page\n", (now() - t) / n);
	rq.flags = 0;
	s = new_space();
	while (fw_zero_frames(mm, me, 64))
		;
	CHECK(fw_map(mm, me, s, &rq) == FW_OK);
	t = now();
	for (i = 0; i < n; i++)
		if (!(fw_pte_read_locked(s, (BASE >> 12) + i) & 1))
			touch(s, i, &f);
	printf("demand zero, windows: %.0f ns a page\n", (now() - t) / n);
	verify("bench, end");
}

int main(int argc, char **argv)
{
	store = mmap(NULL, (size_t)SLOTS * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	start(FRAMES);
	phase_faults();
	phase_random();
	phase_fork();
	phase_sections();
#ifdef FW_STEP
	phase_death();
#endif
	if (argc > 1 && !strcmp(argv[1], "bench"))
		bench();
	printf(failures ? "FAILED\n" : "ok\n");
	return failures != 0;
}
