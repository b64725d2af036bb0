/* SPDX-License-Identifier: MIT */
/*
 * move.c - sendfile, splice and copy_file_range: the host moves the bytes, and
 * here it is only seen to RLIMIT_FSIZE, which the host does not know. What
 * would go beyond it is cut off, as by Linux: copy_file_range then says how
 * much it was; the other two also give the signal when more was to come.
 */
#include <asm/stat.h>
#include <linux/poll.h>

#include "os/changes.h"
#include "os/io.h"
#include "os/procview.h"
#include "os/regions.h"

#define SPLICE_NONBLOCK 2

/* Which arguments are what; out_at 0: there is none. */
struct move {
	long nr;
	uint8_t in, in_at, out, out_at, len;
	bool tells; /* cut off without a signal */
};

static long move_call(struct kthread *t, const struct move *m,
		      const long a[6])
{
	struct buffers b;

	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[m->in_at], 8, FW_ACC_WRITE);
	if (m->out_at)
		buf_add(&b, (uint64_t)a[m->out_at], 8, FW_ACC_WRITE);
	return buf_call(&b, m->nr, a, BUF_AGAIN);
}

/* The guest's own offset, or -1. */
static long offset_given(struct kthread *t, uint64_t addr)
{
	int64_t at;

	return addr && !user_read(t, &at, addr, sizeof(at)) && at >= 0 ? at
								       : -1;
}

/* Whether there is something to be moved; with `wait`, until there is. */
static bool has_bytes(struct kthread *t, const struct move *m, const long a[6],
		      bool wait)
{
	struct pollfd p = {(int)a[m->in], POLLIN, 0};
	const long args[6] = {(long)&p, 1, wait ? -1 : 0};
	long at = offset_given(t, (uint64_t)a[m->in_at]);
	struct stat st;

	if (HC2(__NR_fstat, a[m->in], &st))
		return false;
	if ((st.st_mode & 0170000) != 0100000)
		return host_call_guest(&t->pending, __NR_poll, args) > 0 &&
		       p.revents & POLLIN;
	if (at < 0)
		at = HC3(__NR_lseek, a[m->in], 0, 1 /* SEEK_CUR */);
	return at < st.st_size;
}

/* Nothing may be written. */
static long move_none(struct kthread *t, const struct move *m, const long a[6])
{
	bool wait = m->nr == __NR_splice && !(a[5] & SPLICE_NONBLOCK);
	long args[6], r;

	if (!m->tells && !has_bytes(t, m, a, wait))
		return move_call(t, m, a);
	memcpy(args, a, sizeof(args));
	args[m->len] = 0;
	r = move_call(t, m, args); /* what else is wrong comes first */
	return r < 0 ? r : limit_file_end(t, ~0ull);
}

static long move(struct kthread *t, const struct move *m, const long a[6])
{
	uint64_t len = (uint64_t)a[m->len], room = len;
	long args[6], ret;

	if (view_moves(t, m->nr, a))
		return -EINVAL; /* as of files that cannot be spliced */
	if (limit_now(t, LIMIT_FSIZE) != ~0ull &&
	    !(HC2(__NR_fcntl, a[m->out], 3 /* F_GETFL */) & 02000))
		room = io_room(t, a[m->out],
			       m->out_at ? offset_given(t, (uint64_t)
							a[m->out_at])
					 : -1,
			       len);
	if (!room && len)
		return move_none(t, m, a);
	memcpy(args, a, sizeof(args));
	args[m->len] = (long)room;
	ret = move_call(t, m, args);
	if (ret > 0)
		file_changed(t, a[m->out], 0);
	if (room < len && ret == (long)room && !m->tells &&
	    has_bytes(t, m, a, false))
		limit_file_end(t, ~0ull);
	return ret;
}

long sys_sendfile(struct kthread *t, struct ucontext *uc, const long a[6])
{
	static const struct move m = {__NR_sendfile, 1, 2, 0, 0, 3, false};

	(void)uc;
	return move(t, &m, a);
}

long sys_splice(struct kthread *t, struct ucontext *uc, const long a[6])
{
	static const struct move m = {__NR_splice, 0, 1, 2, 3, 4, false};

	(void)uc;
	return move(t, &m, a);
}

long sys_copy_file_range(struct kthread *t, struct ucontext *uc,
			 const long a[6])
{
	static const struct move m = {__NR_copy_file_range, 0, 1, 2, 3, 4,
				      true};

	(void)uc;
	return move(t, &m, a);
}
