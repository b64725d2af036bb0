/* SPDX-License-Identifier: MIT */
/*
 * mem.c - the memory calls: mmap, munmap, mprotect, brk; place.c finds where
 * they put it, remap.c has mremap, advice.c madvise and its like. Results and
 * errors are Linux's, in the order in which Linux finds them; the regions are
 * the core's. See also window.c for how files are reached.
 */
#include <asm-generic/mman-common.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "os/changes.h"

#define MAX_LEN (1ull << 47)
#define HOST_MAP_32BIT 0x40
#define FD_MODE 3
#define HOST_F_GETFL 3
#define HOST_O_PATH 010000000
#define ST_NOEXEC 8 /* in f_flags */
#define MAP_TYPE_BITS 0xful
#define MAP_SYNC_BIT 0x80000ul
#define MAP_PROGRAM (1ul << 40) /* of exec; never a guest's */

/* Flags that MAP_SHARED_VALIDATE knows. */
#define MAP_KNOWN                                                        \
	(MAP_TYPE_BITS | HOST_MAP_FIXED | HOST_MAP_ANONYMOUS |           \
	 HOST_MAP_32BIT | 0x80 /* ABOVE4G */ | MAP_GROWSDOWN |           \
	 0x800 /* DENYWRITE */ | 0x1000 /* EXECUTABLE */ | MAP_LOCKED |  \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |       \
	 MAP_HUGETLB | MAP_SYNC_BIT | 0x4000000 /* UNINITIALIZED */ |    \
	 0x3full << 26)

/* Linux's errno for what the core says of a change of regions. */
long map_errno(enum fw_status s)
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

/*
 * What may be done with a view of the file is taken from b->max_prot, now and
 * later; what may not be done now is refused.
 */
