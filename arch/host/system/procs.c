/* SPDX-License-Identifier: MIT */
/*
 * procs.c - the guests' records, seen from the system process.
 *
 * A guest that dies is cleaned up by its agent. Here is what happens when
 * the agent died, before or after its guest: a guest without an agent is
 * ended (its pages could not be taken from it any more), and what a dead
 * guest without an agent left behind is given back. A record is touched only
 * when nobody else can do so: guest and agents dead, for a while.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arch/host/proclist.h"
#include "arch/host/system/system.h"

#define MAX_SEEN 512
#define MAX_SUSPECTS 64
#define GRACE_MS 200

/* What a record said when it was listed. */
struct seen {
	uint64_t serial;
	struct fw_proc *proc;
	uint32_t pid; /* 0: about to be forked */
	uint32_t parent_pid;
	struct fw_space *space, *old_space;
	bool exec_shared;
};

/* Dead guests, and since when they are known to be. */
static struct suspect {
	struct fw_proc *proc;
	uint32_t pid;
	uint64_t since_ms;
} suspects[MAX_SUSPECTS];

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void procs_lock(struct fw_run *run, struct fw_actor *actor)
{
	proclist_lock(run, actor ? actor->id : 0);
}

static unsigned look(struct fw_run *run, struct fw_actor *actor,
		     struct seen *seen, unsigned max)
{
	unsigned n = 0;

	procs_lock(run, actor);
	for (struct fw_proc *p = run->procs; p && n < max; p = p->next)
		seen[n++] = (struct seen){
			.proc = p,
			.serial = p->serial,
			.pid = p->pid,
			.parent_pid = p->parent_pid,
			.space = p->space,
			.old_space = p->old_space,
			.exec_shared = p->exec_shared,
		};
	proclist_unlock(run);
	return n;
}

unsigned procs_list(struct fw_run *run, struct fw_actor *actor, uint32_t *pids,
		    unsigned max)
{
	unsigned n = 0;

	procs_lock(run, actor);
	for (struct fw_proc *p = run->procs; p && n < max; p = p->next)
		pids[n++] = p->pid;
	proclist_unlock(run);
	return n;
}

bool procs_known(struct fw_run *run, struct fw_actor *actor, uint32_t pid)
{
	struct fw_proc *p;

	procs_lock(run, actor);
	p = proclist_find(run, pid);
	proclist_unlock(run);
	return p;
}

unsigned procs_kill(struct fw_run *run, struct fw_actor *actor)
{
	uint32_t pids[MAX_SEEN];
	unsigned left = 0, n = procs_list(run, actor, pids, MAX_SEEN);

	for (unsigned i = 0; i < n; i++) {
		if (!pids[i] || !task_state(pids[i]) || !task_is_ours(pids[i]))
			continue;
		kill((pid_t)pids[i], SIGKILL);
		left++;
	}
	return left;
}

/* ---- cleaning up ------------------------------------------------------- */

static bool agent_dead(struct fw_space *space)
{
	struct fw_space_port *sp = fw_space_port(space);

	if (!sp->agent_pid || lockw_owner_died(&sp->life))
		return true;
	return !task_state(sp->agent_pid);
}

/* An agent that was stopped from outside is continued: it has work to do. */
static void continue_agent(struct fw_space *space)
{
	uint32_t agent = fw_space_port(space)->agent_pid;

	if (agent && task_state(agent) == 'T' && task_is_ours(agent))
		kill((pid_t)agent, SIGCONT);
}

/* Kills a living guest whose agent died under it; true when it did. */
static bool end_orphan(const struct seen *s, void (*say)(const char *line))
{
	struct fw_space_port *sp;
	char text[160];

	if (!s->space)
		return false;
	continue_agent(s->space);
	sp = fw_space_port(s->space);
	if (!sp->agent_pid || sp->gone || sp->owner_pid != s->pid ||
	    !agent_dead(s->space))
		return false;
	/* It may have gone over to a new space meanwhile. */
	if (s->proc->space != s->space || s->proc->pid != s->pid ||
	    !task_is_ours(s->pid))
		return false;
	kill((pid_t)s->pid, SIGKILL);
	snprintf(text, sizeof(text),
		 "process %u was ended: its agent (process %u), which gives up "
		 "its memory on demand, has died",
		 s->pid, sp->agent_pid);
	say(text);
	return true;
}

