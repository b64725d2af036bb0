/* SPDX-License-Identifier: MIT */
/*
 * compress.c - pages of the compressed store, by liblz4, and back from what
 * libzstd made smaller: the core's port in the kernel half and in the hosted
 * processes alike. liblz4 works on the stack, with 16 KiB; libzstd has memory
 * of the thread's (compress.h): any thread may have to write pages and to read
 * them, and none may wait for another one's memory.
 *
 * libzstd's pages are bare blocks, without a frame around them: its header
 * would cost a hundredth, and bytes that change while they are read could look
 * like one of an old format, for which libzstd allocates.
 */
#include <lz4.h>

#include "arch/host/compress.h"

unsigned fwp_compress(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room)
{
	uint64_t state[LZ4_STREAM_MINSIZE / sizeof(uint64_t)];
	int n = LZ4_compress_fast_extState(state, page, to, FW_PAGE_SIZE,
					   (int)room, 1);

	(void)mm;
	return n > 0 ? (unsigned)n : 0;
}

bool fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
		    void *page)
{
	(void)mm;
	return LZ4_decompress_safe(from, page, (int)n, FW_PAGE_SIZE) ==
	       FW_PAGE_SIZE;
}

bool fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		void *page)
{
	ZSTD_DCtx *context = expand_context();

	(void)mm;
	return context && !ZSTD_isError(ZSTD_decompressBegin(context)) &&
	       ZSTD_decompressBlock(context, page, FW_PAGE_SIZE, from, n) ==
		       FW_PAGE_SIZE;
}
