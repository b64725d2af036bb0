/* SPDX-License-Identifier: MIT */
/*
 * compress.c - pages of the compressed store, by liblz4: the core's port in
 * the kernel half and in the hosted processes alike. What it works with is on
 * the stack for the time, about 16 KiB: any thread may have to write pages,
 * and none may wait for another one's memory.
 */
#include <lz4.h>

#include <faultwise/port.h>

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
