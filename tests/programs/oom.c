/* SPDX-License-Identifier: MIT */
/*
 * oom CASE MIB - processes that want more than MIB together, which is all
 * there is. Says who was ended for it; the others check what they have.
 */
#include "prog.h"

#include <fcntl.h>
#include <signal.h>

struct part {
	const char *name;
	size_t map, touch; /* MiB */
	int adjust;	   /* what it writes to oom_score_adj; 0: nothing */
};

static void adjust(int by)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", by);

	must(fd >= 0);
	if (write(fd, text, (size_t)n) != n) {
		must(errno == EACCES || errno == EPERM);
		_exit(77);
	}
	close(fd);
}

/* Fills its part, says so, waits for the end of `go`, and looks again. */
static _Noreturn void run(const struct part *p, int ready, int go)
{
	uint64_t *word = map_anon(p->map * MIB, 0);
	size_t n = p->touch * MIB / PAGE, step = PAGE / sizeof(*word);
	char byte = 'x';

	if (p->adjust)
		adjust(p->adjust);
	for (size_t i = 0; i < n; i++)
		word[i * step + i % step] = mix(i);
	must(write(ready, &byte, 1) == 1);
	must(read(go, &byte, 1) == 0);
	for (size_t i = 0; i < n; i++)
		must(word[i * step + i % step] == mix(i));
	_exit(0);
}

static const char *said(int got)
{
	if (got == 77)
		return "not permitted";
	if (got == 1000 + SIGKILL)
		return "ended";
	return got == 0 ? "lives" : "wrong";
}

/* Each begins when the one before is full, or ended. */
static void all(const struct part *part, unsigned n)
{
	int ready[2], go[2];
	pid_t pid[8];
	char byte;

	must(n <= 8 && pipe(go) == 0);
	for (unsigned i = 0; i < n; i++) {
		must(pipe(ready) == 0);
		pid[i] = fork();
		must(pid[i] >= 0);
		if (pid[i] == 0) {
			close(go[1]);
			run(&part[i], ready[1], go[0]);
		}
		close(ready[1]);
		must(read(ready[0], &byte, 1) >= 0);
		close(ready[0]);
	}
	close(go[1]);
	for (unsigned i = 0; i < n; i++)
		printf("%s: %s\n", part[i].name, said(wait_for(pid[i])));
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	size_t mib = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	size_t most = mib * 6 / 10;

	if (!strcmp(what, "promised")) {
		/* What is promised to them is more than what fills it all. */
		const size_t idle = mib * 9 / 10, hog = mib * 3 / 4;

		all((struct part[]){{"idle", idle, 1, 0},
				    {"idle", idle, 1, 0},
				    {"idle", idle, 1, 0},
				    {"half", mib / 2, mib / 3, 0},
				    {"hog", hog, hog, 0}}, 5);
	} else if (!strcmp(what, "away")) {
		/* Most of the first is in the page file by then. */
		all((struct part[]){{"first", most, most, 0},
				    {"second", most, most, 0}}, 2);
	} else if (!strcmp(what, "rather")) {
		all((struct part[]){{"first", most, most, 0},
				    {"second", most, most, 500}}, 2);
	} else if (!strcmp(what, "never")) {
		all((struct part[]){{"first", most, most, -1000},
				    {"second", most, most, 0}}, 2);
	} else {
		fprintf(stderr, "usage: oom promised|away|rather|never MIB\n");
		return 2;
	}
	return 0;
}
