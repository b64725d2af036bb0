/* SPDX-License-Identifier: MIT */
/* stripe.h - the stripes of a space lock and their stocks; see stripe.c. */
#ifndef FW_MM_STRIPE_H
#define FW_MM_STRIPE_H

#include <mm/mm.h>

/* The lock of the stripe that holds vpn; instead of the whole space lock. */
struct fw_stripe *stripe_lock(struct fw_space *space, fw_vpn vpn,
			      struct fw_actor *actor);
void stripe_unlock(struct fw_space *space, struct fw_stripe *s);
/* Whether the stock has a frame. The stripe's lock. */
bool stripe_has(const struct fw_stripe *s);
/* Maps a frame of the stock as the zeroed page `vpn`. The stripe's lock, not
 * the mm lock. */
void stripe_map(struct fw_mm *mm, struct fw_stripe *s,
		const struct fw_vad *vad, fw_vpn vpn, fw_pte *pte, bool dirty,
		unsigned prio);
/* The frames of a block that are left in a stock. */
static inline uint32_t stock_left(uint64_t stock)
{
	return (uint32_t)stock >> 16;
}
static inline uint32_t stock_mapped(uint64_t stock)
{
	return (uint32_t)stock & 0xffff;
}
static inline fw_pfn stock_base(uint64_t stock)
{
	return (fw_pfn)(stock >> 32);
}
/* Fills the stock, if it is empty and frames abound. Both locks. */
void stripe_fill(struct fw_mm *mm, struct fw_space *space,
		 struct fw_stripe *s);
/* Gives all stocks back. The whole space lock, not the mm lock. True when
 * there were any. */
bool stripes_drain(struct fw_mm *mm, struct fw_actor *actor,
		   struct fw_space *space);
/* No stripe remembers a region any more. */
void stripes_forget(struct fw_mm *mm, struct fw_space *space);

#endif
