/* SPDX-License-Identifier: MIT */
/*
 * advice.c - what a program says or asks about its memory: madvise, mincore,
 * msync.
 */
#include <asm-generic/mman-common.h>
#include <linux/mman.h>

#include "os/changes.h"

#define ADVICE_COLD 20
#define ADVICE_PAGEOUT 21
#define ADVICE_POPULATE_READ 22
#define ADVICE_POPULATE_WRITE 23
#define ADVICE_DONTNEED_LOCKED 24
#define HOST_MS_ASYNC 1
#define HOST_MS_INVALIDATE 2
#define HOST_MS_SYNC 4

/* A part of what is advised, in one region. */
struct part {
	struct kthread *t;
	uint64_t start, end;
	struct fw_vad v;
};

static long set_flags(const struct part *p, uint32_t set, uint32_t clear)
{
	enum fw_status s =
		fw_set_flags(p->t->p->mm, p->t->actor, p->t->p->space, p->start,
			     p->end - p->start, set, clear);

	return s == FW_OK ? 0 : -ENOMEM;
}

static long discard(const struct part *p)
{
	enum fw_status s =
		fw_discard(p->t->p->mm, p->t->actor, p->t->p->space, p->start,
			   p->end - p->start);

	if (p->v.kind == FW_VAD_PRIVATE_VIEW)
		view_renew(p->t, p->start, p->end);
	return s == FW_OK ? 0 : -ENOMEM;
}

/* Shared memory without a file has no holes: its pages become zero, and those
 * that nobody else has in memory are free. */
static long zero(const struct part *p)
{
	struct kproc *kp = p->t->p;
	uint64_t skip = (p->start - vad_start(&p->v)) >> FW_PAGE_SHIFT;

	if (!hold_section(p->t, p->start, &p->v))
		return -ENOMEM;
	fw_evict(kp->mm, p->t->actor, kp->space, p->start, p->end - p->start);
	fw_section_zero(kp->mm, p->t->actor, p->v.section, p->v.page + skip,
			 (p->end - p->start) >> FW_PAGE_SHIFT);
	let_go_section(p->t, &p->v);
	return 0;
}

static long remove_pages(const struct part *p)
{
	uint64_t window = vad_window(&p->v) + (p->start - vad_start(&p->v));

	if (p->v.flags & FW_VADF_LOCKED || p->v.kind == FW_VAD_PRIVATE)
		return -EINVAL;
	if (!vad_shared(&p->v) || !(p->v.max_prot & FW_PROT_W))
		return -EACCES;
	return p->v.kind == FW_VAD_SECTION
		       ? zero(p)
		       : HC3(__NR_madvise, window, p->end - p->start,
			     MADV_REMOVE);
}

static long evict(const struct part *p)
{
	if (p->v.flags & FW_VADF_LOCKED)
		return -EINVAL;
	fw_evict(p->t->p->mm, p->t->actor, p->t->p->space, p->start,
		 p->end - p->start);
	return 0;
}

/* Whether the host knows such a thing at all: asked of memory of ours. */
static long as_host(const struct part *p, int advice, uint32_t set,
		    uint32_t clear)
{
	long at = private_map(p->t, FW_PAGE_SIZE), r;

	if (K_IS_ERR(at))
		return -ENOMEM;
	r = HC3(__NR_madvise, at, FW_PAGE_SIZE, advice);
	window_close((uint64_t)at, FW_PAGE_SIZE);
	return r ? r : set_flags(p, set, clear);
}

