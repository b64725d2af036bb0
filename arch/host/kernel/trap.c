/* SPDX-License-Identifier: MIT */
/*
 * trap.c - from the host's signals to page faults, system calls and signals.
 *
 * SIGSEGV with trap number 14 is a page fault of the user half: its frame
 * carries CR2 and the error code as the CPU gave them. SIGSYS is a system
 * call. Both run with the guest's own signal mask, so that an asynchronous
 * signal may interrupt them; trap_async then only queues it.
 */
#include <asm/errno.h>
#include <stddef.h>

#include "arch/host/kernel/trap.h"

_Static_assert(offsetof(struct ucontext, uc_mcontext) +
			       offsetof(struct sigcontext, rip) ==
		       UC_RIP,
	       "entry.S knows where rip is");
_Static_assert(offsetof(struct ucontext, uc_mcontext) == UC_R8 &&
		       offsetof(struct ucontext, uc_mcontext) +
				       offsetof(struct sigcontext, fpstate) ==
			       UC_FPSTATE,
	       "entry.S knows a context");
_Static_assert(offsetof(struct kthread, pending) == KT_PENDING,
	       "entry.S knows where pending is");
_Static_assert(offsetof(struct kthread, ret_uc) == KT_RET_UC &&
		       offsetof(struct kthread, quick) == KT_QUICK &&
		       offsetof(struct kthread, masked) == KT_MASKED,
	       "entry.S knows a thread");
_Static_assert(offsetof(struct kthread, canary) == 0x28,
	       "library code reads its canary at fs:0x28");
_Static_assert(sizeof(struct kthread) <= KTHREAD_ROOM, "kthread fits");
_Static_assert(KTHREAD_BELOW == KTHREAD_ROOM + FW_EXPAND_BYTES &&
		       STACK_STRIDE == FW_STACK_STRIDE,
	       "entry.S finds the kthread");

extern char call_begin[], call_insn[], call_abort[], ret_begin[], ret_insn[];
struct k_ext {
	uint64_t insn, fixup;
};
extern const struct k_ext k_ext_start[], k_ext_end[];

/* Index of a synchronous signal in queued_info, -1 for others. */
static int sync_index(int sig)
{
	static const int8_t sync[] = { SIGSEGV, SIGSYS, SIGBUS,
				       SIGILL,	SIGFPE, SIGTRAP };

	for (int i = 0; i < 6; i++)
		if (sync[i] == sig)
			return i;
	return -1;
}

static bool has_fsgsbase(const struct kthread *t)
{
	return t->p->run->hwcap2 & 2;
}

void fs_own(struct kthread *t)
{
	if (has_fsgsbase(t))
		__asm__ volatile("wrfsbase %0" : : "r"(t) : "memory");
	else
		HC2(__NR_arch_prctl, 0x1002, t);
}

/* Library code (lz4, zstd) finds its canary at fs:0x28: ours, not the
 * guest's. */
void fs_enter(struct kthread *t)
{
	if (has_fsgsbase(t)) {
		uint64_t fs;

		__asm__ volatile("rdfsbase %0" : "=r"(fs));
		t->guest_fs = fs;
	} else {
		HC2(__NR_arch_prctl, 0x1003, &t->guest_fs);
	}
	fs_own(t);
}

void fs_leave(struct kthread *t)
{
	if (has_fsgsbase(t))
		__asm__ volatile("wrfsbase %0" : : "r"(t->guest_fs) : "memory");
	else
		HC2(__NR_arch_prctl, 0x1002, t->guest_fs);
}

static bool fixup(struct ucontext *uc)
{
	for (const struct k_ext *e = k_ext_start; e < k_ext_end; e++) {
		if (uc->uc_mcontext.rip == e->insn) {
			uc->uc_mcontext.rip = e->fixup;
			return true;
		}
	}
	return false;
}

/* A fault of the kernel half itself that nothing provides for. */
static void oops(struct kthread *t, int sig, const struct ucontext *uc)
{
	const struct sigcontext *m = &uc->uc_mcontext;
	uint32_t n = __atomic_add_fetch(&t->p->run->oops, 1, __ATOMIC_RELAXED);

	k_printf("BUG: unable to handle signal %d at %lx\n", sig,
		 (unsigned long)m->cr2);
	k_printf("Oops: %x [#%u] pid %u tid %u\n", (unsigned)m->err, n,
		 t->p->pid, t->tid);
	k_printf("rip %lx rsp %lx rbp %lx rax %lx rbx %lx rcx %lx rdx %lx\n",
		 (unsigned long)m->rip, (unsigned long)m->rsp,
		 (unsigned long)m->rbp, (unsigned long)m->rax,
		 (unsigned long)m->rbx, (unsigned long)m->rcx,
		 (unsigned long)m->rdx);
	for (unsigned i = 0; i < 48; i++) {
		uint64_t word = ((const uint64_t *)m->rsp)[i];

		if (word >= FW_KERNEL_BASE && word < FW_KERNEL_END)
			k_printf(" stack+%x: %lx\n", i * 8,
				 (unsigned long)word);
	}
	k_die(t, sig);
}

