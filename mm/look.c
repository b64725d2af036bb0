/* SPDX-License-Identifier: MIT */
/*
 * look.c - what there is of the pages of a space, and of the page files, for
 * display. Changes nothing. The PTEs of a space change under
 * its lock alone, which the caller holds; a frame that one of them names
 * stays, and its count of sharers is a moment's value.
 *
 * fw_space_weight() is for somebody who can hold no space lock. Under the mm
 * lock no table comes or goes, and no PTE either gets or loses a page that is
 * away; what else happens to one there is no matter.
 */
#include <mm/mm.h>

#define WEIGH_TABLES 8 /* under the mm lock at once: 4096 PTEs */

static bool is_away(fw_pte pte)
{
	return pte_is_pointer(pte) || pte_is_transition(pte) ||
	       pte_has_slot(pte);
}

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
		else if (is_away(*pte))
			ret[n].bits = FW_LOOK_AWAY;
	}
	return n;
}

static struct fw_space *space_by_id(const struct fw_mm *mm, uint32_t id)
{
	struct fw_space *s = mm->spaces;

	while (s && s->id != id)
		s = s->next;
	return s;
}

/* Pages that are away in the next tables from *vpn on, which moves. */
static uint64_t weigh_some(struct fw_space *space, fw_vpn *vpn)
{
	const fw_pte *pte;
	unsigned tables;
	uint64_t n = 0;

	for (tables = 0; tables < WEIGH_TABLES; tables++) {
		fw_vpn end;

		pte = table_next(space, vpn, space->user_top);
		if (!pte)
			break;
		for (end = table_end(*vpn); *vpn < end; ++*vpn)
			n += is_away(*pte++);
	}
	return n;
}

uint64_t fw_space_weight(struct fw_mm *mm, struct fw_actor *actor, uint32_t id)
{
	struct fw_space *space;
	uint64_t n = 0;
	fw_vpn vpn = 0;

	mm_lock(mm, actor);
	while ((space = space_by_id(mm, id)) != NULL && vpn < space->user_top) {
		n += weigh_some(space, &vpn);
		mm_breathe(mm, actor);
	}
	n = space ? n + fw_space_resident(space) + space->table_frames : 0;
	mm_unlock(mm);
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
