/* SPDX-License-Identifier: MIT */
/* group.h - the memory control group in which this process is. */
#ifndef CLI_GROUP_H
#define CLI_GROUP_H

#include <stdbool.h>
#include <stdint.h>

struct group {
	int version;	/* 1 or 2; 0: there is none */
	char path[512]; /* its folder below /sys/fs/cgroup */
	uint64_t limit; /* the least of it and those above; 0: none */
	uint64_t room;	/* left below that limit; UINT64_MAX without one */
};

void group_find(struct group *ret);
/* Groups can be made in it; tries. */
bool group_writable(const struct group *g);

#endif
