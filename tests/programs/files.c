/* SPDX-License-Identifier: MIT */
/*
 * files - what several processes find in one file: records that they append,
 * bytes that they read and write by one offset; and what a file, by its
 * limits, its seals and its kind, does not let be done. Prints what is the
 * same natively.
 */
#include "prog.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

#define RECORD MIB
#define RECORDS 10 /* of each writer */
#define PIECES 512

static void show(const char *what, long value)
{
	printf("%s: %ld\n", what, value);
}

/* Prints what a call gave: its value, or the error. */
static void show_result(const char *what, long value, int error)
{
	if (value == -1)
		printf("%s: error %d\n", what, error);
	else
		printf("%s: %ld\n", what, value);
}
#define SHOW(call)                                                             \
	do {                                                                   \
		long value_;                                                   \
		errno = 0;                                                     \
		value_ = (long)(call);                                         \
		show_result(#call, value_, errno);                             \
		fflush(stdout);                                                \
	} while (0)

/* ---- records ------------------------------------------------------------- */

typedef ssize_t put_fn(int fd, char *record);

static ssize_t put_plain(int fd, char *record)
{
	return write(fd, record, RECORD);
}

/* Pieces from both ends: they do not make one range. */
static ssize_t put_pieces(int fd, char *record)
{
	struct iovec v[PIECES];
	size_t n = RECORD / PIECES;

	for (size_t i = 0; i < PIECES; i++)
		v[i] = (struct iovec){
			record + (i % 2 ? PIECES - i : i) * n, n};
	return writev(fd, v, PIECES);
}

static ssize_t put_append(int fd, char *record)
{
	struct iovec v = {record, RECORD};

	return pwritev2(fd, &v, 1, 0, RWF_APPEND);
}

/* How many records of the file are not one writer's. */
static long torn(const char *path)
{
	char *record = map_anon(RECORD, 0);
	int fd = open(path, O_RDONLY);
	long n = 0, bad = 0;

	must(fd >= 0);
	for (; read(fd, record, RECORD) == (ssize_t)RECORD; n++)
		bad += memcmp(record, record + 1, RECORD - 1) != 0;
	must(n == 2l * RECORDS);
	must(!close(fd) && !munmap(record, RECORD));
	return bad;
}

/* Two processes begin together. */
static void meet(int *ready)
{
	__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
}

/* Two processes put records into one file, by descriptors of their own or by
 * one that they share. */
static void writers(const char *what, int flags, bool shared, put_fn *put)
{
	const char *path = "files-records";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
	int *ready = map_anon(PAGE, 1);
	pid_t pid[2];

	must(fd >= 0);
	for (int k = 0; k < 2; k++) {
		char *record;

		pid[k] = fork();
		if (pid[k])
			continue;
		if (!shared)
			must((fd = open(path, O_RDWR | flags)) >= 0);
		record = map_anon(RECORD, 0);
		memset(record, 'a' + k, RECORD);
		meet(ready);
		for (int i = 0; i < RECORDS; i++)
			must(put(fd, record) == (ssize_t)RECORD);
		_exit(0);
	}
	must(!wait_for(pid[0]) && !wait_for(pid[1]));
	show(what, torn(path));
	must(!close(fd) && !unlink(path) && !munmap(ready, PAGE));
}

/* Bytes at the file's beginning and on that are the same. */
static size_t same_bytes(const char *at, size_t len)
{
	size_t n = 1;

	while (n < len && at[n] == at[0])
		n++;
	return n;
}

static void append(const char *path, int byte, size_t size, int n, int *ready)
{
	char *record = map_anon(size, 0);
	int fd = open(path, O_WRONLY | O_APPEND);

	must(fd >= 0);
	memset(record, byte, size);
	meet(ready);
	while (n--)
		must(write(fd, record, size) == (ssize_t)size);
	_exit(0);
}

/* Short records do not get into long ones. */
static void short_and_long(void)
{
	const char *path = "files-records";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int *ready = map_anon(PAGE, 1);
	size_t len, n;
	long bad = 0;
	pid_t pid[2];
	char *p;

	for (int k = 0; k < 2; k++)
		if (!(pid[k] = fork()))
			append(path, 'a' + k, k ? RECORD : 100,
			       k ? 4 * RECORDS : 20000, ready);
	must(!wait_for(pid[0]) && !wait_for(pid[1]));
	len = (size_t)lseek(fd, 0, SEEK_END);
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	for (size_t at = 0; at < len; at += n) {
		n = same_bytes(p + at, len - at);
		bad += n % (p[at] == 'a' ? 100 : RECORD) != 0;
	}
	show("torn by short ones", bad);
	must(!munmap(p, len) && !munmap(ready, PAGE));
	must(!close(fd) && !unlink(path));
}

/* Two processes read by one offset: each read gives bytes that follow each
 * other, and both together give all of them. */
static void readers(void)
{
	uint32_t *at = map_anon(RECORD, 0), n = RECORD / 4;
	int fd = temp_file(), status[2], *ready = map_anon(PAGE, 1);
	pid_t pid[2];

	for (uint32_t i = 0; i < 2 * RECORDS; i++) {
		for (uint32_t k = 0; k < n; k++)
			at[k] = i * n + k;
		must(write(fd, at, RECORD) == (ssize_t)RECORD);
	}
	must(!lseek(fd, 0, SEEK_SET));
	for (int p = 0; p < 2; p++) {
		int got = 0;

		pid[p] = fork();
		if (pid[p])
			continue;
		meet(ready);
		for (; read(fd, at, RECORD) == (ssize_t)RECORD; got++)
			for (uint32_t k = 1; k < n; k++)
				if (at[k] != at[0] + k)
					_exit(100);
		_exit(got);
	}
	status[0] = wait_for(pid[0]);
	status[1] = wait_for(pid[1]);
	show("records read by one offset", status[0] + status[1]);
	must(!close(fd) && !munmap(at, RECORD) && !munmap(ready, PAGE));
}

static void nothing(int sig)
{
	(void)sig;
}

/* No signal ends a transfer to or from a file. */
static void interrupted(void)
{
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = nothing};
	char *big = map_anon(4 * RECORD, 0);
	int fd = temp_file(), cut = 0;

	must(!sigaction(SIGALRM, &act, NULL));
	must(!setitimer(ITIMER_REAL, &often, NULL));
	for (int i = 0; i < 10; i++) {
		cut += pwrite(fd, big, 4 * RECORD, 0) != 4 * (ssize_t)RECORD;
		cut += pread(fd, big, 4 * RECORD, 0) != 4 * (ssize_t)RECORD;
	}
	must(!setitimer(ITIMER_REAL, &never, NULL));
	show("cut short by signals", cut);
	must(!close(fd) && !munmap(big, 4 * RECORD));
}

