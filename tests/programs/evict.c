/* SPDX-License-Identifier: MIT */
/*
 * evict MIB - fills, rewrites and checks MIB mebibytes of memory, a half
 * private, a quarter shared, an eighth each private and shared file views,
 * with two threads and a fork. Every word depends on its place, its area and
 * how often it was written, so that a page that is lost, stale or swapped
 * with another is seen.
 */
#include "prog.h"

#include <pthread.h>

#define STRIPE ((size_t)64 * 4096) /* who writes what alternates so */

enum { PRIVATE, SHARED, FILE_PRIVATE, FILE_SHARED, AREAS };
static const char *const area_name[AREAS] = {
	"private", "shared", "private file", "shared file"};

static struct area {
	uint64_t *words;
	size_t bytes;
	int fd;
} areas[AREAS];

struct job {
	unsigned from, to; /* areas */
	unsigned part, parts; /* stripes part, part + parts, ... */
	uint64_t generation;
	bool write, check;
	uint64_t hash;
};

static uint64_t word_at(unsigned area, size_t i, uint64_t generation)
{
	return mix(i ^ (uint64_t)area << 60 ^ generation << 48);
}

_Noreturn static void bad_word(unsigned area, size_t i, uint64_t generation)
{
	fprintf(stderr,
		"evict: pid %d: %s: word %#zx (page %zu) is %#lx, not %#lx of"
		" generation %lu\n",
		(int)getpid(), area_name[area], i, i * 8 / PAGE,
		areas[area].words[i], word_at(area, i, generation),
		generation);
	_exit(1);
}

static void do_stripe(struct job *job, unsigned area, size_t at)
{
	uint64_t *words = areas[area].words;
	size_t end = at + STRIPE;

	if (end > areas[area].bytes)
		end = areas[area].bytes;
	for (size_t i = at / 8; i < end / 8; i++) {
		uint64_t want = word_at(area, i, job->generation);

		if (job->write)
			words[i] = want;
		else if (words[i] != want)
			bad_word(area, i, job->generation);
		job->hash += want;
	}
}

static void *do_job(void *arg)
{
	struct job *job = arg;

	for (unsigned area = job->from; area < job->to; area++)
		for (size_t at = job->part * STRIPE; at < areas[area].bytes;
		     at += job->parts * STRIPE)
			do_stripe(job, area, at);
	return NULL;
}

/* Two threads do the job, each every other one of its stripes. */
static uint64_t do_in_threads(struct job job)
{
	struct job half[2] = {job, job};
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++) {
		half[i].part = job.part + i * job.parts;
		half[i].parts = 2 * job.parts;
		must(!pthread_create(&threads[i], NULL, do_job, &half[i]));
	}
	for (unsigned i = 0; i < 2; i++)
		must(!pthread_join(threads[i], NULL));
	return half[0].hash + half[1].hash;
}

static uint64_t both(struct job job)
{
	uint64_t hash;

	job.write = true;
	hash = do_in_threads(job);
	job.write = false;
	must(do_in_threads(job) == hash);
	return hash;
}

static void make_file_area(unsigned area, size_t bytes)
{
	static uint64_t buffer[8192];
	int fd = temp_file();

	for (size_t i = 0; i < bytes / 8; i += 8192) {
		size_t n = bytes - i * 8 < sizeof(buffer) ? bytes - i * 8
							  : sizeof(buffer);

		for (size_t k = 0; k < n / 8; k++)
			buffer[k] = word_at(area, i + k, 0);
		must(write(fd, buffer, n) == (ssize_t)n);
	}
	areas[area].fd = fd;
	areas[area].bytes = bytes;
	areas[area].words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 area == FILE_SHARED ? MAP_SHARED : MAP_PRIVATE,
				 fd, 0);
	must(areas[area].words != MAP_FAILED);
}

/* What the file holds, as others read it, is of this generation. */
static void check_file(unsigned area, uint64_t generation)
{
	static uint64_t buffer[8192];
	ssize_t n;
	size_t i = 0;

	while ((n = pread(areas[area].fd, buffer, sizeof(buffer),
			  (off_t)i * 8)) > 0)
		for (size_t k = 0; k < (size_t)n / 8; k++, i++)
			must(buffer[k] == word_at(area, i, generation));
	must(n == 0 && i * 8 == areas[area].bytes);
}

static _Noreturn void child(void)
{
	struct job old = {.from = 0, .to = SHARED, .parts = 1,
			  .generation = 1};
	struct job odd = {.from = SHARED, .to = SHARED + 1, .part = 1,
			  .parts = 2, .generation = 1};

	do_job(&old);
	do_job(&odd);
	odd.generation = 3;
	both(odd);
	odd.from = FILE_SHARED;
	odd.to = AREAS;
	odd.generation = 1;
	do_job(&odd);
	odd.generation = 3;
	both(odd);
	old.generation = 4;
	both(old);
	old.from = FILE_PRIVATE;
	old.to = FILE_SHARED;
	both(old);
	_exit(0);
}

static void parent(void)
{
	struct job job = {.from = 0, .to = SHARED, .parts = 1,
			  .generation = 2};

	both(job);
	job.from = FILE_PRIVATE;
	job.to = FILE_SHARED;
	both(job);
	job.parts = 2;
	job.generation = 3;
	job.from = SHARED;
	job.to = SHARED + 1;
	both(job);
	job.from = FILE_SHARED;
	job.to = AREAS;
	both(job);
}

static uint64_t final_check(void)
{
	struct job job = {.parts = 1};
	uint64_t hash = 0;

	for (unsigned area = 0; area < AREAS; area++) {
		job.from = area;
		job.to = area + 1;
		job.generation = area == SHARED || area == FILE_SHARED ? 3 : 2;
		hash = mix(hash ^ do_in_threads(job));
	}
	check_file(FILE_PRIVATE, 0);
	check_file(FILE_SHARED, 3);
	return hash;
}

int main(int argc, char **argv)
{
	size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 0) : 32) * MIB;
	struct job all = {.to = AREAS, .parts = 1, .generation = 1};
	struct job fresh = {.from = FILE_PRIVATE, .to = AREAS, .parts = 1};
	pid_t pid;

	areas[PRIVATE].bytes = bytes / 2;
	areas[PRIVATE].words = map_anon(bytes / 2, 0);
	areas[SHARED].bytes = bytes / 4;
	areas[SHARED].words = map_anon(bytes / 4, 1);
	make_file_area(FILE_PRIVATE, bytes / 8);
	make_file_area(FILE_SHARED, bytes / 8);
	do_in_threads(fresh);
	both(all);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		child();
	parent();
	must(wait_for(pid) == 0);
	printf("evict %zu MiB: %016lx\n", bytes / MIB, final_check());
	return 0;
}
