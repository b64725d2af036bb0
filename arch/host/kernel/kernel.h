/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - the kernel half inside a guest process: threads, traps, calls.
 *
 * There is no libc here: system calls are made by host_call(), memory comes
 * from fw_kalloc (shared) or from the process's own kproc/kthread records.
 * The host's structures come from its uapi headers.
 *
 * Contexts. Code runs (1) on a trap from the user half, on the kernel stack
 * of the thread that trapped, its host signal mask being the guest's own;
 * an asynchronous signal that arrives meanwhile is queued (kthread.pending)
 * and delivered on the way back; or (2) in the agent.
 */
#ifndef ARCH_HOST_KERNEL_H
#define ARCH_HOST_KERNEL_H

#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <asm-generic/errno-base.h>
#include <asm/errno.h>

/* One image, linked at one place: no address goes through a table. */
#pragma GCC visibility push(hidden)

#include "arch/host/kernel/offsets.h"
#include "arch/host/layout.h"
#include "arch/host/lock.h"

#define K_NSIG 64
#define K_SIG_BIT(s) (1ull << ((s)-1))
/* Signals that the host mask never blocks while a guest runs. */
#define K_MASK_NEVER                                              \
	(K_SIG_BIT(SIGSEGV) | K_SIG_BIT(SIGSYS) | K_SIG_BIT(SIGBUS) | \
	 K_SIG_BIT(SIGILL) | K_SIG_BIT(SIGFPE) | K_SIG_BIT(SIGTRAP) | \
	 K_SIG_BIT(SIGKILL) | K_SIG_BIT(SIGSTOP))

