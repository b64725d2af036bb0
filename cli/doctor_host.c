/* SPDX-License-Identifier: MIT */
/*
 * doctor_host.c - what the host says of itself: places for page files, limits
 * of this process, settings of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/group.h"

#define USUAL_MAPS 65530
#define LEAST_MAPS 4096
#define LITTLE_DISK ((uint64_t)1 << 30)

/* First line of a small file, without its newline; "" when it is not there. */
static const char *line_of(const char *path)
{
	static char line[512];
	FILE *file = fopen(path, "re");

	*line = '\0';
	if (file && !fgets(line, sizeof(line), file))
		*line = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* ---- places for page files --------------------------------------------- */

/* A file in the folder that loses its name at once; -1. */
static int nameless(const char *folder)
{
	char path[4200];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/faultwise-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* One page past the page cache, there and back. 0, or an errno. */
static int write_direct(int fd)
{
	char *buffer = aligned_alloc(FW_PAGE_SIZE, 2 * FW_PAGE_SIZE);
	int error = 0;

	if (!buffer)
		return ENOMEM;
	memset(buffer, 0x5a, FW_PAGE_SIZE);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT) ||
	    pwrite(fd, buffer, FW_PAGE_SIZE, FW_PAGE_SIZE) < 0 ||
	    pread(fd, buffer + FW_PAGE_SIZE, FW_PAGE_SIZE, FW_PAGE_SIZE) < 0)
		error = errno;
	else if (memcmp(buffer, buffer + FW_PAGE_SIZE, FW_PAGE_SIZE))
		error = EIO;
	free(buffer);
	return error;
}

