/* SPDX-License-Identifier: MIT */
/*
 * compress.h - what expands pages (compress.c) works with. A context is made
 * once: libzstd asks the CPU what it can, and CPUID costs microseconds in a
 * virtual machine.
 */
#ifndef ARCH_HOST_COMPRESS_H
#define ARCH_HOST_COMPRESS_H

/* Contexts in memory of ours, and blocks. */
#define ZSTD_STATIC_LINKING_ONLY
#define ZSTD_DISABLE_DEPRECATE_WARNINGS
#include <zstd.h>

#include <faultwise/port.h>

/* The calling thread's; NULL: there is none, and no memory for one. */
ZSTD_DCtx *expand_context(void);

#endif