static long file_rights(long fd, unsigned prot, bool shared, struct backing *b)
{
	long flags = HC2(__NR_fcntl, fd, HOST_F_GETFL), seals = 0;
	struct statfs fs;

	if (flags & HOST_O_PATH)
		return -EBADF;
	if (shared && (flags & FD_MODE) != 2)
		b->max_prot &= ~FW_PROT_W;
	if ((flags & FD_MODE) == 1 || (shared && prot & ~b->max_prot))
		return -EACCES;
	if (shared && b->max_prot & FW_PROT_W)
		seals = HC2(__NR_fcntl, fd, F_GET_SEALS);
	if (seals > 0 && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		b->max_prot &= ~FW_PROT_W; /* if asked for: the host's EPERM */
	if (!HC2(__NR_fstatfs, fd, &fs) && fs.f_flags & ST_NOEXEC)
		b->max_prot &= ~FW_PROT_X;
	return prot & FW_PROT_X & ~b->max_prot ? -EPERM : 0;
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
			 unsigned prot, unsigned long flags, struct backing *b)
{
	bool shared = flags & HOST_MAP_SHARED; /* or _VALIDATE */
	struct fw_section_key key;
	struct stat st;
	long w, r = HC2(__NR_fstat, fd, &st);

	if (!r)
		r = file_rights(fd, prot, shared, b);
	if (r)
		return r;
	if ((st.st_mode & 0170000) == 0020000 && st.st_rdev == 0x105)
		return 1; /* /dev/zero */
	if (flags & MAP_SYNC_BIT) { /* file systems know whether they do it */
		w = HC6(__NR_mmap, 0, FW_PAGE_SIZE, FW_PROT_R,
			flags & (MAP_TYPE_BITS | MAP_SYNC_BIT), fd, off);
		if (K_IS_ERR(w))
			return w;
		window_close((uint64_t)w, FW_PAGE_SIZE);
	}
	w = file_window(t, fd, off, len, prot, shared);
	if (K_IS_ERR(w))
		return w;
	b->window = (uint64_t)w;
	b->page = off >> FW_PAGE_SHIFT;
	b->cookie = (uint64_t)w - off;
	if (shared) {
		b->kind = FW_VAD_HOST;
		if (b->max_prot & FW_PROT_W)
			file_shared(t, &st);
		return 0;
	}
	b->kind = FW_VAD_PRIVATE_VIEW;
	file_key(t, &st, &key);
	if (fw_section_create_held(t->p->mm, t->actor, &key,
				   (off + len) >> FW_PAGE_SHIFT,
				   &b->section) != FW_OK) {
		window_close(b->window, len);
		return -ENOMEM;
	}
	file_viewed(t, fd, &st, b->cookie, b->page, len >> FW_PAGE_SHIFT,
		    flags & MAP_PROGRAM);
	return 0;
}

static long back_by_nothing(struct kthread *t, uint64_t len, bool shared,
			    struct backing *b)
{
	b->kind = FW_VAD_PRIVATE;
	if (!shared)
		return 0;
	b->kind = FW_VAD_SECTION;
	return fw_section_create_held(t->p->mm, t->actor, NULL,
				      len >> FW_PAGE_SHIFT,
				      &b->section) == FW_OK
		       ? 0
		       : -ENOMEM;
}

static long make_backing(struct kthread *t, unsigned long flags, long fd,
			 uint64_t off, uint64_t len, unsigned prot,
			 struct backing *b)
{
	bool shared = flags & HOST_MAP_SHARED; /* or _VALIDATE */
	long r = 1;

	memset(b, 0, sizeof(*b));
	b->max_prot = OS_PROT_BITS;
	if (!(flags & HOST_MAP_ANONYMOUS))
		r = back_by_file(t, fd, off, len, prot, flags, b);
	return r == 1 ? back_by_nothing(t, len, shared, b) : r;
}

static void drop_backing(struct kthread *t, struct backing *b, uint64_t len,
			 bool mapped)
{
	if (b->section)
		fw_section_let_go(t->p->mm, t->actor);
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

uint32_t locked_future(const struct kthread *t)
{
	return t->p->regions->lock_future & OS_LOCKED_BITS;
}

static uint32_t vad_flags_of(const struct kthread *t, unsigned long flags)
{
	return (flags & MAP_NORESERVE ? FW_VADF_NORESERVE : 0) |
	       (flags & MAP_LOCKED ? FW_VADF_LOCKED : 0) |
	       (flags & MAP_GROWSDOWN ? OS_VADF_GROWSDOWN : 0) |
	       locked_future(t);
}

/* The place, as far as it is given. */
static long check_place(struct kthread *t, uint64_t addr, uint64_t len,
			unsigned long flags)
{
	if (page_up(len) > FW_USER_TOP || !page_up(len))
		return -ENOMEM;
	if (!(flags & (HOST_MAP_FIXED | HOST_MAP_FIXED_NOREPLACE)))
		return 0;
	if (!range_ok(addr, page_up(len)))
		return -ENOMEM;
	if (addr & FW_PAGE_MASK)
		return -EINVAL;
	if (addr < FW_USER_MIN)
		return -EPERM;
	return flags & HOST_MAP_FIXED_NOREPLACE &&
			       !place_is_free(t, addr, page_up(len))
		       ? -EEXIST
		       : 0;
}

static long check_locks(struct kthread *t, uint64_t len, unsigned long flags)
{
	if (flags & MAP_LOCKED && !limit_now(t, LIMIT_MEMLOCK) &&
	    !capable(CAP_IPC_LOCK))
		return -EPERM;
	return flags & MAP_LOCKED || locked_future(t) ? lock_allows(t, len)
						      : 0;
}

static long check_type(unsigned long flags)
{
	unsigned long type = flags & MAP_TYPE_BITS;

	if (flags & HOST_MAP_ANONYMOUS && type != HOST_MAP_SHARED &&
	    type != HOST_MAP_PRIVATE)
		return -EINVAL;
	if (type < HOST_MAP_SHARED || type > MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & ~MAP_KNOWN)
		return -EOPNOTSUPP;
	if (flags & MAP_GROWSDOWN &&
	    (!(flags & HOST_MAP_ANONYMOUS) || type == HOST_MAP_SHARED))
		return -EINVAL;
	return 0;
}

/* What Linux finds before it looks at the file. */
static long mmap_check(struct kthread *t, const long a[6])
{
	unsigned long flags = (unsigned long)a[3];
	uint64_t len = (uint64_t)a[1];
	long r;

	if (a[5] & (long)FW_PAGE_MASK)
		return -EINVAL;
	if (!(flags & HOST_MAP_ANONYMOUS)) {
		r = k_fd_reserved(t, (int)a[4])
			    ? -EBADF
			    : HC2(__NR_fcntl, (int)a[4], HOST_F_GETFL);
		if (r < 0)
			return r;
		if (flags & MAP_HUGETLB)
			return -EINVAL;
	} else if (flags & MAP_HUGETLB) {
		return len ? -ENOMEM : -EINVAL; /* none are kept for us */
	}
	if (!len)
		return -EINVAL;
	r = check_place(t, (uint64_t)a[0], len, flags);
	if (!r)
		r = check_locks(t, page_up(len), flags);
	return r ? r : check_type(flags);
}

static long place_and_map(struct kthread *t, uint64_t addr, uint64_t len,
			  unsigned prot, unsigned long flags,
			  const struct backing *b)
{
	bool fixed = flags & (HOST_MAP_FIXED | HOST_MAP_FIXED_NOREPLACE);
	bool replace = fixed && !(flags & HOST_MAP_FIXED_NOREPLACE);
	long at, r = 0;

	regions_lock(t);
	at = fixed ? (long)addr
		   : place_near(t, addr, len, flags & HOST_MAP_32BIT);
	if (!K_IS_ERR(at))
		r = map_backing(t, (uint64_t)at, len, prot,
				vad_flags_of(t, flags), replace, b);
	regions_unlock(t);
	return r ? r : at;
}

static bool is_data(unsigned prot, unsigned long flags)
{
	return (flags & MAP_TYPE_BITS) == HOST_MAP_PRIVATE &&
	       prot & FW_PROT_W && !(flags & MAP_GROWSDOWN);
}

/* Bytes that it adds to what is mapped. */
static uint64_t added(struct kthread *t, uint64_t addr, uint64_t len,
		      unsigned long flags)
{
	bool replace = flags & HOST_MAP_FIXED &&
		       !(flags & HOST_MAP_FIXED_NOREPLACE);

	return replace ? len - mapped_within(t, addr, len) : len;
}

long sys_mmap(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t len = page_up((uint64_t)a[1]);
	unsigned prot = (unsigned)a[2] & OS_PROT_BITS;
	unsigned long flags = (unsigned long)a[3];
	uint32_t future = locked_future(t);
	struct backing b;
	long r = mmap_check(t, a);

	(void)uc;
	if (!r && !limits_allow(t, added(t, (uint64_t)a[0], len, flags),
				is_data(prot, flags)))
		r = -ENOMEM;
	if (!r)
		r = make_backing(t, flags & ~MAP_PROGRAM, (int)a[4],
				 (uint64_t)a[5], len, prot, &b);
	if (r)
		return r;
	r = place_and_map(t, (uint64_t)a[0], len, prot, flags, &b);
	drop_backing(t, &b, len, !K_IS_ERR(r));
	if (!K_IS_ERR(r) && b.kind == FW_VAD_HOST)
		join_views(t, (uint64_t)r, len);
	if (K_IS_ERR(r) || !prot)
		return r;
	if (flags & MAP_LOCKED ||
	    (future & FW_VADF_LOCKED && !(future & OS_VADF_ONFAULT)) ||
	    (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		populate(t, (uint64_t)r, len, prot & FW_PROT_W && b.kind !=
							FW_VAD_SECTION);
	return r;
}

long map_like(struct kthread *t, const struct fw_vad *v, uint64_t at,
	      uint64_t len, uint32_t flags, bool replace)
{
	struct fw_map_request rq = {
		.start = at,	      .len = len,
		.kind = v->kind,      .prot = v->prot,
		.max_prot = v->max_prot,
		.replace = replace,   .flags = flags,
		.section = v->section, .page = v->page,
		.cookie = v->cookie,  .tag = v->tag,
	};

	return map_errno(fw_map(t->p->mm, t->actor, t->p->space, &rq));
}

long map_file_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 long fd, uint64_t offset)
{
	struct backing b;
	long r = make_backing(t, HOST_MAP_PRIVATE | MAP_PROGRAM, fd, offset,
			      len, prot, &b);

	if (r)
		return r;
	r = map_backing(t, at, len, prot, 0, true, &b);
	drop_backing(t, &b, len, r == 0);
	return r;
}

long map_anon_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 uint32_t flags)
{
	struct backing b = { .kind = FW_VAD_PRIVATE, .max_prot = OS_PROT_BITS };

	return map_backing(t, at, len, prot, flags, true, &b);
}

/* Of a host view, only the host knows where its file ends. */
static bool host_populates(uint64_t start, uint64_t len, bool write)
{
	long r = HC3(__NR_madvise, start, len, write ? 23 : 22);
	char byte;

	if (r != -EINVAL)
		return r != -EFAULT;
	/* An old host, or what may only be executed. */
	for (uint64_t at = start; at < start + len; at += FW_PAGE_SIZE)
		if (copy_fixup(&byte, (void *)at, 1))
			return false;
	return true;
}

long populate_all(struct kthread *t, uint64_t start, uint64_t len, bool write)
{
	uint64_t end = start + len;

	while (start < end) {
		struct fw_range r = {
			start, end - start < 0x40000 ? end - start : 0x40000,
			write ? FW_ACC_WRITE : FW_ACC_READ, 0
		};
		struct fw_vad v;
		uint64_t bytes;
		unsigned ok;
		long bad;

		bad = user_announce(t, &r, 1, &ok, &bytes);
		if (!bad && region_from(t, start, &v) &&
		    v.kind == FW_VAD_HOST)
			bad = !host_populates(start, r.len, write);
		user_withdraw(t);
		if (bad && region_from(t, start, &v) && vad_start(&v) > start)
			return -ENOMEM;
		if (bad)
			return -EFAULT;
		start += r.len;
	}
	return 0;
}

void populate(struct kthread *t, uint64_t start, uint64_t len, bool write)
{
	populate_all(t, start, len, write);
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

/* Whether what becomes data is more than may be. As at Linux, one that has
 * more mapped already than it may is not refused. */
static bool data_allows(struct kthread *t, uint64_t start, uint64_t end)
{
	uint64_t more = 0;
	struct fw_vad v;

	if (limit_now(t, LIMIT_DATA) == ~0ull)
		return true;
	for (uint64_t at = start; at < end && region_from(t, at, &v);
	     at = vad_end(&v)) {
		uint64_t from = vad_start(&v) > at ? vad_start(&v) : at;
		uint64_t to = vad_end(&v) < end ? vad_end(&v) : end;

		if (vad_start(&v) >= end)
			break;
		if (!(v.prot & FW_PROT_W) && !vad_shared(&v))
			more += to - from;
	}
	return !more || limits_allow(t, more, true) ||
	       !limits_allow(t, more, false);
}

/* PROT_GROWSDOWN: from the start of what grows downwards. */
static long start_of_down(struct kthread *t, uint64_t *start, uint64_t end)
{
	struct fw_vad v;

	if (!region_from(t, *start, &v) || vad_start(&v) >= end)
		return -ENOMEM;
	if (!vad_grows(&v))
		return -EINVAL;
	*start = vad_start(&v);
	return 0;
}

long sys_mprotect(struct kthread *t, struct ucontext *uc, const long a[6])
{
	const unsigned long grows = PROT_GROWSDOWN | PROT_GROWSUP;
	uint64_t start = (uint64_t)a[0], end;
	unsigned long prot = (unsigned long)a[2];
	struct fw_vad v;
	long r = 0;

	(void)uc;
	if (about_vdso(t, a))
		return HC3(__NR_mprotect, a[0], a[1], a[2]);
	if (start & FW_PAGE_MASK || (prot & grows) == grows)
		return -EINVAL;
	if (!a[1])
		return 0;
	end = start + page_up((uint64_t)a[1]);
	if (end <= start)
		return -ENOMEM;
	if (prot & ~(OS_PROT_BITS | PROT_SEM | grows))
		return -EINVAL;
	if (!region_from(t, start, &v))
		return -ENOMEM;
	if (prot & PROT_GROWSDOWN)
		r = start_of_down(t, &start, end);
	else if (vad_start(&v) > start)
		r = -ENOMEM;
	else if (prot & PROT_GROWSUP)
		r = -EINVAL;
	if (!r && end > FW_USER_TOP)
		r = -ENOMEM;
	prot &= OS_PROT_BITS;
	if (!r && prot & FW_PROT_W && !data_allows(t, start, end))
		r = -ENOMEM;
	return r ? r
		 : map_errno(fw_protect(t->p->mm, t->actor, t->p->space, start,
					end - start, (unsigned)prot));
}

/* There are no keys; without one it is mprotect. */
long sys_pkey_mprotect(struct kthread *t, struct ucontext *uc, const long a[6])
{
	return (int)a[3] == -1 ? sys_mprotect(t, uc, a) : -EINVAL;
}

/* ---- brk ---------------------------------------------------------------- */

/* What brk makes is one region with what lies below when that is the same. It
 * need not be: other calls may have put anything there. */
static bool is_heap_below(struct kthread *t, uint64_t end)
{
	struct fw_vad v;

	return end > page_up(t->p->regions->brk_start) &&
	       region_from(t, end - 1, &v) && vad_end(&v) == end &&
	       v.kind == FW_VAD_PRIVATE && v.prot == (FW_PROT_R | FW_PROT_W) &&
	       v.max_prot == OS_PROT_BITS && v.flags == locked_future(t);
}

static long brk_grow(struct kthread *t, uint64_t from, uint64_t to)
{
	struct kproc *p = t->p;

	if (is_heap_below(t, from) &&
	    fw_extend(p->mm, t->actor, p->space, from, to - from) == FW_OK)
		return 0;
	return map_backing(t, from, to - from, FW_PROT_R | FW_PROT_W,
			   locked_future(t), false,
			   &(struct backing){ .kind = FW_VAD_PRIVATE,
					      .max_prot = OS_PROT_BITS });
}

static bool brk_allows(struct kthread *t, uint64_t old, uint64_t new)
{
	uint64_t data = limit_now(t, LIMIT_DATA);

	return new - page_up(t->p->regions->brk_start) <= data &&
	       limits_allow(t, new - old, true) &&
	       (!locked_future(t) || !lock_allows(t, new - old)) &&
	       place_is_apart(t, old, new - old + FW_PAGE_SIZE);
}

/* Moves the end there if that can be; the pages that it won. */
static uint64_t brk_move(struct kthread *t, uint64_t want)
{
	struct kproc *p = t->p;
	uint64_t old = page_up(p->regions->brk_end), new = page_up(want);

	if (new > old && (!brk_allows(t, old, new) || brk_grow(t, old, new)))
		return 0;
	if (new < old)
		fw_unmap(p->mm, t->actor, p->space, new, old - new);
	p->regions->brk_end = p->proc->image.brk = want;
	return new > old ? new - old : 0;
}

long sys_brk(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct kregions *r = t->p->regions;
	uint64_t want = (uint64_t)a[0], more, end;

	(void)uc;
	if (want < r->brk_start || page_up(want) >= FW_USER_TOP ||
	    page_up(want) < want)
		return (long)r->brk_end;
	regions_lock(t);
	more = brk_move(t, want);
	end = r->brk_end;
	regions_unlock(t);
	if (more && locked_future(t) == FW_VADF_LOCKED)
		populate(t, page_up(end) - more, more, true);
	return (long)end;
}