static long advise_part(const struct part *p, int advice)
{
	const uint32_t access = FW_VADF_RANDOM | FW_VADF_SEQUENTIAL;

	switch (advice) {
	case MADV_NORMAL:
		return set_flags(p, 0, access);
	case MADV_RANDOM:
		return set_flags(p, FW_VADF_RANDOM, FW_VADF_SEQUENTIAL);
	case MADV_SEQUENTIAL:
		return set_flags(p, FW_VADF_SEQUENTIAL, FW_VADF_RANDOM);
	case MADV_DONTFORK:
		return set_flags(p, FW_VADF_DONTFORK, 0);
	case MADV_DOFORK:
		return set_flags(p, 0, FW_VADF_DONTFORK);
	case MADV_WIPEONFORK:
		return p->v.kind != FW_VAD_PRIVATE
			       ? -EINVAL
			       : set_flags(p, FW_VADF_WIPEONFORK, 0);
	case MADV_KEEPONFORK:
		return set_flags(p, 0, FW_VADF_WIPEONFORK);
	case MADV_FREE:
		return p->v.kind != FW_VAD_PRIVATE ||
				       p->v.flags & FW_VADF_LOCKED
			       ? -EINVAL
			       : discard(p);
	case MADV_DONTNEED:
		return p->v.flags & FW_VADF_LOCKED ? -EINVAL : discard(p);
	case ADVICE_DONTNEED_LOCKED:
		return discard(p);
	case MADV_REMOVE:
		return remove_pages(p);
	case ADVICE_PAGEOUT:
		return evict(p);
	case ADVICE_COLD:
		return p->v.flags & FW_VADF_LOCKED ? -EINVAL : 0;
	case MADV_HUGEPAGE:
		return as_host(p, advice, OS_VADF_HUGEPAGE, OS_VADF_NOHUGEPAGE);
	case MADV_NOHUGEPAGE:
		return as_host(p, advice, OS_VADF_NOHUGEPAGE, OS_VADF_HUGEPAGE);
	case MADV_MERGEABLE:
		return as_host(p, advice, OS_VADF_MERGEABLE, 0);
	case MADV_UNMERGEABLE:
		return as_host(p, advice, 0, OS_VADF_MERGEABLE);
	case MADV_DONTDUMP:
		return set_flags(p, OS_VADF_DONTDUMP, 0);
	case MADV_DODUMP:
		return set_flags(p, 0, OS_VADF_DONTDUMP);
	default: /* WILLNEED is accepted */
		return 0;
	}
}

/* Region by region: holes are told of at the end, errors end it at once. */
static long advise(struct kthread *t, uint64_t start, uint64_t len, int advice)
{
	struct part p = { .t = t, .start = start };
	uint64_t end = start + len;
	long hole = 0, r;

	while (p.start < end) {
		if (!region_from(t, p.start, &p.v) || vad_start(&p.v) >= end)
			return -ENOMEM;
		if (vad_start(&p.v) > p.start) {
			hole = -ENOMEM;
			p.start = vad_start(&p.v);
		}
		p.end = vad_end(&p.v) < end ? vad_end(&p.v) : end;
		r = advise_part(&p, advice);
		if (r)
			return r;
		p.start = p.end;
	}
	return hole;
}

/* POPULATE_READ and _WRITE: up to the first page that cannot be had. */
static long advise_populate(struct kthread *t, uint64_t start, uint64_t len,
			    unsigned prot)
{
	uint64_t end = start + len;
	struct fw_vad v;
	long r = 0;

	while (!r && start < end) {
		if (!region_from(t, start, &v) || vad_start(&v) > start)
			return -ENOMEM;
		if (!(v.prot & prot))
			return -EINVAL;
		len = (vad_end(&v) < end ? vad_end(&v) : end) - start;
		r = populate_all(t, start, len, prot & FW_PROT_W);
		start += len;
	}
	return r;
}

static bool advice_known(int advice)
{
	return (advice >= MADV_NORMAL && advice <= MADV_WILLNEED) ||
	       advice == MADV_DONTNEED ||
	       (advice >= MADV_FREE && advice <= MADV_DOFORK) ||
	       (advice >= MADV_MERGEABLE && advice <= ADVICE_DONTNEED_LOCKED);
}

long sys_madvise(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);
	int advice = (int)a[2];

	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_madvise, a[0], a[1], a[2]);
	if (!advice_known(advice) || start & FW_PAGE_MASK || (a[1] && !len) ||
	    start + len < start)
		return -EINVAL;
	if (!len)
		return 0;
	if (start + len > FW_USER_TOP)
		return -ENOMEM;
	if (advice == ADVICE_POPULATE_READ || advice == ADVICE_POPULATE_WRITE)
		return advise_populate(t, start, len,
				       advice == ADVICE_POPULATE_WRITE
					       ? FW_PROT_W
					       : FW_PROT_R);
	return advise(t, start, len, advice);
}

