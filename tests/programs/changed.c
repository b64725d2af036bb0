/* SPDX-License-Identifier: MIT */
/*
 * changed - private views of files that change: what they show then, whoever
 * changes the file and by which call.
 */
#include "prog.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static sigjmp_buf back;

static void handler(int sig)
{
	siglongjmp(back, sig);
}

/* A byte of a view; '!' where there is none. */
static char at(const char *m, size_t where)
{
	char c;

	if (sigsetjmp(back, 1))
		return '!';
	c = *(const volatile char *)(m + where);
	return c ? c : '0';
}

static void show(const char *what, const char *m, size_t pages)
{
	printf("%s:", what);
	for (size_t i = 0; i < pages; i++)
		printf(" %c%c", at(m, i * PAGE), at(m, i * PAGE + 2000));
	printf("\n");
}

static char *view(int fd, int flags, size_t pages)
{
	char *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd,
		       0);

	must(m != MAP_FAILED);
	return m;
}

static void fill(int fd, size_t pages, char c)
{
	char page[4096];

	for (size_t i = 0; i < pages; i++) {
		memset(page, c + (int)i, sizeof(page));
		must(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE);
	}
}

/* Long enough for a file to be taken for one that rests. */
static void rest(void)
{
	usleep(2200000);
}

/* ---- stores through shared views ---------------------------------------- */

static void stores(int fd, const char *what)
{
	char *shared, *first, *second;

	fill(fd, 4, 'a');
	shared = view(fd, MAP_SHARED, 4);
	/* From now on it is dirty: further stores do not move its time. */
	for (size_t i = 0; i < 4; i++)
		shared[i * PAGE] = (char)('a' + i);
	rest();
	first = view(fd, MAP_PRIVATE, 4);
	show(what, first, 4);
	first[PAGE] = '1';
	memset(shared, 'B', 2 * PAGE);
	second = view(fd, MAP_PRIVATE, 4);
	show("a new view after a store", second, 4);
	show("the other", first, 4);
	must(!munmap(second, 4 * PAGE));
	memset(shared + PAGE, 'C', 2 * PAGE);
	must(!madvise(first, 4 * PAGE, MADV_DONTNEED));
	show("after MADV_DONTNEED", first, 4);
	must(!munmap(shared, 4 * PAGE));
	must(!munmap(first, 4 * PAGE));
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler};
	int fd = temp_file(), mem = memfd_create("changed", 0);

	setbuf(stdout, NULL);
	must(mem >= 0);
	must(!sigaction(SIGBUS, &sa, NULL));
	stores(fd, "a file");
	stores(mem, "a memory file");
	return 0;
}
