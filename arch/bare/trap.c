/* SPDX-License-Identifier: MIT */
/*
 * trap.c - exceptions, interrupts and system calls, after trap.S. A page fault
 * goes to the core with CR2 and the error code as the CPU gave them.
 */
#include "arch/bare/kernel.h"

bool trap_bug_in_timer;
static bool in_interrupt, tick_over;

uint32_t kernel_bug(void)
{
	volatile uint32_t address = 4;

	return *(const volatile uint32_t *)address;
}

static void record_fault(const struct frame *f, uint32_t address, uint32_t kind)
{
	uint32_t n = current->faults++;

	if (n < FAULT_LOG)
		current->log[n] = (struct fault_record){address, f->error,
							f->eip, kind};
}

/* A process did what it must not: its handler is told, once, or it ends. */
static void violation(struct frame *f, uint32_t address, uint32_t kind,
		      uint32_t signal)
{
	uint32_t handler = current->handler;

	if (!handler) {
		kprintf("%s[%u]: signal %u at %08x ip %08x sp %08x error %x\n",
			current->name, current->pid, signal, address, f->eip,
			f->esp, f->error);
		task_exit(128 + signal);
	}
	current->handler = 0;
	f->eax = address;
	f->edx = f->error;
	f->ecx = f->eip;
	f->ebx = kind;
	f->eip = handler;
}

static uint32_t signal_of(enum fw_kind kind)
{
	switch (kind) {
	case FW_KIND_EOF:
	case FW_KIND_IOERR:
		return SIG_BUS;
	case FW_KIND_NOMEM:
		return SIG_KILL;
	default:
		return SIG_SEGV;
	}
}

static void fault_of_user(struct frame *f, uint32_t address)
{
	struct fw_fault fault = {.addr = address};

	/* The bits of an access are those of the error code; P says what the
	 * tables say as well. */
	fault.access = f->error & (FW_ACC_WRITE | FW_ACC_USER | FW_ACC_EXEC);
	fault.kind = FW_KIND_ACCERR;
	if (!current->raw)
		fw_fault(kernel_mm, current->actor, current->space, &fault);
	record_fault(f, address, fault.kind);
	if (!fw_kind_resolved(fault.kind))
		violation(f, address, fault.kind, signal_of(fault.kind));
}

/* ---- faults of the kernel ------------------------------------------------ */

static void put_line(void *ctx, const char *line)
{
	(void)ctx;
	kprintf("%s\n", line);
}

static bool read_ram(void *ctx, uint64_t addr, void *buffer, unsigned n)
{
	(void)ctx;
	if (addr < KERNEL_BASE || addr + n > KERNEL_BASE + kernel_ram())
		return false;
	memcpy(buffer, (const void *)(uint32_t)addr, n);
	return true;
}

static struct fw_trap trap_of(const struct frame *f, uint32_t address)
{
	return (struct fw_trap){
		.reg = {f->eax, f->ecx, f->edx, f->ebx, (uint32_t)&f->esp,
			f->ebp, f->esi, f->edi},
		.ip = f->eip,
		.flags = f->eflags,
		.cr0 = read_cr0(),
		.cr2 = address,
		.cr3 = read_cr3(),
		.cr4 = read_cr4(),
		.error = f->error,
		.cs = (uint16_t)f->cs,
		.ss = KERNEL_DS,
		.interrupt = in_interrupt,
		.pid = current->pid,
		.comm = current->name,
	};
}

static void fault_of_kernel(struct frame *f, uint32_t address)
{
	const struct fw_kernel kernel = {
		.table = extable_start,
		.n = (unsigned)(extable_end - extable_start),
		.always_panic = kernel_always_panic,
		.put = put_line,
		.symbol = symbol_find,
		.read = read_ram,
	};
	struct fw_trap t = trap_of(f, address);

	record_fault(f, address, 0);
	if (current->raw && fw_extable_find(kernel.table, kernel.n, f->eip)) {
		f->eip = (uint32_t)extable_start->fixup;
		return;
	}
	switch (fw_kernel_fault(kernel_mm, current->actor, current->space,
				&kernel, &t)) {
	case FW_TRAP_RETRY:
		return;
	case FW_TRAP_FIXUP:
		f->eip = (uint32_t)t.ip;
		return;
	case FW_TRAP_OOPS:
		port_locks_die();
		task_exit(128 + SIG_SEGV);
	case FW_TRAP_PANIC:
		kernel_exit(2);
	}
}

static void page_fault(struct frame *f)
{
	uint32_t address = read_cr2();

	if (f->error & 8)
		panic("a table entry has a reserved bit set");
	if (frame_is_user(f))
		fault_of_user(f, address);
	else
		fault_of_kernel(f, address);
}

/* ---- the others ---------------------------------------------------------- */

static void interrupt(unsigned irq)
{
	in_interrupt = true;
	if (irq == 0) {
		tick_over = true;
		task_timer();
		if (trap_bug_in_timer)
			kernel_bug();
	} else if (irq == 14) {
		disk_interrupt();
	}
	irq_end(irq);
	in_interrupt = false;
}

void trap(struct frame *f);
void trap(struct frame *f)
{
	if (f->vector == PAGE_FAULT_VECTOR)
		page_fault(f);
	else if (f->vector == SYSCALL_VECTOR)
		syscall(f);
	else if (f->vector >= IRQ_VECTOR && f->vector < IRQ_VECTOR + 16)
		interrupt(f->vector - IRQ_VECTOR);
	else if (frame_is_user(f))
		violation(f, f->eip, FW_KIND_ACCERR,
			  f->vector == 6 ? SIG_ILL : SIG_SEGV);
	else
		panic("an exception that the kernel does not make");
	if (!frame_is_user(f) || !tick_over)
		return;
	tick_over = false;
	task_yield();
}
