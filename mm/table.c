/* SPDX-License-Identifier: MIT */
/*
 * table.c - the page tables of a space: real x86 tables in frames, in the
 * format the core is built for. Level FW_LEVELS is the root, level 1 holds the
 * PTEs. A table is made when the first of its pages is touched and freed when
 * no region is left in what it spans.
 *
 * All tables but the root of PAE (4 entries) have FW_TABLE_ENTRIES.
 *
 * What a process's root has at and above user_top is the kernel half's
 * (system.c) or the port's: nobody in here looks at it.
 */
#include <mm/mm.h>

static inline fw_pte *table_data(const struct fw_mm *mm, fw_pfn pfn)
{
	return frame_data(mm, pfn);
}

static inline fw_pte *table_entry(const struct fw_mm *mm, fw_pfn pfn,
				  unsigned level, fw_vpn vpn)
{
	return table_data(mm, pfn) +
	       (vpn >> table_shift(level) & (FW_TABLE_ENTRIES - 1));
}

fw_pte *table_find(struct fw_space *space, fw_vpn vpn)
{
	fw_pfn pfn = space->root;
	unsigned level;

	for (level = FW_LEVELS; level > 1; level--) {
		fw_pte e = *table_entry(space->mm, pfn, level, vpn);

		if (!pte_is_valid(e))
			return NULL;
		pfn = fw_pte_pfn(e);
	}
	return table_entry(space->mm, pfn, 1, vpn);
}

fw_pte *table_make(struct fw_mm *mm, struct fw_space *space, fw_vpn vpn)
{
	fw_pfn pfn = space->root;
	unsigned level;

	for (level = FW_LEVELS; level > 1; level--) {
		fw_pte *e = table_entry(mm, pfn, level, vpn);

		if (!pte_is_valid(*e)) {
			pfn = frame_take_core(mm, FRAME_TABLE);
			if (pfn == FW_PFN_NONE)
				return NULL;
			FW_SET(mm, frame_at(mm, pfn)->pte, e);
			FW_SET(mm, *e, pte_make_table(pfn, level) &
					       ~(space->kind ? PTE_U : 0));
			FW_ADD(mm, space->table_frames, 1);
		}
		pfn = fw_pte_pfn(*e);
	}
	return table_entry(mm, pfn, 1, vpn);
}

fw_pte *table_next(struct fw_space *space, fw_vpn *vpn, fw_vpn end)
{
	while (*vpn < end) {
		fw_pfn pfn = space->root;
		unsigned level;

		for (level = FW_LEVELS; level > 1; level--) {
			fw_pte e = *table_entry(space->mm, pfn, level, *vpn);

			if (!pte_is_valid(e))
				break;
			pfn = fw_pte_pfn(e);
		}
		if (level == 1)
			return table_entry(space->mm, pfn, 1, *vpn);
		*vpn = ((*vpn >> table_shift(level)) + 1)
		       << table_shift(level);
	}
	return NULL;
}

struct prune {
	struct fw_mm *mm;
	struct fw_space *space;
	fw_vpn start, end; /* where to look */
	fw_vpn low, high;  /* what no region needs */
	bool keep;	   /* tables that others' roots name */
};

static void prune_level(struct prune *p, fw_pfn table, unsigned level,
			fw_vpn base)
{
	unsigned shift = table_shift(level);
	fw_vpn step = (fw_vpn)1 << shift;
	fw_vpn from = p->start > base ? p->start : base, at;
	fw_vpn to = base + (step << FW_TABLE_BITS);

	if (to > p->end)
		to = p->end;
	for (at = from >> shift << shift; at < to; at += step) {
		fw_pte *e = table_entry(p->mm, table, level, at);

		if (!pte_is_valid(*e))
			continue;
		if (level > 2)
			prune_level(p, fw_pte_pfn(*e), level - 1, at);
		if (at < p->low || at + step > p->high ||
		    (p->keep && level == FW_LEVELS))
			continue;
		frame_free(p->mm, frame_at(p->mm, fw_pte_pfn(*e)));
		FW_SET(p->mm, *e, 0);
		FW_SUB(p->mm, p->space->table_frames, 1);
		mm_checkpoint(p->mm);
	}
}

void table_prune(struct fw_mm *mm, struct fw_space *space, fw_vpn start,
		 fw_vpn end)
{
	struct fw_vad *above = vad_above(space, start), *below;
	struct prune p = { mm, space, start, end, 0, FW_VPN_END,
			   space->kind != FW_SPACE_PROCESS };

	if (!p.keep && p.end > space->user_top)
		p.end = space->user_top;
	below = vad_above(space, 0);
	if (above) {
		p.high = above->start;
		below = vad_prev(above);
	} else if (below) {
		while (fw_vad_next(below))
			below = fw_vad_next(below);
	}
	if (below)
		p.low = below->end;
	prune_level(&p, space->root, FW_LEVELS, 0);
}

void table_prune_all(struct fw_mm *mm, struct fw_space *space)
{
	struct prune p = { mm, space, 0, FW_VPN_END, 0, FW_VPN_END, false };

	if (space->kind == FW_SPACE_PROCESS)
		p.end = space->user_top;
	prune_level(&p, space->root, FW_LEVELS, 0);
}

unsigned table_path(struct fw_space *space, fw_vpn vpn,
		    fw_pte entry[FW_LEVELS])
{
	fw_pfn pfn = space->root;
	unsigned n;

	for (n = 0; n < FW_LEVELS; n++) {
		entry[n] = *table_entry(space->mm, pfn, FW_LEVELS - n, vpn);
		if (!pte_is_valid(entry[n]))
			return n + 1;
		pfn = fw_pte_pfn(entry[n]);
	}
	return n;
}

fw_pte fw_pte_read_locked(struct fw_space *space, fw_vpn vpn)
{
	fw_pte *pte = table_find(space, vpn);

	return pte ? *pte : 0;
}

fw_pte *fw_pte_table_locked(struct fw_space *space, fw_vpn vpn)
{
	return table_find(space, vpn & ~(fw_vpn)(FW_TABLE_ENTRIES - 1));
}

void fw_pte_set_cached_locked(struct fw_space *space, fw_vpn vpn, unsigned n,
			      fw_pte bits)
{
	fw_pte *pte = NULL;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (!pte || ((vpn + i) & (FW_TABLE_ENTRIES - 1)) == 0)
			pte = table_find(space, vpn + i);
		if (!pte)
			continue;
		if (pte_is_valid(*pte))
			*pte = (*pte & ~PTE_CACHED_MASK) |
			       (bits & PTE_CACHED_MASK);
		pte++;
	}
}
