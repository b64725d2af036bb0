/* SPDX-License-Identifier: MIT */
/*
 * aside.c - whoever closes any descriptor of a file loses the record locks
 * (F_SETLK) that his process has on it. Natively the kernel opens no
 * descriptor for an exec that fails or a write to a file that is mapped; we
 * do. So where the guest may hold such locks it is done by a process of its
 * own: it shares our memory, and its descriptors are copies, whose locks are
 * not the guest's. It is gone before the guest's call goes on.
 */
#include "arch/host/kernel/trap.h"
#include "os/aside.h"

#define CLONE_VM 0x100ull
#define CLONE_VFORK 0x4000ull
#define HOST_WALL 0x40000000

struct errand {
	long (*fn)(void *);
	void *arg;
	long ret;
};

void aside_locks(struct kthread *t)
{
	__atomic_store_n(&t->p->proc->record_locks, 1, __ATOMIC_SEQ_CST);
}

bool aside_needed(const struct kthread *t)
{
	return __atomic_load_n(&t->p->proc->record_locks, __ATOMIC_SEQ_CST);
}

static void errand_main(void *arg)
{
	struct errand *e = arg;

	e->ret = e->fn(e->arg);
	HC1(__NR_exit_group, 0);
}

long aside(struct kthread *t, long (*fn)(void *), void *arg)
{
	struct errand e = { .fn = fn, .arg = arg, .ret = -ENOMEM };
	uint64_t all = ~0ull, old;
	struct kthread *stack;
	long pid;

	if (!aside_needed(t))
		return fn(arg);
	stack = kthread_create(t->p);
	if (!stack)
		return -ENOMEM;
	HC4(__NR_rt_sigprocmask, 2, &all, &old, 8);
	pid = k_clone(CLONE_VM | CLONE_VFORK, (uint64_t)stack & ~63ull, 0, 0,
		      0, errand_main, &e);
	if (!K_IS_ERR(pid))
		HC4(__NR_wait4, pid, 0, HOST_WALL, 0);
	HC4(__NR_rt_sigprocmask, 2, &old, 0, 8);
	kthread_free(stack);
	return K_IS_ERR(pid) ? pid : e.ret;
}
