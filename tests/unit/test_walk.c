/* SPDX-License-Identifier: MIT */
/*
 * test_walk.c - the walker: rights, error codes, reserved bits, accessed and
 * dirty bits, large pages; exhaustively where the space is small.
 */
#include "harness.h"

#include <faultwise/mmu.h>

#include <stdlib.h>
#include <string.h>

#include "mmu/geometry.h"
#include "mmu/pte.h"

#define RAM_PAGES 16
enum { P = 1, W = 2, U = 4, A = 32, D = 64, PS = 128, G = 256 };
#define NX ((uint64_t)1 << 63)

static _Alignas(4096) uint8_t ram[RAM_PAGES * 4096];
static const struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};

static const char *const format_name[] = {"x64", "pae", "x32"};
/* Canonical, and with a different index at every level. */
static const fw_addr probe[] = {0x00007a5b3c7d1123, 0x9c7d1123, 0x9c7d1123};

static uint64_t get(unsigned format, uint64_t phys)
{
	uint64_t value = 0;

	memcpy(&value, ram + phys, fw_geometry[format].entry_bytes);
	return value;
}

static void set(unsigned format, uint64_t phys, uint64_t value)
{
	memcpy(ram + phys, &value, fw_geometry[format].entry_bytes);
}

/* The table of level n is page n + 1; the entry of it for the probe. */
static uint64_t entry_phys(unsigned format, unsigned level)
{
	const struct fw_geometry *g = &fw_geometry[format];
	const struct fw_level *l = &g->level[level];

	return (level + 1) * 4096ull +
	       (probe[format] >> l->shift & fw_bits_mask(l->bits)) *
		       g->entry_bytes;
}

/* Maps the probe to page 8 with these flags at each level. */
static struct fw_mmu_ctl build(unsigned format, const uint64_t *flags)
{
	struct fw_mmu_ctl ctl = {.format = (enum fw_mmu_format)format,
				 .phys_bits = 40,
				 .wp = true,
				 .nxe = true,
				 .pse = true,
				 .pge = true,
				 .gib_pages = true};
	unsigned top = fw_mmu_levels(ctl.format) - 1;

	memset(ram, 0, sizeof(ram));
	ctl.cr3 = (top + 1) * 4096ull;
	for (unsigned level = 0; level <= top; level++)
		set(format, entry_phys(format, level),
		    (level ? level * 4096ull : 8 * 4096ull) | flags[level]);
	return ctl;
}

static struct fw_mmu_ctl build_all(unsigned format, uint64_t flags)
{
	uint64_t each[4] = {flags, flags, flags, flags};

	if (format == FW_MMU_PAE)
		each[2] = P;
	return build(format, each);
}

struct outcome {
	bool fault;
	uint32_t error;
};

/* The rule of C02, written anew: top entry first, then the next. With several
 * levels, not-present anywhere goes before rights anywhere. */
static struct outcome oracle(unsigned format, const uint64_t *flags,
			     uint32_t access, bool wp)
{
	uint32_t told = access & (FW_ACC_WRITE | FW_ACC_USER);
	bool write = true, user = true;

	for (unsigned level = fw_mmu_levels((enum fw_mmu_format)format);
	     level-- > 0;) {
		if (!(flags[level] & P))
			return (struct outcome){true, told};
		if (format == FW_MMU_PAE && level == 2)
			continue;
		write = write && (flags[level] & W);
		user = user && (flags[level] & U);
	}
	if ((access & FW_ACC_USER) && !user)
		return (struct outcome){true, told | FW_PF_P};
	if ((access & FW_ACC_WRITE) && !write && ((access & FW_ACC_USER) || wp))
		return (struct outcome){true, told | FW_PF_P};
	return (struct outcome){false, 0};
}

static void check_one(unsigned format, const uint64_t *flags, uint32_t access,
		      bool wp)
{
	struct fw_mmu_ctl ctl = build(format, flags);
	struct outcome want = oracle(format, flags, access, wp);
	unsigned levels = fw_mmu_levels(ctl.format);
	struct fw_walk walk;
	enum fw_walk_end end;

	ctl.wp = wp;
	end = fw_mmu_walk(&ctl, &bus, probe[format], access, &walk);
	is_u64(end, want.fault ? FW_WALK_FAULT : FW_WALK_OK, "%s fault",
	       format_name[format]);
	if (end == FW_WALK_FAULT) {
		is_u64(walk.error, want.error, "%s error", format_name[format]);
		is_u64(walk.cr2, probe[format], "CR2");
	} else {
		is_u64(walk.phys, 8 * 4096 + (probe[format] & 4095), "address");
	}
	for (unsigned level = 0; level < levels; level++) {
		uint64_t bits = 0;

		if (!want.fault && !(format == FW_MMU_PAE && level == 2))
			bits = level || !(access & FW_ACC_WRITE) ? A : A | D;
		is_u64(get(format, entry_phys(format, level)) & (A | D), bits,
		       "%s level %u: accessed and dirty", format_name[format],
		       level);
	}
}

