/* SPDX-License-Identifier: MIT */
/*
 * victim [SCALE] - the guest side of the kill test (README). Reads the number
 * of an operation from stdin, forks a victim that says "pid P" and performs
 * it, and, when the victim is gone, "done OUTCOME MICROSECONDS": how it ended
 * and how long the driver's slowest touch of its own memory took right after.
 * At the end of stdin all memory is checked. All memory is SCALE times what
 * 20 MiB of RAM are good for.
 */
#include "gate.h"
#include "tests/programs/prog.h"

#include <signal.h>
#include <sys/syscall.h>

#define COLD (scale * 16 * MIB)	 /* written once: lies in the page file */
#define WARM (scale * 3 * MIB)	 /* the driver's, touched after every kill */
#define CHURN (scale * 8 * MIB)	 /* the neighbour's */
#define SHARED (scale * 1 * MIB) /* everybody's */
#define IDLE (scale * 8 * MIB)	 /* what an agent is to give up ... */
#define GREED (scale * 6 * MIB)	 /* ... because somebody locks so much */

static size_t scale = 1;
static uint64_t *cold, *warm, *shared;
static uint64_t attempt;
static volatile uint64_t *opened; /* the last attempt whose gate has opened */

static void fill(uint64_t *m, size_t bytes, uint64_t salt)
{
	for (size_t i = 0; i < bytes / 8; i += 64)
		m[i] = mix(i ^ salt);
}

static void check(const uint64_t *m, size_t bytes, uint64_t salt)
{
	for (size_t i = 0; i < bytes / 8; i += 64)
		must(m[i] == mix(i ^ salt));
}

static size_t some_page(size_t bytes)
{
	return mix(attempt ^ 77) % (bytes / PAGE);
}

/* A few milliseconds of work, a nap, for ever: keeps frames moving. */
static _Noreturn void neighbour(pid_t driver)
{
	uint64_t *m = map_anon(CHURN, 0);
	uint64_t r = 1;

	fill(m, CHURN, 3);
	for (;;) {
		for (unsigned i = 0; i < 100; i++) {
			size_t k = (r = mix(r)) % (CHURN / 512) * 64;

			must(m[k] == mix(k ^ 3));
			m[k] = mix(k ^ 3);
			k = r % (SHARED / 512) * 64;
			must(shared[k] == mix(k ^ 9));
			shared[k] = mix(k ^ 9);
		}
		if (getppid() != driver)
			_exit(1);
		usleep(1000);
	}
}

/* Everything is prepared: what comes next is the operation. */
static void ready(void)
{
	dprintf(1, "pid %d\n", (int)getpid());
	gate(GATE_BEFORE);
}

static void do_fork(void)
{
	pid_t pid;

	ready();
	pid = (pid_t)syscall(SYS_fork);
	if (!pid)
		syscall(SYS_exit_group, 0);
	gate(GATE_AFTER);
	must(pid > 0);
	waitpid(pid, NULL, 0);
}

static void do_exec(void)
{
	char *argv[] = {"victim", "after-exec", NULL}, *none[] = {NULL};

	ready();
	syscall(SYS_execve, "/proc/self/exe", argv, none);
	must(0);
}

/* Fresh pages, more of them than there are frames to spare. */
static void do_fresh(size_t before, size_t pages)
{
	volatile char *m = map_anon(before + pages * PAGE, 0);

	for (size_t i = 0; i < before; i += PAGE)
		m[i] = 1;
	ready();
	for (size_t i = 0; i < pages; i++)
		m[before + i * PAGE] = 1;
	gate(GATE_AFTER);
}

static void do_touch(volatile uint64_t *word, bool write)
{
	ready();
	if (write)
		*word = 1;
	else
		(void)*word;
	gate(GATE_AFTER);
}

