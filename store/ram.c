/* SPDX-License-Identifier: MIT */
/* ram.c - a store in memory, and what all stores have in common. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- all stores -------------------------------------------------------- */

static bool in_range(const struct fw_store *s, uint64_t slot, unsigned n)
{
	return n >= 1 && n <= FW_STORE_MAX && slot >= 1 && slot < s->slots &&
	       n <= s->slots - slot;
}

static void count(uint64_t *requests, uint64_t *pages, unsigned n)
{
	__atomic_add_fetch(requests, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(pages, n, __ATOMIC_RELAXED);
}

static enum fw_status count_end(struct fw_store *s, enum fw_status status)
{
	if (status != FW_OK)
		__atomic_add_fetch(&s->failures, 1, __ATOMIC_RELAXED);
	return status;
}

enum fw_status store_read(struct fw_store *s, uint64_t slot, void *const *page,
			  unsigned n)
{
	if (!in_range(s, slot, n))
		return FW_E_INVAL;
	count(&s->reads, &s->pages_read, n);
	return count_end(s, s->ops->read(s, slot, page, n));
}

enum fw_status store_write(struct fw_store *s, uint64_t slot,
			   void *const *page, unsigned n)
{
	if (!in_range(s, slot, n))
		return FW_E_INVAL;
	count(&s->writes, &s->pages_written, n);
	return count_end(s, s->ops->write(s, slot, page, n));
}

void store_close(struct fw_store *s)
{
	if (s)
		s->ops->close(s);
}

/* ---- memory ------------------------------------------------------------ */

struct ram_store {
	struct fw_store base;
	uint8_t *data;
	uint8_t *written; /* per slot */
};

static struct ram_store *ram_of(struct fw_store *s)
{
	return (struct ram_store *)s;
}

static enum fw_status ram_read(struct fw_store *s, uint64_t slot,
			       void *const *page, unsigned n)
{
	const struct ram_store *r = ram_of(s);

	for (unsigned i = 0; i < n; i++) {
		if (!r->written[slot + i])
			return FW_E_INVAL;
		memcpy(page[i], r->data + (slot + i) * FW_PAGE_SIZE,
		       FW_PAGE_SIZE);
	}
	return FW_OK;
}

static enum fw_status ram_write(struct fw_store *s, uint64_t slot,
				void *const *page, unsigned n)
{
	struct ram_store *r = ram_of(s);

	for (unsigned i = 0; i < n; i++) {
		memcpy(r->data + (slot + i) * FW_PAGE_SIZE, page[i],
		       FW_PAGE_SIZE);
		r->written[slot + i] = 1;
	}
	return FW_OK;
}

static void ram_close(struct fw_store *s)
{
	struct ram_store *r = ram_of(s);

	munmap(r->data, s->slots * FW_PAGE_SIZE);
	munmap(r->written, s->slots);
	free(r);
}

static const struct fw_store_ops ram_ops = {ram_read, ram_write, ram_close};

static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct fw_store *store_ram_open(uint64_t slots)
{
	struct ram_store *r = calloc(1, sizeof(*r));

	if (!r || slots < 2 || slots > UINT64_MAX / 2 / FW_PAGE_SIZE)
		goto no_data;
	r->base = (struct fw_store){.ops = &ram_ops, .slots = slots};
	r->data = reserve(slots * FW_PAGE_SIZE);
	if (!r->data)
		goto no_data;
	r->written = reserve(slots);
	if (!r->written)
		goto no_written;
	return &r->base;
no_written:
	munmap(r->data, slots * FW_PAGE_SIZE);
no_data:
	free(r);
	return NULL;
}
