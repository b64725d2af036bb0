/* SPDX-License-Identifier: MIT */
/*
 * port.h - what the core asks of its host. Eight functions are mandatory;
 * the others have do-nothing defaults in mm/port_default.c (weak symbols).
 *
 * The core calls them in the context of the actor (thread) that entered it.
 * "mm lock" is mm->lock, "space lock" is space->lock. A function that may
 * not block must return in bounded time without waiting for another actor.
 */
#ifndef FAULTWISE_PORT_H
#define FAULTWISE_PORT_H

#include <faultwise/types.h>

struct fw_mm;
struct fw_space;
struct fw_section;
struct fw_actor;

/*
 * A lock that survives the death of its owner. Zero bytes are an unlocked
 * lock. `robust` and `word` belong to the port (on Linux: an entry of the
 * thread's robust list, and the futex); the core never looks at them.
 */
struct fw_lock {
	uint64_t robust[2];
	uint32_t word;
	uint32_t owner; /* actor id of the holder; for diagnosis */
};

/* What becomes of cached translations. */
enum fw_flush {
	FW_FLUSH_DROP,	  /* forget them: the next access faults */
	FW_FLUSH_WRPROT,  /* keep them for reading only */
	FW_FLUSH_RIGHTS,  /* after the PTEs: they give no more than those do */
};

/* ---- mandatory -------------------------------------------------------- */

/*
 * Takes the lock; may block. Returns true when the previous owner died
 * holding it: the caller owns the lock all the same and must repair what it
 * guards (the core replays its undo journal).
 */
bool fwp_lock(struct fw_lock *lock, uint32_t actor_id);
void fwp_unlock(struct fw_lock *lock);

/*
 * Waits until *word is no longer `seen`, or about 10 ms passed, or something
 * else woke the caller. Called without locks. `owner` is the actor that is
 * to change the word: the port may help it (continue a stopped process); 0:
 * nobody in particular, and the answer does not matter.
 * Returns false when that actor is known to be dead.
 */
bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner);
void fwp_wake(uint32_t *word); /* wakes all waiters; does not block */

/*
 * Reads or writes `n` pages (1..64) of page file `file`, from slot `slot` on,
 * into or from the frames pfn[0..n). Blocks; called without locks. FW_OK, or
 * FW_E_IO, or for a write FW_E_FULL: contents of the frames or slots are then
 * unspecified. A page whose write failed stays modified, and its slot is free
 * again; one whose read failed stays in its slot, and everybody who waited for
 * it gets an in-page error (or reads it again himself).
 */
enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n);
enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n);

/*
 * Drops or write-protects every cached translation of the pages
 * [vpn, vpn + n) of the space, on every processor, before it returns.
 * Called with the space lock held, never with the mm lock. May be called
 * for pages that were never cached. Must not fail. To drop them will do where
 * less is asked for; but a port whose announced pages (fw_announce) are
 * reached by their translations keeps those.
 *
 * The entries change (for FW_FLUSH_RIGHTS they have changed), and tables and
 * frames are freed, after the call and before the space lock is released:
 * until then the translations must not come back. A cache that is filled by
 * fwp_tlb_fill alone sees to that by itself. A CPU that walks the tables does
 * not: it must leave them (run on tables without these pages) from this call
 * until the lock is released.
 */
void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how);

/* Ends the system (or this process) with a message; never returns. */
_Noreturn void fwp_panic(const char *message, const char *file, int line);

/* ---- optional --------------------------------------------------------- */

/*
 * Compresses a page, which may change meanwhile: writes at most `room` bytes
 * (a few thousand) to `to` and returns how many; 0: it does not fit, or the
 * port does not compress. And back: `n` bytes, which may be any bytes, to the
 * page; false: they are not what fwp_compress made of one. Needed by
 * config.store_frames. Called without locks; must not block, nor need frames.
 */
unsigned fwp_compress(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room);
bool fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
		    void *page);

/*
 * The same by a method that makes pages smaller and takes longer. It is used
 * when the store would not hold by the first one what it has. A port may have
 * it in some of its threads only, where there is time, and 0 in the others;
 * what it makes must be understood in all.
 */
unsigned fwp_condense(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room);
bool fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		void *page);

/*
 * The PTEs of [vpn, vpn + n) (n <= 64) have just become valid or more
 * permissive: the port may load them into its cache. Not every one of them
 * need be valid. Called with the space lock held, not the mm lock.
 */
