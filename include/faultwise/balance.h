/* SPDX-License-Identifier: MIT */
/*
 * balance.h - the rest of mm.h, which includes it: background work, files that
 * change, totals, what is there of pages, and verification.
 */
#ifndef FAULTWISE_BALANCE_H
#define FAULTWISE_BALANCE_H

#include <faultwise/mm.h>

/* ---- reclaim and background work -------------------------------------- */

/* Takes up to n pages out of this space's working set, by the clock; must
 * run where the space's translations can be flushed. Returns how many. */
unsigned fw_trim(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, unsigned n);
/* Writes up to n (<= 64) modified pages out as one cluster; blocks. Returns
 * how many became clean. */
unsigned fw_write_modified(struct fw_mm *mm, struct fw_actor *actor,
			   unsigned n);
/* The same for pages of files, written through shared views (n <= 16). */
unsigned fw_write_mapped(struct fw_mm *mm, struct fw_actor *actor, unsigned n);
/* Zeroes up to n free frames (outside the lock). Returns how many. */
unsigned fw_zero_frames(struct fw_mm *mm, struct fw_actor *actor, unsigned n);
/* Touches up to n frames that were never used, so that the host provides
 * them ahead of need. Returns how many. */
unsigned fw_touch_frames(struct fw_mm *mm, struct fw_actor *actor, unsigned n);
/* What a balance thread should do now. */
struct fw_pressure {
	uint64_t want_write; /* modified pages that should be written */
	uint64_t want_mapped; /* the same of files */
	uint64_t want_zero;  /* frames that should be zeroed */
	uint64_t want_touch; /* frames that should be touched */
	uint64_t available;  /* zeroed + free + standby */
	uint64_t low;	     /* below this, trim */
};
void fw_pressure(struct fw_mm *mm, struct fw_pressure *ret);

/*
 * The kernel threads: each call does one bounded step, without locks, and
 * returns whether there is more to do now. A port has a thread for each,
 * woken once a second, and by fwp_kick() those that enum fw_kthread names.
 * Before its step of the second the one that balances calls
 * fw_balance_second(), with how long the second was in the ticks of
 * fw_actor.fault_ticks, or 0 if those are not kept: without them there are no
 * turns against thrashing (mm/turn.c). It takes the mm lock. mm/balance.c says
 * what each does.
 */
bool fw_writer_tick(struct fw_mm *mm, struct fw_actor *actor);
bool fw_mapped_tick(struct fw_mm *mm, struct fw_actor *actor);
bool fw_zero_tick(struct fw_mm *mm, struct fw_actor *actor);
bool fw_balance_tick(struct fw_mm *mm, struct fw_actor *actor);
void fw_balance_second(struct fw_mm *mm, struct fw_actor *actor,
		       uint64_t ticks);
/* The space from which pages are best taken now, or NULL (no reference is
 * held: valid while its port record is). */
struct fw_space *fw_pick_victim(struct fw_mm *mm, struct fw_actor *actor,
				struct fw_space *not_this);

/*
 * What a process has, in pages: those in its working set, those that are away
 * (FW_LOOK_AWAY), and its tables. Counted, a few tables at a time under the mm
 * lock, for whoever has to choose one to end. By the id of its space, since
 * nothing keeps that from ending meanwhile: 0 then. No locks.
 */
uint64_t fw_space_weight(struct fw_mm *mm, struct fw_actor *actor, uint32_t id);

/* ---- files that change ------------------------------------------------- */

/*
 * Files that change under private views of them (FW_VAD_PRIVATE_VIEW), by
 * means that the core does not see. A file is the same as long as one of its
 * sections has a view: all versions of this dev and ino are meant.
 */
struct fw_file_change {
	uint64_t dev, ino;
	uint64_t page, n; /* pages that may have changed */
	/* Has up to a page of the file's bytes, zeros behind them. Called
	 * without locks. FW_E_EOF: the page lies past the end. */
	enum fw_status (*read)(struct fw_file_change *c, uint64_t page,
			       void *to);
	void *buffer; /* of a page: the caller's memory */
};
/*
 * The file has changed: its pages that views show are the new ones when this
 * returns, those that were not written to. FW_E_EOF: at least one that is
 * mapped somewhere lies past the end now, and stays as it was (fw_file_cut);
 * FW_E_IO: one could not be read. Blocks; no locks. Not for files that have
 * FW_VAD_SECTION views, whose pages are newer than the file.
 */