/* All P, W, U of all levels, read and write, user and supervisor, WP. */
static void exhaust(unsigned format)
{
	unsigned levels = fw_mmu_levels((enum fw_mmu_format)format);
	bool pae = format == FW_MMU_PAE;
	unsigned bits = pae ? 7 : levels * 3;

	for (unsigned combination = 0; combination < 1u << bits; combination++)
		for (unsigned how = 0; how < 8; how++) {
			uint64_t flags[4];

			for (unsigned level = 0; level < levels; level++)
				flags[level] = combination >> 3 * level & 7;
			check_one(format, flags,
				  (how & 1 ? FW_ACC_WRITE : 0) |
					  (how & 2 ? FW_ACC_USER : 0),
				  how & 4);
		}
}

TEST(rights_2_level, "C02 C03 C07 C13 A09 A10 A11 A12 A13 A14")
{
	exhaust(FW_MMU_X32);
}

TEST(rights_pae, "C02 C03 C07 C13 A09 A10 A11 A12 A13 A14")
{
	exhaust(FW_MMU_PAE);
}

TEST(rights_4_level, "C02 C03 C07 C13 A09 A10 A11 A12 A13 A14")
{
	exhaust(FW_MMU_X64);
}

static void expect(unsigned format, uint64_t upper, uint64_t leaf,
		   uint32_t access, uint32_t error)
{
	uint64_t flags[4] = {leaf, upper, P | W | U, P | W | U};
	struct fw_mmu_ctl ctl;
	struct fw_walk walk;

	if (format == FW_MMU_PAE)
		flags[2] = P;
	ctl = build(format, flags);
	is_u64(fw_mmu_walk(&ctl, &bus, probe[format], access, &walk),
	       FW_WALK_FAULT, "%s faults", format_name[format]);
	is_u64(walk.error, error, "%s error", format_name[format]);
}

TEST(named_points, "C03 C04 C05 C06 C13 A21")
{
	for (unsigned f = 0; f < FW_MMU_FORMATS; f++) {
		expect(f, P | U, P | W | U, FW_ACC_WRITE | FW_ACC_USER, 7);
		expect(f, P | W, P | W | U, FW_ACC_USER, 5);
		expect(f, W | U, P | W | U, FW_ACC_USER, 4);
		expect(f, P | W | U, W | U, FW_ACC_WRITE | FW_ACC_USER, 6);
		expect(f, P | W | U, 0, 0, 0);
		expect(f, P | W | U, P | U, FW_ACC_WRITE, 3);
		/* The PTE is not looked at under a missing PDE. */
		expect(f, 0, P | G, 0, 0);
	}
}

TEST(other_bits_of_an_invalid_entry_mean_nothing, "B22 B23")
{
	for (unsigned f = 0; f < FW_MMU_FORMATS; f++)
		for (unsigned level = 0;
		     level < fw_mmu_levels((enum fw_mmu_format)f); level++)
			for (unsigned i = 0; i < 4000; i++) {
				struct fw_mmu_ctl ctl =
					build_all(f, P | W | U);
				uint64_t junk = (uint64_t)mrand48() << 33 ^
						(uint64_t)mrand48() << 1;
				uint64_t at = entry_phys(f, level);
				struct fw_walk walk;

				junk &= ~(uint64_t)P;
				set(f, at, junk);
				junk = get(f, at);
				is_u64(fw_mmu_walk(&ctl, &bus, probe[f], 0,
						   &walk),
				       FW_WALK_FAULT, "fault");
				is_u64(walk.error, 0, "error");
				is_u64(walk.level, level, "level");
				is_u64(walk.entry, junk, "entry is told");
				is_u64(get(f, at), junk, "entry is kept");
			}
}