void fwp_tlb_fill(struct fw_space *space, fw_vpn vpn, unsigned n);

/*
 * The PTE of `vpn` is about to name another frame with the same content (copy
 * on write); fwp_tlb_fill for it follows soon. The default calls
 * fwp_tlb_flush(DROP). A port whose fill replaces what is cached may do
 * nothing, provided that no other processor can use the old translation until
 * then (the space has one thread): the old frame may be reused before. Called
 * with the space lock held, not the mm lock.
 */
void fwp_tlb_replace(struct fw_space *space, fw_vpn vpn);

/*
 * Reads pages [page, page + n) (n <= 16) of the file behind `section` into
 * the frames. `cookie` is the cookie of the view that faulted. Bytes beyond
 * the end of the file must be zero. Blocks; called without locks. FW_OK,
 * FW_E_IO, or FW_E_EOF when page `page` itself begins beyond the end (pages
 * after the first that do so are zeroed and are no error); *ret_n <= n is
 * the number of leading pages that lie at least partly within the file.
 */
enum fw_status fwp_section_read(struct fw_section *section, uint64_t cookie,
				uint64_t page, const fw_pfn *pfn, unsigned n,
				unsigned *ret_n);

/*
 * Writes the frames to pages [page, page + n) (n <= 16) of the file behind
 * the section (fw_section_file() says which); bytes beyond the end of the
 * file are not written. The frames may be changed meanwhile; they are then
 * written once more. Needed by ports that map files as FW_VAD_SECTION with
 * write access: until a page is written it stays in RAM. Blocks; called
 * without locks, also when no view of the section is left; must not need
 * frames. FW_OK or FW_E_IO.
 */
enum fw_status fwp_section_write(struct fw_section *section, uint64_t page,
				 const fw_pfn *pfn, unsigned n);

/*
 * Pages [page, page + n) of a view with this cookie are no longer part of
 * any region of the space. Called with the space lock held, never with the
 * mm lock. Not called when a whole space is destroyed.
 */
void fwp_view_gone(struct fw_space *space, uint64_t cookie, uint64_t page,
		   uint64_t n);

/*
 * Frames are short: asks the owners of other spaces (which lock and unmap
 * for themselves) to give up about `n` pages in all, preferably from
 * `victim`, and waits a bounded time (10 ms) for progress. Without locks.
 * Returns true when something was asked for and may have helped.
 */
bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n);
/* The same ahead of need: without waiting for the answer. True when somebody
 * has been asked. The default calls fwp_ask_trim(). */
bool fwp_post_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n);

/* Kernel threads that the core has woken: which of balance.h's steps. */
enum fw_kthread {
	FW_KTHREAD_WRITER, /* fw_writer_tick(): modified pages to write */
	FW_KTHREAD_MAPPED, /* fw_mapped_tick(): the same of files */
	FW_KTHREAD_ZERO,   /* fw_zero_tick(): frames to zero or to touch */
	FW_KTHREADS
};

/*
 * There is work for that kernel thread. Does not block; called without locks,
 * while pages go in and out a few times for each fault: should cost little
 * when the thread is awake. A kick may be lost, at the price of time: the
 * threads look once a second on their own.
 */
void fwp_kick(struct fw_mm *mm, enum fw_kthread who);

/* So many percent of the pages read within the last second had left too soon:
 * what runs does not fit. From fw_balance_second(); without locks. */
void fwp_thrash(struct fw_mm *mm, unsigned percent);

/* A preemption and death point for tests: called at every journalled store.
 * The default does nothing and is inlined away in production builds. */
void fwp_step(struct fw_mm *mm);

/* A refusal point for tests: asked in builds with FW_STEP before each
 * allocation, under the mm lock. True: as though there were none to be had.
 * The default says false; production builds do not ask. */
enum fw_need {
	FW_NEED_FRAME,	/* for a page */
	FW_NEED_CORE,	/* a frame for a table or a slab */
	FW_NEED_POOL,	/* a record */
	FW_NEED_SLOT,	/* in a page file */
	FW_NEED_COMMIT, /* a promise */
	FW_NEED_ROOM,	/* frames for what follows: once granted, nothing is
			 * asked until the mm lock is released */
	FW_NEEDS
};
bool fwp_refuse(const struct fw_mm *mm, enum fw_need need);

/* True when the actor's thread exists (stopped ones do). */
bool fwp_actor_alive(struct fw_mm *mm, uint32_t actor_id);

#endif
