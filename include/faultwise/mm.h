/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the memory manager: frames, spaces, regions, sections, faults.
 *
 * All state lives in the RAM that is managed: `struct fw_mm` stands at the
 * start of frame 0, the frame database follows it, and whatever else is
 * needed (page tables, region descriptors, prototype PTEs, slot bitmaps) is
 * taken from free frames. Every pointer in it is valid wherever the RAM is
 * mapped at the same address, so several processes can run the core on one
 * RAM. No function pointer is ever stored there.
 *
 * Locks. Order: the stripes of one space lock, ascending, then the mm lock;
 * never the locks of two spaces. Builds with FW_LOCK_ORDER check that. All
 * state of the core is guarded by the mm lock, but for what mm/fault_fast.c
 * names; the space lock serialises changes of one space with its
 * cached translations (fwp_tlb_*), and is held across their sequence. The
 * core takes both itself, except in functions named *_locked, which want
 * the space lock held by the caller. No lock is held across I/O, waiting,
 * or (but for a few words) copying.
 *
 * Death. Each store to shared state is journalled (mm/journal.h): when an
 * actor dies inside a critical section, the next one to take the mm lock
 * rolls it back, so that it sees the state as of the last consistent point.
 * What an actor holds outside critical sections (reserved frames, pages in
 * I/O) is listed in its `struct fw_actor`; fw_actor_reap() gives it back.
 *
 * Contracts, where a function says nothing else. It is called with no lock of
 * the core held, by the thread whose actor it is given, and may wait for
 * locks; it does no I/O and waits for nobody's. Addresses and lengths are in
 * bytes and multiples of a page, page numbers and counts in pages; a range
 * must lie below user_top, in what is mapped not below user_min, and not wrap,
 * else FW_E_INVAL; FW_E_NOENT: there is no region where one must be. Objects
 * given to it exist, and stay its caller's. Those that make something answer
 * FW_E_NOMEM when frames for its records cannot be had, and have then made
 * nothing; to get those frames they may trim, write modified pages, and so
 * block for I/O. Outputs (ret_*) are untouched unless the status is FW_OK.
 *
 * Sources: Windows Internals (6th ed., part 2, ch. 10) for the structures;
 * Intel SDM vol. 3A ch. 4 for the tables.
 */
#ifndef FAULTWISE_MM_H
#define FAULTWISE_MM_H

#include <faultwise/port.h>
#include <faultwise/space.h>
#include <faultwise/types.h>

#define FW_MAX_PAGE_FILES 16
#define FW_MAX_ACTOR_FRAMES 64 /* frames an actor may hold in a plan or I/O */
#define FW_MAX_ANNOUNCE 40     /* ranges an actor may announce at once */
#define FW_MAX_ACTOR_LOG 64    /* frames it may be filling with compressed
				* pages */
#define FW_MAX_ACTOR_MOVES 32  /* of these, that it writes to page files */

/* Page priorities: pages on standby are given up in this order. */
#define FW_PRIO_LEVELS 8
#define FW_PRIO_NORMAL 5
#define FW_PRIO_NONE (-1) /* none of its own */

struct fw_mm;	   /* the whole; see mm/records.h */
struct fw_frame;   /* one frame's record, 32 bytes */
struct fw_section; /* what views map: a file's pages or anonymous ones */
struct fw_vad;	   /* a region of a space */

struct fw_range {
	fw_addr start;
	uint64_t len; /* bytes; any alignment */
	uint32_t access; /* FW_ACC_READ or FW_ACC_WRITE */
	uint32_t pinned; /* announced: the frames are accessed, by a device
			  * for example, and not by way of translations */
};

/*
 * An actor is whoever runs the core: a thread with a name of its own. Its
 * record is shared, so that others can see what it held when it died.
 * Fields marked (P) belong to the port and are not touched by the core.
 */
