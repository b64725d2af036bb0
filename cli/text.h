/* SPDX-License-Identifier: MIT */
/* text.h - messages, sizes, numbers and words: what all verbs need. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXIT_US 125 /* faultwise itself failed */
#define EXIT_USAGE 2 /* a verb that only looks at things was misused */

/* Prints "faultwise: " and the message to stderr; returns status. */
int fail(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "64M", "64MiB", "16384p", "1.5G", bytes; false when it is not a size. */
bool parse_size(const char *text, uint64_t *ret_bytes);
/* Into a buffer of its own, one of eight in turn. */
const char *size_text(uint64_t bytes);
const char *count_text(uint64_t n); /* 24042 as "24 042" */
/* The entry of `words` (n of them) that is nearest to `word`, or NULL. */
const char *nearest(const char *word, const char *const *words, size_t n);
/* The first number behind `key` in a file of /proc or /sys; 0 when none. */
uint64_t read_number(const char *path, const char *key);
/* Writes `text` as a JSON string; bytes that are not UTF-8 become lone
 * surrogates, as Python has them. */
void put_json_string(FILE *out, const char *text);

#endif
