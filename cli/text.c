/* SPDX-License-Identifier: MIT */
/*
 * text.c - messages, sizes, numbers, and the word that was meant.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define N_BUFFERS 8

/* One write, so that lines of several processes do not mix. */
static void put_line(const char *format, va_list args)
{
	char line[8192] = "faultwise: ";
	size_t start = strlen(line), room = sizeof(line) - start - 1;
	int n = vsnprintf(line + start, room, format, args);
	size_t length = start + (n < 0 ? 0 : (size_t)n);

	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0)
		return; /* there is nobody to tell */
}

int fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(format, args);
	va_end(args);
	return status;
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line(format, args);
	va_end(args);
}

/* ---- sizes ------------------------------------------------------------- */

/* Bytes of one unit of the suffix; 0 when it is none. */
static uint64_t unit_of(const char *suffix)
{
	static const char letters[] = "kmgt";
	const char *letter;

	if (!*suffix || !strcasecmp(suffix, "b"))
		return 1;
	if (!strcmp(suffix, "p"))
		return FW_PAGE_SIZE;
	letter = strchr(letters, tolower((unsigned char)*suffix));
	suffix++;
	if (!letter ||
	    (*suffix && strcasecmp(suffix, "ib") && strcasecmp(suffix, "b")))
		return 0;
	return (uint64_t)1024 << 10 * (letter - letters);
}

bool parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t unit;
	double number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	number = strtod(text, &end);
	unit = unit_of(end);
	if (!unit || number * (double)unit >= 9e18 ||
	    text[strspn(text, "0123456789.")] == 'e' || tolower(text[1]) == 'x')
		return false;
	*ret_bytes = (uint64_t)(number * (double)unit);
	return true;
}

static char *next_buffer(size_t *ret_size)
{
	static char buffers[N_BUFFERS][48];
	static unsigned turn;

	*ret_size = sizeof(buffers[0]);
	return buffers[turn++ % N_BUFFERS];
}

const char *size_text(uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB",
					    "TiB"};
	double value = (double)bytes;
	unsigned unit = 0;
	size_t size;
	char *text = next_buffer(&size);

	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size,
		 value == (double)(uint64_t)value ? "%.0f %s" : "%.1f %s",
		 value, units[unit]);
	return text;
}

const char *count_text(uint64_t n)
{
	size_t size;
	char *text = next_buffer(&size), *at = text + size - 1;
	unsigned digits = 0;

	*at = '\0';
	do {
		if (digits && digits % 3 == 0)
			*--at = ' ';
		*--at = (char)('0' + n % 10);
		digits++;
	} while (n /= 10);
	return at;
}

uint64_t read_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint64_t value = 0;
	size_t n = strlen(key);

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, n)) {
			value = strtoull(line + n, NULL, 10);
			break;
		}
	if (file)
		fclose(file);
	return value;
}

/* ---- the word that was meant ------------------------------------------- */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* Insertions, deletions, replacements between two short words. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[33], n = (unsigned)strlen(b);

	if (n > 32)
		return n;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned above = row[j];

			row[j] = min3(row[j - 1] + 1, above + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

const char *nearest(const char *word, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned least = 3;

	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(word, words[i]);

		if (d < least && d < strlen(words[i])) {
			least = d;
			best = words[i];
		}
	}
	return best;
}

/* ---- JSON -------------------------------------------------------------- */

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static unsigned utf8_length(const unsigned char *s)
{
	unsigned n = *s < 0x80	 ? 1
		     : *s < 0xc2 ? 0
		     : *s < 0xe0 ? 2
		     : *s < 0xf0 ? 3
		     : *s < 0xf5 ? 4
				 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 &&
	    ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f)))
		return 0;
	if (n == 4 &&
	    ((*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

void put_json_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		unsigned n = utf8_length(s);

		if (n == 0)
			fprintf(out, "\\udc%02x", *s++);
		else if (n == 1 &&
			 (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f))
			fprintf(out, "\\u%04x", *s++);
		else
			while (n--)
				fputc(*s++, out);
	}
	fputc('"', out);
}
