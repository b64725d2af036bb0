/* SPDX-License-Identifier: MIT */
/*
 * futex.c - futexes on memory that moves.
 *
 * The host finds the waiters of a shared futex by the page (file and offset)
 * that it lies in. Eviction and copy-on-write give the guest's page another
 * frame, so that waiter and waker would miss each other. Therefore:
 *
 *   private memory   waits and wakes are made private (found by address),
 *                    whatever the guest says: nobody else can see the word
 *   shared section   stays shared; the announcement of a waiter holds the
 *                    frame as long as it waits
 *   host view        the host's own page: as the guest says
 *
 * An operation on two words is private when both are.
 */
#include <linux/futex.h>

#include "os/buffers.h"

#define WORD_BYTES 4
#define TIMESPEC_BYTES 16
#define DEAD_TRIES 100 /* of 2 ms */

enum futex_uses {
	USES_TIMEOUT = 1,
	USES_SECOND = 2,
	WRITES_FIRST = 4,
	WRITES_SECOND = 8,
	NO_SUCH_OP = 16,
};

static unsigned futex_uses(int command)
{
	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return USES_TIMEOUT;
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return 0;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return USES_SECOND;
	case FUTEX_WAKE_OP:
		return USES_SECOND | WRITES_SECOND;
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return USES_TIMEOUT | WRITES_FIRST;
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
		return WRITES_FIRST;
	case FUTEX_WAIT_REQUEUE_PI:
		return USES_TIMEOUT | USES_SECOND | WRITES_SECOND;
	case FUTEX_CMP_REQUEUE_PI:
		return USES_SECOND | WRITES_FIRST | WRITES_SECOND;
	default:
		return NO_SUCH_OP;
	}
}

/* True when the word lies in memory that no other space shares. */
static bool is_private(struct kthread *t, uint64_t addr)
{
	struct fw_space *space = t->p->space;
	struct fw_vad *vad;
	bool private;

	fw_space_lock(space, t->actor);
	vad = fw_vad_at_or_above(space, addr);
	private = vad && vad->start <= addr >> FW_PAGE_SHIFT &&
		  (vad->kind == FW_VAD_PRIVATE ||
		   vad->kind == FW_VAD_PRIVATE_VIEW);
	fw_space_unlock(space);
	return private;
}

/*
 * Copies the time-out: to kernel memory, so that it needs no page of its own
 * while the call waits.
 */
static long take_timeout(struct kthread *t, long args[6])
{
	if (!args[3])
		return 0;
	if (user_read(t, t->scratch, (uint64_t)args[3], TIMESPEC_BYTES))
		return -EFAULT;
	args[3] = (long)t->scratch;
	return 0;
}

static long futex_call(struct kthread *t, const long a[6], unsigned uses)
{
	int op = (int)a[1];
	uint64_t first = (uint64_t)a[0], second = (uint64_t)a[4];
	long args[6];
	enum buf_mode mode = BUF_AGAIN;
	struct buffers b;

	memcpy(args, a, sizeof(args));
	buf_init(&b, t);
	if ((uses & USES_TIMEOUT) && take_timeout(t, args))
		return -EFAULT;
	if (!(op & FUTEX_PRIVATE_FLAG) && is_private(t, first) &&
	    (!(uses & USES_SECOND) || is_private(t, second)))
		op |= FUTEX_PRIVATE_FLAG;
	/* A private wait looks at the word before it sleeps, then no more. */
	if (uses == USES_TIMEOUT && op & FUTEX_PRIVATE_FLAG)
		mode = BUF_LOOSE;
	args[1] = op;
	buf_add(&b, first, WORD_BYTES,
		uses & WRITES_FIRST ? FW_ACC_WRITE : FW_ACC_READ);
	if (uses & USES_SECOND)
		buf_add(&b, second, WORD_BYTES,
			uses & WRITES_SECOND ? FW_ACC_WRITE : FW_ACC_READ);
	return buf_call(&b, __NR_futex, args, mode);
}

/* Of a lock whose owner is not there any more, his agent has perhaps still to
 * say that he is dead (os_process_died). */
long sys_futex(struct kthread *t, struct ucontext *uc, const long a[6])
{
	const int64_t pause[2] = {0, 2000000};
	unsigned uses = futex_uses((int)a[1] & FUTEX_CMD_MASK);
	long r;

	(void)uc;
	if (uses & NO_SUCH_OP)
		return -ENOSYS;
	for (unsigned tries = 0; tries < DEAD_TRIES; tries++) {
		r = futex_call(t, a, uses);
		if (r != -ESRCH || !(uses & WRITES_FIRST) || t->pending)
			break;
		HC2(__NR_nanosleep, pause, 0);
	}
	return r;
}

long os_futex_wake(struct kthread *t, uint64_t uaddr, int n)
{
	long args[6] = {(long)uaddr, FUTEX_WAKE, n};
	struct buffers b;

	buf_init(&b, t);
	if (is_private(t, uaddr))
		args[1] |= FUTEX_PRIVATE_FLAG;
	else
		buf_add(&b, uaddr, WORD_BYTES, FW_ACC_READ);
	return buf_call(&b, __NR_futex, args, BUF_NOW);
}
