/* SPDX-License-Identifier: MIT */
/*
 * ucopy.c - copying to and from a space's memory by walking its tables. The
 * bytes of one page are copied under the space lock, which keeps the page.
 */
#include <mm/mm.h>

struct ucopy {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_space *space;
	uint32_t access;
};

/* The page's bytes, with the space lock held; NULL without it. */
static char *ucopy_page(const struct ucopy *u, fw_addr at)
{
	/* The tables would say where the kernel half is, too. */
	if (at >> FW_PAGE_SHIFT >= u->space->user_top)
		return NULL;
	for (;;) {
		struct fw_fault f;
		fw_pfn pfn;
		fw_pte pte;

		fw_space_lock(u->space, u->actor);
		pte = fw_pte_read_locked(u->space, at >> FW_PAGE_SHIFT);
		pfn = fw_pte_pfn(pte);
		if (pte_is_valid(pte) &&
		    (!(u->access & FW_ACC_WRITE) || (pte & PTE_W))) {
			if (!(frame_at(u->mm, pfn)->flags & FRAME_HOST))
				return frame_data(u->mm, pfn);
			fw_space_unlock(u->space);
			return NULL;
		}
		fw_space_unlock(u->space);
		f.addr = at;
		f.access = u->access;
		fw_fault(u->mm, u->actor, u->space, &f);
		if (!fw_kind_resolved(f.kind))
			return NULL;
	}
}

static uint64_t ucopy_run(const struct ucopy *u, fw_addr at, char *buffer,
			  uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		size_t offset = (size_t)((at + done) & FW_PAGE_MASK);
		size_t n = (size_t)FW_PAGE_SIZE - offset;
		char *page = ucopy_page(u, at + done);

		if (!page)
			break;
		if (n > len - done)
			n = (size_t)(len - done);
		if (u->access & FW_ACC_WRITE)
			fw_memcpy(page + offset, buffer + done, n);
		else
			fw_memcpy(buffer + done, page + offset, n);
		fw_space_unlock(u->space);
		done += n;
	}
	return done;
}

uint64_t fw_copy_in(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_space *space, void *to, fw_addr from,
		    uint64_t len)
{
	struct ucopy u = { mm, actor, space, FW_ACC_READ | FW_ACC_USER };

	return ucopy_run(&u, from, to, len);
}

uint64_t fw_copy_out(struct fw_mm *mm, struct fw_actor *actor,
		     struct fw_space *space, fw_addr to, const void *from,
		     uint64_t len)
{
	struct ucopy u = { mm, actor, space, FW_ACC_WRITE | FW_ACC_USER };

	return ucopy_run(&u, to, (char *)(uintptr_t)from, len);
}
