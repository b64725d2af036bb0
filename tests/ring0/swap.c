/* SPDX-License-Identifier: MIT */
/*
 * swap - the CPU's accessed bits; a page that four want at once; eight
 * processes with 4 MiB each in 12 MiB of RAM: each writes its pages, and reads
 * them again when all have written, in an order of its own.
 */
#include "tests/ring0/rt.h"

#define PROCESSES 8
#define PAGES (4 * MIB / PAGE)
#define ROUNDS 1

static uint32_t word_of(uint32_t who, uint32_t page, uint32_t round, uint32_t i)
{
	return (who * PAGES + page) * 2654435761u + round * 40503u + i;
}

static void fill(uint32_t who, uint32_t page, uint32_t round)
{
	for (uint32_t i = 0; i < PAGE / 4; i += 32)
		word_at(PLACE + page * PAGE)[i] = word_of(who, page, round, i);
}

static uint32_t wrong(uint32_t who, uint32_t page, uint32_t round)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAGE / 4; i += 32)
		n += word_at(PLACE + page * PAGE)[i] !=
		     word_of(who, page, round, i);
	return n;
}

#define ARRIVED (PLACE + 18 * MIB)

/* Until all are as far as this one. */
static void meet(uint32_t times)
{
	__atomic_add_fetch(word_at(ARRIVED), 1, __ATOMIC_SEQ_CST);
	while (*word_at(ARRIVED) < PROCESSES * times)
		call(CALL_YIELD, 0, 0, 0);
}

static void work(uint32_t who)
{
	uint32_t bad = 0, step = 2 * who + 1;

	map(PLACE, PAGES, R | W, 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < PAGES; i++)
			fill(who, i * step % PAGES, round);
		meet(2 * round + 1);
		if (who == 0)
			bad += (uint32_t)probe(PROBE_VERIFY, 0, 0);
		for (uint32_t i = 0; i < PAGES; i++)
			bad += wrong(who, i * step % PAGES, round);
		meet(2 * round + 2);
	}
	quit(bad != 0);
}

static void all_at_once(void)
{
	uint32_t before[PROBE_TOTALS_N], after[PROBE_TOTALS_N], bad = 0, status;

	map(ARRIVED, 1, R | W, MAP_SHARED);
	*word_at(ARRIVED) = 0;
	probe(PROBE_TOTALS, (uint32_t)before, 0);
	for (uint32_t who = 0; who < PROCESSES; who++)
		if (fork() == 0)
			work(who);
	for (uint32_t i = 0; i < PROCESSES; i++)
		bad += wait(&status) < 0 || status != 0;
	probe(PROBE_TOTALS, (uint32_t)after, 0);
	ok(bad == 0, "eight processes of 4 MiB: each page right",
	   "A04 A07 A17 A18 B04 B33 B34");
	ok(before[0] * PAGE <= 12 * MIB, "... in 12 MiB", "A04");
	ok(after[5] - before[5] > 4 * PAGES &&
		   after[4] - before[4] > 4 * PAGES,
	   "... went to the disk and came back", "B04 B25 B40");
	note("pages written", after[5] - before[5]);
	note("pages read", after[4] - before[4]);
	note("faults resolved by a read that another had begun",
	     (uint32_t)probe(PROBE_COUNT, FW_KIND_COLLIDED, 0));
}

/* ---- one page, wanted by many at once ------------------------------------ */

#define SHARED (PLACE + 16 * MIB)
#define FLAG (PLACE + 17 * MIB)

static void touch_all(uint32_t who)
{
	uint32_t sum = 0;

	while (*word_at(FLAG) == 0)
		call(CALL_YIELD, 0, 0, 0);
	for (uint32_t i = 0; i < 64; i++)
		sum += *word_at(SHARED + i * PAGE) != i;
	(void)who;
	quit(sum != 0);
}

static void together(void)
{
	uint32_t collided, bad = 0, status;

	map(SHARED, 64, R | W, MAP_SHARED | MAP_SINGLE);
	map(FLAG, 1, R | W, MAP_SHARED);
	for (uint32_t i = 0; i < 64; i++)
		*word_at(SHARED + i * PAGE) = i;
	probe(PROBE_PURGE, 0, 0);
	collided = (uint32_t)probe(PROBE_COUNT, FW_KIND_COLLIDED, 0);
	for (uint32_t who = 0; who < 4; who++)
		if (fork() == 0)
			touch_all(who);
	*word_at(FLAG) = 1;
	for (uint32_t i = 0; i < 4; i++)
		bad += wait(&status) < 0 || status != 0;
	collided = (uint32_t)probe(PROBE_COUNT, FW_KIND_COLLIDED, 0) - collided;
	ok(bad == 0 && collided > 0,
	   "who wants a page that is being read waits for that read",
	   "B42 B45");
	note("waited", collided);
}

/* ---- who is used stays --------------------------------------------------- */

#define SOME 128
#define USED 96 /* pages from here on are */
#define TAKEN 32
#define ACCESSED 0x20

static uint32_t bits_of(uint32_t page, uint32_t bit)
{
	return (uint32_t)probe(PROBE_PTE, PLACE + page * PAGE, 0) & bit;
}

/* The first trimming takes the accessed bit from all, since all have it; what
 * the CPU sets it for again survives the second one. */
static void accessed(void)
{
	uint32_t marked = 0, unmarked = 0, left = 0;

	map(PLACE, SOME, R | W, MAP_SINGLE);
	for (uint32_t i = 0; i < SOME; i++)
		*word_at(PLACE + i * PAGE) = i;
	probe(PROBE_TRIM, TAKEN, 0);
	faults();
	for (uint32_t i = USED; i < SOME; i++)
		(void)*word_at(PLACE + i * PAGE);
	left = faults();
	for (uint32_t i = USED; i < SOME; i++)
		marked += bits_of(i, ACCESSED) != 0;
	for (uint32_t i = TAKEN; i < USED; i++)
		unmarked += bits_of(i, ACCESSED) == 0;
	ok(left == 0 && marked == SOME - USED && unmarked == USED - TAKEN,
	   "the CPU marks what is used, without a fault", "C23");
	probe(PROBE_TRIM, TAKEN, 0);
	for (uint32_t i = left = 0; i < SOME; i++)
		left += i >= USED ? bits_of(i, 1) : 0;
	ok(left == SOME - USED, "... and that outlives what is not", "B39");
}

int main(void)
{
	accessed();
	together();
	all_at_once();
	ok(probe(PROBE_VERIFY, 0, 0) == 0, "the records are right", "A22");
	return (int)verdict();
}
