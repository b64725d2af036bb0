/* SPDX-License-Identifier: MIT */
/*
 * test_store.c - the stores themselves, and the core above stores that fail,
 * fill, vanish and lie: whoever needs a page that cannot be read is told so,
 * no page is lost, and nobody ever sees wrong content.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "mm/mm.h"

#define ALWAYS 1024 /* in 1024 */

/* Eight pages in a row, each with a pattern of its own. */
static uint8_t buffer[2][8 * PAGE] __attribute__((aligned(4096)));
static void *out[8], *in[8];

static void fill(uint64_t seed)
{
	for (unsigned i = 0; i < 8; i++) {
		out[i] = buffer[0] + i * PAGE;
		in[i] = buffer[1] + (7 - i) * PAGE; /* scattered */
		pattern(out[i], seed + i);
	}
	memset(buffer[1], 0, sizeof(buffer[1]));
}

static bool same(unsigned i)
{
	return !memcmp(out[i], in[i], PAGE);
}

/* ---- stores ------------------------------------------------------------- */

static void round_trip(struct fw_store *s)
{
	uint64_t before = s->pages_read;

	fill(1);
	is_u64(store_write(s, 3, out, 8), FW_OK, "write");
	is_u64(store_read(s, 3, in, 8), FW_OK, "read");
	for (unsigned i = 0; i < 8; i++)
		ok(same(i), "page %u", i);
	is_u64(store_read(s, 5, in, 1), FW_OK, "one of them");
	is_mem(in[0], out[2], PAGE, "its content");
	is_u64(s->pages_written, 8, "counted");
	is_u64(s->pages_read - before, 9, "counted");
	is_u64(store_write(s, 0, out, 1), FW_E_INVAL, "slot 0");
	is_u64(store_write(s, 1, out, 0), FW_E_INVAL, "no page");
	is_u64(store_write(s, 1, out, 65), FW_E_INVAL, "65 pages");
	is_u64(store_write(s, s->slots, out, 1), FW_E_INVAL, "behind the end");
	is_u64(store_write(s, s->slots - 1, out, 2), FW_E_INVAL, "over it");
	is_u64(store_write(s, UINT64_MAX, out, 2), FW_E_INVAL, "overflow");
	is_u64(store_write(s, s->slots - 1, out, 1), FW_OK, "the last slot");
}

TEST(a_store_keeps_pages, "")
{
	struct fw_store *s = store_ram_open(100);

	must(s, "in memory");
	is_u64(store_read(s, 1, in, 1), FW_E_INVAL, "never written");
	round_trip(s);
	store_close(s);
	s = store_file_open(test_env("TMPDIR", "/var/tmp"), 100);
	must(s, "in a file: %s", strerror(errno));
	diag("file: %s", store_file_is_direct(s) ? "O_DIRECT" : "buffered");
	round_trip(s);
	store_close(s);
	s = store_sum_open(store_ram_open(100));
	must(s, "with sums");
	round_trip(s);
	store_close(s);
	store_close(NULL);
	ok(!store_ram_open(1), "no room for slot 0 and another");
	ok(!store_file_open("/nowhere/page", 100) && errno == ENOENT,
	   "a path that is not there");
}

TEST(a_file_that_fills_or_is_cut_says_so, "")
{
	char path[] = "/tmp/faultwise-test-XXXXXX";
	int fd = mkstemp(path), full = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct fw_store *s = store_file_from_fd(fd, 100);
	struct fw_store *f = store_file_from_fd(full, 100);

	must(fd >= 0 && full >= 0 && s && f, "files");
	unlink(path);
	fill(2);
	is_u64(store_write(f, 1, out, 2), FW_E_FULL, "no space");
	is_u64(f->failures, 1, "counted");
	is_u64(store_write(s, 1, out, 8), FW_OK, "write");
	is_u64(ftruncate(fd, 5 * PAGE + 100), 0, "cut");
	is_u64(store_read(s, 1, in, 4), FW_OK, "before the end");
	is_u64(store_read(s, 2, in, 4), FW_E_IO, "over the end");
	is_u64(store_read(s, 50, in, 1), FW_E_IO, "behind it");
	store_close(s);
	ok(fcntl(fd, F_GETFD) >= 0, "the descriptor stays");
	close(fd);
	s = store_file_from_fd(fd, 100);
	is_u64(store_write(s, 1, out, 1), FW_E_IO, "a descriptor that is none");
	store_close(s);
	store_close(f);
	close(full);
}

/* ---- the faulty one ----------------------------------------------------- */

