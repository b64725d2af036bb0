/* SPDX-License-Identifier: MIT */
/*
 * group.c - the memory control group of this process: version 2, or the
 * hierarchy of version 1 that has the memory controller. A limit of any
 * group above holds as well.
 */
#include "cli/group.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"

#define ROOT "/sys/fs/cgroup"
#define NO_LIMIT ((uint64_t)1 << 62) /* version 1 says so with a number */

/* Names of the files, by version. */
static const struct {
	const char *limit, *used, *inactive;
} files[] = {
	[1] = {"memory.limit_in_bytes", "memory.usage_in_bytes",
	       "total_inactive_file "},
	[2] = {"memory.max", "memory.current", "inactive_file "},
};

static uint64_t number(const char *folder, const char *file, const char *key)
{
	char path[640];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return read_number(path, key);
}

/* Takes the path from a line of /proc/self/cgroup, "4:cpu,memory:/path" or
 * "0::/path"; version 1 wins where both are mounted. */
static void parse_line(struct group *g, char *line)
{
	char *names = strchr(line, ':'), *path, *word;

	line[strcspn(line, "\n")] = '\0';
	path = names ? strchr(names + 1, ':') : NULL;
	if (!path)
		return;
	*path++ = '\0';
	if (!names[1] && !g->version) {
		g->version = 2;
		snprintf(g->path, sizeof(g->path), "%s%s", ROOT, path);
	}
	for (names++; (word = strsep(&names, ","));)
		if (!strcmp(word, "memory")) {
			g->version = 1;
			snprintf(g->path, sizeof(g->path), "%s/memory%s", ROOT,
				 path);
		}
}

/* One group's limit, when it leaves less than what is known. */
static void take_limit(struct group *g, const char *folder)
{
	uint64_t limit = number(folder, files[g->version].limit, "");
	uint64_t used = number(folder, files[g->version].used, "");
	uint64_t idle = number(folder, "memory.stat",
			       files[g->version].inactive);
	uint64_t room;

	if (!limit || limit >= NO_LIMIT)
		return;
	used -= idle < used ? idle : used;
	room = limit > used ? limit - used : 0;
	if (room >= g->room)
		return;
	g->limit = limit;
	g->room = room;
}

bool group_writable(const struct group *g)
{
	char path[640];

	snprintf(path, sizeof(path), "%s/faultwise-%d", g->path, (int)getpid());
	if (mkdir(path, 0755))
		return false;
	rmdir(path);
	return true;
}

/* A container may see its own group as the root of what is mounted. */
static void look_where_mounted(struct group *g)
{
	if (access(g->path, F_OK))
		snprintf(g->path, sizeof(g->path), "%s%s", ROOT,
			 g->version == 1 ? "/memory" : "");
}

void group_find(struct group *ret)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[512], folder[sizeof(ret->path)];

	memset(ret, 0, sizeof(*ret));
	ret->room = UINT64_MAX;
	while (file && fgets(line, sizeof(line), file))
		parse_line(ret, line);
	if (file)
		fclose(file);
	if (!ret->version)
		return;
	look_where_mounted(ret);
	strcpy(folder, ret->path);
	while (strlen(folder) > strlen(ROOT)) {
		take_limit(ret, folder);
		*strrchr(folder, '/') = '\0';
	}
}
