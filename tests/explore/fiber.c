/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - actors, and the points at which they take turns. The decision is
 * made by the fiber that comes to the point; it switches only when another
 * one is to go on.
 */
#include "explore.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES (256u << 10)
#define JUDGE ACTORS	  /* runs what is not scheduled */
#define MAIN (ACTORS + 1) /* search.c */

enum state { READY, BLOCKED, WAITING, ENDED };

struct fiber {
	void *stack;
	size_t size;
	const uint32_t *word; /* BLOCKED, WAITING */
	ucontext_t context;
	enum state state;
	bool timeout; /* the wait may end by itself */
};

struct run run;
const struct scenario *scene;
static struct fiber fiber[MAIN + 1];
static unsigned current = MAIN, before;
static const struct schedule *plan;
static unsigned planned; /* choices made so far */
static bool tracing;

unsigned running(void)
{
	return current <= JUDGE ? current : JUDGE;
}

/* ---- switching -------------------------------------------------------- */

/* The sanitizer is told of each change of stacks, and learns main's. */
static void arrived(void)
{
#ifdef __SANITIZE_ADDRESS__
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (before == MAIN) {
		fiber[MAIN].stack = (void *)(uintptr_t)bottom;
		fiber[MAIN].size = size;
	}
#endif
}

static void switch_to(unsigned to)
{
	before = current;
	current = to;
#ifdef __SANITIZE_ADDRESS__
	void *fake;

	__sanitizer_start_switch_fiber(&fake, fiber[to].stack, fiber[to].size);
#endif
	swapcontext(&fiber[before].context, &fiber[to].context);
	arrived();
}

_Noreturn void give_up(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(run.failure, sizeof(run.failure), format, ap);
	va_end(ap);
	if (current == MAIN) {
		fprintf(stderr, "explore: %s\n", run.failure);
		exit(1);
	}
	switch_to(MAIN);
	__builtin_unreachable();
}

static void fiber_start(unsigned i, void (*entry)(void))
{
	struct fiber *f = &fiber[i];

	if (!f->stack) {
		f->size = STACK_BYTES;
		f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
		if (f->stack == MAP_FAILED)
			give_up("no memory for a stack");
	}
#ifdef __SANITIZE_ADDRESS__
	/* A schedule that failed left frames there. */
	__asan_unpoison_memory_region(f->stack, f->size);
#endif
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = f->size;
	f->context.uc_link = NULL;
	f->state = READY;
	makecontext(&f->context, entry, 0);
}

/* ---- who goes on ------------------------------------------------------ */

static const char *const kind_name[POINT_KINDS] = {
	[AT_START] = "start",	   [AT_LOCK] = "lock",
	[AT_BLOCKED] = "blocked",  [AT_UNLOCK] = "unlocked",
	[AT_ACCESS] = "access",	   [AT_FLUSH] = "flush",
	[AT_WAIT] = "wait",	   [AT_WAITS] = "waits",
	[AT_WAKE] = "wake",	   [AT_IO] = "I/O",
	[AT_IO_DONE] = "I/O done", [AT_STORE] = "store",
	[AT_END] = "end",
};

static bool can_go_on(const struct fiber *f)
{
	return f->state == READY || (f->state == BLOCKED && *f->word == 0);
}

/* Nobody can go on: waits that are allowed to end by themselves do. */
static unsigned time_out(void)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < scene->actors; i++) {
		if (fiber[i].state != WAITING || !fiber[i].timeout)
			continue;
		mask |= 1u << i;
		fiber[i].state = READY;
	}
	run.timeouts++;
	for (unsigned i = 0; i < scene->actors && !mask; i++)
		if (fiber[i].state == WAITING)
			give_up("actor %u waits, and nobody will wake it", i);
	if (!mask)
		give_up("deadlock");
	return mask;
}

static char discrepancy[120]; /* the first */

static void report(void *arg, const char *line)
{
	(void)arg;
	if (tracing)
		printf("# verify: %s\n", line);
	if (!*discrepancy)
		snprintf(discrepancy, sizeof(discrepancy), "%s", line);
}

void verify(const char *when)
{
	unsigned errors, self = current;

	*discrepancy = '\0';
	current = JUDGE;
	errors = fw_verify(w->s->mm, w->judge, report, NULL);
	current = self;
	if (errors > 0)
		give_up("%u discrepancies %s: %s", errors, when, discrepancy);
}

