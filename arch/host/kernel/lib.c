/* SPDX-License-Identifier: MIT */
/*
 * lib.c - the few library functions that a freestanding program needs (the
 * compiler itself calls the mem* ones) and messages on stderr.
 */
#include <stdarg.h>

#include "arch/host/compress.h"
#include "arch/host/kernel/trap.h"

void *memcpy(void *to, const void *from, size_t n)
{
	void *r = to;

	__asm__ volatile("rep movsb"
			 : "+D"(to), "+S"(from), "+c"(n)
			 :
			 : "memory");
	return r;
}

void *memset(void *to, int byte, size_t n)
{
	void *r = to;

	__asm__ volatile("rep stosb"
			 : "+D"(to), "+c"(n)
			 : "a"(byte)
			 : "memory");
	return r;
}

void *memmove(void *to, const void *from, size_t n)
{
	uint8_t *d = to;
	const uint8_t *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	while (n--)
		d[n] = s[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

/* Where a library would go that wants to allocate, or finds its stack
 * overwritten (meson.build). */
_Noreturn void k_library_broken(void);
_Noreturn void k_library_broken(void)
{
	fwp_panic("a library asks for what there is not", __FILE__, __LINE__);
}

/* Behind the kthread. Made by the thread itself, which is in here once. */
ZSTD_DCtx *expand_context(void)
{
	struct kthread *t = k_self();
	void *at = (char *)t + KTHREAD_ROOM;

	if (!t->expands && !ZSTD_initStaticDCtx(at, FW_EXPAND_BYTES))
		return NULL;
	t->expands = 1;
	return at;
}

/* libzstd's hooks, weak there: at 0, which it would be, they are out of reach
 * of code up here. */
uint64_t ZSTD_trace_decompress_begin(const void *context);
uint64_t ZSTD_trace_decompress_begin(const void *context)
{
	(void)context;
	return 0; /* nobody follows it */
}

void ZSTD_trace_decompress_end(uint64_t trace, const void *what);
void ZSTD_trace_decompress_end(uint64_t trace, const void *what)
{
	(void)trace, (void)what;
}

size_t k_strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int k_strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

int k_strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] || !a[i])
			return (unsigned char)a[i] - (unsigned char)b[i];
	return 0;
}

bool k_fd_reserved(struct kthread *t, long fd)
{
	long first = run_fd(t->p->run, 0);

	return fd >= first && fd < first + FW_FD_COUNT;
}

/* ---- messages ----------------------------------------------------------- */

struct out {
	char buf[512];
	size_t n;
};

static void put(struct out *o, char c)
{
	if (o->n < sizeof(o->buf))
		o->buf[o->n++] = c;
}

static void put_text(struct out *o, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(o, *s);
}

static void put_number(struct out *o, uint64_t v, unsigned base)
{
	char digits[24];
	unsigned n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(o, digits[--n]);
}

static void put_signed(struct out *o, int64_t v)
{
	if (v < 0)
		put(o, '-');
	put_number(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

static void put_arg(struct out *o, char c, bool is_long, va_list *ap)
{
	uint64_t v;

	if (c == 's') {
		put_text(o, va_arg(*ap, const char *));
	} else if (c == 'c') {
		put(o, (char)va_arg(*ap, int));
	} else if (c == 'd') {
		put_signed(o, is_long ? va_arg(*ap, long) : va_arg(*ap, int));
	} else {
		v = c == 'p' || is_long ? va_arg(*ap, uint64_t)
					: va_arg(*ap, unsigned);
		put_number(o, v, c == 'u' ? 10 : 16);
	}
}

void k_printf(const char *format, ...)
{
	struct out o = { .n = 0 };
	va_list ap;

	va_start(ap, format);
	for (const char *f = format; *f; f++) {
		bool is_long = false;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		if (*++f == 'l') {
			is_long = true;
			f++;
		}
		put_arg(&o, *f, is_long, &ap);
	}
	va_end(ap);
	HC3(__NR_write, 2, o.buf, o.n);
}
