/* SPDX-License-Identifier: MIT */
/*
 * cost.c - how many instructions a page fault takes, all in all, as a program
 * sees it: it touches pages and reads the time stamp counter, which under
 * QEMU's -icount counts instructions. The same source runs on arch/bare and
 * on Linux. Each line is one round; whoever reads them takes the least.
 */
#include "cost.h"

#define PLACE 0x10000000u
#define PAGE 4096u
#define PAGES 256u
#define AROUND 16u /* pages that one fault brings in on either kernel */
#define ROUNDS 6

/* Instructions to touch every `stride`th page. */
static uint32_t touch(bool writes, uint32_t stride)
{
	uint64_t start = cost_now();

	for (uint32_t i = 0; i < PAGES; i += stride) {
		volatile uint8_t *byte = (volatile uint8_t *)(PLACE + i * PAGE);

		if (writes)
			*byte = 1;
		else
			(void)*byte;
	}
	return (uint32_t)(cost_now() - start);
}

/* The same again costs what is not the faults'. */
static void tell(const char *name, bool writes, uint32_t stride)
{
	uint32_t faults = touch(writes, stride);

	faults -= touch(writes, stride);
	cost_say(name, faults / (PAGES / stride));
}

static void zero(const char *name, bool single)
{
	cost_fresh(PLACE, PAGES, single);
	cost_rest();
	tell(name, true, 1);
	cost_drop(PLACE, PAGES);
}

static void child(void)
{
	tell("copy_on_write", true, 1);
}

static void copies(void)
{
	cost_fresh(PLACE, PAGES, false);
	touch(true, 1);
	cost_rest();
	cost_child(child);
	cost_drop(PLACE, PAGES);
}

static void file(const char *name, uint32_t stride)
{
	cost_view(PLACE, PAGES);
	tell(name, false, stride);
	cost_drop(PLACE, PAGES);
}

int main(void)
{
	/* Keeps the page table, which would be made and freed each time. */
	cost_fresh(PLACE + 512 * PAGE, 1, true);
	*(volatile uint8_t *)(PLACE + 512 * PAGE) = 1;
	/* From here on the file is in memory. */
	cost_view(PLACE, PAGES);
	touch(false, 1);
	cost_drop(PLACE, PAGES);
	for (unsigned i = 0; i < ROUNDS; i++) {
		zero("demand_zero", true);
		zero("demand_zero_in_a_row", false);
		copies();
		file("file_fault", AROUND);
		file("file_page_in_a_row", 1);
	}
	return 0;
}
