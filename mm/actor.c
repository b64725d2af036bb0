/* SPDX-License-Identifier: MIT */
/*
 * actor.c - who runs the core, and what becomes of what they held when they
 * die. An id is an index below ACTOR_MAX and a generation above it, so that
 * the id of a dead actor never names a living one.
 */
#include <mm/cstore.h>

void actor_hold(struct fw_mm *mm, struct fw_actor *a, enum held_kind kind,
		const fw_pfn *pfn, unsigned n)
{
	unsigned i;

	FW_ASSERT(a->n_held == 0 && n <= FW_MAX_ACTOR_FRAMES);
	for (i = 0; i < n; i++)
		FW_SET(mm, a->held[i], pfn[i]);
	FW_SET(mm, a->held_kind, kind);
	FW_SET(mm, a->n_held, n);
}

void actor_unhold(struct fw_mm *mm, struct fw_actor *a)
{
	FW_SET(mm, a->n_held, 0);
	FW_SET(mm, a->held_kind, HELD_NONE);
}

/* A free index, or ACTOR_MAX. */
static uint32_t actor_index(const struct fw_mm *mm)
{
	uint32_t i;

	for (i = 0; i < mm->actor_top; i++)
		if (!mm->actor[i])
			return i;
	return i;
}

static enum fw_status actor_make(struct fw_mm *mm, struct fw_actor **ret)
{
	uint32_t i = actor_index(mm), generation;
	struct fw_actor *a;

	if (i == ACTOR_MAX)
		return FW_E_LIMIT;
	a = pool_alloc(mm, sizeof(*a));
	if (!a)
		return FW_E_NOMEM;
	generation = (mm->actor_generation[i] + 1) &
		     (UINT32_MAX >> ACTOR_INDEX_BITS);
	if (generation == 0)
		generation = 1;
	a->id = generation << ACTOR_INDEX_BITS | i;
	a->in_use = 1;
	FW_SET(mm, mm->actor_generation[i], generation);
	FW_SET(mm, mm->actor[i], a);
	if (i == mm->actor_top)
		FW_ADD(mm, mm->actor_top, 1);
	FW_ADD(mm, mm->n_actors, 1);
	*ret = a;
	return FW_OK;
}

enum fw_status fw_actor_create(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_actor **ret_new)
{
	enum fw_status status;
	struct fw_actor *made = NULL;

	mm_lock(mm, actor);
	status = actor_make(mm, &made);
	mm_unlock(mm);
	if (status == FW_OK)
		*ret_new = made;
	return status;
}

static void actor_end(struct fw_mm *mm, struct fw_actor *a)
{
	unsigned k;

	for (k = 0; k < FW_KIND_COUNT; k++) {
		mm->dead_count[k] += a->fault_count[k];
		mm->dead_ticks[k] += a->fault_ticks[k];
		mm->dead_pages[k] += a->pages_count[k];
	}
	FW_SET(mm, a->in_use, 0);
	FW_SET(mm, mm->actor[a->id & (ACTOR_MAX - 1)], NULL);
	FW_SUB(mm, mm->n_actors, 1);
	pool_free(mm, a, sizeof(*a));
}

void fw_actor_destroy(struct fw_mm *mm, struct fw_actor *by,
		      struct fw_actor *dead)
{
	FW_ASSERT(dead->n_held + dead->n_log + dead->n_moving == 0 &&
		  !dead->held_section && !dead->own_section);
	mm_lock(mm, by);
	actor_end(mm, dead);
	mm_unlock(mm);
}

static void actor_give_back(struct fw_mm *mm, struct fw_actor *a)
{
	uint32_t i;

	for (i = 0; i < a->n_held; i++) {
		struct fw_frame *f = frame_at(mm, a->held[i]);

		switch (a->held_kind) {
		case HELD_RESERVED:
			frame_free(mm, f);
			break;
		case HELD_READ:
			frame_read_done(mm, f, false, false);
			break;
		case HELD_WRITE:
			frame_write_done(mm, f, false);
			break;
		default:
			FW_ASSERT(false);
		}
	}
	actor_unhold(mm, a);
}

static void section_given_back(struct fw_mm *mm, struct fw_section **held)
{
	if (!*held)
		return;
	section_put(mm, *held);
	FW_SET(mm, *held, NULL);
}

/* Everything but the unfinished child, which is returned. */
static struct fw_space *actor_strip(struct fw_mm *mm, struct fw_actor *a)
{
	struct fw_space *child = a->forking;

	actor_give_back(mm, a);
	cstore_abandon(mm, a);
	section_given_back(mm, &a->held_section);
	section_given_back(mm, &a->own_section);
	FW_SET(mm, a->n_announced, 0);
	mm_checkpoint(mm);
	return child;
}

void fw_actor_reap(struct fw_mm *mm, struct fw_actor *by, uint32_t id)
{
	struct fw_space *child = NULL;
	struct fw_actor *dead;
	unsigned i;

	mm_lock(mm, by);
	/* Somebody else may be faster, at each of these steps. */
	dead = fw_actor_by_id(mm, id);
	if (dead) {
		child = actor_strip(mm, dead);
		mm->progress++;
	}
	if (child) {
		/* Now it is ours to end, should we die as well. */
		FW_SET(mm, dead->forking, NULL);
		if (by)
			FW_SET(mm, by->forking, child);
	} else if (dead) {
		actor_end(mm, dead);
	}
	mm->reaps += dead != NULL;
	mm_unlock(mm);
	for (i = 0; i < WAIT_WORDS; i++)
		mm_wake(mm, &mm->wait[i]);
	if (child) {
		fw_space_destroy(mm, by, child);
		fw_actor_reap(mm, by, id);
		return;
	}
	section_sweep(mm, by);
}

struct fw_actor *fw_actor_by_id(struct fw_mm *mm, uint32_t id)
{
	struct fw_actor *a = mm->actor[id & (ACTOR_MAX - 1)];

	return a && a->id == id ? a : NULL;
}

void fw_actor_each(struct fw_mm *mm, struct fw_actor *by,
		   void (*visit)(struct fw_actor *, void *), void *arg)
{
	uint32_t i;

	mm_lock(mm, by);
	for (i = 0; i < mm->actor_top; i++)
		if (mm->actor[i])
			visit(mm->actor[i], arg);
	mm_unlock(mm);
}

enum fw_status fw_actor_set_priority(struct fw_actor *actor, int prio)
{
	if (prio < FW_PRIO_NONE || prio >= FW_PRIO_LEVELS)
		return FW_E_INVAL;
	actor->prio = (uint16_t)(prio + 1);
	return FW_OK;
}
