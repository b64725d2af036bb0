/* SPDX-License-Identifier: MIT */
/*
 * load sort MIB | threads N MIB - programs for tools/bench-swap and bench-tax.
 *
 * sort: integers in which no compressor finds anything, sorted in place, so
 * that pages are read in order and, in the first rounds, all over the place.
 * threads: N threads that write to MIB of fresh memory each, all at once,
 * three times over; prints the least time for a page.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096
#define ROUNDS 3
#define SMALL 24 /* parts that insertion sorts faster */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void *get_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("load");
		exit(1);
	}
	return p;
}

/* ---- sort -------------------------------------------------------------- */

static void insert(uint64_t *a, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint64_t x = a[i];
		size_t at = i;

		for (; at && a[at - 1] > x; at--)
			a[at] = a[at - 1];
		a[at] = x;
	}
}

/* Where the part ends whose values are at most the pivot's (Hoare). */
static size_t divide(uint64_t *a, size_t n)
{
	uint64_t pivot = a[mix(n) % (n - 1)];
	size_t i = 0, k = n - 1;

	for (;; i++, k--) {
		uint64_t x;

		while (a[i] < pivot)
			i++;
		while (a[k] > pivot)
			k--;
		if (i >= k)
			return k + 1;
		x = a[i];
		a[i] = a[k];
		a[k] = x;
	}
}

static void sort(uint64_t *a, size_t n)
{
	while (n > SMALL) {
		size_t low = divide(a, n);

		sort(a, low);
		a += low;
		n -= low;
	}
	insert(a, n);
}

static int do_sort(size_t mib)
{
	size_t n = (mib << 20) / sizeof(uint64_t);
	uint64_t *a = get_memory(mib << 20), hash = 0, wrong = 0;

	for (size_t i = 0; i < n; i++)
		a[i] = mix(i);
	sort(a, n);
	for (size_t i = 0; i < n; i++) {
		hash = mix(hash ^ a[i]);
		wrong += i && a[i - 1] > a[i];
	}
	printf("%zu integers, %llu out of order, hash %016llx\n", n,
	       (unsigned long long)wrong, (unsigned long long)hash);
	return wrong != 0;
}

/* ---- threads ----------------------------------------------------------- */

static size_t thread_bytes;
static pthread_barrier_t start, end;

static void *touch(void *arg)
{
	(void)arg;
	for (int round = 0; round < ROUNDS; round++) {
		char *p = get_memory(thread_bytes);

		pthread_barrier_wait(&start);
		for (size_t at = 0; at < thread_bytes; at += PAGE)
			p[at] = 1;
		pthread_barrier_wait(&end);
		munmap(p, thread_bytes);
	}
	return NULL;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int do_threads(unsigned n, size_t mib)
{
	double least = 1e18;
	pthread_t thread;

	thread_bytes = mib << 20;
	pthread_barrier_init(&start, NULL, n + 1);
	pthread_barrier_init(&end, NULL, n + 1);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, touch, NULL))
			return 1;
	for (int round = 0; round < ROUNDS; round++) {
		double before, took;

		pthread_barrier_wait(&start);
		before = now_us();
		pthread_barrier_wait(&end);
		took = now_us() - before;
		least = took < least ? took : least;
	}
	printf("touch_by_%u_threads=%.4f\n", n,
	       least / (n * ((double)thread_bytes / PAGE)));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "sort"))
		return do_sort(strtoul(argv[2], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "threads"))
		return do_threads((unsigned)strtoul(argv[2], NULL, 10),
				  strtoul(argv[3], NULL, 10));
	fprintf(stderr, "load sort MIB | threads N MIB\n");
	return 2;
}
