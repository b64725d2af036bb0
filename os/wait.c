/* SPDX-License-Identifier: MIT */
/*
 * wait.c - select, poll and epoll where they take a signal mask or sets.
 *
 * poll and epoll_wait are in the table. A mask is replaced by a copy of ours
 * that leaves the synchronous signals unblocked (buffers.c); time-outs that
 * the host writes back stay the guest's own.
 */
#include "os/buffers.h"

#define POLLFD_BYTES 8
#define EVENT_BYTES 12 /* struct epoll_event is packed */
#define EVENTS_MAX (BUF_PAGES / 2 * FW_PAGE_SIZE / EVENT_BYTES)
#define FDS_MAX (1u << 20) /* descriptors that fd_sets may speak of */
#define TIMESPEC_BYTES 16

long sys_ppoll(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6] = {a[0], a[1], a[2], a[3], a[4]};
	uint64_t n = (uint32_t)a[1];
	struct buffers b;

	(void)uc;
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[2], TIMESPEC_BYTES, FW_ACC_WRITE);
	buf_add(&b, (uint64_t)a[0], n * POLLFD_BYTES, FW_ACC_WRITE);
	return buf_call_masked(&b, __NR_ppoll, args, &args[3], (uint64_t)a[4]);
}

/* Three sets of args[0] bits and a time-out. */
static void add_sets(struct buffers *b, const long a[6])
{
	uint64_t bits = (uint32_t)a[0];
	uint64_t bytes;

	buf_init(b, b->t);
	if ((int)a[0] < 0)
		return;
	if (bits > FDS_MAX)
		bits = FDS_MAX;
	bytes = (bits + 63) / 64 * 8;
	buf_add(b, (uint64_t)a[4], TIMESPEC_BYTES, FW_ACC_WRITE);
	for (unsigned i = 1; i <= 3; i++)
		buf_add(b, (uint64_t)a[i], bytes, FW_ACC_WRITE);
}

long sys_select(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct buffers b = {.t = t};

	(void)uc;
	add_sets(&b, a);
	return buf_call(&b, __NR_select, a, BUF_AGAIN);
}

/* The sixth argument points to a mask's address and size. */
long sys_pselect6(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t *sig = (uint64_t *)(void *)(t->scratch + 64);
	long args[6], mask_arg = 0;
	struct buffers b;

	(void)uc;
	memcpy(args, a, sizeof(args));
	b.t = t;
	add_sets(&b, a);
	sig[0] = 0;
	sig[1] = 8;
	if (a[5] && user_read(t, sig, (uint64_t)a[5], 16))
		return -EFAULT;
	mask_arg = (long)sig[0];
	if (mask_arg) { /* where buf_call_masked puts its copy */
		sig[0] = (uint64_t)t->scratch;
		args[5] = (long)sig;
	} else {
		args[5] = 0;
	}
	return buf_call_masked(&b, __NR_pselect6, args, &mask_arg, sig[1]);
}

/* Adds room for the events and says how many the host may return. */
static long add_events(struct buffers *b, const long a[6])
{
	uint64_t n = (uint64_t)a[2];

	if ((int)a[2] <= 0)
		return a[2];
	if (n > EVENTS_MAX)
		n = EVENTS_MAX;
	buf_add(b, (uint64_t)a[1], n * EVENT_BYTES, FW_ACC_WRITE);
	return (long)n;
}

long sys_epoll_pwait(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6];
	struct buffers b;

	(void)uc;
	memcpy(args, a, sizeof(args));
	buf_init(&b, t);
	args[2] = add_events(&b, a);
	return buf_call_masked(&b, __NR_epoll_pwait, args, &args[4],
			       (uint64_t)a[5]);
}

long sys_epoll_pwait2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6];
	struct buffers b;

	(void)uc;
	memcpy(args, a, sizeof(args));
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[3], TIMESPEC_BYTES, FW_ACC_READ);
	args[2] = add_events(&b, a);
	return buf_call_masked(&b, __NR_epoll_pwait2, args, &args[4],
			       (uint64_t)a[5]);
}
