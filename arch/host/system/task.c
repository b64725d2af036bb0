/* SPDX-License-Identifier: MIT */
/*
 * task.c - what /proc tells about the host's processes and threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/host/system/system.h"

/* Reads a small file of /proc into buf, NUL-terminated; its length or -1. */
static ssize_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* What follows the name in a task's stat, " S 1 ..."; NULL when there is
 * none. */
static const char *read_stat(uint32_t tid, char *buf, size_t size)
{
	char path[40];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%u/stat", tid);
	errno = 0;
	if (read_small(path, buf, size) < 0)
		return NULL;
	end = strrchr(buf, ')');
	return end ? end + 1 : NULL;
}

char task_state(uint32_t tid)
{
	char buf[512];
	const char *at = read_stat(tid, buf, sizeof(buf));

	if (!at && errno) {
		/* without /proc: all that can be known is that it exists */
		if (errno != ESRCH && access("/proc/self/stat", R_OK) &&
		    (!kill((pid_t)tid, 0) || errno == EPERM))
			return 'R';
		return 0;
	}
	if (!at || at[0] != ' ' || at[1] == 'Z' || at[1] == 'X')
		return 0;
	return at[1];
}

#define GENERATIONS 4096

/* Guests and agents descend from the system process, and it from the front
 * end: whoever loses his parent becomes a child of one of them. */
static bool descends(uint32_t pid)
{
	char buf[512], state;
	unsigned parent = pid;

	for (unsigned i = 0; i < GENERATIONS && parent > 1; i++) {
		const char *at = read_stat(parent, buf, sizeof(buf));

		if (!at || sscanf(at, " %c %u", &state, &parent) != 2)
			return false;
		if (parent == (unsigned)getpid())
			return true;
	}
	return false;
}

bool task_is_ours(uint32_t pid)
{
	static const char image[] = "/memfd:faultwise";
	char path[40], target[sizeof(image)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, target, sizeof(target));
	if (n < 0) /* a guest with other rights, or that is not dumpable */
		return (errno == EACCES || errno == EPERM) && descends(pid);
	return (size_t)n >= sizeof(image) - 1 &&
	       !memcmp(target, image, sizeof(image) - 1);
}

unsigned task_children(uint32_t *pids, unsigned max)
{
	char path[64], buf[4096], *at = buf, *end;
	unsigned n = 0;
	int pid = getpid();

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (read_small(path, buf, sizeof(buf)) < 0)
		return 0;
	while (n < max) {
		unsigned long child = strtoul(at, &end, 10);

		if (end == at || *end != ' ')
			break;
		pids[n++] = (uint32_t)child;
		at = end;
	}
	return n;
}
