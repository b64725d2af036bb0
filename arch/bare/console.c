/* SPDX-License-Identifier: MIT */
/* console.c - the first serial port, out only. */
#include "arch/bare/kernel.h"

#include <stdarg.h>

#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define ROOM 0x20

void console_init(void)
{
	outb(COM1 + 1, 0);    /* no interrupts */
	outb(COM1 + 3, 0x80); /* 115200 baud */
	outb(COM1, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);    /* 8 bits, no parity */
	outb(COM1 + 2, 0xc7); /* FIFOs */
}

void console_write(const char *text, size_t n)
{
	while (n-- > 0) {
		while (!(inb(LINE_STATUS) & ROOM))
			;
		outb(COM1, (uint8_t)*text++);
	}
}

/* Where formatted text goes; what finds no room is counted only. */
struct sink {
	char *to;
	size_t n, size;
};

static void put(struct sink *s, char c)
{
	if (s->n + 1 < s->size)
		s->to[s->n] = c;
	s->n++;
}

static void put_number(struct sink *s, uint32_t value, unsigned base,
		       unsigned width, char fill)
{
	char digits[10];
	unsigned n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while ((value /= base) > 0);
	for (; width > n; width--)
		put(s, fill);
	while (n > 0)
		put(s, digits[--n]);
}

/* The conversion at *form, which is behind the %; returns what follows. */
static const char *put_one(struct sink *s, const char *form, va_list *args)
{
	char fill = *form == '0' ? '0' : ' ';
	unsigned width = 0;
	const char *text;
	int value;

	for (; *form >= '0' && *form <= '9'; form++)
		width = width * 10 + (unsigned)(*form - '0');
	switch (*form) {
	case 's':
		for (text = va_arg(*args, const char *); *text; text++)
			put(s, *text);
		break;
	case 'c':
		put(s, (char)va_arg(*args, int));
		break;
	case 'd':
		value = va_arg(*args, int);
		if (value < 0)
			put(s, '-');
		put_number(s, value < 0 ? 0u - (unsigned)value :
					  (unsigned)value, 10, width, fill);
		break;
	case 'u':
		put_number(s, va_arg(*args, unsigned), 10, width, fill);
		break;
	case 'x':
		put_number(s, va_arg(*args, unsigned), 16, width, fill);
		break;
	default:
		put(s, *form);
	}
	return form + 1;
}

static size_t format(struct sink *s, const char *form, va_list *args)
{
	while (*form) {
		if (*form != '%')
			put(s, *form++);
		else
			form = put_one(s, form + 1, args);
	}
	if (s->size > 0)
		s->to[s->n < s->size ? s->n : s->size - 1] = 0;
	return s->n;
}

size_t ksnprintf(char *to, size_t size, const char *form, ...)
{
	struct sink s = {to, 0, size};
	va_list args;

	va_start(args, form);
	format(&s, form, &args);
	va_end(args);
	return s.n;
}

void kprintf(const char *form, ...)
{
	char line[256] = "";
	struct sink s = {line, 0, sizeof(line)};
	va_list args;

	va_start(args, form);
	format(&s, form, &args);
	va_end(args);
	console_write(line, strlen(line));
}
