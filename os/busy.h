/* SPDX-License-Identifier: MIT */
/* busy.h - busy.c for those who open files and run programs. */
#ifndef OS_BUSY_H
#define OS_BUSY_H

#include "os/buffers.h"

/* Whether opening with these flags can be ETXTBSY. */
bool busy_concerns(uint64_t flags);
/* -ETXTBSY for a path whose file must not be opened for writing or truncated
 * as a program runs from it. b has the path, if that is the guest's. */
long busy_for_writing(struct buffers *b, long dirfd, long path,
		      uint64_t flags);
/* -ETXTBSY for a program that somebody has open for writing; `ours`: this
 * process has opened the descriptor for itself. */
long busy_for_running(long fd, bool ours);
/* The process runs this program from now on. */
void busy_note(struct fw_proc *proc, long fd);

#endif
