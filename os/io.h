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

void io_vector_init(struct io_vector *v, uint64_t addr, uint64_t count);
/* Takes the next portion into piece[0..n) and adds its buffers to b. It is
 * the last one when index == count afterwards. -EFAULT or -EINVAL. */
long io_vector_next(struct io_vector *v, struct buffers *b, bool write);

/* As many of `len` bytes as RLIMIT_FSIZE lets a file take at `pos` (-1: where
 * the descriptor stands). */
uint64_t io_room(struct kthread *t, long fd, long pos, uint64_t len);

/*
 * turns.c: until turn_end no other guest's transfer gets between the calls of
 * one that needs `several`. Without, only if somebody is at it: NULL otherwise,
 * and for what is no regular file.
 */
struct fw_lock *turn_begin(struct kthread *t, long fd, bool several);
void turn_end(struct kthread *t, struct fw_lock *turn); /* NULL: nothing */

/* socket.c: true for a socket whose data have no boundaries. */
bool socket_is_stream(long fd);

#endif