static void do_mapping(bool unmap)
{
	char *m = map_anon(64 * PAGE, 0);

	for (size_t i = 0; i < 64; i += 3)
		m[i * PAGE] = 1;
	ready();
	if (unmap)
		syscall(SYS_munmap, m, 64 * PAGE);
	else
		syscall(SYS_mmap, NULL, 64 * PAGE, PROT_READ,
			MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	gate(GATE_AFTER);
}

/* Shared memory: made, or made empty. */
static void do_shared(bool empty)
{
	char *m = empty ? map_anon(64 * PAGE, 1) : NULL;

	for (size_t i = 0; empty && i < 64; i++)
		m[i * PAGE] = 1;
	ready();
	if (empty)
		syscall(SYS_madvise, m, 64 * PAGE, MADV_REMOVE);
	else
		syscall(SYS_mmap, NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
			MAP_ANONYMOUS | MAP_SHARED, -1, 0);
	gate(GATE_AFTER);
}

/* A page of a file that nobody has in use any more, but is in memory. */
static void do_transition(void)
{
	int fd = temp_file();
	uint64_t *m;

	must(!ftruncate(fd, 64 * PAGE));
	m = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	must(m != MAP_FAILED && m[5 * 512] == 0);
	must(!madvise(m, 64 * PAGE, MADV_DONTNEED));
	do_touch(m + 5 * 512, false);
}

/* Has pages that others want, and does nothing. */
static void do_agent(size_t bytes)
{
	fill(map_anon(bytes, 0), bytes, attempt);
	ready();
	*opened = attempt;
	for (;;)
		pause();
}

/* Wants more pages than there are, and gives none of its own. */
static _Noreturn void greedy(pid_t driver)
{
	char *m = map_anon(GREED, 0);

	while (*opened != attempt && getppid() == driver)
		usleep(1000);
	for (size_t i = 0; i < GREED; i += PAGE) {
		must(!mlock(m + i, PAGE));
		m[i] = 1;
	}
	_exit(0);
}

static _Noreturn void victim(enum kill_op op)
{
	alarm(120); /* whatever becomes of the others */
	switch (op) {
	case OP_DEMAND_ZERO:
		do_touch(map_anon(64 * PAGE, 0), true);
		break;
	case OP_TRANSITION:
		do_transition();
		break;
	case OP_COW:
		do_touch(warm + some_page(WARM) * 512 + 8, true);
		break;
	case OP_PAGE_IN:
		do_touch(cold + some_page(COLD) * 512, false);
		break;
	case OP_TRIM:
		do_fresh(6 * MIB, 64);
		break;
	case OP_WRITE_OUT:
		do_fresh(12 * MIB, 256);
		break;
	case OP_MMAP:
	case OP_MUNMAP:
		do_mapping(op == OP_MUNMAP);
		break;
	case OP_SHARE:
	case OP_REMOVE:
		do_shared(op == OP_REMOVE);
		break;
	case OP_FORK_PARENT:
	case OP_FORK_CHILD:
		do_fork();
		break;
	case OP_EXEC:
		do_exec();
		break;
	case OP_EXIT:
		ready();
		syscall(SYS_exit_group, 0);
		break;
	case OP_AGENT_TRIM:
		do_agent(IDLE);
		break;
	case OP_AGENT_END:
		do_agent(scale * 4 * MIB);
		break;
	case KILL_OPS_COUNT:
		break;
	}
	_exit(0);
}

/* The slowest of many touches, in microseconds. */
static unsigned long go_on(void)
{
	uint64_t slowest = 0;

	for (unsigned i = 0; i < 200; i++) {
		uint64_t r = mix(attempt << 20 | i), start = now_ns(), took;
		size_t k = r % (WARM / 512) * 64;

		must(warm[k] == mix(k ^ 2));
		warm[k] = mix(k ^ 2);
		k = r % (SHARED / 512) * 64;
		must(shared[k] == mix(k ^ 9));
		took = now_ns() - start;
		if (took > slowest)
			slowest = took;
	}
	return slowest / 1000;
}

static void serve(enum kill_op op)
{
	pid_t driver = getpid(), pid = fork(), other = 0;
	int ended;

	must(pid >= 0);
	if (!pid)
		victim(op);
	if (op == OP_AGENT_TRIM) {
		other = fork();
		must(other >= 0);
		if (!other)
			greedy(driver);
		must(wait_for(other) == 0);
		must(!kill(pid, SIGKILL));
	}
	ended = wait_for(pid);
	printf("done %d %lu\n", ended, go_on());
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[32];
	pid_t other, driver = getpid();

	if (argc > 1 && !strcmp(argv[1], "after-exec")) {
		gate(GATE_AFTER);
		return 0;
	}
	if (argc > 1)
		scale = strtoul(argv[1], NULL, 0);
	cold = map_anon(COLD, 0);
	warm = map_anon(WARM, 0);
	shared = map_anon(SHARED, 1);
	opened = map_anon(PAGE, 1);
	fill(cold, COLD, 1);
	fill(warm, WARM, 2);
	fill(shared, SHARED, 9);
	other = fork();
	must(other >= 0);
	if (!other)
		neighbour(driver);
	while (fgets(line, sizeof(line), stdin)) {
		attempt++;
		serve((enum kill_op)atoi(line));
	}
	must(!kill(other, SIGKILL));
	must(wait_for(other) == 1000 + SIGKILL);
	check(cold, COLD, 1);
	check(warm, WARM, 2);
	check(shared, SHARED, 9);
	printf("end\n");
	return 0;
}
