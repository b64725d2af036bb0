/* SPDX-License-Identifier: MIT */
/*
 * sigs - signals: handlers, masks, alternate stacks, queues, jumps out of
 * handlers, restarted calls, and registers that must survive all of it.
 */
#include "prog.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>

static volatile int count, depth, deepest, value;
static volatile pid_t sender;
static sigjmp_buf back;

static void count_one(int sig)
{
	(void)sig;
	count++;
}

static void take_info(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	sender = info->si_pid;
	value = info->si_value.sival_int;
	count++;
}

static void nest(int sig)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth < 5)
		raise(sig);
	depth--;
}

static void jump(int sig)
{
	siglongjmp(back, sig);
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	must(!sigaction(sig, &sa, NULL));
}

static void basics(void)
{
	struct sigaction old, sa = {.sa_sigaction = take_info,
				    .sa_flags = SA_SIGINFO | SA_RESTART};
	union sigval v = {.sival_int = 4711};

	sigaddset(&sa.sa_mask, SIGUSR2);
	must(!sigaction(SIGUSR1, &sa, NULL));
	must(!sigaction(SIGUSR1, NULL, &old));
	printf("kept: %d %#x %d %d\n", old.sa_sigaction == take_info,
	       (unsigned)old.sa_flags, sigismember(&old.sa_mask, SIGUSR2),
	       sigismember(&old.sa_mask, SIGUSR1));
	must(!kill(getpid(), SIGUSR1));
	printf("kill: %d from me %d\n", count, sender == getpid());
	must(!sigqueue(getpid(), SIGUSR1, v));
	printf("queue: %d value %d\n", count, value);
	handle(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	printf("nested %d\n", deepest);
	deepest = 0;
	handle(SIGUSR1, count_one, (int)SA_RESETHAND);
	raise(SIGUSR1);
	must(!sigaction(SIGUSR1, NULL, &old));
	printf("reset: %d\n", old.sa_handler == SIG_DFL);
	errno = 0;
	printf("SIGKILL: %d", sigaction(SIGKILL, &sa, NULL));
	printf(" %d\n", errno);
}

static void masks(void)
{
	sigset_t set, old, pending;
	struct timespec none = {0, 0};
	siginfo_t info;

	handle(SIGUSR1, count_one, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGSYS);
	must(!sigprocmask(SIG_BLOCK, &set, &old));
	count = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	must(!sigpending(&pending));
	printf("blocked: %d pending %d\n", count,
	       sigismember(&pending, SIGUSR1));
	must(!sigprocmask(SIG_BLOCK, NULL, &set));
	printf("mask shows: %d %d %d\n", sigismember(&set, SIGUSR1),
	       sigismember(&set, SIGSEGV), sigismember(&set, SIGSYS));
	printf("suspend: %d", sigsuspend(&old));
	printf(" %d count %d\n", errno, count);
	raise(SIGUSR1);
	printf("timedwait: %d", sigtimedwait(&set, &info, &none));
	printf(" %d\n", info.si_signo);
	printf("timedwait: %d", sigtimedwait(&set, &info, &none));
	printf(" %d\n", errno);
	raise(SIGUSR1);
	must(!sigprocmask(SIG_SETMASK, &old, NULL));
	printf("unblocked: %d\n", count);
}

static void on_stack(int sig)
{
	stack_t now;
	char here;

	(void)sig;
	must(!sigaltstack(NULL, &now));
	count = (char *)now.ss_sp < &here &&
		&here < (char *)now.ss_sp + now.ss_size;
	value = now.ss_flags;
}

static void stacks(void)
{
	stack_t ss = {.ss_sp = map_anon(16 * PAGE, 0), .ss_size = 16 * PAGE};
	stack_t old;

	must(!sigaltstack(&ss, NULL));
	handle(SIGUSR2, on_stack, SA_ONSTACK);
	raise(SIGUSR2);
	printf("on the alternate stack: %d flags %d\n", count, value);
	handle(SIGUSR2, on_stack, 0);
	raise(SIGUSR2);
	printf("on the main stack: %d flags %d\n", count, value);
	ss.ss_flags = SS_DISABLE;
	must(!sigaltstack(&ss, &old));
	printf("old stack: %d %d\n", old.ss_sp == ss.ss_sp, old.ss_flags);
	ss.ss_size = 100;
	ss.ss_flags = 0;
	printf("small stack: %d", sigaltstack(&ss, NULL));
	printf(" %d\n", errno);
}

static void jumps(void)
{
	handle(SIGUSR1, jump, 0);
	for (int i = 0; i < 1000; i++)
		if (!sigsetjmp(back, 1))
			raise(SIGUSR1);
	if (!sigsetjmp(back, 1)) {
		kill(getpid(), SIGUSR1);
		must(0);
	}
	printf("jumped out of 1001 handlers\n");
}

static void tick(int on)
{
	struct itimerval t = {{0, on * 1000}, {0, on * 1000}};

	must(!setitimer(ITIMER_REAL, &t, NULL));
}

/* Floating point and vector registers under a signal each millisecond,
 * while memory is touched. */
static void registers(void)
{
	size_t n = 2 * MIB / 8;
	double *a = map_anon(n * 8, 0);
	double sum = 0;

	count = 0;
	handle(SIGALRM, count_one, SA_RESTART);
	tick(1);
	while (count < 200) {
		double s = 0;

		for (size_t i = 0; i < n; i++)
			a[i] = (double)i * 0.5;
		for (size_t i = 0; i < n; i++)
			s += a[i];
		must(sum == 0 || s == sum);
		sum = s;
	}
	tick(0);
	printf("sum %.1f under 200 signals\n", sum);
}

/* A blocked read: restarted with SA_RESTART, EINTR without. */
static void restarts(void)
{
	int fds[2];
	char c = 0;
	pid_t pid;

	must(!pipe(fds));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		usleep(50000);
		_exit(write(fds[1], "x", 1) != 1);
	}
	handle(SIGALRM, count_one, SA_RESTART);
	count = 0;
	tick(1);
	must(read(fds[0], &c, 1) == 1 && c == 'x');
	must(wait_for(pid) == 0);
	printf("read restarted: %d\n", count > 5);
	handle(SIGALRM, count_one, 0);
	printf("read interrupted: %zd", read(fds[0], &c, 1));
	printf(" %d\n", errno);
	tick(0);
	must(!close(fds[0]) && !close(fds[1]));
}

