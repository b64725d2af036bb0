/* SPDX-License-Identifier: MIT */
/*
 * decode.c - a page-table entry as a line of text, and as names and values.
 *
 * The lines are generated from formats.def: flags first ("P=1 W=0"), then
 * the values with their labels, then the names of rarer bits that are set.
 */
#include <faultwise/mmu.h>

#include "mmu/geometry.h"
#include "mmu/pte.h"

enum show { FLAG, NONE, DEC, HEX, PROT, ADDR, SHOW_COUNT };

struct field {
	const char *label; /* NULL ends the list */
	uint8_t low, bits;
	uint8_t low_b, bits_b; /* the second piece, or 0 bits */
	uint8_t show;	       /* enum show */
};

#define FORM(form, width, text) static const struct field fields_##form[] = {
#define FIELD(form, field, low, n, show, label) {label, low, n, 0, 0, show},
#define FIELD2(form, field, low_a, n_a, low_b, n_b, show, label) \
	{label, low_a, n_a, low_b, n_b, show},
#define END(form)          \
	{NULL, 0, 0, 0, 0, 0} \
	}                  \
	;
#include "mmu/formats.def"

struct level_fields {
	const struct field *table, *leaf;
};

#define LEVEL(f, n, form, leaf, shift, bits, flags, reserved, leaf_reserved) \
	[FW_MMU_##f][n] = {fields_##form, fields_##leaf},
static const struct level_fields
	level_fields[FW_MMU_FORMATS][FW_MAX_LEVELS] = {
#include "mmu/formats.def"
};

struct soft_fields {
	const struct field *soft, *trans, *proto, *sect;
	uint64_t (*slot)(uint64_t entry);
	uint64_t slot_vad;
};

#define SOFT(f, soft, trans, proto, sect)                              \
	[FW_MMU_##f] = {fields_##soft, fields_##trans, fields_##proto, \
			fields_##sect, fw_##soft##_slot, FW_SLOT_VAD(soft)},
static const struct soft_fields soft_fields[FW_MMU_FORMATS] = {
#include "mmu/formats.def"
};

/* Text that is cut off where the buffer ends. */
struct line {
	char *text;
	size_t size, len;
};

static void put(struct line *line, const char *s)
{
	for (; *s; s++)
		if (line->len + 1 < line->size)
			line->text[line->len++] = *s;
}

static void put_number(struct line *line, uint64_t value, unsigned base)
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	if (base == 16) {
		do
			*--p = "0123456789abcdef"[value % 16];
		while (value /= 16);
		put(line, "0x");
	} else { /* a constant divisor: no library's help on 32-bit CPUs */
		do
			*--p = (char)('0' + value % 10);
		while (value /= 10);
	}
	put(line, p);
}

static uint64_t value_of(const struct field *f, uint64_t entry)
{
	uint64_t value = fw_bits_get(entry, f->low, f->bits);

	value |= fw_bits_get(entry, f->low_b, f->bits_b) << f->bits;
	return f->show == ADDR ? fw_bits_extend(value, f->bits) : value;
}

/* Three bits of enum fw_prot, and two of kind as in nt-facts a.6.2. */
static void put_protection(struct line *line, uint64_t prot)
{
	static const char *const kind[4] = {"", "+nocache", "+guard",
					    "+writecombine"};

	if (!(prot & 7))
		put(line, "none");
	if (prot & FW_PROT_R)
		put(line, "r");
	if (prot & FW_PROT_W)
		put(line, "w");
	if (prot & FW_PROT_X)
		put(line, "x");
	put(line, kind[prot / 8 % 4]);
}

static void put_flags(struct line *line, const struct field *f, uint64_t entry)
{
	for (; f->label; f++) {
		if (f->show != FLAG)
			continue;
		put(line, line->len ? " " : "");
		put(line, f->label);
		put(line, value_of(f, entry) ? "=1" : "=0");
	}
}

static void put_value(struct line *line, const struct field *f, uint64_t entry)
{
	put(line, f->label);
	put(line, " ");
	if (f->show == PROT)
		put_protection(line, value_of(f, entry));
	else
		put_number(line, value_of(f, entry), f->show == DEC ? 10 : 16);
}

/* The values whose kind is in `kinds` (a set of 1 << enum show). */
static void put_values(struct line *line, const struct field *f,
		       uint64_t entry, unsigned kinds, const char *between)
{
	for (; f->label; f++) {
		if (f->show <= NONE || !(kinds & 1u << f->show))
			continue;
		put(line, between);
		put_value(line, f, entry);
		between = ", ";
	}
}

static void put_rare(struct line *line, const struct field *f, uint64_t entry)
{
	for (; f->label; f++) {
		uint64_t value = value_of(f, entry);

		if (f->show != NONE || !value)
			continue;
		put(line, " ");
		put(line, f->label);
		if (f->bits > 1) {
			put(line, " ");
			put_number(line, value, 10);
		}
	}
}

static bool is_leaf(enum fw_mmu_format format, unsigned level, uint64_t entry)
{
	unsigned flags = fw_geometry[format].level[level].flags;
	unsigned large = FW_LEVEL_LARGE | FW_LEVEL_LARGE_1G |
			 FW_LEVEL_LARGE_PSE;

	return (flags & FW_LEVEL_LAST) ||
	       ((flags & large) && fw_x64_pde_large(entry));
}

static enum fw_pte_form soft_form(enum fw_mmu_format format, uint64_t entry)
{
	const struct soft_fields *soft = &soft_fields[format];
	uint64_t slot = soft->slot(entry);

	/* The three forms keep these two bits in the same place. */
	if (fw_x64_soft_proto(entry))
		return FW_PTE_FORM_PROTO;
	if (fw_x64_soft_transition(entry))
		return FW_PTE_FORM_TRANSITION;
	if (slot == soft->slot_vad)
		return FW_PTE_FORM_VAD;
	return slot == FW_SLOT_ZERO ? FW_PTE_FORM_DEMAND_ZERO
				    : FW_PTE_FORM_PAGE_FILE;
}

enum fw_pte_form fw_pte_form(enum fw_mmu_format format, unsigned level,
			     uint64_t entry)
{
	bool prototype = level == FW_LEVEL_PROTOTYPE;

	if (prototype)
		level = 0;
	if (fw_x64_pte_present(entry))
		return is_leaf(format, level, entry) ? FW_PTE_FORM_LEAF
						     : FW_PTE_FORM_TABLE;
	if (!entry || level > 0)
		return FW_PTE_FORM_EMPTY;
	if (prototype && fw_x64_soft_proto(entry))
		return FW_PTE_FORM_SECTION;
	return soft_form(format, entry);
}

const char *fw_pte_form_text(enum fw_pte_form form)
{
	static const char *const text[FW_PTE_FORM_COUNT] = {
		[FW_PTE_FORM_TABLE] = "table",
		[FW_PTE_FORM_LEAF] = "page",
		[FW_PTE_FORM_EMPTY] = "empty",
		[FW_PTE_FORM_DEMAND_ZERO] = "demand zero",
		[FW_PTE_FORM_VAD] = "see the region",
		[FW_PTE_FORM_PAGE_FILE] = "page file",
		[FW_PTE_FORM_TRANSITION] = "transition",
		[FW_PTE_FORM_PROTO] = "prototype",
		[FW_PTE_FORM_SECTION] = "section",
	};

	return (unsigned)form < FW_PTE_FORM_COUNT ? text[form] : "unknown";
}

/* The fields of a form; none of an empty entry. */
static const struct field *fields_of(enum fw_mmu_format format, unsigned level,
				     enum fw_pte_form form)
{
	static const struct field nothing[] = {{NULL, 0, 0, 0, 0, 0}};
	const struct soft_fields *soft = &soft_fields[format];
	unsigned row = level == FW_LEVEL_PROTOTYPE ? 0 : level;

	switch (form) {
	case FW_PTE_FORM_TABLE:
		return level_fields[format][row].table;
	case FW_PTE_FORM_LEAF:
		return level_fields[format][row].leaf;
	case FW_PTE_FORM_TRANSITION:
		return soft->trans;
	case FW_PTE_FORM_PROTO:
		return soft->proto;
	case FW_PTE_FORM_SECTION:
		return soft->sect;
	case FW_PTE_FORM_DEMAND_ZERO:
	case FW_PTE_FORM_VAD:
	case FW_PTE_FORM_PAGE_FILE:
		return soft->soft;
	default:
		return nothing;
	}
}

/* The part of a line that tells where an entry's page is. */
static void put_soft(struct line *line, const struct field *f,
		     enum fw_pte_form form, uint64_t entry)
{
	const unsigned all = ~0u, prot = 1u << PROT;

	if (form == FW_PTE_FORM_EMPTY) {
		put(line, "P=0 empty");
		return;
	}
	put_flags(line, f, entry);
	if (form == FW_PTE_FORM_DEMAND_ZERO || form == FW_PTE_FORM_VAD ||
	    form == FW_PTE_FORM_TRANSITION) {
		put(line, " ");
		put(line, fw_pte_form_text(form));
	}
	if (form == FW_PTE_FORM_DEMAND_ZERO || form == FW_PTE_FORM_VAD)
		put_values(line, f, entry, prot, ", ");
	else if (form == FW_PTE_FORM_TRANSITION)
		put_values(line, f, entry, all, ", ");
	else
		put_values(line, f, entry, all, " ");
	put_rare(line, f, entry);
}

size_t fw_pte_text(enum fw_mmu_format format, unsigned level, uint64_t entry,
		   char *text, size_t size)
{
	struct line line = {.text = text, .size = size};
	enum fw_pte_form form = fw_pte_form(format, level, entry);
	const struct field *f = fields_of(format, level, form);

	if (form == FW_PTE_FORM_TABLE || form == FW_PTE_FORM_LEAF) {
		put_flags(&line, f, entry);
		put_values(&line, f, entry, ~0u, " ");
		put_rare(&line, f, entry);
	} else {
		put_soft(&line, f, form, entry);
	}
	if (size)
		text[line.len] = '\0';
	return line.len;
}

/* ---- by name ---------------------------------------------------------- */

static const char *const other_bits = "other";

static uint64_t mask_of(const struct field *f)
{
	return fw_bits_put(~(uint64_t)0, f->low, f->bits) |
	       fw_bits_put(~(uint64_t)0, f->low_b, f->bits_b);
}

/* All bits that belong to some field. */
static uint64_t known_bits(const struct field *f)
{
	uint64_t known = 0;

	for (; f->label; f++)
		known |= mask_of(f);
	return known;
}

unsigned fw_pte_fields(enum fw_mmu_format format, unsigned level,
		       uint64_t entry, struct fw_pte_field *ret)
{
	enum fw_pte_form form = fw_pte_form(format, level, entry);
	const struct field *f = fields_of(format, level, form);
	uint64_t rest = entry & ~known_bits(f);
	unsigned n = 0;

	for (; f->label; f++)
		if (f->bits)
			ret[n++] = (struct fw_pte_field){
				.name = f->label,
				.value = value_of(f, entry),
				.bits = (uint8_t)(f->bits + f->bits_b),
			};
	if (rest)
		ret[n++] = (struct fw_pte_field){
			.name = other_bits, .value = rest, .bits = 64};
	return n;
}

static bool same_name(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Adds a value to the entry where its field stands. */
static bool put_field(const struct field *f, uint64_t value, uint64_t *entry)
{
	uint64_t bits = fw_bits_put(value, f->low, f->bits) |
			fw_bits_put(value >> f->bits, f->low_b, f->bits_b);

	if (value_of(f, bits) != value)
		return false;
	*entry = (*entry & ~mask_of(f)) | bits;
	return true;
}

bool fw_pte_from_fields(enum fw_mmu_format format, unsigned level,
			enum fw_pte_form form, const struct fw_pte_field *f,
			unsigned n, uint64_t *ret)
{
	const struct field *all = fields_of(format, level, form), *to;
	uint64_t entry = 0;

	for (unsigned i = 0; i < n; i++) {
		for (to = all; to->label; to++)
			if (to->bits && same_name(to->label, f[i].name))
				break;
		if (to->label) {
			if (!put_field(to, f[i].value, &entry))
				return false;
		} else if (same_name(f[i].name, other_bits) &&
			   !(f[i].value & known_bits(all))) {
			entry |= f[i].value;
		} else {
			return false;
		}
	}
	*ret = entry;
	return true;
}
