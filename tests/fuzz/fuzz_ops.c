/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ops.c - a libFuzzer target: any bytes as operations on the core, on
 * the software MMU.
 *
 * The first byte chooses between two worlds. In one the operations are those
 * of the model (tests/model), whose contents and answers are known, with
 * absurd calls in between that may change nothing; in the other (wild.c)
 * there is no model, and anything goes. In both, all records must agree every
 * few operations, and at the end everything must have been given back.
 *
 * The next bytes are the machine: frames, policy, stripes.
 */
#include "ops.h"

#define MOST_OPS 300

fw_addr fuzz_top;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
bool __wrap_fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner);

/* Nobody else is there who could do anything meanwhile. */
bool __wrap_fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	(void)word, (void)seen, (void)owner;
	return true;
}

static void model_run(void)
{
	struct soft_config config = {.nframes = 400 + rnd(128),
				     .page_files = 2,
				     .slots = 4096,
				     .store_frames = rnd(2) * rnd(100),
				     .policy = rnd(FW_POLICIES)};

	if (config.policy == FW_POLICY_NT)
		config.stripes = 1u << rnd(4);
	fuzz_top = SOFT_USER_TOP << FW_PAGE_SHIFT;
	model_source_pause(true);
	model_start_on(&config, 1);
	model_source_pause(false);
	for (unsigned i = 1; model_source_left() && i < MOST_OPS; i++) {
		struct space *sp = any_space();

		if (rnd(4) == 0)
			absurd_call(sp->cpu);
		else
			op(sp, false);
		if (i % VERIFY_OPS == 0)
			is_u64(soft_verify(soft), 0, "discrepancies");
	}
	failing = false;
	is_u64(soft_verify(soft), 0, "discrepancies");
	check_all();
	tear_down();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	model_seed(1, 1);
	model_source(data, n);
	if (rnd(2))
		model_run();
	else
		wild_run();
	model_source(NULL, 0);
	return 0;
}
