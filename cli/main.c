/* SPDX-License-Identifier: MIT */
/*
 * main.c - the faultwise command: verbs.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/replay.h"

static int version(void)
{
	puts("faultwise " FW_VERSION);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : NULL;

	if (!verb) {
		help(NULL);
		return fail(EXIT_US, "no verb is given. Try: faultwise run -- "
				     "PROGRAM");
	}
	if (!strcmp(verb, "run"))
		return run_main(argv);
	if (!strcmp(verb, "replay"))
		return replay_main(argv + 1);
	if (!strcmp(verb, "doctor"))
		return doctor_main(argv + 1);
	if (!strcmp(verb, "help"))
		return help(argv[2]);
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h"))
		return help(NULL);
	if (!strcmp(verb, "--version") || !strcmp(verb, "-V") ||
	    !strcmp(verb, "version"))
		return version();
	return unknown_verb(verb);
}
