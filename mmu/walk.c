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
#include "mmu/rights.h"

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

/* Inlined with a geometry that is constant, the walk of each format becomes
 * straight code. */
#define INLINE static inline __attribute__((always_inline))

/* What all entries together say is read from these bits of them. */
#define PRESENT FW_FIELD_MASK(x64_pte, present)
#define WRITABLE FW_FIELD_MASK(x64_pte, write)
#define USER FW_FIELD_MASK(x64_pte, user)
#define ACCESSED FW_FIELD_MASK(x64_pte, accessed)
#define DIRTY FW_FIELD_MASK(x64_pte, dirty)
#define NO_EXEC FW_FIELD_MASK(x64_pte, nx)

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
	uint64_t all, any; /* bits that all entries with rights have, or any */
	uint64_t reserved; /* in every entry */
};

unsigned fw_mmu_levels(enum fw_mmu_format format)
{
	return fw_geometry[format].levels;
}

INLINE bool is_leaf(const struct path *path, uint64_t entry)
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

/* The bits that must be zero in every entry of 8 bytes. */
static uint64_t reserved_everywhere(const struct fw_mmu_ctl *ctl)
{
	uint64_t mask = fw_bits_put(~(uint64_t)0, ctl->phys_bits,
				    52u - ctl->phys_bits);

	return ctl->nxe ? mask : mask | NO_EXEC;
}

/* Is a bit set that must be zero in this entry? */
INLINE bool is_malformed(const struct path *path, uint64_t entry, bool leaf)
{
	const struct fw_level *level = &path->geometry->level[path->level];
	uint64_t mask = leaf ? level->leaf_reserved : level->reserved;

	if (path->geometry->entry_bytes == 8)
		mask |= path->reserved;
	if (leaf && (level->flags & FW_LEVEL_LARGE_PSE))
		mask |= pse36_reserved(path->ctl->phys_bits);
	if ((level->flags & FW_LEVEL_LARGE_1G) && !path->ctl->gib_pages)
		mask |= fw_x64_pdpte_make((struct fw_x64_pdpte){.large = 1});
	return (entry & mask) != 0;
}

/* Where the table is that a table's entry points at. */
INLINE uint64_t table_base(const struct path *path, uint64_t entry)
{
	uint64_t frame = path->geometry->entry_bytes == 8
				 ? fw_x64_pde_frame(entry)
				 : fw_x32_pde_frame(entry);

	return frame << FW_PAGE_SHIFT;
}

/* The first byte of the page that a leaf maps. */
INLINE uint64_t page_base(const struct path *path, uint64_t entry)
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
INLINE bool read_step(struct path *path, const struct fw_mmu_bus *bus,
		      uint64_t table, fw_addr addr)
{
	const struct fw_level *level = &path->geometry->level[path->level];
	struct step *step = &path->step[path->level];
	unsigned bytes = path->geometry->entry_bytes;

	step->phys = table + fw_bits_get(addr, level->shift, level->bits) *
				     bytes;
	return fw_bus_read(bus, step->phys, bytes, &step->entry);
}

enum descent { DOWN, LEAF, MISSING, MALFORMED, NOT_RAM };

/* One level: reads and checks its entry, and where it leads. */
INLINE enum descent step_down(struct path *path, unsigned level,
			      const struct fw_mmu_bus *bus, fw_addr addr,
			      uint64_t *table)
{
	uint64_t entry;
	bool leaf;

	path->level = level;
	if (!read_step(path, bus, *table, addr))
		return NOT_RAM;
	entry = path->step[level].entry;
	if (!(entry & PRESENT))
		return MISSING;
	leaf = is_leaf(path, entry);
	if (is_malformed(path, entry, leaf))
		return MALFORMED;
	if (path->geometry->level[level].flags & FW_LEVEL_RIGHTS) {
		path->all &= entry;
		path->any |= entry;
	}
	*table = table_base(path, entry);
	return leaf ? LEAF : DOWN;
}

