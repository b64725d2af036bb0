/* SPDX-License-Identifier: MIT */
/*
 * ram.c - the run's RAM with the memory manager and the run's record in it,
 * the kernel image, and the places of the run's descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/group.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20 /* since Linux 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#define USUAL_FD 1024 /* where the run's descriptors end if possible */
#define MOST_FD 65536
#define COMPRESS_RAM ((uint64_t)1 << 36)

extern const unsigned char fw_kernel_image[], fw_kernel_image_end[];

/* ---- how much ---------------------------------------------------------- */

/* What this machine, or this control group, has for us. */
static uint64_t available_ram(void)
{
	uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:") << 10;
	struct group group;

	group_find(&group);
	return bytes < group.room ? bytes : group.room;
}

static void warn_if_too_much(const struct front *f)
{
	uint64_t bytes = available_ram();

	if (bytes && bytes < f->ram_bytes && !f->opt.quiet)
		note("-m: %s are more than the %s that are available here; the "
		     "host may end the run when it uses them. Give less.",
		     size_text(f->ram_bytes), size_text(bytes));
}

static uint64_t default_ram(void)
{
	uint64_t bytes = (available_ram() / 2) & ~FW_PAGE_MASK;

	if (bytes > FW_RAM_MAX)
		return FW_RAM_MAX;
	return bytes < MIN_RAM ? MIN_RAM : bytes;
}

/* ---- the RAM ----------------------------------------------------------- */

static int map_ram(struct front *f)
{
	void *want = (void *)(uintptr_t)FW_RAM_BASE;
	void *at = mmap(want, f->ram_bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE,
			f->ram_fd, 0);

	if (at != want)
		return fail(EXIT_US,
			    "cannot map %s of RAM at its place: %s. Give less "
			    "with -m, or see ulimit -v.",
			    size_text(f->ram_bytes),
			    at == MAP_FAILED ? strerror(errno)
					     : "the place is taken");
	madvise(at, f->ram_bytes, MADV_DONTDUMP);
	return 0;
}

static int size_ram(struct front *f)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	if (limit.rlim_cur < f->ram_bytes)
		return fail(EXIT_US,
			    "cannot have %s of RAM: the size of files is "
			    "limited to %s (ulimit -f). Raise it, or give less "
			    "with -m.",
			    size_text(f->ram_bytes), size_text(limit.rlim_cur));
	if (ftruncate(f->ram_fd, (off_t)f->ram_bytes))
		return fail(EXIT_US,
			    "cannot have %s of RAM: %s. Give less "
			    "with -m.",
			    size_text(f->ram_bytes), strerror(errno));
	return 0;
}

/* How many frames may hold compressed pages. */
static int set_compressed(const struct front *f, uint32_t *ret_frames)
{
	uint64_t bytes = f->opt.compressed_bytes;
	uint64_t blocks = f->ram_bytes >> FW_PAGE_SHIFT >> FW_BLOCK_SHIFT;
	uint64_t most = blocks * FW_BLOCK_PAGES / 4 * 3 << FW_PAGE_SHIFT;

	if (!f->opt.compress)
		bytes = f->ram_bytes >= COMPRESS_RAM ? 0 :
			f->opt.strict ? f->ram_bytes / 4 : most;
	else if (bytes && f->ram_bytes >= COMPRESS_RAM)
		return fail(EXIT_US,
			    "-b lz4: pages are compressed in less than %s of "
			    "RAM only. Give less with -m, or leave it out.",
			    size_text(COMPRESS_RAM));
	else if (bytes > most)
		return fail(EXIT_US,
			    "-b lz4:%s: it is part of the %s of RAM, and may "
			    "be three quarters of them. Give less.",
			    size_text(bytes), size_text(f->ram_bytes));
	*ret_frames = (uint32_t)(bytes >> FW_PAGE_SHIFT);
	return 0;
}

static int init_manager(struct front *f)
{
	struct fw_mm_config config = {
		.nframes = (uint32_t)(f->ram_bytes >> FW_PAGE_SHIFT),
		.user_min = FW_USER_MIN >> FW_PAGE_SHIFT,
		.user_top = FW_USER_TOP >> FW_PAGE_SHIFT,
		.port_bytes = sizeof(struct fw_run),
		.strict = f->opt.strict,
	};
	void *ram = (void *)(uintptr_t)FW_RAM_BASE;
	enum fw_status status;
	int failed = set_compressed(f, &config.store_frames);

	if (failed)
		return failed;
	status = fw_mm_init(ram, &config, &f->mm);
	port_enter(NULL);
	if (status == FW_OK)
		status = fw_actor_create(f->mm, NULL, &f->actor);
	if (status != FW_OK)
		return fail(EXIT_US,
			    "cannot set up %s of RAM: %s. Give more "
			    "with -m.",
			    size_text(f->ram_bytes), fw_status_text(status));
	return 0;
}

/* The program's path for the kernel half: absolute when that fits. */
static void put_program(struct front *f)
{
	const char *path = f->program;
	char *to = f->run->program;
	size_t room = sizeof(f->run->program);
	char folder[sizeof(f->run->program)];

	strcpy(to, path);
	if (*path == '/' || !getcwd(folder, sizeof(folder)))
		return;
	while (!strncmp(path, "./", 2))
		path += 2;
	if (strlen(folder) + strlen(path) + 2 > room)
		return;
	strcpy(stpcpy(stpcpy(to, strcmp(folder, "/") ? folder : ""), "/"),
	       path);
}

