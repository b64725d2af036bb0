/* SPDX-License-Identifier: MIT */
/*
 * test_pte.c - the accessors that formats.def generates, and the decoder.
 */
#include "harness.h"

#include <faultwise/mmu.h>

#include <stdlib.h>
#include <string.h>

#include "mmu/pte.h"

static uint64_t random64(void)
{
	return (uint64_t)mrand48() << 40 ^ (uint64_t)mrand48() << 20 ^
	       (uint64_t)mrand48();
}

/* For each field: what is set is read back, and nothing else changes. */
#define CHECK_FIELD(form, field, mask_of_field)                               \
	for (unsigned i = 0; i < 200; i++) {                                  \
		uint64_t before = random64(), value = random64();             \
		uint64_t after = fw_##form##_with_##field(before, value);     \
		uint64_t mask = mask_of_field;                                \
		uint64_t low = fw_bits_mask(FW_##form##_##field##_BITS);      \
		is_u64(fw_##form##_##field(after) & low, value & low,         \
		       #form "." #field " reads back");                       \
		is_u64((after ^ before) & ~mask, 0,                           \
		       #form "." #field " leaves its neighbours alone");      \
	}

/* NOLINTNEXTLINE(readability-function-size): a line a field */
TEST(fields_round_trip, "B24 B28 B43")
{
#define FIELD(form, field, low, n, show, label) \
	CHECK_FIELD(form, field, fw_bits_put(~UINT64_C(0), low, n))
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label)    \
	CHECK_FIELD(form, field, fw_bits_put(~UINT64_C(0), low_a, n_a) | \
				 fw_bits_put(~UINT64_C(0), low_b, n_b))
#include "mmu/formats.def"
}

/* make() and split() are inverses on what the form defines. */
TEST(forms_round_trip, "B23 B28 B43")
{
#define FORM(form, bits, text)                                             \
	for (unsigned i = 0; i < 500; i++) {                               \
		uint64_t any = random64() & fw_bits_mask(bits);            \
		uint64_t known = fw_##form##_make(fw_##form##_split(any)); \
		struct fw_##form f = fw_##form##_split(known);             \
		is_u64(known & ~any, 0, #form ": no bit is made up");      \
		is_u64(fw_##form##_make(f), known, #form);                 \
	}
#include "mmu/formats.def"
}

/* No two fields of a form share a bit, and none leaves the entry. */
TEST(fields_do_not_overlap, "B24")
{
#define FORM(form, bits, text)                          \
	{                                               \
		uint64_t used = 0;                      \
		const uint64_t width = fw_bits_mask(bits); \
		const char *name = #form;
#define FIELD(form, field, low, n, show, label)                           \
	is_u64(used &fw_bits_put(~UINT64_C(0), low, n), 0, "%s." #field,  \
	       name);                                                     \
	used |= fw_bits_put(~UINT64_C(0), low, n);
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label) \
	FIELD(form, field, low_a, n_a, show, label)              \
	FIELD(form, field, low_b, n_b, show, label)
#define END(form)                                    \
	is_u64(used & ~width, 0, "%s: width", name); \
	}
#include "mmu/formats.def"
}

/* A slot that is none: 0 is demand zero, all ones asks the region. */
#define CHECK_SLOTS(format, form)                                             \
	for (unsigned file = 0; file < 16; file++) {                          \
		const uint64_t last = FW_SLOT_VAD(form);                      \
		const uint64_t slots[] = {1, 2, 41778, last - 1};             \
		for (unsigned i = 0; i < 4; i++) {                            \
			uint64_t e = fw_##form##_make((struct fw_##form){     \
				.file = file, .slot = slots[i], .prot = 4});  \
			is_u64(fw_##form##_file(e), file, "file");            \
			is_u64(fw_##form##_slot(e), slots[i], "slot");        \
			is_u64(fw_pte_form(format, 0, e),                     \
			       FW_PTE_FORM_PAGE_FILE, "a page file");         \
			ok(!(e & 1), "not present");                          \
		}                                                             \
		is_u64(fw_pte_form(format, 0,                                 \
				   fw_##form##_make((struct fw_##form){       \
					   .file = file, .slot = last})),     \
		       FW_PTE_FORM_VAD, "all ones");                          \
		is_u64(fw_pte_form(format, 0,                                 \
				   fw_##form##_make((struct fw_##form){       \
					   .file = file, .prot = 1})),        \
		       FW_PTE_FORM_DEMAND_ZERO, "zero");                      \
	}

TEST(page_file_numbers_and_slots, "B24 B26 B28 B29 B35")
{
	CHECK_SLOTS(FW_MMU_X64, x64_soft)
	CHECK_SLOTS(FW_MMU_PAE, pae_soft)
	CHECK_SLOTS(FW_MMU_X32, x32_soft)
	is_u64(FW_SLOT_VAD(x32_soft), 0xfffff, "20 bits on 2-level tables");
	is_u64(FW_SLOT_VAD(pae_soft), 0xffffffff, "32 bits in PAE");
	is_u64(FW_SLOT_VAD(x64_soft), 0xffffffff, "32 bits in 4-level");
}

