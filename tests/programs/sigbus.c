/* SPDX-License-Identifier: MIT */
/*
 * sigbus - views of files that end: bytes past the end read as zero within
 * the last page, SIGBUS beyond it, for private and shared views, and after
 * the file was cut or grown.
 */
#include "prog.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;
static volatile int got_signal, got_code;
static char *volatile got_addr;

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got_signal = sig;
	got_code = info->si_code;
	got_addr = info->si_addr;
	siglongjmp(back, 1);
}

static void look(const char *what, char *base, size_t at)
{
	int value;

	if (!sigsetjmp(back, 1)) {
		value = *(volatile unsigned char *)(base + at);
		printf("%s: byte %zu is %d\n", what, at, value);
	} else {
		printf("%s: byte %zu: signal %d code %d at %+ld\n", what, at,
		       got_signal, got_code, (long)(got_addr - base));
	}
}

static void views(int fd, int flags, const char *name)
{
	char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	int out[2];
	ssize_t n;

	must(m != MAP_FAILED);
	must(!pipe(out));
	look(name, m, 0);
	look(name, m, PAGE + 99);
	look(name, m, PAGE + 100);
	look(name, m, 2 * PAGE - 1);
	look(name, m, 2 * PAGE);
	look(name, m, 3 * PAGE + 17);
	n = write(out[1], m + 2 * PAGE, 10);
	printf("%s: write past the end: %zd %d\n", name, n, errno);
	if (!sigsetjmp(back, 1)) {
		m[2 * PAGE + 5] = 1;
		printf("%s: wrote past the end\n", name);
	} else {
		printf("%s: write: signal %d code %d at %+ld\n", name,
		       got_signal, got_code, (long)(got_addr - m));
	}
	must(!close(out[0]) && !close(out[1]));
	must(!munmap(m, 4 * PAGE));
}

static void cut_and_grow(int fd)
{
	char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       0);

	must(m != MAP_FAILED);
	m[PAGE] = 'y';
	must(!ftruncate(fd, 10));
	look("cut", m, 9);
	look("cut", m, 10);
	look("cut", m, PAGE);
	must(!ftruncate(fd, (off_t)(3 * PAGE)));
	look("grown", m, PAGE);
	look("grown", m, 3 * PAGE - 1);
	look("grown", m, 3 * PAGE);
	must(!munmap(m, 4 * PAGE));
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler,
			       .sa_flags = SA_SIGINFO};
	int fd = temp_file();
	char text[4096 + 100];

	setbuf(stdout, NULL);
	memset(text, 'x', sizeof(text));
	must(write(fd, text, sizeof(text)) == sizeof(text));
	must(!sigaction(SIGBUS, &sa, NULL));
	must(!sigaction(SIGSEGV, &sa, NULL));
	views(fd, MAP_PRIVATE, "private");
	views(fd, MAP_SHARED, "shared");
	cut_and_grow(fd);
	return 0;
}
