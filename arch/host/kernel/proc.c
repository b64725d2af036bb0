/* SPDX-License-Identifier: MIT */
/*
 * proc.c - the list of guest processes that the run shares.
 *
 * A record is linked and unlinked under run->procs_lock in an order that
 * leaves the list whole at every instruction: forward links alone decide
 * who is in it; backward links are repaired by the next writer.
 */
#include "arch/host/kernel/trap.h"

static void relink_back(struct fw_run *run)
{
	struct fw_proc *prev = NULL;

	for (struct fw_proc *p = run->procs; p; prev = p, p = p->next)
		p->prev = prev;
}

void procs_lock(struct kthread *t)
{
	struct fw_run *run = t->p->run;

	if (fwp_lock(&run->procs_lock, t->actor ? t->actor->id : 0))
		relink_back(run);
}

void procs_unlock(struct kthread *t)
{
	fwp_unlock(&t->p->run->procs_lock);
}

struct fw_proc *proc_find(struct kthread *t, uint32_t pid)
{
	struct fw_proc *p;

	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (p->pid == pid && p->state != FW_PROC_DEAD)
			break;
	procs_unlock(t);
	return p;
}

struct fw_proc *proc_add(struct kthread *t, uint32_t pid, uint32_t parent)
{
	struct fw_run *run = t->p->run;
	struct fw_proc *p = fw_kalloc(t->p->mm, t->actor, sizeof(*p));

	if (!p)
		return NULL;
	p->serial = __atomic_add_fetch(&run->next_serial, 1, __ATOMIC_SEQ_CST);
	p->pid = pid;
	p->parent_pid = parent;
	p->state = FW_PROC_NEW;
	procs_lock(t);
	p->next = run->procs;
	__atomic_store_n(&run->procs, p, __ATOMIC_SEQ_CST);
	if (p->next)
		p->next->prev = p;
	procs_unlock(t);
	__atomic_add_fetch(&run->n_procs, 1, __ATOMIC_SEQ_CST);
	return p;
}

bool proc_leave_space(struct kthread *t, struct fw_proc *proc,
		      struct fw_space *space, uint64_t serial, bool owner)
{
	struct fw_proc *p;

	procs_lock(t);
	for (p = t->p->run->procs; p && p != proc; p = p->next)
		;
	if (p && (p->serial != serial || p->space != space))
		p = NULL;
	if (p) {
		if (owner)
			p->old_space = space;
		p->space = NULL;
	}
	procs_unlock(t);
	return p != NULL;
}

void proc_remove(struct kthread *t, struct fw_proc *proc)
{
	struct fw_run *run = t->p->run;
	struct fw_proc **link;

	procs_lock(t);
	for (link = &run->procs; *link && *link != proc; link = &(*link)->next)
		;
	if (!*link) {
		procs_unlock(t);
		return;
	}
	proc->state = FW_PROC_DEAD;
	__atomic_store_n(link, proc->next, __ATOMIC_SEQ_CST);
	if (proc->next)
		proc->next->prev = proc->prev;
	__atomic_sub_fetch(&run->n_procs, 1, __ATOMIC_SEQ_CST);
	procs_unlock(t);
	fw_kfree(t->p->mm, t->actor, proc, sizeof(*proc));
}

struct reap {
	uint64_t serial;
	uint32_t except, n;
	struct fw_actor *found[32];
};

static void reap_visit(struct fw_actor *actor, void *arg)
{
	struct reap *r = arg;

	if (actor->port_ptr == r->serial && actor->id != r->except &&
	    r->n < 32)
		r->found[r->n++] = actor;
}

void proc_reap_actors(struct kthread *t, uint64_t serial, uint32_t except)
{
	struct reap r = { .serial = serial, .except = except };

	do {
		r.n = 0;
		fw_actor_each(t->p->mm, t->actor, reap_visit, &r);
		for (uint32_t i = 0; i < r.n; i++)
			fw_actor_reap(t->p->mm, t->actor, r.found[i]);
	} while (r.n == 32);
}
