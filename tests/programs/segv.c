/* SPDX-License-Identifier: MIT */
/*
 * segv - what a program learns of its mistakes: si_code and si_addr of each
 * kind of bad access, EFAULT from system calls, and the status of a process
 * that does not handle them.
 */
#include "prog.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

static sigjmp_buf back;
static volatile int got_signal, got_code;
static char *volatile got_addr;
static char *volatile got_ip;
static char *volatile nowhere = (char *)64; /* never mapped */
static char *volatile null;
static char *volatile no_address = (char *)((uintptr_t)1 << 63);

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	got_signal = sig;
	got_code = info->si_code;
	got_addr = info->si_addr;
	got_ip = (char *)uc->uc_mcontext.gregs[REG_RIP];
	siglongjmp(back, 1);
}

enum access { READ, WRITE, EXEC };

/* Prints how an access ends, addresses relative to `base`. */
static void try_access(const char *what, char *base, size_t at,
		       enum access how)
{
	volatile char *p = base + at;

	got_signal = 0;
	if (!sigsetjmp(back, 1)) {
		if (how == READ)
			(void)*p;
		else if (how == WRITE)
			*p = 1;
		else
			((void (*)(void))(uintptr_t)p)();
		printf("%s: allowed\n", what);
		return;
	}
	printf("%s: signal %d code %d at %+ld\n", what, got_signal, got_code,
	       (long)(got_addr - base));
	must(how != EXEC || got_ip == p);
}

static void accesses(void)
{
	char *m = map_anon(16 * PAGE, 0);

	must(!mprotect(m, PAGE, PROT_NONE));
	must(!mprotect(m + PAGE, PAGE, PROT_READ));
	must(!munmap(m + 4 * PAGE, PAGE));
	try_access("null write", null, 16, WRITE);
	try_access("null read", null, 0, READ);
	try_access("read of PROT_NONE", m, 5, READ);
	try_access("write of PROT_NONE", m, 7, WRITE);
	try_access("read of PROT_READ", m, PAGE, READ);
	try_access("write of PROT_READ", m, PAGE + 123, WRITE);
	try_access("write", m, 2 * PAGE, WRITE);
	try_access("exec of data", m, 2 * PAGE, EXEC);
	try_access("exec of nothing", m, 4 * PAGE + 64, EXEC);
	try_access("read of a hole", m, 4 * PAGE + 8, READ);
	try_access("write of a hole", m, 5 * PAGE - 1, WRITE);
	try_access("write behind a hole", m, 5 * PAGE, WRITE);
	must(!mprotect(m + 6 * PAGE, PAGE, PROT_WRITE));
	try_access("read of PROT_WRITE", m, 6 * PAGE, READ);
	must(!mprotect(m, PAGE, PROT_READ | PROT_WRITE));
	try_access("write of what was PROT_NONE", m, 9, WRITE);
	must(m[9] == 1);
	got_signal = 0;
	if (!sigsetjmp(back, 1))
		*no_address = 1;
	printf("non-canonical: signal %d code %d\n", got_signal, got_code);
	m = (char *)accesses;
	try_access("write of program text", m, 0, WRITE);
	try_access("write of a constant", (char *)(uintptr_t) "constant", 0,
		   WRITE);
}

static void other_traps(void)
{
	volatile int zero = 0;

	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	printf("ud2: signal %d code %d %d\n", got_signal, got_code,
	       got_addr == got_ip);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
	printf("int3: signal %d code %d\n", got_signal, got_code);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("idivl %0" : : "r"(zero) : "eax", "edx");
	printf("1/0: signal %d code %d\n", got_signal, got_code);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("hlt");
	printf("hlt: signal %d code %d\n", got_signal, got_code);
}

#define SHOW(call)                                                         \
	do {                                                               \
		long ret_ = (long)(call);                                  \
		printf("%s = %ld errno %d\n", #call, ret_,                 \
		       ret_ < 0 ? errno : 0);                              \
	} while (0)

static void system_calls(void)
{
	char *m = map_anon(4 * PAGE, 0);
	char *hole = m + 2 * PAGE, *ro = m + 3 * PAGE;
	struct iovec v[2] = {{m, 100}, {hole, 100}};
	int *pair_at_ro = (int *)(void *)ro;
	int *pair_at_hole = (int *)(void *)hole;
	int fds[2], st;

	must(!pipe2(fds, O_NONBLOCK));
	must(!munmap(hole, PAGE));
	must(!mprotect(ro, PAGE, PROT_READ));
	memset(m, 'x', 2 * PAGE);
	SHOW(write(fds[1], hole, 10));
	SHOW(write(fds[1], nowhere, 10));
	SHOW(write(fds[1], hole - 100, 100));
	SHOW(read(fds[0], ro, 10));
	SHOW(read(fds[0], hole, 10));
	SHOW(read(fds[0], m, 100));
	SHOW(writev(fds[1], v, 2));
	SHOW(read(fds[0], m, 4096));
	SHOW(write(fds[1], m, 50));
	SHOW(read(fds[0], hole - 50, 50));
	SHOW(access(hole, 0));
	SHOW(getcwd(ro, 100));
	SHOW(pipe(pair_at_ro));
	SHOW(pipe(pair_at_hole));
	SHOW(nanosleep((struct timespec *)hole, NULL));
	must(!close(fds[1]));
	SHOW(waitpid(-1, &st, WNOHANG));
}

/* Nobody handles it: the process dies of the signal. */
static void unhandled(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*nowhere = 1;
		_exit(0);
	}
	printf("unhandled: %d\n", wait_for(pid));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_IGN);
		*nowhere = 1;
		_exit(0);
	}
	printf("ignored: %d\n", wait_for(pid));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		sigset_t set;

		sigfillset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		*nowhere = 1;
		_exit(0);
	}
	printf("blocked: %d\n", wait_for(pid));
}

int main(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP,
				      SIGFPE};
	struct rlimit none = {0, 0};
	struct sigaction sa = {.sa_sigaction = handler,
			       .sa_flags = SA_SIGINFO};

	setbuf(stdout, NULL);
	must(!setrlimit(RLIMIT_CORE, &none));
	for (unsigned i = 0; i < 5; i++)
		must(!sigaction(signals[i], &sa, NULL));
	accesses();
	other_traps();
	system_calls();
	unhandled();
	return 0;
}
