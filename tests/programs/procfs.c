/* SPDX-License-Identifier: MIT */
/*
 * procfs - what /proc says of the program, its descriptors, threads, signals
 * and children, by whatever name it is asked, and of the machine. Holds
 * natively and under faultwise alike. `procfs again` is what it execs of
 * itself.
 */
#include "views.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

static char other[4 * MIB];

/* Another process: a child that waits. */
static void other_process(void)
{
	char *p = map_alone(16 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char want[512], got[512], list[64];
	int ready[2], go[2], fd;
	struct region r;
	pid_t pid;
	ssize_t n;

	memset(p, 'p', 16 * PAGE);
	must(!pipe(ready) && !pipe(go));
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!close(ready[0]) && !close(go[1]));
		memset(p, 'c', 16 * PAGE);
		must(write(ready[1], "r", 1) == 1);
		must(read(go[0], got, 1) == 1);
		_exit(p[5 * PAGE] == 'X' ? 0 : 1);
	}
	must(read(ready[0], got, 1) == 1);
	slurp(of_pid(pid, "smaps"));
	r = region_of(p);
	exactly(&r, p, 16 * PAGE, "rw-p");
	must(content(&r) == 64);
	slurp(of_pid(pid, "maps"));
	must(!strcmp(region_of(&n).name, "[stack]"));
	slurp(of_pid(pid, "status"));
	must(value_of(text, "PPid") == getpid());
	must(value_of(text, "VmRSS") + value_of(text, "VmSwap") >= 64);
	n = readlink("/proc/self/exe", want, sizeof(want));
	must(n > 0 && readlink(of_pid(pid, "exe"), got, sizeof(got)) == n);
	must(!memcmp(want, got, (size_t)n));
	fd = open(of_pid(pid, "mem"), O_RDWR);
	must(fd >= 0);
	must(pread(fd, got, 4, (off_t)(p + PAGE - 2)) == 4);
	must(!memcmp(got, "cccc", 4));
	must(pwrite(fd, "X", 1, (off_t)(p + 5 * PAGE)) == 1);
	must(p[5 * PAGE] == 'p');
	must(!close(fd));
	n = (ssize_t)slurp_to(of_pid(pid, "cmdline"), other, sizeof(other));
	must((size_t)n == slurp("/proc/self/cmdline"));
	must(!memcmp(text, other, (size_t)n));
	snprintf(list, sizeof(list), "/proc/self/task/%d/children", getpid());
	if (!access(list, R_OK)) {
		slurp(list);
		snprintf(want, sizeof(want), "%d ", (int)pid);
		must(!strcmp(text, want));
	}
	must(write(go[1], "g", 1) == 1 && wait_for(pid) == 0);
	must(!close(ready[0]) && !close(ready[1]) && !close(go[0]) &&
	     !close(go[1]) && !munmap(p, 16 * PAGE));
	printf("another process\n");
}

/* ---- the program -------------------------------------------------------- */

static void aux_vector(void)
{
	ElfW(auxv_t) v[64];
	size_t n = slurp_to("/proc/self/auxv", (char *)v, sizeof(v)), i;
	static const unsigned long same[] = {AT_PHDR,	AT_PHNUM, AT_ENTRY,
					     AT_RANDOM, AT_PAGESZ, AT_BASE,
					     AT_EXECFN, AT_SYSINFO_EHDR};

	must(n % sizeof(v[0]) == 0 && n >= 10 * sizeof(v[0]));
	n /= sizeof(v[0]);
	must(v[n - 1].a_type == AT_NULL);
	for (unsigned k = 0; k < sizeof(same) / sizeof(*same); k++) {
		for (i = 0; i < n && v[i].a_type != same[k]; i++)
			;
		must((i < n ? v[i].a_un.a_val : 0) == getauxval(same[k]));
	}
	printf("auxv\n");
}

static void stat_fields(void)
{
	unsigned long f[53] = {0};
	struct region stack = mapped(f);
	char *s, *p;

	slurp("/proc/self/stat");
	s = strrchr(text, ')') + 4;
	for (unsigned i = 4; i < 53; i++)
		f[i] = strtoul(s, &s, 10);
	must(f[26] <= (unsigned long)stat_fields &&
	     f[27] > (unsigned long)stat_fields);
	must(f[28] >= stack.start && f[28] < stack.end);
	must(f[45] <= (unsigned long)&in_data &&
	     f[46] > (unsigned long)&in_data);
	must(f[47] <= (unsigned long)sbrk(0));
	must(f[48] >= f[28] && f[49] > f[48] && f[50] >= f[49] &&
	     f[51] >= f[50] && f[51] <= stack.end);
	p = map(BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);
	memset(p, 1, BIG);
	slurp("/proc/self/stat");
	s = strrchr(text, ')') + 4;
	for (unsigned i = 4; i < 10; i++)
		strtoul(s, &s, 10);
	must(strtoul(s, &s, 10) > f[10]);
	must(!munmap(p, BIG));
	printf("stat\n");
}

