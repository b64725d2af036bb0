/* SPDX-License-Identifier: MIT */
/*
 * pool_paged.c - pageable memory for the kernel: a private region of the
 * system space, given out in pieces of a power of two from 32 bytes to a page,
 * and in runs of pages. What is known of it is not pageable: a descriptor a
 * page, in frames made when first needed.
 *
 * A page is free, a slab of pieces of one class (`map` has a bit for each
 * piece in use), or the head of a run, which says how many pages it has: those
 * behind it are FREE, and stepped over. So a run is taken in few stores,
 * however long it is. The region is charged as pages are taken, not in
 * advance. All under the system's space lock, so that a page that is given
 * back is dropped before anybody can have it again.
 */
#include <mm/region.h>

#define PIECE_SHIFT 5
#define PIECE_MIN (1u << PIECE_SHIFT)
#define DESCS 128u /* of a frame */
#define DIRS (FW_PAGE_SIZE / sizeof(void *))

enum ppage_state { PPAGE_FREE, PPAGE_SLAB, PPAGE_HEAD };

struct ppage {
	uint64_t map[2]; /* slab: pieces in use */
	uint32_t next;	 /* slab with room: the next one's page + 1 */
	uint32_t run;	 /* head: pages */
	uint16_t used;
	uint8_t state, class;
	uint32_t pad;
};
_Static_assert(sizeof(struct ppage) * DESCS == FW_PAGE_SIZE, "a frame's full");

static struct ppage *ppage_at(struct fw_mm *mm, uint64_t page)
{
	struct ppage *chunk = mm->ppool.dir[page / DESCS];

	return chunk ? chunk + page % DESCS : NULL;
}

/* The same, made if need be; NULL: frames are short. */
static struct ppage *ppage_make(struct fw_mm *mm, uint64_t page)
{
	void **at = &mm->ppool.dir[page / DESCS];

	if (!*at) {
		void *chunk = pool_alloc(mm, FW_PAGE_SIZE);

		if (!chunk)
			return NULL;
		FW_SET(mm, *at, chunk);
	}
	return ppage_at(mm, page);
}

static unsigned piece_class(uint64_t size)
{
	unsigned class = 0;

	while (((uint64_t)PIECE_MIN << class) < size)
		class++;
	return class;
}

static unsigned class_pieces(unsigned class)
{
	return (unsigned)(FW_PAGE_SIZE / (PIECE_MIN << class));
}

/* Pages of what is allocated from here on; 0: the page is free. */
static uint64_t pages_taken(struct fw_mm *mm, uint64_t page)
{
	const struct ppage *p = ppage_at(mm, page);

	if (!p || p->state == PPAGE_FREE)
		return 0;
	return p->state == PPAGE_HEAD ? p->run : 1;
}

/* The first of n free pages in a row; the pool's size when there are none. It
 * must not begin within a run. */
static uint64_t run_find(struct fw_mm *mm, uint64_t from, uint64_t n)
{
	uint64_t pages = mm->ppool.pages, at = from, k = 0, taken;

	while (at < pages && k < n) {
		taken = pages_taken(mm, at);
		k = taken ? 0 : k + 1;
		at += taken ? taken : 1;
	}
	return k == n ? at - n : pages;
}

static void pages_charge(struct fw_mm *mm, int64_t n)
{
	FW_SET(mm, mm->ppool.taken, mm->ppool.taken + (uint64_t)n);
	FW_SET(mm, mm->committed, mm->committed + (uint64_t)n);
}

/* Takes n pages in a row. */
static bool run_take(struct fw_mm *mm, uint64_t n, uint64_t *ret_page)
{
	uint64_t at = run_find(mm, mm->ppool.hint, n);
	struct ppage *p;

	if (at == mm->ppool.pages)
		at = run_find(mm, 0, n);
	if (at == mm->ppool.pages || !commit_allows(mm, n, 0))
		return false;
	p = ppage_make(mm, at);
	if (!p)
		return false;
	mm_checkpoint(mm);
	FW_SET(mm, p->state, PPAGE_HEAD);
	FW_SET(mm, p->run, n);
	pages_charge(mm, (int64_t)n);
	mm->ppool.hint = at + n;
	*ret_page = at;
	return true;
}