/* Which bits are reserved, said level by level as the SDM's tables do. */
static bool is_reserved(unsigned format, unsigned level, bool large,
			unsigned bit, unsigned phys_bits, bool nxe)
{
	bool pae = format == FW_MMU_PAE;

	if (format == FW_MMU_X32)
		return large && (bit == 21 || (bit >= 13 && bit <= 20 &&
					       bit + 19 >= phys_bits));
	if (bit == 63)
		return !nxe || (pae && level == 2);
	if (bit >= 52)
		return pae;
	if (bit >= phys_bits)
		return true;
	if (pae && level == 2)
		return bit == 1 || bit == 2 || (bit >= 5 && bit <= 8);
	if (level == 3)
		return bit == 7;
	if (large && level == 1)
		return bit >= 13 && bit <= 20;
	return large && level == 2 && bit >= 13 && bit <= 29;
}

static void check_reserved(unsigned format, unsigned level, bool large,
			   unsigned phys_bits, bool nxe)
{
	unsigned width = fw_geometry[format].entry_bytes * 8u;
	uint64_t at = entry_phys(format, level);

	for (unsigned bit = 1; bit < width; bit++) {
		struct fw_mmu_ctl ctl = build_all(format, P | W | U);
		struct fw_walk walk = {0};
		enum fw_walk_end end;
		bool told;

		ctl.phys_bits = (uint8_t)phys_bits;
		ctl.nxe = nxe;
		if (large)
			set(format, at, P | W | U | PS);
		if (bit == 7 && level && level < 3)
			continue; /* PS is not a bit like others */
		set(format, at, get(format, at) | (uint64_t)1 << bit);
		end = fw_mmu_walk(&ctl, &bus, probe[format], FW_ACC_USER,
				  &walk);
		told = end == FW_WALK_FAULT && (walk.error & FW_PF_RSVD);
		is_u64(told,
		       is_reserved(format, level, large, bit, phys_bits, nxe),
		       "%s level %u large %d bit %u of %u nxe %d",
		       format_name[format], level, large, bit, phys_bits, nxe);
		if (told)
			is_u64(walk.error, FW_PF_RSVD | FW_PF_P | FW_PF_U,
			       "error");
	}
}

TEST(reserved_bits, "C13")
{
	for (unsigned f = 0; f < FW_MMU_FORMATS; f++)
		for (unsigned level = 0;
		     level < fw_mmu_levels((enum fw_mmu_format)f); level++)
			for (unsigned m = 32; m <= 52; m++) {
				bool can_be_large =
					level == 1 ||
					(level == 2 && f == FW_MMU_X64);

				check_reserved(f, level, false, m, true);
				check_reserved(f, level, false, m, false);
				if (!can_be_large)
					continue;
				check_reserved(f, level, true, m, true);
				check_reserved(f, level, true, m, false);
			}
}

TEST(no_execute, "B21 C13")
{
	for (unsigned f = 0; f < 2; f++)
		for (unsigned level = 0; level < 4 - 2 * f; level++) {
			struct fw_mmu_ctl ctl = build_all(f, P | W | U);
			uint64_t at = entry_phys(f, level);
			struct fw_walk walk;

			set(f, at, get(f, at) | NX);
			is_u64(fw_mmu_walk(&ctl, &bus, probe[f],
					   FW_ACC_USER | FW_ACC_EXEC, &walk),
			       FW_WALK_FAULT, "a fetch faults");
			is_u64(walk.error, FW_PF_P | FW_PF_U | FW_PF_I, "code");
			is_u64(fw_mmu_walk(&ctl, &bus, probe[f], FW_ACC_USER,
					   &walk),
			       FW_WALK_OK, "a read does not");
			ok(!walk.exec, "not executable");
		}
}

TEST(fetch_without_nx_is_a_read, "B21 C13")
{
	struct fw_mmu_ctl ctl = build_all(FW_MMU_X32, P | U);
	struct fw_walk walk;

	is_u64(fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X32],
			   FW_ACC_USER | FW_ACC_EXEC, &walk),
	       FW_WALK_OK, "2-level has no NX");
	set(FW_MMU_X32, entry_phys(FW_MMU_X32, 0), 0);
	fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X32], FW_ACC_EXEC, &walk);
	is_u64(walk.error, 0, "no I bit without PAE");
	ctl.smep = true;
	fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X32], FW_ACC_EXEC, &walk);
	is_u64(walk.error, FW_PF_I, "SMEP brings the I bit");
	ctl = build_all(FW_MMU_X64, 0);
	ctl.nxe = false;
	fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X64], FW_ACC_EXEC, &walk);
	is_u64(walk.error, 0, "no I bit without NXE");
}

