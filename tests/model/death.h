/* SPDX-License-Identifier: MIT */
/*
 * death.h - an actor dies at every point of an operation, in turn.
 *
 * The core is built with FW_STEP: each journalled store calls the machine's
 * step hook, as do lock, unlock, flush and I/O. For N = 1, 2, ... an operation
 * is begun on a fresh machine and left by a jump at its N-th step, which is
 * all that the others ever see of a death. Then the dead actor is reaped, and
 * fw_verify must find nothing, every other space its contents, and in the end
 * every frame, slot and charge must be back.
 *
 * death_world.c does that; death.c and death_state.c have the operations.
 */
#ifndef FAULTWISE_TESTS_DEATH_H
#define FAULTWISE_TESTS_DEATH_H

#include "unit/machine.h"

#include "mm/mm.h"

#define SHARED_AT (BASE + 100 * PAGE)
#define FILE_AT (BASE + 200 * PAGE)
#define FREE_AT (BASE + 300 * PAGE)
#define N_PRIVATE 24
#define N_SHARED 12
#define N_FILE 8

/* The victim, a relative of its by fork, and somebody without relation. */
struct world {
	struct rig r;
	struct soft_cpu *victim, *relative, *stranger;
	struct soft_cpu *mate; /* another thread of the victim's, or NULL */
	struct fw_section *section, *file;
	struct fw_section *extra; /* one more, or NULL */
	uint64_t cookie;
};

struct scenario {
	void (*prepare)(struct world *w);
	void (*act)(struct world *w);
	uint32_t nframes;
	/* What the victim itself must still find if it dies: its private
	 * pages from here on have not been touched by the operation. */
	unsigned intact_from;
	/* Once the dead one is reaped; or NULL. */
	void (*after)(struct world *w);
};

/* What the mate does before anybody else takes a lock; NULL: there is none. */
extern void (*mate_acts)(struct world *w);

/* The file that all have a private view of. */
extern uint8_t file_data[N_FILE * 4096];

/* Every step in turn, or with FW_LONG unset about a hundred of them. */
void die_everywhere(const struct scenario *sc);

/* Of the victim: a fork; all pages trimmed; modified ones written; touched. */
void fork_again(struct world *w);
void trim_first(struct world *w);
void write_out(struct world *w);
void touch_all(struct world *w);

#define WANT(expr) ok((expr) == FW_OK, #expr)
#define AT(w) (w)->r.s->mm, (w)->victim->actor, (w)->victim->space

#endif
