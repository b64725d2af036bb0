/* SPDX-License-Identifier: MIT */
/*
 * mem.c - filling, copying and comparing pages. Word loops that the compiler
 * must not turn into calls of memset or memcpy of its own accord would be
 * slow; `rep` string moves are fast on every x86-64 since 2013 (ERMS) and
 * need no vector state. Older CPUs, and emulated ones, go byte by byte as they
 * are told: where 64 bits are missing, words are moved first.
 */
#include <mm/mm.h>

void fw_memzero(void *to, size_t n)
{
	size_t words = sizeof(void *) == 4 ? n / 4 : 0;

	if (words > 0)
		__asm__ volatile("rep stosl"
				 : "+D"(to), "+c"(words)
				 : "a"(0)
				 : "memory");
	if (sizeof(void *) == 4)
		n %= 4;
	__asm__ volatile("rep stosb"
			 : "+D"(to), "+c"(n)
			 : "a"(0)
			 : "memory");
}

void fw_memcpy(void *to, const void *from, size_t n)
{
	size_t words = sizeof(void *) == 4 ? n / 4 : 0;

	if (words > 0)
		__asm__ volatile("rep movsl"
				 : "+D"(to), "+S"(from), "+c"(words)
				 :
				 : "memory");
	if (sizeof(void *) == 4)
		n %= 4;
	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(n)
			 :
			 : "memory");
}

bool fw_page_is_zero(const void *page)
{
	const fw_word *w = page;
	size_t i, k;

	for (i = 0; i < FW_PAGE_SIZE / sizeof(*w); i += 8) {
		uint64_t any = 0;

		for (k = 0; k < 8; k++)
			any |= w[i + k];
		if (any)
			return false;
	}
	return true;
}

char *fw_put_text(char *to, const char *end, const char *text)
{
	while (*text && to < end)
		*to++ = *text++;
	return to;
}

char *fw_put_number(char *to, const char *end, uint64_t n)
{
	char digits[20];
	int k = 0;

	do {
		digits[k++] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	while (k > 0 && to < end)
		*to++ = digits[--k];
	return to;
}