TEST(smep_and_smap, "A11")
{
	struct fw_mmu_ctl ctl = build_all(FW_MMU_X64, P | W | U);
	const fw_addr at = probe[FW_MMU_X64];
	struct fw_walk walk;

	ctl.smep = ctl.smap = true;
	is_u64(fw_mmu_walk(&ctl, &bus, at, FW_ACC_EXEC, &walk), FW_WALK_FAULT,
	       "SMEP");
	is_u64(walk.error, FW_PF_P | FW_PF_I, "SMEP error");
	is_u64(fw_mmu_walk(&ctl, &bus, at, FW_ACC_WRITE, &walk), FW_WALK_FAULT,
	       "SMAP");
	is_u64(walk.error, FW_PF_P | FW_PF_W, "SMAP error");
	ctl.ac = true;
	is_u64(fw_mmu_walk(&ctl, &bus, at, FW_ACC_WRITE, &walk), FW_WALK_OK,
	       "AC lifts SMAP");
	is_u64(fw_mmu_walk(&ctl, &bus, at, FW_ACC_USER | FW_ACC_EXEC, &walk),
	       FW_WALK_OK, "the user may");
	ctl = build_all(FW_MMU_X64, P | W);
	ctl.smep = ctl.smap = true;
	is_u64(fw_mmu_walk(&ctl, &bus, at, FW_ACC_EXEC, &walk), FW_WALK_OK,
	       "supervisor pages are not concerned");
}

static void check_large(unsigned format, unsigned level, uint64_t entry,
			uint64_t base)
{
	struct fw_mmu_ctl ctl = build_all(format, P | W | U);
	unsigned shift = fw_geometry[format].level[level].shift;
	uint64_t at = entry_phys(format, level);
	struct fw_walk walk;

	set(format, at, entry | P | W | U | PS | G);
	must(fw_mmu_walk(&ctl, &bus, probe[format], FW_ACC_WRITE, &walk) ==
		     FW_WALK_OK,
	     "%s level %u", format_name[format], level);
	is_u64(walk.phys, base | (probe[format] & fw_bits_mask(shift)),
	       "address");
	is_u64(walk.shift, shift, "size");
	ok(walk.global && walk.dirty, "global and dirty");
	is_u64(get(format, at) & (A | D), A | D, "marked");
	is_u64(get(format, entry_phys(format, level - 1)) & A, 0,
	       "the table below is not used");
}

TEST(large_pages, "A03")
{
	const uint64_t pat = 1 << 12;
	struct fw_mmu_ctl ctl;
	struct fw_walk walk;

	check_large(FW_MMU_X64, 1, 0x8000200000 | pat, 0x8000200000);
	check_large(FW_MMU_X64, 2, 0x8040000000 | pat, 0x8040000000);
	check_large(FW_MMU_PAE, 1, 0x8000200000, 0x8000200000);
	/* PSE-36: bits 13 to 20 of the entry are bits 32 to 39. */
	check_large(FW_MMU_X32, 1, 0x12400000 | pat | 0xa5u << 13,
		    UINT64_C(0xa512400000));
	ctl = build_all(FW_MMU_X32, P | W | U | PS);
	ctl.pse = false;
	is_u64(fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X32], 0, &walk),
	       FW_WALK_OK, "PS is ignored without CR4.PSE");
	is_u64(walk.shift, 12, "4 KiB then");
	ctl = build_all(FW_MMU_X64, P | W | U);
	ctl.gib_pages = false;
	set(FW_MMU_X64, entry_phys(FW_MMU_X64, 2), P | W | U | PS);
	is_u64(fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X64], 0, &walk),
	       FW_WALK_FAULT, "no 1 GiB pages");
	is_u64(walk.error, FW_PF_P | FW_PF_RSVD, "PS is reserved then");
}

TEST(missing_goes_before_rights_and_malformed_before_missing, "C02")
{
	uint64_t flags[4] = {0, P, P, P};
	struct fw_mmu_ctl ctl = build(FW_MMU_X64, flags);
	struct fw_walk walk;

	fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X64], FW_ACC_USER, &walk);
	is_u64(walk.error, FW_PF_U, "PTE missing under a supervisor PDE");
	flags[1] = P | (uint64_t)1 << 45;
	ctl = build(FW_MMU_X64, flags);
	fw_mmu_walk(&ctl, &bus, probe[FW_MMU_X64], FW_ACC_USER, &walk);
	is_u64(walk.error, FW_PF_U | FW_PF_P | FW_PF_RSVD, "malformed PDE");
}

