/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - the machine's kernel, as far as it touches memory that may not be
 * there: two copy routines, whose instructions stand in an exception table,
 * and accesses anywhere else. Its code has addresses only, no bytes.
 */
#include "arch/soft/soft.h"

#define CODE UINT64_C(0xffffffff81000000)
#define COPY_IN (CODE + 0x1000)
#define COPY_OUT (CODE + 0x2000)
#define ROUTINE 0x40
#define FIXUPS (CODE + 0x9000)

const struct fw_extable soft_extable[] = {
	{COPY_IN, COPY_IN + ROUTINE, FIXUPS},
	{COPY_OUT, COPY_OUT + ROUTINE, FIXUPS + 8},
};
const unsigned soft_extable_n = 2;

static void ignore(void *ctx, const char *line)
{
	(void)ctx, (void)line;
}

/* What the CPU pushes, and the registers that matter. */
static struct fw_trap frame_of(const struct soft_cpu *cpu, uint64_t ip,
			       const struct fw_walk *walk, bool interrupt)
{
	return (struct fw_trap){.ip = ip,
				.cr0 = 0x80050033,
				.cr2 = walk->cr2,
				.cr3 = cpu->mmu.ctl.cr3,
				.cr4 = 0x20,
				.error = walk->error,
				.cs = 0x10,
				.ss = 0x18,
				.flags = 0x10246,
				.interrupt = interrupt,
				.pid = cpu->actor->id,
				.comm = "soft"};
}

/* One access of the kernel, to its end. */
static enum fw_trap_end kernel_access(struct soft_cpu *cpu, uint64_t ip,
				      fw_addr addr, void *buffer, uint64_t len,
				      uint32_t access, bool interrupt,
				      const struct fw_kernel *kernel)
{
	enum fw_trap_end end;
	struct fw_walk walk;
	struct fw_trap trap;

	for (;;) {
		if (soft_try(cpu, addr, buffer, len, access, &walk) ==
		    FW_WALK_OK)
			return FW_TRAP_RETRY;
		trap = frame_of(cpu, ip, &walk, interrupt);
		cpu->last_error = walk.error;
		cpu->faults++;
		end = fw_kernel_fault(cpu->soft->mm, cpu->actor, cpu->space,
				      kernel, &trap);
		if (end != FW_TRAP_RETRY)
			return end;
	}
}

enum fw_trap_end soft_kernel_at(struct soft_cpu *cpu, uint64_t ip,
				fw_addr addr, uint32_t access, bool interrupt,
				struct fw_kernel *kernel)
{
	uint8_t byte = 0;

	kernel->table = soft_extable;
	kernel->n = soft_extable_n;
	return kernel_access(cpu, ip, addr, &byte, 1, access, interrupt,
			     kernel);
}

/* Eight bytes an instruction, as `rep movsq` would, then single ones; what a
 * fixup leaves is the bytes not copied. */
static uint64_t copy(struct soft_cpu *cpu, uint64_t ip, fw_addr addr,
		     uint8_t *buffer, uint64_t len, uint32_t access)
{
	struct fw_kernel kernel = {.table = soft_extable,
				   .n = soft_extable_n,
				   .put = ignore};
	uint64_t done = 0;

	if (len == 0)
		return 0;
	/* As much of it as is the users', so that both ways stop at the same
	 * byte; nothing beyond is touched. */
	while (len > 0 && !fw_user_range(cpu->space, addr, len)) {
		uint64_t top = cpu->space->user_top << FW_PAGE_SHIFT;

		if (addr >= top)
			return 0;
		len = top - addr;
	}
	while (done < len) {
		uint64_t n = len - done >= 8 ? 8 : 1;
		uint64_t room = FW_PAGE_SIZE - ((addr + done) & FW_PAGE_MASK);

		if (n > room)
			n = 1;
		if (kernel_access(cpu, ip, addr + done, buffer + done, n,
				  access, false, &kernel) != FW_TRAP_RETRY)
			break;
		done += n;
	}
	return done;
}

uint64_t soft_copy_in(struct soft_cpu *cpu, void *to, fw_addr from,
		      uint64_t len)
{
	return copy(cpu, COPY_IN + 0x10, from, to, len, FW_ACC_READ);
}

uint64_t soft_copy_out(struct soft_cpu *cpu, fw_addr to, const void *from,
		       uint64_t len)
{
	return copy(cpu, COPY_OUT + 0x10, to, (uint8_t *)(uintptr_t)from, len,
		    FW_ACC_WRITE);
}
