/* SPDX-License-Identifier: MIT */
/*
 * harness.h - a test program in plain C that prints TAP.
 *
 *	#include "harness.h"
 *
 *	TEST(zero_page_reads_as_zero, "B12 C41")
 *	{
 *		ok(first_byte() == 0, "page %u", n);
 *		is_u64(frames_used(), 1, "one frame");
 *	}
 *
 * The second argument names the rows of the specification that the test
 * proves ("" when there is none). Tests run in the order of their definition;
 * harness.c has main(). No handlers are installed and no process is forked:
 * signals belong to the code under test.
 *
 * Output: "ok 1 - zero_page_reads_as_zero # rows B12 C41". Exit status: 0 all
 * passed, 1 something failed, 77 everything was skipped.
 *
 * Checks may be called from any thread. A failed check prints a diagnostic
 * and the test goes on, except for must() and skip(), which leave it at once
 * (from the thread that runs it).
 *
 * FW_TEST=name in the environment runs only tests whose name contains it.
 */
#ifndef FAULTWISE_TESTS_HARNESS_H
#define FAULTWISE_TESTS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

struct test_case {
	const char *name;
	const char *rows;
	void (*run)(void);
	struct test_case *next;
};

/* What main() was given. */
extern int test_argc;
extern char **test_argv;

#define TEST(id, rows_text)                                                \
	static void test_run_##id(void);                                   \
	static struct test_case test_case_##id = {#id, rows_text,          \
						  test_run_##id, 0};       \
	__attribute__((constructor)) static void test_add_##id(void)       \
	{                                                                  \
		test_add(&test_case_##id);                                 \
	}                                                                  \
	static void test_run_##id(void)

/* Each returns whether the check holds. The message may be a format. */
#define ok(cond, ...) test_ok((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)
#define is_u64(got, want, ...)                                             \
	test_is_u64((uint64_t)(got), (uint64_t)(want), __FILE__, __LINE__, \
		    #got, __VA_ARGS__)
#define is_str(got, want, ...) \
	test_is_str((got), (want), __FILE__, __LINE__, #got, __VA_ARGS__)
/* `len` bytes are equal; names the first that differs. */
#define is_mem(got, want, len, ...) \
	test_is_mem((got), (want), (len), __FILE__, __LINE__, #got, __VA_ARGS__)
/* Like ok(), but a failure ends the test. */
#define must(cond, ...)                                                    \
	do {                                                               \
		if (!test_ok((cond), __FILE__, __LINE__, #cond,            \
			     __VA_ARGS__))                                 \
			test_leave();                                      \
	} while (0)

/* The test cannot be made here: says why and leaves it. Not a failure. */
_Noreturn void skip(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* A diagnostic line ("# ..."). */
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The value of an environment variable, or what is given instead. */
const char *test_env(const char *name, const char *otherwise);
/* Failures in the test that runs now. */
unsigned test_failures(void);

void test_add(struct test_case *test);
_Noreturn void test_leave(void);
bool test_ok(bool cond, const char *file, int line, const char *what,
	     const char *format, ...) __attribute__((format(printf, 5, 6)));
bool test_is_u64(uint64_t got, uint64_t want, const char *file, int line,
		 const char *what, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
bool test_is_str(const char *got, const char *want, const char *file, int line,
		 const char *what, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
bool test_is_mem(const void *got, const void *want, uint64_t len,
		 const char *file, int line, const char *what,
		 const char *format, ...) __attribute__((format(printf, 7, 8)));

#endif
