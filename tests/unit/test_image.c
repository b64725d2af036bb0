/* SPDX-License-Identifier: MIT */
/*
 * test_image.c - image sections: segments with a place in the file and rights
 * of their own; and in-page errors, of the one who reads and of each who waits.
 */
#include "machine.h"

#include <time.h>

#define FILE_PAGES 12

static struct rig r;
static uint8_t file_data[FILE_PAGES * 4096];

/* Text: pages 0-2, of the file's 0-2. Constants: 4-5, of the file's 2-3, not
 * to the end. Data: 8-11, of the file's 3-4, the rest zero. Shared data: 16-17,
 * of the file's 6. Zeros only: 20-21. */
static const struct fw_segment segments[] = {
	{0, 3, 0, 2 * 4096 + 1000, FW_PROT_R | FW_PROT_X, 0, {0}},
	{4, 2, 2, 4096 + 77, FW_PROT_R, 0, {0}},
	{8, 4, 3, 4096 + 2001, FW_PROT_R | FW_PROT_W, 0, {0}},
	{16, 2, 6, 4096, FW_PROT_R | FW_PROT_W, 1, {0}},
	{20, 2, 0, 0, FW_PROT_R | FW_PROT_W, 0, {0}},
};
#define N_SEGMENTS (sizeof(segments) / sizeof(*segments))

static fw_addr at(uint64_t page)
{
	return BASE + page * PAGE;
}

static enum fw_status map_image(struct soft_cpu *cpu, fw_addr start,
				struct fw_section *image, uint64_t cookie)
{
	struct fw_map_request rq = {.start = start,
				    .section = image,
				    .flags = FW_VADF_RANDOM,
				    .cookie = cookie};

	return fw_image_map(r.s->mm, cpu->actor, cpu->space, &rq);
}

static struct fw_section *start(uint64_t *ret_cookie)
{
	for (unsigned i = 0; i < FILE_PAGES; i++)
		pattern(file_data + i * PAGE, 1 + i);
	r = rig_start(1024, 1, 4096);
	return soft_image(r.s, file_data, sizeof(file_data), segments,
			  N_SEGMENTS, ret_cookie);
}

/* A page holds `n` bytes of the file from this page of it on, then zeros. */
static void holds(struct soft_cpu *cpu, uint64_t page, uint64_t file_page,
		  uint64_t n)
{
	uint8_t want[4096] = {0}, got[4096];

	memcpy(want, file_data + file_page * PAGE, n);
	ok(soft_read(cpu, at(page), got, PAGE), "page %d", (int)page);
	is_mem(got, want, PAGE, "page %d", (int)page);
}

static void check_all(struct soft_cpu *cpu)
{
	holds(cpu, 0, 0, PAGE);
	holds(cpu, 1, 1, PAGE);
	holds(cpu, 2, 2, 1000);
	holds(cpu, 4, 2, PAGE);
	holds(cpu, 5, 3, 77);
	holds(cpu, 8, 3, PAGE);
	holds(cpu, 9, 4, 2001);
	holds(cpu, 10, 0, 0);
	holds(cpu, 11, 0, 0);
	holds(cpu, 16, 6, PAGE);
	holds(cpu, 17, 0, 0);
	holds(cpu, 20, 0, 0);
}

TEST(segments_are_where_they_should_be, "B05 B36 C31 C37 C38 C39 C40")
{
	struct fw_section *image;
	uint64_t cookie;

	image = start(&cookie);
	is_u64(map_image(r.cpu, BASE, image, cookie), FW_OK, "map");
	is_u64(r.cpu->space->n_vads, N_SEGMENTS, "a region a segment");
	is_u64(totals(&r).committed, 11, "private views are charged");
	check_all(r.cpu);
	is_u64(r.cpu->count[FW_KIND_MAPPED_FILE], 8, "pages of the file");
	is_u64(r.cpu->count[FW_KIND_DEMAND_ZERO], 4, "and pages of zeros");
	is_u64(r.s->io_pages[SOFT_FILE_READ], 8, "read, one by one");
	is_kind(touch(r.cpu, at(3), FW_ACC_READ), FW_KIND_MAPERR);
	is_kind(touch(r.cpu, at(12), FW_ACC_READ), FW_KIND_MAPERR);
	rig_end(&r);
}

/* Clusters end with their segment, and the tail is zeroed in them as well. */
TEST(segments_are_read_in_clusters, "B05 C40")
{
	struct fw_map_request rq = {.start = BASE};

	rq.section = start(&rq.cookie);
	is_u64(fw_image_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK,
	       "map");
	check_all(r.cpu);
	is_u64(r.s->ios[SOFT_FILE_READ], 4, "a read a segment");
	is_u64(r.s->io_pages[SOFT_FILE_READ], 8, "of its pages of the file");
	trim_all(&r, r.cpu);
	flush_standby(&r);
	check_all(r.cpu);
	is_u64(totals(&r).pages_written, 40, "only what pushed them out");
	rig_end(&r);
}

