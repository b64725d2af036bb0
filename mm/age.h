/* SPDX-License-Identifier: MIT */
/*
 * age.h - the age of a page, wherever the format has room for it.
 */
#ifndef FW_MM_AGE_H
#define FW_MM_AGE_H

#include <mm/mm.h>

/* The age of a page with a valid PTE: a hint, not journalled, for the policies
 * that take pages away. It stands in the PTE where that has room; else in the
 * frame record, so that those who share a page share its age. (Pages on a list
 * of arrival have none.) */
static inline unsigned page_age(struct fw_mm *mm, fw_pte pte)
{
	struct fw_frame *f;

	if (PTE_AGE_MASK != 0)
		return pte_age(pte);
	f = frame_at(mm, fw_pte_pfn(pte));
	if (f->flags & FRAME_LISTED)
		return 0;
	return __atomic_load_n(&f->age, __ATOMIC_RELAXED);
}
static inline void page_set_age(struct fw_mm *mm, fw_pte *pte, unsigned age)
{
	struct fw_frame *f = frame_at(mm, fw_pte_pfn(*pte));

	if (PTE_AGE_MASK != 0)
		*pte = pte_with_age(*pte, age);
	else if (!(f->flags & FRAME_LISTED))
		__atomic_store_n(&f->age, age, __ATOMIC_RELAXED);
}

#endif
