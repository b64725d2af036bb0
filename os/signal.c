/* SPDX-License-Identifier: MIT */
/*
 * signal.c - the guest's signals: actions, masks, delivery.
 *
 * The host keeps what is pending and decides when a signal comes, whom it
 * wakes and whether a call is restarted: for that its action for a signal
 * mirrors the guest's (default, ignored, or our handler with the guest's
 * SA_RESTART), and its mask is the guest's mask, edited in the context to
 * which we return; but for SIGCONT, which the host blocks where the guest
 * would ignore it (stop.c). The synchronous signals (K_MASK_NEVER) are
 * different: the host's action is always our trap, and they are never blocked
 * at the host; when one is sent to a guest that blocks it, it is held here.
 *
 * Masks. guest_mask is what the guest believes. While sigsuspend, ppoll and
 * their kin wait it is their temporary mask, and saved_mask (saved_valid) the
 * one to come back to: delivery puts that one into the frame.
 *
 * actions[] is shared by the threads of a process and guarded by sig_lock,
 * a spin lock: it is held for a few words, and a signal that arrives
 * meanwhile is only queued.
 */
#include <linux/signal.h>

#include "arch/host/kernel/trap.h"
#include "os/buffers.h"
#include "os/procview.h"
#include "os/signal.h"

#define SIG_BIT_IN(mask, sig) ((mask)&K_SIG_BIT(sig))
#define ACTION_FLAGS                                                           \
	((uint64_t)(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK |    \
		    SA_RESTART | SA_NODEFER | SA_RESETHAND) |                  \
	 SIGNAL_RESTORER)
#define DEFAULT_IGNORED                                                        \
	(K_SIG_BIT(SIGCHLD) | K_SIG_BIT(SIGCONT) | K_SIG_BIT(SIGURG) |         \
	 K_SIG_BIT(SIGWINCH))
#define DEFAULT_STOPS                                                          \
	(K_SIG_BIT(SIGTSTP) | K_SIG_BIT(SIGTTIN) | K_SIG_BIT(SIGTTOU))
#define MASK_BYTES 8
#define ALTSTACK_MIN 2048 /* MINSIGSTKSZ */

/* ---- actions ----------------------------------------------------------- */

static void actions_lock(struct kproc *p)
{
	while (__atomic_exchange_n(&p->sig_lock, 1, __ATOMIC_ACQUIRE))
		HC0(__NR_sched_yield);
}

static void actions_unlock(struct kproc *p)
{
	__atomic_store_n(&p->sig_lock, 0, __ATOMIC_RELEASE);
}

static bool is_synchronous(int sig)
{
	return SIG_BIT_IN(K_MASK_NEVER, sig) != 0;
}

/* Gives the host the action for sig that mirrors the guest's. */
static long mirror(int sig, const struct k_action *act)
{
	if (is_synchronous(sig))
		return 0;
	return host_sigaction(sig, act->handler, act->flags);
}

static long action_set(struct kthread *t, int sig, const struct k_action *new,
		       struct k_action *ret_old)
{
	struct kproc *p = t->p;
	long ret = 0;

	actions_lock(p);
	*ret_old = p->actions[sig];
	if (new) {
		ret = mirror(sig, new);
		if (!ret)
			p->actions[sig] = *new;
		view_action(p, sig, p->actions[sig].handler);
	}
	actions_unlock(p);
	return ret;
}

void signals_default(struct kthread *t)
{
	const struct k_action act = {.handler = SIGNAL_DFL};
	struct k_action old;

	for (int sig = 1; sig <= K_NSIG; sig++)
		if (t->p->actions[sig].handler > SIGNAL_IGN)
			action_set(t, sig, &act, &old);
}

