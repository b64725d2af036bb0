/* SPDX-License-Identifier: MIT */
/*
 * namespace.c - unshare and setns: the host's, but for PID namespaces.
 *
 * Whoever looks after guests knows them by their pids: the system process,
 * agents, other guests. In a namespace of its own a guest would note a pid
 * that is somebody else's outside, and be taken for that process. So these
 * are refused here, and in clone (fork.c).
 */
#include <asm/statfs.h>
#include <linux/magic.h>
#include <linux/nsfs.h>

#include "arch/host/kernel/trap.h"
#include "os/os.h"

#define CLONE_VM 0x100ul
#define CLONE_SIGHAND 0x800ul
#define CLONE_NEWPID 0x20000000ul
#define HOST_F_GETFD 1

static long refuse(struct kthread *t)
{
	os_refused(t, FW_REFUSED_PID_NAMESPACE);
	return -EPERM;
}

/*
 * Memory of one's own: the host counts the agent as one who shares it. Nobody
 * else does but threads, which the host looks for as well, and the parent of a
 * vfork child. (Who has such a child is waiting for it, or has threads.)
 */
static long own_memory(const struct kthread *t, long flags)
{
	if (!((uint64_t)flags & CLONE_VM) || t->p->vfork_child)
		return flags;
	return (long)(((uint64_t)flags & ~CLONE_VM) | CLONE_SIGHAND);
}

long sys_unshare(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if ((uint64_t)a[0] & CLONE_NEWPID)
		return refuse(t);
	return HC1(__NR_unshare, own_memory(t, a[0]));
}

/* The kind of namespace (CLONE_NEW*) that a descriptor is open on; 0: none. */
static long kind_of(long fd)
{
	struct statfs fs;
	long kind;

	if (HC2(__NR_fstatfs, fd, &fs) || fs.f_type != NSFS_MAGIC)
		return 0;
	kind = HC2(__NR_ioctl, fd, NS_GET_NSTYPE);
	return K_IS_ERR(kind) ? 0 : kind;
}

/* The host is always told the kind: the descriptor may be another's by the
 * time that it looks. */
long sys_setns(struct kthread *t, struct ucontext *uc, const long a[6])
{
	long flags = (int)a[1], kind = kind_of(a[0]);

	(void)uc;
	if (HC2(__NR_fcntl, a[0], HOST_F_GETFD) < 0)
		return -EBADF;
	if (!flags)
		flags = kind;
	if (!flags)
		return -EINVAL;
	if ((uint64_t)flags & CLONE_NEWPID)
		return kind && kind != flags ? -EINVAL : refuse(t);
	return HC2(__NR_setns, a[0], flags);
}
