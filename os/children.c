/* SPDX-License-Identifier: MIT */
/*
 * children.c - waiting for children, and being told of their ends: what a
 * guest must not see of the agents.
 *
 * An agent is a child of its guest without an exit signal: the host finds it
 * by __WALL and __WCLONE alone. When its guest dies first, the host gives it to
 * the nearest subreaper, as a child like others: when that is a guest, it is
 * told by SIGCHLD of an end that is none of its business, and its wait calls
 * return a pid that it has never heard of. Such an agent is reaped here and
 * the call made again.
 *
 * What cannot be hidden: that the host's call ended for the signal (EINTR from
 * one that is not restarted, although no handler ran), and what a signalfd
 * has read.
 */
#include "os/buffers.h"

#define RUSAGE_BYTES 144
#define INFO_BYTES 128
#define HOST_WNOHANG 1
#define HOST_WEXITED 4
#define HOST_WNOWAIT 0x01000000
#define HOST_WALL 0x40000000l
#define HOST_WCLONE 0x80000000l

/*
 * Those that have an agent as child are not to wait for it by these flags.
 * A guest whose own children all have SIGCHLD means no others by them.
 */
static long hide_flags(const struct kthread *t, bool any, long *flags)
{
	if (!any || t->p->odd_children || !(*flags & (HOST_WALL | HOST_WCLONE)))
		return 0;
	if (!(*flags & HOST_WALL))
		return -ECHILD;
	*flags &= ~(HOST_WALL | HOST_WCLONE);
	return 0;
}

static void reap(uint32_t pid)
{
	HC4(__NR_wait4, pid, 0, HOST_WALL | HOST_WNOHANG, 0);
}

long sys_wait4(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6] = {a[0], a[1], a[2], a[3]};
	bool hidden = false, has_status;
	struct buffers b;
	int32_t status;
	long r = hide_flags(t, (int)a[0] == -1, &args[2]);

	(void)uc;
	if (r)
		return r;
	has_status = a[1] && !user_read(t, &status, (uint64_t)a[1], 4);
	for (;;) {
		buf_init(&b, t);
		buf_add(&b, (uint64_t)a[1], 4, FW_ACC_WRITE);
		buf_add(&b, (uint64_t)a[3], RUSAGE_BYTES, FW_ACC_WRITE);
		r = buf_call(&b, __NR_wait4, args, BUF_ONCE);
		if (r <= 0 || !agent_is(t, (uint32_t)r))
			break;
		hidden = true;
	}
	if (r > 0 && a[3])
		usage_put_ended(t, (uint32_t)r, (uint64_t)a[3]);
	if (r <= 0 && hidden && has_status)
		user_write(t, (uint64_t)a[1], &status, 4);
	return r;
}

/* One call; *ret_pid is whom it has found. */
static long wait_once(struct kthread *t, const long a[6], uint32_t *ret_pid)
{
	long args[6] = {a[0], a[1], a[2], a[3], a[4]};
	struct buffers b;
	siginfo_t info;
	long r;

	memset(&info, 0, sizeof(info));
	if (!a[2])
		args[2] = (long)&info;
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[2], INFO_BYTES, FW_ACC_WRITE);
	buf_add(&b, (uint64_t)a[4], RUSAGE_BYTES, FW_ACC_WRITE);
	r = buf_call(&b, __NR_waitid, args, BUF_ONCE);
	if (!r && a[2] &&
	    user_read(t, &info, (uint64_t)a[2], sizeof(info)))
		info.si_pid = 0;
	*ret_pid = r ? 0 : (uint32_t)info.si_pid;
	return r;
}

long sys_waitid(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long args[6] = {a[0], a[1], a[2], a[3], a[4]};
	long r = hide_flags(t, (int)a[0] == 0 /* P_ALL */, &args[3]);
	uint32_t pid;

	(void)uc;
	if (r)
		return r;
	for (;;) {
		r = wait_once(t, args, &pid);
		if (!agent_is(t, pid))
			break;
		if (a[3] & HOST_WNOWAIT)
			reap(pid);
	}
	if (pid && a[4])
		usage_put_ended(t, pid, (uint64_t)a[4]);
	return r;
}

/* The signal has come once more, and waits to be taken. */
static bool is_pending(void)
{
	uint64_t set = 0;

	HC2(__NR_rt_sigpending, &set, sizeof(set));
	return set & K_SIG_BIT(SIGCHLD);
}

/* Ends that come while the signal is pending make no other. So one for an
 * agent may stand for another child as well: it is told once too often rather
 * than not at all. */
bool children_told(struct kthread *t, siginfo_t *info)
{
	while (info->si_code > 0 && agent_is(t, (uint32_t)info->si_pid)) {
		reap((uint32_t)info->si_pid);
		memset(info, 0, sizeof(*info));
		if (HC5(__NR_waitid, 0, 0, info,
			HOST_WEXITED | HOST_WNOHANG | HOST_WNOWAIT, 0) ||
		    !info->si_pid || is_pending())
			return false;
	}
	return true;
}
