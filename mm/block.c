/* SPDX-License-Identifier: MIT */
/*
 * block.c - zeroed and free frames, kept by aligned blocks of 16.
 *
 * A block of address space is best backed by a block of frames: what caches
 * the translations then needs one entry for both. So there is no list of
 * free frames, but one bit a frame in the record of its block, and lists of
 * blocks: wholly available ones, from which a block of pages starts, and
 * broken ones, from which single frames are taken first.
 *
 * Blocks at and beyond mm->fresh were never used. Their records are all zero
 * bytes and they stand on no list; they count as wholly zeroed.
 */
#include <mm/mm.h>

#define FREE_SEARCH 256 /* blocks looked at for a free frame to be zeroed */

static unsigned block_list_of(const struct fw_block *b)
{
	unsigned any = b->free | b->zero;

	if (any == 0)
		return 0;
	return 1u + (any == 0xffff ? BLOCK_WHOLE_FREE : BLOCK_PART_FREE) +
	       (b->zero != 0 ? 1u : 0u);
}

static void block_unlink(struct fw_mm *mm, struct fw_block *b)
{
	if (b->prev == FW_PFN_NONE)
		FW_SET(mm, mm->block_head[b->list - 1], b->next);
	else
		FW_SET(mm, mm->blocks[b->prev].next, b->next);
	if (b->next != FW_PFN_NONE)
		FW_SET(mm, mm->blocks[b->next].prev, b->prev);
}

static void block_link(struct fw_mm *mm, struct fw_block *b, unsigned list)
{
	uint32_t index = (uint32_t)(b - mm->blocks);
	uint32_t head = mm->block_head[list - 1];

	FW_SET(mm, b->next, head);
	FW_SET(mm, b->prev, FW_PFN_NONE);
	if (head != FW_PFN_NONE)
		FW_SET(mm, mm->blocks[head].prev, index);
	FW_SET(mm, mm->block_head[list - 1], index);
}

/* Puts the block on the list that its bits call for. */
static void block_update(struct fw_mm *mm, struct fw_block *b)
{
	unsigned list = block_list_of(b);

	if (list == b->list)
		return;
	if (b->list != 0)
		block_unlink(mm, b);
	if (list != 0)
		block_link(mm, b, list);
	FW_SET(mm, b->list, list);
}

void block_put(struct fw_mm *mm, fw_pfn pfn, bool zeroed)
{
	struct fw_block *b = &mm->blocks[pfn >> FW_BLOCK_SHIFT];
	uint16_t bit = (uint16_t)(1u << (pfn & FW_BLOCK_MASK));

	FW_ASSERT(((b->free | b->zero) & bit) == 0);
	if (zeroed)
		FW_SET(mm, b->zero, b->zero | bit);
	else
		FW_SET(mm, b->free, b->free | bit);
	block_update(mm, b);
}

void block_get(struct fw_mm *mm, fw_pfn pfn)
{
	struct fw_block *b = &mm->blocks[pfn >> FW_BLOCK_SHIFT];
	unsigned bit = 1u << (pfn & FW_BLOCK_MASK);

	FW_ASSERT(((b->free | b->zero) & bit) != 0);
	if (b->zero & bit)
		FW_SET(mm, b->zero, b->zero & ~bit);
	else
		FW_SET(mm, b->free, b->free & ~bit);
	block_update(mm, b);
}

bool block_has(const struct fw_mm *mm, fw_pfn pfn)
{
	const struct fw_block *b = &mm->blocks[pfn >> FW_BLOCK_SHIFT];

	return ((b->free | b->zero) >> (pfn & FW_BLOCK_MASK) & 1) != 0;
}

/* Brings the next never-used block into circulation. */
static fw_pfn block_fresh(struct fw_mm *mm)
{
	fw_pfn pfn = mm->fresh;
	struct fw_block *b;

	if (pfn >= mm->nframes)
		return FW_PFN_NONE;
	b = &mm->blocks[pfn >> FW_BLOCK_SHIFT];
	FW_SET(mm, mm->fresh, pfn + FW_BLOCK_PAGES);
	FW_SET(mm, b->zero, 0xffff);
	block_update(mm, b);
	return pfn;
}

