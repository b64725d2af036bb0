/* SPDX-License-Identifier: MIT */
/*
 * cost - what a fault of each kind costs, in instructions: the time stamp
 * counter counts them when QEMU is told -icount shift=0. The same program runs
 * on Linux (compiled with -DON_LINUX, as the only one of an initramfs), which
 * makes the same accesses. Of several rounds the cheapest counts: that is
 * one without a timer interrupt.
 */
#include <stdint.h>

#define PAGE 4096u
#define PAGES 128u
#define ROUNDS 5
#define AT 0x20000000u
#define FILE_PAGES 256u

static int call(int nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory");
	return ret;
}

#ifdef ON_LINUX
enum { EXIT = 1, FORK = 2, WRITE = 4, OPEN = 5, MUNMAP = 91, WAIT4 = 114,
       MMAP = 90, REBOOT = 88 };

static void map(int single)
{
	/* Private, anonymous, fixed. */
	uint32_t a[6] = {AT, PAGES * PAGE, 3, 0x32, ~0u, 0};

	(void)single;
	call(MMAP, (uint32_t)a, 0, 0, 0);
}

static void map_file(uint32_t prot, int single)
{
	static int fd = -1;
	uint32_t a[6] = {AT, FILE_PAGES * PAGE, prot, 0x12, 0, 0};

	(void)single;
	if (fd < 0)
		fd = call(OPEN, (uint32_t)"/pages", 0, 0, 0);
	a[4] = (uint32_t)fd;
	call(MMAP, (uint32_t)a, 0, 0, 0);
}

static void wait(void)
{
	call(WAIT4, ~0u, 0, 0, 0);
}

static void end(void)
{
	call(REBOOT, 0xfee1dead, 0x28121969, 0x01234567, 0);
	call(EXIT, 0, 0, 0, 0);
}
#else
#include "arch/bare/calls.h"
enum { EXIT = CALL_EXIT, FORK = CALL_FORK, WRITE = CALL_WRITE,
       MUNMAP = CALL_MUNMAP };

static void map(int single)
{
	struct mmap_args a = {AT, PAGES * PAGE, 3, single ? MAP_SINGLE : 0,
			      0, 0};

	call(CALL_MMAP, (uint32_t)&a, 0, 0, 0);
}

static void map_file(uint32_t prot, int single)
{
	struct mmap_args a = {AT, FILE_PAGES * PAGE, prot,
			      MAP_FILE | (single ? MAP_SINGLE : 0u), 0, 0};

	a.file = (uint32_t)call(CALL_OPEN, (uint32_t)"/pages", 0, 0, 0);
	call(CALL_MMAP, (uint32_t)&a, 0, 0, 0);
}

static void wait(void)
{
	call(CALL_WAIT, 0, 0, 0, 0);
}

static void end(void)
{
	call(EXIT, 0, 0, 0, 0);
}
#endif

static void unmap(void)
{
	call(MUNMAP, AT, FILE_PAGES * PAGE, 0, 0);
}

static uint64_t now(void)
{
	uint64_t value;

	__asm__ volatile("rdtsc" : "=A"(value) : : "memory");
	return value;
}

/* Instructions of n accesses, `stride` pages apart. */
static uint32_t touch(uint32_t n, uint32_t stride, int write)
{
	volatile uint32_t *at = (volatile uint32_t *)AT;
	uint64_t start = now();

	for (uint32_t i = 0; i < n; i++, at += stride * PAGE / 4) {
		if (write)
			*at = i;
		else
			(void)*at;
	}
	return (uint32_t)(now() - start);
}

static void say(const char *what, uint32_t total, uint32_t n)
{
	char digits[8] = "\n";
	uint32_t value = total / n, length = 0, i = 7;

	while (what[length])
		length++;
	call(WRITE, 1, (uint32_t)"# cost ", 7, 0);
	call(WRITE, 1, (uint32_t)what, length, 0);
	digits[i] = '\n';
	do
		digits[--i] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	digits[--i] = ' ';
	call(WRITE, 1, (uint32_t)digits + i, 8 - i, 0);
}

/* ---- the kinds: each returns the instructions of its accesses ------------ */

static uint32_t zero_single(void)
{
	map(1);
	return touch(PAGES, 1, 1);
}

static uint32_t zero_all(void)
{
	map(0);
	return touch(PAGES, 1, 1);
}

/* The child's copies; it tells through its exit, so it prints by itself. */
static uint32_t in_child; /* what the child is to print */

static uint32_t copy_on_write(void)
{
	map(1);
	touch(PAGES, 1, 1);
	if (call(FORK, 0, 0, 0, 0) == 0) {
		in_child = 1;
		return touch(PAGES, 1, 1);
	}
	wait();
	return 0;
}

static uint32_t sole_owner(void)
{
	map(1);
	touch(PAGES, 1, 1);
	if (call(FORK, 0, 0, 0, 0) == 0)
		call(EXIT, 0, 0, 0, 0);
	wait();
	return touch(PAGES, 1, 1);
}

/* One page of sixteen is wanted; Linux maps those around it too. */
static uint32_t file_single(void)
{
	map_file(1, 1);
	return touch(FILE_PAGES / 16, 16, 0);
}

static uint32_t file_around(void)
{
	map_file(1, 0);
	return touch(FILE_PAGES / 16, 16, 0);
}

static uint32_t file_all(void)
{
	map_file(1, 0);
	return touch(FILE_PAGES, 1, 0);
}

static uint32_t file_write(void)
{
	map_file(3, 1);
	return touch(FILE_PAGES / 16, 16, 1);
}

static void measure(const char *what, uint32_t (*kind)(void), uint32_t n)
{
	uint32_t best = ~0u, got;

	for (int i = 0; i < ROUNDS; i++) {
		unmap();
		got = kind();
		if (in_child) {
			say(what, got, n);
			call(EXIT, 0, 0, 0, 0);
		}
		if (got < best)
			best = got;
	}
	if (best > 0)
		say(what, best, n);
}

__attribute__((used)) static void begin(void)
{
	map_file(1, 0);
	touch(FILE_PAGES, 1, 0); /* from now on it is in memory */
	measure("demand zero, one page each", zero_single, PAGES);
	measure("demand zero, as it comes, a page", zero_all, PAGES);
	measure("copy on write", copy_on_write, PAGES);
	measure("copy on write, last owner", sole_owner, PAGES);
	measure("file page, random access", file_single, FILE_PAGES / 16);
	measure("file page and those around", file_around, FILE_PAGES / 16);
	measure("file, all pages, a page", file_all, FILE_PAGES);
	measure("file page written", file_write, FILE_PAGES / 16);
	end();
}

__asm__(".text\n"
	".globl _start\n"
	"_start: andl $-16, %esp\n"
	"call begin\n");
