/* SPDX-License-Identifier: MIT */
/*
 * replay.c - `faultwise replay`: reads the trace once and gives each batch to
 * every machine in turn, one for each size and policy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/replay.h"
#include "cli/text.h"

#define MOST_SIZES 32
#define MOST_RUNS (MOST_SIZES * FW_POLICIES)
#define CHUNK (256 * 1024)

struct run {
	struct replay_config config;
	struct replay_machine *machine;
	struct replay_result result;
};

struct replay {
	const char *path;
	uint64_t pages[MOST_SIZES];
	enum fw_policy_id policies[FW_POLICIES];
	unsigned n_sizes, n_policies, n_runs;
	bool json, ahead, check;
	struct run run[MOST_RUNS];
	struct trace trace;
	double seconds;
};

enum option_id { OPT_SIZES, OPT_POLICIES, OPT_AHEAD, OPT_JSON, OPT_CHECK,
		 OPT_HELP };

static const struct option options[] = {
	{OPT_SIZES, 'm', "memory", "SIZE,...",
	 "frames for the program's pages: 64M, 3p (pages);\n"
	 "tables come on top. Default: 1M,4M,16M,64M"},
	{OPT_POLICIES, 'p', "policy", "POLICY,...",
	 "which pages leave memory first, see below.\n"
	 "Default: nt,clock"},
	{OPT_AHEAD, 0, "ahead", NULL,
	 "windows and read-ahead, as in a run; otherwise a\n"
	 "fault brings one page"},
	{OPT_JSON, 0, "json", NULL, "one object of schema faultwise.replay/1"},
	{OPT_CHECK, 0, "check", NULL, "verify all records at the end"},
	{OPT_HELP, 'h', "help", NULL, "this text"},
};

static const char help_text[] =
	"faultwise replay [-m SIZE,...] [-p POLICY,...] [OPTIONS] TRACE\n"
	"\n"
	"  valgrind --tool=lackey --trace-mem=yes --log-file=t ./prog\n"
	"  faultwise replay -m 1M,2M,4M -p nt,clock t\n"
	"  zcat t.gz | faultwise replay -m 100p --json -\n"
	"\n"
	"Pushes a page-reference trace through the memory manager on a\n"
	"software MMU: what faults there would be with each size and policy.\n"
	"\n"
	"Options:\n";

static const char help_trace[] =
	"\n"
	"TRACE is a file, or - for stdin: what valgrind's lackey writes with\n"
	"--trace-mem=yes, or lines `r|w|x HEXADDR`. It is read once, in\n"
	"constant memory. Lines that are neither are counted and reported.\n"
	"The first touch of a page is demand zero, whatever it is. Pages\n"
	"that were only read are not counted as written when they leave.\n";

int replay_help(void)
{
	fputs(help_text, stdout);
	options_help(&replay_options);
	puts("\nPolicies:");
	for (unsigned i = 0; i < FW_POLICIES; i++)
		printf("  %-18s  %s\n", fw_policy_name((enum fw_policy_id)i),
		       fw_policy_text((enum fw_policy_id)i));
	fputs(help_trace, stdout);
	return 0;
}

/* ---- options ------------------------------------------------------------ */

static int add_size(struct replay *r, const char *word)
{
	uint64_t bytes;

	if (!parse_size(word, &bytes))
		return fail(EXIT_USAGE,
			    "-m %s: that is not a size. Give it as 64M, 1.5G, "
			    "100p (pages) or bytes.", word);
	if (bytes < FW_PAGE_SIZE || bytes >> FW_PAGE_SHIFT > REPLAY_PAGES_MAX)
		return fail(EXIT_USAGE,
			    "-m %s: that is not between one page and 1 TiB. "
			    "Give a size like 64M.", word);
	if (r->n_sizes == MOST_SIZES)
		return fail(EXIT_USAGE,
			    "-m: more than %d sizes. Replay the trace twice.",
			    MOST_SIZES);
	r->pages[r->n_sizes++] = bytes >> FW_PAGE_SHIFT;
	return 0;
}

