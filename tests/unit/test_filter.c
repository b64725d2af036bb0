/* SPDX-License-Identifier: MIT */
/*
 * test_filter.c - the seccomp filter, run by an interpreter of its own: what
 * passes, what traps, and that a passing call's answer depends on nothing
 * but its number (only then does the host keep it in its bitmap).
 */
#include "harness.h"

#include <string.h>

#include "os/filter.c"

/* The table names functions; here they are empty. */
#define OWN(nr, id)                                                            \
	long sys_##id(struct kthread *t, struct ucontext *uc, const long a[6]) \
	{                                                                      \
		return t || uc || a;                                           \
	}
#define PASS(nr, id)
#define FD(nr, id)
#define BUF(nr, id, ...)
#define ONCE(nr, id, ...)
#define NOW(nr, id, ...)
#define REFUSE(nr, id, errno_)
#include "os/syscalls.def"
#undef OWN
#undef PASS
#undef FD
#undef BUF
#undef ONCE
#undef NOW
#undef REFUSE

#include "os/calls.c"

long host_call(long nr, long a, long b, long c, long d, long e, long f)
{
	return nr | a | b | c | d | e | f;
}

#define FIRST_FD 900u
#define USER_RIP 0x401000ull
#define KERNEL_RIP 0x780000001234ull
#define X32_BIT 0x40000000u
#define LOADED_MORE 1u /* the program looked beyond nr and arch */

static struct program program;

static uint32_t value_at(const struct seccomp_data *d, uint32_t offset,
			 unsigned *seen)
{
	uint32_t value;

	if (offset != AT_NR && offset != AT_ARCH)
		*seen |= LOADED_MORE;
	memcpy(&value, (const char *)d + offset, sizeof(value));
	return value;
}

static bool taken(const struct sock_filter *insn, uint32_t a)
{
	switch (insn->code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		return a == insn->k;
	case BPF_JMP | BPF_JGE | BPF_K:
		return a >= insn->k;
	default:
		return a > insn->k;
	}
}

/* Runs the program; the pc stays within it, which the host checks too. */
static uint32_t filter(const struct seccomp_data *d, unsigned *seen)
{
	uint32_t a = 0;

	*seen = 0;
	for (unsigned pc = 0; pc < program.n; pc++) {
		const struct sock_filter *insn = &program.insn[pc];

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = value_at(d, insn->k, seen);
			break;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			pc += insn->k;
			break;
		default:
			pc += taken(insn, a) ? insn->jt : insn->jf;
			break;
		}
	}
	return 0;
}

static bool allows(unsigned nr, uint64_t rip, uint64_t a0, uint64_t a1,
		   uint64_t a2)
{
	struct seccomp_data d = {.nr = (int)nr,
				 .arch = AUDIT_ARCH_X86_64,
				 .instruction_pointer = rip,
				 .args = {a0, a1, a2}};
	unsigned seen;

	return filter(&d, &seen) == SECCOMP_RET_ALLOW;
}

TEST(by_number, "")
{
	build(&program, FIRST_FD);
	ok(program.n <= INSNS_MAX, "the program fits");
	for (unsigned nr = 0; nr < OS_CALLS + 100; nr++) {
		struct seccomp_data d = {.nr = (int)nr,
					 .arch = AUDIT_ARCH_X86_64,
					 .instruction_pointer = USER_RIP,
					 .args = {FIRST_FD, FIRST_FD}};
		unsigned seen;
		uint32_t answer = filter(&d, &seen);

		is_u64(answer,
		       passes(nr) ? SECCOMP_RET_ALLOW : SECCOMP_RET_TRAP,
		       "from the user half");
		is_u64(seen, passes(nr) ? 0 : LOADED_MORE,
		       "a call that passes is known by its number");
		ok(allows(nr, KERNEL_RIP, 0, 0, 0), "from the kernel half");
		ok(!allows(nr | X32_BIT, USER_RIP, 0, 0, 0), "x32");
		d.arch = AUDIT_ARCH_I386;
		is_u64(filter(&d, &seen), SECCOMP_RET_TRAP, "int 0x80");
	}
}

TEST(reserved_descriptors, "")
{
	const unsigned after = FIRST_FD + FW_FD_COUNT;

	build(&program, FIRST_FD);
	for (unsigned fd = FIRST_FD - 2; fd < after + 2; fd++) {
		bool ours = fd >= FIRST_FD && fd < after;

		is_u64(allows(__NR_close, USER_RIP, fd, 0, 0), !ours, "close");
		is_u64(allows(__NR_dup, USER_RIP, fd, 0, 0), !ours, "dup");
		is_u64(allows(__NR_fchmod, USER_RIP, fd, 0, 0), !ours,
		       "fchmod");
		is_u64(allows(__NR_syncfs, USER_RIP, fd, 0, 0), !ours,
		       "syncfs");
		is_u64(allows(__NR_dup2, USER_RIP, 1, fd, 0), !ours, "dup2");
		is_u64(allows(__NR_dup3, USER_RIP, 1, fd, 0), !ours, "dup3");
		is_u64(allows(__NR_fcntl, USER_RIP, fd, 1, 0), !ours,
		       "F_GETFD");
		is_u64(allows(__NR_fcntl, USER_RIP, 3, 0, fd), fd < FIRST_FD,
		       "F_DUPFD");
		ok(!allows(__NR_fcntl, USER_RIP, 3, 5, fd), "F_GETLK");
	}
}

TEST(wake_ups, "")
{
	build(&program, FIRST_FD);
	ok(allows(__NR_futex, USER_RIP, 1, 129, 1), "a private one passes");
	ok(!allows(__NR_futex, USER_RIP, 1, 1, 1), "a shared one traps");
	ok(!allows(__NR_futex, USER_RIP, 1, 128, 1), "a wait traps");
}

/* Every call of ours is there, and no other function is in the table. */
TEST(table, "")
{
	for (unsigned nr = 0; nr < OS_CALLS; nr++) {
		const struct os_call *call = &os_calls[nr];

		is_u64(call->fn != NULL, call->class == OS_OWN,
		       "a function just for calls of ours");
		is_u64(call->name != NULL, call->class != OS_NONE, "a name");
		is_u64(call->error != 0, call->class == OS_REFUSE, "an errno");
		for (unsigned i = 0; i < 6; i++)
			ok(call->arg[i].k < 6, "lengths are arguments");
	}
}
