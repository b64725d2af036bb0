/* SPDX-License-Identifier: MIT */
/* demand - a page that is not there, seen from ring 3: the fault as the CPU
 * tells of it, and an access after it as if there had been none. */
#include "tests/ring0/rt.h"

/* Loads a word from `at` with every other register and the flags set to
 * known values; leaves what they are afterwards in `after`. */
uint32_t before[9], after[9];
void load_all(uint32_t at);
extern char load_insn[];
__asm__(".text\n"
	"load_all: pushal\n"
	"movl 36(%esp), %edi\n"
	"pushl $0x0ad7\n" /* carry, parity, adjust, zero, sign, overflow */
	"popfl\n"
	"movl $0x11111111, %ebx\n movl $0x22222222, %ecx\n"
	"movl $0x33333333, %edx\n movl $0x44444444, %esi\n"
	"movl $0x55555555, %ebp\n"
	"movl %esp, before\n"
	"load_insn: movl (%edi), %eax\n"
	"movl %esp, after\n"
	"movl %eax, after + 4\n movl %ebx, after + 8\n"
	"movl %ecx, after + 12\n movl %edx, after + 16\n"
	"movl %esi, after + 20\n movl %edi, after + 24\n"
	"movl %ebp, after + 28\n"
	"pushfl\n popl after + 32\n"
	"popal\n ret\n");

static void loads(void)
{
	uint32_t n;

	map(PLACE, 4, R | W, MAP_SINGLE);
	*word_at(PLACE + PAGE) = 0xbeef;
	faults();
	load_all(PLACE);
	n = faults();
	ok(n == 1 && faults_at(PLACE) == 1, "one access, one fault",
	   "A05 A07 C08");
	ok(fault_log[0].address == PLACE && fault_log[0].error == 4 &&
		   fault_log[0].eip == (uint32_t)load_insn &&
		   fault_log[0].kind == FW_KIND_DEMAND_ZERO,
	   "CR2, IP, and code 4: user, read, not present",
	   "C09 C10 C11 C12 C13 B12");
	ok(after[0] == before[0] && after[1] == 0 && after[2] == 0x11111111 &&
		   after[3] == 0x22222222 && after[4] == 0x33333333 &&
		   after[5] == 0x44444444 && after[6] == PLACE &&
		   after[7] == 0x55555555 &&
		   (after[8] & 0x8d5) == (0xad7 & 0x8d5),
	   "registers and flags as if there had been no fault", "A08 C14");
	load_all(PLACE + PAGE);
	ok(faults() == 0 && after[1] == 0xbeef, "no fault on what is there",
	   "A03 A08");
}

static void stores(void)
{
	faults();
	*word_at(PLACE + 2 * PAGE + 8) = 7;
	ok(faults() == 1 && fault_log[0].error == 6 &&
		   fault_log[0].address == PLACE + 2 * PAGE + 8,
	   "a store to an absent page: code 6", "C11 C13");
	(void)*word_at(PLACE + 3 * PAGE);
	faults();
	*word_at(PLACE + 3 * PAGE) = 1;
	ok(faults() <= 1 && *word_at(PLACE + 3 * PAGE) == 1,
	   "the first store to a clean page is made to work", "A15 B19");
	protect(PLACE + 3 * PAGE, 1, R);
	ok(cannot_write(PLACE + 3 * PAGE) && caught.error == 7 &&
		   caught.kind == FW_KIND_ACCERR &&
		   *word_at(PLACE + 3 * PAGE) == 1,
	   "a read-only page written: code 7, a violation, nothing stored",
	   "A12 A16 B11 C13 A21");
}

static void null(uint32_t addr)
{
	*word_at(addr);
}

static void violations(void)
{
	ok(cannot_read(0) && caught.address == 0 && caught.error == 4 &&
		   caught.kind == FW_KIND_MAPERR,
	   "a null pointer: a violation at 0", "C61 A06 B09 A21");
	ok(in_child(null, 0) == SEGV, "... which ends a process that has no "
	   "handler, and nobody else", "C61 A22 B03");
	map(PLACE, 1, R | W, MAP_RESERVE);
	ok(cannot_read(PLACE) && caught.kind == FW_KIND_ACCERR,
	   "reserved, not committed: a violation", "B08");
	ok(cannot_read(KERNEL_BASE + 0x100000) && caught.error == 5,
	   "a page of the kernel: code 5", "A09 B10 C13 C25 C27");
	ok(cannot_write(KERNEL_BASE + 0x100000) && caught.error == 7,
	   "... and is not changed either", "C27 C13");
	ok(cannot_read(KERNEL_BASE + RAM_MAX) && caught.error == 4,
	   "beyond RAM there is nothing", "C25");
}

static void guard_pages(void)
{
	map(PLACE, 2, R | W, MAP_GUARD);
	ok(cannot_read(PLACE) && caught.kind == FW_KIND_GUARD,
	   "a guard page tells of its first access", "B13");
	ok(!cannot_read(PLACE) && !cannot_write(PLACE),
	   "... and is an ordinary page afterwards", "B13");
	unmap(PLACE, 2);
}

static __attribute__((noinline)) uint32_t deep(uint32_t levels)
{
	volatile uint32_t page[PAGE / 4];

	page[0] = levels;
	return levels ? deep(levels - 1) + page[0] : 0;
}

static void overflow(uint32_t unused)
{
	(void)unused;
	deep(40);
}

static void stack(void)
{
	uint32_t grown;

	faults();
	grown = (uint32_t)probe(PROBE_COUNT, FW_KIND_STACK, 0);
	deep(10);
	grown = (uint32_t)probe(PROBE_COUNT, FW_KIND_STACK, 0) - grown;
	ok(grown >= 10, "the stack grows by its guard page", "B14 C24");
	ok(in_child(overflow, 0) == SEGV, "... up to its limit", "B15");
}

int main(void)
{
	loads();
	stores();
	violations();
	guard_pages();
	stack();
	return (int)verdict();
}