static struct fw_store *faulty(const struct fw_store_faults *f)
{
	struct fw_store *s = store_faulty_open(store_ram_open(4096), f);

	must(s, "a faulty store");
	return s;
}

/* A line of letters: what became of 400 requests. */
static void history(uint64_t seed, char *ret)
{
	const struct fw_store_faults f = {.seed = seed, .write_error = 100,
					  .short_write = 100,
					  .torn_write = 100, .reorder = 300,
					  .lost_write = 50};
	struct fw_store *s = faulty(&f);

	fill(3);
	for (unsigned i = 0; i < 400; i++) {
		bool good = store_write(s, 1 + i * 8, out, 8) == FW_OK;

		ret[i] = good ? 'w' : '.';
		if (good && store_read(s, 1 + i * 8, in, 8) != FW_OK)
			ret[i] = 'l';
	}
	ret[400] = '\0';
	store_close(s);
}

TEST(the_seed_says_what_fails, "")
{
	char a[401], b[401], c[401];
	unsigned failed = 0, lost = 0;

	history(1, a);
	history(1, b);
	history(2, c);
	is_str(a, b, "twice the same");
	ok(strcmp(a, c) != 0, "another seed, another history");
	for (unsigned i = 0; i < 400; i++) {
		failed += a[i] == '.';
		lost += a[i] == 'l';
	}
	ok(failed > 60 && failed < 180, "%u failed", failed);
	ok(lost > 5 && lost < 45, "%u were lost", lost);
}

static unsigned waits;

static void count_wait(void *arg, unsigned us)
{
	(void)arg, (void)us;
	waits++;
}

TEST(each_fault_is_what_it_says, "")
{
	struct fw_store_faults f = {.seed = 7};
	struct fw_store *s = faulty(&f);
	unsigned whole = 0, part = 0;

	fill(4);
	f.torn_lie = ALWAYS;
	store_faulty_set(s, &f);
	is_u64(store_write(s, 1, out, 8), FW_OK, "a torn write says OK");
	f.torn_lie = 0;
	store_faulty_set(s, &f);
	for (unsigned i = 0; i < 8; i++) {
		if (store_read(s, 1 + i, in + i, 1) != FW_OK)
			continue;
		whole += same(i);
		part += !same(i) && !memcmp(out[i], in[i], 512);
	}
	ok(part == 1 && whole < 8, "%u whole, %u in part", whole, part);
	f.reorder = f.delay = ALWAYS;
	f.delay_us = 5;
	f.wait = count_wait;
	store_faulty_set(s, &f);
	is_u64(store_write(s, 1, out, 8), FW_OK, "in any order");
	ok(waits > 8, "with %u waits", waits);
	is_u64(store_read(s, 1, in, 8), FW_OK, "read");
	for (unsigned i = 0; i < 8; i++)
		ok(same(i), "page %u", i);
	f = (struct fw_store_faults){.full_at = 100};
	store_faulty_set(s, &f);
	is_u64(store_write(s, 92, out, 8), FW_OK, "there is room");
	is_u64(store_write(s, 93, out, 8), FW_E_FULL, "and here none");
	f = (struct fw_store_faults){.vanish_after = 1};
	store_faulty_set(s, &f);
	is_u64(store_read(s, 1, in, 8), FW_E_IO, "vanished");
	is_u64(store_write(s, 1, out, 8), FW_E_IO, "vanished");
	store_close(s);
}

TEST(sums_find_lies, "")
{
	struct fw_store_faults f = {.lost_write = ALWAYS};
	struct fw_store *bad = faulty(&f), *s = store_sum_open(bad);

	fill(5);
	is_u64(store_write(s, 1, out, 8), FW_OK, "it says");
	is_u64(store_read(s, 1, in, 8), FW_E_IO, "but it was lost");
	f = (struct fw_store_faults){0};
	store_faulty_set(bad, &f);
	is_u64(store_write(s, 1, out, 8), FW_OK, "written");
	is_u64(store_read(s, 1, in, 8), FW_OK, "read");
	f.lost_write = ALWAYS;
	store_faulty_set(bad, &f);
	is_u64(store_write(s, 4, out, 1), FW_OK, "it says");
	is_u64(store_read(s, 4, in, 1), FW_E_IO, "but it is the old content");
	store_close(s);
}

/* ---- the core above them ------------------------------------------------ */

static struct rig r;
static struct fw_store *disk; /* the faulty one below */

/* 300 frames for pages, one page file that obeys until it is told
 * otherwise; `sums` notices lies. */
