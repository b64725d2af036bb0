/* SPDX-License-Identifier: MIT */
/*
 * core.c - what the core costs by itself: faults, fork, look-ups, without
 * any MMU or host behind it. The port is the least there can be (core_port.c).
 * Prints NAME=NANOSECONDS pairs, minima of several repetitions, and beside
 * them what the host's own kernel takes (native_*: native.c). tools/bench
 * runs it.
 */
#include "core_port.h"
#include "native.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE FW_PAGE_SIZE
#define BASE UINT64_C(0x10000000)
#define RW (FW_PROT_R | FW_PROT_W)

struct rig {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_space *space;
};

static struct rig start(uint32_t nframes)
{
	struct rig r;

	r.mm = port_start(nframes);
	must(fw_actor_create(r.mm, NULL, &r.actor) == FW_OK, "actor");
	must(fw_space_create(r.mm, r.actor, &r.space) == FW_OK, "space");
	return r;
}

static void map(struct rig *r, fw_addr at, uint64_t pages, uint8_t kind,
		struct fw_section *section, uint32_t flags)
{
	struct fw_map_request rq = {.start = at, .len = pages * PAGE,
				    .kind = kind, .prot = RW, .max_prot = 7,
				    .flags = flags, .section = section};

	must(fw_map(r->mm, r->actor, r->space, &rq) == FW_OK, "map");
}

/* One fault on each page; the time per fault. */
static double faults(struct rig *r, fw_addr at, uint64_t pages,
		     uint32_t access, enum fw_kind want)
{
	double t = now();

	for (uint64_t i = 0; i < pages; i++) {
		struct fw_fault f = {.addr = at + i * PAGE,
				     .access = access | FW_ACC_USER};

		fw_fault(r->mm, r->actor, r->space, &f);
		if (f.kind != want) {
			fprintf(stderr, "bench-core: %s, not %s\n",
				fw_kind_key(f.kind), fw_kind_key(want));
			exit(1);
		}
	}
	return (now() - t) / (double)pages;
}

static void unmap(struct rig *r, fw_addr at, uint64_t pages)
{
	must(fw_unmap(r->mm, r->actor, r->space, at, pages * PAGE) == FW_OK,
	     "unmap");
}

static void trim_all(struct rig *r)
{
	while (fw_trim(r->mm, r->actor, r->space, 64) > 0)
		;
}

static void zero_all(struct rig *r)
{
	while (fw_zero_frames(r->mm, r->actor, 64) > 0)
		;
}

/* Every kind of soft fault, tables warm: each page was there once. */
static void soft_faults(void)
{
	struct rig r = start(1u << 16);
	double zero = 0, transition = 0, proto = 0, cow = 0;
	const fw_addr view = BASE * 16;
	struct fw_section *section;

	must(fw_section_create(r.mm, r.actor, NULL, PAGES, &section) == FW_OK,
	     "section");
	/* Keeps the tables when what lies above goes. */
	map(&r, BASE + PAGES * PAGE, 1, FW_VAD_PRIVATE, NULL, 0);
	faults(&r, BASE + PAGES * PAGE, 1, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO);
	for (unsigned k = 0; k < REPEAT; k++) {
		map(&r, BASE, PAGES, FW_VAD_PRIVATE, NULL, FW_VADF_RANDOM);
		least(&zero, faults(&r, BASE, PAGES, FW_ACC_WRITE,
				    FW_KIND_DEMAND_ZERO));
		trim_all(&r);
		least(&transition, faults(&r, BASE, PAGES, FW_ACC_READ,
					  FW_KIND_TRANSITION));
		unmap(&r, BASE, PAGES);
		zero_all(&r);
	}
	map(&r, view, PAGES, FW_VAD_SECTION, section, FW_VADF_RANDOM);
	faults(&r, view, PAGES, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO);
	for (unsigned k = 0; k < REPEAT; k++) {
		map(&r, view * 2, PAGES, FW_VAD_PRIVATE_VIEW, section,
		    FW_VADF_RANDOM);
		least(&proto, faults(&r, view * 2, PAGES, FW_ACC_READ,
				     FW_KIND_PROTOTYPE));
		least(&cow, faults(&r, view * 2, PAGES, FW_ACC_WRITE,
				   FW_KIND_COW));
		unmap(&r, view * 2, PAGES);
		zero_all(&r);
	}
	printf("core_demand_zero=%.1f core_transition=%.1f "
	       "core_prototype=%.1f core_cow=%.1f\n", zero, transition, proto,
	       cow);
	port_end();
}

