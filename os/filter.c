/* SPDX-License-Identifier: MIT */
/*
 * filter.c - the seccomp filter that sorts the guest's system calls.
 *
 *   1. another ABI (int 0x80, x32): trap
 *   2. calls that the table lets pass: allow. Decided by number alone, so
 *      that the host keeps the answer in its per-number bitmap (5.11 and
 *      later) and does not run the filter for them at all
 *   3. from the kernel half: allow
 *   4. a few calls that are harmless for most arguments: allow
 *   5. all others: trap
 *
 * Step 2 is a binary search over the ranges of equal answers, made of the
 * instructions that the host's bitmap emulation knows: load of nr and arch,
 * compare, jump, return. The filter survives fork and exec.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "os/calls.h"

#define INSNS_MAX 1024
#define FCNTL_SIMPLE_MAX 4 /* F_DUPFD .. F_SETFL */
#define FUTEX_WAKE_PRIVATE 129

#define AT_NR offsetof(struct seccomp_data, nr)
#define AT_ARCH offsetof(struct seccomp_data, arch)
#define AT_IP_HIGH (offsetof(struct seccomp_data, instruction_pointer) + 4)
#define AT_ARG(i) (offsetof(struct seccomp_data, args) + 8 * (i))

struct program {
	unsigned n;
	struct sock_filter insn[INSNS_MAX];
};

static unsigned emit(struct program *p, unsigned code, uint64_t k, unsigned jt,
		     unsigned jf)
{
	if (p->n < INSNS_MAX)
		p->insn[p->n] = (struct sock_filter){
			(uint16_t)code, (uint8_t)jt, (uint8_t)jf, (uint32_t)k};
	return p->n++;
}

static void emit_load(struct program *p, uint64_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_return(struct program *p, uint32_t what)
{
	emit(p, BPF_RET | BPF_K, what, 0, 0);
}

static bool passes(unsigned nr)
{
	return nr < OS_CALLS && os_calls[nr].class == OS_PASS;
}

/* First number after nr whose answer differs from nr's. */
static unsigned range_end(unsigned nr)
{
	unsigned end = nr + 1;

	while (end < OS_CALLS && passes(end) == passes(nr))
		end++;
	return end;
}

/*
 * Emits the search among starts[0..n), starts of ranges of equal answers.
 * A range that does not pass jumps to the end of the whole search, which
 * `out` collects: the jump's target is patched by emit_search's caller.
 */
static void emit_search(struct program *p, const uint16_t *starts, unsigned n)
{
	unsigned mid = n / 2, jump;

	if (n == 1) {
		if (passes(starts[0]))
			emit_return(p, SECCOMP_RET_ALLOW);
		else
			emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
		return;
	}
	emit(p, BPF_JMP | BPF_JGE | BPF_K, starts[mid], 0, 1);
	jump = emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_search(p, starts, mid);
	if (jump < INSNS_MAX)
		p->insn[jump].k = p->n - jump - 1;
	emit_search(p, starts + mid, n - mid);
}

static void emit_passing(struct program *p)
{
	uint16_t starts[OS_CALLS];
	unsigned n = 0, first;

	for (unsigned nr = 0; nr < OS_CALLS; nr = range_end(nr))
		starts[n++] = (uint16_t)nr;
	if (passes(starts[n - 1]))
		starts[n++] = OS_CALLS; /* what follows the table does not */
	first = p->n;
	emit_search(p, starts, n);
	for (unsigned i = first; i < p->n && i < INSNS_MAX; i++) {
		struct sock_filter *insn = &p->insn[i];

		if (insn->code == (BPF_JMP | BPF_JA) && insn->k == 0)
			insn->k = p->n - i - 1;
	}
}

static bool is_fd_call(unsigned nr)
{
	return nr == __NR_close || os_calls[nr].class == OS_FD;
}

/* The calls that have the same guard for their first argument: from each of
 * them it is entered, by others jumped over. */
static void emit_fd_calls(struct program *p, uint32_t first)
{
	unsigned n = 0;

	for (unsigned nr = 0; nr < OS_CALLS; nr++)
		n += is_fd_call(nr);
	for (unsigned nr = 0; nr < OS_CALLS; nr++)
		if (is_fd_call(nr))
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, nr, n--, 0);
	emit(p, BPF_JMP | BPF_JA, 5, 0, 0);
	emit_load(p, AT_ARG(0));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first + FW_FD_COUNT, 1, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first, 1, 0);
	emit_return(p, SECCOMP_RET_ALLOW);
	emit_load(p, AT_NR);
}

/* Calls nr whose argument i is no reserved descriptor, as far as the
 * instructions [from here, end) are not entered for another number. */
static void emit_fd_guard(struct program *p, unsigned nr, unsigned arg,
			  uint32_t first)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4);
	emit_load(p, AT_ARG(arg));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first + FW_FD_COUNT, 1, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first, 1, 0);
	emit_return(p, SECCOMP_RET_ALLOW);
	emit_load(p, AT_NR);
}

/* fcntl of the plain commands on other descriptors; F_DUPFD only where the
 * least number asked for lies below the reserved ones. */
static void emit_fcntl(struct program *p, uint32_t first)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, __NR_fcntl, 0, 9);
	emit_load(p, AT_ARG(1));
	emit(p, BPF_JMP | BPF_JGT | BPF_K, FCNTL_SIMPLE_MAX, 7, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0 /* F_DUPFD */, 0, 2);
	emit_load(p, AT_ARG(2));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first, 4, 0);
	emit_load(p, AT_ARG(0));
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first + FW_FD_COUNT, 1, 0);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, first, 1, 0);
	emit_return(p, SECCOMP_RET_ALLOW);
	emit_load(p, AT_NR);
}

/* A private wake-up does not look at the word: only its address counts. */
static void emit_futex(struct program *p)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 0, 3);
	emit_load(p, AT_ARG(1));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE_PRIVATE, 0, 1);
	emit_return(p, SECCOMP_RET_ALLOW);
}

static void build(struct program *p, uint32_t first_fd)
{
	p->n = 0;
	emit_load(p, AT_ARCH);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	emit_return(p, SECCOMP_RET_TRAP);
	emit_load(p, AT_NR);
	emit_passing(p);
	emit_load(p, AT_IP_HIGH);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, FW_KERNEL_BASE >> 32, 0, 1);
	emit_return(p, SECCOMP_RET_ALLOW);
	emit_load(p, AT_NR);
	emit_fd_calls(p, first_fd);
	emit_fd_guard(p, __NR_dup2, 1, first_fd);
	emit_fd_guard(p, __NR_dup3, 1, first_fd);
	emit_fcntl(p, first_fd);
	emit_futex(p);
	emit_return(p, SECCOMP_RET_TRAP);
}

long os_filter_install(struct kthread *t)
{
	struct program p;
	struct sock_fprog prog;
	long ret;

	build(&p, t->p->run->fd_first);
	if (p.n > INSNS_MAX)
		return -ENOMEM;
	prog = (struct sock_fprog){(unsigned short)p.n, p.insn};
	ret = HC5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!ret)
		ret = HC3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	return ret;
}
