/* SPDX-License-Identifier: MIT */
/* cost.h - what cost.c needs of the kernel that it runs on: bare.c, linux.c. */
#ifndef FW_BENCH_RING0_COST_H
#define FW_BENCH_RING0_COST_H

#include <stdbool.h>
#include <stdint.h>

/* Instructions so far. */
static inline uint64_t cost_now(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Private memory at this place; `single`: no page comes but the touched. */
void cost_fresh(uint32_t at, uint32_t pages, bool single);
/* The file /data, private and read only. */
void cost_view(uint32_t at, uint32_t pages);
void cost_drop(uint32_t at, uint32_t pages);
/* Runs f in a child and waits for it. */
void cost_child(void (*f)(void));
/* A line: "cost NAME VALUE". */
void cost_say(const char *name, uint32_t value);
/* Time for whatever the kernel does when nobody runs. */
void cost_rest(void);

#endif
