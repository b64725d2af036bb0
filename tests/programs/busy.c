/* SPDX-License-Identifier: MIT */
/*
 * busy kill N [MIB] | busy stop SECONDS PIDFILE [MIB]
 *
 * Four workers write private and shared memory, fork and write pipes. With
 * `kill`, N of them are killed at random instants, one after another, and
 * replaced. With `stop`, their pids go to PIDFILE, for somebody outside to
 * stop and continue them. The main process writes and checks memory of its
 * own all the time and says how long its longest single touch took.
 *
 * A shared word is zero or what belongs to its place, whoever wrote it and
 * whenever they died.
 */
#include "prog.h"

#include <fcntl.h>
#include <signal.h>

#define WORKERS 4

static uint64_t *shared, *mine;
static size_t words;
static volatile uint64_t *progress; /* steps of each worker, then ours */
static uint64_t longest;
static uint64_t random_state = 88172645463325252u;

static uint64_t rnd(void)
{
	return random_state = mix(random_state);
}

static void touch_shared(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t k = rnd() % words;

		must(shared[k] == 0 || shared[k] == mix(k));
		shared[k] = mix(k);
	}
}

static void touch_own(uint64_t *m, uint64_t salt, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t k = rnd() % words;

		must(m[k] == 0 || m[k] == mix(k ^ salt));
		m[k] = mix(k ^ salt);
	}
}

static void fork_step(uint64_t *m, uint64_t salt)
{
	int fds[2];
	char c[5000];
	pid_t pid;

	must(!pipe(fds));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		touch_own(m, salt, 100);
		must(write(fds[1], c, sizeof(c)) == sizeof(c));
		_exit(0);
	}
	must(!close(fds[1]));
	for (size_t got = 0; got < sizeof(c);) {
		ssize_t k = read(fds[0], c, sizeof(c) - got);

		must(k > 0);
		got += (size_t)k;
	}
	must(!close(fds[0]));
	must(wait_for(pid) == 0);
}

static _Noreturn void worker(unsigned me)
{
	uint64_t salt = (uint64_t)(me + 1) << 50;
	uint64_t *m = map_anon(words * 8, 0);

	random_state = mix(now_ns() ^ salt);
	for (;;) {
		touch_own(m, salt, 300);
		touch_shared(100);
		touch_own(mine, 5, 20); /* copies of main's pages */
		if (rnd() % 8 == 0)
			fork_step(m, salt);
		if (rnd() % 16 == 0) {
			must(!munmap(m, words * 8));
			m = map_anon(words * 8, 0);
		}
		progress[me]++;
	}
}

static pid_t start(unsigned me)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid)
		worker(me);
	return pid;
}

static void own_work(uint64_t until)
{
	do {
		for (unsigned i = 0; i < 20; i++) {
			uint64_t began = now_ns(), took;

			touch_own(mine, 5, 1);
			touch_shared(1);
			took = now_ns() - began;
			if (took > longest)
				longest = took;
		}
		progress[WORKERS]++;
	} while (now_ns() < until);
}

/* Children of a killed worker are ours no more, and end by themselves: only
 * a write to a pipe that nobody reads could hold them, and that kills. */
static void killing(unsigned n, pid_t *pids)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned who = rnd() % WORKERS;

		own_work(now_ns() + rnd() % 4000000);
		must(!kill(pids[who], SIGKILL));
		must(wait_for(pids[who]) == 1000 + SIGKILL);
		pids[who] = start(who);
	}
}

static void publish(const char *path, const pid_t *pids)
{
	char text[100], temp[4096];
	int n = 0, fd;

	for (unsigned i = 0; i < WORKERS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%d\n",
			      (int)pids[i]);
	must(snprintf(temp, sizeof(temp), "%s.new", path) < 4096);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd >= 0 && write(fd, text, (size_t)n) == n && !close(fd));
	must(!rename(temp, path));
}

int main(int argc, char **argv)
{
	pid_t pids[WORKERS];
	bool stop = argc > 3 && !strcmp(argv[1], "stop");
	int at = stop ? 4 : 3;
	size_t mib = argc > at ? strtoul(argv[at], NULL, 0) : 16;

	must(argc > 2);
	words = mib * MIB / 8;
	shared = map_anon(words * 8, 1);
	mine = map_anon(words * 8, 0);
	progress = map_anon(PAGE, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = start(i);
	if (stop) {
		publish(argv[3], pids);
		own_work(now_ns() + (uint64_t)(atof(argv[2]) * 1e9));
	} else {
		killing((unsigned)atoi(argv[2]), pids);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		must(progress[i] > 0);
		must(!kill(pids[i], SIGCONT));
		must(!kill(pids[i], SIGKILL));
		must(wait_for(pids[i]) == 1000 + SIGKILL);
	}
	for (size_t k = 0; k < words; k++) {
		must(shared[k] == 0 || shared[k] == mix(k));
		must(mine[k] == 0 || mine[k] == mix(k ^ 5));
	}
	printf("busy: ok\n");
	fprintf(stderr, "longest_ms=%.2f\n", (double)longest / 1e6);
	return 0;
}