static bool slab_take(struct fw_mm *mm, unsigned class, uint64_t *ret_page)
{
	struct fw_ppool *pp = &mm->ppool;
	struct ppage *p;

	if (pp->head[class] != 0) {
		*ret_page = pp->head[class] - 1;
		return true;
	}
	if (!run_take(mm, 1, ret_page))
		return false;
	p = ppage_at(mm, *ret_page);
	FW_SET(mm, p->state, PPAGE_SLAB);
	FW_SET(mm, p->class, class);
	FW_SET(mm, p->next, 0);
	FW_SET(mm, pp->head[class], *ret_page + 1);
	return true;
}

static bool piece_take(struct fw_mm *mm, unsigned class, fw_addr *ret_offset)
{
	unsigned pieces = class_pieces(class), i = 0;
	struct ppage *p;
	uint64_t page;

	if (!slab_take(mm, class, &page))
		return false;
	p = ppage_at(mm, page);
	while (p->map[i / 64] >> (i % 64) & 1)
		i++;
	FW_ASSERT(i < pieces);
	FW_SET(mm, p->map[i / 64], p->map[i / 64] | (uint64_t)1 << (i % 64));
	FW_ADD(mm, p->used, 1);
	if (p->used == pieces)
		FW_SET(mm, mm->ppool.head[class], p->next);
	*ret_offset = page * FW_PAGE_SIZE + (PIECE_MIN << class) * i;
	return true;
}

enum fw_status fw_pool_alloc(struct fw_mm *mm, struct fw_actor *actor,
			     uint64_t size, fw_addr *ret_addr)
{
	uint64_t n = (size >> FW_PAGE_SHIFT) + ((size & FW_PAGE_MASK) != 0);
	uint64_t page = 0;
	fw_addr offset = 0;
	bool ok = false;

	if (!mm->ppool.start || size == 0 || n > mm->ppool.pages)
		return size ? FW_E_NOMEM : FW_E_INVAL;
	if (!meta_room(mm, actor, mm->system))
		return FW_E_NOMEM;
	fw_space_lock(mm->system, actor);
	mm_lock(mm, actor);
	if (size <= FW_PAGE_SIZE / 2) {
		ok = piece_take(mm, piece_class(size), &offset);
	} else {
		ok = run_take(mm, n, &page);
		offset = page * FW_PAGE_SIZE;
	}
	mm_unlock(mm);
	fw_space_unlock(mm->system);
	if (!ok)
		return FW_E_NOMEM;
	*ret_addr = addr_of(mm->ppool.start) + offset;
	return FW_OK;
}

/* Slabs with room are few: the list is walked. */
static void slab_unlist(struct fw_mm *mm, unsigned class, uint64_t page)
{
	uint32_t *at = &mm->ppool.head[class];

	while (*at != page + 1)
		at = &ppage_at(mm, *at - 1)->next;
	FW_SET(mm, *at, ppage_at(mm, page)->next);
}

/* The piece goes; true: and with it the page. */
static bool piece_free(struct fw_mm *mm, struct ppage *p, uint64_t page,
		       unsigned i)
{
	bool was_full = p->used == class_pieces(p->class);

	FW_SET(mm, p->map[i / 64],
	       p->map[i / 64] & ~((uint64_t)1 << (i % 64)));
	FW_SUB(mm, p->used, 1);
	if (p->used == 0) {
		if (!was_full)
			slab_unlist(mm, p->class, page);
		FW_SET(mm, p->state, PPAGE_FREE);
		pages_charge(mm, -1);
		return true;
	}
	if (was_full) {
		FW_SET(mm, p->next, mm->ppool.head[p->class]);
		FW_SET(mm, mm->ppool.head[p->class], page + 1);
	}
	return false;
}

/* How many pages from `page` on are free now; -1: it was no allocation. */
static int64_t pool_release(struct fw_mm *mm, uint64_t page, uint64_t offset)
{
	struct ppage *p = page < mm->ppool.pages ? ppage_at(mm, page) : NULL;
	uint64_t n;
	unsigned shift;

	if (p && p->state == PPAGE_HEAD && offset == 0) {
		n = p->run;
		FW_SET(mm, p->state, PPAGE_FREE);
		pages_charge(mm, -(int64_t)n);
		return (int64_t)n;
	}
	if (!p || p->state != PPAGE_SLAB)
		return -1;
	shift = PIECE_SHIFT + p->class;
	n = offset >> shift;
	if (n << shift != offset || !(p->map[n / 64] >> (n % 64) & 1))
		return -1;
	return piece_free(mm, p, page, (unsigned)n);
}

