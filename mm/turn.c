/* SPDX-License-Identifier: MIT */
/*
 * turn.c - the guard against thrashing. When programs together want more
 * than there is, each loses its pages before it can use them, and all wait
 * for pages most of their time. Then they have turns. Whose turn it is keeps
 * its pages and takes the frames it needs from the others, until its working
 * set is in and has been used for some seconds; so the sum of what they do is
 * that of programs which run one after the other.
 *
 * It is looked at once a second. A space wants a turn when it reads many
 * pages that it has had before. Turns begin when two spaces do and the time
 * that actors spent in reads is half of that of those who want; who waited
 * longest is next. They end when nobody wants one but who has it.
 *
 * Nobody is stopped, since whose turn it is may wait for the others.
 *
 * Source: S. Jiang and X. Zhang, "Token-ordered LRU" (2005), the swap token
 * of Linux 2.6.9 to 3.5; its turns end by priority, ours by the clock.
 */
#include <mm/mm.h>

#define WANTS_LEAST 64	/* reads of a second, to want a turn */
#define QUANTUM 3	/* seconds with a working set that is in */
#define MOST 20		/* ... with what it takes to come in */
#define MOST_SHIFT 15	/* one more for so many frames */
#define QUIET 2		/* seconds in which nobody else wants one, to end */
#define GROWS_SHIFT 6	/* of the frames come in within a second: not yet in */
#define KEEPS(frames) ((frames) - (frames) / 4)

bool turn_keeps(const struct fw_mm *mm, const struct fw_space *space)
{
	return space->id == mm->turn &&
	       fw_space_resident(space) < KEEPS(mm->page_frames);
}

uint64_t turn_leaves(const struct fw_mm *mm)
{
	return mm->turn ? mm->page_frames - KEEPS(mm->page_frames)
			: UINT64_MAX;
}

/* Ticks of all reads of pages that were let go. */
static uint64_t ticks_waited(const struct fw_mm *mm)
{
	static const enum fw_kind kind[] = {
		FW_KIND_PAGE_FILE, FW_KIND_COMPRESSED, FW_KIND_MAPPED_FILE};
	uint64_t sum = 0;
	uint32_t i;
	unsigned k;

	for (k = 0; k < sizeof(kind) / sizeof(*kind); k++) {
		sum += mm->dead_ticks[kind[k]];
		for (i = 0; i < mm->actor_top; i++)
			if (mm->actor[i])
				sum += mm->actor[i]->fault_ticks[kind[k]];
	}
	return sum;
}

struct wants {
	unsigned others;       /* spaces that want a turn and have none */
	struct fw_space *next; /* of those: who waited longest */
	struct fw_space *now;  /* whose turn it is */
};

static void turn_look(struct fw_mm *mm, struct wants *w)
{
	struct fw_space *s;

	for (s = mm->spaces; s; s = s->next) {
		uint32_t reads = s->returns - s->returns_seen;

		s->returns_seen = s->returns;
		if (s->id == mm->turn) {
			w->now = s;
			continue;
		}
		if (s->kind != FW_SPACE_PROCESS || reads < WANTS_LEAST)
			continue;
		w->others++;
		if (!w->next || s->turn_end < w->next->turn_end)
			w->next = s;
	}
}

static void turn_end(struct fw_mm *mm, struct fw_space *now)
{
	if (now)
		now->turn_end = mm->seconds;
	mm->turn = 0;
}

static void turn_begin(struct fw_mm *mm, struct fw_space *next)
{
	mm->turn = next->id;
	mm->turns++;
	mm->turn_quiet = 0;
	mm->turn_left = QUANTUM;
	mm->turn_most = MOST + (mm->page_frames >> MOST_SHIFT);
	mm->turn_had = fw_space_resident(next);
}

/* Whether the turn of `now` is over: some seconds after it had all it wants. */
static bool turn_over(struct fw_mm *mm, const struct fw_space *now)
{
	uint64_t has = fw_space_resident(now);
	bool grows = has > mm->turn_had + (mm->page_frames >> GROWS_SHIFT);

	mm->turn_had = has;
	mm->turn_left -= !grows;
	mm->turn_most--;
	return mm->turn_left == 0 || mm->turn_most == 0;
}

/* Whether what they wait is much of a second's `ticks`. */
static bool turn_needed(const struct wants *w, uint64_t waited, uint64_t ticks)
{
	return ticks > 0 && w->others + (w->now != NULL) >= 2 &&
	       waited * 2 >= ticks * w->others;
}

void turn_second(struct fw_mm *mm, struct fw_actor *actor, uint64_t ticks)
{
	struct wants w = {0};
	uint64_t waited, all;

	mm_lock(mm, actor);
	all = ticks_waited(mm);
	waited = all - mm->turn_ticks;
	mm->turn_ticks = all;
	turn_look(mm, &w);
	if (!turn_needed(&w, waited, ticks)) {
		if (!w.now || ++mm->turn_quiet >= QUIET)
			turn_end(mm, w.now);
	} else {
		mm->turn_quiet = 0;
		if (!w.now || turn_over(mm, w.now)) {
			turn_end(mm, w.now);
			turn_begin(mm, w.next);
		}
	}
	mm_unlock(mm);
}
