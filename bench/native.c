/* SPDX-License-Identifier: MIT */
/* native.c - see native.h. */
#include "native.h"

#include <faultwise/types.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE FW_PAGE_SIZE

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void must(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "bench-core: %s\n", what);
	exit(1);
}

void least(double *min, double value)
{
	if (*min == 0 || value < *min)
		*min = value;
}

void most(double *max, double value)
{
	if (value > *max)
		*max = value;
}

/* Native: one page at a time in fresh memory. */
void native_fault(void)
{
	double best = 0;

	for (unsigned k = 0; k < REPEAT; k++) {
		volatile char *p = mmap(NULL, PAGES * PAGE,
					PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		double t;

		must(p != MAP_FAILED, "mmap");
		madvise((void *)p, PAGES * PAGE, MADV_NOHUGEPAGE);
		t = now();
		for (unsigned i = 0; i < PAGES; i++)
			p[i * PAGE] = 1;
		least(&best, (now() - t) / PAGES);
		munmap((void *)p, PAGES * PAGE);
	}
	printf("native_core_demand_zero=%.1f\n", best);
}

void native_fork(void)
{
	char *p = mmap(NULL, FORK_PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double best = 0;

	must(p != MAP_FAILED, "mmap");
	madvise(p, FORK_PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(p, 1, FORK_PAGES * PAGE);
	for (unsigned k = 0; k < REPEAT; k++) {
		double t = now();
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		least(&best, (now() - t) / 1e3);
		waitpid(pid, NULL, 0);
	}
	munmap(p, FORK_PAGES * PAGE);
	printf("native_core_fork_64M=%.1f\n", best);
}

/* ---- two at a time --------------------------------------------------- */

enum how { PROCESSES, THREADS, LOOP };

/* Shared with the children. */
struct pair {
	unsigned gate; /* how many are still to come; all spin till it is 0 */
	double begin[2], end[2];
};

struct runner {
	struct pair *pair;
	unsigned me;
	enum how how;
	pthread_t thread;
	pid_t pid;
};

static void *fresh(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | flags, -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void touch(volatile char *p)
{
	for (unsigned i = 0; i < RATE_PAGES; i++)
		p[(size_t)i * PAGE] = 1;
}

static void spin(void)
{
	uint64_t x = 88172645463325252u;

	for (unsigned i = 0; i < 400 * RATE_PAGES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		__asm__ volatile("" : "+r"(x));
	}
}

static void *runner(void *arg)
{
	const size_t len = RATE_PAGES * (size_t)PAGE;
	struct runner *r = arg;
	struct pair *pair = r->pair;
	char *p = fresh(len, MAP_PRIVATE);

	madvise(p, len, MADV_NOHUGEPAGE);
	__atomic_sub_fetch(&pair->gate, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&pair->gate, __ATOMIC_ACQUIRE) != 0)
		__builtin_ia32_pause();
	pair->begin[r->me] = now();
	if (r->how == LOOP)
		spin();
	else
		touch(p);
	pair->end[r->me] = now();
	munmap(p, len);
	return NULL;
}

static void begin(struct runner *r)
{
	if (r->how != PROCESSES) {
		must(pthread_create(&r->thread, NULL, runner, r) == 0,
		     "a thread");
		return;
	}
	r->pid = fork();
	must(r->pid >= 0, "fork");
	if (r->pid == 0) {
		runner(r);
		_exit(0);
	}
}

static void end(struct runner *r)
{
	if (r->how != PROCESSES)
		pthread_join(r->thread, NULL);
	else
		waitpid(r->pid, NULL, 0);
}

/* Runs by n at once, per nanosecond. */
static double native_rate(struct pair *pair, unsigned n, enum how how)
{
	struct runner r[2];
	double first = 0, last = 0;

	pair->gate = n;
	for (unsigned i = 0; i < n; i++) {
		r[i] = (struct runner){.pair = pair, .me = i, .how = how};
		begin(&r[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		end(&r[i]);
		least(&first, pair->begin[i]);
		most(&last, pair->end[i]);
	}
	return n / (last - first);
}

void native_threads(void)
{
	static const char *const name[] = {"native_core_two_spaces",
					   "native_core_one_space",
					   "machine_two_threads"};
	struct pair *pair = fresh(sizeof(*pair), MAP_SHARED);

	for (enum how how = PROCESSES; how <= LOOP; how++) {
		double one = 0, two = 0;

		for (unsigned k = 0; k < REPEAT; k++) {
			most(&one, native_rate(pair, 1, how));
			most(&two, native_rate(pair, 2, how));
		}
		printf("%s=%.2f ", name[how], two / one);
	}
	printf("\n");
	munmap(pair, sizeof(*pair));
}
