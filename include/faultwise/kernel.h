/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - faults of the kernel itself: what the page-fault handler of a
 * kernel that embeds the core calls when the trap came from kernel mode.
 */
#ifndef FAULTWISE_KERNEL_H
#define FAULTWISE_KERNEL_H

#include <faultwise/mm.h>

/*
 * Instructions [start, end) that may fault: accesses to user memory in the
 * copy routines. Execution goes on at `fixup`. Entries are sorted by start and
 * do not overlap.
 */
struct fw_extable {
	uint64_t start, end, fixup;
};
bool fw_extable_sorted(const struct fw_extable *table, unsigned n);
/* The entry that holds ip, or NULL; in log n steps. */
const struct fw_extable *fw_extable_find(const struct fw_extable *table,
					 unsigned n, uint64_t ip);

enum fw_reg { /* by number, as in instructions */
	FW_RAX, FW_RCX, FW_RDX, FW_RBX, FW_RSP, FW_RBP, FW_RSI, FW_RDI,
	FW_R8, FW_R9, FW_R10, FW_R11, FW_R12, FW_R13, FW_R14, FW_R15,
	FW_REGS
};

/* The trap frame. */
struct fw_trap {
	uint64_t reg[FW_REGS];
	uint64_t ip, flags;
	uint64_t cr0, cr2, cr3, cr4;
	uint32_t error; /* the page fault's error code */
	uint16_t cs, ss;
	bool interrupt; /* not in the context of a process */
	uint32_t cpu, pid;
	const char *comm;
};

struct fw_symbol {
	const char *name, *module; /* module: NULL for the kernel itself */
	uint64_t offset, size;
};

/* What the kernel tells of itself. All but `put` may be NULL. */
struct fw_kernel {
	const struct fw_extable *table;
	unsigned n;
	bool always_panic; /* policy: each Oops ends the system */
	const char *modules; /* names, separated by blanks */
	void *ctx;
	/* One line of the report, without newline. */
	void (*put)(void *ctx, const char *line);
	/* What stands at an address of the kernel. False: unknown. */
	bool (*symbol)(void *ctx, uint64_t addr, struct fw_symbol *ret);
	/* Reads kernel memory without faulting. False: not there. */
	bool (*read)(void *ctx, uint64_t addr, void *buffer, unsigned n);
};

enum fw_trap_end {
	FW_TRAP_RETRY, /* resolved: make the access again */
	FW_TRAP_FIXUP, /* trap->ip was set to the fixup: go on there */
	FW_TRAP_OOPS,  /* a bug; reported. End the process, go on */
	FW_TRAP_PANIC, /* ... in an interrupt, or by policy: end the system */
};

/*
 * A page fault in kernel mode, in this process (NULL: none). Pageable system
 * memory is brought in; so is user memory, but only for the instructions of
 * the table. What cannot be resolved goes to the fixup, if there is one. In
 * interrupts nothing is brought in, since that may wait. Without locks.
 */
enum fw_trap_end fw_kernel_fault(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_space *space,
				 const struct fw_kernel *kernel,
				 struct fw_trap *trap);
/* The report alone; counts it as the n-th. */
void fw_oops(struct fw_mm *mm, struct fw_space *space,
	     const struct fw_kernel *kernel, const struct fw_trap *trap);
/* All bytes of [addr, addr + len) are addresses that users may have: the copy
 * routines' first look, before they touch anything. */
bool fw_user_range(const struct fw_space *space, fw_addr addr, uint64_t len);

#endif
