/* SPDX-License-Identifier: MIT */
/*
 * frames - what a signal handler is given and what it may change: siginfo,
 * error code, CR2, mask, alternate stack, general and vector registers; that
 * all it changes in its frame is so when it returns, and nothing else is.
 */
#include "prog.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define FLAG_TF 0x100
#define AVX_AT 576 /* upper halves of ymm0.. in the standard format */

static sigjmp_buf back;
static char *volatile nowhere = (char *)64; /* never mapped */
static struct seen {
	int n, code;
	char *addr;
	greg_t err, cr2, trapno, oldmask;
	uint64_t mask, during;
	stack_t stack;
	pid_t pid;
	int value;
} seen;

static void install(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = f,
			       .sa_flags = flags | SA_SIGINFO};

	must(!sigaction(sig, &sa, NULL));
}

static void look(siginfo_t *info, const ucontext_t *uc)
{
	const greg_t *r = uc->uc_mcontext.gregs;
	int n = seen.n + 1;

	memset(&seen, 0, sizeof(seen));
	seen.n = n;
	seen.code = info->si_code;
	seen.addr = info->si_addr;
	seen.pid = info->si_pid;
	seen.value = info->si_value.sival_int;
	seen.err = r[REG_ERR];
	seen.cr2 = r[REG_CR2];
	seen.trapno = r[REG_TRAPNO];
	seen.oldmask = r[REG_OLDMASK];
	memcpy(&seen.mask, &uc->uc_sigmask, 8);
	seen.stack = uc->uc_stack;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &seen.during, 8);
}

static void look_and_leave(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	look(info, context);
	siglongjmp(back, 1);
}

static void look_only(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	look(info, context);
}

/* ---- faults ------------------------------------------------------------- */

static void show_fault(const char *what, const char *base)
{
	printf("%s: code %d at %+ld trap %d err %#x cr2 %d mask %#lx in it "
	       "%#lx\n",
	       what, seen.code, (long)(seen.addr - base), (int)seen.trapno,
	       (unsigned)seen.err, (char *)seen.cr2 == seen.addr,
	       (unsigned long)seen.mask, (unsigned long)seen.during);
	must((uint64_t)seen.oldmask == seen.mask);
}

static void faults(void)
{
	char *volatile m = map_anon(8 * PAGE, 0);
	volatile char *no = (char *)((uintptr_t)0x8000 << 48);
	volatile int zero = 0;

	must(!munmap(m + 4 * PAGE, PAGE));
	must(!mprotect(m + 5 * PAGE, PAGE, PROT_NONE));
	m[0] = m[2 * PAGE] = 1;
	must(!mprotect(m, PAGE, PROT_READ));
	install(SIGSEGV, look_and_leave, 0);
	install(SIGFPE, look_and_leave, SA_NODEFER);
	install(SIGILL, look_and_leave, 0);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)(m + 4 * PAGE + 9);
	show_fault("read of a hole", m);
	if (!sigsetjmp(back, 1))
		*(volatile char *)(m + 5 * PAGE - 1) = 1;
	show_fault("write of a hole", m);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)(m + 5 * PAGE);
	show_fault("read of what has no access", m);
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile char *)m;
		*(volatile char *)m = 1;
	}
	show_fault("write of what can be read", m);
	if (!sigsetjmp(back, 1))
		((void (*)(void))(uintptr_t)(m + 2 * PAGE))();
	show_fault("fetch of data", m);
	if (!sigsetjmp(back, 1))
		((void (*)(void))(uintptr_t)(m + 4 * PAGE))();
	show_fault("fetch of a hole", m);
	if (!sigsetjmp(back, 1))
		(void)*no;
	printf("no address: code %d addr %p trap %d err %#x\n", seen.code,
	       (void *)seen.addr, (int)seen.trapno, (unsigned)seen.err);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("idivl %0" : : "r"(zero) : "eax", "edx");
	printf("1/0: code %d trap %d in it %#lx\n", seen.code,
	       (int)seen.trapno, (unsigned long)seen.during);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	printf("ud2: code %d trap %d in it %#lx\n", seen.code,
	       (int)seen.trapno, (unsigned long)seen.during);
}

/* ---- signals that are sent ---------------------------------------------- */

