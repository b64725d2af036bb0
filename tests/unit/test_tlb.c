/* SPDX-License-Identifier: MIT */
/*
 * test_tlb.c - the TLB alone, and a CPU's accesses through it.
 */
#include "harness.h"

#include <faultwise/mmu.h>

#include <stdlib.h>
#include <string.h>

#define PAGES 4096 /* of RAM */
enum { P = 1, W = 2, U = 4, A = 32, D = 64, PS = 128, G = 256 };

static struct fw_tlb tlb;

static struct fw_walk to(uint64_t pfn, unsigned shift, bool global)
{
	return (struct fw_walk){.phys = pfn << 12,
				.shift = (uint8_t)shift,
				.write = true,
				.user = true,
				.dirty = true,
				.global = global};
}

static void load(uint16_t asid, fw_vpn vpn, uint64_t pfn, bool global)
{
	struct fw_walk walk = to(pfn, 12, global);

	fw_tlb_load(&tlb, asid, vpn << 12, &walk);
}

/* The frame that is cached for a page, or 0. */
static uint64_t cached(uint16_t asid, fw_vpn vpn)
{
	struct fw_tlb_entry *e = fw_tlb_find(&tlb, asid, vpn << 12);

	return e ? e->page >> 12 : 0;
}

TEST(spaces_are_told_apart, "A17 A18")
{
	memset(&tlb, 0, sizeof(tlb));
	load(1, 7, 100, false);
	load(2, 7, 200, false);
	is_u64(cached(1, 7), 100, "space 1");
	is_u64(cached(2, 7), 200, "space 2");
	is_u64(cached(3, 7), 0, "space 3");
	fw_tlb_drop_page(&tlb, 1, 7 << 12);
	is_u64(cached(1, 7), 0, "dropped");
	is_u64(cached(2, 7), 200, "the other one stays");
}

TEST(global_pages_survive_a_switch, "A18 A19")
{
	memset(&tlb, 0, sizeof(tlb));
	load(1, 7, 100, false);
	load(1, 8, 300, true);
	is_u64(cached(2, 8), 300, "global: in every space");
	fw_tlb_drop_asid(&tlb, 1);
	is_u64(cached(1, 7), 0, "not global: gone");
	is_u64(cached(1, 8), 300, "global: still there");
	fw_tlb_drop_page(&tlb, 2, 8 << 12);
	is_u64(cached(1, 8), 0, "INVLPG drops global ones");
	load(1, 8, 300, true);
	fw_tlb_drop_all(&tlb);
	is_u64(cached(1, 8), 0, "and so does dropping all");
}

/* INVLPG, the four kinds of INVPCID, and MOV CR3 (SDM 4.10.4.1): what each
 * leaves of a page of this space, one of another, and a global one. */
TEST(each_invalidation_drops_what_it_should, "A18 A19 A20")
{
	static const struct {
		const char *name;
		bool own, next, other, global;
	} left[] = {{"INVLPG of a page", false, true, true, true},
		    {"INVPCID 0 of a page", false, true, true, true},
		    {"INVLPG of a global page", true, true, true, false},
		    {"INVPCID 0 of a global page", true, true, true, true},
		    {"INVPCID 1, MOV CR3", false, false, true, true},
		    {"INVPCID 2", false, false, false, false},
		    {"INVPCID 3", false, false, false, true}};

	for (unsigned i = 0; i < 7; i++) {
		memset(&tlb, 0, sizeof(tlb));
		load(1, 7, 100, false);
		load(1, 71, 101, false);
		load(2, 7, 200, false);
		load(1, 9, 300, true);
		switch (i) {
		case 0: fw_tlb_drop_page(&tlb, 1, 7 << 12); break;
		case 1: fw_tlb_drop_own_page(&tlb, 1, 7 << 12); break;
		case 2: fw_tlb_drop_page(&tlb, 2, 9 << 12); break;
		case 3: fw_tlb_drop_own_page(&tlb, 1, 9 << 12); break;
		case 4: fw_tlb_drop_asid(&tlb, 1); break;
		case 5: fw_tlb_drop_all(&tlb); break;
		default: fw_tlb_drop_local(&tlb); break;
		}
		is_u64(cached(1, 7), left[i].own ? 100 : 0, "%s: the page",
		       left[i].name);
		is_u64(cached(1, 71), left[i].next ? 101 : 0, "%s: another",
		       left[i].name);
		is_u64(cached(2, 7), left[i].other ? 200 : 0,
		       "%s: another space's", left[i].name);
		is_u64(cached(2, 9), left[i].global ? 300 : 0, "%s: global",
		       left[i].name);
	}
}

