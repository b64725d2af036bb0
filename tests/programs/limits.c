/* SPDX-License-Identifier: MIT */
/*
 * limits - resource limits across exec, of memory that is replaced, by thread
 * id and of others, System V shared memory between processes, locks, and what
 * getrusage and wait4 say. Prints what is the same natively.
 */
#include "prog.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define TOUCHED 2000
#define NEWBORN 100 /* children */

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

/* As one who is not privileged, locks a segment of `pages`. */
static void lock_segment(size_t pages)
{
	int id = shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600);

	must(id >= 0);
	show("a segment locked", shmctl(id, SHM_LOCK, NULL) ? -errno : 0);
	must(!shmctl(id, IPC_RMID, NULL));
}

static void lock_segments(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0, 0, 0}};
	struct rlimit few = {4 * PAGE + 5, 4 * PAGE + 5}, none = {0, 0};

	must(!syscall(SYS_capset, &head, data));
	must(!setrlimit(RLIMIT_MEMLOCK, &few));
	lock_segment(4);
	lock_segment(5);
	must(!setrlimit(RLIMIT_MEMLOCK, &none));
	lock_segment(1);
	show("no segment", shmctl(-1, SHM_LOCK, NULL) ? -errno : 0);
}

/* ---- memory that takes the place of other memory ------------------------ */

static void limit_to(int which, size_t bytes)
{
	struct rlimit l = {bytes, RLIM_INFINITY};

	must(!setrlimit(which, &l));
}

