/* SPDX-License-Identifier: MIT */
/*
 * pfile.c - slots of the page files: one bit a slot, in frames of 32768 bits
 * that are made ahead of need (writing must not allocate). Slot 0 and the
 * last encodable slot are never used: they mean demand zero and "ask the
 * region" in a PTE.
 *
 * A file may have fewer blocks than slots: it is sparse, and its disk full.
 * Slots that were written once have theirs. So when a write behind those
 * (`good`) fails, they are taken, and what lies behind is tried only now and
 * then, or when none is left; until that succeeds.
 */
#include <mm/cstore.h>

#define TRIAL 64 /* runs between two trials of a file that is full */
#define FAIL_SECONDS 10 /* that it may be so before it counts as full ... */
#define FAIL_MOST 200	/* ... or trials, where nobody counts seconds */
#define TURN_LEAST 512	/* slots that are free, before they are looked for */

#define WORD_BITS 64u
#define DIR_ENTRIES 512u
#define CHUNK_WORDS (PFILE_CHUNK_SLOTS / WORD_BITS)

static uint64_t *slot_chunk(const struct fw_pfile *pf, uint64_t slot)
{
	uint64_t c = slot / PFILE_CHUNK_SLOTS;

	return pf->dir[c / DIR_ENTRIES][c % DIR_ENTRIES];
}

static uint64_t *slot_word(const struct fw_pfile *pf, uint64_t slot)
{
	return slot_chunk(pf, slot) + slot % PFILE_CHUNK_SLOTS / WORD_BITS;
}

bool slot_is_used(const struct fw_mm *mm, unsigned file, uint64_t slot)
{
	const struct fw_pfile *pf = &mm->pfile[file];

	if (file >= FW_MAX_PAGE_FILES || slot >= pf->limit)
		return false;
	return (*slot_word(pf, slot) >> slot % WORD_BITS & 1) != 0;
}

bool slot_word_empty(const struct fw_mm *mm, unsigned file, uint64_t slot)
{
	return *slot_word(&mm->pfile[file], slot) == 0;
}

/* Slots of a chunk that may ever be used. */
static uint64_t chunk_usable(const struct fw_pfile *pf, uint64_t c)
{
	uint64_t n = pf->slots - c * PFILE_CHUNK_SLOTS;

	return (n < PFILE_CHUNK_SLOTS ? n : PFILE_CHUNK_SLOTS) - (c == 0);
}

/* One more bitmap. False when the file has all it needs or frames lack. */
static bool pfile_extend(struct fw_mm *mm, struct fw_pfile *pf)
{
	uint64_t c = pf->limit / PFILE_CHUNK_SLOTS, i;
	uint64_t ***dir = &pf->dir[c / DIR_ENTRIES];
	uint64_t *map;

	if (pf->limit >= pf->slots || c / DIR_ENTRIES >= PFILE_DIRS)
		return false;
	if (!*dir) {
		uint64_t **made = pool_alloc(mm, FW_PAGE_SIZE);

		if (!made)
			return false;
		FW_SET(mm, *dir, made);
	}
	map = pool_alloc(mm, FW_PAGE_SIZE);
	if (!map)
		return false;
	for (i = pf->slots - pf->limit; i < PFILE_CHUNK_SLOTS; i++)
		map[i / WORD_BITS] |= (uint64_t)1 << i % WORD_BITS;
	if (c == 0)
		map[0] |= 1;
	FW_SET(mm, (*dir)[c % DIR_ENTRIES], map);
	FW_ADD(mm, pf->limit, PFILE_CHUNK_SLOTS);
	FW_ADD(mm, pf->usable, chunk_usable(pf, c));
	return true;
}

void pfile_grow(struct fw_mm *mm)
{
	unsigned i;

	for (i = 0; i < FW_MAX_PAGE_FILES; i++) {
		struct fw_pfile *pf = &mm->pfile[i];

		if (pf->usable - pf->used < PFILE_CHUNK_SLOTS / 2 &&
		    pf->limit < pf->slots && frames_available(mm) > 4)
			pfile_extend(mm, pf);
	}
}