static void machine_start(bool sums)
{
	const struct fw_store_faults none = {0};
	struct soft_config config = {.nframes = 1024, .page_files = 1,
				     .slots = 4096, .page_frames = 300};
	struct fw_totals t;

	disk = faulty(&none);
	config.stores[0] = sums ? store_sum_open(disk) : disk;
	r = (struct rig){.s = soft_create(&config)};
	r.s->alone = true;
	t = totals(&r);
	r.in_use = frames_in_use(&t) - t.pool;
	r.cpu = soft_cpu_create(r.s, NULL);
	must(r.cpu, "a CPU");
}

/* Reads or writes pages of [0, n) at random, again when the disk fails; how
 * many accesses it refused. `version` is what each page should hold. */
static unsigned work(unsigned rounds, unsigned n, uint64_t *version,
		     uint64_t *seed, unsigned *ret_wrong)
{
	uint64_t want[PAGE / 8], got[PAGE / 8];
	unsigned refused = 0;

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t x = *seed = *seed * 6364136223846793005u + 1442695;
		unsigned page = (unsigned)((x >> 33) % n);
		fw_addr at = BASE + page * PAGE;
		bool done;

		if (x >> 63) {
			pattern(want, version[page] + 1);
			done = soft_write(r.cpu, at, want, PAGE);
			version[page] += done;
		} else {
			pattern(want, version[page]);
			done = soft_read(r.cpu, at, got, PAGE);
			*ret_wrong += done && version[page] &&
				      memcmp(want, got, PAGE) != 0;
		}
		refused += !done;
		if (!done && r.cpu->last.kind != FW_KIND_IOERR)
			ok(false, "refused: %s",
			   fw_kind_text(r.cpu->last.kind));
	}
	return refused;
}

static void versions_start(uint64_t *version, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		version[i] = (uint64_t)i * 1000000;
	for (unsigned i = 0; i < n; i++) {
		version[i]++;
		put_pages(r.cpu, BASE + i * PAGE, 1, version[i]);
	}
}

/* Every page has its last content, once the disk obeys. */
static void all_there(const uint64_t *version, unsigned n)
{
	const struct fw_store_faults none = {0};
	unsigned wrong = 0;

	store_faulty_set(disk, &none);
	for (unsigned i = 0; i < n; i++)
		wrong += wrong_pages(r.cpu, BASE + i * PAGE, 1,
				     version[i]) != 0;
	is_u64(wrong, 0, "pages lost");
}

#define PAGES 900

TEST(errors_are_told_and_nothing_is_lost, "B03 B42")
{
	static uint64_t version[PAGES];
	struct fw_store_faults f = {.read_error = 80, .write_error = 150,
				    .short_read = 80, .short_write = 100,
				    .torn_write = 100, .reorder = 200};
	unsigned refused = 0, wrong = 0;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		machine_start(false);
		is_u64(soft_map(r.cpu, BASE, PAGES, RW), FW_OK, "map");
		versions_start(version, PAGES);
		f.seed = seed;
		store_faulty_set(disk, &f);
		refused = work(4000, PAGES, version, &(uint64_t){seed},
			       &wrong);
		ok(refused > 20, "%u accesses refused", refused);
		ok(disk->failures > 50, "%u transfers failed",
		   (unsigned)disk->failures);
		is_u64(wrong, 0, "wrong pages seen");
		rig_verify(&r);
		all_there(version, PAGES);
		rig_end(&r);
	}
}

/* What a lie destroyed is an in-page error, never another content. */
TEST(lies_are_in_page_errors, "B03")
{
	static uint64_t version[PAGES];
	const struct fw_store_faults f = {.seed = 5, .lost_write = 100,
					  .torn_lie = 100};
	unsigned refused, wrong = 0;

	machine_start(true);
	is_u64(soft_map(r.cpu, BASE, PAGES, RW), FW_OK, "map");
	versions_start(version, PAGES);
	store_faulty_set(disk, &f);
	refused = work(4000, PAGES, version, &(uint64_t){9}, &wrong);
	ok(refused > 20, "%u accesses refused", refused);
	is_u64(wrong, 0, "wrong pages seen");
	rig_end(&r);
}