/* The guest's action for a signal, in the kernel's layout. */
struct k_action {
	uint64_t handler; /* 0 SIG_DFL, 1 SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* What goes with an address space: a vfork child has its parent's. */
struct kregions {
	struct fw_lock lock;	/* of who places regions or moves brk; outside
				 * the space lock */
	uint64_t brk_start, brk_end; /* bytes */
	uint32_t lock_future;	/* mlockall: OS_LOCKED_BITS of new regions */
};

/*
 * A process's private kernel data. Fork copies it with the address space; a
 * vfork child gets one of its own. Not shared with other processes.
 */
struct kproc {
	struct fw_mm *mm;
	struct fw_run *run;
	struct fw_space *space;
	struct fw_proc *proc;	/* shared record */
	uint32_t pid;
	uint32_t n_threads;	/* atomic */
	uint32_t vfork_child;	/* lives in its parent's space */
	uint32_t odd_children;	/* has had one whose end is not SIGCHLD */
	uint32_t sig_lock;	/* spin/futex word for actions[] */
	struct k_action actions[K_NSIG + 1];
	struct kregions *regions; /* own_regions, of this one or its parent */
	struct kregions own_regions;
	uint64_t stack_top;
	uint64_t mmap_top;	/* mappings are placed below */
	uint64_t vdso;		/* address of the host's vdso, 0 none */
	uint64_t vdso_start, vdso_end; /* vvar + vdso; readable by the guest */
	char exe[4096];		/* path for /proc/self/exe */
	uint64_t auxv[64];	/* as given to the program */
	uint32_t n_auxv;
	int64_t host_maps;	/* mappings of the user half (estimate) */
	uint64_t next_window;	/* where the next file window is tried */
	uint64_t next_stack;	/* where the next kernel stack is tried */
	struct kthread *agent;	/* its stack lies in this space */
	uint64_t ram_bytes;	/* of the run */
};

/* One thread: at the top of its kernel stack, fs_base while in here. */
struct kthread {
	struct kthread *self;	/* fs:0 */
	uint64_t ret_uc;	/* context to which the thread returns */
	uint32_t quick;		/* ... that entry.S may restore by itself */
	volatile uint32_t masked; /* the host's mask is not the guest's */
	uint64_t spare[2];
	uint64_t canary;	/* fs:0x28, for library code */
	struct kproc *p;
	struct fw_actor *actor;
	struct fw_robust_head robust; /* the host's list: our locks */
	uint32_t tid;
	uint32_t is_agent;
	volatile uint32_t pending; /* signal number queued in pending_info */
	volatile uint32_t queued; /* signals K_SYNC(i) in queued_info[i] that
				   * came while one was pending */
	siginfo_t pending_info;
	uint64_t guest_mask;	/* as the guest set it */
	uint64_t guest_fs;	/* valid while in the kernel half; gs is not
				 * touched here */
	uint64_t alt_sp, alt_size;   /* guest's sigaltstack */
	uint32_t alt_flags;
	uint32_t depth;		/* locks held */
	uint64_t wait_since;	/* ticks when it began to wait, or last found
				 * the owner running; 0: does not wait */
	uint64_t repair_since;	/* ticks when it took over a dead owner's mm
				 * lock, which it holds; else 0 */
	uint64_t clear_tid;	/* guest's CLONE_CHILD_CLEARTID address */
	uint64_t guest_robust;	/* head of its robust list */
	uint8_t scratch[2048];	/* for small copies during one call */
	/* os/signal.c: while a call waits with a mask of its own
	 * (saved_valid), guest_mask is that one and saved_mask the old. */
	uint64_t saved_mask;
	uint32_t saved_valid;
	uint32_t expands; /* libzstd's context behind this is ready */
	/* Sent signals of K_MASK_NEVER that the guest has blocked; the host
	 * cannot keep them for us. By index: see os/signal.c. */
	uint64_t held;
	siginfo_t held_info[6];
	siginfo_t queued_info[6];
};

#define K_STACK_TOP(any) (((uint64_t)(any) | (FW_STACK_STRIDE - 1)) + 1)
#define K_THREAD(any) ((struct kthread *)(K_STACK_TOP(any) - KTHREAD_BELOW))
static inline struct kthread *k_self(void)
{
	return K_THREAD((uint64_t)__builtin_frame_address(0));
}

/* ---- entry.S ---------------------------------------------------------- */

/* A system call of the host; returns -errno as the host does. */
long host_call(long nr, long a, long b, long c, long d, long e, long f);
/*
 * The same for a call that may block on behalf of the guest: when a signal
 * is pending, or arrives before the call has begun, the call is not made and
 * K_ERESTART is returned: deliver the signal, then make the guest's call
 * again. When it arrives later the host returns EINTR or restarts by the
 * guest's SA_RESTART, which the host's action mirrors.
 */
long host_call_guest(volatile uint32_t *pending, long nr, const long args[6]);
#define K_ERESTART (-512)

#define HC0(n) host_call(n, 0, 0, 0, 0, 0, 0)
#define HC1(n, a) host_call(n, (long)(a), 0, 0, 0, 0, 0)
#define HC2(n, a, b) host_call(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define HC3(n, a, b, c) host_call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define HC4(n, a, b, c, d) \
	host_call(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define HC5(n, a, b, c, d, e)                                              \
	host_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
		  0)
#define HC6(n, a, b, c, d, e, f)                                           \
	host_call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
		  (long)(f))
#define K_IS_ERR(r) ((unsigned long)(r) > -4096ul)

/* ---- services of arch/host/kernel ------------------------------------- */

/*
 * Copies to and from the guest's memory, faulting it in; host views too.
 * Return 0 or -EFAULT (nothing is promised about a partial copy).
 */
long user_read(struct kthread *t, void *to, uint64_t from, uint64_t len);
long user_write(struct kthread *t, uint64_t to, const void *from, uint64_t len);
/* Copies a string of at most size - 1 bytes and its NUL; returns its length,
 * -EFAULT, or -ENAMETOOLONG. */
long user_string(struct kthread *t, char *to, uint64_t from, uint64_t size);
/* True when [addr, addr + len) lies wholly below FW_USER_TOP (or in the
 * vdso range, for reading). */
bool user_range_ok(struct kthread *t, uint64_t addr, uint64_t len);

