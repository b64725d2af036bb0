/* SPDX-License-Identifier: MIT */
/* calls.c - syscalls.def made into the table that calls.h declares. */
#include "os/calls.h"

#define V                                                                      \
	{                                                                      \
		0                                                              \
	}
#define IN(bytes)                                                              \
	{                                                                      \
		.kind = ARG_IN, .n = (bytes)                                   \
	}
#define OUT(bytes)                                                             \
	{                                                                      \
		.kind = ARG_OUT, .n = (bytes)                                  \
	}
#define IO(bytes) OUT(bytes)
#define INL(len) INU(len, 1)
#define INU(len, bytes)                                                        \
	{                                                                      \
		.kind = ARG_INL, .k = (len), .unit = (bytes)                   \
	}
#define INX(len, more)                                                         \
	{                                                                      \
		.kind = ARG_INL, .k = (len), .unit = 1, .extra = (more)        \
	}
#define OUTL(len) OUTU(len, 1)
#define OUTU(len, bytes)                                                       \
	{                                                                      \
		.kind = ARG_OUTL, .k = (len), .unit = (bytes)                  \
	}
#define OUTX(len, more)                                                        \
	{                                                                      \
		.kind = ARG_OUTL, .k = (len), .unit = 1, .extra = (more)       \
	}
#define CUT(len, bytes)                                                        \
	{                                                                      \
		.kind = ARG_CUT, .k = (len), .unit = (bytes)                   \
	}
#define OUTP(len)                                                              \
	{                                                                      \
		.kind = ARG_OUTP, .k = (len)                                   \
	}
#define STR                                                                    \
	{                                                                      \
		.kind = ARG_STR                                                \
	}
#define PATH                                                                   \
	{                                                                      \
		.kind = ARG_PATH                                               \
	}
#define PATHF(flags, flag)                                                     \
	{                                                                      \
		.kind = ARG_PATH, .k = (flags), .n = (flag)                    \
	}
#define PAGE                                                                   \
	{                                                                      \
		.kind = ARG_PAGE                                               \
	}

#define CALL(nr, id, cls, ...)                                                 \
	[nr] = {.name = #id, .class = (cls), .arg = {__VA_ARGS__}},
#define PASS(nr, id) [nr] = {.name = #id, .class = OS_PASS},
#define FD(nr, id) [nr] = {.name = #id, .class = OS_FD},
#define BUF(nr, id, ...) CALL(nr, id, OS_BUF, __VA_ARGS__)
#define ONCE(nr, id, ...) CALL(nr, id, OS_ONCE, __VA_ARGS__)
#define NOW(nr, id, ...) CALL(nr, id, OS_NOW, __VA_ARGS__)
#define OWN(nr, id) [nr] = {.name = #id, .fn = sys_##id, .class = OS_OWN},
#define REFUSE(nr, id, errno_)                                                 \
	[nr] = {.name = #id, .class = OS_REFUSE, .error = (errno_)},

const struct os_call os_calls[OS_CALLS] = {
#include "os/syscalls.def"
};
