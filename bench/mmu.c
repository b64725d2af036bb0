/* SPDX-License-Identifier: MIT */
/*
 * mmu.c - what the software MMU costs: a TLB hit, and a miss with a walk of
 * all levels, in each format. The least of many runs: other programs only ever
 * add to it. Prints NAME=VALUE in ns.
 */
#include <faultwise/mmu.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAGES 4096u /* mapped; a TLB holds 256 */
#define ROUNDS 60u
#define BATCH 20000u
#define TABLES 32u

static _Alignas(4096) uint8_t ram[TABLES * 4096];
static const struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};
static struct fw_tlb tlb;
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(enum fw_mmu_format format, unsigned table, uint64_t index,
		uint64_t entry)
{
	size_t bytes = format == FW_MMU_X32 ? 4 : 8;

	memcpy(ram + table * 4096u + index * bytes, &entry, bytes);
}

/* Maps PAGES pages from address 0, accessed and dirty, all to frame 0. */
static struct fw_mmu_cpu boot(enum fw_mmu_format format)
{
	unsigned bits = format == FW_MMU_X32 ? 10 : 9, table = 0;
	struct fw_mmu_cpu cpu = {.ctl = {.format = format,
					 .phys_bits = 40,
					 .wp = true,
					 .nxe = true},
				 .bus = &bus,
				 .tlb = &tlb};

	memset(ram, 0, sizeof(ram));
	memset(&tlb, 0, sizeof(tlb));
	/* The upper levels lead down through one entry each. */
	for (unsigned level = fw_mmu_levels(format) - 1; level > 1; level--) {
		bool pdpte = format == FW_MMU_PAE;

		put(format, table, 0, (table + 1) * 4096ull |
					      (pdpte ? 1 : 0x27));
		table++;
	}
	for (unsigned i = 0; i < PAGES >> bits; i++)
		put(format, table, i, (table + 1 + i) * 4096ull | 0x27);
	for (unsigned i = 0; i < PAGES; i++)
		put(format, table + 1 + (i >> bits), i & ((1u << bits) - 1),
		    0x67);
	return cpu;
}

/* ns of one access among `pages` pages, in an order without a pattern. */
static double measure(struct fw_mmu_cpu *cpu, uint32_t pages)
{
	uint64_t best = ~0ull, sum = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t page = 0;
		uint64_t start = now_ns(), took;

		for (unsigned i = 0; i < BATCH; i++) {
			struct fw_walk walk;

			page = (page + 1237) & (pages - 1);
			if (fw_mmu_translate(cpu, (fw_addr)page << 12,
					     FW_ACC_USER | (i & 2),
					     &walk) != FW_WALK_OK)
				return -1;
			sum += walk.phys;
		}
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	sink = sum;
	return (double)best / BATCH;
}

int main(void)
{
	static const struct {
		enum fw_mmu_format format;
		const char *name;
	} all[] = {{FW_MMU_X64, ""}, {FW_MMU_PAE, "_pae"},
		   {FW_MMU_X32, "_2level"}};

	for (unsigned i = 0; i < 3; i++) {
		struct fw_mmu_cpu cpu = boot(all[i].format);
		double hit = measure(&cpu, 128), miss = measure(&cpu, PAGES);

		if (hit < 0 || miss < 0 ||
		    tlb.misses < (uint64_t)BATCH * ROUNDS)
			return 1;
		printf("mmu_tlb_hit%s=%.2f\nmmu_miss_walk%s=%.2f\n",
		       all[i].name, hit, all[i].name, miss);
	}
	return 0;
}
