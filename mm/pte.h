/* SPDX-License-Identifier: MIT */
/*
 * pte.h - the forms of a page-table entry and of a prototype PTE, in the
 * format that the core is built for. Where each field stands says
 * mmu/formats.def; what the forms are for:
 *
 * valid        as the CPU has it; in the bits it leaves to us: COW (a write
 *              copies), PROTO (belongs to a prototype), SWW (software write:
 *              may be written). W is set only together with D. With 4 levels
 *              there is room for the age and the port's bits too; else the
 *              age is in the frame record, see page_age() in age.h.
 * soft         page file and slot; slot 0 is demand zero, all ones means
 *              "ask the region". All zero bits: the same as demand zero in a
 *              region without a section. `left` (not with 2 levels) says when
 *              the page lost its frame.
 * transition   the frame in which the content still is, or will be
 * pointer      the prototype that says more
 * file         (in prototypes only) the section
 *
 * A 4-level entry has room for an address; in the others a prototype or
 * section is named by its offset in the RAM, in units of its alignment.
 *
 * Windows Internals 6e part 2 ch. 10, "Invalid PTEs" and "Prototype PTEs";
 * Intel SDM vol. 3A 4.3 to 4.5.
 */
#ifndef FW_MM_PTE_H
#define FW_MM_PTE_H

#include <faultwise/mm.h>

#include "mmu/pte.h"

#if FW_LEVELS == 2
#define PTE_FN(name) fw_x32_##name
#define PTE_CONST(name) FW_X32_##name
#define PTE_MASK(field) ((fw_pte)FW_FIELD_MASK(x32_pte, field))
#define PTE_SOFT_MASK(form, field) ((fw_pte)FW_FIELD_MASK(x32_##form, field))
#define PTE_PROTO_UNIT 16u
#define PTE_SECTION_UNIT 128u
#elif FW_LEVELS == 3
#define PTE_FN(name) fw_pae_##name
#define PTE_CONST(name) FW_PAE_##name
#define PTE_MASK(field) ((fw_pte)FW_FIELD_MASK(pae_pte, field))
#define PTE_SOFT_MASK(form, field) ((fw_pte)FW_FIELD_MASK(pae_##form, field))
#define PTE_PROTO_UNIT 16u
#define PTE_SECTION_UNIT 16u
#else
#define PTE_FN(name) fw_x64_##name
#define PTE_CONST(name) FW_X64_##name
#define PTE_MASK(field) ((fw_pte)FW_FIELD_MASK(x64_pte, field))
#define PTE_SOFT_MASK(form, field) ((fw_pte)FW_FIELD_MASK(x64_##form, field))
#define PTE_PROTO_UNIT 1u /* an address */
#define PTE_SECTION_UNIT 1u
#endif

#define PTE_V PTE_MASK(present)
#define PTE_W PTE_MASK(write)
#define PTE_U PTE_MASK(user)
#define PTE_A PTE_MASK(accessed)
#define PTE_D PTE_MASK(dirty)
#define PTE_COW PTE_MASK(cow)
#define PTE_PROTO PTE_MASK(proto)
#define PTE_SWW PTE_MASK(may_write)
#define PTE_NX PTE_MASK(nx)	   /* 0: the format has none */
#define PTE_AGE_MASK PTE_MASK(age) /* the same */
#define PTE_CACHED_MASK (FW_PTE_CACHED | FW_PTE_CACHED_W)

#define PTE_TRANS PTE_SOFT_MASK(soft, transition)
#define PTE_PROT_NOACCESS 0x18u
#define PTE_SLOT_VAD                                                    \
	((uint32_t)(PTE_SOFT_MASK(soft, slot) >>                        \
		    (FW_LEVELS == 2 ? FW_x32_soft_slot_LOW              \
				    : FW_x64_soft_slot_LOW)))

/* mm.h promises these to the port. */
_Static_assert(FW_PTE_VALID == PTE_V && FW_PTE_WRITE == PTE_W &&
		       FW_PTE_DIRTY == PTE_D && FW_PTE_NX == PTE_NX &&
		       FW_PTE_CACHED == PTE_MASK(cached) &&
		       FW_PTE_CACHED_W == PTE_MASK(cached_w),
	       "the table and the contract agree");
_Static_assert(PTE_CONST(LEVELS) == FW_LEVELS &&
		       PTE_CONST(VA_BITS) == FW_VA_BITS &&
		       PTE_CONST(0_BITS) == FW_TABLE_BITS &&
		       PTE_CONST(0_SHIFT) == FW_PAGE_SHIFT &&
		       PTE_CONST(1_SHIFT) == FW_PAGE_SHIFT + FW_TABLE_BITS &&
		       PTE_CONST(ENTRY_BYTES) == sizeof(fw_pte),
	       "the table and types.h agree");
/* What tells the software forms apart is in the same place in all. */
_Static_assert(PTE_SOFT_MASK(soft, proto) == PTE_SOFT_MASK(trans, proto) &&
		       PTE_SOFT_MASK(soft, proto) ==
			       PTE_SOFT_MASK(proto, proto) &&
		       PTE_SOFT_MASK(soft, proto) == PTE_PROTO &&
		       PTE_SOFT_MASK(trans, transition) == PTE_TRANS,
	       "forms can be told apart");

static inline bool pte_is_valid(fw_pte p)
{
	return (p & PTE_V) != 0;
}

/* The pointer form, or (in a prototype) the file form. */
static inline bool pte_is_pointer(fw_pte p)
{
	return (p & (PTE_V | PTE_PROTO)) == PTE_PROTO;
}