/* ---- mincore ------------------------------------------------------------ */

#define RESIDENT_MOST 1024 /* pages at a time */

/* Of a file's view the host has the pages, mapped or not; of a private one
 * some are the program's own. */
static void resident(struct kthread *t, const struct fw_vad *v, uint64_t at,
		     uint64_t n)
{
	uint64_t window = vad_window(v) + (at - vad_start(v));
	uint8_t host[RESIDENT_MOST];

	if (v->kind == FW_VAD_HOST &&
	    !HC3(__NR_mincore, window, n << FW_PAGE_SHIFT, t->scratch))
		return;
	fw_resident(t->p->mm, t->actor, t->p->space, at, n, t->scratch);
	if (v->kind != FW_VAD_PRIVATE_VIEW ||
	    HC3(__NR_mincore, window, n << FW_PAGE_SHIFT, host))
		return;
	for (uint64_t i = 0; i < n; i++)
		t->scratch[i] |= host[i];
}

static long vdso_mincore(struct kthread *t, const long a[6])
{
	long r = HC3(__NR_mincore, a[0], a[1], t->scratch);

	return !r && user_write(t, (uint64_t)a[2], t->scratch,
				page_up((uint64_t)a[1]) >> FW_PAGE_SHIFT)
		       ? -EFAULT
		       : r;
}

long sys_mincore(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t at = (uint64_t)a[0], end = at + page_up((uint64_t)a[1]);
	uint64_t to = (uint64_t)a[2], n;
	struct fw_vad v;

	(void)uc;
	if (about_vdso(t, a))
		return vdso_mincore(t, a);
	if (at & FW_PAGE_MASK)
		return -EINVAL;
	if (!range_ok(at, (uint64_t)a[1]))
		return -ENOMEM;
	if (!user_range_ok(t, to, (end - at) >> FW_PAGE_SHIFT))
		return -EFAULT;
	for (; at < end; at += n << FW_PAGE_SHIFT, to += n) {
		if (!region_from(t, at, &v) || vad_start(&v) > at)
			return -ENOMEM;
		n = ((vad_end(&v) < end ? vad_end(&v) : end) - at) >>
		    FW_PAGE_SHIFT;
		if (n > RESIDENT_MOST)
			n = RESIDENT_MOST;
		resident(t, &v, at, n);
		if (user_write(t, to, t->scratch, n))
			return -EFAULT;
	}
	return 0;
}

/* ---- msync -------------------------------------------------------------- */

/* Has the host write back what a shared view shows of its file. */
static long sync_part(const struct part *p, long flags)
{
	uint64_t window = vad_window(&p->v) + (p->start - vad_start(&p->v));

	if (flags & HOST_MS_INVALIDATE && p->v.flags & FW_VADF_LOCKED)
		return -EBUSY;
	if (!(flags & HOST_MS_SYNC) || p->v.kind != FW_VAD_HOST)
		return 0;
	return HC3(__NR_msync, window, p->end - p->start, HOST_MS_SYNC);
}

long sys_msync(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct part p = { .t = t, .start = (uint64_t)a[0] };
	uint64_t end = p.start + page_up((uint64_t)a[1]);
	long flags = (int)a[2], hole = 0, r = 0;

	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_msync, a[0], a[1], a[2]);
	if (flags & ~(HOST_MS_ASYNC | HOST_MS_INVALIDATE | HOST_MS_SYNC) ||
	    p.start & FW_PAGE_MASK ||
	    (flags & HOST_MS_ASYNC && flags & HOST_MS_SYNC))
		return -EINVAL;
	if (end < p.start)
		return -ENOMEM;
	while (!r && p.start < end) {
		if (!region_from(t, p.start, &p.v) || vad_start(&p.v) >= end)
			return -ENOMEM;
		if (vad_start(&p.v) > p.start) {
			hole = -ENOMEM;
			p.start = vad_start(&p.v);
			if (flags == HOST_MS_ASYNC)
				break;
		}
		p.end = vad_end(&p.v) < end ? vad_end(&p.v) : end;
		r = sync_part(&p, flags);
		p.start = p.end;
	}
	return r ? r : hole;
}