long sys_rt_sigaction(struct kthread *t, struct ucontext *uc, const long a[6])
{
	int sig = (int)a[0];
	struct k_action new, old;
	long ret;

	if (a[3] != MASK_BYTES)
		return -EINVAL;
	if (a[1] && user_read(t, &new, (uint64_t)a[1], sizeof(new)))
		return -EFAULT;
	if (sig < 1 || sig > K_NSIG ||
	    (a[1] && SIG_BIT_IN(SIGNAL_UNBLOCKABLE, sig)))
		return -EINVAL;
	if (a[1]) {
		new.flags &= ACTION_FLAGS;
		new.mask &= ~SIGNAL_UNBLOCKABLE;
		if ((new.handler == SIGNAL_IGN ||
		     (new.handler ==
		      SIGNAL_DFL &&SIG_BIT_IN(DEFAULT_IGNORED, sig))))
			t->held &= ~K_SIG_BIT(sig);
	}
	/* What is ignored now, or was until now, is forgotten. */
	if (a[1] && sig == SIGCONT &&
	    (new.handler <= SIGNAL_IGN || !SIG_BIT_IN(t->guest_mask, sig)))
		stop_take_conts(t, false);
	ret = action_set(t, sig, a[1] ? &new : NULL, &old);
	if (a[1] && sig == SIGCONT) /* other threads, with their next mask */
		signal_set_mask(t, uc, t->guest_mask);
	if (!ret && a[2] && user_write(t, (uint64_t)a[2], &old, sizeof(old)))
		return -EFAULT;
	return ret;
}

/* After exec the host's actions are right already: default, or ignored. */
void os_signals_init(struct kthread *t, uint64_t mask, uint64_t ignored)
{
	struct kproc *p = t->p;

	p->sig_lock = 0;
	t->saved_valid = 0;
	t->held = 0;
	t->guest_mask = mask & ~SIGNAL_UNBLOCKABLE;
	for (int sig = 1; sig <= K_NSIG; sig++) {
		struct k_action *act = &p->actions[sig];

		memset(act, 0, sizeof(*act));
		if (SIG_BIT_IN(ignored, sig))
			act->handler = SIGNAL_IGN;
		view_action(p, sig, act->handler);
	}
}

/* ---- masks -------------------------------------------------------------- */

void signal_set_mask(struct kthread *t, struct ucontext *uc, uint64_t mask)
{
	uint64_t new = mask & ~t->guest_mask;

	/* What the host keeps of it was ignored (stop.c). */
	if (SIG_BIT_IN(new, SIGCONT) &&
	    t->p->actions[SIGCONT].handler <= SIGNAL_IGN)
		stop_take_conts(t, false);
	t->guest_mask = mask & ~SIGNAL_UNBLOCKABLE;
	*(uint64_t *)(void *)&uc->uc_sigmask = stop_host_mask(t, mask);
}

