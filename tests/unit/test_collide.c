/* SPDX-License-Identifier: MIT */
/*
 * test_collide.c - somebody needs a page while it is on its way in or out.
 * The I/O hook starts the other access and lets the I/O go on only when that
 * one has got as far as it can.
 */
#include "machine.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <time.h>

static struct rig r;
static struct soft_cpu *other;
static pthread_t thread;
static enum soft_io which;
static atomic_bool started;
static fw_addr where;
static uint32_t how;
static enum fw_kind kind;
static enum fw_status result;

static void *access_it(void *arg)
{
	(void)arg;
	kind = touch(other, where, how);
	return NULL;
}

static void sleep_ms(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

/* The other access waits for this I/O, or needs not to and ends. */
static enum fw_status meanwhile(void *arg, enum soft_io io, uint64_t at,
				unsigned n)
{
	bool waits = *(bool *)arg;
	uint64_t before = __atomic_load_n(&r.s->waits, __ATOMIC_RELAXED);

	(void)at, (void)n;
	if (io != which || atomic_exchange(&started, true))
		return FW_OK;
	pthread_create(&thread, NULL, access_it, NULL);
	if (!waits)
		pthread_join(thread, NULL);
	else
		while (__atomic_load_n(&r.s->waits, __ATOMIC_RELAXED) <
		       before + 2)
			sleep_ms();
	return result;
}

static void arm(enum soft_io io, bool *waits, fw_addr at, uint32_t access)
{
	which = io;
	where = at;
	how = access;
	result = FW_OK;
	atomic_store(&started, false);
	r.s->io_arg = waits;
	r.s->io_hook = meanwhile;
}

static void page_out(void)
{
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

TEST(a_read_serves_all_who_wait, "B42 C77")
{
	bool waits = true;
	uint64_t reads;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, r.cpu->space);
	page_out();
	reads = r.s->ios[SOFT_STORE_READ];
	arm(SOFT_STORE_READ, &waits, BASE, FW_ACC_READ);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_PAGE_FILE);
	pthread_join(thread, NULL);
	r.s->io_hook = NULL;
	ok(kind == FW_KIND_COLLIDED || kind == FW_KIND_REFILL,
	   "the other waited: %s", fw_kind_text(kind));
	ok(other->last.collisions > 0, "and says so");
	is_u64(r.s->ios[SOFT_STORE_READ], reads + 1, "one read for both");
	is_u64(wrong_pages(other, BASE, 8, 1), 0, "contents");
	soft_cpu_free(other);
	rig_end(&r);
}

TEST(a_failed_read_is_tried_again_by_who_waits, "B42 B03")
{
	bool waits = true;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, r.cpu->space);
	page_out();
	arm(SOFT_STORE_READ, &waits, BASE, FW_ACC_READ);
	result = FW_E_IO;
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_IOERR);
	pthread_join(thread, NULL);
	r.s->io_hook = NULL;
	ok(kind == FW_KIND_IOERR || kind == FW_KIND_PAGE_FILE,
	   "an error or the page: %s", fw_kind_text(kind));
	is_u64(wrong_pages(other, BASE, 8, 1), 0, "contents");
	soft_cpu_free(other);
	rig_end(&r);
}

/* A page that is being written out is taken back, and written to. */
TEST(rescued_from_the_writer, "B07 B34 B42")
{
	bool waits = false;
	uint8_t byte;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, r.cpu->space);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	arm(SOFT_STORE_WRITE, &waits, BASE + PAGE + 9, FW_ACC_WRITE);
	fw_write_modified(r.s->mm, r.s->keeper, 64);
	r.s->io_hook = NULL;
	is_kind(kind, FW_KIND_TRANSITION);
	rig_verify(&r);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 1, "it has to be written once more");
	write_all(&r);
	flush_standby(&r);
	soft_read(r.cpu, BASE + PAGE + 9, &byte, 1);
	is_u64(byte, 0xa5, "the write was not lost");
	is_u64(wrong_pages(r.cpu, BASE + 2 * PAGE, 6, 3), 0, "nor the rest");
	soft_cpu_free(other);
	rig_end(&r);
}

static void *unmap_it(void *arg)
{
	(void)arg;
	fw_unmap(r.s->mm, other->actor, other->space, BASE, 8 * PAGE);
	return NULL;
}

static enum fw_status unmap_meanwhile(void *arg, enum soft_io io, uint64_t at,
				      unsigned n)
{
	(void)arg, (void)at, (void)n;
	if (io != which || atomic_exchange(&started, true))
		return FW_OK;
	pthread_create(&thread, NULL, unmap_it, NULL);
	pthread_join(thread, NULL);
	return FW_OK;
}

TEST(unmapped_while_it_is_read, "B42 C48")
{
	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, r.cpu->space);
	page_out();
	arm(SOFT_STORE_READ, NULL, BASE, 0);
	r.s->io_hook = unmap_meanwhile;
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(totals(&r).slots_used, 0, "its slots are free");
	soft_cpu_free(other);
	rig_end(&r);
}

TEST(unmapped_while_it_is_written, "B34 C48")
{
	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, r.cpu->space);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	arm(SOFT_STORE_WRITE, NULL, BASE, 0);
	r.s->io_hook = unmap_meanwhile;
	fw_write_modified(r.s->mm, r.s->keeper, 64);
	is_u64(totals(&r).slots_used, 0, "its slots are free");
	is_u64(totals(&r).modified + totals(&r).standby, 0, "and its frames");
	soft_cpu_free(other);
	rig_end(&r);
}

static jmp_buf out;

static enum fw_status die(void *arg, enum soft_io io, uint64_t at, unsigned n)
{
	(void)arg, (void)io, (void)at, (void)n;
	r.s->io_hook = NULL;
	longjmp(out, 1);
}

static void share_a_section(void)
{
	struct fw_map_request rq = {.start = BASE,
				    .len = 8 * PAGE,
				    .kind = FW_VAD_SECTION,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = FW_VADF_RANDOM};

	must(fw_section_create(r.s->mm, r.s->keeper, NULL, 8, &rq.section) ==
		     FW_OK,
	     "section");
	fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq);
	fw_map(r.s->mm, other->actor, other->space, &rq);
	fw_section_unref(r.s->mm, r.s->keeper, rq.section);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

/* The reader dies while it reads: whoever waits for the page finds out, gives
 * back what the dead one held, and reads for himself. */
TEST(the_reader_is_dead, "B42")
{
	uint32_t dead;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, NULL);
	share_a_section();
	dead = r.cpu->actor->id;
	r.s->io_hook = die;
	if (!setjmp(out)) {
		touch(r.cpu, BASE, FW_ACC_READ);
		ok(false, "it dies in its read");
	}
	soft_actor_died(r.s, r.cpu->actor);
	is_kind(touch(other, BASE, FW_ACC_READ), FW_KIND_PAGE_FILE);
	ok(other->last.collisions > 0, "it waited first");
	ok(!fw_actor_by_id(r.s->mm, dead), "then buried the dead");
	is_u64(wrong_pages(other, BASE, 8, 1), 0, "contents");
	r.cpu = soft_cpu_create(r.s, soft_cpu_bury(r.cpu));
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "for both");
	soft_cpu_exit(other);
	rig_end(&r);
}
