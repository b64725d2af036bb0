/* SPDX-License-Identifier: MIT */
/*
 * death_kernel.c - an actor dies at every step of an operation on the kernel
 * half: see death.c for how. The system space, its pool and the processes in
 * it must be whole, and what the dead one was making must be gone.
 */
#include "unit/kernel_rig.h"

#include "mm/mm.h"

#include <setjmp.h>

#define MANY 1000000ul

static struct rig r;
static struct soft_cpu *other; /* a process that lives */
static struct fw_actor *victim;
static struct fw_space *session;
static fw_addr piece[40];
static jmp_buf out;
static unsigned long steps_left;

static void step(void *arg)
{
	(void)arg;
	if (--steps_left)
		return;
	r.s->step_hook = NULL;
	soft_locks_die();
	longjmp(out, 1);
}

static bool kernel_page(struct soft_cpu *cpu, fw_addr at, uint64_t seed,
			bool check)
{
	uint64_t page[PAGE / 8], got[PAGE / 8];

	pattern(page, seed);
	if (!check)
		return soft_kernel_access(cpu, at, page, PAGE, FW_ACC_WRITE);
	return soft_kernel_access(cpu, at, got, PAGE, FW_ACC_READ) &&
	       memcmp(page, got, PAGE) == 0;
}

static void build(void)
{
	r = kernel_rig((struct soft_config){
		.nframes = FW_LEVELS == 2 ? 1400 : 500,
		.page_files = 1,
		.slots = 1024});
	must(fw_pool_create(r.s->mm, r.s->keeper, POOL, 64) == FW_OK &&
		     fw_session_create(r.s->mm, r.s->keeper, &session) ==
			     FW_OK,
	     "a system");
	r.cpu = soft_cpu_create(r.s, NULL);
	other = soft_cpu_create(r.s, NULL);
	must(fw_session_join(r.s->mm, r.s->keeper, other->space, session) ==
		     FW_OK,
	     "in the session");
	must(kernel_map(&r, fw_system_space(r.s->mm), SYSTEM, 8) == FW_OK &&
		     kernel_map(&r, session, SESSION, 8) == FW_OK,
	     "kernel memory");
	kernel_page(other, SYSTEM, 1, false);
	kernel_page(other, SESSION, 2, false);
	for (unsigned i = 0; i < 20; i++)
		must(fw_pool_alloc(r.s->mm, r.s->keeper, 600 * (i % 9) + 32,
				   &piece[i]) == FW_OK,
		     "a piece");
	must(kernel_page(other, piece[8] & ~FW_PAGE_MASK, 3, false),
	     "the pool");
	must(fw_actor_create(r.s->mm, r.s->keeper, &victim) == FW_OK,
	     "a victim");
}

/* Ends what the dead one left behind, wants all else as it was. */
static void check_and_end(void)
{
	struct fw_mm *mm = r.s->mm;
	struct fw_space *s, *next;

	rig_verify(&r);
	ok(kernel_page(other, SYSTEM, 1, true), "the system's");
	ok(kernel_page(other, SESSION, 2, true), "the session's");
	ok(kernel_page(other, piece[8] & ~FW_PAGE_MASK, 3, true), "the pool's");
	ok(kernel_page(r.cpu, SYSTEM, 1, true), "for the other process");
	soft_cpu_exit(other);
	soft_cpu_exit(r.cpu);
	for (s = mm->spaces; s; s = next) {
		next = s->next;
		if (s->kind == FW_SPACE_PROCESS)
			fw_space_destroy(mm, r.s->keeper, s);
	}
	for (s = mm->spaces; s; s = next) {
		next = s->next;
		if (s->kind == FW_SPACE_SESSION)
			is_u64(fw_session_destroy(mm, r.s->keeper, s), FW_OK,
			       "a session");
	}
	kernel_rig_end(&r);
}

static bool die_at(void (*act)(void), unsigned long n)
{
	static bool lived;

	lived = false;
	build();
	if (!setjmp(out)) {
		steps_left = n;
		r.s->step_hook = step;
		act();
		lived = true;
	}
	r.s->step_hook = NULL;
	soft_actor_died(r.s, victim);
	fw_actor_reap(r.s->mm, r.s->keeper, victim->id);
	check_and_end();
	return lived;
}

static void die_everywhere(void (*act)(void))
{
	bool all = *test_env("FW_LONG", "0") == '1';
	unsigned long steps, stride, n;

	must(die_at(act, MANY), "it can be done");
	steps = MANY - steps_left;
	must(steps > 3, "it has steps");
	stride = all || steps < 60 ? 1 : steps / 60 | 1;
	for (n = 1; n <= steps && !test_failures(); n += stride)
		ok(!die_at(act, n), "it died");
	if (test_failures())
		diag("it died at step %lu of %lu", n - stride, steps);
	else
		diag("%lu steps", steps);
}

static void session_life(void)
{
	struct fw_space *s, *process = NULL;

	if (fw_session_create(r.s->mm, victim, &s) != FW_OK ||
	    fw_space_create(r.s->mm, victim, &process) != FW_OK ||
	    fw_session_join(r.s->mm, victim, process, s) != FW_OK)
		ok(false, "made");
	fw_space_destroy(r.s->mm, victim, process);
	is_u64(fw_session_destroy(r.s->mm, victim, s), FW_OK, "ended");
}

TEST(death_in_a_session, "B17 C48")
{
	die_everywhere(session_life);
}

static void pool_life(void)
{
	fw_addr at[8];

	for (unsigned i = 0; i < 8; i++)
		is_u64(fw_pool_alloc(r.s->mm, victim, 100 << i, &at[i]), FW_OK,
		       "alloc");
	for (unsigned i = 0; i < 8; i++)
		is_u64(fw_pool_free(r.s->mm, victim, at[i]), FW_OK, "free");
	is_u64(fw_pool_free(r.s->mm, victim, piece[3]), FW_OK, "an old one");
}

TEST(death_in_the_pool, "C48 C62")
{
	die_everywhere(pool_life);
}
