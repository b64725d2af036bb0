/* SPDX-License-Identifier: MIT */
/*
 * io.c - read, write and their kin, of any length.
 *
 * Only BUF_PAGES pages are announced at a time; what is longer goes in
 * chunks. A write goes on until the host takes less than it was given. A
 * read goes on only where Linux fills the buffer as a rule (files, disks,
 * /dev/zero); a stream's first answer is the answer. An error, or of a stream
 * a signal, after the first chunk ends the call with the count so far. The
 * chunks of a regular file are kept together (inode_lock.c, packet.c).
 */
#include <asm/stat.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "os/busy.h"
#include "os/changes.h"
#include "os/io.h"
#include "os/procview.h"

#define SECTOR 512 /* no disk has smaller ones */
#define O_DIRECT_BIT 040000
#define HOST_AT_FDCWD (-100)
#define HOST_RWF_APPEND 0x10
#define MAJOR_MEM 1	    /* /dev/zero, /dev/full, /dev/urandom */

/* How a descriptor treats what is longer than one portion. */
enum io_kind {
	IO_FILLS,   /* transfers all of it, as a rule */
	IO_STREAM,  /* a read returns what there is */
	IO_PACKETS, /* a transfer is one message and must not be split */
};

static enum io_kind io_kind(long fd)
{
	struct stat st;

	if (HC2(__NR_fstat, fd, &st))
		return IO_STREAM;
	if (S_ISSOCK(st.st_mode))
		return socket_is_stream(fd) ? IO_STREAM : IO_PACKETS;
	if (S_ISCHR(st.st_mode) && ((st.st_rdev >> 8) & 0xfff) == MAJOR_MEM)
		return IO_FILLS;
	return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? IO_FILLS
							  : IO_STREAM;
}

/* Whether `len` bytes go between the disk and the buffer's own frames, and
 * there is somebody who could make those another's meanwhile. */
