/* SPDX-License-Identifier: MIT */
/*
 * section.c - sections: what views map. A section has a prototype PTE for
 * each page, made in chunks of 256 (one frame) when first needed. Chunks hang
 * in a tree of pointer frames whose depth grows with the highest page.
 *
 * A prototype of a file starts in file form, one of an anonymous section as
 * demand zero (all bits zero).
 *
 * When the last reference goes, the section is taken down chunk by chunk, by
 * whoever calls section_sweep(). That of a file waits until the mapped page
 * writer has written what shared views changed; until then it stays in the
 * hash, and whoever opens the file finds those pages.
 */
#include <mm/mm.h>

#define DIR_BITS 9
#define DIR_ENTRIES 512u

static unsigned section_hash(const struct fw_section_key *key)
{
	/* All versions of a file are in one bucket. */
	uint64_t h = (key->ino ^ key->dev << 32) * 0x9e3779b97f4a7c15u;

	return (unsigned)(h >> 32) % SECTION_BUCKETS;
}

static bool section_chunk_init(struct fw_mm *mm, struct fw_section *s,
			       uint64_t number, void **ret)
{
	struct fw_proto *chunk = pool_alloc(mm, FW_PAGE_SIZE);
	unsigned i;

	if (!chunk)
		return false;
	pool_set_note(mm, chunk, number);
	for (i = 0; i < PROTO_CHUNK && s->is_file; i++)
		chunk[i].pte = s->image ?
				       image_proto(mm, s, number * PROTO_CHUNK +
								  i) :
				       pte_make_file(mm, s, FW_PROT_R);
	*ret = chunk;
	return true;
}

/* Adds a level on top, so that the tree reaches further. */
static bool section_deepen(struct fw_mm *mm, struct fw_section *s)
{
	void **dir;

	if (s->dir) {
		dir = pool_alloc(mm, FW_PAGE_SIZE);
		if (!dir)
			return false;
		FW_SET(mm, dir[0], s->dir);
		FW_SET(mm, s->dir, (void *)dir);
	}
	FW_ADD(mm, s->depth, 1);
	return true;
}

struct fw_proto *section_proto(struct fw_mm *mm, struct fw_section *s,
			       uint64_t page, bool make)
{
	uint64_t chunk = page / PROTO_CHUNK;
	void **at = &s->dir;
	uint32_t level;

	while (s->depth * DIR_BITS < 64 && chunk >> s->depth * DIR_BITS != 0)
		if (!make || !section_deepen(mm, s))
			return NULL;
	for (level = s->depth;; level--) {
		if (!*at) {
			void *made = NULL;

			if (!make)
				return NULL;
			if (level > 0)
				made = pool_alloc(mm, FW_PAGE_SIZE);
			else
				section_chunk_init(mm, s, chunk, &made);
			if (!made)
				return NULL;
			FW_SET(mm, *at, made);
		}
		if (level == 0)
			break;
		at = (void **)*at + (chunk >> (level - 1) * DIR_BITS &
				     (DIR_ENTRIES - 1));
	}
	return (struct fw_proto *)*at + page % PROTO_CHUNK;
}

uint64_t section_next(const struct fw_section *s, uint64_t page)
{
	void *const *at;
	uint64_t chunk;
	uint32_t level;

	for (;;) {
		chunk = page / PROTO_CHUNK;
		level = s->depth;
		if (!s->dir || (level * DIR_BITS < 64 &&
				chunk >> level * DIR_BITS != 0))
			return UINT64_MAX;
		for (at = s->dir; at && level > 0; level--)
			at = at[chunk >> (level - 1) * DIR_BITS &
				(DIR_ENTRIES - 1)];
		if (at)
			return page;
		/* None of this entry's chunks was made. */
		page = ((chunk >> level * DIR_BITS) + 1)
		       << level * DIR_BITS;
		page *= PROTO_CHUNK;
	}
}

uint64_t section_page(struct fw_mm *mm, const struct fw_proto *proto)
{
	uintptr_t at = (uintptr_t)proto, in = at & FW_PAGE_MASK;

	return pool_note(mm, (const void *)(at - in)) * PROTO_CHUNK +
	       in / sizeof(*proto);
}

void section_dirtied(struct fw_mm *mm, struct fw_section *s, int64_t delta)
{
	FW_SET(mm, s->dirty, s->dirty + (uint64_t)delta);
}

struct fw_section *section_lookup(struct fw_mm *mm,
				  const struct fw_section_key *key, bool image)
{
	struct fw_section *s = mm->bucket[section_hash(key)];

	while (s && (s->key.dev != key->dev || s->key.ino != key->ino ||
		     s->key.version != key->version ||
		     (s->image != NULL) != image))
		s = s->hash_next;
	return s;
}

struct fw_section *section_of_file(struct fw_mm *mm, uint64_t dev,
				   uint64_t ino, struct fw_section *after)
{
	const struct fw_section_key key = { dev, ino, 0 };
	struct fw_section *s = after ? after->hash_next :
				       mm->bucket[section_hash(&key)];

	while (s && (s->key.dev != dev || s->key.ino != ino || s->image))
		s = s->hash_next;
	return s;
}