struct fw_actor {
	uint32_t id;	    /* index + generation; never 0 */
	uint32_t host_tid;  /* (P) */
	uint32_t host_pid;  /* (P) */
	uint64_t port_ptr, port_thread; /* (P) */
	struct fw_space *space; /* space whose pages are announced, or NULL */
	uint32_t n_announced;
	uint32_t n_held;	/* frames listed in held[] */
	uint32_t held_kind;	/* enum in mm/plan.h: reserved, read, write */
	uint16_t in_use;
	uint16_t prio;		/* 1 + priority of pages it faults in, or 0 */
	uint32_t locks;		/* FW_LOCK_ORDER builds: those it holds */
	uint32_t n_keep;
	struct fw_range announced[FW_MAX_ANNOUNCE];
	fw_pfn held[FW_MAX_ACTOR_FRAMES];
	fw_vpn keep;		/* n_keep pages that its own trims leave be */
	uint32_t n_log, n_moving; /* see mm/cstore.c */
	fw_pfn log[FW_MAX_ACTOR_LOG];
	uint32_t moving[FW_MAX_ACTOR_MOVES];
	uint64_t moving_to[FW_MAX_ACTOR_MOVES];
	struct fw_section *held_section; /* referenced while it is read */
	struct fw_section *own_section;	 /* see fw_section_hold() */
	struct fw_space *forking; /* child that a fork has not finished */
	uint64_t fault_count[FW_KIND_COUNT];  /* (own writes only) */
	uint64_t fault_ticks[FW_KIND_COUNT];  /* (P) time, port's ticks */
	uint64_t pages_count[FW_KIND_COUNT];  /* pages made valid, by kind */
};

/* Kinds of region. */
enum fw_vad_kind {
	FW_VAD_PRIVATE,	  /* anonymous, private; demand zero */
	FW_VAD_SECTION,	  /* shared view of a section */
	FW_VAD_PRIVATE_VIEW, /* copy-on-write view of a section */
	FW_VAD_HOST,	  /* the port maps the host's own pages here; a page
			   * made valid takes one frame out of circulation
			   * (the credit), whose content is never used */
	FW_VAD_RESERVED,  /* address space only; any access is a violation */
};

enum fw_vad_flags {
	FW_VADF_STACK = 1,     /* grows down within itself; lowest page of it
				* is never given (guard gap) */
	FW_VADF_GUARD = 2,     /* guard pages: the first access to each ends
				* as FW_KIND_GUARD and makes it ordinary. With
				* STACK (>= 3 pages): it begins with one page
				* and a guard page below it, which moves down
				* when it is touched (FW_KIND_STACK), or ends
				* the access as FW_KIND_OVERFLOW when it
				* cannot; below it all is reserved */
	FW_VADF_LOCKED = 4,    /* mlock: pages are not trimmed */
	FW_VADF_DONTFORK = 8,  /* not in the child (MADV_DONTFORK) */
	FW_VADF_WIPEONFORK = 16, /* child sees zeros */
	FW_VADF_RANDOM = 32,   /* no windows, no read-ahead */
	FW_VADF_SEQUENTIAL = 64,
	FW_VADF_NORESERVE = 128,
	FW_VADF_KERNEL = 256,  /* set by the core: of a kernel space, U=0 */
	FW_VADF_PORT = 0xffff0000, /* sixteen bits for the port (os/) */
};

/*
 * A region. 96 bytes. Read under the space lock (or from the space's only
 * thread); changed by the core alone, but for the bits of FW_VADF_PORT and
 * `tag`, which the port may set under the space lock.
 */
struct fw_vad {
	/* What a search reads comes first: it lies in one cache line. */
	fw_vpn start, end;	/* pages [start, end) */
	struct fw_vad *left, *right, *parent; /* balanced tree by start */
	uint8_t kind;		/* enum fw_vad_kind */
	uint8_t prot;		/* enum fw_prot bits */
	uint8_t max_prot;	/* what mprotect may grant */
	int8_t balance;
	uint32_t flags;		/* enum fw_vad_flags */
	struct fw_section *section; /* views; NULL otherwise */
	uint64_t page;		/* views, host: section page of `start` */
	uint64_t cookie;	/* the port's; kept by splits and fork */
	fw_vpn stack_low;	/* FW_VADF_STACK: lowest page given */
	uint32_t tag;		/* the port's; kept by splits and fork */
	uint8_t window;		/* first touches: pages of the next window */
	uint8_t prio;		/* 1 + priority of its pages; 0: none set */
	/* What it has been worth, in points: ahead.c. */
	int8_t ahead;		/* reading pages along */
	int8_t writes;		/* taking pages that are read as written to */
	fw_vpn last_fault;	/* read-ahead: where a walk would go on */
};
_Static_assert(sizeof(struct fw_vad) <= 96, "a region costs little");

