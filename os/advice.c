/* SPDX-License-Identifier: MIT */
/*
 * advice.c - what a program says or asks about its memory: madvise, mincore,
 * msync, mlock and its relatives.
 */
#include <asm-generic/mman-common.h>
#include <linux/mman.h>

#include "arch/host/kernel/trap.h"
#include "os/image.h"

#define ADVICE_COLD 20
#define ADVICE_PAGEOUT 21
#define ADVICE_POPULATE_READ 22
#define ADVICE_POPULATE_WRITE 23
#define HOST_MS_ASYNC 1
#define HOST_MS_INVALIDATE 2
#define HOST_MS_SYNC 4

static uint64_t page_up(uint64_t a)
{
	return (a + FW_PAGE_MASK) & ~FW_PAGE_MASK;
}

/* 0 when every page of the range is in some region, else -ENOMEM. */
static long all_mapped(struct kthread *t, uint64_t start, uint64_t len)
{
	fw_vpn at = start >> FW_PAGE_SHIFT;
	fw_vpn end = (start + len) >> FW_PAGE_SHIFT;

	fw_space_lock(t->p->space, t->actor);
	while (at < end) {
		const struct fw_vad *v = fw_vad_at_or_above(
			t->p->space, at << FW_PAGE_SHIFT);

		if (!v || v->start > at)
			break;
		at = v->end;
	}
	fw_space_unlock(t->p->space);
	return at < end ? -ENOMEM : 0;
}

static long set_flags(struct kthread *t, uint64_t start, uint64_t len,
		      uint32_t set, uint32_t clear)
{
	enum fw_status s = fw_set_flags(t->p->mm, t->actor, t->p->space, start,
					len, set, clear);

	return s == FW_OK ? 0 : -ENOMEM;
}

static long discard(struct kthread *t, uint64_t start, uint64_t len)
{
	enum fw_status s =
		fw_discard(t->p->mm, t->actor, t->p->space, start, len);

	return s == FW_OK ? 0 : s == FW_E_INVAL ? -EINVAL : -ENOMEM;
}

static long advise(struct kthread *t, uint64_t start, uint64_t len, int advice)
{
	const uint32_t access = FW_VADF_RANDOM | FW_VADF_SEQUENTIAL;

	switch (advice) {
	case MADV_NORMAL:
		return set_flags(t, start, len, 0, access);
	case MADV_RANDOM:
		return set_flags(t, start, len, FW_VADF_RANDOM,
				 FW_VADF_SEQUENTIAL);
	case MADV_SEQUENTIAL:
		return set_flags(t, start, len, FW_VADF_SEQUENTIAL,
				 FW_VADF_RANDOM);
	case MADV_DONTFORK:
		return set_flags(t, start, len, FW_VADF_DONTFORK, 0);
	case MADV_DOFORK:
		return set_flags(t, start, len, 0, FW_VADF_DONTFORK);
	case MADV_WIPEONFORK:
		return set_flags(t, start, len, FW_VADF_WIPEONFORK, 0);
	case MADV_KEEPONFORK:
		return set_flags(t, start, len, 0, FW_VADF_WIPEONFORK);
	case MADV_DONTNEED:
	case MADV_FREE:
		return discard(t, start, len);
	case ADVICE_POPULATE_READ:
	case ADVICE_POPULATE_WRITE:
		populate(t, start, len, advice == ADVICE_POPULATE_WRITE);
		return all_mapped(t, start, len);
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case ADVICE_COLD:
	case ADVICE_PAGEOUT:
		return all_mapped(t, start, len);
	default:
		return -EINVAL;
	}
}

long sys_madvise(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);

	(void)uc;
	if (start & FW_PAGE_MASK || (a[1] && !len) || start + len < start)
		return -EINVAL;
	if (!len)
		return 0;
	if (start + len > FW_USER_TOP)
		return -ENOMEM;
	return advise(t, start, len, (int)a[2]);
}

/* ---- mincore ------------------------------------------------------------ */

