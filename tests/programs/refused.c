/* SPDX-License-Identifier: MIT */
/*
 * refused WHAT - asks for something that runs do not have, twice, and prints
 * what it gets; `refused exec FILE` executes a file in a child and prints its
 * outcome.
 */
#include "prog.h"

#include <fcntl.h>
#include <signal.h>

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

static long int80(long nr)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr) : "memory");
	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

static long zero_copy(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	long ret;

	must(fd >= 0);
	ret = setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	close(fd);
	return ret;
}

static long traced(void)
{
	pid_t pid = fork();
	long ret;

	must(pid >= 0);
	if (!pid) {
		pause();
		_exit(0);
	}
	ret = ptrace(PTRACE_SEIZE, pid, 0, 0);
	kill(pid, 9);
	wait_for(pid);
	return ret;
}

#define NEWPID 0x20000000 /* CLONE_NEWPID */

/* Enters the PID namespace that it is in: by its file, or by a pidfd. */
static long enter(bool pidfd, int kind)
{
	int fd = pidfd ? (int)syscall(434 /* pidfd_open */, getpid(), 0)
		       : open("/proc/self/ns/pid", O_RDONLY);
	long ret;

	must(fd >= 0);
	ret = syscall(SYS_setns, fd, kind);
	close(fd);
	return ret;
}

/* A child of its own PID namespace would end at once. */
static long clone_pid(bool new)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
		uint64_t stack, stack_size, tls;
	} args = {.flags = NEWPID, .exit_signal = SIGCHLD};
	long pid = new ? syscall(435 /* clone3 */, &args, sizeof(args))
		       : syscall(SYS_clone, NEWPID | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return pid;
}

static long namespaces(const char *what)
{
	if (!strcmp(what, "unshare"))
		return syscall(SYS_unshare, NEWPID);
	if (!strcmp(what, "setns"))
		return enter(false, NEWPID);
	if (!strcmp(what, "setns0"))
		return enter(false, 0);
	if (!strcmp(what, "setpid"))
		return enter(true, NEWPID);
	if (!strcmp(what, "clone"))
		return clone_pid(false);
	if (!strcmp(what, "clone3"))
		return clone_pid(true);
	die_at(__FILE__, __LINE__, what);
}

static long ask(const char *what)
{
	static char memory[8192];

	if (!strcmp(what, "io_uring"))
		return syscall(425, 8, memory);
	if (!strcmp(what, "aio"))
		return syscall(SYS_io_setup, 8, memory);
	if (!strcmp(what, "userfaultfd"))
		return syscall(SYS_userfaultfd, 0);
	if (!strcmp(what, "ptrace"))
		return traced();
	if (!strcmp(what, "traceme"))
		return ptrace(PTRACE_TRACEME, 0, 0, 0);
	if (!strcmp(what, "seccomp"))
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, memory);
	if (!strcmp(what, "prctl"))
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	if (!strcmp(what, "vmsplice"))
		return syscall(SYS_vmsplice, 1, memory, 1, 0);
	if (!strcmp(what, "zerocopy"))
		return zero_copy();
	if (!strcmp(what, "int80"))
		return int80(20 /* getpid */);
	return namespaces(what);
}

static int do_exec(char **argv)
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		execv(argv[0], argv);
		_exit(errno);
	}
	status = wait_for(pid);
	printf("exec: %d\n", status);
	return 0;
}

int main(int argc, char **argv)
{
	must(argc > 1);
	if (!strcmp(argv[1], "exec"))
		return do_exec(argv + 2);
	for (int i = 0; i < 2; i++) {
		long ret = ask(argv[1]);

		printf("%s: %s\n", argv[1],
		       ret < 0 ? strerrorname_np(errno) : "granted");
	}
	return 0;
}