struct fw_mm_config {
	uint32_t nframes;	/* frames of RAM, >= 256, < 2^31 */
	fw_vpn user_min, user_top; /* where regions may lie */
	uint32_t port_bytes;	/* bytes set aside for the port directly
				 * behind the frame database */
	uint32_t policy;	/* enum fw_policy_id; 0: FW_POLICY_NT */
	uint32_t page_frames;	/* frames that pages may have in all; what is
				 * left of nframes (at least 64) is for page
				 * tables and the core's records. 0: both take
				 * what there is */
	uint32_t store_frames;	/* of nframes, that hold compressed pages in
				 * front of the page files, at most; 0: pages
				 * go there as they are. Wants a port that
				 * compresses; nframes < 2^24 */
	uint32_t strict; /* 1: promise only memory that is there; else as
			  * Linux does by default. See mm/commit.c */
	uint32_t stripes; /* of each space lock: 2 to 16 where threads of a
			   * space fault in parallel and neighbours need not
			   * lie in neighbouring frames; 0 or 1 elsewhere
			   * and with policies other than FW_POLICY_NT */
};

/* Which pages leave memory first; mm/policy.c says how each decides. */
enum fw_policy_id {
	FW_POLICY_NT,	  /* by age, ahead of need */
	FW_POLICY_CLOCK,  /* second chance */
	FW_POLICY_FIFO,	  /* the oldest */
	FW_POLICY_RANDOM, /* any */
	FW_POLICIES
};

/* "nt", "clock", ...; NULL for a number out of range. */
const char *fw_policy_name(enum fw_policy_id id);
const char *fw_policy_text(enum fw_policy_id id); /* a few words on it */

/* ---- the whole -------------------------------------------------------- */

/*
 * Builds a manager in the RAM at `ram` (nframes pages, zero-filled, page
 * aligned, mapped at the same address for all who will use it). Touches only
 * the struct and the frame database; free frames are not touched, and count
 * as zeroed only when `fresh_is_zero` semantics hold: RAM never used reads as
 * zero. FW_E_INVAL for a config out of range.
 */
enum fw_status fw_mm_init(void *ram, const struct fw_mm_config *config,
			  struct fw_mm **ret_mm);
void *fw_mm_port_area(struct fw_mm *mm);  /* the port_bytes, 64-aligned */
void *fw_frame_data(struct fw_mm *mm, fw_pfn pfn); /* its 4096 bytes */
/*
 * Takes a frame out of use for good (its memory is bad). FW_OK: it is out.
 * FW_E_BUSY: something is in it; it goes out as soon as that is freed, or is
 * in its backing store and in no working set. FW_E_INVAL: not a frame that
 * is managed (the core's own records lie in the first ones).
 */
enum fw_status fw_frame_retire(struct fw_mm *mm, struct fw_actor *actor,
			       fw_pfn pfn);

/* Adds page file number 0..15 of `slots` slots (slot 0 and the last
 * encodable one are never used). FW_E_LIMIT for the 17th. */
enum fw_status fw_page_file_add(struct fw_mm *mm, struct fw_actor *actor,
				uint64_t slots, unsigned *ret_file);
/* Its number is free again. FW_E_BUSY: there are pages in it. FW_E_LIMIT:
 * strict commit has promised its slots. */
enum fw_status fw_page_file_remove(struct fw_mm *mm, struct fw_actor *actor,
				   unsigned file);

/* ---- memory for the port's shared records ----------------------------- */

/* Zeroed, 16-aligned, <= 4096 bytes, from frames of the RAM; survives until
 * freed. Takes the mm lock. NULL when no frame is left. */
void *fw_kalloc(struct fw_mm *mm, struct fw_actor *actor, size_t size);
void fw_kfree(struct fw_mm *mm, struct fw_actor *actor, void *p, size_t size);

/* ---- actors ----------------------------------------------------------- */

/* The first actor of a run is made with actor == NULL. */
enum fw_status fw_actor_create(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_actor **ret_new);
/* Orderly end: holds nothing, announces nothing. Adds its counters to the
 * mm's totals. One may end oneself (by == dead): the record may be another's
 * before the mm lock is free, so the port's fwp_unlock must not look at it. */
void fw_actor_destroy(struct fw_mm *mm, struct fw_actor *by,
		      struct fw_actor *dead);
/* After death: gives back what it held (reserved frames are freed, reads
 * fail and are retried by whoever waits, writes are undone: the pages are
 * modified again), withdraws its announcements, destroys it. By its id, since
 * of several who find it dead one is first: the others find nobody. */
