/* SPDX-License-Identifier: MIT */
/*
 * touch PAGES [ROUNDS] - writes single pages of one area in random order,
 * then reads them in another random order, ROUNDS times, and checks them.
 */
#include "prog.h"

/* A permutation of 0..2^bits-1: odd multiplier, xor-shift, twice. */
static uint64_t permute(uint64_t x, unsigned bits, uint64_t key)
{
	uint64_t mask = ((uint64_t)1 << bits) - 1;

	for (unsigned i = 0; i < 2; i++) {
		x = (x * (mix(key + i) | 1) + mix(key + 7 + i)) & mask;
		x ^= x >> (bits / 2 + 1);
	}
	return x & mask;
}

int main(int argc, char **argv)
{
	uint64_t pages = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000;
	uint64_t rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	unsigned bits = 1;
	char *base = map_anon(pages * PAGE, 0);
	uint64_t hash = 0;

	while ((uint64_t)1 << bits < pages)
		bits++;
	for (uint64_t r = 0; r < rounds; r++) {
		for (uint64_t i = 0; i < (uint64_t)1 << bits; i++) {
			uint64_t p = permute(i, bits, 2 * r);

			if (p >= pages)
				continue;
			*(uint64_t *)(base + p * PAGE + (p % 512) * 8) =
				mix(p ^ r << 40);
		}
		for (uint64_t i = 0; i < (uint64_t)1 << bits; i++) {
			uint64_t p = permute(i, bits, 2 * r + 1);
			uint64_t *word;

			if (p >= pages)
				continue;
			word = (uint64_t *)(base + p * PAGE + (p % 512) * 8);
			if (*word != mix(p ^ r << 40)) {
				fprintf(stderr, "touch: page %lu is wrong\n",
					p);
				return 1;
			}
			hash = mix(hash ^ *word);
		}
	}
	printf("touch %lu pages: %016lx\n", pages, hash);
	return 0;
}
