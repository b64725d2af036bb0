/* SPDX-License-Identifier: MIT */
/*
 * restart - single instructions that fault, once or several times, and are
 * made again: how many faults, where, from which instruction, and that nothing
 * is done twice or by halves.
 */
#include "tests/ring0/rt.h"

#define CODE PLACE
#define SOURCE (PLACE + 0x100000)
#define TARGET (PLACE + 0x200000)
#define STACK (PLACE + 0x300000)
#define EDGE (PAGE - 1)

/* Calls code with registers as a string instruction wants them. */
static uint32_t left; /* %ecx afterwards */
static void run(uint32_t code, uint32_t source, uint32_t target, uint32_t n)
{
	__asm__ volatile("pushl %%ebx\n"
			 "call *%%eax\n"
			 "popl %%ebx\n"
			 : "+a"(code), "+S"(source), "+D"(target), "+c"(n)
			 :
			 : "edx", "memory", "cc");
	left = n;
}

static void put_code(uint32_t at, const char *bytes, uint32_t n)
{
	memcpy((void *)at, bytes, n);
}

/* Everything goes; what the next lines need comes back before counting. */
static void absent(void)
{
	probe(PROBE_TRIM, 0, 0);
	faults();
	(void)left;
	faults();
}

/* Faults at these pages by the instruction at eip. */
static uint32_t count(uint32_t eip, uint32_t place, uint32_t pages)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LOG; i++)
		n += fault_log[i].eip == eip &&
		     fault_log[i].address >= place &&
		     fault_log[i].address < place + pages * PAGE;
	return n;
}

static void clear(void)
{
	memset(fault_log, 0, sizeof(fault_log));
}

/* One of them was at this very address. */
static int exactly(uint32_t eip, uint32_t address)
{
	for (uint32_t i = 0; i < LOG; i++)
		if (fault_log[i].eip == eip && fault_log[i].address == address)
			return 1;
	return 0;
}

static void fetches(void)
{
	const uint32_t at = CODE + PAGE - 2;

	/* add $0x11223344, %eax (6 bytes); ret */
	put_code(at, "\x81\xc0\x44\x33\x22\x11\xc3", 7);
	absent();
	clear();
	run(at, 0, 0, 0);
	faults();
	ok(count(at, CODE, 2) == 2 && exactly(at, at),
	   "a fetch over two absent pages: two faults, one IP", "C15 C16 C09");
	ok(count(at, CODE + PAGE, 1) == 1,
	   "... the second one at the second page", "C16 C10");
	ok(exactly(at, CODE + PAGE), "... exactly where it begins", "C16 C10");
	absent();
	clear();
	(void)*word_at(CODE);
	faults();
	clear();
	run(at, 0, 0, 0);
	faults();
	ok(count(at, CODE, 1) == 0 && count(at, CODE + PAGE, 1) == 1,
	   "only the second one absent: one", "C17");
}

static void data(void)
{
	/* movl (%esi), %edx; ret */
	put_code(CODE, "\x8b\x16\xc3", 3);
	*word_at(SOURCE + EDGE) = 0xa1b2c3d4;
	absent();
	(void)*word_at(CODE);
	faults();
	clear();
	run(CODE, SOURCE + EDGE, 0, 0);
	faults();
	ok(count(CODE, SOURCE, 1) == 1 && count(CODE, SOURCE + PAGE, 1) == 1,
	   "a load over two absent pages: two faults", "C18");
}

/* A store of four bytes, two of them in a page that must not be written. */
static void store(uint32_t at)
{
	*(volatile uint32_t *)at = 0x99999999;
}

static void precise(void)
{
	const uint8_t *bytes = (const uint8_t *)(TARGET + PAGE - 4);
	int same = 1;

	memset((void *)(TARGET + PAGE - 4), 0x55, 8);
	protect(TARGET + PAGE, 1, R);
	same &= attempt(store, TARGET + PAGE - 2);
	same &= caught.address == TARGET + PAGE && caught.error == 7;
	for (int i = 0; i < 8; i++)
		same &= bytes[i] == 0x55;
	ok(same, "a store denied on its second page leaves the first alone",
	   "C22 A16");
	unmap(TARGET + PAGE, 1);
	same = attempt(store, TARGET + PAGE - 2) &&
	       caught.address == TARGET + PAGE;
	ok(same && bytes[2] == 0x55 && bytes[3] == 0x55,
	   "... and one whose second page is nobody's", "C22");
	map(TARGET + PAGE, 20, R | W, MAP_SINGLE);
}

