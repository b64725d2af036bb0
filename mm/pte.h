/* SPDX-License-Identifier: MIT */
/*
 * pte.h - the forms of a page-table entry and of a prototype PTE.
 *
 * valid        0 V, 1 W, 2 U, 5 A, 6 D, 9 copy on write, 10 belongs to a
 *              prototype, 11 software write, 12-51 frame, 52-53 the port's,
 *              54-56 age, 63 NX. W is set only together with D.
 * soft         1-4 page file, 5-9 protection, 32-63 slot; slot 0 is demand
 *              zero, all ones means "ask the region". All zero bits: the
 *              same as demand zero in a region without a section.
 * transition   5-9 protection, 11 set, 12-51 frame
 * pointer      10 set, 16-63 address of the prototype
 * file         (in prototypes only) 5-9 protection, 10 set, 16-63 address of
 *              the section
 *
 * Windows Internals 6e part 2 ch. 10, "Invalid PTEs" and "Prototype PTEs";
 * Intel SDM vol. 3A 4.5.
 */
#ifndef FW_MM_PTE_H
#define FW_MM_PTE_H

#include <faultwise/mm.h>

#define PTE_V FW_PTE_VALID
#define PTE_W FW_PTE_WRITE
#define PTE_U ((fw_pte)1 << 2)
#define PTE_A ((fw_pte)1 << 5)
#define PTE_D FW_PTE_DIRTY
#define PTE_COW ((fw_pte)1 << 9)
#define PTE_PROTO ((fw_pte)1 << 10)
#define PTE_SWW ((fw_pte)1 << 11)
#define PTE_TRANS ((fw_pte)1 << 11)
#define PTE_NX FW_PTE_NX

#define PTE_AGE_SHIFT 54
#define PTE_AGE_MASK ((fw_pte)7 << PTE_AGE_SHIFT)
#define PTE_PROT_SHIFT 5
#define PTE_PROT_NOACCESS 0x18u
#define PTE_PROT_MASK ((fw_pte)31 << PTE_PROT_SHIFT)
#define PTE_SLOT_SHIFT 32
#define PTE_SLOT_VAD UINT32_MAX
#define PTE_ADDR_SHIFT 16

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
	return (uint32_t)(p >> PTE_SLOT_SHIFT);
}

static inline bool pte_has_slot(fw_pte p)
{
	return pte_is_soft(p) && pte_slot(p) != 0 &&
	       pte_slot(p) != PTE_SLOT_VAD;
}

static inline bool pte_is_zero_demand(fw_pte p)
{
	return pte_is_soft(p) && !pte_has_slot(p);
}

static inline unsigned pte_file(fw_pte p)
{
	return (unsigned)(p >> 1) & 15;
}

static inline unsigned pte_prot(fw_pte p)
{
	return (unsigned)(p >> PTE_PROT_SHIFT) & 31;
}

/* The field's value for a set of enum fw_prot bits. Never 0, so that a
 * private demand-zero PTE always differs from "no PTE yet". */
static inline unsigned pte_prot_field(unsigned prot)
{
	return prot != 0 ? prot : PTE_PROT_NOACCESS;
}

static inline fw_pte pte_with_prot(fw_pte p, unsigned prot)
{
	return (p & ~PTE_PROT_MASK) |
	       (fw_pte)pte_prot_field(prot) << PTE_PROT_SHIFT;
}

static inline fw_pte pte_make_slot(unsigned file, uint64_t slot, unsigned prot)
{
	return (fw_pte)slot << PTE_SLOT_SHIFT | (fw_pte)file << 1 |
	       (fw_pte)pte_prot_field(prot) << PTE_PROT_SHIFT;
}

static inline fw_pte pte_make_transition(fw_pfn pfn, unsigned prot)
{
	return (fw_pte)pfn << FW_PAGE_SHIFT | PTE_TRANS |
	       (fw_pte)pte_prot_field(prot) << PTE_PROT_SHIFT;
}

static inline fw_pte pte_make_pointer(const void *proto)
{
	return (fw_pte)(uintptr_t)proto << PTE_ADDR_SHIFT | PTE_PROTO;
}

static inline void *pte_pointer(fw_pte p)
{
	return (void *)(uintptr_t)(p >> PTE_ADDR_SHIFT);
}

/* A private page of zeros that no frame backs. */
static inline fw_pte pte_make_zero(unsigned prot)
{
	return pte_make_slot(0, 0, prot);
}

static inline fw_pte pte_make_file(const void *section, unsigned prot)
{
	return pte_make_pointer(section) | (fw_pte)prot << PTE_PROT_SHIFT;
}

/* What a prototype holds while its page is valid somewhere. */
static inline fw_pte pte_make_proto_valid(fw_pfn pfn)
{
	return (fw_pte)pfn << FW_PAGE_SHIFT | PTE_V;
}

static inline fw_pte pte_make_table(fw_pfn pfn)
{
	return (fw_pte)pfn << FW_PAGE_SHIFT | PTE_V | PTE_W | PTE_U | PTE_A;
}

static inline unsigned pte_age(fw_pte p)
{
	return (unsigned)((p & PTE_AGE_MASK) >> PTE_AGE_SHIFT);
}

static inline fw_pte pte_with_age(fw_pte p, unsigned age)
{
	return (p & ~PTE_AGE_MASK) | (fw_pte)age << PTE_AGE_SHIFT;
}

#endif
