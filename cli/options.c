/* SPDX-License-Identifier: MIT */
/* options.c - parses and prints tables of options. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "cli/text.h"

#define HELP_COLUMN 22
#define MOST_OPTIONS 32

static const struct option *by_letter(const struct option_table *table,
				      char letter)
{
	for (size_t i = 0; i < table->n; i++)
		if (letter && table->options[i].letter == letter)
			return &table->options[i];
	return NULL;
}

static const struct option *by_name(const struct option_table *table,
				    const char *name, size_t length)
{
	for (size_t i = 0; i < table->n; i++)
		if (!strncmp(table->options[i].name, name, length) &&
		    !table->options[i].name[length])
			return &table->options[i];
	return NULL;
}

static int unknown_option(const struct option_table *table, const char *word)
{
	const char *names[MOST_OPTIONS], *meant = NULL;
	size_t n = 0;

	for (; n < table->n && n < MOST_OPTIONS; n++)
		names[n] = table->options[n].name;
	if (!strncmp(word, "--", 2))
		meant = nearest(word + 2, names, n);
	if (meant)
		return fail(table->misuse,
			    "%s has no option '%s'. Did you mean '--%s'?",
			    table->verb, word, meant);
	return fail(table->misuse,
		    "%s has no option '%s'. See: faultwise help %s",
		    table->verb, word, table->verb);
}

static int no_value(const struct option_table *table, const struct option *o,
		    const char *word)
{
	return fail(table->misuse, "option '%s' wants a value. Say: %s %s",
		    word, word, o->arg);
}

/* *at is the word's index. */
static int parse_long(const struct option_table *table, void *into,
		      char **argv, int *at)
{
	const char *word = argv[*at], *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word) : strlen(word);
	const struct option *option = by_name(table, word + 2, length - 2);
	const char *value = equals ? equals + 1 : NULL;

	if (!option)
		return unknown_option(table, word);
	if (!option->arg && value)
		return fail(table->misuse,
			    "option '--%s' takes no value. Leave out '=%s'.",
			    option->name, value);
	if (option->arg && !value) {
		value = argv[*at + 1];
		if (!value)
			return no_value(table, option, word);
		++*at;
	}
	return table->set(into, option, value ? value : "");
}

static int parse_short(const struct option_table *table, void *into,
		       char **argv, int *at)
{
	const char *word = argv[*at];

	for (const char *c = word + 1; *c; c++) {
		const struct option *option = by_letter(table, *c);
		int status;

		if (!option)
			return unknown_option(table, word);
		if (option->arg && c[1])
			return table->set(into, option, c + 1);
		if (option->arg && !argv[*at + 1])
			return no_value(table, option, word);
		if (option->arg)
			return table->set(into, option, argv[++*at]);
		status = table->set(into, option, "");
		if (status)
			return status;
	}
	return 0;
}

int options_parse(const struct option_table *table, void *into, char **argv,
		  int *ret_at)
{
	int at = 1, status = 0;

	for (; argv[at] && !status; at++) {
		const char *word = argv[at];

		if (!strcmp(word, "--")) {
			at++;
			break;
		}
		if (word[0] == '-' && word[1])
			status = word[1] == '-'
					 ? parse_long(table, into, argv, &at)
					 : parse_short(table, into, argv, &at);
		else if (table->operands)
			status = table->set(into, NULL, word);
		else
			break;
	}
	for (; table->operands && argv[at] && !status; at++)
		status = table->set(into, NULL, argv[at]);
	*ret_at = at;
	return status;
}

/* ---- telling ----------------------------------------------------------- */

static void help_option(const struct option *o)
{
	char head[64];

	if (o->letter)
		snprintf(head, sizeof(head), "-%c, --%s%s%s", o->letter,
			 o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	else
		snprintf(head, sizeof(head), "    --%s%s%s", o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
	if (strlen(head) > HELP_COLUMN - 3)
		printf("  %s\n%*s", head, HELP_COLUMN, "");
	else
		printf("  %-*s", HELP_COLUMN - 2, head);
	for (const char *at = o->text; *at; at++) {
		putchar(*at);
		if (*at == '\n')
			printf("%*s", HELP_COLUMN, "");
	}
	putchar('\n');
}

void options_help(const struct option_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		help_option(&table->options[i]);
}

void options_list(const struct option_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct option *o = &table->options[i];

		printf("%s\t", table->verb);
		if (o->letter)
			printf("-%c", o->letter);
		printf("\t--%s\t%s\n", o->name, o->arg ? o->arg : "");
	}
}
