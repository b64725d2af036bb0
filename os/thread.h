/* SPDX-License-Identifier: MIT */
/* thread.h - between fork.c and thread.c. */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include "os/os.h"

/* What clone, clone3, fork and vfork ask for. */
struct clone_request {
	uint64_t flags; /* without the exit signal */
	uint32_t exit_signal;
	bool inherited; /* fork: hostmap_inherited() of the parent */
	uint64_t stack; /* first rsp of the child; 0: the caller's */
	uint64_t ptid, ctid, tls, pidfd;
};

/* A thread of this process (CLONE_THREAD); its tid or -errno. */
long thread_clone(struct kthread *t, const struct ucontext *uc,
		  const struct clone_request *rq);

#endif
