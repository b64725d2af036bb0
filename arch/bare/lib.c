/* SPDX-License-Identifier: MIT */
/*
 * lib.c - what compilers and the core take for granted: four functions on
 * memory, and operations on 8 bytes that nothing comes in between of (one
 * CPU, interrupts off).
 */
#include "arch/bare/kernel.h"

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb"
			 : "+D"(at), "+S"(from), "+c"(n)
			 :
			 : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *end = (char *)to + n - 1;
	const char *last = (const char *)from + n - 1;

	if (to <= from)
		return memcpy(to, from, n);
	__asm__ volatile("std; rep movsb; cld"
			 : "+D"(end), "+S"(last), "+c"(n)
			 :
			 : "memory");
	return to;
}

void *memset(void *to, int value, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb"
			 : "+D"(at), "+c"(n)
			 : "a"(value)
			 : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool streq(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && memcmp(a, b, strlen(a)) == 0;
}

void strcopy(char *to, const char *from, size_t size)
{
	size_t n = strlen(from);

	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = 0;
}

/* ---- what gcc calls for 8 bytes on an i686 ----------------------------- */

uint64_t load_8(const volatile void *p, int order) __asm__("__atomic_load_8");
uint64_t load_8(const volatile void *p, int order)
{
	(void)order;
	return *(const volatile uint64_t *)p;
}

void store_8(volatile void *p, uint64_t value,
	     int order) __asm__("__atomic_store_8");
void store_8(volatile void *p, uint64_t value, int order)
{
	(void)order;
	*(volatile uint64_t *)p = value;
}

uint64_t fetch_add_8(volatile void *p, uint64_t value,
		     int order) __asm__("__atomic_fetch_add_8");
uint64_t fetch_add_8(volatile void *p, uint64_t value, int order)
{
	uint64_t old = *(volatile uint64_t *)p;

	(void)order;
	*(volatile uint64_t *)p = old + value;
	return old;
}

bool exchange_8(volatile void *p, void *seen, uint64_t value, int good,
		int bad) __asm__("__atomic_compare_exchange_8");
bool exchange_8(volatile void *p, void *seen, uint64_t value, int good,
		int bad)
{
	uint64_t old = *(volatile uint64_t *)p, *want = seen;

	(void)good, (void)bad;
	if (old != *want) {
		*want = old;
		return false;
	}
	*(volatile uint64_t *)p = value;
	return true;
}
