/* SPDX-License-Identifier: MIT */
/*
 * view_names.c - names in /proc that must mean something else: the program
 * that a guest runs (exe), the files that it maps (map_files), and what is not
 * to be seen there (descriptors of the run, agents).
 *
 * A path is asked about by its last component; only if that is one of these
 * names is the host asked which folder the rest is. So any spelling will do,
 * and other paths cost nothing.
 */
#include <asm/statfs.h>
#include <linux/magic.h>

#include "os/busy.h"
#include "os/buffers.h"
#include "os/view.h"

#define HOST_AT_FDCWD (-100)
#define HOST_O_PATH 010000000
#define HOST_O_CLOEXEC 02000000
#define LIST_CHUNK 8192
#define MAPPED_BYTES (64ul << 20)

/* ---- links -------------------------------------------------------------- */

static const char *last_component(const char *path)
{
	const char *last = path;

	for (; *path; path++)
		if (*path == '/' && path[1])
			last = path + 1;
	return last;
}

static bool is_reserved_name(struct kthread *t, const char *name)
{
	uint64_t n;

	if (*name < '0' || *name > '9')
		return false;
	n = take_dec(&name);
	return !*name && n < 1u << 31 && k_fd_reserved(t, (long)n);
}

/* "start-end" */
static bool is_range_name(const char *name, uint64_t *ret_start,
			  uint64_t *ret_end)
{
	const char *s = name;

	*ret_start = take_hex(&s);
	if (s == name || *s != '-')
		return false;
	name = ++s;
	*ret_end = take_hex(&s);
	return s != name && !*s;
}

