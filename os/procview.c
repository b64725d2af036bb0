/* SPDX-License-Identifier: MIT */
/*
 * procview.c - files of /proc and of cgroups that must speak of the guest.
 *
 * The host's own are about a cache: what is mapped just now, and the kernel
 * half. Programs look there for their stack, their data, their libraries and
 * for how much memory they may use.
 *
 * The guest opens the host's file, by whatever name, and that descriptor stays
 * in its hands: it can be duplicated, inherited, sent and closed without our
 * knowing. What is read from it is made here, at each read. Which file it is
 * the host says (/proc/thread-self/fd), and an fstat tells whether that is
 * worth asking: only the devices on which such a file was ever opened in this
 * run are in run->view_dev, and where there are none nothing is asked. So
 *  - a program that keeps a file open and reads it again sees new values;
 *  - the file's offset is the host's, and means the same;
 *  - what is not ours to say (another process, other files) is the host's.
 *
 * Text is made whole and then cut. A program that reads a long one piece by
 * piece gets the pieces of one making: the text made at offset 0 is kept
 * (struct kept) until its end has been read.
 */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/magic.h>

#include "os/buffers.h"
#include "os/changes.h"
#include "os/view.h"

#define HOST_AT_FDCWD (-100)
#define TEXT_BYTES (64ul << 20)
#define VIEW_DEVS 4
#define KEPT 4

#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif

/* ---- which file --------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t kind;
} of_process[] = {
	{"maps", VIEW_MAPS},	   {"smaps", VIEW_SMAPS},
	{"smaps_rollup", VIEW_ROLLUP}, {"numa_maps", VIEW_NUMA},
	{"status", VIEW_STATUS},   {"stat", VIEW_STAT},
	{"statm", VIEW_STATM},	   {"limits", VIEW_LIMITS},
	{"auxv", VIEW_AUXV},	   {"cmdline", VIEW_CMDLINE},
	{"environ", VIEW_ENVIRON}, {"children", VIEW_CHILDREN},
	{"pagemap", VIEW_PAGEMAP}, {"mem", VIEW_MEM},
	{"clear_refs", VIEW_REFS},
	{"fd", VIEW_DIR_FD},	   {"fdinfo", VIEW_DIR_FD},
	{"map_files", VIEW_DIR_MAPFILES},
}, of_machine[] = {
	{"meminfo", VIEW_MEMINFO},
	{"swaps", VIEW_SWAPS},
	{"vmstat", VIEW_VMSTAT},
	{"shm", VIEW_SEGMENTS}, /* in sysvipc */
};

static enum view_kind kind_of(const char *name, bool process)
{
	size_t n = process ? sizeof(of_process) / sizeof(*of_process)
			   : sizeof(of_machine) / sizeof(*of_machine);

	for (size_t i = 0; i < n; i++)
		if (!k_strcmp(name, process ? of_process[i].name
					    : of_machine[i].name))
			return process ? of_process[i].kind
				       : of_machine[i].kind;
	return VIEW_NONE;
}

/* The component that ends at `end` (a slash, or the path's end); NULL when
 * there is none. */
static const char *component(const char *path, const char *end)
{
	if (end <= path)
		return NULL;
	while (end > path && end[-1] != '/')
		end--;
	return end > path ? end : NULL;
}

/* A component that is a number, as a whole; 0: it is none. */
static uint32_t number(const char *s)
{
	uint64_t v;

	if (!s || *s < '1' || *s > '9')
		return 0;
	v = take_dec(&s);
	return *s == '/' && v < 1u << 31 ? (uint32_t)v : 0;
}

static void take_record(struct view *v, const struct fw_proc *p)
{
	v->serial = p->serial;
	v->image = p->image;
	v->past = p->past;
	v->children = p->children;
}

bool view_guest(struct kthread *t, struct view *v, uint32_t pid)
{
	const struct fw_proc *p;

	v->pid = pid;
	v->own = pid == t->p->pid;
	if (v->own) {
		take_record(v, t->p->proc);
		v->space = t->p->space;
		v->image.brk = t->p->regions->brk_end;
		return true;
	}
	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (p->pid == pid && p->state == FW_PROC_RUNS && p->space)
			break;
	if (p) {
		take_record(v, p);
		v->space = p->space;
	}
	procs_unlock(t);
	return p != NULL;
}

/* ".../<pid>/name" or ".../<pid>/task/<tid>/name" */
static bool classify_process(struct kthread *t, struct view *v)
{
	const char *up = component(v->path, v->name - 1), *task;
	uint32_t id = number(up), pid;

	v->kind = kind_of(v->name, true);
	if (!id || v->kind == VIEW_NONE)
		return false;
	task = component(v->path, up - 1);
	if (task && !k_strncmp(task, "task/", 5)) {
		pid = number(component(v->path, task - 1));
		v->tid = id;
		return pid && view_guest(t, v, pid);
	}
	if (view_guest(t, v, id))
		return true;
	/* The name of a thread, which is not listed but there */
	v->tid = id;
	pid = proc_of_thread(t, id);
	return pid != id && view_guest(t, v, pid);
}

