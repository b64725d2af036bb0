/* SPDX-License-Identifier: MIT */
/*
 * cli.h - the faultwise command: what its files share.
 *
 * Functions that can fail print one message of three parts (what, why, what
 * to do) and return the exit status for it, or 0.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>
#include <stdio.h>

#include "arch/host/system/system.h"
#include "cli/text.h"

#define EXIT_NOT_EXEC 126  /* the program cannot be executed */
#define EXIT_NOT_FOUND 127 /* there is no such program */

#define FW_VERSION "0.1"
#define MIN_RAM ((uint64_t)8 << 20)

/* ---- opt.c ------------------------------------------------------------- */

struct store_option {
	char path[4096];
	uint64_t bytes; /* 0: not said */
	bool tmpfs;	/* meant to be in RAM */
};

struct run_options {
	uint64_t ram_bytes; /* 0: not said */
	bool compress;		   /* -b lz4:SIZE was given ... */
	uint64_t compressed_bytes; /* ... with this size; 0: none */
	unsigned n_stores;
	struct store_option stores[FW_MAX_PAGE_FILES];
	bool quiet, check, strict;
	const char *stat;
	char **argv; /* the program and its arguments */
};

/* argv[0] is the verb. */
int run_options_parse(char **argv, struct run_options *ret);
/* -m or -b of another verb, meant as run means it. */
int run_option_set(struct run_options *o, char letter, const char *value);
/* Text of `faultwise help` (verb NULL) or `faultwise help VERB`. */
int help(const char *verb);
int unknown_verb(const char *verb);

/* ---- the front end of one run ------------------------------------------ */

struct front {
	struct run_options opt;
	char **argv; /* what is executed: opt.argv, or a shell before it */
	char program[256];
	struct fw_mm *mm;
	struct fw_run *run;
	struct fw_actor *actor;
	uint64_t ram_bytes;
	int ram_fd, kernel_fd, stat_fd;
	unsigned n_stores;
	int store_fd[FW_MAX_PAGE_FILES];
	/* Resource limits as they were given to us, by RLIMIT_ number. */
	uint64_t limit_cur[16], limit_max[16];
	uint64_t store_bytes; /* of all page files */
	char store_text[80];  /* for the summary */
	unsigned fd_first;
	sigset_t mask;	   /* as inherited */
	bool chld_ignored; /* SIGCHLD was, as inherited */
	int link, signals;
	pid_t system_pid;
	uint64_t start_ns, end_ns;
	uint64_t start_ticks, end_ticks;
	/* outcome */
	bool ended; /* status is the first guest's */
	bool system_died;
	bool have_final;
	bool failed; /* the system process could not start it */
	int status;
	struct sys_final final;
};

/* find.c: looks for opt.argv[0] as execvp does; sets program and argv. */
int find_program(struct front *f);
/* ram.c */
int make_ram(struct front *f);
int make_kernel_fd(struct front *f);
int choose_descriptors(struct front *f);
/* Notes the limits and raises those that are for the program alone. */
void lift_limits(struct front *f);
/* store.c */
int open_stores(struct front *f);
/* watch.c: from the fork of the system process to the guest's end */
int start_system(struct front *f, char **main_argv);
void watch(struct front *f);
_Noreturn void end_like(int wait_status);
/* run.c: the whole command line, "faultwise run ..." */
int run_main(char **argv);
/* summary.c */
void print_summary(const struct front *f);
/* stat.c */
int open_stat(struct front *f);
void write_stat(const struct front *f, int exit_status);

/* Seconds from time-stamp counter ticks, calibrated over the run. */
double ticks_to_ns(const struct front *f, uint64_t ticks);
static inline uint64_t kinds_sum(const uint64_t *by_kind)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < FW_KIND_COUNT; kind++)
		sum += by_kind[kind];
	return sum;
}
/* True for faults that waited for a device. */
static inline bool kind_is_hard(enum fw_kind kind)
{
	return kind == FW_KIND_PAGE_FILE || kind == FW_KIND_MAPPED_FILE ||
	       kind == FW_KIND_IOERR;
}

#endif
