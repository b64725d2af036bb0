/* SPDX-License-Identifier: MIT */
/*
 * turns.c - whose turn it is with a file.
 *
 * The host does a read or write of a file as a whole, under locks for which
 * others wait: a record that is appended stays in one piece, and who shares
 * an offset gets bytes that follow each other. Here what is longer than a
 * portion takes several calls of the host. So it has its turn: a lock of the
 * run, chosen by device and inode, around all of them. Whoever makes a single
 * call looks for a lock only while somebody has his turn (run->turns).
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

_Static_assert(FW_TURNS <= 64, "a bit each in run->turns");

static bool on_fuse(long fd)
{
	struct statfs fs;

	return !HC2(__NR_fstatfs, fd, &fs) && fs.f_type == FUSE_SUPER_MAGIC;
}

struct fw_lock *turn_begin(struct kthread *t, long fd, bool several)
{
	struct fw_run *run = t->p->run;
	uint64_t turns = __atomic_load_n(&run->turns, __ATOMIC_SEQ_CST);
	struct stat st;
	unsigned i;

	if ((!several && !turns) || HC2(__NR_fstat, fd, &st) ||
	    (st.st_mode & 0170000) != 0100000)
		return NULL;
	i = (unsigned)((st.st_ino ^ st.st_dev) * 0x9e3779b97f4a7c15ull >> 32) %
	    FW_TURNS;
	if (several ? on_fuse(fd) : !(turns & 1ull << i))
		return NULL;
	fwp_lock(&run->turn[i], t->actor->id);
	if (several)
		__atomic_or_fetch(&run->turns, 1ull << i, __ATOMIC_SEQ_CST);
	return &run->turn[i];
}

void turn_end(struct kthread *t, struct fw_lock *turn)
{
	struct fw_run *run = t->p->run;

	if (!turn)
		return;
	__atomic_and_fetch(&run->turns, ~(1ull << (turn - run->turn)),
			   __ATOMIC_SEQ_CST);
	fwp_unlock(turn);
}