TEST(loading_again_replaces, "A18")
{
	memset(&tlb, 0, sizeof(tlb));
	for (unsigned i = 1; i <= 10; i++)
		load(1, 7, i, false);
	is_u64(cached(1, 7), 10, "the newest");
	fw_tlb_drop_page(&tlb, 1, 7 << 12);
	is_u64(cached(1, 7), 0, "no older one behind it");
}

TEST(large_pages_go_as_one, "A18")
{
	struct fw_walk walk;

	memset(&tlb, 0, sizeof(tlb));
	for (unsigned i = 0; i < 5; i++) {
		walk = to(512 + i * 37, 21, false);
		fw_tlb_load(&tlb, 1, (512ull + i * 37) << 12, &walk);
	}
	load(1, 3, 9, false);
	is_u64(cached(1, 512 + 37), 512 + 37, "a piece is there");
	fw_tlb_drop_page(&tlb, 1, 1023 << 12);
	for (unsigned i = 0; i < 5; i++)
		is_u64(cached(1, 512 + i * 37), 0, "piece %u is gone", i);
	is_u64(cached(1, 3), 9, "others are not");
}

/* Whatever is cached is what was loaded last and not dropped since. */
TEST(random_loads_and_drops, "A18")
{
	static uint64_t model[4][1024];
	unsigned hits = 0;

	memset(&tlb, 0, sizeof(tlb));
	srand48(7);
	for (unsigned i = 1; i < 300000; i++) {
		uint16_t asid = (uint16_t)(lrand48() % 4);
		fw_vpn vpn = (fw_vpn)(lrand48() % 1024);
		uint64_t n = (uint64_t)(lrand48() % 100);
		uint64_t pfn = cached(asid, vpn);

		hits += pfn != 0;
		if (pfn)
			is_u64(pfn, model[asid][vpn], "asid %u page %u", asid,
			       (unsigned)vpn);
		if (lrand48() % 16) {
			load(asid, vpn, i, false);
			model[asid][vpn] = i;
			continue;
		}
		fw_tlb_drop_range(&tlb, asid, vpn, n);
		for (uint64_t p = vpn; p < vpn + n && p < 1024; p++)
			model[asid][p] = 0;
	}
	ok(hits > 10000 && tlb.misses > 10000, "both were exercised");
}

/* ---- a CPU ------------------------------------------------------------ */

static _Alignas(4096) uint64_t ram[PAGES][512];
static const struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};

/* Tables in pages 1 to 4; virtual page n of the first 2 MiB is frame n + 512,
 * user and writable. */
static struct fw_mmu_cpu boot(void)
{
	struct fw_mmu_cpu cpu = {.bus = &bus, .tlb = &tlb, .asid = 1};

	memset(&tlb, 0, sizeof(tlb));
	memset(ram, 0, 8 * sizeof(*ram));
	cpu.ctl = (struct fw_mmu_ctl){.format = FW_MMU_X64,
				      .cr3 = 1 << 12,
				      .phys_bits = 40,
				      .wp = true,
				      .nxe = true};
	for (unsigned table = 1; table < 4; table++)
		ram[table][0] = (table + 1) << 12 | P | W | U;
	for (uint64_t i = 0; i < 512; i++)
		ram[4][i] = (512 + i) << 12 | P | W | U;
	return cpu;
}

static enum fw_walk_end touch(struct fw_mmu_cpu *cpu, fw_addr addr,
			       void *buffer, uint64_t len, uint32_t how)
{
	struct fw_walk walk = {0};

	return fw_mmu_access(cpu, addr, buffer, len, how, &walk);
}

