/* SPDX-License-Identifier: MIT */
/*
 * view_mem.c - what is in a guest's memory: pagemap, mem, auxv, and the
 * arguments and environment as they stand there now.
 */
#include "os/view.h"

#define TASK_PAGES ((uint64_t)0x7ffffffff) /* of the host's user half */
#define ENTRY_BYTES 8
#define ENTRY_EXCLUSIVE (1ull << 56)
#define ENTRY_FILE (1ull << 61)
#define ENTRY_SWAP (1ull << 62)
#define ENTRY_PRESENT (1ull << 63)

/* ---- pagemap ------------------------------------------------------------ */

static uint64_t entry_of(struct fw_look look)
{
	uint64_t e = 0;

	if (look.bits & FW_LOOK_PRESENT) {
		e = ENTRY_PRESENT;
		if (look.bits & FW_LOOK_OBJECT)
			e |= ENTRY_FILE;
		if (look.share <= 1)
			e |= ENTRY_EXCLUSIVE;
	} else if (look.bits & FW_LOOK_AWAY) {
		e = ENTRY_SWAP;
	}
	return e;
}

/* Entries of pages [vpn, vpn + n), n <= FW_TABLE_ENTRIES, in a space. */
static void entries(struct kthread *t, const struct view *v, fw_vpn vpn,
		    unsigned n, uint64_t entry[FW_TABLE_ENTRIES])
{
	struct fw_look look[FW_TABLE_ENTRIES];
	fw_vpn at = vpn, end = vpn + n;
	unsigned got;

	memset(entry, 0, n * sizeof(*entry));
	if (end > FW_USER_TOP >> FW_PAGE_SHIFT)
		end = FW_USER_TOP >> FW_PAGE_SHIFT;
	while (at < end) {
		if (!view_enter(t, v))
			return;
		fw_space_lock(v->space, t->actor);
		got = fw_look_locked(v->space, &at, end, look);
		fw_space_unlock(v->space);
		view_leave(t, v);
		for (unsigned i = 0; i < got; i++)
			entry[at + i - vpn] = entry_of(look[i]);
		if (!got)
			return;
		at += got;
	}
}

long view_pagemap(struct kthread *t, const struct view *v, uint64_t off,
		  uint64_t user, uint64_t len)
{
	uint64_t entry[FW_TABLE_ENTRIES];
	fw_vpn vpn = off / ENTRY_BYTES;
	uint64_t left = len / ENTRY_BYTES, done = 0;

	if (off % ENTRY_BYTES || len % ENTRY_BYTES)
		return -EINVAL;
	if (vpn >= TASK_PAGES)
		return 0;
	if (left > TASK_PAGES - vpn)
		left = TASK_PAGES - vpn;
	while (left) {
		unsigned n = left < FW_TABLE_ENTRIES ? (unsigned)left
						     : FW_TABLE_ENTRIES;

		if (t->pending)
			return done ? (long)done : K_ERESTART;
		entries(t, v, vpn, n, entry);
		if (user_write(t, user + done, entry, n * ENTRY_BYTES))
			return done ? (long)done : -EFAULT;
		done += n * ENTRY_BYTES;
		vpn += n;
		left -= n;
	}
	return (long)done;
}

/* ---- texts that lie in memory -------------------------------------------- */

long view_auxv(struct kthread *t, const struct view *v, long fd, struct text *o)
{
	(void)t;
	(void)fd;
	text_bytes(o, v->image.auxv, v->image.n_auxv * sizeof(uint64_t));
	return 0;
}

/* The host's: as it was when the program was started. */
static long put_hosts(long fd, struct text *o)
{
	long n = host_text(fd, o->at, o->room);

	if (n < 0)
		return n;
	o->used = (uint64_t)n;
	return 0;
}

/* Bytes within one page of a guest's memory. */
static long peek(struct kthread *t, const struct view *v, void *to,
		 uint64_t from, uint64_t n)
{
	return v->own ? user_read(t, to, from, n)
		      : guest_copy(t, v->pid, from, to, n, false);
}

