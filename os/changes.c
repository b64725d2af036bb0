/* SPDX-License-Identifier: MIT */
/*
 * changes.c - private views of files show what the file has, until they are
 * written to. Their pages are copies in frames of the run (window.c); so who
 * changes a file has the core renew them (mm/changed.c).
 *
 * Most files that are mapped are never changed while they are, and most
 * writes go to files that nobody maps. So a write asks only whether there is,
 * at this moment, any file with a private view that may be changed in this
 * run: one that somebody has opened for writing (fw_run.files_open, which
 * forgets nothing). Only then is asked which file it is that is written to.
 * (That somebody had a program open before it began does not count: to execute
 * one that still is would be ETXTBSY.)
 *
 * What is stored through shared views is seen by nobody: a file that has had
 * one that may be written to (fw_run.files_shared) is looked at anew each
 * time when it is mapped.
 */
#include <asm/stat.h>
#include <linux/stat.h>

#include "arch/host/kernel/trap.h"
#include "os/aside.h"
#include "os/changes.h"
#include "os/view.h"

#define HOST_F_GETFL 3
#define HOST_O_ACCMODE 3
#define HOST_O_TRUNC 01000
#define HOST_O_APPEND 02000
#define HOST_O_CLOEXEC 02000000
#define HOST_O_PATH 010000000
#define HOST_MADV_DONTNEED 4
#define HOST_SEEK_CUR 1
#define HOST_AT_EMPTY_PATH 0x1000
#define NR_STATX 332
#define FIRST_FDS 64
#define CUT_TRIES 8
#define FILE_END INT64_MAX

/* ---- sets of files ------------------------------------------------------ */

static uint64_t file_hash(uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 32) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 29;
}

/* The word and the bit of a file's first or second place in a set. */
static uint64_t *set_word(uint64_t *set, uint64_t hash, unsigned which,
			  uint64_t *ret_bit)
{
	uint64_t at = hash >> 24 * which;

	*ret_bit = 1ull << (at & 63);
	return &set[(at >> 6) % FW_FILE_WORDS];
}

/* May be wrong, but only for files that are not in it. */
static bool set_has(uint64_t *set, uint64_t dev, uint64_t ino)
{
	uint64_t hash = file_hash(dev, ino), bit;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t *word = set_word(set, hash, i, &bit);

		if (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit))
			return false;
	}
	return true;
}

static void set_add(uint64_t *set, uint64_t dev, uint64_t ino)
{
	uint64_t hash = file_hash(dev, ino), bit;

	if (set_has(set, dev, ino))
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t *word = set_word(set, hash, i, &bit);

		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	}
}

/* ---- opened, mapped ----------------------------------------------------- */

static bool is_file(long fd, struct stat *ret)
{
	return !HC2(__NR_fstat, fd, ret) && S_ISREG(ret->st_mode);
}

/* First into its set, then a look into the other: of who opens a file and who
 * maps it meanwhile, one sees the other. */
static void note_open(struct kthread *t, uint64_t dev, uint64_t ino)
{
	struct fw_run *run = t->p->run;

	set_add(run->files_open, dev, ino);
	if (set_has(run->files_viewed, dev, ino))
		fw_file_watch(t->p->mm, t->actor, dev, ino);
}

void file_opened(struct kthread *t, long fd, const struct stat *st,
		 uint64_t flags)
{
	if (flags & HOST_O_PATH || !S_ISREG(st->st_mode) ||
	    !(flags & (HOST_O_ACCMODE | HOST_O_TRUNC)))
		return;
	note_open(t, st->st_dev, st->st_ino);
	if (flags & HOST_O_TRUNC)
		file_resized(t, fd);
}

static void fd_opened(struct kthread *t, long fd, uint64_t flags)
{
	struct stat st;

	if (fd >= 0 && is_file(fd, &st))
		file_opened(t, fd, &st, flags);
}

