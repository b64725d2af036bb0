/* SPDX-License-Identifier: MIT */
/*
 * killed.c - random operations of processes that may die in the middle of
 * them, at any store of the core's; see model.h and death.c. A process that
 * died is buried; all others must find what the model says.
 *
 *	test-killed [seed [operations [frames]]]
 */
#include "model/model.h"

#include <setjmp.h>

#define DEATH_EVERY 12 /* operations; in so many of them somebody is doomed */

static jmp_buf out;
static unsigned long steps_left, deaths;
static struct space *running;

/* Asked by the process to trim another space: that one does not die of it. */
static bool keeper_works(void)
{
	if (pthread_mutex_trylock(&soft->keeper_lock))
		return true;
	pthread_mutex_unlock(&soft->keeper_lock);
	return false;
}

static void step(void *arg)
{
	(void)arg;
	if (keeper_works() || --steps_left)
		return;
	soft->step_hook = NULL;
	soft_locks_die();
	longjmp(out, 1);
}

static void bury(struct space *sp)
{
	struct fw_space *space = sp->cpu->space;
	unsigned living = 0;

	deaths++;
	soft_actor_died(soft, sp->cpu->actor);
	fw_actor_reap(soft->mm, soft->keeper, sp->cpu->actor->id);
	is_u64(soft_verify(soft), 0, "discrepancies after death %lu", deaths);
	soft_cpu_bury(sp->cpu);
	model_forget(sp);
	fw_space_destroy(soft->mm, soft->keeper, space);
	for (unsigned i = 0; i < SPACES; i++)
		living += spaces[i].cpu != NULL;
	if (!living)
		spaces[0].cpu = soft_cpu_create(soft, NULL);
}

/* An operation in which the process dies, if it has that many steps. */
static void doomed_op(void)
{
	running = any_space();
	doomed = true;
	if (setjmp(out)) {
		bury(running);
	} else {
		steps_left = 1 + rnd(rnd(2) ? 40 : 600);
		soft->step_hook = step;
		op(running, true);
		soft->step_hook = NULL;
	}
	doomed = false;
}

static void run(unsigned long seed)
{
	unsigned long steps = argument(2, long_run(60000, 1000000)), i;

	model_start(seed, (uint32_t)argument(3, 400));
	for (i = 0; i < steps && !test_failures(); i++) {
		if (rnd(DEATH_EVERY) == 0)
			doomed_op();
		else
			op(any_space(), false);
		if (i % VERIFY_EVERY == VERIFY_EVERY - 1)
			is_u64(soft_verify(soft), 0, "discrepancies");
	}
	if (test_failures()) {
		diag("failed at step %lu of seed %lu", i - 1, seed);
		return;
	}
	failing = false;
	check_all();
	diag("%lu deaths", deaths);
	ok(deaths > steps / 1000, "some died");
	tear_down();
}

TEST(random_deaths, "A04 A22 B33 B34 B45 B46 C48 C63 C74 C75")
{
	run(argument(1, 1));
}

TEST(random_deaths_in_stripes, "A22 B12 B33 B34 C48")
{
	run(argument(1, 1) + 1);
}