static int add_policy(struct replay *r, const char *word)
{
	const char *names[FW_POLICIES], *meant;

	for (unsigned i = 0; i < FW_POLICIES; i++) {
		names[i] = fw_policy_name((enum fw_policy_id)i);
		if (strcmp(word, names[i]))
			continue;
		for (unsigned k = 0; k < r->n_policies; k++)
			if (r->policies[k] == i)
				return 0;
		r->policies[r->n_policies++] = (enum fw_policy_id)i;
		return 0;
	}
	meant = nearest(word, names, FW_POLICIES);
	return fail(EXIT_USAGE, "-p %s: there is no such policy. %s%s%s", word,
		    meant ? "Did you mean " : "See: ",
		    meant ? meant : "faultwise help replay", meant ? "?" : "");
}

static int each_word(struct replay *r, const char *list,
		     int (*add)(struct replay *, const char *))
{
	char *copy = strdup(list), *rest = copy, *word;
	int status = 0;

	while (copy && !status && (word = strsep(&rest, ",")))
		status = add(r, word);
	free(copy);
	return status;
}

static int set_trace(struct replay *r, const char *path)
{
	if (r->path)
		return fail(EXIT_USAGE, "more than one trace is given. Say: "
					"faultwise replay -m 64M TRACE, or - "
					"for stdin");
	r->path = path;
	return 0;
}

static int set_option(void *into, const struct option *option,
		      const char *value)
{
	struct replay *r = into;

	if (!option)
		return set_trace(r, value);
	switch ((enum option_id)option->id) {
	case OPT_SIZES:
		return each_word(r, value, add_size);
	case OPT_POLICIES:
		return each_word(r, value, add_policy);
	case OPT_AHEAD:
		r->ahead = true;
		return 0;
	case OPT_JSON:
		r->json = true;
		return 0;
	case OPT_CHECK:
		r->check = true;
		return 0;
	case OPT_HELP:
		exit(replay_help());
	}
	return 0;
}

const struct option_table replay_options = {
	.verb = "replay",
	.options = options,
	.n = sizeof(options) / sizeof(*options),
	.misuse = EXIT_USAGE,
	.operands = true,
	.set = set_option,
};

static int parse_options(struct replay *r, char **argv)
{
	int at, status = options_parse(&replay_options, r, argv, &at);

	if (status)
		return status;
	if (!r->path)
		return fail(EXIT_USAGE, "no trace is given. Say: faultwise "
					"replay -m 64M TRACE, or - for stdin");
	if (!r->n_sizes)
		status = each_word(r, "1M,4M,16M,64M", add_size);
	if (!status && !r->n_policies)
		status = each_word(r, "nt,clock", add_policy);
	return status;
}

/* ---- the replay --------------------------------------------------------- */

static void take_batch(void *arg, const fw_ref *ref, size_t n)
{
	struct replay *r = arg;

	for (unsigned i = 0; i < r->n_runs; i++)
		replay_machine_run(r->run[i].machine, ref, n);
}

static int open_machines(struct replay *r)
{
	for (unsigned s = 0; s < r->n_sizes; s++)
		for (unsigned p = 0; p < r->n_policies; p++) {
			struct run *run = &r->run[r->n_runs];

			run->config.pages = r->pages[s];
			run->config.policy = r->policies[p];
			run->config.ahead = r->ahead;
			run->machine = replay_machine_open(&run->config);
			if (!run->machine)
				return fail(EXIT_US,
					    "cannot make a machine of %s: "
					    "there is no address space for "
					    "it. Give less with -m, or "
					    "fewer sizes at a time.",
					    size_text(r->pages[s]
						      << FW_PAGE_SHIFT));
			r->n_runs++;
		}
	return 0;
}

static int read_trace(struct replay *r, int fd)
{
	static char chunk[CHUNK];
	ssize_t n;

	r->trace.take = take_batch;
	r->trace.arg = r;
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(EXIT_US, "cannot read trace %s: %s. Name "
					     "a file, or - for stdin.",
				    r->path, strerror(errno));
		trace_feed(&r->trace, chunk, (size_t)n);
	}
	trace_end(&r->trace);
	return 0;
}

