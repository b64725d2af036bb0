/* SPDX-License-Identifier: MIT */
/*
 * children - a subreaper and its children: those that it made, and those that
 * others left behind. It meets each once, and nobody else; no SIGCHLD
 * comes when there is nobody to wait for.
 */
#include "prog.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile int told, strange;

static void on_child(int sig, siginfo_t *info, void *uc)
{
	siginfo_t found = {.si_pid = 0};
	int error = errno;

	(void)sig;
	(void)uc;
	told++;
	/* Nobody to wait for: whose end is it? */
	if (waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) ||
	    found.si_pid != info->si_pid)
		strange++;
	errno = error;
}

/* Waits for all there are; how many, the sum of what they say at their end. */
static void wait_all(const char *title)
{
	int n = 0, sum = 0, st = -1;

	while (wait(&st) > 0) {
		n++;
		sum += outcome(st);
		st = -1;
	}
	printf("%s: %d children, sum %d, errno %s, status %d\n", title, n, sum,
	       strerrorname_np(errno), st);
}

static int in_stack(void *arg)
{
	return *(int *)arg;
}

static void of_all_kinds(void)
{
	static char stack[65536];
	char *const yes[] = {"true", NULL};
	int eleven = 11;
	pid_t pid;

	for (int i = 0; i < 9; i++) {
		if (i % 3 == 0)
			pid = fork();
		else if (i % 3 == 1)
			pid = clone(in_stack, stack + sizeof(stack), SIGCHLD,
				    &eleven);
		else
			pid = clone(in_stack, stack + sizeof(stack),
				    CLONE_VM | CLONE_VFORK | SIGCHLD, &eleven);
		if (!pid)
			_exit(6);
		must(wait_for(pid) == (i % 3 ? 11 : 6));
	}
	must(!posix_spawnp(&pid, "true", NULL, NULL, yes, environ));
	wait_all("of all kinds");
}

/* A child that makes others and ends, or is killed, before they do. */
static void orphans(bool killed)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		for (int i = 1; i <= 5; i++) {
			if (fork())
				continue;
			usleep(20000);
			_exit(i);
		}
		if (killed)
			kill(getpid(), SIGKILL);
		_exit(8);
	}
	wait_all(killed ? "orphans of one that was killed" : "orphans");
}

/* The same of programs: their images have left agents behind. */
static void programs(void)
{
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			execl("/bin/sh", "sh", "-c",
			      "(sleep 0.02; exit 3) & (exec sh -c 'exit 4') & "
			      "exec sh -c 'kill -9 $$'", NULL);
			_exit(1);
		}
	}
	wait_all("programs");
}

static void by_waitid(void)
{
	siginfo_t info;
	int n = 0, same = 0;

	for (int i = 0; i < 4; i++)
		if (!fork())
			_exit(i);
	for (;;) {
		pid_t pid;

		memset(&info, 0x55, sizeof(info));
		if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT))
			break;
		pid = info.si_pid;
		must(info.si_code == CLD_EXITED && info.si_status < 4);
		same += waitpid(pid, NULL, 0) == pid;
		n++;
	}
	printf("by waitid: %d, %d the same, %s\n", n, same,
	       strerrorname_np(errno));
}

/* As a supervisor does: the signal is blocked, and taken out. */
static void by_signal(void)
{
	const struct timespec limit = {2, 0}, short_time = {0, 300000000};
	siginfo_t info;
	sigset_t set;
	int known = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		must(sigtimedwait(&set, &info, &limit) == SIGCHLD);
		known += info.si_pid == pid && info.si_status == i;
		must(wait_for(pid) == i);
	}
	printf("by signal: %d known\n", known);
	printf("no more: %d\n", sigtimedwait(&set, &info, &short_time));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void by_handler(void)
{
	struct sigaction act = {.sa_sigaction = on_child,
				.sa_flags = SA_SIGINFO | SA_RESTART};
	int n = 0, found;

	sigaction(SIGCHLD, &act, NULL);
	for (int i = 0; i < 10; i++) {
		int before = told;
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		while (told == before)
			sched_yield();
		found = waitpid(-1, NULL, WNOHANG) == pid;
		n += found;
	}
	usleep(300000);
	/* An end may be told more than once. */
	printf("by handler: %d, told %s, %d strange\n", n,
	       told < 10 ? "too seldom" : told < 30 ? "of all" : "too often",
	       strange);
	signal(SIGCHLD, SIG_DFL);
	wait_all("afterwards");
}

/* The limit leaves room for one more process, and none for what it needs of its
 * own (an agent), until another ends. Of a user that nobody else is. */
static void last_process(void)
{
	struct rlimit l;
	pid_t sleeper, pid = -1;
	int ready[2];
	char byte;

	must(geteuid() || !setuid(20000 + (unsigned)getpid() % 40000));
	must(!getrlimit(RLIMIT_NPROC, &l));
	must(!pipe(ready));
	sleeper = fork();
	must(sleeper >= 0);
	if (!sleeper) {
		must(write(ready[1], "", 1) == 1);
		usleep(300000);
		_exit(8);
	}
	must(read(ready[0], &byte, 1) == 1);
	for (l.rlim_cur = 1; pid < 0 && l.rlim_cur < l.rlim_max; l.rlim_cur++) {
		must(!setrlimit(RLIMIT_NPROC, &l));
		pid = fork();
		must(pid >= 0 || errno == EAGAIN);
	}
	if (!pid)
		_exit(9);
	must(wait_for(sleeper) == 8);
	printf("the last process: %d\n", wait_for(pid));
	_exit(0);
}

int main(void)
{
	must(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	setvbuf(stdout, NULL, _IOLBF, 0);
	of_all_kinds();
	orphans(false);
	orphans(true);
	programs();
	by_waitid();
	by_signal();
	by_handler();
	if (!fork())
		last_process();
	wait_all("its father");
	return 0;
}
