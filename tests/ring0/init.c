/* SPDX-License-Identifier: MIT */
/* init - runs the programs that judge, one after the other, and looks after
 * each of them whether the kernel's records are right. */
#include "tests/ring0/rt.h"

static const char *const programs[] = {
	"/demand", "/rights", "/restart", "/copies",
	"/forks",  "/halves", "/bugs",	"/swap",
};

static void run(uint32_t i)
{
	const char *argv[] = {programs[i], 0};

	exec(programs[i], argv);
	ok(0, programs[i], 0);
}

int main(void)
{
	for (uint32_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		uint32_t status = in_child(run, i);

		if (status > 1) {
			ok(0, programs[i], 0);
			note("it ended with status", status);
		}
		ok(probe(PROBE_VERIFY, 0, 0) == 0, programs[i], 0);
	}
	return (int)verdict();
}