static void *wait_signal(void *arg)
{
	int sig;

	must(!sigwait(arg, &sig));
	return (void *)(intptr_t)sig;
}

static void to_threads(void)
{
	sigset_t set;
	pthread_t thread;
	void *result;
	struct signalfd_siginfo info;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!pthread_sigmask(SIG_BLOCK, &set, NULL));
	must(!pthread_create(&thread, NULL, wait_signal, &set));
	must(!pthread_kill(thread, SIGUSR1));
	must(!pthread_join(thread, &result));
	printf("thread got %ld\n", (long)(intptr_t)result);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	must(fd >= 0);
	raise(SIGUSR1);
	must(read(fd, &info, sizeof(info)) == sizeof(info));
	printf("signalfd got %u\n", info.ssi_signo);
	must(!close(fd));
}

static volatile int child_code, child_status;
static volatile pid_t child_pid;

static void on_child(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	child_code = info->si_code;
	child_status = info->si_status;
	child_pid = info->si_pid;
}

static void children(void)
{
	struct sigaction sa = {.sa_sigaction = on_child,
			       .sa_flags = SA_SIGINFO};
	sigset_t set, old;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	must(!sigprocmask(SIG_BLOCK, &set, &old));
	must(!sigaction(SIGCHLD, &sa, NULL));
	pid = fork();
	must(pid >= 0);
	if (!pid)
		_exit(9);
	while (!child_pid)
		sigsuspend(&old);
	printf("SIGCHLD: code %d status %d mine %d\n", child_code,
	       child_status, child_pid == pid);
	must(wait_for(pid) == 9);
	must(!sigprocmask(SIG_SETMASK, &old, NULL));
}

static volatile struct both {
	unsigned usr, segv;
} *both; /* shared with the sender */

static void count_both(int sig)
{
	if (sig == SIGUSR1)
		both->usr++;
	else
		both->segv++;
}

/* Sends two signals at once, again when both have been handled. */
static int send_both(pid_t to, unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		uint64_t until = now_ns() + 5000000000u;

		if (kill(to, SIGUSR1) || kill(to, SIGSEGV))
			return 1;
		while (both->usr < i || both->segv < i)
			if (now_ns() > until)
				return 2;
	}
	return 0;
}

/* SIGSEGV is never masked: sent, it comes when another signal already waits
 * for the end of a system call. Neither may be lost. */
