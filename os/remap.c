/* SPDX-License-Identifier: MIT */
/*
 * remap.c - mremap in all its modes, and remap_file_pages. What is checked,
 * and in which order, is Linux's; since 6.17 a move without a change of size
 * may span several regions.
 */
#include <linux/mman.h>

#include "os/regions.h"
#include "os/view.h"

#define MREMAP_BITS 7ul
#define MAP_NOTHING (-1) /* as a descriptor */

struct remap {
	struct kthread *t;
	uint64_t old, old_len, new_len, to;
	unsigned long flags;
	struct { /* to be brought in afterwards */
		uint64_t at, len;
		bool write;
	} fill;
};

static bool replaces(const struct remap *m)
{
	return m->flags & MREMAP_FIXED;
}

/* ---- windows ------------------------------------------------------------ */

long window_place(struct kthread *t, uint64_t len)
{
	return window_open(t, MAP_NOTHING, 0, len, 0, false);
}

/* Has the host move (or, when `len` is 0, copy) a mapping to a new place. */
static long window_put(struct kthread *t, uint64_t window, uint64_t len,
		       uint64_t new_len)
{
	long at = window_place(t, new_len), r;

	if (K_IS_ERR(at))
		return -ENOMEM;
	r = HC5(__NR_mremap, window, len, new_len,
		MREMAP_MAYMOVE | MREMAP_FIXED, at);
	if (K_IS_ERR(r))
		window_close((uint64_t)at, new_len);
	return r;
}

long window_dup(struct kthread *t, uint64_t window, uint64_t len)
{
	return window_put(t, window, 0, len);
}

/* The same of a private window, which has no pages of its own: the host moves
 * it and leaves it behind. -EINVAL of hosts that do not do that with files. */
static long window_dup_private(struct kthread *t, uint64_t window, uint64_t len)
{
	long at = window_place(t, len), r;

	if (K_IS_ERR(at))
		return -ENOMEM;
	r = HC5(__NR_mremap, window, len, len,
		MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at);
	if (K_IS_ERR(r))
		window_close((uint64_t)at, len);
	return r;
}

/*
 * A view that grows needs a longer window: where it is, or elsewhere; the
 * region's cookie says where. A shared one is copied before the old one goes,
 * so that it is there all the time.
 */
static long grow_window(struct kthread *t, const struct fw_vad *v,
			uint64_t more)
{
	uint64_t len = vad_end(v) - vad_start(v), at = vad_window(v);
	bool shared = v->kind == FW_VAD_HOST;
	long r;

	if (!shared && v->kind != FW_VAD_PRIVATE_VIEW)
		return 0;
	r = HC4(__NR_mremap, at, len, len + more, 0);
	if (!K_IS_ERR(r))
		return 0;
	r = window_put(t, at, shared ? 0 : len, len + more);
	if (K_IS_ERR(r))
		return -ENOMEM;
	if (fw_set_cookie(t->p->mm, t->actor, t->p->space, vad_start(v), len,
			  (uint64_t)r - (v->page << FW_PAGE_SHIFT)) != FW_OK)
		return -ENOMEM;
	if (shared)
		window_close(at, len);
	return 0;
}

/* ---- what is one region to Linux ---------------------------------------- */

/*
 * Shared views that lie side by side, of one file and alike in all else. Linux
 * means one opening of it, which is not to be seen here: one inode.
 */
static bool views_alike(struct kthread *t, const struct fw_vad *a,
			const struct fw_vad *b)
{
	if (vad_end(a) != vad_start(b) || a->kind != b->kind ||
	    a->prot != b->prot || a->max_prot != b->max_prot ||
	    a->flags != b->flags || a->tag != b->tag)
		return false;
	if (a->kind == FW_VAD_HOST)
		return view_same_file(t, vad_window(a), vad_window(b));
	return a->kind == FW_VAD_SECTION && a->section == b->section;
}

/* From region v, views alike reach to `end`. */
static bool views_reach(struct kthread *t, const struct fw_vad *v, uint64_t end)
{
	struct fw_vad a = *v, b;

	for (; vad_end(&a) < end; a = b)
		if (!region_from(t, vad_end(&a), &b) || !views_alike(t, &a, &b))
			return false;
	return true;
}

