/* SPDX-License-Identifier: MIT */
/*
 * doctor.c - `faultwise doctor`: options, the report and its verdict.
 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH 20
#define TEXT_COLUMN 30
#define LINE_WIDTH 79
#define TRY_BYTES ((uint64_t)32 << 20) /* RAM of the run that is tried */

enum option_id { OPT_MEMORY, OPT_STORE, OPT_JSON, OPT_HELP };

struct doctor {
	struct run_options run;
	bool json;
};

static const struct option options[] = {
	{OPT_MEMORY, 'm', "memory", "SIZE",
	 "look whether a run with so much RAM would work.\n"
	 "Default: 32M"},
	{OPT_STORE, 'b', "backing", "file:PATH[,SIZE][,tmpfs]",
	 "look at this place for a page file, as `run -b` would\n"
	 "use it; may be given as often as there. A file or device\n"
	 "that exists is not written to. Default: file:/var/tmp"},
	{OPT_JSON, 0, "json", NULL, "one object of schema faultwise.doctor/1"},
	{OPT_HELP, 'h', "help", NULL, "this text"},
};

static int set_option(void *into, const struct option *option,
		      const char *value)
{
	struct doctor *d = into;
	int status = 0;

	if (!option)
		return fail(EXIT_USAGE, "doctor takes options only, not '%s'. "
					"See: faultwise help doctor", value);
	switch ((enum option_id)option->id) {
	case OPT_MEMORY:
	case OPT_STORE:
		status = run_option_set(&d->run, option->letter, value);
		return status ? EXIT_USAGE : 0;
	case OPT_JSON:
		d->json = true;
		return 0;
	case OPT_HELP:
		exit(doctor_help());
	}
	return 0;
}

const struct option_table doctor_options = {
	.verb = "doctor",
	.options = options,
	.n = sizeof(options) / sizeof(*options),
	.misuse = EXIT_USAGE,
	.operands = true,
	.set = set_option,
};

int doctor_help(void)
{
	puts("faultwise doctor [-m SIZE] [-b file:PATH]... [--json]\n"
	     "\n"
	     "  faultwise doctor\n"
	     "  faultwise doctor -m 4G -b file:/mnt/disk\n"
	     "\n"
	     "Tries what runs need on this machine, as this user, under these\n"
	     "limits, and a run in the end; says of each whether it is ok,\n"
	     "worth a note, or a problem, and what to do about it.\n"
	     "\n"
	     "Options:");
	options_help(&doctor_options);
	puts("\nThe exit status is 0 when runs work, 1 when they do not, 2 "
	     "when\nmisused.");
	return 0;
}

/* ---- findings ---------------------------------------------------------- */

void found(struct report *r, enum finding_state state, const char *name,
	   const char *remedy, const char *format, ...)
{
	struct finding *f = &r->findings[r->n];
	va_list args;

	if (r->n == sizeof(r->findings) / sizeof(*r->findings))
		return;
	r->n++;
	f->state = state;
	f->name = name;
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy ? remedy : "");
}

static unsigned count(const struct report *r, enum finding_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n; i++)
		n += r->findings[i].state == state;
	return n;
}

static const char *const state_text[] = {"ok", "note", "problem"};

/* ---- as text ----------------------------------------------------------- */

static void new_line(int *at)
{
	printf("\n%*s", TEXT_COLUMN, "");
	*at = TEXT_COLUMN;
}

/* Words in lines, from TEXT_COLUMN on; *at is the column. */
static void put_words(const char *text, int *at)
{
	while (*text) {
		int n = (int)strcspn(text, " \n");

		if (n && *at > TEXT_COLUMN && *at + 1 + n > LINE_WIDTH)
			new_line(at);
		else if (n && *at > TEXT_COLUMN)
			*at += printf(" ");
		*at += printf("%.*s", n, text);
		text += n;
		text += strspn(text, " \n");
	}
}

static void put_finding(const struct finding *f)
{
	int at = TEXT_COLUMN;

	printf("%-9s%-*s ", state_text[f->state], NAME_WIDTH, f->name);
	put_words(f->text, &at);
	if (*f->remedy) {
		new_line(&at);
		put_words(f->remedy, &at);
	}
	putchar('\n');
}

static void put_text(const struct report *r)
{
	unsigned problems = count(r, FINDING_PROBLEM);
	unsigned notes = count(r, FINDING_NOTE);

	for (unsigned i = 0; i < r->n; i++)
		put_finding(&r->findings[i]);
	if (problems)
		printf("\n`faultwise run` does not work here: %u problem%s, "
		       "%u note%s.\n", problems, problems == 1 ? "" : "s",
		       notes, notes == 1 ? "" : "s");
	else
		printf("\n`faultwise run` works here: %u note%s.\n", notes,
		       notes == 1 ? "" : "s");
}

/* ---- as JSON ----------------------------------------------------------- */

static void put_json(const struct report *r)
{
	unsigned problems = count(r, FINDING_PROBLEM);

	printf("{\"schema\": \"faultwise.doctor/1\", \"version\": \"%s\",\n"
	       " \"works\": %s, \"problems\": %u, \"notes\": %u,\n"
	       " \"checks\": [", FW_VERSION, problems ? "false" : "true",
	       problems, count(r, FINDING_NOTE));
	for (unsigned i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		printf("%s\n  {\"name\": \"%s\", \"state\": \"%s\", \"text\": ",
		       i ? "," : "", f->name, state_text[f->state]);
		put_json_string(stdout, f->text);
		printf(", \"remedy\": ");
		if (*f->remedy)
			put_json_string(stdout, f->remedy);
		else
			printf("null");
		putchar('}');
	}
	puts("]}");
}

/* ---- the verb ---------------------------------------------------------- */

/* Inside a run the tries would be the outer run's to answer. */
static void examine(struct report *r)
{
	doctor_try_basics(r);
	if (r->inside)
		return;
	doctor_try_stores(r);
	doctor_read_limits(r);
	doctor_read_host(r);
	doctor_try_run(r);
}

int doctor_main(char **argv)
{
	static struct doctor d;
	static struct report r;
	int at, status = options_parse(&doctor_options, &d, argv, &at);

	if (status)
		return status;
	r.opt = &d.run;
	r.ram_bytes = d.run.ram_bytes ? d.run.ram_bytes : TRY_BYTES;
	examine(&r);
	if (d.json)
		put_json(&r);
	else
		put_text(&r);
	if (fflush(stdout))
		return fail(EXIT_US, "cannot write the report. Is the disk "
				     "full?");
	return count(&r, FINDING_PROBLEM) ? 1 : 0;
}
