/* SPDX-License-Identifier: MIT */
/* bare.c - cost.h on arch/bare. */
#include "cost.h"
#include "tests/ring0/rt.h"

void cost_fresh(uint32_t at, uint32_t pages, bool single)
{
	map(at, pages, R | W, single ? MAP_SINGLE : 0);
}

void cost_view(uint32_t at, uint32_t pages)
{
	map_file(at, pages, R, 0, "/data", 0);
}

void cost_drop(uint32_t at, uint32_t pages)
{
	unmap(at, pages);
}

static void (*work)(void);

static void do_work(uint32_t unused)
{
	(void)unused;
	work();
}

void cost_child(void (*f)(void))
{
	work = f;
	in_child(do_work, 0);
}

void cost_say(const char *name, uint32_t value)
{
	print("cost ");
	print(name);
	print(" ");
	print_number(value, 10);
	print("\n");
}

/* A tenth of a second, in which the zero thread has its turns. */
void cost_rest(void)
{
	uint64_t until = cost_now() + 100000000;

	while (cost_now() < until)
		call(CALL_YIELD, 0, 0, 0);
}
