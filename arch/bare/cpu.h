/* SPDX-License-Identifier: MIT */
/* cpu.h - single instructions, by name. */
#ifndef FW_BARE_CPU_H
#define FW_BARE_CPU_H

#include <stdint.h>

#define EFER 0xc0000080u
#define EFER_NXE 0x800u

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

#define CPU_REGISTER(name)                                             \
	static inline uint32_t read_##name(void)                       \
	{                                                              \
		uint32_t value;                                        \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
		return value;                                          \
	}                                                              \
	static inline void write_##name(uint32_t value)                \
	{                                                              \
		__asm__ volatile("mov %0, %%" #name                    \
				 :                                     \
				 : "r"(value)                          \
				 : "memory");                          \
	}
CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3)
CPU_REGISTER(cr4)

static inline void wait_interrupt(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline uint64_t read_msr(uint32_t msr)
{
	uint64_t value;

	__asm__ volatile("rdmsr" : "=A"(value) : "c"(msr));
	return value;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "A"(value), "c"(msr));
}

static inline uint32_t cpuid_edx(uint32_t leaf)
{
	uint32_t a = leaf, b, c, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return d;
}

#endif
