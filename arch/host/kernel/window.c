/* SPDX-License-Identifier: MIT */
/*
 * window.c - mapped files, as the kernel half sees them.
 *
 * A mapping of a file needs no descriptor once it exists. So each view of a
 * file has a window: the host's mapping of the same pages, here in the
 * kernel half, where the program does not see it; fork copies it, exec and
 * death drop it. Private views read their pages from it into frames. Shared
 * views (FW_VAD_HOST) get the host's own pages, cloned out of it.
 *
 * A view's cookie is the address that page 0 of the section would have in
 * the window's area: page p is at cookie + p * 4096.
 */
#include "arch/host/kernel/trap.h"

#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define HOST_MADV_DONTNEED 4

static uint64_t next_place(struct kproc *p, uint64_t len)
{
	uint64_t step = (len + FW_PAGE_SIZE + 0xffff) & ~0xffffull;
	uint64_t at = __atomic_fetch_add(&p->next_window, step,
					 __ATOMIC_RELAXED);

	if (at < FW_WINDOWS_BASE || at + step > FW_WINDOWS_END) {
		at = FW_WINDOWS_BASE;
		p->next_window = at + step;
	}
	return at;
}

long window_open(struct kthread *t, long fd, uint64_t offset, uint64_t len,
		 unsigned prot, bool shared)
{
	unsigned flags = HOST_MAP_FIXED_NOREPLACE | HOST_MAP_NORESERVE |
			 (shared ? HOST_MAP_SHARED : HOST_MAP_PRIVATE) |
			 (fd < 0 ? HOST_MAP_ANONYMOUS : 0);
	long r = -ENOMEM;

	if (len > FW_WINDOWS_END - FW_WINDOWS_BASE - 0x100000)
		return -ENOMEM;
	for (unsigned tries = 0; tries < 4096; tries++) {
		uint64_t at = next_place(t->p, len);

		r = HC6(__NR_mmap, at, len, prot, flags, fd, offset);
		if (r != -EEXIST)
			break;
	}
	return r;
}

long private_map(struct kthread *t, uint64_t len)
{
	return window_open(t, -1, 0, len, HOST_PROT_READ | HOST_PROT_WRITE,
			   false);
}

void window_close(uint64_t addr, uint64_t len)
{
	HC2(__NR_munmap, addr, len);
}

long window_clone(uint64_t window, uint64_t len, uint64_t at, unsigned prot)
{
	long r = HC5(__NR_mremap, window, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		     at);

	if (!K_IS_ERR(r) && prot != HOST_PROT_READ)
		r = HC3(__NR_mprotect, at, len, prot);
	return r;
}

/*
 * Copies pages of the file into frames, through the window. A page beyond
 * the end (or one that cannot be read) faults in copy_fixup.
 */
enum fw_status fwp_section_read(struct fw_section *section, uint64_t cookie,
				uint64_t page, const fw_pfn *pfn, unsigned n,
				unsigned *ret_n)
{
	struct kthread *t = k_self();
	uint64_t from = cookie + (page << FW_PAGE_SHIFT);
	unsigned i;

	(void)section;
	for (i = 0; i < n; i++)
		if (copy_fixup(fw_frame_data(t->p->mm, pfn[i]),
			       (void *)(from + i * FW_PAGE_SIZE), FW_PAGE_SIZE))
			break;
	HC3(__NR_madvise, from, n * FW_PAGE_SIZE, HOST_MADV_DONTNEED);
	if (i == 0)
		return FW_E_EOF;
	for (unsigned j = i; j < n; j++)
		memset(fw_frame_data(t->p->mm, pfn[j]), 0, FW_PAGE_SIZE);
	*ret_n = i;
	return FW_OK;
}

void fwp_view_gone(struct fw_space *space, uint64_t cookie, uint64_t page,
		   uint64_t n)
{
	(void)space;
	if (cookie)
		window_close(cookie + (page << FW_PAGE_SHIFT),
			     n << FW_PAGE_SHIFT);
}