TEST(each_segment_has_its_rights, "B11 B16 B21 C32 C42 C43 C45 C79")
{
	struct soft_cpu *other;
	struct fw_section *image;
	uint64_t cookie;
	uint8_t byte = 0x99;

	image = start(&cookie);
	other = soft_cpu_create(r.s, NULL);
	map_image(r.cpu, BASE, image, cookie);
	is_u64(map_image(other, BASE, image, cookie), FW_OK, "a second run");
	is_kind(touch(r.cpu, at(0), FW_ACC_EXEC), FW_KIND_MAPPED_FILE);
	is_kind(touch(r.cpu, at(0), FW_ACC_WRITE), FW_KIND_ACCERR);
	is_kind(touch(r.cpu, at(4), FW_ACC_WRITE), FW_KIND_ACCERR);
	is_kind(touch(r.cpu, at(8), FW_ACC_READ), FW_KIND_MAPPED_FILE);
	if (FW_PTE_NX)
		is_kind(touch(r.cpu, at(8), FW_ACC_EXEC), FW_KIND_ACCERR);
	is_kind(touch(other, at(0), FW_ACC_READ), FW_KIND_PROTOTYPE);
	is_kind(touch(other, at(8), FW_ACC_READ), FW_KIND_PROTOTYPE);
	is_u64(fw_pte_pfn(soft_pte(other, at(0))),
	       fw_pte_pfn(soft_pte(r.cpu, at(0))), "text is shared");
	is_kind(touch(r.cpu, at(8), FW_ACC_WRITE), FW_KIND_COW);
	holds(other, 8, 3, PAGE);
	soft_write(r.cpu, at(9) + 3000, &byte, 1);
	soft_write(r.cpu, at(11), &byte, 1);
	holds(other, 9, 4, 2001);
	holds(other, 11, 0, 0);
	/* Shared data: one copy for all, and not the file's. */
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, at(16), PAGE),
	       FW_E_INVAL, "nothing to hold back from a file");
	soft_write(r.cpu, at(16) + 5, &byte, 1);
	soft_write(r.cpu, at(17) + 6, &byte, 1);
	byte = 0;
	soft_read(other, at(16) + 5, &byte, 1);
	is_u64(byte, 0x99, "seen by the other");
	trim_all(&r, r.cpu);
	trim_all(&r, other);
	write_all(&r);
	flush_standby(&r);
	byte = 0;
	is_kind(touch(other, at(16), FW_ACC_READ), FW_KIND_PAGE_FILE);
	soft_read(other, at(17) + 6, &byte, 1);
	is_u64(byte, 0x99, "by way of the page file");
	pattern(file_data, 7);
	is_mem(file_data + 6 * PAGE, file_data, PAGE, "the file is as it was");
	soft_cpu_exit(other);
	rig_end(&r);
}

TEST(an_image_is_not_the_data_section, "B05 C79")
{
	struct fw_section_key key = {1, 1, 0};
	struct fw_section *image, *again, *data;
	uint64_t cookie;

	image = start(&cookie);
	is_u64(fw_image_create(r.s->mm, r.s->keeper, &key, segments, 1,
			       &again),
	       FW_OK, "once more");
	ok(again == image, "the same image");
	is_u64(fw_section_create(r.s->mm, r.s->keeper, &key, FILE_PAGES,
				 &data),
	       FW_OK, "the file");
	ok(data != image, "another section");
	is_u64(fw_section_pages(image), 22, "as far as its segments");
	is_u64(fw_section_resize(r.s->mm, r.s->keeper, image, 1), FW_E_INVAL,
	       "it has one size");
	fw_section_unref(r.s->mm, r.s->keeper, data);
	fw_section_unref(r.s->mm, r.s->keeper, again);
	rig_end(&r);
}

TEST(bad_images, "C48")
{
	struct fw_section_key key = {9, 9, 9};
	struct fw_segment bad[][2] = {
		{{0, 0, 0, 0, 1, 0, {0}}, {4, 1, 0, 0, 1, 0, {0}}},
		{{0, 2, 0, 0, 1, 0, {0}}, {1, 1, 0, 0, 1, 0, {0}}},
		{{0, 1, 0, 4097, 1, 0, {0}}, {4, 1, 0, 0, 1, 0, {0}}},
		{{0, 1, 0, 0, 8, 0, {0}}, {4, 1, 0, 0, 1, 0, {0}}},
		{{0, 1, 0, 0, 1, 0, {0}},
		 {4, UINT64_MAX - 2, 0, 0, 1, 0, {0}}},
	};
	struct fw_section *image, *none;
	uint64_t cookie;

	image = start(&cookie);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is_u64(fw_image_create(r.s->mm, r.s->keeper, &key, bad[i], 2,
				       &none),
		       FW_E_INVAL, "%u", i);
	is_u64(fw_image_create(r.s->mm, r.s->keeper, &key, segments, 0, &none),
	       FW_E_INVAL, "no segments");
	/* In the way of the fourth segment. */
	map_single(&r, at(17), 1);
	is_u64(map_image(r.cpu, BASE, image, cookie), FW_E_EXIST, "in use");
	is_u64(r.cpu->space->n_vads, 1, "nothing is mapped");
	rig_end(&r);
}