TEST(a_bad_write_leaves_the_page_modified, "B19")
{
	struct fw_store_faults f = {.write_error = ALWAYS};

	machine_start(false);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	store_faulty_set(disk, &f);
	is_u64(fw_write_modified(r.s->mm, r.s->keeper, 8), 0, "none is clean");
	is_u64(totals(&r).modified, 8, "modified");
	is_u64(totals(&r).slots_used, 0, "no slot is used");
	is_u64(totals(&r).pages_written, 0, "nothing was written");
	rig_verify(&r);
	f.write_error = 0;
	store_faulty_set(disk, &f);
	is_u64(fw_write_modified(r.s->mm, r.s->keeper, 8), 8, "clean");
	is_u64(totals(&r).slots_used, 8, "in slots");
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "contents");
	rig_end(&r);
}

/* The page file is gone: what is in RAM works on, what was out is an in-page
 * error, and when there is nothing left to give, memory is out. */
TEST(a_page_file_that_vanishes, "B03")
{
	struct fw_store_faults f = {.vanish_after = 1};
	unsigned errors = 0, right = 0;
	enum fw_kind end = NO_FAULT;

	machine_start(false);
	map_single(&r, BASE, 2000);
	put_pages(r.cpu, BASE, 600, 1);
	store_faulty_set(disk, &f);
	for (unsigned i = 0; i < 600; i++) {
		uint8_t byte;

		if (soft_read(r.cpu, BASE + i * PAGE, &byte, 1))
			right += wrong_pages(r.cpu, BASE + i * PAGE, 1,
					     1 + i) == 0;
		else
			errors += r.cpu->last.kind == FW_KIND_IOERR;
	}
	ok(errors > 200 && right > 100, "%u errors, %u pages", errors, right);
	is_u64(errors + right, 600, "one or the other");
	for (unsigned i = 600; i < 2000 && end == NO_FAULT; i++)
		if (!put_pages(r.cpu, BASE + i * PAGE, 1, 1 + i))
			end = r.cpu->last.kind;
	is_kind(end, FW_KIND_NOMEM);
	rig_verify(&r);
	f.vanish_after = 0;
	store_faulty_set(disk, &f);
	is_u64(wrong_pages(r.cpu, BASE, 600, 1), 0, "it came back");
	rig_end(&r);
}

/* There is less space than was promised. */
TEST(a_page_file_that_fills, "B03")
{
	const struct fw_store_faults f = {.full_at = 100}, none = {0};
	enum fw_kind end = NO_FAULT;
	unsigned n = 0, right = 0, refused = 0;

	machine_start(false);
	map_single(&r, BASE, 2000);
	store_faulty_set(disk, &f);
	while (n < 2000 && end == NO_FAULT)
		if (put_pages(r.cpu, BASE + n * PAGE, 1, 1 + n))
			n++;
		else
			end = r.cpu->last.kind;
	is_kind(end, FW_KIND_NOMEM);
	ok(n > 330 && n < 410, "%u pages: the RAM and 99 slots", n);
	rig_verify(&r);
	for (unsigned i = 0; i < n; i++)
		if (wrong_pages(r.cpu, BASE + i * PAGE, 1, 1 + i))
			refused += r.cpu->last.kind == FW_KIND_NOMEM;
		else
			right++;
	is_u64(right + refused, n, "the page, or no memory to read it into");
	store_faulty_set(disk, &none);
	is_u64(wrong_pages(r.cpu, BASE, n, 1), 0, "nothing is lost");
	rig_end(&r);
}

/* A sparse file: where it was written once, it has blocks. */
TEST(a_full_disk_is_written_to_where_it_was, "B03 B34")
{
	const struct fw_store_faults f = {.full_at = 800}, none = {0};
	uint64_t failures;

	machine_start(false);
	map_single(&r, BASE, 3500);
	store_faulty_set(disk, &f);
	must(put_pages(r.cpu, BASE, 1000, 1), "the RAM, and most of the disk");
	fw_discard(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 500 * PAGE);
	failures = disk->failures;
	for (unsigned i = 0; i < 5; i++) {
		fw_addr at = BASE + (1000 + i * 500) * PAGE;

		ok(put_pages(r.cpu, at, 500, 1001 + i * 500), "room");
		fw_discard(r.s->mm, r.cpu->actor, r.cpu->space,
			   at - 500 * PAGE, 500 * PAGE);
		rig_verify(&r);
	}
	failures = disk->failures - failures;
	ok(failures < 10, "%d writes failed", (int)failures);
	is_u64(wrong_pages(r.cpu, BASE + 3000 * PAGE, 500, 3001), 0,
	       "contents");
	/* As soon as there is more, it is used. */
	store_faulty_set(disk, &none);
	must(put_pages(r.cpu, BASE, 3000, 1), "more room");
	ok(totals(&r).slots_used > 2500, "%d slots",
	   (int)totals(&r).slots_used);
	is_u64(wrong_pages(r.cpu, BASE, 3500, 1), 0, "contents");
	rig_end(&r);
}