void fw_actor_reap(struct fw_mm *mm, struct fw_actor *by, uint32_t id);
struct fw_actor *fw_actor_by_id(struct fw_mm *mm, uint32_t id); /* or NULL */
/* Calls visit for each living record (under the mm lock; must not block). */
void fw_actor_each(struct fw_mm *mm, struct fw_actor *by,
		   void (*visit)(struct fw_actor *, void *), void *arg);

/* ---- spaces ----------------------------------------------------------- */

/*
 * Entries of the new root (space->root) that lie wholly at or above user_top
 * are zero, but for those of the kernel half (below). The port may fill them
 * with what its own kernel needs in each space; the core neither reads nor
 * changes them, nor are they a forked child's.
 */
enum fw_status fw_space_create(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space **ret_space);
/*
 * A space that was created or forked belongs to the actor that did it, and
 * goes when that actor is reaped, until it is handed over: *ref, memory of
 * fw_kalloc, names it in the same step (NULL: the caller sees to it).
 */
void fw_space_hand_over(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, struct fw_space **ref);
/*
 * Frees everything of a space in which nobody runs any more; the port has
 * no translation of it cached that anybody could use. In steps, each of
 * which is consistent; may be called again by another after a death.
 */
void fw_space_destroy(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space);
/* Calls visit for each space (under the mm lock; must not block). One whose
 * port record was never filled in belongs to an actor that died early. */
void fw_space_each(struct fw_mm *mm, struct fw_actor *by,
		   void (*visit)(struct fw_space *, void *), void *arg);
/* The same for the space that *ref names (NULL: nothing to do). *ref is
 * memory of fw_kalloc; it is NULL as soon as the space is gone, so that a
 * successor of a dead destroyer never destroys another space in its place. */
void fw_space_destroy_ref(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space **ref);
/* The whole space lock; may block. A fault takes one stripe of it. */
void fw_space_lock(struct fw_space *space, struct fw_actor *actor);
void fw_space_unlock(struct fw_space *space);
/* The lock that a fault on this page takes. */
struct fw_lock *fw_space_lock_of(struct fw_space *space, fw_vpn vpn);
/* Valid user PTEs (working-set size), and faults so far. No locks: a moment's
 * value. */
uint64_t fw_space_resident(const struct fw_space *space);
uint64_t fw_space_faults(const struct fw_space *space);
/*
 * fork(2): makes a copy-on-write copy. The parent's space lock is held by
 * the caller and stays held (so that the port can copy what it has cached
 * knowing that it is read-only: fwp_tlb_flush(WRPROT) has been called for
 * what was writable and private). Private pages get clone prototypes; no
 * page is copied, except those that any actor announces for writing in the
 * parent: the child gets copies of these and the parent's stay writable.
 * Other pages that are valid in the parent are valid in the child, with the
 * same FW_PTE_CACHED bits: a port that copies its cache to the child (as a
 * host's fork does with mappings) need drop only regions that the child has
 * not, FW_VAD_HOST ones, and everything if child->eager is not 0.
 * On failure (FW_E_NOMEM, FW_E_LIMIT) nothing remains of the child.
 */
enum fw_status fw_space_fork_locked(struct fw_mm *mm, struct fw_actor *actor,
				    struct fw_space *parent,
				    struct fw_space **ret_child);

/*
 * Fork cannot wait for frames, since the space lock is held. Before taking
 * it, call fw_make_room(mm, actor, parent, fw_space_fork_need(parent)); on
 * FW_E_NOMEM release the lock, do so again, and retry a few times.
 */
uint64_t fw_space_fork_need(const struct fw_space *parent);
/* Makes n frames available, by trimming and writing; blocks; without locks.
 * False when that is not possible. */
bool fw_make_room(struct fw_mm *mm, struct fw_actor *actor,
		  struct fw_space *space, uint64_t n);

/* Fork as it was before copy on write: gives a child that nobody runs in yet
 * its own copy of each private writable page that it has, now. Blocks; without
 * locks. FW_E_NOMEM, FW_E_IO: some are copied, the others still shared. */
enum fw_status fw_fork_copy(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *child, uint64_t *ret_copied);

/* ---- the kernel half -------------------------------------------------- */

