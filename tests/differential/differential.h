/* SPDX-License-Identifier: MIT */
/*
 * differential.h - random programs of memory calls and signals.
 *
 * differential [-o OPS] [-n COUNT] SEED... runs one program for each seed, in
 * a process of its own, and prints what every call gave: so two runs of the
 * same seed, natively and under faultwise, can be compared byte for byte.
 * All depends on the seed and on results alone: each operation draws from a
 * generator of its own, so that leaving others out (-o) leaves it as it is.
 *
 * Memory lies in an arena at a fixed address, so that addresses are the same
 * everywhere; what a kernel may choose is printed as "elsewhere".
 */
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096l
#define ARENA ((char *)0x100000000000)
#define PAGES 96	/* in which most operations play */
#define ALL_PAGES 2048	/* with what growing downwards needs */
#define FILES 7

/* What a page of the arena is mapped to, as far as choosing needs it. */
enum kind { K_NONE, K_PRIVATE, K_SHARED, K_FILE, K_FILE_SHARED, K_SHM };
struct page {
	uint8_t kind, prot, file, touched;
	uint64_t id; /* pages of one id are alike and lie in one mapping */
};
extern struct page model[ALL_PAGES];
/* Read-only files of odd sizes, then two to be written to, and a memfd. */
extern int file_fd[FILES];
extern bool privileged; /* this program did not give up its rights */
extern unsigned depth;	/* of forks */

/* main.c */
uint64_t draw(void);
uint64_t below(uint64_t n);
bool one_in(uint64_t n);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_done(void); /* ends the line and writes it */
void say_result(long r);
void say_addr(const void *p);
void run_ops(unsigned from, unsigned n, uint64_t salt);

/* arena.c */
struct caught {
	int sig, code;
	long err, trapno;
	void *addr, *cr2;
	bool alternate;
};
extern struct caught caught;
struct range {
	long start, n; /* pages */
};
struct range any_range(void);
struct range alike_range(void); /* lies in one mapping; n == 0: none */
static inline char *at(long page)
{
	return ARENA + page * PAGE;
}
void arena_start(void);
void model_map(struct range r, enum kind kind, int prot, int file);
void model_unmap(struct range r);
void model_change(struct range r, int prot); /* -1: keeps its protection */
void model_move(struct range r, long to);
/* One access; false and `caught` when a signal came. */
bool touch(char *p, int mode, char value);
enum { T_READ, T_WRITE, T_EXEC };
void say_caught(void);
void sweep(void);
uint64_t hash(uint64_t h, const void *p, size_t n);
void op_touch(void);
void op_sweep(void);
void op_pressure(void);
void op_stack(void);

/* map.c */
void op_map(void);
void op_map_anywhere(void);
void op_map_wrong(void);
void op_unmap(void);
void op_protect(void);
void op_remap(void);
void op_brk(void);
void op_grows_down(void);
void op_remap_file_pages(void);

/* ask.c */
void op_advise(void);
void op_mincore(void);
void op_msync(void);
void op_lock(void);
void op_limit(void);
void op_limited(void);

/* share.c */
void op_fork(void);
void op_vm(void);
void op_vm_wrong(void);
void op_shm(void);
void op_file(void);
void op_buffer(void);

/* sigs.c */
void op_raise(void);
void op_pending(void);
void op_interrupt(void);
void op_wait_signal(void);
void op_fatal(void);

#endif
