/* SPDX-License-Identifier: MIT */
/*
 * gate.h - how victim and stepper meet. At a gate the victim spins until
 * somebody sets its rax, with the number of the gate in r15: no memory is
 * touched and no call is made between the gate and the operation.
 */
#ifndef FAULTWISE_TESTS_GATE_H
#define FAULTWISE_TESTS_GATE_H

#define GATE_BEFORE 0x600d0001ul
#define GATE_AFTER 0x600d0002ul

/*
 * Operations, X(enumerator, name). Those of an agent step that process: it
 * trims for somebody else, it cleans up after its guest.
 */
#define KILL_OPS(X)                                                        \
	X(OP_DEMAND_ZERO, "demand_zero")                                   \
	X(OP_TRANSITION, "transition")                                     \
	X(OP_COW, "cow")                                                   \
	X(OP_PAGE_IN, "page_in")                                           \
	X(OP_TRIM, "trim")                                                 \
	X(OP_WRITE_OUT, "write_out")                                       \
	X(OP_MMAP, "mmap")                                                 \
	X(OP_MUNMAP, "munmap")                                             \
	X(OP_SHARE, "share")                                               \
	X(OP_REMOVE, "remove")                                             \
	X(OP_FORK_PARENT, "fork_parent")                                   \
	X(OP_FORK_CHILD, "fork_child")                                     \
	X(OP_EXEC, "exec")                                                 \
	X(OP_EXIT, "exit")                                                 \
	X(OP_AGENT_TRIM, "agent_trim")                                     \
	X(OP_AGENT_END, "agent_end")

enum kill_op {
#define X(op, name) op,
	KILL_OPS(X)
#undef X
	KILL_OPS_COUNT
};

static inline void gate(unsigned long number)
{
	unsigned long go = 0;

	__asm__ volatile("mov %1, %%r15\n"
			 "1:	pause\n"
			 "	test %%rax, %%rax\n"
			 "	jz 1b\n"
			 : "+a"(go)
			 : "r"(number)
			 : "r15", "cc");
}

#endif