TEST(bytes_reach_the_frame, "A03")
{
	struct fw_mmu_cpu cpu = boot();
	char text[] = "across the boundary of two pages", back[40] = "";

	is_u64(touch(&cpu, 0x3ff0, text, sizeof(text), FW_ACC_WRITE),
	       FW_WALK_OK, "write");
	is_u64(touch(&cpu, 0x3ff0, back, sizeof(text), FW_ACC_READ),
	       FW_WALK_OK, "read");
	is_str(back, text, "what was written");
	is_mem((char *)ram[515] + 0xff0, text, 16, "first part");
	is_mem(ram[516], text + 16, sizeof(text) - 16, "second part");
	is_u64(ram[4][3] & (A | D), A | D, "marked dirty");
	is_u64(ram[4][5] & (A | D), 0, "untouched");
}

TEST(a_straddling_access_is_all_or_nothing, "C18 C22")
{
	struct fw_mmu_cpu cpu = boot();
	uint64_t old = 0x1111111111111111, new = 0x2222222222222222, got;
	struct fw_walk walk;

	touch(&cpu, 0x3ffc, &old, 8, FW_ACC_WRITE);
	ram[4][4] &= ~(uint64_t)W;
	fw_tlb_drop_all(&tlb);
	is_u64(fw_mmu_access(&cpu, 0x3ffc, &new, 8, FW_ACC_WRITE, &walk),
	       FW_WALK_FAULT, "second page is read-only");
	is_u64(walk.cr2, 0x4000, "CR2 is its first byte");
	is_u64(walk.error, FW_PF_P | FW_PF_W, "error");
	touch(&cpu, 0x3ffc, &got, 8, FW_ACC_READ);
	is_u64(got, old, "no byte of the first page changed");
	ram[4][3] = ram[4][4] = 0;
	fw_tlb_drop_all(&tlb);
	fw_mmu_access(&cpu, 0x3ffc, &new, 8, FW_ACC_WRITE, &walk);
	is_u64(walk.cr2, 0x3ffc, "both absent: the first faults first");
	ram[4][3] = 515 << 12 | P | W;
	fw_mmu_access(&cpu, 0x3ffc, &new, 8, FW_ACC_WRITE, &walk);
	is_u64(walk.cr2, 0x4000, "then the second");
}

TEST(stale_translations_are_used_until_dropped, "A18")
{
	struct fw_mmu_cpu cpu = boot();
	uint64_t value;

	ram[514][0] = 1;
	ram[600][0] = 2;
	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	ram[4][2] = 600 << 12 | P | W | U;
	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	is_u64(value, 1, "as on the CPU, the TLB does not see tables change");
	fw_tlb_drop_page(&tlb, 1, 0x2000);
	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	is_u64(value, 2, "after INVLPG it does");
}

TEST(more_rights_need_no_flush, "A15")
{
	struct fw_mmu_cpu cpu = boot();
	uint64_t value = 5;

	ram[4][2] &= ~(uint64_t)(W | U);
	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	is_u64(touch(&cpu, 0x2000, &value, 8, FW_ACC_READ | FW_ACC_USER),
	       FW_WALK_FAULT, "not the user's");
	ram[4][2] |= W | U;
	is_u64(touch(&cpu, 0x2000, &value, 8, FW_ACC_WRITE | FW_ACC_USER),
	       FW_WALK_OK, "a denial is never cached");
}

TEST(the_first_write_sets_the_dirty_bit, "B19 B20")
{
	struct fw_mmu_cpu cpu = boot();
	uint64_t value = 5;

	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	is_u64(ram[4][2] & (A | D), A, "a read does not");
	touch(&cpu, 0x2000, &value, 8, FW_ACC_WRITE);
	is_u64(ram[4][2] & (A | D), A | D, "a write does");
	ram[4][2] &= ~(uint64_t)D;
	fw_tlb_drop_page(&tlb, 1, 0x2000);
	touch(&cpu, 0x2000, &value, 8, FW_ACC_READ);
	touch(&cpu, 0x2000, &value, 8, FW_ACC_WRITE);
	is_u64(ram[4][2] & D, D, "and after cleaning it does again");
}

TEST(a_tlb_that_software_fills, "A18")
{
	struct fw_mmu_cpu cpu = boot();
	struct fw_walk walk;
	uint64_t value = 5;

	cpu.tlb_only = true;
	is_u64(touch(&cpu, 0x2000, &value, 8, FW_ACC_WRITE), FW_WALK_MISS,
	       "nothing is loaded");
	is_u64(ram[4][2] & (A | D), 0, "and nothing was walked");
	cpu.tlb_only = false;
	fw_mmu_translate(&cpu, 0x2000, FW_ACC_READ, &walk);
	cpu.tlb_only = true;
	is_u64(touch(&cpu, 0x2000, &value, 8, FW_ACC_READ), FW_WALK_OK,
	       "loaded");
	is_u64(touch(&cpu, 0x2000, &value, 8, FW_ACC_WRITE), FW_WALK_MISS,
	       "not for writing");
}

