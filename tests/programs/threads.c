/* SPDX-License-Identifier: MIT */
/*
 * threads - creation, joining, locks, conditions, timeouts, thread-local
 * storage, cancellation, robust locks, a fork among threads, and mappings
 * that are replaced under the eyes of others.
 */
#include "prog.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#define THREADS 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long shared_count, turn;
static _Thread_local uint64_t local = 17, local_array[1000];

static void *add(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg;

	must(local == 17);
	local = me;
	for (unsigned i = 0; i < 1000; i++)
		local_array[i] = mix(me + i);
	for (unsigned i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		shared_count++;
		pthread_mutex_unlock(&lock);
	}
	for (unsigned i = 0; i < 1000; i++)
		must(local_array[i] == mix(me + i));
	must(local == me);
	return arg;
}

static void counting(void)
{
	pthread_t t[THREADS];
	void *result;

	for (uintptr_t i = 0; i < THREADS; i++)
		must(!pthread_create(&t[i], NULL, add, (void *)i));
	for (uintptr_t i = 0; i < THREADS; i++) {
		must(!pthread_join(t[i], &result));
		must(result == (void *)i);
	}
	printf("counted %ld\n", shared_count);
}

static void *nothing(void *arg)
{
	return arg;
}

static void churn(void)
{
	pthread_t t;
	void *result;

	for (uintptr_t i = 0; i < 300; i++) {
		must(!pthread_create(&t, NULL, nothing, (void *)i));
		must(!pthread_join(t, &result) && result == (void *)i);
	}
	printf("300 created and joined\n");
}

static void *take_turns(void *arg)
{
	long me = (long)(intptr_t)arg;

	for (unsigned i = 0; i < 200; i++) {
		pthread_mutex_lock(&lock);
		while (turn % 4 != me)
			pthread_cond_wait(&cond, &lock);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void turns(void)
{
	pthread_t t[4];

	for (intptr_t i = 0; i < 4; i++)
		must(!pthread_create(&t[i], NULL, take_turns, (void *)i));
	for (unsigned i = 0; i < 4; i++)
		must(!pthread_join(t[i], NULL));
	printf("turns %ld\n", turn);
}

static void *use_stack(void *arg)
{
	volatile uint64_t deep[100000];

	for (unsigned i = 0; i < 100000; i++)
		deep[i] = mix(i);
	for (unsigned i = 0; i < 100000; i++)
		must(deep[i] == mix(i));
	return arg;
}

static void big_stacks(void)
{
	pthread_t t[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		must(!pthread_create(&t[i], NULL, use_stack, NULL));
	for (unsigned i = 0; i < THREADS; i++)
		must(!pthread_join(t[i], NULL));
	printf("stacks used\n");
}

static void timeout(void)
{
	struct timespec until;
	int ret;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&lock);
	ret = pthread_cond_timedwait(&cond, &lock, &until);
	pthread_mutex_unlock(&lock);
	printf("timed wait: %d\n", ret);
}

static void *sleep_long(void *arg)
{
	for (;;)
		sleep(100);
	return arg;
}

static void cancel(void)
{
	pthread_t t;
	void *result;

	must(!pthread_create(&t, NULL, sleep_long, NULL));
	usleep(1000);
	must(!pthread_cancel(t));
	must(!pthread_join(t, &result));
	printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

static void *die_holding(void *arg)
{
	must(!pthread_mutex_lock(arg));
	return NULL;
}

/* The host walks a dead thread's robust list; so must we. */
static void robust(void)
{
	pthread_mutex_t *m = map_anon(PAGE, 1);
	pthread_mutexattr_t attr;
	pthread_t t;
	pid_t pid;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	must(!pthread_mutex_init(m, &attr));
	must(!pthread_create(&t, NULL, die_holding, m));
	must(!pthread_join(t, NULL));
	printf("owner thread gone: %d\n",
	       pthread_mutex_lock(m) == EOWNERDEAD);
	must(!pthread_mutex_consistent(m));
	must(!pthread_mutex_unlock(m));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!pthread_mutex_lock(m));
		_exit(0);
	}
	must(wait_for(pid) == 0);
	printf("owner process gone: %d\n",
	       pthread_mutex_lock(m) == EOWNERDEAD);
	must(!pthread_mutex_consistent(m));
	must(!pthread_mutex_unlock(m));
}

static volatile bool stop;

static void *dirty(void *arg)
{
	uint64_t *m = map_anon(MIB, 0);

	for (uint64_t i = 0; !stop; i++)
		m[mix(i) % (MIB / 8)] = i;
	return arg;
}

/* Forks while other threads write: the child sees a copy and lives alone. */
static void fork_among(void)
{
	pthread_t t[2];

	for (unsigned i = 0; i < 2; i++)
		must(!pthread_create(&t[i], NULL, dirty, NULL));
	for (unsigned i = 0; i < 50; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			must(syscall(SYS_gettid) == getpid());
			must(local == 17);
			_exit(3);
		}
		must(wait_for(pid) == 3);
	}
	stop = true;
	for (unsigned i = 0; i < 2; i++)
		must(!pthread_join(t[i], NULL));
	printf("forked 50 times among threads\n");
}