long sys_rt_sigprocmask(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t set, old = t->guest_mask, mask = old;

	if (a[3] != MASK_BYTES)
		return -EINVAL;
	if (a[1]) {
		if (user_read(t, &set, (uint64_t)a[1], sizeof(set)))
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			mask |= set;
			break;
		case SIG_UNBLOCK:
			mask &= ~set;
			break;
		case SIG_SETMASK:
			mask = set;
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(t, uc, mask);
	}
	if (a[2] && user_write(t, (uint64_t)a[2], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

long sys_rt_sigpending(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t set = 0;
	long ret;

	(void)uc;
	if ((uint64_t)a[1] > MASK_BYTES)
		return -EINVAL;
	ret = HC2(__NR_rt_sigpending, &set, MASK_BYTES);
	set = (set | t->held) & t->guest_mask;
	if (!ret && user_write(t, (uint64_t)a[0], &set, (uint64_t)a[1]))
		return -EFAULT;
	return ret;
}

long sys_rt_sigsuspend(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6] = {a[0], a[1]};
	struct buffers b;

	(void)uc;
	if (a[1] != MASK_BYTES)
		return -EINVAL;
	if (!a[0])
		return -EFAULT;
	buf_init(&b, t);
	return buf_call_masked(&b, __NR_rt_sigsuspend, args, &args[0],
			       (uint64_t)a[1]);
}

/* ---- signals that the host cannot keep ---------------------------------- */

static unsigned held_index(int sig)
{
	switch (sig) {
	case SIGSEGV:
		return 0;
	case SIGBUS:
		return 1;
	case SIGILL:
		return 2;
	case SIGFPE:
		return 3;
	case SIGTRAP:
		return 4;
	default:
		return 5; /* SIGSYS */
	}
}

static void hold(struct kthread *t, const siginfo_t *info)
{
	int sig = info->si_signo;

	if (SIG_BIT_IN(t->held, sig))
		return; /* standard signals do not queue */
	t->held |= K_SIG_BIT(sig);
	t->held_info[held_index(sig)] = *info;
}

/* Takes a held signal of `set` out; 0 when there is none. */
static int held_take(struct kthread *t, uint64_t set, siginfo_t *ret_info)
{
	uint64_t found = t->held & set;
	int sig;

	if (!found)
		return 0;
	sig = __builtin_ctzll(found) + 1;
	t->held &= ~K_SIG_BIT(sig);
	*ret_info = t->held_info[held_index(sig)];
	return sig;
}

static long wait_signal(struct kthread *t, const long a[6], siginfo_t *info)
{
	long args[6] = {a[0], (long)info, a[2], a[3]};
	struct buffers b;

	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[0], MASK_BYTES, FW_ACC_READ);
	buf_add(&b, (uint64_t)a[2], 16, FW_ACC_READ);
	return buf_call(&b, __NR_rt_sigtimedwait, args, BUF_ONCE);
}

/* False for what the guest is not to know of, or would ignore. */
static bool is_for_guest(struct kthread *t, siginfo_t *info)
{
	int sig = info->si_signo;

	if (sig == SIGCHLD)
		return children_told(t, info);
	return sig != SIGCONT ||
	       (stop_cont_came(t, info) &&
		(SIG_BIT_IN(t->guest_mask, sig) ||
		 t->p->actions[sig].handler > SIGNAL_IGN));
}

long sys_rt_sigtimedwait(struct kthread *t, struct ucontext *uc,
			 const long a[6])
{
	siginfo_t info;
	uint64_t set;
	int sig;

	(void)uc;
	if (a[3] != MASK_BYTES)
		return -EINVAL;
	if (user_read(t, &set, (uint64_t)a[0], sizeof(set)))
		return -EFAULT;
	sig = held_take(t, set, &info);
	if (sig) {
		if (a[1] && user_write(t, (uint64_t)a[1], &info, sizeof(info)))
			return -EFAULT;
		return sig;
	}
	do {
		sig = (int)wait_signal(t, a, &info);
	} while (sig > 0 && !is_for_guest(t, &info));
	if (sig > 0 && a[1] &&
	    user_write(t, (uint64_t)a[1], &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

/* ---- alternate stack ---------------------------------------------------- */

bool signal_on_altstack(const struct kthread *t, uint64_t sp)
{
	if (t->alt_flags & SS_AUTODISARM)
		return false;
	return sp > t->alt_sp && sp - t->alt_sp <= t->alt_size;
}

void signal_get_altstack(const struct kthread *t, stack_t *ss)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_sp = (void *)t->alt_sp;
	ss->ss_size = t->alt_size;
	ss->ss_flags = (int)(t->alt_flags & SS_AUTODISARM);
	if (!t->alt_size)
		ss->ss_flags |= SS_DISABLE;
}

long signal_set_altstack(struct kthread *t, const stack_t *ss, uint64_t sp)
{
	uint32_t flags = (uint32_t)ss->ss_flags;
	uint32_t mode = flags & ~SS_AUTODISARM;

	if (signal_on_altstack(t, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->alt_sp = 0;
		t->alt_size = 0;
	} else {
		if (ss->ss_size < ALTSTACK_MIN)
			return -ENOMEM;
		t->alt_sp = (uint64_t)ss->ss_sp;
		t->alt_size = ss->ss_size;
	}
	t->alt_flags = flags & SS_AUTODISARM;
	return 0;
}

long sys_sigaltstack(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t sp = uc->uc_mcontext.rsp;
	stack_t new, old;
	long ret = 0;

	if (a[0] && user_read(t, &new, (uint64_t)a[0], sizeof(new)))
		return -EFAULT;
	signal_get_altstack(t, &old);
	if (signal_on_altstack(t, sp))
		old.ss_flags |= SS_ONSTACK;
	if (a[0])
		ret = signal_set_altstack(t, &new, sp);
	if (!ret && a[1] && user_write(t, (uint64_t)a[1], &old, sizeof(old)))
		return -EFAULT;
	return ret;
}

/* ---- delivery ----------------------------------------------------------- */

/* The mask that a frame is to restore; ends the temporary one. */
static uint64_t take_old_mask(struct kthread *t)
{
	if (!t->saved_valid)
		return t->guest_mask;
	t->saved_valid = 0;
	return t->saved_mask;
}

/* Copies the action for sig and, for SA_RESETHAND, resets it. */
static void action_take(struct kthread *t, int sig, struct k_action *ret)
{
	struct kproc *p = t->p;

	actions_lock(p);
	*ret = p->actions[sig];
	if (ret->handler > SIGNAL_IGN && (ret->flags & SA_RESETHAND)) {
		p->actions[sig].handler = SIGNAL_DFL;
		mirror(sig, &p->actions[sig]);
	}
	actions_unlock(p);
}

/* Runs the guest's handler on the return to uc. */
static void deliver(struct kthread *t, struct ucontext *uc,
		    const siginfo_t *info, const struct k_action *act)
{
	int sig = info->si_signo;
	uint64_t during = t->guest_mask | act->mask;
	uint64_t old = take_old_mask(t);

	if (!(act->flags & SA_NODEFER))
		during |= K_SIG_BIT(sig);
	if (sigframe_push(t, uc, sig, info, act, old)) {
		signal_set_mask(t, uc, old);
		signal_force_segv(t, uc, sig);
		return;
	}
	signal_set_mask(t, uc, during);
}

static void default_action(struct kthread *t, int sig)
{
	if (SIG_BIT_IN(DEFAULT_IGNORED, sig))
		return;
	if (SIG_BIT_IN(DEFAULT_STOPS, sig)) {
		HC2(__NR_kill, t->p->pid, SIGSTOP);
		return;
	}
	k_die(t, sig);
}

/* Gives it back to the host, which keeps it until it is unblocked: for the
 * thread, or for any thread where it was for the process. */
static void give_back(struct kthread *t, const siginfo_t *info)
{
	int sig = info->si_signo, code = info->si_code;

	if ((code == SI_USER || code == SI_QUEUE || sig == SIGCHLD) &&
	    !HC3(__NR_rt_sigqueueinfo, t->p->pid, sig, info))
		return;
	HC4(__NR_rt_tgsigqueueinfo, t->p->pid, t->tid, sig, info);
}

void signals_leave(struct kthread *t)
{
	int code = t->pending_info.si_code;

	if (t->pending && (code == SI_USER || code == SI_QUEUE))
		give_back(t, &t->pending_info);
	t->pending = 0;
}

void os_signal(struct kthread *t, struct ucontext *uc, const siginfo_t *sent)
{
	siginfo_t copy = *sent, *info = &copy;
	int sig = info->si_signo;
	struct k_action act;

	if (sig == SIGCHLD && !children_told(t, info)) {
		signal_set_mask(t, uc, take_old_mask(t));
		return;
	}
	if (SIG_BIT_IN(t->guest_mask, sig)) {
		/* Queued before the call that has blocked it since. */
		if (is_synchronous(sig))
			hold(t, info);
		else
			give_back(t, info);
		signal_set_mask(t, uc, take_old_mask(t));
		return;
	}
	action_take(t, sig, &act);
	if (act.handler > SIGNAL_IGN) {
		deliver(t, uc, info, &act);
		return;
	}
	if (act.handler == SIGNAL_DFL)
		default_action(t, sig);
	signal_set_mask(t, uc, take_old_mask(t));
}

void os_exception(struct kthread *t, struct ucontext *uc, const siginfo_t *info)
{
	int sig = info->si_signo;
	struct k_action act;

	if (SIG_BIT_IN(t->guest_mask, sig))
		k_die(t, sig);
	action_take(t, sig, &act);
	if (act.handler <= SIGNAL_IGN)
		k_die(t, sig);
	deliver(t, uc, info, &act);
}

void signal_force_segv(struct kthread *t, struct ucontext *uc, int sig)
{
	siginfo_t info;

	if (sig == SIGSEGV)
		k_die(t, SIGSEGV);
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGSEGV;
	info.si_code = 0x80; /* SI_KERNEL */
	os_exception(t, uc, &info);
}

void signal_call_end(struct kthread *t, struct ucontext *uc)
{
	siginfo_t info;

	while (held_take(t, ~t->guest_mask, &info))
		os_signal(t, uc, &info);
	if (t->saved_valid && !t->pending) {
		t->saved_valid = 0;
		t->guest_mask = t->saved_mask;
	}
}