static uint64_t references(const struct replay *r)
{
	const uint64_t *n = r->trace.count;

	return n[REF_READ] + n[REF_WRITE] + n[REF_EXEC];
}

/* What could not be used of the trace. */
static int judge_trace(const struct replay *r)
{
	const struct trace *t = &r->trace;

	if (references(r) == 0 && t->malformed > 0)
		return fail(EXIT_US,
			    "trace %s has no references: line %llu is \"%s\". "
			    "Make one with: valgrind --tool=lackey "
			    "--trace-mem=yes --log-file=FILE PROGRAM",
			    r->path, (unsigned long long)t->bad_line,
			    t->bad_text);
	if (references(r) == 0 && t->outside > 0)
		return fail(EXIT_US,
			    "trace %s has no references below 2^47. Only user "
			    "addresses can be replayed.", r->path);
	if (references(r) == 0)
		return fail(EXIT_US,
			    "trace %s is empty. Make one with: valgrind "
			    "--tool=lackey --trace-mem=yes --log-file=FILE "
			    "PROGRAM", r->path);
	if (t->malformed > 0)
		note("trace %s: %s of %s lines are not references and were "
		     "left out; the first is line %llu: \"%s\"", r->path,
		     count_text(t->malformed), count_text(t->lines),
		     (unsigned long long)t->bad_line, t->bad_text);
	if (t->outside > 0)
		note("trace %s: %s references beyond 47 bits of address were "
		     "left out", r->path, count_text(t->outside));
	return 0;
}

static int take_results(struct replay *r)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < r->n_runs; i++) {
		struct run *run = &r->run[i];

		replay_machine_result(run->machine, &run->result);
		if (r->check)
			bad += replay_machine_verify(run->machine);
		if (run->result.full || run->result.crowded)
			return fail(EXIT_US,
				    "trace %s touches too many pages: the "
				    "tables of %s machines are full. Replay "
				    "parts of it.", r->path,
				    size_text(run->config.pages
					      << FW_PAGE_SHIFT));
	}
	return bad ? fail(EXIT_US, "%u discrepancies in the records. Please "
				   "report this with the trace.", bad) : 0;
}

/* ---- results ------------------------------------------------------------ */

/* Faults that brought a page into memory. */
static uint64_t misses(const struct replay_result *res)
{
	return res->kind[FW_KIND_DEMAND_ZERO] + res->kind[FW_KIND_PAGE_FILE];
}

static double hit_ratio(const struct replay *r, const struct replay_result *res)
{
	return 1 - (double)misses(res) / (double)references(r);
}

static uint64_t faults(const struct replay_result *res)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < FW_KIND_COUNT; k++)
		sum += res->kind[k];
	return sum;
}

/* Kinds that any machine had have a column. */
static bool kind_shown(const struct replay *r, unsigned kind)
{
	for (unsigned i = 0; i < r->n_runs; i++)
		if (r->run[i].result.kind[kind])
			return true;
	return kind == FW_KIND_DEMAND_ZERO || kind == FW_KIND_PAGE_FILE;
}

static void print_row(const struct replay *r, const struct run *run)
{
	const struct replay_result *res = &run->result;
	char memory[32];

	if (run->config.pages < 256)
		snprintf(memory, sizeof(memory), "%u pages",
			 (unsigned)run->config.pages);
	else
		snprintf(memory, sizeof(memory), "%s",
			 size_text(run->config.pages << FW_PAGE_SHIFT));
	printf("  %10s  %-6s  %8.4f %%  %12s", memory,
	       fw_policy_name(run->config.policy), 100 * hit_ratio(r, res),
	       count_text(faults(res)));
	for (unsigned k = 0; k < FW_KIND_COUNT; k++)
		if (kind_shown(r, k))
			printf("  %12s", count_text(res->kind[k]));
	printf("  %12s  %12s\n", count_text(res->pages_read),
	       count_text(res->pages_written));
}

