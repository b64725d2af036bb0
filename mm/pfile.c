/* SPDX-License-Identifier: MIT */
/*
 * pfile.c - slots of the page files: one bit a slot, in frames of 32768 bits
 * that are made ahead of need (writing must not allocate). Slot 0 and the
 * last encodable slot are never used: they mean demand zero and "ask the
 * region" in a PTE.
 */
#include <mm/cstore.h>

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

/* One more bitmap. False when the file has all it needs or frames lack. */
static bool pfile_extend(struct fw_mm *mm, struct fw_pfile *pf)
{
	uint64_t c = pf->limit / PFILE_CHUNK_SLOTS, bits, i;
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
	bits = pf->slots - pf->limit;
	if (bits > PFILE_CHUNK_SLOTS)
		bits = PFILE_CHUNK_SLOTS;
	for (i = bits; i < PFILE_CHUNK_SLOTS; i++)
		map[i / WORD_BITS] |= (uint64_t)1 << i % WORD_BITS;
	if (c == 0) {
		map[0] |= 1;
		bits--;
	}
	FW_SET(mm, (*dir)[c % DIR_ENTRIES], map);
	FW_ADD(mm, pf->limit, PFILE_CHUNK_SLOTS);
	FW_ADD(mm, pf->usable, bits);
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
		FW_SET(mm, pf->hint, 1);
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

/* Its bitmaps go; nobody uses a slot. */
static void pfile_end(struct fw_mm *mm, struct fw_pfile *pf)
{
	uint64_t c;
	unsigned d;

	for (c = 0; c < pf->limit / PFILE_CHUNK_SLOTS; c++)
		pool_free(mm, pf->dir[c / DIR_ENTRIES][c % DIR_ENTRIES],
			  FW_PAGE_SIZE);
	for (d = 0; d < PFILE_DIRS; d++)
		if (pf->dir[d]) {
			pool_free(mm, pf->dir[d], FW_PAGE_SIZE);
			FW_SET(mm, pf->dir[d], NULL);
		}
	FW_SET(mm, pf->slots, 0);
	FW_SET(mm, pf->limit, 0);
	FW_SET(mm, pf->usable, 0);
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

bool pfile_full(const struct fw_mm *mm)
{
	unsigned i;

	for (i = 0; i < mm->n_pfiles; i++)
		if (mm->pfile[i].used < mm->pfile[i].usable ||
		    mm->pfile[i].limit < mm->pfile[i].slots)
			return false;
	return true;
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

static unsigned slot_run(const struct fw_pfile *pf, uint64_t slot, unsigned n)
{
	unsigned k = 0;

	while (k < n && slot + k < pf->limit &&
	       !(*slot_word(pf, slot + k) >> (slot + k) % WORD_BITS & 1))
		k++;
	return k;
}

/* The first run of n from the hint on, looking at few runs only; else the
 * longest of those seen. */
static unsigned slot_search(const struct fw_pfile *pf, unsigned n,
			    uint64_t *ret_slot)
{
	uint64_t at = pf->hint < pf->limit ? pf->hint : 1;
	unsigned best = 0, tries, wraps = 0, k;

	for (tries = 0; tries < 64; tries++) {
		at = slot_find(pf, at, pf->limit);
		if (at >= pf->limit) {
			if (wraps++ > 0)
				break;
			at = 1;
			continue;
		}
		k = slot_run(pf, at, n);
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
static unsigned slot_take(struct fw_mm *mm, struct fw_pfile *pf, unsigned n,
			  uint64_t *ret_slot)
{
	unsigned got = slot_search(pf, n, ret_slot), k;

	for (k = 0; k < got; k++) {
		uint64_t s = *ret_slot + k;
		uint64_t *w = slot_word(pf, s);

		FW_SET(mm, *w, *w | (uint64_t)1 << s % WORD_BITS);
	}
	FW_ADD(mm, pf->used, got);
	pf->hint = *ret_slot + got;
	return got;
}

unsigned slot_alloc(struct fw_mm *mm, unsigned n, unsigned *ret_file,
		    uint64_t *ret_slot)
{
	unsigned i, got, tried = 0;

	if (refused(mm, FW_NEED_SLOT))
		return 0;
	while ((i = pfile_emptiest(mm, tried)) < FW_MAX_PAGE_FILES) {
		tried |= 1u << i;
		got = slot_take(mm, &mm->pfile[i], n, ret_slot);
		*ret_file = i;
		if (got > 0)
			return got;
	}
	return 0;
}

uint64_t slot_alloc_in(struct fw_mm *mm, unsigned file)
{
	struct fw_pfile *pf = &mm->pfile[file];
	uint64_t slot = 0;

	if (pf->used >= pf->usable || refused(mm, FW_NEED_SLOT))
		return 0;
	return slot_take(mm, pf, 1, &slot) ? slot : 0;
}

void slot_free(struct fw_mm *mm, unsigned file, uint64_t slot)
{
	struct fw_pfile *pf = &mm->pfile[file];
	uint64_t *w;

	FW_ASSERT(slot_is_used(mm, file, slot) && slot != 0);
	if (file == CSTORE_FILE && cstore_on(mm) && cstore_drop(mm, slot))
		return;
	w = slot_word(pf, slot);
	FW_SET(mm, *w, *w & ~((uint64_t)1 << slot % WORD_BITS));
	FW_SUB(mm, pf->used, 1);
}