static char order[16];
static int n_order;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (n_order < (int)sizeof(order) - 1)
		order[n_order++] = sig == SIGSEGV   ? 'S'
				   : sig == SIGBUS  ? 'B'
				   : sig == SIGFPE  ? 'F'
				   : sig == SIGUSR1 ? '1'
						    : '?';
}

static void all_of(int flags)
{
	static const int sigs[] = {SIGUSR1, SIGFPE, SIGSEGV, SIGBUS};
	sigset_t set, old;

	sigemptyset(&set);
	for (int i = 0; i < 4; i++) {
		install(sigs[i], note, flags);
		sigaddset(&set, sigs[i]);
	}
	must(!sigprocmask(SIG_BLOCK, &set, &old));
	for (int i = 0; i < 4; i++)
		must(!raise(sigs[i]));
	must(!raise(SIGSEGV));
	must(!sigpending(&set));
	memset(order, 0, sizeof(order));
	n_order = 0;
	must(!sigprocmask(SIG_SETMASK, &old, NULL));
	printf("handlers in this order: %s, %d pending\n", order,
	       sigismember(&set, SIGSEGV) + sigismember(&set, SIGBUS) +
		       sigismember(&set, SIGUSR1));
}

/* What a crash handler does that wants the default action, or another. */
static void fake(void)
{
	siginfo_t info = {.si_signo = SIGSEGV, .si_code = SEGV_ACCERR};
	char *p = map_anon(2 * PAGE, 0);

	install(SIGSEGV, look_only, 0);
	info.si_addr = p + PAGE + 8;
	*(volatile char *)p = 1;
	must(!syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGSEGV,
		      &info));
	printf("as if it were a fault: code %d at %+ld\n", seen.code,
	       (long)(seen.addr - p));
}

static void sent(void)
{
	union sigval v = {.sival_int = 42};
	sigset_t set;
	siginfo_t info;
	pid_t pid;

	install(SIGSEGV, look_only, 0);
	must(!raise(SIGSEGV));
	printf("raise: code %d from me %d\n", seen.code, seen.pid == getpid());
	must(!kill(getpid(), SIGSEGV));
	printf("kill: code %d from me %d\n", seen.code, seen.pid == getpid());
	must(!sigqueue(getpid(), SIGSEGV, v));
	printf("sigqueue: code %d value %d\n", seen.code, seen.value);
	all_of(0);
	all_of(SA_NODEFER);
	fake();
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGTRAP);
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	must(!sigqueue(getpid(), SIGSEGV, v));
	printf("waited for: %d", sigwaitinfo(&set, &info));
	printf(" code %d value %d\n", info.si_code, info.si_value.sival_int);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		usleep(50000);
		_exit(kill(getppid(), SIGTRAP) != 0);
	}
	printf("waited for: %d", sigwaitinfo(&set, &info));
	printf(" from the child %d\n", info.si_pid == pid);
	must(wait_for(pid) == 0);
	must(!raise(SIGSEGV));
	must(!sigpending(&set));
	signal(SIGSEGV, SIG_IGN);
	printf("ignored: %d", sigismember(&set, SIGSEGV));
	must(!sigpending(&set));
	printf(" %d\n", sigismember(&set, SIGSEGV));
	sigemptyset(&set);
	must(!sigprocmask(SIG_SETMASK, &set, NULL));
}

/* ---- the alternate stack ------------------------------------------------ */

static char *alt;

static void on_alt(int sig, siginfo_t *info, void *context)
{
	stack_t now;
	char here;

	(void)sig;
	look(info, context);
	must(!sigaltstack(NULL, &now));
	printf("  on it %d, says flags %#x size %zu, frame flags %#x\n",
	       &here > alt && &here < alt + 16 * PAGE, (unsigned)now.ss_flags,
	       now.ss_size, (unsigned)seen.stack.ss_flags);
	must(seen.stack.ss_sp == alt && seen.stack.ss_size == 16 * PAGE);
	now = (stack_t){.ss_sp = alt, .ss_size = 8 * PAGE};
	printf("  set from within: %d", sigaltstack(&now, NULL));
	printf(" errno %d\n", errno);
}

static volatile int sink = -1;