TEST(a_large_page_through_the_tlb, "A03")
{
	struct fw_mmu_cpu cpu = boot();
	uint64_t value;

	ram[3][1] = 512 << 12 | P | W | U | PS;
	ram[777][3] = 42;
	touch(&cpu, 777 * 4096ull + 24, &value, 8, FW_ACC_READ);
	is_u64(value, 42, "byte of a 2 MiB page");
	is_u64(touch(&cpu, 0x200000ull * 3, &value, 8, FW_ACC_READ),
	       FW_WALK_FAULT, "not mapped");
	is_u64(touch(&cpu, UINT64_C(0x800000000000), &value, 8, FW_ACC_READ),
	       FW_WALK_NONCANONICAL, "no address");
	ram[3][1] = UINT64_C(0x8000000000) | P | PS;
	fw_tlb_drop_all(&tlb);
	is_u64(touch(&cpu, 0x200000, &value, 8, FW_ACC_READ), FW_WALK_BUS,
	       "a frame that is not there");
}

/* Without CR4.PGE the G bit is ignored (SDM 4.10.2.4). */
TEST(global_pages_want_pge, "A18 A19")
{
	struct fw_mmu_cpu cpu = boot();
	uint8_t byte;

	ram[4][5] |= G;
	touch(&cpu, 5 << 12, &byte, 1, FW_ACC_READ);
	fw_tlb_drop_asid(&tlb, 1);
	is_u64(cached(1, 5), 0, "not global");
	cpu.ctl.pge = true;
	touch(&cpu, 5 << 12, &byte, 1, FW_ACC_READ);
	fw_tlb_drop_asid(&tlb, 1);
	is_u64(cached(1, 5), 512 + 5, "global");
	cpu.asid = 2;
	cpu.tlb_only = true;
	is_u64(touch(&cpu, 5 << 12, &byte, 1, FW_ACC_READ), FW_WALK_OK,
	       "another space finds it");
}

/* Each access, with each right there is, through the TLB as by a walk; also
 * when what is cached was loaded by an access of another kind. */
TEST(the_tlb_permits_what_a_walk_permits, "A09 A10 A11 A12 A13 A14 B21")
{
	static const uint32_t kinds[] = {0, 2, 4, 6, 16, 20};
	const fw_addr at = 9 << 12;

	for (unsigned n = 0; n < 8 * 32 * 36; n++) {
		struct fw_mmu_cpu cpu = boot();
		uint32_t first = kinds[n / 256 % 6], then = kinds[n / 1536];
		uint64_t e = (512 + 9) << 12 | P | (n & 3) << 1;
		struct fw_walk walk = {0}, want = {0};
		enum fw_walk_end end, should;

		ram[4][9] = e | (n & 4 ? (uint64_t)1 << 63 : 0);
		cpu.ctl.wp = n & 8;
		cpu.ctl.smep = n & 16;
		cpu.ctl.smap = n & 32;
		cpu.ctl.ac = n & 64;
		cpu.ctl.nxe = true;
		cpu.asid = n & 128 ? 1 : 300;
		fw_mmu_translate(&cpu, at, first, &walk);
		end = fw_mmu_translate(&cpu, at + 5, then, &walk);
		should = fw_mmu_walk(&cpu.ctl, &bus, at + 5, then, &want);
		is_u64(end, should, "%u after %u, case %u", then, first, n);
		if (end == FW_WALK_FAULT)
			is_u64(walk.error, want.error, "error");
		else
			is_u64(walk.phys << 8 | walk.write << 4 |
				       walk.user << 3 | walk.exec << 2 |
				       walk.dirty << 1 | walk.global,
			       want.phys << 8 | want.write << 4 |
				       want.user << 3 | want.exec << 2 |
				       want.dirty << 1 | want.global,
			       "what it found");
		is_u64(walk.shift, end == FW_WALK_OK ? 12 : walk.shift, "size");
	}
}
