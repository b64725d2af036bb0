/* SPDX-License-Identifier: MIT */
/*
 * bus.h - physical memory as the walker sees it (struct fw_mmu_bus).
 */
#ifndef FAULTWISE_MMU_BUS_H
#define FAULTWISE_MMU_BUS_H

#include <faultwise/mmu.h>

/* The byte at `phys` when `len` bytes from there are RAM, or NULL. */
static inline void *fw_bus_at(const struct fw_mmu_bus *bus, uint64_t phys,
			      uint64_t len)
{
	if (phys > bus->size || bus->size - phys < len)
		return NULL;
	return (uint8_t *)bus->base + phys;
}

static inline bool fw_bus_read(const struct fw_mmu_bus *bus, uint64_t phys,
			       unsigned bytes, uint64_t *ret)
{
	void *at;

	if (bus->ops)
		return bus->ops->read(bus->ctx, phys, bytes, ret);
	at = fw_bus_at(bus, phys, bytes);
	if (!at)
		return false;
	*ret = bytes == 8 ? __atomic_load_n((uint64_t *)at, __ATOMIC_ACQUIRE)
			  : __atomic_load_n((uint32_t *)at, __ATOMIC_ACQUIRE);
	return true;
}

/* Compare and swap; *seen is what is there when it fails. */
static inline bool fw_bus_swap(const struct fw_mmu_bus *bus, uint64_t phys,
			       unsigned bytes, uint64_t *seen, uint64_t value)
{
	void *at;
	uint32_t seen32;
	bool done;

	if (bus->ops)
		return bus->ops->swap(bus->ctx, phys, bytes, seen, value);
	at = fw_bus_at(bus, phys, bytes);
	if (!at)
		return false;
	if (bytes == 8)
		return __atomic_compare_exchange_n((uint64_t *)at, seen, value,
						   false, __ATOMIC_ACQ_REL,
						   __ATOMIC_ACQUIRE);
	seen32 = (uint32_t)*seen;
	done = __atomic_compare_exchange_n((uint32_t *)at, &seen32,
					   (uint32_t)value, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	*seen = seen32;
	return done;
}

#endif
