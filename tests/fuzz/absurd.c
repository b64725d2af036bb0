/* SPDX-License-Identifier: MIT */
/* absurd.c - arguments that no caller should give: each call is refused with
 * the status that its contract names, and changes nothing. */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>

void fuzz_among(enum fw_status status, uint32_t mask, const char *call)
{
	if (status < FW_STATUS_COUNT && (mask >> status & 1))
		return;
	fprintf(stderr, "%s: %s\n", call,
		status < FW_STATUS_COUNT ? fw_status_text(status) : "?");
	abort();
}

uint64_t fuzz_word(void)
{
	uint64_t word = 0;

	for (unsigned i = rnd(2) ? 2 : 4; i > 0; i--)
		word = word << 16 | rnd(0x10000);
	return word;
}

void absurd_range(fw_addr *ret_start, uint64_t *ret_len)
{
	fw_addr at = FUZZ_WINDOW + rnd(64) * FUZZ_PAGE;
	uint64_t len = (1 + rnd(32)) * FUZZ_PAGE;

	switch (rnd(8)) {
	case 0:
		at += 1 + rnd(FUZZ_PAGE - 1);
		break;
	case 1:
		len += 1 + rnd(FUZZ_PAGE - 1);
		break;
	case 2:
		len = 0;
		break;
	case 3: /* wraps to nothing, or to a page or more */
		len = rnd(4) * FUZZ_PAGE - at;
		break;
	case 4:
		at = FUZZ_TOP - rnd(4) * FUZZ_PAGE;
		len = FUZZ_TOP - at + FUZZ_PAGE;
		break;
	case 5:
		at = FUZZ_TOP + rnd(3) * FUZZ_PAGE;
		break;
	case 6:
		at = -len;
		break;
	default:
		len = (fuzz_word() | UINT64_C(1) << 63) & ~FW_PAGE_MASK;
	}
	*ret_start = at;
	*ret_len = len;
}

static void absurd_map(struct soft_cpu *cpu)
{
	struct fw_map_request rq = {.start = FUZZ_WINDOW,
				    .len = FUZZ_PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = FW_PROT_R,
				    .replace = (uint8_t)rnd(2)};

	switch (rnd(6)) {
	case 0:
		absurd_range(&rq.start, &rq.len);
		break;
	case 1:
		rq.kind = (uint8_t)(FW_VAD_RESERVED + 1 + rnd(200));
		break;
	case 2:
		rq.prot = (uint8_t)(8 + rnd(248));
		break;
	case 3: /* a view of nothing */
		rq.kind = (uint8_t)(FW_VAD_SECTION + rnd(2));
		break;
	case 4:
		rq.kind = FW_VAD_HOST;
		rq.flags = FW_VADF_STACK;
		break;
	default: /* a guarded stack has three pages */
		rq.len = (1 + rnd(2)) * FUZZ_PAGE;
		rq.flags = FW_VADF_STACK | FW_VADF_GUARD;
	}
	among(fw_map(soft->mm, cpu->actor, cpu->space, &rq), ONE(FW_E_INVAL));
}

static void absurd_change(struct soft_cpu *cpu)
{
	struct fw_mm *mm = soft->mm;
	struct fw_actor *a = cpu->actor;
	struct fw_space *s = cpu->space;
	enum fw_status status;
	fw_addr at;
	uint64_t len;

	absurd_range(&at, &len);
	switch (rnd(11)) {
	case 0:
		status = fw_unmap(mm, a, s, at, len);
		break;
	case 1:
		status = fw_protect(mm, a, s, at, len, rnd(8));
		break;
	case 2:
		status = fw_discard(mm, a, s, at, len);
		break;
	case 3:
		status = fw_set_flags(mm, a, s, at, len, FW_VADF_GUARD, 0);
		break;
	case 4:
		status = fw_set_priority(mm, a, s, at, len, 1);
		break;
	case 5:
		status = fw_move(mm, a, s, at, len, FUZZ_WINDOW);
		break;
	case 6: /* from somewhere possible, if the length is */
		status = fw_move(mm, a, s, FUZZ_WINDOW, len | 1, at);
		break;
	case 7:
		status = fw_extend(mm, a, s, at, len);
		break;
	case 8:
		status = fw_move_over(mm, a, s, at, len, FUZZ_WINDOW, len);
		break;
	case 9:
		status = fw_move_over(mm, a, s, FUZZ_WINDOW, len | 1, at, len);
		break;
	default:
		status = fw_protect(mm, a, s, FUZZ_WINDOW, FUZZ_PAGE,
				    8 + rnd(1000));
	}
	among(status, ONE(FW_E_INVAL));
}