__attribute__((noinline)) static int deep(int n)
{
	volatile char room[2000];

	room[0] = (char)n;
	return sink == n ? 0 : deep(n + 1) + room[0];
}

static void overflow(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	char here;

	(void)sig;
	seen.code = info->si_code;
	must(&here > alt && &here < alt + 16 * PAGE);
	must(info->si_addr == (void *)r[REG_CR2]);
	must((char *)info->si_addr - (char *)r[REG_RSP] < 4096 &&
	     (char *)r[REG_RSP] - (char *)info->si_addr < 4096);
	siglongjmp(back, 1);
}

static void *overflow_twice(void *arg)
{
	stack_t ss = {.ss_sp = alt, .ss_size = 16 * PAGE}, old;

	must(!sigaltstack(&ss, &old));
	for (int i = 0; i < 2; i++)
		if (!sigsetjmp(back, 1))
			deep(0);
	printf("%s overflows: code %d, twice\n", (char *)arg, seen.code);
	must(!sigaltstack(&old, NULL));
	return NULL;
}

/* Nobody can write a frame when the stack itself is gone. */
static int no_frame(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		install(SIGSEGV, look_only, 0);
		deep(0);
		_exit(0);
	}
	return wait_for(pid);
}

static void stacks(void)
{
	stack_t ss = {.ss_size = 16 * PAGE};
	pthread_t thread;

	ss.ss_sp = alt = map_anon(16 * PAGE, 0);
	for (int pass = 0; pass < 2; pass++) {
		ss.ss_flags = pass ? (int)(1u << 31) /* AUTODISARM */ : 0;
		printf("autodisarm %d\n", pass);
		must(!sigaltstack(&ss, NULL));
		install(SIGUSR1, on_alt, SA_ONSTACK);
		must(!raise(SIGUSR1));
		must(!sigaltstack(NULL, &ss));
		printf("  afterwards flags %#x size %zu\n",
		       (unsigned)ss.ss_flags, ss.ss_size);
		ss.ss_sp = alt;
		ss.ss_size = 16 * PAGE;
	}
	ss.ss_flags = SS_DISABLE;
	must(!sigaltstack(&ss, NULL));
	install(SIGSEGV, overflow, SA_ONSTACK);
	overflow_twice("main");
	must(!pthread_create(&thread, NULL, overflow_twice, "thread"));
	must(!pthread_join(thread, NULL));
	printf("without an alternate stack: %d\n", no_frame());
}

/* ---- registers ---------------------------------------------------------- */

static void skip_and_set(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	r[REG_RIP] += 2; /* ud2 */
	r[REG_RAX] = 0x1234;
	r[REG_R15] ^= 0xff;
	r[REG_EFL] |= 1;
}

static void registers(void)
{
	uint64_t rax = 1, r15 = 0xf0f0, flags = 0;

	install(SIGILL, skip_and_set, 0);
	__asm__ volatile("mov %[r15], %%r15\n\t"
			 "clc\n\t"
			 "ud2\n\t"
			 "pushfq\n\t"
			 "pop %[flags]\n\t"
			 "mov %%r15, %[r15]"
			 : "+a"(rax), [r15] "+&r"(r15), [flags] "=&r"(flags)
			 :
			 : "r15", "cc", "memory");
	printf("set by the handler: %lx %lx carry %d\n", (unsigned long)rax,
	       (unsigned long)r15, (int)flags & 1);
}

static volatile int steps, step_code;

static void step(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	step_code = info->si_code;
	must(info->si_addr == (void *)r[REG_RIP]);
	if (++steps == 5)
		r[REG_EFL] &= ~FLAG_TF;
}

static void begin_steps(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	r[REG_RIP] += 2;
	r[REG_EFL] |= FLAG_TF;
}

/* One instruction after another, one of them with a page fault. */
static void single_steps(void)
{
	char *p = map_anon(PAGE, 0);

	install(SIGILL, begin_steps, 0);
	install(SIGTRAP, step, 0);
	__asm__ volatile("ud2\n\t"
			 "nop\n\t"
			 "movb $1, (%0)\n\t"
			 "nop\n\t"
			 "nop\n\t"
			 "nop\n\t"
			 "nop\n\t"
			 "nop\n\t"
			 :
			 : "r"(p)
			 : "memory");
	printf("steps: %d code %d\n", steps, step_code);
	install(SIGTRAP, look_only, 0);
	__asm__ volatile("int3");
	printf("int3: code %d trap %d\n", seen.code, (int)seen.trapno);
}