/* Goes down to the leaf, or to where it ends. */
INLINE enum descent descend(struct path *path, const struct fw_mmu_bus *bus,
			    fw_addr addr)
{
	uint64_t table = path->ctl->cr3 & path->geometry->cr3_mask;
	enum descent how = DOWN;

	if (path->geometry->levels > 3)
		how = step_down(path, 3, bus, addr, &table);
	if (how == DOWN && path->geometry->levels > 2)
		how = step_down(path, 2, bus, addr, &table);
	if (how == DOWN)
		how = step_down(path, 1, bus, addr, &table);
	if (how == DOWN)
		how = step_down(path, 0, bus, addr, &table);
	return how;
}

bool fw_mmu_permits(const struct fw_mmu_ctl *ctl, uint32_t access, bool write,
		    bool user, bool exec)
{
	return rights_permit(ctl, access, write, user, exec);
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
		want |= ACCESSED;
		if (write && i == path->level)
			want |= DIRTY;
		if (want == step->entry)
			continue;
		if (!fw_bus_swap(bus, step->phys, bytes, &step->entry, want))
			return false;
		step->entry = want;
	}
	return true;
}

INLINE void describe(const struct path *path, fw_addr addr,
		     struct fw_walk *ret)
{
	uint64_t entry = path->step[path->level].entry;
	unsigned shift = path->geometry->level[path->level].shift;

	ret->entry = entry;
	ret->level = (uint8_t)path->level;
	ret->shift = (uint8_t)shift;
	ret->phys = page_base(path, entry) | (addr & fw_bits_mask(shift));
	ret->write = path->all & WRITABLE;
	ret->user = path->all & USER;
	ret->exec = !(path->any & NO_EXEC);
	ret->dirty = entry & DIRTY;
	ret->global = path->ctl->pge && fw_x64_pte_global(entry);
}

/* Where a descent ended that found no leaf. */
static enum fw_walk_end dead_end(const struct path *path, enum descent how,
				 fw_addr addr, uint32_t access,
				 struct fw_walk *ret)
{
	if (how == NOT_RAM)
		return FW_WALK_BUS;
	ret->entry = path->step[path->level].entry;
	ret->level = (uint8_t)path->level;
	return fault(path, ret, addr, access,
		     how == MISSING ? 0 : FW_PF_P | FW_PF_RSVD);
}

INLINE enum fw_walk_end walk_by(const struct fw_geometry *geometry,
				const struct fw_mmu_ctl *ctl,
				const struct fw_mmu_bus *bus, fw_addr addr,
				uint32_t access, struct fw_walk *ret)
{
	struct path path;
	const bool write = access & FW_ACC_WRITE;
	enum descent how;
	uint64_t last;

	if (geometry->va_bits == 48 && fw_bits_extend(addr, 48) != addr)
		return FW_WALK_NONCANONICAL;
	if (geometry->va_bits == 32)
		addr &= fw_bits_mask(32);
	path.ctl = ctl;
	path.geometry = geometry;
	path.reserved = reserved_everywhere(ctl);
	do {
		path.all = ~(uint64_t)0;
		path.any = 0;
		how = descend(&path, bus, addr);
		if (how != LEAF)
			return dead_end(&path, how, addr, access, ret);
		last = path.step[path.level].entry;
		if (!rights_permit(ctl, access, path.all & WRITABLE,
				   path.all & USER, !(path.any & NO_EXEC))) {
			ret->entry = last;
			ret->level = (uint8_t)path.level;
			return fault(&path, ret, addr, access, FW_PF_P);
		}
		if ((path.all & ACCESSED) && (!write || (last & DIRTY)))
			break; /* nothing to set */
	} while (!mark_used(&path, bus, write));
	describe(&path, addr, ret);
	return FW_WALK_OK;
}

enum fw_walk_end fw_mmu_walk(const struct fw_mmu_ctl *ctl,
			     const struct fw_mmu_bus *bus, fw_addr addr,
			     uint32_t access, struct fw_walk *ret)
{
	switch (ctl->format) {
	case FW_MMU_X64:
		return walk_by(&fw_geometry[FW_MMU_X64], ctl, bus, addr,
			       access, ret);
	case FW_MMU_PAE:
		return walk_by(&fw_geometry[FW_MMU_PAE], ctl, bus, addr,
			       access, ret);
	default:
		return walk_by(&fw_geometry[FW_MMU_X32], ctl, bus, addr,
			       access, ret);
	}
}
