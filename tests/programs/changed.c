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
		must(pwrite(fd, page, sizeof(page), (off_t)(i * PAGE)) ==
		     sizeof(page));
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

/* ---- calls that write --------------------------------------------------- */

static void splices(int fd, const char *m)
{
	int out[2], from = temp_file();
	loff_t off = 2 * (loff_t)PAGE;

	fill(from, 1, 'K');
	must(!pipe(out));
	must(write(out[1], "L", 1) == 1);
	must(lseek(from, 0, SEEK_SET) == 0);
	must(lseek(fd, (off_t)PAGE, SEEK_SET) == (off_t)PAGE);
	must(sendfile(fd, from, NULL, 1) == 1);
	must(splice(out[0], NULL, fd, &off, 1, 0) == 1);
	show("sendfile and splice", m, 4);
	off = 3 * (loff_t)PAGE + 2000;
	if (copy_file_range(from, &(loff_t){0}, fd, &off, 10, 0) != 10)
		must(pwrite(fd, "KKKKKKKKKK", 10, off) == 10);
	show("copy_file_range", m, 4);
	must(!close(from) && !close(out[0]) && !close(out[1]));
}

static void calls(int fd)
{
	struct iovec v[2] = {{.iov_base = "G", .iov_len = 1},
			     {.iov_base = "HHH", .iov_len = 3}};
	char name[64], *m, *n;
	int other;

	fill(fd, 4, 'a');
	must(!ftruncate(fd, (off_t)(3 * PAGE + 5)));
	rest();
	m = view(fd, MAP_PRIVATE, 4);
	n = view(fd, MAP_PRIVATE, 4);
	m[0] = '1';
	show("a file", m, 4);
	must(pwrite(fd, "D", 1, (off_t)PAGE + 2000) == 1);
	show("pwrite", m, 4);
	must(lseek(fd, 2 * (off_t)PAGE, SEEK_SET) > 0);
	must(write(fd, "E", 1) == 1);
	show("write", m, 4);
	must(lseek(fd, 0, SEEK_END) > 0);
	must(write(fd, "FFFF", 4) == 4);
	printf("appended: %.9s\n", n + 3 * PAGE);
	must(lseek(fd, (off_t)PAGE - 1, SEEK_SET) > 0);
	must(writev(fd, v, 2) == 4);
	must(pwritev(fd, v, 2, 2 * (off_t)PAGE) == 4);
	show("writev and pwritev", n, 4);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	other = open(name, O_WRONLY | O_APPEND);
	must(other >= 0 && write(other, "I", 1) == 1);
	must(pwrite(other, "J", 1, 0) == 1);
	printf("appended: %.11s\n", n + 3 * PAGE);
	must(!close(other));
	splices(fd, m);
	show("the other view", n, 4);
	must(!munmap(m, 4 * PAGE) && !munmap(n, 4 * PAGE));
}

static void by_a_child(int fd)
{
	pid_t pid;
	char *m;

	fill(fd, 4, 'a');
	m = view(fd, MAP_PRIVATE, 4);
	show("before", m, 4);
	m[PAGE] = '1';
	pid = fork();
	if (!pid) {
		fill(fd, 4, 'm');
		show("the child", m, 4);
		_exit(0);
	}
	must(wait_for(pid) == 0);
	show("its parent", m, 4);
	must(!munmap(m, 4 * PAGE));
}

/* ---- the end of a file -------------------------------------------------- */

static void ends(int fd, const char *what)
{
	char name[64], *m;
	int go[2], ready[2], other;
	pid_t pid;

	fill(fd, 6, 'a');
	m = view(fd, MAP_PRIVATE, 6);
	show(what, m, 6);
	m[2000] = '1';
	m[3 * PAGE] = '1';
	must(!fallocate(fd, 3, (off_t)PAGE, 2 * (off_t)PAGE));
	show("a hole", m, 6);
	must(!pipe(go) && !pipe(ready));
	pid = fork();
	if (!pid) {
		char c;

		m[4 * PAGE] = '2';
		show("the child", m, 6);
		must(write(ready[1], "r", 1) == 1);
		must(read(go[0], &c, 1) == 1);
		show("the child, cut off", m, 6);
		_exit(0);
	}
	must(read(ready[0], name, 1) == 1);
	must(!ftruncate(fd, 2 * (off_t)PAGE + 100));
	show("cut off", m, 6);
	must(write(go[1], "g", 1) == 1);
	must(wait_for(pid) == 0);
	must(!ftruncate(fd, 5 * (off_t)PAGE));
	show("grown", m, 6);
	m[4 * PAGE] = '3';
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	must(!truncate(name, (off_t)PAGE));
	show("by its name", m, 6);
	other = open(name, O_RDWR | O_TRUNC);
	must(other >= 0);
	show("O_TRUNC", m, 6);
	must(!close(other));
	must(!close(go[0]) && !close(go[1]));
	must(!close(ready[0]) && !close(ready[1]));
	must(!munmap(m, 6 * PAGE));
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
	calls(fd);
	calls(mem);
	by_a_child(fd);
	ends(fd, "a file");
	ends(mem, "a memory file");
	return 0;
}
