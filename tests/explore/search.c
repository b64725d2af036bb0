/* SPDX-License-Identifier: MIT */
/*
 * search.c - which schedules are tried. Each is that of another one with one
 * choice more, later than all others; so each is tried once. They wait in
 * one queue for each number of preemptions, and those with fewer come first.
 * Where there are more than may be tried, chance picks, by seed.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PREEMPTIONS 2
#define NONE UINT32_MAX
/* Schedules of a scenario, unless all are asked for. */
#define QUICK (FW_LEVELS == 4 ? 700u : 200u)

/* A schedule: that of `parent`, then this choice. */
struct item {
	uint32_t parent;
	uint16_t point;
	uint8_t actor;
};

static struct item *items;
static size_t n_items, max_items;

static struct queue {
	uint32_t *item;
	size_t n, max;
	uint64_t tried, seen;
} queues[PREEMPTIONS + 1];
static uint64_t seed;
static uint64_t timeouts;
static unsigned reached; /* preemptions of what is tried now */

static void *grow(void *p, size_t *max, size_t size)
{
	*max = *max ? *max * 2 : 1024;
	p = realloc(p, *max * size);
	if (!p)
		give_up("no memory for schedules");
	return p;
}

static void add(uint32_t parent, uint32_t point, unsigned actor, unsigned cost)
{
	struct queue *q = &queues[cost];

	if (n_items == max_items)
		items = grow(items, &max_items, sizeof(*items));
	if (q->n == q->max)
		q->item = grow(q->item, &q->max, sizeof(*q->item));
	items[n_items] = (struct item){.parent = parent,
				       .point = (uint16_t)point,
				       .actor = (uint8_t)actor};
	q->item[q->n++] = (uint32_t)n_items++;
	q->seen++;
}

static void write_down(uint32_t item, struct schedule *ret)
{
	unsigned n = 0;

	for (uint32_t i = item; i != 0; i = items[i].parent)
		n++;
	if (n > MAX_CHOICES)
		give_up("too many choices");
	ret->n = n;
	for (uint32_t i = item; i != 0; i = items[i].parent)
		ret->choice[--n] = (struct choice){.point = items[i].point,
						   .actor = items[i].actor};
}

/* The schedules that are as this one until later. */
static void branch(uint32_t item, const struct schedule *s, unsigned cost)
{
	uint32_t from = s->n ? s->choice[s->n - 1].point + 1 : 0;

	if (s->n == MAX_CHOICES)
		return;
	for (uint32_t i = from; i < run.n; i++) {
		const struct point *p = &run.point[i];

		for (unsigned a = 0; a < ACTORS; a++) {
			bool enabled = p->enabled >> a & 1;
			bool waiting = p->waiting >> a & 1;
			unsigned more = waiting || !p->free;

			if (a == p->chosen || !(enabled || waiting) ||
			    cost + more > PREEMPTIONS)
				continue;
			add(item, i, a, cost + more);
		}
	}
}

static uint32_t pick(struct queue *q, bool any)
{
	size_t i = q->n - 1;
	uint32_t item;

	if (any) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		i = (size_t)((seed >> 11) % q->n);
	}
	item = q->item[i];
	q->item[i] = q->item[--q->n];
	return item;
}

static void tell(const char *name, const struct schedule *s)
{
	char text[MAX_CHOICES * 12] = "-";
	size_t at = 0;

	for (unsigned i = 0; i < s->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u:%u",
				       i ? "," : "", s->choice[i].point,
				       s->choice[i].actor);
	diag("%s: %s", name, run.failure);
	diag("again, point by point: test-explore %s %s", name, text);
}

static void clear(void)
{
	for (unsigned i = 0; i <= PREEMPTIONS; i++)
		queues[i].n = queues[i].tried = queues[i].seen = 0;
	n_items = 0;
	timeouts = 0;
	seed = UINT64_C(0x9e3779b97f4a7c15);
}

