/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the core's locks and waits, in guests and agents.
 *
 * The lock itself is arch/host/lock.h. Here: how a waiter looks at an owner
 * that does not move. What is done about a stopped one (SIGSTOP or Ctrl-Z at an
 * unlucky moment) is in stop.c.
 */
#include "arch/host/kernel/trap.h"
#include "arch/host/proclist.h"

#define IDLE_WAIT_NS 10000000 /* for nobody in particular */

long lockw_futex(uint32_t *word, int op, uint32_t value,
		 const struct lockw_timespec *timeout)
{
	struct kthread *t = k_self();

	if (op == LOCKW_FUTEX_WAIT && !t->wait_since)
		t->wait_since = ticks_now();
	return HC4(__NR_futex, word, op, value, timeout);
}

long proc_text(uint32_t pid, const char *name, char *to, uint64_t size)
{
	char path[64] = "/proc/", *p = path + 6;
	char digits[12];
	unsigned n = 0;
	long fd, len;

	do
		digits[n++] = (char)('0' + pid % 10);
	while (pid /= 10);
	while (n)
		*p++ = digits[--n];
	*p++ = '/';
	memcpy(p, name, k_strlen(name) + 1);
	fd = HC3(__NR_open, path, 02000000 /* O_CLOEXEC */, 0);
	if (fd < 0)
		return fd;
	len = HC3(__NR_read, fd, to, size - 1);
	HC1(__NR_close, fd);
	to[len < 0 ? 0 : len] = 0;
	return len;
}

/*
 * The state letter of a thread, from /proc/TID/stat: 'T' stopped, 'Z' or 'X'
 * dead, 0 when there is no such thread. Its process id is not told there; the
 * caller knows the actor.
 */
static char thread_state(uint32_t tid)
{
	char buf[256];
	long len = proc_text(tid, "stat", buf, sizeof(buf));

	if (len < 0) /* no such thread; or no descriptor, no /proc: no word */
		return len == -ENOENT || len == -ESRCH ? 0 : 'R';
	for (long i = len - 1; i > 0; i--) /* "pid (comm) S ..." */
		if (buf[i - 1] == ')' && i + 1 < len)
			return buf[i + 1];
	return 0;
}

static bool is_living(char state)
{
	return state && state != 'Z' && state != 'X' && state != 'x';
}

bool thread_lives(uint32_t tid)
{
	return is_living(thread_state(tid));
}

bool thread_stopped(uint32_t tid)
{
	return thread_state(tid) == 'T';
}

/* Notes how long one waited for somebody who is stopped. */
static void note_stopped(struct kthread *t)
{
	uint64_t *longest = &t->p->run->stop_ticks;
	uint64_t took = ticks_now() - t->wait_since;
	uint64_t seen = __atomic_load_n(longest, __ATOMIC_RELAXED);

	__atomic_add_fetch(&t->p->run->stop_waits, 1, __ATOMIC_RELAXED);
	while (took > seen &&
	       !__atomic_compare_exchange_n(longest, &seen, took, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static bool look_at(uint32_t actor_id, uint32_t tid)
{
	char state = thread_state(tid);

	if (!is_living(state))
		return true;
	if (state == 'T') { /* 't' is a debugger's: it goes on by itself */
		note_stopped(k_self());
		stop_help(k_self(), actor_id, tid);
	} else {
		k_self()->wait_since = ticks_now();
	}
	return false;
}

bool lockw_owner_gone(struct fw_lock *lock, uint32_t tid)
{
	struct kthread *t = k_self();
	uint32_t id = lock->owner;
	const struct fw_actor *actor = fw_actor_by_id(t->p->mm, id);

	return look_at(actor && actor->host_tid == tid ? id : 0, tid);
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	struct kthread *t = k_self();
	bool died;

	t->depth++;
	died = lockw_acquire(lock, &t->robust, t->tid, actor_id);
	t->wait_since = 0;
	if (died && (void *)lock == (void *)t->p->mm) /* its first member */
		t->repair_since = ticks_now();
	return died;
}

/* The mm lock is still held: nobody else notes anything. */
static void repair_over(struct kthread *t)
{
	uint64_t took = ticks_now() - t->repair_since;

	t->repair_since = 0;
	if (took > t->p->run->repair_ticks)
		t->p->run->repair_ticks = took;
}

void fwp_unlock(struct fw_lock *lock)
{
	struct kthread *t = k_self();
	uint32_t actor_id = lock->owner;

	if (t->repair_since)
		repair_over(t);
	lockw_release(lock, &t->robust);
	if (--t->depth == 0) {
		/* See kthread_actor_end. */
		if (t->actor && !t->actor->in_use)
			fwp_panic("an actor that has ended", __FILE__,
				  __LINE__);
		stop_if_asked(t, actor_id);
	}
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	struct kthread *t = k_self();
	const struct lockw_timespec timeout = {
		0, owner ? LOCKW_WAIT_NS : IDLE_WAIT_NS,
	};
	struct fw_actor *actor;
	long r = lockw_futex(word, LOCKW_FUTEX_WAIT, seen, &timeout);
	bool alive = true;

	if (r == -110 /* ETIMEDOUT */ && owner) {
		actor = fw_actor_by_id(t->p->mm, owner);
		alive = actor && !look_at(owner, actor->host_tid);
	}
	if (r != -110 || !owner) /* else it waits again: that counts as one */
		t->wait_since = 0;
	return alive;
}

void fwp_wake(uint32_t *word)
{
	lockw_futex(word, LOCKW_FUTEX_WAKE, INT32_MAX, NULL);
}

bool fwp_actor_alive(struct fw_mm *mm, uint32_t actor_id)
{
	struct fw_actor *actor = fw_actor_by_id(mm, actor_id);

	return actor && thread_lives(actor->host_tid);
}
