/* SPDX-License-Identifier: MIT */
/*
 * plan.h - one fault on its way from trap to outcome. classify() names in
 * `what` the thing to do and changes nothing; one function for each thing
 * does it, under the space and the mm lock, and says in an enum fw_step how
 * to go on. Reading for the fault path: fault.c, then the fault_*.c in the
 * order of enum plan_what.
 */
#ifndef FW_MM_PLAN_H
#define FW_MM_PLAN_H

#include <mm/mm.h>

enum fw_step {
	FW_STEP_DONE,	/* f->kind is the outcome */
	FW_STEP_AGAIN,	/* look again: the state has changed */
	FW_STEP_READ,	/* do the read that was prepared, then again */
	FW_STEP_WAIT,	/* wait for somebody else's read, then again */
	FW_STEP_FRAMES, /* frames are short: get some, then again */
};

enum plan_what {
	PLAN_REFILL,	/* valid, and allowed: only the cache missed it */
	PLAN_DIRTY,	/* valid, first write */
	PLAN_COW,	/* valid, write to a page that others may have */
	PLAN_ZERO,	/* demand zero */
	PLAN_RESIDENT,	/* in a frame: valid prototype, or transition */
	PLAN_COLLIDED,	/* in transition, being read */
	PLAN_READ_SLOT, /* in a page file */
	PLAN_READ_FILE, /* in the file of its section */
	PLAN_HOST,	/* host view */
};

/* Where a page that is to be read comes from: page file or compressed store. */
struct fw_source {
	fw_pte *loc;
	uint64_t slot;	/* that *loc names */
	uint64_t place; /* cstore_place */
	bool proto;
};

struct fw_plan {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_space *space;
	struct fw_stripe *stripe; /* of the page; locked in every step */
	struct fw_fault *f;
	fw_vpn vpn;
	struct fw_vad *vad;
	fw_pte *pte;	/* of the faulting page */
	fw_pte *loc;	/* what says where its content is: pte itself, or
			 * that of a prototype; NULL when valid */
	bool proto;	/* loc is in a prototype */
	bool grow;	/* the stack grows */
	bool guard;	/* a guard page, or a stack that is full */
	bool did_io;
	bool whole;	/* the whole space lock is held, not a stripe only */
	bool want_whole; /* ... and is needed the next time */
	bool fast;	/* resolved without the mm lock */
	bool single;	/* a cluster failed to be read: one page only */
	bool last;	/* a read may take one of the last frames */
	enum plan_what what;
	/* FW_STEP_WAIT */
	uint32_t *wait_word;
	uint32_t wait_seen, wait_owner;
	/* FW_STEP_READ */
	enum fw_kind io_kind;
	unsigned n_read;
	fw_vpn read_lo; /* the first of the pages that are read */
	struct fw_section *section;
	uint64_t page, fault_page, cookie;
	/* FW_STEP_FRAMES */
	unsigned need;
	fw_pfn pfn[FW_BLOCK_PAGES];
	fw_vpn source_lo; /* whose source is the first */
	struct fw_source source[FW_BLOCK_PAGES];
};

/* Of a page in the window of the read. */
static inline struct fw_source *plan_source(struct fw_plan *p, fw_vpn vpn)
{
	return &p->source[vpn - p->source_lo];
}

/* Whether the read brings what lies above the faulting page. */
static inline bool plan_upwards(const struct fw_plan *p)
{
	return p->vpn - p->read_lo < (p->n_read + 1) / 2;
}

static inline bool plan_writes(const struct fw_plan *p)
{
	return (p->f->access & FW_ACC_WRITE) != 0;
}

/* The block of pages that are treated together with vpn: aligned in the
 * section for views, in the space otherwise; within the region and one
 * table. *pte of its first page is p->pte - (p->vpn - *lo). */
unsigned plan_block(const struct fw_plan *p, fw_vpn *ret_lo);
/* The frames around a page, for contiguity. */
struct frame_cluster plan_cluster(const struct fw_plan *p, fw_pte *loc,
				  bool proto, fw_vpn vpn, unsigned *ret_index);
/* Takes n frames for pages vpn.., or fewer if short: the number, >= 1, or 0
 * with need set. */
unsigned plan_room(struct fw_plan *p, unsigned n);
/* The priority of the pages that this fault brings. */
unsigned plan_prio(const struct fw_plan *p);
/* The same for n pages that are read. When all memory is full, a page that is
 * somewhere else must not be lost for the lack of one frame: it may have one
 * of the last, and gives back the slot it was in, to which another goes. */
unsigned plan_room_read(struct fw_plan *p, unsigned n);
void plan_window(struct fw_plan *p, fw_vpn lo, unsigned n, enum fw_kind kind);
/* Makes one page valid: its frame becomes active with one share more. */
void plan_map(struct fw_plan *p, fw_pte *pte, fw_pte *loc, bool proto,
	      fw_pfn pfn, bool dirty);

/* guard.c: what a stack says to an access below its lowest page given. */
enum guard_says {
	GUARD_NOTHING,	  /* it is an ordinary page */
	GUARD_GROWS,
	GUARD_NOT_MAPPED, /* the gap below a stack that grows Linux's way */
	GUARD_DENIED,	  /* reserved only */
	GUARD_OVERFLOW,
};
enum guard_says guard_stack(const struct fw_vad *vad, fw_vpn vpn);
/* A region of guard pages. */
bool guard_region(const struct fw_vad *vad);

enum fw_step fault_guard(struct fw_plan *p);
/* Region and permission. False: f->kind says what is wrong. */
bool plan_permitted(struct fw_plan *p);

/* How many pages a first touch should give; that it gave those below `end`. */
unsigned zero_window_size(const struct fw_plan *p);
void zero_window_note(struct fw_plan *p, fw_vpn end, unsigned want);
/* Resolves the fault, or leaves it alone; stripe's lock only. */
bool fault_fast(struct fw_plan *p);
enum fw_step fault_zero(struct fw_plan *p);
enum fw_step fault_host(struct fw_plan *p);
enum fw_step fault_resident(struct fw_plan *p);
enum fw_step fault_collided(struct fw_plan *p);
enum fw_step fault_cow(struct fw_plan *p);
enum fw_step fault_read_slot(struct fw_plan *p);
enum fw_step fault_read_file(struct fw_plan *p);
/* Without locks, both; the former from the compressed store. */
enum fw_step fault_load(struct fw_plan *p);
enum fw_step fault_read(struct fw_plan *p);
/* Whether the page had to come from a disk since it does not compress, where
 * others do: to bring back one of them costs a sixth of that. */
bool fault_is_dear(const struct fw_plan *p, const struct fw_frame *f);
/* Tells those who wait for the first page of a read that it failed. */
void read_note_error(struct fw_plan *p, enum fw_status status);
/* Whether the read that it waited for failed; then f->kind and f->status say
 * how. Once for each wait. */
bool read_failed(struct fw_plan *p);
/* A clone prototype that only this PTE refers to becomes private again. */
void clone_take_back(struct fw_mm *mm, fw_pte *pte);

#endif