static void init_run(struct front *f)
{
	struct fw_run *run = fw_mm_port_area(f->mm);

	f->run = run;
	run->magic = FW_RUN_MAGIC;
	run->flags = (f->opt.check ? FW_RUN_CHECK : 0) |
		     (f->opt.quiet ? FW_RUN_QUIET : 0);
	run->state = FW_RUN_GOING;
	run->fd_first = f->fd_first;
	memcpy(run->limit_cur, f->limit_cur, sizeof(run->limit_cur));
	memcpy(run->limit_max, f->limit_max, sizeof(run->limit_max));
	run->front_pid = (uint32_t)getpid();
	run->hwcap2 = (uint32_t)getauxval(AT_HWCAP2);
	run->max_map_count = read_number("/proc/sys/vm/max_map_count", "");
	if (!run->max_map_count)
		run->max_map_count = 65530;
	put_program(f);
}

static void say(const char *line)
{
	note("%s", line);
}

int make_ram(struct front *f)
{
	int status;

	f->ram_bytes = f->opt.ram_bytes ? f->opt.ram_bytes : default_ram();
	warn_if_too_much(f);
	f->ram_fd = memfd_create("faultwise-ram", MFD_CLOEXEC | MFD_EXEC);
	if (f->ram_fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		f->ram_fd = memfd_create("faultwise-ram", MFD_CLOEXEC);
	if (f->ram_fd < 0)
		return fail(EXIT_US,
			    "cannot make memory that may be executed: %s. See "
			    "sysctl vm.memfd_noexec: it must be 0 or 1.",
			    strerror(errno));
	status = size_ram(f);
	if (!status)
		status = map_ram(f);
	if (!status)
		status = init_manager(f);
	if (status)
		return status;
	init_run(f);
	port_init(f->mm, f->run, say);
	return 0;
}

/* ---- the kernel image -------------------------------------------------- */

static bool write_all(int fd, const unsigned char *from, size_t size, off_t at)
{
	while (size) {
		ssize_t n = pwrite(fd, from, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

/* Where the boot record is in the image: its magic occurs exactly once. */
static int find_boot(off_t *ret_at)
{
	const unsigned char *image = fw_kernel_image, *first, *second;
	size_t size = (size_t)(fw_kernel_image_end - fw_kernel_image);

	first = memmem(image, size, FW_BOOT_MAGIC, sizeof(FW_BOOT_MAGIC));
	second = first ? memmem(first + 1,
				(size_t)(fw_kernel_image_end - first - 1),
				FW_BOOT_MAGIC, sizeof(FW_BOOT_MAGIC))
		       : NULL;
	if (!first || second)
		return fail(EXIT_US, "the kernel image in this program is not "
				     "whole. Build it anew.");
	*ret_at = first - image;
	return 0;
}

int make_kernel_fd(struct front *f)
{
	struct fw_boot boot = {
		.magic = FW_BOOT_MAGIC,
		.ram_fd = f->fd_first + FW_FD_RAM,
		.ram_bytes = f->ram_bytes,
	};
	size_t size = (size_t)(fw_kernel_image_end - fw_kernel_image);
	off_t at = 0;
	int status;

	status = find_boot(&at);
	if (status)
		return status;
	f->kernel_fd = memfd_create("faultwise", MFD_CLOEXEC | MFD_EXEC |
							 MFD_ALLOW_SEALING);
	if (f->kernel_fd < 0 && errno == EINVAL)
		f->kernel_fd = memfd_create("faultwise", MFD_CLOEXEC);
	if (f->kernel_fd < 0 || fchmod(f->kernel_fd, 0755) ||
	    !write_all(f->kernel_fd, fw_kernel_image, size, 0) ||
	    !write_all(f->kernel_fd, (unsigned char *)&boot, sizeof(boot), at))
		return fail(EXIT_US,
			    "cannot put the kernel image into memory: %s. See "
			    "sysctl vm.memfd_noexec and the memory limits.",
			    strerror(errno));
	/* The guests share it, and none may spoil it. Where the host has no
	 * such seal, who knows its number still can. */
	fcntl(f->kernel_fd, F_ADD_SEALS, F_SEAL_EXEC);
	return 0;
}

/* ---- descriptors ------------------------------------------------------- */

static bool range_free(unsigned first)
{
	for (unsigned i = 0; i < FW_FD_COUNT; i++)
		if (fcntl((int)(first + i), F_GETFD) >= 0)
			return false;
	return true;
}

/* The highest free range below `top`. */
static bool choose_below(struct front *f, unsigned top)
{
	while (top >= 2 * FW_FD_COUNT) {
		f->fd_first = top - FW_FD_COUNT;
		if (range_free(f->fd_first))
			return true;
		top -= FW_FD_COUNT;
	}
	return false;
}

/*
 * The guest inherits what this process has open, and gets descriptors of its
 * own from below: ours go to a high place that is free.
 */
int choose_descriptors(struct front *f)
{
	struct rlimit limit;
	unsigned most;

	getrlimit(RLIMIT_NOFILE, &limit);
	most = limit.rlim_cur < MOST_FD ? (unsigned)limit.rlim_cur : MOST_FD;
	if (choose_below(f, most < USUAL_FD ? most : USUAL_FD) ||
	    choose_below(f, most))
		return 0;
	return fail(EXIT_US,
		    "too few descriptors are free below %u: a run wants %d "
		    "in a row. Raise ulimit -n.",
		    most, FW_FD_COUNT);
}
