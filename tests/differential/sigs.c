/* SPDX-License-Identifier: MIT */
/* sigs.c - signals that are sent, blocked, waited for. */
#include "differential.h"

#include <poll.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static const int usual[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD, SIGURG,
			    SIGTERM, SIGSEGV, SIGTRAP, 34, 40, 64};
#define USUAL (sizeof(usual) / sizeof(usual[0]))

/* What came, in order. */
static struct {
	uint64_t mask, old;
	int sig, code, value;
	bool alternate;
} came[64];
static volatile unsigned n_came;
static int wake_fd = -1;

static uint64_t mask_now(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8);
	return mask;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	unsigned i = n_came < 63 ? n_came++ : 63;
	stack_t ss;

	sigaltstack(NULL, &ss);
	came[i].sig = sig;
	came[i].code = info->si_code;
	came[i].value = info->si_value.sival_int;
	came[i].mask = mask_now();
	memcpy(&came[i].old, &uc->uc_sigmask, 8);
	came[i].alternate = ss.ss_flags & SS_ONSTACK;
	if (wake_fd >= 0 && write(wake_fd, "x", 1) != 1)
		_exit(93);
}

static void say_came(void)
{
	for (unsigned i = 0; i < n_came; i++) {
		say(" [%d code %d", came[i].sig, came[i].code);
		if (came[i].code == SI_QUEUE)
			say(" value %d", came[i].value);
		say(" mask %lx old %lx%s]", (unsigned long)came[i].mask,
		    (unsigned long)came[i].old,
		    came[i].alternate ? " alternate" : "");
	}
	n_came = 0;
}

static void send_one(int sig)
{
	switch (below(3)) {
	case 0:
		say_result(kill(getpid(), sig));
		break;
	case 1:
		say_result(syscall(SYS_tgkill, getpid(), gettid(), sig));
		break;
	default:
		say_result(sigqueue(getpid(), sig,
				    (union sigval){.sival_int =
							   (int)below(99)}));
	}
}

/* Without those that the CPU sends, too: in which order they are taken, when
 * somebody else sends them, is a limit. */
static sigset_t any_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < USUAL; i++)
		if (usual[i] != SIGSEGV && usual[i] != SIGTRAP && one_in(3))
			sigaddset(&set, usual[i]);
	return set;
}

static int any_flags(void)
{
	return SA_SIGINFO | (one_in(2) ? SA_ONSTACK : 0) |
	       (one_in(3) ? SA_NODEFER : 0) | (one_in(2) ? SA_RESTART : 0);
}

/* A signal sent to itself, with a handler of any kind. */
void op_raise(void)
{
	int sig = usual[below(USUAL)];
	struct sigaction act = {.sa_sigaction = on_signal}, old, then;

	act.sa_flags = any_flags() | (one_in(4) ? SA_RESETHAND : 0);
	act.sa_mask = any_set();
	if (one_in(6))
		act.sa_handler = SIG_IGN;
	say(" %d flags %x", sig, (unsigned)act.sa_flags);
	sigaction(sig, &act, &old);
	send_one(sig);
	say_came();
	say_result(sigaction(sig, NULL, &then));
	say(" %d %x %lx", then.sa_handler == SIG_DFL, (unsigned)then.sa_flags,
	    (unsigned long)mask_now());
	sigaction(sig, &old, NULL);
}

/* Several that wait, and come in order. */
void op_pending(void)
{
	struct sigaction act = {.sa_sigaction = on_signal}, old[USUAL];
	sigset_t set = any_set(), before;
	uint64_t pending = 0;

	act.sa_flags = any_flags() & ~SA_NODEFER;
	sigfillset(&act.sa_mask);
	for (unsigned i = 0; i < USUAL; i++)
		sigaction(usual[i], &act, &old[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (unsigned i = 0; i < 5; i++) {
		int sig = usual[below(USUAL)];

		say(" %d", sig);
		send_one(sig);
	}
	syscall(SYS_rt_sigpending, &pending, 8);
	say(" pending %lx", (unsigned long)pending);
	say_came();
	sigprocmask(SIG_SETMASK, &before, NULL);
	say_came();
	for (unsigned i = 0; i < USUAL; i++)
		sigaction(usual[i], &old[i], NULL);
}

/* A call that waits, and a timer's signals until it ends: the first may come
 * before it has begun. */
void op_interrupt(void)
{
	struct sigaction act = {.sa_sigaction = on_signal}, old;
	struct itimerval soon = {{0, 5000}, {0, 3000}};
	struct itimerval never = {{0, 0}, {0, 0}};
	struct timespec second = {1, 0}, left = {1, 0};
	struct pollfd p;
	unsigned what = (unsigned)below(4);
	int fd[2];
	char c;

	if (pipe(fd))
		return;
	act.sa_flags = any_flags();
	say(" %u flags %x", what, (unsigned)act.sa_flags);
	sigaction(SIGALRM, &act, &old);
	wake_fd = what == 0 && act.sa_flags & SA_RESTART ? fd[1] : -1;
	p = (struct pollfd){.fd = fd[0], .events = POLLIN};
	setitimer(ITIMER_REAL, &soon, NULL);
	switch (what) {
	case 0:
		say_result(read(fd[0], &c, 1));
		break;
	case 1:
		say_result(nanosleep(&second, &left));
		say(" %d", left.tv_sec == 0 && left.tv_nsec > 0);
		break;
	case 2:
		say_result(poll(&p, 1, 1000));
		break;
	default:
		say_result(pause());
	}
	setitimer(ITIMER_REAL, &never, NULL);
	wake_fd = -1;
	n_came = n_came > 0;
	say_came();
	sigaction(SIGALRM, &old, NULL);
	close(fd[0]);
	close(fd[1]);
}

void op_wait_signal(void)
{
	struct sigaction act = {.sa_sigaction = on_signal}, old;
	int sig = one_in(2) ? SIGUSR1 : 40;
	struct timespec none = {0, 0};
	siginfo_t info = {.si_code = 0};
	sigset_t set, before, empty;
	int r;

	act.sa_flags = any_flags();
	sigemptyset(&set);
	sigemptyset(&empty);
	sigaddset(&set, sig);
	sigaction(sig, &act, &old);
	sigprocmask(SIG_BLOCK, &set, &before);
	say_result(sigtimedwait(&set, &info, &none));
	send_one(sig);
	if (one_in(2)) {
		r = sigtimedwait(&set, &info, one_in(2) ? &none : NULL);
		say(" waited");
		say_result(r);
		say(" code %d %d", info.si_code, info.si_pid == getpid());
	} else {
		say(" suspended");
		say_result(sigsuspend(&empty));
	}
	say_came();
	say(" %lx", (unsigned long)mask_now());
	sigprocmask(SIG_SETMASK, &before, NULL);
	sigaction(sig, &old, NULL);
}

/* Children that end by a signal, in ways that no handler prevents. */
void op_fatal(void)
{
	unsigned what = (unsigned)below(5);
	sigset_t set;
	int status = 0;
	pid_t pid;

	say(" %u", what);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pid = fork();
	if (pid == 0) {
		if (what == 0)
			sigprocmask(SIG_BLOCK, &set, NULL);
		else if (what == 1)
			signal(SIGSEGV, SIG_IGN);
		else
			signal(SIGSEGV, SIG_DFL);
		if (what == 3)
			__builtin_trap();
		if (what == 4)
			kill(getpid(), SIGKILL);
		*(volatile char *)(ARENA + ALL_PAGES * PAGE) = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say(" ended %x", (unsigned)status & 0x7f);
}
