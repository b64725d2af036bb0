/* SPDX-License-Identifier: MIT */
/*
 * io.h - iovecs of the guest, in portions that can be announced.
 *
 * The host is given a copy of the array in kernel memory: the guest's own is
 * read once.
 */
#ifndef OS_IO_H
#define OS_IO_H

#include <linux/uio.h>

#include "os/buffers.h"

#define IO_PIECES 256
#define IO_VECTOR_MAX 1024 /* UIO_MAXIOV */

struct io_vector {
	uint64_t addr, count;	/* the guest's array */
	uint64_t index, offset; /* where the next portion begins */
	uint64_t total;		/* bytes in all pieces before index */
	uint64_t most;		/* ... may be, whatever the array says */
	uint64_t n, bytes;	/* this portion */
	struct iovec piece[IO_PIECES];
};

#define IO_MOST 0x7ffff000ul /* the host transfers no more in one call */
/* So much can be announced as one buffer wherever it begins. */
#define IO_PORTION ((BUF_PAGES - 1ul) << FW_PAGE_SHIFT)

void io_vector_init(struct io_vector *v, uint64_t addr, uint64_t count);
/* Takes the next portion into piece[0..n) and adds its buffers to b. It is
 * the last one when index == count afterwards. -EFAULT or -EINVAL. */
long io_vector_next(struct io_vector *v, struct buffers *b, bool write);

/* As many of `len` bytes as RLIMIT_FSIZE lets a file take at `pos` (-1: where
 * the descriptor stands). */
uint64_t io_room(struct kthread *t, long fd, long pos, uint64_t len);

/*
 * inode_lock.c: until inode_unlock no other guest's transfer gets between the
 * calls of one that needs `several`. Without, only if somebody is at it: NULL
 * otherwise, and for what is no regular file.
 */
struct fw_lock *inode_lock(struct kthread *t, long fd, bool several);
void inode_unlock(struct kthread *t, struct fw_lock *lock); /* NULL: nothing */

/* A message that goes through memory of our own (packet.c). */
struct packet {
	uint64_t vector, count; /* the guest's pieces: an array ... */
	struct iovec single;	/* ... or, unless NULL, this one */
	struct iovec own;	/* what the host is given */
	uint64_t mapped;
};

/* Between these the host sends p->own, or receives into it; packet_end is
 * told the result and gives the guest's. */
long packet_begin(struct kthread *t, struct packet *p, bool send);
long packet_end(struct kthread *t, struct packet *p, bool send, long ret);
/* The call nr, with a vector or a buffer in a[1] and a[2]; b has its other
 * buffers. */
long packet_vector(struct kthread *t, long nr, const long a[6], bool send);
long packet_single(struct buffers *b, long nr, const long a[6], bool send);

/* A write to a file that may have to be appended in one piece, of `len` bytes
 * or of a vector; PACKET_NOT: it need not, or cannot. */
#define PACKET_NOT (-0x5000000000000000l) /* no result of Linux's */
long record_single(struct kthread *t, long nr, const long a[6], uint64_t len);
long record_vector(struct kthread *t, long nr, const long a[6]);

/* socket.c: true for a socket whose data have no boundaries. */
bool socket_is_stream(long fd);

#endif