enum fw_status fw_pool_free(struct fw_mm *mm, struct fw_actor *actor,
			    fw_addr addr)
{
	fw_vpn vpn = vpn_of(addr);
	int64_t gone;

	if (!mm->ppool.start || vpn < mm->ppool.start)
		return FW_E_INVAL;
	fw_space_lock(mm->system, actor);
	mm_lock(mm, actor);
	gone = pool_release(mm, vpn - mm->ppool.start, addr & FW_PAGE_MASK);
	mm_unlock(mm);
	if (gone > 0)
		range_drop(mm, actor, mm->system, vpn, vpn + (fw_vpn)gone,
			   true);
	fw_space_unlock(mm->system);
	return gone < 0 ? FW_E_INVAL : FW_OK;
}

enum fw_status fw_pool_create(struct fw_mm *mm, struct fw_actor *actor,
			      fw_addr start, uint64_t pages)
{
	struct fw_map_request rq = {
		.start = start,
		.len = pages << FW_PAGE_SHIFT,
		.kind = FW_VAD_PRIVATE,
		.prot = FW_PROT_R | FW_PROT_W,
		.max_prot = FW_PROT_R | FW_PROT_W,
		/* No windows: what is free is not to come in. */
		.flags = FW_VADF_NORESERVE | FW_VADF_RANDOM,
	};
	enum fw_status status;
	void **dir;

	if (!mm->system)
		return FW_E_NOENT;
	if (mm->ppool.start)
		return FW_E_EXIST;
	if (pages == 0 || pages > DIRS * DESCS)
		return FW_E_INVAL;
	status = fw_map(mm, actor, mm->system, &rq);
	if (status != FW_OK)
		return status;
	mm_lock(mm, actor);
	dir = pool_alloc(mm, FW_PAGE_SIZE);
	if (dir) {
		FW_SET(mm, mm->ppool.dir, dir);
		FW_SET(mm, mm->ppool.pages, pages);
		FW_SET(mm, mm->ppool.start, vpn_of(start));
	}
	mm_unlock(mm);
	if (dir)
		return FW_OK;
	fw_unmap(mm, actor, mm->system, start, rq.len);
	return FW_E_NOMEM;
}

void fw_pool_destroy(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_ppool *pp = &mm->ppool;
	fw_addr start = addr_of(pp->start);
	unsigned i;

	if (!pp->start)
		return;
	fw_unmap(mm, actor, mm->system, start, pp->pages << FW_PAGE_SHIFT);
	mm_lock(mm, actor);
	pages_charge(mm, -(int64_t)pp->taken);
	for (i = 0; i < PPOOL_CLASSES; i++)
		FW_SET(mm, pp->head[i], 0);
	FW_SET(mm, pp->start, 0);
	mm_checkpoint(mm);
	for (i = 0; i < DIRS; i++) {
		if (!pp->dir[i])
			continue;
		pool_free(mm, pp->dir[i], FW_PAGE_SIZE);
		FW_SET(mm, pp->dir[i], NULL);
		mm_checkpoint(mm);
	}
	pool_free(mm, pp->dir, FW_PAGE_SIZE);
	FW_SET(mm, pp->dir, NULL);
	mm_unlock(mm);
}

/* A slab's bits are as many as it says, a run is as long as it says. */
static bool ppage_sound(struct fw_mm *mm, uint64_t page)
{
	struct ppage *p = ppage_at(mm, page);
	unsigned bits, i;

	switch (p->state) {
	case PPAGE_SLAB:
		for (i = bits = 0; i < class_pieces(p->class); i++)
			bits += (unsigned)(p->map[i / 64] >> (i % 64)) & 1;
		return bits == p->used && bits > 0;
	case PPAGE_HEAD:
		for (i = 1; i < p->run; i++)
			if (ppage_at(mm, page + i) &&
			    ppage_at(mm, page + i)->state != PPAGE_FREE)
				return false;
		return p->run > 0 && page + p->run <= mm->ppool.pages;
	default:
		return p->map[0] == 0 && p->map[1] == 0;
	}
}

uint64_t ppool_count(struct fw_mm *mm, uint64_t *ret_errors)
{
	uint64_t taken = 0, errors = 0, at;

	for (at = 0; mm->ppool.start && at < mm->ppool.pages; at++) {
		if (!ppage_at(mm, at))
			continue;
		errors += !ppage_sound(mm, at);
		taken += pages_taken(mm, at);
	}
	*ret_errors = errors + (taken != mm->ppool.taken);
	return taken;
}