/* Adds what lies in [from, to) of the guest's memory. */
static bool put_guests(struct kthread *t, const struct view *v, struct text *o,
		       uint64_t from, uint64_t to)
{
	uint64_t used = o->used, n;

	if (to < from || to - from > o->room - o->used)
		return false;
	for (; from < to; from += n) {
		n = FW_PAGE_SIZE - (from & FW_PAGE_MASK);
		n = n < to - from ? n : to - from;
		if (peek(t, v, o->at + o->used, from, n)) {
			o->used = used;
			return false;
		}
		o->used += n;
	}
	return true;
}

/*
 * A program that has written a longer title over its arguments has left no
 * NUL at their end: then it is a string that goes on into the environment.
 */
long view_cmdline(struct kthread *t, const struct view *v, long fd,
		  struct text *o)
{
	const struct fw_proc_image *im = &v->image;
	uint64_t n;

	if (!put_guests(t, v, o, im->arg_start, im->arg_end))
		return put_hosts(fd, o);
	if (!o->used || !o->at[o->used - 1])
		return 0;
	if (!put_guests(t, v, o, im->arg_end, im->env_end))
		return 0;
	for (n = 0; n < o->used && o->at[n]; n++)
		;
	o->used = n < o->used ? n + 1 : n;
	return 0;
}

long view_environ(struct kthread *t, const struct view *v, long fd,
		  struct text *o)
{
	if (!put_guests(t, v, o, v->image.env_start, v->image.env_end))
		return put_hosts(fd, o);
	return 0;
}

/* ---- mem ---------------------------------------------------------------- */

struct transfer {
	struct kthread *t;
	const struct view *v;
	uint64_t addr, user;
	uint64_t n; /* within one page */
	bool write;
};

/* By way of our own memory: either side may fault. */
static bool move(const struct transfer *x)
{
	uint8_t bounce[FW_PAGE_SIZE];

	if (!x->write)
		return !peek(x->t, x->v, bounce, x->addr, x->n) &&
		       !user_write(x->t, x->user, bounce, x->n);
	if (user_read(x->t, bounce, x->user, x->n))
		return false;
	return x->v->own ? !user_write(x->t, x->addr, bounce, x->n)
			 : !guest_copy(x->t, x->v->pid, x->addr, bounce, x->n,
				       true);
}

/*
 * A debugger's view does not obey protections: the page gets the right for as
 * long as the copy takes. Not for what others share, nor for other guests.
 */
static bool move_forced(const struct transfer *x)
{
	struct kproc *p = x->t->p;
	uint64_t page = x->addr & ~FW_PAGE_MASK;
	unsigned want = x->write ? FW_PROT_R | FW_PROT_W : FW_PROT_R, old = 0;
	const struct fw_vad *vad;
	bool may;

	if (!x->v->own)
		return false;
	fw_space_lock(p->space, x->t->actor);
	vad = fw_vad_at_or_above(p->space, page);
	may = vad && vad->start << FW_PAGE_SHIFT <= page &&
	      (vad->kind == FW_VAD_PRIVATE ||
	       vad->kind == FW_VAD_PRIVATE_VIEW) &&
	      (vad->prot & want) != want;
	if (may)
		old = vad->prot;
	fw_space_unlock(p->space);
	if (!may || fw_protect(p->mm, x->t->actor, p->space, page, FW_PAGE_SIZE,
			       old | want) != FW_OK)
		return false;
	may = move(x);
	fw_protect(p->mm, x->t->actor, p->space, page, FW_PAGE_SIZE, old);
	return may;
}

long view_memory(struct kthread *t, const struct view *v, uint64_t off,
		 uint64_t user, uint64_t len, bool write)
{
	uint64_t done = 0;

	while (done < len) {
		struct transfer x = {t, v, off + done, user + done, 0, write};

		x.n = FW_PAGE_SIZE - (x.addr & FW_PAGE_MASK);
		if (x.n > len - done)
			x.n = len - done;
		if (!user_range_ok(t, x.addr, x.n) ||
		    (!move(&x) && !move_forced(&x)))
			break;
		done += x.n;
	}
	return done || !len ? (long)done : -EIO;
}
