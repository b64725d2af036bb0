/* SPDX-License-Identifier: MIT */
/*
 * cstore_dense.c - objects of the compressed store that are made smaller where
 * they are, by the method that takes longer (fwp_condense): those that have
 * been there for a while, by a thread that has the time. It goes through the
 * log, and begins anew when enough has come since.
 *
 * They are read and made smaller without a lock. Until that is done they are
 * MOVING, as those that go to a page file: they can be read, and stay. What
 * came of them goes to a segment, as when the log is packed. What does not
 * become smaller is marked, so that it is not tried again.
 */
#include <mm/cstore.h>

#define STEP 16	/* objects at a time */
#define LOOK 64	/* frames that are looked at for them */
#define WORTH 8 /* an object becomes smaller by so much of itself */
#define AGE 8	/* of RAM: what left not longer ago may soon be read */
#define NEWS 8	/* of the store, that has come when it begins anew */

_Static_assert(STEP <= FW_MAX_ACTOR_MOVES, "an actor has room to list them");

/* Objects of one frame that were not tried yet. */
static void choose_in(struct fw_mm *mm, struct fw_actor *actor, fw_pfn pfn)
{
	unsigned unit = 0;
	cstore_pos pos;

	while (actor->n_moving < STEP &&
	       (pos = cstore_next(mm, pfn, unit)) != 0) {
		struct cstore_object *o = cstore_object(mm, pos);

		unit = cstore_unit(pos) + 1;
		if (o->flags & (CSTORE_DENSE | CSTORE_TRIED | CSTORE_MOVING) ||
		    cstore_age(mm, o) < mm->nframes / AGE ||
		    !cstore_live(mm, pos))
			continue;
		FW_SET(mm, o->flags, o->flags | CSTORE_MOVING);
		FW_SET(mm, actor->moving[actor->n_moving], pos);
		FW_SET(mm, actor->moving_to[actor->n_moving], 0);
		FW_ADD(mm, actor->n_moving, 1);
	}
}

/* Where it goes on: the frame may have left the log since. */
static fw_pfn begin_at(struct fw_mm *mm)
{
	fw_pfn at = mm->store_cursor;
	const struct fw_frame *f;

	if (at == 0) {
		if (mm->store_in < mm->store_seen + mm->store_pages / NEWS)
			return FW_PFN_NONE;
		mm->store_seen = mm->store_in;
		return mm->store_log.head;
	}
	f = frame_at(mm, at);
	return f->type == FRAME_STORE && f->state == FRAME_ACTIVE &&
			       cstore_count(f) > 0
		       ? at
		       : mm->store_log.head;
}

/* False: the log has come to its end. */
static bool choose(struct fw_mm *mm, struct fw_actor *actor)
{
	fw_pfn pfn;
	unsigned i;

	mm_lock(mm, actor);
	pfn = begin_at(mm);
	for (i = 0; i < LOOK && pfn != FW_PFN_NONE; i++) {
		choose_in(mm, actor, pfn);
		if (actor->n_moving == STEP)
			break;
		pfn = frame_at(mm, pfn)->next;
	}
	mm->store_cursor = pfn == FW_PFN_NONE ? 0 : pfn;
	mm_unlock(mm);
	return pfn != FW_PFN_NONE;
}

/* Not inlined: a page on the stack. */
__attribute__((noinline)) static cstore_pos
make_smaller(struct cstore_segment *s, cstore_pos pos)
{
	uint64_t page[FW_PAGE_SIZE / sizeof(uint64_t)];
	unsigned most = cstore_object(s->mm, pos)->bytes;

	if (!cstore_load(s->mm, pos, page))
		return 0;
	return cstore_put_dense(s, page, most - most / WORTH);
}

/* Tried: there was room for it. What is no smaller then never will be. */
static void settle(struct fw_mm *mm, cstore_pos from, cstore_pos to, bool tried)
{
	struct cstore_object *old = cstore_object(mm, from), *new;

	if (!cstore_settle(mm, from))
		return;
	if (!to) {
		if (tried)
			FW_SET(mm, old->flags, old->flags | CSTORE_TRIED);
		return;
	}
	new = cstore_object(mm, to);
	/* Nobody knows it yet: not journalled. */
	new->slot = old->slot;
	new->flags = old->flags | CSTORE_DENSE;
	FW_ADD(mm, mm->store_bytes, new->bytes);
	FW_SUB(mm, mm->store_bytes, old->bytes);
	cstore_relocate(mm, from, to);
	mm->store_condensed++;
}

bool cstore_condense(struct fw_mm *mm, struct fw_actor *actor)
{
	struct cstore_segment s;
	cstore_pos to[STEP];
	unsigned i, n;
	bool more;

	if (!actor || !cstore_wants_dense(mm))
		return false;
	more = choose(mm, actor);
	n = actor->n_moving;
	if (n == 0)
		return more;
	cstore_begin(&s, mm, actor);
	s.packs = true;
	for (i = 0; i < n; i++)
		to[i] = make_smaller(&s, actor->moving[i]);
	mm_lock(mm, actor);
	for (i = 0; i < n; i++)
		settle(mm, actor->moving[i], to[i], !s.full);
	FW_SET(mm, actor->n_moving, 0);
	cstore_seal(&s);
	mm_unlock(mm);
	return more && !s.full;
}