/* The number of a page file that does not exist, or 16. */
static unsigned pfile_unused(const struct fw_mm *mm)
{
	unsigned i = 0;

	while (i < mm->n_pfiles && mm->pfile[i].slots > 0)
		i++;
	return i;
}

enum fw_status fw_page_file_add(struct fw_mm *mm, struct fw_actor *actor,
				uint64_t slots, unsigned *ret_file)
{
	enum fw_status status = FW_E_LIMIT;
	unsigned i;

	if (slots < 2 || slots > PTE_SLOT_VAD)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	i = pfile_unused(mm);
	if (i < (cstore_on(mm) ? CSTORE_FILE : FW_MAX_PAGE_FILES)) {
		struct fw_pfile *pf = &mm->pfile[i];

		FW_SET(mm, pf->slots, slots);
		pf->hint = 1;
		pf->good = pf->trial = pf->shy = pf->fails = 0;
		status = FW_E_NOMEM;
		if (pfile_extend(mm, pf)) {
			*ret_file = i;
			if (i == mm->n_pfiles)
				FW_ADD(mm, mm->n_pfiles, 1);
			status = FW_OK;
		} else {
			FW_SET(mm, pf->slots, 0);
		}
	}
	mm_unlock(mm);
	return status;
}

/* Its last bitmap goes. Nobody uses a slot of the file. */
static void pfile_cut(struct fw_mm *mm, struct fw_pfile *pf)
{
	uint64_t c = pf->limit / PFILE_CHUNK_SLOTS - 1;
	uint64_t ***dir = &pf->dir[c / DIR_ENTRIES];

	FW_SUB(mm, pf->usable, chunk_usable(pf, c));
	FW_SUB(mm, pf->limit, PFILE_CHUNK_SLOTS);
	pool_free(mm, (*dir)[c % DIR_ENTRIES], FW_PAGE_SIZE);
	if (c % DIR_ENTRIES != 0)
		return;
	pool_free(mm, *dir, FW_PAGE_SIZE);
	FW_SET(mm, *dir, NULL);
}

/* A large file has more bitmaps than go in one section. Should the actor die
 * amid them, it is a file that has not grown as far. */
static void pfile_end(struct fw_mm *mm, struct fw_pfile *pf)
{
	while (pf->limit > 0) {
		pfile_cut(mm, pf);
		mm_checkpoint(mm);
	}
	FW_SET(mm, pf->slots, 0);
}

enum fw_status fw_page_file_remove(struct fw_mm *mm, struct fw_actor *actor,
				   unsigned file)
{
	enum fw_status status = FW_E_NOENT;
	struct fw_pfile *pf;

	mm_lock(mm, actor);
	if (file < mm->n_pfiles && mm->pfile[file].slots > 0) {
		pf = &mm->pfile[file];
		status = pf->used > 0 ? FW_E_BUSY : FW_OK;
		if (!commit_without(mm, pf->slots))
			status = FW_E_LIMIT;
		if (status == FW_OK)
			pfile_end(mm, pf);
	}
	mm_unlock(mm);
	return status;
}

uint64_t pfile_slots(const struct fw_mm *mm)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < mm->n_pfiles; i++)
		n += mm->pfile[i].slots - (mm->pfile[i].slots > 0);
	return n;
}

/* A disk may be full only for a while, or not answer. */
static bool fails_for_long(const struct fw_mm *mm, uint64_t n, uint64_t since)
{
	if (mm->seconds == 0)
		return n >= FAIL_MOST;
	return mm->seconds - since >= FAIL_SECONDS;
}

/* All that it has blocks for is in use, and there will be no more. */
static bool pfile_stuck(const struct fw_mm *mm, const struct fw_pfile *pf)
{
	return pf->shy > 0 && pf->used + 1 >= pf->good &&
	       fails_for_long(mm, pf->fails, pf->fails_since);
}

