/* SPDX-License-Identifier: MIT */
/*
 * busy.c - programs that run are not written to, and what is written to is
 * not run: ETXTBSY.
 *
 * The host would see to it, but what it runs is the kernel image. So each
 * record of a process has device and inode of its program, and opening for
 * writing looks for them; the other way round the host is asked. Shared
 * libraries, the ELF interpreter and scripts are not protected, as at Linux.
 * Processes outside the run may write to a program that runs here.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>

#include "arch/host/kernel/trap.h"
#include "os/busy.h"

#define HOST_O_TRUNC 01000
#define HOST_O_EXCL 0200
#define HOST_O_NOFOLLOW 0400000
#define HOST_O_PATH 010000000
#define HOST_AT_NOFOLLOW 0x100
#define HOST_AT_EACCESS 0x200
#define HOST_AT_EMPTY_PATH 0x1000
#define HOST_AT_EXECVE_CHECK 0x10000 /* since Linux 6.14 */
#define HOST_F_SETSIG 10
#define HOST_F_SETLEASE 1024
#define W_OK 2
#define TRIES 10 /* milliseconds */

#ifndef BTRFS_SUPER_MAGIC
#define BTRFS_SUPER_MAGIC 0x9123683E
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* ---- writing to what runs ------------------------------------------------ */

/* The process number `skip` that runs this program; 0: no more. */
static uint32_t runner(struct kthread *t, const struct stat *st, unsigned skip)
{
	const struct fw_proc *p;
	uint32_t pid = 0;

	procs_lock(t);
	for (p = t->p->run->procs; p && !pid; p = p->next)
		if (p->image.exe_ino == st->st_ino &&
		    p->image.exe_dev == st->st_dev && !skip--)
			pid = p->pid;
	procs_unlock(t);
	return pid;
}

static bool runs(struct kthread *t, const struct stat *st)
{
	uint32_t pid;

	for (unsigned skip = 0; (pid = runner(t, st, skip)); skip++)
		if (pid == t->p->pid || thread_lives(pid))
			return true;
	return false;
}

bool busy_concerns(uint64_t flags)
{
	return (flags & 3 || flags & HOST_O_TRUNC) &&
	       !(flags & (HOST_O_PATH | HOST_O_EXCL));
}

/* What else is wrong comes first: it is the host's to say. */
long busy_for_writing(struct buffers *b, long dirfd, long path, uint64_t flags)
{
	long follow = flags & HOST_O_NOFOLLOW ? HOST_AT_NOFOLLOW : 0;
	struct stat st;
	const long find[6] = {dirfd, path, (long)&st, follow};
	const long may[6] = {dirfd, path, W_OK, HOST_AT_EACCESS};

	if (buf_call(b, __NR_newfstatat, find, BUF_NOW) ||
	    (st.st_mode & 0170000) != 0100000 || !runs(b->t, &st))
		return 0;
	return buf_call(b, 439 /* faccessat2 */, may, BUF_NOW) ? 0 : -ETXTBSY;
}

/* ---- running what is written to ------------------------------------------ */

/* Where a lease is refused for no other reason. */
static bool leases_tell(long fd)
{
	struct statfs fs;

	if (HC2(__NR_fstatfs, fd, &fs))
		return false;
	return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC ||
	       fs.f_type == XFS_SUPER_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC;
}

/* A host that does not check: one's own file can be leased unless it is open
 * for writing. Should somebody open it just now, that is told by a signal
 * that means nothing. */
static bool is_not_leased(long fd)
{
	long r;

	if (!leases_tell(fd))
		return false;
	HC3(__NR_fcntl, fd, HOST_F_SETSIG, SIGURG);
	r = HC3(__NR_fcntl, fd, HOST_F_SETLEASE, 0 /* F_RDLCK */);
	if (!r)
		HC3(__NR_fcntl, fd, HOST_F_SETLEASE, 2 /* F_UNLCK */);
	return r == -EAGAIN;
}

static bool is_written(long fd, bool ours)
{
	static char *const none[] = {"", NULL};
	long r = HC5(__NR_execveat, fd, "", none, none + 1,
		     HOST_AT_EMPTY_PATH | HOST_AT_EXECVE_CHECK);

	return r == -EINVAL ? ours && is_not_leased(fd) : r == -ETXTBSY;
}

/* An agent that has just been made closes its copies of the guest's
 * descriptors in a moment. */
long busy_for_running(long fd, bool ours)
{
	const int64_t pause[2] = {0, 1000000};

	for (unsigned i = 0; is_written(fd, ours); i++) {
		if (i == TRIES)
			return -ETXTBSY;
		HC2(__NR_nanosleep, pause, 0);
	}
	return 0;
}

void busy_note(struct fw_proc *proc, long fd)
{
	struct stat st;

	if (HC2(__NR_fstat, fd, &st))
		return;
	proc->image.exe_dev = st.st_dev;
	proc->image.exe_ino = st.st_ino;
}
