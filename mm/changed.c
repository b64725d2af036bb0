/* SPDX-License-Identifier: MIT */
/*
 * changed.c - files that change under their private views.
 *
 * A page of the file that nobody has written to is in one frame, which all
 * views share, of this content of the file or an older one. When the file
 * changes, each such page that somebody maps gets the new bytes in place, as
 * it would in a page cache, so that no translation has to be dropped; one
 * that nobody maps is forgotten, and read when it is next touched. A read
 * that has begun before is waited for.
 *
 * The bytes are had without a lock, and put into the frame under the mm lock.
 * Two who do so at once must not leave the older ones there: each counts in
 * `changes` first, after the file has changed and before it reads; whoever
 * finds that another has counted since, reads again.
 */
#include <mm/mm.h>

struct renewal {
	struct fw_mm *mm;
	struct fw_actor *actor;
	struct fw_file_change *c;
	struct fw_section *s; /* to which the actor's record refers */
};

bool fw_files_watched(const struct fw_mm *mm)
{
	return __atomic_load_n(&mm->n_watched, __ATOMIC_SEQ_CST) != 0;
}

static void section_watch(struct fw_mm *mm, struct fw_section *s)
{
	if (s->watched)
		return;
	FW_SET(mm, s->watched, 1);
	FW_ADD(mm, mm->n_watched, 1);
}

void fw_file_watch(struct fw_mm *mm, struct fw_actor *actor, uint64_t dev,
		   uint64_t ino)
{
	struct fw_section *s = NULL;

	mm_lock(mm, actor);
	while ((s = section_of_file(mm, dev, ino, s)) != NULL)
		section_watch(mm, s);
	mm_unlock(mm);
}

bool fw_file_is_watched(struct fw_mm *mm, struct fw_actor *actor, uint64_t dev,
			uint64_t ino)
{
	struct fw_section *s = NULL;

	mm_lock(mm, actor);
	while ((s = section_of_file(mm, dev, ino, s)) != NULL && !s->watched)
		;
	mm_unlock(mm);
	return s != NULL;
}

/* Somebody reads the page: what he gets may be older. */
static void read_await(struct renewal *r, const struct fw_frame *f)
{
	struct fw_mm *mm = r->mm;
	uint32_t *word = frame_wait_word(mm, frame_pfn(mm, f));
	uint32_t seen = *word, owner = f->owner;

	mm_unlock(mm);
	if (!mm_wait(mm, word, seen, owner))
		fw_actor_reap(mm, r->actor, owner);
	mm_lock(mm, r->actor);
}

/* What shared views have changed is newer than what the file has. */
static bool is_clean(const struct fw_frame *f)
{
	return (f->flags & (FRAME_DIRTY | FRAME_WRITE)) == 0;
}

/* New bytes for a page that is mapped. False: look again. */
static bool page_copy(struct renewal *r, struct fw_proto *p, uint64_t page,
		      enum fw_status *ret)
{
	struct fw_mm *mm = r->mm;
	uint32_t seen = r->s->changes;
	fw_pfn pfn;

	mm_unlock(mm);
	*ret = r->c->read(r->c, page, r->c->buffer);
	mm_lock(mm, r->actor);
	if (r->s->changes != seen || !pte_is_valid(p->pte))
		return false;
	pfn = fw_pte_pfn(p->pte);
	if (*ret == FW_OK && is_clean(frame_at(mm, pfn)))
		fw_memcpy(frame_data(mm, pfn), r->c->buffer, FW_PAGE_SIZE);
	return true;
}

/* FW_E_EOF: it is mapped somewhere, and not in the file any more. */
static enum fw_status page_renew(struct renewal *r, struct fw_proto *p,
				 uint64_t page)
{
	struct fw_mm *mm = r->mm;
	enum fw_status status;
	struct fw_frame *f;

	while (pte_is_valid(p->pte) || pte_is_transition(p->pte)) {
		f = frame_at(mm, fw_pte_pfn(p->pte));
		if (!is_clean(f))
			break;
		if (pte_is_valid(p->pte)) {
			if (page_copy(r, p, page, &status))
				return status;
		} else if (f->flags & FRAME_READ) {
			read_await(r, f);
		} else {
			FW_SET(mm, p->pte, f->original);
			frame_free(mm, f);
			mm_checkpoint(mm);
			break;
		}
	}
	return FW_OK;
}

/* The range of one section. */
static enum fw_status section_renew(struct renewal *r)
{
	struct fw_mm *mm = r->mm;
	enum fw_status status = FW_OK, s;
	uint64_t page = r->c->page, end = page + r->c->n;

	if (end < page)
		end = UINT64_MAX;
	for (; (page = section_next(r->s, page)) < end; page++) {
		s = page_renew(r, section_proto(mm, r->s, page, false), page);
		if (s != FW_OK)
			status = s;
		if (page % 64 == 63)
			mm_breathe(mm, r->actor);
	}
	return status;
}

/* The actor refers to this section instead of the last. True: that one is
 * nobody's now. */
static bool section_turn(struct renewal *r, struct fw_section *next)
{
	struct fw_mm *mm = r->mm;
	bool last = r->s && section_put(mm, r->s);

	if (next) /* perhaps nobody's, but still to be found */
		FW_ADD(mm, next->refs, 1);
	FW_SET(mm, r->actor->held_section, next);
	mm_checkpoint(mm);
	r->s = next;
	return last;
}

enum fw_status fw_file_changed(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_file_change *c)
{
	struct renewal r = { .mm = mm, .actor = actor, .c = c };
	enum fw_status status = FW_OK, s;
	struct fw_section *next;
	bool sweep = false;

	mm_lock(mm, actor);
	do {
		next = section_of_file(mm, c->dev, c->ino, r.s);
		sweep |= section_turn(&r, next);
		if (!next)
			break;
		next->changes++;
		s = section_renew(&r);
		if (s != FW_OK)
			status = s;
	} while (true);
	mm_unlock(mm);
	if (sweep)
		section_sweep(mm, actor);
	return status;
}

void fw_file_cut(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, uint64_t dev, uint64_t ino,
		 uint64_t page)
{
	struct fw_vad *v;

	fw_space_lock(space, actor);
	for (v = vad_above(space, 0); v; v = fw_vad_next(v)) {
		const struct fw_section_key *key;
		fw_vpn from = v->start;

		if (v->kind != FW_VAD_PRIVATE_VIEW || v->section->image)
			continue;
		key = fw_section_file(v->section);
		if (!key || key->dev != dev || key->ino != ino)
			continue;
		if (page > v->page)
			from += page - v->page;
		if (from < v->end)
			range_drop(mm, actor, space, from, v->end, true);
	}
	fw_space_unlock(space);
}
