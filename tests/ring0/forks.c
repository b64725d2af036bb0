/* SPDX-License-Identifier: MIT */
/* forks - children that share until somebody writes. */
#include "tests/ring0/rt.h"

#define PAGES 300

static uint32_t copied(void)
{
	return (uint32_t)probe(PROBE_COUNT, FW_KIND_COW, 0);
}

static void writes(uint32_t value)
{
	for (uint32_t i = 0; i < 8; i++)
		*word_at(PLACE + i * PAGE) = value;
	for (uint32_t i = 0; i < 8; i++)
		if (*word_at(PLACE + i * PAGE) != value)
			quit(2);
}

static void share(void)
{
	uint32_t value = 5, before;

	for (uint32_t i = 0; i < PAGES; i++)
		*word_at(PLACE + i * PAGE) = 7;
	before = copied();
	ok(in_child(writes, 9) == 0, "a child has its own memory",
	   "C63 C67 C68 A17");
	ok(copied() - before >= 8 && copied() - before < 40,
	   "... of which few pages are copied", "C66 C71 C72 B16");
	before = 0;
	for (uint32_t i = 0; i < PAGES; i++)
		before += *word_at(PLACE + i * PAGE) != 7;
	ok(before == 0, "its writes are not seen", "C69 A17 A18");
	writes(value);
	ok(in_child(writes, 3) == 0 && *word_at(PLACE) == value,
	   "nor after the parent wrote", "C69 C70");
}

static void chain(uint32_t depth)
{
	writes(depth);
	if (depth > 0 && in_child(chain, depth - 1) != 0)
		quit(3);
	for (uint32_t i = 0; i < 8; i++)
		if (*word_at(PLACE + i * PAGE) != depth)
			quit(4);
}

static void out(uint32_t value)
{
	for (uint32_t i = 0; i < PAGES; i++)
		if (*word_at(PLACE + i * PAGE) != value + i)
			quit(2);
	writes(1);
	probe(PROBE_PURGE, 0, 0);
	for (uint32_t i = 8; i < PAGES; i++)
		if (*word_at(PLACE + i * PAGE) != value + i)
			quit(2);
}

static void paged_out(void)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		*word_at(PLACE + i * PAGE) = 1000 + i;
	probe(PROBE_PURGE, 0, 0);
	ok(in_child(out, 1000) == 0, "what is on the disk is shared as well",
	   "C76 B25");
	for (uint32_t i = 0; i < PAGES; i++)
		wrong += *word_at(PLACE + i * PAGE) != 1000 + i;
	ok(wrong == 0, "... and remains the parent's", "C76 B04");
}

static void tells(uint32_t value)
{
	*word_at(PLACE) = value;
}

static void shared_memory(void)
{
	map(PLACE, 2, R | W, MAP_SHARED);
	*word_at(PLACE) = 1;
	ok(in_child(tells, 42) == 0 && *word_at(PLACE) == 42,
	   "shared memory stays shared", "C75");
}

static void other(uint32_t unused)
{
	const char *argv[] = {"/forks", "exec", 0};

	(void)unused;
	exec("/forks", argv);
}

/* In words of the root. */
static const uint32_t first = FW_LEVELS == 2 ? KERNEL_BASE >> 22 :
					       (KERNEL_BASE >> 30) * 2;

/* a.out, told to end at once, ends with the number of its text's frame. */
static void text_of_two(void)
{
	const char *argv[] = {"/tmp/a.out", "e", 0};
	uint32_t one = 1, two = 2;

	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			quit((uint32_t)exec(argv[0], argv));
	wait(&one);
	wait(&two);
	ok(one == two && one != 0, "two runs of a program share its text",
	   "C45 B44 B45");
}

static void maps_kernel(uint32_t unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 3; i++)
		if ((uint32_t)probe(PROBE_ROOT, first + i, 0) !=
		    *word_at(PLACE + 4 * i))
			quit(2);
}

/* The entries of the root for the kernel, here and in a child. */
static void kernel_part(void)
{
	for (uint32_t i = 0; i < 3; i++)
		*word_at(PLACE + 4 * i) =
			(uint32_t)probe(PROBE_ROOT, first + i, 0);
	ok(*word_at(PLACE) != 0 && in_child(maps_kernel, 0) == 0,
	   "the kernel part of two spaces is the same", "A19 C25 C26");
}

int main(int argc, char **argv)
{
	uint32_t status;

	(void)argv;
	if (argc > 1)
		return 17;
	map(PLACE, PAGES, R | W, 0);
	share();
	ok(in_child(chain, 6) == 0, "forks of forks", "C74");
	paged_out();
	shared_memory();
	kernel_part();
	text_of_two();
	status = in_child(other, 0);
	ok(status == 17, "exec replaces the space", "C64");
	ok(probe(PROBE_VERIFY, 0, 0) == 0, "nothing is lost", "C73 A22");
	return (int)verdict();
}