/*
 * Announces ranges for a host call (fw_announce), withdraws them. The fault
 * kinds are counted. Ranges in the vdso need no announcement.
 * Returns 0, or -EFAULT with *ret_ok / *ret_bytes as fw_announce.
 */
long user_announce(struct kthread *t, const struct fw_range *r, unsigned n,
		   unsigned *ret_ok, uint64_t *ret_bytes);
void user_withdraw(struct kthread *t);

/* Reaps agents of spaces left by exec, as far as they have ended. */
void agents_reap(struct kthread *t);
/* Whether the last process of the run with this pid was an agent; a guest that
 * is born says that it is none. */
bool agent_is(struct kthread *t, uint32_t pid);
void agent_is_not(struct kthread *t, uint32_t pid);

void k_printf(const char *format, ...) /* to stderr; %s %d %u %x %lx %p %c */
	__attribute__((format(printf, 1, 2)));
_Noreturn void k_die(struct kthread *t, int sig); /* as if killed by sig */
_Noreturn void k_exit_group(struct kthread *t, int status);
bool k_fd_reserved(struct kthread *t, long fd);
size_t k_strlen(const char *s);
int k_strcmp(const char *a, const char *b);
int k_strncmp(const char *a, const char *b, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---- os/: what the traps call ------------------------------------------ */

/*
 * A system call of the guest trapped. Registers are in uc; the result goes
 * to uc's rax by os_syscall itself (most calls), or the context has been
 * changed altogether (rt_sigreturn, clone's child, exec does not return).
 */
void os_syscall(struct kthread *t, struct ucontext *uc);

/* Notes what the process has used, once: before the host ends it, or by its
 * agent afterwards. */
void usage_process_ends(struct kthread *t);

/* The agent's part of process_vm_readv and _writev, if it is asked. */
void copy_serve(struct kthread *t);

/* Nothing is mapped at addr: makes a region grow down to it, if one is there
 * that does. The fault is tried again then. */
bool os_grow_down(struct kthread *t, uint64_t addr);

/*
 * A synchronous exception of the guest (SIGSEGV, SIGBUS, SIGILL, SIGFPE,
 * SIGTRAP): arranges for the guest's handler to run on return, or ends the
 * process with this signal when there is none, or it is blocked.
 */
void os_exception(struct kthread *t, struct ucontext *uc,
		  const siginfo_t *info);

/* An asynchronous signal, uc being the guest's context (user half). Called
 * with all signals blocked, or from the return path for a pending one. */
void os_signal(struct kthread *t, struct ucontext *uc, const siginfo_t *info);

/* The signal part of a process image start (exec): sets host actions for the
 * guest's initial state: everything default but `ignored`. */
void os_signals_init(struct kthread *t, uint64_t mask, uint64_t ignored);

/* Notes what /proc/self/exe is to say: the file open as `fd`, or `otherwise`
 * when the host cannot tell its path. */
void os_exe_name(struct kthread *t, long fd, const char *otherwise);

/* Notes that something was asked for which runs do not have. */
void os_refused(struct kthread *t, enum fw_refusal kind);

/* In the agent: the process with this serial number is dead, but what it had is
 * there still. What the host does for the locks that it held is done. */
void os_process_died(struct kthread *t, uint64_t serial);

/* Installs the seccomp filter (once per run, in the first guest). */
long os_filter_install(struct kthread *t);

/* The handler (entry.S) to which os/ points the host's asynchronous
 * actions, and the restorer that goes with every action of ours. */
void trap_async(int sig, siginfo_t *info, void *uc);
void trap_restorer(void);
/* Host action for `sig`: trap_async with these SA_ flags (SA_RESTART,
 * SA_NOCLDSTOP, SA_NOCLDWAIT as the guest has them) and a full mask; or
 * SIG_DFL / SIG_IGN when handler is 0 / 1. */
long host_sigaction(int sig, uint64_t handler, uint64_t guest_flags);

#pragma GCC visibility pop

#endif
