/* SPDX-License-Identifier: MIT */
/*
 * records.h - the records of the memory manager: frames, prototypes, sections,
 * page files, and struct fw_mm, which holds them together. Those that a port
 * sees (spaces, regions, actors) are in include/faultwise/.
 *
 * Guards, named in the field comments: (C) constant after creation, (M) mm
 * lock and journalled, (S) space lock, (n) not journalled: a statistic or a
 * hint, written under the mm lock or by one actor only.
 */
#ifndef FW_MM_RECORDS_H
#define FW_MM_RECORDS_H

#include <faultwise/mm.h>
#include <mm/journal.h>
#include <mm/pte.h>

enum frame_state {
	FRAME_ZEROED, /* 0: a record of zero bytes is a frame never used */
	FRAME_FREE,
	FRAME_STANDBY,
	FRAME_MODIFIED,
	FRAME_MODIFIED_NO_WRITE,
	FRAME_TRANSITION,
	FRAME_ACTIVE,
	FRAME_BAD,
	FRAME_STATES
};

enum frame_type {
	FRAME_USER,  /* a page of somebody's */
	FRAME_HELD,  /* reserved by an actor (listed in held[]) */
	FRAME_TABLE, /* a page table */
	FRAME_POOL,  /* a slab of pool.c */
	FRAME_STORE, /* of the compressed store's log; see cstore.c */
};

enum frame_flag {
	FRAME_DIRTY = 1,   /* content is newer than `original` says */
	FRAME_READ = 2,	   /* a read into it is in flight; see `owner` */
	FRAME_WRITE = 4,   /* it is being written out */
	FRAME_PROTO = 8,   /* `pte` is a prototype */
	FRAME_DELETED = 16, /* its page is gone; free it when the I/O ends */
	FRAME_HOST = 32,   /* the credit of a host view; content unused */
	FRAME_LISTED = 64, /* active, and on its space's list: policy.c */
	FRAME_HOLD = 128,  /* must not be written out until released */
};

/* In fw_frame.prio, above the number. */
enum frame_mark {
	FRAME_PRIO_MASK = 15,
	FRAME_AHEAD = 64, /* read ahead, last of its cluster, not touched yet */
	FRAME_RETIRE = 128, /* is to be BAD as soon as that can be */
};

/* All fields (M). */
struct fw_frame {
	fw_pte *pte;	 /* what maps it, or would; pool: free objects */
	fw_pte original; /* what *pte becomes when the frame is taken away;
			  * pool: bytes carved */
	uint32_t next;	 /* list links by PFN */
	union {
		uint32_t prev;
		uint32_t share; /* active: valid PTEs that name it */
	};
	uint8_t state, flags, type;
	uint8_t prio;	/* standby list; pool: size class; enum frame_mark */
	union {
		uint32_t owner; /* reading: actor; pool: objects in use;
				 * listed, or a root table: list link */
		uint32_t age;	/* (n) active, not listed: see page_age */
	};
};
_Static_assert(sizeof(struct fw_frame) <= 32, "a frame record is 32 bytes");

/* 16 aligned frames, and which of them may be had; see block.c. (M) */
struct fw_block {
	uint16_t free, zero; /* one bit a frame in that state */
	uint32_t next, prev;
	uint32_t list; /* 0 or 1 + enum block_list */
};
_Static_assert(sizeof(struct fw_block) == 16, "one byte a frame");

enum block_list { /* bit 0: has a zeroed frame; bit 1: wholly available */
	BLOCK_PART_FREE,
	BLOCK_PART_ZERO,
	BLOCK_WHOLE_FREE,
	BLOCK_WHOLE_ZERO,
	BLOCK_LISTS
};

struct fw_list {
	uint32_t head, tail; /* PFN_NONE when empty */
	uint32_t count;
};

/* A prototype PTE. Clone prototypes (fork) count the PTEs that refer to
 * them; those of a section are counted by nobody (refs == 0). */
struct fw_proto {
	fw_pte pte;
	/* Not in the first word, which links free prototypes. */
	uint32_t refs __attribute__((aligned(8)));
	uint32_t seen; /* (n) of a section: when its page left (refault.c);
			* clone: scratch of verify.c */
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct fw_proto) == 16, "a prototype is 16 bytes");