/* One window of what these two show, one after the other. */
static long windows_join(struct kthread *t, const struct fw_vad *a,
			 const struct fw_vad *b)
{
	uint64_t a_len = vad_end(a) - vad_start(a);
	uint64_t b_len = vad_end(b) - vad_start(b);
	long at = window_place(t, a_len + b_len), r;

	if (K_IS_ERR(at))
		return at;
	r = window_clone(vad_window(a), a_len, (uint64_t)at, FW_PROT_R);
	if (!K_IS_ERR(r))
		r = window_clone(vad_window(b), b_len, (uint64_t)at + a_len,
				 FW_PROT_R);
	if (K_IS_ERR(r))
		window_close((uint64_t)at, a_len + b_len);
	return K_IS_ERR(r) ? r : at;
}

/* The region is to have this part of a window. */
static bool give_window(struct kthread *t, const struct fw_vad *v, uint64_t at)
{
	uint64_t len = vad_end(v) - vad_start(v);

	if (fw_set_cookie(t->p->mm, t->actor, t->p->space, vad_start(v), len,
			  at - (v->page << FW_PAGE_SHIFT)) != FW_OK) {
		window_close(at, len);
		return false;
	}
	window_close(vad_window(v), len);
	return true;
}

/* The region that ends there and the one that begins there, if they show
 * adjacent parts of a file. */
static void join_at(struct kthread *t, uint64_t addr)
{
	struct fw_vad a, b;
	uint64_t second;
	long at;

	if (!region_from(t, addr - 1, &a) || vad_end(&a) != addr ||
	    a.kind != FW_VAD_HOST || !region_from(t, addr, &b) ||
	    b.page != a.page + (a.end - a.start) || !views_alike(t, &a, &b))
		return;
	at = windows_join(t, &a, &b);
	if (K_IS_ERR(at))
		return;
	second = (uint64_t)at + vad_end(&a) - vad_start(&a);
	if (give_window(t, &a, (uint64_t)at))
		give_window(t, &b, second);
	else
		window_close(second, vad_end(&b) - vad_start(&b));
}

void join_views(struct kthread *t, uint64_t start, uint64_t len)
{
	join_at(t, start + len);
	join_at(t, start);
}

/* ---- growing ------------------------------------------------------------ */

/* The region that ends at start + len grows by `more`. */
static long grow_at(struct kthread *t, uint64_t start, uint64_t len,
		    uint64_t more)
{
	struct fw_vad v, next;
	uint64_t pages;
	long r;

	if (!range_ok(start, len + more) || !region_from(t, start, &v))
		return -ENOMEM;
	if (vad_end(&v) != start + len)
		return -EEXIST;
	if (region_from(t, start + len, &next) &&
	    vad_start(&next) < start + len + more)
		return -EEXIST;
	r = grow_window(t, &v, more);
	pages = v.page + ((start + len + more - vad_start(&v)) >>
			  FW_PAGE_SHIFT);
	if (!r && v.kind == FW_VAD_PRIVATE_VIEW &&
	    fw_section_pages(v.section) < pages)
		fw_section_resize(t->p->mm, t->actor, v.section, pages);
	return r ? r
		 : map_errno(fw_extend(t->p->mm, t->actor, t->p->space,
				       start + len, more));
}

/* What was added to a locked region is to be brought in. */
static void grown(struct remap *m, const struct fw_vad *v, uint64_t at)
{
	if ((v->flags & OS_LOCKED_BITS) != FW_VADF_LOCKED || !v->prot)
		return;
	m->fill.at = at + m->old_len;
	m->fill.len = m->new_len - m->old_len;
	m->fill.write = v->prot & FW_PROT_W && !vad_shared(v);
}

/* ---- moving ------------------------------------------------------------- */

bool hold_section(struct kthread *t, uint64_t at, const struct fw_vad *v)
{
	const struct fw_vad *now;
	bool same;

	if (!v->section)
		return true;
	fw_space_lock(t->p->space, t->actor);
	now = fw_vad_at_or_above(t->p->space, at);
	same = now && now->section == v->section;
	if (same)
		fw_section_hold(t->p->mm, t->actor, v->section);
	fw_space_unlock(t->p->space);
	return same;
}

void let_go_section(struct kthread *t, const struct fw_vad *v)
{
	if (v->section)
		fw_section_let_go(t->p->mm, t->actor);
}