bool pfile_full(const struct fw_mm *mm)
{
	unsigned i;

	for (i = 0; i < mm->n_pfiles; i++)
		if ((mm->pfile[i].used < mm->pfile[i].usable ||
		     mm->pfile[i].limit < mm->pfile[i].slots) &&
		    !pfile_stuck(mm, &mm->pfile[i]))
			return false;
	return true;
}

bool pfile_hopeless(const struct fw_mm *mm)
{
	return pfile_full(mm) ||
	       (mm->write_fails > 0 &&
		fails_for_long(mm, mm->write_fails, mm->write_fails_since));
}

/* The lowest bit that is set; in halves, since 32-bit CPUs have no more. */
static unsigned low_bit(uint64_t w)
{
	uint32_t low = (uint32_t)w;

	return low ? (unsigned)__builtin_ctz(low)
		   : 32 + (unsigned)__builtin_ctz((uint32_t)(w >> 32));
}

/* The first free slot at or after `from`, below `to`; `to` when none. */
static uint64_t slot_find(const struct fw_pfile *pf, uint64_t from,
			  uint64_t to)
{
	while (from < to) {
		uint64_t w = ~*slot_word(pf, from) >> from % WORD_BITS;

		if (w != 0)
			from += low_bit(w);
		else
			from = (from / WORD_BITS + 1) * WORD_BITS;
		if (w != 0)
			break;
	}
	return from < to ? from : to;
}

static unsigned slot_run(const struct fw_pfile *pf, uint64_t slot,
			 uint64_t to, unsigned n)
{
	unsigned k = 0;

	while (k < n && slot + k < to &&
	       !(*slot_word(pf, slot + k) >> (slot + k) % WORD_BITS & 1))
		k++;
	return k;
}

/* Slots of a file, and where the search for one begins. */
struct slot_range {
	uint64_t from, to, at;
};

static struct slot_range slots_all(const struct fw_pfile *pf)
{
	return (struct slot_range){1, pf->limit, pf->hint};
}

static struct slot_range slots_good(const struct fw_pfile *pf)
{
	return (struct slot_range){1, pf->good, pf->hint};
}

static struct slot_range slots_behind(const struct fw_pfile *pf)
{
	return (struct slot_range){pf->good > 0 ? pf->good : 1, pf->limit,
				   pf->trial};
}

/* The first run of n, looking at few runs only; else the longest of those
 * seen. */
static unsigned slot_search(const struct fw_pfile *pf, struct slot_range in,
			    unsigned n, uint64_t *ret_slot)
{
	uint64_t at = in.at >= in.from && in.at < in.to ? in.at : in.from;
	unsigned best = 0, tries, wraps = 0, k;

	for (tries = 0; tries < 64; tries++) {
		at = slot_find(pf, at, in.to);
		if (at >= in.to) {
			if (wraps++ > 0)
				break;
			at = in.from;
			continue;
		}
		k = slot_run(pf, at, in.to, n);
		if (k > best) {
			best = k;
			*ret_slot = at;
		}
		if (k == n)
			break;
		at += k;
	}
	return best;
}

/* The file with the most free slots of those not tried yet, so that files
 * fill, and are read and written, evenly. Its number, or 16. */
static unsigned pfile_emptiest(const struct fw_mm *mm, unsigned tried)
{
	unsigned best = FW_MAX_PAGE_FILES, i;
	uint64_t most = 0;

	for (i = 0; i < mm->n_pfiles; i++) {
		const struct fw_pfile *pf = &mm->pfile[i];
		uint64_t room = pf->usable - pf->used;

		if ((tried >> i & 1) || room <= most)
			continue;
		most = room;
		best = i;
	}
	return best;
}

/* A run of up to n slots of this file. */
static unsigned slot_take(struct fw_mm *mm, struct fw_pfile *pf,
			  struct slot_range in, unsigned n, uint64_t *ret_slot)
{
	unsigned got = slot_search(pf, in, n, ret_slot), k;

	for (k = 0; k < got; k++) {
		uint64_t s = *ret_slot + k;
		uint64_t *w = slot_word(pf, s);

		FW_SET(mm, *w, *w | (uint64_t)1 << s % WORD_BITS);
	}
	FW_ADD(mm, pf->used, got);
	return got;
}

