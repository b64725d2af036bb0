/* SPDX-License-Identifier: MIT */
/* random.c - the numbers that choose operations: from a seed, or from bytes
 * that somebody else chose. */
#include "model/model.h"

static uint64_t random_state;
static const uint8_t *source;
static size_t left;
static bool unused; /* for the time being */

void model_seed(uint64_t seed, uint64_t step)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + step * 0xbf58476d1ce4e5b9 + 1;

	x = (x ^ x >> 31) * 0x94d049bb133111eb;
	random_state = (x ^ x >> 29) | 1;
}

void model_source(const uint8_t *bytes, size_t n)
{
	source = bytes;
	left = n;
}

void model_source_pause(bool pause)
{
	unused = pause;
}

bool model_source_left(void)
{
	return left > 0;
}

/* As many bytes as n needs, so that small choices stay where they are. */
static uint32_t from_source(uint32_t n)
{
	uint32_t x = 0;

	for (uint32_t most = n - 1; most > 0 && left > 0; most >>= 8, left--)
		x = x << 8 | *source++;
	return x % n;
}

uint32_t rnd(uint32_t n)
{
	if (left > 0 && !unused)
		return from_source(n);
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 16) % n);
}
