/* SPDX-License-Identifier: MIT */
/*
 * test_rights.c - every combination of present, write, user and no-execute on
 * every level of every format and page size, times every kind of access, times
 * CR0.WP, EFER.NXE, CR4.SMEP, CR4.SMAP and EFLAGS.AC.
 *
 * The reference is written from the text of the Intel SDM (vol. 3A, 4.6.1
 * "Determination of access rights", 4.7 "Page-fault exceptions") as it
 * stands there, case by case, and shares nothing with mmu/: neither tables nor
 * accessors.
 */
#include "harness.h"

#include <faultwise/mmu.h>

#include <string.h>

/* Of an entry, as the SDM's figures draw them. */
#define P ((uint64_t)1 << 0)
#define RW ((uint64_t)1 << 1)
#define US ((uint64_t)1 << 2)
#define A ((uint64_t)1 << 5)
#define D ((uint64_t)1 << 6)
#define PS ((uint64_t)1 << 7)
#define XD ((uint64_t)1 << 63)

enum access_kind { READ, WRITE, FETCH };

/* One way through the tables. Entries count from the top. */
struct way {
	const char *name;
	enum fw_mmu_format format;
	unsigned entries;  /* levels that are walked */
	unsigned shift[4]; /* of the address, by level */
	unsigned index_bits[4];
	unsigned entry_bytes;
	bool large; /* the last entry has PS */
	bool xd;    /* the format has XD (32-bit paging has not) */
	bool pdpte; /* the first entry is a PDPTE of PAE paging */
	fw_addr address;
	uint64_t page; /* physical, aligned as its size wants */
};

static const struct way ways[] = {
	{"2-level, 4 KiB", FW_MMU_X32, 2, {22, 12}, {10, 10}, 4, false, false,
	 false, 0x9c7d1123, 0x8000},
	{"2-level, 4 MiB", FW_MMU_X32, 1, {22}, {10}, 4, true, false, false,
	 0x9c7d1123, 0x400000},
	{"PAE, 4 KiB", FW_MMU_PAE, 3, {30, 21, 12}, {2, 9, 9}, 8, false, true,
	 true, 0x9c7d1123, 0x8000},
	{"PAE, 2 MiB", FW_MMU_PAE, 2, {30, 21}, {2, 9}, 8, true, true, true,
	 0x9c7d1123, 0x600000},
	{"4-level, 4 KiB", FW_MMU_X64, 4, {39, 30, 21, 12}, {9, 9, 9, 9}, 8,
	 false, true, false, 0x7a5b3c7d1123, 0x8000},
	{"4-level, 2 MiB", FW_MMU_X64, 3, {39, 30, 21}, {9, 9, 9}, 8, true,
	 true, false, 0x7a5b3c7d1123, 0x600000},
	{"4-level, 1 GiB", FW_MMU_X64, 2, {39, 30}, {9, 9}, 8, true, true,
	 false, 0x7a5b3c7d1123, 0x80000000},
};

static _Alignas(4096) uint8_t ram[5 * 4096];
static const struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};

/* ---- the reference ------------------------------------------------------- */

struct answer {
	bool fault;
	uint32_t error;
};

static bool all(const struct way *w, const uint64_t *entry, uint64_t bit)
{
	for (unsigned i = w->pdpte; i < w->entries; i++)
		if (!(entry[i] & bit))
			return false;
	return true;
}

static bool none(const struct way *w, const uint64_t *entry, uint64_t bit)
{
	for (unsigned i = w->pdpte; i < w->entries; i++)
		if (entry[i] & bit)
			return false;
	return true;
}

static bool fetchable(const struct way *w, const struct fw_mmu_ctl *c,
		      const uint64_t *entry)
{
	if (!w->xd || !c->nxe)
		return true;
	return none(w, entry, XD);
}

/* SDM 4.6.1, "For supervisor-mode accesses". */
static bool supervisor_may(const struct way *w, const struct fw_mmu_ctl *c,
			   const uint64_t *entry, enum access_kind kind)
{
	bool user_address = all(w, entry, US);
	bool writable = all(w, entry, RW);

	switch (kind) {
	case READ:
		if (!user_address)
			return true;
		return !c->smap || c->ac;
	case WRITE:
		if (!user_address)
			return !c->wp || writable;
		if (!c->wp)
			return !c->smap || c->ac;
		if (!c->smap)
			return writable;
		return c->ac && writable;
	default:
		if (user_address && c->smep)
			return false;
		return fetchable(w, c, entry);
	}
}

/* "For user-mode accesses". */
static bool user_may(const struct way *w, const struct fw_mmu_ctl *c,
		     const uint64_t *entry, enum access_kind kind)
{
	if (!all(w, entry, US))
		return false;
	if (kind == WRITE)
		return all(w, entry, RW);
	return kind == READ || fetchable(w, c, entry);
}

/* Reserved among the bits that this test sets. */
static bool malformed(const struct way *w, const struct fw_mmu_ctl *c,
		      unsigned i, uint64_t entry)
{
	if (i == 0 && w->pdpte)
		return (entry & (RW | US | XD)) != 0;
	return w->xd && !c->nxe && (entry & XD);
}

