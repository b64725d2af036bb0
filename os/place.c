/* SPDX-License-Identifier: MIT */
/*
 * place.c - where a mapping goes that does not say so, or that only proposes
 * it. As at Linux what grows downwards (grow.c) keeps a gap below it, except
 * from those that name their place.
 */
#include "os/regions.h"

#define LOW_TOP (1ull << 31)

bool region_from(struct kthread *t, uint64_t at, struct fw_vad *ret)
{
	const struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, at);
	if (v)
		*ret = *v;
	fw_space_unlock(t->p->space);
	return v != NULL;
}

/* Where a region begins to want the place for itself. A stack's begins where
 * it has grown to, which may be above its region's start. */
static uint64_t wanted_from(const struct fw_vad *v)
{
	uint64_t start = vad_start(v), from = start;

	if (!vad_grows(v))
		return start;
	if (v->flags & FW_VADF_STACK && v->stack_low > v->start)
		from = v->stack_low << FW_PAGE_SHIFT;
	from = from > OS_DOWN_GAP ? from - OS_DOWN_GAP : 0;
	return from < start ? from : start;
}

bool place_is_free(struct kthread *t, uint64_t at, uint64_t len)
{
	struct fw_vad v;

	return !region_from(t, at, &v) || vad_start(&v) >= at + len;
}

bool place_is_apart(struct kthread *t, uint64_t at, uint64_t len)
{
	struct fw_vad v;

	return !region_from(t, at, &v) || wanted_from(&v) >= at + len;
}

/* The highest place that ends at `high` or below. One that is too close to
 * what grows is looked for again below that. */
static long gap_below(struct kthread *t, uint64_t len, uint64_t high)
{
	struct fw_space *space = t->p->space;
	const struct fw_vad *v;
	enum fw_status s;
	uint64_t at;

	fw_space_lock(space, t->actor);
	for (;;) {
		s = fw_find_gap_locked(space, len, FW_USER_MIN, high, true,
				       &at);
		if (s != FW_OK)
			break;
		v = fw_vad_at_or_above(space, at + len);
		if (!v || wanted_from(v) >= at + len)
			break;
		high = wanted_from(v);
	}
	fw_space_unlock(space);
	return s == FW_OK ? (long)at : -ENOMEM;
}

long find_place(struct kthread *t, uint64_t len)
{
	long at = gap_below(t, len, t->p->mmap_top);

	return K_IS_ERR(at) ? gap_below(t, len, FW_USER_TOP) : at;
}

long place_for(struct kthread *t, uint64_t len, bool low)
{
	return low ? gap_below(t, len, LOW_TOP) : find_place(t, len);
}

long place_near(struct kthread *t, uint64_t hint, uint64_t len, bool low)
{
	hint &= ~FW_PAGE_MASK;
	if (hint && hint < FW_USER_MIN)
		hint = FW_USER_MIN;
	if (hint && range_ok(hint, len) && (!low || hint + len <= LOW_TOP) &&
	    place_is_apart(t, hint, len))
		return (long)hint;
	return place_for(t, len, low);
}
