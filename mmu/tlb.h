/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - finding an entry of the TLB, inline: what every access does.
 */
#ifndef FAULTWISE_MMU_TLB_H
#define FAULTWISE_MMU_TLB_H

#include <faultwise/mmu.h>

_Static_assert((FW_TLB_SETS & (FW_TLB_SETS - 1)) == 0, "sets are masked");

static inline struct fw_tlb_entry *tlb_set(struct fw_tlb *tlb, fw_vpn vpn)
{
	return tlb->entries[vpn & (FW_TLB_SETS - 1)];
}

static inline bool tlb_matches(const struct fw_tlb_entry *e, uint16_t asid,
			       uint64_t key)
{
	return e->key == key && (e->asid == asid || e->global);
}

static inline struct fw_tlb_entry *tlb_find(struct fw_tlb *tlb, uint16_t asid,
					    fw_addr addr)
{
	fw_vpn vpn = addr >> FW_PAGE_SHIFT;
	struct fw_tlb_entry *e = tlb_set(tlb, vpn);

	for (unsigned i = 0; i < FW_TLB_WAYS; i++, e++)
		if (tlb_matches(e, asid, vpn + 1))
			return e;
	tlb->misses++;
	return NULL;
}

/* The last 8 bytes of an entry, and of what a walk says. */
static inline uint64_t tlb_rights(const struct fw_tlb_entry *e)
{
	uint64_t rights;

	__builtin_memcpy(&rights,
			 (const char *)e + offsetof(struct fw_tlb_entry, asid),
			 sizeof(rights));
	return rights;
}

#define TLB_BYTE(field)                                         \
	((uint64_t)1 << 8 * (offsetof(struct fw_tlb_entry, field) - \
			     offsetof(struct fw_tlb_entry, asid)))
#define TLB_ASID 0xffffu
#define TLB_SHARED(field)                                          \
	(offsetof(struct fw_tlb_entry, field) -                    \
		 offsetof(struct fw_tlb_entry, asid) ==            \
	 offsetof(struct fw_walk, field) - offsetof(struct fw_walk, level))
_Static_assert(sizeof(bool) == 1 && TLB_SHARED(shift) && TLB_SHARED(write) &&
		       TLB_SHARED(user) && TLB_SHARED(exec) &&
		       TLB_SHARED(dirty) && TLB_SHARED(global) &&
		       offsetof(struct fw_tlb_entry, global) -
				       offsetof(struct fw_tlb_entry, asid) ==
			       7,
	       "a walk and an entry end alike");

/* The rights that an access wants to find, as bytes. A user's access; also a
 * supervisor's where neither SMEP nor SMAP is on, and with CR0.WP. */
#define TLB_WANTED(access)                                           \
	[access] = ((access) & FW_ACC_USER ? TLB_BYTE(user) : 0) |   \
		   ((access) & FW_ACC_EXEC ? TLB_BYTE(exec) : 0) |   \
		   ((access) & FW_ACC_WRITE ? TLB_BYTE(write) : 0) | \
		   ((access) & FW_ACC_WRITE ? TLB_BYTE(dirty) : 0)

static inline uint64_t tlb_wanted(uint32_t access)
{
	static const uint64_t wanted[32] = {
		TLB_WANTED(0),  TLB_WANTED(2),	TLB_WANTED(4),	TLB_WANTED(6),
		TLB_WANTED(16), TLB_WANTED(18), TLB_WANTED(20), TLB_WANTED(22),
	};

	return wanted[access & 31];
}

/*
 * The entry for the page, if this address space has put it there and it gives
 * the rights; NULL says nothing. Key and rights are judged once, whichever way
 * holds the page.
 */
static inline struct fw_tlb_entry *tlb_hit(struct fw_tlb *tlb, uint16_t asid,
					   fw_addr addr, uint64_t wanted)
{
	uint64_t key = (addr >> FW_PAGE_SHIFT) + 1;
	struct fw_tlb_entry *set = tlb_set(tlb, addr >> FW_PAGE_SHIFT), *e;

	_Static_assert(FW_TLB_WAYS == 4, "the ways are written out");
	e = set[1].key == key ? &set[1] : set;
	e = set[2].key == key ? &set[2] : e;
	e = set[3].key == key ? &set[3] : e;
	if (e->key != key || ((tlb_rights(e) ^ (wanted | asid)) &
			      (wanted | TLB_ASID)) != 0)
		return NULL;
	return e;
}

#endif
