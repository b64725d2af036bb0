/* SPDX-License-Identifier: MIT */
/*
 * lock.h - the robust futex lock, one implementation for both sides of
 * arch/host: the kernel half and the hosted system process. No libc.
 *
 * The word is the host's robust futex: the owner's thread id, FUTEX_WAITERS
 * when somebody sleeps, FUTEX_OWNER_DIED when the host found the owner dead.
 * lock->robust[0] is the entry in the owner's robust list (`next`; an address
 * in the owner's memory, meant for the host alone), robust[1] is unused.
 *
 * Death at any instruction: list_op_pending names the lock from before the
 * word is taken until it is linked, and from before it is unlinked until the
 * word is free and a waiter has been woken. So the host finds it in the list
 * or there, never in neither. A wake-up lost with its sender costs 4 ms.
 *
 * Each side defines lockw_futex and lockw_owner_gone, and calls
 * set_robust_list with a head prepared by lockw_head_init in each thread.
 */
#ifndef ARCH_HOST_LOCK_H
#define ARCH_HOST_LOCK_H

#include <faultwise/port.h>

struct fw_robust_head { /* struct robust_list_head of the host */
	uint64_t list;
	int64_t futex_offset;
	uint64_t list_op_pending;
};

#define LOCKW_WAITERS 0x80000000u
#define LOCKW_OWNER_DIED 0x40000000u
#define LOCKW_TID_MASK 0x3fffffffu

#define LOCKW_FUTEX_WAIT 0 /* shared, not private */
#define LOCKW_FUTEX_WAKE 1
#define LOCKW_SPINS 100
#define LOCKW_WAIT_NS 4000000 /* then a waiter looks at the owner */

struct lockw_timespec {
	int64_t sec, nsec;
};

/* The host's futex call; -errno on failure, timeout NULL for none. */
long lockw_futex(uint32_t *word, int op, uint32_t value,
		 const struct lockw_timespec *timeout);

/*
 * Called after 4 ms of waiting for thread `tid`. A stopped owner is to be
 * continued and told to stop itself on leaving. True when no such thread
 * runs any more (zombies do not run).
 */
bool lockw_owner_gone(struct fw_lock *lock, uint32_t tid);

static inline void lockw_head_init(struct fw_robust_head *head)
{
	head->list = (uint64_t)(uintptr_t)&head->list;
	head->futex_offset = (int64_t)offsetof(struct fw_lock, word) -
			     (int64_t)offsetof(struct fw_lock, robust);
	head->list_op_pending = 0;
}

static inline void lockw_set(uint64_t *where, uint64_t value)
{
	__atomic_store_n(where, value, __ATOMIC_RELEASE);
}

static inline uint64_t lockw_entry(struct fw_lock *lock)
{
	return (uint64_t)(uintptr_t)&lock->robust[0];
}

static inline void lockw_link(struct fw_robust_head *head, struct fw_lock *lock)
{
	lockw_set(&lock->robust[0], head->list);
	lockw_set(&head->list, lockw_entry(lock));
	lockw_set(&head->list_op_pending, 0);
}

/* A thread holds few locks, and mostly frees the last one taken: walk. */
static inline void lockw_unlink(struct fw_robust_head *head,
				struct fw_lock *lock)
{
	uint64_t *link = &head->list;

	while (*link != lockw_entry(lock)) {
		if (*link == (uint64_t)(uintptr_t)&head->list)
			__builtin_trap(); /* freed by a thread not its owner */
		link = (uint64_t *)(uintptr_t)*link;
	}
	lockw_set(link, lock->robust[0]);
}

/*
 * One attempt. `waiters` is LOCKW_WAITERS when others may sleep. Returns 1
 * when taken, 2 when taken from a dead owner, else 0 and the word seen.
 */
