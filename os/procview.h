/* SPDX-License-Identifier: MIT */
/* procview.h - files of /proc that must speak of the guest; procview.c. */
#ifndef OS_PROCVIEW_H
#define OS_PROCVIEW_H

#include "os/os.h"

#define PROC_PATH_BYTES 48 /* of a path, to tell whether it is one of these */

/* What follows /proc/self/, /proc/thread-self/ or /proc/<own pid>/ in path;
 * NULL for other paths. */
const char *proc_own(struct kthread *t, const char *path);
/* A descriptor of a file that says what /proc/self/maps should. O_CLOEXEC
 * is taken from open_flags. -errno. */
long proc_maps(struct kthread *t, long open_flags);

#endif