static inline bool pte_is_transition(fw_pte p)
{
	return (p & (PTE_V | PTE_PROTO | PTE_TRANS)) == PTE_TRANS;
}

static inline bool pte_is_soft(fw_pte p)
{
	return (p & (PTE_V | PTE_PROTO | PTE_TRANS)) == 0;
}

static inline uint32_t pte_slot(fw_pte p)
{
	return (uint32_t)PTE_FN(soft_slot)(p);
}

static inline bool pte_has_slot(fw_pte p)
{
	return pte_is_soft(p) && pte_slot(p) != 0 &&
	       pte_slot(p) != PTE_SLOT_VAD;
}

/* Only the region knows what the page is. */
static inline bool pte_asks_region(fw_pte p)
{
	return p == 0 || (pte_is_soft(p) && pte_slot(p) == PTE_SLOT_VAD);
}

static inline bool pte_is_zero_demand(fw_pte p)
{
	return pte_is_soft(p) && !pte_has_slot(p);
}

static inline unsigned pte_file(fw_pte p)
{
	return (unsigned)PTE_FN(soft_file)(p);
}

static inline unsigned pte_prot(fw_pte p)
{
	return (unsigned)PTE_FN(soft_prot)(p);
}

/* The field's value for a set of enum fw_prot bits. Never 0, so that a
 * private demand-zero PTE always differs from "no PTE yet". */
static inline unsigned pte_prot_field(unsigned prot)
{
	return prot != 0 ? prot : PTE_PROT_NOACCESS;
}

static inline fw_pte pte_with_prot(fw_pte p, unsigned prot)
{
	return (fw_pte)PTE_FN(soft_with_prot)(p, pte_prot_field(prot));
}

static inline fw_pte pte_make_slot(unsigned file, uint64_t slot, unsigned prot)
{
	return (fw_pte)PTE_FN(soft_make)((struct PTE_FN(soft)){
		.file = file, .slot = slot, .prot = pte_prot_field(prot) });
}

/* When the page was taken away; 0: not known. See refault.c. */
static inline uint32_t pte_left(fw_pte p)
{
	return (uint32_t)PTE_FN(soft_left)(p);
}

static inline fw_pte pte_with_left(fw_pte p, uint32_t left)
{
	return (fw_pte)PTE_FN(soft_with_left)(p, left);
}

static inline fw_pte pte_make_transition(fw_pfn pfn, unsigned prot)
{
	return (fw_pte)PTE_FN(trans_make)((struct PTE_FN(trans)){
		.transition = 1,
		.frame = pfn,
		.prot = pte_prot_field(prot) });
}

struct fw_proto; /* mm.h */

/* How an object in the RAM is named in an entry, and found again. */
static inline uint64_t pte_name(const struct fw_mm *mm, const void *p,
				unsigned unit)
{
	if (unit == 1)
		return (uintptr_t)p;
	return ((uintptr_t)p - (uintptr_t)mm) / unit;
}

static inline fw_pte pte_make_pointer(const struct fw_mm *mm,
				      const void *proto)
{
	return (fw_pte)PTE_FN(proto_make)((struct PTE_FN(proto)){
		.proto = 1, .address = pte_name(mm, proto, PTE_PROTO_UNIT) });
}

static inline struct fw_proto *pte_pointer(const struct fw_mm *mm, fw_pte p)
{
	uint64_t name = PTE_FN(proto_address)(p);

	if (PTE_PROTO_UNIT == 1)
		return (struct fw_proto *)(uintptr_t)name;
	return (struct fw_proto *)((uintptr_t)mm +
				   (uintptr_t)name * PTE_PROTO_UNIT);
}

/* A private page of zeros that no frame backs. */
static inline fw_pte pte_make_zero(unsigned prot)
{
	return pte_make_slot(0, 0, prot);
}

static inline fw_pte pte_make_file(const struct fw_mm *mm, const void *section,
				   unsigned prot)
{
	return (fw_pte)PTE_FN(sect_make)((struct PTE_FN(sect)){
		.proto = 1,
		.prot = prot,
		.address = pte_name(mm, section, PTE_SECTION_UNIT) });
}

/* The section of an entry in file form. */
static inline struct fw_section *pte_section(const struct fw_mm *mm, fw_pte p)
{
	uint64_t name = PTE_FN(sect_address)(p);

	if (PTE_SECTION_UNIT == 1)
		return (struct fw_section *)(uintptr_t)name;
	return (struct fw_section *)((uintptr_t)mm +
				     (uintptr_t)name * PTE_SECTION_UNIT);
}

static inline fw_pte pte_make_valid(fw_pfn pfn)
{
	return (fw_pte)PTE_FN(pte_make)(
		(struct PTE_FN(pte)){ .present = 1, .frame = pfn });
}

/* What a prototype holds while its page is valid somewhere. */
static inline fw_pte pte_make_proto_valid(fw_pfn pfn)
{
	return pte_make_valid(pfn);
}

/* An entry of a table of this level (2 or more) that names a table. Access
 * rights are those of the PTEs; the top entries of PAE have no such bits. */
static inline fw_pte pte_make_table(fw_pfn pfn, unsigned level)
{
	if (FW_LEVELS == 3 && level == 3)
		return pte_make_valid(pfn);
	return pte_make_valid(pfn) | PTE_W | PTE_U | PTE_A;
}

static inline unsigned pte_age(fw_pte p)
{
	return (unsigned)PTE_FN(pte_age)(p);
}

static inline fw_pte pte_with_age(fw_pte p, unsigned age)
{
	return (fw_pte)PTE_FN(pte_with_age)(p, age);
}

#endif
