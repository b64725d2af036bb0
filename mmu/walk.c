/* SPDX-License-Identifier: MIT */
/*
 * walk.c - from a linear address to a physical one.
 *
 * A walk reads one entry per level into a path, checks each for presence and
 * reserved bits on the way down, then the rights of all together, and only
 * then sets accessed and dirty bits along the path. So a fault for a missing
 * or malformed entry goes before one for rights, as on the CPU.
 *
 * Bits 0 to 8 mean the same in every entry that has them, so they are read
 * through the x64_pte accessors whatever the format.
 */
#include <faultwise/mmu.h>

#include "mmu/bus.h"
#include "mmu/geometry.h"
#include "mmu/pte.h"

#define RIGHTS FW_LEVEL_RIGHTS
#define LARGE FW_LEVEL_LARGE
#define LARGE_1G FW_LEVEL_LARGE_1G
#define LARGE_PSE FW_LEVEL_LARGE_PSE
#define LAST FW_LEVEL_LAST

#define FORMAT(f, n, bytes, va, cr3)                                     \
	[FW_MMU_##f].levels = (n), [FW_MMU_##f].entry_bytes = (bytes),   \
	[FW_MMU_##f].va_bits = (va), [FW_MMU_##f].cr3_mask = (cr3),
#define LEVEL(f, n, form, leaf, shift, bits, flags, reserved, leaf_reserved) \
	[FW_MMU_##f].level[n] = {shift, bits, flags, reserved, leaf_reserved},
const struct fw_geometry fw_geometry[FW_MMU_FORMATS] = {
#include "mmu/formats.def"
};

struct step {
	uint64_t phys;	/* where the entry is */
	uint64_t entry; /* as it was read */
};

/* One attempt: what has been read so far, and what it allows. */
struct path {
	const struct fw_mmu_ctl *ctl;
	const struct fw_geometry *geometry;
	struct step step[FW_MAX_LEVELS]; /* by level */
	unsigned level;			 /* of the last step */
	bool write, user, exec;
};

unsigned fw_mmu_levels(enum fw_mmu_format format)
{
	return fw_geometry[format].levels;
}

static bool is_leaf(const struct path *path, uint64_t entry)
{
	unsigned flags = path->geometry->level[path->level].flags;

	if (flags & FW_LEVEL_LAST)
		return true;
	if (!fw_x64_pde_large(entry))
		return false;
	return (flags & FW_LEVEL_LARGE) ||
	       ((flags & FW_LEVEL_LARGE_PSE) && path->ctl->pse) ||
	       ((flags & FW_LEVEL_LARGE_1G) && path->ctl->gib_pages);
}

/* PSE-36 (SDM 4.3): address bits from MAXPHYADDR to 39 stand in entry bits
 * from MAXPHYADDR - 19 to 20, and must be zero. */
static uint64_t pse36_reserved(unsigned phys_bits)
{
	if (phys_bits >= 40)
		return 0;
	return fw_bits_put(~(uint64_t)0, phys_bits - 19, 40 - phys_bits);
}

/* The bits that must be zero in this entry. */
static uint64_t reserved_bits(const struct path *path, uint64_t entry)
{
	const struct fw_level *level = &path->geometry->level[path->level];
	const struct fw_mmu_ctl *ctl = path->ctl;
	bool leaf = is_leaf(path, entry);
	uint64_t mask = leaf ? level->leaf_reserved : level->reserved;

	if (path->geometry->entry_bytes == 4) {
		if (leaf && (level->flags & FW_LEVEL_LARGE_PSE))
			mask |= pse36_reserved(ctl->phys_bits);
		return mask;
	}
	mask |= fw_bits_put(~(uint64_t)0, ctl->phys_bits,
			    52u - ctl->phys_bits);
	if (!ctl->nxe)
		mask |= fw_x64_pte_make((struct fw_x64_pte){.nx = 1});
	if ((level->flags & FW_LEVEL_LARGE_1G) && !ctl->gib_pages)
		mask |= fw_x64_pdpte_make((struct fw_x64_pdpte){.large = 1});
	return mask;
}

/* Where the table is that a table's entry points at. */
static uint64_t table_base(const struct path *path, uint64_t entry)
{
	uint64_t frame = path->geometry->entry_bytes == 8
				 ? fw_x64_pde_frame(entry)
				 : fw_x32_pde_frame(entry);

	return frame << FW_PAGE_SHIFT;
}

/* The first byte of the page that a leaf maps. */
static uint64_t page_base(const struct path *path, uint64_t entry)
{
	unsigned shift = path->geometry->level[path->level].shift;

	switch (shift) {
	case 30:
		return fw_x64_pdpte_leaf_frame_1g(entry) << shift;
	case 22:
		return fw_x32_pde_leaf_frame_4m(entry) << shift;
	case 21:
		return fw_x64_pde_leaf_frame_2m(entry) << shift;
	default:
		return table_base(path, entry);
	}
}

static void narrow_rights(struct path *path, uint64_t entry)
{
	if (!(path->geometry->level[path->level].flags & FW_LEVEL_RIGHTS))
		return;
	path->write = path->write && fw_x64_pte_write(entry);
	path->user = path->user && fw_x64_pte_user(entry);
	path->exec = path->exec && !fw_x64_pte_nx(entry);
}

static enum fw_walk_end fault(const struct path *path, struct fw_walk *ret,
			      fw_addr addr, uint32_t access, uint32_t error)
{
	const struct fw_mmu_ctl *ctl = path->ctl;
	bool tells_fetch =
		ctl->smep || (ctl->nxe && ctl->format != FW_MMU_X32);

	if (access & FW_ACC_WRITE)
		error |= FW_PF_W;
	if (access & FW_ACC_USER)
		error |= FW_PF_U;
	if ((access & FW_ACC_EXEC) && tells_fetch)
		error |= FW_PF_I;
	ret->error = error;
	ret->cr2 = addr;
	return FW_WALK_FAULT;
}

/* Reads the entry of path->level from the table at `table`. */
static bool read_step(struct path *path, const struct fw_mmu_bus *bus,
		      uint64_t table, fw_addr addr)
{
	const struct fw_level *level = &path->geometry->level[path->level];
	struct step *step = &path->step[path->level];
	unsigned bytes = path->geometry->entry_bytes;

	step->phys = table + fw_bits_get(addr, level->shift, level->bits) *
				     bytes;
	return fw_bus_read(bus, step->phys, bytes, &step->entry);
}

/* Goes down to the leaf, or to where it ends. */
static enum fw_walk_end descend(struct path *path,
				const struct fw_mmu_bus *bus, fw_addr addr,
				uint32_t access, struct fw_walk *ret)
{
	uint64_t table = path->ctl->cr3 & path->geometry->cr3_mask;

	for (path->level = path->geometry->levels - 1u;; path->level--) {
		uint64_t entry;

		if (!read_step(path, bus, table, addr))
			return FW_WALK_BUS;
		entry = path->step[path->level].entry;
		ret->entry = entry;
		ret->level = (uint8_t)path->level;
		if (!fw_x64_pte_present(entry))
			return fault(path, ret, addr, access, 0);
		if (entry & reserved_bits(path, entry))
			return fault(path, ret, addr, access,
				     FW_PF_P | FW_PF_RSVD);
		narrow_rights(path, entry);
		if (is_leaf(path, entry))
			return FW_WALK_OK;
		table = table_base(path, entry);
	}
}

bool fw_mmu_permits(const struct fw_mmu_ctl *ctl, uint32_t access, bool write,
		    bool user, bool exec)
{
	bool fetch = access & FW_ACC_EXEC;

	if (fetch && !exec)
		return false;
	if (access & FW_ACC_USER)
		return user && (write || !(access & FW_ACC_WRITE));
	if (user && fetch && ctl->smep)
		return false;
	if (user && !fetch && ctl->smap && !ctl->ac)
		return false;
	return write || !(access & FW_ACC_WRITE) || !ctl->wp;
}

/* Sets accessed and dirty bits, top down. False: an entry has changed since
 * it was read, and the walk must begin anew. */
static bool mark_used(struct path *path, const struct fw_mmu_bus *bus,
		      bool write)
{
	unsigned bytes = path->geometry->entry_bytes;

	for (unsigned i = path->geometry->levels; i-- > path->level;) {
		struct step *step = &path->step[i];
		uint64_t want = step->entry;

		if (!(path->geometry->level[i].flags & FW_LEVEL_RIGHTS))
			continue;
		want = fw_x64_pte_with_accessed(want, 1);
		if (write && i == path->level)
			want = fw_x64_pte_with_dirty(want, 1);
		if (want == step->entry)
			continue;
		if (!fw_bus_swap(bus, step->phys, bytes, &step->entry, want))
			return false;
		step->entry = want;
	}
	return true;
}

static void describe(const struct path *path, fw_addr addr,
		     struct fw_walk *ret)
{
	uint64_t entry = path->step[path->level].entry;
	unsigned shift = path->geometry->level[path->level].shift;

	ret->entry = entry;
	ret->shift = (uint8_t)shift;
	ret->phys = page_base(path, entry) | (addr & fw_bits_mask(shift));
	ret->write = path->write;
	ret->user = path->user;
	ret->exec = path->exec;
	ret->dirty = fw_x64_pte_dirty(entry);
	ret->global = fw_x64_pte_global(entry);
}

enum fw_walk_end fw_mmu_walk(const struct fw_mmu_ctl *ctl,
			     const struct fw_mmu_bus *bus, fw_addr addr,
			     uint32_t access, struct fw_walk *ret)
{
	struct path path = {.ctl = ctl, .geometry = &fw_geometry[ctl->format]};
	enum fw_walk_end end;

	if (path.geometry->va_bits == 48 && fw_bits_extend(addr, 48) != addr)
		return FW_WALK_NONCANONICAL;
	if (path.geometry->va_bits == 32)
		addr &= fw_bits_mask(32);
	do {
		path.write = path.user = path.exec = true;
		end = descend(&path, bus, addr, access, ret);
		if (end != FW_WALK_OK)
			return end;
		if (!fw_mmu_permits(ctl, access, path.write, path.user,
				    path.exec))
			return fault(&path, ret, addr, access, FW_PF_P);
	} while (!mark_used(&path, bus, access & FW_ACC_WRITE));
	describe(&path, addr, ret);
	return FW_WALK_OK;
}
