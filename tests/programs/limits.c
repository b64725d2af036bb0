/* SPDX-License-Identifier: MIT */
/*
 * limits - resource limits across exec, System V shared memory between
 * processes, locks, and what getrusage and wait4 say. Prints what is the same
 * natively.
 */
#include "prog.h"

#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define TOUCHED 2000

static void show(const char *what, long value)
{
	printf("%s: %ld\n", what, value);
}

/* Limits that stand when a program starts, also after exec. */
static void show_limits(void)
{
	static const int which[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE,
				    RLIMIT_MEMLOCK, RLIMIT_NOFILE};
	struct rlimit l;

	for (unsigned i = 0; i < 5; i++) {
		must(!getrlimit(which[i], &l));
		printf("limit %d: %ld %ld\n", which[i], (long)l.rlim_cur,
		       (long)l.rlim_max);
	}
}

static int again(void)
{
	show_limits();
	show("mapping beyond", mmap(NULL, 1l << 31, PROT_READ,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1,
				    0) == MAP_FAILED);
	fflush(stdout);
	return 0;
}

static void exec_limited(char *self)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit as = {1l << 30, 1l << 40}, few = {30, 60};

		must(!setrlimit(RLIMIT_AS, &as));
		must(!setrlimit(RLIMIT_NOFILE, &few));
		execl(self, self, "again", NULL);
		_exit(1);
	}
	must(waitpid(pid, &status, 0) == pid);
	show("limited", status);
}

/* A child's faults and memory, as its parent hears of them. */
static void count_child(void)
{
	struct rusage u, all;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char *p = map_anon(TOUCHED * PAGE, 0);

		for (long i = 0; i < TOUCHED; i++)
			p[i * PAGE] = 1;
		_exit(0);
	}
	must(wait4(pid, &status, 0, &u) == pid);
	must(!getrusage(RUSAGE_CHILDREN, &all));
	show("faults counted", u.ru_minflt > TOUCHED / 32);
	show("memory counted", u.ru_maxrss >= TOUCHED * 4 &&
				       u.ru_maxrss < TOUCHED * 4 + 40000);
	show("of all children", all.ru_maxrss >= u.ru_maxrss &&
					all.ru_minflt >= u.ru_minflt);
	must(!getrusage(RUSAGE_SELF, &u));
	show("own faults", u.ru_minflt > 0);
	show("own memory", u.ru_maxrss > 0);
}

/* What the list of segments, which ipcs(1) shows, says of one. */
static long listed(int id)
{
	FILE *f = fopen("/proc/sysvipc/shm", "r");
	char line[512];
	long found = -1, n;
	int seg;

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %d %*o %*u %*u %*u %ld", &seg, &n) == 2 &&
		    seg == id)
			found = n;
	must(!fclose(f));
	return found;
}

/* As often as it is attached. */
static void list_segment(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
	char *p, *q;
	pid_t pid;

	show("listed", listed(id));
	p = shmat(id, NULL, 0);
	must(p != (void *)-1);
	memset(p, 1, 3 * PAGE);
	show("listed, attached", listed(id));
	q = shmat(id, NULL, SHM_RDONLY);
	must(q != (void *)-1 && q[PAGE] == 1);
	show("listed, attached twice", listed(id));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit((int)listed(id));
	show("listed, with a child", wait_for(pid));
	must(!shmdt(p) && !shmdt(q));
	show("listed, detached", listed(id));
	must(!shmctl(id, IPC_RMID, NULL));
	show("listed, removed", listed(id));
}

/* Two processes write in turn to a segment that is gone from the list. */
static void share_segment(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600), status;
	char *p = shmat(id, NULL, 0);
	struct shmid_ds d;
	pid_t pid;

	must(p != (void *)-1);
	must(!shmctl(id, IPC_RMID, NULL));
	p[PAGE] = 'a';
	pid = fork();
	if (pid == 0) {
		p[PAGE]++;
		must(!shmctl(id, IPC_STAT, &d));
		p[2 * PAGE] = (char)('0' + d.shm_nattch);
		_exit(shmdt(p));
	}
	must(waitpid(pid, &status, 0) == pid);
	printf("segment: %c %c status %d\n", p[PAGE], p[2 * PAGE], status);
	must(!shmctl(id, IPC_STAT, &d));
	show("attached", (long)d.shm_nattch);
	must(!shmdt(p));
	show("gone", shmctl(id, IPC_STAT, &d) == -1 && errno == EINVAL);
}

/* Locked pages stay while all else has to go. */
static void lock_pages(void)
{
	unsigned char vec[64];
	char *p = map_anon(64 * PAGE, 0), *q;
	long in = 0;

	must(!mlock(p, 64 * PAGE));
	q = map_anon(24 * MIB, 0);
	for (size_t i = 0; i < 24 * MIB; i += PAGE)
		q[i] = 1;
	must(!mincore(p, 64 * PAGE, vec));
	for (int i = 0; i < 64; i++)
		in += vec[i] & 1;
	show("locked pages in memory", in);
	must(!munlock(p, 64 * PAGE));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "again"))
		return again();
	show_limits();
	exec_limited(argv[0]);
	count_child();
	share_segment();
	list_segment();
	lock_pages();
	return 0;
}
