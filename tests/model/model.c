/* SPDX-License-Identifier: MIT */
/*
 * model.c - random operations against a model in plain memory; see model.h.
 *
 *	test-model [seed [operations [frames [skipped]]]]
 *
 * Operation i of a seed is always the same, whatever came before. `skipped`
 * names a file of one byte an operation: those whose byte is '-' are left
 * out. tools/shrink finds the fewest that still fail.
 *
 * Without arguments, a million operations of two seeds; with FW_LONG=1 in the
 * environment 50 million of five.
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEDS 5

/* The operations to be left out, or NULL. */
static char *read_skipped(unsigned long steps)
{
	char *skipped;
	FILE *f;

	if (test_argc <= 4)
		return NULL;
	f = fopen(test_argv[4], "r");
	must(f, "cannot read %s", test_argv[4]);
	skipped = calloc(steps, 1);
	must(skipped && fread(skipped, 1, steps, f) <= steps, "memory");
	fclose(f);
	return skipped;
}

static void run(unsigned long seed)
{
	unsigned long steps = argument(2, long_run(500000, 10000000)), step;
	unsigned long frames = argument(3, 400);
	char *skipped = read_skipped(steps);

	model_start(seed, (uint32_t)frames);
	for (step = 0; step < steps && !test_failures(); step++) {
		if (skipped && skipped[step] == '-')
			continue;
		model_seed(seed, step + 1);
		op(any_space(), false);
		if (step % VERIFY_EVERY == VERIFY_EVERY - 1 || skipped)
			is_u64(soft_verify(soft), 0, "discrepancies");
	}
	free(skipped);
	if (test_failures()) {
		diag("failed at operation %lu: tools/shrink %lu %lu %lu",
		     step - 1, seed, step, frames);
		return;
	}
	failing = false;
	check_all();
	tear_down();
}

/* More seeds are wanted, and none was given. */
static bool is_long(void)
{
	return test_argc <= 1 && !test_failures() && long_run(0, 10) > 1;
}

TEST(random_operations,
     "A04 A17 B16 B33 B34 B40 B41 B45 B46 C54 C63 C68 C74 C75 C76 C79")
{
	run(argument(1, 1));
	for (unsigned long seed = 3; seed <= SEEDS && is_long(); seed += 2)
		run(seed);
}

TEST(random_operations_in_stripes, "A04 B12 B33 B34 C74")
{
	if (test_argc > 1)
		skip("the seed that was given says whether there are any");
	run(2);
	for (unsigned long seed = 4; seed <= SEEDS && is_long(); seed += 2)
		run(seed);
}
