/* SPDX-License-Identifier: MIT */
/*
 * buffers.h - announcing what a host call reads and writes, then making it.
 *
 * The host answers EFAULT, without a signal, for a page that is not mapped
 * at that moment. So the pages of all buffers of a call are collected in a
 * struct buffers, made resident and announced together, and withdrawn when
 * the call has returned. What the guest may not access is left out: the host
 * then gives EFAULT, or a short count, by its own rules. A buffer that starts
 * in the kernel half is EFAULT before the host is asked.
 */
#ifndef OS_BUFFERS_H
#define OS_BUFFERS_H

#include "os/os.h"

#define BUF_RANGES FW_MAX_ANNOUNCE
#define BUF_PAGES 64 /* pages announced for one call */
/* A stream read may wait for long and is short by nature: it is given no
 * more, so that many waiting threads do not hold all frames. */
#define BUF_STREAM_BYTES 0x10000ul

struct buffers {
	struct kthread *t;
	unsigned n;
	unsigned pages;
	bool bad; /* a buffer does not start in the user half */
	bool pinned; /* a device may access their frames themselves */
	struct fw_range r[BUF_RANGES]; /* whole pages */
};

enum buf_mode {
	BUF_AGAIN, /* made again after EFAULT for buffers that were good */
	BUF_ONCE,  /* not made again: it consumes what it returns */
	BUF_NOW,   /* as BUF_AGAIN; does not block, a pending signal waits */
	BUF_LOOSE, /* as BUF_AGAIN; reads its buffers before it waits: they are
		    * made resident, but held only at the second attempt */
};

void buf_init(struct buffers *b, struct kthread *t);
/*
 * Adds [addr, addr + len) for `access` (FW_ACC_READ or FW_ACC_WRITE) and
 * returns how many of its bytes there was room for; all of them when addr
 * is NULL, which adds nothing.
 */
uint64_t buf_add(struct buffers *b, uint64_t addr, uint64_t len,
		 uint32_t access);
/* Adds the string at addr (up to 4096 bytes) and puts its first size - 1
 * bytes, NUL-terminated, into head. */
void buf_string(struct buffers *b, uint64_t addr, char *head, size_t size);
/* Makes the host call nr. Result: the host's, -EFAULT, or K_ERESTART. */
long buf_call(struct buffers *b, long nr, const long args[6],
	      enum buf_mode mode);
/*
 * The same with a signal mask of the guest's for its duration: *mask_arg, one
 * of args, is the guest's pointer to it (may be NULL) and becomes ours. size
 * is the size that the guest gives for it.
 */
long buf_call_masked(struct buffers *b, long nr, long args[6], long *mask_arg,
		     uint64_t size);

#endif
