/* SPDX-License-Identifier: MIT */
/*
 * opt.c - the verbs, and the options of `faultwise run`: their table, what
 * their values may be, the help.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/doctor.h"
#include "cli/options.h"
#include "cli/replay.h"

enum option_id {
	OPT_MEMORY,
	OPT_STORE,
	OPT_COMMIT,
	OPT_QUIET,
	OPT_STAT,
	OPT_CHECK,
	OPT_HELP
};

static const struct option options[] = {
	{OPT_MEMORY, 'm', "memory", "SIZE",
	 "RAM for the program and all it starts, tables included:\n"
	 "64M, 1.5G, 16384p (pages), bytes. Least: 8M. Default:\n"
	 "half of the memory that is available"},
	{OPT_STORE, 'b', "backing", "file:PATH[,SIZE][,tmpfs]",
	 "page file: where pages go that do not fit. PATH is a file,\n"
	 "a folder (for a nameless file in it) or a block device;\n"
	 "may be given up to 15 times (16 with lz4:0).\n"
	 "Default: file:/var/tmp.\n"
	 "lz4:SIZE: so much of the RAM, at most, holds such pages\n"
	 "compressed, and the page file what does not fit there or\n"
	 "does not compress; less where that is worth more. lz4:0:\n"
	 "none. Default: three quarters of -m (strict: a quarter;\n"
	 "none from 64G on)"},
	{OPT_COMMIT, 0, "commit", "POLICY",
	 "strict: memory is promised only where there is a place for\n"
	 "it, page files are given their full size at once, and what\n"
	 "goes beyond is refused when asked for. heuristic: as Linux\n"
	 "does; when all is full, who has most is ended. Default"},
	{OPT_QUIET, 'q', "quiet", NULL, "no summary at the end, and no notes"},
	{OPT_STAT, 0, "stat", "FILE", "write the summary to FILE as JSON"},
	{OPT_CHECK, 0, "check", NULL,
	 "verify all of the memory manager's records every second\n"
	 "and at the end; a discrepancy makes the exit status 125"},
	{OPT_HELP, 'h', "help", NULL, "this text"},
};
#define N_OPTIONS (sizeof(options) / sizeof(*options))

static const char *const verbs[] = {"run", "replay", "doctor", "help",
				    "version"};
#define N_VERBS (sizeof(verbs) / sizeof(*verbs))

static const char *const help_general =
	"faultwise runs programs under a demand-paged virtual memory manager\n"
	"of its own, in as much RAM as you say.\n"
	"\n"
	"  faultwise run -m 256M -- python3 big.py  in 256 MiB of RAM; what\n"
	"                                           does not fit is paged\n"
	"  faultwise run -q -- make                 without the summary\n"
	"  faultwise run --stat s.json -- ./prog    the summary as JSON\n"
	"\n"
	"Verbs:\n"
	"  run        run a program\n"
	"  replay     push a page-reference trace through sizes and policies\n"
	"  doctor     try what runs need on this machine, say what is wrong\n"
	"  help VERB  tell about a verb; more is in the manual pages\n"
	"  version    print the version\n";

static const char *const help_run =
	"faultwise run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	"\n"
	"  faultwise run -m 256M -- python3 big.py\n"
	"  faultwise run -m 64M -b file:/mnt/disk/page,4G -- ./prog\n"
	"\n"
	"Options:\n";

static const char *const help_status =
	"\n"
	"The exit status is the program's; when a signal ended it, faultwise\n"
	"ends by the same one. 125: faultwise failed. 126: the program cannot\n"
	"be executed. 127: there is no such program.\n"
	"A program runs with your rights, as it would without faultwise, but\n"
	"setuid programs gain nothing. Use `sudo faultwise run`.\n";

static int set_option(void *into, const struct option *option,
		      const char *value);

static const struct option_table table = {
	.verb = "run",
	.options = options,
	.n = N_OPTIONS,
	.misuse = EXIT_US,
	.set = set_option,
};

static int list_options(void)
{
	options_list(&table);
	options_list(&replay_options);
	options_list(&doctor_options);
	return 0;
}

int help(const char *verb)
{
	if (!verb) {
		fputs(help_general, stdout);
		return 0;
	}
	if (!strcmp(verb, "replay"))
		return replay_help();
	if (!strcmp(verb, "doctor"))
		return doctor_help();
	if (!strcmp(verb, "options")) /* for the completions and the tests */
		return list_options();
	if (strcmp(verb, "run"))
		return !strcmp(verb, "help") || !strcmp(verb, "version")
			       ? help(NULL)
			       : unknown_verb(verb);
	fputs(help_run, stdout);
	options_help(&table);
	fputs(help_status, stdout);
	return 0;
}

