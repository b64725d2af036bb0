/* SPDX-License-Identifier: MIT */
/*
 * ops.h - what the parts of the target `ops` share: fuzz_ops.c chooses one of
 * two worlds, absurd.c makes calls that may change nothing, wild.c any calls
 * at all. Choices come from the input through the model's rnd().
 */
#ifndef FAULTWISE_TESTS_FUZZ_OPS_H
#define FAULTWISE_TESTS_FUZZ_OPS_H

#include "model/model.h"

#define FUZZ_PAGE FW_PAGE_SIZE
#define FUZZ_TOP fuzz_top
/* Where most of the wild regions lie: across the end of a table. */
#define FUZZ_WINDOW (UINT64_C(0x40000000) - 24 * FUZZ_PAGE)
#define VERIFY_OPS 48 /* operations between two looks at all records */
#define RW_PROT (FW_PROT_R | FW_PROT_W)

extern fw_addr fuzz_top; /* where users' addresses end in this machine */

/* One of the statuses of a mask: ONE(FW_OK) | ONE(FW_E_INVAL). */
#define ONE(status) (1u << (status))
#define among(call, mask) fuzz_among((call), (mask), #call)
void fuzz_among(enum fw_status status, uint32_t mask, const char *call);

/* A choice among 2^32 in four bytes, among 2^64 in eight. */
uint64_t fuzz_word(void);
/* A range that is none: not of pages, empty, beyond the end, wrapping. */
void absurd_range(fw_addr *ret_start, uint64_t *ret_len);
/* A call that is refused, and changes nothing. */
void absurd_call(struct soft_cpu *cpu);
/* An access where nothing can be. */
void absurd_access(struct soft_cpu *cpu);

/* A machine of processes, sections and page files that come and go; all the
 * input is used up. */
void wild_run(void);

/* Its kernel half (kernel.c), if it has one. */
fw_vpn kernel_user_top(void); /* what user_top it wants; 0: any */
void kernel_start(void);
void kernel_op(struct soft_cpu *cpu);
void kernel_end(void);

#endif
