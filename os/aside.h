/* SPDX-License-Identifier: MIT */
/*
 * aside.h - files that are opened for a moment although the guest may hold
 * record locks on them. See aside.c.
 */
#ifndef OS_ASIDE_H
#define OS_ASIDE_H

#include "os/os.h"

/* The guest asks for a record lock: from now on it may hold some. */
void aside_locks(struct kthread *t);
bool aside_needed(const struct kthread *t);
/*
 * Does fn(arg) where descriptors may be closed, and returns what that does;
 * or -ENOMEM, -EAGAIN. It opens what it needs itself; memory is the caller's,
 * who waits for it: of what it opens only mappings stay.
 */
long aside(struct kthread *t, long (*fn)(void *), void *arg);

#endif
