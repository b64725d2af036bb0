/* SPDX-License-Identifier: MIT */
/* harness.c - runs the registered tests and prints TAP; see harness.h. */
#include "harness.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIAG 40 /* failed checks that are printed per test */

int test_argc;
char **test_argv;

static struct test_case *first;
static struct test_case **last = &first;
static atomic_uint failures;
static jmp_buf leave;
static bool skipped;
static char skip_reason[200];

void test_add(struct test_case *test)
{
	*last = test;
	last = &test->next;
}

void test_leave(void)
{
	longjmp(leave, 1);
}

unsigned test_failures(void)
{
	return atomic_load(&failures);
}

const char *test_env(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

void diag(const char *format, ...)
{
	char line[500];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	printf("# %s\n", line);
}

void skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(skip_reason, sizeof(skip_reason), format, ap);
	va_end(ap);
	skipped = true;
	test_leave();
}

/* Counts a failed check and prints it, unless too many were printed. */
static void report(const char *file, int line, const char *detail,
		   const char *format, va_list ap)
{
	unsigned n = atomic_fetch_add(&failures, 1) + 1;
	char message[300];

	if (n == MAX_DIAG)
		diag("(further failures of this test are not printed)");
	if (n >= MAX_DIAG)
		return;
	vsnprintf(message, sizeof(message), format, ap);
	diag("%s:%d: %s: %s", file, line, message, detail);
}

bool test_ok(bool cond, const char *file, int line, const char *what,
	     const char *format, ...)
{
	char detail[200];
	va_list ap;

	if (cond)
		return true;
	snprintf(detail, sizeof(detail), "not so: %s", what);
	va_start(ap, format);
	report(file, line, detail, format, ap);
	va_end(ap);
	return false;
}

bool test_is_u64(uint64_t got, uint64_t want, const char *file, int line,
		 const char *what, const char *format, ...)
{
	char detail[300];
	va_list ap;

	if (got == want)
		return true;
	snprintf(detail, sizeof(detail),
		 "%s is %" PRIu64 " (%#" PRIx64 "), not %" PRIu64
		 " (%#" PRIx64 ")",
		 what, got, got, want, want);
	va_start(ap, format);
	report(file, line, detail, format, ap);
	va_end(ap);
	return false;
}

bool test_is_str(const char *got, const char *want, const char *file, int line,
		 const char *what, const char *format, ...)
{
	char detail[400];
	va_list ap;

	if (got && want && strcmp(got, want) == 0)
		return true;
	snprintf(detail, sizeof(detail), "%s is \"%s\", not \"%s\"", what,
		 got ? got : "(null)", want ? want : "(null)");
	va_start(ap, format);
	report(file, line, detail, format, ap);
	va_end(ap);
	return false;
}

bool test_is_mem(const void *got, const void *want, uint64_t len,
		 const char *file, int line, const char *what,
		 const char *format, ...)
{
	const unsigned char *g = got, *w = want;
	char detail[200];
	uint64_t i = 0;
	va_list ap;

	while (i < len && g[i] == w[i])
		i++;
	if (i == len)
		return true;
	snprintf(detail, sizeof(detail),
		 "%s: byte %" PRIu64 " is %#x, not %#x", what, i, g[i], w[i]);
	va_start(ap, format);
	report(file, line, detail, format, ap);
	va_end(ap);
	return false;
}

enum result { PASSED, FAILED, SKIPPED };

static enum result run_one(const struct test_case *test, unsigned number)
{
	atomic_store(&failures, 0);
	skipped = false;
	if (!setjmp(leave))
		test->run();
	if (atomic_load(&failures)) {
		printf("not ok %u - %s", number, test->name);
	} else if (skipped) {
		printf("ok %u - %s # SKIP %s\n", number, test->name,
		       skip_reason);
		return SKIPPED;
	} else {
		printf("ok %u - %s", number, test->name);
	}
	if (*test->rows)
		printf(" # rows %s", test->rows);
	printf("\n");
	return atomic_load(&failures) ? FAILED : PASSED;
}

int main(int argc, char **argv)
{
	const char *only = test_env("FW_TEST", "");
	unsigned count[3] = {0, 0, 0}, number = 0;

	test_argc = argc;
	test_argv = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (const struct test_case *t = first; t; t = t->next)
		if (strstr(t->name, only))
			count[run_one(t, ++number)]++;
	printf("1..%u\n", number);
	if (count[FAILED])
		return 1;
	return count[PASSED] ? 0 : 77;
}