/* The segments of an image section; see image.c. (C) */
struct fw_image {
	uint64_t n;
	struct fw_segment segment[];
};

/* A page that could not be read, and what became of it; see fault_io.c. (n) */
struct read_error {
	const fw_pte *loc;
	const struct fw_space *space; /* NULL: of a page file */
	uint32_t word;	/* the wait word when its read had ended */
	uint32_t status;
};

#define PROTO_CHUNK 256 /* prototypes of a section in one frame */

struct fw_section {
	struct fw_section *next, *prev;	  /* (M) all sections */
	struct fw_section *hash_next;	  /* (M) */
	struct fw_section_key key;	  /* (C) */
	uint64_t pages;			  /* (M) */
	uint32_t refs;			  /* (M) 0: being taken down */
	uint16_t is_file, watched; /* (C), (M) 1: see changed.c */
	void *dir;	 /* (M) chunk (depth 0) or frame of 512 pointers */
	uint32_t depth, seen; /* (M) pointers' levels; scratch of verify.c */
	uint32_t changes; /* (n) under the mm lock; see changed.c */
	uint64_t dirty;	 /* (M) frames whose content its file has not yet */
	uint64_t taken_down; /* (M) chunks freed so far, when refs == 0 */
	struct fw_image *image; /* (C) image sections: what they are made of */
} __attribute__((aligned(128))); /* PTE_SECTION_UNIT */

/* One page file; see pfile.c. */
#define PFILE_CHUNK_SLOTS 32768u /* slots per bitmap frame */
#define PFILE_DIRS 8
struct fw_pfile {
	uint64_t slots; /* (C) */
	uint64_t limit; /* (M) slots that have a bitmap; multiple of chunk */
	uint64_t used, usable; /* (M) slots below limit; that may ever be */
	uint64_t hint, good; /* (n) where the last run, what is good, ends */
	/* (n) What was written behind that failed: see slot_written. */
	uint64_t trial, shy, fails, fails_since;
	uint64_t **dir[PFILE_DIRS]; /* (M) frames of 512 bitmap pointers */
};

/* The pageable pool; see pool_paged.c. */
#define PPOOL_CLASSES 8 /* 32 to 4096 bytes */
struct fw_ppool {
	fw_vpn start;	/* 0: there is none */
	uint64_t pages;
	uint64_t taken; /* pages in use, charged */
	uint64_t hint;	/* (n) where to look for a free one */
	uint32_t head[PPOOL_CLASSES]; /* page + 1 of those with room */
	void **dir;	/* frame of pointers to frames of descriptors */
};

#define POOL_CLASSES 11
#define POOL_PROTO 0 /* as a size: a clone prototype */
#define ACTOR_MAX 4096u
#define ACTOR_INDEX_BITS 12
#define SECTION_BUCKETS 64
#define WAIT_WORDS 64
#define STANDBY_LISTS FW_PRIO_LEVELS
#define STANDBY_NORMAL FW_PRIO_NORMAL
#define FRAMES_EMERGENCY 16 /* never used for pages: tables and pools */
#define FRAMES_LAST 8 /* of those, the others may be when all memory is full
		       * and a page must be read */