/* No software form of any format looks present, whatever it holds. */
TEST(software_forms_are_not_present, "B22 B23 B38 B43")
{
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t r = random64();

		is_u64(fw_pte_form(FW_MMU_X64, 0,
				   fw_x64_trans_make((struct fw_x64_trans){
					   .transition = 1,
					   .prot = r,
					   .frame = r >> 5})),
		       FW_PTE_FORM_TRANSITION, "x64 transition");
		is_u64(fw_pte_form(FW_MMU_PAE, 0,
				   fw_pae_trans_make((struct fw_pae_trans){
					   .transition = 1,
					   .prot = r,
					   .frame = r >> 5})),
		       FW_PTE_FORM_TRANSITION, "PAE transition");
		is_u64(fw_pte_form(FW_MMU_X32, 0,
				   fw_x32_proto_make((struct fw_x32_proto){
					   .proto = 1, .address = r})),
		       FW_PTE_FORM_PROTO, "2-level prototype");
		is_u64(fw_pte_form(FW_MMU_X64, 0,
				   fw_x64_proto_make((struct fw_x64_proto){
					   .proto = 1, .address = r})),
		       FW_PTE_FORM_PROTO, "x64 prototype");
	}
}

TEST(addresses_are_signed, "B44")
{
	const uint64_t high = UINT64_C(0xffff8a0000001230);
	const uint64_t low = UINT64_C(0x0000780000001230);
	uint64_t e = fw_x64_proto_make(
		(struct fw_x64_proto){.proto = 1, .address = high});

	is_u64(fw_x64_proto_address(e), high, "kernel half");
	e = fw_x64_proto_with_address(e, low);
	is_u64(fw_x64_proto_address(e), low, "user half");
}

/* The contract in mm.h and the table say the same. */
TEST(the_core_and_the_table_agree, "B43")
{
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.present = 1}), 1, "valid");
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.write = 1}), 2, "write");
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.dirty = 1}), 64, "dirty");
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.cached = 1}),
	       UINT64_C(1) << 52, "cached");
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.cached_w = 1}),
	       UINT64_C(1) << 53, "cached for writing");
	is_u64(fw_x64_pte_make((struct fw_x64_pte){.nx = 1}),
	       UINT64_C(1) << 63, "no execute");
}

static void text_is(enum fw_mmu_format format, unsigned level, uint64_t entry,
		    const char *want)
{
	char text[200];
	size_t len = fw_pte_text(format, level, entry, text, sizeof(text));

	is_str(text, want, "text of %#llx", (unsigned long long)entry);
	is_u64(len, strlen(text), "length");
}

TEST(text, "B23 B24 B38")
{
	text_is(FW_MMU_X64, 0,
		fw_x64_soft_make((struct fw_x64_soft){.slot = 41778,
						      .prot = 3}),
		"P=0 T=0 proto=0 page file 0, slot 41778, prot rw");
	text_is(FW_MMU_X32, 0,
		fw_x32_soft_make((struct fw_x32_soft){
			.file = 15, .slot = 7, .prot = 0x11}),
		"P=0 T=0 proto=0 page file 15, slot 7, prot r+guard");
	text_is(FW_MMU_X64, 0, 0, "P=0 empty");
	text_is(FW_MMU_X64, 0, 3 << 5, "P=0 T=0 proto=0 demand zero, prot rw");
	text_is(FW_MMU_PAE, 0, UINT64_C(0xffffffff00000000),
		"P=0 T=0 proto=0 see the region, prot none");
	text_is(FW_MMU_X64, 0,
		fw_x64_trans_make((struct fw_x64_trans){
			.transition = 1, .frame = 0x1234, .prot = 1}),
		"P=0 T=1 proto=0 transition, frame 0x1234, prot r");
	text_is(FW_MMU_X64, 0,
		fw_x64_proto_make((struct fw_x64_proto){
			.proto = 1, .address = 0x780000001000, .prot = 5}),
		"P=0 proto=1 prototype 0x780000001000, prot rx");
	text_is(FW_MMU_X64, FW_LEVEL_PROTOTYPE,
		fw_x64_sect_make((struct fw_x64_sect){
			.proto = 1, .address = 0x780000001000, .prot = 1}),
		"P=0 proto=1 section 0x780000001000, prot r");
	text_is(FW_MMU_X64, 0, UINT64_C(0x8010000000004267),
		"P=1 W=1 U=1 A=1 D=1 frame 0x4 COW cached NX");
	text_is(FW_MMU_X64, 1, UINT64_C(0x2102007),
		"P=1 W=1 U=1 A=0 frame 0x2102");
	text_is(FW_MMU_X64, 1, UINT64_C(0x2000e5),
		"P=1 W=0 U=1 A=1 D=1 PS=1 frame/512 0x1");
	text_is(FW_MMU_X64, 2, UINT64_C(0x12340000), "P=0 empty");
}

