/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int cmp(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}
int main(void)
{
	enum { N = 3000000 };
	unsigned *v = malloc(N * sizeof(*v)), x = 1, h = 0;
	char *s = malloc(1), *big = calloc(1, (size_t)1 << 33);
	for (int i = 0; i < N; i++)
		v[i] = x = x * 1664525u + 1013904223u;
	qsort(v, N, sizeof(*v), cmp);
	for (int i = 0; i < N; i++)
		h = h * 31 + v[i];
	for (int i = 1; i < 2000; i++) {
		s = realloc(s, (size_t)i * 1000);
		memset(s + (i - 1) * 1000, i, 1000);
	}
	for (int i = 0; big && i < 64; i++)
		big[(size_t)i << 27] = (char)i;
	printf("%u %d %d\n", h, s[1500000], big ? big[(size_t)5 << 27] : 5);
	return 0;
}
