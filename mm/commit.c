/* SPDX-License-Identifier: MIT */
/*
 * commit.c - the ledger of pages promised: private writable memory, writable
 * private views, anonymous sections. Everything is counted, under two
 * policies.
 *
 * Heuristic (as Linux's default): only a single request that could never be
 * met, with all frames and slots to itself, is refused. When all is used up
 * after all, faults fail, and the port ends somebody.
 *
 * Strict: a page that is promised has a home, in a frame or a slot, whatever
 * else is promised. A request beyond that is refused when it is made, and so
 * is a fork; no fault ever fails for want of memory. A region that cannot be
 * written to costs nothing (it is marked NORESERVE) until it is made
 * writable. What page tables and records will need is kept free.
 */
#include <mm/mm.h>

#define STRICT_SLACK 64 /* frames: the emergency reserve, sections, actors */

uint64_t commit_limit(const struct fw_mm *mm)
{
	return mm->nframes - mm->base - mm->count[FRAME_BAD] +
	       pfile_slots(mm);
}

/* Frames that can never hold pages: tables and pools, as they are and as they
 * will be when `pages` are in use; and all that the compressed store may have,
 * since in a log of holes there may be fewer pages than frames. */
static uint64_t commit_overhead(const struct fw_mm *mm, uint64_t pages)
{
	uint64_t will = pages / 256 + pfile_slots(mm) / PFILE_CHUNK_SLOTS + 1;
	const struct fw_space *s;

	for (s = mm->spaces; s; s = s->next)
		will += FW_LEVELS + 2 * (uint64_t)s->n_vads;
	if (will < mm->tables + mm->pool)
		will = mm->tables + mm->pool;
	return will + STRICT_SLACK + mm->store_max;
}

static bool commit_strict(const struct fw_mm *mm, uint64_t pages)
{
	uint64_t frames = mm->nframes - mm->base - mm->count[FRAME_BAD];
	uint64_t limit = commit_limit(mm), all, extra;

	if (pages > limit)
		return false;
	all = mm->committed + pages;
	extra = commit_overhead(mm, all);
	return extra <= frames * 3 / 4 && all + extra <= limit;
}

bool commit_allows(const struct fw_mm *mm, uint64_t pages, uint32_t flags)
{
	if (refused(mm, FW_NEED_COMMIT))
		return false;
	if (mm->strict)
		return commit_strict(mm, pages);
	return (flags & FW_VADF_NORESERVE) || pages <= commit_limit(mm);
}

/* Whether what is promised has a home without so many slots. */
bool commit_without(const struct fw_mm *mm, uint64_t slots)
{
	uint64_t need = mm->committed + commit_overhead(mm, mm->committed);

	if (!mm->strict)
		return true;
	return !refused(mm, FW_NEED_COMMIT) &&
	       need + slots <= commit_limit(mm);
}

uint32_t commit_flags(const struct fw_mm *mm, uint32_t flags, unsigned prot)
{
	if (!mm->strict || (flags & FW_VADF_KERNEL))
		return flags;
	if (prot & FW_PROT_W)
		return flags & ~(uint32_t)FW_VADF_NORESERVE;
	return flags | FW_VADF_NORESERVE;
}

void commit_charge(struct fw_mm *mm, struct fw_space *space, int64_t pages)
{
	if (pages == 0)
		return;
	FW_SET(mm, space->committed, space->committed + (uint64_t)pages);
	FW_SET(mm, mm->committed, mm->committed + (uint64_t)pages);
}
