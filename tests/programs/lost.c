/* SPDX-License-Identifier: MIT */
/*
 * lost MIB - fills memory with what cannot be compressed, says so, waits for
 * a line, and looks at each page again. Pages that cannot be read back are
 * SIGBUS, at their address, with BUS_ADRERR, each time; in a system call's
 * buffer they are EFAULT. `lost MIB die` does not handle it.
 */
#include "prog.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;
static struct {
	int code;
	char *addr;
} got;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	got.code = info->si_code;
	got.addr = info->si_addr;
	siglongjmp(back, 1);
}

/* Whether the page can be read; it has its content then. Or zeros: what is
 * written behind the cut makes a hole before it, and that is the file's lie. */
static bool is_there(char *page, uint64_t want)
{
	uint64_t word;

	if (sigsetjmp(back, 1)) {
		must(got.code == BUS_ADRERR && got.addr == page);
		return false;
	}
	word = *(volatile uint64_t *)(void *)page;
	must(word == want || word == 0);
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	size_t pages, lost = 0, refused = 0;
	char *all, c;
	int fds[2];

	must(argc > 1 && !pipe(fds));
	pages = (size_t)atoi(argv[1]) * MIB / PAGE;
	all = map_anon(pages * PAGE, 0);
	for (size_t i = 0; i < pages; i++)
		for (size_t at = 0; at < PAGE; at += 8)
			*(uint64_t *)(void *)(all + i * PAGE + at) =
				mix(i * PAGE + at);
	if (argc < 3)
		must(!sigaction(SIGBUS, &sa, NULL));
	must(write(1, "ready\n", 6) == 6);
	must(read(0, &c, 1) == 1);
	for (size_t i = 0; i < pages; i++) {
		char *page = all + i * PAGE;

		if (is_there(page, mix(i * PAGE)))
			continue;
		lost++;
		must(!is_there(page, mix(i * PAGE)));
		refused += write(fds[1], page, 8) < 0 && errno == EFAULT;
	}
	/* A page that is lost can be given up. */
	must(!madvise(all, pages * PAGE, MADV_DONTNEED));
	must(is_there(all, 0) && is_there(all + (pages - 1) * PAGE, 0));
	printf("%zu lost, %zu refused in calls\n", lost, refused);
	return 0;
}
