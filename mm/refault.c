/* SPDX-License-Identifier: MIT */
/*
 * refault.c - how long a page was away. A clock counts the pages that lose
 * their frame to others. Its value stays behind with the page: in a PTE that
 * names a slot where the format has room (20 bits; 2-level PTEs have none), in
 * the prototype of a page of a file. When the page is read again, what the
 * clock has advanced says how many frames more would have kept it: fewer than
 * there are in use means that it left too soon, for a page that was needed
 * less.
 *
 * The same idea as Linux's shadow entries (workingset). It costs no memory.
 */
#include <mm/mm.h>

#define LEFT_BITS 20
#define LEFT_MAX ((1u << LEFT_BITS) - 1)

/* One tick of what is kept, in pages: 2^20 of them reach 8 times the RAM. */
static unsigned left_shift(const struct fw_mm *mm)
{
	unsigned shift = 0;

	while ((uint64_t)LEFT_MAX << shift < (uint64_t)mm->nframes * 8)
		shift++;
	return shift;
}

/* 1 to LEFT_MAX. */
static uint32_t left_now(const struct fw_mm *mm)
{
	return (uint32_t)((mm->evicted >> left_shift(mm)) % LEFT_MAX) + 1;
}

fw_pte refault_leave(struct fw_mm *mm, struct fw_frame *f)
{
	uint32_t now = left_now(mm);

	mm->evicted++;
	if (pte_has_slot(f->original))
		return pte_with_left(f->original, now);
	if (pte_is_pointer(f->original))
		((struct fw_proto *)f->pte)->seen = now;
	return f->original;
}

uint64_t refault_return(struct fw_mm *mm, const fw_pte *loc, bool file)
{
	uint32_t left = file ? ((const struct fw_proto *)loc)->seen
			     : pte_left(*loc);
	uint64_t distance;
	unsigned bucket = 0;

	if (left == 0)
		return 0;
	distance = (uint64_t)((left_now(mm) + LEFT_MAX - left) % LEFT_MAX)
		   << left_shift(mm);
	distance += distance == 0;
	mm->refaults++;
	if (distance <= mm->count[FRAME_ACTIVE])
		mm->refaults_near++;
	while (bucket + 1 < FW_DISTANCES && distance >> (bucket + 1) != 0)
		bucket++;
	mm->refault_distance[bucket]++;
	return distance;
}
