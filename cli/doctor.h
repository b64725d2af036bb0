/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - `faultwise doctor`: tries what runs need, and says what is wrong.
 *
 *   doctor.c       options, the report, the verdict
 *   doctor_try.c   what is tried, most of it in a child process
 *   doctor_host.c  what is read: limits and settings of the host
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/cli.h"
#include "cli/options.h"

enum finding_state {
	FINDING_OK,
	FINDING_NOTE,	 /* runs work; worth knowing */
	FINDING_PROBLEM, /* runs do not work */
};

struct finding {
	enum finding_state state;
	const char *name;
	char text[512];
	char remedy[384]; /* empty: nothing to do */
};

struct report {
	const struct run_options *opt; /* -m and -b, as for run */
	uint64_t ram_bytes;	       /* of the run that is tried */
	bool inside;		       /* in a run already */
	unsigned n;
	struct finding findings[48];
};

/* Each adds one finding or more. */
void doctor_try_basics(struct report *r);
void doctor_try_stores(struct report *r);
void doctor_try_run(struct report *r);
void doctor_read_limits(struct report *r);
void doctor_read_host(struct report *r);

/* ---- doctor.c ---------------------------------------------------------- */

/* `remedy`, what to do, may be NULL. */
void found(struct report *r, enum finding_state state, const char *name,
	   const char *remedy, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

extern const struct option_table doctor_options;

int doctor_main(char **argv); /* argv[0] is the verb */
int doctor_help(void);

#endif
