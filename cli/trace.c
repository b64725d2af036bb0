/* SPDX-License-Identifier: MIT */
/*
 * trace.c - reads page-reference traces, in constant memory. Two kinds of
 * line, which may be mixed:
 *
 *   I  0401ab70,3       valgrind --tool=lackey --trace-mem=yes: I fetches, L
 *    S 1fff000708,8     loads, S stores, M loads and stores; address in
 *                       hexadecimal, bytes in decimal
 *   w 7f3a1c2d4008      r, w or x, and an address in hexadecimal, with or
 *                       without 0x; ",BYTES" may follow
 *
 * Empty lines, and those that begin with #, == or -- (what valgrind says),
 * are comments. Bytes that span pages refer to each of these.
 */
#include <string.h>

#include "cli/replay.h"

#define BYTES_MAX 65536 /* of one access */

static void flush(struct trace *t)
{
	if (t->n_ref > 0)
		t->take(t->arg, t->ref, t->n_ref);
	t->n_ref = 0;
}

static void refer(struct trace *t, fw_addr addr, uint64_t bytes,
		  enum ref_access access)
{
	fw_vpn vpn = addr >> FW_PAGE_SHIFT;
	fw_vpn last = (addr + bytes - 1) >> FW_PAGE_SHIFT;

	if (last < vpn || last >= REF_VPN_END) {
		t->outside++;
		return;
	}
	for (; vpn <= last; vpn++) {
		t->ref[t->n_ref++] = vpn << REF_SHIFT | access;
		t->count[access]++;
		if (t->n_ref == TRACE_BATCH)
			flush(t);
	}
}

/* ---- one line ----------------------------------------------------------- */

static const signed char hex_digit[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6,
	['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* Leading zeros are fine, more than 64 bits are not; NULL: no number. */
static const char *parse_hex(const char *at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	const char *start;

	if (end - at > 2 && at[0] == '0' && (at[1] | 32) == 'x')
		at += 2;
	for (start = at; at < end; at++) {
		int digit = hex_digit[(unsigned char)*at] - 1;

		if (digit < 0)
			break;
		if (value >> 60)
			return NULL;
		value = value << 4 | (unsigned)digit;
	}
	*ret = value;
	return at > start ? at : NULL;
}

static const char *parse_bytes(const char *at, const char *end, uint64_t *ret)
{
	const char *start = at;

	*ret = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++)
		if (*ret <= BYTES_MAX)
			*ret = *ret * 10 + (unsigned)(*at - '0');
	return at > start && *ret >= 1 && *ret <= BYTES_MAX ? at : NULL;
}

static int access_of(char letter)
{
	switch (letter) {
	case 'I':
	case 'x':
	case 'X':
		return REF_EXEC;
	case 'L':
	case 'r':
	case 'R':
		return REF_READ;
	case 'S':
	case 'M':
	case 'w':
	case 'W':
		return REF_WRITE;
	default:
		return -1;
	}
}

static bool parse_reference(struct trace *t, const char *at, const char *end)
{
	int access = access_of(*at);
	uint64_t addr, bytes = 1;

	if (access < 0 || ++at == end || !is_blank(*at))
		return false;
	at = parse_hex(skip_blanks(at, end), end, &addr);
	if (at && at < end && *at == ',')
		at = parse_bytes(at + 1, end, &bytes);
	if (!at || skip_blanks(at, end) != end)
		return false;
	refer(t, addr, bytes, (enum ref_access)access);
	return true;
}

static bool is_comment(const char *at, const char *end)
{
	if (at == end || *at == '#')
		return true;
	return end - at >= 2 && at[0] == at[1] && (*at == '=' || *at == '-');
}

static void note_bad(struct trace *t, const char *line, size_t n)
{
	size_t k = 0;

	if (t->malformed++ > 0)
		return;
	t->bad_line = t->lines;
	for (; k < n && k < sizeof(t->bad_text) - 1; k++)
		t->bad_text[k] = line[k] >= ' ' && line[k] <= '~' ? line[k]
								  : '?';
	t->bad_text[k] = '\0';
}

static void take_line(struct trace *t, const char *line, const char *end)
{
	const char *at = skip_blanks(line, end);

	t->lines++;
	if (!is_comment(at, end) && !parse_reference(t, at, end))
		note_bad(t, line, (size_t)(end - line));
}

/* ---- the stream --------------------------------------------------------- */

/* More of a line whose end is not there yet. */
static void keep_part(struct trace *t, const char *text, size_t n)
{
	if (n > TRACE_LINE - t->n_part) {
		n = TRACE_LINE - t->n_part;
		t->too_long = true;
	}
	memcpy(t->part + t->n_part, text, n);
	t->n_part += n;
}

/* The kept part is a whole line now. One that was cut short can only be a
 * comment. */
static void end_part(struct trace *t)
{
	const char *end = t->part + t->n_part;

	if (t->too_long) {
		t->lines++;
		if (!is_comment(skip_blanks(t->part, end), end))
			note_bad(t, t->part, t->n_part);
	} else {
		take_line(t, t->part, end);
	}
	t->n_part = 0;
	t->too_long = false;
}

void trace_feed(struct trace *t, const char *text, size_t n)
{
	const char *end = text + n;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline) {
			keep_part(t, text, (size_t)(end - text));
			return;
		}
		if (t->n_part > 0 || newline - text > TRACE_LINE) {
			keep_part(t, text, (size_t)(newline - text));
			end_part(t);
		} else {
			take_line(t, text, newline);
		}
		text = newline + 1;
	}
}

void trace_end(struct trace *t)
{
	if (t->n_part > 0)
		end_part(t);
	flush(t);
}
