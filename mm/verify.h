/* SPDX-License-Identifier: MIT */
/* verify.h - what fw_verify has seen so far; see verify.c. */
#ifndef FW_MM_VERIFY_H
#define FW_MM_VERIFY_H

#include <mm/cstore.h>

/* In the scratch word of a frame. */
#define SEEN_VALID 0xffffffu	/* valid PTEs */
#define SEEN_NAMED (1u << 24)	/* a PTE or prototype says "here" */
#define SEEN_LIST (1u << 25)	/* stands on its state's list */
#define SEEN_HELD (1u << 26)	/* in some actor's held[] */
#define SEEN_TABLE (1u << 27)	/* a table of a space */
#define SEEN_STOCK (1u << 28)	/* in a stripe's stock: active, says ZEROED */

struct verify {
	struct fw_mm *mm;
	void (*report)(void *arg, const char *line);
	void *arg;
	unsigned errors;
	uint64_t slots, slot_sum, committed, dirty, section_dirty;
	/* of the space at hand */
	struct fw_space *space;
	struct fw_vad *vad;
	uint64_t resident, tables, listed; /* on lists of arrival */
};

/* A discrepancy, with two numbers that say where and what. */
void complain(struct verify *v, const char *what, uint64_t a, uint64_t b);
void expect(struct verify *v, const char *what, uint64_t is, uint64_t should);
/* The slot, if there is one, has an owner. */
void slot_seen(struct verify *v, fw_pte pte);

/* verify_frames.c: records, lists and counters, when all else was seen. */
void verify_frames(struct verify *v);

#endif
