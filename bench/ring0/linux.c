/* SPDX-License-Identifier: MIT */
/* linux.c - cost.h on Linux, as the only program there is: /init. */
#include "cost.h"

#include <asm/unistd_32.h>
#include <linux/mman.h>
#include <linux/reboot.h>

#define PAGE 4096u
#define NOT_A_FILE (-1)

static int file;

static long bytes(uint32_t pages)
{
	return (long)pages * (long)PAGE;
}

static long call(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}

/* mmap2 takes six arguments, the last one (0 here) in the frame pointer. */
static long map(uint32_t at, uint32_t pages, long prot, long flags, int fd)
{
	long ret;

	__asm__ volatile("pushl %%ebp\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "int $0x80\n\t"
			 "popl %%ebp"
			 : "=a"(ret)
			 : "a"(__NR_mmap2), "b"(at), "c"(pages * PAGE),
			   "d"(prot), "S"(MAP_FIXED | flags), "D"(fd)
			 : "memory");
	return ret;
}

void cost_fresh(uint32_t at, uint32_t pages, bool single)
{
	(void)single; /* one page at a time, always */
	map(at, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    NOT_A_FILE);
	call(__NR_madvise, (long)at, bytes(pages), MADV_NOHUGEPAGE, 0,
	     0);
}

void cost_view(uint32_t at, uint32_t pages)
{
	map(at, pages, PROT_READ, MAP_PRIVATE, file);
}

void cost_drop(uint32_t at, uint32_t pages)
{
	call(__NR_munmap, (long)at, bytes(pages), 0, 0, 0);
}

static _Noreturn void quit(void)
{
	for (;;)
		call(__NR_exit, 0, 0, 0, 0, 0);
}

void cost_child(void (*f)(void))
{
	long pid = call(__NR_fork, 0, 0, 0, 0, 0);

	if (pid == 0) {
		f();
		quit();
	}
	call(__NR_waitpid, pid, 0, 0, 0, 0);
}

static char *put(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

void cost_say(const char *name, uint32_t value)
{
	char line[80], digits[12], *at = line, *d = digits + 11;

	*d = 0;
	do
		*--d = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	at = put(put(put(at, "cost "), name), " ");
	at = put(put(at, d), "\n");
	call(__NR_write, 1, (long)line, at - line, 0, 0);
}

void cost_rest(void)
{
}

int main(void);
void _start(void);
void _start(void)
{
	file = (int)call(__NR_open, (long)"/data", 0, 0, 0, 0);
	main();
	call(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
	     LINUX_REBOOT_CMD_RESTART, 0, 0);
	quit();
}