static void records(void)
{
	writers("torn, appended", O_APPEND, false, put_plain);
	writers("torn, appended in pieces", O_APPEND, false, put_pieces);
	writers("torn, by RWF_APPEND", 0, false, put_append);
	writers("torn, by one offset", 0, true, put_plain);
	writers("torn, by one offset in pieces", 0, true, put_pieces);
	short_and_long();
	readers();
	interrupted();
}

/* ---- RLIMIT_FSIZE -------------------------------------------------------- */

#define LIMIT 8192

static volatile int signals;

static void too_long(int sig)
{
	(void)sig;
	signals++;
}

#define LIMITED(call)                                                          \
	do {                                                                   \
		signals = 0;                                                   \
		SHOW(call);                                                    \
		show("signals", signals);                                      \
	} while (0)

static void empty(int fd)
{
	must(!ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET));
}

/* A file of 40000 bytes into one that may have 8192. */
static void limited_files(int in, int out)
{
	off_t at = 0;
	loff_t from = 0, to = 0;

	LIMITED(sendfile(out, in, &at, LIMIT));
	empty(out);
	at = 0;
	LIMITED(sendfile(out, in, &at, 20000));
	show("offset", at);
	LIMITED(sendfile(out, in, &at, 20000));
	LIMITED(sendfile(out, -1, &at, 20000));
	at = 40000;
	LIMITED(sendfile(out, in, &at, 20000));
	empty(out);
	LIMITED(copy_file_range(in, &from, out, &to, 20000, 0));
	printf("offsets: %ld %ld\n", (long)from, (long)to);
	LIMITED(copy_file_range(in, &from, out, &to, 20000, 0));
	LIMITED(copy_file_range(in, &from, out, &to, 20000, 77));
	LIMITED(copy_file_range(in, &from, out, NULL, 100, 0));
	empty(out);
	LIMITED(copy_file_range(in, &from, out, NULL, 100, 0));
	from = 39000;
	LIMITED(copy_file_range(in, &from, out, NULL, 20000, 0));
}

