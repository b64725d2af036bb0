/* SPDX-License-Identifier: MIT */
/*
 * regions.h - what the memory calls share: mem.c (mmap, munmap, mprotect,
 * brk), place.c, remap.c, advice.c, grow.c, locked.c, limits.c, shm.c,
 * changes.c.
 *
 * A region's `tag` is 1 + the identifier of the System V segment that it is
 * an attachment of, else 0.
 */
#ifndef OS_REGIONS_H
#define OS_REGIONS_H

#include "arch/host/kernel/trap.h"
#include "os/image.h"

/* Flags of regions that are ours (FW_VADF_PORT). */
#define OS_VADF_GROWSDOWN 0x10000u /* MAP_GROWSDOWN */
#define OS_VADF_ONFAULT 0x20000u   /* with LOCKED: not brought in ahead */
/* Advice that changes nothing here, but parts regions as at Linux. */
#define OS_VADF_DONTDUMP 0x40000u
#define OS_VADF_HUGEPAGE 0x80000u
#define OS_VADF_NOHUGEPAGE 0x100000u
#define OS_VADF_MERGEABLE 0x200000u

#define OS_LOCKED_BITS (FW_VADF_LOCKED | OS_VADF_ONFAULT)
#define OS_PROT_BITS 7u
/* What grows downwards stays away so far from what can be touched below. */
#define OS_DOWN_GAP (256 * FW_PAGE_SIZE)

/* RLIMIT_ numbers: <linux/resource.h> says more. */
#define LIMIT_AS 9
#define LIMIT_DATA 2
#define LIMIT_STACK 3
#define LIMIT_MEMLOCK 8
#define LIMIT_FSIZE 1
#define LIMIT_NOFILE 7

static inline uint64_t page_up(uint64_t a)
{
	return (a + FW_PAGE_MASK) & ~FW_PAGE_MASK;
}

static inline bool range_ok(uint64_t start, uint64_t len)
{
	return len <= FW_USER_TOP && start <= FW_USER_TOP - len;
}

static inline uint64_t vad_start(const struct fw_vad *v)
{
	return v->start << FW_PAGE_SHIFT;
}

static inline uint64_t vad_end(const struct fw_vad *v)
{
	return v->end << FW_PAGE_SHIFT;
}

/* Where the host has the file's page behind the first page of a view. */
static inline uint64_t vad_window(const struct fw_vad *v)
{
	return v->cookie + (v->page << FW_PAGE_SHIFT);
}

/* Between these nobody else places regions in this space, or moves brk. Not
 * across calls of the host that may wait for other processes. */
static inline void regions_lock(struct kthread *t)
{
	fwp_lock(&t->p->regions->lock, t->actor->id);
}

static inline void regions_unlock(struct kthread *t)
{
	fwp_unlock(&t->p->regions->lock);
}

/* Like Linux's VM_SHARED | VM_MAYSHARE and its is_data_mapping(). */
static inline bool vad_shared(const struct fw_vad *v)
{
	return v->kind == FW_VAD_SECTION || v->kind == FW_VAD_HOST;
}

static inline bool vad_is_data(const struct fw_vad *v)
{
	return !vad_shared(v) && v->prot & FW_PROT_W &&
	       !(v->flags & (FW_VADF_STACK | OS_VADF_GROWSDOWN));
}

/* What grows downwards, when what lies below is touched: grow.c. */
static inline bool vad_grows(const struct fw_vad *v)
{
	return v->flags & (OS_VADF_GROWSDOWN | FW_VADF_STACK);
}

/* place.c */
/* The region that holds `at`, else the next one above; copied. */
bool region_from(struct kthread *t, uint64_t at, struct fw_vad *ret);
/* A free place, below 2 GiB if `low`; -ENOMEM. */
long place_for(struct kthread *t, uint64_t len, bool low);
/* The same; if it can be, in the page of `hint` (0: none). */
long place_near(struct kthread *t, uint64_t hint, uint64_t len, bool low);
/* Whether no region lies there; nor anything that grows closely above. */
bool place_is_free(struct kthread *t, uint64_t at, uint64_t len);
bool place_is_apart(struct kthread *t, uint64_t at, uint64_t len);

/* mem.c */
long map_errno(enum fw_status s); /* Linux's, for a change of regions */
/* Maps the same as *v, whose section or window it takes over as mmap would,
 * at [at, at + len). */
long map_like(struct kthread *t, const struct fw_vad *v, uint64_t at,
	      uint64_t len, uint32_t flags, bool replace);
/* What mlockall(MCL_FUTURE) wants of new regions: bits of OS_LOCKED_BITS. */
uint32_t locked_future(const struct kthread *t);

/* remap.c: holds the section of a region that was *v a moment ago, if it has
 * one; false when the region is another now. */
bool hold_section(struct kthread *t, uint64_t at, const struct fw_vad *v);
void let_go_section(struct kthread *t, const struct fw_vad *v);
/* A place in the windows area, reserved until it is replaced. */
long window_place(struct kthread *t, uint64_t len);
/* Another mapping, of len bytes, of what a shared window maps. */
long window_dup(struct kthread *t, uint64_t window, uint64_t len);

/*
 * A shared view of a file has just been mapped there. At Linux it is one region
 * with a neighbour that it continues; here each has a window, until this.
 */
void join_views(struct kthread *t, uint64_t start, uint64_t len);

/* locked.c */
/* 0, or what mmap, brk and mremap give when `more` bytes are to be locked. */
long lock_allows(struct kthread *t, uint64_t more);

/* advice.c: the vdso is no region; the host has it mapped where the guest sees
 * it, and answers memory calls about it: address and length are a[0], a[1]. */
static inline bool about_vdso(const struct kthread *t, const long a[6])
{
	uint64_t start = (uint64_t)a[0], len = (uint64_t)a[1];

	return t->p->vdso && start >= t->p->vdso && start < t->p->vdso_end &&
	       len <= t->p->vdso_end - start;
}

/* limits.c */
uint64_t limit_now(struct kthread *t, unsigned which);
bool capable(unsigned capability);
#define CAP_IPC_LOCK 14
#define CAP_SYS_RAWIO 17
#define CAP_SYS_RESOURCE 24
/* As Linux counts them: of the stack only what it has grown to, and what the
 * host maps for everybody. */
uint64_t mapped_pages(struct kthread *t);
/* Bytes of the range that are in regions: what a mapping in their place does
 * not add. */
uint64_t mapped_within(struct kthread *t, uint64_t start, uint64_t len);
/* False when a mapping of `more` bytes would exceed RLIMIT_AS, or RLIMIT_DATA
 * if it is data. */
bool limits_allow(struct kthread *t, uint64_t more, bool data);

/*
 * Brings in the pages of a range: 0, -EFAULT for one that cannot be had, or
 * -ENOMEM for one where nothing is mapped.
 */
long populate_all(struct kthread *t, uint64_t start, uint64_t len, bool write);

#endif
