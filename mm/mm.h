/* SPDX-License-Identifier: MIT */
/*
 * mm.h - the inside of the memory manager: the functions that its files
 * share, file by file. Read journal.h, records.h and pte.h first, then
 * frame.c.
 *
 * Functions here want the mm lock unless they say otherwise.
 */
#ifndef FW_MM_MM_H
#define FW_MM_MM_H

#include <mm/records.h>

static inline void journal_word(struct fw_mm *mm, const fw_undo_word *word)
{
	uint32_t n = mm->undo_count;

	FW_ASSERT(n < FW_UNDO_MAX);
	mm->undo[n].at = (uintptr_t)word;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	mm->undo[n].old = *word;
	fw_barrier();
	*(volatile uint32_t *)&mm->undo_count = n + 1;
	fw_barrier();
#ifdef FW_STEP
	fwp_step(mm);
#endif
}

/* Saves what holds *target, of up to 8 bytes: one word or two. See
 * journal.h. */
static inline void journal_log(struct fw_mm *mm, void *target, size_t size)
{
	const uintptr_t in = sizeof(fw_undo_word) - 1;
	const fw_undo_word *word = (void *)((uintptr_t)target & ~in);

	journal_word(mm, word);
	if (size > sizeof(fw_undo_word))
		journal_word(mm, word + 1);
}

