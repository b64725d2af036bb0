/* SPDX-License-Identifier: MIT */
/*
 * trap.h - inside arch/host/kernel: what its files share with each other and
 * with the parts of os/ that make threads and processes.
 */
#ifndef ARCH_HOST_TRAP_H
#define ARCH_HOST_TRAP_H

#include "arch/host/kernel/kernel.h"

#pragma GCC visibility push(hidden)

#define HOST_PROT_READ 1
#define HOST_PROT_WRITE 2
#define HOST_PROT_EXEC 4
#define HOST_MAP_SHARED 1
#define HOST_MAP_PRIVATE 2
#define HOST_MAP_FIXED 0x10
#define HOST_MAP_ANONYMOUS 0x20
#define HOST_MAP_NORESERVE 0x4000
#define HOST_MAP_POPULATE 0x8000
#define HOST_MAP_FIXED_NOREPLACE 0x100000

/* The signal by which an agent learns that its parent's thread is gone. */
#define K_SIG_PARENT 63

/* Numbers of the run's descriptors in this process. */
static inline long run_fd(const struct fw_run *run, unsigned which)
{
	return (long)(run->fd_first + which);
}

static inline bool in_kernel_half(uint64_t rip)
{
	return rip >> 32 == KERNEL_HIGH;
}

static inline uint64_t ticks_now(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* entry.S */
_Noreturn void k_switch_stack(uint64_t top, void (*fn)(void *), void *arg);
_Noreturn void k_resume(struct ucontext *uc);
long k_clone(uint64_t flags, uint64_t sp, uint64_t ptid, uint64_t ctid,
	     uint64_t tls, void (*fn)(void *), void *arg);
_Noreturn void k_exit_unmap(uint64_t addr, uint64_t len, long status);
uint64_t copy_fixup(void *to, const void *from, uint64_t n);

/* trap.c */
void trap_install(void); /* host actions of the synchronous signals */
void trap_stack(struct kthread *t); /* this thread's signal stack */
void trap_pending(struct ucontext *uc);
void fs_own(struct kthread *t); /* fs_base is t; the guest's is not read */
void fs_enter(struct kthread *t);
void fs_leave(struct kthread *t);

/* thread.c */
/* A new kernel stack with a kthread at its top (zeroed but for self, p); NULL
 * when the host has no memory or mapping left. */
struct kthread *kthread_create(struct kproc *p);
void kthread_free(struct kthread *t); /* not the caller's own */
/* Makes the calling host thread `t`: tid, robust list, signal stack. */
void kthread_adopt(struct kthread *t);
/* Gives it an actor; -ENOMEM. */
long kthread_actor(struct kthread *t, struct kthread *by);
/* Ends one's own: nothing that wants an actor may follow. */
void kthread_actor_end(struct kthread *t);
/* Copies a trap frame with its xstate to the top of another kernel stack. */
struct ucontext *kthread_copy_frame(struct kthread *to,
				    const struct ucontext *uc);

/* proc.c */
struct fw_proc *proc_find(struct kthread *t, uint32_t pid);
/* The guest whose thread this is: its pid; any other number as it is. */
uint32_t proc_of_thread(struct kthread *t, uint32_t tid);
/* Registers a process; NULL when there is no memory. */
struct fw_proc *proc_add(struct kthread *t, uint32_t pid, uint32_t parent);
/*
 * Before its space is destroyed: nobody finds it there any more. False when
 * the record is not that of this process in this space: it has gone over to
 * another one, or is gone, and its memory may be another's. An owner's space
 * stands in old_space until it is destroyed.
 */
bool proc_leave_space(struct kthread *t, struct fw_proc *proc,
		      struct fw_space *space, uint64_t serial, bool owner);
void proc_remove(struct kthread *t, struct fw_proc *proc);
/* Reaps all actors of a dead or exec'ed process but `except`. */
void proc_reap_actors(struct kthread *t, uint64_t serial, uint32_t except);
void procs_lock(struct kthread *t);
void procs_unlock(struct kthread *t);

/* agent.c */
/* Starts the agent of the space in which this process lives. */
long agent_start(struct kthread *t);
/* Waits until the new agent has let go of the files that its guest has: until
 * then they would not be closed when the guest closes them, or ends. */
void agent_await(struct kthread *t);
/* Says to the agent that the guest has left this space (exec). */
void agent_leave(struct kthread *t, struct fw_space *space);

/* lock.c */
/* Reads /proc/PID/NAME, size - 1 bytes of it at most, and adds a NUL; how
 * many, or -errno. */
long proc_text(uint32_t pid, const char *name, char *to, uint64_t size);
bool thread_lives(uint32_t tid); /* stopped ones do, zombies do not */
bool thread_stopped(uint32_t tid);

/* stop.c */
/* The host's mask for one of the guest's. */
uint64_t stop_host_mask(const struct kthread *t, uint64_t mask);
/* A SIGCONT has been taken: false when it is none of the guest's business. */
bool stop_cont_came(struct kthread *t, const siginfo_t *info);
/* Takes and counts those that are pending; `keep`: the guest has blocked or
 * will handle them, and gets the last one back. */
void stop_take_conts(struct kthread *t, bool keep);
/* Continues a stopped thread that holds something others need; of an actor
 * that is not gone meanwhile. */
void stop_help(struct kthread *t, uint32_t actor_id, uint32_t tid);
/* To be called where an actor has left a lock: stops the process when it was
 * continued only for what it held. */
void stop_if_asked(struct kthread *t, uint32_t actor_id);
/* The same for a process that has not come so far as to have an agent: who
 * was stopped before is continued until then. The list of processes is locked,
 * and `proc` is in it. */
void stop_help_begin(struct kthread *t, struct fw_proc *proc);
void stop_if_begun(struct kthread *t);

/* hostmap.c */
/* Drops all host mappings of the user half that no call of the host is using.
 * Space lock. */
void hostmap_drop_spare(struct kthread *t);
/* True when a child of this process is to have each of its regions: nothing
 * is mapped elsewhere. Space lock. */
bool hostmap_inherited(struct kthread *t);
/* In a forked child, before its first user instruction: nothing stays mapped
 * of what it is not to have. `inherited` as the parent found it. */
void hostmap_forked(struct kthread *t, bool inherited);

/* window.c */
/* Maps `len` bytes of a file from `offset` on into the windows area; returns
 * the address or -errno. `shared` for host views. */
long window_open(struct kthread *t, long fd, uint64_t offset, uint64_t len,
		 unsigned prot, bool shared);
/* Zeroed private memory of the kernel half's own; let go by window_close. */
long private_map(struct kthread *t, uint64_t len);
void window_close(uint64_t addr, uint64_t len);
/* Puts another mapping of a shared window's pages at `at`. */
long window_clone(uint64_t window, uint64_t len, uint64_t at, unsigned prot);

/* A fault of the guest at addr; counts and times it. */
enum fw_kind k_fault(struct kthread *t, uint64_t addr, unsigned access,
		     struct fw_fault *ret);

/* oom.c */
/* No frame can be had: ends the process that has the most memory, or this
 * one. No locks. */
void oom_kill(struct kthread *t);

#pragma GCC visibility pop

#endif