/*
 * The addresses above the users' that all processes have in common: a system
 * space, and for each process that has joined one a session's space, shared by
 * the processes of the session. Both are spaces like a process's: they take
 * fw_map, fw_trim and the rest (not fw_space_destroy, not FW_VAD_HOST), and
 * have working sets of their own. Their pages have U=0. Ranges are multiples
 * of what one entry of a root table spans (512 GiB with 4 levels, 1 GiB with
 * PAE, 4 MiB with 2), canonical, at or above mm's user_top, and disjoint.
 * Each span costs one frame for the system, and one for each session.
 */
struct fw_system_config {
	fw_addr start;
	uint64_t len;
	fw_addr session_start;
	uint64_t session_len; /* 0: there are no sessions */
};
/* Before the first process: FW_E_BUSY. FW_E_INVAL: the ranges. */
enum fw_status fw_system_create(struct fw_mm *mm, struct fw_actor *actor,
				const struct fw_system_config *config);
/* After the last one: FW_E_BUSY. */
enum fw_status fw_system_destroy(struct fw_mm *mm, struct fw_actor *actor);
struct fw_space *fw_system_space(struct fw_mm *mm); /* or NULL */
enum fw_status fw_session_create(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_space **ret_session);
/* FW_E_BUSY while a process is in it. */
enum fw_status fw_session_destroy(struct fw_mm *mm, struct fw_actor *actor,
				  struct fw_space *session);
/* For life; children by fork are in it too. FW_E_BUSY: is in one already. */
enum fw_status fw_session_join(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *process,
			       struct fw_space *session);
/* The space whose lock guards this address in a process: its own, its
 * session's, the system's. NULL: nobody's. */
struct fw_space *fw_space_of(struct fw_space *space, fw_addr addr);

/*
 * Pageable memory for the kernel, in the system space: what is allocated there
 * is demand zero, counts in the system's working set and goes to the page
 * file. Contents are unspecified at first. One pool a system.
 */
enum fw_status fw_pool_create(struct fw_mm *mm, struct fw_actor *actor,
			      fw_addr start, uint64_t pages);
/* `size` > 0 bytes, aligned to the power of two above it (a page at most).
 * FW_E_NOMEM: pool, frames or commit are used up. Takes locks. */
enum fw_status fw_pool_alloc(struct fw_mm *mm, struct fw_actor *actor,
			     uint64_t size, fw_addr *ret_addr);
/* FW_E_INVAL: nothing was allocated there. */
enum fw_status fw_pool_free(struct fw_mm *mm, struct fw_actor *actor,
			    fw_addr addr);
void fw_pool_destroy(struct fw_mm *mm, struct fw_actor *actor);

/*
 * The limits of its working set, in pages; 0: none. Soft ones say whose pages
 * are taken first when frames are short. Hard ones always hold: trimming
 * stops at the minimum; a fault above the maximum takes a page of the same
 * space first (locked and announced pages are not taken). Children have the
 * limits of their parent, but no hard minimum.
 * FW_E_INVAL: min > max, or a hard maximum below 128. FW_E_LIMIT: hard minima
 * would take more than half of the frames.
 */
enum fw_ws_flags {
	FW_WS_MIN_HARD = 1,
	FW_WS_MAX_HARD = 2,
};
#define FW_WS_MAX_LEAST 128
enum fw_status fw_space_set_limits(struct fw_mm *mm, struct fw_actor *actor,
				   struct fw_space *space, uint64_t min,
				   uint64_t max, uint32_t flags);

/* ---- regions ---------------------------------------------------------- */

struct fw_map_request {
	fw_addr start;	/* page aligned; see fw_find_gap */
	uint64_t len;	/* page multiple, > 0 */
	uint8_t kind, prot, max_prot, replace; /* replace: unmap first, else
						* FW_E_EXIST on overlap */
	uint32_t flags;
	struct fw_section *section; /* views: one reference is taken */
	uint64_t page;	/* page of the section at `start` */
	uint64_t cookie;
	uint32_t tag;
	uint32_t pad;
};

enum fw_status fw_map(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space, const struct fw_map_request *rq);
/* Whatever lies in the range goes; holes are no error. */
enum fw_status fw_unmap(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_addr start, uint64_t len);
/* FW_E_NOENT when the range has a hole (the part before it is changed, as
 * in Linux), FW_E_FAULT when max_prot forbids it. */
enum fw_status fw_protect(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, fw_addr start, uint64_t len,
			  unsigned prot);
/* MADV_DONTNEED: private pages read as zero or as the section again. Shared
 * views lose only their PTEs. Holes: FW_E_NOENT after doing the rest. */