/* At a switch: what is consistent must be so between any two sections. Up to
 * the last choice all is as in another schedule, which was looked at. */
static void verify_here(void)
{
	if (planned == plan->n && scene->stripes <= 1 && port_quiet())
		verify("at a switch");
}

static void trace(unsigned n, const void *what)
{
	const struct point *p = &run.point[n];
	char buffer[60];

	printf("# %5u  %u %-9s%-20s", n, p->actor, kind_name[p->kind],
	       port_name(what, buffer, sizeof(buffer)));
	if (p->chosen != p->actor)
		printf(" -> %u", p->chosen);
	if (planned > 0 && plan->choice[planned - 1].point == n)
		printf(" *");
	printf("\n");
}

/* As the schedule says, else whoever runs, else the next one. */
static unsigned choose(unsigned n, unsigned enabled, unsigned waiting)
{
	unsigned i = current < scene->actors ? current : 0;

	if (planned < plan->n && plan->choice[planned].point == n) {
		i = plan->choice[planned++].actor;
		if (i < scene->actors && ((enabled | waiting) >> i & 1))
			return i;
		give_up("actor %u cannot go on at point %u", i, n);
	}
	while (!(enabled >> i & 1))
		i = (i + 1) % scene->actors;
	return i;
}

static void decide(enum point_kind kind, const void *what, bool free)
{
	unsigned n = run.n++, enabled = 0, waiting = 0, to;

	if (n == MAX_POINTS)
		give_up("no end in sight");
	for (unsigned i = 0; i < scene->actors; i++) {
		enabled |= (unsigned)can_go_on(&fiber[i]) << i;
		waiting |= (unsigned)(fiber[i].state == WAITING) << i;
	}
	if (!enabled)
		enabled = time_out();
	waiting &= ~enabled;
	to = choose(n, enabled, waiting);
	run.point[n] = (struct point){
		.kind = (uint8_t)kind,
		.actor = (uint8_t)(current < ACTORS ? current : to),
		.chosen = (uint8_t)to,
		.free = free || current >= ACTORS || !(enabled >> current & 1),
		.enabled = (uint8_t)enabled,
		.waiting = (uint8_t)waiting,
	};
	if (tracing)
		trace(n, what);
	fiber[to].state = READY;
	if (to == current)
		return;
	verify_here();
	switch_to(to);
}

void point(enum point_kind kind, const void *what, bool free)
{
	if (current < ACTORS)
		decide(kind, what, free);
}

void block_on(const uint32_t *word)
{
	while (*word != 0) {
		if (current >= ACTORS)
			give_up("blocked, and nobody else runs");
		fiber[current].state = BLOCKED;
		fiber[current].word = word;
		decide(AT_BLOCKED, word, true);
	}
}

void wait_for(const uint32_t *word, bool timeout)
{
	fiber[current].state = WAITING;
	fiber[current].word = word;
	fiber[current].timeout = timeout;
	decide(AT_WAITS, word, true);
}

void wake_all(const uint32_t *word)
{
	for (unsigned i = 0; i < scene->actors; i++)
		if (fiber[i].state == WAITING && fiber[i].word == word)
			fiber[i].state = READY;
}

/* ---- a schedule ------------------------------------------------------- */

static void actor_main(void)
{
	arrived();
	scene->run[current](w->cpu[current]);
	fiber[current].state = ENDED;
	for (unsigned i = 0; i < scene->actors; i++)
		if (fiber[i].state != ENDED)
			decide(AT_END, NULL, true);
	switch_to(MAIN);
}

static void judge_main(void)
{
	arrived();
	world_check(scene);
	switch_to(MAIN);
}

bool run_schedule(const struct scenario *s, const struct schedule *schedule,
		  bool trace_it)
{
	scene = s;
	plan = schedule;
	planned = 0;
	tracing = trace_it;
	run.n = run.timeouts = 0;
	run.failure[0] = '\0';
	port_reset();
	for (unsigned i = 0; i < s->actors; i++)
		fiber_start(i, actor_main);
	decide(AT_START, NULL, true);
	if (!*run.failure) {
		fiber_start(JUDGE, judge_main);
		switch_to(JUDGE);
	}
	if (!*run.failure && planned < schedule->n)
		snprintf(run.failure, sizeof(run.failure),
			 "the schedule is longer than the run");
	return !*run.failure;
}