/* Writes over the arguments, as daemons do, and reads it back. */
static void command_line(char **argv)
{
	size_t n = 0, len = slurp("/proc/self/cmdline");

	must(argv[0]);
	for (int i = 0; argv[i]; i++) {
		must(!strcmp(text + n, argv[i]));
		n += strlen(argv[i]) + 1;
	}
	must(n == len);
	argv[0][0] ^= 1;
	slurp("/proc/self/cmdline");
	must(!strcmp(text, argv[0]));
	argv[0][0] ^= 1;
	n = 0;
	len = slurp("/proc/self/environ");
	for (int i = 0; environ[i] && n < len; i++) {
		must(!strcmp(text + n, environ[i]));
		n += strlen(environ[i]) + 1;
	}
	must(n == len);
	printf("arguments and environment\n");
}

static void same_file(const char *what, int fd, const struct stat *want)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || st.st_ino != want->st_ino ||
	    st.st_dev != want->st_dev) {
		fprintf(stderr, "%s is another file\n", what);
		exit(1);
	}
	must(!close(fd));
}

static void many_names(void)
{
	int self = open("/proc/self", O_RDONLY | O_DIRECTORY);
	int proc = open("/proc", O_PATH), fd;
	char path[512], got[512], link[512];
	struct stat want, st;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	must(self >= 0 && proc >= 0 && n > 0);
	path[n] = 0;
	must(!stat(path, &want));
	same_file("self", open("/proc/self/exe", O_RDONLY), &want);
	same_file("pid", open(of_pid(getpid(), "exe"), O_RDONLY), &want);
	same_file("dirfd", openat(self, "exe", O_RDONLY), &want);
	same_file("proc", openat(proc, "self/exe", O_RDONLY), &want);
	same_file("dots", open("/proc/self/../self/exe", O_RDONLY), &want);
	same_file("task", open("/proc/thread-self/exe", O_RDONLY), &want);
	same_file("path", open("/proc/self/exe", O_PATH), &want);
	must(!fstatat(self, "exe", &st, 0) && st.st_ino == want.st_ino);
	must(!faccessat(self, "exe", X_OK, 0));
	must(readlinkat(self, "exe", got, sizeof(got)) == n);
	must(!memcmp(got, path, (size_t)n));
	must(readlinkat(self, "exe", got, 3) == 3);
	snprintf(link, sizeof(link), "procfs-link-%d", getpid());
	must(!symlink("/proc/self/exe", link));
	same_file("a link", open(link, O_RDONLY), &want);
	must(!unlink(link));
	fd = openat(self, "maps", O_RDONLY);
	must(fd >= 0);
	read_fd(fd, text, sizeof(text));
	must(region_of(&in_data).start);
	must(!close(fd));
	fd = open("/dev/fd/../maps", O_RDONLY);
	must(fd >= 0);
	read_fd(fd, text, sizeof(text));
	must(region_of(&in_data).start);
	snprintf(got, sizeof(got), "/proc/self/fd/%d", fd);
	must(readlink(got, link, sizeof(link)) > 5);
	must(!strncmp(link, of_pid(getpid(), "maps"),
		      strlen(of_pid(getpid(), "maps"))));
	must(!close(fd) && !close(self) && !close(proc));
	printf("one file by many names\n");
}

/* ---- descriptors -------------------------------------------------------- */

static unsigned long first_field(int fd)
{
	char buf[256] = "";

	must(pread(fd, buf, sizeof(buf) - 1, 0) > 0);
	return strtoul(buf, NULL, 10);
}

