/* SPDX-License-Identifier: MIT */
/*
 * space.h - the record of an address space; see mm.h for what is done with
 * it.
 */
#ifndef FAULTWISE_SPACE_H
#define FAULTWISE_SPACE_H

#include <faultwise/port.h>
#include <faultwise/types.h>

struct fw_vad;

enum fw_space_kind {
	FW_SPACE_PROCESS,
	FW_SPACE_SESSION, /* of the kernel half; see fw_system_create */
	FW_SPACE_SYSTEM,
};

#define FW_STRIPES_MAX 16
#define FW_STRIPE_SHIFT 10  /* pages that surely lie in one stripe: a table's */
#define FW_STRIPE_BLOCKS 3

/* A part of the space lock, with what a fault under it has for itself; see
 * mm/stripe.c. */
struct fw_stripe {
	struct fw_lock lock;
	uint64_t faults;
	struct fw_vad *hint;	/* last found */
	/* Blocks of zeroed frames: the first frame's number (32 bits), which
	 * of them are left (16), and how many pages were mapped from it that
	 * the space's `resident` does not count (16). */
	uint64_t stock[FW_STRIPE_BLOCKS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(void *) < 8 || sizeof(struct fw_stripe) == 64,
	       "a stripe is a cache line");

/*
 * An address space: page tables, regions, counters. Allocated by the core.
 * Fields may be read without locks for display.
 */
struct fw_space {
	uint32_t id;		/* small, unique among living spaces */
	uint32_t kind;		/* enum fw_space_kind */
	uint32_t n_stripes;	/* of the space lock: 1, 2, 4, 8, 16 */
	struct fw_mm *mm;
	struct fw_space *next, *prev; /* all spaces */
	fw_pfn root;		/* PML4 */
	uint32_t n_vads;
	struct fw_vad *vads;	/* tree root */
	uint64_t resident;	/* fw_space_resident() has all of them */
	uint64_t peak;
	uint64_t ws_min, ws_max; /* pages; soft. 0 = none */
	uint64_t mapped;	/* pages in regions */
	uint64_t mapped_peak;
	uint64_t committed;	/* pages charged */
	uint64_t table_frames;
	fw_vpn trim_hand;	/* where the clock stands */
	uint64_t trim_epoch;	/* mm's trim clock at its last fault */
	uint64_t asked;		/* times others asked for its pages since it
				 * was last trimmed */
	fw_vpn low;		/* kernel spaces: the first page; else 0 */
	fw_vpn user_top;	/* pages from here on are not regions' */
	uint32_t prio;		/* 1 + priority of its pages, or 0 */
	uint32_t ws_flags;	/* enum fw_ws_flags */
	struct fw_space *session; /* processes: theirs, or NULL */
	uint32_t returns;	/* reads of pages that it has had before */
	uint32_t returns_seen;	/* ... until a second ago */
	uint64_t turn_end;	/* second when its last turn ended: turn.c */
	uint64_t users;		/* sessions: processes in it */
	uint64_t eager;		/* pages copied when it was forked: what the
				 * port has cached of the parent does not
				 * hold for them */
	uint64_t port[8];	/* the port's; zero at creation, not copied
				 * by fork */
	struct fw_stripe stripe[];
};

/* `peak` becomes what is resident now. */
void fw_space_reset_peak(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space);

#endif
