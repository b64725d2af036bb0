/* SPDX-License-Identifier: MIT */
/*
 * view_text.c - making text, and taking the host's apart. What does not fit is
 * left out: there is room for far more than any of these files says.
 */
#include "os/view.h"

#define HOST_O_CLOEXEC 02000000

void text_char(struct text *o, char c)
{
	if (o->used < o->room)
		o->at[o->used++] = c;
	if (c == '\n')
		o->line = o->used;
}

void text_put(struct text *o, const char *s)
{
	while (*s)
		text_char(o, *s++);
}

void text_bytes(struct text *o, const void *from, uint64_t n)
{
	for (const char *s = from; n--; s++)
		text_char(o, *s);
}

void text_dec(struct text *o, uint64_t v, unsigned width)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (width-- > n)
		text_char(o, ' ');
	while (n)
		text_char(o, digits[--n]);
}

void text_hex(struct text *o, uint64_t v, unsigned digits)
{
	while (digits < 16 && v >> (4 * digits))
		digits++;
	while (digits--)
		text_char(o, "0123456789abcdef"[v >> (4 * digits) & 15]);
}

void text_column(struct text *o, unsigned column)
{
	while (o->used - o->line < column)
		text_char(o, ' ');
}

uint64_t take_dec(const char **s)
{
	uint64_t v = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++)
		v = v * 10 + (uint64_t)(**s - '0');
	return v;
}

uint64_t take_hex(const char **s)
{
	uint64_t v = 0;

	for (;; (*s)++) {
		char c = **s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return v;
	}
}

const char *take_line(const char **s, const char *end, const char **ret_end)
{
	const char *line = *s, *at = line;

	if (line >= end)
		return NULL;
	while (at < end && *at != '\n')
		at++;
	*ret_end = at;
	*s = at < end ? at + 1 : at;
	return line;
}

const char *line_key(const char *line, const char *end, const char *key)
{
	size_t n = k_strlen(key);

	if ((size_t)(end - line) <= n || memcmp(line, key, n))
		return NULL;
	return line[n] == ':' || line[n] == ' ' ? line + n : NULL;
}

long host_text(long fd, char *to, uint64_t room)
{
	uint64_t used = 0;
	long n;

	while (used + 1 < room) {
		n = HC4(__NR_pread64, fd, to + used, room - 1 - used, used);
		if (n < 0)
			return n;
		if (!n)
			break;
		used += (uint64_t)n;
	}
	to[used] = 0;
	return (long)used;
}

long host_open(uint32_t pid, const char *name)
{
	char path[64];
	struct text o = {path, 0, sizeof(path) - 1, 0};

	text_put(&o, "/proc/");
	text_dec(&o, pid, 0);
	text_char(&o, '/');
	text_put(&o, name);
	path[o.used] = 0;
	return HC3(__NR_open, path, HOST_O_CLOEXEC, 0);
}
