/* SPDX-License-Identifier: MIT */
/*
 * guest FIGURE ... - measures what programs ask of memory and of the system,
 * from inside, and prints `figure=microseconds` lines. tools/bench runs it
 * natively and under faultwise, alternating.
 */
#include "tests/programs/prog.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define FILE_BYTES (8 * MIB)

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double wall_us(void)
{
	return (double)now_ns() / 1e3;
}

static void say(const char *name, double us)
{
	printf("%s=%.4f\n", name, us);
}

/* One page at a time, no neighbour helps: in random order. */
static void anonymous_fault(void)
{
	enum { N = 4096 };
	volatile char *m = map_anon(N * PAGE, 0);
	double start;

	must(!madvise((void *)m, N * PAGE, MADV_RANDOM));
	madvise((void *)m, N * PAGE, MADV_NOHUGEPAGE);
	start = wall_us();
	for (size_t i = 0; i < N; i++)
		m[(i * 1031 + 77) % N * PAGE] = 1;
	say("anonymous_fault", (wall_us() - start) / N);
	must(!munmap((void *)m, N * PAGE));
}

/* Once over all of it before, so that the host has the memory ready. */
static void sequential_touch(void)
{
	enum { N = 6144 };

	for (unsigned round = 0; round < 2; round++) {
		volatile char *m = map_anon(N * PAGE, 0);
		double cpu = cpu_us(), wall = wall_us();

		for (size_t i = 0; i < N; i++)
			m[i * PAGE] = 1;
		wall = wall_us() - wall;
		cpu = cpu_us() - cpu;
		if (round) {
			say("sequential_touch", wall / N);
			say("sequential_touch_cpu", cpu / N);
		}
		must(!munmap((void *)m, N * PAGE));
	}
}

static int bench_file(void)
{
	static char buffer[65536];
	int fd = temp_file();

	for (size_t i = 0; i < FILE_BYTES; i += sizeof(buffer))
		must(write(fd, buffer, sizeof(buffer)) == sizeof(buffer));
	return fd;
}

static void file_page(void)
{
	int fd = bench_file();
	double start = 0;

	for (unsigned round = 0; round < 2; round++) {
		volatile char *m = mmap(NULL, FILE_BYTES, PROT_READ,
					MAP_PRIVATE, fd, 0);

		must(m != MAP_FAILED);
		start = wall_us();
		for (size_t i = 0; i < FILE_BYTES; i += PAGE)
			(void)m[i];
		start = wall_us() - start;
		must(!munmap((void *)m, FILE_BYTES));
	}
	say("file_page", start * (double)PAGE / FILE_BYTES);
	must(!close(fd));
}

static double getppid_us(void)
{
	enum { N = 200000 };
	double start = wall_us();

	for (unsigned i = 0; i < N; i++)
		syscall(SYS_getppid);
	return (wall_us() - start) / N;
}

static void getppid_call(void)
{
	say("getppid", getppid_us());
}

/* Natively: what any seccomp filter costs, here one that allows all. */
static void getppid_filter(void)
{
	struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
	struct sock_fprog program = {1, &allow};
	pid_t pid = fork();

	must(pid >= 0);
	if (pid) {
		must(wait_for(pid) == 0);
		return;
	}
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	say("getppid_filter", getppid_us());
	_exit(0);
}

static void pread_call(void)
{
	enum { N = 20000 };
	static char buffer[4096] __attribute__((aligned(4096)));
	int fd = bench_file();
	double start;

	must(pread(fd, buffer, PAGE, 0) == PAGE);
	start = wall_us();
	for (unsigned i = 0; i < N; i++)
		must(pread(fd, buffer, PAGE, (off_t)(i % 1000 * PAGE)) == PAGE);
	say("pread_4k", (wall_us() - start) / N);
	must(!close(fd));
}

