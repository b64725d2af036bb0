/* SPDX-License-Identifier: MIT */
/*
 * proclist.h - the list of guest processes that a run shares, and requests
 * to their agents: one implementation for both sides of
 * arch/host, the kernel half and the hosted system process. No libc.
 *
 * A record is linked and unlinked under run->procs_lock in an order that
 * leaves the list whole at every instruction: forward links alone decide
 * who is in it; backward links are repaired by the next writer.
 */
#ifndef ARCH_HOST_PROCLIST_H
#define ARCH_HOST_PROCLIST_H

#include "arch/host/layout.h"
#include "arch/host/lock.h"

static inline void proclist_lock(struct fw_run *run, uint32_t actor_id)
{
	struct fw_proc *prev = NULL;

	if (!fwp_lock(&run->procs_lock, actor_id))
		return;
	for (struct fw_proc *p = run->procs; p; prev = p, p = p->next)
		p->prev = prev;
}

static inline void proclist_unlock(struct fw_run *run)
{
	fwp_unlock(&run->procs_lock);
}

/* The record of a process, or NULL. Under the lock. */
static inline struct fw_proc *proclist_find(struct fw_run *run, uint32_t pid)
{
	struct fw_proc *p = run->procs;

	while (p && p->pid != pid)
		p = p->next;
	return p;
}

/* Puts a record at the head. Under the lock. */
static inline void proclist_link(struct fw_run *run, struct fw_proc *p)
{
	p->next = run->procs;
	__atomic_store_n(&run->procs, p, __ATOMIC_SEQ_CST);
	if (p->next)
		p->next->prev = p;
	__atomic_add_fetch(&run->n_procs, 1, __ATOMIC_SEQ_CST);
}

/* Takes a record out; false when it is not there. Under the lock. */
static inline bool proclist_unlink(struct fw_run *run, struct fw_proc *proc)
{
	struct fw_proc **link = &run->procs;

	while (*link && *link != proc)
		link = &(*link)->next;
	if (!*link)
		return false;
	proc->state = FW_PROC_DEAD;
	__atomic_store_n(link, proc->next, __ATOMIC_SEQ_CST);
	if (proc->next)
		proc->next->prev = proc->prev;
	__atomic_sub_fetch(&run->n_procs, 1, __ATOMIC_SEQ_CST);
	return true;
}

/*
 * Posts a request for n pages while the victim is known to exist: whoever
 * destroys a space makes its process forget it first, under the same lock.
 * False when nobody can be asked: an agent that is dead will not answer.
 */
static inline bool agent_post(struct fw_run *run, uint32_t actor_id,
			      struct fw_space *victim, unsigned n,
			      uint32_t *ret_done)
{
	struct fw_space_port *sp = fw_space_port(victim);
	const struct fw_proc *p;

	proclist_lock(run, actor_id);
	for (p = run->procs; p; p = p->next)
		if (p->space == victim)
			break;
	if (p && sp->agent_pid && !lockw_owner_died(&sp->life)) {
		*ret_done = __atomic_load_n(&sp->done, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&sp->want_trim, n, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&sp->mail, 1, __ATOMIC_SEQ_CST);
		fwp_wake(&sp->mail);
	} else {
		p = NULL;
	}
	proclist_unlock(run);
	return p != NULL;
}

#define ASK_NS 10000000 /* how long an answer is waited for */

/* fwp_ask_trim() of both sides: true when the agent has answered. */
static inline bool agent_ask_trim(struct fw_run *run, uint32_t actor_id,
				  struct fw_space *victim, unsigned n,
				  bool *ret_posted)
{
	const struct lockw_timespec timeout = {0, ASK_NS};
	struct fw_space_port *sp = fw_space_port(victim);
	uint32_t done;

	*ret_posted = agent_post(run, actor_id, victim, n, &done);
	if (!*ret_posted)
		return false;
	lockw_futex(&sp->done, LOCKW_FUTEX_WAIT, done, &timeout);
	return __atomic_load_n(&sp->done, __ATOMIC_SEQ_CST) != done;
}

#endif
