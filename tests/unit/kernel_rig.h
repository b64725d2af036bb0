/* SPDX-License-Identifier: MIT */
/* kernel_rig.h - a machine whose processes share a kernel half: where it is in
 * each table format, and the first steps of every test of it. */
#ifndef FW_TESTS_UNIT_KERNEL_RIG_H
#define FW_TESTS_UNIT_KERNEL_RIG_H

#include "machine.h"

#if FW_LEVELS == 4
#define SYSTEM UINT64_C(0xffff800000000000)
#define SESSION UINT64_C(0xffff900000000000)
#define SPAN (UINT64_C(1) << 39)
#define USER_TOP 0
#else
#define SYSTEM UINT64_C(0xc0000000) /* the upper GiB, as Linux has it */
#define SESSION UINT64_C(0x80000000)
#define SPAN (UINT64_C(1) << 30)
#define USER_TOP (UINT64_C(0x80000000) >> FW_PAGE_SHIFT)
#endif
#define POOL (SYSTEM + SPAN / 2)

/* A machine with a system space and no process yet. */
static inline struct rig kernel_rig(struct soft_config config)
{
	struct fw_system_config kernel = {SYSTEM, SPAN, SESSION, SPAN};
	struct rig r = {.s = NULL};
	struct fw_totals t;

	config.user_top = USER_TOP;
	r.s = soft_create(&config);
	t = totals(&r);
	r.in_use = frames_in_use(&t) - t.pool;
	must(fw_system_create(r.s->mm, r.s->keeper, &kernel) == FW_OK,
	     "a system space");
	return r;
}

/* Ends the system space, when no process is left in it, and the machine. */
static inline void kernel_rig_end(struct rig *r)
{
	struct fw_mm *mm = r->s->mm;

	is_u64(fw_system_destroy(mm, r->s->keeper), FW_OK, "the system");
	is_u64(fw_system_destroy(mm, r->s->keeper), FW_E_NOENT, "only once");
	r->cpu = soft_cpu_create(r->s, NULL);
	rig_end(r);
}

/* Private memory of the kernel's, to read and write. */
static inline enum fw_status kernel_map(struct rig *r, struct fw_space *space,
					fw_addr at, uint64_t pages)
{
	struct fw_map_request rq = {.start = at,
				    .len = pages * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = RW};

	return fw_map(r->s->mm, r->s->keeper, space, &rq);
}

#endif
