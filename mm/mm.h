/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the inside of the memory manager: its structures and the functions
 * its files share. Read journal.h and pte.h first, then frame.c.
 *
 * Guards, named in the field comments: (C) constant after creation, (M) mm
 * lock and journalled, (S) space lock, (n) not journalled: a statistic or a
 * hint, written under the mm lock or by one actor only.
 *
 * Functions here want the mm lock unless they say otherwise.
 */
#ifndef FW_MM_MM_H
#define FW_MM_MM_H

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
	uint64_t count;
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
	uint32_t is_file;		  /* (C) */
	void *dir;	 /* (M) chunk (depth 0) or frame of 512 pointers */
	uint32_t depth;	 /* (M) levels of pointers above the chunks */
	uint32_t pad;
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
	uint64_t used;	/* (M) */
	uint64_t usable; /* (M) slots below limit that may ever be used */
	uint64_t hint;	/* (n) where the last run ended */
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
	uint64_t random;	 /* (n) state of a generator: policy.c */
	struct fw_frame *frames; /* (C) by PFN */
	struct fw_block *blocks; /* (C) by PFN / 16 */
	uint32_t *scratch;	 /* (C) verify.c: one word a frame */
	void *port_area;	 /* (C) */
	fw_vpn user_min, user_top; /* (C) */
	struct fw_space *system; /* (M) or NULL; see system.c */
	fw_vpn system_start, system_end; /* (M) */
	fw_vpn session_start, session_end; /* (M) */
	fw_vpn kernel_low; /* (M) first of these, or FW_VPN_END */
	struct fw_ppool ppool; /* (M) */
	uint32_t stripes;	 /* (C) of each space lock */
	/* (M) Frames from here on were never used. */
	uint32_t fresh __attribute__((aligned(64)));
	uint32_t touched; /* (n) ... and from here on never touched */
	uint32_t taken;	  /* (n) frames taken since the last kick */
	uint64_t count[FRAME_STATES]; /* (M) */
	struct fw_list standby[STANDBY_LISTS], modified, no_write; /* (M) */
	struct fw_list mapped; /* (M) modified, for the files of sections */
	uint32_t block_head[BLOCK_LISTS]; /* (M) */
	uint32_t pool_head[POOL_CLASSES]; /* (M) slabs with room, by PFN */
	uint64_t tables, pool; /* (M) frames of that type */
	struct fw_space *spaces; /* (M) */
	struct fw_section *sections, *bucket[SECTION_BUCKETS]; /* (M) */
	uint64_t n_spaces, n_sections, n_actors; /* (M) */
	uint64_t ws_kept; /* (M) sum of the hard minima of spaces */
	uint32_t next_space_id;	 /* (M) */
	uint32_t actor_top;	 /* (M) slots ever used */
	uint64_t committed;	 /* (M) pages charged */
	uint32_t strict;	 /* (C) see commit.c */
	uint32_t pad0;
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
	uint64_t evicted; /* pages that lost their frame: refault.c's clock */
	uint64_t ahead, ahead_used, ahead_wasted; /* see struct fw_totals */
	uint64_t refaults, refaults_near, refault_distance[FW_DISTANCES];
	uint64_t seconds, mapped_due, thrash_near, thrash_read; /* balance.c */
	uint32_t thrash; /* percent */
	uint32_t pad;
	uint64_t trims, pages_trimmed, rollbacks, reaps, peak_active;
	uint64_t oopses;
	uint64_t moves[FRAME_STATES][FRAME_STATES];
	uint64_t dead_count[FW_KIND_COUNT], dead_ticks[FW_KIND_COUNT],
		dead_pages[FW_KIND_COUNT];
	/* The journal. */
	uint32_t undo_count;
	uint32_t undo_pad;
	struct fw_undo undo[FW_UNDO_MAX];
	struct fw_actor *actor[ACTOR_MAX];     /* (M) by index */
	uint32_t actor_generation[ACTOR_MAX];  /* (M) */
};

static inline void journal_word(struct fw_mm *mm, uintptr_t at)
{
	uint32_t n = mm->undo_count;

	FW_ASSERT(n < FW_UNDO_MAX);
	mm->undo[n].at = at;
	if (at & FW_UNDO_HALF)
		mm->undo[n].old = *(const fw_half *)(at - FW_UNDO_HALF);
	else
		mm->undo[n].old = *(const fw_word *)at;
	fw_barrier();
	*(volatile uint32_t *)&mm->undo_count = n + 1;
	fw_barrier();
#ifdef FW_STEP
	fwp_step(mm);
#endif
}