/*
 * The first signal takes pending_info and masks all that the host can mask.
 * What still comes is one of the synchronous signals, sent by somebody: each
 * has a place of its own, and merges with one of its kind as at the host.
 */
static void queue_signal(struct kthread *t, struct ucontext *uc,
			 const siginfo_t *info)
{
	uint64_t rip = uc->uc_mcontext.rip;
	int i = sync_index(info->si_signo);

	if (!t->pending) {
		t->pending_info = *info;
		t->pending = (uint32_t)info->si_signo;
	} else if (i >= 0 && !(t->queued & 1u << i)) {
		t->queued_info[i] = *info;
		t->queued |= 1u << i;
	}
	t->masked = 1;
	if (rip >= (uint64_t)call_begin && rip <= (uint64_t)call_insn)
		uc->uc_mcontext.rip = (uint64_t)call_abort;
	if (rip >= (uint64_t)ret_begin && rip <= (uint64_t)ret_insn) {
		uc->uc_mcontext.rip = (uint64_t)ret_begin;
		uc->uc_mcontext.rsp = uc->uc_mcontext.rbx = t->ret_uc;
		uc->uc_mcontext.rbp = (uint64_t)t;
	}
	uc->uc_sigmask = ~K_MASK_NEVER;
}

void trap_async(int sig, siginfo_t *info, void *context)
{
	struct kthread *t = k_self();
	struct ucontext *uc = context;

	if (sig == SIGCONT && !stop_cont_came(t, info)) {
		t->quick = 0;
		return;
	}
	if (in_kernel_half(uc->uc_mcontext.rip)) {
		queue_signal(t, uc, info);
		return;
	}
	t->quick = 0;
	fs_enter(t);
	os_signal(t, uc, info);
	fs_leave(t);
}

/*
 * On the way back to the user half with signals queued: everything that can
 * be masked is masked since queue_signal. Another one that comes after
 * pending is 0 is pending in its turn: entry.S looks again.
 */
void trap_pending(struct ucontext *uc)
{
	struct kthread *t = k_self();
	siginfo_t info = t->pending_info;

	t->pending = 0;
	fs_enter(t);
	os_signal(t, uc, &info);
	while (t->queued) {
		unsigned i = (unsigned)__builtin_ctz(t->queued);

		info = t->queued_info[i];
		__atomic_and_fetch(&t->queued, ~(1u << i), __ATOMIC_SEQ_CST);
		os_signal(t, uc, &info);
	}
	fs_leave(t);
}

/* ---- entry and return --------------------------------------------------- */

#define USER_CS 0x33
#define USER_SS 0x2b
#define EFLAGS_NT 0x4000
#define XSTATE_MAGIC_AT 464
#define XSTATE_MAGIC 0x46505853u /* FP_XSTATE_MAGIC1 */

/* What must not have changed for a quick return. */
struct entry {
	uint64_t mask, rsp;
};

static struct entry trap_enter(struct kthread *t, const struct ucontext *uc)
{
	/* A signal that is queued before this line is pending still. */
	t->masked = 0;
	if (t->pending)
		t->masked = 1;
	t->quick = 0;
	fs_enter(t);
	return (struct entry){ uc->uc_sigmask, uc->uc_mcontext.rsp };
}

/* Whether entry.S may go back without the host: the frame's extended state
 * is the one that the host saved, and no handler runs first. */
static void trap_leave(struct kthread *t, const struct ucontext *uc,
		       struct entry at, bool same_frame)
{
	const struct sigcontext *m = &uc->uc_mcontext;

	fs_leave(t);
	t->quick = same_frame && uc->uc_sigmask == at.mask &&
		   m->rsp == at.rsp && m->cs == USER_CS && m->ss == USER_SS &&
		   !(m->eflags & (EFLAGS_TF | EFLAGS_NT)) && m->fpstate &&
		   *(const uint32_t *)((uint64_t)m->fpstate +
				       XSTATE_MAGIC_AT) == XSTATE_MAGIC;
}

enum fw_kind k_fault(struct kthread *t, uint64_t addr, unsigned access,
		     struct fw_fault *ret)
{
	uint64_t start = ticks_now();
	struct fw_fault f = { .addr = addr, .access = access | FW_ACC_USER };

	fw_fault(t->p->mm, t->actor, t->p->space, &f);
	while (f.kind == FW_KIND_NOMEM ||
	       (f.kind == FW_KIND_MAPERR && os_grow_down(t, addr))) {
		if (f.kind == FW_KIND_NOMEM)
			oom_kill(t);
		fw_fault(t->p->mm, t->actor, t->p->space, &f);
	}
	t->actor->fault_ticks[f.kind] += ticks_now() - start;
	if (ret)
		*ret = f;
	return f.kind;
}

