/* SPDX-License-Identifier: MIT */
/*
 * pte.h - accessors of page-table entries, generated from formats.def.
 *
 * For each form F (x64_pte, x64_soft, ...) and each of its fields f:
 *
 *	uint64_t fw_F_f(uint64_t entry);		      get
 *	uint64_t fw_F_with_f(uint64_t entry, uint64_t value); set
 *	enum { FW_F_f_LOW, FW_F_f_BITS };		      place, width
 *	struct fw_F { uint64_t f; ... };
 *	uint64_t fw_F_make(struct fw_F fields);
 *	struct fw_F fw_F_split(uint64_t entry);
 *
 * as in fw_x64_soft_make((struct fw_x64_soft){.file = 2, .slot = 77}). A
 * value wider than its field is cut off. Entries of 32 bits are kept in the
 * low half of a uint64_t.
 */
#ifndef FAULTWISE_MMU_PTE_H
#define FAULTWISE_MMU_PTE_H

#include <faultwise/types.h>

/* n low bits set, 0 <= n <= 64. */
static inline uint64_t fw_bits_mask(unsigned n)
{
	return n < 64 ? ((uint64_t)1 << n) - 1 : ~(uint64_t)0;
}

static inline uint64_t fw_bits_get(uint64_t entry, unsigned low, unsigned n)
{
	return (entry >> low) & fw_bits_mask(n);
}

static inline uint64_t fw_bits_put(uint64_t value, unsigned low, unsigned n)
{
	return (value & fw_bits_mask(n)) << low;
}

/* The low n bits of the value, the top one of them copied upwards. */
static inline uint64_t fw_bits_extend(uint64_t value, unsigned n)
{
	uint64_t sign = (uint64_t)1 << (n - 1);

	return ((value & fw_bits_mask(n)) ^ sign) - sign;
}

/* How a value read from a field is completed; see `show` in formats.def. */
#define FW_COMPLETE_FLAG(value, n) (value)
#define FW_COMPLETE_NONE(value, n) (value)
#define FW_COMPLETE_DEC(value, n) (value)
#define FW_COMPLETE_HEX(value, n) (value)
#define FW_COMPLETE_PROT(value, n) (value)
#define FW_COMPLETE_ADDR(value, n) fw_bits_extend(value, n)

/* Pass 1: get and set. */
#define FIELD(form, field, low, n, show, label)                              \
	enum {                                                               \
		FW_##form##_##field##_LOW = (low),                           \
		FW_##form##_##field##_BITS = (n),                            \
	};                                                                   \
	static inline uint64_t fw_##form##_##field(uint64_t entry)           \
	{                                                                    \
		return FW_COMPLETE_##show(fw_bits_get(entry, low, n), n);    \
	}                                                                    \
	static inline uint64_t fw_##form##_with_##field(uint64_t entry,      \
							uint64_t value)      \
	{                                                                    \
		return (entry & ~fw_bits_put(~(uint64_t)0, low, n)) |        \
		       fw_bits_put(value, low, n);                           \
	}
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label)             \
	enum { FW_##form##_##field##_BITS = (n_a) + (n_b) };                 \
	static inline uint64_t fw_##form##_##field(uint64_t entry)           \
	{                                                                    \
		return fw_bits_get(entry, low_a, n_a) |                      \
		       fw_bits_get(entry, low_b, n_b) << (n_a);              \
	}                                                                    \
	static inline uint64_t fw_##form##_with_##field(uint64_t entry,      \
							uint64_t value)      \
	{                                                                    \
		entry &= ~fw_bits_put(~(uint64_t)0, low_a, n_a) &            \
			 ~fw_bits_put(~(uint64_t)0, low_b, n_b);             \
		return entry | fw_bits_put(value, low_a, n_a) |              \
		       fw_bits_put(value >> (n_a), low_b, n_b);              \
	}
#include "mmu/formats.def"

/* Pass 2: the fields by name. */
#define FORM(form, bits, text) struct fw_##form {
#define FIELD(form, field, low, n, show, label) uint64_t field;
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label) uint64_t field;
#define END(form) };
#include "mmu/formats.def"

/* Pass 3: make an entry of its fields. */
#define FORM(form, bits, text)                                     \
	static inline uint64_t fw_##form##_make(struct fw_##form f) \
	{                                                          \
		return 0
#define FIELD(form, field, low, n, show, label) | fw_bits_put(f.field, low, n)
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label) \
	| fw_bits_put(f.field, low_a, n_a) |                     \
		fw_bits_put(f.field >> (n_a), low_b, n_b)
#define END(form) \
	;         \
	}
#include "mmu/formats.def"

/* Pass 4: take an entry apart. */
#define FORM(form, bits, text)                                         \
	static inline struct fw_##form fw_##form##_split(uint64_t entry) \
	{                                                              \
		return (struct fw_##form){
#define FIELD(form, field, low, n, show, label) \
	.field = fw_##form##_##field(entry),
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label) \
	.field = fw_##form##_##field(entry),
#define END(form) \
	}         \
	;         \
	}
#include "mmu/formats.def"

/* Pass 5: the shape of a format as constants: FW_X64_LEVELS, FW_X64_2_SHIFT
 * and the like. */
#define FORMAT(f, n, bytes, va, cr3)         \
	enum {                               \
		FW_##f##_LEVELS = (n),       \
		FW_##f##_ENTRY_BYTES = (bytes), \
		FW_##f##_VA_BITS = (va),     \
	};
#define LEVEL(f, n, form, leaf, shift, bits, flags, reserved, leaf_reserved) \
	enum { FW_##f##_##n##_SHIFT = (shift), FW_##f##_##n##_BITS = (bits) };
#include "mmu/formats.def"

/* The bits of a field in one piece, as a constant expression. */
#define FW_FIELD_MASK(form, field)                         \
	((((uint64_t)1 << FW_##form##_##field##_BITS) - 1) \
	 << FW_##form##_##field##_LOW)

/* Slots that are none (nt-facts a.6.1): demand zero, and ask the VAD. */
#define FW_SLOT_ZERO ((uint64_t)0)
#define FW_SLOT_VAD(form) (((uint64_t)1 << FW_##form##_slot_BITS) - 1)

#endif
