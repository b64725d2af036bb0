/* SPDX-License-Identifier: MIT */
/*
 * aout - the sample program of the textbook, for x86-64: one page of text and
 * constants, one of data from the same page of the file, one of bss beyond it.
 * No libc: everything but the stack is in the file's header. It must fit into
 * one page of the file; see aout.ld.
 *
 *	aout		prints its maps, and what it finds in its memory
 *	aout e		ends at once
 *	aout 1, aout 2	runs itself that often, one after the other, and ends
 */
typedef unsigned long word;

#define TEXT ((volatile unsigned char *)0x08048000)
#define DATA ((volatile unsigned char *)0x08049000)

static word data[6] = {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666};
static unsigned char bss[4096];
static const char constant[] = "constant\n";

/* 0 read, 1 write, 2 open, 57 fork, 59 execve, 60 exit, 61 wait4 */
static long call(long n, word a, word b, word c)
{
	long ret;
	register word r10 __asm__("r10") = 0;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static void text(const char *s)
{
	word n = 0;

	while (s[n])
		n++;
	call(1, 1, (word)s, n);
}

static void say(const char *what, word value)
{
	char digits[10] = " 00000000\n";
	int i;

	for (i = 8; i > 0; i--, value >>= 4)
		digits[i] = "0123456789abcdef"[value & 15];
	text(what);
	call(1, 1, (word)digits, 10);
}

/* How a child ends that writes to (w), or runs (x), what is at `p`. */
static word child(volatile unsigned char *p, char how)
{
	int status = 0;
	long pid = call(57, 0, 0, 0);

	if (!pid) {
		if (how == 'w')
			*p = 1;
		else
			((void (*)(void))(word)p)();
		call(60, 0, 0, 0);
	}
	call(61, (word)pid, (word)&status, 0);
	return (word)status;
}

static void maps(void)
{
	char buffer[512];
	long fd = call(2, (word) "/proc/self/maps", 0, 0), n;

	while ((n = call(0, (word)fd, (word)buffer, sizeof(buffer))) > 0)
		call(1, 1, (word)buffer, (word)n);
}

static void look(void)
{
	word i, sum = 0;

	for (i = 0; i < 4096; i++)
		sum += bss[i];
	say("bss", sum);
	say("data", data[0] + data[5]);
	say("the same page", *(volatile unsigned *)TEXT ==
				     *(volatile unsigned *)DATA);
	i = TEXT[16];
	DATA[16] = 0x77;
	bss[4095] = 1;
	say("text unchanged", TEXT[16] == i && DATA[16] == 0x77);
	say("write to text", child(TEXT + 16, 'w'));
	say("write to a constant",
	    child((volatile unsigned char *)constant, 'w'));
	DATA[32] = 0xc3;
	say("run data", child(DATA + 32, 'x'));
}

__attribute__((used)) static void start(word *stack)
{
	char **argv = (char **)(stack + 1);
	char how = stack[0] > 1 ? argv[1][0] : 0;

	if (!how) {
		maps();
		look();
	}
	for (; how == '1' || how == '2'; how--) {
		char *args[3] = {argv[0], "e", 0};
		long pid = call(57, 0, 0, 0);

		if (!pid) {
			call(59, (word)argv[0], (word)args, 0);
			call(60, 1, 0, 0);
		}
		call(61, (word)pid, 0, 0);
	}
	call(60, 0, 0, 0);
}

__asm__(".section .text.start,\"ax\"\n"
	".globl _start\n"
	"_start: mov %rsp, %rdi\n"
	"and $-16, %rsp\n"
	"call start\n"
	".text");
