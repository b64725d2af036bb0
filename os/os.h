/* SPDX-License-Identifier: MIT */
/*
 * os.h - the Linux personality: what the files of os/ say to each other.
 *
 * A system call of the guest that traps goes through os_syscall (syscall.c),
 * which looks it up in syscalls.def. Most are made natively with their
 * buffers announced (buffers.c); those below are ours. Each takes the six
 * argument registers and returns what goes to rax: a value, -errno, K_ERESTART
 * (make the guest's call again after its signal has been delivered), or
 * OS_NO_RESULT (the context in uc has been changed as a whole).
 *
 * Read next: syscalls.def, syscall.c, buffers.h, signal.c.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include "arch/host/kernel/kernel.h"

/* Never a result of Linux's: below -4095 and above the addresses. */
#define OS_NO_RESULT (-0x7000000000000000l)

typedef long os_call_fn(struct kthread *t, struct ucontext *uc,
			const long a[6]);

/* mem.c, remap.c, advice.c, locked.c; regions.h is theirs */
os_call_fn sys_mmap, sys_munmap, sys_mprotect, sys_pkey_mprotect, sys_brk;
os_call_fn sys_mremap, sys_remap_file_pages;
os_call_fn sys_madvise, sys_mincore, sys_msync;
os_call_fn sys_mlock, sys_mlock2, sys_munlock, sys_mlockall, sys_munlockall;

/* fork.c, exec.c, thread.c */
os_call_fn sys_fork, sys_vfork, sys_clone, sys_clone3;
os_call_fn sys_execve, sys_execveat;
os_call_fn sys_exit, sys_exit_group, sys_set_tid_address;
os_call_fn sys_set_robust_list, sys_get_robust_list, sys_arch_prctl;

/* io.c: reading and writing of any length; changes.h says what else a write
 * does */
os_call_fn sys_read, sys_write, sys_pread64, sys_pwrite64;
os_call_fn sys_readv, sys_writev, sys_preadv, sys_pwritev;
os_call_fn sys_preadv2, sys_pwritev2, sys_getrandom;
os_call_fn sys_ftruncate, sys_truncate, sys_fallocate;

/* move.c */
os_call_fn sys_sendfile, sys_splice, sys_copy_file_range;

/* socket.c */
os_call_fn sys_sendto, sys_sendmsg, sys_recvmsg, sys_sendmmsg, sys_recvmmsg;
os_call_fn sys_recvfrom, sys_setsockopt;

/* wait.c: waiting for descriptors, with a signal mask of its own */
os_call_fn sys_ppoll, sys_select, sys_pselect6;
os_call_fn sys_epoll_pwait, sys_epoll_pwait2;

/* ioctl.c, prctl.c */
os_call_fn sys_ioctl, sys_fcntl, sys_prctl, sys_semctl, sys_msgctl;

/* shm.c, vmcopy.c */
os_call_fn sys_shmat, sys_shmdt, sys_shmctl;
os_call_fn sys_process_vm_readv, sys_process_vm_writev;

/* view_names.c, view_calls.c */
os_call_fn sys_open, sys_creat, sys_openat, sys_openat2;
os_call_fn sys_readlink, sys_readlinkat;
os_call_fn sys_getdents, sys_getdents64, sys_sysinfo;

/* children.c */
os_call_fn sys_wait4, sys_waitid;
/* SIGCHLD has come. False when it tells of an agent alone, which is reaped;
 * when others' ends may have merged with it, *info becomes one of them. */
bool children_told(struct kthread *t, siginfo_t *info);

/* rusage.c */
os_call_fn sys_getrusage;
/* Of a child that was waited for: what it noted last. */
void usage_put_ended(struct kthread *t, uint32_t pid, uint64_t at);
void usage_thread_ends(struct kthread *t);
void usage_image_begins(struct kthread *t);

/* Copies up to a page between memory of ours and that of another guest, by
 * its agent. 0, -EFAULT, -ESRCH. */
long guest_copy(struct kthread *t, uint32_t pid, uint64_t remote, void *ours,
		uint64_t len, bool write);

/* Another guest's private views of a file that ends before this page: see
 * fw_file_cut(). */
void guest_cut(struct kthread *t, uint32_t pid, uint64_t dev, uint64_t ino,
	       uint64_t page);

/* misc.c */
os_call_fn sys_close, sys_dup2, sys_dup3, sys_close_range;

/* limits.c */
os_call_fn sys_prlimit64, sys_setrlimit, sys_getrlimit;
/* A limit as that guest has it. */
long limit_read(struct kthread *t, uint32_t pid, uint32_t which,
		uint64_t *ret_cur, uint64_t *ret_max);
/* The limits of the first program: those that the front end found. */
void limits_first(struct kthread *t);
/* exec: for a moment there may be as many descriptors as the host allows. */
void limit_files_lift(struct kthread *t);
void limit_files_settle(struct kthread *t);
/* -EFBIG and SIGXFSZ for a file that would become longer than RLIMIT_FSIZE
 * permits, else 0. */
long limit_file_end(struct kthread *t, uint64_t end);

/* futex.c */
os_call_fn sys_futex;
/* Wakes up to n waiters of a word, whether its memory is private or shared.
 * For clear_child_tid and robust lists. */
long os_futex_wake(struct kthread *t, uint64_t uaddr, int n);

/* signal.c */
os_call_fn sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigpending;
os_call_fn sys_rt_sigsuspend, sys_rt_sigtimedwait, sys_sigaltstack;

/* namespace.c: the host's, but for PID namespaces */
os_call_fn sys_unshare, sys_setns;

/* refuse.c: a thing that runs do not have was asked for */
os_call_fn sys_seccomp;
void os_refused_call(struct kthread *t, uint64_t nr);

/* sigframe.c */
os_call_fn sys_rt_sigreturn;

#endif
