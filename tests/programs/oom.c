/* SPDX-License-Identifier: MIT */
/*
 * oom CASE MIB - processes that want more than MIB together, which is all
 * there is. Says who was ended for it; the others check what they have.
 */
#include "prog.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>

struct part {
	const char *name;
	size_t map, touch; /* MiB */
	int adjust;	   /* what it writes to oom_score_adj; 0: nothing */
	bool spawns;	   /* ... and runs programs meanwhile */
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

/* One image after the other, each of them short of memory. */
static void *spawn(void *arg)
{
	char *const command[] = {"oom", NULL}, *const none[] = {NULL};
	pid_t pid;

	for (;;)
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, command,
				none) == 0)
			wait_for(pid);
	return arg;
}

#define THREADS 8

struct fill {
	uint64_t *word;
	size_t from, to; /* pages */
};

static uint64_t *word_of(const struct fill *f, size_t page)
{
	return f->word + page * (PAGE / sizeof(uint64_t)) + page % 512;
}

static void *fill(void *arg)
{
	const struct fill *f = arg;

	for (size_t i = f->from; i < f->to; i++)
		*word_of(f, i) = mix(i);
	return NULL;
}

/* Threads want the memory at once. */
static struct fill fill_all(const struct part *p)
{
	struct fill all = {map_anon((p->map + 1) * MIB, 0), 0,
			   p->touch * MIB / PAGE};
	struct fill part[THREADS];
	pthread_t thread[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		part[i] = (struct fill){all.word, all.to * i / THREADS,
					all.to * (i + 1) / THREADS};
		must(pthread_create(&thread[i], NULL, fill, &part[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_join(thread[i], NULL) == 0);
	return all;
}

/* Fills its part, says so, waits for the end of `go`, and looks again. */
static _Noreturn void run(const struct part *p, int ready, int go)
{
	struct fill all;
	char byte = 'x';
	pthread_t thread;

	if (p->adjust)
		adjust(p->adjust);
	for (unsigned i = 0; p->spawns && i < 2; i++)
		must(pthread_create(&thread, NULL, spawn, NULL) == 0);
	all = fill_all(p);
	must(write(ready, &byte, 1) == 1);
	must(read(go, &byte, 1) == 0);
	for (size_t i = 0; i < all.to; i++)
		must(*word_of(&all, i) == mix(i));
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

		all((struct part[]){{"idle", idle, 1, 0, false},
				    {"idle", idle, 1, 0, false},
				    {"idle", idle, 1, 0, false},
				    {"half", mib / 2, mib / 3, 0, false},
				    {"hog", hog, hog, 0, false}}, 5);
	} else if (!strcmp(what, "away")) {
		/* Most of the first is in the page file by then. */
		all((struct part[]){{"first", most, most, 0, false},
				    {"second", most, most, 0, false}}, 2);
	} else if (!strcmp(what, "rather")) {
		all((struct part[]){{"first", most, most, 0, false},
				    {"second", most, most, 500, false}}, 2);
	} else if (!strcmp(what, "never")) {
		all((struct part[]){{"first", most, most, -1000, false},
				    {"second", most, most, 0, false}}, 2);
	} else if (!strcmp(what, "execs")) {
		all((struct part[]){{"idle", most, 6, 0, false},
				    {"idle", most, 6, 0, false},
				    {"hog", mib * 9 / 10, mib * 9 / 10, 0,
				     true}}, 3);
	} else if (argc > 1) {
		fprintf(stderr,
			"usage: oom promised|away|rather|never|execs MIB\n");
		return 2;
	}
	return 0;
}