static bool is_in(const struct view *v, const char *folder)
{
	const char *up = component(v->path, v->name - 1);

	return up && !k_strncmp(up, folder, k_strlen(folder));
}

bool view_classify(struct kthread *t, struct view *v)
{
	const char *end = v->path + k_strlen(v->path);

	v->tid = 0;
	v->own = false;
	v->name = component(v->path, end);
	if (!v->name)
		return false;
	if (!k_strncmp(v->name, "memory.", 7)) {
		v->kind = VIEW_CGROUP;
		return true;
	}
	if (classify_process(t, v))
		return true;
	if (!k_strcmp(v->name, "proc"))
		v->kind = VIEW_DIR_PROC;
	else
		v->kind = kind_of(v->name, false);
	if (v->kind == VIEW_SEGMENTS && !is_in(v, "sysvipc/"))
		v->kind = VIEW_NONE;
	return v->kind != VIEW_NONE;
}

static bool name_of_fd(long fd, char to[VIEW_PATH_BYTES])
{
	char link[48] = "/proc/thread-self/fd/";
	struct text o = {link, k_strlen(link), sizeof(link) - 1, 0};
	long n;

	text_dec(&o, (uint64_t)fd, 0);
	link[o.used] = 0;
	n = HC3(__NR_readlink, link, to, VIEW_PATH_BYTES);
	if (n <= 0 || n >= VIEW_PATH_BYTES)
		return false;
	to[n] = 0;
	return true;
}

bool view_find(struct kthread *t, long fd, struct view *v)
{
	const uint64_t *dev = t->p->run->view_dev;
	struct stat st;
	unsigned i;

	if (!dev[0] || (int)fd < 0 || HC2(__NR_fstat, (int)fd, &st))
		return false;
	for (i = 0; i < VIEW_DEVS && dev[i] != st.st_dev; i++)
		;
	return i < VIEW_DEVS && name_of_fd((int)fd, v->path) &&
	       view_classify(t, v);
}

bool view_enter(struct kthread *t, const struct view *v)
{
	const struct fw_proc *p;

	if (v->own)
		return true;
	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (p->serial == v->serial && p->space == v->space)
			return true;
	procs_unlock(t);
	return false;
}

void view_leave(struct kthread *t, const struct view *v)
{
	if (!v->own)
		procs_unlock(t);
}

/* ---- opening ------------------------------------------------------------ */

static void note_device(struct fw_run *run, uint64_t dev)
{
	for (unsigned i = 0; i < VIEW_DEVS; i++) {
		uint64_t none = 0;

		if (run->view_dev[i] == dev ||
		    __atomic_compare_exchange_n(&run->view_dev[i], &none, dev,
						false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST) ||
		    none == dev)
			return;
	}
}