static void absurd_system(struct soft_cpu *cpu)
{
	struct fw_mm *mm = soft->mm;
	struct fw_section *made;
	unsigned file;

	switch (rnd(8)) {
	case 0:
		among(fw_page_file_add(mm, cpu->actor, rnd(2), &file),
		      ONE(FW_E_INVAL));
		break;
	case 1:
		among(fw_page_file_add(mm, cpu->actor, ~(uint64_t)rnd(100),
				       &file),
		      ONE(FW_E_INVAL));
		break;
	case 2:
		among(fw_page_file_remove(mm, cpu->actor,
					  FW_MAX_PAGE_FILES + rnd(1000)),
		      ONE(FW_E_NOENT));
		break;
	case 3:
		among(fw_frame_retire(mm, cpu->actor,
				      rnd(2) ? rnd(2) : ~(fw_pfn)rnd(1000)),
		      ONE(FW_E_INVAL));
		break;
	case 4:
		among(fw_section_create(mm, cpu->actor, NULL,
					~fuzz_word() | UINT64_C(1) << 44,
					&made),
		      ONE(FW_E_INVAL));
		break;
	case 5:
		among(fw_space_set_limits(mm, cpu->actor, cpu->space, 9, 8, 0),
		      ONE(FW_E_INVAL));
		break;
	case 6:
		among(fw_space_set_limits(mm, cpu->actor, cpu->space,
					  ~fuzz_word() | UINT64_C(1) << 40, 0,
					  FW_WS_MIN_HARD),
		      ONE(FW_E_LIMIT));
		break;
	default:
		among(fw_actor_set_priority(cpu->actor, 8 + (int)rnd(1000)),
		      ONE(FW_E_INVAL));
	}
}

/* Nothing is ever mapped there. */
static fw_addr absurd_address(void)
{
	switch (rnd(4)) {
	case 0:
		return FUZZ_TOP + rnd(0x10000);
	case 1:
		return ~(fw_addr)rnd(0x10000);
	case 2:
		return FUZZ_TOP + (fuzz_word() & ~UINT64_C(0xffff000000000000));
	default:
		return UINT64_C(0x8000000000000000) | fuzz_word();
	}
}

void absurd_access(struct soft_cpu *cpu)
{
	static const uint32_t access[] = {FW_ACC_READ, FW_ACC_WRITE,
					  FW_ACC_EXEC};
	struct fw_range range = {.start = absurd_address(),
				 .len = fuzz_word() | 1,
				 .access = access[rnd(2)]};
	uint8_t bytes[64] = {0};
	unsigned good = 7;
	uint64_t n = 7;

	/* With 32 bits the CPU has no such address. */
	if (FW_VA_BITS == 48 || range.start < FW_VPN_END << FW_PAGE_SHIFT)
		ok(!soft_access(cpu, range.start, bytes, 1, access[rnd(3)]),
		   "an access where nothing is");
	among(fw_announce(soft->mm, cpu->actor, cpu->space, &range, 1, &good,
			  &n),
	      ONE(FW_E_FAULT) | ONE(FW_E_LIMIT));
	fw_withdraw(cpu->actor);
	is_u64(fw_copy_in(soft->mm, cpu->actor, cpu->space, bytes, range.start,
			  sizeof(bytes)),
	       0, "bytes copied from nowhere");
	is_u64(fw_copy_out(soft->mm, cpu->actor, cpu->space, range.start,
			   bytes, sizeof(bytes)),
	       0, "bytes copied to nowhere");
	among(fw_hold(soft->mm, cpu->actor, cpu->space, range.start,
		      range.len),
	      ONE(FW_E_INVAL));
}

/* A gap that is found lies where it was looked for. */
static void absurd_gap(struct soft_cpu *cpu)
{
	fw_addr low = fuzz_word(), high = fuzz_word(), at = 0;
	uint64_t len = fuzz_word();
	enum fw_status status;

	fw_space_lock(cpu->space, cpu->actor);
	status = fw_find_gap_locked(cpu->space, len, low, high, rnd(2), &at);
	fw_space_unlock(cpu->space);
	among(status, ONE(FW_OK) | ONE(FW_E_NOMEM) | ONE(FW_E_INVAL));
	if (status == FW_OK)
		ok(len > 0 && at >= low && at + len > at && at + len <= high &&
			   (at & FW_PAGE_MASK) == 0,
		   "a gap of %#lx in [%#lx, %#lx): %#lx", (long)len, (long)low,
		   (long)high, (long)at);
}

void absurd_call(struct soft_cpu *cpu)
{
	switch (rnd(5)) {
	case 0:
		absurd_map(cpu);
		break;
	case 1:
		absurd_change(cpu);
		break;
	case 2:
		absurd_system(cpu);
		break;
	case 3:
		absurd_access(cpu);
		break;
	default:
		absurd_gap(cpu);
	}
}
