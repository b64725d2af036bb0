/* SPDX-License-Identifier: MIT */
/*
 * explore.h - interleavings of a few actors in the core, one after another.
 *
 * Each actor is a fiber that runs the core on the software MMU. The port's
 * locks, waits, wake-ups, flushes, its I/O and each access of a CPU are points
 * at which the scheduler may let another actor go on. A schedule is the list
 * of the points at which it did not do the ordinary thing. To leave an actor
 * that could go on is a preemption; where it blocks, waits, does I/O or ends,
 * the choice is free. All schedules with up to two preemptions are tried, each
 * from the same state of the machine, those with fewer preemptions first.
 *
 * Found are: deadlocks, waits that nobody ends, actors that get nowhere,
 * failed assertions, what mm_verify finds at a switch or at the end, wrong
 * data, and whatever is left when all spaces are gone. The memory is
 * sequentially consistent: what weaker hardware might do is not seen.
 *
 *	test-explore			all scenarios
 *	test-explore SCENARIO SCHEDULE	one schedule again, point by point
 *
 * FW_LONG=1: all schedules; else a sample, by seed, where there are many.
 * FW_SCHEDULES=N: as many of each scenario at most.
 *
 * Files: fiber.c (actors and points), port.c (locks, waits, I/O), world.c (the
 * machine, its snapshot, its end), search.c (which schedules), scenes_*.c.
 */
#ifndef FAULTWISE_TESTS_EXPLORE_H
#define FAULTWISE_TESTS_EXPLORE_H

#include "../unit/machine.h"

#define ACTORS 3
#define CPUS 6
#define PAGES 8 /* of the region at BASE */

/* ---- scenarios -------------------------------------------------------- */

/* What the port does wrong, so that something is found. */
enum defect {
	DEFECT_NONE,
	DEFECT_LOST_WAKE,  /* wakes nobody */
	DEFECT_SHORT_WAIT, /* waits without a look at the word */
	DEFECT_LOST_FLUSH, /* leaves translations where they are */
	DEFECT_OPEN_LOCK,  /* lets two into a space lock */
};

struct scenario {
	const char *name;
	unsigned actors;
	void (*setup)(void); /* on the machine, once */
	void (*run[ACTORS])(struct soft_cpu *me);
	void (*finish)(void); /* when all have ended; may be NULL */
	uint32_t stripes, policy;
	uint32_t store; /* frames of the compressed store */
	bool fine; /* each journalled store is a point as well */
	/* Something is wrong, and must be found with so many preemptions. */
	bool broken;
	unsigned needs;
	enum defect defect;
};

/* Explores all of it; the test fails with the first schedule that does. */
void explore(const struct scenario *s);

