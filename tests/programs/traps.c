/* SPDX-License-Identifier: MIT */
/*
 * traps - what a fault is, seen from the program that has it: where, what for,
 * how often one instruction may have it, and that it begins anew as if
 * nothing had happened. Pages are absent by mprotect; the handler counts and
 * makes them present.
 */
#include "prog.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#define ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
#define MAX_TRAPS 64

struct trap {
	char *addr, *ip;
	uint64_t error, sp, count; /* count: rcx */
};

static struct trap traps[MAX_TRAPS];
static volatile unsigned n_traps;
static volatile int give_up; /* leave by a jump instead of repairing */
static sigjmp_buf back;
static char *arena; /* 64 pages */

static void handler(int sig, siginfo_t *info, void *context)
{
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct trap *t = &traps[n_traps++ % MAX_TRAPS];
	char *page;

	(void)sig;
	t->addr = info->si_addr;
	t->ip = (char *)r[REG_RIP];
	t->error = (uint64_t)r[REG_ERR];
	t->sp = (uint64_t)r[REG_RSP];
	t->count = (uint64_t)r[REG_RCX];
	must(t->addr == (char *)r[REG_CR2]);
	page = (char *)((uintptr_t)t->addr & ~(PAGE - 1));
	if (give_up || page < arena || page >= arena + 64 * PAGE)
		siglongjmp(back, 1);
	must(!mprotect(page, PAGE, ALL));
}

static char *at(unsigned page)
{
	return arena + page * PAGE;
}

static void absent(unsigned page, unsigned n)
{
	must(!mprotect(at(page), n * PAGE, PROT_NONE));
	n_traps = 0;
}

static void show(const char *what, unsigned want)
{
	must(n_traps == want);
	printf("%s: %u\n", what, n_traps);
	for (unsigned i = 0; i < n_traps && i < 4; i++)
		printf("  page %ld + %lu, error %lx, same place %d\n",
		       (long)(traps[i].addr - arena) / (long)PAGE,
		       (unsigned long)((uintptr_t)traps[i].addr & (PAGE - 1)),
		       (unsigned long)traps[i].error,
		       traps[i].ip == traps[0].ip);
}

/* All registers and the flags but those the instruction sets. */
static void registers(void)
{
	uint64_t before[13], after[13], value = 0, flags = 0;
	char *here;

	for (unsigned i = 0; i < 13; i++)
		before[i] = mix(i);
	*(uint64_t *)(void *)at(1) = 0x1122334455667788;
	absent(1, 1);
	__asm__ volatile("push %%rbp\n\t"
			 "mov %[b], %%rax\n\t"
			 "mov (%%rax), %%rbx\n\t"
			 "mov 8(%%rax), %%rcx\n\t"
			 "mov 16(%%rax), %%rdx\n\t"
			 "mov 24(%%rax), %%rbp\n\t"
			 "mov 32(%%rax), %%r8\n\t"
			 "mov 40(%%rax), %%r9\n\t"
			 "mov 48(%%rax), %%r10\n\t"
			 "mov 56(%%rax), %%r11\n\t"
			 "movq 64(%%rax), %%xmm7\n\t"
			 "stc\n\t"
			 "1: mov (%%rdi), %%rax\n\t"
			 "mov %%rax, 96(%%rsi)\n\t"
			 "mov %%rbx, (%%rsi)\n\t"
			 "mov %%rcx, 8(%%rsi)\n\t"
			 "mov %%rdx, 16(%%rsi)\n\t"
			 "mov %%rbp, 24(%%rsi)\n\t"
			 "mov %%r8, 32(%%rsi)\n\t"
			 "mov %%r9, 40(%%rsi)\n\t"
			 "mov %%r10, 48(%%rsi)\n\t"
			 "mov %%r11, 56(%%rsi)\n\t"
			 "movq %%xmm7, 64(%%rsi)\n\t"
			 "pop %%rbp\n\t"
			 "pushfq\n\t"
			 "pop %[f]\n\t"
			 "lea 1b(%%rip), %%rax"
			 : "=&a"(here), [f] "=&r"(flags)
			 : "D"(at(1)), "S"(after), [b] "r"(before)
			 : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
			   "xmm7", "memory", "cc");
	value = after[12];
	show("registers", 1);
	must(traps[0].ip == here);
	printf("  value %lx carry %d kept %d\n", (unsigned long)value,
	       (int)flags & 1, !memcmp(before, after, 9 * 8));
}

