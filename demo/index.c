/* SPDX-License-Identifier: MIT */
/*
 * index [MIB] [LOOKUPS] - an ordinary program that needs much memory: builds
 * an index of words with plain malloc, then looks words up, frequent ones
 * often and rare ones rarely, as a search engine does. Prints a hash of all
 * that it found.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;
	uint64_t key;
	uint64_t hits;
	char text[80];
};

struct index {
	struct entry **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_entries;
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void *get_memory(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p) {
		perror("index");
		exit(1);
	}
	return p;
}

static void add(struct index *index, uint64_t key)
{
	size_t b = mix(key) & (index->n_buckets - 1);
	struct entry *e = get_memory(1, sizeof(*e));

	e->key = key;
	snprintf(e->text, sizeof(e->text), "word %016lx of document %lu",
		 mix(key ^ 1), key % 1000);
	e->next = index->buckets[b];
	index->buckets[b] = e;
	index->n_entries++;
}

static struct entry *find(const struct index *index, uint64_t key)
{
	struct entry *e = index->buckets[mix(key) & (index->n_buckets - 1)];

	while (e && e->key != key)
		e = e->next;
	return e;
}

/* Which word is asked for next: the r-th most frequent one with a chance
 * that falls steeply with r. */
static uint64_t some_key(uint64_t n, size_t n_entries)
{
	double u = (double)(mix(n ^ 0x5eed) >> 11) / (double)(1ull << 53);
	double u4 = u * u * u * u;

	return (uint64_t)(u4 * u4 * u4 * u4 * (double)n_entries);
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 0) : 256;
	size_t lookups = argc > 2 ? strtoul(argv[2], NULL, 0) : 200000;
	struct index index = {.n_buckets = 1};
	size_t n = (mib << 20) / (sizeof(struct entry) + 16);
	uint64_t hash = 0;

	while (index.n_buckets < n / 2)
		index.n_buckets *= 2;
	index.buckets = get_memory(index.n_buckets, sizeof(*index.buckets));
	for (uint64_t key = 0; key < n; key++)
		add(&index, key);
	for (uint64_t i = 0; i < lookups; i++) {
		struct entry *e = find(&index, some_key(i, index.n_entries));

		if (!e) {
			fprintf(stderr, "index: a word is lost\n");
			exit(1);
		}
		e->hits++;
		hash = mix(hash ^ e->key ^ e->hits ^ (uint64_t)strlen(e->text));
	}
	printf("index of %zu words, %zu look-ups: %016lx\n", index.n_entries,
	       lookups, hash);
	free(index.buckets);
	return 0;
}