/* A test wants this allocation to fail: see fwp_refuse. */
static inline bool refused(const struct fw_mm *mm, enum fw_need need)
{
#ifdef FW_STEP
	return fwp_refuse(mm, need);
#else
	(void)mm, (void)need;
	return false;
#endif
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
/* The page is in its frame only, from now on. */
void frame_give_up_slot(struct fw_mm *mm, struct fw_frame *f);
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

/* So many pages more are in its regions. */
static inline void space_grown(struct fw_mm *mm, struct fw_space *space,
			       uint64_t pages)
{
	FW_ADD(mm, space->mapped, pages);
	if (space->mapped > space->mapped_peak)
		space->mapped_peak = space->mapped;
}

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
/* The PTE that says where the content of a page that is not valid is: *pte or
 * a prototype. NULL: it is valid, or the prototype was never made, or it lies
 * past the end of what is mapped. */
fw_pte *page_locate(struct fw_mm *mm, const struct fw_vad *vad, fw_vpn vpn,
		    fw_pte *pte, bool *ret_proto);
/* Takes away whatever stands in a PTE; the PTE becomes zero. Returns 1 when
 * it was valid. Translations must have been dropped. */
unsigned page_drop(struct fw_mm *mm, fw_pte *pte);
/* A valid PTE becomes invalid, the page stays (trim). */
void page_evict(struct fw_mm *mm, struct fw_vad *vad, fw_pte *pte);
/* A page of the region that lies in a page file has been written to for the
 * first time, or goes without (ahead.c). */
void ahead_note_use(struct fw_vad *vad, bool written);
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
/* What the port has put into the root goes. */
void root_clear_port(struct fw_mm *mm, struct fw_space *s);
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
/* The first page from this one on that has a prototype; UINT64_MAX: none. */
uint64_t section_next(const struct fw_section *s, uint64_t page);
/* The page of the section whose prototype this is. */
uint64_t section_page(struct fw_mm *mm, const struct fw_proto *proto);
/* So many more frames hold what its file does not. */
void section_dirtied(struct fw_mm *mm, struct fw_section *s, int64_t delta);
void section_get(struct fw_mm *mm, struct fw_section *s);
/* Returns true when section_sweep() should be called, without locks. */
bool section_put(struct fw_mm *mm, struct fw_section *s);
struct fw_section *section_lookup(struct fw_mm *mm,
				  const struct fw_section_key *key, bool image);
/* Of the sections of a file, of whatever version, that follows; NULL: none.
 * No images. */
struct fw_section *section_of_file(struct fw_mm *mm, uint64_t dev,
				   uint64_t ino, struct fw_section *after);
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
/* One slot of the file of the compressed store; 0: none. */
uint64_t slot_alloc_store(struct fw_mm *mm);
void slot_free(struct fw_mm *mm, unsigned file, uint64_t slot);
/* What became of a write to a run of them. */
void slot_written(struct fw_mm *mm, unsigned file, uint64_t slot, unsigned n,
		  enum fw_status status);
bool slot_is_used(const struct fw_mm *mm, unsigned file, uint64_t slot);
/* Whether the 64 aligned slots around it are all free. */
bool slot_word_empty(const struct fw_mm *mm, unsigned file, uint64_t slot);
/* Makes bitmaps ahead of need while there are frames. */
void pfile_grow(struct fw_mm *mm);
uint64_t pfile_slots(const struct fw_mm *mm);
/* No slot is left, and none can be made; or nothing behind those that are in
 * use has been written well for a while. */
bool pfile_full(const struct fw_mm *mm);
/* That, or no write at all has been good for as long. */
bool pfile_hopeless(const struct fw_mm *mm);

/* ---- commit.c ------------------------------------------------------------ */

uint64_t commit_limit(const struct fw_mm *mm);
/* Whether so many pages more may be promised. */
bool commit_allows(const struct fw_mm *mm, uint64_t pages, uint32_t flags);
bool commit_without(const struct fw_mm *mm, uint64_t slots);
/* The flags of a region of this protection: whether it is charged. */
uint32_t commit_flags(const struct fw_mm *mm, uint32_t flags, unsigned prot);
void commit_charge(struct fw_mm *mm, struct fw_space *space, int64_t pages);

/* ---- actor.c ------------------------------------------------------------- */

enum held_kind { HELD_NONE, HELD_RESERVED, HELD_READ, HELD_WRITE };

void actor_hold(struct fw_mm *mm, struct fw_actor *a, enum held_kind kind,
		const fw_pfn *pfn, unsigned n);
void actor_unhold(struct fw_mm *mm, struct fw_actor *a);
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
void announcers_none(struct announcers *ret);
void announcers_of(struct fw_mm *mm, const struct fw_space *space,
		   struct announcers *ret);
/* Why an access failed. */
enum fw_status kind_status(enum fw_kind kind);
bool announced(const struct announcers *a, fw_vpn vpn, bool writes_only);
/* Whether any page of [start, end) is. Space lock. */
bool announced_within(const struct fw_mm *mm, const struct fw_space *space,
		      fw_vpn start, fw_vpn end);
/* Whether another actor has pinned any. Space lock. */
bool pinned_within(const struct fw_mm *mm, const struct fw_actor *actor,
		   const struct fw_space *space, fw_vpn start, fw_vpn end);
/* The regions of [at, end) have changed: announced pages that are gone, and
 * that can be had again, are there again. Without locks. */
void announced_refill(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space, fw_vpn at, fw_vpn end);

/* ---- fault_io.c: the end of a read --------------------------------------- */

/* A frame whose read ended: standby when it has good content. One that comes
 * from the compressed store, and does not keep what it has there, is modified
 * then. */
void frame_read_done(struct fw_mm *mm, struct fw_frame *f, bool good,
		     bool keep);
/* A frame whose write ended. */
void frame_write_done(struct fw_mm *mm, struct fw_frame *f, bool good);

/* ---- refault.c ----------------------------------------------------------- */

/* The page of the frame, on standby, is taken away: what it becomes. */
fw_pte refault_leave(struct fw_mm *mm, struct fw_frame *f);
/* The page at loc is about to be read: how many pages left since it did; 0:
 * not known. `file`: loc is in file form, in a section's prototype. */
uint64_t refault_return(struct fw_mm *mm, const fw_pte *loc, bool file);

/* ---- turn.c -------------------------------------------------------------- */

/* It is this space's turn: its pages are not to be taken for others, nor for
 * itself, as long as others have some. */
bool turn_keeps(const struct fw_mm *mm, const struct fw_space *space);
/* Frames that the compressed store may have beside it. */
uint64_t turn_leaves(const struct fw_mm *mm);
/* A second has gone by, of so many ticks of fw_actor.fault_ticks; 0: it is not
 * known, and nobody has a turn. mm lock not held. */
void turn_second(struct fw_mm *mm, struct fw_actor *actor, uint64_t ticks);

/* ---- wset.c, reclaim.c --------------------------------------------------- */

/* Space lock held, mm lock not. */
unsigned trim_space_locked(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, unsigned n);
/* Sees to it that a fault does not lift the space above its hard maximum;
 * without locks. Returns how many pages went. */
unsigned wset_make_way(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space);
/* Evicts every valid page of the range, but for what is announced if that is
 * to be spared; space lock held, mm lock not. */
void evict_range_locked(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_vpn start, fw_vpn end,
			bool spare);
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
