/* SPDX-License-Identifier: MIT */
/* signal.h - between signal.c and sigframe.c; see there. */
#ifndef OS_SIGNAL_H
#define OS_SIGNAL_H

#include "os/os.h"

#define SIGNAL_DFL 0
#define SIGNAL_IGN 1
#define SIGNAL_RESTORER 0x04000000ul /* SA_RESTORER */
#define SIGNAL_UNBLOCKABLE (K_SIG_BIT(SIGKILL) | K_SIG_BIT(SIGSTOP))

/* After each system call: ends a temporary mask that no signal is going to
 * use, and delivers held signals that are no longer blocked. */
void signal_call_end(struct kthread *t, struct ucontext *uc);

/* Signals that are handled get their default action (CLONE_CLEAR_SIGHAND). */
void signals_default(struct kthread *t);

/* The thread ends, all signals blocked: one that it has taken for the process
 * is for another thread. */
void signals_leave(struct kthread *t);

/* Makes `mask` the guest's, from the return to uc on. */
void signal_set_mask(struct kthread *t, struct ucontext *uc, uint64_t mask);

/* sigaltstack(2) with the stack pointer of the guest; flags etc. as there. */
long signal_set_altstack(struct kthread *t, const stack_t *ss, uint64_t sp);
void signal_get_altstack(const struct kthread *t, stack_t *ss);
/* True when sp is on the alternate stack (and that is not autodisarmed). */
bool signal_on_altstack(const struct kthread *t, uint64_t sp);

/* Forces SIGSEGV: for a frame that cannot be written or read. `sig` is the
 * signal that could not be delivered, or 0. */
void signal_force_segv(struct kthread *t, struct ucontext *uc, int sig);

/*
 * Builds the frame for `sig` on the guest's stack and points uc at the
 * handler. old_mask is what stands in the frame. -EFAULT when it cannot be
 * written: uc is as it was.
 */
long sigframe_push(struct kthread *t, struct ucontext *uc, int sig,
		   const siginfo_t *info, const struct k_action *act,
		   uint64_t old_mask);

/* Blocks at the host all that it may block while we run; the mask that was. */
static inline uint64_t signals_block(void)
{
	uint64_t mask = ~K_MASK_NEVER, old;

	HC4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, &old, 8);
	return old;
}

static inline void signals_restore(uint64_t mask)
{
	HC4(__NR_rt_sigprocmask, 2, &mask, 0, 8);
}

#endif