long sys_mincore(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);
	uint64_t pages = len >> FW_PAGE_SHIFT, done = 0;

	(void)uc;
	if (start & FW_PAGE_MASK)
		return -EINVAL;
	if (start + len < start || start + len > FW_USER_TOP ||
	    all_mapped(t, start, len))
		return -ENOMEM;
	while (done < pages) {
		uint64_t n = pages - done < 1024 ? pages - done : 1024;

		fw_resident(t->p->space->mm, t->actor, t->p->space,
			    start + (done << FW_PAGE_SHIFT), n, t->scratch);
		if (user_write(t, (uint64_t)a[2] + done, t->scratch, n))
			return -EFAULT;
		done += n;
	}
	return 0;
}

/* ---- msync -------------------------------------------------------------- */

/* Has the host write back the file behind one shared view. */
static long sync_view(struct kthread *t, fw_vpn at, fw_vpn end, long flags,
		      fw_vpn *ret_next)
{
	uint64_t window = 0, len = 0;
	const struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, at << FW_PAGE_SHIFT);
	if (!v || v->start > at) {
		fw_space_unlock(t->p->space);
		return -ENOMEM;
	}
	*ret_next = v->end < end ? v->end : end;
	if (v->kind == FW_VAD_HOST) {
		window = v->cookie + ((v->page + at - v->start)
				      << FW_PAGE_SHIFT);
		len = (*ret_next - at) << FW_PAGE_SHIFT;
	}
	fw_space_unlock(t->p->space);
	return len ? HC3(__NR_msync, window, len, flags) : 0;
}

long sys_msync(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);
	long flags = a[2], r = 0;

	(void)uc;
	if (flags & ~(HOST_MS_ASYNC | HOST_MS_INVALIDATE | HOST_MS_SYNC) ||
	    start & FW_PAGE_MASK ||
	    (flags & HOST_MS_ASYNC && flags & HOST_MS_SYNC))
		return -EINVAL;
	if (start + len < start || start + len > FW_USER_TOP)
		return -ENOMEM;
	for (fw_vpn at = start >> FW_PAGE_SHIFT,
		    end = (start + len) >> FW_PAGE_SHIFT;
	     at < end && !r;)
		r = sync_view(t, at, end, flags, &at);
	return r;
}

/* ---- mlock -------------------------------------------------------------- */

static long lock_range(struct kthread *t, const long a[6], bool lock, bool now)
{
	uint64_t start = (uint64_t)a[0] & ~FW_PAGE_MASK;
	uint64_t len = page_up((uint64_t)a[0] - start + (uint64_t)a[1]);
	long r;

	if (start + len < start)
		return -EINVAL;
	if (start + len > FW_USER_TOP)
		return -ENOMEM;
	if (!len)
		return 0;
	r = set_flags(t, start, len, lock ? FW_VADF_LOCKED : 0,
		      lock ? 0 : FW_VADF_LOCKED);
	if (!r && lock && now)
		populate(t, start, len, false);
	return r;
}

long sys_mlock(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return lock_range(t, a, true, true);
}

long sys_mlock2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (a[2] & ~1l)
		return -EINVAL;
	return lock_range(t, a, true, a[2] == 0);
}

long sys_munlock(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return lock_range(t, a, false, false);
}

/* All that is mapped now; what comes later is not locked in advance. */
static long lock_all(struct kthread *t, bool lock)
{
	const long all[6] = { 0, (long)FW_USER_TOP, 0, 0, 0, 0 };

	fw_set_flags(t->p->mm, t->actor, t->p->space, 0, (uint64_t)all[1],
		     lock ? FW_VADF_LOCKED : 0, lock ? 0 : FW_VADF_LOCKED);
	return 0;
}

long sys_mlockall(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (!a[0] || a[0] & ~7l)
		return -EINVAL;
	return a[0] & 1 ? lock_all(t, true) : 0;
}

long sys_munlockall(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	(void)a;
	return lock_all(t, false);
}