/* Saves the word that holds *target, or both: 32-bit CPUs align 8 bytes to 4
 * only. See journal.h. */
static inline void journal_log(struct fw_mm *mm, void *target, size_t size)
{
	uintptr_t at = (uintptr_t)target, word = at & ~(uintptr_t)7;

	if (FW_UNDO_HALF && size <= sizeof(fw_half)) {
		journal_word(mm, (at & ~(uintptr_t)3) | FW_UNDO_HALF);
		return;
	}
	journal_word(mm, word);
	if (sizeof(void *) < 8 && at - word + size > 8)
		journal_word(mm, word + 8);
}

/* ---- mm.c: the lock ------------------------------------------------------ */

void mm_lock(struct fw_mm *mm, struct fw_actor *actor);
void mm_unlock(struct fw_mm *mm);
/* The state is consistent here: nothing before is ever undone. */
void mm_checkpoint(struct fw_mm *mm);
/* Lets others in between two batches. */
void mm_breathe(struct fw_mm *mm, struct fw_actor *actor);

void fw_memzero(void *to, size_t n);
void fw_memcpy(void *to, const void *from, size_t n);
bool fw_page_is_zero(const void *page);
/* Text and decimal digits, as far as there is room below `end`; returns where
 * they end. */
char *fw_put_text(char *to, const char *end, const char *text);
char *fw_put_number(char *to, const char *end, uint64_t n);

/* ---- frame.c ------------------------------------------------------------- */

static inline struct fw_frame *frame_at(struct fw_mm *mm, fw_pfn pfn)
{
	FW_ASSERT(pfn >= mm->base && pfn < mm->nframes);
	return mm->frames + pfn;
}

/* Its list on standby, or the size class of a slab; marks stay. */
static inline unsigned frame_prio(const struct fw_frame *f)
{
	return f->prio & FRAME_PRIO_MASK;
}

static inline void frame_set_prio(struct fw_mm *mm, struct fw_frame *f,
				  unsigned prio)
{
	if (frame_prio(f) != prio)
		FW_SET(mm, f->prio, (f->prio & ~FRAME_PRIO_MASK) | prio);
}

static inline fw_pfn frame_pfn(const struct fw_mm *mm,
			       const struct fw_frame *f)
{
	return (fw_pfn)(f - mm->frames);
}

static inline void *frame_data(const struct fw_mm *mm, fw_pfn pfn)
{
	return (char *)(uintptr_t)mm + ((size_t)pfn << FW_PAGE_SHIFT);
}

static inline uint64_t frames_available(const struct fw_mm *mm)
{
	return mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE] +
	       mm->count[FRAME_STANDBY];
}

/* Frames that pages never take: tables and pools do, and use up what was set
 * apart for them. */
static inline uint64_t frames_reserve(const struct fw_mm *mm)
{
	uint64_t used = mm->tables + mm->pool;

	return FRAMES_EMERGENCY +
	       (used < mm->core_frames ? mm->core_frames - used : 0);
}

/* Whether n frames may be taken for pages, the reserve kept. */
static inline bool frames_room(const struct fw_mm *mm, uint64_t n)
{
	return frames_available(mm) >= n + frames_reserve(mm);
}

/* Frames that hold nothing and may be taken for pages, and some more. */
static inline uint64_t frames_idle(const struct fw_mm *mm)
{
	uint64_t idle = mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE];
	uint64_t kept = frames_reserve(mm) - FRAMES_EMERGENCY;

	return idle > kept ? idle - kept : 0;
}

/* Where the frames of one block of pages are best taken from. */
struct frame_cluster {
	fw_pfn base; /* aligned block, or FW_PFN_NONE */
	bool whole_tried;
};

void frame_move(struct fw_mm *mm, struct fw_frame *f, enum frame_state to);
/* Any frame, now active and HELD; *ret_zero tells whether it is zeroed.
 * FW_PFN_NONE when none is available. */
