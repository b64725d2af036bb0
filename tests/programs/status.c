/* SPDX-License-Identifier: MIT */
/*
 * status [exit N | kill N | group N] - ends as told; without arguments, runs
 * every exit code and every deadly signal in children and prints what the
 * parent sees.
 */
#include "prog.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static void *end_group(void *arg)
{
	exit((int)(intptr_t)arg);
}

static void do_end(const char *how, int n)
{
	struct rlimit none = {0, 0};
	pthread_t thread;

	setrlimit(RLIMIT_CORE, &none);
	if (!strcmp(how, "exit"))
		_exit(n);
	if (!strcmp(how, "kill")) {
		signal(n, SIG_DFL);
		raise(n);
		pause();
	}
	must(!pthread_create(&thread, NULL, end_group, (void *)(intptr_t)n));
	for (;;)
		pause();
}

static int in_child(const char *how, int n)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid)
		do_end(how, n);
	return wait_for(pid);
}

int main(int argc, char **argv)
{
	static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP,
		SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2,
		SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
		SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR, SIGSYS};

	setbuf(stdout, NULL);
	if (argc > 2)
		do_end(argv[1], atoi(argv[2]));
	for (int n = 0; n < 256; n++)
		must(in_child("exit", n) == n);
	printf("256 exit codes\n");
	for (unsigned i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
		printf("signal %d: %d\n", deadly[i],
		       in_child("kill", deadly[i]));
	printf("real-time: %d\n", in_child("kill", SIGRTMIN + 3));
	printf("exit of a thread: %d\n", in_child("group", 42));
	return 0;
}
