/* SPDX-License-Identifier: MIT */
/*
 * faulty.c - a store around another one that misbehaves as disks do. What
 * becomes of request number k follows from the seed and k alone, so a run
 * whose requests come in the same order fails in the same places.
 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECTOR 512u

struct faulty_store {
	struct fw_store base, *inner;
	struct fw_store_faults f;
	uint64_t requests;
};

/* One request: its random numbers, its pages in the order they go. */
struct request {
	struct faulty_store *store;
	uint64_t random, number, slot;
	void *const *page;
	unsigned n;
	bool write, late;
	uint8_t order[FW_STORE_MAX];
};

static struct faulty_store *faulty_of(struct fw_store *s)
{
	return (struct faulty_store *)s;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(struct request *q)
{
	uint64_t z = q->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool chance(struct request *q, uint32_t in_1024)
{
	/* Drawn always, so that one rate does not shift the others. */
	return draw(q) % 1024 < in_1024;
}

static void pause_for(struct request *q)
{
	const struct fw_store_faults *f = &q->store->f;
	unsigned us = (unsigned)(draw(q) % (f->delay_us + 1u));
	struct timespec t = {.tv_nsec = us % 1000000 * 1000L,
			     .tv_sec = us / 1000000};

	if (!q->late)
		return;
	if (f->wait)
		f->wait(f->wait_arg, us);
	else
		nanosleep(&t, NULL);
}

static void begin(struct request *q, struct fw_store *s, bool write,
		  uint64_t slot, void *const *page, unsigned n)
{
	struct faulty_store *f = faulty_of(s);

	*q = (struct request){.store = f, .slot = slot, .page = page, .n = n,
			      .write = write};
	q->number = __atomic_add_fetch(&f->requests, 1, __ATOMIC_RELAXED);
	q->random = f->f.seed * 0xd1342543de82ef95u + q->number;
	for (unsigned i = 0; i < n; i++)
		q->order[i] = (uint8_t)i;
	if (chance(q, f->f.reorder))
		for (unsigned i = n - 1; i > 0; i--) {
			unsigned k = (unsigned)(draw(q) % (i + 1u));
			uint8_t swap = q->order[i];

			q->order[i] = q->order[k];
			q->order[k] = swap;
		}
	q->late = chance(q, f->f.delay);
	pause_for(q);
}

/* `n` adjacent pages from page i on. What is read may never have reached the
 * inner store. */
static enum fw_status pages_at(struct request *q, unsigned i, unsigned n)
{
	struct fw_store *inner = q->store->inner;
	enum fw_status status;

	status = q->write ? store_write(inner, q->slot + i, q->page + i, n)
			  : store_read(inner, q->slot + i, q->page + i, n);
	return status == FW_E_INVAL ? FW_E_IO : status;
}

/* The first `n` pages in their order. In one go, if nothing is to be seen
 * in between. */
static enum fw_status some_pages(struct request *q, unsigned n)
{
	enum fw_status status = FW_OK;
	bool straight = !q->late;

	for (unsigned i = 0; i < q->n; i++)
		straight = straight && q->order[i] == i;
	if (straight && n > 0)
		return pages_at(q, 0, n);
	for (unsigned i = 0; i < n && status == FW_OK; i++) {
		status = pages_at(q, q->order[i], 1);
		pause_for(q);
	}
	return status;
}

/* Part of a page: the rest stays what it was (zeros, if it was nothing). */
static enum fw_status torn_page(struct request *q, unsigned i)
{
	uint8_t mix[FW_PAGE_SIZE] __attribute__((aligned(4096)));
	size_t bytes = SECTOR * (1 + draw(q) % (FW_PAGE_SIZE / SECTOR - 1));
	void *page[1] = {mix};

	if (store_read(q->store->inner, q->slot + i, page, 1) != FW_OK)
		memset(mix, 0, sizeof(mix));
	memcpy(mix, q->page[i], bytes);
	return store_write(q->store->inner, q->slot + i, page, 1);
}

static enum fw_status torn_write(struct request *q)
{
	unsigned whole = (unsigned)(draw(q) % q->n);
	enum fw_status status = some_pages(q, whole);

	return status == FW_OK ? torn_page(q, q->order[whole]) : status;
}

static enum fw_status short_transfer(struct request *q)
{
	some_pages(q, (unsigned)(draw(q) % q->n));
	return FW_E_IO;
}

static bool gone(const struct request *q)
{
	uint64_t after = q->store->f.vanish_after;

	return after > 0 && q->number > after;
}

static enum fw_status faulty_read(struct fw_store *s, uint64_t slot,
				  void *const *page, unsigned n)
{
	const struct fw_store_faults *f = &faulty_of(s)->f;
	struct request q;
	bool error, shorter;

	begin(&q, s, false, slot, page, n);
	error = chance(&q, f->read_error);
	shorter = chance(&q, f->short_read);
	if (gone(&q) || error)
		return FW_E_IO;
	return shorter ? short_transfer(&q) : some_pages(&q, n);
}

static enum fw_status faulty_write(struct fw_store *s, uint64_t slot,
				   void *const *page, unsigned n)
{
	const struct fw_store_faults *f = &faulty_of(s)->f;
	bool error, shorter, torn, lost, lie;
	struct request q;

	begin(&q, s, true, slot, page, n);
	error = chance(&q, f->write_error);
	shorter = chance(&q, f->short_write);
	torn = chance(&q, f->torn_write);
	lost = chance(&q, f->lost_write);
	lie = chance(&q, f->torn_lie);
	if (gone(&q) || error)
		return FW_E_IO;
	if (f->full_at > 0 && slot + n > f->full_at)
		return FW_E_FULL;
	if (shorter)
		return short_transfer(&q);
	if (torn || lie) {
		enum fw_status status = torn_write(&q);

		return torn ? FW_E_IO : status;
	}
	return lost ? FW_OK : some_pages(&q, n);
}

static void faulty_close(struct fw_store *s)
{
	store_close(faulty_of(s)->inner);
	free(s);
}

static const struct fw_store_ops faulty_ops = {faulty_read, faulty_write,
					       faulty_close};

struct fw_store *store_faulty_open(struct fw_store *inner,
				   const struct fw_store_faults *faults)
{
	struct faulty_store *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base = (struct fw_store){.ops = &faulty_ops, .slots = inner->slots};
	f->inner = inner;
	f->f = *faults;
	return &f->base;
}

void store_faulty_set(struct fw_store *s, const struct fw_store_faults *faults)
{
	faulty_of(s)->f = *faults;
}