void block_reach(struct fw_mm *mm, fw_pfn pfn)
{
	while (pfn >= mm->fresh) {
		block_fresh(mm);
		mm_checkpoint(mm);
	}
}

static fw_pfn block_first(const struct fw_mm *mm, enum block_list list)
{
	uint32_t head = mm->block_head[list];

	return head == FW_PFN_NONE ? FW_PFN_NONE : head << FW_BLOCK_SHIFT;
}

/*
 * A block that was never touched comes last, zeroed though it counts: the
 * host takes ten times as long to provide a frame as we do to zero one.
 */
fw_pfn block_find_whole(struct fw_mm *mm, bool want_zero)
{
	fw_pfn pfn = FW_PFN_NONE;

	if (want_zero) {
		pfn = block_first(mm, BLOCK_WHOLE_ZERO);
		if (pfn == FW_PFN_NONE && mm->fresh < mm->touched)
			pfn = block_fresh(mm);
	}
	if (pfn == FW_PFN_NONE)
		pfn = block_first(mm, BLOCK_WHOLE_FREE);
	if (pfn == FW_PFN_NONE)
		pfn = block_first(mm, BLOCK_WHOLE_ZERO);
	if (pfn == FW_PFN_NONE)
		pfn = block_fresh(mm);
	return pfn;
}

/* A frame of the block: of the wanted kind if it has one. */
static fw_pfn block_pick(const struct fw_mm *mm, fw_pfn first, bool want_zero)
{
	const struct fw_block *b = &mm->blocks[first >> FW_BLOCK_SHIFT];
	unsigned bits = want_zero ? b->zero : b->free;

	if (bits == 0)
		bits = b->free | b->zero;
	FW_ASSERT(bits != 0);
	return first + (fw_pfn)__builtin_ctz(bits);
}

fw_pfn block_find_single(struct fw_mm *mm, bool want_zero)
{
	enum block_list first = want_zero ? BLOCK_PART_ZERO : BLOCK_PART_FREE;
	fw_pfn pfn = block_first(mm, first);

	if (pfn == FW_PFN_NONE)
		pfn = block_first(mm, first ^ 1);
	if (pfn == FW_PFN_NONE)
		pfn = block_find_whole(mm, want_zero);
	if (pfn == FW_PFN_NONE)
		return pfn;
	return block_pick(mm, pfn, want_zero);
}

fw_pfn block_get_all(struct fw_mm *mm)
{
	fw_pfn pfn = block_first(mm, BLOCK_WHOLE_ZERO);
	struct fw_block *b;

	if (pfn == FW_PFN_NONE ||
	    mm->blocks[pfn >> FW_BLOCK_SHIFT].zero != 0xffff)
		pfn = block_fresh(mm);
	if (pfn == FW_PFN_NONE)
		return pfn;
	b = &mm->blocks[pfn >> FW_BLOCK_SHIFT];
	FW_SET(mm, b->zero, 0);
	block_update(mm, b);
	return pfn;
}

void block_put_zeroed(struct fw_mm *mm, fw_pfn base, uint32_t bits)
{
	struct fw_block *b = &mm->blocks[base >> FW_BLOCK_SHIFT];

	FW_ASSERT(((b->free | b->zero) & bits) == 0);
	FW_SET(mm, b->zero, b->zero | bits);
	block_update(mm, b);
}

/* Broken blocks first, so that one is emptied before the next is broken.
 * Free frames in blocks that have zeroed ones as well are looked for in the
 * first few of those. */
fw_pfn block_find_free(struct fw_mm *mm)
{
	static const uint8_t order[] = { BLOCK_PART_FREE, BLOCK_WHOLE_FREE,
					 BLOCK_PART_ZERO, BLOCK_WHOLE_ZERO };
	unsigned i, k;

	for (i = 0; i < 4; i++) {
		uint32_t at = mm->block_head[order[i]];

		for (k = 0; at != FW_PFN_NONE && k < FREE_SEARCH; k++) {
			const struct fw_block *b = &mm->blocks[at];

			if (b->free != 0)
				return block_pick(mm, at << FW_BLOCK_SHIFT,
						  false);
			at = b->next;
		}
	}
	return FW_PFN_NONE;
}
