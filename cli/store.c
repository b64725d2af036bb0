/* SPDX-License-Identifier: MIT */
/*
 * store.c - the page files of a run.
 *
 * A page file is opened O_DIRECT, so that it is not a second memory in the
 * host's page cache, and nameless wherever possible, so that nothing is left
 * when all processes of the run have been killed: a file that was made here
 * loses its name at once. A file that exists is used only when it is empty,
 * begins with zeros, or was a page file before: page 0, which is never used
 * for pages, says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"

#define DEFAULT_DIR "/var/tmp"
#define MIN_STORE ((uint64_t)1 << 20)
#define STORE_MAGIC "faultwise page file\n"
#define IN_USE_TRIES 50
#define IN_USE_PAUSE 20000 /* microseconds */

/* One page file being opened. */
struct opening {
	const struct store_option *option;
	int fd;
	uint64_t room;	 /* bytes that can be had */
	uint64_t exists; /* bytes of a file or device that was there */
	bool named;	 /* it has a name, and stays when we are gone */
	bool device;
	bool direct;
};

static int cannot(const struct opening *o, const char *why, const char *remedy)
{
	return fail(EXIT_US, "cannot use page file %s: %s. %s", o->option->path,
		    why, remedy);
}

static const char *elsewhere = "Name another one with -b file:PATH.";

/* ---- opening ----------------------------------------------------------- */

