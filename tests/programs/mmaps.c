/* SPDX-License-Identifier: MIT */
/*
 * mmaps - what the memory calls answer, right and wrong uses alike, and what
 * memory holds afterwards. Addresses are printed relative to an arena.
 */
#include "prog.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *arena; /* 64 pages that we own */
static sigjmp_buf back;

static void handler(int sig)
{
	siglongjmp(back, sig);
}

static char probe(volatile char *p)
{
	volatile char found = '.';

	if (!sigsetjmp(back, 1)) {
		char c = *p;

		found = 'r';
		*p = c;
		found = 'w';
	}
	return found;
}

/* Which pages of the arena can be read (r), written (w), neither (.). */
static void show(const char *what)
{
	char text[65];

	for (unsigned i = 0; i < 64; i++)
		text[i] = probe(arena + i * PAGE + 8);
	text[64] = 0;
	printf("%-10s %s\n", what, text);
}

/* Prints a result: an error, a place in the arena, or a number. */
static void say(const char *what, long ret)
{
	uintptr_t at = (uintptr_t)ret - (uintptr_t)arena;

	if (ret == -1)
		printf("%s: errno %d\n", what, errno);
	else if (at < 64 * PAGE)
		printf("%s: page %lu\n", what, (unsigned long)(at / PAGE));
	else if (ret >= 0 && ret < 4096)
		printf("%s: %ld\n", what, ret);
	else
		printf("%s: elsewhere\n", what);
}
#define SAY(call) say(#call, (long)(call))

static char *at(unsigned page)
{
	return arena + page * PAGE;
}