TEST(addresses_that_are_none, "C10")
{
	struct fw_mmu_ctl ctl = build_all(FW_MMU_X64, P | W | U);
	struct fw_walk walk;

	is_u64(fw_mmu_walk(&ctl, &bus, UINT64_C(1) << 47, 0, &walk),
	       FW_WALK_NONCANONICAL, "bit 47 alone");
	is_u64(fw_mmu_walk(&ctl, &bus, UINT64_C(0x7fff) << 48, 0, &walk),
	       FW_WALK_NONCANONICAL, "high bits alone");
	is_u64(fw_mmu_walk(&ctl, &bus, UINT64_MAX, 0, &walk), FW_WALK_FAULT,
	       "the last byte is canonical");
	ctl.cr3 = sizeof(ram);
	is_u64(fw_mmu_walk(&ctl, &bus, 0, 0, &walk), FW_WALK_BUS, "no RAM");
	ctl = build_all(FW_MMU_X32, P | W | U);
	is_u64(fw_mmu_walk(&ctl, &bus,
			   probe[FW_MMU_X32] | UINT64_C(0xabc) << 32, 0, &walk),
	       FW_WALK_OK, "32-bit addresses wrap");
}

TEST(two_spaces_at_one_address, "A17")
{
	struct fw_mmu_ctl one = build_all(FW_MMU_X64, P | W | U), two = one;
	const fw_addr at = probe[FW_MMU_X64];
	struct fw_walk walk;

	/* The second root shares nothing with the first. */
	two.cr3 = 9 * 4096;
	for (unsigned level = 4; level-- > 0;) {
		uint64_t index = (at >> (12 + 9 * level)) & 511;
		uint64_t table = (12 - level) * 4096ull;

		set(FW_MMU_X64, table + index * 8,
		    (level ? table + 4096 : 14 * 4096) | P | W | U);
	}
	fw_mmu_walk(&one, &bus, at, 0, &walk);
	is_u64(walk.phys >> 12, 8, "first space");
	fw_mmu_walk(&two, &bus, at, 0, &walk);
	is_u64(walk.phys >> 12, 14, "second space");
}

/* Another CPU changes the PTE between this walk's read and its update. */
struct race {
	uint64_t phys, becomes;
	unsigned swaps;
};

static bool race_read(void *ctx, uint64_t phys, unsigned bytes, uint64_t *ret)
{
	(void)ctx;
	*ret = 0;
	memcpy(ret, ram + phys, bytes);
	return true;
}

static bool race_swap(void *ctx, uint64_t phys, unsigned bytes, uint64_t *seen,
		      uint64_t value)
{
	struct race *race = ctx;

	race->swaps++;
	if (phys == race->phys) {
		memcpy(ram + phys, &race->becomes, bytes);
		race->phys = 0;
	}
	if (memcmp(ram + phys, seen, bytes) != 0)
		return false;
	memcpy(ram + phys, &value, bytes);
	return true;
}

TEST(an_entry_that_changes_under_the_walk, "A15")
{
	static const struct fw_mmu_bus_ops ops = {race_read, race_swap, NULL};
	struct fw_mmu_ctl ctl = build_all(FW_MMU_X64, P | W | U);
	uint64_t pte = entry_phys(FW_MMU_X64, 0);
	struct race race = {.phys = pte, .becomes = 0x5000};
	const struct fw_mmu_bus racing = {.ops = &ops, .ctx = &race};
	struct fw_walk walk;

	is_u64(fw_mmu_walk(&ctl, &racing, probe[0], FW_ACC_WRITE, &walk),
	       FW_WALK_FAULT, "it was made invalid: the walk sees that");
	is_u64(get(FW_MMU_X64, pte), 0x5000, "and marks nothing");
	race = (struct race){.phys = pte, .becomes = 9 * 4096 | P | W | U};
	set(FW_MMU_X64, pte, 8 * 4096 | P | W | U);
	is_u64(fw_mmu_walk(&ctl, &racing, probe[0], FW_ACC_WRITE, &walk),
	       FW_WALK_OK, "it was remapped");
	is_u64(walk.phys >> 12, 9, "the new frame is used");
	is_u64(get(FW_MMU_X64, pte), 9 * 4096 | P | W | U | A | D,
	       "the new entry is marked");
}
