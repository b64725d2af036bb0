/* SPDX-License-Identifier: MIT */
/*
 * geometry.h - the LEVEL rows of formats.def as tables.
 */
#ifndef FAULTWISE_MMU_GEOMETRY_H
#define FAULTWISE_MMU_GEOMETRY_H

#include <faultwise/mmu.h>

enum fw_level_flag {
	FW_LEVEL_RIGHTS = 1,	/* has W, U, A (the PDPTE of PAE has not) */
	FW_LEVEL_LARGE = 2,	/* bit 7 makes it a leaf */
	FW_LEVEL_LARGE_1G = 4,	/* ... where the CPU has 1 GiB pages */
	FW_LEVEL_LARGE_PSE = 8, /* ... where CR4.PSE is set; SDM 4.3 */
	FW_LEVEL_LAST = 16,	/* always a leaf */
};

struct fw_level {
	uint8_t shift, bits, flags;
	uint64_t reserved, leaf_reserved;
};

#define FW_MAX_LEVELS 4

struct fw_geometry {
	uint8_t levels;
	uint8_t entry_bytes;
	uint8_t va_bits; /* of them, 48 are sign-extended to 64 */
	uint64_t cr3_mask;
	struct fw_level level[FW_MAX_LEVELS];
};

/* Hidden: so that the walker is compiled for the numbers themselves. */
extern const struct fw_geometry fw_geometry[FW_MMU_FORMATS]
	__attribute__((visibility("hidden")));

#endif