enum fw_status fw_file_changed(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_file_change *c);
/* The file ends before `page` now: what private views of this space show of
 * it from there on goes, also what has been written to. */
void fw_file_cut(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, uint64_t dev, uint64_t ino,
		 uint64_t page);
/* Marks the sections that this file has now as watched, until they end. */
void fw_file_watch(struct fw_mm *mm, struct fw_actor *actor, uint64_t dev,
		   uint64_t ino);
bool fw_file_is_watched(struct fw_mm *mm, struct fw_actor *actor, uint64_t dev,
			uint64_t ino);
/* Whether any is: no lock, to be asked often. */
bool fw_files_watched(const struct fw_mm *mm);

/* ---- looking at it ---------------------------------------------------- */

#define FW_DISTANCES 32

struct fw_totals {
	uint64_t nframes, zeroed, free, standby, modified, modified_no_write,
		transition, active, bad, untouched; /* untouched of zeroed */
	uint64_t tables, pool; /* frames among active */
	uint64_t spaces, actors, sections;
	uint64_t committed, commit_limit;
	uint64_t slots, slots_used;
	uint64_t pages_read, reads, pages_written, writes, pages_zero_elided;
	uint64_t mapped_pages, mapped_writes; /* to files of sections */
	uint64_t write_errors;
	/* The compressed store: its frames, of at most store_max; the pages in
	 * them and their bytes; pages compressed so far, and what they became;
	 * pages read again, and moved on to page files (counted in
	 * pages_written as well), made smaller afterwards, copied to pack. */
	uint64_t store_frames, store_max, store_pages, store_bytes;
	uint64_t store_in, store_in_bytes, store_loads, store_moved;
	uint64_t store_condensed, store_packed;
	/* Pages read that had been here before; those that so many frames as
	 * are in use now would have kept; all by distance, 2^i to 2^(i+1). */
	uint64_t refaults, refaults_near, refault_distance[FW_DISTANCES];
	uint64_t thrash; /* percent of what was read that should not have left,
			  * within the last second */
	uint64_t turns; /* given to spaces, against thrashing; mm/turn.c */
	/* Clusters read from page files ahead of need; those whose last page
	 * was touched, or lost its frame, first. */
	uint64_t ahead, ahead_used, ahead_wasted;
	uint64_t mapped; /* of modified: that go to files of sections */
	uint64_t trims, pages_trimmed, rollbacks, reaps;
	uint64_t peak_active;
	uint64_t kind_count[FW_KIND_COUNT]; /* dead and living actors */
	uint64_t kind_ticks[FW_KIND_COUNT];
	uint64_t kind_pages[FW_KIND_COUNT];
};
void fw_totals(struct fw_mm *mm, struct fw_actor *actor,
	       struct fw_totals *ret);

/* What there is of a page, for display. */
enum fw_look_bits {
	FW_LOOK_PRESENT = 1, /* in the working set */
	FW_LOOK_AWAY = 2,    /* not, but it has content of its own: in a frame
			      * on standby or modified, or in a page file */
	FW_LOOK_OBJECT = 4,  /* present, and of what the view maps: a file, or
			      * shared memory; else the process's own */
	FW_LOOK_DIRTY = 8,
};
struct fw_look {
	uint8_t bits;  /* 0: nothing */
	uint8_t share; /* present: in how many places, 255 at most */
};
/*
 * Looks at pages from *vpn on, below end, of one page table: ret[i] is about
 * page *vpn + i, for as many as it returns. *vpn moves over what has no table;
 * 0: there is nothing more. Space lock.
 */
unsigned fw_look_locked(struct fw_space *space, fw_vpn *vpn, fw_vpn end,
			struct fw_look ret[FW_TABLE_ENTRIES]);
/* The size of a page file and how much of it is in use, in pages; a moment's
 * values. 0: there is none of this number. */
uint64_t fw_page_file_slots(const struct fw_mm *mm, unsigned file,
			    uint64_t *ret_used);

/*
 * mm_verify: recounts lists, shares, slots, tables and charges from the page
 * tables and prototypes, under the mm lock. Each discrepancy is reported
 * through `report` (one line, no newline; at most 32). Returns their number.
 * With config.stripes > 1: while nobody faults, makes or ends a space.
 */
unsigned fw_verify(struct fw_mm *mm, struct fw_actor *actor,
		   void (*report)(void *arg, const char *line), void *arg);

#endif
