/* SPDX-License-Identifier: MIT */
/* expect.c - the checks of harness.h for fuzz targets: what does not hold is
 * said, and ends the process, which is what libFuzzer looks for. */
#include "harness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int test_argc;
char **test_argv;

__attribute__((format(printf, 4, 0)))
static _Noreturn void give_up(const char *file, int line, const char *what,
			      const char *format, va_list ap)
{
	fprintf(stderr, "%s:%d: %s: ", file, line, what);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	abort();
}

bool test_ok(bool cond, const char *file, int line, const char *what,
	     const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!cond)
		give_up(file, line, what, format, ap);
	va_end(ap);
	return true;
}

bool test_is_u64(uint64_t got, uint64_t want, const char *file, int line,
		 const char *what, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	if (got != want) {
		snprintf(text, sizeof(text), "%s is %" PRIu64 ", not %" PRIu64,
			 what, got, want);
		give_up(file, line, text, format, ap);
	}
	va_end(ap);
	return true;
}

bool test_is_mem(const void *got, const void *want, uint64_t len,
		 const char *file, int line, const char *what,
		 const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (memcmp(got, want, len) != 0)
		give_up(file, line, what, format, ap);
	va_end(ap);
	return true;
}

void test_leave(void)
{
	abort();
}

unsigned test_failures(void)
{
	return 0;
}

const char *test_env(const char *name, const char *otherwise)
{
	(void)name;
	return otherwise;
}

void diag(const char *format, ...)
{
	(void)format;
}
