/* SPDX-License-Identifier: MIT */
/*
 * thread.c - threads: how they begin, and how they and their process end.
 *
 * What the host would write into the guest's memory when a thread ends
 * (clear_child_tid, robust futexes) is written here instead: its pages need
 * not be there when the host gets to it.
 */
#include "arch/host/kernel/trap.h"
#include "os/signal.h"
#include "os/thread.h"

#define CLONE_SETTLS 0x80000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_CHILD_CLEARTID 0x200000ull
#define CLONE_CHILD_SETTID 0x1000000ull
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/* ---- birth --------------------------------------------------------------- */

struct birth {
	struct kthread *t;
	struct ucontext *uc;
	uint64_t flags, ctid;
};

static void thread_main(void *arg)
{
	struct birth b = *(struct birth *)arg;

	kthread_adopt(b.t);
	b.t->actor->host_tid = b.t->tid;
	if (b.flags & CLONE_CHILD_SETTID)
		user_write(b.t, b.ctid, &b.t->tid, 4);
	fs_leave(b.t);
	k_resume(b.uc);
}

/*
 * The host writes the parent's copy of the new thread's id itself: a thread
 * may look at it before we could. Its page is held meanwhile.
 */
static long hold_ptid(struct kthread *t, const struct clone_request *rq)
{
	struct fw_range r = { rq->ptid, 4, FW_ACC_WRITE, 0 };
	unsigned ok;
	uint64_t bytes;

	if (!(rq->flags & CLONE_PARENT_SETTID))
		return 0;
	return user_announce(t, &r, 1, &ok, &bytes);
}

static struct kthread *new_thread(struct kthread *t,
				  const struct clone_request *rq)
{
	struct kthread *n = kthread_create(t->p);

	if (!n)
		return NULL;
	n->guest_mask = t->guest_mask;
	n->guest_fs = rq->flags & CLONE_SETTLS ? rq->tls : t->guest_fs;
	n->clear_tid = rq->flags & CLONE_CHILD_CLEARTID ? rq->ctid : 0;
	if (kthread_actor(n, t)) {
		kthread_free(n);
		return NULL;
	}
	return n;
}

long thread_clone(struct kthread *t, const struct ucontext *uc,
		  const struct clone_request *rq)
{
	uint64_t flags = rq->flags & ~(CLONE_SETTLS | CLONE_CHILD_CLEARTID |
				       CLONE_CHILD_SETTID);
	struct kthread *n = new_thread(t, rq);
	uint64_t all = ~0ull, old;
	struct birth *b;
	long tid;

	if (!n)
		return -EAGAIN;
	if (hold_ptid(t, rq))
		flags &= ~CLONE_PARENT_SETTID;
	b = (struct birth *)n->scratch;
	b->t = n;
	b->flags = rq->flags;
	b->ctid = rq->ctid;
	b->uc = kthread_copy_frame(n, uc);
	b->uc->uc_mcontext.rax = 0;
	if (rq->stack)
		b->uc->uc_mcontext.rsp = rq->stack;
	__atomic_add_fetch(&t->p->n_threads, 1, __ATOMIC_SEQ_CST);
	HC4(__NR_rt_sigprocmask, 2, &all, &old, 8);
	tid = k_clone(flags, (uint64_t)b->uc - 256, rq->ptid, 0, 0, thread_main,
		      b);
	HC4(__NR_rt_sigprocmask, 2, &old, 0, 8);
	user_withdraw(t);
	if (K_IS_ERR(tid)) {
		__atomic_sub_fetch(&t->p->n_threads, 1, __ATOMIC_SEQ_CST);
		fw_actor_destroy(t->p->mm, t->actor, n->actor);
		kthread_free(n);
	}
	return tid;
}

/* ---- end ---------------------------------------------------------------- */

#define ROBUST_LIMIT 2048

static void robust_died(struct kthread *t, uint32_t tid, uint64_t entry,
			int64_t offset)
{
	uint64_t at = (entry & ~1ull) + (uint64_t)offset;
	uint32_t word;

	if (user_read(t, &word, at, 4) || (word & LOCKW_TID_MASK) != tid)
		return;
	word = (word & LOCKW_WAITERS) | LOCKW_OWNER_DIED;
	if (!user_write(t, at, &word, 4) && word & LOCKW_WAITERS)
		os_futex_wake(t, at, 1);
}

