/* SPDX-License-Identifier: MIT */
/* arena.c - the arena: what lies where, touching it, signals caught then. */
#include "differential.h"

#include <sys/resource.h>
#include <ucontext.h>

#define ALT_BYTES (64 * 1024)
#define BALLAST (6l << 20)

struct page model[ALL_PAGES];
struct caught caught;
static sigjmp_buf back;
static volatile sig_atomic_t armed;
static char *alternate;
static uint64_t next_id;

/* ---- the model ---------------------------------------------------------- */

struct range any_range(void)
{
	struct range r = {(long)below(PAGES), 1};

	if (!one_in(3))
		r.n = 1 + (long)below(one_in(4) ? 40 : 8);
	if (r.start + r.n > PAGES)
		r.n = PAGES - r.start;
	return r;
}

struct range alike_range(void)
{
	long from = (long)below(PAGES), n = 0;
	struct range r = {0, 0};

	for (long i = 0; i < PAGES && !r.n; i++) {
		long p = (from + i) % PAGES;

		if (model[p].kind == K_NONE)
			continue;
		r.start = p;
		while (p + n < PAGES && model[p + n].id == model[p].id &&
		       model[p + n].kind != K_NONE)
			n++;
		r.n = one_in(2) ? n : 1 + (long)below((uint64_t)n);
	}
	return r;
}

void model_map(struct range r, enum kind kind, int prot, int file)
{
	next_id++;
	for (long i = r.start; i < r.start + r.n && i < ALL_PAGES; i++)
		model[i] = (struct page){(uint8_t)kind, (uint8_t)prot,
					 (uint8_t)file, 0, next_id};
}

void model_unmap(struct range r)
{
	for (long i = r.start; i < r.start + r.n && i < ALL_PAGES; i++)
		model[i] = (struct page){0};
}

void model_change(struct range r, int prot)
{
	next_id++;
	for (long i = r.start; i < r.start + r.n && i < ALL_PAGES; i++) {
		model[i].id = (model[i].id << 20) + next_id;
		if (prot >= 0)
			model[i].prot = (uint8_t)prot;
	}
}

void model_move(struct range r, long to)
{
	for (long i = 0; i < r.n; i++) {
		model[to + i] = model[r.start + i];
		model[r.start + i] = (struct page){0};
	}
	model_change((struct range){to, r.n}, -1);
}

/* ---- faults ------------------------------------------------------------- */

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	char here;

	caught.sig = sig;
	caught.code = info->si_code;
	caught.addr = info->si_addr;
	caught.err = (long)uc->uc_mcontext.gregs[REG_ERR];
	caught.trapno = (long)uc->uc_mcontext.gregs[REG_TRAPNO];
	caught.cr2 = (void *)uc->uc_mcontext.gregs[REG_CR2];
	caught.alternate = &here >= alternate && &here < alternate + ALT_BYTES;
	if (!armed)
		_exit(94);
	siglongjmp(back, 1);
}

void arena_start(void)
{
	struct sigaction act = {.sa_sigaction = on_fault};
	stack_t ss = {.ss_size = ALT_BYTES};

	act.sa_flags = SA_SIGINFO | (one_in(2) ? SA_ONSTACK : 0) |
		       (one_in(4) ? SA_NODEFER : 0);
	alternate = ss.ss_sp = malloc(ALT_BYTES);
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

bool touch(char *p, int mode, char value)
{
	volatile char *v = p;

	if (sigsetjmp(back, 1)) {
		armed = 0;
		return false;
	}
	armed = 1;
	if (mode == T_READ)
		(void)*v;
	else if (mode == T_WRITE)
		*v = value;
	else
		((void (*)(void))(uintptr_t)p)();
	armed = 0;
	return true;
}

/* Whether the page was present is for each memory manager to say: bit 0. */
void say_caught(void)
{
	say(" SIG%s code %d", sigabbrev_np(caught.sig), caught.code);
	say_addr(caught.addr);
	say(" err %lx trap %ld", caught.err & ~1l, caught.trapno);
	if (caught.cr2 != caught.addr)
		say_addr(caught.cr2);
	if (caught.alternate)
		say(" alternate");
}

uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * 0x100000001b3;
	return h;
}

/* What each page answers, and a hash of all that can be read. */
void sweep(void)
{
	uint64_t h = 0xcbf29ce484222325;
	char map[PAGES + 1];

	for (long i = 0; i < PAGES; i++) {
		if (touch(at(i), T_READ, 0)) {
			map[i] = 'r';
			h = hash(h, at(i), PAGE);
			model[i].touched |= 1;
		} else {
			map[i] = caught.sig == SIGBUS		 ? 'B'
				 : caught.code == SEGV_MAPERR	 ? '.'
								 : 'x';
		}
	}
	map[PAGES] = 0;
	say(" %s %016lx", map, (unsigned long)h);
}

void op_sweep(void)
{
	sweep();
}

void op_touch(void)
{
	unsigned n = 1 + (unsigned)below(4);

	for (unsigned i = 0; i < n; i++) {
		long page = (long)below(PAGES);
		char *p = at(page) + 1 + below(PAGE - 1);
		int mode = one_in(5) ? T_EXEC : one_in(3) ? T_READ : T_WRITE;
		char value = (char)draw();

		if (mode == T_EXEC) {
			p = at(page);
			if (touch(p, T_READ, 0) && (unsigned char)*p != 0xc3)
				mode = T_WRITE, value = (char)0xc3;
		}
		say("%s %c", i ? "," : "", "rwx"[mode]);
		say_addr(p);
		if (touch(p, mode, value))
			model[page].touched |= mode == T_WRITE ? 2 : 1;
		else
			say_caught();
		if (mode == T_READ && model[page].touched & 1)
			say(" %02x", touch(p, T_READ, 0) ? *p & 0xff : 0x100);
	}
}

/* Memory enough to drive other pages out of a small RAM. */
void op_pressure(void)
{
	uint64_t h = 0, value = draw();
	uint64_t *p = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		say_addr(p);
		return;
	}
	for (long i = 0; i < BALLAST / 8; i += PAGE / 8)
		p[i] = value ^ (uint64_t)i;
	for (long i = 0; i < BALLAST / 8; i += PAGE / 8)
		h = h * 31 + (p[i] ^ value);
	munmap(p, BALLAST);
	say(" %lx", (unsigned long)h);
}

/* ---- the stack's end ---------------------------------------------------- */

static __attribute__((noinline)) long descend(volatile long *deepest, long n)
{
	volatile char room[8192];

	room[0] = room[4096] = 1;
	++*deepest;
	return n ? descend(deepest, n - 1) + room[0] : 0;
}

/* In a child: recursion ends at the limit, or up to 60 KiB beyond it where
 * pages come in windows, on the alternate stack. */
void op_stack(void)
{
	struct rlimit limit = {1 << 20, 1 << 20};
	static volatile long deepest;
	struct sigaction act = {.sa_sigaction = on_fault,
				.sa_flags = SA_SIGINFO | SA_ONSTACK};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGSEGV, &act, NULL);
		setrlimit(RLIMIT_STACK, &limit);
		if (sigsetjmp(back, 1))
			_exit((deepest >= 110 && deepest <= 136 &&
			       caught.code == SEGV_MAPERR ? 40 : 60) +
			      caught.alternate);
		armed = 1;
		descend(&deepest, 10000);
	}
	say_result(waitpid(pid, &status, 0) == pid ? status : -1);
}
