/* SPDX-License-Identifier: MIT */
/*
 * replay.h - `faultwise replay`: a page-reference trace through the core on
 * the software MMU.
 *
 *   replay.c         options, files, table, JSON
 *   trace.c          from text to references
 *   replay_machine.c one machine, linked with a core and a port of its own
 *                    (meson.build): the rest of the command has the host's
 */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include <stdio.h>

#include <faultwise/mm.h>

#include "cli/options.h"

/* ---- trace.c ----------------------------------------------------------- */

/* A reference to one page: its number above two bits of access. */
typedef uint64_t fw_ref;
enum ref_access { REF_READ, REF_WRITE, REF_EXEC };
#define REF_SHIFT 2
/* The lower half, 47 bits, but for its last page, which Linux gives nobody. */
#define REF_VPN_END (((fw_vpn)1 << 35) - 1)

#define TRACE_BATCH 8192
#define TRACE_LINE 256 /* no reference is longer */

/* What has been read so far. Zero bytes and `take` are a fresh one. */
struct trace {
	/* Gets references in batches; one of n == 0 is never passed. */
	void (*take)(void *arg, const fw_ref *ref, size_t n);
	void *arg;
	uint64_t lines;	    /* in all */
	uint64_t malformed; /* that are neither references nor comments */
	uint64_t outside;   /* references beyond 47 bits of address */
	uint64_t count[3];  /* page references by enum ref_access */
	uint64_t bad_line;  /* number of the first malformed one */
	char bad_text[64];  /* and its beginning, printable */
	/* inside */
	bool too_long;
	size_t n_part, n_ref;
	char part[TRACE_LINE];
	fw_ref ref[TRACE_BATCH];
};

/* The next bytes of the trace, cut anywhere. */
void trace_feed(struct trace *t, const char *text, size_t n);
/* The end: a last line without its newline counts too. */
void trace_end(struct trace *t);

/* ---- replay_machine.c -------------------------------------------------- */

struct replay_config {
	uint64_t pages; /* frames for the program's pages, >= 1 */
	enum fw_policy_id policy;
	bool ahead; /* windows and read-ahead, as in a run */
};

struct replay_result {
	uint64_t kind[FW_KIND_COUNT];
	uint64_t pages_read, pages_written; /* from and to the page file */
	uint64_t reads;		/* requests that did so */
	uint64_t writes;
	uint64_t pages;		/* referred to; too few with `ahead` */
	uint64_t tables;	/* frames of page tables and records */
	bool crowded;		/* those took frames from the pages */
	bool full;		/* an access could not be resolved */
};

struct replay_machine;

#define REPLAY_PAGES_MAX ((uint64_t)1 << 28) /* 1 TiB */

/* NULL: no memory or address space for it. */
struct replay_machine *replay_machine_open(const struct replay_config *config);
void replay_machine_run(struct replay_machine *m, const fw_ref *ref, size_t n);
void replay_machine_result(struct replay_machine *m,
			   struct replay_result *ret);
/* Discrepancies found by mm_verify, printed to stderr. */
unsigned replay_machine_verify(struct replay_machine *m);
void replay_machine_close(struct replay_machine *m);

/* ---- replay.c ---------------------------------------------------------- */

extern const struct option_table replay_options;

int replay_main(char **argv); /* argv[0] is the verb */
int replay_help(void);

#endif