/* What the host does for a thread's robust list, for the guest's, once: `t`
 * is this thread itself, or the agent of its process, which is dead. */
static void robust_ends(struct kthread *t, struct kthread *whose)
{
	uint64_t head[3], entry, list = whose->guest_robust;

	whose->guest_robust = 0;
	if (!list || user_read(t, head, list, 24))
		return;
	entry = head[0];
	for (unsigned i = 0; i < ROBUST_LIMIT; i++) {
		uint64_t next;

		if ((entry & ~1ull) == list ||
		    user_read(t, &next, entry & ~1ull, 8))
			break;
		if (entry != head[2])
			robust_died(t, whose->tid, entry, (int64_t)head[1]);
		entry = next;
	}
	if (head[2])
		robust_died(t, whose->tid, head[2], (int64_t)head[1]);
}

/* Threads of a dead process that have a robust list. */
struct robust_threads {
	uint64_t serial;
	unsigned n;
	struct kthread *found[32];
};

static void robust_visit(struct fw_actor *actor, void *arg)
{
	struct kthread *whose = (struct kthread *)actor->port_thread;
	struct robust_threads *r = arg;

	if (actor->port_ptr == r->serial && whose && r->n < 32 &&
	    whose->guest_robust)
		r->found[r->n++] = whose;
}

/* Their kernel stacks are in our space still. */
void os_process_died(struct kthread *t, uint64_t serial)
{
	struct robust_threads r = {.serial = serial};

	do {
		r.n = 0;
		fw_actor_each(t->p->mm, t->actor, robust_visit, &r);
		for (unsigned i = 0; i < r.n; i++)
			robust_ends(t, r.found[i]);
	} while (r.n == 32);
}

static void clear_tid(struct kthread *t)
{
	uint32_t zero = 0;

	if (t->clear_tid && !user_write(t, t->clear_tid, &zero, 4))
		os_futex_wake(t, t->clear_tid, 1);
}

long sys_exit(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t all = ~0ull;

	(void)uc;
	HC4(__NR_rt_sigprocmask, 2, &all, 0, 8);
	signals_leave(t);
	robust_ends(t, t);
	if (__atomic_sub_fetch(&t->p->n_threads, 1, __ATOMIC_SEQ_CST) == 0)
		k_exit_group(t, (int)a[0]);
	clear_tid(t);
	usage_thread_ends(t);
	kthread_actor_end(t);
	k_exit_unmap(K_STACK_TOP(t) - FW_STACK_MAPPED, FW_STACK_MAPPED, a[0]);
}

long sys_exit_group(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	robust_ends(t, t);
	k_exit_group(t, (int)a[0]);
}

/* ---- small calls about oneself ------------------------------------------- */

long sys_set_tid_address(struct kthread *t, struct ucontext *uc,
			 const long a[6])
{
	(void)uc;
	t->clear_tid = (uint64_t)a[0];
	return (long)t->tid;
}

long sys_set_robust_list(struct kthread *t, struct ucontext *uc,
			 const long a[6])
{
	(void)uc;
	if (a[1] != 24)
		return -EINVAL;
	t->guest_robust = (uint64_t)a[0];
	return 0;
}

long sys_get_robust_list(struct kthread *t, struct ucontext *uc,
			 const long a[6])
{
	uint64_t len = 24;

	(void)uc;
	if (a[0] && (uint32_t)a[0] != t->tid)
		return -EPERM;
	if (user_write(t, (uint64_t)a[1], &t->guest_robust, 8) ||
	    user_write(t, (uint64_t)a[2], &len, 8))
		return -EFAULT;
	return 0;
}

long sys_arch_prctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t gs;
	long r;

	(void)uc;
	switch (a[0]) {
	case ARCH_SET_FS:
		if ((uint64_t)a[1] >= 1ull << 47)
			return -EPERM;
		t->guest_fs = (uint64_t)a[1];
		return 0;
	case ARCH_GET_FS:
		return user_write(t, (uint64_t)a[1], &t->guest_fs, 8);
	case ARCH_SET_GS:
		return HC2(__NR_arch_prctl, ARCH_SET_GS, a[1]);
	case ARCH_GET_GS:
		r = HC2(__NR_arch_prctl, ARCH_GET_GS, &gs);
		return r ? r : user_write(t, (uint64_t)a[1], &gs, 8);
	default:
		return -EINVAL; /* CPUID faulting, xstate permissions, CET */
	}
}
