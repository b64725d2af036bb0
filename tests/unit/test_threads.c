/* SPDX-License-Identifier: MIT */
/*
 * test_threads.c - several threads fault at once: on the same pages of one
 * space, through views of one section, under a shortage of frames, while
 * others write pages out, trim and fork.
 */
#include "machine.h"
#include "tsan.h"

#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 4
#define SHARED_PAGES 700u
#define OWN_PAGES 300u
#define OWN_AT(i) (BASE * (2 + (i)))

static struct rig r;
static atomic_bool stop;
static unsigned rounds;

struct worker {
	pthread_t thread;
	struct soft_cpu *cpu;
	unsigned index;
	uint64_t random;
	uint64_t own[OWN_PAGES];       /* seeds; 0: never written */
	uint64_t shared[SHARED_PAGES]; /* what it wrote into its word */
	unsigned wrong, failed;
};

static uint64_t next(struct worker *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 12) % n;
}

/* Each worker has one word of its own in every shared page. */
static void use_shared(struct worker *w)
{
	uint64_t page = next(w, SHARED_PAGES), got;
	fw_addr at = BASE + page * PAGE + 8 * w->index;

	if (next(w, 2)) {
		w->shared[page] = next(w, UINT32_MAX) + 1;
		w->failed += !soft_write(w->cpu, at, &w->shared[page], 8);
	} else {
		w->failed += !soft_read(w->cpu, at, &got, 8);
		w->wrong += got != w->shared[page];
	}
}

static void use_own(struct worker *w)
{
	uint64_t page = next(w, OWN_PAGES);
	fw_addr at = OWN_AT(w->index) + page * PAGE;

	if (next(w, 2)) {
		w->own[page] = next(w, UINT32_MAX) + 1;
		w->failed += !put_pages(w->cpu, at, 1, w->own[page]);
	} else if (w->own[page]) {
		w->wrong += wrong_pages(w->cpu, at, 1, w->own[page]) != 0;
	} else {
		w->wrong += !is_zero_page(w->cpu, at);
	}
}

static void fork_and_look(struct worker *w)
{
	struct soft_cpu *child;
	uint64_t page = next(w, OWN_PAGES);
	fw_addr at = OWN_AT(w->index) + page * PAGE;

	if (soft_fork(w->cpu, &child) != FW_OK) {
		w->failed++;
		return;
	}
	if (w->own[page])
		w->wrong += wrong_pages(child, at, 1, w->own[page]) != 0;
	w->failed += !put_pages(child, at, 1, 1);
	soft_cpu_exit(child);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < rounds; i++) {
		if (next(w, 400) == 0)
			fork_and_look(w);
		else if (next(w, 50) == 0)
			fw_trim(r.s->mm, w->cpu->actor, w->cpu->space, 16);
		else if (next(w, 2))
			use_shared(w);
		else
			use_own(w);
	}
	return NULL;
}

static void *keep(void *arg)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	(void)arg;
	while (!atomic_load(&stop)) {
		soft_background(r.s);
		nanosleep(&ms, NULL);
	}
	return NULL;
}

static void check(struct worker *w)
{
	uint64_t got;

	is_u64(w->failed, 0, "worker %u: failed accesses", w->index);
	is_u64(w->wrong, 0, "worker %u: wrong contents", w->index);
	for (unsigned i = 0; i < SHARED_PAGES; i++) {
		soft_read(w->cpu, BASE + i * PAGE + 8 * w->index, &got, 8);
		is_u64(got, w->shared[i], "shared page %u", i);
	}
	for (unsigned i = 0; i < OWN_PAGES; i++)
		if (w->own[i])
			is_u64(wrong_pages(w->cpu, OWN_AT(w->index) + i * PAGE,
					   1, w->own[i]),
			       0, "own page %u", i);
}

static void run_workers(struct worker *workers)
{
	pthread_t keeper;

	atomic_store(&stop, false);
	pthread_create(&keeper, NULL, keep, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	atomic_store(&stop, true);
	pthread_join(keeper, NULL);
}

static void threads_and_spaces(void)
{
	static struct worker workers[THREADS];
	struct fw_section *section;
	struct soft_cpu *other;

	rounds = (unsigned)strtoul(test_env("FW_ROUNDS", "6000"), NULL, 0);
	r = rig_start(900, 2, 16384);
	must(fw_section_create(r.s->mm, r.s->keeper, NULL, SHARED_PAGES,
			       &section) == FW_OK,
	     "section");
	other = soft_cpu_create(r.s, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		struct soft_cpu *home = i % 2 ? other : r.cpu;

		if (i < 2)
			must(soft_map_view(home, BASE, SHARED_PAGES, RW,
					   FW_VAD_SECTION, section, 0,
					   0) == FW_OK,
			     "view");
		must(soft_map(home, OWN_AT(i), OWN_PAGES, RW) == FW_OK, "map");
		workers[i] = (struct worker){
			.cpu = i < 2 ? home
				     : soft_cpu_create(r.s, home->space),
			.index = i,
			.random = 12345 + 999 * i};
	}
	fw_section_unref(r.s->mm, r.s->keeper, section);
	run_workers(workers);
	rig_verify(&r);
	for (unsigned i = 0; i < THREADS; i++)
		check(&workers[i]);
	ok(r.s->io_pages[SOFT_STORE_READ] > 500, "it did page");
	soft_cpu_free(workers[2].cpu);
	soft_cpu_free(workers[3].cpu);
	soft_cpu_exit(other);
	rig_end(&r);
}

/* Two spaces of two threads each, all with a view of one section. */
TEST(threads_and_spaces, "A17 A18 B42 B45 B46 C77")
{
	threads_and_spaces();
}

TEST(threads_and_spaces_in_stripes, "A17 A18 B12 B42 B46")
{
	rig_stripes = 8;
	threads_and_spaces();
}