/* The size that this descriptor tells, by each way of reading. */
static void tells(int fd, unsigned long want)
{
	char buf[64] = "";
	struct iovec v[2] = {{buf, 0}, {buf, sizeof(buf) - 1}};

	must(first_field(fd) == want);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(readv(fd, v, 2) > 0 && strtoul(buf, NULL, 10) == want);
	memset(buf, 0, sizeof(buf));
	must(preadv(fd, v + 1, 1, 0) > 0 && strtoul(buf, NULL, 10) == want);
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(read(fd, buf, sizeof(buf) - 1) > 0);
	must(strtoul(buf, NULL, 10) == want);
	must(read(fd, buf, sizeof(buf)) == 0);
}

static int over_socket(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c;
	char byte = 'x';
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1,
			   .msg_control = &c, .msg_controllen = sizeof(c)};
	int pair[2], got;

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	c.head.cmsg_level = SOL_SOCKET;
	c.head.cmsg_type = SCM_RIGHTS;
	c.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	must(sendmsg(pair[0], &m, 0) == 1 && recvmsg(pair[1], &m, 0) == 1);
	memcpy(&got, CMSG_DATA(&c.head), sizeof(got));
	must(!close(pair[0]) && !close(pair[1]));
	return got;
}

/* A descriptor tells what is so now, and of whom it was opened. */
static void kept_open(void)
{
	int fd = open("/proc/self/statm", O_RDONLY), copy, sent;
	unsigned long before, after, mine;
	char *p;
	pid_t pid;

	must(fd >= 0);
	copy = dup(fd);
	sent = over_socket(fd);
	before = first_field(fd);
	p = map_alone(BIG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	after = first_field(fd);
	must(after == before + BIG / PAGE);
	tells(copy, after);
	tells(sent, after);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!munmap(p, BIG));
		must(first_field(fd) == after && first_field(sent) == after);
		slurp("/proc/self/statm");
		mine = strtoul(text, NULL, 10);
		_exit(mine == before ? 0 : 1);
	}
	must(wait_for(pid) == 0);
	must(!munmap(p, BIG) && first_field(copy) == before);
	must(!close(fd) && !close(copy) && !close(sent));
	printf("a descriptor that is kept open\n");
}

static void small_pieces(void)
{
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t n = 0, whole = slurp("/proc/self/maps");
	ssize_t got;

	must(fd >= 0);
	while ((got = read(fd, other + n, 11)) > 0)
		n += (size_t)got;
	must(got == 0 && n == whole && !memcmp(text, other, n));
	must(lseek(fd, 0, SEEK_SET) == 0 && read(fd, other, 50) == 50);
	must(!memcmp(text, other, 50));
	must(!close(fd));
	printf("in small pieces\n");
}

/* Every name in a folder of numbers, or of anything. */
static unsigned listed(const char *path, int want, bool *ret_found)
{
	DIR *dir = opendir(path);
	const struct dirent *e;
	unsigned n = 0;

	must(dir);
	*ret_found = false;
	while ((e = readdir(dir)) != NULL) {
		if (*e->d_name == '.' || atoi(e->d_name) == dirfd(dir))
			continue;
		n++;
		*ret_found |= atoi(e->d_name) == want;
	}
	closedir(dir);
	return n;
}

static void descriptors(void)
{
	int fd = open("/dev/null", O_RDONLY), high = fcntl(fd, F_DUPFD, 700);
	unsigned open_now = 0, n;
	bool found;

	must(fd >= 0 && high >= 700);
	for (int i = 0; i < 1024; i++)
		open_now += fcntl(i, F_GETFD) >= 0;
	n = listed("/proc/self/fd", high, &found);
	must(found && n == open_now);
	must(listed("/proc/self/fdinfo", high, &found) == open_now && found);
	must(!syscall(SYS_close_range, 700, ~0u, 0));
	must(fcntl(high, F_GETFD) == -1 && errno == EBADF);
	must(listed("/proc/self/fd", fd, &found) == open_now - 1 && found);
	must(!close(fd));
	listed("/proc", getpid(), &found);
	must(found);
	printf("descriptors and processes that are there\n");
}

/* ---- threads, signals --------------------------------------------------- */

static void handler(int sig)
{
	(void)sig;
}

static int thread_pipe[2];

static void *idle(void *arg)
{
	char c;

	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	must(write(thread_pipe[1], "x", 1) == 1);
	must(read(thread_pipe[0], &c, 0) == 0);
	pause();
	return NULL;
}

