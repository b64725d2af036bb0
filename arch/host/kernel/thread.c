/* SPDX-License-Identifier: MIT */
/*
 * thread.c - kernel stacks and the threads that own them.
 *
 * A kernel stack is private memory: fork copies it, so that a child goes on
 * in the very frame in which its parent called the host. A thread is found
 * from its stack pointer (K_THREAD), never from a segment register.
 */
#include "arch/host/kernel/trap.h"

static long stack_map(uint64_t at)
{
	return HC6(__NR_mmap, at + FW_STACK_STRIDE - FW_STACK_MAPPED,
		   FW_STACK_MAPPED, HOST_PROT_READ | HOST_PROT_WRITE,
		   HOST_MAP_PRIVATE | HOST_MAP_ANONYMOUS |
			   HOST_MAP_FIXED_NOREPLACE,
		   -1, 0);
}

/* The next free slot: slots are tried in a circle, so that a stack that has
 * just been freed is not reused at once. */
static uint64_t stack_slot(struct kproc *p)
{
	uint64_t slots = (FW_STACKS_END - FW_STACKS_BASE) / FW_STACK_STRIDE;

	for (uint64_t tries = 0; tries < slots; tries++) {
		uint64_t i = __atomic_fetch_add(&p->next_stack, 1,
						__ATOMIC_RELAXED) %
			     slots;
		uint64_t at = FW_STACKS_BASE + i * FW_STACK_STRIDE;
		long r = stack_map(at);

		if (r != -EEXIST)
			return K_IS_ERR(r) ? 0 : at;
	}
	return 0;
}

struct kthread *kthread_create(struct kproc *p)
{
	uint64_t at = stack_slot(p);
	struct kthread *t;

	if (!at)
		return NULL;
	t = K_THREAD(at);
	t->self = t;
	t->p = p;
	t->canary = at ^ ticks_now();
	return t;
}

void kthread_free(struct kthread *t)
{
	HC2(__NR_munmap, K_STACK_TOP(t) - FW_STACK_MAPPED, FW_STACK_MAPPED);
}

void kthread_adopt(struct kthread *t)
{
	/* Not nobody's, nor that of the thread that has made it and may end. */
	fs_own(t);
	t->tid = (uint32_t)HC0(__NR_gettid);
	lockw_head_init(&t->robust);
	HC2(__NR_set_robust_list, &t->robust, sizeof(t->robust));
	trap_stack(t);
}

long kthread_actor(struct kthread *t, struct kthread *by)
{
	struct fw_actor *actor;

	if (fw_actor_create(t->p->mm, by ? by->actor : NULL, &actor) != FW_OK)
		return -ENOMEM;
	actor->host_tid = t->tid;
	actor->host_pid = t->p->pid;
	actor->port_ptr = t->p->proc && !t->is_agent ? t->p->proc->serial : 0;
	/* For its agent (os_process_died); from exec on, the new one. */
	actor->port_thread = t->p->space ? (uint64_t)t : 0;
	t->actor = actor;
	return 0;
}

void kthread_actor_end(struct kthread *t)
{
	struct fw_actor *actor = t->actor;

	/* Its record is another's before the lock is free that guards it. */
	t->actor = NULL;
	fw_actor_destroy(t->p->mm, actor, actor);
}

/* Bytes of the frame's floating-point area, as the frame itself states. */
static uint64_t xstate_size(const struct sigcontext *m)
{
	const uint8_t *fp = (const uint8_t *)m->fpstate;
	uint32_t magic, size;

	if (!fp)
		return 0;
	memcpy(&magic, fp + 464, 4);
	memcpy(&size, fp + 468, 4);
	return magic == 0x46505853u /* FP_XSTATE_MAGIC1 */ ? size : 512;
}

struct ucontext *kthread_copy_frame(struct kthread *to,
				    const struct ucontext *uc)
{
	uint64_t size = xstate_size(&uc->uc_mcontext);
	uint64_t fp = ((uint64_t)to - size) & ~63ull;
	struct ucontext *copy =
		(struct ucontext *)((fp - sizeof(*copy)) & ~15ull);

	memcpy(copy, uc, sizeof(*copy));
	if (size)
		memcpy((void *)fp, uc->uc_mcontext.fpstate, size);
	copy->uc_mcontext.fpstate = size ? (void *)fp : NULL;
	copy->uc_stack.ss_sp = (void *)(K_STACK_TOP(to) - FW_STACK_MAPPED);
	copy->uc_stack.ss_size = ((uint64_t)to & ~63ull) -
				 (uint64_t)copy->uc_stack.ss_sp;
	copy->uc_stack.ss_flags = 0;
	return copy;
}

/* ---- how a process ends ------------------------------------------------ */

void k_exit_group(struct kthread *t, int status)
{
	usage_process_ends(t);
	for (;;)
		HC1(__NR_exit_group, status);
}

/*
 * As if the host had killed the guest by `sig`: its default action, taken
 * now. Locks are not held here, or the next owner repairs what they guard.
 */
void k_die(struct kthread *t, int sig)
{
	uint64_t act[4] = { 0, 0, 0, 0 };
	uint64_t mask = ~K_SIG_BIT(sig);

	HC4(__NR_rt_sigaction, sig, act, 0, 8);
	HC3(__NR_tgkill, t->p->pid, HC0(__NR_gettid), sig);
	HC4(__NR_rt_sigprocmask, 2, &mask, 0, 8);
	k_exit_group(t, 128 + sig);
}