/* Not where writes fail, unless it is time to try again, or `last`: all
 * others are taken. */
static unsigned slot_take_good(struct fw_mm *mm, struct fw_pfile *pf,
			       bool last, unsigned n, uint64_t *ret_slot)
{
	bool behind = pf->shy > 0 && (last || pf->shy++ % TRIAL == 0);
	unsigned got;

	if (behind)
		return slot_take(mm, pf, slots_behind(pf), n, ret_slot);
	got = slot_take(mm, pf, pf->shy > 0 ? slots_good(pf) : slots_all(pf),
			n, ret_slot);
	if (got > 0)
		pf->hint = *ret_slot + got;
	return got;
}

static unsigned slot_alloc_from(struct fw_mm *mm, bool last, unsigned n,
				unsigned *ret_file, uint64_t *ret_slot)
{
	unsigned i, got, tried = 0;

	while ((i = pfile_emptiest(mm, tried)) < FW_MAX_PAGE_FILES) {
		tried |= 1u << i;
		got = slot_take_good(mm, &mm->pfile[i], last, n, ret_slot);
		*ret_file = i;
		if (got > 0)
			return got;
	}
	return 0;
}

unsigned slot_alloc(struct fw_mm *mm, unsigned n, unsigned *ret_file,
		    uint64_t *ret_slot)
{
	unsigned got;

	if (refused(mm, FW_NEED_SLOT))
		return 0;
	got = slot_alloc_from(mm, false, n, ret_file, ret_slot);
	return got > 0 ? got
		       : slot_alloc_from(mm, true, n, ret_file, ret_slot);
}

/* The index that goes with them is in RAM: those at the beginning are used
 * again as soon as there are some. */
uint64_t slot_alloc_store(struct fw_mm *mm)
{
	struct fw_pfile *pf = &mm->pfile[CSTORE_FILE];
	uint64_t slot = 0;

	if (pf->used >= pf->usable || refused(mm, FW_NEED_SLOT))
		return 0;
	if (mm->store_turn >= TURN_LEAST && mm->store_turn >= pf->used / 8) {
		mm->store_turn = 0;
		pf->hint = 1;
	}
	if (!slot_take(mm, pf, slots_all(pf), 1, &slot))
		return 0;
	pf->hint = slot + 1;
	return slot;
}

/* What is behind `good` and fails makes the file shy: `shy` is 1, and counts
 * the runs from then on; `fails` how often it did in a row, and since which
 * second; `trial` is where to try again. */
void slot_written(struct fw_mm *mm, unsigned file, uint64_t slot, unsigned n,
		  enum fw_status status)
{
	struct fw_pfile *pf = &mm->pfile[file];
	bool behind = slot + n > pf->good;

	if (status == FW_OK) {
		mm->write_fails = 0;
		if (behind) {
			pf->good = slot + n;
			pf->shy = pf->fails = 0;
		}
		return;
	}
	if (mm->write_fails++ == 0)
		mm->write_fails_since = (uint32_t)mm->seconds;
	if (!behind)
		return;
	if (pf->fails++ == 0)
		pf->fails_since = mm->seconds;
	/* Where one error is, there is none elsewhere. */
	pf->trial = status == FW_E_FULL ? pf->good : slot + n;
	pf->shy = 1;
}

void slot_free(struct fw_mm *mm, unsigned file, uint64_t slot)
{
	struct fw_pfile *pf = &mm->pfile[file];
	uint64_t *w;

	FW_ASSERT(slot_is_used(mm, file, slot) && slot != 0);
	if (file == CSTORE_FILE && cstore_on(mm)) {
		if (cstore_drop(mm, slot))
			return;
		mm->store_turn += slot < pf->hint;
		mm->store_freed++;
	}
	w = slot_word(pf, slot);
	FW_SET(mm, *w, *w & ~((uint64_t)1 << slot % WORD_BITS));
	FW_SUB(mm, pf->used, 1);
}
