/* SPDX-License-Identifier: MIT */
/*
 * stack - stacks grow as deep as the limit says, keep their contents, and
 * end with SIGSEGV, which a handler on an alternate stack can take.
 */
#include "prog.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

static sigjmp_buf back;
static char *volatile fault_at;
static volatile int fault_code;
static char *top;
static volatile unsigned last = UINT32_MAX;

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault_at = info->si_addr;
	fault_code = info->si_code;
	siglongjmp(back, 1);
}

__attribute__((noinline)) static uint64_t dive(unsigned depth)
{
	volatile uint64_t room[64];
	uint64_t sum = 0;

	for (unsigned i = 0; i < 64; i++)
		room[i] = mix(depth * 64u + i);
	if (depth)
		sum = dive(depth - 1);
	for (unsigned i = 0; i < 64; i++) {
		must(room[i] == mix(depth * 64u + i));
		sum += room[i];
	}
	return sum;
}

__attribute__((noinline)) static unsigned endless(unsigned depth)
{
	volatile char room[1000];

	if (depth == last)
		return 0;
	room[depth % 1000] = 1;
	return endless(depth + 1) + (unsigned)room[depth % 1000];
}

static void alternate_stack(void)
{
	stack_t ss = {.ss_sp = map_anon(16 * PAGE, 0), .ss_size = 16 * PAGE};
	struct sigaction sa = {.sa_sigaction = handler,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK};

	must(!sigaltstack(&ss, NULL));
	must(!sigaction(SIGSEGV, &sa, NULL));
}

/* The main stack ends where the library says: its fault tells of an overflow to
 * who compares. */
static void last_page(void)
{
	pthread_attr_t attr;
	size_t size;
	void *low;

	must(!pthread_getattr_np(pthread_self(), &attr));
	must(!pthread_attr_getstack(&attr, &low, &size));
	pthread_attr_destroy(&attr);
	printf("the last page: %d\n",
	       fault_at < (char *)low && fault_at >= (char *)low - PAGE);
}

static void overflow(void)
{
	size_t mib;

	alternate_stack();
	if (!sigsetjmp(back, 1))
		endless(0);
	mib = (size_t)(top - fault_at) / MIB;
	printf("overflow: code %d between 7 and 8 MiB: %d\n", fault_code,
	       mib == 7 || mib == 8);
	last_page();
	if (!sigsetjmp(back, 1))
		endless(0);
	printf("overflow again: code %d\n", fault_code);
}

static void *thread_overflow(void *arg)
{
	alternate_stack();
	if (!sigsetjmp(back, 1))
		endless(0);
	printf("thread: code %d\n", fault_code);
	return arg;
}

/* A large frame may touch the stack far below its lowest page so far. */
__attribute__((noinline)) static void leap(void)
{
	volatile char room[3 * MIB];

	room[0] = 1;
	room[MIB] = 2;
	must(room[0] + room[MIB] == 3);
}

static void in_child(const char *what, void (*how)(void))
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		how();
		_exit(0);
	}
	printf("%s: child %d\n", what, wait_for(pid));
}

static void plain_overflow(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	endless(0);
}

static void limit_of(pid_t pid, rlim_t to)
{
	struct rlimit limit = {to, RLIM_INFINITY};

	must(!prlimit(pid, RLIMIT_STACK, &limit, NULL));
}

static void dive_far(void)
{
	dive(40000); /* some 24 MiB */
}

/* A limit counts from the moment it is set, whoever sets it. */
static void raised(void)
{
	limit_of(0, 48 * MIB);
	dive_far();
}

static void raised_for_ever(void)
{
	limit_of(0, RLIM_INFINITY);
	dive_far();
}

static void raised_by_child(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		limit_of(getppid(), 48 * MIB);
		_exit(0);
	}
	must(!wait_for(pid));
	dive_far();
}

static long overflows_after(void)
{
	if (!sigsetjmp(back, 1))
		endless(0);
	return top - fault_at;
}

