/* SPDX-License-Identifier: MIT */
/*
 * vforks - children that borrow their parent's memory: posix_spawn, vfork
 * with exec, with an exec that fails, and with an exit; and its heap.
 */
#include "prog.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static volatile int written_by_child;
static volatile int alarms;

static void on_signal(int sig)
{
	(void)sig;
	alarms++;
}

static void spawns(void)
{
	char *yes[] = {"true", NULL}, *no[] = {"false", NULL};
	char *echo[] = {"sh", "-c", "echo spawned; exit 5", NULL};
	posix_spawn_file_actions_t fa;
	pid_t pid;

	for (unsigned i = 0; i < 50; i++) {
		must(!posix_spawn(&pid, "/bin/true", NULL, NULL, yes,
				  environ));
		must(wait_for(pid) == 0);
	}
	must(!posix_spawnp(&pid, "false", NULL, NULL, no, environ));
	printf("false: %d\n", wait_for(pid));
	printf("no such file: %d\n",
	       posix_spawn(&pid, "/no/such", NULL, NULL, yes, environ));
	printf("not executable: %d\n",
	       posix_spawn(&pid, "/etc/passwd", NULL, NULL, yes, environ));
	must(!posix_spawn_file_actions_init(&fa));
	must(!posix_spawn_file_actions_adddup2(&fa, 1, 7));
	must(!posix_spawn_file_actions_addclose(&fa, 7));
	must(!posix_spawnp(&pid, "sh", &fa, NULL, echo, environ));
	printf("sh: %d\n", wait_for(pid));
}

static int vfork_exec(char **argv, int on_failure)
{
	pid_t pid = vfork();

	must(pid >= 0);
	if (!pid) {
		written_by_child++;
		execv(argv[0], argv);
		_exit(on_failure);
	}
	return wait_for(pid);
}

static void vforks(void)
{
	char *yes[] = {"/bin/true", NULL}, *no[] = {"/no/such", NULL};
	pid_t pid;

	for (unsigned i = 0; i < 50; i++)
		must(vfork_exec(yes, 1) == 0);
	printf("failing exec: %d\n", vfork_exec(no, 33));
	printf("parent sees %d writes\n", written_by_child);
	pid = vfork();
	must(pid >= 0);
	if (!pid)
		_exit(44);
	printf("exit: %d\n", wait_for(pid));
	pid = vfork();
	must(pid >= 0);
	if (!pid) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	printf("killed: %d\n", wait_for(pid));
}

#define BLOCKS 20
#define BLOCK 100000

static long brk_to(long at)
{
	return syscall(SYS_brk, at);
}

static void brk_by_child(long at)
{
	pid_t pid = vfork();

	must(pid >= 0);
	if (!pid) {
		if (brk_to(at) == at)
			((volatile char *)at)[-100] = 1;
		_exit(0);
	}
	must(!wait_for(pid));
}

/* The heap is the address space's, whoever of the two moves its end. */
static void borrowed_heap(void)
{
	static char *block[BLOCKS];
	long end = brk_to(0);
	pid_t pid;

	brk_by_child(end + (long)MIB);
	printf("grown by child: %ld\n", brk_to(0) - end);
	printf("and by parent: %ld\n", brk_to(end + 2 * (long)MIB) - end);
	((volatile char *)end)[2 * MIB - 1] = 1;
	brk_by_child(end + PAGE);
	printf("shrunk by child: %ld\n", brk_to(0) - end);
	must(brk_to(end) == end);
	for (unsigned i = 0; i < BLOCKS; i++)
		memset(block[i] = malloc(BLOCK), 1, BLOCK);
	pid = vfork();
	must(pid >= 0);
	if (!pid) {
		for (unsigned i = BLOCKS; i-- > 0;)
			free(block[i]);
		_exit(0);
	}
	must(!wait_for(pid));
	for (unsigned i = 0; i < BLOCKS; i++)
		memset(block[i] = malloc(BLOCK), 2, BLOCK);
	for (unsigned i = 0; i < BLOCKS; i++)
		must(block[i][BLOCK - 1] == 2);
}

/* A child that waits for its parent must not wait for ever: the parent is
 * suspended, others are not. */
static void with_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal,
			       .sa_flags = SA_RESTART};
	char *nap[] = {"/bin/sleep", "0.05", NULL};
	int pid;

	must(!sigaction(SIGUSR1, &sa, NULL));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		for (unsigned i = 0; i < 20; i++) {
			kill(getppid(), SIGUSR1);
			usleep(2000);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 5; i++)
		must(vfork_exec(nap, 1) == 0);
	must(wait_for(pid) == 0);
	printf("signals came through: %d\n", alarms > 0);
}

static pid_t clone_with(int sig, int status)
{
	pid_t pid = (pid_t)syscall(SYS_clone, sig, 0, 0, 0, 0);

	must(pid >= 0);
	if (!pid)
		_exit(status);
	return pid;
}

static void show_wait(const char *what, pid_t pid, int options)
{
	int st = 0;
	pid_t got = waitpid(-1, &st, options);

	printf("%s: %d status %d errno %d\n", what, pid && got == pid,
	       WEXITSTATUS(st), got < 0 ? errno : 0);
}

/* Children of all kinds, and no others. */
static void every_kind(void)
{
	siginfo_t info;

	show_wait("__WALL, no child", 0, __WALL);
	show_wait("__WCLONE, no child", 0, __WCLONE);
	errno = 0;
	printf("waitid, no child: %d",
	       waitid(P_ALL, 0, &info, WEXITED | __WALL));
	printf(" errno %d\n", errno);
	show_wait("__WALL", clone_with(SIGCHLD, 3), __WALL);
	signal(SIGUSR1, SIG_IGN);
	show_wait("__WCLONE", clone_with(SIGUSR1, 4), (int)__WCLONE);
	show_wait("__WALL of another", clone_with(SIGUSR1, 5), __WALL);
}

/* A child that could not be named is not made. */
static void no_descriptor(void)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
		uint64_t stack, stack_size, tls;
	} args = {.flags = 0x1000 /* CLONE_PIDFD */, .exit_signal = SIGCHLD};
	struct rlimit old, none = {.rlim_cur = 0};
	int pidfd = -55;
	long pid;

	args.pidfd = (uintptr_t)&pidfd;
	must(!getrlimit(RLIMIT_NOFILE, &old));
	none.rlim_max = old.rlim_max;
	for (int i = 0; i < 2; i++) {
		must(!setrlimit(RLIMIT_NOFILE, i ? &old : &none));
		errno = 0;
		pid = syscall(SYS_clone3, &args, sizeof(args));
		if (!pid)
			_exit(0);
		printf("clone3: %d errno %d, pidfd %d\n", pid > 0, errno,
		       i ? fcntl(pidfd, F_GETFD) : pidfd);
		if (pid > 0)
			must(wait_for((pid_t)pid) == 0);
	}
}

static void *unshares(void *arg)
{
	return syscall(SYS_unshare, 0x100) ? arg : NULL;
}

/* Memory is shared with threads, and with nobody else. */
static void memory_alone(void)
{
	pthread_t t;
	void *ret;

	printf("unshare: %ld\n", syscall(SYS_unshare, 0x100 /* CLONE_VM */));
	must(!pthread_create(&t, NULL, unshares, environ));
	must(!pthread_join(t, &ret));
	printf("unshare in a thread fails: %d\n", ret != NULL);
}

int main(void)
{
	setbuf(stdout, NULL);
	spawns();
	vforks();
	borrowed_heap();
	with_signals();
	every_kind();
	no_descriptor();
	memory_alone();
	return 0;
}