static void print_table(const struct replay *r)
{
	printf("faultwise: %s   %s references", r->path,
	       count_text(references(r)));
	if (!r->ahead)
		printf(" to %s pages", count_text(r->run[0].result.pages));
	printf("   %s reads  %s writes  %s fetches\n\n",
	       count_text(r->trace.count[REF_READ]),
	       count_text(r->trace.count[REF_WRITE]),
	       count_text(r->trace.count[REF_EXEC]));
	printf("  %10s  %-6s  %10s  %12s", "memory", "policy", "hit ratio",
	       "faults");
	for (unsigned k = 0; k < FW_KIND_COUNT; k++)
		if (kind_shown(r, k))
			printf("  %12s", fw_kind_text((enum fw_kind)k));
	printf("  %12s  %12s\n", "pages read", "written");
	for (unsigned i = 0; i < r->n_runs; i++)
		print_row(r, &r->run[i]);
}

static void put(const char *key, uint64_t value, const char *behind)
{
	printf("\"%s\":%llu%s", key, (unsigned long long)value, behind);
}

static void print_json_run(const struct replay *r, const struct run *run)
{
	const struct replay_result *res = &run->result;

	printf("\n {");
	put("memory_bytes", run->config.pages << FW_PAGE_SHIFT, ",");
	put("memory_pages", run->config.pages, ",");
	printf("\"policy\":\"%s\",\"hit_ratio\":%.9f,",
	       fw_policy_name(run->config.policy), hit_ratio(r, res));
	put("misses", misses(res), ",");
	put("faults", faults(res), ",\"kinds\":{");
	for (unsigned k = 0; k < FW_KIND_COUNT; k++)
		put(fw_kind_key((enum fw_kind)k), res->kind[k],
		    k + 1 < FW_KIND_COUNT ? "," : "},");
	put("pages_read", res->pages_read, ",");
	put("pages_written", res->pages_written, ",");
	put("reads", res->reads, ",");
	put("writes", res->writes, ",");
	put("table_frames", res->tables, "}");
}

static void print_json(const struct replay *r)
{
	const struct trace *t = &r->trace;

	printf("{\"schema\":\"faultwise.replay/1\",\n\"trace\":");
	put_json_string(stdout, r->path);
	printf(",\n");
	put("references", references(r), ",");
	if (!r->ahead)
		put("pages", r->run[0].result.pages, ",");
	put("read", t->count[REF_READ], ",");
	put("written", t->count[REF_WRITE], ",");
	put("fetched", t->count[REF_EXEC], ",\n");
	put("lines", t->lines, ",");
	put("malformed", t->malformed, ",");
	put("outside", t->outside, ",\n");
	printf("\"ahead\":%s,\"seconds\":%.6f,\n\"runs\":[",
	       r->ahead ? "true" : "false", r->seconds);
	for (unsigned i = 0; i < r->n_runs; i++) {
		print_json_run(r, &r->run[i]);
		printf(i + 1 < r->n_runs ? "," : "]}\n");
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int replay(struct replay *r)
{
	bool in = !r->path || !strcmp(r->path, "-");
	int fd = STDIN_FILENO, status;
	double start = now();

	if (!in)
		fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(EXIT_US, "cannot open trace %s: %s. Name a file, "
				     "or - for stdin.", r->path,
			    strerror(errno));
	status = open_machines(r);
	if (!status)
		status = read_trace(r, fd);
	if (!in)
		close(fd);
	if (!status)
		status = judge_trace(r);
	if (!status)
		status = take_results(r);
	r->seconds = now() - start;
	return status;
}

int replay_main(char **argv)
{
	struct replay *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return fail(EXIT_US, "there is no memory. Give less with -m.");
	status = parse_options(r, argv);
	if (!status)
		status = replay(r);
	if (!status)
		(r->json ? print_json : print_table)(r);
	for (unsigned i = 0; i < r->n_runs; i++)
		replay_machine_close(r->run[i].machine);
	free(r);
	if (!status && fflush(stdout))
		status = fail(EXIT_US, "cannot write the result: %s. Look at "
				       "where stdout goes.", strerror(errno));
	return status;
}
