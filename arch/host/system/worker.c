/* SPDX-License-Identifier: MIT */
/*
 * worker.c - the system process's threads: one writes modified pages, one
 * zeroes free frames and touches new ones before they are needed.
 *
 * Both sleep on the run's kick word and look once a second on their own.
 * They keep the default priority: a thread that is preempted while it holds
 * the mm lock holds up every fault of the run, and on two busy CPUs an idle
 * or nice thread is not scheduled again for tens of milliseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "arch/host/system/system.h"

#define STEP 64
#define SLEEP_MS 1000
#define START_MS 10

struct worker {
	const char *name;
	struct fw_mm *mm;
	struct fw_run *run;
	struct fw_actor *actor;
	/* does some work; false when there is nothing to do */
	bool (*work)(struct worker *w);
};

static bool write_some(struct worker *w)
{
	struct fw_pressure p;

	fw_pressure(w->mm, &p);
	return p.want_write && fw_write_modified(w->mm, w->actor, STEP);
}

static bool ready_some(struct worker *w)
{
	struct fw_pressure p;

	fw_pressure(w->mm, &p);
	if (p.want_zero && fw_zero_frames(w->mm, w->actor, STEP))
		return true;
	return p.want_touch && fw_touch_frames(w->mm, w->actor, STEP);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	prctl(PR_SET_NAME, w->name);
	port_enter(w->actor);
	/* a program that ends at once needs no frames made ready */
	port_futex_wait(&w->run->kick_word, 0, START_MS);
	for (;;) {
		uint32_t seen =
			__atomic_load_n(&w->run->kick_word, __ATOMIC_ACQUIRE);

		while (w->work(w))
			;
		port_futex_wait(&w->run->kick_word, seen, SLEEP_MS);
	}
	return NULL;
}

static int worker_start(struct worker *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 << 10);
	error = pthread_create(&thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	return error;
}

int workers_start(struct fw_mm *mm, struct fw_run *run, struct fw_actor *actor)
{
	static struct worker workers[] = {
		{.name = "fw-writer", .work = write_some},
		{.name = "fw-ready", .work = ready_some},
	};
	int error;

	for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++) {
		workers[i].mm = mm;
		workers[i].run = run;
		if (fw_actor_create(mm, actor, &workers[i].actor) != FW_OK)
			return ENOMEM;
		error = worker_start(&workers[i]);
		if (error)
			return error;
	}
	return 0;
}
