/* SPDX-License-Identifier: MIT */
/*
 * desc.c - the tables that the CPU is told of: segments that are all of memory,
 * the task state that holds the kernel's stack, the gates; and the interrupt
 * controllers and the timer behind them.
 */
#include "arch/bare/kernel.h"

#define PIC1 0x20
#define PIC2 0xa0
#define PIC_END 0x20
#define PIT 0x40
#define PIT_HZ 1193182
#define GATE 0x8e00	  /* present, interrupts off within */
#define GATE_USER 0xee00 /* the same, for int from ring 3 */

struct pseudo {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

struct gate {
	uint16_t low, selector, type, high;
};

struct tss {
	uint32_t link, esp0, ss0;
	uint32_t unused[22];
	uint16_t trap, io_map;
};

extern const uint32_t trap_vectors[256]; /* trap.S */

static struct tss tss;
static struct gate idt[256];
static uint64_t gdt[6] = {
	0,
	0x00cf9a000000ffff, /* kernel code */
	0x00cf92000000ffff, /* kernel data */
	0x00cffa000000ffff, /* user code */
	0x00cff2000000ffff, /* user data */
};

static void segments(void)
{
	struct pseudo at = {sizeof(gdt) - 1, (uint32_t)gdt};
	uint64_t base = (uint32_t)&tss;

	tss.ss0 = KERNEL_DS;
	tss.io_map = sizeof(tss);
	gdt[5] = 0x0000890000000000 | (base & 0xffffff) << 16 |
		 (base >> 24) << 56 | (sizeof(tss) - 1);
	__asm__ volatile("lgdt %0\n\t"
			 "ljmp %1, $1f\n"
			 "1:\tmov %2, %%ds\n\t"
			 "mov %2, %%es\n\t"
			 "mov %2, %%ss\n\t"
			 "mov %3, %%fs\n\t"
			 "mov %3, %%gs\n\t"
			 "ltr %4"
			 :
			 : "m"(at), "i"(KERNEL_CS), "r"(KERNEL_DS), "r"(0),
			   "r"((uint16_t)TSS_SEL)
			 : "memory");
}

static void gates(void)
{
	struct pseudo at = {sizeof(idt) - 1, (uint32_t)idt};

	for (unsigned i = 0; i < 256; i++) {
		uint32_t to = trap_vectors[i];

		idt[i] = (struct gate){(uint16_t)to, KERNEL_CS, GATE,
				       (uint16_t)(to >> 16)};
	}
	idt[SYSCALL_VECTOR].type = GATE_USER;
	__asm__ volatile("lidt %0" : : "m"(at));
}

/* Interrupts 0 to 15 become vectors 32 to 47, all masked but the cascade. */
static void controllers(void)
{
	static const uint8_t words[4][2] = {
		{0x11, 0x11}, {IRQ_VECTOR, IRQ_VECTOR + 8}, {4, 2}, {1, 1}};

	for (unsigned i = 0; i < 4; i++) {
		outb(PIC1 + (i > 0), words[i][0]);
		outb(PIC2 + (i > 0), words[i][1]);
	}
	outb(PIC1 + 1, 0xff & ~(1u << 2));
	outb(PIC2 + 1, 0xff);
}

void irq_enable(unsigned irq)
{
	uint16_t port = irq < 8 ? PIC1 + 1 : PIC2 + 1;

	outb(port, (uint8_t)(inb(port) & ~(1u << irq % 8)));
}

void irq_end(unsigned irq)
{
	if (irq >= 8)
		outb(PIC2, PIC_END);
	outb(PIC1, PIC_END);
}

void desc_set_stack(uint32_t esp)
{
	tss.esp0 = esp;
}

void desc_init(void)
{
	segments();
	gates();
	controllers();
	outb(PIT + 3, 0x34); /* counter 0, both bytes, rate */
	outb(PIT, (PIT_HZ / TICKS) & 0xff);
	outb(PIT, (PIT_HZ / TICKS) >> 8);
	irq_enable(0);
}