static struct {
	unsigned fail, failed, a_second; /* writes */
} outage;

static enum fw_status fail_for_a_while(void *arg, enum soft_io io,
				       uint64_t where, unsigned n)
{
	(void)arg, (void)where, (void)n;
	if (io != SOFT_STORE_WRITE || outage.failed >= outage.fail)
		return FW_OK;
	outage.failed++;
	if (outage.a_second > 0 && outage.failed % outage.a_second == 0)
		r.s->mm->seconds++;
	return FW_E_IO;
}

/* Twice the RAM is written to, once writes fail. */
static bool outage_survived(unsigned fail, unsigned a_second)
{
	bool done;

	machine_start(false);
	r.s->mm->seconds = a_second > 0;
	map_single(&r, BASE, 1000);
	put_pages(r.cpu, BASE, 400, 1);
	outage.fail = fail;
	outage.failed = 0;
	outage.a_second = a_second;
	r.s->io_hook = fail_for_a_while;
	done = put_pages(r.cpu, BASE + 400 * PAGE, 600, 401);
	ok(outage.failed > 0, "writes failed");
	if (!done)
		is_kind(r.cpu->last.kind, FW_KIND_NOMEM);
	rig_verify(&r);
	outage.fail = 0;
	must(put_pages(r.cpu, BASE + 400 * PAGE, 600, 401), "once it is over");
	is_u64(wrong_pages(r.cpu, BASE, 1000, 1), 0, "contents");
	rig_end(&r);
	return done;
}

/* Nobody ends for a disk that does not answer for some seconds; there is an end
 * to that. */
TEST(a_disk_that_fails_for_a_while, "B03 B34")
{
	ok(outage_survived(100, 0), "where nobody counts seconds");
	ok(!outage_survived(2000, 0), "an end to it");
	is_u64(outage.failed >= 200 && outage.failed < 300, true,
	       "after %u writes", outage.failed);
	ok(outage_survived(270, 30), "nine seconds");
	ok(!outage_survived(2000, 30), "more than that");
	is_u64(outage.failed >= 300 && outage.failed < 400, true,
	       "after %u writes", outage.failed);
}

/* ---- waiters ------------------------------------------------------------ */

#define WAITERS 3
static struct soft_cpu *waiter[WAITERS];
static enum fw_kind waiter_kind[WAITERS];
static pthread_t waiter_thread[WAITERS];
static atomic_bool waiters_started;

static void *wait_for_page(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	waiter_kind[i] = touch(waiter[i], BASE, FW_ACC_READ);
	return NULL;
}

/* Amid the first read: the others want the page as well, and wait. */
static void others_come(void *arg, unsigned us)
{
	(void)arg, (void)us;
	if (atomic_exchange(&waiters_started, true))
		return;
	for (uintptr_t i = 0; i < WAITERS; i++)
		pthread_create(&waiter_thread[i], NULL, wait_for_page,
			       (void *)i);
	for (unsigned i = 0; i < WAITERS; i++)
		while (!__atomic_load_n(&waiter[i]->last.collisions,
					__ATOMIC_RELAXED))
			usleep(1000);
}

TEST(an_in_page_error_reaches_every_waiter, "B42 B03")
{
	const struct fw_store_faults f = {.read_error = ALWAYS,
					  .delay = ALWAYS,
					  .wait = others_come};
	const struct fw_store_faults none = {0};

	machine_start(false);
	map_single(&r, BASE, 1);
	put_pages(r.cpu, BASE, 1, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	for (unsigned i = 0; i < WAITERS; i++)
		waiter[i] = soft_cpu_create(r.s, r.cpu->space);
	atomic_store(&waiters_started, false);
	store_faulty_set(disk, &f);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_IOERR);
	for (unsigned i = 0; i < WAITERS; i++) {
		pthread_join(waiter_thread[i], NULL);
		is_kind(waiter_kind[i], FW_KIND_IOERR);
		ok(waiter[i]->last.collisions > 0, "it had waited");
		is_u64(wrong_pages(waiter[i], BASE, 1, 1), 1, "no page");
	}
	store_faulty_set(disk, &none);
	is_u64(wrong_pages(r.cpu, BASE, 1, 1), 0, "and now the page");
	for (unsigned i = 0; i < WAITERS; i++)
		soft_cpu_free(waiter[i]);
	rig_end(&r);
}
