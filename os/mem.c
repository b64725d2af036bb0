/* SPDX-License-Identifier: MIT */
/*
 * mem.c - the memory calls: mmap, munmap, mprotect, mremap, brk, madvise,
 * mincore, msync, mlock. Results and errors are Linux's; the regions are the
 * core's. See also window.c for how files are reached.
 */
#include <asm-generic/mman-common.h>
#include <asm/stat.h>
#include <linux/mman.h>

#include "arch/host/kernel/trap.h"
#include "os/image.h"

#define MAX_LEN (1ull << 47)
#define PROT_BITS 7u
#define HOST_MAP_32BIT 0x40
#define FD_MODE 3
#define HOST_F_GETFL 3

static uint64_t page_up(uint64_t a)
{
	return (a + FW_PAGE_MASK) & ~FW_PAGE_MASK;
}

/* Linux's errno for what the core says of a change of regions. */
static long map_errno(enum fw_status s)
{
	switch (s) {
	case FW_OK:
		return 0;
	case FW_E_EXIST:
		return -EEXIST;
	case FW_E_FAULT:
		return -EACCES;
	case FW_E_INVAL:
		return -EINVAL;
	case FW_E_BUSY:
		return -EAGAIN;
	default:
		return -ENOMEM;
	}
}

static bool range_ok(uint64_t start, uint64_t len)
{
	return len <= FW_USER_TOP && start <= FW_USER_TOP - len;
}

/* ---- where a mapping goes ----------------------------------------------- */

static long gap_below(struct kthread *t, uint64_t len, uint64_t high)
{
	uint64_t at;
	enum fw_status s;

	fw_space_lock(t->p->space, t->actor);
	s = fw_find_gap_locked(t->p->space, len, FW_USER_MIN, high, true, &at);
	fw_space_unlock(t->p->space);
	return s == FW_OK ? (long)at : -ENOMEM;
}

long find_place(struct kthread *t, uint64_t len)
{
	long at = gap_below(t, len, t->p->mmap_top);

	return K_IS_ERR(at) ? gap_below(t, len, FW_USER_TOP) : at;
}

static bool is_free(struct kthread *t, uint64_t at, uint64_t len)
{
	const struct fw_vad *v;
	bool is;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, at);
	is = !v || v->start << FW_PAGE_SHIFT >= at + len;
	fw_space_unlock(t->p->space);
	return is;
}

static long choose_place(struct kthread *t, uint64_t hint, uint64_t len,
			 unsigned long flags)
{
	hint = page_up(hint);
	if (flags & HOST_MAP_32BIT)
		return gap_below(t, len, 1ull << 31);
	if (hint >= FW_USER_MIN && range_ok(hint, len) && is_free(t, hint, len))
		return (long)hint;
	return find_place(t, len);
}

/* ---- mmap ---------------------------------------------------------------- */

/* What kind of thing a mapping request is about. */
struct backing {
	uint8_t kind, max_prot;
	struct fw_section *section;
	uint64_t page, cookie;
	uint64_t window; /* to be closed when the mapping fails */
};

/*
 * A file's key. The version changes whenever the content may have: a file
 * written within the last two seconds (coarser than any file system's clock)
 * gets one of its own each time, so that its pages are never shared with a
 * mapping made before the next write.
 */
static void file_key(struct kthread *t, const struct stat *st,
		     struct fw_section_key *key)
{
	struct {
		int64_t sec, nsec;
	} now;

	HC2(__NR_clock_gettime, 5 /* CLOCK_REALTIME_COARSE */, &now);
	key->dev = st->st_dev;
	key->ino = st->st_ino;
	key->version = st->st_mtime * 1000000007ull + st->st_mtime_nsec +
		       st->st_ctime * 998244353ull + st->st_ctime_nsec * 31 +
		       (uint64_t)st->st_size * 65537;
	if ((uint64_t)now.sec - st->st_mtime < 2 ||
	    (uint64_t)now.sec - st->st_ctime < 2)
		key->version = ticks_now() ^ (uint64_t)t->tid << 40;
}

static long file_window(struct kthread *t, long fd, uint64_t off, uint64_t len,
			unsigned prot, bool shared)
{
	unsigned check = FW_PROT_R | (shared ? prot & FW_PROT_W : 0);
	long w = window_open(t, fd, off, len, check, shared);

	if (!K_IS_ERR(w) && check != FW_PROT_R)
		HC3(__NR_mprotect, w, len, FW_PROT_R);
	return w;
}

