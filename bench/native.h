/* SPDX-License-Identifier: MIT */
/* native.h - what the host's own kernel takes for the same, and a clock. */
#ifndef FW_BENCH_NATIVE_H
#define FW_BENCH_NATIVE_H

#include <stdbool.h>

#define REPEAT 7
#define PAGES 4096u	  /* of a measurement of single faults */
#define FORK_PAGES 16384u /* 64 MiB */
#define RATE_PAGES 98304u /* that each of several threads touches */

/* Nanoseconds. */
double now(void);
void must(bool cond, const char *what);
void least(double *min, double value);
void most(double *max, double value);

/* Each prints its figures. */
void native_fault(void);
void native_fork(void);
/* Two at a time against one: pages first touched by two processes, by two
 * threads, and a loop that touches nothing (machine_two_threads). */
void native_threads(void);

#endif