static bool is_direct(const struct kthread *t, long fd, uint64_t len)
{
	bool alone = t->p->n_threads == 1 &&
		     fw_space_port(t->p->space)->users == 1;
	struct stat st;

	return !alone && len && len % SECTOR == 0 &&
	       HC3(__NR_fcntl, fd, 3 /* F_GETFL */, 0) & O_DIRECT_BIT &&
	       !HC2(__NR_fstat, fd, &st) &&
	       (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

uint64_t io_room(struct kthread *t, long fd, long pos, uint64_t len)
{
	uint64_t limit = t->p->proc->limit_cur[1 /* RLIMIT_FSIZE */];
	struct stat st;

	if (limit == ~0ull || !len || HC2(__NR_fstat, fd, &st) ||
	    !S_ISREG(st.st_mode))
		return len;
	if (pos == -1 && HC3(__NR_fcntl, fd, 3 /* F_GETFL */, 0) & 02000)
		pos = st.st_size; /* O_APPEND */
	else if (pos == -1)
		pos = HC3(__NR_lseek, fd, 0, 1 /* SEEK_CUR */);
	if (pos < 0)
		return len;
	if ((uint64_t)pos >= limit)
		return 0;
	return len < limit - (uint64_t)pos ? len : limit - (uint64_t)pos;
}

/* The same; -EFBIG, and SIGXFSZ, for none. */
static long file_room(struct kthread *t, long fd, long pos, uint64_t len)
{
	uint64_t room = io_room(t, fd, pos, len);

	return room || !len ? (long)room : limit_file_end(t, ~0ull);
}

/* One buffer of `len` bytes; the offset, when positioned, is a[3]. */
struct single_call {
	struct kthread *t;
	long nr;
	const long *a;
	bool write, positioned;
	enum io_kind kind;
	uint64_t len;
};

static long single_portions(const struct single_call *c)
{
	enum buf_mode mode = c->write ? BUF_AGAIN : BUF_ONCE;
	const bool direct = is_direct(c->t, c->a[0], c->len);
	uint64_t done = 0, want, room;
	long args[6] = {c->a[0]}, ret;
	struct buffers b;

	do {
		want = c->len - done;
		if (c->kind == IO_STREAM && want > BUF_STREAM_BYTES)
			want = BUF_STREAM_BYTES;
		buf_init(&b, c->t);
		b.pinned = direct;
		room = buf_add(&b, (uint64_t)c->a[1] + done, want,
			       c->write ? FW_ACC_READ : FW_ACC_WRITE);
		args[1] = c->a[1] + (long)done;
		args[2] = (long)room;
		if (c->positioned)
			args[3] = c->a[3] + (long)done;
		ret = buf_call(&b, c->nr, args, mode);
		if (ret < 0)
			return done ? (long)done : ret;
		done += (uint64_t)ret;
		if (c->kind == IO_FILLS)
			mode = BUF_NOW;
	} while ((uint64_t)ret == room && done < c->len &&
		 (c->write || c->kind == IO_FILLS));
	return (long)done;
}

/* All of it, under the lock of its file, if need be. */
static long single_locked(struct single_call *c, bool several)
{
	struct kthread *t = c->t;
	long ret = c->write ? file_room(t, c->a[0],
					c->positioned ? c->a[3] : -1, c->len)
			    : (long)c->len;

	if (ret < 0)
		return ret;
	c->len = (uint64_t)ret;
	ret = several && c->write ? record_single(t, c->nr, c->a, c->len)
				  : PACKET_NOT;
	return ret == PACKET_NOT ? single_portions(c) : ret;
}

/* One buffer: its length is a[2], the offset (when positioned) a[3]. */
static long io_single(struct kthread *t, long nr, const long a[6], bool write,
		      bool positioned)
{
	struct single_call c = {t, nr, a, write, positioned, IO_FILLS,
				(uint64_t)a[2]};
	struct fw_lock *lock = NULL;
	struct buffers b;
	bool several;
	long ret;

	if (c.len > IO_MOST)
		c.len = IO_MOST;
	if (c.len > BUF_STREAM_BYTES)
		c.kind = io_kind(a[0]);
	if (c.kind == IO_PACKETS && c.len > IO_PORTION) {
		buf_init(&b, t);
		return packet_single(&b, nr, a, write);
	}
	several = c.kind == IO_FILLS && c.len > IO_PORTION;
	if (write || !positioned)
		lock = inode_lock(t, a[0], several);
	ret = single_locked(&c, several);
	inode_unlock(t, lock);
	return ret;
}

static long write_single(struct kthread *t, long nr, const long a[6],
			 bool positioned)
{
	long place = positioned ? 0 : file_place(t, a[0]);
	long n = io_single(t, nr, a, true, positioned);

	file_written(t, a[0], place, positioned ? a[3] : FILE_HERE, n);
	return n;
}

long sys_read(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long ret = view_read(t, a[0], (uint64_t)a[1], (uint64_t)a[2],
			     VIEW_HERE);

	(void)uc;
	if (ret != VIEW_NOT)
		return ret;
	return io_single(t, __NR_read, a, false, false);
}

long sys_write(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long ret = view_write(t, a[0], (uint64_t)a[1], (uint64_t)a[2],
			     VIEW_HERE);

	(void)uc;
	if (ret != VIEW_NOT)
		return ret;
	return write_single(t, __NR_write, a, false);
}

long sys_pread64(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long ret = view_read(t, a[0], (uint64_t)a[1], (uint64_t)a[2],
			     view_offset(a[3]));

	(void)uc;
	if (ret != VIEW_NOT)
		return ret;
	return io_single(t, __NR_pread64, a, false, true);
}

long sys_pwrite64(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long ret = view_write(t, a[0], (uint64_t)a[1], (uint64_t)a[2],
			      view_offset(a[3]));

	(void)uc;
	if (ret != VIEW_NOT)
		return ret;
	return write_single(t, __NR_pwrite64, a, true);
}

/* Programs expect as much as they have asked for. */
long sys_getrandom(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t len = (uint64_t)a[1], done = 0, room;
	long args[6] = {0, 0, a[2]}, ret;
	struct buffers b;

	(void)uc;
	do {
		buf_init(&b, t);
		room = buf_add(&b, (uint64_t)a[0] + done, len - done,
			       FW_ACC_WRITE);
		args[0] = a[0] + (long)done;
		args[1] = (long)room;
		ret = buf_call(&b, __NR_getrandom, args, BUF_AGAIN);
		if (ret < 0)
			return done ? (long)done : ret;
		done += (uint64_t)ret;
	} while ((uint64_t)ret == room && done < len);
	return (long)done;
}

/* ---- vectors ------------------------------------------------------------ */

/* Adds one piece at s->offset. False when it did not fit as a whole. */
static bool add_piece(struct io_vector *v, struct buffers *b,
		      const struct iovec *piece, bool write)
{
	uint64_t addr = (uint64_t)piece->iov_base + v->offset;
	uint64_t len = piece->iov_len - v->offset;
	uint64_t room =
		buf_add(b, addr, len, write ? FW_ACC_READ : FW_ACC_WRITE);

	if (room) {
		v->piece[v->n].iov_base = (void *)addr;
		v->piece[v->n].iov_len = room;
		v->n++;
		v->bytes += room;
	}
	if (room < len) {
		v->offset += room;
		return false;
	}
	v->offset = 0;
	v->index++;
	return true;
}

long io_vector_next(struct io_vector *v, struct buffers *b, bool write)
{
	struct iovec piece;
	uint64_t at;

	v->n = 0;
	v->bytes = 0;
	while (v->index < v->count && v->n < IO_PIECES) {
		at = v->addr + v->index * sizeof(piece);
		if (user_read(b->t, &piece, at, sizeof(piece)))
			return -EFAULT;
		if ((int64_t)piece.iov_len < 0)
			return -EINVAL;
		if (piece.iov_len > v->most - v->total)
			piece.iov_len = v->most - v->total;
		if (!add_piece(v, b, &piece, write))
			break;
		v->total += piece.iov_len;
	}
	return 0;
}

void io_vector_init(struct io_vector *v, uint64_t addr, uint64_t count)
{
	v->addr = addr;
	v->count = count;
	v->index = 0;
	v->offset = 0;
	v->total = 0;
	v->most = IO_MOST;
}

struct vector_call {
	long nr;
	bool write;
	bool positioned; /* args[3] is the offset, unless it is -1 */
};

static int64_t vector_view_offset(const struct vector_call *c, long given)
{
	bool may_be_here = c->nr == __NR_preadv2 || c->nr == __NR_pwritev2;

	if (!c->positioned || (may_be_here && given == -1))
		return VIEW_HERE;
	return view_offset(given);
}

/*
 * The portions of a vector. When there are several of a file, *ret_lock is
 * taken before the first one is transferred; the caller ends it.
 */
static long vector_portions(struct kthread *t, const long a[6],
			    const struct vector_call *c, struct io_vector *v,
			    struct fw_lock **ret_lock)
{
	bool placed = c->positioned && a[3] != -1;
	enum buf_mode mode = c->write ? BUF_AGAIN : BUF_ONCE;
	enum io_kind kind = IO_STREAM;
	long args[6], ret;
	uint64_t done = 0;
	struct buffers b;

	memcpy(args, a, sizeof(args));
	do {
		buf_init(&b, t);
		ret = io_vector_next(v, &b, c->write);
		if (ret)
			return done ? (long)done : ret;
		b.pinned = is_direct(t, a[0], v->bytes);
		if (!done && v->index < v->count)
			kind = io_kind(a[0]);
		if (kind == IO_PACKETS)
			return packet_vector(t, c->nr, a, c->write);
		if (!*ret_lock && !done && (c->write || !placed))
			*ret_lock = inode_lock(t, a[0], kind == IO_FILLS);
		ret = c->write && kind == IO_FILLS && !done &&
				      v->most == IO_MOST
			      ? record_vector(t, c->nr, a)
			      : PACKET_NOT;
		if (ret != PACKET_NOT)
			return ret;
		args[1] = (long)v->piece;
		args[2] = (long)v->n;
		if (placed)
			args[3] = a[3] + (long)done;
		ret = buf_call(&b, c->nr, args, mode);
		if (ret < 0)
			return done ? (long)done : ret;
		done += (uint64_t)ret;
		if (kind == IO_FILLS)
			mode = BUF_NOW;
	} while ((uint64_t)ret == v->bytes && v->index < v->count &&
		 (c->write || kind == IO_FILLS));
	return (long)done;
}

static long io_vector(struct kthread *t, const long a[6],
		      const struct vector_call *c)
{
	struct fw_lock *lock = NULL;
	struct io_vector v;
	long ret;

	ret = view_vector(t, a, vector_view_offset(c, a[3]), c->write);
	if (ret != VIEW_NOT)
		return ret;
	if ((uint64_t)a[2] > IO_VECTOR_MAX) /* the host says what is wrong */
		return host_call_guest(&t->pending, c->nr, a);
	io_vector_init(&v, (uint64_t)a[1], (uint64_t)a[2]);
	if (c->write) {
		ret = file_room(t, a[0], c->positioned ? a[3] : -1, v.most);
		if (ret < 0)
			return ret;
		v.most = (uint64_t)ret;
	}
	ret = vector_portions(t, a, c, &v, &lock);
	inode_unlock(t, lock);
	return ret;
}

static long write_vector(struct kthread *t, const long a[6],
			 const struct vector_call *c)
{
	bool here = !c->positioned || a[3] == -1;
	long place = here ? file_place(t, a[0]) : 0;
	long n = io_vector(t, a, c);

	if (c->nr == __NR_pwritev2 && a[5] & HOST_RWF_APPEND)
		file_written(t, a[0], 0, FILE_SOMEWHERE, n);
	else
		file_written(t, a[0], place, here ? FILE_HERE : a[3], n);
	return n;
}

long sys_readv(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return io_vector(t, a, &(struct vector_call){__NR_readv, false, false});
}

long sys_writev(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return write_vector(t, a,
			    &(struct vector_call){__NR_writev, true, false});
}

long sys_preadv(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return io_vector(t, a, &(struct vector_call){__NR_preadv, false, true});
}

long sys_pwritev(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return write_vector(t, a,
			    &(struct vector_call){__NR_pwritev, true, true});
}

long sys_preadv2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return io_vector(t, a,
			 &(struct vector_call){__NR_preadv2, false, true});
}

long sys_pwritev2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return write_vector(t, a,
			    &(struct vector_call){__NR_pwritev2, true, true});
}