static bool in_ram(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static uint64_t free_bytes(int fd)
{
	struct statvfs fs;

	return fstatvfs(fd, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* The folder in which a nameless file was opened as fd. */
static void judge_folder(struct report *r, const char *folder, int fd,
			 bool ram_is_meant)
{
	uint64_t room = free_bytes(fd);
	bool ram = in_ram(fd);
	int error = write_direct(fd);

	if (ram && !ram_is_meant)
		found(r, FINDING_PROBLEM, "page file",
		      "Name a folder on a disk: faultwise run -b file:PATH",
		      "%s is on tmpfs, which is RAM", folder);
	else if (error && error != EINVAL)
		found(r, FINDING_PROBLEM, "page file",
		      "Name a folder elsewhere: faultwise run -b file:PATH",
		      "a page cannot be written to %s and read back: %s",
		      folder, strerror(error));
	else if (room < FW_PAGE_SIZE * 300)
		found(r, FINDING_PROBLEM, "page file",
		      "Free some space, or name a folder elsewhere: faultwise "
		      "run -b file:PATH",
		      "%s has only %s free", folder, size_text(room));
	else if (error && !ram)
		found(r, FINDING_NOTE, "page file",
		      "Name a folder on a disk to avoid that: -b file:PATH",
		      "the file system of %s has no direct I/O: pages also "
		      "take the host's page cache; %s free", folder,
		      size_text(room));
	else
		found(r, room < LITTLE_DISK ? FINDING_NOTE : FINDING_OK,
		      "page file", NULL, "%s: %s free%s", folder,
		      size_text(room),
		      error ? ", in RAM as you say"
			    : ", a page was written past the page cache");
}

static void try_folder(struct report *r, const char *folder, bool ram_is_meant)
{
	int fd = nameless(folder);

	if (fd < 0) {
		found(r, FINDING_PROBLEM, "page file",
		      "Name another folder: faultwise run -b file:PATH",
		      "no file can be made in %s: %s", folder,
		      strerror(errno));
		return;
	}
	judge_folder(r, folder, fd, ram_is_meant);
	close(fd);
}

static void try_store(struct report *r, const struct store_option *s)
{
	char path[sizeof(s->path)];
	struct stat st;

	strcpy(path, s->path);
	if (stat(path, &st))
		try_folder(r, dirname(path), s->tmpfs);
	else if (S_ISDIR(st.st_mode))
		try_folder(r, path, s->tmpfs);
	else if (access(path, R_OK | W_OK))
		found(r, FINDING_PROBLEM, "page file",
		      "Name one that is yours: -b file:PATH",
		      "%s cannot be written: %s", path, strerror(errno));
	else
		found(r, FINDING_NOTE, "page file", NULL,
		      "%s exists and was not tried, for it would be written "
		      "to", path);
}

void doctor_try_stores(struct report *r)
{
	if (!r->opt->n_stores)
		try_folder(r, "/var/tmp", false);
	for (unsigned i = 0; i < r->opt->n_stores; i++)
		try_store(r, &r->opt->stores[i]);
}

/* ---- limits ------------------------------------------------------------ */

static const struct limit {
	int which;
	const char *name, *flag;
	uint64_t problem, note; /* below which it is one */
	const char *text;
} limits[] = {
	{RLIMIT_AS, "limit of addresses", "-v", 0, (uint64_t)1 << 40,
	 "it holds for the RAM of the run and its programs together"},
	{RLIMIT_DATA, "limit of data", "-d", 0, (uint64_t)64 << 20,
	 "the kernel half's private memory counts"},
	{RLIMIT_NPROC, "limit of processes", "-u", 8, 256,
	 "each process has an agent beside it, which counts"},
	{RLIMIT_NOFILE, "limit of descriptors", "-n", 2 * FW_FD_COUNT, 256,
	 "a run takes 20 in a row"},
	{RLIMIT_FSIZE, "limit of files", "-f", MIN_RAM, (uint64_t)8 << 30,
	 "RAM and page files are files, and cannot be larger"},
};

static void read_limit(struct report *r, const struct limit *l)
{
	enum finding_state state = FINDING_OK;
	char remedy[64];
	struct rlimit now;
	bool bytes = l->which != RLIMIT_NPROC && l->which != RLIMIT_NOFILE;

	getrlimit((__rlimit_resource_t)l->which, &now);
	if (now.rlim_cur == RLIM_INFINITY ||
	    (l->which == RLIMIT_NPROC && geteuid() == 0)) {
		found(r, FINDING_OK, l->name, NULL, "none");
		return;
	}
	if (now.rlim_cur < l->note)
		state = FINDING_NOTE;
	if (now.rlim_cur < l->problem ||
	    (l->which == RLIMIT_AS && now.rlim_cur < r->ram_bytes) ||
	    (l->which == RLIMIT_FSIZE && now.rlim_cur < r->ram_bytes))
		state = FINDING_PROBLEM;
	snprintf(remedy, sizeof(remedy), "Raise it with ulimit %s.", l->flag);
	found(r, state, l->name, state == FINDING_OK ? NULL : remedy, "%s%s%s",
	      bytes ? size_text(now.rlim_cur) : count_text(now.rlim_cur),
	      state == FINDING_OK ? "" : "; ",
	      state == FINDING_OK ? "" : l->text);
}

static void read_maps(struct report *r)
{
	static const char remedy[] = "sysctl vm.max_map_count=65530";
	uint64_t most = read_number("/proc/sys/vm/max_map_count", "");

	if (most && most < LEAST_MAPS)
		found(r, FINDING_PROBLEM, "mappings", remedy,
		      "a process may have only %s", count_text(most));
	else if (most && most < USUAL_MAPS)
		found(r, FINDING_NOTE, "mappings", remedy,
		      "a process may have only %s: much memory in small pieces "
		      "is mapped again and again", count_text(most));
	else
		found(r, FINDING_OK, "mappings", NULL, "a process may have %s",
		      most ? count_text(most) : "as many as it likes");
}

static void read_locked(struct report *r)
{
	struct rlimit now;

	getrlimit(RLIMIT_MEMLOCK, &now);
	found(r, FINDING_OK, "limit of locked", NULL,
	      "%s; runs lock nothing in the host's memory",
	      now.rlim_cur == RLIM_INFINITY ? "none"
					    : size_text(now.rlim_cur));
}

void doctor_read_limits(struct report *r)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		read_limit(r, &limits[i]);
	read_locked(r);
	read_maps(r);
}

/* ---- memory ------------------------------------------------------------ */

static void read_group(struct report *r)
{
	const char *made;
	struct group g;

	group_find(&g);
	if (!g.version) {
		found(r, FINDING_OK, "control group", NULL,
		      "none with a memory controller");
		return;
	}
	made = group_writable(&g) ? "groups can be made in it"
				  : "groups cannot be made in it";
	if (!g.limit)
		found(r, FINDING_OK, "control group", NULL,
		      "version %d, no limit of memory; %s", g.version, made);
	else if (g.room < r->ram_bytes)
		found(r, FINDING_PROBLEM, "control group",
		      "Give less with -m, or raise the group's limit.",
		      "version %d: %s of its %s are left", g.version,
		      size_text(g.room), size_text(g.limit));
	else
		found(r, FINDING_NOTE, "control group",
		      "Leave some tens of MiB between -m and what is left.",
		      "version %d: %s of its %s are left, and hold for the "
		      "whole run; %s", g.version, size_text(g.room),
		      size_text(g.limit), made);
}

static void read_memory(struct report *r)
{
	uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:") << 10;
	char policy = *line_of("/proc/sys/vm/overcommit_memory");

	if (bytes < r->ram_bytes)
		found(r, FINDING_NOTE, "memory", "Give less with -m.",
		      "%s are available, less than -m", size_text(bytes));
	else
		found(r, FINDING_OK, "memory", NULL, "%s are available",
		      size_text(bytes));
	if (policy == '2')
		found(r, FINDING_NOTE, "overcommit",
		      "sysctl vm.overcommit_memory=0 if processes cannot be "
		      "made.",
		      "vm.overcommit_memory is 2: the kernel half's private "
		      "memory counts, once for each process");
	else
		found(r, FINDING_OK, "overcommit", NULL,
		      "vm.overcommit_memory is %c", policy ? policy : '?');
}

/* The word in brackets. */
static const char *chosen(const char *path)
{
	static char word[32];
	const char *line = line_of(path), *open = strchr(line, '[');

	if (!open || sscanf(open + 1, "%31[^]]", word) != 1)
		return "not there";
	return word;
}

#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/"

static void read_huge(struct report *r)
{
	const char *shared = chosen(HUGE_PAGES "shmem_enabled");
	bool bad = !strcmp(shared, "always") || !strcmp(shared, "force");

	if (bad)
		found(r, FINDING_NOTE, "shared huge pages",
		      "echo advise > " HUGE_PAGES "shmem_enabled",
		      "shmem_enabled is %s: the host gives a run its RAM in "
		      "pieces of 2 MiB, more than it uses", shared);
	else
		found(r, FINDING_OK, "shared huge pages", NULL, "%s",
		      shared);
	found(r, FINDING_OK, "private huge pages", NULL,
	      "%s; programs in a run have pages of 4 KiB",
	      chosen(HUGE_PAGES "enabled"));
}

/* ---- settings ---------------------------------------------------------- */

static void read_layout(struct report *r)
{
	unsigned long now = (unsigned long)personality(0xffffffff);
	struct rlimit stack;

	getrlimit(RLIMIT_STACK, &stack);
	if (now & READ_IMPLIES_EXEC)
		found(r, FINDING_NOTE, "address layout", NULL,
		      "personality READ_IMPLIES_EXEC is set");
	else if (now & ADDR_COMPAT_LAYOUT || stack.rlim_cur == RLIM_INFINITY)
		found(r, FINDING_NOTE, "address layout", NULL,
		      "the old layout, from below (%s)",
		      now & ADDR_COMPAT_LAYOUT ? "personality"
					       : "ulimit -s unlimited");
	else
		found(r, FINDING_OK, "address layout", NULL,
		      "%s; a run places programs itself",
		      now & ADDR_NO_RANDOMIZE ? "not random" : "random");
}

static void read_sandbox(struct report *r)
{
	uint64_t mode = read_number("/proc/self/status", "Seccomp:");
	uint64_t nnp = read_number("/proc/self/status", "NoNewPrivs:");

	found(r, mode ? FINDING_NOTE : FINDING_OK, "sandbox", NULL,
	      mode ? "a seccomp filter is in force already, as in a container; "
		     "above is what it refuses%s"
		   : "none%s",
	      nnp ? "; no_new_privs is set" : "");
}

static void read_ptrace(struct report *r)
{
	const char *scope = line_of("/proc/sys/kernel/yama/ptrace_scope");

	found(r, FINDING_OK, "ptrace", NULL,
	      "yama: %s; runs do without ptrace",
	      *scope ? scope : "not there");
}

static void try_ring(struct report *r)
{
	long fd = syscall(SYS_io_uring_setup, 0, NULL);

	found(r, FINDING_OK, "io_uring", NULL,
	      "%s; runs do without, and programs in them have none",
	      fd < 0 && (errno == ENOSYS || errno == EPERM) ? "off" : "on");
}

static void try_shm(struct report *r)
{
	int fd = nameless("/dev/shm");

	if (fd < 0)
		found(r, FINDING_NOTE, "/dev/shm",
		      "mount -t tmpfs tmpfs /dev/shm",
		      "no file can be made there (%s): shm_open and sem_open "
		      "fail in programs, with or without a run",
		      strerror(errno));
	else
		found(r, FINDING_OK, "/dev/shm", NULL, "%s free",
		      size_text(free_bytes(fd)));
	if (fd >= 0)
		close(fd);
}

static void try_users(struct report *r)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) ? 1 : 0);
	if (pid > 0)
		waitpid(pid, &status, 0);
	found(r, FINDING_OK, "user namespaces", NULL,
	      "%s; runs do without",
	      pid > 0 && status == 0 ? "can be made" : "cannot be made");
}

void doctor_read_host(struct report *r)
{
	read_memory(r);
	read_group(r);
	read_huge(r);
	read_layout(r);
	read_sandbox(r);
	read_ptrace(r);
	try_ring(r);
	try_shm(r);
	try_users(r);
}
