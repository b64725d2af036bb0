/* SPDX-License-Identifier: MIT */
/*
 * look.c - what there is of the pages of a space, and of the page files, for
 * display. Changes nothing. The PTEs of a space change under
 * its lock alone, which the caller holds; a frame that one of them names
 * stays, and its count of sharers is a moment's value.
 */
#include <mm/mm.h>

static void look_valid(struct fw_mm *mm, fw_pte pte, struct fw_look *ret)
{
	const struct fw_frame *f = frame_at(mm, fw_pte_pfn(pte));
	uint32_t share = f->share;

	ret->bits = FW_LOOK_PRESENT;
	if (pte & PTE_D || f->flags & FRAME_DIRTY)
		ret->bits |= FW_LOOK_DIRTY;
	if (f->flags & FRAME_HOST)
		ret->bits |= FW_LOOK_OBJECT;
	if (!(pte & PTE_PROTO))
		share = 1;
	else if (((const struct fw_proto *)f->pte)->refs == 0)
		ret->bits |= FW_LOOK_OBJECT;
	ret->share = (uint8_t)(share > 255 ? 255 : share);
}

unsigned fw_look_locked(struct fw_space *space, fw_vpn *vpn, fw_vpn end,
			struct fw_look ret[FW_TABLE_ENTRIES])
{
	const fw_pte *pte = table_next(space, vpn, end);
	fw_vpn at = *vpn;
	unsigned n = 0;

	if (!pte)
		return 0;
	if (end > table_end(at))
		end = table_end(at);
	for (; at < end; at++, pte++, n++) {
		ret[n] = (struct fw_look){0, 0};
		if (pte_is_valid(*pte))
			look_valid(space->mm, *pte, &ret[n]);
		else if (pte_is_pointer(*pte) || pte_is_transition(*pte) ||
			 pte_has_slot(*pte))
			ret[n].bits = FW_LOOK_AWAY;
	}
	return n;
}

uint64_t fw_page_file_slots(const struct fw_mm *mm, unsigned file,
			    uint64_t *ret_used)
{
	if (file >= mm->n_pfiles || mm->pfile[file].slots == 0)
		return 0;
	*ret_used = mm->pfile[file].used;
	return mm->pfile[file].slots - 1; /* slot 0 is never used */
}
