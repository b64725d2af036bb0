/* SPDX-License-Identifier: MIT */
/*
 * oom.c - no frame can be had: RAM and page files are exhausted. The process
 * with the most memory is ended (as Linux does), and the run remembers it, so
 * that the front end can say why and what to give.
 *
 * What a process has is what comes free when it ends: its pages in RAM and in
 * the page files, and its tables. What it was promised decides only between
 * equals. Its oom_score_adj, which is the host's, counts as at the host, in
 * thousandths of all there is.
 */
#include "arch/host/kernel/trap.h"

#define PAUSE_NS 20000000
#define PATIENCE 50	   /* pauses, for somebody who is ending anyway */
#define ADJUST_NEVER -1000 /* OOM_SCORE_ADJ_MIN */

struct candidate {
	uint64_t serial; /* 0: nobody */
	uint32_t pid, space;
	uint64_t promised;
	int64_t score;
	bool owner; /* not a vfork child, which lives in its parent's space */
};

/* The one that began next after *c. The list is short, and unordered. */
static bool next_candidate(struct kthread *t, struct candidate *c)
{
	const struct fw_proc *p, *next = NULL;

	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (p->space && p->pid && p->serial > c->serial &&
		    (!next || p->serial < next->serial))
			next = p;
	if (next)
		*c = (struct candidate){
			.serial = next->serial,
			.pid = next->pid,
			.space = next->space->id,
			.promised = next->space->committed,
			.owner = fw_space_port(next->space)->owner_serial ==
				 next->serial,
		};
	procs_unlock(t);
	return next;
}

static int64_t adjustment(uint32_t pid)
{
	char text[16], *s = text;
	int64_t n = 0;

	if (proc_text(pid, "oom_score_adj", text, sizeof(text)) <= 0)
		return 0;
	s += *s == '-';
	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	return *text == '-' ? -n : n;
}

/* False: it must not be ended, or is gone. */
static bool weigh(struct kthread *t, uint64_t all, struct candidate *c)
{
	int64_t adjust = adjustment(c->pid);
	uint64_t weight;

	if (adjust <= ADJUST_NEVER)
		return false;
	weight = fw_space_weight(t->p->mm, t->actor, c->space);
	c->score = (int64_t)weight + adjust * (int64_t)all / 1000;
	return weight > 0;
}

static bool before(const struct candidate *a, const struct candidate *b)
{
	if (b->serial && a->space == b->space)
		return a->owner;
	return !b->serial || a->score > b->score ||
	       (a->score == b->score && a->promised > b->promised);
}

static struct candidate largest(struct kthread *t)
{
	struct candidate best = { .serial = 0, .pid = t->p->pid }, c = best;
	uint64_t last = __atomic_load_n(&t->p->run->next_serial,
					__ATOMIC_SEQ_CST);
	struct fw_totals all;

	fw_totals(t->p->mm, t->actor, &all);
	while (next_candidate(t, &c) && c.serial <= last)
		if (weigh(t, all.nframes + all.slots, &c) && before(&c, &best))
			best = c;
	return best;
}

/* With all who live in its space: that goes when the last of them has. */
static void end_sharers(struct kthread *t, const struct candidate *c)
{
	const struct fw_proc *p;
	bool own = c->pid == t->p->pid;

	procs_lock(t);
	for (p = t->p->run->procs; p && c->serial; p = p->next) {
		if (!p->pid || !p->space || p->space->id != c->space)
			continue;
		own |= p->pid == t->p->pid;
		if (p->pid != t->p->pid)
			HC2(__NR_kill, p->pid, SIGKILL);
	}
	procs_unlock(t);
	if (own)
		HC2(__NR_kill, t->p->pid, SIGKILL);
}

/* Whether there is a space that is being destroyed: its pages come free. */
static bool somebody_ends(struct kthread *t)
{
	const struct fw_proc *p;

	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (!p->space && p->old_space)
			break;
	procs_unlock(t);
	return p;
}

static void pause(void)
{
	struct {
		int64_t sec, nsec;
	} time = { 0, PAUSE_NS };

	HC2(__NR_nanosleep, &time, 0);
}

void oom_kill(struct kthread *t)
{
	struct fw_run *run = t->p->run;
	uint32_t kills = __atomic_load_n(&run->oom_kills, __ATOMIC_SEQ_CST);
	unsigned n = 0;
	struct candidate c;

	while (n < PATIENCE && somebody_ends(t)) {
		pause();
		n++;
	}
	if (n > 0 && n < PATIENCE)
		return;
	c = largest(t);
	/* Another thread may have been quicker, and it may be over. */
	if (__atomic_load_n(&run->oom_kills, __ATOMIC_SEQ_CST) != kills)
		return;
	if (__atomic_exchange_n(&run->oom_pid, c.pid, __ATOMIC_SEQ_CST) !=
	    c.pid)
		__atomic_add_fetch(&run->oom_kills, 1, __ATOMIC_SEQ_CST);
	end_sharers(t, &c);
	pause(); /* its agent frees its frames */
}
