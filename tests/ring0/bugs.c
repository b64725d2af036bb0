/* SPDX-License-Identifier: MIT */
/* bugs - of the kernel: the process ends, the system goes on. What is said of
 * it on the console is judged by tests/suites/ring0. */
#include "tests/ring0/rt.h"

static void bug(uint32_t how)
{
	probe(PROBE_OOPS, how, 0);
	quit(0);
}

int main(int argc, char **argv)
{
	if (argc > 0 && argv[0][1] == 't') { /* "/timer" */
		probe(PROBE_OOPS, OOPS_TIMER, 0);
		for (;;)
			call(CALL_YIELD, 0, 0, 0);
	}
	ok(in_child(bug, OOPS_NULL) == SEGV, "a bug ends the process",
	   "C55 C56");
	ok(in_child(bug, OOPS_LOCKED) == SEGV,
	   "... also under a lock, which is taken over", "C55 C56 C48");
	ok(in_child(bug, OOPS_WRITE) == SEGV, "... whatever it touched", "C55");
	map(PLACE, 64, R | W, 0);
	memset((void *)PLACE, 1, 64 * PAGE);
	ok(probe(PROBE_VERIFY, 0, 0) == 0, "... and the system goes on",
	   "C56 C48 A22");
	return (int)verdict();
}
