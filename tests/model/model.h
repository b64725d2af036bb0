/* SPDX-License-Identifier: MIT */
/*
 * model.h - random operations and the model that they are held against.
 *
 * The model of a space is an array of pages, each with its kind, protection
 * and contents; the model of a section is its contents. What the core says to
 * an operation, what a read finds and whether an access is allowed must be
 * what the model says. ops.c has the operations, model.c runs them, killed.c
 * runs them on processes that die in the middle, tests/fuzz/fuzz_ops.c runs
 * what bytes say.
 */
#ifndef FAULTWISE_TESTS_MODEL_H
#define FAULTWISE_TESTS_MODEL_H

#include "harness.h"

#include "arch/soft/soft.h"

#define SPACES 6
#define SECTIONS 64  /* ever made */
#ifndef PAGES /* tests/fuzz has smaller ones */
#define PAGES 512u   /* of a space that the model covers */
#define SECTION_PAGES 96u
#endif
#define VERIFY_EVERY 2000
#define MODEL_PAGE 4096u


/* VIEW: private, not yet copied. HOST: what it holds is not the core's. */
enum kind { NONE, PRIVATE, SHARED, VIEW, HOST, COPIED };

struct section {
	struct fw_section *core;
	uint64_t cookie; /* files */
	uint32_t pages;
	bool dropped; /* no longer mapped anew */
	bool held[SECTION_PAGES];
	uint8_t before[SECTION_PAGES][MODEL_PAGE]; /* in the file, when held */
	uint8_t data[SECTION_PAGES][MODEL_PAGE];
};

struct page {
	enum kind kind;
	uint8_t prot;
	uint16_t section_page;
	struct section *section;
	uint8_t data[MODEL_PAGE]; /* PRIVATE and COPIED */
};

struct space {
	struct soft_cpu *cpu; /* NULL: no such process */
	struct page pages[PAGES];
};

extern struct soft *soft;
extern struct space spaces[SPACES];
extern bool failing; /* now and then an I/O fails */
extern bool doomed;  /* whoever runs may die: all that the core writes is the
		      * victim's own */

uint32_t rnd(uint32_t n);
/* Each operation has random numbers of its own: it stays the same when others
 * are left out. */
void model_seed(uint64_t seed, uint64_t step);
/* From here on the numbers come from these bytes, until they are used up. */
void model_source(const uint8_t *bytes, size_t n);
bool model_source_left(void);
void model_source_pause(bool pause);
/* Section i (0 or 1) is a file. */
#define MODEL_FILES 2
struct section *model_file(unsigned i);
/* All files have what was written to them. */
void model_files_end(void);
/* A machine with files, sections and one process. Every other seed has space
 * locks in stripes, where the table format permits. */
void model_start(uint64_t seed, uint32_t nframes);
void model_start_on(const struct soft_config *config, uint64_t seed);
struct space *any_space(void);
/* One operation of somebody's. `mortal`: one in which he may die. */
void op(struct space *sp, bool mortal);
/* Every page of every space is what the model says. */
void check_all(void);
/* Its address, what it reads as (NULL: beyond its section), and whether a
 * failure is due to an I/O, and to be tried again. */
fw_addr model_addr(unsigned page);
const uint8_t *model_content(struct page *p);
bool model_pardon(void);
/* guard.c: guard pages, set, met and cleared. */
void op_guard(struct space *sp);
/* state.c */
void op_hold(struct space *sp);
void op_release(struct space *sp);
void op_flush(struct space *sp);
void op_priority(struct space *sp);
void op_limits(struct space *sp);
void op_ticks(struct space *sp);
void op_retire(struct space *sp);
/* The process is gone, as far as the model is concerned. */
void model_forget(struct space *sp);
/* Ends all and wants everything back. */
void tear_down(void);
/* The i-th argument of the program as a number. */
unsigned long argument(int i, unsigned long otherwise);
/* As given, and many more with FW_LONG=1 in the environment: a fifth of that
 * under AddressSanitizer. */
unsigned long long_run(unsigned long otherwise, unsigned long with_long);

#endif
