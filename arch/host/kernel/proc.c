/* SPDX-License-Identifier: MIT */
/*
 * proc.c - the records of guest processes, in guests and agents. How they
 * are listed: arch/host/proclist.h.
 */
#include "arch/host/kernel/trap.h"
#include "arch/host/proclist.h"

void procs_lock(struct kthread *t)
{
	proclist_lock(t->p->run, t->actor ? t->actor->id : 0);
}

void procs_unlock(struct kthread *t)
{
	proclist_unlock(t->p->run);
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

struct owner {
	uint32_t tid, pid;
};

static void owner_visit(struct fw_actor *actor, void *arg)
{
	struct owner *o = arg;

	if (actor->host_tid == o->tid && actor->port_ptr)
		o->pid = actor->host_pid;
}

/* A record may outlive its thread: the host is asked, too. */
uint32_t proc_of_thread(struct kthread *t, uint32_t tid)
{
	struct owner o = { .tid = tid };

	if (!tid || proc_find(t, tid))
		return tid;
	fw_actor_each(t->p->mm, t->actor, owner_visit, &o);
	if (!o.pid || HC3(__NR_tgkill, o.pid, tid, 0) == -ESRCH)
		return tid;
	return o.pid;
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
	if (t->p->proc) {
		p->image = t->p->proc->image;
		memcpy(p->limit_cur, t->p->proc->limit_cur,
		       sizeof(p->limit_cur));
		memcpy(p->limit_max, t->p->proc->limit_max,
		       sizeof(p->limit_max));
	}
	procs_lock(t);
	proclist_link(run, p);
	procs_unlock(t);
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
	bool found;

	procs_lock(t);
	found = proclist_unlink(t->p->run, proc);
	procs_unlock(t);
	if (found)
		fw_kfree(t->p->mm, t->actor, proc, sizeof(*proc));
}

struct reap {
	uint64_t serial;
	uint32_t except, n;
	uint32_t found[32]; /* ids: records may go while one looks at them */
};

static void reap_visit(struct fw_actor *actor, void *arg)
{
	struct reap *r = arg;

	if (actor->port_ptr == r->serial && actor->id != r->except &&
	    r->n < 32)
		r->found[r->n++] = actor->id;
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
