/* SPDX-License-Identifier: MIT */
/*
 * births - how processes begin and what is left when they have ended: what
 * clone and clone3 accept, files that only the dead had, robust mutexes of
 * processes that are killed.
 */
#include "prog.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>

#define CLEAR_SIGHAND 0x100000000ull /* of clone3 */

/* ---- clone -------------------------------------------------------------- */

struct args { /* struct clone_args, and some more */
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
	uint64_t stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup, more[2];
};

static volatile int handled;

static void note(int sig)
{
	(void)sig;
	handled++;
}

static int disposition(int sig)
{
	struct sigaction act;

	must(!sigaction(sig, NULL, &act));
	if (act.sa_handler == SIG_DFL)
		return 0;
	return act.sa_handler == SIG_IGN ? 1 : 2;
}

static long clone3(struct args *args, size_t size)
{
	long pid = syscall(SYS_clone3, args, size);

	if (pid == 0)
		_exit(disposition(SIGUSR1) * 3 + disposition(SIGUSR2));
	return pid;
}

static void say(const char *what, struct args args, size_t size)
{
	long pid = clone3(&args, size);

	if (pid < 0)
		printf("%s: %s\n", what, strerror(errno));
	else
		printf("%s: %d\n", what, wait_for((pid_t)pid));
}

static void arguments(void)
{
	const struct args plain = {.exit_signal = SIGCHLD};
	struct args a = plain;
	uint32_t word;

	signal(SIGUSR1, note);
	signal(SIGUSR2, SIG_IGN);
	say("plain", plain, 64);
	say("longer", plain, sizeof(plain));
	say("too short", plain, 63);
	say("too long", plain, 5000);
	a.more[1] = 1;
	say("unknown", a, sizeof(a));
	a = plain;
	a.stack_size = PAGE;
	say("no stack", a, 64);
	a = plain;
	a.set_tid_size = 1;
	say("no number", a, 88);
	a = plain;
	a.flags = CLEAR_SIGHAND;
	say("without handlers", a, 64);
	a.flags |= CLONE_SIGHAND | CLONE_VM;
	say("with and without", a, 64);
	must(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0,
		     &word, 0, 0) == -1);
	printf("one word for two: %s\n", strerror(errno));
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

/* ---- files of the dead -------------------------------------------------- */

/* A lock that the child had with us is free when we have closed the file and
 * the child has ended, or has become a program that did. */
static void locks_of_the_dead(void)
{
	int fd, again;
	pid_t pid;

	fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0);
	for (unsigned i = 0; i < 60; i++) {
		again = open("lock", O_RDWR | O_CLOEXEC);
		must(again >= 0 && !flock(again, LOCK_EX | LOCK_NB));
		pid = fork();
		must(pid >= 0);
		if (!pid && i % 2)
			_exit(0);
		if (!pid) {
			execl("/proc/self/exe", "births", "rest", NULL);
			_exit(9);
		}
		must(!close(again) && wait_for(pid) == 0);
		must(!flock(fd, LOCK_EX | LOCK_NB) && !flock(fd, LOCK_UN));
	}
	must(!close(fd) && !unlink("lock"));
	printf("locks of the dead: ok\n");
}

/* ---- robust mutexes ----------------------------------------------------- */

static struct {
	pthread_mutex_t mutex;
	volatile int held;
} *shared;

static void *hold(void *arg)
{
	must(!pthread_mutex_lock(&shared->mutex));
	shared->held = 1;
	for (;;)
		pause();
	return arg;
}

static _Noreturn void holder(bool itself)
{
	pthread_t thread;

	if (itself)
		hold(NULL);
	must(!pthread_create(&thread, NULL, hold, NULL));
	while (!shared->held)
		usleep(100);
	_exit(0); /* and with us the thread that holds it */
}

/* The owner has died (of the signal `how`, if there is one), and we are told,
 * whether we wait or come later. */
static void owner_dies(const char *what, int how, bool later)
{
	struct timespec until;
	pid_t pid;

	shared->held = 0;
	pid = fork();
	must(pid >= 0);
	if (!pid)
		holder(how != 0);
	while (!shared->held)
		usleep(100);
	must(!kill(pid, how));
	if (later)
		wait_for(pid);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	printf("%s: %s\n", what,
	       strerror(pthread_mutex_timedlock(&shared->mutex, &until)));
	must(!pthread_mutex_consistent(&shared->mutex));
	must(!pthread_mutex_unlock(&shared->mutex));
	if (!later)
		wait_for(pid);
}

static void robust(int protocol)
{
	pthread_mutexattr_t attr;

	shared = map_anon(PAGE, 1);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&attr, protocol);
	must(!pthread_mutex_init(&shared->mutex, &attr));
	owner_dies("killed", SIGKILL, true);
	owner_dies("killed while we wait", SIGKILL, false);
	owner_dies("ended by a signal", SIGTERM, true);
	owner_dies("a thread of one that ends", 0, true);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	setbuf(stdout, NULL);
	arguments();
	locks_of_the_dead();
	robust(PTHREAD_PRIO_NONE);
	robust(PTHREAD_PRIO_INHERIT);
	return 0;
}
