/* SPDX-License-Identifier: MIT */
/*
 * test_threads_kernel.c - threads of several processes in one kernel half:
 * each counts in words of its own on pages that all touch, in the system, in
 * its session and in the pageable pool, while somebody trims and writes.
 */
#include "kernel_rig.h"
#include "tsan.h"

#include "mm/mm.h"

#include <stdatomic.h>

#define THREADS 4
#define PAGES 40u
#define ROUNDS 4000u

static struct rig r;
static struct fw_space *session[2];
static struct soft_cpu *cpu[THREADS];
static uint64_t want[THREADS][2][PAGES];
static atomic_uint running, wrong;

static void count(unsigned me, unsigned where, unsigned page)
{
	fw_addr at = (where ? SESSION : SYSTEM) + page * PAGE + me * 8;
	uint64_t value = 0;

	if (!soft_kernel_access(cpu[me], at, &value, 8, FW_ACC_READ) ||
	    value != want[me][where][page])
		wrong++;
	value = ++want[me][where][page];
	if (!soft_kernel_access(cpu[me], at, &value, 8, FW_ACC_WRITE))
		wrong++;
}

/* A piece of the pool is this thread's alone until it gives it back. */
static void use_pool(unsigned me, unsigned round)
{
	uint64_t value = (uint64_t)me << 32 | round, got = 0;
	struct fw_mm *mm = r.s->mm;
	fw_addr at;

	if (fw_pool_alloc(mm, cpu[me]->actor, 8u << round % 12, &at) != FW_OK) {
		wrong++;
		return;
	}
	soft_kernel_access(cpu[me], at, &value, 8, FW_ACC_WRITE);
	count(me, 0, round % PAGES);
	soft_kernel_access(cpu[me], at, &got, 8, FW_ACC_READ);
	if (got != value ||
	    fw_pool_free(mm, cpu[me]->actor, at) != FW_OK)
		wrong++;
}

static void *work(void *arg)
{
	unsigned me = *(unsigned *)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		count(me, i & 1, (i * 7 + me) % PAGES);
		if (i % 4 == 0)
			use_pool(me, i);
	}
	running--;
	return NULL;
}

static void start(uint32_t stripes)
{
	r = kernel_rig((struct soft_config){
		.nframes = FW_LEVELS == 2 ? 2048 : 1024,
		.page_files = 1,
		.slots = 4096,
		.stripes = stripes});
	must(fw_pool_create(r.s->mm, r.s->keeper, POOL, 128) == FW_OK &&
		     kernel_map(&r, fw_system_space(r.s->mm), SYSTEM,
				PAGES) == FW_OK,
	     "a pool and a mapping");
	for (unsigned i = 0; i < 2; i++) {
		must(fw_session_create(r.s->mm, r.s->keeper, &session[i]) ==
				     FW_OK &&
			     kernel_map(&r, session[i], SESSION, PAGES) ==
				     FW_OK,
		     "a session");
	}
	for (unsigned i = 0; i < THREADS; i++) {
		cpu[i] = soft_cpu_create(r.s, NULL);
		must(fw_session_join(r.s->mm, r.s->keeper, cpu[i]->space,
				     session[i % 2]) == FW_OK,
		     "in a session");
	}
}

/* What a balance thread does, on the spaces of the kernel half. */
static void keep(void)
{
	struct fw_mm *mm = r.s->mm;

	while (running) {
		fw_trim(mm, r.s->keeper, fw_system_space(mm), 16);
		fw_trim(mm, r.s->keeper, session[0], 8);
		fw_trim(mm, r.s->keeper, session[1], 8);
		fw_write_modified(mm, r.s->keeper, 64);
	}
}

static void run(uint32_t stripes)
{
	static unsigned number[THREADS] = {0, 1, 2, 3};
	pthread_t thread[THREADS];

	memset(want, 0, sizeof(want));
	start(stripes);
	running = THREADS;
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, work, &number[i]);
	keep();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	is_u64(wrong, 0, "wrong words");
	rig_verify(&r);
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned p = 0; p < PAGES; p++) {
			count(i, 0, p);
			count(i, 1, p);
		}
	is_u64(wrong, 0, "wrong words at the end");
	for (unsigned i = 0; i < THREADS; i++)
		soft_cpu_exit(cpu[i]);
	for (unsigned i = 0; i < 2; i++)
		is_u64(fw_session_destroy(r.s->mm, r.s->keeper, session[i]),
		       FW_OK, "a session");
	kernel_rig_end(&r);
}

TEST(threads_in_one_kernel_half, "A19 A20 B48 B17 C62")
{
	run(0);
}

TEST(threads_in_a_kernel_half_of_stripes, "A19 A20 B48 B17 C62")
{
	run(8);
}
