/* SPDX-License-Identifier: MIT */
/*
 * changes.h - files that change under private views of them: what opens,
 * maps, writes and cuts files says so here. See changes.c.
 */
#ifndef OS_CHANGES_H
#define OS_CHANGES_H

#include "os/regions.h"

struct stat;

/* `fd` has been opened with these flags. */
void file_opened(struct kthread *t, long fd, const struct stat *st,
		 uint64_t flags);
/* What the first program was started with is open. */
void files_first(struct kthread *t);
/* A view of a file can be written to, and stores are not seen by us. */
void file_shared(struct kthread *t, const struct stat *st);
/* A file has a new private view, [page, page + n) of it behind `cookie`; or
 * is a program that begins. */
void file_viewed(struct kthread *t, long fd, const struct stat *st,
		 uint64_t cookie, uint64_t page, uint64_t n, bool program);
/* A private view of a file has lost what stood in [start, end): what comes
 * again is what the file has now. */
void view_renew(struct kthread *t, uint64_t start, uint64_t end);

/* Where a write that says so goes, instead of an offset: where the descriptor
 * stands; somewhere. */
#define FILE_HERE (-1l)
#define FILE_SOMEWHERE (-2l)
/* Before a write that goes where the descriptor stands: to be handed to ... */
long file_place(struct kthread *t, long fd);
/* ... after it, with its result. `at`: its offset, or one of the above. */
void file_written(struct kthread *t, long fd, long place, long at, long n);
/* The file may be another one from this offset on; its size may be. */
void file_changed(struct kthread *t, long fd, uint64_t from);
void file_resized(struct kthread *t, long fd);
/* A call of those that are made natively has ended well. */
void file_call_done(struct kthread *t, long nr, const long a[6], long r);

#endif
