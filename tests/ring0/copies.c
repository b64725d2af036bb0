/* SPDX-License-Identifier: MIT */
/* copies - memory of users that the kernel touches for them: what is out
 * comes in, what is not theirs is EFAULT, and nobody dies of it. */
#include "tests/ring0/rt.h"

static uint32_t seed = 12345;

static uint32_t random(uint32_t below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static int write_from(uint32_t at, uint32_t n)
{
	return call(CALL_WRITE, 1, at, n);
}

static int read_to(uint32_t at, uint32_t n, uint32_t offset)
{
	struct read_args a = {
		(uint32_t)call(CALL_OPEN, (uint32_t)"/copies", 0, 0), at, n,
		offset};

	return call(CALL_READ, (uint32_t)&a, 0, 0);
}

static void good(void)
{
	static const char text[] = "# read out of a page that was out\n";

	map(PLACE, 4, R | W, 0);
	memcpy((void *)PLACE, text, sizeof(text));
	probe(PROBE_PURGE, 0, 0);
	ok(write_from(PLACE, sizeof(text) - 1) == sizeof(text) - 1,
	   "a buffer that is on the disk", "C46 C53");
	ok(read_to(PLACE + 2 * PAGE, 4, 0) == 4 &&
		   !memcmp((void *)(PLACE + 2 * PAGE), "\177ELF", 4),
	   "a buffer that never was anywhere", "C46 C53");
	ok(read_to(PLACE + PAGE - 2, 4, 0) == 4 &&
		   *(volatile uint16_t *)(PLACE + PAGE - 2) == 0x457f &&
		   *(volatile uint16_t *)(PLACE + PAGE) == 0x464c,
	   "a buffer over two pages", "C46");
}

static void bad(void)
{
	ok(write_from(0, 4) == -EFAULT && read_to(0, 4, 0) == -EFAULT &&
		   write_from(PLACE + 4 * PAGE, 1) == -EFAULT,
	   "nobody's address: EFAULT", "C47 C53");
	ok(write_from(KERNEL_BASE + 0x100000, 16) == -EFAULT &&
		   read_to(KERNEL_BASE + 0x100000, 16, 0) == -EFAULT &&
		   read_to(0xfffffff0, 0x20, 0) == -EFAULT &&
		   write_from(USER_TOP - 4, 8) == -EFAULT,
	   "the kernel's: EFAULT", "C49 C27");
	ok(call(CALL_MMAP, 4, 0, 0) == -EFAULT &&
		   call(CALL_OPEN, PLACE + 4 * PAGE, 0, 0) == -EFAULT &&
		   exec((const char *)8, 0) == -EFAULT &&
		   exec("/copies", (const char **)8) == -EFAULT,
	   "... also where arguments are", "C47");
	protect(PLACE + 2 * PAGE, 1, R);
	ok(read_to(PLACE + 2 * PAGE, 4, 1) == -EFAULT &&
		   !memcmp((void *)(PLACE + 2 * PAGE), "\177ELF", 4),
	   "a read-only buffer: EFAULT, and unchanged", "C50 A13");
	ok(probe(PROBE_VERIFY, 0, 0) == 0, "... and the records are right",
	   "C48");
}

static void parts(void)
{
	const uint32_t end = PLACE + 4 * PAGE;

	memset((void *)(end - 8), '#', 7);
	*(volatile char *)(end - 1) = '\n';
	ok(write_from(end - 8, 20) == 8, "write: the part that is good", "C51");
	ok(read_to(end - 8, 20, 0) == 8 &&
		   !memcmp((void *)(end - 8), "\177ELF", 4),
	   "read: the part that is good", "C51");
	ok(read_to(end, 20, 0) == -EFAULT, "none: EFAULT", "C51 C47");
}

static void child_reads(uint32_t at)
{
	ok(read_to(at, 4, 1) == 4 && *(volatile char *)at == 'E',
	   "a shared page is copied before it is filled", "C50 B16");
}

static void shared(void)
{
	*word_at(PLACE) = 0x11111111;
	in_child(child_reads, PLACE);
	ok(*word_at(PLACE) == 0x11111111, "... for the child alone", "C50");
}

/* Random ranges over pages in, out, never touched, not there. */
static void both_ways(void)
{
	uint32_t wrong = 0, some = 0, all = 0;

	map(PLACE, 32, R | W, 0);
	for (uint32_t i = 0; i < 32; i += 2)
		*word_at(PLACE + i * PAGE) = i;
	unmap(PLACE + 20 * PAGE, 3);
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t at = PLACE - PAGE + random(34 * PAGE);
		uint32_t n = random(3 * PAGE);
		int got = probe(PROBE_COPIES, at, n);

		wrong += got < 0;
		some += got > 0 && (uint32_t)got < n;
		all += (uint32_t)got == n;
		if (i % 50 == 0)
			probe(PROBE_PURGE, 0, 0);
	}
	ok(wrong == 0 && some > 0 && all > 0,
	   "walking the tables and access with fixup copy the same",
	   "C52 C53 C54");
}

int main(void)
{
	good();
	bad();
	parts();
	shared();
	both_ways();
	return (int)verdict();
}
