/* SPDX-License-Identifier: MIT */
/* kernel.c - the kernel half of the wild machine: a system space, a session,
 * the pageable pool, and what processes and the kernel do with them. */
#include "ops.h"

#include "unit/kernel_rig.h"

#define PIECES 12
#define POOL_PAGES 64
/* With 2 levels each 4 MiB cost a frame. */
#define SPANS (FW_LEVELS == 2 ? UINT64_C(16) << 22 : SPAN)
#define POOL_AT (SYSTEM + SPANS / 2)

static struct fw_space *session; /* NULL: there is no kernel half */
static fw_addr piece[PIECES];

#define AS_KEEPER soft->mm, soft->keeper

fw_vpn kernel_user_top(void)
{
	return USER_TOP;
}

void kernel_start(void)
{
	struct fw_system_config config = {SYSTEM, SPANS, SESSION, SPANS};

	session = NULL;
	memset(piece, 0, sizeof(piece));
	if (rnd(2))
		return;
	must(fw_system_create(AS_KEEPER, &config) == FW_OK &&
		     fw_session_create(AS_KEEPER, &session) == FW_OK,
	     "a kernel half");
	must(fw_pool_create(AS_KEEPER, POOL_AT, POOL_PAGES) == FW_OK, "a pool");
}

void kernel_end(void)
{
	if (!session)
		return;
	fw_pool_destroy(AS_KEEPER);
	among(fw_session_destroy(AS_KEEPER, session), ONE(FW_OK));
	among(fw_system_destroy(AS_KEEPER), ONE(FW_OK));
}

static void pool_op(struct soft_cpu *cpu)
{
	unsigned i = rnd(PIECES);
	uint64_t size = rnd(8) ? 1 + rnd(9000) : fuzz_word();
	fw_addr wrong = POOL_AT + rnd(1 << 20);
	uint8_t byte = 1;

	if (piece[i]) {
		soft_kernel_access(cpu, piece[i], &byte, 1, FW_ACC_WRITE);
		among(fw_pool_free(soft->mm, cpu->actor, piece[i]),
		      ONE(FW_OK));
		piece[i] = 0;
		return;
	}
	among(fw_pool_alloc(soft->mm, cpu->actor, size, &piece[i]),
	      ONE(FW_OK) | ONE(FW_E_NOMEM) | ONE(FW_E_INVAL));
	ok(!piece[i] || (piece[i] >= POOL_AT &&
			 piece[i] + size <= POOL_AT + POOL_PAGES * PAGE),
	   "a piece lies in the pool");
	for (i = 0; i < PIECES; i++)
		if (piece[i] == wrong)
			return;
	among(fw_pool_free(soft->mm, cpu->actor, wrong), ONE(FW_E_INVAL));
}

static void region_op(struct soft_cpu *cpu)
{
	bool system = rnd(2);
	struct fw_space *s = system ? fw_system_space(soft->mm) : session;
	struct fw_map_request rq = {
		.start = (system ? SYSTEM : SESSION) + rnd(40) * PAGE,
		.len = (1 + rnd(16)) * PAGE,
		.kind = rnd(2) ? FW_VAD_PRIVATE : (uint8_t)rnd(6),
		.prot = (uint8_t)rnd(8),
		.max_prot = 7,
		.replace = (uint8_t)rnd(2)};
	const uint32_t changed = ONE(FW_OK) | ONE(FW_E_INVAL) |
				 ONE(FW_E_NOMEM) | ONE(FW_E_NOENT);

	switch (rnd(6)) {
	case 0:
		among(fw_unmap(soft->mm, cpu->actor, s, rq.start, rq.len),
		      changed);
		break;
	case 1:
		among(fw_protect(soft->mm, cpu->actor, s, rq.start, rq.len,
				 rq.prot),
		      changed);
		break;
	case 2:
		fw_trim(soft->mm, cpu->actor, s, rnd(64));
		break;
	case 3:
		among(fw_space_set_limits(soft->mm, cpu->actor, s, rnd(40), 0,
					  rnd(2)),
		      ONE(FW_OK) | ONE(FW_E_LIMIT));
		break;
	default:
		among(fw_map(soft->mm, cpu->actor, s, &rq),
		      changed | ONE(FW_E_EXIST));
	}
}

/* The kernel gets what it was granted, users nothing. */
static void access_op(struct soft_cpu *cpu)
{
	fw_addr at = (rnd(2) ? SYSTEM : SESSION) + rnd(56) * PAGE;
	uint8_t put = (uint8_t)rnd(256), got = put;

	if (soft_kernel_access(cpu, at, &got, 1, FW_ACC_WRITE) &&
	    soft_kernel_access(cpu, at, &got, 1, FW_ACC_READ))
		is_u64(got, put, "what the kernel wrote");
	ok(!soft_access(cpu, at, &got, 1, FW_ACC_READ), "a user's access");
}

void kernel_op(struct soft_cpu *cpu)
{
	if (!session)
		return;
	switch (rnd(8)) {
	case 0:
		among(fw_session_join(soft->mm, cpu->actor, cpu->space,
				      session),
		      ONE(FW_OK) | ONE(FW_E_BUSY));
		break;
	case 1:
	case 2:
		region_op(cpu);
		break;
	case 3:
	case 4:
		access_op(cpu);
		break;
	default:
		pool_op(cpu);
	}
}