/* What a descriptor is open on, if that is in /proc; it is closed. */
static bool name_in_proc(long fd, char to[VIEW_PATH_BYTES], bool close)
{
	char link[48] = "/proc/thread-self/fd/";
	struct text o = {link, k_strlen(link), sizeof(link) - 1, 0};
	struct statfs fs;
	bool is = fd >= 0 && !HC2(__NR_fstatfs, fd, &fs) &&
		  fs.f_type == PROC_SUPER_MAGIC;
	long n = 0;

	if (is) {
		text_dec(&o, (uint64_t)fd, 0);
		link[o.used] = 0;
		n = HC3(__NR_readlink, link, to, VIEW_PATH_BYTES - 1);
	}
	if (close && fd >= 0)
		HC1(__NR_close, fd);
	to[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* The path as the host has it, if its folder is in /proc. */
static bool in_proc(long dirfd, const char *path, const char *last,
		    char to[VIEW_PATH_BYTES])
{
	char folder[VIEW_HEAD_BYTES];
	size_t n = (size_t)(last - path), used;

	if (!*path)
		return name_in_proc(dirfd, to, false);
	if (n >= sizeof(folder))
		return false;
	memcpy(folder, path, n);
	folder[n] = 0;
	if (!name_in_proc(HC4(__NR_openat, dirfd, n ? folder : ".",
			      HOST_O_PATH | HOST_O_CLOEXEC, 0),
			  to, true))
		return false;
	used = k_strlen(to);
	n = k_strlen(last);
	while (n && last[n - 1] == '/')
		n--;
	if (used + n + 2 > VIEW_PATH_BYTES)
		return false;
	to[used++] = '/';
	memcpy(to + used, last, n);
	to[used + n] = 0;
	return true;
}

/*
 * A guest keeps its program open (FW_FD_EXE): the file may have another name
 * by now, or none. Where that cannot be looked at, the name that it had.
 */
static long put_exe(struct kthread *t, const struct view *other, bool follow,
		    char *to)
{
	const char *had = other ? other->image.exe : t->p->exe;
	char link[64];
	struct text o = {link, 0, sizeof(link) - 1, 0};
	long n;

	text_put(&o, "/proc/");
	if (other)
		text_dec(&o, other->pid, 0);
	else
		text_put(&o, "thread-self");
	text_put(&o, "/fd/");
	text_dec(&o, (uint64_t)run_fd(t->p->run, FW_FD_EXE), 0);
	link[o.used] = 0;
	n = HC3(__NR_readlink, link, to, 4095);
	if (n <= 0 || *to != '/') {
		n = (long)k_strlen(had);
		memcpy(to, had, (size_t)n);
	} else if (follow) {
		n = (long)o.used;
		memcpy(to, link, o.used);
	}
	to[n] = 0;
	return n;
}

/* .../<pid>/exe, .../<pid>/task/<tid>/exe */
static long link_exe(struct kthread *t, struct view *v, bool follow, char *to)
{
	char *last = (char *)(uintptr_t)last_component(v->path);

	memcpy(last, "mem", 4); /* a name of the same length, and a view's */
	return view_classify(t, v) && v->kind == VIEW_MEM
		       ? put_exe(t, v->own ? NULL : v, follow, to)
		       : 0;
}

/* The folder that the path's last component is in. */
static bool classify_folder(struct kthread *t, struct view *v)
{
	char *last = (char *)(uintptr_t)last_component(v->path);

	if (last <= v->path)
		return false;
	last[-1] = 0;
	return view_classify(t, v);
}

static long map_file(struct kthread *t, const struct view *v, uint64_t start,
		     uint64_t end, char *to);

long view_link(struct kthread *t, long dirfd, const char *path, bool follow,
	       char *to)
{
	const char *own = proc_own(t, path), *last = last_component(path);
	struct view v;
	uint64_t start = 0, end = 0;
	bool exe, range;

	if (own && !k_strcmp(own, "exe")) /* mostly */
		return put_exe(t, NULL, follow, to);
	if (!*path && dirfd != HOST_AT_FDCWD && in_proc(dirfd, path, last,
							v.path))
		return !k_strcmp(last_component(v.path), "exe")
			       ? link_exe(t, &v, follow, to)
			       : 0;
	exe = !k_strcmp(last, "exe") || !k_strcmp(last, "exe/");
	range = is_range_name(last, &start, &end);
	if (!*path || (!exe && !range && !is_reserved_name(t, last)) ||
	    !in_proc(dirfd, path, last, v.path))
		return 0;
	if (exe)
		return link_exe(t, &v, follow, to);
	if (!classify_folder(t, &v))
		return 0;
	if (v.kind == VIEW_DIR_FD)
		return -ENOENT;
	if (v.kind != VIEW_DIR_MAPFILES || !range)
		return 0;
	return map_file(t, &v, start, end, to);
}

const char *proc_own(struct kthread *t, const char *path)
{
	static const char *const names[] = {"self/", "thread-self/"};
	uint32_t pid = t->p->pid;
	uint64_t value;
	size_t n;

	if (k_strncmp(path, "/proc/", 6))
		return NULL;
	path += 6;
	for (size_t i = 0; i < 2; i++) {
		n = k_strlen(names[i]);
		if (!k_strncmp(path, names[i], n))
			return path + n;
	}
	if (*path < '1' || *path > '9')
		return NULL;
	value = take_dec(&path);
	return *path == '/' && value == pid ? path + 1 : NULL;
}

/* ---- the calls ---------------------------------------------------------- */

/* Copies the guest's path for view_link; "" for one that is too long. */
static void head_of(struct buffers *b, uint64_t path,
		    char head[VIEW_HEAD_BYTES])
{
	buf_string(b, path, head, VIEW_HEAD_BYTES);
	if (k_strlen(head) == VIEW_HEAD_BYTES - 1)
		memcpy(head, "?", 2);
}

/* a[at] is the path, a[at + 1] the buffer, a[at + 2] its size (an int). */
static long do_readlink(struct kthread *t, long nr, const long a[6],
			unsigned at)
{
	char head[VIEW_HEAD_BYTES], to[4096];
	long size = (int)a[at + 2], n = 0;
	struct buffers b;

	buf_init(&b, t);
	head_of(&b, (uint64_t)a[at], head);
	if (!b.bad && a[at])
		n = view_link(t, at ? (int)a[0] : HOST_AT_FDCWD, head, false,
			      to);
	if (n < 0)
		return n;
	if (n) {
		if (size <= 0)
			return -EINVAL;
		n = n < size ? n : size;
		return user_write(t, (uint64_t)a[at + 1], to, (uint64_t)n)
			       ? -EFAULT
			       : n;
	}
	if (size > 0)
		buf_add(&b, (uint64_t)a[at + 1], (uint64_t)size, FW_ACC_WRITE);
	return buf_call(&b, nr, a, BUF_AGAIN);
}

long sys_readlink(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_readlink(t, __NR_readlink, a, 0);
}

long sys_readlinkat(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_readlink(t, __NR_readlinkat, a, 1);
}

#define HOST_O_NOFOLLOW 0400000

/* a[at] is the path; `flags` of open, how_bytes of openat2's structure. */
static long do_open(struct kthread *t, long nr, const long a[6], unsigned at,
		    uint64_t flags, uint64_t how_bytes)
{
	char head[VIEW_HEAD_BYTES], to[4096];
	long args[6], n = 0;
	struct buffers b;

	memcpy(args, a, sizeof(args));
	buf_init(&b, t);
	head_of(&b, (uint64_t)a[at], head);
	if (!b.bad && a[at] && *head)
		n = view_link(t, at ? (int)a[0] : HOST_AT_FDCWD, head, true,
			      to);
	if (n < 0)
		return n;
	if (n && !(flags & HOST_O_NOFOLLOW)) {
		buf_init(&b, t);
		args[at] = (long)to;
	}
	n = busy_concerns(flags)
		    ? busy_for_writing(&b, at ? a[0] : HOST_AT_FDCWD, args[at],
				       flags)
		    : 0;
	if (n)
		return n;
	if (how_bytes)
		buf_add(&b, (uint64_t)a[2], how_bytes, FW_ACC_READ);
	return view_opened(t, buf_call(&b, nr, args, BUF_AGAIN), flags);
}

long sys_open(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_open(t, __NR_open, a, 0, (uint64_t)a[1], 0);
}

long sys_creat(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_open(t, __NR_creat, a, 0, 01001 /* O_WRONLY | O_TRUNC */, 0);
}

long sys_openat(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_open(t, __NR_openat, a, 1, (uint64_t)a[2], 0);
}

long sys_openat2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t flags = 0;

	(void)uc;
	if (a[3] >= 8 && user_read(t, &flags, (uint64_t)a[2], 8))
		return -EFAULT;
	return do_open(t, 437 /* openat2 */, a, 1, flags,
		       a[3] > 0 && a[3] <= 4096 ? (uint64_t)a[3] : 0);
}

/* ---- folders ------------------------------------------------------------ */

#define ENTRY_RECLEN 16 /* where it stands, in both forms */
#define ENTRY_NAME 18	/* 19 in the newer form */

static bool is_hidden(struct kthread *t, const struct view *v,
		      const char *name)
{
	if (v->kind == VIEW_DIR_FD)
		return is_reserved_name(t, name);
	if (v->kind != VIEW_DIR_PROC || *name < '1' || *name > '9')
		return false;
	return view_is_agent(t->p->run, (uint32_t)take_dec(&name));
}

/* Takes the hidden entries out; how many bytes are left. */
static long strip(struct kthread *t, const struct view *v, char *list, long n,
		  unsigned name)
{
	long kept = 0;

	if (v->kind == VIEW_DIR_PROC)
		procs_lock(t);
	for (long at = 0; at < n;) {
		uint16_t len;

		memcpy(&len, list + at + ENTRY_RECLEN, sizeof(len));
		if (!is_hidden(t, v, list + at + name)) {
			memmove(list + kept, list + at, len);
			kept += len;
		}
		at += len;
	}
	if (v->kind == VIEW_DIR_PROC)
		procs_unlock(t);
	return kept;
}

/* The list of what is mapped, in which names of files are looked up. */
static long mapped_text(struct kthread *t, const struct view *v,
			struct text *o)
{
	long at = private_map(t, MAPPED_BYTES), ret;

	if (K_IS_ERR(at))
		return -ENOMEM;
	*o = (struct text){(char *)at, 0, MAPPED_BYTES - 1, 0};
	ret = view_maps(t, v, -1, o);
	if (ret)
		window_close((uint64_t)at, MAPPED_BYTES);
	return ret;
}

struct mapped {
	uint64_t start, end;
	const char *path;
	size_t n;
};

/* The next line about a file. */
static bool next_mapped(const char **s, const char *stop, struct mapped *m)
{
	const char *line, *end;

	while ((line = take_line(s, stop, &end)) != NULL) {
		m->start = take_hex(&line);
		line++;
		m->end = take_hex(&line);
		while (line < end && *line != '/')
			line++;
		m->path = line;
		m->n = (size_t)(end - line);
		if (m->n)
			return true;
	}
	return false;
}

static long map_file(struct kthread *t, const struct view *v, uint64_t start,
		     uint64_t end, char *to)
{
	struct text o;
	struct mapped m;
	const char *s;
	long ret = mapped_text(t, v, &o);

	if (ret)
		return ret;
	ret = -ENOENT;
	for (s = o.at; ret < 0 && next_mapped(&s, o.at + o.used, &m);) {
		if (m.start != start || m.end != end || m.n > 4095)
			continue;
		memcpy(to, m.path, m.n);
		to[m.n] = 0;
		ret = (long)m.n;
	}
	window_close((uint64_t)o.at, MAPPED_BYTES);
	return ret;
}

#define MAPPED_ENTRY 72 /* the longest */

/* One entry of a list; how long it is. */
static uint16_t put_entry(char *at, const struct mapped *m, uint64_t index,
			  bool newer)
{
	struct text o = {at, newer ? 19 : ENTRY_NAME, MAPPED_ENTRY, 0};
	uint64_t head[2] = {m->start, index};
	uint16_t len;

	text_hex(&o, m->start, 1);
	text_char(&o, '-');
	text_hex(&o, m->end, 1);
	len = (uint16_t)((o.used + 1 + 8) & ~7ull);
	memset(at + o.used, 0, len - o.used);
	memcpy(at, head, sizeof(head));
	memcpy(at + ENTRY_RECLEN, &len, sizeof(len));
	at[newer ? 18 : len - 1] = 10; /* DT_LNK */
	return len;
}

/* The next entries of map_files: the folder's offset counts them. */
static long list_mapped(struct kthread *t, const struct view *v, long fd,
			char list[LIST_CHUNK], long size, bool newer)
{
	long pos = HC3(__NR_lseek, fd, 0, 1), index = 0, used = 0;
	struct text o;
	struct mapped m;
	const char *s;
	long ret = pos < 0 ? pos : mapped_text(t, v, &o);

	if (ret)
		return ret;
	for (s = o.at; used + MAPPED_ENTRY <= size &&
		       next_mapped(&s, o.at + o.used, &m);)
		if (index++ >= pos)
			used += put_entry(list + used, &m, (uint64_t)index,
					  newer);
	if (used)
		HC3(__NR_lseek, fd, index, 0);
	window_close((uint64_t)o.at, MAPPED_BYTES);
	return used;
}

/* Lists go through our own memory; one that has nothing to show after its
 * hidden entries is not the end. */
long view_list(struct kthread *t, long nr, const long a[6])
{
	char list[LIST_CHUNK];
	long size = (uint32_t)a[2] < LIST_CHUNK ? (long)(uint32_t)a[2]
						: LIST_CHUNK;
	bool newer = nr == __NR_getdents64;
	struct view v;
	long n;

	if (!view_any(t) || !view_find(t, (int)a[0], &v) ||
	    v.kind < VIEW_DIR_PROC)
		return VIEW_NOT;
	if (v.kind == VIEW_DIR_MAPFILES) {
		n = list_mapped(t, &v, (int)a[0], list, size, newer);
	} else {
		do {
			n = HC3(nr, (int)a[0], list, size);
			if (n <= 0)
				return n;
			n = strip(t, &v, list, n, newer ? 19 : ENTRY_NAME);
		} while (!n);
	}
	if (n > 0 && user_write(t, (uint64_t)a[1], list, (uint64_t)n))
		return -EFAULT;
	return n;
}
