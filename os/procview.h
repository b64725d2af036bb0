/* SPDX-License-Identifier: MIT */
/* procview.h - files of /proc and of cgroups that must speak of the guest:
 * what the calls ask of procview.c and view_names.c. */
#ifndef OS_PROCVIEW_H
#define OS_PROCVIEW_H

#include "os/os.h"

#define VIEW_NOT (-0x6000000000000000l) /* no result of Linux's either */
/* As an offset: where the file is; others that are negative are EINVAL. */
#define VIEW_HERE INT64_MIN

static inline int64_t view_offset(long given)
{
	return given < 0 ? -1 : given;
}

/* Whether any descriptor of the run may be open on such a file. */
static inline bool view_any(const struct kthread *t)
{
	return t->p->run->view_dev[0] != 0;
}

/* read, pread and their kin: the result, or VIEW_NOT for other files. */
long view_read(struct kthread *t, long fd, uint64_t user, uint64_t len,
	       int64_t off);
long view_write(struct kthread *t, long fd, uint64_t user, uint64_t len,
		int64_t off);
/* The same for vectors: their first piece that is not empty. */
long view_vector(struct kthread *t, const long a[6], int64_t off, bool write);
/* getdents and getdents64. */
long view_list(struct kthread *t, long nr, const long a[6]);
/* Whether the call moves data out of such a file past us. */
bool view_moves(struct kthread *t, long nr, const long a[6]);
/* What open has returned: itself, another descriptor, or -errno. */
long view_opened(struct kthread *t, long fd, uint64_t flags);

/* sysinfo(2): what the host said becomes that of the run. */
struct sysinfo;
void view_sysinfo(struct kthread *t, struct sysinfo *s);

/* The guest's action for a signal has changed. */
void view_action(struct kproc *p, int sig, uint64_t handler);
/* The program's file is known. */
void view_exe(struct kproc *p);

/* ---- names (view_names.c) ------------------------------------------------ */

#define VIEW_HEAD_BYTES 256 /* of a path: longer ones are none of these */

/*
 * What a path stands for when the host would say something else: the link's
 * target is put into `to` (of 4096 bytes) and its length returned; -ENOENT for
 * what is hidden; 0: the host knows best. `path` may be empty for dirfd
 * itself. `follow`: what can be opened instead, which may be a link as well.
 */
long view_link(struct kthread *t, long dirfd, const char *path, bool follow,
	       char *to);

#endif
