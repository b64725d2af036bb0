/* SPDX-License-Identifier: MIT */
/*
 * tlb.c - a set-associative TLB with address-space identifiers.
 *
 * Index: the low bits of the virtual page number. Replacement: round robin
 * within a set. Not a cache of missing translations: an entry only ever
 * stands for a walk that succeeded (SDM 4.10.2).
 */
#include <faultwise/mmu.h>

#include "mmu/tlb.h"

struct fw_tlb_entry *fw_tlb_find(struct fw_tlb *tlb, uint16_t asid,
				 fw_addr addr)
{
	return tlb_find(tlb, asid, addr);
}

/* Where a translation of the page goes: over the one there, else into an
 * empty place, else over the set's next victim. */
static struct fw_tlb_entry *place_for(struct fw_tlb *tlb, uint16_t asid,
				      fw_vpn vpn)
{
	struct fw_tlb_entry *set = tlb_set(tlb, vpn), *empty = NULL;
	uint8_t *victim = &tlb->victim[vpn & (FW_TLB_SETS - 1)];

	for (unsigned i = 0; i < FW_TLB_WAYS; i++) {
		if (tlb_matches(&set[i], asid, vpn + 1))
			return &set[i];
		if (!set[i].key)
			empty = &set[i];
	}
	if (empty)
		return empty;
	*victim = (uint8_t)((*victim + 1u) % FW_TLB_WAYS);
	return &set[*victim];
}

void fw_tlb_load(struct fw_tlb *tlb, uint16_t asid, fw_addr addr,
		 const struct fw_walk *walk)
{
	fw_vpn vpn = addr >> FW_PAGE_SHIFT;
	struct fw_tlb_entry *e = place_for(tlb, asid, vpn);

	*e = (struct fw_tlb_entry){
		.key = vpn + 1,
		.page = walk->phys & ~FW_PAGE_MASK,
		.asid = asid,
		.shift = walk->shift,
		.write = walk->write,
		.user = walk->user,
		.exec = walk->exec,
		.dirty = walk->dirty,
		.global = walk->global,
	};
	if (walk->shift > FW_PAGE_SHIFT)
		tlb->large = 1;
}

/* Does the entry's page, of whatever size, touch [vpn, vpn + n)? */
static bool overlaps(const struct fw_tlb_entry *e, fw_vpn vpn, uint64_t n)
{
	uint64_t pages = (uint64_t)1 << (e->shift - FW_PAGE_SHIFT);
	fw_vpn start = (e->key - 1) & ~(pages - 1);

	return start < vpn + n && vpn < start + pages;
}

static void drop_in_set(struct fw_tlb_entry *set, uint16_t asid, bool global,
			fw_vpn vpn, uint64_t n)
{
	for (unsigned i = 0; i < FW_TLB_WAYS; i++) {
		struct fw_tlb_entry *e = &set[i];

		if (!e->key || (e->global ? !global : e->asid != asid))
			continue;
		if (overlaps(e, vpn, n))
			e->key = 0;
	}
}

/* The pieces of a large page lie in many sets: where there may be one, or
 * the range is long, all sets are searched. */
static void drop_pages(struct fw_tlb *tlb, uint16_t asid, bool global,
		       fw_vpn vpn, uint64_t n)
{
	if (tlb->large || n >= FW_TLB_SETS) {
		for (unsigned s = 0; s < FW_TLB_SETS; s++)
			drop_in_set(tlb->entries[s], asid, global, vpn, n);
		return;
	}
	for (uint64_t i = 0; i < n; i++)
		drop_in_set(tlb_set(tlb, vpn + i), asid, global, vpn, n);
}

void fw_tlb_drop_range(struct fw_tlb *tlb, uint16_t asid, fw_vpn vpn,
		       uint64_t n)
{
	drop_pages(tlb, asid, true, vpn, n);
}

void fw_tlb_drop_page(struct fw_tlb *tlb, uint16_t asid, fw_addr addr)
{
	drop_pages(tlb, asid, true, addr >> FW_PAGE_SHIFT, 1);
}

void fw_tlb_drop_own_page(struct fw_tlb *tlb, uint16_t asid, fw_addr addr)
{
	drop_pages(tlb, asid, false, addr >> FW_PAGE_SHIFT, 1);
}

void fw_tlb_drop_asid(struct fw_tlb *tlb, uint16_t asid)
{
	struct fw_tlb_entry *e = tlb->entries[0];

	for (unsigned i = 0; i < FW_TLB_SETS * FW_TLB_WAYS; i++)
		if (!e[i].global && e[i].asid == asid)
			e[i].key = 0;
}

void fw_tlb_drop_local(struct fw_tlb *tlb)
{
	struct fw_tlb_entry *e = tlb->entries[0];

	for (unsigned i = 0; i < FW_TLB_SETS * FW_TLB_WAYS; i++)
		if (!e[i].global)
			e[i].key = 0;
}

void fw_tlb_drop_all(struct fw_tlb *tlb)
{
	struct fw_tlb_entry *e = tlb->entries[0];

	for (unsigned i = 0; i < FW_TLB_SETS * FW_TLB_WAYS; i++)
		e[i].key = 0;
	tlb->large = 0;
}