static void threads(void)
{
	pid_t tid = 0;
	pthread_t th;
	char path[64], c;
	bool found;

	must(!pipe(thread_pipe));
	must(!pthread_create(&th, NULL, idle, &tid));
	must(read(thread_pipe[0], &c, 1) == 1 && tid);
	must(status_kib("Threads") == 2);
	must(listed("/proc/self/task", tid, &found) == 2 && found);
	snprintf(path, sizeof(path), "/proc/self/task/%d/maps", tid);
	slurp(path);
	must(region_of(&in_data).start);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	slurp(path);
	must(value_of(text, "Pid") == tid);
	must(value_of(text, "Tgid") == getpid());
	must(value_of(text, "VmRSS") > 0);
	slurp(of_pid(tid, "statm"));
	must(strtoul(text, NULL, 10) > 0);
	printf("threads\n");
}

static void signals(void)
{
	struct sigaction act = {.sa_handler = handler};
	uint64_t segv = 1ull << (SIGSEGV - 1), usr1 = 1ull << (SIGUSR1 - 1);
	uint64_t usr2 = 1ull << (SIGUSR2 - 1), tstp = 1ull << (SIGTSTP - 1);
	uint64_t fpe = 1ull << (SIGFPE - 1);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGSEGV);
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	must(!sigaction(SIGUSR2, &act, NULL) && !sigaction(SIGFPE, &act, NULL));
	signal(SIGTSTP, SIG_IGN);
	slurp("/proc/self/status");
	must(hex_of(text, "SigBlk") == (segv | usr1));
	must((hex_of(text, "SigCgt") & (usr2 | segv | fpe)) == (usr2 | fpe));
	must((hex_of(text, "SigIgn") & (tstp | usr2)) == tstp);
	must(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	slurp("/proc/self/status");
	must(hex_of(text, "SigBlk") == 0);
	signal(SIGFPE, SIG_DFL);
	slurp("/proc/self/status");
	must(!(hex_of(text, "SigCgt") & fpe));
	printf("signals\n");
}

/* ---- the machine -------------------------------------------------------- */

static void machine(void)
{
	struct sysinfo s;
	unsigned long size, total = 0;
	const char *line;

	must(!sysinfo(&s));
	slurp("/proc/meminfo");
	must((uint64_t)value_of(text, "MemTotal") * 1024 ==
	     s.totalram * s.mem_unit);
	must((uint64_t)value_of(text, "SwapTotal") * 1024 ==
	     s.totalswap * s.mem_unit);
	must(value_of(text, "MemFree") <= value_of(text, "MemTotal"));
	must(value_of(text, "MemAvailable") <= value_of(text, "MemTotal"));
	must(value_of(text, "SwapFree") <= value_of(text, "SwapTotal"));
	must(value_of(text, "Committed_AS") > 0);
	must((uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE ==
	     s.totalram * s.mem_unit);
	must((uint64_t)sysconf(_SC_AVPHYS_PAGES) * PAGE <=
	     s.totalram * s.mem_unit);
	slurp("/proc/swaps");
	must(!strncmp(text, "Filename", 8));
	for (line = strchr(text, '\n') + 1; *line;
	     line = strchr(line, '\n') + 1) {
		must(sscanf(line, "%*s %*s %lu", &size) == 1);
		total += size;
	}
	must(labs((long)(total - s.totalswap * s.mem_unit / 1024)) <= 64);
	slurp("/proc/vmstat");
	must(strstr(text, "pgfault ") && strstr(text, "nr_free_pages "));
	printf("the machine\n");
}

static int again(const char *how)
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	must(n > 0);
	slurp("/proc/self/maps");
	must(region_of(&in_data).start);
	path[n] = 0;
	must(strstr(path, "procfs"));
	printf("executed again: %s\n", how);
	return 0;
}

static void exec_self(const char *how, int dirfd, const char *path)
{
	char *argv[] = {(char *)"procfs", (char *)"again", (char *)how, NULL};
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		syscall(SYS_execveat, dirfd, path, argv, environ, 0);
		_exit(99);
	}
	must(wait_for(pid) == 0);
}

int main(int argc, char **argv)
{
	int self;

	if (argc > 2)
		return again(argv[2]);
	memset(text, 1, sizeof(text));
	memset(other, 1, sizeof(other));
	aux_vector();
	stat_fields();
	command_line(argv);
	many_names();
	kept_open();
	small_pieces();
	descriptors();
	signals();
	machine();
	exec_self("by its name", AT_FDCWD, "/proc/self/exe");
	self = open("/proc/self", O_RDONLY);
	must(self >= 0);
	exec_self("from a folder", self, "exe");
	other_process();
	threads();
	return 0;
}
