/* SPDX-License-Identifier: MIT */
/*
 * list.c - lists of frames, linked by PFN, first in first out.
 */
#include <mm/mm.h>

void list_push(struct fw_mm *mm, struct fw_list *l, struct fw_frame *f)
{
	fw_pfn pfn = frame_pfn(mm, f);

	FW_SET(mm, f->next, FW_PFN_NONE);
	FW_SET(mm, f->prev, l->tail);
	if (l->tail == FW_PFN_NONE)
		FW_SET(mm, l->head, pfn);
	else
		FW_SET(mm, frame_at(mm, l->tail)->next, pfn);
	FW_SET(mm, l->tail, pfn);
	FW_ADD(mm, l->count, 1);
}

void list_remove(struct fw_mm *mm, struct fw_list *l, struct fw_frame *f)
{
	if (f->prev == FW_PFN_NONE)
		FW_SET(mm, l->head, f->next);
	else
		FW_SET(mm, frame_at(mm, f->prev)->next, f->next);
	if (f->next == FW_PFN_NONE)
		FW_SET(mm, l->tail, f->prev);
	else
		FW_SET(mm, frame_at(mm, f->next)->prev, f->prev);
	FW_SUB(mm, l->count, 1);
	FW_SET(mm, f->next, FW_PFN_NONE);
	FW_SET(mm, f->share, 0);
}
