/* SPDX-License-Identifier: MIT */
/* order.h - the order of locks, checked in FW_LOCK_ORDER builds. */
#ifndef FW_MM_ORDER_H
#define FW_MM_ORDER_H

#include <mm/mm.h>

/*
 * Ranks 0 to 15 are the stripes of a space lock, 16 is the mm lock; one may
 * be taken when none of its own rank or above is held.
 */
#define LOCK_RANK_MM 16u
static inline void lock_order_take(struct fw_actor *a, unsigned rank)
{
#ifdef FW_LOCK_ORDER
	if (a) {
		FW_ASSERT(a->locks >> rank == 0);
		a->locks |= 1u << rank;
	}
#else
	(void)a, (void)rank;
#endif
}
void lock_order_release(struct fw_mm *mm, const struct fw_lock *lock,
			unsigned rank);

#endif