static long map_over(char *at, size_t bytes, int prot)
{
	return mmap(at, bytes, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		    -1, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

/* It adds nothing to what counts. */
static void in_place(void)
{
	char *p = mmap(NULL, 160 * MIB, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int id = shmget(IPC_PRIVATE, 64 * MIB, IPC_CREAT | 0600);

	must(p != MAP_FAILED && id >= 0);
	limit_to(RLIMIT_AS, 220 * MIB);
	show("address space: over it", map_over(p, 120 * MIB, PROT_READ));
	show("beside it", mmap(NULL, 120 * MIB, PROT_READ,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0) == MAP_FAILED);
	show("beyond it", map_over(p + 120 * MIB, 120 * MIB, PROT_READ));
	show("a segment over it",
	     shmat(id, p, SHM_REMAP) == (void *)p ? 0 : -errno);
	must(!shmctl(id, IPC_RMID, NULL));
	limit_to(RLIMIT_DATA, 90 * MIB);
	show("data", map_over(p, 40 * MIB, PROT_READ | PROT_WRITE));
	show("data over it", map_over(p, 40 * MIB, PROT_READ | PROT_WRITE));
	show("more data over it",
	     map_over(p, 80 * MIB, PROT_READ | PROT_WRITE));
	show("data by mprotect", mprotect(p + 120 * MIB, 40 * MIB,
					  PROT_READ | PROT_WRITE)
					 ? -errno
					 : 0);
	limit_to(RLIMIT_AS, 20 * MIB);
	show("when all is full", mprotect(p + 150 * MIB, 10 * MIB,
					  PROT_READ | PROT_WRITE)
					 ? -errno
					 : 0);
}

/* ---- by the number of a thread ------------------------------------------ */

#define DIRTY (24 * MIB)

/* Its page file may be longer than its own files. */
static void dirty_much(void)
{
	uint64_t *p = map_anon(DIRTY, 0);

	for (size_t i = 0; i < DIRTY / 8; i++)
		p[i] = mix(i);
	for (size_t i = 0; i < DIRTY / 8; i += 511)
		must(p[i] == mix(i));
	must(!munmap(p, DIRTY));
}

static void *thread_looks(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	struct rlimit a, b, small = {8192, 8192};
	char text[8] = "none", *p = map_anon(2 * PAGE, 0);
	struct iovec here = {text, 8}, there = {p + PAGE, 8};

	strcpy(p + PAGE, "paged");
	must(!madvise(p, 2 * PAGE, MADV_PAGEOUT));
	show("read by a thread's number",
	     process_vm_readv(tid, &here, 1, &there, 1, 0));
	there.iov_base = p;
	show("written", process_vm_writev(tid, &here, 1, &there, 1, 0));
	printf("%s %s\n", text, p);
	must(!prlimit(tid, RLIMIT_MEMLOCK, NULL, &a));
	must(!getrlimit(RLIMIT_MEMLOCK, &b));
	show("the same limit", !memcmp(&a, &b, sizeof(a)));
	show("small files", prlimit(tid, RLIMIT_FSIZE, &small, NULL));
	must(!getrlimit(RLIMIT_FSIZE, &b));
	show("as said", (long)b.rlim_cur);
	dirty_much();
	return arg;
}

static void by_thread(void)
{
	pthread_t thread;

	must(!pthread_create(&thread, NULL, thread_looks, NULL));
	must(!pthread_join(thread, NULL));
}

/* ---- of another process ------------------------------------------------- */

static int ask[2], tell[2];

static void *thread_waits(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	char byte;

	must(write(tell[1], &tid, sizeof(tid)) == sizeof(tid));
	must(read(ask[0], &byte, 1) == 1);
	return arg;
}

static void print_limits(pid_t pid)
{
	static const char *const names[] = {"Max address", "Max file size",
					    "Max data", "Max locked"};
	char path[40], line[200];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	f = fopen(path, "r");
	must(f);
	while (fgets(line, sizeof(line), f))
		for (unsigned i = 0; i < 4; i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				fputs(line, stdout);
	fclose(f);
}

static void of_another(void)
{
	struct rlimit l, high = {4096000, 4096000};
	char text[8] = "other", got[8] = "", *p = map_anon(PAGE, 0);
	struct iovec here = {got, 8}, there = {p, 8};
	pthread_t thread;
	pid_t pid, tid;

	must(!pipe(ask) && !pipe(tell));
	memcpy(p, text, 8);
	pid = fork();
	if (pid == 0) {
		limit_to(RLIMIT_AS, 3000 * MIB);
		limit_to(RLIMIT_DATA, 2000 * MIB);
		must(!pthread_create(&thread, NULL, thread_waits, NULL));
		must(!pthread_join(thread, NULL));
		must(!getrlimit(RLIMIT_FSIZE, &l));
		_exit(l.rlim_cur == high.rlim_cur);
	}
	must(read(tell[0], &tid, sizeof(tid)) == sizeof(tid));
	memcpy(p, "mine", 5);
	show("another's limit", prlimit(tid, RLIMIT_FSIZE, &high, NULL));
	print_limits(pid);
	show("its memory", process_vm_readv(tid, &here, 1, &there, 1, 0));
	printf("%s\n", got);
	must(write(ask[1], "", 1) == 1);
	show("it has it", wait_for(pid));
}

static char state_of(pid_t pid)
{
	char path[32], text[512] = "", *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	must(f && fgets(text, sizeof(text), f));
	fclose(f);
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

/* Children that are stopped before they have done anything: their memory can
 * be read all the same, and they stay stopped. */
static void of_newborn(void)
{
	char *p = map_anon(PAGE, 0), got[8];
	struct iovec here = {got, 8}, there = {p, 8};
	unsigned tried = 0, read = 0, stopped = 0, status = 0;

	strcpy(p, "inherit");
	for (unsigned i = 0; i < NEWBORN; i++) {
		pid_t pid = fork();
		int st;

		must(pid >= 0);
		if (!pid)
			_exit(7);
		must(!kill(pid, SIGSTOP));
		must(waitpid(pid, &st, WUNTRACED) == pid);
		if (!WIFSTOPPED(st))
			continue; /* it was faster */
		tried++;
		memset(got, 0, sizeof(got));
		read += process_vm_readv(pid, &here, 1, &there, 1, 0) != 8 ||
			memcmp(got, p, 8);
		for (unsigned n = 0; n < 1000 && state_of(pid) != 'T'; n++)
			usleep(1000);
		stopped += state_of(pid) != 'T';
		must(!kill(pid, SIGCONT));
		status += wait_for(pid) != 7;
	}
	show("newborn: some", tried > 0);
	show("not read", read);
	show("went on", stopped);
	show("ended otherwise", status);
}

static void in_child(void (*how)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		how();
		fflush(stdout);
		_exit(0);
	}
	show("child", wait_for(pid));
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
	in_child(lock_segments);
	in_child(in_place);
	in_child(by_thread);
	in_child(of_another);
	in_child(of_newborn);
	return 0;
}
