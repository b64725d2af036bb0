/* SPDX-License-Identifier: MIT */
/*
 * views.h - reading files of /proc: what the programs that check them share.
 */
#ifndef FAULTWISE_TESTS_VIEWS_H
#define FAULTWISE_TESTS_VIEWS_H

#include "prog.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define KIB_OF(bytes) ((bytes) / 1024)
#define BIG (8 * MIB)

static char text[4 * MIB];
/* ---- reading ------------------------------------------------------------ */

static inline size_t read_fd(int fd, char *to, size_t room)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, to + n, room - 1 - n)) > 0)
		n += (size_t)got;
	must(got == 0);
	to[n] = 0;
	return n;
}

static inline size_t slurp_to(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n;

	must(fd >= 0);
	n = read_fd(fd, to, room);
	must(!close(fd));
	return n;
}

static inline size_t slurp(const char *path)
{
	return slurp_to(path, text, sizeof(text));
}

static inline const char *of_pid(pid_t pid, const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return path;
}

/* The number behind "key:" in the text from `at` on. */
static inline long value_of(const char *at, const char *key)
{
	size_t n = strlen(key);

	for (const char *s = at; s; s = strchr(s, '\n'), s = s ? s + 1 : s)
		if (!strncmp(s, key, n) && s[n] == ':')
			return strtol(s + n + 1, NULL, 10);
	fprintf(stderr, "no line %s\n", key);
	exit(1);
}

static inline uint64_t hex_of(const char *at, const char *key)
{
	const char *s = strstr(at, key);

	must(s);
	return strtoull(s + strlen(key) + 1, NULL, 16);
}

static inline long status_kib(const char *key)
{
	slurp("/proc/self/status");
	return value_of(text, key);
}

/* ---- maps --------------------------------------------------------------- */

struct region {
	uint64_t start, end, offset, inode;
	char perms[5], name[512];
	const char *line; /* in `text` */
};

static inline bool parse(const char *line, struct region *r)
{
	int at = 0;

	r->line = line;
	r->name[0] = 0;
	if (sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu%n", &r->start, &r->end,
		   r->perms, &r->offset, &r->inode, &at) < 5)
		return false;
	sscanf(line + at, "%*[ ]%511[^\n]", r->name);
	return true;
}

/* The region that holds an address, in the text (maps or smaps). */
static inline struct region region_of(const void *p)
{
	uint64_t addr = (uint64_t)p;
	struct region r;

	for (const char *s = text; s && *s; s = strchr(s, '\n'), s += !!s)
		if (parse(s, &r) && addr >= r.start && addr < r.end)
			return r;
	fprintf(stderr, "%p is not in the list\n", p);
	exit(1);
}

static inline struct region mapped(const void *p)
{
	slurp("/proc/self/maps");
	return region_of(p);
}

static inline struct region smapped(const void *p)
{
	slurp("/proc/self/smaps");
	return region_of(p);
}

static char in_data = 1; /* something to be found */

/* ---- what was made ------------------------------------------------------ */

static inline char *map(size_t bytes, int prot, int flags, int fd, off_t at)
{
	char *p = mmap(NULL, bytes, prot, flags, fd, at);

	must(p != MAP_FAILED);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

/* A page on each side that is not there: no neighbour joins the region. */
static inline char *map_alone(size_t bytes, int prot, int flags, int fd,
			      off_t at)
{
	char *p = map(bytes + 2 * PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(!munmap(p, bytes + 2 * PAGE));
	p = mmap(p + PAGE, bytes, prot, flags | MAP_FIXED, fd, at);
	must(p != MAP_FAILED);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

static inline void exactly(const struct region *r, const char *p, size_t bytes,
		    const char *perms)
{
	must(r->start == (uint64_t)p && r->end == (uint64_t)p + bytes);
	must(!strcmp(r->perms, perms));
}

/* In memory, or put out of it. */
static inline long content(const struct region *r)
{
	return value_of(r->line, "Rss") + value_of(r->line, "Swap");
}

#endif