/* Tries the schedules of this many preemptions. False: one fails. */
static bool try_queue(const struct scenario *s, unsigned cost, uint64_t most)
{
	struct queue *q = &queues[cost];
	struct schedule schedule;

	while (q->n > 0 && q->tried < most) {
		uint32_t item = pick(q, most < UINT64_MAX);

		write_down(item, &schedule);
		q->tried++;
		world_restore();
		if (!run_schedule(s, &schedule, false)) {
			tell(s->name, &schedule);
			return false;
		}
		timeouts += run.timeouts > 0;
		branch(item, &schedule, cost);
	}
	return true;
}

static uint64_t limit(void)
{
	const char *n = test_env("FW_SCHEDULES", "");

	if (*n)
		return strtoull(n, NULL, 0);
	return *test_env("FW_LONG", "") ? UINT64_MAX : QUICK;
}

static uint64_t ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void summary(const struct scenario *s, uint64_t began, bool good)
{
	uint64_t tried = 0, left = 0;

	for (unsigned i = 0; i <= PREEMPTIONS; i++) {
		tried += queues[i].tried;
		left += queues[i].n;
	}
	diag("%s: %llu schedules (%llu + %llu + %llu with 0, 1, 2 "
	     "preemptions), %s, %llu ms",
	     s->name, (unsigned long long)tried,
	     (unsigned long long)queues[0].tried,
	     (unsigned long long)queues[1].tried,
	     (unsigned long long)queues[2].tried,
	     !good  ? "the last one fails"
	     : left ? "a sample"
		    : "all there are",
	     (unsigned long long)(ms() - began));
	if (good && left)
		diag("%s: %llu known schedules not tried", s->name,
		     (unsigned long long)left);
	if (timeouts)
		diag("%s: in %llu of them a wait for frames timed out", s->name,
		     (unsigned long long)timeouts);
}

static bool search(const struct scenario *s)
{
	uint64_t most = limit(), rest = most, began = ms();
	bool good = true;

	clear();
	add(NONE, 0, 0, 0); /* item 0: no choice at all */
	for (unsigned cost = 0; good && cost <= PREEMPTIONS; cost++) {
		uint64_t share = rest / (PREEMPTIONS + 1 - cost);

		reached = cost;
		good = try_queue(s, cost, most == UINT64_MAX ? most : share);
		rest -= queues[cost].tried;
	}
	summary(s, began, good);
	return good;
}

/* ---- one schedule again ----------------------------------------------- */

/* With arguments, only that scenario is run. */
__attribute__((constructor)) static void only(int argc, char **argv)
{
	if (argc > 1)
		setenv("FW_TEST", argv[1], 1);
}

static bool read_schedule(const char *text, struct schedule *ret)
{
	char *end;

	ret->n = 0;
	if (*text == '-')
		return true;
	while (ret->n < MAX_CHOICES) {
		struct choice *c = &ret->choice[ret->n++];

		c->point = (uint32_t)strtoul(text, &end, 10);
		if (*end != ':')
			return false;
		c->actor = (uint32_t)strtoul(end + 1, &end, 10);
		if (*end != ',')
			return *end == '\0';
		text = end + 1;
	}
	return false;
}

static void again(const struct scenario *s)
{
	struct schedule schedule;

	if (!ok(read_schedule(test_argv[2], &schedule),
		"POINT:ACTOR,POINT:ACTOR..."))
		return;
	ok(run_schedule(s, &schedule, true), "%s", run.failure);
}

void explore(const struct scenario *s)
{
	if (test_argc > 1 && strcmp(test_argv[1], s->name) != 0)
		skip("another scenario");
	world_build(s);
	if (test_argc > 2)
		again(s);
	else if (!s->broken)
		ok(search(s), "%s", run.failure);
	else if (ok(!search(s), "something is wrong, and is not found"))
		is_u64(reached, s->needs, "preemptions that it takes");
	world_free();
	scene = NULL;
}
