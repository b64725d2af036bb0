/* SPDX-License-Identifier: MIT */
/*
 * rt.h - what programs in ring 3 have of a library. Programs that judge
 * something print TAP lines without numbers; whoever starts them counts.
 */
#ifndef FW_TESTS_RING0_RT_H
#define FW_TESTS_RING0_RT_H

#include <faultwise/types.h>

#include "arch/bare/calls.h"
#include "arch/bare/layout.h"

#define PAGE 4096u
#define R 1u
#define W 2u
#define X 4u
/* A place of its own for each program's pages, in a table of its own. */
#define PLACE 0x10000000u
#define MIB 0x100000u

enum { EFAULT = 14, ENOMEM = 12, EBADF = 9, ENOENT = 2, EINVAL = 22 };
enum { SEGV = 128 + 11, BUS = 128 + 7, KILLED = 128 + 9 };

/* As the kernel keeps them. */
struct fault_record {
	uint32_t address, error, eip, kind;
};

static inline int call(int nr, uint32_t a, uint32_t b, uint32_t c)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return ret;
}

static inline int probe(int what, uint32_t a, uint32_t b)
{
	return call(CALL_PROBE, (uint32_t)what, a, b);
}

static inline _Noreturn void quit(uint32_t status)
{
	call(CALL_EXIT, status, 0, 0);
	__builtin_unreachable();
}

static inline int fork(void)
{
	return call(CALL_FORK, 0, 0, 0);
}

static inline int wait(uint32_t *status)
{
	return call(CALL_WAIT, (uint32_t)status, 0, 0);
}

static inline int exec(const char *name, const char **argv)
{
	return call(CALL_EXEC, (uint32_t)name, (uint32_t)argv, 0);
}

extern struct fault_record caught; /* rt.S */
int attempt(void (*f)(uint32_t), uint32_t arg);
/* The same for one access. */
int cannot_read(uint32_t addr);
int cannot_write(uint32_t addr);
int cannot_run(uint32_t addr); /* there should be a ret */

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
void print(const char *text);
void print_number(uint32_t value, unsigned base);

/* A TAP line; rows: of the specification, or NULL. Returns `good`. */
int ok(int good, const char *name, const char *rows);
/* A diagnosis: "# name value". */
void note(const char *name, uint32_t value);
/* 0, or 1 if anything was not ok: how a program should end. */
uint32_t verdict(void);

/* Memory at this place; ends the program when it is not to be had. */
void map(uint32_t start, uint32_t pages, uint32_t prot, uint32_t flags);
void map_file(uint32_t start, uint32_t pages, uint32_t prot, uint32_t flags,
	      const char *name, uint32_t page);
void unmap(uint32_t start, uint32_t pages);
void protect(uint32_t start, uint32_t pages, uint32_t prot);
/* Runs f in a child; its status. */
uint32_t in_child(void (*f)(uint32_t), uint32_t arg);
/* Faults since the last time, into log[]; how many. */
#define LOG 32
extern struct fault_record fault_log[LOG];
uint32_t faults(void);
uint32_t faults_at(uint32_t addr); /* among those: at this page */
static inline volatile uint32_t *word_at(uint32_t addr)
{
	return (volatile uint32_t *)addr;
}

#endif
