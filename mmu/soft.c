/* SPDX-License-Identifier: MIT */
/*
 * soft.c - a CPU's memory accesses, through TLB and walker.
 */
#include <faultwise/mmu.h>

#include "mmu/bus.h"
#include "mmu/pte.h"
#include "mmu/rights.h"
#include "mmu/tlb.h"

/* A hit serves the access when it permits it, and a write only when the dirty
 * bit is known to be set: else the walk must set it (SDM 4.8). */
static bool serves(const struct fw_mmu_cpu *cpu, const struct fw_tlb_entry *e,
		   uint32_t access)
{
	if ((access & FW_ACC_WRITE) && !e->dirty)
		return false;
	return rights_permit(&cpu->ctl, access, e->write, e->user, e->exec);
}

static inline void from_entry(const struct fw_tlb_entry *e, fw_addr addr,
			      struct fw_walk *ret)
{
	uint64_t rights = tlb_rights(e) & ~(uint64_t)TLB_ASID;

	ret->phys = e->page | (addr & FW_PAGE_MASK);
	__builtin_memcpy((char *)ret + offsetof(struct fw_walk, level), &rights,
			 sizeof(rights));
}

/* Not the common case: another's global page, a right that must be looked at
 * closely or fetched anew, a miss. */
static __attribute__((noinline)) enum fw_walk_end
translate_slowly(struct fw_mmu_cpu *cpu, fw_addr addr, uint32_t access,
		 struct fw_walk *ret)
{
	struct fw_tlb_entry *e;
	enum fw_walk_end end;

	if (cpu->ctl.format != FW_MMU_X64)
		addr &= fw_bits_mask(32);
	e = cpu->tlb ? tlb_find(cpu->tlb, cpu->asid, addr) : NULL;
	if (e && serves(cpu, e, access)) {
		from_entry(e, addr, ret);
		return FW_WALK_OK;
	}
	if (cpu->tlb_only)
		return FW_WALK_MISS;
	if (e)
		fw_tlb_drop_page(cpu->tlb, cpu->asid, addr);
	end = fw_mmu_walk(&cpu->ctl, cpu->bus, addr, access, ret);
	if (end == FW_WALK_OK && cpu->tlb)
		fw_tlb_load(cpu->tlb, cpu->asid, addr, ret);
	return end;
}

enum fw_walk_end fw_mmu_translate(struct fw_mmu_cpu *cpu, fw_addr addr,
				  uint32_t access, struct fw_walk *ret)
{
	bool simple = (access & FW_ACC_USER) ||
		      (cpu->ctl.wp && !cpu->ctl.smep && !cpu->ctl.smap);
	struct fw_tlb_entry *e;

	if (simple && cpu->tlb) {
		e = tlb_hit(cpu->tlb, cpu->asid, addr, tlb_wanted(access));
		if (e) {
			from_entry(e, addr, ret);
			return FW_WALK_OK;
		}
	}
	return translate_slowly(cpu, addr, access, ret);
}

/* Within one page. */
static bool copy(const struct fw_mmu_bus *bus, uint64_t phys, uint8_t *buffer,
		 uint64_t len, bool write)
{
	uint8_t *at, *to, *from;

	if (bus->ops)
		return bus->ops->copy(bus->ctx, phys, buffer, len, write);
	at = fw_bus_at(bus, phys, len);
	if (!at)
		return false;
	to = write ? at : buffer;
	from = write ? buffer : at;
	while (len--)
		*to++ = *from++;
	return true;
}

enum fw_walk_end fw_mmu_access(struct fw_mmu_cpu *cpu, fw_addr addr,
			       void *buffer, uint64_t len, uint32_t access,
			       struct fw_walk *ret)
{
	uint64_t room = FW_PAGE_SIZE - (addr & FW_PAGE_MASK);
	uint64_t first = len < room ? len : room, second_phys = 0;
	bool write = access & FW_ACC_WRITE;
	enum fw_walk_end end;

	if (len > first) {
		end = fw_mmu_translate(cpu, addr, access, ret);
		if (end != FW_WALK_OK)
			return end;
		end = fw_mmu_translate(cpu, addr + first, access, ret);
		if (end != FW_WALK_OK)
			return end;
		second_phys = ret->phys;
	}
	end = fw_mmu_translate(cpu, addr, access, ret);
	if (end != FW_WALK_OK)
		return end;
	if (!copy(cpu->bus, ret->phys, buffer, first, write))
		return FW_WALK_BUS;
	if (len > first && !copy(cpu->bus, second_phys,
				 (uint8_t *)buffer + first, len - first, write))
		return FW_WALK_BUS;
	return FW_WALK_OK;
}