fw_pfn frame_take(struct fw_mm *mm, bool want_zero, bool *ret_zero);
/* The same for page `index` (0..15) of a block of pages. */
fw_pfn frame_take_in(struct fw_mm *mm, struct frame_cluster *c,
		     unsigned index, bool want_zero, bool *ret_zero);
/* A free or zeroed frame, which may be filled at once, or FW_PFN_NONE. */
fw_pfn frame_take_idle(struct fw_mm *mm);
/* The first frame of a block of zeroed frames that are active from now on,
 * for whoever maps them, or FW_PFN_NONE. Their records say ZEROED still. */
fw_pfn frames_lend(struct fw_mm *mm);
/* Those in `left` (a bit each) are given back, still zeroed. */
void frames_return(struct fw_mm *mm, fw_pfn base, uint32_t left);
/* A free frame that is not zeroed, or FW_PFN_NONE. */
fw_pfn frame_take_free(struct fw_mm *mm);
/* A zeroed frame for the core itself, of the given type. */
fw_pfn frame_take_core(struct fw_mm *mm, enum frame_type type);
/*
 * Sees to it that n frames are free or zeroed, as far as standby goes. Only
 * those may be filled in the critical section that takes them: a standby
 * frame's old content must be there again if the section is undone. At
 * consistent points only; mm_lock() does it for FRAMES_LAST.
 */
void frames_prime_slow(struct fw_mm *mm, uint64_t n);
static inline void frames_prime(struct fw_mm *mm, uint64_t n)
{
	if (mm->count[FRAME_ZEROED] + mm->count[FRAME_FREE] < n)
		frames_prime_slow(mm, n);
}
void frame_free(struct fw_mm *mm, struct fw_frame *f);
void frame_free_zeroed(struct fw_mm *mm, struct fw_frame *f);
/* Forgets the slot in `original`, unless it is being written just now. */
void frame_drop_slot(struct fw_mm *mm, struct fw_frame *f);
/* The page of this frame, invalid everywhere, ceases to exist. */
void frame_discard(struct fw_mm *mm, struct fw_frame *f);
/* One valid PTE less names the frame; at the last one it retires to standby,
 * modified or free, and *pte (PTE or prototype) says where the page is. */
void frame_unshare(struct fw_mm *mm, struct fw_frame *f, bool dirty,
		   unsigned prot);
void frame_mark_dirty(struct fw_mm *mm, struct fw_frame *f);
/* Where a page goes that nobody maps and no I/O is under way for: standby,
 * modified or modified no-write; nowhere, if its frame is to be retired and
 * the page can be read again. */
void frame_settle(struct fw_mm *mm, struct fw_frame *f);
uint32_t *frame_wait_word(struct fw_mm *mm, fw_pfn pfn);
/* fwp_wait and fwp_wake, the latter only when somebody may be waiting; the
 * word has changed before. No locks. */
bool mm_wait(struct fw_mm *mm, uint32_t *word, uint32_t seen, uint32_t owner);
void mm_wake(struct fw_mm *mm, uint32_t *word);

/* ---- block.c, list.c ----------------------------------------------------- */

void block_put(struct fw_mm *mm, fw_pfn pfn, bool zeroed);
void block_get(struct fw_mm *mm, fw_pfn pfn);
/* First frame of a wholly available block, or FW_PFN_NONE. */
fw_pfn block_find_whole(struct fw_mm *mm, bool want_zero);
/* One available frame, best from a broken block, or FW_PFN_NONE. */
fw_pfn block_find_single(struct fw_mm *mm, bool want_zero);
/* Takes all 16 frames of a wholly zeroed block: the first one's number, or
 * FW_PFN_NONE. */
fw_pfn block_get_all(struct fw_mm *mm);
/* Puts some of them back, zeroed. */
void block_put_zeroed(struct fw_mm *mm, fw_pfn base, uint32_t bits);
/* One free (not zeroed) frame, or FW_PFN_NONE. */
fw_pfn block_find_free(struct fw_mm *mm);
bool block_has(const struct fw_mm *mm, fw_pfn pfn);
/* Brings frames into circulation up to this one. Checkpoints. */
void block_reach(struct fw_mm *mm, fw_pfn pfn);

void list_push(struct fw_mm *mm, struct fw_list *l, struct fw_frame *f);
void list_remove(struct fw_mm *mm, struct fw_list *l, struct fw_frame *f);