/* A first fork, which makes the prototypes, and one that finds them made. */
static void fork_once(double *first, double *again)
{
	struct rig r = start(1u << 16);
	struct fw_space *child;
	double t;

	map(&r, BASE, FORK_PAGES, FW_VAD_PRIVATE, NULL, FW_VADF_RANDOM);
	faults(&r, BASE, FORK_PAGES, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO);
	for (unsigned k = 0; k < 2; k++) {
		must(fw_make_room(r.mm, r.actor, r.space,
				  fw_space_fork_need(r.space)), "room");
		t = now();
		fw_space_lock(r.space, r.actor);
		must(fw_space_fork_locked(r.mm, r.actor, r.space, &child) ==
		     FW_OK, "fork");
		fw_space_unlock(r.space);
		least(k ? again : first, (now() - t) / 1e3);
		fw_space_destroy(r.mm, r.actor, child);
	}
	port_end();
}

static void fork_64m(void)
{
	double first = 0, again = 0;

	for (unsigned k = 0; k < REPEAT; k++)
		fork_once(&first, &again);
	printf("core_fork_64M=%.1f core_fork_64M_again=%.1f\n", first, again);
}

/* Look-ups of regions, at random among n. */
static double lookup(struct rig *r, uint64_t n)
{
	uint64_t x = 88172645463325252u;
	double best = 0;

	for (unsigned k = 0; k < REPEAT; k++) {
		double t = now();

		fw_space_lock(r->space, r->actor);
		for (unsigned i = 0; i < 100000; i++) {
			fw_addr at;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			at = BASE + (x >> 20) % n * 2 * PAGE;
			must(fw_vad_at_or_above(r->space, at) != NULL, "vad");
		}
		fw_space_unlock(r->space);
		least(&best, (now() - t) / 1e5);
	}
	return best;
}

static void lookups(void)
{
	struct rig r = start(1u << 15);
	uint64_t made = 0, n;

	for (n = 100; n <= 100000; n *= 10) {
		for (; made < n; made++)
			map(&r, BASE + made * 2 * PAGE, 1, FW_VAD_PRIVATE,
			    NULL, 0);
		printf("core_lookup_%u=%.1f ", (unsigned)n, lookup(&r, n));
	}
	printf("\n");
	port_end();
}

/* ---- threads ---------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct rig rig;
	fw_addr at;
	double begin, end;
};

static unsigned gate; /* threads still to come; all spin till it is 0 */

static void *work(void *arg)
{
	struct worker *w = arg;

	__atomic_sub_fetch(&gate, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&gate, __ATOMIC_ACQUIRE) != 0)
		__builtin_ia32_pause();
	w->begin = now();
	faults(&w->rig, w->at, RATE_PAGES, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO);
	w->end = now();
	return NULL;
}

/* Faults per nanosecond of n threads, in one space or one each. */
static double rate(unsigned n, bool one_space)
{
	struct rig r = start(1u << 18);
	struct worker w[2];
	double begin = 0, end = 0;

	gate = n;
	for (unsigned i = 0; i < n; i++) {
		w[i].rig = r;
		if (i > 0)
			fw_actor_create(r.mm, NULL, &w[i].rig.actor);
		if (i > 0 && !one_space)
			fw_space_create(r.mm, r.actor, &w[i].rig.space);
		w[i].at = BASE * (1 + i * 64);
		map(&w[i].rig, w[i].at, RATE_PAGES, FW_VAD_PRIVATE, NULL,
		    FW_VADF_RANDOM);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		least(&begin, w[i].begin);
		if (w[i].end > end)
			end = w[i].end;
	}
	port_end();
	return n * RATE_PAGES / (end - begin);
}

/* In turn, so that a noisy neighbour disturbs all alike. */
static void threads(void)
{
	double one = 0, two = 0, same = 0;

	for (unsigned k = 0; k < REPEAT; k++) {
		most(&one, rate(1, true));
		most(&two, rate(2, false));
		most(&same, rate(2, true));
	}
	printf("core_two_spaces=%.2f core_one_space=%.2f\n", two / one,
	       same / one);
}

int main(void)
{
	native_fault();
	soft_faults();
	native_fork();
	fork_64m();
	lookups();
	threads();
	native_threads();
	return 0;
}
