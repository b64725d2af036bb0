/* SPDX-License-Identifier: MIT */
/*
 * lock.c - locks that survive the death of their owner, on futexes.
 *
 * The word: 0 free, 1 held, 2 held with waiters; DIED is added when the owner
 * died. Death is a thing of tests here: a "dead" thread left the core by a
 * jump and called soft_locks_die().
 */
#include "arch/soft/soft.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FREE 0u
#define HELD 1u
#define WAITED 2u
#define DIED 4u

#define MAX_HELD (FW_STRIPES_MAX + 2)

static _Thread_local struct fw_lock *held[MAX_HELD];
static _Thread_local unsigned n_held;

static long futex(uint32_t *word, int op, uint32_t value,
		  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout,
		       NULL, 0);
}

unsigned soft_locks_held(void)
{
	return n_held;
}

bool soft_holds(const struct fw_lock *lock)
{
	for (unsigned i = 0; i < n_held; i++)
		if (held[i] == lock)
			return true;
	return false;
}

static bool swap(uint32_t *word, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Takes a free lock or one whose owner died, as `how`. */
static bool try_lock(struct fw_lock *lock, uint32_t how, bool *died)
{
	*died = false;
	if (swap(&lock->word, FREE, how))
		return true;
	*died = swap(&lock->word, DIED, how);
	return *died;
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	bool died;

	if (soft_holds(lock))
		fwp_panic("a lock is taken twice", __FILE__, __LINE__);
	if (n_held == MAX_HELD)
		fwp_panic("too many locks", __FILE__, __LINE__);
	soft_step();
	if (!try_lock(lock, HELD, &died))
		while (!try_lock(lock, WAITED, &died)) {
			if (swap(&lock->word, HELD, WAITED) ||
			    __atomic_load_n(&lock->word, __ATOMIC_RELAXED) ==
				    WAITED)
				futex(&lock->word, FUTEX_WAIT, WAITED, NULL);
		}
	lock->owner = actor_id;
	held[n_held++] = lock;
	return died;
}

static void release(struct fw_lock *lock, uint32_t word)
{
	uint32_t old = __atomic_exchange_n(&lock->word, word, __ATOMIC_RELEASE);

	if (old == WAITED)
		futex(&lock->word, FUTEX_WAKE, word == DIED ? INT32_MAX : 1,
		      NULL);
}

void fwp_unlock(struct fw_lock *lock)
{
	unsigned i = 0;

	while (i < n_held && held[i] != lock)
		i++;
	if (i == n_held)
		fwp_panic("a lock is released that is not held", __FILE__,
			  __LINE__);
	held[i] = held[--n_held];
	lock->owner = 0;
	if ((void *)lock == (void *)soft_machine()->mm)
		soft_machine()->granted = false;
	release(lock, FREE);
	soft_step();
}

void soft_locks_die(void)
{
	while (n_held)
		release(held[--n_held], DIED);
}

/* Waits are short, so that an owner's death is noticed. */
static void wait_on(uint32_t *word, uint32_t seen)
{
	const struct timespec ten_ms = {.tv_nsec = 10 * 1000 * 1000};

	futex(word, FUTEX_WAIT, seen, &ten_ms);
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	struct soft *s = soft_machine();

	if (n_held)
		fwp_panic("waiting under a lock", __FILE__, __LINE__);
	__atomic_add_fetch(&s->waits, 1, __ATOMIC_RELAXED);
	if (!fwp_actor_alive(s->mm, owner))
		return false;
	if (!s->alone)
		wait_on(word, seen);
	return true;
}

void fwp_wake(uint32_t *word)
{
	futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}