static void limited_pipes(int out)
{
	char bytes[4 * LIMIT] = {0};
	loff_t to = 0;
	int p[2];

	must(!pipe(p));
	must(write(p[1], bytes, sizeof(bytes)) == sizeof(bytes));
	empty(out);
	LIMITED(splice(p[0], NULL, out, &to, 2 * LIMIT, 0));
	LIMITED(splice(p[0], NULL, out, &to, LIMIT, 0));
	to = LIMIT - 100;
	LIMITED(splice(p[0], NULL, out, &to, 100, 0));
	must(read(p[0], bytes, sizeof(bytes)) > LIMIT);
	LIMITED(splice(p[0], NULL, out, &to, 100, SPLICE_F_NONBLOCK));
	must(write(p[1], bytes, 100) == 100);
	empty(out);
	LIMITED(splice(p[0], NULL, out, NULL, 2 * LIMIT, 0));
	must(!close(p[1]));
	to = LIMIT;
	LIMITED(splice(p[0], NULL, out, &to, 100, 0));
	must(!close(p[0]));
}

static void limited(void)
{
	struct sigaction act = {.sa_handler = too_long};
	int in = temp_file(), out = temp_file();
	struct rlimit old, limit;

	must(!ftruncate(in, 40000) && !getrlimit(RLIMIT_FSIZE, &old));
	must(!sigaction(SIGXFSZ, &act, NULL));
	limit = (struct rlimit){LIMIT, old.rlim_max};
	must(!setrlimit(RLIMIT_FSIZE, &limit));
	limited_files(in, out);
	limited_pipes(out);
	must(!setrlimit(RLIMIT_FSIZE, &old));
	must(!close(in) && !close(out));
}

/* ---- ETXTBSY ------------------------------------------------------------- */

static const char copy[] = "files-copy", script[] = "files-script";

static void copy_self(void)
{
	int in = open("/proc/self/exe", O_RDONLY);
	int out = open(copy, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	struct stat st;

	must(in >= 0 && out >= 0 && !fstat(in, &st));
	must(sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size);
	must(!close(in) && !close(out));
}

static void write_script(void)
{
	FILE *f = fopen(script, "w");

	must(f && fprintf(f, "#!%s\n", realpath(copy, NULL)) > 0);
	must(!fclose(f) && !chmod(script, 0755));
}

/* Runs it, until end_program; it says when it runs, by its first byte. */
static pid_t begin_program(const char *path, int p[2])
{
	pid_t pid;
	int q[2];
	char c;

	fflush(stdout);
	must(!pipe(p) && !pipe(q));
	pid = fork();
	if (!pid) {
		must(dup2(p[0], 0) == 0 && dup2(q[1], 1) == 1);
		close(p[1]);
		execl(path, path, "wait", NULL);
		_exit(errno);
	}
	must(!close(p[0]) && !close(q[1]));
	printf("%s began: %d\n", path, (int)read(q[0], &c, 1));
	must(!close(q[0]));
	return pid;
}

static void end_program(pid_t pid, const int p[2])
{
	must(!close(p[1]));
	show("it ended", wait_for(pid));
}

static int wait_for_end(void)
{
	char c = 'x';

	must(write(1, &c, 1) == 1 && read(0, &c, 1) == 0);
	return 0;
}

static void show_open(const char *path, int flags)
{
	int fd = open(path, flags, 0755);

	printf("open %s %o: %d\n", path, flags, fd < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
}

static void write_running(void)
{
	int p[2];
	pid_t pid;

	copy_self();
	pid = begin_program("./files-copy", p);
	show_open(copy, O_RDONLY);
	show_open(copy, O_WRONLY);
	show_open(copy, O_RDWR | O_CREAT);
	show_open(copy, O_WRONLY | O_CREAT | O_EXCL);
	show_open(copy, O_RDONLY | O_TRUNC);
	show_open(copy, O_PATH);
	SHOW(creat(copy, 0755));
	SHOW(truncate(copy, 0));
	SHOW(rename(copy, "files-other"));
	show_open("files-other", O_WRONLY | O_APPEND);
	SHOW(rename("files-other", copy));
	end_program(pid, p);
	show_open(copy, O_WRONLY);
	SHOW(truncate(copy, 1 << 30));
	copy_self();
	write_script();
	pid = begin_program("./files-script", p);
	show_open(copy, O_WRONLY);
	show_open(script, O_WRONLY);
	end_program(pid, p);
}

static void run_written(const char *path, const char *written)
{
	int fd = open(written, O_WRONLY | O_APPEND), p[2];

	must(fd >= 0);
	end_program(begin_program(path, p), p);
	must(!close(fd));
	end_program(begin_program(path, p), p);
}

static void busy(void)
{
	write_running();
	run_written("./files-copy", copy);
	run_written("./files-script", copy);
	run_written("./files-script", script);
	must(!unlink(copy) && !unlink(script));
}

/* ---- rights of views ----------------------------------------------------- */

#define R PROT_READ
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

/* 0, or the error, of a mapping and of changing its protection later. */
static void view(const char *what, int fd, int flags, int first, int later)
{
	void *p = mmap(NULL, PAGE, first, flags, fd, 0);
	int error = p == MAP_FAILED ? errno : 0;

	printf("%s: map %d", what, error);
	if (!error)
		printf(" protect %d",
		       mprotect(p, PAGE, later) ? errno : 0);
	printf("\n");
	if (!error)
		must(!munmap(p, PAGE));
}

static void sealed(void)
{
	int fd = memfd_create("files", MFD_ALLOW_SEALING);

	must(fd >= 0 && !ftruncate(fd, PAGE));
	view("memfd", fd, MAP_SHARED, R, RW);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	view("sealed for later", fd, MAP_SHARED, R, RW);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	view("sealed", fd, MAP_SHARED, R, RW);
	view("sealed, written", fd, MAP_SHARED, RW, R);
	view("sealed, executed", fd, MAP_SHARED, R, RX);
	view("sealed, private", fd, MAP_PRIVATE, R, RW);
	must(!close(fd));
}

static void zeros(void)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR};

	for (int i = 0; i < 3; i++) {
		int fd = open("/dev/zero", flags[i]);

		must(fd >= 0);
		printf("zeros, opened %d\n", i);
		view("shared", fd, MAP_SHARED, R, RW);
		view("shared, written", fd, MAP_SHARED, RW, R);
		view("private", fd, MAP_PRIVATE, RW, R);
		must(!close(fd));
	}
}