/* The same shared memory once more, at `to`. */
static long duplicate(const struct remap *m, const struct fw_vad *v,
		      uint64_t to)
{
	struct fw_vad copy = *v;
	long r;

	copy.page += (m->old - vad_start(v)) >> FW_PAGE_SHIFT;
	if (!hold_section(m->t, m->old, v))
		return -EFAULT;
	if (v->kind == FW_VAD_HOST) {
		r = window_dup(m->t, vad_window(&copy), m->new_len);
		if (K_IS_ERR(r))
			return r;
		copy.cookie = (uint64_t)r - (copy.page << FW_PAGE_SHIFT);
	}
	r = map_like(m->t, &copy, to, m->new_len, v->flags, replaces(m));
	let_go_section(m->t, v);
	if (r && v->kind == FW_VAD_HOST)
		window_close(vad_window(&copy), m->new_len);
	return r ? r : (long)to;
}

/* Another window for what the range shows of a file; 0 when it shows none. */
static long second_window(const struct remap *m, const struct fw_vad *v)
{
	uint64_t window = vad_window(v) + (m->old - vad_start(v));

	if (v->kind == FW_VAD_PRIVATE_VIEW)
		return window_dup_private(m->t, window, m->old_len);
	return v->kind == FW_VAD_HOST
		       ? window_dup(m->t, window, m->old_len)
		       : 0;
}

/*
 * MREMAP_DONTUNMAP: what is left behind is the same mapping without pages of
 * its own. One of the two needs the other window: what has moved, so that the
 * other goes on together with its neighbours. As at Linux, all of the old
 * region is not locked any more.
 */
static long leave_behind(const struct remap *m, struct fw_vad *v, uint64_t to,
			 uint64_t window)
{
	struct kproc *p = m->t->p;
	uint64_t len = m->old_len, cookie;
	long r;

	v->page += (m->old - vad_start(v)) >> FW_PAGE_SHIFT;
	v->flags &= ~OS_LOCKED_BITS;
	if (window) {
		cookie = window - (v->page << FW_PAGE_SHIFT);
		if (fw_set_cookie(p->mm, m->t->actor, p->space, to, len,
				  cookie) != FW_OK)
			v->cookie = cookie;
	}
	r = map_like(m->t, v, m->old, len, v->flags, false);
	if (r && window)
		window_close(vad_window(v), len);
	fw_set_flags(p->mm, m->t->actor, p->space, vad_start(v),
		     vad_end(v) - vad_start(v), 0, OS_LOCKED_BITS);
	return r;
}

static long move_and_leave(const struct remap *m, struct fw_vad *v, uint64_t to)
{
	struct kproc *p = m->t->p;
	enum fw_status s;
	long r, window;

	if (!hold_section(m->t, m->old, v))
		return -EFAULT;
	window = second_window(m, v);
	r = K_IS_ERR(window) ? window : 0;
	if (!r) {
		s = fw_move(p->mm, m->t->actor, p->space, m->old, m->old_len,
			    to);
		r = s == FW_E_FAULT ? -EFAULT : map_errno(s);
		if (!r)
			r = leave_behind(m, v, to, (uint64_t)window);
		else if (window)
			window_close((uint64_t)window, m->old_len);
	}
	let_go_section(m->t, v);
	return r ? r : (long)to;
}

static long move_pages(const struct remap *m, struct fw_vad *v, uint64_t to)
{
	struct kproc *p = m->t->p;
	enum fw_status s;

	if (m->flags & MREMAP_DONTUNMAP)
		return move_and_leave(m, v, to);
	s = replaces(m) ? fw_move_over(p->mm, m->t->actor, p->space, m->old,
				       m->old_len, to, m->new_len)
			: fw_move(p->mm, m->t->actor, p->space, m->old,
				  m->old_len, to);
	if (s != FW_OK)
		return s == FW_E_FAULT ? -EFAULT : map_errno(s);
	return (long)to;
}

/* Moves the range, which lies in region v, to `to`, which is free or replaced;
 * it grows there. */
