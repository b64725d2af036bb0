/* SPDX-License-Identifier: MIT */
/*
 * spoil.h - what test_verify.c and spoil.c share: a machine that has something
 * of everything, and ways to spoil it.
 */
#ifndef FAULTWISE_TESTS_SPOIL_H
#define FAULTWISE_TESTS_SPOIL_H

#include "kernel_rig.h"

#include "mm/mm.h"

/* Pages of one region, by what became of them. */
#define VALID BASE		       /* written */
#define MODIFIED (BASE + 8 * PAGE)     /* trimmed since */
#define STANDBY (BASE + 12 * PAGE)     /* and in the page file, too */
#define PAGED_OUT (BASE + 16 * PAGE)   /* nowhere else */
#define CLONE (BASE + 64 * PAGE)       /* shared with a child by fork */
#define SHARED (BASE + 128 * PAGE)     /* of an anonymous section */
#define SHARED_PAGES 600	       /* its size: chunks in a tree */
#define MAPPED (BASE + 256 * PAGE)     /* of a file: written, trimmed, held */
#define GUARD (BASE + 300 * PAGE)
#define FRESH (BASE + 400 * PAGE) /* touched last */
#define FILE_PAGES 8

struct spoil {
	void (*how)(void);
	const char *says; /* all that it says, in order of the alphabet */
};

extern struct rig r;
extern struct fw_mm *mm;
extern struct soft_cpu *child;
extern struct fw_section *shared, *file;

/* In any machine; where there are stripes; where pages are listed in order of
 * arrival. */
extern const struct spoil spoil_always[], spoil_stripes[], spoil_order[];
extern const unsigned n_always, n_stripes, n_order;

#endif