void files_first(struct kthread *t)
{
	for (long fd = 0; fd < FIRST_FDS; fd++) {
		long flags = HC3(__NR_fcntl, fd, HOST_F_GETFL, 0);

		if (flags > 0)
			fd_opened(t, fd, (uint64_t)flags & HOST_O_ACCMODE);
	}
}

void file_shared(struct kthread *t, const struct stat *st)
{
	set_add(t->p->run->files_shared, st->st_dev, st->st_ino);
	note_open(t, st->st_dev, st->st_ino);
}

/* ---- what is there is renewed ------------------------------------------- */

/* Where the bytes come from: a window, of a view or our own; a descriptor. */
struct source {
	struct fw_file_change c; /* first */
	struct kthread *t;
	uint64_t cookie;      /* of the window, if any */
	long fd;
	uint64_t size;	      /* of the file */
	uint64_t opened, len; /* a window of our own; len 0: none */
	uint8_t page[FW_PAGE_SIZE];
};

static enum fw_status read_window(struct fw_file_change *c, uint64_t page,
				  void *to)
{
	struct source *s = (struct source *)c;
	uint64_t from = s->cookie + (page << FW_PAGE_SHIFT);

	if (copy_fixup(to, (void *)from, FW_PAGE_SIZE))
		return FW_E_EOF;
	HC3(__NR_madvise, from, FW_PAGE_SIZE, HOST_MADV_DONTNEED);
	return FW_OK;
}

static void renew_by_window(struct kthread *t, uint64_t dev, uint64_t ino,
			    uint64_t cookie, uint64_t page, uint64_t n)
{
	struct source s;

	s.c = (struct fw_file_change){ .dev = dev, .ino = ino, .page = page,
				       .n = n, .read = read_window,
				       .buffer = s.page };
	s.cookie = cookie;
	fw_file_changed(t->p->mm, t->actor, &s.c);
}

void file_viewed(struct kthread *t, long fd, const struct stat *st,
		 uint64_t cookie, uint64_t page, uint64_t n, bool program)
{
	struct fw_run *run = t->p->run;
	uint64_t dev = st->st_dev, ino = st->st_ino;

	set_add(run->files_viewed, dev, ino);
	if (!program &&
	    (set_has(run->files_open, dev, ino) ||
	     HC3(__NR_fcntl, fd, HOST_F_GETFL, 0) & HOST_O_ACCMODE))
		note_open(t, dev, ino);
	if (set_has(run->files_shared, dev, ino))
		renew_by_window(t, dev, ino, cookie, page, n);
}

/* A region's own copy, and its file. */
static bool view_of_file(struct kthread *t, uint64_t at, struct fw_vad *ret,
			 struct fw_section_key *ret_key)
{
	const struct fw_section_key *key = NULL;
	const struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, at);
	if (v && v->kind == FW_VAD_PRIVATE_VIEW && vad_start(v) <= at)
		key = fw_section_file(v->section);
	if (key) {
		*ret = *v;
		*ret_key = *key;
	}
	fw_space_unlock(t->p->space);
	return key != NULL;
}

void view_renew(struct kthread *t, uint64_t start, uint64_t end)
{
	struct fw_section_key key;
	struct fw_vad v;

	for (; start < end && view_of_file(t, start, &v, &key);
	     start = vad_end(&v)) {
		uint64_t to = vad_end(&v) < end ? vad_end(&v) : end;

		renew_by_window(t, key.dev, key.ino, v.cookie,
				v.page +
					((start - vad_start(&v)) >>
					 FW_PAGE_SHIFT),
				(to - start) >> FW_PAGE_SHIFT);
	}
}

/* ---- written to --------------------------------------------------------- */

struct file {
	uint64_t dev, ino, size;
};

/* As in struct stat. */
static uint64_t device_number(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffull) << 12;
}

/*
 * Not fstat: after that asked for its times, the host gives the file new
 * ones at the next write, which costs more than the question.
 */