static long back_by_file(struct kthread *t, long fd, uint64_t off, uint64_t len,
			 unsigned prot, bool shared, struct backing *b)
{
	struct fw_section_key key;
	struct stat st;
	long w, r = HC2(__NR_fstat, fd, &st);

	if (r)
		return r;
	if ((st.st_mode & 0170000) == 0020000 && st.st_rdev == 0x105)
		return 1; /* /dev/zero */
	w = file_window(t, fd, off, len, prot, shared);
	if (K_IS_ERR(w))
		return w;
	b->window = (uint64_t)w;
	b->page = off >> FW_PAGE_SHIFT;
	b->cookie = (uint64_t)w - off;
	if (shared) {
		b->kind = FW_VAD_HOST;
		if ((HC2(__NR_fcntl, fd, HOST_F_GETFL) & FD_MODE) != 2)
			b->max_prot = FW_PROT_R | FW_PROT_X;
		return 0;
	}
	b->kind = FW_VAD_PRIVATE_VIEW;
	file_key(t, &st, &key);
	if (fw_section_create(t->p->mm, t->actor, &key,
			      (off + len) >> FW_PAGE_SHIFT,
			      &b->section) == FW_OK)
		return 0;
	window_close(b->window, len);
	return -ENOMEM;
}

static long back_by_nothing(struct kthread *t, uint64_t len, bool shared,
			    struct backing *b)
{
	b->kind = FW_VAD_PRIVATE;
	if (!shared)
		return 0;
	b->kind = FW_VAD_SECTION;
	return fw_section_create(t->p->mm, t->actor, NULL, len >> FW_PAGE_SHIFT,
				 &b->section) == FW_OK
		       ? 0
		       : -ENOMEM;
}

static long make_backing(struct kthread *t, unsigned long flags, long fd,
			 uint64_t off, uint64_t len, unsigned prot,
			 struct backing *b)
{
	bool shared = flags & HOST_MAP_SHARED;
	long r = 1;

	memset(b, 0, sizeof(*b));
	b->max_prot = PROT_BITS;
	if (!(flags & HOST_MAP_ANONYMOUS))
		r = back_by_file(t, fd, off, len, prot, shared, b);
	return r == 1 ? back_by_nothing(t, len, shared, b) : r;
}

static void drop_backing(struct kthread *t, struct backing *b, uint64_t len,
			 bool mapped)
{
	if (b->section)
		fw_section_unref(t->p->mm, t->actor, b->section);
	if (b->window && !mapped)
		window_close(b->window, len);
}

static long map_backing(struct kthread *t, uint64_t at, uint64_t len,
			unsigned prot, uint32_t vad_flags, bool replace,
			const struct backing *b)
{
	struct fw_map_request rq = {
		.start = at,	    .len = len,
		.kind = b->kind,    .prot = (uint8_t)prot,
		.max_prot = b->max_prot,
		.replace = replace, .flags = vad_flags,
		.section = b->section, .page = b->page,
		.cookie = b->cookie,
	};

	return map_errno(fw_map(t->p->mm, t->actor, t->p->space, &rq));
}

static uint32_t vad_flags_of(unsigned long flags)
{
	return (flags & MAP_NORESERVE ? FW_VADF_NORESERVE : 0) |
	       (flags & MAP_LOCKED ? FW_VADF_LOCKED : 0);
}

static long mmap_check(uint64_t addr, uint64_t len, unsigned long flags,
		       uint64_t off)
{
	unsigned long type = flags & 0xf;

	if (type < 1 || type > 3)
		return -EINVAL;
	if (!len || off & FW_PAGE_MASK)
		return -EINVAL;
	if (len > MAX_LEN || page_up(len) > FW_USER_TOP)
		return -ENOMEM;
	if (off + page_up(len) < off)
		return -EOVERFLOW;
	if (!(flags & (HOST_MAP_FIXED | HOST_MAP_FIXED_NOREPLACE)))
		return 0;
	if (addr & FW_PAGE_MASK)
		return -EINVAL;
	if (!range_ok(addr, page_up(len)))
		return -ENOMEM;
	return addr < FW_USER_MIN ? -EPERM : 0;
}

/* Places and maps; another thread may take a chosen place first: again. */
static long place_and_map(struct kthread *t, uint64_t addr, uint64_t len,
			  unsigned prot, unsigned long flags,
			  const struct backing *b)
{
	bool fixed = flags & (HOST_MAP_FIXED | HOST_MAP_FIXED_NOREPLACE);
	bool replace = fixed && !(flags & HOST_MAP_FIXED_NOREPLACE);

	for (;;) {
		long at = fixed ? (long)addr
				: choose_place(t, addr, len, flags);
		long r;

		if (K_IS_ERR(at))
			return at;
		r = map_backing(t, (uint64_t)at, len, prot, vad_flags_of(flags),
				replace, b);
		if (r == 0)
			return at;
		if (fixed || r != -EEXIST)
			return r;
	}
}

