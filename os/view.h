/* SPDX-License-Identifier: MIT */
/*
 * view.h - files of /proc and of cgroups that must speak of the guest: what
 * the files os/view_*.c share. procview.c says how they come to be read.
 */
#ifndef OS_VIEW_H
#define OS_VIEW_H

#include "arch/host/kernel/trap.h"
#include "os/procview.h"

enum view_kind {
	VIEW_NONE,
	/* Of a process that is a guest: text. */
	VIEW_MAPS,
	VIEW_SMAPS,
	VIEW_ROLLUP,
	VIEW_NUMA,
	VIEW_STATUS,
	VIEW_STAT,
	VIEW_STATM,
	VIEW_LIMITS,
	VIEW_AUXV,
	VIEW_CMDLINE,
	VIEW_ENVIRON,
	VIEW_CHILDREN,
	/* ... by place */
	VIEW_PAGEMAP,
	VIEW_MEM,
	/* ... to be written to only */
	VIEW_REFS,
	/* Of the machine: text. */
	VIEW_MEMINFO,
	VIEW_SWAPS,
	VIEW_VMSTAT,
	VIEW_CGROUP,
	VIEW_SEGMENTS,
	/* Folders. */
	VIEW_DIR_PROC,
	VIEW_DIR_FD,
	VIEW_DIR_MAPFILES,
};

#define VIEW_PATH_BYTES 256

/* What a descriptor is open on. */
struct view {
	enum view_kind kind;
	bool own;		/* of this process */
	uint32_t pid, tid;	/* tid 0: of the process as a whole */
	uint64_t serial;	/* of the fw_proc */
	struct fw_space *space; /* another's: see view_enter */
	struct fw_proc_image image;
	struct fw_usage past, children;
	char path[VIEW_PATH_BYTES]; /* as the host names the file */
	const char *name;	    /* its last component */
};

/*
 * The space of a view may be looked at between these two, if the first says
 * true: another guest's is kept from going. Short sections, no I/O.
 */
bool view_enter(struct kthread *t, const struct view *v);
void view_leave(struct kthread *t, const struct view *v);
/* Whether this process is an agent of the run. Under procs_lock. */
bool view_is_agent(const struct fw_run *run, uint32_t pid);

/* Text being made, in memory of the kernel half's own. */
struct text {
	char *at;
	uint64_t used, room;
	uint64_t line; /* where the last line begins */
};

void text_char(struct text *o, char c);
void text_put(struct text *o, const char *s);
void text_bytes(struct text *o, const void *from, uint64_t n);
void text_dec(struct text *o, uint64_t v, unsigned width);
void text_hex(struct text *o, uint64_t v, unsigned digits);
/* Blanks up to this column of the line, at least none. */
void text_column(struct text *o, unsigned column);

/* Parsing: each moves *s behind what it took. */
uint64_t take_dec(const char **s);
uint64_t take_hex(const char **s);
/* The next line in [*s, end), its end in *ret_end, *s behind it; or NULL. */
const char *take_line(const char **s, const char *end, const char **ret_end);
/* Whether [line, end) begins with this key and a colon or blank; returns what
 * follows the key, or NULL. */
const char *line_key(const char *line, const char *end, const char *key);

/* Reads all of a file of the host, from its beginning, into room bytes and a
 * NUL; how many, or -errno. */
long host_text(long fd, char *to, uint64_t room);
/* Opens a file of /proc/<pid>/. */
long host_open(uint32_t pid, const char *name);

/* ---- what is shown (view_*.c) -------------------------------------------- */

/* Makers: add the whole text; -errno, or 0. fd is open on the file. */
typedef long view_make_fn(struct kthread *t, const struct view *v, long fd,
			  struct text *o);
view_make_fn view_maps, view_smaps, view_rollup, view_numa; /* view_maps.c */
view_make_fn view_status, view_stat, view_statm, view_limits;
view_make_fn view_auxv, view_cmdline, view_environ, view_children;
view_make_fn view_segments; /* shm.c */
view_make_fn view_meminfo, view_swaps, view_vmstat, view_cgroup;

/* Sums over the pages of a region, and over all regions. */
struct view_sums {
	uint64_t present, away;
	uint64_t file, shmem; /* of present; the rest is the process's own */
	uint64_t pss;	      /* 1/4096 pages */
	uint64_t pss_dirty, pss_file, pss_shmem;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t locked;
};
struct view_sizes { /* pages */
	uint64_t size, data, stack, exec, locked;
};
#define VIEW_BATCH 16
/* Copies the next regions from *at on; how many. */
unsigned view_regions(struct kthread *t, const struct view *v, uint64_t *at,
		      struct fw_vad vad[VIEW_BATCH]);
/* Adds what there is of a region's pages. */
void view_sum(struct kthread *t, const struct view *v, const struct fw_vad *vad,
	      struct view_sums *sums);
/* Where a region begins that is seen: a stack's is what it has grown to. */
static inline fw_vpn view_start(const struct fw_vad *v)
{
	return v->flags & FW_VADF_STACK && v->stack_low > v->start
		       ? v->stack_low
		       : v->start;
}
/* Whether two windows of the calling process's show the same file. */
bool view_same_file(struct kthread *t, uint64_t a, uint64_t b);
static inline bool view_is_shared(const struct fw_vad *v)
{
	return v->kind == FW_VAD_SECTION || v->kind == FW_VAD_HOST;
}
/* The size of what the host maps for everybody, in pages. */
uint64_t view_vdso_pages(struct kthread *t);
/* view_mem.c */
long view_pagemap(struct kthread *t, const struct view *v, uint64_t off,
		  uint64_t to, uint64_t len);
long view_memory(struct kthread *t, const struct view *v, uint64_t off,
		 uint64_t user, uint64_t len, bool write);

/* What follows /proc/self/, /proc/thread-self/ or /proc/<own pid>/ in path;
 * NULL for other paths. */
const char *proc_own(struct kthread *t, const char *path);

/* procview.c: what a path of the host's is; false for none of these. */
bool view_classify(struct kthread *t, struct view *v);
/* Fills in pid's record; false when it is no guest. */
bool view_guest(struct kthread *t, struct view *v, uint32_t pid);
/* What descriptor fd is open on; false when it is no view. */
bool view_find(struct kthread *t, long fd, struct view *v);

#endif
