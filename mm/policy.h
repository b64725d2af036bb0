/* SPDX-License-Identifier: MIT */
/*
 * policy.h - which pages leave a working set, and when.
 *
 * A policy is a row of the table in policy.c; `struct fw_mm` holds the row's
 * number, never a pointer, since the processes of a run have their code at
 * different places. To add one: a row there, a number in <faultwise/mm.h>.
 *
 * The driver (wset.c) does the rest, alike for all: translations are dropped,
 * PTEs become invalid, frames go to standby or modified.
 */
#ifndef FW_MM_POLICY_H
#define FW_MM_POLICY_H

#include <mm/mm.h>

#define SWEEP_BATCH 64

/* One batch of a trim: who asks, what was chosen. */
struct sweep {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_space *space;
	struct announcers who;
	unsigned want, n; /* n <= want <= SWEEP_BATCH */
	bool force; /* whatever the age */
	fw_vpn vpn[SWEEP_BATCH];
};

struct fw_policy {
	const char *name;
	const char *text;
	/* Lets pages go before frames are short, in batches, so that they
	 * can come back from standby and modified. Otherwise a page leaves
	 * when its frame is needed, and no sooner. */
	bool early;
	/* Resident private pages stand on a list of their space, in the order
	 * in which they came (policy_note). */
	bool listed;
	/*
	 * Chooses up to s->want pages that are valid, not announced, and in no
	 * locked region; none: the space has none. Space lock held, mm lock
	 * not. May change ages and accessed bits: both are hints.
	 */
	void (*choose)(struct sweep *s);
};

const struct fw_policy *policy_of(const struct fw_mm *mm);
/* Pages of the window have become valid in this space, or were. mm lock. */
void policy_note(struct fw_mm *mm, struct fw_space *space, fw_pte *pte,
		 unsigned n);
/* The frame is active no more, or its page no longer private. mm lock. */
void policy_forget(struct fw_mm *mm, struct fw_frame *f);

/* wset.c: by age, in the order of addresses. */
void sweep_choose(struct sweep *s);

#endif
