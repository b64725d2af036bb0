/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pte.c - a libFuzzer target: any entry, at any level of any format, is
 * taken apart and put together again, told in words, and walked.
 *
 * Input: format, level, length of the text, the entry (8 bytes); then fields
 * of 3 bytes, which are put into an entry of the same form by name.
 */
#include <faultwise/mmu.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 11

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_present(enum fw_pte_form form)
{
	return form == FW_PTE_FORM_TABLE || form == FW_PTE_FORM_LEAF;
}

/* What fields say is what the entry is, and the reverse. */
static void apart_and_together(enum fw_mmu_format format, unsigned level,
			       uint64_t entry)
{
	struct fw_pte_field f[FW_PTE_FIELDS_MAX];
	enum fw_pte_form form = fw_pte_form(format, level, entry);
	unsigned n = fw_pte_fields(format, level, entry, f);
	uint64_t back;

	must(n <= FW_PTE_FIELDS_MAX);
	must(fw_pte_from_fields(format, level, form, f, n, &back));
	must(back == entry);
	must(is_present(form) == (entry & 1));
}

/* A line ends where its buffer ends, and does not depend on its size. */
static void in_words(enum fw_mmu_format format, unsigned level, uint64_t entry,
		     size_t room)
{
	char whole[512], part[256];
	size_t len = fw_pte_text(format, level, entry, whole, sizeof(whole));
	size_t cut;

	must(len < sizeof(whole) - 1 && strlen(whole) == len);
	memset(part, 0x55, sizeof(part));
	cut = fw_pte_text(format, level, entry, part, room);
	must(cut <= len && (room == 0 || cut < room));
	must(memcmp(part, whole, cut) == 0);
	must(room == 0 || part[cut] == '\0');
	for (size_t i = room; i < sizeof(part); i++)
		must(part[i] == 0x55);
}

/* The entry at its level of a walk whose other entries lead to it. */
static void walked(enum fw_mmu_format format, unsigned level, uint64_t entry)
{
	static _Alignas(4096) uint8_t ram[4 * 4096];
	const struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};
	const unsigned levels = fw_mmu_levels(format);
	const size_t bytes = format == FW_MMU_X32 ? 4 : 8;
	struct fw_mmu_ctl ctl = {.format = format,
				 .cr3 = (levels - 1) * 4096u,
				 .phys_bits = 40,
				 .wp = true,
				 .nxe = true,
				 .pse = true,
				 .gib_pages = true};
	struct fw_walk walk;
	enum fw_walk_end end;

	for (unsigned i = 0; i < levels; i++) {
		bool pdpte = format == FW_MMU_PAE && i == 2;
		uint64_t e = (i ? i - 1 : 0) * 4096u | (pdpte ? 1 : 7);

		if (i == level)
			e = entry;
		memcpy(ram + i * 4096u, &e, bytes);
	}
	end = fw_mmu_walk(&ctl, &bus, 0, FW_ACC_USER | FW_ACC_WRITE, &walk);
	if (entry & 1)
		must(end != FW_WALK_FAULT || (walk.error & FW_PF_P) ||
		     walk.level < level);
	else
		must(end == FW_WALK_FAULT && walk.error == 6);
}

/* Fields that nobody has made sure of: refused, or what is read back. */
static void from_anything(enum fw_mmu_format format, unsigned level,
			  uint64_t entry, const uint8_t *data, size_t size)
{
	struct fw_pte_field f[FW_PTE_FIELDS_MAX];
	enum fw_pte_form form = fw_pte_form(format, level, entry);
	unsigned n = fw_pte_fields(format, level, entry, f);
	uint64_t made;

	for (; size >= 3 && n; data += 3, size -= 3)
		f[data[0] % n].value ^= (uint64_t)data[1] << data[2] % 64;
	if (!fw_pte_from_fields(format, level, form, f, n, &made))
		return;
	must(format != FW_MMU_X32 || made >> 32 == entry >> 32 ||
	     form == FW_PTE_FORM_EMPTY || f[n - 1].bits == 64);
	apart_and_together(format, level, made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum fw_mmu_format format;
	unsigned level;
	uint64_t entry;

	if (size < HEADER)
		return 0;
	format = (enum fw_mmu_format)(data[0] % FW_MMU_FORMATS);
	level = data[1] % (fw_mmu_levels(format) + 1);
	memcpy(&entry, data + 3, sizeof(entry));
	if (format == FW_MMU_X32)
		entry &= UINT32_MAX;
	if (level < fw_mmu_levels(format))
		walked(format, level, entry);
	else
		level = FW_LEVEL_PROTOTYPE;
	apart_and_together(format, level, entry);
	in_words(format, level, entry, data[2]);
	from_anything(format, level, entry, data + HEADER, size - HEADER);
	return 0;
}
