/* SPDX-License-Identifier: MIT */
/*
 * packet.c - what cannot be announced as it lies, and must go in one call.
 *
 * A datagram goes in one call of the host, or it is not one: where its pieces
 * are too many, or too long, it goes through memory of our own. Of what is
 * mapped for one that is received only as much is used as it is long. What is
 * appended to a file goes the same way, up to APPEND_MOST bytes: nobody,
 * inside the run or outside, gets between them.
 */
#include "os/io.h"

#include "arch/host/kernel/trap.h"

#define SEND_MOST (16ul << 20) /* the host's sockets take less */
#define APPEND_MOST (4ul << 20)

static long piece_of(struct kthread *t, const struct packet *p, uint64_t i,
		     struct iovec *ret)
{
	if (p->single.iov_base) {
		*ret = p->single;
		return 0;
	}
	return user_read(t, ret, p->vector + i * sizeof(*ret), sizeof(*ret));
}

static long measure(struct kthread *t, struct packet *p)
{
	struct iovec piece;
	long r;

	p->own.iov_len = 0;
	for (uint64_t i = 0; i < p->count; i++) {
		r = piece_of(t, p, i, &piece);
		if (r)
			return r;
		if ((int64_t)piece.iov_len < 0)
			return -EINVAL;
		if (piece.iov_len > IO_MOST - p->own.iov_len)
			piece.iov_len = IO_MOST - p->own.iov_len;
		p->own.iov_len += piece.iov_len;
	}
	return 0;
}

/* Copies the first `len` bytes, to or from the guest. */
static long copy_pieces(struct kthread *t, const struct packet *p, uint64_t len,
			bool out)
{
	char *own = p->own.iov_base;
	struct iovec piece;
	long r = 0;

	for (uint64_t i = 0; !r && len && i < p->count; i++) {
		uint64_t at;

		r = piece_of(t, p, i, &piece);
		if (r)
			break;
		at = (uint64_t)piece.iov_base;
		if (piece.iov_len > len)
			piece.iov_len = len;
		r = out ? user_write(t, at, own, piece.iov_len)
			: user_read(t, own, at, piece.iov_len);
		own += piece.iov_len;
		len -= piece.iov_len;
	}
	return r;
}

static long fill(struct kthread *t, const struct packet *p)
{
	/* Pages had at once cost less than by faults. */
	HC3(__NR_madvise, p->own.iov_base,
	    (p->mapped + FW_PAGE_MASK) & ~FW_PAGE_MASK,
	    23 /* MADV_POPULATE_WRITE */);
	return copy_pieces(t, p, p->own.iov_len, false);
}

static long begin(struct kthread *t, struct packet *p, bool send,
		  uint64_t most)
{
	long at, r = measure(t, p);

	p->mapped = 0;
	if (!r && send && p->own.iov_len > most)
		r = -EMSGSIZE;
	if (r)
		return r;
	if (p->own.iov_len > most)
		p->own.iov_len = most; /* none is so long */
	at = private_map(t, p->own.iov_len + 1);
	if (K_IS_ERR(at))
		return -ENOBUFS;
	p->own.iov_base = (void *)at;
	p->mapped = p->own.iov_len + 1;
	if (send)
		r = fill(t, p);
	if (r)
		window_close((uint64_t)at, p->mapped);
	return r;
}

long packet_begin(struct kthread *t, struct packet *p, bool send)
{
	return begin(t, p, send, SEND_MOST);
}

long packet_end(struct kthread *t, struct packet *p, bool send, long ret)
{
	uint64_t len = ret > 0 ? (uint64_t)ret : 0;

	if (len > p->own.iov_len) /* MSG_TRUNC */
		len = p->own.iov_len;
	if (!send && copy_pieces(t, p, len, true))
		ret = -EFAULT;
	window_close((uint64_t)p->own.iov_base, p->mapped);
	return ret;
}

static long by_vector(struct kthread *t, long nr, const long a[6], bool send,
		      uint64_t most)
{
	struct packet p = {.vector = (uint64_t)a[1], .count = (uint64_t)a[2]};
	long args[6], r = begin(t, &p, send, most);

	if (r)
		return r;
	memcpy(args, a, sizeof(args));
	args[1] = (long)&p.own;
	args[2] = 1;
	return packet_end(t, &p, send,
			  host_call_guest(&t->pending, nr, args));
}

long packet_vector(struct kthread *t, long nr, const long a[6], bool send)
{
	return by_vector(t, nr, a, send, SEND_MOST);
}

long packet_single(struct buffers *b, long nr, const long a[6], bool send)
{
	struct packet p = {.single = {(void *)a[1], (uint64_t)a[2]},
			   .count = 1};
	long args[6], r = packet_begin(b->t, &p, send);

	if (r)
		return r;
	memcpy(args, a, sizeof(args));
	args[1] = (long)p.own.iov_base;
	args[2] = (long)p.own.iov_len;
	r = buf_call(b, nr, args, send ? BUF_AGAIN : BUF_ONCE);
	return packet_end(b->t, &p, send, r);
}

/* ---- records ------------------------------------------------------------ */

static bool appends(const long a[6], bool by_flag)
{
	return (by_flag && a[5] & 0x10 /* RWF_APPEND */) ||
	       HC2(__NR_fcntl, a[0], 3 /* F_GETFL */) & 02000 /* O_APPEND */;
}

/* What is too long, or cannot be read to its end, goes the ordinary way. */
static long or_in_portions(long ret)
{
	return ret == -EMSGSIZE || ret == -EFAULT || ret == -ENOBUFS
		       ? PACKET_NOT
		       : ret;
}

long record_single(struct kthread *t, long nr, const long a[6], uint64_t len)
{
	const long args[6] = {a[0], a[1], (long)len, a[3]};
	struct buffers b;

	if (len > APPEND_MOST || !appends(a, false))
		return PACKET_NOT;
	buf_init(&b, t);
	return or_in_portions(packet_single(&b, nr, args, true));
}

long record_vector(struct kthread *t, long nr, const long a[6])
{
	if (!appends(a, nr == __NR_pwritev2))
		return PACKET_NOT;
	return or_in_portions(by_vector(t, nr, a, true, APPEND_MOST));
}