static void errors(void)
{
	volatile char *p = at(2);

	absent(2, 1);
	(void)*p;
	show("read", 1);
	absent(2, 1);
	*p = 1;
	show("write", 1);
	must(!mprotect(at(2), PAGE, PROT_READ));
	(void)*p;
	n_traps = 0;
	*p = 2;
	show("write to what can be read", 1);
	at(2)[0] = (char)0xc3;
	must(!mprotect(at(2), PAGE, PROT_READ));
	(void)*p;
	n_traps = 0;
	((void (*)(void))(uintptr_t)p)();
	show("fetch from what can be read", 1);
}

/* add $0x01020304, %edi; mov %edi, %eax; ret, from 2 bytes before a page. */
static int (*straddling_code(unsigned page))(int)
{
	static const unsigned char code[] = {0x81, 0xc7, 4,    3,   2,
					     1,	   0x89, 0xf8, 0xc3};
	char *p = at(page + 1) - 2;

	memcpy(p, code, sizeof(code));
	return (int (*)(int))(uintptr_t)p;
}

static void fetches(void)
{
	int (*f)(int) = straddling_code(4);

	absent(4, 2);
	printf("%x\n", f(0x10101010));
	show("fetch over two absent pages", 2);
	absent(5, 1);
	printf("%x\n", f(0x20202020));
	show("fetch over one", 1);
}

static void data(void)
{
	uint64_t *p = (void *)(at(8) - 3);
	uint64_t value = 0xa1a2a3a4a5a6a7a8;

	*p = value;
	absent(7, 2);
	printf("%d\n", *(volatile uint64_t *)p == value);
	show("load over two absent pages", 2);
	absent(7, 2);
	*(volatile uint64_t *)p = ~value;
	show("store over two absent pages", 2);
	must(*p == ~value);
	memset(at(7), 'o', 2 * PAGE);
	must(!mprotect(at(8), PAGE, PROT_READ));
	must(*(volatile char *)at(8) == 'o');
	give_up = 1;
	n_traps = 0;
	if (!sigsetjmp(back, 1))
		*(volatile uint64_t *)p = value;
	give_up = 0;
	show("store, the second page read-only", 1);
	printf("  untouched %d\n", at(8)[-1] == 'o' && at(8)[-3] == 'o');
	must(!mprotect(at(8), PAGE, ALL));
}

