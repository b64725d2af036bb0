/* SPDX-License-Identifier: MIT */
/*
 * space.c - making and ending address spaces.
 */
#include <mm/mm.h>
#include <mm/stripe.h>

static size_t space_size(const struct fw_mm *mm)
{
	return sizeof(struct fw_space) + mm->stripes * sizeof(struct fw_stripe);
}

static struct fw_space *space_make(struct fw_mm *mm)
{
	struct fw_space *s;
	fw_pfn root;

	if (refused(mm, FW_NEED_ROOM) ||
	    frames_available(mm) < 2 + FRAMES_EMERGENCY)
		return NULL;
	s = pool_alloc(mm, space_size(mm));
	root = frame_take_core(mm, FRAME_TABLE);
	if (!s || root == FW_PFN_NONE) {
		FW_ASSERT(false); /* there was room */
		return NULL;
	}
	s->id = mm->next_space_id;
	s->mm = mm;
	s->n_stripes = mm->stripes;
	s->root = root;
	s->table_frames = 1;
	s->user_top = mm->user_top;
	s->trim_epoch = mm->trim_clock;
	space_share_kernel(mm, s);
	s->next = mm->spaces;
	FW_ADD(mm, mm->next_space_id, 1);
	if (mm->spaces)
		FW_SET(mm, mm->spaces->prev, s);
	FW_SET(mm, mm->spaces, s);
	FW_ADD(mm, mm->n_spaces, 1);
	return s;
}

enum fw_status space_create_now(struct fw_mm *mm, struct fw_actor *actor,
				bool forking, struct fw_space **ret_space)
{
	struct fw_space *s;

	mm_lock(mm, actor);
	s = space_make(mm);
	if (s && forking)
		FW_SET(mm, actor->forking, s);
	mm_unlock(mm);
	if (!s)
		return FW_E_NOMEM;
	*ret_space = s;
	return FW_OK;
}

enum fw_status fw_space_create(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space **ret_space)
{
	unsigned round = 0;
	uint32_t trimmed = 0;

	while (space_create_now(mm, actor, actor != NULL, ret_space) != FW_OK)
		if (!reclaim(mm, actor, NULL, 8, round++, &trimmed))
			return FW_E_NOMEM;
	return FW_OK;
}

void fw_space_hand_over(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, struct fw_space **ref)
{
	FW_ASSERT(actor->forking == space);
	mm_lock(mm, actor);
	if (ref)
		FW_SET(mm, *ref, space);
	FW_SET(mm, actor->forking, NULL);
	mm_unlock(mm);
}

/* The regions, one by one, their pages gone. */
static void space_drop_vads(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space)
{
	struct fw_vad *v;

	mm_lock(mm, actor);
	while ((v = space->vads) != NULL) {
		commit_charge(mm, space,
			      -(int64_t)vad_charge(v, v->end - v->start));
		vad_remove(mm, space, v);
		if (v->section)
			section_put(mm, v->section);
		pool_free(mm, v, sizeof(*v));
		mm_checkpoint(mm);
	}
	mm_unlock(mm);
}

/* *ref, when there is one, is cleared in the very step that frees the space. */
static void space_destroy(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space *space, struct fw_space **ref)
{
	/* A fork's child, whose parent may be locked, has no stock. */
	if (space->n_stripes > 1 && !(actor && actor->forking == space)) {
		fw_space_lock(space, actor);
		stripes_drain(mm, actor, space);
		fw_space_unlock(space);
	}
	range_drop(mm, actor, space, space->low, space->user_top, false);
	space_drop_vads(mm, actor, space);
	mm_lock(mm, actor);
	table_prune_all(mm, space);
	space_unshare_kernel(mm, space);
	root_clear_port(mm, space);
	FW_ASSERT(fw_space_resident(space) == 0 && space->table_frames == 1);
	if (space->prev)
		FW_SET(mm, space->prev->next, space->next);
	else
		FW_SET(mm, mm->spaces, space->next);
	if (space->next)
		FW_SET(mm, space->next->prev, space->prev);
	FW_SUB(mm, mm->n_spaces, 1);
	if (space->ws_flags & FW_WS_MIN_HARD)
		FW_SUB(mm, mm->ws_kept, space->ws_min);
	if (actor && actor->forking == space)
		FW_SET(mm, actor->forking, NULL);
	frame_free(mm, frame_at(mm, space->root));
	pool_free(mm, space, space_size(mm));
	if (ref)
		FW_SET(mm, *ref, NULL);
	mm->progress++;
	mm_unlock(mm);
	section_sweep(mm, actor);
}

void fw_space_destroy(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space)
{
	space_destroy(mm, actor, space, NULL);
}

void fw_space_destroy_ref(struct fw_mm *mm, struct fw_actor *actor,
			  struct fw_space **ref)
{
	if (*ref)
		space_destroy(mm, actor, *ref, ref);
}

void fw_space_reset_peak(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space)
{
	mm_lock(mm, actor);
	space->peak = space->resident;
	mm_unlock(mm);
}

void fw_space_each(struct fw_mm *mm, struct fw_actor *by,
		   void (*visit)(struct fw_space *, void *), void *arg)
{
	struct fw_space *s;

	mm_lock(mm, by);
	for (s = mm->spaces; s; s = s->next)
		visit(s, arg);
	mm_unlock(mm);
}

enum fw_status fw_space_set_priority(struct fw_mm *mm, struct fw_actor *actor,
				     struct fw_space *space, int prio)
{
	if (prio < FW_PRIO_NONE || prio >= FW_PRIO_LEVELS)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	FW_SET(mm, space->prio, prio + 1);
	mm_unlock(mm);
	return FW_OK;
}