/* On a file system that is mounted so; only root can do that. */
static void not_executable(void)
{
	const char *folder = "files-folder";
	pid_t pid;
	int fd;

	must(!mkdir(folder, 0700));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS) ||
		    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("files", folder, "tmpfs", MS_NOEXEC, NULL))
			_exit(0);
		fd = open("files-folder/file", O_RDWR | O_CREAT, 0700);
		must(fd >= 0 && !ftruncate(fd, PAGE));
		view("noexec, private", fd, MAP_PRIVATE, RX, R);
		view("noexec, shared", fd, MAP_SHARED, RX, R);
		view("noexec, private later", fd, MAP_PRIVATE, R, RX);
		view("noexec, shared later", fd, MAP_SHARED, R, RX);
		must(!close(fd));
		SHOW(execl("files-folder/file", "file", NULL));
		fflush(stdout);
		_exit(0);
	}
	must(!wait_for(pid) && !rmdir(folder));
}

/* ---- record locks -------------------------------------------------------- */

/* Who changes a file that is mapped does not lose his locks on it. */
static void locked(void)
{
	const char *name = "files-locked";
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	volatile char *map;

	must(fd >= 0 && !ftruncate(fd, 2 * PAGE + 10));
	must(pwrite(fd, "first", 5, 2 * PAGE) == 5);
	map = mmap(NULL, 3 * PAGE, R, MAP_PRIVATE, fd, 0);
	must(map != MAP_FAILED && map[2 * PAGE] == 'f');
	must(!close(fd) && (fd = open(name, O_WRONLY)) >= 0);
	lock_record(fd, F_WRLCK);
	show("locked", others_find_lock(name));
	must(pwrite(fd, "second", 6, 2 * PAGE) == 6);
	show("locked, written to", others_find_lock(name));
	printf("what the map shows: %.6s\n", (char *)map + 2 * PAGE);
	must(!truncate(name, 2 * PAGE + 3));
	show("locked, cut", others_find_lock(name));
	printf("what the map shows: %.6s\n", (char *)map + 2 * PAGE);
	must(!truncate(name, PAGE));
	show("locked, cut again", others_find_lock(name));
	must(!ftruncate(fd, 3 * PAGE) && map[2 * PAGE] == 0);
	show("locked, longer", others_find_lock(name));
	must(!munmap((void *)map, 3 * PAGE) && !close(fd) && !unlink(name));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[argc - 1], "wait"))
		return wait_for_end();
	records();
	limited();
	busy();
	sealed();
	zeros();
	not_executable();
	locked();
	return 0;
}
