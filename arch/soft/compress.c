/* SPDX-License-Identifier: MIT */
/*
 * compress.c - for the compressed store, a method that needs no library: a
 * page as runs of words, each of which differs from the one before by the
 * same step. Pages of patterns become small, random ones do not. Condensed,
 * a run takes two thirds of the bytes, and a seal tells the two forms apart.
 */
#include "arch/soft/soft.h"

#include <string.h>

#define WORDS (FW_PAGE_SIZE / sizeof(uint64_t))

struct run {
	uint64_t first, step, n;
};

/* The run that begins at word i. The page may change meanwhile. */
static struct run run_at(const volatile uint64_t *word, unsigned i)
{
	struct run r = {.first = word[i], .n = 1};

	if (i + 1 < WORDS)
		r.step = word[i + 1] - r.first;
	while (i + r.n < WORDS && word[i + r.n] == r.first + r.n * r.step)
		r.n++;
	return r;
}

struct dense_run {
	uint64_t first;
	uint32_t step; /* signed */
	uint32_t n;
};
#define DENSE_SEAL 0xc0de5eafu

unsigned fwp_condense(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room)
{
	const uint32_t seal = DENSE_SEAL;
	unsigned used = sizeof(seal);

	(void)mm;
	if (room < used)
		return 0;
	memcpy(to, &seal, sizeof(seal));
	for (uint64_t i = 0; i < WORDS;) {
		struct run r = run_at(page, (unsigned)i);
		struct dense_run d = {r.first, (uint32_t)r.step, (uint32_t)r.n};

		if ((uint64_t)(int32_t)d.step != r.step ||
		    used + sizeof(d) > room)
			return 0;
		memcpy((char *)to + used, &d, sizeof(d));
		used += (unsigned)sizeof(d);
		i += r.n;
	}
	return used;
}

bool fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		void *page)
{
	const uint32_t seal = DENSE_SEAL;
	uint64_t *word = page, at = 0;

	(void)mm;
	if (n < sizeof(seal) || memcmp(from, &seal, sizeof(seal)) != 0)
		return false;
	for (unsigned i = sizeof(seal); i + sizeof(struct dense_run) <= n;
	     i += (unsigned)sizeof(struct dense_run)) {
		struct dense_run d;

		memcpy(&d, (const char *)from + i, sizeof(d));
		if (d.n > WORDS - at)
			return false;
		for (uint64_t k = 0; k < d.n; k++)
			word[at++] = d.first + k * (uint64_t)(int32_t)d.step;
	}
	return at == WORDS &&
	       (n - sizeof(seal)) % sizeof(struct dense_run) == 0;
}

unsigned fwp_compress(const struct fw_mm *mm, const void *page, void *to,
		      unsigned room)
{
	unsigned used = 0;

	(void)mm;
	for (uint64_t i = 0; i < WORDS;) {
		struct run r = run_at(page, (unsigned)i);

		if (used + sizeof(r) > room)
			return 0;
		memcpy((char *)to + used, &r, sizeof(r));
		used += (unsigned)sizeof(r);
		i += r.n;
	}
	return used;
}

bool fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
		    void *page)
{
	uint64_t *word = page, at = 0;

	(void)mm;
	for (unsigned i = 0; i + sizeof(struct run) <= n;
	     i += (unsigned)sizeof(struct run)) {
		struct run r;

		memcpy(&r, (const char *)from + i, sizeof(r));
		if (r.n > WORDS - at)
			return false;
		for (uint64_t k = 0; k < r.n; k++)
			word[at++] = r.first + k * r.step;
	}
	return at == WORDS && n % sizeof(struct run) == 0;
}
