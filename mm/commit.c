/* SPDX-License-Identifier: MIT */
/*
 * commit.c - the ledger of pages promised. The policy is Linux's heuristic:
 * everything is counted, and only a single request that could never be met,
 * with all frames and slots to itself, is refused.
 */
#include <mm/mm.h>

uint64_t commit_limit(const struct fw_mm *mm)
{
	return mm->nframes - mm->base + pfile_slots(mm);
}

bool commit_allows(const struct fw_mm *mm, uint64_t pages, uint32_t flags)
{
	return (flags & FW_VADF_NORESERVE) || pages <= commit_limit(mm);
}

void commit_charge(struct fw_mm *mm, struct fw_space *space, int64_t pages)
{
	if (pages == 0)
		return;
	FW_SET(mm, space->committed, space->committed + (uint64_t)pages);
	FW_SET(mm, mm->committed, mm->committed + (uint64_t)pages);
}