static void mapping(int fd)
{
	int none = MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS;

	SAY(mmap(at(2), 2 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
	SAY(mmap(at(4), PAGE, RW, none, -1, 0));
	SAY(munmap(at(8), 4 * PAGE));
	SAY(munmap(at(8), 4 * PAGE));
	SAY(mmap(at(9), PAGE, RW, none, -1, 0));
	SAY(mmap(at(10), 0, RW, ANON, -1, 0));
	SAY(mmap(at(10) + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SAY(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	SAY(mmap(NULL, PAGE, RW, MAP_PRIVATE, 999, 0));
	SAY(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 100));
	SAY(mmap((void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SAY(mmap(NULL, (size_t)1 << 60, RW, ANON, -1, 0));
	SAY(munmap(at(1) + 5, PAGE));
	SAY(munmap(at(1), 0));
	SAY(munmap((void *)-PAGE, PAGE));
	SAY(mmap(at(16), 2 * PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, PAGE));
	printf("file: %c %c\n", *at(16), at(16)[PAGE]);
	*at(16) = '!';
	SAY(mmap(at(18), PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE));
	printf("shared sees: %c\n", *at(18));
	show("mapped");
}

/* Places that are proposed: of the page that they are in. */
static void proposing(void)
{
	char *p;

	must(!munmap(at(50), 4 * PAGE));
	SAY(mmap(at(50) + 1, PAGE, RW, ANON, -1, 0));
	SAY(mmap(at(52) - 1, PAGE, RW, ANON, -1, 0));
	SAY(mmap(at(52) + 4095, 2 * PAGE, RW, ANON, -1, 0));
	p = mmap((void *)4097, PAGE, RW, ANON, -1, 0);
	printf("proposed too low: %d\n", p <= (char *)0x10000);
	must(!munmap(p, PAGE));
	p = mmap((void *)5, PAGE, RW, ANON, -1, 0);
	printf("not proposed: %d\n", p > (char *)0x10000);
	must(!munmap(p, PAGE));
}

static void protecting(void)
{
	*at(20) = 'p';
	SAY(mprotect(at(20), 2 * PAGE, PROT_READ));
	SAY(mprotect(at(21), PAGE, PROT_NONE));
	SAY(mprotect(at(7), 3 * PAGE, PROT_READ));
	SAY(mprotect(at(8), PAGE, PROT_READ));
	SAY(mprotect(at(20) + 1, PAGE, RW));
	SAY(mprotect(at(20), 0, RW));
	SAY(mprotect(at(20), PAGE, 0x100));
	SAY(syscall(SYS_pkey_mprotect, at(23), PAGE, PROT_READ, -1l));
	SAY(syscall(SYS_pkey_mprotect, at(8), PAGE, PROT_READ, -1l));
	SAY(syscall(SYS_pkey_mprotect, at(20), PAGE, RW, 100l));
	show("protected");
	SAY(syscall(SYS_pkey_mprotect, at(23), PAGE, RW, -1l));
	SAY(mprotect(at(20), 2 * PAGE, RW));
	printf("kept: %c\n", *at(20));
}

static void moving(void)
{
	char *p;

	for (unsigned i = 24; i < 32; i++)
		memset(at(i), (int)('a' + i - 24), PAGE);
	SAY(mremap(at(24), 4 * PAGE, 2 * PAGE, 0));
	SAY(mremap(at(24), 2 * PAGE, 4 * PAGE, 0));
	SAY(mremap(at(24), 2 * PAGE, 5 * PAGE, 0));
	SAY(mremap(at(28), 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   at(40)));
	printf("moved: %c %c\n", *at(40), *at(41));
	p = mremap(at(40), 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	must(p != MAP_FAILED);
	printf("grown: %c %c %d\n", p[0], p[PAGE], p[2 * PAGE]);
	memset(p, 'z', 64 * PAGE);
	must(!munmap(p, 64 * PAGE));
	SAY(mremap(at(8), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	SAY(mremap(at(30), PAGE, 0, 0));
	SAY(mremap(at(30), PAGE, PAGE, MREMAP_FIXED, at(50)));
	SAY(mremap(at(30) + 1, PAGE, PAGE, 0));
	show("moved");
	SAY(mmap(at(28), 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SAY(mmap(at(40), 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
}

/* A view that has been read, and may be written to only then; and back. */
static void rights_later(int fd)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED);
	printf("view: %c\n", p[1]);
	SAY(mprotect(p, 2 * PAGE, RW));
	p[1] = 'T';
	SAY(mprotect(p, 2 * PAGE, PROT_READ));
	SAY(mprotect(p, PAGE, RW));
	p[2] = 'U';
	must(!munmap(p, 2 * PAGE));
	must(pread(fd, at(44), 3, 0) == 3);
	printf("written later: %c%c\n", at(44)[1], at(44)[2]);
}

static void advising(int fd)
{
	char *p;

	memset(at(44), 'd', 4 * PAGE);
	SAY(madvise(at(44), 2 * PAGE, MADV_DONTNEED));
	printf("dontneed: %d %d %c\n", *at(44), *at(45), *at(46));
	*at(16) = '!';
	SAY(madvise(at(16), PAGE, MADV_DONTNEED));
	printf("file again: %c\n", *at(16));
	SAY(madvise(at(44), PAGE, MADV_RANDOM));
	SAY(madvise(at(44), PAGE, MADV_WILLNEED));
	SAY(madvise(at(44), PAGE, MADV_NORMAL));
	SAY(madvise(at(44) + 1, PAGE, MADV_NORMAL));
	SAY(madvise(at(44), PAGE, 12345));
	SAY(madvise(at(7), 3 * PAGE, MADV_DONTNEED));
	SAY(madvise(at(44), PAGE, MADV_DONTFORK));
	SAY(madvise(at(44), PAGE, MADV_DOFORK));
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	p[1] = 'S';
	SAY(msync(p, 2 * PAGE, MS_SYNC));
	SAY(msync(p, 2 * PAGE, MS_SYNC | MS_ASYNC));
	SAY(msync(at(8), PAGE, MS_SYNC));
	must(!munmap(p, 2 * PAGE));
	must(pread(fd, at(44), 2, 0) == 2);
	printf("written: %c\n", at(44)[1]);
	rights_later(fd);
}

static void sharing(void)
{
	char *p = map_anon(4 * PAGE, 1), *q = map_anon(4 * PAGE, 0);
	pid_t pid;

	q[0] = p[0] = 'a';
	must(!madvise(q + PAGE, PAGE, MADV_WIPEONFORK));
	q[PAGE] = 'w';
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(q[0] == 'a' && q[PAGE] == 0);
		q[0] = p[0] = 'b';
		p[3 * PAGE] = 'c';
		must(!munmap(p, 2 * PAGE));
		_exit(0);
	}
	must(wait_for(pid) == 0);
	printf("after fork: %c %c %c\n", p[0], q[0], p[3 * PAGE]);
	must(!munmap(p, 4 * PAGE) && !munmap(q, 4 * PAGE));
}

static void breaking(void)
{
	char *start = sbrk(0), *p;

	must(start != (void *)-1);
	p = sbrk(10 * (intptr_t)PAGE);
	must(p == start);
	memset(p, 'h', 10 * PAGE);
	must(sbrk(-5 * (intptr_t)PAGE) == start + 10 * PAGE);
	must(sbrk(5 * (intptr_t)PAGE) == start + 5 * PAGE);
	printf("heap: %c %d\n", p[5 * PAGE - 1],
	       p[6 * PAGE + (-(uintptr_t)start & 4095)]);
	must(sbrk(-10 * (intptr_t)PAGE) == start + 10 * PAGE);
}

/* Does something to the heap's last page. */
static int last_of_heap(char *p, unsigned how, int fd)
{
	const int there = MAP_FIXED | MAP_PRIVATE;

	switch (how) {
	case 0:
		return mprotect(p, PAGE, PROT_NONE);
	case 1:
		return mprotect(p, PAGE, PROT_READ | PROT_EXEC);
	case 2:
		return madvise(p, PAGE, MADV_DONTFORK);
	case 3:
		return madvise(p, PAGE, MADV_WIPEONFORK);
	case 4:
		return madvise(p, PAGE, MADV_SEQUENTIAL);
	case 5:
		return mlock(p, PAGE);
	case 6:
		return munmap(p, PAGE);
	case 7:
		return mmap(p, PAGE, RW, there, fd, 0) == p ? 0 : -1;
	case 8:
		return mmap(p, PAGE, RW, MAP_FIXED | MAP_SHARED, fd, 0) == p
			       ? 0
			       : -1;
	default:
		return mmap(p, PAGE, RW, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0) == p
			       ? 0
			       : -1;
	}
}

/* Whatever its last page has become, the heap grows by memory of its own. */
static void heap_after(unsigned how, int fd)
{
	char *p = sbrk(0), seen;
	pid_t pid;

	must(p != (void *)-1);
	must(sbrk((intptr_t)(2 * PAGE + (-(uintptr_t)p & 4095))) == p);
	p += -(uintptr_t)p & 4095;
	must(!last_of_heap(p + PAGE, how, fd));
	must(sbrk(2 * PAGE) == p + 2 * PAGE);
	printf("heap after %u: %c", how, probe(p + 2 * PAGE));
	p[3 * PAGE] = 'h';
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		seen = probe(p + 3 * PAGE);
		printf(" %c %c", seen, seen == 'w' ? p[3 * PAGE] : '-');
		p[3 * PAGE] = 'c';
		_exit(0);
	}
	must(wait_for(pid) == 0);
	printf(" %c\n", p[3 * PAGE]);
}

static void breaking_odd(int fd)
{
	pid_t pid;

	for (unsigned how = 0; how < 10; how++) {
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			heap_after(how, fd);
			_exit(0);
		}
		must(wait_for(pid) == 0);
	}
}

/* Address space costs nothing until it is used. */
static void reserving(void)
{
	size_t big = (size_t)1 << 40;
	char *p = mmap(NULL, big, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED);
	must(!mprotect(p + big / 2, MIB, RW));
	for (size_t i = 0; i < MIB; i += PAGE)
		p[big / 2 + i] = (char)(i / PAGE);
	for (size_t i = 0; i < MIB; i += PAGE)
		must(p[big / 2 + i] == (char)(i / PAGE));
	must(!munmap(p, big));
	printf("reserved 1 TiB\n");
}

static void many_pieces(void)
{
	char *p = map_anon(2000 * PAGE, 0);

	for (unsigned i = 0; i < 2000; i++)
		p[i * PAGE] = (char)i;
	for (unsigned i = 0; i < 2000; i += 2)
		must(!mprotect(p + i * PAGE, PAGE, PROT_READ));
	for (unsigned i = 0; i < 2000; i += 3)
		must(!munmap(p + i * PAGE, PAGE));
	for (unsigned i = 0; i < 2000; i++)
		must(i % 3 == 0 || p[i * PAGE] == (char)i);
	must(!munmap(p, 2000 * PAGE));
	printf("many pieces\n");
}

/* Views of adjacent parts of a file are one region as soon as both are there:
 * they move, grow and are shown otherwise as one. */
static void side_by_side(int fd)
{
	char *p = map_anon(8 * PAGE, 0), *q;

	for (unsigned i = 0; i < 3; i++)
		must(mmap(p + i * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd,
			  i * PAGE) == p + i * PAGE);
	q = mremap(p, 3 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	must(q != MAP_FAILED);
	printf("three views as one: %c%c%c\n", q[0], q[PAGE], q[2 * PAGE]);
	must(mmap(p, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) == p);
	must(mmap(p + PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) ==
	     p + PAGE);
	SAY(mremap(p, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1
									: 0);
	SAY(remap_file_pages(p, 2 * PAGE, 0, 1, 0));
	printf("shown otherwise: %c%c%c\n", p[0], p[PAGE], p[2 * PAGE]);
	SAY(remap_file_pages(p, 4 * PAGE, 0, 0, 0)); /* what follows is none */
	p[PAGE] = 'c';
	printf("written: %c\n", q[2 * PAGE]);
	p[PAGE] = 'C';
	/* Once more, where it is: the place is freed first. */
	SAY(mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p) ==
			    MAP_FAILED ? -1 : 0);
	SAY(msync(p, PAGE, MS_ASYNC));
	must(!munmap(p, 8 * PAGE) && !munmap(q, 5 * PAGE));
}

static char *leave(char *from, size_t len, char *to)
{
	return mremap(from, len, len,
		      MREMAP_MAYMOVE | MREMAP_DONTUNMAP |
			      (to ? MREMAP_FIXED : 0),
		      to);
}

/* A private view of a file that moves and stays: what was written to it goes,
 * what stays shows the file. */
static void leaving_view(int fd)
{
	char *over = map_anon(3 * PAGE, 0), *p, *q;

	p = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
	must(p != MAP_FAILED);
	over[0] = 'o';
	p[PAGE + 1] = 'm';
	q = leave(p + PAGE, 2 * PAGE, over);
	if (q == MAP_FAILED && errno == EINVAL) {
		printf("views do not stay\n"); /* before Linux 5.13 */
		return;
	}
	must(q == over);
	printf("moved: %c%c%c %c\n", q[0], q[1], q[2], q[PAGE]);
	printf("stayed: %c %c%c%c %c\n", p[0], p[PAGE], p[PAGE + 1],
	       p[PAGE + 2], p[2 * PAGE]);
	p[2 * PAGE] = '2';
	must(!munmap(q, 2 * PAGE));
	q = leave(p, 3 * PAGE, NULL);
	must(q != MAP_FAILED && q != p);
	must(!munmap(p, 3 * PAGE));
	printf("moved again: %c %c %c\n", q[0], q[PAGE], q[2 * PAGE]);
	must(!madvise(q, 3 * PAGE, MADV_DONTNEED));
	printf("of the file: %c %c %c\n", q[0], q[PAGE], q[2 * PAGE]);
	must(!munmap(q, 3 * PAGE) && !munmap(over + 2 * PAGE, PAGE));
}

/* Of a file that is in memory all is, touched or not. */
static void file_residency(int fd, int flags)
{
	unsigned char v[3];
	char *p = mmap(NULL, 3 * PAGE, PROT_NONE, flags, fd, 0);

	must(p != MAP_FAILED && !mincore(p, 3 * PAGE, v));
	printf("of a file in core: %d %d %d\n", v[0] & 1, v[1] & 1, v[2] & 1);
	must(!munmap(p, 3 * PAGE));
}

static void residency(int fd)
{
	unsigned char v[4];

	file_residency(fd, MAP_PRIVATE);
	file_residency(fd, MAP_SHARED);
	memset(at(44), 1, 2 * PAGE);
	must(!mlock(at(44), 2 * PAGE)); /* though memory be short */
	SAY(mincore(at(44), 2 * PAGE, v));
	printf("in core: %d %d\n", v[0] & 1, v[1] & 1);
	fflush(stdout);
	if (fork() == 0) {
		must(!mincore(at(44), 2 * PAGE, v));
		printf("in a child: %d %d\n", v[0] & 1, v[1] & 1);
		_exit(0);
	}
	wait(NULL);
	must(!munlock(at(44), 2 * PAGE));
	SAY(mincore(at(8), PAGE, v));
	SAY(mincore(at(44) + 1, PAGE, v));
	SAY(mlock(at(44), PAGE));
	SAY(madvise(at(44), PAGE, MADV_FREE));
	SAY(madvise(at(44), PAGE, MADV_DONTNEED));
	SAY(munlock(at(44), PAGE));
	SAY(madvise(at(44), PAGE, MADV_FREE));
	SAY(mlock(at(8), PAGE));
}

/* What the host maps for everybody is there like anything else. */
static void vdso(void)
{
	char *p = (char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	unsigned char v[1];

	must(p);
	SAY(mincore(p, PAGE, v));
	SAY(mincore(p, PAGE, (unsigned char *)16));
	SAY(msync(p, PAGE, MS_ASYNC));
	SAY(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	SAY(madvise(p, PAGE, MADV_NORMAL));
	SAY(madvise(p, PAGE, 12345));
	SAY(mlock(p, PAGE));
	SAY(munlock(p, PAGE));
	SAY(prctl(PR_SET_TSC, PR_TSC_ENABLE));
	SAY(prctl(PR_SET_TSC, 12345));
	SAY(prctl(PR_TASK_PERF_EVENTS_DISABLE));
}

/* Where accesses are said to be at random a touch brings in no neighbour;
 * the advice goes with the pages, and can be taken back. */
static void random_access(void)
{
	enum { N = 64 };
	char *m = map_anon(N * PAGE, 0);
	unsigned char v[N];
	unsigned n = 0;

	must(!madvise(m, N * PAGE, MADV_NOHUGEPAGE) || errno == EINVAL);
	SAY(madvise(m, N * PAGE, MADV_SEQUENTIAL));
	SAY(madvise(m, N * PAGE, MADV_RANDOM));
	for (unsigned i = 0; i < N / 2; i++)
		m[i * PAGE] = 1;
	must(!mincore(m, N * PAGE, v));
	for (unsigned i = 0; i < N; i++)
		n += v[i] & 1;
	/* Fewer where memory is short, and some have left already. */
	printf("touched at random: %s in core\n",
	       n <= N / 2 ? "no others" : "others");
	SAY(madvise(m, N * PAGE, MADV_NORMAL));
	must(!munmap(m, N * PAGE));
}

/* Shared memory without a file: what is removed is zero for all who map it,
 * in memory or not, and costs nothing where nobody ever was. */
static void removing(void)
{
	const size_t huge = (size_t)4 << 30;
	char *p = map_anon(300 * PAGE, 1), *q;
	unsigned char v[300];
	unsigned in = 0;
	uint64_t begin;
	pid_t pid;

	for (unsigned i = 0; i < 300; i++)
		p[i * PAGE] = (char)(i + 1);
	SAY(madvise(p + 200 * PAGE, 50 * PAGE, MADV_PAGEOUT));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(p[7 * PAGE] == 8); /* in its memory, too */
		must(!madvise(p + 5 * PAGE, 250 * PAGE, MADV_REMOVE));
		for (unsigned i = 0; i < 300; i++)
			must(p[i * PAGE] ==
			     (i >= 5 && i < 255 ? 0 : (char)(i + 1)));
		p[20 * PAGE] = 'x';
		_exit(0);
	}
	printf("removed by child: %d\n", wait_for(pid));
	for (unsigned i = 0; i < 300; i++)
		must(p[i * PAGE] == (i == 20		    ? 'x'
				     : i >= 5 && i < 255 ? 0
							  : (char)(i + 1)));
	must(!munmap(p, 300 * PAGE));
	p = map_anon(300 * PAGE, 1); /* nobody else's */
	memset(p, 1, 300 * PAGE);
	SAY(madvise(p, 300 * PAGE, MADV_REMOVE));
	must(!mincore(p, 300 * PAGE, v));
	for (unsigned i = 0; i < 300; i++)
		in += v[i] & 1;
	printf("left in core: %u\n", in);
	must(!munmap(p, 300 * PAGE));
	q = mmap(NULL, huge, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(q != MAP_FAILED);
	q[huge / 2] = 1;
	begin = now_ns();
	SAY(madvise(q, huge, MADV_REMOVE));
	printf("removed: %d at once: %d\n", q[huge / 2],
	       now_ns() - begin < 2000000000u);
	must(!munmap(q, huge));
}

int main(void)
{
	int fd = temp_file();
	char text[3 * 4096];

	setbuf(stdout, NULL);
	signal(SIGSEGV, handler);
	signal(SIGBUS, handler);
	for (unsigned i = 0; i < 3; i++)
		memset(text + i * PAGE, (int)('A' + i), PAGE);
	must(write(fd, text, sizeof(text)) == sizeof(text));
	arena = map_anon(66 * PAGE, 0);
	arena += PAGE; /* a page of ours on either side */
	show("start");
	random_access();
	mapping(fd);
	proposing();
	protecting();
	moving();
	advising(fd);
	sharing();
	breaking();
	breaking_odd(fd);
	reserving();
	many_pieces();
	side_by_side(fd);
	leaving_view(fd);
	residency(fd);
	vdso();
	removing();
	show("end");
	return 0;
}