static void fork_wait(void)
{
	enum { N = 300 };
	double start = wall_us();

	for (unsigned i = 0; i < N; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid)
			_exit(0);
		must(wait_for(pid) == 0);
	}
	say("fork_exit_wait", (wall_us() - start) / N);
}

static void exec_wait(void)
{
	enum { N = 100 };
	double start = wall_us();

	for (unsigned i = 0; i < N; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(99);
		}
		must(wait_for(pid) == 0);
	}
	say("fork_exec_wait", (wall_us() - start) / N);
}

/* Random single pages of an area of five times the RAM (-m 32M). */
static void page_in(void)
{
	enum { PAGES = 40960, N = 4000 };
	uint64_t *m = map_anon(PAGES * PAGE, 0);
	uint64_t r = 1;
	double start;

	must(!madvise(m, PAGES * PAGE, MADV_RANDOM));
	for (size_t i = 0; i < PAGES; i++)
		for (unsigned k = 0; k < 512; k += 8)
			m[i * 512 + k] = mix(i * 512 + k);
	sleep(1); /* let the writers finish */
	start = wall_us();
	for (unsigned i = 0; i < N; i++) {
		size_t p = (r = mix(r)) % (PAGES * 7 / 10);

		must(m[p * 512 + 8] == mix(p * 512 + 8));
	}
	say("page_in", (wall_us() - start) / N);
}

/* What the disk takes for the same: 4 KiB, O_DIRECT, one at a time. */
static void device_read(void)
{
	enum { PAGES = 40960, N = 4000 };
	char name[] = "/var/tmp/fw-bench-XXXXXX";
	int fd = mkstemp(name);
	char *buffer = map_anon(MIB, 0);
	uint64_t r = 1;
	double start;

	must(fd >= 0);
	for (size_t i = 0; i < MIB; i++)
		buffer[i] = (char)mix(i);
	for (size_t i = 0; i < PAGES / 256; i++)
		must(write(fd, buffer, MIB) == MIB);
	must(!fsync(fd));
	must(!close(fd));
	fd = open(name, O_RDONLY | O_DIRECT);
	must(!unlink(name));
	must(fd >= 0);
	start = wall_us();
	for (unsigned i = 0; i < N; i++) {
		r = mix(r);
		must(pread(fd, buffer, PAGE, (off_t)(r % PAGES * PAGE)) ==
		     PAGE);
	}
	say("device_read", (wall_us() - start) / N);
	must(!close(fd));
}

static void *wait_long(void *arg)
{
	pause();
	return arg;
}

/* hold PROCESSES THREADS: waits until stdin ends, with these. */
static int hold(int processes, int threads)
{
	pid_t pids[64];
	pthread_t t;
	char c;

	must(processes < 64);
	for (int i = 0; i < processes; i++) {
		pids[i] = fork();
		must(pids[i] >= 0);
		if (!pids[i]) {
			pause();
			_exit(0);
		}
	}
	for (int i = 0; i < threads; i++)
		must(!pthread_create(&t, NULL, wait_long, NULL));
	must(write(1, "ready\n", 6) == 6);
	must(read(0, &c, 1) == 0);
	for (int i = 0; i < processes; i++) {
		must(!kill(pids[i], SIGKILL));
		wait_for(pids[i]);
	}
	return 0;
}

static const struct figure {
	const char *name;
	void (*measure)(void);
} figures[] = {
	{"anonymous_fault", anonymous_fault},
	{"sequential_touch", sequential_touch},
	{"file_page", file_page},
	{"getppid", getppid_call},
	{"getppid_filter", getppid_filter},
	{"pread_4k", pread_call},
	{"fork_exit_wait", fork_wait},
	{"fork_exec_wait", exec_wait},
	{"page_in", page_in},
	{"device_read", device_read},
};

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "hold"))
		return hold(atoi(argv[2]), atoi(argv[3]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		for (size_t k = 0; k < sizeof(figures) / sizeof(*figures); k++)
			if (!strcmp(argv[i], figures[k].name))
				figures[k].measure();
	return 0;
}
