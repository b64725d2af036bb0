/* SPDX-License-Identifier: MIT */
/*
 * locked.c - mlock and its relatives. Pages of a region that is FW_VADF_LOCKED
 * are not trimmed, and so are never written to a page file. A run can lock no
 * more than part of its RAM: more is refused as if the limit were lower.
 */
#include "os/regions.h"

#define MLOCK_ONFAULT_BIT 1l
#define MCL_CURRENT_BIT 1l
#define MCL_FUTURE_BIT 2l
#define MCL_ONFAULT_BIT 4l
#define RAM_SHARE(bytes) ((bytes) / 4 * 3)

/* Locked pages of [start, end), bytes of addresses. */
static uint64_t locked_pages(struct kthread *t, uint64_t start, uint64_t end)
{
	uint64_t pages = 0, from, to;
	struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, start);
	for (; v && vad_start(v) < end; v = fw_vad_next(v)) {
		from = vad_start(v) > start ? vad_start(v) : start;
		to = vad_end(v) < end ? vad_end(v) : end;
		if (v->flags & FW_VADF_LOCKED && to > from)
			pages += (to - from) >> FW_PAGE_SHIFT;
	}
	fw_space_unlock(t->p->space);
	return pages;
}

/* Whether so many pages in all may be locked. */
static bool within(struct kthread *t, uint64_t pages)
{
	if (pages > RAM_SHARE(t->p->ram_bytes) >> FW_PAGE_SHIFT)
		return false;
	return pages <= limit_now(t, LIMIT_MEMLOCK) >> FW_PAGE_SHIFT ||
	       capable(CAP_IPC_LOCK);
}

long lock_allows(struct kthread *t, uint64_t more)
{
	uint64_t pages = locked_pages(t, 0, FW_USER_TOP);

	return within(t, pages + (more >> FW_PAGE_SHIFT)) ? 0 : -EAGAIN;
}

static bool may_lock(struct kthread *t)
{
	return limit_now(t, LIMIT_MEMLOCK) || capable(CAP_IPC_LOCK);
}

/* ---- ranges ------------------------------------------------------------- */

/* How far regions follow one another from `start` on. */
static uint64_t mapped_end(struct kthread *t, uint64_t start, uint64_t end)
{
	uint64_t at = start;
	struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, start);
	for (; v && at < end && vad_start(v) <= at; v = fw_vad_next(v))
		at = vad_end(v);
	fw_space_unlock(t->p->space);
	return at < end ? at : end;
}

/* As far as the range is mapped. */
static long mark(struct kthread *t, uint64_t start, uint64_t end, uint32_t set)
{
	uint64_t to = mapped_end(t, start, end);

	if (to > start &&
	    fw_set_flags(t->p->mm, t->actor, t->p->space, start, to - start,
			 set, OS_LOCKED_BITS & ~set) != FW_OK)
		return -ENOMEM;
	return to < end ? -ENOMEM : 0;
}

/* Brings in what is locked, region by region. */
static long bring_in(struct kthread *t, uint64_t start, uint64_t end)
{
	struct fw_vad v;
	long r = 0;

	for (uint64_t at = start; !r && at < end && region_from(t, at, &v);
	     at = vad_end(&v)) {
		uint64_t from = vad_start(&v) > at ? vad_start(&v) : at;
		uint64_t to = vad_end(&v) < end ? vad_end(&v) : end;

		if (from >= end)
			break;
		if ((v.flags & OS_LOCKED_BITS) != FW_VADF_LOCKED)
			continue;
		if (v.flags & FW_VADF_STACK && from < v.stack_low
							  << FW_PAGE_SHIFT)
			from = v.stack_low << FW_PAGE_SHIFT;
		r = v.prot ? populate_all(t, from, to - from,
					  v.prot & FW_PROT_W && !vad_shared(&v))
			   : -EFAULT;
	}
	return r;
}

static long lock_range(struct kthread *t, const long a[6], uint32_t set)
{
	uint64_t start = (uint64_t)a[0] & ~FW_PAGE_MASK, end, pages;
	uint64_t len = page_up((uint64_t)a[0] - start + (uint64_t)a[1]);
	long r;

	if (!may_lock(t))
		return -EPERM;
	end = start + len;
	if (end < start)
		return limit_now(t, LIMIT_MEMLOCK) == ~0ull ||
				       capable(CAP_IPC_LOCK)
			       ? -EINVAL
			       : -ENOMEM;
	pages = locked_pages(t, 0, FW_USER_TOP) + (len >> FW_PAGE_SHIFT);
	if (!within(t, pages))
		pages -= locked_pages(t, start, end);
	if (!within(t, pages))
		return -ENOMEM;
	if (!len)
		return 0;
	r = mark(t, start, end, set);
	if (!r && bring_in(t, start, end))
		r = -ENOMEM;
	return r;
}

long sys_mlock(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_mlock, a[0], a[1], a[2]);
	return lock_range(t, a, FW_VADF_LOCKED);
}

long sys_mlock2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_mlock2, a[0], a[1], a[2]);
	if (a[2] & ~MLOCK_ONFAULT_BIT)
		return -EINVAL;
	return lock_range(t, a, a[2] ? OS_LOCKED_BITS : FW_VADF_LOCKED);
}

long sys_munlock(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0] & ~FW_PAGE_MASK;
	uint64_t len = page_up((uint64_t)a[0] - start + (uint64_t)a[1]);

	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_munlock, a[0], a[1], a[2]);
	if (start + len < start)
		return -EINVAL;
	return len ? mark(t, start, start + len, 0) : 0;
}

/* ---- everything --------------------------------------------------------- */

static void mark_all(struct kthread *t, uint32_t set)
{
	fw_set_flags(t->p->mm, t->actor, t->p->space, 0, FW_USER_TOP, set,
		     OS_LOCKED_BITS & ~set);
}

long sys_mlockall(struct kthread *t, struct ucontext *uc, const long a[6])
{
	const long all = MCL_CURRENT_BIT | MCL_FUTURE_BIT | MCL_ONFAULT_BIT;
	uint32_t set = a[0] & MCL_ONFAULT_BIT ? OS_LOCKED_BITS : FW_VADF_LOCKED;

	(void)uc;
	if (!a[0] || a[0] & ~all || a[0] == MCL_ONFAULT_BIT)
		return -EINVAL;
	if (!may_lock(t))
		return -EPERM;
	if (a[0] & MCL_CURRENT_BIT && !within(t, mapped_pages(t)))
		return -ENOMEM;
	t->p->regions->lock_future = a[0] & MCL_FUTURE_BIT ? set : 0;
	if (!(a[0] & MCL_CURRENT_BIT))
		return 0;
	mark_all(t, set);
	for (uint64_t at = 0; at < FW_USER_TOP;) { /* errors do not matter */
		struct fw_vad v;

		if (!region_from(t, at, &v))
			break;
		bring_in(t, vad_start(&v), vad_end(&v));
		at = vad_end(&v);
	}
	return 0;
}

long sys_munlockall(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	(void)a;
	t->p->regions->lock_future = 0;
	mark_all(t, 0);
	return 0;
}