/* clang-format off */
#define SCENARIO(id, rows, ...)                                       \
	TEST(id, rows)                                                \
	{                                                             \
		static const struct scenario scenario = {             \
			.name = #id, __VA_ARGS__};                    \
		explore(&scenario);                                   \
	}
/* The same with the space lock in two stripes as well, where it may be. */
#if FW_LEVELS == 2
#define SCENARIOS SCENARIO
#else
#define SCENARIOS(id, rows, ...)                                      \
	SCENARIO(id, rows, __VA_ARGS__)                               \
	SCENARIO(id##_striped, rows, .stripes = 2, __VA_ARGS__)
#endif
/* clang-format on */

/* ---- what scenarios are made of (world.c) ----------------------------- */

struct world {
	struct soft *s;
	struct soft_cpu *cpu[CPUS]; /* by actor; then those that fork made */
	struct fw_actor *judge;	    /* who verifies */
	struct fw_section *section;
	struct soft_config config;
	uint64_t in_use;       /* frames, before there was any space */
	unsigned errors;       /* I/O requests that are still to fail */
	unsigned fail_io;      /* ... those of this kind (enum soft_io) */
	uint64_t note[ACTORS]; /* the scenario's own */
	const char *text[ACTORS];
};
extern struct world *w;

/* CPU i in the space of CPU `of`, or in one of its own when they are equal. */
void add_cpu(unsigned i, unsigned of);
/* A region of PAGES pages at BASE in the space of this CPU. */
void map_at(struct soft_cpu *cpu, fw_addr at, uint32_t flags);
/* Page i of it, which holds value_of(i) at first. */
#define PAGE_AT(i) (BASE + (i)*PAGE)
uint64_t value_of(unsigned page);
void fill(struct soft_cpu *cpu, unsigned pages);
/* The pages of the space leave it; and are written; and lose their frames. */
void push_out(struct soft_cpu *cpu);
void write_out(void);
void drop_standby(struct fw_actor *actor);
void page_out(struct soft_cpu *cpu);
/* Where more than one file begins: three CPUs in one space; with a region at
 * BASE that has some pages; with two, which are then out, or modified. */
void three_cpus(void);
void three_with(uint32_t flags, unsigned pages);
void two_pages(void);
void two_pages_out(void);
void two_pages_modified(void);
/* Accesses by actors. The first two must succeed. */
void put(struct soft_cpu *cpu, fw_addr at, uint64_t value);
uint64_t get(struct soft_cpu *cpu, fw_addr at);
/* FW_KIND_COUNT, or why not. */
enum fw_kind try_put(struct soft_cpu *cpu, fw_addr at, uint64_t value);
enum fw_kind try_get(struct soft_cpu *cpu, fw_addr at, uint64_t *ret);
#define DONE FW_KIND_COUNT
/* What actors do in more than one file. */
void trim(struct soft_cpu *me);
void trim_and_reuse(struct soft_cpu *me); /* ... and standby is used up */
void write_and_reuse(struct soft_cpu *me);
void write_first(struct soft_cpu *me); /* 7 into the first page */
void unmap(struct soft_cpu *me);
void exit_now(struct soft_cpu *me);
/* Ends the schedule as failed, unless. */
void want(bool cond, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void want_value(struct soft_cpu *cpu, fw_addr at, uint64_t value);

/* ---- for search.c ----------------------------------------------------- */

void world_build(const struct scenario *s);
void world_restore(void);
void world_free(void);
/* What must hold at the end of each schedule; ends all spaces. */
void world_check(const struct scenario *s);
/* Memory that a restore gives its old content: see port.c. */
void *arena_alloc(size_t size);
bool arena_owns(const void *p);

/* ---- fiber.c ---------------------------------------------------------- */

enum point_kind {
	AT_START,
	AT_LOCK,
	AT_BLOCKED,
	AT_UNLOCK,
	AT_ACCESS,
	AT_FLUSH,
	AT_WAIT,
	AT_WAITS,
	AT_WAKE,
	AT_IO,
	AT_IO_DONE,
	AT_STORE,
	AT_END,
	POINT_KINDS
};

/* One decision: who could go on, who waits, and who did go on. */
struct point {
	uint8_t kind, actor, chosen, free;
	uint8_t enabled, waiting; /* one bit an actor */
};

/* At this point, that one. */
struct choice {
	uint32_t point;
	uint32_t actor;
};

#define MAX_POINTS 6000 /* of a schedule, before it counts as endless */
#define MAX_CHOICES 64

struct schedule {
	struct choice choice[MAX_CHOICES];
	unsigned n;
};

struct run {
	struct point point[MAX_POINTS];
	unsigned n;
	char failure[300]; /* empty: none */
	unsigned timeouts;
};
extern struct run run;
extern const struct scenario *scene;

/* Runs the scenario by this schedule, then its end. False: run.failure. */
bool run_schedule(const struct scenario *s, const struct schedule *schedule,
		  bool trace);
/* The fiber that runs: an actor, or ACTORS for what is not scheduled. */
unsigned running(void);
/* Others may go on here. Free: the actor blocks, and can go on at once. */
void point(enum point_kind kind, const void *what, bool free);
/* ... until *word is 0. */
void block_on(const uint32_t *word);
/* Until somebody wakes those who wait for the word. */
void wait_for(const uint32_t *word, bool timeout);
void wake_all(const uint32_t *word);
/* Gives up unless mm_verify is content. */
void verify(const char *when);
_Noreturn void give_up(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* ---- port.c ----------------------------------------------------------- */

void port_reset(void);
/* The machine calls us at its steps and for each I/O. */
void port_attach(void);
/* No actor is in a section of the mm lock. */
bool port_quiet(void);
const char *port_name(const void *lock, char *buffer, size_t size);

#endif
