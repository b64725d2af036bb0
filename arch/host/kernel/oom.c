/* SPDX-License-Identifier: MIT */
/*
 * oom.c - no frame can be had: RAM and page files are exhausted. The process
 * with the most memory is ended (as Linux does), and the run remembers it, so
 * that the front end can say why and what to give.
 */
#include "arch/host/kernel/trap.h"

static uint64_t charge(const struct fw_proc *p)
{
	return p->space && p->state != FW_PROC_DEAD ? p->space->committed : 0;
}

static uint32_t largest_pid(struct kthread *t)
{
	const struct fw_proc *best = NULL;
	uint32_t pid;

	procs_lock(t);
	for (const struct fw_proc *p = t->p->run->procs; p; p = p->next)
		if (!best || charge(p) > charge(best))
			best = p;
	pid = best ? best->pid : t->p->pid;
	procs_unlock(t);
	return pid;
}

void oom_kill(struct kthread *t)
{
	struct fw_run *run = t->p->run;
	uint32_t pid = largest_pid(t);
	struct {
		int64_t sec, nsec;
	} pause = { 0, 20000000 };

	if (__atomic_exchange_n(&run->oom_pid, pid, __ATOMIC_SEQ_CST) != pid)
		__atomic_add_fetch(&run->oom_kills, 1, __ATOMIC_SEQ_CST);
	HC2(__NR_kill, pid, SIGKILL);
	HC2(__NR_nanosleep, &pause, 0); /* its agent frees its frames */
}
