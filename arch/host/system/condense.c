/* SPDX-License-Identifier: MIT */
/*
 * condense.c - pages as small as they can be, by libzstd: for the writer, which
 * has the time. The kernel half reads them (../compress.c), and compresses by
 * liblz4 what it has to write itself.
 */
#include <string.h>

#include "arch/host/compress.h"
#include "arch/host/layout.h"

/* Higher ones take longer and gain next to nothing; below 1 pages are a third
 * larger, and quicker. */
#define LEVEL 1

/* Threads of the system process do not end before it does. */
static __thread ZSTD_CCtx *condenses;
static __thread ZSTD_DCtx *expands;

ZSTD_DCtx *expand_context(void)
{
	if (!expands)
		expands = ZSTD_createDCtx();
	return expands;
}

static bool begin(void)
{
	ZSTD_parameters p = ZSTD_getParams(LEVEL, FW_PAGE_SIZE, 0);

	/* What the kernel half has no room to expand would be lost. */
	if (ZSTD_estimateDCtxSize() > FW_EXPAND_BYTES)
		return false;
	if (!condenses)
		condenses = ZSTD_createCCtx();
	return condenses && !ZSTD_isError(ZSTD_compressBegin_advanced(
				    condenses, NULL, 0, p, FW_PAGE_SIZE));
}

unsigned fwp_condense(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room)
{
	char copy[FW_PAGE_SIZE]; /* which does not change meanwhile */
	size_t n;

	(void)mm;
	memcpy(copy, page, sizeof(copy));
	if (!begin())
		return 0;
	n = ZSTD_compressBlock(condenses, to, room, copy, sizeof(copy));
	return ZSTD_isError(n) ? 0 : (unsigned)n;
}