enum fw_status fw_discard(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, fw_addr start, uint64_t len);
/* Sets and clears flags (not FW_VADF_STACK) on the regions of the range,
 * splitting them at its ends. */
enum fw_status fw_set_flags(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space, fw_addr start, uint64_t len,
			    uint32_t set, uint32_t clear);
/* Another cookie for the region that is exactly this range; FW_E_NOENT when
 * there is none. A neighbour that it continues now becomes one with it. */
enum fw_status fw_set_cookie(struct fw_mm *mm, struct fw_actor *actor,
			     struct fw_space *space, fw_addr start,
			     uint64_t len, uint64_t cookie);
/* The range leaves the working set (pages that are announced excepted): its
 * pages are the next to be written and given up. */
enum fw_status fw_evict(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_addr start, uint64_t len);
/*
 * The priority of the pages that faults bring into the range from now on: 0
 * to 7 (7: given up last), or FW_PRIO_NONE. What counts is that of the
 * region, else of the actor, else of the space, else FW_PRIO_NORMAL, two less
 * in FW_VADF_SEQUENTIAL regions. A page shared by several keeps the highest.
 * FW_E_NOENT when the range has a hole, after doing the rest.
 */
enum fw_status fw_set_priority(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *space, fw_addr start,
			       uint64_t len, int prio);
/* FW_E_INVAL when out of range. */
enum fw_status fw_actor_set_priority(struct fw_actor *actor, int prio);
enum fw_status fw_space_set_priority(struct fw_mm *mm, struct fw_actor *actor,
				     struct fw_space *space, int prio);
/*
 * Moves the pages of [from, from + len), which must lie in one region, with
 * their contents to the free range at `to` (mremap). The PTEs move; no page
 * is copied. FW_E_FAULT when it is not one region, FW_E_EXIST when the
 * target is not free.
 */
enum fw_status fw_move(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, fw_addr from, uint64_t len,
		       fw_addr to);
/* The same, in place of whatever lies in [to, to + room), beside the source,
 * room >= len: that goes in the same step, even if frames are then short. */
enum fw_status fw_move_over(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space, fw_addr from, uint64_t len,
			    fw_addr to, uint64_t room);
/* Grows the region that ends at `end`, or the private one that begins at
 * `start`, by `more` bytes in place: FW_E_EXIST when something is there. */
enum fw_status fw_extend(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space, fw_addr end, uint64_t more);
enum fw_status fw_extend_down(struct fw_mm *mm, struct fw_actor *actor,
			      struct fw_space *space, fw_addr start,
			      uint64_t more);
/* A free range of `len` bytes, page aligned, within [low, high): the highest
 * (top_down) or the lowest. Wants the space lock. FW_E_NOMEM when none. */
enum fw_status fw_find_gap_locked(struct fw_space *space, uint64_t len,
				  fw_addr low, fw_addr high, bool top_down,
				  fw_addr *ret_start);
/* The region that holds `addr`, or the first one above; NULL. Space lock. */
struct fw_vad *fw_vad_at_or_above(struct fw_space *space, fw_addr addr);
struct fw_vad *fw_vad_next(struct fw_vad *vad);

/* ---- sections --------------------------------------------------------- */

/* What a section is: two files with equal keys are the same file. */
struct fw_section_key {
	uint64_t dev, ino;
	uint64_t version; /* the port's: changes when the content may have */
};

/*
 * Anonymous (key == NULL): `pages` pages, demand zero, page-file backed.
 * File: an existing section with this key is returned, else a new one made;
 * its pages are read by fwp_section_read. The caller owns one reference.
 * Prototype PTEs are made in chunks when first needed.
 */
enum fw_status fw_section_create(struct fw_mm *mm, struct fw_actor *actor,
				 const struct fw_section_key *key,
				 uint64_t pages, struct fw_section **ret);
void fw_section_ref(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_section *section);
/* The last reference frees its pages and slots. */
void fw_section_unref(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_section *section);
/* For callers that may die: as fw_section_create and fw_section_ref, but the
 * reference is the actor's, whose death (fw_actor_reap) gives it back; alive,
 * it does so by fw_section_let_go. An actor holds no more than one such. */
enum fw_status fw_section_create_held(struct fw_mm *mm,
				      struct fw_actor *actor,
				      const struct fw_section_key *key,
				      uint64_t pages,
				      struct fw_section **ret);