struct fw_section *section_make(struct fw_mm *mm,
				const struct fw_section_key *key,
				uint64_t pages)
{
	struct fw_section *s = pool_alloc(mm, sizeof(*s));

	if (!s)
		return NULL;
	s->pages = pages;
	s->refs = 1;
	if (key) {
		unsigned h = section_hash(key);

		s->key = *key;
		s->is_file = 1;
		s->hash_next = mm->bucket[h];
		FW_SET(mm, mm->bucket[h], s);
	} else {
		FW_ADD(mm, mm->committed, pages);
	}
	FW_SET(mm, s->next, mm->sections);
	if (mm->sections)
		FW_SET(mm, mm->sections->prev, s);
	FW_SET(mm, mm->sections, s);
	FW_ADD(mm, mm->n_sections, 1);
	return s;
}

/* With a reference for the caller; NULL: no frames, or no commitment. */
static struct fw_section *section_open(struct fw_mm *mm,
				       const struct fw_section_key *key,
				       uint64_t pages)
{
	struct fw_section *s = key ? section_lookup(mm, key, false) : NULL;

	if (s) {
		FW_ADD(mm, s->refs, 1);
		if (pages > s->pages)
			FW_SET(mm, s->pages, pages);
		return s;
	}
	if (!key && !commit_allows(mm, pages,
				   mm->strict ? 0 : FW_VADF_NORESERVE))
		return NULL;
	return section_make(mm, key, pages);
}

/* *held, when there is one, becomes it in the same step. */
static enum fw_status section_create(struct fw_mm *mm, struct fw_actor *actor,
				     const struct fw_section_key *key,
				     uint64_t pages, struct fw_section **held,
				     struct fw_section **ret)
{
	struct fw_section *s;

	if (pages >= (uint64_t)1 << 44)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	s = section_open(mm, key, pages);
	if (held)
		FW_SET(mm, *held, s);
	mm_unlock(mm);
	if (!s)
		return FW_E_NOMEM;
	*ret = s;
	return FW_OK;
}

enum fw_status fw_section_create(struct fw_mm *mm, struct fw_actor *actor,
				 const struct fw_section_key *key,
				 uint64_t pages, struct fw_section **ret)
{
	return section_create(mm, actor, key, pages, NULL, ret);
}

enum fw_status fw_section_create_held(struct fw_mm *mm,
				      struct fw_actor *actor,
				      const struct fw_section_key *key,
				      uint64_t pages, struct fw_section **ret)
{
	FW_ASSERT(!actor->own_section);
	return section_create(mm, actor, key, pages, &actor->own_section, ret);
}

void section_get(struct fw_mm *mm, struct fw_section *s)
{
	FW_ASSERT(s->refs > 0);
	FW_ADD(mm, s->refs, 1);
}

static void section_unhash(struct fw_mm *mm, struct fw_section *s)
{
	struct fw_section **at = &mm->bucket[section_hash(&s->key)];

	while (*at != s)
		at = &(*at)->hash_next;
	FW_SET(mm, *at, s->hash_next);
}

bool section_put(struct fw_mm *mm, struct fw_section *s)
{
	FW_ASSERT(s->refs > 0);
	FW_SUB(mm, s->refs, 1);
	if (s->refs > 0)
		return false;
	if (!s->is_file)
		FW_SUB(mm, mm->committed, s->pages);
	return true;
}

void fw_section_ref(struct fw_mm *mm, struct fw_actor *actor,
		    struct fw_section *section)
{
	mm_lock(mm, actor);
	section_get(mm, section);
	mm_unlock(mm);
}

void fw_section_unref(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_section *section)
{
	bool last;

	mm_lock(mm, actor);
	last = section_put(mm, section);
	mm_unlock(mm);
	if (last)
		section_sweep(mm, actor);
}

void fw_section_hold(struct fw_mm *mm, struct fw_actor *actor,
		     struct fw_section *section)
{
	FW_ASSERT(!actor->own_section);
	mm_lock(mm, actor);
	section_get(mm, section);
	FW_SET(mm, actor->own_section, section);
	mm_unlock(mm);
}

void fw_section_let_go(struct fw_mm *mm, struct fw_actor *actor)
{
	bool last;

	mm_lock(mm, actor);
	last = section_put(mm, actor->own_section);
	FW_SET(mm, actor->own_section, NULL);
	mm_unlock(mm);
	if (last)
		section_sweep(mm, actor);
}

/* The pages of [page, end) that nobody maps are gone: should the section grow
 * again, they read as zero. */
static void section_cut(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_section *s, uint64_t page, uint64_t end)
{
	for (; (page = section_next(s, page)) < end; page++) {
		struct fw_proto *p = section_proto(mm, s, page, false);

		if (p->pte != 0 && !pte_is_valid(p->pte))
			proto_clear(mm, p);
		mm_checkpoint(mm);
		if (page % 64 == 63)
			mm_breathe(mm, actor);
	}
}