/* ---- in-page errors ------------------------------------------------------ */

#define WAITERS 3

static struct soft_cpu *waiter[WAITERS];
static pthread_t thread[WAITERS];
static fw_addr where[WAITERS];
static unsigned n_started, n_failing, reads;

static void *wait_for_page(void *arg)
{
	unsigned i = *(unsigned *)arg;

	touch(waiter[i], where[i], i & 1 ? FW_ACC_WRITE : FW_ACC_READ);
	return NULL;
}

/* The first read fails, when all the others have been waiting for it. */
static enum fw_status fail_first(void *arg, enum soft_io io, uint64_t slot,
				 unsigned n)
{
	static unsigned number[WAITERS] = {0, 1, 2};
	const struct timespec ms = {.tv_nsec = 1000000};
	unsigned i;

	(void)arg, (void)slot, (void)n;
	if (io == SOFT_STORE_WRITE || reads++ > 0)
		return FW_OK;
	for (; n_started < WAITERS; n_started++)
		pthread_create(&thread[n_started], NULL, wait_for_page,
			       &number[n_started]);
	for (i = 0; i < WAITERS; i++)
		while (!__atomic_load_n(&waiter[i]->last.collisions,
					__ATOMIC_RELAXED))
			nanosleep(&ms, NULL);
	return n_failing ? FW_E_IO : FW_OK;
}

static void start_waiters(bool fails)
{
	for (unsigned i = 0; i < WAITERS; i++) {
		waiter[i] = soft_cpu_create(r.s, r.cpu->space);
		where[i] = BASE + 100 * i + 1;
	}
	n_started = reads = 0;
	n_failing = fails;
	r.s->io_hook = fail_first;
}

static void join_waiters(void)
{
	for (unsigned i = 0; i < n_started; i++)
		pthread_join(thread[i], NULL);
	r.s->io_hook = NULL;
}

/* One read, and an error for each: of its own address and access. */
static void one_error_each(void)
{
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_IOERR);
	join_waiters();
	is_u64(r.cpu->last.status, FW_E_IO, "what the store said");
	is_u64(reads, 1, "one read for all");
	for (unsigned i = 0; i < WAITERS; i++) {
		is_kind(waiter[i]->last.kind, FW_KIND_IOERR);
		is_u64(waiter[i]->last.status, FW_E_IO, "to %u as well", i);
		is_u64(waiter[i]->last.addr, where[i], "its address");
		is_u64(waiter[i]->last.access & FW_ACC_WRITE,
		       i & 1 ? FW_ACC_WRITE : 0, "its access");
		ok(waiter[i]->last.collisions > 0, "it waited");
	}
	is_u64(totals(&r).kind_count[FW_KIND_IOERR], 1 + WAITERS, "counted");
	rig_verify(&r);
}

/* Four pages that are in the page file and nowhere else. */
static void start_in_page_file(void)
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 4, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

TEST(an_error_for_each_who_waits, "B03 B42 A22")
{
	start_in_page_file();
	start_waiters(true);
	one_error_each();
	/* Nothing sticks to the page: the next touch reads it. */
	is_u64(wrong_pages(waiter[0], BASE, 4, 1), 0, "contents");
	for (unsigned i = 0; i < WAITERS; i++)
		soft_cpu_free(waiter[i]);
	rig_end(&r);
}

TEST(an_error_of_a_file_for_each_who_waits, "B05 B42")
{
	struct fw_section *image;
	uint64_t cookie;

	image = start(&cookie);
	map_image(r.cpu, at(0) - 8 * PAGE, image, cookie);
	start_waiters(true);
	one_error_each();
	holds(r.cpu, 0, 3, PAGE);
	for (unsigned i = 0; i < WAITERS; i++)
		soft_cpu_free(waiter[i]);
	rig_end(&r);
}

TEST(a_page_for_each_who_waits, "B42")
{
	start_in_page_file();
	start_waiters(false);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_PAGE_FILE);
	join_waiters();
	is_u64(reads, 1, "one read for all");
	for (unsigned i = 0; i < WAITERS; i++)
		ok(fw_kind_resolved(waiter[i]->last.kind), "%u", i);
	is_u64(totals(&r).kind_count[FW_KIND_IOERR], 0, "no error");
	for (unsigned i = 0; i < WAITERS; i++)
		soft_cpu_free(waiter[i]);
	rig_end(&r);
}
