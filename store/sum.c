/* SPDX-License-Identifier: MIT */
/*
 * sum.c - a store around another one that notices lies: each slot's sum is
 * kept in memory, and content that does not have it fails the read. While a
 * slot is written, and after a write of it failed, no content will do.
 */
#include "store/store.h"

#include <stdlib.h>
#include <sys/mman.h>

struct sum_store {
	struct fw_store base, *inner;
	uint64_t *sum; /* 0: no content is right */
};

static struct sum_store *sum_of(struct fw_store *s)
{
	return (struct sum_store *)s;
}

/* Of a page's 512 words and its slot's number; never 0. */
static uint64_t page_sum(const void *page, uint64_t slot)
{
	const uint64_t *word = page;
	uint64_t h = slot * 0x9e3779b97f4a7c15u + 1;

	for (unsigned i = 0; i < FW_PAGE_SIZE / sizeof(*word); i++)
		h = ((h << 29 | h >> 35) ^ word[i]) * 0xbf58476d1ce4e5b9u;
	h ^= h >> 32;
	return h ? h : 1;
}

static enum fw_status sum_read(struct fw_store *s, uint64_t slot,
			       void *const *page, unsigned n)
{
	const struct sum_store *c = sum_of(s);
	enum fw_status status = store_read(c->inner, slot, page, n);

	for (unsigned i = 0; i < n && status == FW_OK; i++)
		if (c->sum[slot + i] != page_sum(page[i], slot + i))
			status = FW_E_IO;
	return status;
}

static enum fw_status sum_write(struct fw_store *s, uint64_t slot,
				void *const *page, unsigned n)
{
	struct sum_store *c = sum_of(s);
	enum fw_status status;

	for (unsigned i = 0; i < n; i++)
		c->sum[slot + i] = 0;
	status = store_write(c->inner, slot, page, n);
	for (unsigned i = 0; i < n && status == FW_OK; i++)
		c->sum[slot + i] = page_sum(page[i], slot + i);
	return status;
}

static void sum_close(struct fw_store *s)
{
	struct sum_store *c = sum_of(s);

	store_close(c->inner);
	munmap(c->sum, s->slots * sizeof(*c->sum));
	free(c);
}

static const struct fw_store_ops sum_ops = {sum_read, sum_write, sum_close};

struct fw_store *store_sum_open(struct fw_store *inner)
{
	struct sum_store *c = calloc(1, sizeof(*c));
	void *sums = mmap(NULL, inner->slots * sizeof(*c->sum),
			  PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!c || sums == MAP_FAILED) {
		if (sums != MAP_FAILED)
			munmap(sums, inner->slots * sizeof(*c->sum));
		free(c);
		return NULL;
	}
	c->base = (struct fw_store){.ops = &sum_ops, .slots = inner->slots};
	c->inner = inner;
	c->sum = sums;
	return &c->base;
}