/* SDM 4.7. */
static struct answer reference(const struct way *w, const struct fw_mmu_ctl *c,
			       const uint64_t *entry, enum access_kind kind,
			       bool user)
{
	uint32_t code = (kind == WRITE) * 2u + user * 4u;

	if (kind == FETCH && (c->smep || (w->xd && c->nxe)))
		code += 16;
	for (unsigned i = 0; i < w->entries; i++) {
		if (!(entry[i] & P))
			return (struct answer){true, code};
		if (malformed(w, c, i, entry[i]))
			return (struct answer){true, code + 8 + 1};
	}
	if (user ? user_may(w, c, entry, kind)
		 : supervisor_may(w, c, entry, kind))
		return (struct answer){false, 0};
	return (struct answer){true, code + 1};
}

/* ---- the tables ---------------------------------------------------------- */

/* Table i is page i of the RAM. */
static uint8_t *place(const struct way *w, unsigned i)
{
	uint64_t index = w->address >> w->shift[i] &
			 ((1u << w->index_bits[i]) - 1);

	return ram + i * 4096u + index * w->entry_bytes;
}

static void put(const struct way *w, unsigned i, uint64_t entry)
{
	memcpy(place(w, i), &entry, w->entry_bytes);
}

static uint64_t get(const struct way *w, unsigned i)
{
	uint64_t entry = 0;

	memcpy(&entry, place(w, i), w->entry_bytes);
	return entry;
}

/* Four bits a level (three without XD), as entries that lead to the page. */
static void spell(const struct way *w, unsigned combination, uint64_t *entry)
{
	const unsigned bits = w->xd ? 4 : 3;

	for (unsigned i = 0; i < w->entries; i++) {
		unsigned c = combination >> bits * i;

		entry[i] = c & 7;
		if (w->xd && (c & 8))
			entry[i] |= XD;
		if (i + 1 < w->entries)
			entry[i] |= (i + 1) * 4096u;
		else
			entry[i] |= w->page | (w->large ? PS : 0);
	}
}

static struct fw_mmu_ctl control(const struct way *w, unsigned how)
{
	return (struct fw_mmu_ctl){.format = w->format,
				   .phys_bits = 40,
				   .wp = how & 1,
				   .nxe = how & 2,
				   .smep = how & 4,
				   .smap = how & 8,
				   .ac = how & 16,
				   .pse = true,
				   .gib_pages = true};
}

/* ---- the walker against the reference ------------------------------------ */

static uint64_t offset_of(const struct way *w)
{
	uint64_t size = (uint64_t)1 << w->shift[w->entries - 1];

	return w->address & (size - 1);
}

/* Accessed and dirty bits: of all entries used, or of none. */
static bool marks_right(const struct way *w, const uint64_t *entry,
			enum access_kind kind, bool fault)
{
	for (unsigned i = 0; i < w->entries; i++) {
		uint64_t want = entry[i];

		if (!fault && !(i == 0 && w->pdpte))
			want |= A;
		if (!fault && i + 1 == w->entries && kind == WRITE)
			want |= D;
		if (get(w, i) != want)
			return false;
	}
	return true;
}

static bool agrees(const struct way *w, const struct fw_mmu_ctl *c,
		   const uint64_t *entry, enum access_kind kind, bool user)
{
	static const uint32_t bits[] = {0, FW_ACC_WRITE, FW_ACC_EXEC};
	struct answer want = reference(w, c, entry, kind, user);
	struct fw_walk walk = {0};
	enum fw_walk_end end;

	for (unsigned i = 0; i < w->entries; i++)
		put(w, i, entry[i]);
	end = fw_mmu_walk(c, &bus, w->address,
			  bits[kind] | (user ? FW_ACC_USER : 0), &walk);
	if (!marks_right(w, entry, kind, want.fault))
		return false;
	if (want.fault)
		return end == FW_WALK_FAULT && walk.error == want.error &&
		       walk.cr2 == w->address;
	return end == FW_WALK_OK && walk.phys == w->page + offset_of(w) &&
	       walk.shift == w->shift[w->entries - 1];
}

static void exhaust(const struct way *w)
{
	const unsigned bits = (w->xd ? 4 : 3) * w->entries;
	uint64_t entry[4] = {0}, vectors = 0, wrong = 0;

	memset(ram, 0, sizeof(ram));
	for (unsigned combination = 0; combination < 1u << bits;
	     combination++) {
		spell(w, combination, entry);
		for (unsigned how = 0; how < 32; how++) {
			struct fw_mmu_ctl c = control(w, how);

			for (unsigned k = 0; k < 6; k++, vectors++)
				if (!agrees(w, &c, entry, k / 2, k & 1) &&
				    wrong++ < 10)
					diag("%s: entries %#x, control %#x, "
					     "access %u, user %u",
					     w->name, combination, how, k / 2,
					     k & 1);
		}
	}
	is_u64(wrong, 0, "%s: of %llu", w->name, (unsigned long long)vectors);
	is_u64(vectors, (uint64_t)192 << bits, "%s: all of them", w->name);
}

#define ROWS "A03 A05 A09 A10 A11 A12 A13 A14 A21 B21 B22 C02 C03 C04 C05 "
#define MORE_ROWS "C06 C07 C10 C11 C12 C13"

TEST(every_right_2_level, ROWS MORE_ROWS)
{
	exhaust(&ways[0]);
	exhaust(&ways[1]);
}

TEST(every_right_pae, ROWS MORE_ROWS)
{
	exhaust(&ways[2]);
	exhaust(&ways[3]);
}

TEST(every_right_4_level, ROWS MORE_ROWS)
{
	exhaust(&ways[4]);
	exhaust(&ways[5]);
	exhaust(&ways[6]);
}
