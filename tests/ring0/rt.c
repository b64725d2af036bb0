/* SPDX-License-Identifier: MIT */
/* rt.c - see rt.h. */
#include "tests/ring0/rt.h"

static uint32_t failed;
struct fault_record fault_log[LOG];

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb"
			 : "+D"(at), "+S"(from), "+c"(n)
			 :
			 : "memory");
	return to;
}

void *memset(void *to, int value, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb"
			 : "+D"(at), "+c"(n)
			 : "a"(value)
			 : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void print(const char *text)
{
	call(CALL_WRITE, 1, (uint32_t)text, strlen(text));
}

static void append(char *to, const char *text)
{
	memcpy(to + strlen(to), text, strlen(text) + 1);
}

static char *digits(char *end, uint32_t value, unsigned base)
{
	*end = 0;
	do
		*--end = "0123456789abcdef"[value % base];
	while ((value /= base) > 0);
	return end;
}

void print_number(uint32_t value, unsigned base)
{
	char text[12];

	print(digits(text + 11, value, base));
}

/* In one write, so that lines of several processes do not mix. */
int ok(int good, const char *name, const char *rows)
{
	char text[160] = "";

	append(text, good ? "ok - " : "not ok - ");
	append(text, name);
	if (rows) {
		append(text, " # rows ");
		append(text, rows);
	}
	append(text, "\n");
	print(text);
	failed |= !good;
	return good;
}

void note(const char *name, uint32_t value)
{
	char text[160] = "# ", number[12];

	append(text, name);
	append(text, " ");
	append(text, digits(number + 11, value, 10));
	append(text, " = 0x");
	append(text, digits(number + 11, value, 16));
	append(text, "\n");
	print(text);
}

uint32_t verdict(void)
{
	return failed;
}

/* ---- accesses ------------------------------------------------------------ */

static void do_read(uint32_t addr)
{
	(void)*(volatile uint8_t *)addr;
}

static void do_write(uint32_t addr)
{
	volatile uint8_t *byte = (volatile uint8_t *)addr;

	__asm__ volatile("movb $1, %0" : "=m"(*byte));
}

static void do_run(uint32_t addr)
{
	((void (*)(void))addr)();
}

int cannot_read(uint32_t addr)
{
	return attempt(do_read, addr);
}

int cannot_write(uint32_t addr)
{
	return attempt(do_write, addr);
}

int cannot_run(uint32_t addr)
{
	return attempt(do_run, addr);
}

/* ---- memory -------------------------------------------------------------- */

static void map_it(const struct mmap_args *a)
{
	int error = call(CALL_MMAP, (uint32_t)a, 0, 0);

	if (error == 0)
		return;
	ok(0, "memory is to be had", 0);
	note("mmap", (uint32_t)-error);
	quit(1);
}

void map(uint32_t start, uint32_t pages, uint32_t prot, uint32_t flags)
{
	map_it(&(struct mmap_args){start, pages * PAGE, prot, flags, 0, 0});
}

void map_file(uint32_t start, uint32_t pages, uint32_t prot, uint32_t flags,
	      const char *name, uint32_t page)
{
	int file = call(CALL_OPEN, (uint32_t)name, 0, 0);

	map_it(&(struct mmap_args){start, pages * PAGE, prot, flags | MAP_FILE,
				   (uint32_t)file, page});
}

void unmap(uint32_t start, uint32_t pages)
{
	call(CALL_MUNMAP, start, pages * PAGE, 0);
}

void protect(uint32_t start, uint32_t pages, uint32_t prot)
{
	call(CALL_MPROTECT, start, pages * PAGE, prot);
}

uint32_t in_child(void (*f)(uint32_t), uint32_t arg)
{
	uint32_t status = 0xffff;
	int pid = fork();

	if (pid == 0) {
		f(arg);
		quit(failed);
	}
	if (pid < 0 || wait(&status) != pid)
		ok(0, "a child can be made", 0);
	return status;
}

uint32_t faults(void)
{
	return (uint32_t)probe(PROBE_FAULTS, (uint32_t)fault_log, LOG);
}

uint32_t faults_at(uint32_t addr)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < LOG; i++)
		n += (fault_log[i].address ^ addr) < PAGE;
	return n;
}