#define PART (16 * PAGE)

static char *place;
static volatile bool enough;

/* Takes whatever place is free for a moment. */
static void *map_and_unmap(void *arg)
{
	while (!enough) {
		char *p = map_anon(PART, 0);

		p[0] = 1;
		must(!munmap(p, PART));
	}
	return arg;
}

/* There is always something, and always the same. */
static void *look_on(void *arg)
{
	while (!enough)
		for (unsigned i = 0; i < 16; i++)
			must(((volatile char *)place)[i * PAGE] == 5);
	return arg;
}

static void replace_among(void)
{
	pthread_t t[2];

	place = map_anon(2 * PART, 0);
	memset(place, 5, 2 * PART);
	must(!pthread_create(&t[0], NULL, map_and_unmap, NULL));
	must(!pthread_create(&t[1], NULL, look_on, NULL));
	for (unsigned i = 0; i < 1500; i++) {
		char *p = map_anon(PART, 0);

		memset(p, 5, PART);
		/* Where it is looked at, and with a part that grows. */
		must(mremap(p, PART, PART, MREMAP_MAYMOVE | MREMAP_FIXED,
			    place) == place);
		p = map_anon(PART, 0);
		p[0] = 6;
		must(mremap(p, PART, PART + PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    place + PART) == place + PART);
		must(place[PART] == 6 && !place[2 * PART]);
		must(!munmap(place + 2 * PART, PAGE));
	}
	enough = true;
	for (unsigned i = 0; i < 2; i++)
		must(!pthread_join(t[i], NULL));
	must(!munmap(place, 2 * PART));
	printf("replaced among threads\n");
}

/* Removing needs no place of its own. */
static void remove_among(void)
{
	char *p = map_anon(PART, 1);
	pthread_t t;

	enough = false;
	must(!pthread_create(&t, NULL, map_and_unmap, NULL));
	for (unsigned i = 0; i < 1500; i++) {
		p[0] = 1;
		must(!madvise(p, PART, MADV_REMOVE));
		must(!p[0]);
	}
	enough = true;
	must(!pthread_join(t, NULL));
	must(!munmap(p, PART));
	printf("removed among threads\n");
}

static void *exit_main(void *arg)
{
	must(!pthread_join(*(pthread_t *)arg, NULL));
	printf("outlived the main thread\n");
	exit(0);
}

int main(void)
{
	static pthread_t self, t;

	setbuf(stdout, NULL);
	counting();
	churn();
	turns();
	big_stacks();
	timeout();
	cancel();
	robust();
	fork_among();
	replace_among();
	remove_among();
	self = pthread_self();
	must(!pthread_create(&t, NULL, exit_main, &self));
	pthread_exit(NULL);
}
