/* SPDX-License-Identifier: MIT */
/*
 * test_inject_kernel.c - a kernel half is made, used and ended, while each
 * allocation in turn is refused: each answer is success or FW_E_NOMEM, what
 * was made is whole, and in the end nothing is left. Once nothing is refused
 * any more, all of it succeeds.
 */
#include "kernel_rig.h"

static struct rig r;
static struct fw_mm *mm;
static bool certain;
static unsigned asked, refuse_at;

#define PIECES 24
#define AS_KEEPER mm, r.s->keeper

static bool refuse(void *arg, enum fw_need need)
{
	(void)arg, (void)need;
	return ++asked == refuse_at;
}

static bool may_fail(enum fw_status status)
{
	ok(status == FW_OK || (!certain && status == FW_E_NOMEM), "%s",
	   fw_status_text(status));
	return status == FW_OK;
}

/* Of all sizes: slabs, whole pages, several of them. */
static void use_pool(struct soft_cpu *cpu)
{
	fw_addr piece[PIECES];
	uint8_t page[4096] = {7};
	unsigned i;

	if (!may_fail(fw_pool_create(AS_KEEPER, POOL, 600)))
		return;
	for (i = 0; i < PIECES; i++) {
		piece[i] = 0;
		may_fail(fw_pool_alloc(AS_KEEPER, 1 + i % 8 * 1500,
				       &piece[i]));
		if (piece[i] && cpu)
			soft_kernel_access(cpu, piece[i], page, 1,
					   FW_ACC_WRITE);
	}
	rig_verify(&r);
	for (i = 0; i < PIECES; i++)
		if (piece[i])
			is_u64(fw_pool_free(AS_KEEPER, piece[i]), FW_OK,
			       "free");
	fw_pool_destroy(AS_KEEPER);
}

static void use_session(void)
{
	struct fw_space *session;
	struct soft_cpu *cpu;
	uint8_t byte = 1;

	if (!may_fail(fw_session_create(AS_KEEPER, &session)))
		return;
	cpu = soft_cpu_create(r.s, NULL);
	ok(cpu || !certain, "a process");
	if (cpu && may_fail(fw_session_join(AS_KEEPER, cpu->space, session))) {
		if (may_fail(kernel_map(&r, session, SESSION, 8)))
			soft_kernel_access(cpu, SESSION, &byte, 1,
					   FW_ACC_WRITE);
		rig_verify(&r);
	}
	use_pool(cpu);
	if (cpu)
		soft_cpu_exit(cpu);
	is_u64(fw_session_destroy(AS_KEEPER, session), FW_OK, "session");
}

static void life(void)
{
	struct fw_system_config kernel = {SYSTEM, SPAN, SESSION, SPAN};

	if (!may_fail(fw_system_create(AS_KEEPER, &kernel)))
		return;
	use_session();
	is_u64(fw_system_destroy(AS_KEEPER), FW_OK, "the system");
}

/* The n-th allocation is refused; 0: none. How many there were. */
static unsigned run_refused(unsigned n)
{
	struct soft_config config = {.nframes = FW_LEVELS == 2 ? 1400 : 500,
				     .page_files = 1,
				     .slots = 1024,
				     .user_top = USER_TOP};
	struct fw_totals t;

	r = (struct rig){.s = soft_create(&config)};
	mm = r.s->mm;
	t = totals(&r);
	r.in_use = frames_in_use(&t) - t.pool;
	asked = 0;
	refuse_at = n;
	certain = false;
	r.s->refuse_hook = refuse;
	life();
	r.s->refuse_hook = NULL;
	rig_verify(&r);
	certain = true;
	life();
	r.cpu = soft_cpu_create(r.s, NULL);
	rig_end(&r);
	return asked;
}

TEST(each_allocation_for_a_kernel_half_is_refused, "A22 C62")
{
	unsigned all = run_refused(0), n;

	for (n = 1; n <= all && !test_failures(); n++)
		run_refused(n);
	diag("%u allocations", all);
	ok(all > 20, "there were some");
	if (test_failures())
		diag("allocation %u was refused", n - 1);
}