/* ---- pool.c -------------------------------------------------------------- */

/* Zeroed memory of `size` <= 4096 bytes, or a prototype; or NULL. */
void *pool_alloc(struct fw_mm *mm, size_t size);
void pool_free(struct fw_mm *mm, void *p, size_t size);
/* A word kept in the frame record of an object that fills its frame. */
void pool_set_note(struct fw_mm *mm, const void *p, uint64_t note);
uint64_t pool_note(struct fw_mm *mm, const void *p);
size_t pool_class_size(unsigned class);

/* ---- table.c: page tables of a space ------------------------------------- */

fw_pte *table_find(struct fw_space *space, fw_vpn vpn);
/* What an entry of this level spans: 1 << table_shift(level) pages. */
static inline unsigned table_shift(unsigned level)
{
	return FW_TABLE_BITS * (level - 1);
}
/* The first page behind the table that holds vpn's PTE. */
static inline fw_vpn table_end(fw_vpn vpn)
{
	return (vpn | (FW_TABLE_ENTRIES - 1)) + 1;
}
/* The PTE of vpn, tables made as needed; NULL when frames are short. */
fw_pte *table_make(struct fw_mm *mm, struct fw_space *space, fw_vpn vpn);
/* The first PTE at or after *vpn, below end, that has a table; *vpn moves. */
fw_pte *table_next(struct fw_space *space, fw_vpn *vpn, fw_vpn end);
/* Frees the tables that served [start, end) and serve no region any more;
 * checkpoints. */
void table_prune(struct fw_mm *mm, struct fw_space *space, fw_vpn start,
		 fw_vpn end);
/* Frees all tables but the root of a space without regions; checkpoints. */
void table_prune_all(struct fw_mm *mm, struct fw_space *space);
/* The entries on the way to a page, root first; how many there are. */
unsigned table_path(struct fw_space *space, fw_vpn vpn,
		    fw_pte entry[FW_LEVELS]);

/* ---- vad.c --------------------------------------------------------------- */

/* Lookups want the space lock or the mm lock. */
struct fw_vad *vad_find(struct fw_space *space, fw_vpn vpn);
struct fw_vad *vad_find_near(struct fw_space *space, struct fw_stripe *s,
			     fw_vpn vpn); /* beginning with the hint of s */
struct fw_vad *vad_above(struct fw_space *space, fw_vpn vpn);
struct fw_vad *vad_prev(struct fw_vad *vad);
void vad_insert(struct fw_mm *mm, struct fw_space *space, struct fw_vad *vad);
void vad_remove(struct fw_mm *mm, struct fw_space *space, struct fw_vad *vad);
/* Cuts the region at `at` (inside it); NULL when frames are short. Returns
 * the upper part. */
struct fw_vad *vad_split(struct fw_mm *mm, struct fw_space *space,
			 struct fw_vad *vad, fw_vpn at);
/* Joins the region with its neighbours where they are alike. Checkpoints. */
struct fw_vad *vad_merge(struct fw_mm *mm, struct fw_space *space,
			 struct fw_vad *vad);
/* A copy of the region at `to`, in this or another space, inserted. */
struct fw_vad *vad_duplicate(struct fw_mm *mm, struct fw_space *to_space,
			     const struct fw_vad *vad, fw_vpn to);
uint64_t vad_charge(const struct fw_vad *vad, uint64_t pages);

/* ---- page.c: one page of a space ----------------------------------------- */

/* The valid PTE of a page of this region. */
fw_pte page_pte(const struct fw_vad *vad, fw_pfn pfn, bool proto, bool dirty);
/* Takes away whatever stands in a PTE; the PTE becomes zero. Returns 1 when
 * it was valid. Translations must have been dropped. */
unsigned page_drop(struct fw_mm *mm, fw_pte *pte);
/* A valid PTE becomes invalid, the page stays (trim). */
void page_evict(struct fw_mm *mm, const struct fw_vad *vad, fw_pte *pte);
/* The clone prototype loses one reference. */
void proto_unref(struct fw_mm *mm, struct fw_proto *p);
/* The content of a prototype (invalid everywhere) is dropped. */
void proto_clear(struct fw_mm *mm, struct fw_proto *p);
void space_resident(struct fw_mm *mm, struct fw_space *space, int64_t delta);

