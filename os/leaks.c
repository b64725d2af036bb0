/* SPDX-License-Identifier: MIT */
/*
 * leaks.c - whether a program is going to look for leaks when it ends.
 *
 * Programs built with -fsanitize=address or leak do, with LeakSanitizer, which
 * stops the other threads by ptrace and gives the whole program up when it
 * may not. Such an executable has a .preinit_array, as hardly another one has,
 * and names the function that it calls from there.
 */
#include <linux/elf.h>

#include "os/image.h"

#define DT_PREINIT_ARRAY 32
#define DYNAMIC_MAX 64 /* entries of the dynamic section that are looked at */
#define NAMES_MAX (16ul << 20)
#define NAME_BYTES 11 /* of __asan_init and __lsan_init */

struct found {
	uint64_t names, size; /* the string table: address, bytes */
	bool preinit;
};

static void find_dynamic(long fd, const struct elf64_phdr *ph,
			 struct found *ret)
{
	Elf64_Dyn dyn[DYNAMIC_MAX];
	uint64_t bytes = ph->p_filesz;
	long n;

	if (bytes > sizeof(dyn))
		bytes = sizeof(dyn);
	n = HC4(__NR_pread64, fd, dyn, bytes, ph->p_offset);
	for (long i = 0; i < n / (long)sizeof(dyn[0]); i++) {
		if (dyn[i].d_tag == DT_NULL)
			break;
		if (dyn[i].d_tag == DT_PREINIT_ARRAY)
			ret->preinit = true;
		if (dyn[i].d_tag == DT_STRTAB)
			ret->names = dyn[i].d_un.d_ptr;
		if (dyn[i].d_tag == DT_STRSZ)
			ret->size = dyn[i].d_un.d_val;
	}
}

static bool is_one(const char *name)
{
	return !k_strncmp(name, "__asan_init", NAME_BYTES) ||
	       !k_strncmp(name, "__lsan_init", NAME_BYTES);
}

/* Pieces overlap, so that no name is missed between two. */
static bool has_name(long fd, uint64_t offset, uint64_t size)
{
	char piece[2048];
	uint64_t step = sizeof(piece) - NAME_BYTES;

	for (uint64_t at = 0; at < size && at < NAMES_MAX; at += step) {
		uint64_t want = size - at < sizeof(piece) ? size - at
							  : sizeof(piece);
		long n = HC4(__NR_pread64, fd, piece, want, offset + at);

		for (long i = 0; i + NAME_BYTES <= n; i++)
			if (piece[i] == '_' && is_one(piece + i))
				return true;
	}
	return false;
}

bool elf_seeks_leaks(long fd, const struct elf64_phdr *ph, unsigned n)
{
	struct found found = { 0, 0, false };

	for (unsigned i = 0; i < n; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			find_dynamic(fd, &ph[i], &found);
	if (!found.preinit)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (ph[i].p_type == PT_LOAD && found.names >= ph[i].p_vaddr &&
		    found.names - ph[i].p_vaddr < ph[i].p_filesz)
			return has_name(fd, ph[i].p_offset + found.names -
						    ph[i].p_vaddr,
					found.size);
	return false;
}
