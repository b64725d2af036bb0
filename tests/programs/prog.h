/* SPDX-License-Identifier: MIT */
/*
 * prog.h - what the test programs share. They are ordinary programs: each
 * says on stdout what it found, the same on every run, and exits 1 with a
 * line on stderr when something is wrong. A suite runs each natively and
 * under faultwise and compares.
 */
#ifndef FAULTWISE_TESTS_PROG_H
#define FAULTWISE_TESTS_PROG_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)

/* Ends the process at once: after a fork, stdio belongs to the parent. */
#define must(cond)                                                         \
	do {                                                               \
		if (!(cond))                                               \
			die_at(__FILE__, __LINE__, #cond);                 \
	} while (0)

_Noreturn static inline void die_at(const char *file, int line,
				    const char *what)
{
	char text[256];
	int error = errno;
	int n = snprintf(text, sizeof(text), "%s:%d: %s (errno %d, pid %d)\n",
			 file, line, what, error, (int)getpid());

	if (write(2, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

/* A number that depends on every bit of x (the finalizer of splitmix64). */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What a child that ended in status `st` of wait did: exit code, or signal
 * number + 1000. */
static inline int outcome(int st)
{
	return WIFSIGNALED(st) ? 1000 + WTERMSIG(st) : WEXITSTATUS(st);
}

static inline int wait_for(pid_t pid)
{
	int st;

	must(waitpid(pid, &st, 0) == pid);
	return outcome(st);
}

static inline void *map_anon(size_t bytes, int shared)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1,
		       0);

	must(p != MAP_FAILED);
	return p;
}

/* An unlinked file in the current folder. */
static inline int temp_file(void)
{
	char name[] = "tmp-XXXXXX";
	int fd = mkstemp(name);

	must(fd >= 0);
	must(unlink(name) == 0);
	return fd;
}

/* True when another process has a record lock on the file. */
static inline bool is_locked(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && !fcntl(fd, F_GETLK, &lock));
	close(fd);
	return lock.l_type != F_UNLCK;
}

/* The same, asked by a process that has none. */
static inline int others_find_lock(const char *path)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid)
		_exit(is_locked(path));
	return wait_for(pid);
}

static inline void lock_record(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	must(!fcntl(fd, F_SETLK, &lock));
}

#endif