static void change_xstate(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char *fp = (char *)uc->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	must(uc->uc_mcontext.fpregs->mxcsr == 0x3f80);
	uc->uc_mcontext.fpregs->mxcsr = 0x5f80;
	memset(&uc->uc_mcontext.fpregs->_xmm[3], 0x33, 16);
	if (__builtin_cpu_supports("avx"))
		memset(fp + AVX_AT + 3 * 16, 0x44, 16);
	/* What the handler itself does to the registers is its own. */
	__asm__ volatile("pcmpeqd %%xmm4, %%xmm4\n\t"
			 "pcmpeqd %%xmm3, %%xmm3\n\t"
			 "fldpi"
			 :
			 :
			 : "xmm3", "xmm4");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" : : : "xmm3", "xmm4");
}

__attribute__((target("avx"))) static void vectors_avx(void)
{
	uint8_t in[32], out[64];

	memset(in, 0x11, 32);
	__asm__ volatile("vmovups %[in], %%ymm3\n\t"
			 "vmovups %[in], %%ymm4\n\t"
			 "ud2\n\t"
			 "vmovups %%ymm3, %[a]\n\t"
			 "vmovups %%ymm4, %[b]"
			 : [a] "=m"(*(uint8_t(*)[32])out),
			   [b] "=m"(*(uint8_t(*)[32])(out + 32))
			 : [in] "m"(*(uint8_t(*)[32])in)
			 : "xmm3", "xmm4");
	must(out[0] == 0x33 && out[15] == 0x33);
	must(out[16] == 0x44 && out[31] == 0x44);
	must(!memcmp(out + 32, in, 32));
}

static void vectors(void)
{
	uint32_t mxcsr = 0x3f80, now = 0;
	uint16_t before, after;

	install(SIGILL, change_xstate, 0);
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	if (__builtin_cpu_supports("avx"))
		vectors_avx();
	else
		__asm__ volatile("ud2" : : : "xmm3", "xmm4");
	__asm__ volatile("stmxcsr %0" : "=m"(now));
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("fnstsw %0" : "=m"(before));
	must(!raise(SIGUSR2));
	__asm__ volatile("fnstsw %0" : "=m"(after));
	printf("vectors set by the handler, mxcsr %x, x87 kept %d\n", now,
	       before == after);
}

static void use_gs(int sig, siginfo_t *info, void *context)
{
	unsigned long gs = 0;

	(void)sig;
	(void)info;
	(void)context;
	must(!syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	must(!syscall(SYS_arch_prctl, ARCH_SET_GS, gs + 64));
}

/* Segment bases are not in the frame: what the handler sets, stays. */
static void segments(void)
{
	unsigned long data[32] = {0}, got = 0, gs = (unsigned long)data;
	char *p = map_anon(PAGE, 0);

	data[8] = 77;
	data[9] = 78;
	install(SIGUSR1, use_gs, 0);
	must(!syscall(SYS_arch_prctl, ARCH_SET_GS, gs));
	must(!raise(SIGUSR1));
	*(volatile char *)p = 1;
	__asm__ volatile("mov %%gs:8, %0" : "=r"(got) : : "memory");
	printf("gs: %lu\n", got);
	must(!syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
}

/* ---- ends --------------------------------------------------------------- */

static void fault_again(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen.n++;
	*(volatile char *)info->si_addr = 1;
}

static int dies_in(int flags)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		install(SIGSEGV, fault_again, flags);
		*(volatile char *)nowhere = 1;
		_exit(0);
	}
	return wait_for(pid);
}

int main(void)
{
	setbuf(stdout, NULL);
	install(SIGUSR2, look_only, 0);
	faults();
	sent();
	stacks();
	registers();
	single_steps();
	vectors();
	segments();
	printf("a fault in the handler of one: %d %d\n", dies_in(0),
	       dies_in((int)SA_RESETHAND | SA_NODEFER));
	return 0;
}
