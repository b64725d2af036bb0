/* SPDX-License-Identifier: MIT */
/*
 * execs - exec from the main thread and from others, with many arguments,
 * through scripts and descriptors, and execs that fail and change nothing.
 */
#include "prog.h"

#include <fcntl.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char self[4096];
static volatile uint64_t spins;
static char *volatile bad_path = (char *)16;
static char **volatile bad_argv = (char **)16;

static void *spin(void *arg)
{
	uint64_t *m = map_anon(MIB, 0);

	for (;; spins++)
		m[mix(spins) % (MIB / 8)] = spins;
	return arg;
}

static unsigned threads_now(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	must(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static char state_of(const char *pid)
{
	char path[64], text[256] = "", *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

/* Children that have ended and that nobody has waited for. */
static unsigned zombies(void)
{
	char path[64], text[256] = "", *next = text, *pid;
	unsigned n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	fd = open(path, O_RDONLY);
	must(fd >= 0);
	must(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	while ((pid = strsep(&next, " ")))
		n += *pid && state_of(pid) == 'Z';
	return n;
}

/* An exec leaves no process behind: or none for long. */
static bool leaves_none(void)
{
	uint64_t until = now_ns() + 2000000000u;

	usleep(20000);
	while (zombies())
		if (now_ns() > until)
			return false;
	return true;
}

/* The new image: says what it was given. */
static int after_exec(int argc, char **argv)
{
	struct sigaction sa;
	sigset_t set;
	size_t bytes = 0;

	/* But for the pid, which may be longer another time. */
	for (int i = 0; i < argc; i++)
		bytes += i == 2 ? 0 : strlen(argv[i]) + 1;
	printf("  %d arguments, %zu bytes, pid kept %d, %u thread\n", argc,
	       argc > 4 ? bytes : 0, atoi(argv[2]) == getpid(),
	       threads_now());
	printf("  environment %s, descriptors %d %d\n", getenv("FW_TEST_EXEC"),
	       fcntl(50, F_GETFD), fcntl(51, F_GETFD));
	must(!sigaction(SIGUSR1, NULL, &sa));
	printf("  USR1 default %d", sa.sa_handler == SIG_DFL);
	must(!sigaction(SIGUSR2, NULL, &sa));
	printf(" USR2 ignored %d", sa.sa_handler == SIG_IGN);
	must(!sigprocmask(SIG_BLOCK, NULL, &set));
	printf(" HUP blocked %d\n", sigismember(&set, SIGHUP));
	printf("  no zombie left %d\n", leaves_none());
	return 12;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void prepare(void)
{
	sigset_t set;

	setenv("FW_TEST_EXEC", "given", 1);
	must(dup2(1, 50) == 50 && dup2(1, 51) == 51);
	must(!fcntl(50, F_SETFD, FD_CLOEXEC));
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
}

static void exec_self(void)
{
	char pid[16];
	char *argv[] = {self, "after", pid, NULL};

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	execv(self, argv);
	_exit(99);
}

static void *exec_thread(void *arg)
{
	usleep(2000);
	exec_self();
	return arg;
}

static void from_main(void)
{
	exec_self();
}

/* Four others are busy with memory when one of them execs. */
static void from_thread(void)
{
	pthread_t t;

	for (unsigned i = 0; i < 4; i++)
		must(!pthread_create(&t, NULL, spin, NULL));
	must(!pthread_create(&t, NULL, exec_thread, NULL));
	must(!pthread_join(t, NULL));
}

static void main_among_threads(void)
{
	pthread_t t;

	for (unsigned i = 0; i < 4; i++)
		must(!pthread_create(&t, NULL, spin, NULL));
	usleep(2000);
	exec_self();
}

static void many_arguments(void)
{
	enum { N = 2000 };
	static char *argv[N + 4];
	char pid[16];
	char *text = malloc(101);

	memset(text, 'a', 100);
	text[100] = 0;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	argv[0] = self;
	argv[1] = "after";
	argv[2] = pid;
	for (unsigned i = 0; i < N; i++)
		argv[3 + i] = text;
	execv(self, argv);
	_exit(99);
}

static void by_descriptor(void)
{
	char pid[16];
	char *argv[] = {"other", "after", pid, NULL};
	int fd = open(self, O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	fexecve(fd, argv, environ);
	_exit(99);
}

static void by_name_alone(void)
{
	char pid[16];
	char *argv[] = {"other", "after", pid, NULL};
	int fd = open(self, O_PATH);

	must(fd >= 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	fexecve(fd, argv, environ);
	_exit(99);
}

/* A script that is no file, and one below a descriptor. */
static void nameless_script(void)
{
	static const char text[] =
		"#!/bin/sh\necho \"  script $0 $1\"\nexit 6\n";
	char *argv[] = {"script", "one", NULL};
	int fd = memfd_create("script", MFD_CLOEXEC);

	must(fd >= 0 && !fchmod(fd, 0755));
	must(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	must(fexecve(fd, argv, environ) == -1);
	printf("  closed on exec: %d\n", errno);
	must(dup2(fd, 60) == 60);
	fexecve(60, argv, environ);
	_exit(99);
}

static void script_below(void)
{
	char name[] = "script-XXXXXX";
	char *argv[] = {name, "one", NULL};
	static const char text[] = "#!/bin/sh\nrm -f \"$0\"\n"
		"echo \"  script ${0%-*}\"\nexit 5\n";
	int fd = mkstemp(name);

	must(fd >= 0 && !fchmod(fd, 0755));
	must(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	must(!close(fd) && dup2(open(".", O_RDONLY), 61) == 61);
	syscall(SYS_execveat, 61, name, argv, environ, 0);
	_exit(99);
}

/* ---- a program whose file is moved, and removed ------------------------- */

static void say_exe(const char *title, pid_t pid)
{
	char path[64], to[4096], *last;
	struct stat a, b;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = 0;
	last = strrchr(to, '/');
	printf("  %s: %s, %s\n", title, last ? last + 1 : "nothing",
	       !stat(path, &a) && !stat("/proc/self/exe", &b) &&
	       a.st_ino == b.st_ino && open(path, O_RDONLY) >= 0 ?
	       "there" : "not there");
}

/* argv: the program, "moved", its name. */
static int moved(char **argv)
{
	char *after[] = {"other", "after", argv[2], NULL};
	pid_t pid;

	setbuf(stdout, NULL);
	must(!rename(argv[2], "execs-moved"));
	say_exe("moved", getpid());
	must(!unlink("execs-moved"));
	say_exe("removed", getpid());
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		say_exe("the father's", getppid());
		say_exe("the child's", getpid());
		execl("/no/such/file", "x", NULL);
		execv("/proc/self/exe", after);
		_exit(errno);
	}
	printf("  of a child: %d\n", wait_for(pid));
	execv("/proc/self/exe", after);
	return errno;
}

static void by_file_that_goes(void)
{
	char name[] = "execs-XXXXXX";
	char *argv[] = {name, "moved", name, NULL};
	int from = open(self, O_RDONLY | O_CLOEXEC), to = mkstemp(name);
	struct stat st;

	must(from >= 0 && to >= 0 && !fstat(from, &st));
	must(sendfile(to, from, NULL, (size_t)st.st_size) == st.st_size);
	must(!fchmod(to, 0755) && !close(to));
	execv(name, argv);
	_exit(99);
}

static void script(void)
{
	char name[] = "script-XXXXXX";
	int fd = mkstemp(name);
	char *argv[] = {name, "one", "two", NULL};
	char text[] = "#!/bin/sh\nrm -f \"$0\"\n"
		"echo \"  script $# $2\"\nexit 7\n";

	must(fd >= 0);
	must(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	must(!fchmod(fd, 0755) && !close(fd));
	execv(name, argv);
	_exit(99);
}

/* ---- what is a script, and what is no program --------------------------- */

/* A child executes it: its status, or the error. */
static void try(const char *title, const char *name)
{
	char *argv[] = {"script", "one", NULL};
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		alarm(20);
		execv(name, argv);
		printf("  %s: error %d\n", title, errno);
		_exit(90);
	}
	printf("  %s: %d\n", title, wait_for(pid));
}

static void put_script(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(!close(fd));
}

static void try_text(const char *title, const char *text)
{
	put_script("execs-script", text);
	try(title, "./execs-script");
	must(!unlink("execs-script"));
}

/* The host looks at the first 256 bytes. */
static void long_lines(void)
{
	char text[600], a[401] = "";

	snprintf(text, sizeof(text), "#!/bin/sh -u%-300s\nexit 5\n", "");
	try_text("blanks", text);
	memset(a, 'a', 400);
	snprintf(text, sizeof(text), "#!/bin/echo %s\n", a);
	try_text("a long argument", text);
	snprintf(text, sizeof(text), "#!/bin/echo-%s\n", a);
	try_text("a long name", text);
	memset(text + 2, ' ', 300);
	try_text("no name", text);
	try_text("nothing more", "#!\nexit 1\n");
	try_text("no new line", "#!/bin/echo two ");
	try_text("blanks around", "#! \t/bin/echo   two  words \t\n");
}

static void nested(void)
{
	char name[32] = "/bin/true", text[64], title[32];

	for (int i = 1; i <= 6; i++) {
		snprintf(text, sizeof(text), "#!%s\n", name);
		snprintf(name, sizeof(name), "./execs-script-%d", i);
		put_script(name, text);
		snprintf(title, sizeof(title), "scripts, %d deep", i);
		try(title, name);
	}
	for (int i = 1; i <= 6; i++) {
		snprintf(name, sizeof(name), "./execs-script-%d", i);
		must(!unlink(name));
	}
}

static void special(void)
{
	static char *argv[] = {"other", NULL};
	int fd;

	must(!mkfifo("execs-fifo", 0755));
	try("a FIFO", "./execs-fifo");
	fd = open("execs-fifo", O_PATH);
	must(fd >= 0);
	must(syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH));
	printf("  a FIFO's descriptor: %d\n", errno);
	must(!close(fd) && !unlink("execs-fifo"));
	try("a device", "/dev/null");
	try("a terminal", "/dev/tty");
	must(syscall(SYS_execveat, AT_FDCWD, self, argv, environ, 0x4000));
	printf("  unknown flags: %d\n", errno);
	errno = 0;
	must(syscall(SYS_execveat, AT_FDCWD, "/", argv, environ,
		     0x10000 /* AT_EXECVE_CHECK */));
	printf("  a check of a folder: %d\n", errno);
	errno = 0;
	fd = (int)syscall(SYS_execveat, AT_FDCWD, self, argv, environ,
			  0x10000);
	printf("  a check of a program: %d %d\n", fd, errno);
}

static void scripts_and_others(void)
{
	long_lines();
	nested();
	special();
	_exit(3);
}

/* ---- at the limits ------------------------------------------------------ */

static void no_descriptor_left(void)
{
	struct rlimit limit;

	must(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 60;
	must(!setrlimit(RLIMIT_NOFILE, &limit));
	while (open("/", O_RDONLY | O_CLOEXEC) >= 0)
		;
	must(errno == EMFILE);
	must(execl("/no/such/file", "x", NULL) == -1);
	printf("  no such file: %d\n", errno);
	must(open("/", O_RDONLY) == -1);
	printf("  no descriptor left: %d\n", errno);
	exec_self();
}

/* As many as a stack without limit allows, and some more. */
static void most_arguments(void)
{
	static const unsigned ns[] = {800000, 300000};
	char **argv = calloc(ns[0] + 4, sizeof(*argv)), pid[16];
	struct rlimit limit;

	must(argv && !getrlimit(RLIMIT_STACK, &limit));
	limit.rlim_cur = limit.rlim_max;
	must(!setrlimit(RLIMIT_STACK, &limit));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	argv[0] = self;
	argv[1] = "after";
	argv[2] = pid;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < ns[0]; n++)
			argv[3 + n] = n < ns[i] ? "b" : NULL;
		execv(self, argv);
		printf("  %u arguments: %d\n", ns[i], errno);
	}
	_exit(99);
}

/* ---- record locks ------------------------------------------------------- */

/* A file that can be executed; opened to be read, and locked. */
static void make_locked(char *name, const char *text)
{
	int fd = mkstemp(name);

	must(fd >= 0 && !fchmod(fd, 0755));
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(!close(fd) && (fd = open(name, O_RDONLY)) >= 0);
	lock_record(fd, F_RDLCK);
}

static void exec_fails(const char *title, const char *text)
{
	char name[] = "script-XXXXXX";
	char *argv[] = {name, NULL};
	int error;

	make_locked(name, text);
	must(execv(name, argv) == -1);
	error = errno;
	printf("  %s: %d, locked %d\n", title, error, others_find_lock(name));
	must(!unlink(name));
}

/* argv: the program, "locked", the script. */
static int locked(char **argv)
{
	printf("  locked by its image: %d\n", others_find_lock(argv[2]));
	must(!unlink(argv[2]));
	return 4;
}

/* An exec keeps them, and so does one that fails. */
static void locked_script(void)
{
	char name[] = "script-XXXXXX", text[4200];
	char *argv[] = {name, NULL};

	exec_fails("no interpreter", "#!/no/such/file\n");
	exec_fails("no program", "\x7f" "ELF");
	snprintf(text, sizeof(text), "#!%s locked\n", self);
	make_locked(name, text);
	execv(name, argv);
	_exit(99);
}

static void failures(void)
{
	char name[] = "noexec-XXXXXX";
	char *argv[] = {name, NULL};
	int fd = mkstemp(name);

	must(fd >= 0);
	must(execv("/no/such/file", argv) == -1);
	printf("  no such file: %d\n", errno);
	must(execv("/", argv) == -1);
	printf("  a folder: %d\n", errno);
	must(execv(name, argv) == -1);
	printf("  no permission: %d\n", errno);
	must(write(fd, "\x7f" "ELF junk", 9) == 9);
	must(!fchmod(fd, 0755) && !close(fd));
	must(execv(name, argv) == -1);
	printf("  no program: %d\n", errno);
	must(!unlink(name));
	must(execv(bad_path, argv) == -1);
	printf("  bad pointer: %d\n", errno);
	must(execv("/bin/true", bad_argv) == -1);
	printf("  bad arguments: %d\n", errno);
	_exit(8);
}

static void run(const char *what, void (*how)(void))
{
	pid_t pid;

	printf("%s\n", what);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		prepare();
		how();
		_exit(98);
	}
	printf("%s: %d\n", what, wait_for(pid));
}

int main(int argc, char **argv)
{
	ssize_t n;

	setbuf(stdout, NULL);
	if (argc > 2 && !strcmp(argv[1], "after"))
		return after_exec(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "moved"))
		return moved(argv);
	if (argc > 2 && !strcmp(argv[1], "locked"))
		return locked(argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	must(n > 0);
	run("from the main thread", from_main);
	run("from another thread", from_thread);
	run("from the main thread, others running", main_among_threads);
	run("many arguments", many_arguments);
	run("by descriptor", by_descriptor);
	run("by descriptor of a name", by_name_alone);
	run("script", script);
	run("nameless script", nameless_script);
	run("script below a descriptor", script_below);
	run("a file that goes", by_file_that_goes);
	run("locked script", locked_script);
	run("failures", failures);
	run("scripts and others", scripts_and_others);
	run("no descriptor left", no_descriptor_left);
	run("most arguments", most_arguments);
	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			must(dup2(open("/dev/null", O_WRONLY), 1) == 1);
			prepare();
			from_thread();
		}
		must(wait_for(pid) == 12);
	}
	printf("20 more\n");
	return 0;
}
