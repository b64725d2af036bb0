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
 *
 * What is stored through shared views is seen by nobody: a file that has had
 * one that may be written to (fw_run.files_shared) is looked at anew each
 * time when it is mapped.
 */
#include <asm/stat.h>
#include <linux/stat.h>

#include "os/changes.h"

#define HOST_F_GETFL 3
#define HOST_O_ACCMODE 3
#define HOST_O_TRUNC 01000
#define HOST_O_PATH 010000000
#define HOST_MADV_DONTNEED 4
#define FIRST_FDS 64

/* ---- sets of files ------------------------------------------------------ */

static uint64_t file_hash(const struct stat *st)
{
	uint64_t h = (st->st_ino ^ st->st_dev << 32) * 0x9e3779b97f4a7c15ull;

	return h ^ h >> 29;
}

/* The word and the bit of a file's first or second place in a set. */
static uint64_t *set_word(uint64_t set[FW_FILE_WORDS], uint64_t hash,
			  unsigned which, uint64_t *ret_bit)
{
	uint64_t at = hash >> 24 * which;

	*ret_bit = 1ull << (at & 63);
	return &set[(at >> 6) % FW_FILE_WORDS];
}

/* May be wrong, but only for files that are not in it. */
static bool set_has(uint64_t set[FW_FILE_WORDS], const struct stat *st)
{
	uint64_t hash = file_hash(st), bit;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t *word = set_word(set, hash, i, &bit);

		if (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit))
			return false;
	}
	return true;
}

static void set_add(uint64_t set[FW_FILE_WORDS], const struct stat *st)
{
	uint64_t hash = file_hash(st), bit;

	if (set_has(set, st))
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

/* First into the set, then the sections there are: who makes one meanwhile
 * looks into the set when it can be found. */
static void note_open(struct kthread *t, const struct stat *st)
{
	set_add(t->p->run->files_open, st);
	fw_file_watch(t->p->mm, t->actor, st->st_dev, st->st_ino);
}

void file_opened(struct kthread *t, long fd, uint64_t flags)
{
	struct stat st;

	if (fd < 0 || flags & HOST_O_PATH ||
	    !(flags & (HOST_O_ACCMODE | HOST_O_TRUNC)) || !is_file(fd, &st))
		return;
	note_open(t, &st);
}

void files_first(struct kthread *t)
{
	for (long fd = 0; fd < FIRST_FDS; fd++) {
		long flags = HC3(__NR_fcntl, fd, HOST_F_GETFL, 0);

		if (flags > 0)
			file_opened(t, fd, (uint64_t)flags & HOST_O_ACCMODE);
	}
}

void file_shared(struct kthread *t, const struct stat *st)
{
	set_add(t->p->run->files_shared, st);
	note_open(t, st);
}

/* ---- what is there is renewed ------------------------------------------- */

/* Where the bytes come from: a view's window. */
struct source {
	struct fw_file_change c; /* first */
	uint64_t cookie;
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
		 uint64_t cookie, uint64_t page, uint64_t n)
{
	struct fw_run *run = t->p->run;

	if (HC3(__NR_fcntl, fd, HOST_F_GETFL, 0) & HOST_O_ACCMODE ||
	    set_has(run->files_open, st))
		note_open(t, st);
	if (set_has(run->files_shared, st))
		renew_by_window(t, st->st_dev, st->st_ino, cookie, page, n);
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