/* ---- system.c: the kernel half ------------------------------------------- */

/* Page numbers and addresses: the latter are canonical. */
static inline fw_vpn vpn_of(fw_addr addr)
{
	return addr >> FW_PAGE_SHIFT & (FW_VPN_END - 1);
}

static inline fw_addr addr_of(fw_vpn vpn)
{
	fw_addr addr = vpn << FW_PAGE_SHIFT;

	if (FW_VA_BITS == 48 && vpn >= FW_VPN_END / 2)
		addr |= ~(fw_addr)0 << (FW_VA_BITS - 1);
	return addr;
}

bool vpn_is_kernel(const struct fw_mm *mm, fw_vpn vpn);
/* Where a page belongs, seen from a process (or NULL): see fw_space_of. */
struct fw_space *space_of(struct fw_mm *mm, struct fw_space *space,
			  fw_vpn vpn);
/* Of a new process: the system's tables, the session's. */
void space_share_kernel(struct fw_mm *mm, struct fw_space *s);
void space_join(struct fw_mm *mm, struct fw_space *s,
		struct fw_space *session);
/* Of one that ends. */
void space_unshare_kernel(struct fw_mm *mm, struct fw_space *s);
/* Whose tables a process's root names there; NULL: its own. */
struct fw_space *root_owner(const struct fw_space *s, unsigned index);
/* What verify.c is to find of the pool. */
uint64_t ppool_count(struct fw_mm *mm, uint64_t *ret_errors);
/* ---- space.c ------------------------------------------------------------- */

/* As fw_space_create(), but does not wait for frames; `forking` notes it in
 * the actor's record. No locks, or the space lock of another space. */
enum fw_status space_create_now(struct fw_mm *mm, struct fw_actor *actor,
				bool forking, struct fw_space **ret_space);

/* ---- section.c ----------------------------------------------------------- */

/* The prototype of a page, or NULL (no chunk; with `make`: frames short). */
struct fw_proto *section_proto(struct fw_mm *mm, struct fw_section *s,
			       uint64_t page, bool make);
/* The page of the section whose prototype this is. */
uint64_t section_page(struct fw_mm *mm, const struct fw_proto *proto);
/* So many more frames hold what its file does not. */
void section_dirtied(struct fw_mm *mm, struct fw_section *s, int64_t delta);
void section_get(struct fw_mm *mm, struct fw_section *s);
/* Returns true when section_sweep() should be called, without locks. */
bool section_put(struct fw_mm *mm, struct fw_section *s);
struct fw_section *section_lookup(struct fw_mm *mm,
				  const struct fw_section_key *key, bool image);
struct fw_section *section_make(struct fw_mm *mm,
				const struct fw_section_key *key,
				uint64_t pages);
/* Takes down sections without references. No locks. */
void section_sweep(struct fw_mm *mm, struct fw_actor *actor);

/* ---- image.c ------------------------------------------------------------- */

/* The segment of a page of an image section, or NULL. */
const struct fw_segment *image_segment(const struct fw_section *s,
				       uint64_t page);
/* What the prototype of a page of an image says at first. */
fw_pte image_proto(const struct fw_mm *mm, const struct fw_section *s,
		   uint64_t page);
/* Shortens [low, high) to what lies in the file with `page`. */
void image_clip(const struct fw_section *s, uint64_t page, uint64_t *low,
		uint64_t *high);
uint64_t image_file_page(const struct fw_section *s, uint64_t page);
/* What is not the segment's, in pages that have been read, becomes zero. */
void image_zero_tail(struct fw_mm *mm, const struct fw_section *s,
		     uint64_t page, const fw_pfn *pfn, unsigned n);
void image_free(struct fw_mm *mm, struct fw_image *image);

/* ---- pfile.c ------------------------------------------------------------- */

/* A run of up to n adjacent slots; 0 when full. */
unsigned slot_alloc(struct fw_mm *mm, unsigned n, unsigned *ret_file,
		    uint64_t *ret_slot);
void slot_free(struct fw_mm *mm, unsigned file, uint64_t slot);
bool slot_is_used(const struct fw_mm *mm, unsigned file, uint64_t slot);
/* Whether the 64 aligned slots around it are all free. */
bool slot_word_empty(const struct fw_mm *mm, unsigned file, uint64_t slot);
/* Makes bitmaps ahead of need while there are frames. */
void pfile_grow(struct fw_mm *mm);
uint64_t pfile_slots(const struct fw_mm *mm);
/* No slot is left, and none can be made. */
bool pfile_full(const struct fw_mm *mm);