void fw_section_hold(struct fw_mm *mm, struct fw_actor *actor,
		     struct fw_section *section);
void fw_section_let_go(struct fw_mm *mm, struct fw_actor *actor);
/* A new size. Shrinking frees nothing that is mapped; files' only grow. */
enum fw_status fw_section_resize(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_section *section, uint64_t pages);
/* Pages of an anonymous section (FW_E_INVAL: a file's) become zero, whoever
 * maps them; those in no working set give up their frames and slots. */
enum fw_status fw_section_zero(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_section *s, uint64_t page, uint64_t n);
uint64_t fw_section_pages(const struct fw_section *section);
/* The key it was made with; NULL for an anonymous one. */
const struct fw_section_key *fw_section_file(const struct fw_section *section);
/*
 * Writes all pages of [page, page + n) that shared views of a file have
 * changed and no working set holds now (trim them before) to the file; pages
 * that are held back stay. Blocks; no locks. FW_E_IO: a write failed; the
 * pages are still there and modified. FW_E_INVAL for anonymous sections.
 */
enum fw_status fw_section_flush(struct fw_mm *mm, struct fw_actor *actor,
				struct fw_section *section, uint64_t page,
				uint64_t n);
/*
 * Holds back the pages of [start, start + len), which must lie in shared,
 * writable views of files: they count as modified, and are not written out
 * until released, whoever maps or unmaps them (a journal that must reach the
 * disk before what it describes). What was being written is waited for:
 * nothing stored after the return reaches the file before the release. They
 * occupy RAM until then. Blocks; no locks. FW_E_INVAL for other regions, and
 * what a write access could fail with; pages before the one that failed are
 * held then.
 */
enum fw_status fw_hold(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, fw_addr start, uint64_t len);
/* Ends that for pages [page, page + n) of the section, to which the caller
 * has a reference. Returns how many of them were held. */
uint64_t fw_release(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_section *section, uint64_t page, uint64_t n);

/* A segment of a program's image. */
struct fw_segment {
	uint64_t page, pages; /* of the section; ascending, > 0 */
	uint64_t file_page;   /* the file's page that is at `page` */
	uint64_t bytes;	      /* that come from the file; the rest is zero */
	uint8_t prot;	      /* enum fw_prot */
	uint8_t shared;	      /* 1: what is written is seen by all views, and
			       * goes to the page file; 0: copy on write */
	uint8_t pad[6];
};
/*
 * A program file as its segments are to be in memory; never the file's data
 * section, with which it shares no pages. An image with this key that exists
 * is returned (its segments stay as they are), else made from at most about
 * 100 segments. Read by fwp_section_read, which is given pages of the file.
 */
enum fw_status fw_image_create(struct fw_mm *mm, struct fw_actor *actor,
			       const struct fw_section_key *key,
			       const struct fw_segment *segment, unsigned n,
			       struct fw_section **ret);
/* Maps all segments with their protections, page 0 at rq->start; of rq only
 * start, section, flags, cookie and tag matter. All or nothing. */
enum fw_status fw_image_map(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space,
			    const struct fw_map_request *rq);

/* ---- faults ----------------------------------------------------------- */

/* One fault, from trap to outcome. In: addr, access. The rest is output. */
struct fw_fault {
	fw_addr addr;
	uint32_t access; /* enum fw_access bits */
	enum fw_kind kind;
	fw_vpn window;	/* pages [window, window + n) were made valid */
	uint32_t n;
	uint32_t collisions; /* times it waited for another's read */
	uint32_t io_pages; /* pages read from a store or file */
	uint32_t trimmed; /* pages it had to trim to get frames */
	enum fw_status status; /* FW_KIND_IOERR, _EOF: what the store or file
				* said, to whoever read or waited for it */
	uint64_t distance; /* pages read: how many others have lost their
			    * frame since this one did, roughly; so many more
			    * frames would have kept it. 0: not known, or its
			    * first time */
};

/*
 * Resolves the fault as far as that is possible: blocks for I/O and for
 * frames. Calls fwp_tlb_fill for what it made valid. The outcome is
 * f->kind; fw_kind_resolved(f->kind) says that the access can be retried.
 */
void fw_fault(struct fw_mm *mm, struct fw_actor *actor, struct fw_space *space,
	      struct fw_fault *f);