/* What the stack has is not taken away, but it gets no more. */
static void lowered(void)
{
	size_t at;

	alternate_stack();
	dive(8000);
	limit_of(0, MIB);
	dive(8000);
	at = (size_t)overflows_after();
	printf("lowered: overflow between 4 and 6 MiB: %d\n",
	       at > 4 * MIB && at < 6 * MIB);
	limit_of(0, 8 * MIB);
	dive(10000);
}

/* A region in the way ends it, with the gap that Linux leaves. */
static void in_the_way(void)
{
	char *at = (char *)((uintptr_t)top & ~(PAGE - 1)) - 12 * MIB;
	long end;

	must(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		  -1, 0) == at);
	alternate_stack();
	limit_of(0, 48 * MIB);
	end = overflows_after() - 11 * (long)MIB;
	printf("in the way: overflow at the gap: %d\n",
	       end > -8192 && end < 8192);
	must(!munmap(at, PAGE));
	dive_far();
}

static bool goes_to(char *at, int flags)
{
	char *p = mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		       -1, 0);

	must(p != MAP_FAILED && !munmap(p, PAGE));
	return p == at;
}

/* Of what grows from `low`. Who says where it is to be may come close. */
static void gap_below(const char *what, char *low)
{
	printf("below %s: %d %d %d %d\n", what, goes_to(low - 257 * PAGE, 0),
	       goes_to(low - 256 * PAGE, 0), goes_to(low - 200 * PAGE, 0),
	       goes_to(low - 200 * PAGE, MAP_FIXED_NOREPLACE));
}

static char *stack_low(void)
{
	unsigned long low = 0, start, end;
	char line[256];
	FILE *f = fopen("/proc/self/maps", "r");

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		    (char *)start <= top && top < (char *)end)
			low = start;
	must(low && !fclose(f));
	return (char *)low;
}

/* Nothing is put closely below what grows. */
static void gaps(void)
{
	const int grows = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN;
	const int rights = PROT_READ | PROT_WRITE;
	char *p = mmap(NULL, 300 * PAGE, rights, grows, -1, 0), *q, *heap;

	must(p != MAP_FAILED);
	q = map_anon(300 * PAGE, 0);
	printf("apart: %d\n", q >= p || q + 556 * PAGE <= p);
	must(!munmap(q, 300 * PAGE));
	p[-1] = 1;
	gap_below("what has grown", p - PAGE);
	gap_below("the stack", stack_low());
	heap = sbrk(0);
	heap += -(uintptr_t)heap & 4095;
	must(mmap(heap + 300 * PAGE, PAGE, rights, grows | MAP_FIXED, -1, 0) ==
	     heap + 300 * PAGE);
	printf("heap: %d", brk(heap + 43 * PAGE));
	printf(" %d\n", brk(heap + 44 * PAGE));
}

int main(int argc, char **argv)
{
	struct rlimit limit = {8 * MIB, RLIM_INFINITY};
	pthread_t t;
	char here;

	setbuf(stdout, NULL);
	if (argc < 2) {
		/* The same limit to begin with, wherever this runs. */
		must(!setrlimit(RLIMIT_STACK, &limit));
		execl("/proc/self/exe", argv[0], "limited", (char *)NULL);
		must(0);
	}
	top = &here;
	printf("shallow: %016lx\n", dive(10));
	in_child("leap", leap);
	printf("deep: %016lx\n", dive(10000));
	printf("again: %016lx\n", dive(10000));
	in_child("overflow", overflow);
	in_child("unhandled", plain_overflow);
	in_child("raised", raised);
	in_child("unlimited", raised_for_ever);
	in_child("raised by its child", raised_by_child);
	in_child("lowered", lowered);
	in_child("in the way", in_the_way);
	in_child("gaps", gaps);
	must(!pthread_create(&t, NULL, thread_overflow, NULL));
	must(!pthread_join(t, NULL));
	return 0;
}