/* ---- commit.c ------------------------------------------------------------ */

uint64_t commit_limit(const struct fw_mm *mm);
/* Whether so many pages more may be promised. */
bool commit_allows(const struct fw_mm *mm, uint64_t pages, uint32_t flags);
/* The flags of a region of this protection: whether it is charged. */
uint32_t commit_flags(const struct fw_mm *mm, uint32_t flags, unsigned prot);
void commit_charge(struct fw_mm *mm, struct fw_space *space, int64_t pages);

/* ---- actor.c ------------------------------------------------------------- */

enum held_kind { HELD_NONE, HELD_RESERVED, HELD_READ, HELD_WRITE };

void actor_hold(struct fw_mm *mm, struct fw_actor *a, enum held_kind kind,
		const fw_pfn *pfn, unsigned n);
void actor_unhold(struct fw_mm *mm, struct fw_actor *a);
/* fw_actor_reap() for an actor that may be gone already. No locks. */
void actor_reap_id(struct fw_mm *mm, struct fw_actor *by, uint32_t id);
static inline uint32_t actor_id(const struct fw_actor *a)
{
	return a ? a->id : 0;
}

/* ---- announce.c ---------------------------------------------------------- */

/* Who announces pages of a space: a snapshot, good while its lock is held. */
#define ANNOUNCERS_MAX 32
struct announcers {
	const struct fw_mm *mm;
	const struct fw_space *space;
	const struct fw_actor *actor[ANNOUNCERS_MAX];
	unsigned n;
	bool all; /* more than the list holds: all actors are asked */
	fw_vpn keep; /* as good as announced; reads only */
	unsigned n_keep;
};
void announcers_of(struct fw_mm *mm, const struct fw_space *space,
		   struct announcers *ret);
/* Why an access failed. */
enum fw_status kind_status(enum fw_kind kind);
bool announced(const struct announcers *a, fw_vpn vpn, bool writes_only);

/* ---- fault_io.c: the end of a read --------------------------------------- */

/* A frame whose read ended: standby when it has good content. */
void frame_read_done(struct fw_mm *mm, struct fw_frame *f, bool good);
/* A frame whose write ended. */
void frame_write_done(struct fw_mm *mm, struct fw_frame *f, bool good);

/* ---- refault.c ----------------------------------------------------------- */

/* The page of the frame, on standby, is taken away: what it becomes. */
fw_pte refault_leave(struct fw_mm *mm, struct fw_frame *f);
/* The page at loc is about to be read: how many pages left since it did; 0:
 * not known. `file`: loc is in file form, in a section's prototype. */
uint64_t refault_return(struct fw_mm *mm, const fw_pte *loc, bool file);

/* ---- wset.c, reclaim.c --------------------------------------------------- */

/* Space lock held, mm lock not. */
unsigned trim_space_locked(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, unsigned n);
/* Sees to it that a fault does not lift the space above its hard maximum;
 * without locks. Returns how many pages went. */
unsigned wset_make_way(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space);
/* Evicts every valid page of the range; space lock held, mm lock not. */
void evict_range_locked(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_vpn start, fw_vpn end);
uint64_t reclaim_low(const struct fw_mm *mm);
/* Tries to make n frames available, without locks. `round` counts the calls
 * of one need; false: hopeless. *trimmed grows. */
bool reclaim(struct fw_mm *mm, struct fw_actor *actor, struct fw_space *space,
	     unsigned n, unsigned round, uint32_t *trimmed);
/* Keeps some frames available ahead of need; after a fault, without locks. */
void reclaim_ahead(struct fw_mm *mm, struct fw_actor *actor,
		   struct fw_space *space, struct fw_fault *f);

/* ---- region.c ------------------------------------------------------------ */

/* Drops all pages of [start, end) of the space; space lock held (or nobody
 * runs in it), mm lock not. */
void range_drop(struct fw_mm *mm, struct fw_actor *actor,
		struct fw_space *space, fw_vpn start, fw_vpn end, bool flush);

#endif
