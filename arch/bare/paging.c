/* SPDX-License-Identifier: MIT */
/*
 * paging.c - what the kernel has of its own in page tables: the entries of
 * the root that map RAM at KERNEL_BASE with large pages, the same in all
 * spaces. Everything else in them is the core's.
 */
#include "arch/bare/kernel.h"

#if FW_LEVELS == 2
#define ROOT_SHIFT 22
#define LARGE 0x400000
#else
#define ROOT_SHIFT 30
#define LARGE 0x200000
#endif
#define ROOT_ENTRIES (1u << (32 - ROOT_SHIFT))
#define KERNEL_FIRST (KERNEL_BASE >> ROOT_SHIFT)
#define KERNEL_LAST ((KERNEL_BASE + RAM_MAX - 1) >> ROOT_SHIFT)
#define CPUID_NX (1u << 20)

extern fw_pte kernel_pd[]; /* boot.S */

static struct fw_space *loaded; /* NULL: kernel_root is */

static fw_pte *root_of(const struct fw_space *space)
{
	return space ? ram_at((uint32_t)space->root << FW_PAGE_SHIFT) :
		       kernel_root;
}

static void reload(void)
{
	write_cr3(phys_of(root_of(loaded)));
}

void paging_init(void)
{
	fw_pte *large = FW_LEVELS == 2 ? kernel_root + KERNEL_FIRST : kernel_pd;

	kernel_root[0] = NO_ENTRY;
	for (uint32_t at = 0; at < RAM_MAX; at += LARGE)
		if (at >= kernel_ram())
			large[at / LARGE] = NO_ENTRY;
	reload();
	if (FW_PTE_NX && cpuid_edx(0x80000000u) != 0 &&
	    (cpuid_edx(0x80000001u) & CPUID_NX))
		write_msr(EFER, read_msr(EFER) | EFER_NXE);
	else if (FW_PTE_NX)
		panic("PAE tables want a CPU with NX");
}

void paging_share_system(void)
{
	uint32_t first = SYSTEM_START >> ROOT_SHIFT;
	uint32_t n = (uint32_t)(SYSTEM_LEN >> ROOT_SHIFT);

	for (uint32_t i = first; i < first + n; i++)
		kernel_root[i] = root_of(kernel_system)[i];
	reload();
}

void paging_adopt(struct fw_space *space)
{
	for (uint32_t i = KERNEL_FIRST; i <= KERNEL_LAST; i++)
		root_of(space)[i] = kernel_root[i];
}

/* What the CPU has in its registers for the root's entries, with PAE. */
static void remember(struct fw_space *space)
{
	for (uint32_t i = 0; FW_LEVELS == 3 && i < ROOT_ENTRIES; i++)
		space->port[i] = root_of(space)[i];
}

void paging_load(struct fw_space *space)
{
	if (space == loaded)
		return;
	loaded = space;
	if (space)
		remember(space);
	reload();
}

void paging_flush(struct fw_space *space)
{
	if (space != loaded && space->kind == FW_SPACE_PROCESS)
		return;
	if (loaded)
		remember(loaded);
	reload();
}

void paging_leave(struct fw_space *space)
{
	if (space == loaded || space->kind != FW_SPACE_PROCESS)
		write_cr3(phys_of(kernel_root));
}

void paging_notice(struct fw_space *space)
{
	if (FW_LEVELS != 3 || space != loaded)
		return;
	for (uint32_t i = 0; i < ROOT_ENTRIES; i++)
		if (space->port[i] != root_of(space)[i]) {
			paging_flush(space);
			return;
		}
}