static long move_to(struct remap *m, struct fw_vad *v, uint64_t to)
{
	struct kproc *p = m->t->p;
	long r;

	if (!m->old_len)
		return duplicate(m, v, to);
	r = move_pages(m, v, to);
	if (!K_IS_ERR(r) && m->new_len > m->old_len) {
		r = grow_at(m->t, to, m->old_len, m->new_len - m->old_len);
		if (r) { /* back again: nothing is lost */
			fw_move(p->mm, m->t->actor, p->space, to, m->old_len,
				m->old);
			return r;
		}
		grown(m, v, to);
	}
	return r ? r : (long)to;
}

/* ---- checks ------------------------------------------------------------- */

static bool implies_place(const struct remap *m)
{
	return m->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
}

static long check_arguments(const struct remap *m)
{
	if (m->flags & ~MREMAP_BITS || m->old & FW_PAGE_MASK || !m->new_len ||
	    m->new_len > FW_USER_TOP)
		return -EINVAL;
	if (!implies_place(m))
		return 0;
	if (m->to > FW_USER_TOP - m->new_len || m->to & FW_PAGE_MASK ||
	    !(m->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (m->flags & MREMAP_DONTUNMAP && m->old_len != m->new_len)
		return -EINVAL;
	if (m->to < m->old + m->old_len && m->old < m->to + m->new_len)
		return -EINVAL;
	return 0;
}

/* The region at m->old, and whether it can do what is asked. */
static long check_region(const struct remap *m, struct fw_vad *v)
{
	uint64_t len = m->old_len, more;

	if (!region_from(m->t, m->old, v) || vad_start(v) > m->old)
		return -EFAULT;
	if (m->new_len <= m->old_len && !implies_place(m))
		return 0;
	if (!len && !vad_shared(v))
		return -EINVAL;
	if (m->new_len < len)
		len = m->new_len;
	if (len > vad_end(v) - m->old)
		return -EFAULT;
	if (m->new_len <= m->old_len)
		return 0;
	more = m->new_len - m->old_len;
	if (v->flags & FW_VADF_LOCKED && lock_allows(m->t, more))
		return -EAGAIN;
	return limits_allow(m->t, more, vad_is_data(v)) ? 0 : -ENOMEM;
}

/* ---- the modes ---------------------------------------------------------- */

static long unmap(struct kthread *t, uint64_t start, uint64_t len)
{
	return map_errno(fw_unmap(t->p->mm, t->actor, t->p->space, start, len));
}

/* DONTUNMAP takes the address as a proposal. */
static long remap_anywhere(struct remap *m, struct fw_vad *v)
{
	uint64_t hint = m->flags & MREMAP_DONTUNMAP ? m->to : 0;
	long at = place_near(m->t, hint, m->new_len, false);

	return K_IS_ERR(at) ? at : move_to(m, v, (uint64_t)at);
}

/* What is to be duplicated is itself replaced: as at Linux it is gone. */
static bool is_onto_itself(const struct remap *m)
{
	return !m->old_len && m->to == m->old;
}

/* At a place that is given, or with DONTUNMAP perhaps proposed. What is there
 * goes when the range comes (fw_move_over), but where it goes first. */
static long remap_to(struct remap *m, struct fw_vad *v)
{
	long r;

	if (replaces(m) && m->to < FW_USER_MIN)
		return -EPERM;
	if (replaces(m) && (m->flags & MREMAP_DONTUNMAP || is_onto_itself(m))) {
		r = unmap(m->t, m->to, m->new_len);
		if (r)
			return r;
		if (!region_from(m->t, m->old, v) || vad_start(v) > m->old)
			return -EFAULT;
	}
	if (m->new_len < m->old_len) {
		r = unmap(m->t, m->old + m->new_len, m->old_len - m->new_len);
		if (r)
			return r;
		m->old_len = m->new_len;
	}
	if (m->flags & MREMAP_DONTUNMAP &&
	    !limits_allow(m->t, m->old_len, vad_is_data(v)))
		return -ENOMEM;
	return replaces(m) ? move_to(m, v, m->to) : remap_anywhere(m, v);
}

static long remap_in_place(struct remap *m, struct fw_vad *v)
{
	long r;

	if (m->new_len == m->old_len)
		return (long)m->old;
	if (m->new_len < m->old_len) {
		r = unmap(m->t, m->old + m->new_len, m->old_len - m->new_len);
		return r ? r : (long)m->old;
	}
	if (m->old_len &&
	    grow_at(m->t, m->old, m->old_len, m->new_len - m->old_len) == 0) {
		grown(m, v, m->old);
		return (long)m->old;
	}
	return m->flags & MREMAP_MAYMOVE ? remap_anywhere(m, v) : -ENOMEM;
}

/* Linux has file systems whose files cannot move together with neighbours; it
 * is so for System V segments everywhere. */
static bool moves_with_others(const struct fw_vad *v)
{
	return !v->tag;
}

/* Without a change of size: all regions of the range, gaps and all. */
static long remap_many(const struct remap *all)
{
	uint64_t end = all->old + all->old_len, at = all->old;
	struct remap m = *all;
	struct fw_vad v;
	bool any = false;
	long r = -EFAULT;

	while (at < end && region_from(m.t, at, &v) && vad_start(&v) < end) {
		uint64_t from = vad_start(&v) > at ? vad_start(&v) : at;
		uint64_t to = vad_end(&v) < end ? vad_end(&v) : end;

		if ((!any && from > at) ||
		    (!moves_with_others(&v) && (any || to < end)))
			return -EFAULT;
		m.old = from;
		m.to = all->to + (from - all->old);
		m.old_len = m.new_len = to - from;
		r = check_region(&m, &v);
		if (!r)
			r = remap_to(&m, &v);
		if (K_IS_ERR(r))
			return r;
		any = true;
		at = to;
	}
	return any ? (long)all->to : r;
}

static long remap(struct remap *m)
{
	struct fw_vad v;
	long r;

	if (replaces(m) && m->old_len == m->new_len)
		return remap_many(m);
	r = check_region(m, &v);
	if (r)
		return r;
	return implies_place(m) ? remap_to(m, &v) : remap_in_place(m, &v);
}

long sys_mremap(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct remap m = {
		.t = t,
		.old = (uint64_t)a[0],
		.old_len = page_up((uint64_t)a[1]),
		.new_len = page_up((uint64_t)a[2]),
		.flags = (unsigned long)a[3],
		.to = (uint64_t)a[4],
	};
	long r = check_arguments(&m);

	(void)uc;
	if (r)
		return r;
	if (!range_ok(m.old, m.old_len))
		return -EFAULT;
	regions_lock(t);
	r = remap(&m);
	regions_unlock(t);
	if (!K_IS_ERR(r) && m.fill.len)
		populate(t, m.fill.at, m.fill.len, m.fill.write);
	return r;
}

/* ---- remap_file_pages --------------------------------------------------- */

/* The window shows other pages of the same file; the host sees to that. */
static long window_of_page(struct kthread *t, const struct fw_vad *v,
			   uint64_t page, uint64_t len)
{
	long at = window_dup(t, vad_window(v), len), r;

	if (K_IS_ERR(at))
		return at;
	r = HC5(__NR_remap_file_pages, at, len, 0, page, 0);
	if (r)
		window_close((uint64_t)at, len);
	return r ? r : at;
}

long sys_remap_file_pages(struct kthread *t, struct ucontext *uc,
			  const long a[6])
{
	uint64_t start = (uint64_t)a[0] & ~FW_PAGE_MASK;
	uint64_t len = (uint64_t)a[1] & ~FW_PAGE_MASK, page = (uint64_t)a[3];
	struct fw_vad v;
	long r;

	(void)uc;
	if (a[2] || start + len <= start ||
	    page + (len >> FW_PAGE_SHIFT) < page ||
	    !region_from(t, start, &v) || vad_start(&v) > start ||
	    !vad_shared(&v) || !(v.max_prot & FW_PROT_W) ||
	    !views_reach(t, &v, start + len))
		return -EINVAL;
	v.page = page;
	if (v.kind == FW_VAD_HOST) {
		struct fw_vad now;

		region_from(t, start, &now);
		r = window_of_page(t, &now, page, len);
		if (K_IS_ERR(r))
			return r;
		v.cookie = (uint64_t)r - (page << FW_PAGE_SHIFT);
	} else if (!hold_section(t, start, &v)) {
		return -EINVAL;
	}
	r = map_like(t, &v, start, len, v.flags & OS_LOCKED_BITS, true);
	let_go_section(t, &v);
	if (r && v.kind == FW_VAD_HOST)
		window_close(vad_window(&v), len);
	if (!r)
		join_views(t, start, len);
	if (!r && v.prot)
		populate(t, start, len, false);
	return r;
}