long sys_mmap(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t len = page_up((uint64_t)a[1]);
	unsigned prot = (unsigned)a[2] & PROT_BITS;
	unsigned long flags = (unsigned long)a[3];
	struct backing b;
	long r = mmap_check((uint64_t)a[0], (uint64_t)a[1], flags,
			    flags & HOST_MAP_ANONYMOUS ? 0 : (uint64_t)a[5]);

	(void)uc;
	if (!r && !limit_allows(t, len))
		r = -ENOMEM;
	if (!r)
		r = make_backing(t, flags, a[4], (uint64_t)a[5], len, prot, &b);
	if (r)
		return r;
	r = place_and_map(t, (uint64_t)a[0], len, prot, flags, &b);
	drop_backing(t, &b, len, !K_IS_ERR(r));
	if (!K_IS_ERR(r) && flags & (MAP_POPULATE | MAP_LOCKED) && prot)
		populate(t, (uint64_t)r, len, prot & FW_PROT_W);
	return r;
}

long map_file_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 long fd, uint64_t offset)
{
	struct backing b;
	long r = make_backing(t, HOST_MAP_PRIVATE, fd, offset, len, prot, &b);

	if (r)
		return r;
	r = map_backing(t, at, len, prot, 0, true, &b);
	drop_backing(t, &b, len, r == 0);
	return r;
}

long map_anon_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 uint32_t flags)
{
	struct backing b = { .kind = FW_VAD_PRIVATE, .max_prot = PROT_BITS };

	return map_backing(t, at, len, prot, flags, true, &b);
}

void populate(struct kthread *t, uint64_t start, uint64_t len, bool write)
{
	while (len) {
		struct fw_range r = {
			start, len < 0x40000 ? len : 0x40000,
			write ? FW_ACC_WRITE : FW_ACC_READ, 0
		};
		unsigned ok;
		uint64_t bytes;

		if (user_announce(t, &r, 1, &ok, &bytes)) {
			user_withdraw(t);
			return;
		}
		user_withdraw(t);
		start += r.len;
		len -= r.len;
	}
}

/* ---- munmap, mprotect --------------------------------------------------- */

long sys_munmap(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);

	(void)uc;
	if (start & FW_PAGE_MASK || !len || !range_ok(start, len))
		return -EINVAL;
	return map_errno(
		fw_unmap(t->p->mm, t->actor, t->p->space, start, len));
}

long sys_mprotect(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = page_up((uint64_t)a[1]);
	unsigned long prot = (unsigned long)a[2];

	(void)uc;
	if (start & FW_PAGE_MASK ||
	    prot & ~(PROT_BITS | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP))
		return -EINVAL;
	if (!len)
		return 0;
	if (!range_ok(start, len))
		return -ENOMEM;
	return map_errno(fw_protect(t->p->mm, t->actor, t->p->space, start, len,
				    (unsigned)prot & PROT_BITS));
}

/* ---- brk ---------------------------------------------------------------- */

static long brk_grow(struct kthread *t, uint64_t from, uint64_t to)
{
	struct kproc *p = t->p;

	if (from > page_up(p->brk_start) &&
	    fw_extend(p->mm, t->actor, p->space, from, to - from) == FW_OK)
		return 0;
	return map_backing(t, from, to - from, FW_PROT_R | FW_PROT_W, 0, false,
			   &(struct backing){ .kind = FW_VAD_PRIVATE,
					      .max_prot = PROT_BITS });
}

long sys_brk(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct kproc *p = t->p;
	uint64_t want = (uint64_t)a[0];
	uint64_t old = page_up(p->brk_end), new = page_up(want);

	(void)uc;
	if (want < p->brk_start || new > FW_USER_TOP || new < want)
		return (long)p->brk_end;
	if (new > old &&
	    (!limit_allows(t, new - old) || brk_grow(t, old, new)))
		return (long)p->brk_end;
	if (new < old)
		fw_unmap(p->mm, t->actor, p->space, new, old - new);
	p->brk_end = p->proc->image.brk = want;
	return (long)want;
}

/* ---- mremap ------------------------------------------------------------- */

#define MREMAP_BITS 7ul

/* The region that holds all of [start, start + len), copied; false if none. */
static bool one_region(struct kthread *t, uint64_t start, uint64_t len,
		       struct fw_vad *ret)
{
	const struct fw_vad *v;
	bool is;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, start);
	is = v && v->start << FW_PAGE_SHIFT <= start &&
	     v->end << FW_PAGE_SHIFT >= start + len;
	if (is)
		*ret = *v;
	fw_space_unlock(t->p->space);
	return is;
}