int unknown_verb(const char *verb)
{
	const char *meant = nearest(verb, verbs, N_VERBS);

	if (meant)
		return fail(EXIT_US,
			    "there is no verb '%s'. Did you mean '%s'?", verb,
			    meant);
	return fail(EXIT_US,
		    "there is no verb '%s'. To run a program: "
		    "faultwise run -- %s",
		    verb, verb);
}

/* ---- values ------------------------------------------------------------ */

static int set_memory(struct run_options *o, const char *value)
{
	if (!parse_size(value, &o->ram_bytes))
		return fail(EXIT_US,
			    "-m %s: that is not a size. Give it as 64M, 1.5G, "
			    "16384p (pages) or bytes.",
			    value);
	if (o->ram_bytes < MIN_RAM)
		return fail(EXIT_US,
			    "-m %s: %s is too little: the tables and a working "
			    "set must fit. Give at least 8M.",
			    value, size_text(o->ram_bytes));
	if (o->ram_bytes > FW_RAM_MAX)
		return fail(EXIT_US,
			    "-m %s: that is too much. Give at most "
			    "4T.",
			    value);
	o->ram_bytes &= ~FW_PAGE_MASK;
	return 0;
}

/* One part of a page file's description behind its path. */
static int set_store_part(struct store_option *s, const char *part)
{
	if (!strcmp(part, "tmpfs"))
		s->tmpfs = true;
	else if (!parse_size(part, &s->bytes) || !s->bytes)
		return fail(EXIT_US,
			    "-b file:%s: '%s' is neither a size nor 'tmpfs'. "
			    "Say file:PATH,4G.",
			    s->path, part);
	return 0;
}

/* lz4:SIZE, how much of the RAM may hold compressed pages. */
static int set_compressed(struct run_options *o, const char *value)
{
	o->compress = true;
	if (parse_size(value, &o->compressed_bytes))
		return 0;
	return fail(EXIT_US,
		    "-b lz4:%s: that is not a size. Say how much of the RAM "
		    "may hold compressed pages: lz4:64M, or lz4:0 for none.",
		    value);
}

static int set_store(struct run_options *o, const char *value)
{
	struct store_option *s = &o->stores[o->n_stores];
	char *part, *next;
	int status = 0;

	if (!strncmp(value, "lz4:", 4))
		return set_compressed(o, value + 4);
	if (strncmp(value, "file:", 5) || !value[5])
		return fail(EXIT_US,
			    "-b %s: that kind of page file is not known. Say "
			    "-b file:PATH, -b file:PATH,SIZE or -b lz4:SIZE.",
			    value);
	if (o->n_stores == FW_MAX_PAGE_FILES)
		return fail(EXIT_US,
			    "-b %s: there are %d page files already. "
			    "Give fewer and larger ones.",
			    value, FW_MAX_PAGE_FILES);
	if (strlen(value + 5) >= sizeof(s->path))
		return fail(EXIT_US, "-b: the path of a page file is too long. "
				     "Name it by a shorter path.");
	strcpy(s->path, value + 5);
	part = strchr(s->path, ',');
	if (part)
		*part++ = '\0';
	for (; part && !status; part = next) {
		next = strchr(part, ',');
		if (next)
			*next++ = '\0';
		status = set_store_part(s, part);
	}
	o->n_stores++;
	return status;
}

static int set_commit(struct run_options *o, const char *value)
{
	o->strict = !strcmp(value, "strict");
	if (o->strict || !strcmp(value, "heuristic"))
		return 0;
	return fail(EXIT_US,
		    "there is no commit policy '%s'. Say --commit=strict or "
		    "--commit=heuristic.",
		    value);
}

static int set_option(void *into, const struct option *option,
		      const char *value)
{
	struct run_options *o = into;

	switch ((enum option_id)option->id) {
	case OPT_MEMORY:
		return set_memory(o, value);
	case OPT_STORE:
		return set_store(o, value);
	case OPT_COMMIT:
		return set_commit(o, value);
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_STAT:
		o->stat = value;
		return 0;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_HELP:
		exit(help("run"));
	}
	return 0;
}

int run_option_set(struct run_options *o, char letter, const char *value)
{
	return letter == 'm' ? set_memory(o, value) : set_store(o, value);
}

int run_options_parse(char **argv, struct run_options *ret)
{
	int at, status;

	memset(ret, 0, sizeof(*ret));
	status = options_parse(&table, ret, argv, &at);
	if (status)
		return status;
	if (!argv[at])
		return fail(EXIT_US, "no program is given. Say: faultwise run "
				     "[OPTIONS] -- PROGRAM [ARGUMENTS]");
	ret->argv = argv + at;
	return 0;
}