static inline int lockw_attempt(struct fw_lock *lock, uint32_t tid,
				uint32_t waiters, uint32_t *ret_seen)
{
	uint32_t old = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);

	while (!(old & LOCKW_TID_MASK)) {
		if (__atomic_compare_exchange_n(
			    &lock->word, &old,
			    tid | waiters | (old & LOCKW_WAITERS), false,
			    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return old & LOCKW_OWNER_DIED ? 2 : 1;
	}
	*ret_seen = old;
	return 0;
}

/*
 * The word was `seen` after 4 ms: helps a stopped owner. An owner that is
 * gone though the host did not say so (its list could not be read) is taken
 * for dead: true when the lock has passed to `tid` in this way.
 */
static inline bool lockw_inherit(struct fw_lock *lock, uint32_t tid,
				 uint32_t seen)
{
	if (!lockw_owner_gone(lock, seen & LOCKW_TID_MASK))
		return false;
	return __atomic_compare_exchange_n(&lock->word, &seen,
					   tid | LOCKW_WAITERS, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Sleeps until the lock may be free: true when it was inherited. */
static inline bool lockw_sleep(struct fw_lock *lock, uint32_t tid,
			       uint32_t seen)
{
	const struct lockw_timespec timeout = {0, LOCKW_WAIT_NS};
	uint32_t asleep = seen | LOCKW_WAITERS;
	const long timed_out = -110; /* ETIMEDOUT */

	if (seen != asleep &&
	    !__atomic_compare_exchange_n(&lock->word, &seen, asleep, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	if (lockw_futex(&lock->word, LOCKW_FUTEX_WAIT, asleep, &timeout) !=
	    timed_out)
		return false;
	return lockw_inherit(lock, tid, asleep);
}

/* Takes the lock; true when its last owner died holding it. */
static inline bool lockw_acquire(struct fw_lock *lock,
				 struct fw_robust_head *head, uint32_t tid,
				 uint32_t actor)
{
	uint32_t seen = 0, waiters = 0;
	int got, spins = LOCKW_SPINS;

	lockw_set(&head->list_op_pending, lockw_entry(lock));
	while (!(got = lockw_attempt(lock, tid, waiters, &seen))) {
		if ((seen & LOCKW_TID_MASK) == tid)
			__builtin_trap(); /* taken twice */
		if (spins > 0) {
			spins--;
			__builtin_ia32_pause();
			continue;
		}
		if (lockw_sleep(lock, tid, seen)) {
			got = 2;
			break;
		}
		waiters = LOCKW_WAITERS;
	}
	lockw_link(head, lock);
	lock->owner = actor;
	return got == 2;
}

/* Takes the lock if nobody has it; *ret_died as lockw_acquire. */
static inline bool lockw_try(struct fw_lock *lock, struct fw_robust_head *head,
			     uint32_t tid, uint32_t actor, bool *ret_died)
{
	uint32_t seen;
	int got;

	lockw_set(&head->list_op_pending, lockw_entry(lock));
	got = lockw_attempt(lock, tid, 0, &seen);
	if (!got) {
		lockw_set(&head->list_op_pending, 0);
		return false;
	}
	lockw_link(head, lock);
	lock->owner = actor;
	*ret_died = got == 2;
	return true;
}

static inline void lockw_release(struct fw_lock *lock,
				 struct fw_robust_head *head)
{
	lock->owner = 0;
	lockw_set(&head->list_op_pending, lockw_entry(lock));
	lockw_unlink(head, lock);
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_SEQ_CST) &
	    LOCKW_WAITERS)
		lockw_futex(&lock->word, LOCKW_FUTEX_WAKE, 1, NULL);
	lockw_set(&head->list_op_pending, 0);
}

/* True when the host has found the owner dead and nobody took it since. */
static inline bool lockw_owner_died(const struct fw_lock *lock)
{
	return __atomic_load_n(&lock->word, __ATOMIC_ACQUIRE) &
	       LOCKW_OWNER_DIED;
}

#endif
