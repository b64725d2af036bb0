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