enum fw_status fw_section_resize(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_section *section, uint64_t pages)
{
	uint64_t old;

	if (pages >= (uint64_t)1 << 44 ||
	    (section->is_file && (section->image || pages < section->pages)))
		return FW_E_INVAL;
	mm_lock(mm, actor);
	old = section->pages;
	if (section->is_file) {
		if (pages > old)
			FW_SET(mm, section->pages, pages);
		mm_unlock(mm);
		return FW_OK;
	}
	if (mm->strict && pages > old && !commit_allows(mm, pages - old, 0)) {
		mm_unlock(mm);
		return FW_E_NOMEM;
	}
	FW_SET(mm, mm->committed, mm->committed - old + pages);
	FW_SET(mm, section->pages, pages);
	mm_checkpoint(mm);
	section_cut(mm, actor, section, pages, old);
	mm_unlock(mm);
	return FW_OK;
}

/* A page that is in working sets, perhaps not the caller's, stays there. Who
 * dies after the checkpoint leaves a part of what was to go. */
static void proto_wipe(struct fw_mm *mm, struct fw_proto *p)
{
	fw_pfn pfn = fw_pte_pfn(p->pte);

	if (!pte_is_valid(p->pte)) {
		proto_clear(mm, p);
		return;
	}
	frame_mark_dirty(mm, frame_at(mm, pfn));
	mm_checkpoint(mm);
	fw_memzero(frame_data(mm, pfn), (size_t)FW_PAGE_SIZE);
}

enum fw_status fw_section_zero(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_section *s, uint64_t page, uint64_t n)
{
	uint64_t end = page + n;

	if (s->is_file || end < page)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	for (; (page = section_next(s, page)) < end; page++) {
		struct fw_proto *p = section_proto(mm, s, page, false);

		if (p->pte != 0)
			proto_wipe(mm, p);
		mm_checkpoint(mm);
		if (page % 16 == 15)
			mm_breathe(mm, actor);
	}
	mm_unlock(mm);
	return FW_OK;
}

uint64_t fw_section_pages(const struct fw_section *section)
{
	return section->pages;
}

const struct fw_section_key *fw_section_file(const struct fw_section *section)
{
	return section->is_file ? &section->key : NULL;
}

/* The content of a chunk goes, in checkpointed steps; then the chunk. */
static void chunk_take_down(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_proto *chunk)
{
	unsigned i;

	for (i = 0; i < PROTO_CHUNK; i++) {
		fw_pte v = chunk[i].pte;

		if (v == 0)
			continue;
		if (pte_is_pointer(v))
			FW_SET(mm, chunk[i].pte, 0);
		else
			proto_clear(mm, &chunk[i]);
		mm_checkpoint(mm);
		if (i % 64 == 63)
			mm_breathe(mm, actor);
	}
}

/* Takes one chunk or pointer frame down. True while something is left. */
static bool section_step(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_section *s)
{
	void **at = &s->dir, **leaf;
	uint32_t level = s->depth;
	unsigned i;

	if (!s->dir)
		return false;
	for (;;) {
		leaf = at;
		if (level == 0)
			break;
		for (i = 0; i < DIR_ENTRIES; i++)
			if (((void **)*at)[i])
				break;
		if (i == DIR_ENTRIES)
			break;
		at = (void **)*at + i;
		level--;
	}
	if (level == 0)
		chunk_take_down(mm, actor, *leaf);
	pool_free(mm, *leaf, FW_PAGE_SIZE);
	FW_SET(mm, *leaf, NULL);
	mm_checkpoint(mm);
	return true;
}

static void section_end(struct fw_mm *mm, struct fw_section *s)
{
	if (s->prev)
		FW_SET(mm, s->prev->next, s->next);
	else
		FW_SET(mm, mm->sections, s->next);
	if (s->next)
		FW_SET(mm, s->next->prev, s->prev);
	FW_SUB(mm, mm->n_sections, 1);
	FW_SUB(mm, mm->n_watched, s->watched);
	if (s->image)
		image_free(mm, s->image);
	pool_free(mm, s, sizeof(*s));
}

static struct fw_section *section_unused(const struct fw_mm *mm)
{
	struct fw_section *s = mm->sections;

	while (s && (s->refs > 0 || s->dirty > 0))
		s = s->next;
	return s;
}

void section_sweep(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_section *s;

	mm_lock(mm, actor);
	while ((s = section_unused(mm)) != NULL) {
		/* Only one at a time: chunks are taken down with the lock
		 * given up in between. */
		if (s->taken_down != 0 && s->taken_down != actor_id(actor) &&
		    fw_actor_by_id(mm, (uint32_t)s->taken_down))
			break;
		if (s->taken_down == 0 && s->is_file)
			section_unhash(mm, s);
		FW_SET(mm, s->taken_down, actor_id(actor));
		mm_checkpoint(mm);
		while (section_step(mm, actor, s))
			;
		section_end(mm, s);
		mm_checkpoint(mm);
	}
	mm_unlock(mm);
}
