/* SPDX-License-Identifier: MIT */
/*
 * socket.c - messages: what points to what points to the data.
 *
 * A msghdr and its iovec are copied; the host sees the copies, with pointers
 * to the guest's data. What the host writes back into the msghdr is copied
 * to the guest's. A datagram is never split: see packet.c; a stream's message
 * goes in portions, as any write.
 */
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/time_types.h>

#include "os/io.h"

#define MSG_PEEK 0x2
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_WAITFORONE 0x10000
#define SOCK_STREAM 1
#define SOL_SOCKET 1
#define SO_TYPE 3
#define SO_ATTACH_FILTER 26
#define SO_ATTACH_REUSEPORT_CBPF 51
#define SO_ZEROCOPY 60
#define CLOCK_MONOTONIC 1
#define NSEC 1000000000ll
#define MMSG_MAX 1024

/* The kernel's user_msghdr. */
struct k_msghdr {
	uint64_t name;
	int32_t namelen;
	uint32_t pad;
	uint64_t iov, iovlen;
	uint64_t control, controllen;
	uint32_t flags, pad2;
};
_Static_assert(sizeof(struct k_msghdr) == 56, "the host's layout");

struct k_mmsghdr {
	struct k_msghdr hdr;
	uint32_t len, pad;
};

bool socket_is_stream(long fd)
{
	int type = 0, len = sizeof(type);

	return !HC5(__NR_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

/* ---- one buffer --------------------------------------------------------- */

static long send_packet(struct kthread *t, const long a[6])
{
	struct buffers b;

	buf_init(&b, t);
	if ((int)a[5] > 0)
		buf_add(&b, (uint64_t)a[4], (uint32_t)a[5], FW_ACC_READ);
	return packet_single(&b, __NR_sendto, a, true);
}

long sys_sendto(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t len = (uint64_t)a[2], done = 0, room;
	bool more = false;
	long args[6], ret;
	struct buffers b;

	(void)uc;
	memcpy(args, a, sizeof(args));
	do {
		buf_init(&b, t);
		if ((int)a[5] > 0)
			buf_add(&b, (uint64_t)a[4], (uint32_t)a[5],
				FW_ACC_READ);
		room = buf_add(&b, (uint64_t)a[1] + done, len - done,
			       FW_ACC_READ);
		if (room < len && !done)
			more = socket_is_stream(a[0]);
		if (room < len && !done && !more)
			return send_packet(t, a);
		args[1] = a[1] + (long)done;
		args[2] = more ? (long)room : (long)(len - done);
		ret = buf_call(&b, __NR_sendto, args, BUF_AGAIN);
		if (ret < 0)
			return done ? (long)done : ret;
		done += (uint64_t)ret;
		args[3] |= MSG_NOSIGNAL; /* as natively, once some went */
	} while (more && (uint64_t)ret == room && done < len);
	return (long)done;
}

/* Adds the name of which the int at len_addr says how long it may be. */
static void add_name(struct buffers *b, uint64_t name, uint64_t len_addr)
{
	int32_t len;

	buf_add(b, len_addr, sizeof(len), FW_ACC_WRITE);
	if (len_addr && !user_read(b->t, &len, len_addr, sizeof(len)) &&
	    len > 0)
		buf_add(b, name, (uint32_t)len, FW_ACC_WRITE);
}

long sys_recvfrom(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t len = (uint64_t)a[2], done = 0, want, room;
	bool stream = len > BUF_STREAM_BYTES && !(a[3] & MSG_PEEK) &&
		      socket_is_stream(a[0]);
	long args[6], ret;
	struct buffers b;

	(void)uc;
	memcpy(args, a, sizeof(args));
	do {
		buf_init(&b, t);
		if (a[4])
			add_name(&b, (uint64_t)a[4], (uint64_t)a[5]);
		if (!stream && len > IO_PORTION)
			return packet_single(&b, __NR_recvfrom, a, false);
		want = len - done;
		if (stream && want > BUF_STREAM_BYTES)
			want = BUF_STREAM_BYTES;
		room = buf_add(&b, (uint64_t)a[1] + done, want, FW_ACC_WRITE);
		args[1] = a[1] + (long)done;
		args[2] = (long)room;
		ret = buf_call(&b, __NR_recvfrom, args, BUF_ONCE);
		if (ret < 0)
			return done ? (long)done : ret;
		done += (uint64_t)ret;
	} while (stream && (a[3] & MSG_WAITALL) && (uint64_t)ret == room &&
		 done < len);
	return (long)done;
}

/* ---- messages ----------------------------------------------------------- */

/* A message on its way: sendmsg or recvmsg. */
struct message {
	struct kthread *t;
	bool send, in_portions; /* of a stream, more than go at once */
	struct k_msghdr hdr;	/* the guest's */
	struct k_msghdr copy;	/* the host's */
	struct io_vector v;
};

/* The first portion takes the name and the control data with it; what a later
 * one receives of the latter ends the message, as natively. */
static void message_buffers(struct message *m, struct buffers *b)
{
	uint32_t access = m->send ? FW_ACC_READ : FW_ACC_WRITE;

	m->copy.iov = (uint64_t)m->v.piece;
	buf_init(b, m->t);
	if (m->copy.namelen > 0)
		buf_add(b, m->copy.name, (uint32_t)m->copy.namelen, access);
	if (m->copy.controllen <= INT32_MAX)
		buf_add(b, m->copy.control, m->copy.controllen, access);
}

static long host_message(struct message *m, struct buffers *b, long fd,
			 long flags)
{
	const long args[6] = {fd, (long)&m->copy, flags};

	return m->send ? buf_call(b, __NR_sendmsg, args, BUF_AGAIN)
		       : buf_call(b, __NR_recvmsg, args, BUF_ONCE);
}

/* All of it in one call, through memory of ours. */
static long message_at_once(struct message *m, struct buffers *b, long fd,
			    long flags)
{
	struct packet p = {.vector = m->hdr.iov, .count = m->hdr.iovlen};
	long ret = packet_begin(m->t, &p, m->send);

	if (ret)
		return ret;
	m->copy.iov = (uint64_t)&p.own;
	m->copy.iovlen = 1;
	ret = host_message(m, b, fd, flags);
	return packet_end(m->t, &p, m->send, ret);
}

/* The next portion. */
static long message_portion(struct message *m, long fd, long flags)
{
	struct buffers b;
	long ret;

	message_buffers(m, &b);
	ret = io_vector_next(&m->v, &b, m->send);
	if (ret)
		return ret;
	m->copy.iovlen = m->v.n;
	if (m->v.index < m->v.count && !m->in_portions) {
		if ((flags & MSG_PEEK) || !socket_is_stream(fd))
			return message_at_once(m, &b, fd, flags);
		m->in_portions = true;
	}
	return host_message(m, &b, fd, flags);
}

/* Whether there are to be more, after one of `ret` bytes. */
static bool message_goes_on(struct message *m, long ret, long flags)
{
	if (!m->in_portions || (uint64_t)ret != m->v.bytes ||
	    m->v.index == m->v.count)
		return false;
	if (m->send)
		return true;
	return (flags & MSG_WAITALL) && !m->copy.controllen;
}

/* The name is the first portion's; control data are the last one's: no other
 * has any. */
static long message_received(struct message *m, uint64_t addr, long ret)
{
	m->hdr.controllen = m->copy.controllen;
	return user_write(m->t, addr, &m->hdr, sizeof(m->hdr)) ? -EFAULT : ret;
}

/* Sends or receives the message described by the guest's header at addr. */
static long message(struct kthread *t, bool send, long fd, uint64_t addr,
		    long flags)
{
	struct message m; /* large */
	long ret, done = 0;

	m.t = t;
	m.send = send;
	m.in_portions = false;
	if (user_read(t, &m.hdr, addr, sizeof(m.hdr)))
		return -EFAULT;
	if (m.hdr.iovlen > IO_VECTOR_MAX)
		return -EMSGSIZE;
	m.copy = m.hdr;
	io_vector_init(&m.v, m.hdr.iov, m.hdr.iovlen);
	while ((ret = message_portion(&m, fd, flags)) >= 0) {
		if (!done) {
			m.hdr.namelen = m.copy.namelen;
			m.hdr.flags = 0;
		}
		m.hdr.flags |= m.copy.flags;
		done += ret;
		if (!message_goes_on(&m, ret, flags))
			break;
		m.copy.namelen = 0;
		m.copy.controllen = send ? 0 : m.hdr.controllen;
		if (send)
			flags |= MSG_NOSIGNAL; /* as natively, once some went */
	}
	if (ret < 0 && !done)
		return ret;
	if (ret < 0)
		m.copy.controllen = 0; /* the portions before had none */
	return send ? done : message_received(&m, addr, done);
}

long sys_sendmsg(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return message(t, true, a[0], (uint64_t)a[1], a[2]);
}

long sys_recvmsg(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return message(t, false, a[0], (uint64_t)a[1], a[2]);
}

/* Message i of an array; its length goes into the array. */
static long message_of(struct kthread *t, bool send, const long a[6],
		       uint64_t i, long flags)
{
	uint64_t addr = (uint64_t)a[1] + i * sizeof(struct k_mmsghdr);
	long ret = message(t, send, a[0], addr, flags);
	uint32_t len = (uint32_t)ret;

	if (ret < 0)
		return ret;
	addr += offsetof(struct k_mmsghdr, len);
	return user_write(t, addr, &len, sizeof(len)) ? -EFAULT : 0;
}

static uint64_t message_count(const long a[6])
{
	uint64_t n = (uint32_t)a[2];

	return n < MMSG_MAX ? n : MMSG_MAX;
}

long sys_sendmmsg(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t n = message_count(a);
	long ret = 0;

	(void)uc;
	for (uint64_t i = 0; i < n; i++) {
		ret = message_of(t, true, a, i, a[3]);
		if (ret)
			return i ? (long)i : ret;
	}
	return (long)n;
}

static int64_t now_ns(void)
{
	struct __kernel_timespec ts;

	HC2(__NR_clock_gettime, CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

/* As natively, the time-out is looked at after each message only. */
long sys_recvmmsg(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t n = message_count(a), i = 0;
	long flags = a[3] & ~(long)MSG_WAITFORONE, ret = 0;
	struct __kernel_timespec ts;
	int64_t left = 0, end = 0;

	(void)uc;
	if (a[4]) {
		if (user_read(t, &ts, (uint64_t)a[4], sizeof(ts)))
			return -EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NSEC)
			return -EINVAL;
		if (ts.tv_sec > INT32_MAX)
			ts.tv_sec = INT32_MAX;
		end = now_ns() + ts.tv_sec * NSEC + ts.tv_nsec;
	}
	while (i < n) {
		ret = message_of(t, false, a, i, flags);
		if (ret)
			break;
		i++;
		if (a[3] & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (a[4] && (left = end - now_ns()) <= 0)
			break;
	}
	if (a[4] && i) {
		left = left > 0 ? left : 0;
		ts.tv_sec = left / NSEC;
		ts.tv_nsec = left % NSEC;
		if (user_write(t, (uint64_t)a[4], &ts, sizeof(ts)))
			return -EFAULT;
	}
	return i ? (long)i : ret;
}

/* A socket filter points to its instructions. */
long sys_setsockopt(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct sock_fprog prog;
	struct buffers b;

	(void)uc;
	if ((int)a[1] == SOL_SOCKET && (int)a[2] == SO_ZEROCOPY) {
		os_refused(t, FW_REFUSED_ZERO_COPY);
		return -ENOPROTOOPT;
	}
	buf_init(&b, t);
	if ((int)a[4] > 0)
		buf_add(&b, (uint64_t)a[3], (uint32_t)a[4], FW_ACC_READ);
	if ((int)a[1] == SOL_SOCKET &&
	    ((int)a[2] == SO_ATTACH_FILTER ||
	     (int)a[2] == SO_ATTACH_REUSEPORT_CBPF) &&
	    (uint32_t)a[4] >= sizeof(prog) &&
	    !user_read(t, &prog, (uint64_t)a[3], sizeof(prog)))
		buf_add(&b, (uint64_t)prog.filter,
			prog.len * sizeof(struct sock_filter), FW_ACC_READ);
	return buf_call(&b, __NR_setsockopt, a, BUF_AGAIN);
}