/*
 * A view that grows needs a longer window. It can only grow where it is: its
 * address is in the region's cookie.
 */
static long grow_window(const struct fw_vad *v, uint64_t more)
{
	uint64_t pages = v->end - v->start;
	uint64_t at = v->cookie + (v->page << FW_PAGE_SHIFT);
	long r;

	if (v->kind != FW_VAD_HOST && v->kind != FW_VAD_PRIVATE_VIEW)
		return 0;
	r = HC4(__NR_mremap, at, pages << FW_PAGE_SHIFT,
		(pages << FW_PAGE_SHIFT) + more, 0);
	return K_IS_ERR(r) ? -ENOMEM : 0;
}

static long grow_at(struct kthread *t, uint64_t start, uint64_t old,
		    uint64_t more)
{
	struct fw_vad v;
	long r;

	if (!one_region(t, start, old, &v))
		return -EFAULT;
	if (v.end << FW_PAGE_SHIFT != start + old)
		return -EEXIST;
	r = grow_window(&v, more);
	if (r)
		return r;
	if (v.kind == FW_VAD_SECTION &&
	    fw_section_pages(v.section) <
		    v.page + (v.end - v.start) + (more >> FW_PAGE_SHIFT))
		fw_section_resize(t->p->mm, t->actor, v.section,
				  v.page + (v.end - v.start) +
					  (more >> FW_PAGE_SHIFT));
	return map_errno(fw_extend(t->p->mm, t->actor, t->p->space, start + old,
				   more));
}

/* Moves [from, from + len) to `to` (free) and lets it grow there. */
static long move_to(struct kthread *t, uint64_t from, uint64_t len, uint64_t to,
		    uint64_t new_len)
{
	enum fw_status s =
		fw_move(t->p->mm, t->actor, t->p->space, from, len, to);

	if (s == FW_E_FAULT)
		return -EFAULT;
	if (s != FW_OK)
		return map_errno(s);
	if (new_len > len) {
		long r = grow_at(t, to, len, new_len - len);

		if (r) { /* back again: nothing is lost */
			fw_move(t->p->mm, t->actor, t->p->space, to, len, from);
			return r;
		}
	}
	return (long)to;
}

static long mremap_fixed(struct kthread *t, uint64_t old, uint64_t old_len,
			 uint64_t new_len, uint64_t to)
{
	long r;

	if (to & FW_PAGE_MASK || !range_ok(to, new_len) || to < FW_USER_MIN)
		return -EINVAL;
	if (to < old + old_len && old < to + new_len)
		return -EINVAL;
	r = map_errno(
		fw_unmap(t->p->mm, t->actor, t->p->space, to, new_len));
	if (!r && new_len < old_len) {
		r = map_errno(fw_unmap(t->p->mm, t->actor, t->p->space,
				       old + new_len, old_len - new_len));
		old_len = new_len;
	}
	return r ? r : move_to(t, old, old_len, to, new_len);
}

static long mremap_move(struct kthread *t, uint64_t old, uint64_t old_len,
			uint64_t new_len)
{
	long r;

	do {
		long at = find_place(t, new_len);

		if (K_IS_ERR(at))
			return at;
		r = move_to(t, old, old_len, (uint64_t)at, new_len);
	} while (r == -EEXIST);
	return r;
}

long sys_mremap(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t old = (uint64_t)a[0], old_len = page_up((uint64_t)a[1]);
	uint64_t new_len = page_up((uint64_t)a[2]);
	unsigned long flags = (unsigned long)a[3];
	struct fw_vad v;
	long r;

	(void)uc;
	if (flags & ~MREMAP_BITS || old & FW_PAGE_MASK || !new_len ||
	    !old_len || (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)) ||
	    flags & MREMAP_DONTUNMAP || !range_ok(old, old_len))
		return -EINVAL;
	if (!one_region(t, old, old_len, &v))
		return -EFAULT;
	if (flags & MREMAP_FIXED)
		return mremap_fixed(t, old, old_len, new_len, (uint64_t)a[4]);
	if (new_len == old_len)
		return (long)old;
	if (new_len < old_len) {
		r = map_errno(fw_unmap(t->p->mm, t->actor, t->p->space,
				       old + new_len, old_len - new_len));
		return r ? r : (long)old;
	}
	if (!limit_allows(t, new_len - old_len))
		return -ENOMEM;
	if (range_ok(old, new_len) &&
	    grow_at(t, old, old_len, new_len - old_len) == 0)
		return (long)old;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return mremap_move(t, old, old_len, new_len);
}