/*
 * Makes the ranges valid for their access, loads them into the port's cache
 * (fwp_tlb_fill, also for pages that were valid but may not be cached), and
 * announces them in the actor's record: until fw_withdraw they are not
 * trimmed, and are discarded where they are. Who takes their region or its
 * rights away takes them too; if they can be had again behind a change, by
 * whomever, they are loaded again before it returns.
 * Who takes pages away that are `pinned`, waits until they are withdrawn.
 * Ranges in FW_VAD_HOST regions count too. Returns how far it got in *ret_ok
 * (whole ranges) and *ret_bytes (bytes of the first range that failed that
 * are all right), with FW_E_FAULT, FW_E_IO, FW_E_EOF or FW_E_NOMEM; what is
 * all right is announced then as well.
 * n <= FW_MAX_ANNOUNCE; together <= 64 + n pages, else FW_E_LIMIT.
 */
enum fw_status fw_announce(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, const struct fw_range *r,
			   unsigned n, unsigned *ret_ok, uint64_t *ret_bytes);
void fw_withdraw(struct fw_actor *actor);
/*
 * For a port that drops translations at will, those of announced pages
 * excepted: the lowest range of pages announced in the space, by whomever,
 * that ends above `vpn`; false: there is none. Space lock: it keeps others
 * from announcing, not from withdrawing. Takes a look at every actor.
 */
bool fw_announced_next(const struct fw_mm *mm, const struct fw_space *space,
		       fw_vpn vpn, fw_vpn *ret_start, fw_vpn *ret_end);

/*
 * Copies between a buffer and a space's memory by walking its tables
 * (faulting pages in). Returns the bytes copied; less than len means that
 * the next byte is not accessible. Not for FW_VAD_HOST regions (stops there).
 */
uint64_t fw_copy_in(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_space *space, void *to, fw_addr from,
		    uint64_t len);
uint64_t fw_copy_out(struct fw_mm *mm, struct fw_actor *actor,
		     struct fw_space *space, fw_addr to, const void *from,
		     uint64_t len);

/*
 * Sets ret[i], for n pages from `start` on, to 1 when touching the page needs
 * no read because a frame holds its content, whoever brought it there; else
 * to 0, as for one that nobody touched yet. Takes the space lock and, 64 pages
 * at a time, the mm lock.
 */
void fw_resident(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, fw_addr start, uint64_t n,
		 uint8_t *ret);
/* The PTE of a page (0 when there is no table), the frame's number in it
 * where valid. Space lock. */
fw_pte fw_pte_read_locked(struct fw_space *space, fw_vpn vpn);
/*
 * Two bits of a valid PTE belong to the port: what its cache holds of it (not
 * with 2-level tables or PAE, where the CPU leaves no bit for them).
 * They are zero in a PTE that has just become valid, and survive until the
 * PTE becomes invalid or fwp_tlb_flush was called for it; fork copies them.
 */
#if FW_LEVELS == 4
#define FW_PTE_CACHED ((fw_pte)1 << 52)	  /* the cache maps it */
#define FW_PTE_CACHED_W ((fw_pte)1 << 53) /* ... for writing */
#else
#define FW_PTE_CACHED ((fw_pte)0)
#define FW_PTE_CACHED_W ((fw_pte)0)
#endif
#define FW_PTE_VALID ((fw_pte)1)
#define FW_PTE_WRITE ((fw_pte)2)  /* a write is permitted without a fault */
#define FW_PTE_DIRTY ((fw_pte)64)
#define FW_PTE_NX (FW_LEVELS == 2 ? (fw_pte)0 : (fw_pte)((uint64_t)1 << 63))
static inline fw_pfn fw_pte_pfn(fw_pte pte)
{
	return (fw_pfn)((pte >> FW_PAGE_SHIFT) & 0xffffffffu);
}
/* Stores the two bits for the valid PTEs of [vpn, vpn + n); not journalled
 * (a stale 1 is harmless, a stale 0 must not happen: set before mapping,
 * clear after unmapping). Space lock. */
void fw_pte_set_cached_locked(struct fw_space *space, fw_vpn vpn, unsigned n,
			      fw_pte bits);
/* Pointer to the FW_TABLE_ENTRIES PTEs that hold vpn's, or NULL; the first vpn
 * of the table is a multiple. Space lock. For fast walks by the port. */
fw_pte *fw_pte_table_locked(struct fw_space *space, fw_vpn vpn);

#include <faultwise/balance.h>

#endif
