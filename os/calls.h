/* SPDX-License-Identifier: MIT */
/*
 * calls.h - the system-call table of syscalls.def, as data.
 *
 * The dispatcher (syscall.c) and the filter (filter.c) both read it, so that
 * what the filter lets pass and what the dispatcher expects are one thing.
 */
#ifndef OS_CALLS_H
#define OS_CALLS_H

#include "os/os.h"

#define OS_CALLS 463 /* numbers 0 .. 462; all others are ENOSYS */

enum os_class {
	OS_NONE, /* no such call */
	OS_PASS,
	OS_FD,
	OS_BUF,
	OS_ONCE,
	OS_NOW,
	OS_OWN,
	OS_REFUSE,
};

enum os_arg_kind {
	ARG_VALUE,
	ARG_IN,	  /* n bytes read */
	ARG_OUT,  /* n bytes written, or read and written */
	ARG_INL,  /* (argument k) * unit + extra bytes read */
	ARG_OUTL, /* ... written */
	ARG_CUT,  /* ... written, and argument k may be made smaller */
	ARG_OUTP, /* as many bytes written as the int at argument k says */
	ARG_STR,
	ARG_PATH, /* not replaced when argument k has flag n */
	ARG_PAGE,
};

struct os_arg {
	uint8_t kind; /* enum os_arg_kind */
	uint8_t k;
	uint8_t unit;
	uint8_t extra;
	uint32_t n;
};

struct os_call {
	const char *name;
	os_call_fn *fn; /* OS_OWN */
	uint8_t class;	/* enum os_class */
	uint8_t error;	/* OS_REFUSE: the errno */
	struct os_arg arg[6];
};

extern const struct os_call os_calls[OS_CALLS];

#endif
