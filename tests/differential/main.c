/* SPDX-License-Identifier: MIT */
/* main.c - seeds, operations by weight, and what is printed. */
#include "differential.h"

#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#define OPS 48
#define FIRST_MAPS 6
#define NOBODY 65534

int file_fd[FILES];
bool privileged;
unsigned depth;
static uint64_t seed, state;
static unsigned op_count = OPS;
static const char *chosen; /* numbers of operations, with commas */
static char line[1 << 16];
static size_t line_len;

static const struct {
	const char *name;
	void (*run)(void);
	unsigned weight;
} ops[] = {
	{"map", op_map, 22},
	{"touch", op_touch, 16},
	{"unmap", op_unmap, 7},
	{"protect", op_protect, 10},
	{"remap", op_remap, 10},
	{"advise", op_advise, 10},
	{"map_anywhere", op_map_anywhere, 4},
	{"map_wrong", op_map_wrong, 4},
	{"brk", op_brk, 4},
	{"grows_down", op_grows_down, 2},
	{"remap_file_pages", op_remap_file_pages, 2},
	{"mincore", op_mincore, 4},
	{"msync", op_msync, 3},
	{"lock", op_lock, 5},
	{"limit", op_limit, 4},
	{"limited", op_limited, 4},
	{"fork", op_fork, 4},
	{"vm", op_vm, 3},
	{"vm_wrong", op_vm_wrong, 1},
	{"shm", op_shm, 8},
	{"file", op_file, 6},
	{"buffer", op_buffer, 6},
	{"raise", op_raise, 4},
	{"pending", op_pending, 3},
	{"interrupt", op_interrupt, 1},
	{"wait_signal", op_wait_signal, 2},
	{"fatal", op_fatal, 2},
	{"stack", op_stack, 1},
	{"pressure", op_pressure, 1},
	{"sweep", op_sweep, 5},
};
#define OP_KINDS (sizeof(ops) / sizeof(ops[0]))

/* ---- chance ------------------------------------------------------------- */

uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t below(uint64_t n)
{
	return draw() % n;
}

bool one_in(uint64_t n)
{
	return below(n) == 0;
}

/* ---- what is printed ---------------------------------------------------- */

void say(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line + line_len, sizeof(line) - line_len, format, args);
	va_end(args);
	line_len += (size_t)n;
	if (line_len >= sizeof(line))
		line_len = sizeof(line) - 1;
}

void say_done(void)
{
	size_t done = 0;

	say("\n");
	while (done < line_len) {
		ssize_t n = write(1, line + done, line_len - done);

		if (n < 0 && errno != EINTR)
			_exit(99);
		done += n > 0 ? (size_t)n : 0;
	}
	line_len = 0;
}

void say_result(long r)
{
	if (r == -1)
		say(" = %s", strerrorname_np(errno));
	else
		say(" = %ld", r);
}

void say_addr(const void *p)
{
	const char *c = p;

	if (p == MAP_FAILED)
		say(" = %s", strerrorname_np(errno));
	else if (c >= ARENA && c < ARENA + ALL_PAGES * PAGE)
		say(" a+%ld.%lx", (long)((c - ARENA) / PAGE),
		    (unsigned long)p & (PAGE - 1));
	else if (c < (char *)0x10000)
		say(" %p", p);
	else
		say(" elsewhere.%lx", (unsigned long)p & (PAGE - 1));
}

/* ---- one program -------------------------------------------------------- */

static bool is_chosen(unsigned index)
{
	const char *p = chosen;

	if (!p || depth)
		return true;
	while (*p) {
		char *end;

		if (strtoul(p, &end, 10) == index)
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}

static void run_op(unsigned index)
{
	unsigned sum = 0, pick, i = 0;

	for (unsigned k = 0; k < OP_KINDS; k++)
		sum += ops[k].weight;
	pick = (unsigned)below(sum);
	while (pick >= ops[i].weight)
		pick -= ops[i++].weight;
	if (index < FIRST_MAPS && !depth)
		i = 0; /* something to play with */
	say("%.*s%u %s", (int)depth, ">>>>", index, ops[i].name);
	errno = 0;
	ops[i].run();
	say_done();
}

void run_ops(unsigned from, unsigned n, uint64_t salt)
{
	for (unsigned i = from; i < from + n; i++) {
		state = seed * 0x100000001b3 + i * 0x9e3779b1 + salt;
		draw();
		if (is_chosen(i))
			run_op(i);
	}
}

static void fill(int fd, long size)
{
	static unsigned char page[PAGE];

	for (long done = 0; done < size; done += PAGE) {
		long n = size - done < PAGE ? size - done : PAGE;

		for (long i = 0; i < n; i++)
			page[i] = (unsigned char)(i * 7 + done / PAGE + i / 64);
		page[0] = 0xc3;
		if (pwrite(fd, page, (size_t)n, done) != n)
			exit(98);
	}
}

/* Files without names: 0 to 3 stay as they are. (Were they open for writing, a
 * shared view of them could be given that right later, or be cut out.) */
static void open_files(const char *folder)
{
	static const long size[FILES] = {0, 1, 10000, 70000, 20000, 8192, 9000};
	char path[32];

	for (int i = 0; i < FILES; i++) {
		int fd = i == FILES - 1
				 ? memfd_create("differential", MFD_CLOEXEC)
				 : open(folder, O_TMPFILE | O_RDWR, 0666);

		fill(fd, size[i]);
		if (i < 4) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			file_fd[i] = open(path, O_RDONLY);
			close(fd);
			fd = file_fd[i];
		}
		file_fd[i] = fcntl(fd, F_DUPFD, 20 + i);
		if (fd < 0 || file_fd[i] < 0)
			exit(97);
		close(fd);
	}
}

static void give_up_rights(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY) ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		exit(96);
}

static void run_seed(const char *folder)
{
	open_files(folder);
	privileged = geteuid() == 0 && seed % 2;
	if (geteuid() == 0 && !privileged)
		give_up_rights();
	arena_start();
	run_ops(0, op_count, 0);
	say("end");
	sweep();
	say_done();
	exit(0);
}

static void run_child(const char *folder)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		run_seed(folder);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(95);
	say("ended %x", (unsigned)status);
	say_done();
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "o:n:")) != -1) {
		if (option == 'o')
			chosen = optarg;
		else if (option == 'n')
			op_count = (unsigned)atoi(optarg);
		else
			return 2;
	}
	for (int i = optind; i < argc; i++) {
		char *end;
		uint64_t last = seed = strtoull(argv[i], &end, 10);

		if (*end == '-')
			last = strtoull(end + 1, NULL, 10);
		for (; seed <= last; seed++) {
			say("seed %lu", (unsigned long)seed);
			say_done();
			run_child(".");
		}
	}
	return 0;
}