/* Turns an unresolved fault into the siginfo that Linux would give. */
static void fault_info(siginfo_t *info, enum fw_kind kind, uint64_t addr)
{
	memset(info, 0, sizeof(*info));
	info->si_addr = (void *)addr;
	if (kind == FW_KIND_EOF || kind == FW_KIND_IOERR) {
		info->si_signo = SIGBUS;
		info->si_code = BUS_ADRERR;
	} else {
		info->si_signo = SIGSEGV;
		info->si_code = kind == FW_KIND_MAPERR ? SEGV_MAPERR
						       : SEGV_ACCERR;
	}
}

static void user_fault(struct kthread *t, struct ucontext *uc,
		       const siginfo_t *host)
{
	const struct sigcontext *m = &uc->uc_mcontext;
	siginfo_t info;
	enum fw_kind kind;

	if (m->trapno != 14) {
		os_exception(t, uc, host);
		return;
	}
	if (m->cr2 >= FW_USER_TOP) {
		fault_info(&info, FW_KIND_MAPERR, m->cr2);
		os_exception(t, uc, &info);
		return;
	}
	kind = k_fault(t, m->cr2,
		       (unsigned)m->err & (FW_ACC_WRITE | FW_ACC_EXEC), NULL);
	/* Linux brings in what cannot be executed before it says so. */
	if (kind == FW_KIND_ACCERR && (m->err & FW_ACC_EXEC) &&
	    k_fault(t, m->cr2, 0, NULL) == FW_KIND_EOF)
		kind = FW_KIND_EOF;
	if (fw_kind_resolved(kind))
		return;
	fault_info(&info, kind, m->cr2);
	os_exception(t, uc, &info);
}

/*
 * Somebody has sent it. A process may send itself what looks like a fault (a
 * crash handler does, with the siginfo it was given): then the frame tells of
 * the last fault, which was elsewhere, or is one that is handled already.
 */
static bool was_sent(const siginfo_t *info, const struct ucontext *uc)
{
	const struct sigcontext *m = &uc->uc_mcontext;

	return info->si_code <= 0 ||
	       (info->si_code < SI_KERNEL && m->trapno == 14 &&
		(uint64_t)info->si_addr != m->cr2);
}

static void trap_fault(int sig, siginfo_t *info, void *context)
{
	struct kthread *t = k_self();
	struct ucontext *uc = context;
	struct entry at;

	if (was_sent(info, uc)) {
		trap_async(sig, info, context);
		return;
	}
	if (in_kernel_half(uc->uc_mcontext.rip)) {
		if (!fixup(uc))
			oops(t, sig, uc);
		return;
	}
	at = trap_enter(t, uc);
	if (sig == SIGSEGV)
		user_fault(t, uc, info);
	else
		os_exception(t, uc, info);
	trap_leave(t, uc, at, true);
}

static void trap_syscall(int sig, siginfo_t *info, void *context)
{
	struct kthread *t = k_self();
	struct ucontext *uc = context;
	bool same_frame = uc->uc_mcontext.rax != __NR_rt_sigreturn;
	struct entry at;

	if (info->si_code != 1 /* SYS_SECCOMP */) {
		trap_async(sig, info, context);
		return;
	}
	if (info->si_arch != 0xc000003eu /* AUDIT_ARCH_X86_64 */) {
		t->quick = 0;
		uc->uc_mcontext.rax = (uint64_t)-ENOSYS; /* int 0x80 */
		os_refused(t, FW_REFUSED_32_BIT);
		return;
	}
	at = trap_enter(t, uc);
	os_syscall(t, uc);
	trap_leave(t, uc, at, same_frame);
}

#define SA_OURS (SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */)

static long set_action(int sig, uint64_t handler, uint64_t flags, uint64_t mask)
{
	struct k_action act = { handler, flags, (uint64_t)trap_restorer, mask };

	return HC4(__NR_rt_sigaction, sig, &act, 0, 8);
}

long host_sigaction(int sig, uint64_t handler, uint64_t guest_flags)
{
	uint64_t keep = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT;

	if (handler <= 1)
		return set_action(sig, handler, guest_flags & keep, 0);
	return set_action(sig, (uint64_t)trap_async,
			  SA_OURS | (guest_flags & keep), ~0ull);
}

void trap_install(void)
{
	static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
					     SIGTRAP };

	for (unsigned i = 0; i < 5; i++)
		set_action(fault_signals[i], (uint64_t)trap_fault,
			   SA_OURS | SA_NODEFER, 0);
	set_action(SIGSYS, (uint64_t)trap_syscall, SA_OURS | SA_NODEFER, 0);
}

void trap_stack(struct kthread *t)
{
	uint64_t top = (uint64_t)t & ~63ull;
	stack_t ss = { .ss_sp = (void *)(K_STACK_TOP(t) - FW_STACK_MAPPED) };

	ss.ss_size = top - (uint64_t)ss.ss_sp;
	HC2(__NR_sigaltstack, &ss, 0);
}