/* A nameless file in a folder. */
static int open_in_folder(struct opening *o)
{
	char path[sizeof(o->option->path) + 32];

	o->fd = open(o->option->path, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL,
		     0600);
	if (o->fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/faultwise-XXXXXX", o->option->path);
	o->fd = mkostemp(path, O_CLOEXEC);
	if (o->fd < 0)
		return cannot(o, strerror(errno), elsewhere);
	unlink(path);
	return 0;
}

static int open_new(struct opening *o)
{
	o->fd = open(o->option->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		     0600);
	if (o->fd < 0)
		return cannot(o, strerror(errno), elsewhere);
	unlink(o->option->path);
	return 0;
}

/* The last processes of a run may outlive it by a moment, and have its page
 * file meanwhile: whether to try once more. */
static bool in_use(int error, unsigned tries)
{
	if ((error != EWOULDBLOCK && error != EBUSY) || tries >= IN_USE_TRIES)
		return false;
	usleep(IN_USE_PAUSE);
	return true;
}

static int open_existing(struct opening *o, const struct stat *st)
{
	unsigned tries = 0;
	int flags = O_RDWR | O_CLOEXEC | O_NOCTTY;

	o->named = true;
	o->device = S_ISBLK(st->st_mode);
	if (!o->device && !S_ISREG(st->st_mode))
		return cannot(o, "it is neither a file, a folder nor a disk",
			      elsewhere);
	do
		o->fd = open(o->option->path, flags | (o->device ? O_EXCL : 0));
	while (o->fd < 0 && in_use(errno, tries++));
	if (o->fd < 0)
		return cannot(o, strerror(errno), elsewhere);
	while (flock(o->fd, LOCK_EX | LOCK_NB))
		if (!in_use(errno, tries++))
			return cannot(o, "another run is using it",
				      "Give each run a page file of its own.");
	o->exists = (uint64_t)st->st_size;
	if (o->device && ioctl(o->fd, BLKGETSIZE64, &o->exists))
		return cannot(o, strerror(errno), elsewhere);
	return 0;
}

/* Page 0 of a file with a name says what it is. */
static int claim(struct opening *o)
{
	static const char zeros[sizeof(STORE_MAGIC)];
	char head[sizeof(STORE_MAGIC)] = "";

	if (pread(o->fd, head, sizeof(head), 0) < 0)
		return cannot(o, strerror(errno), elsewhere);
	if (memcmp(head, zeros, sizeof(head)) &&
	    memcmp(head, STORE_MAGIC, sizeof(head)))
		return cannot(o, "it holds data that is not faultwise's",
			      "Name a file that does not exist, or remove this "
			      "one.");
	if (pwrite(o->fd, STORE_MAGIC, sizeof(head), 0) < 0 || fsync(o->fd))
		return cannot(o, strerror(errno), elsewhere);
	return 0;
}

static int refuse_ram(struct opening *o)
{
	struct statfs fs;

	if (o->option->tmpfs || o->device || fstatfs(o->fd, &fs))
		return 0;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return 0;
	return fail(EXIT_US,
		    "cannot use page file %s: it is on tmpfs, which is RAM. "
		    "Name a file on a disk, or say -b file:%s,tmpfs to mean "
		    "it.",
		    o->option->path, o->option->path);
}

static int open_store(struct opening *o)
{
	struct stat st;
	int status;

	if (stat(o->option->path, &st)) {
		if (errno != ENOENT)
			return cannot(o, strerror(errno), elsewhere);
		status = open_new(o);
	} else if (S_ISDIR(st.st_mode)) {
		status = open_in_folder(o);
	} else {
		status = open_existing(o, &st);
	}
	if (!status)
		status = refuse_ram(o);
	if (!status && o->named)
		status = claim(o);
	return status;
}

/* ---- size -------------------------------------------------------------- */

/* What the file may grow to: the file system's free space less a margin, and
 * the limit on the size of files. */
static void find_room(struct opening *o)
{
	struct statvfs fs;
	struct rlimit limit;
	uint64_t room, margin;

	if (o->device) {
		o->room = o->exists;
		return;
	}
	if (fstatvfs(o->fd, &fs))
		memset(&fs, 0, sizeof(fs));
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	margin = room / 16 < (256u << 20) ? room / 16 : 256u << 20;
	o->room = room - margin;
	if (o->room < o->exists)
		o->room = o->exists;
	getrlimit(RLIMIT_FSIZE, &limit);
	if (limit.rlim_cur < o->room)
		o->room = limit.rlim_cur;
}

/* Eight times the RAM, at least 8 GiB, but no more than 128 times the RAM: its
 * bitmap lies there. */
static uint64_t default_size(uint64_t ram)
{
	uint64_t bytes = ram * 8, least = (uint64_t)8 << 30;

	if (bytes < least)
		bytes = least;
	return bytes < ram * 128 ? bytes : ram * 128;
}

/* Strict commit: the disk must have what it promises. */
static int reserve(struct opening *o, uint64_t bytes)
{
	if (o->device || !fallocate(o->fd, 0, 0, (off_t)bytes))
		return 0;
	if (errno == EOPNOTSUPP)
		return cannot(o, "its file system cannot reserve space, which "
				 "--commit=strict needs",
			      "Name a file on another one with -b file:PATH.");
	return cannot(o, strerror(errno), "Give a smaller size.");
}

static int set_size(struct opening *o, uint64_t ram, bool strict,
		    uint64_t *ret_bytes)
{
	uint64_t bytes = o->option->bytes;

	find_room(o);
	if (bytes > o->room)
		return fail(EXIT_US,
			    "cannot use page file %s: there is room for %s "
			    "only, not for %s. Give a smaller size, or name a "
			    "file elsewhere.",
			    o->option->path, size_text(o->room),
			    size_text(bytes));
	if (!bytes)
		bytes = o->exists > FW_PAGE_SIZE ? o->exists
						 : default_size(ram);
	if (bytes > o->room)
		bytes = o->room;
	bytes &= ~FW_PAGE_MASK;
	if (bytes < MIN_STORE)
		return cannot(o, "there is room for less than 1 MiB",
			      elsewhere);
	if (!o->device && bytes > o->exists && ftruncate(o->fd, (off_t)bytes))
		return cannot(o, strerror(errno), elsewhere);
	*ret_bytes = bytes;
	return strict ? reserve(o, bytes) : 0;
}

/* Past the host's page cache, where the file system can. */
static void set_direct(struct opening *o)
{
	int flags = fcntl(o->fd, F_GETFL);

	o->direct = !fcntl(o->fd, F_SETFL, flags | O_DIRECT);
}

/* ---- all of them ------------------------------------------------------- */

static int add_store(struct front *f, const struct store_option *option)
{
	struct opening o = {.option = option, .fd = -1};
	uint64_t bytes = 0;
	enum fw_status added;
	unsigned number;
	int status = open_store(&o);

	if (!status)
		status = set_size(&o, f->ram_bytes, f->opt.strict, &bytes);
	if (status)
		return status;
	set_direct(&o);
	if (!o.direct && !option->tmpfs && !f->opt.quiet)
		note("page file %s: its file system has no direct I/O, so its "
		     "pages also take the host's page cache. Name a file on a "
		     "disk to avoid that.",
		     option->path);
	added = fw_page_file_add(f->mm, f->actor, bytes >> FW_PAGE_SHIFT,
				 &number);
	if (added == FW_E_LIMIT)
		return cannot(&o, "pages kept compressed have the last place",
			      "Give one page file less, or -b lz4:0 as well.");
	if (added != FW_OK)
		return fail(EXIT_US,
			    "cannot use page file %s of %s: %s. Give a smaller "
			    "size, or more RAM with -m.",
			    option->path, size_text(bytes),
			    fw_status_text(added));
	f->store_fd[f->n_stores++] = o.fd;
	f->store_bytes += bytes;
	return 0;
}

int open_stores(struct front *f)
{
	static const struct store_option usual = {.path = DEFAULT_DIR};
	int status = 0;

	if (!f->opt.n_stores)
		status = add_store(f, &usual);
	for (unsigned i = 0; i < f->opt.n_stores && !status; i++)
		status = add_store(f, &f->opt.stores[i]);
	if (status)
		return status;
	f->run->n_stores = f->n_stores;
	port_stores(f->store_fd, f->n_stores);
	if (f->n_stores == 1)
		snprintf(f->store_text, sizeof(f->store_text),
			 "page file %.60s",
			 f->opt.n_stores ? f->opt.stores[0].path : DEFAULT_DIR);
	else
		snprintf(f->store_text, sizeof(f->store_text), "%u page files",
			 f->n_stores);
	return 0;
}
