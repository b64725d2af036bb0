/* SPDX-License-Identifier: MIT */
/*
 * region.h - what region.c and reshape.c share.
 */
#ifndef FW_MM_REGION_H
#define FW_MM_REGION_H

#include <mm/mm.h>

struct vrange {
	fw_vpn start, end;
};

/* Frames for descriptors and tables; without locks. */
bool meta_room(struct fw_mm *mm, struct fw_actor *actor,
	       struct fw_space *space);
bool range_valid(const struct fw_space *space, fw_addr start, uint64_t len,
		 struct vrange *ret);
/* Not below where a process's regions may lie. */
bool range_mappable(const struct fw_space *space, struct vrange r);
/* Takes the space lock, at a moment at which no page of the range is pinned:
 * nobody pins one before it is released. */
void range_lock(struct fw_mm *mm, struct fw_actor *actor,
		struct fw_space *space, struct vrange r);
/* Wants the mm lock; checkpoints. */
bool range_isolate(struct fw_mm *mm, struct fw_space *space, struct vrange r);
/* Wants the space lock. What it frees may leave sections to be swept. */
enum fw_status range_unmap(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, struct vrange r);

#endif