static void together(void)
{
	enum { N = 300 };
	pid_t self = getpid(), pid;
	int fd = temp_file(), status;
	sigset_t none;
	char c[16];

	sigemptyset(&none);
	must(!sigprocmask(SIG_SETMASK, &none, NULL));
	both = map_anon(PAGE, 1);
	handle(SIGUSR1, count_both, SA_RESTART);
	handle(SIGSEGV, count_both, SA_RESTART);
	pid = fork();
	must(pid >= 0);
	if (!pid)
		_exit(send_both(self, N));
	do {
		for (unsigned i = 0; i < 20; i++)
			must(pread(fd, c, sizeof(c), 0) == 0);
	} while (waitpid(pid, &status, WNOHANG) == 0);
	printf("two signals at once: %d %u %u\n", outcome(status), both->usr,
	       both->segv);
	must(!close(fd));
	signal(SIGSEGV, SIG_DFL);
}

static uint64_t status_mask(const char *key)
{
	char line[256];
	unsigned long mask = 0;
	FILE *f = fopen("/proc/self/status", "re");

	must(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			mask = strtoul(line + strlen(key) + 1, NULL, 16);
	fclose(f);
	return mask;
}

static void say_continued(const char *when, const sigset_t *set)
{
	const struct timespec at_once = {0, 0};
	const uint64_t bit = 1ul << (SIGCONT - 1);
	siginfo_t info = {.si_code = 99};
	sigset_t pending;
	int sig;

	must(!sigpending(&pending));
	printf("%s: pending %d, in status %d, blocked %d; ", when,
	       sigismember(&pending, SIGCONT),
	       ((status_mask("ShdPnd") | status_mask("SigPnd")) & bit) != 0,
	       (status_mask("SigBlk") & bit) != 0);
	sig = sigtimedwait(set, &info, &at_once);
	printf("taken %d, code %d, ours %d\n", sig, info.si_code,
	       sig > 0 && info.si_pid == getpid());
}

/* A SIGCONT that nobody handles is forgotten, unless it is blocked. */
static void continued(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	must(!kill(getpid(), SIGCONT));
	must(!raise(SIGCONT));
	say_continued("default", &set);
	must(!kill(getpid(), SIGCONT));
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	say_continued("blocked later", &set);
	must(!kill(getpid(), SIGCONT));
	say_continued("blocked", &set);
	must(!kill(getpid(), SIGCONT));
	must(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	say_continued("no longer", &set);
	must(!kill(getpid(), SIGCONT));
	count = 0;
	handle(SIGCONT, count_one, 0);
	printf("a handler later: %d\n", count);
	must(!kill(getpid(), SIGCONT));
	printf("handled: %d\n", count);
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	must(!kill(getpid(), SIGCONT));
	printf("blocked again: %d\n", count);
	must(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	printf("let go: %d\n", count);
	signal(SIGCONT, SIG_IGN);
	must(!kill(getpid(), SIGCONT));
	say_continued("ignored", &set);
	signal(SIGCONT, SIG_DFL);
}

static _Noreturn void end_42(int sig)
{
	(void)sig;
	_exit(42);
}

/* A child is sent a signal that it handles before it has done anything. */
static void at_birth(void)
{
	pid_t pid;

	handle(SIGTERM, end_42, 0);
	for (unsigned i = 0; i < 30; i++) {
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			sleep(20);
			_exit(7);
		}
		must(!kill(pid, SIGTERM));
		must(wait_for(pid) == 42);
	}
	signal(SIGTERM, SIG_DFL);
	printf("signals at birth: ok\n");
}

/* A signal amid exec is handled before, or ends the new program. */
static void amid_exec(void)
{
	int pair[2], how;
	char byte = 1;
	pid_t pid;

	handle(SIGUSR1, end_42, 0);
	for (unsigned i = 0; i < 60; i++) {
		must(!pipe(pair));
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			must(write(pair[1], &byte, 1) == 1);
			execl("/proc/self/exe", "sigs", "rest", NULL);
			_exit(9);
		}
		must(read(pair[0], &byte, 1) == 1);
		for (uint64_t end = now_ns() + i % 30 * 20000; now_ns() < end;)
			;
		must(!kill(pid, SIGUSR1));
		how = wait_for(pid);
		must(how == 42 || how == 1000 + SIGUSR1);
		must(!close(pair[0]) && !close(pair[1]));
	}
	signal(SIGUSR1, SIG_DFL);
	printf("signals amid exec: ok\n");
}

int main(int argc, char **argv)
{
	setbuf(stdout, NULL);
	if (argc > 1 && !strcmp(argv[1], "rest")) {
		sleep(20);
		return 7;
	}
	continued();
	at_birth();
	amid_exec();
	basics();
	masks();
	stacks();
	jumps();
	registers();
	restarts();
	to_threads();
	children();
	together();
	return 0;
}
