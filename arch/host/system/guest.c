/* SPDX-License-Identifier: MIT */
/*
 * guest.c - from the forked child to the kernel image of the first guest.
 *
 * What the front end inherited (descriptors, signal dispositions and mask,
 * session, process group, limits) the guest inherits in turn; all that is
 * ours is close-on-exec, but for the run's descriptors at their places.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/host/system/system.h"

_Noreturn static void not_started(struct fw_run *run, const char *what)
{
	run->failed_errno = errno;
	snprintf(run->message, sizeof(run->message), "%s", what);
	__atomic_store_n(&run->failed, FW_FAIL_US, __ATOMIC_SEQ_CST);
	_exit(125);
}

/* dup2 clears close-on-exec, unless both are the same. */
static void place(const struct sys_start *start, int fd, unsigned which)
{
	int target = (int)(start->run->fd_first + which);

	if (dup2(fd, target) < 0)
		not_started(start->run, "placing the run's descriptors");
}

void guest_start(const struct sys_start *start, int life_fd)
{
	struct fw_run *run = start->run;

	run->main_pid = (uint32_t)getpid();
	place(start, start->ram_fd, FW_FD_RAM);
	place(start, start->kernel_fd, FW_FD_KERNEL);
	place(start, life_fd, FW_FD_LIFE);
	for (unsigned i = 0; i < start->n_stores; i++)
		place(start, start->store_fd[i], FW_FD_STORE + i);
	/* A number that is free would be given to the guest, which may not
	 * close it. */
	place(start, life_fd, FW_FD_EXE);
	for (unsigned i = start->n_stores; i < FW_MAX_PAGE_FILES; i++)
		place(start, life_fd, FW_FD_STORE + i);
	if (start->chld_ignored)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &start->mask, NULL);
	syscall(SYS_execveat, run->fd_first + FW_FD_KERNEL, "", start->argv,
		start->envp, 0x1000 /* AT_EMPTY_PATH */);
	not_started(run, "executing the kernel image");
}