/* PUSH, POP, CALL and RET on a stack of absent pages; how far it moved. */
static void stack(void)
{
	uint64_t top = (uint64_t)at(11), value = 0, moved = 0, called = 0;

	absent(10, 1);
	__asm__ volatile("mov %%rsp, %%r12\n\t"
			 "mov %[top], %%rsp\n\t"
			 "push $0x1234\n\t"
			 "mov %[top], %%rax\n\t"
			 "sub %%rsp, %%rax\n\t"
			 "mov %%rax, %[moved]\n\t"
			 "mov %%r12, %%rsp"
			 : [moved] "=&r"(moved)
			 : [top] "r"(top)
			 : "rax", "r12", "memory", "cc");
	show("push", 1);
	printf("  moved %lu, %lx\n", (unsigned long)moved,
	       *(unsigned long *)(void *)(top - 8));
	absent(10, 1);
	__asm__ volatile("mov %%rsp, %%r12\n\t"
			 "lea -8(%[top]), %%rsp\n\t"
			 "pop %[value]\n\t"
			 "mov %%rsp, %[moved]\n\t"
			 "mov %%r12, %%rsp"
			 : [value] "=&r"(value), [moved] "=&r"(moved)
			 : [top] "r"(top)
			 : "r12", "memory", "cc");
	show("pop", 1);
	printf("  %lx, moved %ld\n", (unsigned long)value,
	       (long)(moved - top));
	absent(10, 1);
	__asm__ volatile("mov %%rsp, %%r12\n\t"
			 "mov %[top], %%rsp\n\t"
			 "call 1f\n\t"
			 "jmp 2f\n"
			 "1: mov %%rsp, %[moved]\n\t"
			 "inc %[called]\n\t"
			 "ret\n"
			 "2: mov %%r12, %%rsp"
			 : [moved] "=&r"(moved), [called] "+&r"(called)
			 : [top] "r"(top)
			 : "r12", "memory", "cc");
	show("call and ret", 1);
	printf("  moved %ld, called %lu\n", (long)(top - moved),
	       (unsigned long)called);
}

/* movsq; ret: the instruction, its source and its destination straddle. */
static void everything(void)
{
	static const char movsq_ret[] = { '\x48', '\xa5', '\xc3' };
	static const char word[] = { 's', 't', 'r', 'a', 'd', 'd', 'l', 'e' };
	char *code = at(16) - 1, *from = at(19) - 4, *to = at(22) - 5;

	memcpy(code, movsq_ret, sizeof(movsq_ret));
	memcpy(from, word, sizeof(word));
	absent(15, 8);
	__asm__ volatile("call *%[code]"
			 : "+S"(from), "+D"(to)
			 : [code] "r"(code)
			 : "memory", "cc");
	must(n_traps == 6);
	printf("everything straddles: %.8s\n", to - 8);
	for (unsigned i = 0; i < n_traps; i++)
		must(traps[i].ip == code);
	printf("  moved %ld %ld\n", (long)(from - at(19)), (long)(to - at(22)));
}

static void strings(void)
{
	char *from = at(24) + 100, *to = at(40) + 700;
	size_t n = 10 * PAGE, k = n, seen = n + 1;

	for (size_t i = 0; i < n; i++)
		from[i] = (char)mix(i);
	absent(24, 32);
	__asm__ volatile("rep movsb"
			 : "+S"(from), "+D"(to), "+c"(k)
			 :
			 : "memory");
	must(n_traps == 22);
	for (unsigned i = 0; i < n_traps; i++) {
		must(traps[i].count <= seen && traps[i].ip == traps[0].ip);
		seen = traps[i].count;
	}
	must(!memcmp(at(24) + 100, at(40) + 700, n));
	printf("rep movsb over 22 absent pages: %u traps\n", n_traps);
}

/* A call's buffer in memory that is shared until it is written. */
static void kernel_writes(void)
{
	char *p = map_anon(PAGE, 0);
	int fds[2];
	pid_t pid;

	must(!pipe(fds));
	memset(p, 'a', PAGE);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(write(fds[1], "child", 5) == 5);
		must(read(fds[0], p, 5) == 5);
		_exit(memcmp(p, "childa", 6) != 0);
	}
	must(wait_for(pid) == 0);
	printf("read into a shared page: ours is %.6s\n", p);
}

int main(void)
{
	stack_t ss = {.ss_sp = map_anon(16 * PAGE, 0), .ss_size = 16 * PAGE};
	struct sigaction sa = {.sa_sigaction = handler,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK};

	setbuf(stdout, NULL);
	arena = mmap(NULL, 64 * PAGE, ALL, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(arena != MAP_FAILED);
	must(!sigaltstack(&ss, NULL));
	must(!sigaction(SIGSEGV, &sa, NULL));
	registers();
	errors();
	fetches();
	data();
	stack();
	everything();
	strings();
	kernel_writes();
	return 0;
}
