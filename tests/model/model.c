/* SPDX-License-Identifier: MIT */
/*
 * model.c - random operations against a model in plain memory; see model.h.
 *
 *	test-model [seed [operations [frames]]]
 */
#include "model/model.h"

static void run(unsigned long seed)
{
	unsigned long steps = argument(2, long_run(60000, 1000000)), step;

	model_start(seed, (uint32_t)argument(3, 400));
	for (step = 0; step < steps && !test_failures(); step++) {
		op(any_space(), false);
		if (step % VERIFY_EVERY == VERIFY_EVERY - 1)
			is_u64(soft_verify(soft), 0, "discrepancies");
	}
	if (test_failures()) {
		diag("failed at step %lu of seed %lu", step - 1, seed);
		return;
	}
	failing = false;
	check_all();
	tear_down();
}

TEST(random_operations, "A04 A17 B16 B33 B34 B45 B46 C54 C63 C68 C74 C75 C79")
{
	run(argument(1, 1));
}

TEST(random_operations_in_stripes, "A04 B12 B33 B34 C74")
{
	run(argument(1, 1) + 1);
}
