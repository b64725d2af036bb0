/* SPDX-License-Identifier: MIT */
/*
 * inode_lock.c - what i_rwsem and f_pos_lock are at Linux.
 *
 * The host does a read or write of a file as a whole, under locks for which
 * others wait: a record that is appended stays in one piece, and who shares
 * an offset gets bytes that follow each other. Here what is longer than a
 * portion takes several calls of the host. So there is a lock of
 * the run, chosen by device and inode, around all of them. Whoever makes a
 * single call looks for it only while somebody holds one (run->inodes_held).
 *
 * The lock is robust: who dies leaves it to the next one, and who is stopped
 * is continued until he leaves it. Nobody takes it for a FUSE file system: its
 * server may be a guest who waits for it.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>

#include "os/io.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

_Static_assert(FW_INODE_LOCKS <= 64, "a bit each in run->inodes_held");

static bool on_fuse(long fd)
{
	struct statfs fs;

	return !HC2(__NR_fstatfs, fd, &fs) && fs.f_type == FUSE_SUPER_MAGIC;
}

struct fw_lock *inode_lock(struct kthread *t, long fd, bool several)
{
	struct fw_run *run = t->p->run;
	uint64_t held = __atomic_load_n(&run->inodes_held, __ATOMIC_SEQ_CST);
	struct stat st;
	unsigned i;

	if ((!several && !held) || HC2(__NR_fstat, fd, &st) ||
	    (st.st_mode & 0170000) != 0100000)
		return NULL;
	i = (unsigned)((st.st_ino ^ st.st_dev) * 0x9e3779b97f4a7c15ull >> 32) %
	    FW_INODE_LOCKS;
	if (several ? on_fuse(fd) : !(held & 1ull << i))
		return NULL;
	fwp_lock(&run->inode_lock[i], t->actor->id);
	if (several)
		__atomic_or_fetch(&run->inodes_held, 1ull << i,
				  __ATOMIC_SEQ_CST);
	return &run->inode_lock[i];
}

void inode_unlock(struct kthread *t, struct fw_lock *lock)
{
	struct fw_run *run = t->p->run;

	if (!lock)
		return;
	__atomic_and_fetch(&run->inodes_held,
			   ~(1ull << (lock - run->inode_lock)),
			   __ATOMIC_SEQ_CST);
	fwp_unlock(lock);
}
