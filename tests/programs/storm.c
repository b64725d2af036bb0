/* SPDX-License-Identifier: MIT */
/*
 * storm SECONDS [MIB] - workers that fork, exec, send through pipes and touch
 * MIB of memory each, under a signal each millisecond: half of them with
 * SA_RESTART, where no call may ever return EINTR. Says the longest time that
 * one step took; fails when that is over a second or data is wrong.
 */
#include "prog.h"

#include <signal.h>
#include <spawn.h>
#include <sys/time.h>

#define WORKERS 4
#define STALL_NS 1000000000u

static struct board {
	uint64_t longest[WORKERS]; /* ns */
	uint64_t steps[WORKERS];
	const char *slowest[WORKERS];
	uint64_t signals[WORKERS];
} *board;

static unsigned me;
static bool restarting;
static uint64_t *memory;
static size_t words;
static uint64_t written; /* generation of each word is checked by pages */

static void on_alarm(int sig)
{
	(void)sig;
	board->signals[me]++;
}

static void timer(long us)
{
	struct itimerval t = {{0, us}, {0, us}};

	must(!setitimer(ITIMER_REAL, &t, NULL));
}

/* EINTR is an answer only where SA_RESTART is not set. */
static bool interrupted(void)
{
	if (errno != EINTR)
		return false;
	if (restarting) {
		fprintf(stderr, "storm: EINTR leaked\n");
		_exit(1);
	}
	return true;
}

static int reap(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) != pid)
		must(interrupted());
	return outcome(st);
}

static void send_all(int fd, const void *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		must(k > 0 || interrupted());
		if (k > 0) {
			p = (const char *)p + k;
			n -= (size_t)k;
		}
	}
}

static void take_all(int fd, void *p, size_t n)
{
	while (n) {
		ssize_t k = read(fd, p, n);

		must(k > 0 || (k < 0 && interrupted()));
		if (k > 0) {
			p = (char *)p + k;
			n -= (size_t)k;
		}
	}
}

/* Each page's first word says which page it is and who wrote it last. */
static void touch(uint64_t seed, unsigned n)
{
	size_t pages = words / 512;

	for (unsigned i = 0; i < n; i++) {
		size_t p = mix(seed + i) % pages;
		uint64_t *w = memory + p * 512;

		must(w[0] == 0 || w[1] == mix(w[0] ^ p));
		w[0] = ++written;
		w[1] = mix(w[0] ^ p);
	}
}

static void step_fork(uint64_t n)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		touch(n, 50);
		_exit((int)(n % 100));
	}
	must(reap(pid) == (int)(n % 100));
}

static void step_exec(uint64_t n)
{
	pid_t pid = fork();
	char text[24];

	must(pid >= 0);
	if (!pid) {
		snprintf(text, sizeof(text), "%lu", (unsigned long)n);
		execl("/proc/self/exe", "storm", "child", text, (char *)NULL);
		_exit(101);
	}
	must(reap(pid) == (int)(mix(n) % 100));
}

static void step_true(uint64_t n)
{
	char *argv[] = {"true", NULL};
	pid_t pid;

	(void)n;
	must(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ));
	must(reap(pid) == 0);
}

/* A child sends back what it gets, changed. */
static void step_pipe(uint64_t n)
{
	uint64_t buffer[1024];
	int there[2], here[2];
	pid_t pid;

	must(!pipe(there) && !pipe(here));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		for (unsigned r = 0; r < 4; r++) {
			take_all(there[0], buffer, sizeof(buffer));
			for (unsigned i = 0; i < 1024; i++)
				buffer[i] = mix(buffer[i]);
			send_all(here[1], buffer, sizeof(buffer));
		}
		_exit(0);
	}
	for (unsigned r = 0; r < 4; r++) {
		for (unsigned i = 0; i < 1024; i++)
			buffer[i] = n + i;
		send_all(there[1], buffer, sizeof(buffer));
		take_all(here[0], buffer, sizeof(buffer));
		for (unsigned i = 0; i < 1024; i++)
			must(buffer[i] == mix(n + i));
	}
	must(reap(pid) == 0);
	must(!close(there[0]) && !close(there[1]));
	must(!close(here[0]) && !close(here[1]));
}

static void step_touch(uint64_t n)
{
	touch(n, 500);
}

/* In a new image: the timer of the child works as well. */
static int child_main(uint64_t n)
{
	uint64_t *m = map_anon(64 * PAGE, 0);

	for (unsigned i = 0; i < 64; i++)
		m[i * 512] = mix(n + i);
	for (unsigned i = 0; i < 64; i++)
		must(m[i * 512] == mix(n + i));
	return (int)(mix(n) % 100);
}

static const struct step {
	const char *name;
	void (*run)(uint64_t n);
} steps[] = {
	{"fork", step_fork}, {"exec", step_exec}, {"spawn", step_true},
	{"pipe", step_pipe}, {"touch", step_touch},
};

static _Noreturn void worker(uint64_t until, size_t bytes)
{
	struct sigaction sa = {.sa_handler = on_alarm};

	restarting = me % 2 == 0;
	sa.sa_flags = restarting ? SA_RESTART : 0;
	memory = map_anon(bytes, 0);
	words = bytes / 8;
	must(!sigaction(SIGALRM, &sa, NULL));
	timer(1000);
	for (uint64_t n = me; now_ns() < until; n += WORKERS) {
		const struct step *s = &steps[mix(n) % 5];
		uint64_t start = now_ns(), took;

		s->run(n);
		took = now_ns() - start;
		if (took > board->longest[me]) {
			board->longest[me] = took;
			board->slowest[me] = s->name;
		}
		board->steps[me]++;
	}
	timer(0);
	_exit(0);
}

static int report(int failed)
{
	uint64_t longest = 0, all = 0;

	for (unsigned i = 0; i < WORKERS; i++) {
		printf("worker %u: %lu steps, %lu signals, longest %.1f ms"
		       " (%s)\n",
		       i, board->steps[i], board->signals[i],
		       (double)board->longest[i] / 1e6,
		       board->slowest[i] ? board->slowest[i] : "none");
		if (board->longest[i] > longest)
			longest = board->longest[i];
		all += board->steps[i];
		failed |= !board->steps[i] || !board->signals[i];
	}
	printf("steps=%lu longest_ms=%.1f\n", all, (double)longest / 1e6);
	if (longest > STALL_NS) {
		printf("a step took over a second\n");
		failed = 1;
	}
	return failed;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	size_t bytes = (argc > 2 ? strtoul(argv[2], NULL, 0) : 24) * MIB;
	uint64_t until;
	pid_t pids[WORKERS];
	int failed = 0;

	if (argc > 2 && !strcmp(argv[1], "child"))
		return child_main(strtoul(argv[2], NULL, 10));
	until = now_ns() + (uint64_t)(seconds * 1e9);
	board = map_anon(PAGE, 1);
	for (me = 0; me < WORKERS; me++) {
		pids[me] = fork();
		must(pids[me] >= 0);
		if (!pids[me])
			worker(until, bytes);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		failed |= wait_for(pids[i]) != 0;
	return report(failed);
}
