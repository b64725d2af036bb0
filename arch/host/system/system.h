/* SPDX-License-Identifier: MIT */
/*
 * system.h - the system process and the hosted port of the core.
 *
 * The system process is forked by the front end before the first guest, has
 * a session of its own, and lives until the last guest is gone. It is the
 * parent of the first guest and of all orphans, writes modified pages,
 * readies frames, checks, and cleans up after what died. The two talk over
 * a socket pair of messages; either one sees the other's end there.
 */
#ifndef ARCH_HOST_SYSTEM_H
#define ARCH_HOST_SYSTEM_H

#include <signal.h>

#include "arch/host/layout.h"

/* What the front end has prepared. Descriptors are close-on-exec. */
struct sys_start {
	struct fw_mm *mm;
	struct fw_run *run;
	struct fw_actor *actor; /* the run's first; becomes the system's */
	int ram_fd, kernel_fd;
	int link; /* the system process's end */
	unsigned n_stores;
	int store_fd[FW_MAX_PAGE_FILES];
	char **argv, **envp; /* the guest program's */
	sigset_t mask;	     /* signal mask for the first guest */
	bool chld_ignored;   /* ... and whether it ignores SIGCHLD */
	char *title;	     /* argv area of the process, to be renamed */
	size_t title_size;
};

enum sys_message_type {
	SYS_ENDED,   /* value: wait status of the first guest */
	SYS_STOPPED, /* value: signal that stopped the first guest */
	SYS_TEXT,    /* text: a line for people */
	SYS_FINAL,   /* totals; value: 1 when nothing is left of the run */
	SYS_FAILED,  /* value: errno; text: what did not work. Not started */
};

struct sys_final {
	struct fw_totals totals;
	uint64_t check_runs, check_failures;
	uint32_t procs_left; /* guests that go on in the background */
	uint32_t lost_agents;
};

struct sys_message {
	uint32_t type;
	int32_t value;
	union {
		char text[400];
		struct sys_final final;
	};
};

_Noreturn void system_main(const struct sys_start *start);

/* ---- port.c ------------------------------------------------------------ */

/* Tells the port what run it works for; `say` prints its messages. */
void port_init(struct fw_mm *mm, struct fw_run *run,
	       void (*say)(const char *line));
void port_stores(const int *fds, unsigned n);
/* Each thread calls this first, and again in the child after a fork: makes
 * the thread's robust list and writes its ids into the actor's record. */
void port_enter(struct fw_actor *actor);
void port_futex_wait(uint32_t *word, uint32_t seen, unsigned milliseconds);

/* ---- task.c: what /proc says about the host's tasks -------------------- */

/* State letter of a thread ('R', 'S', 'T', ...); 0 when there is none, and
 * for zombies, which do not run any more. */
char task_state(uint32_t tid);
/* True when pid may be signalled as a guest or agent of ours: it executes
 * the kernel image. A recycled pid does not. Of one that may not be looked at,
 * its descent is what counts; whoever cannot be told is not ours. */
bool task_is_ours(uint32_t pid);
/* Lists children of the calling thread's process; returns how many. */
unsigned task_children(uint32_t *pids, unsigned max);

/* ---- procs.c: the guests' records -------------------------------------- */

unsigned procs_list(struct fw_run *run, struct fw_actor *actor, uint32_t *pids,
		    unsigned max);
bool procs_known(struct fw_run *run, struct fw_actor *actor, uint32_t pid);
/* SIGKILL to every guest that has a record; returns how many were left. */
unsigned procs_kill(struct fw_run *run, struct fw_actor *actor);
/*
 * Looks for spaces whose agent died. A guest that still lives in one is
 * killed; when both are dead everything of it is given back. With `all`
 * nobody else is left in the run: cleans up whatever there is.
 * Returns the number of agents newly found dead before their guest.
 */
unsigned procs_clean(struct fw_mm *mm, struct fw_run *run,
		     struct fw_actor *actor, bool all,
		     void (*say)(const char *line));

/* ---- worker.c ---------------------------------------------------------- */

/* Starts the threads that write modified pages and ready frames; 0, errno. */
int workers_start(struct fw_mm *mm, struct fw_run *run, struct fw_actor *actor);

/* ---- refused.c ---------------------------------------------------------- */

/* Tells, by `say`, of each kind of thing that was refused and not yet told;
 * *told are the bits of those that were. */
void refusals_tell(const struct fw_run *run, uint32_t *told,
		   void (*say)(const char *line));
/* One word for a kind, as in --stat. */
const char *refusal_name(enum fw_refusal kind);

/* ---- guest.c ----------------------------------------------------------- */

/* In the child that becomes the first guest: starts the kernel image. */
_Noreturn void guest_start(const struct sys_start *start, int life_fd);

#endif
