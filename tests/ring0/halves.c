/* SPDX-License-Identifier: MIT */
/* halves - the kernel half: a pageable pool that all processes see, and
 * sessions that only their own do; none of it for user mode. */
#include "tests/ring0/rt.h"

#define PIECES 40
#define VIEW (SESSION_START + 16 * PAGE) /* copy on write, of a file */

static int peek(uint32_t at)
{
	return probe(PROBE_PEEK, at, 0);
}

static int poke(uint32_t at, uint32_t word)
{
	return probe(PROBE_POKE, at, word);
}

static uint32_t piece(uint32_t bytes)
{
	int offset = probe(PROBE_POOL, bytes, 0);

	return offset < 0 ? 0 : SYSTEM_START + (uint32_t)offset;
}

static void sees(uint32_t at)
{
	if (peek(at) != 4242)
		quit(2);
	poke(at, 4343);
}

static void pool(void)
{
	uint32_t at[PIECES], wrong = 0, in_before, in_after;
	uint32_t t[PROBE_TOTALS_N];

	for (uint32_t i = 0; i < PIECES; i++) {
		at[i] = piece(i % 2 ? 3000 : 100);
		wrong += !at[i] || poke(at[i], 100 + i) != 0;
	}
	ok(wrong == 0, "the pool gives memory to the kernel", "B48 A20");
	probe(PROBE_TOTALS, (uint32_t)t, 0);
	in_before = t[4];
	probe(PROBE_POOL_PURGE, 0, 0);
	for (uint32_t i = 0; i < PIECES; i++)
		wrong += peek(at[i]) != (int)(100 + i);
	probe(PROBE_TOTALS, (uint32_t)t, 0);
	in_after = t[4];
	ok(wrong == 0 && in_after - in_before >= PIECES / 2,
	   "what of it was on the disk comes in when the kernel touches it",
	   "B04 B48 C46");
	ok(cannot_read(at[0]) && (caught.error & ~1u) == 4 &&
		   caught.kind == FW_KIND_ACCERR && cannot_write(at[0]),
	   "a user touches none of it", "B10 C27 A09");
	ok(call(CALL_WRITE, 1, at[0], 4) == -EFAULT,
	   "nor does the kernel for him", "C49");
	poke(at[3], 4242);
	ok(in_child(sees, at[3]) == 0 && peek(at[3]) == 4343,
	   "what one process maps there, another sees", "A19 A20 C26");
	for (uint32_t i = 0; i < PIECES; i++)
		wrong += probe(PROBE_POOL_FREE, at[i] - SYSTEM_START, 0) != 0;
	ok(wrong == 0 && probe(PROBE_POOL_FREE, at[0] - SYSTEM_START, 0) < 0,
	   "each piece is given back once", "C62");
}

/* In a process of session `which`. */
static void in_session(uint32_t which)
{
	uint32_t other = 1000 + which;

	if (probe(PROBE_SESSION, which, 0) != 0)
		quit(2);
	for (uint32_t i = 0; i < 8; i++)
		if (poke(SESSION_START + i * PAGE, other + i) != 0)
			quit(3);
	if (peek(VIEW) != 0x464c457f)
		quit(4); /* a file that begins as all programs do */
	if (which == 0 && poke(VIEW, 77) != 0)
		quit(5);
	probe(PROBE_SESSION_PURGE, which, 0);
	for (uint32_t i = 0; i < 8; i++)
		if (peek(SESSION_START + i * PAGE) != (int)(other + i))
			quit(6);
	if (peek(VIEW) != (which == 0 ? 77 : 0x464c457f))
		quit(7);
	if (!cannot_read(SESSION_START))
		quit(8);
}

/* A second process of session 0 finds what the first one left. */
static void again(uint32_t which)
{
	if (probe(PROBE_SESSION, which, 0) != 0 ||
	    peek(SESSION_START) != (int)(1000 + which) || peek(VIEW) != 77)
		quit(2);
}

int main(void)
{
	pool();
	ok(peek(SESSION_START) == -EFAULT, "no session, no memory there", 0);
	ok(in_child(in_session, 0) == 0, "a session has memory of its own",
	   "B17 B48 A17");
	ok(in_child(in_session, 1) == 0, "... and another one its own",
	   "B17 B48 A17");
	ok(in_child(again, 0) == 0,
	   "a copy on write is the session's, not the process's", "B17");
	ok(probe(PROBE_VERIFY, 0, 0) == 0, "the records are right", "C62");
	return (int)verdict();
}