static void six(void)
{
	const uint32_t at = CODE + EDGE;
	uint32_t n;

	/* movsw, of two bytes; ret */
	put_code(at, "\x66\xa5\xc3", 3);
	*(volatile uint8_t *)(SOURCE + EDGE) = 0x12;
	*(volatile uint8_t *)(SOURCE + PAGE) = 0x34;
	*(volatile uint8_t *)(TARGET + EDGE) = 0;
	*(volatile uint8_t *)(TARGET + PAGE) = 0;
	absent();
	clear();
	run(at, SOURCE + EDGE, TARGET + EDGE, 0);
	faults();
	n = count(at, CODE, 2);
	ok(n == 2, "movs: two faults for its code", "C20 C15");
	n += count(at, SOURCE, 2) + count(at, TARGET, 2);
	ok(n == 6, "... two for its source, two for its target: six", "C20");
	ok(*(volatile uint8_t *)(TARGET + EDGE) == 0x12 &&
		   *(volatile uint8_t *)(TARGET + PAGE) == 0x34,
	   "... and then it is done", "C20 A08");
}

static void strings(void)
{
	uint32_t each = 1;

	/* rep movsb; ret */
	put_code(CODE, "\xf3\xa4\xc3", 3);
	for (uint32_t i = 0; i < 10; i++) {
		*word_at(SOURCE + i * PAGE) = 0x1000 + i;
		*word_at(TARGET + i * PAGE) = 0;
	}
	absent();
	(void)*word_at(CODE);
	faults();
	clear();
	run(CODE, SOURCE, TARGET, 10 * PAGE);
	faults();
	for (uint32_t i = 0; i < 10; i++)
		each &= count(CODE, SOURCE + i * PAGE, 1) == 1 &&
			count(CODE, TARGET + i * PAGE, 1) == 1 &&
			*word_at(TARGET + i * PAGE) == 0x1000 + i;
	ok(each && left == 0, "rep movs goes on where it was: a fault a page",
	   "C21 C14");
}

/* Jumps to code with this stack pointer; what it is afterwards. Code ends by
 * arriving at back_here. */
uint32_t with_stack(uint32_t code, uint32_t esp, uint32_t *ret_esp);
extern char back_here[], push_code[], call_code[], ret_code[];
__asm__(".text\n"
	"with_stack: movl 4(%esp), %eax\n"
	"movl 8(%esp), %ecx\n"
	"movl %esp, %edx\n"
	"movl %ecx, %esp\n"
	"jmp *%eax\n"
	"back_here: movl %esp, %eax\n"
	"movl %edx, %esp\n"
	"movl 12(%esp), %edx\n"
	"movl %eax, (%edx)\n"
	"ret\n"
	"push_code: pushl $0x77\n jmp back_here\n"
	"call_code: call 1f\n1: jmp back_here\n"
	"ret_code: ret\n");

static void stacks(void)
{
	const uint32_t top = STACK + 2 * PAGE;
	uint32_t esp;

	map(STACK, 4, R | W, MAP_SINGLE);
	faults();
	clear();
	with_stack((uint32_t)push_code, top, &esp);
	faults();
	ok(esp == top - 4 && *word_at(top - 4) == 0x77 &&
		   count((uint32_t)push_code, STACK + PAGE, 1) == 1,
	   "push to an absent page: one fault, one word", "C19");
	map(STACK, 4, R | W, MAP_SINGLE);
	clear();
	with_stack((uint32_t)call_code, top, &esp);
	faults();
	ok(esp == top - 4 && *word_at(top - 4) == (uint32_t)call_code + 5 &&
		   count((uint32_t)call_code, STACK + PAGE, 1) == 1,
	   "call: one fault, one return address", "C19");
	*word_at(top - 4) = (uint32_t)back_here;
	absent();
	clear();
	with_stack((uint32_t)ret_code, top - 4, &esp);
	faults();
	ok(esp == top && count((uint32_t)ret_code, STACK + PAGE, 1) == 1,
	   "ret from an absent page: one fault, one word", "C19");
}

int main(void)
{
	map(CODE, 4, R | W | X, MAP_SINGLE);
	map(SOURCE, 20, R | W, MAP_SINGLE);
	map(TARGET, 20, R | W, MAP_SINGLE);
	fetches();
	data();
	precise();
	six();
	strings();
	stacks();
	return (int)verdict();
}