static bool has_views(long fd)
{
	struct statfs fs;

	if (HC2(__NR_fstatfs, fd, &fs))
		return false;
	return fs.f_type == PROC_SUPER_MAGIC ||
	       fs.f_type == CGROUP_SUPER_MAGIC ||
	       fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* /proc/self/exe, by a name that view_link did not know. */
static long open_own_exe(struct kthread *t, long fd, uint64_t flags)
{
	char to[4096];

	HC1(__NR_close, fd);
	if (view_link(t, HOST_AT_FDCWD, "/proc/self/exe", true, to) <= 0)
		return -ENOENT;
	return HC4(__NR_openat, HOST_AT_FDCWD, to, flags, 0);
}

static void kept_forget(long fd);

/* Notes that there is one, if this is one. */
static void note_view(struct kthread *t, long fd, uint64_t dev)
{
	struct view v = {.kind = VIEW_NONE};

	if (!name_of_fd(fd, v.path) || !view_classify(t, &v))
		return;
	note_device(t->p->run, dev);
	if (v.kind == VIEW_MEM || v.kind == VIEW_REFS)
		t->p->run->view_written = 1;
	kept_forget(fd);
}

long view_opened(struct kthread *t, long fd, uint64_t flags)
{
	static uint64_t plain_dev; /* where there are none, as seen last */
	static struct stat image;  /* the kernel half's */
	struct stat st;

	if (fd < 0 || HC2(__NR_fstat, fd, &st))
		return fd;
	file_opened(t, fd, &st, flags);
	/* Those with a major number are disks. */
	if (st.st_dev >> 8 & 0xfff ||
	    __atomic_load_n(&plain_dev, __ATOMIC_RELAXED) == st.st_dev)
		return fd;
	if (!image.st_ino)
		HC2(__NR_fstat, run_fd(t->p->run, FW_FD_KERNEL), &image);
	if (st.st_dev == image.st_dev) {
		if (st.st_ino == image.st_ino)
			fd = open_own_exe(t, fd, flags);
	} else if (!has_views(fd)) {
		__atomic_store_n(&plain_dev, st.st_dev, __ATOMIC_RELAXED);
	} else {
		note_view(t, fd, st.st_dev);
	}
	return fd;
}

/* ---- reading ------------------------------------------------------------ */

static view_make_fn *const makers[] = {
	[VIEW_MAPS] = view_maps,	 [VIEW_SMAPS] = view_smaps,
	[VIEW_ROLLUP] = view_rollup,	 [VIEW_NUMA] = view_numa,
	[VIEW_STATUS] = view_status,	 [VIEW_STAT] = view_stat,
	[VIEW_STATM] = view_statm,	 [VIEW_LIMITS] = view_limits,
	[VIEW_AUXV] = view_auxv,	 [VIEW_CMDLINE] = view_cmdline,
	[VIEW_ENVIRON] = view_environ,	 [VIEW_CHILDREN] = view_children,
	[VIEW_MEMINFO] = view_meminfo,	 [VIEW_SWAPS] = view_swaps,
	[VIEW_VMSTAT] = view_vmstat,	 [VIEW_CGROUP] = view_cgroup,
	[VIEW_SEGMENTS] = view_segments,
};

static bool is_text(const struct view *v)
{
	return v->kind < sizeof(makers) / sizeof(*makers) && makers[v->kind];
}

/* Texts of which a part has been read. A process has few: who finds the lock
 * taken does without. */
static struct {
	uint32_t lock;
	uint32_t next;
	struct kept {
		char *at; /* NULL: none */
		uint64_t used;
		uint32_t kind, pid, tid;
		int32_t fd;
	} slot[KEPT];
} kept;

static bool kept_lock(void)
{
	return !__atomic_exchange_n(&kept.lock, 1, __ATOMIC_ACQUIRE);
}

static void kept_unlock(void)
{
	__atomic_store_n(&kept.lock, 0, __ATOMIC_RELEASE);
}

static void kept_drop(struct kept *k)
{
	if (k->at)
		window_close((uint64_t)k->at, TEXT_BYTES);
	k->at = NULL;
}

static void kept_forget(long fd)
{
	if (!kept_lock())
		return;
	for (unsigned i = 0; i < KEPT; i++)
		if (kept.slot[i].fd == fd)
			kept_drop(&kept.slot[i]);
	kept_unlock();
}

static bool kept_take(long fd, const struct view *v, struct text *o)
{
	bool found = false;

	if (!kept_lock())
		return false;
	for (unsigned i = 0; i < KEPT && !found; i++) {
		struct kept *k = &kept.slot[i];

		found = k->at && k->fd == fd && k->kind == v->kind &&
			k->pid == v->pid && k->tid == v->tid;
		if (found) {
			*o = (struct text){k->at, k->used, TEXT_BYTES, 0};
			k->at = NULL;
		}
	}
	kept_unlock();
	return found;
}

/* Keeps the text for the next read, or lets it go. */
static void kept_put(long fd, const struct view *v, const struct text *o,
		     bool keep)
{
	struct kept *k;

	if (!keep || !kept_lock()) {
		window_close((uint64_t)o->at, TEXT_BYTES);
		return;
	}
	k = &kept.slot[kept.next++ % KEPT];
	kept_drop(k);
	*k = (struct kept){o->at, o->used, v->kind, v->pid, v->tid,
			   (int32_t)fd};
	kept_unlock();
}

static long make(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	long at = private_map(t, TEXT_BYTES), ret;

	if (K_IS_ERR(at))
		return -ENOMEM;
	*o = (struct text){(char *)at, 0, TEXT_BYTES, 0};
	ret = makers[v->kind](t, v, fd, o);
	if (ret)
		window_close((uint64_t)at, TEXT_BYTES);
	return ret;
}

static long read_text(struct kthread *t, const struct view *v, long fd,
		      uint64_t off, uint64_t user, uint64_t len)
{
	struct text o;
	long ret = 0;
	uint64_t n;

	if (!off || !kept_take(fd, v, &o))
		ret = make(t, v, fd, &o);
	if (ret)
		return ret;
	n = off < o.used ? o.used - off : 0;
	if (n > len)
		n = len;
	ret = n && user_write(t, user, o.at + off, n) ? -EFAULT : (long)n;
	kept_put(fd, v, &o, ret > 0 && off + n < o.used);
	return ret;
}

/* Makes the call at the file's own offset, which moves. */
static long at_offset(long fd, int64_t off, int64_t *ret_off)
{
	if (off != VIEW_HERE) {
		*ret_off = off;
		return off < 0 ? -EINVAL : 0;
	}
	*ret_off = HC3(__NR_lseek, fd, 0, 1 /* SEEK_CUR */);
	return *ret_off < 0 ? *ret_off : 0;
}

/* Readable, or writable, as it was opened. */
static bool mode_allows(long fd, bool write)
{
	long flags = HC2(__NR_fcntl, fd, 3 /* F_GETFL */);

	if (flags < 0 || flags & 010000000 /* O_PATH */)
		return false;
	flags &= 3;
	return flags == 2 || flags == (write ? 1 : 0);
}

static long read_at(struct kthread *t, const struct view *v, long fd,
		    uint64_t off, uint64_t user, uint64_t len)
{
	if (v->kind == VIEW_MEM)
		return view_memory(t, v, off, user, len, false);
	if (v->kind == VIEW_PAGEMAP)
		return view_pagemap(t, v, off, user, len);
	return read_text(t, v, fd, off, user, len);
}

/* Of clear_refs: 5 is about the peak, which is ours; else the host answers. */
static long clear_refs(struct kthread *t, const struct view *v, uint64_t user,
		       uint64_t len)
{
	char text[13] = "";
	const char *s = text;

	if (user_read(t, text, user,
		      len < sizeof(text) ? len : sizeof(text) - 1))
		return VIEW_NOT;
	while (*s == ' ' || *s == '\n' || *s == '\t')
		s++;
	if (take_dec(&s) != 5 || (*s && *s != ' ' && *s != '\n'))
		return VIEW_NOT;
	if (view_enter(t, v)) {
		fw_space_reset_peak(t->p->mm, t->actor, v->space);
		view_leave(t, v);
	}
	return (long)len;
}

static bool can_be(const struct view *v, bool written)
{
	if (written)
		return v->kind == VIEW_MEM || v->kind == VIEW_REFS;
	return is_text(v) || v->kind == VIEW_MEM || v->kind == VIEW_PAGEMAP;
}

static long view_io(struct kthread *t, long fd, uint64_t user, uint64_t len,
		    int64_t off, bool write)
{
	struct view v;
	int64_t at;
	long ret;

	fd = (int)fd;
	if (!view_find(t, fd, &v) || !mode_allows(fd, write) ||
	    !can_be(&v, write))
		return VIEW_NOT;
	if (len && !user_range_ok(t, user, 1))
		return -EFAULT;
	ret = at_offset(fd, off, &at);
	if (ret)
		return ret;
	if (v.kind == VIEW_REFS)
		return clear_refs(t, &v, user, len);
	ret = write ? view_memory(t, &v, (uint64_t)at, user, len, true)
		    : read_at(t, &v, fd, (uint64_t)at, user, len);
	if (ret > 0 && off == VIEW_HERE)
		HC3(__NR_lseek, fd, at + ret, 0);
	return ret;
}

long view_read(struct kthread *t, long fd, uint64_t user, uint64_t len,
	       int64_t off)
{
	return view_any(t) ? view_io(t, fd, user, len, off, false) : VIEW_NOT;
}

long view_write(struct kthread *t, long fd, uint64_t user, uint64_t len,
		int64_t off)
{
	return t->p->run->view_written ? view_io(t, fd, user, len, off, true)
				   : VIEW_NOT;
}

long view_vector(struct kthread *t, const long a[6], int64_t off, bool write)
{
	uint64_t piece[2] = {0, 0}, at = (uint64_t)a[1];

	if (!(write ? t->p->run->view_written != 0 : view_any(t)) ||
	    (uint64_t)a[2] > 1024)
		return VIEW_NOT;
	for (long i = 0; i < a[2] && !piece[1]; i++, at += sizeof(piece))
		if (user_read(t, piece, at, sizeof(piece)))
			return VIEW_NOT;
	return view_io(t, a[0], piece[0], piece[1], off, write);
}

bool view_moves(struct kthread *t, long nr, const long a[6])
{
	long from = nr == __NR_sendfile ? a[1] : a[0];
	struct view v;

	return view_any(t) &&
	       view_find(t, from, &v);
}

/* ---- what the program is ------------------------------------------------- */

void view_exe(struct kproc *p)
{
	char *to = p->proc->image.exe;
	size_t n = k_strlen(p->exe), room = sizeof(p->proc->image.exe) - 1;

	n = n < room ? n : 0; /* too long: unknown */
	memcpy(to, p->exe, n);
	to[n] = 0;
}
