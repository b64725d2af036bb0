/* SPDX-License-Identifier: MIT */
/*
 * worker.c - the system process's threads, one for each kernel thread of the
 * core (mm/balance.c): those that write and the zero page thread sleep until
 * they are kicked (kick.h) and look once a second on their own, the one that
 * balances only that.
 * They keep the default priority: a thread that is preempted while it holds
 * the mm lock holds up every fault of the run, and on two busy CPUs an idle
 * or nice thread is not scheduled again for tens of milliseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <x86intrin.h>

#include "arch/host/kick.h"
#include "arch/host/system/system.h"

#define SLEEP_MS 1000
#define START_MS 10

struct worker {
	const char *name;
	struct fw_mm *mm;
	struct fw_actor *actor;
	/* one step of the core's; false when there is nothing to do */
	bool (*tick)(struct fw_mm *mm, struct fw_actor *actor);
	uint32_t *kicked; /* whom nobody kicks has `never` */
	uint32_t never;
};

/* The first step of each second looks at the second that went by. */
static bool balance_tick(struct fw_mm *mm, struct fw_actor *actor)
{
	static bool going_on;
	static uint64_t seen;

	if (!going_on) {
		uint64_t now = __rdtsc();

		fw_balance_second(mm, actor, seen ? now - seen : 0);
		seen = now;
	}
	going_on = fw_balance_tick(mm, actor);
	return going_on;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	prctl(PR_SET_NAME, w->name);
	port_enter(w->actor);
	/* a program that ends at once needs no frames made ready */
	port_futex_wait(w->kicked, KICK_ASLEEP, START_MS);
	for (;;) {
		kick_awake(w->kicked);
		while (w->tick(w->mm, w->actor))
			;
		if (kick_asleep(w->kicked))
			port_futex_wait(w->kicked, KICK_ASLEEP, SLEEP_MS);
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
		[FW_KTHREAD_WRITER] = {.name = "fw-writer",
				       .tick = fw_writer_tick},
		[FW_KTHREAD_MAPPED] = {.name = "fw-mapped",
				       .tick = fw_mapped_tick},
		[FW_KTHREAD_ZERO] = {.name = "fw-ready", .tick = fw_zero_tick},
		[FW_KTHREADS] = {.name = "fw-balance", .tick = balance_tick},
	};
	int error;

	for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++) {
		workers[i].mm = mm;
		workers[i].kicked = i < FW_KTHREADS ? &run->kicked[i] :
						      &workers[i].never;
		if (fw_actor_create(mm, actor, &workers[i].actor) != FW_OK)
			return ENOMEM;
		error = worker_start(&workers[i]);
		if (error)
			return error;
	}
	return 0;
}
