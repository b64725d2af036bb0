/* SPDX-License-Identifier: MIT */
/*
 * rights - the bits of both levels and what the CPU makes of them, in every
 * combination, by a user and by the kernel. The core is not asked meanwhile
 * (PROBE_RAW): each fault goes to the handler.
 */
#include "tests/ring0/rt.h"

#define P 1u
#define WRITE 2u
#define USER 4u
#define ALL (P | WRITE | USER)

static uint32_t wrong;

/* What the rules say of an access: 0 done, else 1 + the error code. */
static uint32_t expected(uint32_t pde, uint32_t pte, int write, int user)
{
	uint32_t code = (write ? 2u : 0) | (user ? 4u : 0);

	if (!(pde & pte & P))
		return 1 + code;
	if ((user && !(pde & pte & USER)) || (write && !(pde & pte & WRITE)))
		return 1 + (code | 1);
	return 0;
}

static uint32_t by_user(int write)
{
	int failed = write ? cannot_write(PLACE) : cannot_read(PLACE);

	return failed ? (caught.address == PLACE ? 1 + caught.error : 99) : 0;
}

static uint32_t by_kernel(int write)
{
	int result;

	faults();
	result = write ? probe(PROBE_POKE, PLACE, 0x12345678) :
			 probe(PROBE_PEEK, PLACE, 0);
	if (faults() == 0)
		return result < 0 ? 99 : 0;
	return result == -EFAULT && fault_log[0].address == PLACE ?
		       1 + fault_log[0].error : 99;
}

static uint32_t try(uint32_t pde, uint32_t pte, int write, int user)
{
	uint32_t end;

	probe(PROBE_PTE_SET, PLACE, pde << 3 | pte);
	end = user ? by_user(write) : by_kernel(write);
	probe(PROBE_PTE_SET, PLACE, ALL << 3 | ALL);
	return end;
}

static void all_combinations(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t pde = i & 7, pte = i >> 3 & 7;
		int write = i >> 6 & 1, user = i >> 7 & 1;

		wrong += try(pde, pte, write, user) !=
			 expected(pde, pte, write, user);
	}
	ok(wrong == 0, "256 of 256 combinations end as the rules say",
	   "C02 C07 C12 C13 C23");
}

static void points(void)
{
	ok(try(ALL & ~P, ALL, 0, 1) == 1 + 4 && try(ALL, ALL & ~P, 0, 1) == 5,
	   "not present, on either level", "C03 C06 A05");
	ok(try(ALL & ~P, 0, 1, 1) == 1 + 6, "... above: the PTE says nothing",
	   "C06");
	ok(try(ALL & ~WRITE, ALL, 1, 1) == 1 + 7 &&
		   try(ALL, ALL & ~WRITE, 1, 1) == 1 + 7 &&
		   try(ALL & ~WRITE, ALL, 0, 1) == 0,
	   "not writable, on either level", "C03 C04 A12");
	ok(try(ALL & ~USER, ALL, 0, 1) == 1 + 5 &&
		   try(ALL, ALL & ~USER, 0, 1) == 1 + 5,
	   "the kernel's, on either level", "C03 C05 A09");
	ok(try(ALL, ALL & ~USER, 0, 0) == 0 && try(ALL, ALL, 0, 0) == 0 &&
		   try(ALL, ALL, 1, 0) == 0,
	   "the kernel reaches its own and the users' pages", "A10 A11");
	ok(try(ALL, ALL & ~WRITE, 1, 0) == 1 + 3,
	   "but does not write to read-only ones", "A13");
	probe(PROBE_WP, 0, 0);
	ok(try(ALL, ALL & ~WRITE, 1, 0) == 0, "... unless WP is off", "A14");
	probe(PROBE_WP, 1, 0);
}

static void no_execution(void)
{
	static const uint8_t ret = 0xc3;

	map(PLACE + PAGE, 1, R | W, 0);
	memcpy((void *)(PLACE + PAGE), &ret, 1);
#ifdef BARE_PAE
	ok(cannot_run(PLACE + PAGE) && caught.error == 0x15 &&
		   caught.address == PLACE + PAGE &&
		   caught.eip == PLACE + PAGE && caught.kind == FW_KIND_ACCERR,
	   "data cannot be executed: code 15", "B21 C43 C13");
#else
	ok(!cannot_run(PLACE + PAGE), "without NX, data can be executed",
	   "B21");
#endif
	protect(PLACE + PAGE, 1, R | X);
	ok(!cannot_run(PLACE + PAGE), "code can", "C43");
}

int main(void)
{
	map(PLACE, 1, R | W, MAP_SINGLE);
	*word_at(PLACE) = 0xc3c3c3c3;
	cannot_read(PLACE); /* what that takes is there from now on */
	cannot_write(PLACE);
	ok(1, "the PTEs are within reach", 0);
	probe(PROBE_RAW, 1, 0);
	all_combinations();
	points();
	probe(PROBE_RAW, 0, 0);
	if (wrong)
		note("wrong", wrong);
	no_execution();
	return (int)verdict();
}
