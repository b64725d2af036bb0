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

char task_state(uint32_t tid)
{
	char path[40], buf[512], *end;

	snprintf(path, sizeof(path), "/proc/%u/stat", tid);
	if (read_small(path, buf, sizeof(buf)) < 0) {
		/* without /proc: all that can be known is that it exists */
		if (errno != ESRCH && access("/proc/self/stat", R_OK) &&
		    (!kill((pid_t)tid, 0) || errno == EPERM))
			return 'R';
		return 0;
	}
	end = strrchr(buf, ')');
	if (!end || end[1] != ' ' || end[2] == 'Z' || end[2] == 'X')
		return 0;
	return end[2];
}

bool task_is_ours(uint32_t pid)
{
	static const char image[] = "/memfd:faultwise";
	char path[40], target[sizeof(image)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, target, sizeof(target));
	if (n < 0)
		return errno != ENOENT && errno != ESRCH;
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
