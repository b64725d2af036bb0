/* SPDX-License-Identifier: MIT */
/*
 * grow.c - regions that grow downwards, when what lies below is touched: the
 * stack and MAP_GROWSDOWN. How far is decided at each growth, as at Linux: by
 * the limits of that moment, whoever has set them, and by what lies below.
 */
#include "os/regions.h"

#define STACK_STEP 0x10000ull

struct growth {
	struct fw_vad v;
	uint64_t at;	/* the page that is touched */
	uint64_t least; /* the lowest page that it may have now */
	uint64_t below; /* end of the next region below, if it is near */
};

/* A stack's lowest page is never given. */
static uint64_t given_from(const struct fw_vad *v)
{
	return vad_start(v) + (v->flags & FW_VADF_STACK ? FW_PAGE_SIZE : 0);
}

/* What lies below leaves a gap, unless nobody can touch it. */
static bool may_come_near(const struct kthread *t, struct growth *g)
{
	const uint64_t look = OS_DOWN_GAP + STACK_STEP;
	uint64_t from = g->at > look ? g->at - look : 0;
	struct fw_vad *v = fw_vad_at_or_above(t->p->space, from);

	for (; v && v->start < g->v.start; v = fw_vad_next(v)) {
		g->below = vad_end(v);
		if (v->prot && !vad_grows(v))
			g->least = g->below + OS_DOWN_GAP;
	}
	return g->at >= g->least;
}

static bool find(struct kthread *t, struct growth *g)
{
	const struct fw_vad *v;
	bool found;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, g->at);
	found = v && vad_grows(v) && given_from(v) > g->at;
	if (found) {
		g->v = *v;
		found = may_come_near(t, g);
	}
	fw_space_unlock(t->p->space);
	return found;
}

/* The stack's region gets some more at once, if it may. */
static enum fw_status grow_stack(struct kthread *t, const struct growth *g,
				 uint64_t limit)
{
	uint64_t to = g->at & ~(STACK_STEP - 1), end = vad_end(&g->v);

	if (end - to > limit)
		to = end - (limit & ~FW_PAGE_MASK);
	if (to < g->least)
		to = g->least;
	to -= FW_PAGE_SIZE;
	if (to < g->below)
		to = g->below;
	return fw_extend_down(t->p->mm, t->actor, t->p->space, vad_start(&g->v),
			      vad_start(&g->v) - to);
}

static enum fw_status grow_other(struct kthread *t, const struct growth *g)
{
	struct fw_map_request rq = {
		.start = g->at,		.len = vad_start(&g->v) - g->at,
		.kind = g->v.kind,	.prot = g->v.prot,
		.max_prot = g->v.max_prot, .flags = g->v.flags,
	};

	return fw_map(t->p->mm, t->actor, t->p->space, &rq);
}

bool os_grow_down(struct kthread *t, uint64_t addr)
{
	struct growth g = {.at = addr & ~FW_PAGE_MASK};
	uint64_t limit, more;
	enum fw_status s;

	/* An agent looks for another process: that makes nothing grow. */
	if (t->is_agent || g.at < FW_USER_MIN || !find(t, &g))
		return false;
	limit = limit_now(t, LIMIT_STACK);
	more = given_from(&g.v) - g.at;
	if (vad_end(&g.v) - g.at > limit || !limits_allow(t, more, false) ||
	    (g.v.flags & FW_VADF_LOCKED && lock_allows(t, more)))
		return false;
	s = g.v.flags & FW_VADF_STACK ? grow_stack(t, &g, limit)
				      : grow_other(t, &g);
	/* Another thread was first: who asked looks again. */
	return s == FW_OK || s == FW_E_NOENT || s == FW_E_EXIST;
}
