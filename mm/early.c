/* SPDX-License-Identifier: MIT */
/*
 * early.c - fork as it was before copy on write, for comparison: after
 * fw_space_fork_locked() has shared everything, each writable private page
 * that the child has is copied for it at once.
 */
#include <mm/mm.h>

static bool page_is_shared(fw_pte v)
{
	if (pte_is_valid(v))
		return (v & PTE_COW) != 0;
	return pte_is_pointer(v);
}

/* The first page at or after *vpn that is still shared; false: none. */
static bool shared_find(struct fw_space *space, fw_vpn *vpn)
{
	struct fw_vad *vad;

	for (vad = vad_above(space, *vpn); vad; vad = fw_vad_next(vad)) {
		fw_pte *pte;

		if (*vpn < vad->start)
			*vpn = vad->start;
		if (!(vad->prot & FW_PROT_W) || vad->kind == FW_VAD_SECTION)
			continue;
		for (; (pte = table_next(space, vpn, vad->end)); (*vpn)++)
			if (page_is_shared(*pte))
				return true;
	}
	return false;
}

enum fw_status fw_fork_copy(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *child, uint64_t *ret_copied)
{
	uint64_t copied = 0;
	fw_vpn vpn = 0;

	for (;; vpn++) {
		struct fw_fault f = { .access = FW_ACC_WRITE };
		bool found;

		fw_space_lock(child, actor);
		found = shared_find(child, &vpn);
		fw_space_unlock(child);
		if (!found)
			break;
		f.addr = vpn << FW_PAGE_SHIFT;
		fw_fault(mm, actor, child, &f);
		if (f.kind == FW_KIND_NOMEM)
			return FW_E_NOMEM;
		if (f.kind == FW_KIND_IOERR)
			return FW_E_IO;
		copied++;
	}
	*ret_copied = copied;
	return FW_OK;
}