/* ---- the size of files -------------------------------------------------- */

/* A file that grows must stay within RLIMIT_FSIZE. */
static long may_end(struct kthread *t, const struct stat *st, uint64_t end)
{
	if (!S_ISREG(st->st_mode) || end <= (uint64_t)st->st_size ||
	    (int64_t)end < 0)
		return 0;
	return limit_file_end(t, end);
}

long sys_ftruncate(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct stat st;
	long r = k_fd_reserved(t, (int)a[0]) ? -EBADF
					     : HC2(__NR_fstat, a[0], &st);

	(void)uc;
	if (!r)
		r = may_end(t, &st, (uint64_t)a[1]);
	if (!r)
		r = HC2(__NR_ftruncate, a[0], a[1]);
	if (!r)
		file_resized(t, a[0]);
	return r;
}

static void begin_path(struct buffers *b, struct kthread *t, long path)
{
	char head[8];

	buf_init(b, t);
	buf_string(b, (uint64_t)path, head, sizeof(head));
}

/* Its descriptor only names the file: to close another one would cost the
 * guest its record locks. */
static void path_resized(struct kthread *t, long path)
{
	const long args[6] = {path, 012000000 /* PATH CLOEXEC */};
	struct buffers b;
	long fd;

	if (!fw_files_watched(t->p->mm))
		return;
	begin_path(&b, t, path);
	fd = buf_call(&b, __NR_open, args, BUF_AGAIN);
	if (fd < 0)
		return;
	file_resized(t, fd);
	HC1(__NR_close, fd);
}