/* True when this guest has been known to be dead for the time of grace. */
static bool long_dead(const struct seen *s)
{
	struct suspect *free_one = NULL;

	for (unsigned i = 0; i < MAX_SUSPECTS; i++) {
		struct suspect *x = &suspects[i];

		if (x->proc == s->proc && x->pid == s->pid) {
			if (now_ms() - x->since_ms < GRACE_MS)
				return false;
			x->proc = NULL;
			return true;
		}
		if (!x->proc || now_ms() - x->since_ms > 20 * GRACE_MS)
			free_one = x;
	}
	if (free_one)
		*free_one = (struct suspect){s->proc, s->pid, now_ms()};
	return false;
}

struct collect {
	bool all;
	uint64_t serial;   /* 0 for none */
	uint32_t agent, n; /* agent: 0 for none */
	uint32_t system;   /* whose actors are not dead */
	uint32_t found[32]; /* ids: records may go while one looks at them */
};

static void collect_actor(struct fw_actor *actor, void *arg)
{
	struct collect *c = arg;

	if (actor->host_pid == c->system || c->n == 32)
		return;
	if (c->all || (c->serial && actor->port_ptr == c->serial) ||
	    (c->agent && !actor->port_ptr && actor->host_pid == c->agent))
		c->found[c->n++] = actor->id;
}

/* Reaps the actors of a dead guest (by its serial number: pids are reused)
 * and of a dead agent; with both 0, all but our own. */
static void reap_actors(struct fw_mm *mm, struct fw_actor *actor,
			uint64_t serial, uint32_t agent)
{
	struct collect c = {
		.all = !serial && !agent,
		.serial = serial,
		.agent = agent,
		.system = actor->host_pid,
	};

	do {
		c.n = 0;
		fw_actor_each(mm, actor, collect_actor, &c);
		for (uint32_t i = 0; i < c.n; i++)
			fw_actor_reap(mm, actor, c.found[i]);
	} while (c.n == 32);
}

static void remove_record(struct fw_mm *mm, struct fw_run *run,
			  struct fw_actor *actor, struct fw_proc *proc)
{
	bool found;

	procs_lock(run, actor);
	found = proclist_unlink(run, proc);
	proclist_unlock(run);
	if (found)
		fw_kfree(mm, actor, proc, sizeof(*proc));
}

/* Lets other records of a space that is about to go forget it. */
static void forget_space(struct fw_run *run, struct fw_actor *actor,
			 struct fw_space *space)
{
	procs_lock(run, actor);
	for (struct fw_proc *p = run->procs; p; p = p->next) {
		if (p->space == space)
			p->space = NULL;
		if (p->old_space == space)
			p->old_space = NULL;
	}
	proclist_unlock(run);
}

/* A vfork child lives in its parent's space until it execs or ends. */
static bool borrows(const struct seen *s)
{
	return s->space && fw_space_port(s->space)->owner_serial != s->serial;
}

static void destroy_space(struct fw_mm *mm, struct fw_run *run,
			  struct fw_actor *actor, uint64_t serial,
			  struct fw_space *space)
{
	uint32_t agent = fw_space_port(space)->agent_pid;

	reap_actors(mm, actor, serial, agent);
	fw_space_destroy(mm, actor, space);
	forget_space(run, actor, space);
	if (agent)
		__atomic_sub_fetch(&run->n_agents, 1, __ATOMIC_SEQ_CST);
}

static void return_space(struct fw_space *space)
{
	__atomic_sub_fetch(&fw_space_port(space)->users, 1, __ATOMIC_SEQ_CST);
}

