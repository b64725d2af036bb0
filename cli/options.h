/* SPDX-License-Identifier: MIT */
/*
 * options.h - the options of a verb as a table, from which parsing, help, the
 * shell's completions and the check of the manual pages are made.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct option {
	int id;
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* NULL: takes none */
	const char *text;
};

struct option_table {
	const char *verb;
	const struct option *options;
	size_t n;
	int misuse;    /* exit status of an option that there is not */
	bool operands; /* they may stand between options; otherwise the first
			* one ends the parsing */
	/* Returns 0 or an exit status. Of an operand, `option` is NULL. */
	int (*set)(void *into, const struct option *option, const char *value);
};

/*
 * Gives each option, "--name=value", "--name value", "-m64M" or "-qm 64M", to
 * table->set, up to "--". *ret_at is the first word that is left in argv,
 * whose word 0 is not looked at.
 */
int options_parse(const struct option_table *table, void *into, char **argv,
		  int *ret_at);
/* A paragraph for each option. */
void options_help(const struct option_table *table);
/* A line for each: verb, letter, name, argument, separated by tabs. */
void options_list(const struct option_table *table);

#endif