long sys_truncate(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct stat st;
	struct buffers b;
	long r;

	(void)uc;
	begin_path(&b, t, a[0]);
	r = busy_for_writing(&b, HOST_AT_FDCWD, a[0], 0);
	if (r)
		return r;
	if (t->p->proc->limit_cur[1] != ~0ull) {
		const long args[6] = {a[0], (long)&st};

		begin_path(&b, t, a[0]);
		r = buf_call(&b, __NR_stat, args, BUF_AGAIN);
		if (!r)
			r = may_end(t, &st, (uint64_t)a[1]);
		if (r)
			return r;
	}
	begin_path(&b, t, a[0]);
	r = buf_call(&b, __NR_truncate, a, BUF_AGAIN);
	if (!r)
		path_resized(t, a[0]);
	return r;
}

long sys_fallocate(struct kthread *t, struct ucontext *uc, const long a[6])
{
	const long keep_size = 1;
	struct stat st;
	long r = k_fd_reserved(t, (int)a[0]) ? -EBADF
					     : HC2(__NR_fstat, a[0], &st);

	(void)uc;
	if (!r && !(a[1] & keep_size) && a[2] >= 0 && a[3] > 0)
		r = may_end(t, &st, (uint64_t)a[2] + (uint64_t)a[3]);
	if (!r)
		r = host_call_guest(&t->pending, __NR_fallocate, a);
	if (!r)
		file_changed(t, a[0], (uint64_t)a[2]);
	return r;
}
