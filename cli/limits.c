/* SPDX-License-Identifier: MIT */
/*
 * limits.c - resource limits on memory and on the size of files.
 *
 * They are meant for the program, and the kernel half shows and enforces them
 * there (os/limits.c). At the host they would hit what stands behind it: the
 * RAM, the page files, the mappings of the kernel half. So the run notes them
 * and raises the host's as far as it may.
 */
#include <sys/resource.h>

#include "cli/cli.h"

void lift_limits(struct front *f)
{
	static const int lifted[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_RSS,
				     RLIMIT_MEMLOCK, RLIMIT_FSIZE};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit l;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		getrlimit((__rlimit_resource_t)i, &l);
		f->limit_cur[i] = l.rlim_cur;
		f->limit_max[i] = l.rlim_max;
	}
	for (size_t i = 0; i < sizeof(lifted) / sizeof(lifted[0]); i++) {
		__rlimit_resource_t which = (__rlimit_resource_t)lifted[i];

		l.rlim_cur = l.rlim_max = f->limit_max[lifted[i]];
		if (setrlimit(which, &none))
			setrlimit(which, &l);
	}
}
