/* SPDX-License-Identifier: MIT */
/*
 * aout - the sample program of the textbook, as it is there: i386, one page of
 * text and constants, one of data from the same page of the file, one of bss
 * beyond it. All it has is in the file's header; see aout.ld.
 *
 *	/tmp/a.out	prints its maps, and what it finds in its memory
 *	/tmp/a.out e	ends at once
 */
#include "arch/bare/calls.h"

typedef unsigned word;

#define TEXT ((volatile unsigned char *)0x08048000)
#define DATA ((volatile unsigned char *)0x08049000)
#define BSS_PAGE 0x0804a000

static word data[12] = {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666};
static unsigned char bss[4096];

static int call(int nr, word a, word b, word c)
{
	int ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return ret;
}

static void text(const char *s)
{
	word n = 0;

	while (s[n])
		n++;
	call(CALL_WRITE, 1, (word)s, n);
}

/* "# aout what value" */
static void say(const char *what, word value)
{
	char digits[10] = " 00000000\n";
	int i;

	for (i = 8; i > 0; i--, value >>= 4)
		digits[i] = "0123456789abcdef"[value & 15];
	text("# aout ");
	text(what);
	call(CALL_WRITE, 1, (word)digits, 10);
}

/* How a child ends that writes to (w), or runs (x), what is at `p`. */
static word child(volatile unsigned char *p, char how)
{
	word status = 0;

	if (call(CALL_FORK, 0, 0, 0) == 0) {
		if (how == 'w')
			*p = 1;
		else
			((void (*)(void))(word)p)();
		call(CALL_EXIT, 0, 0, 0);
	}
	call(CALL_WAIT, (word)&status, 0, 0);
	return status;
}

static void maps(void)
{
	char buffer[512];
	int n = call(CALL_MAPS, (word)buffer, sizeof(buffer), 0);

	call(CALL_WRITE, 1, (word)buffer, (word)n);
}

static word pte(word addr)
{
	return (word)call(CALL_PROBE, PROBE_PTE, addr, 0);
}

static void look(void)
{
	word i, sum = 0, text_pte = pte(0x08048000), data_pte;

	say("bss not touched", pte(BSS_PAGE) & 1);
	for (i = 0; i < 4096; i++)
		sum += bss[i];
	say("bss", sum);
	say("data", data[0] + data[5]);
	say("the same page", *(volatile word *)TEXT == *(volatile word *)DATA);
	data_pte = pte(0x08049000);
	i = TEXT[16];
	DATA[16] = 0x77;
	say("text unchanged", TEXT[16] == i && DATA[16] == 0x77 &&
		    pte(0x08048000) >> 12 == text_pte >> 12);
	say("frames apart", data_pte >> 12 != text_pte >> 12);
	say("write to text", child(TEXT + 16, 'w'));
	DATA[32] = 0xc3;
	say("run data", child(DATA + 32, 'x'));
}

__attribute__((used)) static void begin(word *stack)
{
	word totals[PROBE_TOTALS_N] = {0};

	call(CALL_PROBE, PROBE_TOTALS, (word)totals, 0);
	if (stack[0] == 1) {
		say("resident at first", totals[6]);
		maps();
		look();
	}
	/* The number of the frame of the text. */
	call(CALL_EXIT, stack[0] == 1 ? 0 : pte(0x08048000) >> 12 & 0xff, 0, 0);
}

__asm__(".section .text.start,\"ax\"\n"
	".globl _start\n"
	"_start: movl %esp, %eax\n"
	"andl $-16, %esp\n"
	"subl $12, %esp\n"
	"pushl %eax\n"
	"call begin\n"
	".text");