struct fw_mm {
	struct fw_lock lock;
	/* What every fault reads, in cache lines that nobody writes to. */
	uint32_t nframes __attribute__((aligned(64))); /* (C) n * 16 */
	uint32_t base;		 /* (C) first frame that is managed */
	uint32_t policy;	 /* (C) enum fw_policy_id */
	uint32_t page_frames;	 /* (C) that pages may have; nframes: all */
	uint32_t core_frames;	 /* (C) set apart for tables and pools */
	uint32_t store_max;	 /* (C) frames of the compressed store */
	uint64_t random;	 /* (n) state of a generator: policy.c */
	struct fw_frame *frames; /* (C) by PFN */
	struct fw_block *blocks; /* (C) by PFN / 16 */
	uint32_t *scratch;	 /* (C) verify.c: one word a frame */
	void *port_area;	 /* (C) */
	fw_vpn user_min, user_top; /* (C) */
	struct fw_space *system; /* (M) or NULL; see system.c */
	fw_vpn system_start, system_end, session_start, session_end; /* (M) */
	fw_vpn kernel_low; /* (M) first of these, or FW_VPN_END */
	struct fw_ppool ppool; /* (M) */
	uint32_t stripes;	 /* (C) of each space lock */
	/* (M) Frames from here on were never used. */
	uint32_t fresh __attribute__((aligned(64)));
	uint32_t touched; /* (n) ... and from here on never touched */
	uint32_t taken;	  /* (n) frames taken since the last kick */
	uint32_t count[FRAME_STATES]; /* (M) */
	struct fw_list standby[STANDBY_LISTS], modified, no_write; /* (M) */
	struct fw_list mapped; /* (M) modified, for the files of sections */
	struct fw_list store_log, store_empty; /* (M) see cstore.c */
	uint64_t store_frames, store_pages, store_bytes; /* (M) theirs; live */
	/* (n) cstore_size.c; cstore_dense.c: how far, store_in at its start */
	uint32_t store_goal, store_noted, store_light, store_dense, store_freed;
	fw_pfn store_cursor;
	uint64_t gain_ram, gain_store, gain_loads, store_seen, store_turn;
	uint64_t ***store_index[PFILE_DIRS]; /* (M) 512 chunks each */
	/* (M) By PFN; the latter: slabs with room. */
	uint32_t block_head[BLOCK_LISTS], pool_head[POOL_CLASSES];
	struct fw_space *spaces; /* (M) */
	struct fw_section *sections, *bucket[SECTION_BUCKETS]; /* (M) */
	uint64_t tables, pool, n_spaces, n_sections, n_watched; /* (M) */
	uint32_t next_space_id, actor_top; /* (M) the latter: ever used */
	uint64_t n_actors, ws_kept, committed; /* (M) hard minima; charged */
	uint32_t strict;	 /* (C) see commit.c */
	uint32_t write_fails, write_fails_since; /* (n) in a row; second */
	uint64_t trim_clock;	 /* (n) batches trimmed so far */
	uint32_t n_pfiles;	 /* (M) */
	uint32_t progress;	 /* (n) changes when frames come free */
	uint32_t waiting;	 /* (n) atomic: actors in fwp_wait; too high
				  * when one died there: only wakes in vain */
	uint32_t starved;	 /* (n) see reclaim.c */
	struct fw_pfile pfile[FW_MAX_PAGE_FILES];
	struct read_error read_error[WAIT_WORDS]; /* (n) by wait word */
	uint32_t wait[WAIT_WORDS]; /* (n) by PFN: change when a read ends */
	/* Statistics (n). */
	uint64_t pages_read, reads, pages_written, writes, pages_zero_elided;
	uint64_t mapped_writes, mapped_pages, write_errors;
	uint64_t store_in, store_in_bytes; /* compressed so far; cstore.c */
	uint64_t store_reads, store_loads, store_moved; /* faults; pages */
	uint64_t store_packed, store_condensed; /* objects */
	uint64_t evicted; /* pages that lost their frame: refault.c's clock */
	uint64_t ahead, ahead_used, ahead_wasted; /* see struct fw_totals */
	uint64_t refaults, refaults_near, refault_distance[FW_DISTANCES];
	uint64_t seconds, mapped_due, thrash_near, thrash_read; /* balance.c */
	uint32_t thrash; /* percent */
	/* (n) turn.c: space id or 0; turns given; seconds left, at most; what
	 * it had a second ago; ticks spent in reads until then */
	uint32_t turn, turns, turn_left, turn_most, turn_quiet, turn_pad;
	uint64_t turn_had, turn_ticks;
	uint64_t trims, pages_trimmed, rollbacks, reaps, peak_active, oopses;
	uint64_t moves[FRAME_STATES][FRAME_STATES];
	uint64_t dead_count[FW_KIND_COUNT], dead_ticks[FW_KIND_COUNT],
		dead_pages[FW_KIND_COUNT];
	/* The journal. */
	uint32_t undo_count, undo_pad;
	struct fw_undo undo[FW_UNDO_MAX];
	struct fw_actor *actor[ACTOR_MAX];     /* (M) by index */
	uint32_t actor_generation[ACTOR_MAX];  /* (M) */
};

#endif
