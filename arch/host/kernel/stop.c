/* SPDX-License-Identifier: MIT */
/*
 * stop.c - guests that are stopped from outside while others need them.
 *
 * Who holds a lock, or has pages in flight, when SIGSTOP or Ctrl-Z stops him is
 * continued by whoever waits for him (stop_help), and stops himself again
 * when he holds nothing (stop_if_asked). Between the two somebody from outside
 * may continue him in earnest: then he must go on.
 *
 * A SIGCONT leaves no trace in a process that runs and does not handle it.
 * Therefore the host's mask blocks it in every guest that has no handler for
 * it (stop_host_mask), so that it stays pending: the host forgets it when the
 * process is stopped anew, as is right. Ours are told from others by their
 * value; they go to the thread, whose queue is not that of the process, for a
 * signal that is pending takes no second one in. Those from outside that are
 * taken out are counted for the process: who asked has seen the count before.
 *
 * What remains. A SIGCONT from outside is missed when it comes in the very
 * instants in which the host carries out our stop of ourselves, or when
 * another thread has just taken it, or reads it from a signalfd. The other way
 * round, a process runs on that should be stopped when somebody has continued
 * another one whose pid is equal modulo FW_STOPS, or when the host has no room
 * left for our mark (RLIMIT_SIGPENDING). A guest that handles SIGCONT does not
 * see ours, but in a signalfd, and as pending where it blocks it.
 */
#include "arch/host/kernel/trap.h"
#include "arch/host/stop.h"

#define CONT K_SIG_BIT(SIGCONT)

uint64_t stop_host_mask(const struct kthread *t, uint64_t mask)
{
	if (t->p->actions[SIGCONT].handler <= 1) /* default, or ignored */
		mask |= CONT;
	return mask & ~K_MASK_NEVER;
}

bool stop_cont_came(struct kthread *t, const siginfo_t *info)
{
	if (stop_is_ours(info))
		return false;
	__atomic_add_fetch(stop_conts(t->p->run, t->p->pid), 1,
			   __ATOMIC_SEQ_CST);
	return true;
}

void stop_take_conts(struct kthread *t, bool keep)
{
	const int64_t at_once[2] = {0, 0};
	const uint64_t set = CONT;
	bool found = false;
	siginfo_t info, last;

	while (HC4(__NR_rt_sigtimedwait, &set, &info, at_once, 8) == SIGCONT) {
		if (!stop_cont_came(t, &info))
			continue;
		last = info;
		found = true;
	}
	/* Only the first thread may send what looks as if another had. */
	if (found && keep &&
	    HC3(__NR_rt_sigqueueinfo, t->p->pid, SIGCONT, &last))
		HC2(__NR_kill, t->p->pid, SIGCONT);
}

/* Sends our SIGCONT to a thread of a stopped process. */
static void send(uint32_t pid, uint32_t tid)
{
	siginfo_t info;

	stop_mark(&info);
	HC4(__NR_rt_tgsigqueueinfo, pid, tid, SIGCONT, &info);
}

void stop_help(struct kthread *t, uint32_t actor_id, uint32_t tid)
{
	const struct fw_actor *actor = fw_actor_by_id(t->p->mm, actor_id);
	struct fw_run *run = t->p->run;
	uint32_t pid, conts;

	if (!actor) {
		HC2(__NR_kill, tid, SIGCONT);
		return;
	}
	pid = actor->host_pid;
	tid = actor->host_tid;
	conts = stop_conts_seen(run, pid);
	if (fw_actor_by_id(t->p->mm, actor_id) != actor || !thread_stopped(tid))
		return;
	stop_ask(run, actor_id, conts);
	send(pid, tid);
}

/* Unless a SIGCONT from outside has come since. */
static void stop_again(struct kthread *t, uint32_t conts)
{
	uint32_t pid = t->p->pid;

	stop_take_conts(t, (t->guest_mask & CONT) ||
				   t->p->actions[SIGCONT].handler > 1);
	if (stop_conts_seen(t->p->run, pid) == conts)
		HC2(__NR_kill, pid, SIGSTOP);
}

void stop_if_asked(struct kthread *t, uint32_t actor_id)
{
	uint64_t asked;

	if (!t->actor || t->actor->n_held)
		return;
	asked = stop_take(t->p->run, actor_id);
	if (asked && !t->is_agent) /* who works for others goes on */
		stop_again(t, (uint32_t)(asked >> 32));
}

void stop_help_begin(struct kthread *t, struct fw_proc *proc)
{
	uint32_t conts = stop_conts_seen(t->p->run, proc->pid);

	if (!thread_stopped(proc->pid))
		return;
	__atomic_store_n(&proc->stop_again, FW_STOP_AGAIN | conts,
			 __ATOMIC_SEQ_CST);
	send(proc->pid, proc->pid);
}

void stop_if_begun(struct kthread *t)
{
	uint64_t asked = __atomic_exchange_n(&t->p->proc->stop_again, 0,
					     __ATOMIC_SEQ_CST);

	if (asked)
		stop_again(t, (uint32_t)asked);
}