/* Gives back all that a dead guest and its dead agents had. */
static void clean_one(struct fw_mm *mm, struct fw_run *run,
		      struct fw_actor *actor, const struct seen *s)
{
	struct fw_space *old = s->old_space;

	reap_actors(mm, actor, s->serial, 0);
	if (old && old != s->space) {
		if (s->exec_shared)
			return_space(old);
		else
			destroy_space(mm, run, actor, s->serial, old);
	}
	if (borrows(s))
		return_space(s->space);
	else if (s->space)
		destroy_space(mm, run, actor, s->serial,
			      s->space);
	remove_record(mm, run, actor, s->proc);
}

/* True when the agent of a dead guest's space is dead, too. */
static bool none_left(struct fw_space *space)
{
	if (!space || agent_dead(space))
		return true;
	continue_agent(space);
	return false;
}

/* True when nobody but us can take care of what this record stands for. */
static bool is_ours_to_clean(const struct seen *s)
{
	if (!s->pid) /* its parent was to fill it in */
		return !task_state(s->parent_pid);
	if (borrows(s))
		return !task_state(fw_space_port(s->space)->owner_pid);
	return none_left(s->space) &&
	       (s->exec_shared || none_left(s->old_space));
}

/* ---- spaces that nobody answers for -------------------------------------- */

#define MAX_ORPHANS 16

/* A space that its guest has left by exec. */
struct orphan {
	struct fw_space *space;
	uint32_t id, agent;
};

/* Those whose agent was found dead. */
static struct orphan orphans[MAX_ORPHANS];

struct left {
	unsigned n;
	struct orphan found[MAX_ORPHANS];
};

static void collect_left(struct fw_space *space, void *arg)
{
	const struct fw_space_port *sp = fw_space_port(space);
	struct left *l = arg;

	if (sp->gone && sp->agent_pid && l->n < MAX_ORPHANS)
		l->found[l->n++] =
			(struct orphan){space, space->id, sp->agent_pid};
}

static bool was_orphan(const struct orphan *o)
{
	for (unsigned i = 0; i < MAX_ORPHANS; i++)
		if (orphans[i].space == o->space && orphans[i].id == o->id)
			return true;
	return false;
}

/*
 * A guest that execs leaves its old space to the old agent, which no record
 * names any more. If that agent dies before it is done, the rest is ours. It
 * may have ended after we had listed the space because it was done: only one
 * that is listed again, its agent known to be dead before, is destroyed.
 */
static void clean_orphans(struct fw_mm *mm, struct fw_run *run,
			  struct fw_actor *actor)
{
	struct left l = {.n = 0};
	unsigned n = 0;

	fw_space_each(mm, actor, collect_left, &l);
	for (unsigned i = 0; i < l.n; i++) {
		if (was_orphan(&l.found[i]))
			destroy_space(mm, run, actor, 0, l.found[i].space);
		else if (!task_state(l.found[i].agent))
			l.found[n++] = l.found[i];
	}
	memset(orphans, 0, sizeof(orphans));
	memcpy(orphans, l.found, n * sizeof(*orphans));
}

unsigned procs_clean(struct fw_mm *mm, struct fw_run *run,
		     struct fw_actor *actor, bool all,
		     void (*say)(const char *line))
{
	static struct seen seen[MAX_SEEN];
	unsigned lost = 0, n = look(run, actor, seen, MAX_SEEN);

	for (unsigned i = 0; i < n; i++) {
		struct seen *s = &seen[i];

		if (all)
			clean_one(mm, run, actor, s);
		else if (s->pid && task_state(s->pid))
			lost += end_orphan(s, say);
		else if (is_ours_to_clean(s) && long_dead(s))
			clean_one(mm, run, actor, s);
	}
	clean_orphans(mm, run, actor);
	if (all)
		reap_actors(mm, actor, 0, 0);
	return lost;
}