TEST(text_is_cut_off_where_the_buffer_ends, "")
{
	char text[8];

	memset(text, 'x', sizeof(text));
	is_u64(fw_pte_text(FW_MMU_X64, 0, 0, text, 6), 5, "five characters");
	is_str(text, "P=0 e", "and the NUL");
	is_u64((uint8_t)text[6], 'x', "nothing behind it");
	is_u64(fw_pte_text(FW_MMU_X64, 0, 0, text, 0), 0, "no room at all");
}

/* ---- names and values ---------------------------------------------------- */

static const char *const format_name[] = {"4-level", "PAE", "2-level"};

/* Fields and back: the same entry, whatever it is. */
static void identity(enum fw_mmu_format format, unsigned level, uint64_t entry)
{
	struct fw_pte_field f[FW_PTE_FIELDS_MAX];
	enum fw_pte_form form = fw_pte_form(format, level, entry);
	unsigned n = fw_pte_fields(format, level, entry, f);
	uint64_t back = ~entry;

	ok(n <= FW_PTE_FIELDS_MAX, "%u fields", n);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			ok(strcmp(f[i].name, f[j].name) != 0, "%s twice",
			   f[i].name);
	ok(fw_pte_from_fields(format, level, form, f, n, &back),
	   "%s level %u: fields of %#llx", format_name[format], level,
	   (unsigned long long)entry);
	is_u64(back, entry, "%s level %u", format_name[format], level);
}

static void identity_at(enum fw_mmu_format format, unsigned level,
			unsigned width)
{
	const uint64_t mask = fw_bits_mask(width);

	for (unsigned i = 0; i < width; i++)
		for (unsigned j = 0; j <= i; j++) {
			uint64_t e = (uint64_t)1 << i | (uint64_t)1 << j;

			identity(format, level, e);
			identity(format, level, ~e & mask);
		}
	for (unsigned i = 0; i < 20000; i++)
		identity(format, level,
			 random64() & (i & 1 ? mask : mask & random64()));
}

TEST(entries_survive_their_fields, "B23 B24 B28 B38 B43")
{
	for (unsigned i = 0; i < FW_MMU_FORMATS; i++) {
		enum fw_mmu_format format = (enum fw_mmu_format)i;
		unsigned width = format == FW_MMU_X32 ? 32 : 64;

		for (unsigned l = 0; l < fw_mmu_levels(format); l++)
			identity_at(format, l, width);
		identity_at(format, FW_LEVEL_PROTOTYPE, width);
	}
}

/* All page files, and slots from end to end, through the decoder. */
TEST(slots_survive_their_fields, "B24 B26 B28")
{
	for (unsigned i = 0; i < FW_MMU_FORMATS * 16; i++) {
		enum fw_mmu_format format = (enum fw_mmu_format)(i / 16);
		unsigned bits = format == FW_MMU_X32 ? 20 : 32;

		for (unsigned b = 0; b < bits; b++) {
			struct fw_pte_field f[FW_PTE_FIELDS_MAX], in[] = {
				{"page file", i % 16, 4},
				{"slot", (uint64_t)1 << b, 32},
				{"prot", 3, 5},
			};
			uint64_t e = 0, seen = 0;
			unsigned n;

			ok(fw_pte_from_fields(format, 0,
					      FW_PTE_FORM_PAGE_FILE, in, 3,
					      &e), "%s", format_name[i / 16]);
			n = fw_pte_fields(format, 0, e, f);
			for (unsigned k = 0; k < n; k++) {
				if (strcmp(f[k].name, "slot") == 0)
					seen += f[k].value;
				if (strcmp(f[k].name, "page file") == 0)
					is_u64(f[k].value, i % 16, "file");
			}
			is_u64(seen, (uint64_t)1 << b, "slot");
		}
	}
}

TEST(what_does_not_fit_is_refused, "B24 B26")
{
	const struct fw_pte_field file = {"page file", 16, 4},
				  slot = {"slot", 1u << 20, 20},
				  none = {"colour", 1, 1},
				  other = {"other", 1, 64},
				  prot = {"prot", 32, 5};
	uint64_t e = 77;

	ok(!fw_pte_from_fields(FW_MMU_X64, 0, FW_PTE_FORM_PAGE_FILE, &file, 1,
			       &e), "the 17th page file");
	ok(!fw_pte_from_fields(FW_MMU_X32, 0, FW_PTE_FORM_PAGE_FILE, &slot, 1,
			       &e), "21 bits of slot with 2 levels");
	ok(!fw_pte_from_fields(FW_MMU_PAE, 0, FW_PTE_FORM_LEAF, &none, 1, &e),
	   "no such field");
	ok(!fw_pte_from_fields(FW_MMU_PAE, 0, FW_PTE_FORM_LEAF, &other, 1, &e),
	   "a bit that has a name");
	ok(!fw_pte_from_fields(FW_MMU_X64, 0, FW_PTE_FORM_TRANSITION, &prot, 1,
			       &e), "a protection of 6 bits");
	is_u64(e, 77, "untouched");
	ok(fw_pte_from_fields(FW_MMU_PAE, 0, FW_PTE_FORM_PAGE_FILE, &slot, 1,
			      &e), "but 32 in PAE");
}
