/* SPDX-License-Identifier: MIT */
/*
 * share idle MIB TOUCHES - a process fills MIB and sleeps; another one fills
 * as much and touches its pages at random.
 * share crowd MIB TOUCHES - three at once do.
 */
#include "prog.h"

#include <signal.h>

static size_t pages;
static unsigned long touches;

static uint64_t *fill(uint64_t seed)
{
	uint64_t *m = map_anon(pages * PAGE, 0);

	for (size_t i = 0; i < pages; i++)
		for (size_t j = 0; j < 512; j += 4)
			m[i * 512 + j] = mix(seed + i * 512 + j);
	return m;
}

static void work(uint64_t seed)
{
	uint64_t *m = fill(seed), x = seed;

	for (unsigned long i = 0; i < touches; i++) {
		size_t page = (x = mix(x + i)) % pages, j = x >> 32 & 508;

		must(m[page * 512 + j] == mix(seed + page * 512 + j));
		m[page * 512 + 1] = x;
	}
	_exit(0);
}

static pid_t start(void (*what)(uint64_t), uint64_t seed)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid)
		what(seed);
	return pid;
}

static int tell[2];

static void sleep_on_it(uint64_t seed)
{
	fill(seed);
	must(write(tell[1], "", 1) == 1);
	for (;;)
		pause();
}

static void idle(void)
{
	char byte;
	int st;
	pid_t sleeper, worker;

	must(!pipe(tell));
	sleeper = start(sleep_on_it, 1);
	must(read(tell[0], &byte, 1) == 1);
	worker = start(work, 2);
	must(waitpid(worker, &st, 0) == worker && !st);
	must(!kill(sleeper, SIGKILL) && waitpid(sleeper, &st, 0) == sleeper);
}

static void crowd(void)
{
	int st;

	for (unsigned i = 0; i < 3; i++)
		start(work, i);
	for (unsigned i = 0; i < 3; i++)
		must(wait(&st) > 0 && !st);
}

int main(int argc, char **argv)
{
	must(argc == 4);
	pages = strtoul(argv[2], NULL, 10) * 256;
	touches = strtoul(argv[3], NULL, 10);
	if (!strcmp(argv[1], "idle"))
		idle();
	else
		crowd();
	puts("done");
	return 0;
}