static bool file_look(long fd, struct file *ret)
{
	struct statx sx;

	if (HC5(NR_STATX, fd, "", HOST_AT_EMPTY_PATH,
		STATX_TYPE | STATX_INO | STATX_SIZE, &sx) ||
	    !S_ISREG(sx.stx_mode))
		return false;
	ret->dev = device_number(sx.stx_dev_major, sx.stx_dev_minor);
	ret->ino = sx.stx_ino;
	ret->size = sx.stx_size;
	return true;
}

/* What does not let itself be read: open for writing only, direct, or just a
 * name. It is opened once more and mapped. */
static long map_again(void *arg)
{
	char path[48] = "/proc/thread-self/fd/";
	struct source *s = arg;
	struct text o = { path, k_strlen(path), sizeof(path) - 1, 0 };
	long fd, r;

	text_dec(&o, (uint64_t)s->fd, 0);
	path[o.used] = 0;
	fd = HC3(__NR_open, path, HOST_O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	r = window_open(s->t, fd, s->c.page << FW_PAGE_SHIFT, s->len,
			HOST_PROT_READ, false);
	HC1(__NR_close, fd);
	return r;
}

static bool source_map(struct source *s)
{
	uint64_t first = s->c.page << FW_PAGE_SHIFT;
	uint64_t most = page_up(s->size) - first;
	long r;

	s->len = s->c.n < most >> FW_PAGE_SHIFT ? s->c.n << FW_PAGE_SHIFT
						: most;
	r = aside(s->t, map_again, s);
	if (K_IS_ERR(r)) {
		s->len = 0;
		return false;
	}
	s->opened = (uint64_t)r;
	s->cookie = s->opened - first;
	return true;
}

static void source_unmap(struct source *s)
{
	if (s->len)
		window_close(s->opened, s->len);
	s->len = 0;
}

static enum fw_status read_fd(struct fw_file_change *c, uint64_t page,
			      void *to)
{
	struct source *s = (struct source *)c;
	long r = 0;

	if (!s->len) {
		do
			r = HC4(__NR_pread64, s->fd, to, FW_PAGE_SIZE,
				page << FW_PAGE_SHIFT);
		while (r == -EINTR);
		if (r < 0 && page << FW_PAGE_SHIFT >= s->size)
			return FW_E_EOF;
		if (r < 0 && !source_map(s))
			return FW_E_IO;
	}
	if (s->len)
		return read_window(c, page, to);
	if (!r)
		return FW_E_EOF;
	memset((uint8_t *)to + r, 0, FW_PAGE_SIZE - (size_t)r);
	return FW_OK;
}

struct viewers {
	const struct fw_space *not;
	const struct file *file;
	uint64_t page;
	uint64_t after, serial; /* the next process behind `after` */
	uint32_t pid;		/* ... or 0 */
};

static bool has_view(struct fw_space *space, const struct viewers *w)
{
	const struct fw_section_key *key;

	for (struct fw_vad *v = fw_vad_at_or_above(space, 0); v;
	     v = fw_vad_next(v)) {
		if (v->kind != FW_VAD_PRIVATE_VIEW ||
		    v->page + (v->end - v->start) <= w->page)
			continue;
		key = fw_section_file(v->section);
		if (key && key->dev == w->file->dev &&
		    key->ino == w->file->ino)
			return true;
	}
	return false;
}

static void find_viewer(struct fw_space *space, void *arg)
{
	const struct fw_space_port *sp = fw_space_port(space);
	struct viewers *w = arg;

	if (space == w->not || sp->owner_serial <= w->after ||
	    (w->pid && sp->owner_serial > w->serial) || !has_view(space, w))
		return;
	w->serial = sp->owner_serial;
	w->pid = sp->owner_pid;
}

/*
 * Nobody has any more what lies past the end of the file, not even a copy of
 * his own. Each space does that for itself: ours at once, others by their
 * agents.
 */
static void cut(struct kthread *t, const struct file *f)
{
	uint64_t page = page_up(f->size) >> FW_PAGE_SHIFT;
	struct viewers w = { .not = t->p->space, .file = f, .page = page };

	fw_file_cut(t->p->mm, t->actor, t->p->space, f->dev, f->ino, page);
	for (;;) {
		w.after = w.serial;
		w.pid = 0;
		fw_space_each(t->p->mm, t->actor, find_viewer, &w);
		if (!w.pid)
			break;
		guest_cut(t, w.pid, f->dev, f->ino, page);
	}
}

/* Brings what views show of the bytes [from, to) up to date. */
static void renew_by_fd(struct kthread *t, long fd, struct file *f,
			uint64_t from, uint64_t to)
{
	struct source s;

	s.c = (struct fw_file_change){ .dev = f->dev, .ino = f->ino,
				       .page = from >> FW_PAGE_SHIFT,
				       .read = read_fd, .buffer = s.page };
	s.c.n = ((to - 1) >> FW_PAGE_SHIFT) + 1 - s.c.page;
	s.t = t;
	s.fd = fd;
	s.len = 0;
	/* Between a cut and the next look somebody may map what he finds. */
	for (unsigned tries = 0; tries < CUT_TRIES; tries++) {
		enum fw_status status;

		s.size = f->size;
		status = fw_file_changed(t->p->mm, t->actor, &s.c);
		source_unmap(&s);
		if (status != FW_E_EOF || !file_look(fd, f))
			break;
		cut(t, f);
	}
}

static bool is_watched(struct kthread *t, long fd, struct file *ret)
{
	return fw_files_watched(t->p->mm) && file_look(fd, ret) &&
	       set_has(t->p->run->files_viewed, ret->dev, ret->ino) &&
	       fw_file_is_watched(t->p->mm, t->actor, ret->dev, ret->ino);
}

long file_place(struct kthread *t, long fd)
{
	return fw_files_watched(t->p->mm)
		       ? HC3(__NR_lseek, fd, 0, HOST_SEEK_CUR)
		       : 0;
}

/*
 * Where a descriptor stood before and stands now is all that can be known of
 * where a write went that was not told: others may use it too.
 */
static void find_range(long fd, long place, long at, long n, uint64_t *from,
		       uint64_t *to)
{
	long end;

	*from = 0;
	*to = FILE_END;
	if (at >= 0 && !(HC3(__NR_fcntl, fd, HOST_F_GETFL, 0) &
			 HOST_O_APPEND)) {
		*from = (uint64_t)at;
		*to = (uint64_t)(at + n);
	} else if (at == FILE_HERE) {
		end = HC3(__NR_lseek, fd, 0, HOST_SEEK_CUR);
		if (end < 0)
			return;
		*to = (uint64_t)end;
		if (place > 0 && end >= n)
			*from = (uint64_t)(place < end - n ? place : end - n);
	}
}

void file_written(struct kthread *t, long fd, long place, long at, long n)
{
	uint64_t from, to;
	struct file f;

	if (n <= 0 || !is_watched(t, fd, &f))
		return;
	find_range(fd, place, at, n, &from, &to);
	renew_by_fd(t, fd, &f, from, to);
}

void file_changed(struct kthread *t, long fd, uint64_t from)
{
	struct file f;

	if (is_watched(t, fd, &f))
		renew_by_fd(t, fd, &f, from, FILE_END);
}

void file_resized(struct kthread *t, long fd)
{
	struct file f;

	if (!is_watched(t, fd, &f))
		return;
	cut(t, &f);
	renew_by_fd(t, fd, &f, f.size, FILE_END);
}

void file_call_done(struct kthread *t, long nr, const long a[6], long r)
{
	switch (nr) {
	case __NR_creat:
		fd_opened(t, r, HOST_O_TRUNC | 1);
		break;
	case __NR_memfd_create:
		fd_opened(t, r, 2);
		break;
	case __NR_open_by_handle_at:
		fd_opened(t, r, (uint64_t)a[2]);
		break;
	default:
		break;
	}
}
