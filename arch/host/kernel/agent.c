/* SPDX-License-Identifier: MIT */
/*
 * agent.c - the agent process of an address space.
 *
 * It shares the space's memory (CLONE_VM) but nothing else with the guest:
 * invisible to its wait calls, deaf to its signals, in a process group of
 * its own so that it goes on while the guest is stopped. It
 *  - trims the space when others need its frames (space_port.mail);
 *  - outlives the guest and destroys what the guest leaves behind;
 *  - ends the guest when the system process is gone: SIGIO from the life
 *    pipe, of which only that process holds the writing end.
 * That the guest is gone it learns from the parent-death signal, which tells
 * of the *thread* that made it: while the process lives, it is armed anew.
 */
#include "arch/host/kernel/trap.h"

#define PR_SET_PDEATHSIG 1
#define PR_SET_NAME 15
#define F_SETFL 4
#define F_SETOWN 8
#define HOST_O_ASYNC 020000
#define HOST_O_NONBLOCK 04000
#define HOST_POLLHUP 0x10
#define AGENT_SIGIO 29
#define HOST_WNOHANG 1
#define HOST_WALL 0x40000000

#define AGENT_TRIES 1000 /* of 10 ms */

#define CLONE_VM 0x100ull
#define CLONE_PARENT_SETTID 0x100000ull

static void agent_signal(int sig, siginfo_t *info, void *context)
{
	trap_async(sig, info, context);
}

/* The life pipe has lost its writer: nobody looks after this run. */
static bool system_gone(void)
{
	struct {
		int fd;
		short events, revents;
	} pfd = { 0, 0, 0 };

	HC3(__NR_poll, &pfd, 1, 0);
	return pfd.revents & HOST_POLLHUP;
}

/*
 * The agent's descriptors: the life pipe, opened anew (so that the owner of
 * its SIGIO is this process alone), as number 0; the RAM and the page files,
 * since it may have to bring in pages (copy_serve); nothing else.
 */
static void agent_descriptors(struct kthread *t, struct fw_space_port *sp)
{
	long life = run_fd(t->p->run, FW_FD_LIFE);
	char path[32] = "/proc/self/fd/";
	char *end = path + 14, *from;
	long fd;

	HC3(__NR_close_range, 0, run_fd(t->p->run, FW_FD_RAM) - 1, 0);
	HC1(__NR_close, run_fd(t->p->run, FW_FD_KERNEL));
	HC1(__NR_close, run_fd(t->p->run, FW_FD_EXE));
	HC3(__NR_close_range,
	    run_fd(t->p->run, FW_FD_STORE + t->p->run->n_stores), ~0u, 0);
	__atomic_store_n(&sp->apart, 1, __ATOMIC_SEQ_CST);
	lockw_futex(&sp->apart, LOCKW_FUTEX_WAKE, INT32_MAX, NULL);
	for (long n = life; n; n /= 10)
		end++;
	from = end;
	for (long n = life; n; n /= 10)
		*--from = (char)('0' + n % 10);
	*end = 0;
	fd = HC3(__NR_open, path, HOST_O_NONBLOCK, 0);
	if (fd == 0) {
		HC1(__NR_close, life);
	} else {
		HC3(__NR_dup3, life, 0, 0);
		HC1(__NR_close, life);
	}
	HC3(__NR_fcntl, 0, F_SETOWN, HC0(__NR_getpid));
	HC3(__NR_fcntl, 0, F_SETFL, HOST_O_ASYNC | HOST_O_NONBLOCK);
	HC1(__NR_chdir, "/");
}

/* Takes the two signals: at the start, and again after one of them, whose
 * handler has masked everything. */
static void agent_unmask(void)
{
	uint64_t mask = ~(K_SIG_BIT(K_SIG_PARENT) | K_SIG_BIT(AGENT_SIGIO) |
			  K_MASK_NEVER);

	HC4(__NR_rt_sigprocmask, 2, &mask, 0, 8);
}

static void agent_signals(void)
{
	uint64_t act[4] = { (uint64_t)agent_signal,
			    SA_SIGINFO | SA_ONSTACK | 0x04000000,
			    (uint64_t)trap_restorer, ~0ull };

	HC4(__NR_rt_sigaction, K_SIG_PARENT, act, 0, 8);
	HC4(__NR_rt_sigaction, AGENT_SIGIO, act, 0, 8);
}

/* Does what the mail asks for. */
static void agent_trim(struct kthread *t, struct fw_space_port *sp)
{
	uint32_t want =
		__atomic_exchange_n(&sp->want_trim, 0, __ATOMIC_SEQ_CST);

	while (want) {
		uint32_t n = want > 64 ? 64 : want;

		if (fw_trim(t->p->mm, t->actor, t->p->space, n) == 0)
			break;
		want -= n;
	}
	__atomic_add_fetch(&sp->done, 1, __ATOMIC_SEQ_CST);
	fwp_wake(&sp->done);
}

/*
 * Who becomes the father of an agent whose guest has died is not for us to
 * say: a guest that is a subreaper gets it for a child, and is told of its end
 * (os/children.c). So that it can be told from others by its pid even when
 * nothing is left of it, each is noted before it can end, and a guest that is
 * born takes its own pid out. Of two with one place the younger is known;
 * the older says it again at its end.
 */
static uint32_t *agent_place(struct kthread *t, uint32_t pid)
{
	return &t->p->run->agent_pids[pid % FW_AGENT_PIDS];
}

static void agent_note(struct kthread *t)
{
	__atomic_store_n(agent_place(t, t->tid), t->tid, __ATOMIC_SEQ_CST);
}

bool agent_is(struct kthread *t, uint32_t pid)
{
	return pid && __atomic_load_n(agent_place(t, pid),
				      __ATOMIC_SEQ_CST) == pid;
}

void agent_is_not(struct kthread *t, uint32_t pid)
{
	__atomic_compare_exchange_n(agent_place(t, pid), &pid, 0, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* True while the guest that made this agent lives. */
static bool guest_lives(const struct fw_space_port *sp)
{
	return (uint32_t)HC0(__NR_getppid) == sp->owner_pid;
}

/*
 * The guest is dead or has exec'ed: gives back everything it had. On exec
 * the process and its record live on in another space.
 */
static _Noreturn void agent_end(struct kthread *t, bool dead)
{
	struct fw_space *space = t->p->space;
	struct fw_proc *proc = t->p->proc;
	struct fw_mm *mm = t->p->mm;
	struct fw_run *run = t->p->run;
	uint64_t serial = fw_space_port(space)->owner_serial;

	fwp_unlock(&fw_space_port(space)->life);
	if (dead && proc_leave_space(t, proc, space, serial, true)) {
		os_process_died(t, serial);
		usage_process_ends(t);
		proc_reap_actors(t, serial, 0);
		fw_space_destroy_ref(mm, t->actor, &proc->old_space);
		proc_remove(t, proc);
	} else {
		/* Who left said so under this lock, and wrote to the space. */
		procs_lock(t);
		procs_unlock(t);
		fw_space_destroy(mm, t->actor, space);
	}
	/* Who counts agents must find nothing of it attached (os/shm.c). */
	HC2(__NR_munmap, FW_USER_MIN, FW_USER_TOP - FW_USER_MIN);
	__atomic_sub_fetch(&run->n_agents, 1, __ATOMIC_SEQ_CST);
	agent_note(t);
	kthread_actor_end(t);
	HC1(__NR_exit, 0);
	__builtin_unreachable();
}

/*
 * A process that lives in this space although its owner is dead: a vfork
 * child, until it execs or exits. Of one that is dead itself nobody else
 * gives back what it held.
 */
static bool lodger(struct kthread *t, const struct fw_space_port *sp)
{
	struct fw_proc *p, *dead = NULL;
	bool alive = false;

	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next) {
		if (p->space != t->p->space || p->pid == sp->owner_pid)
			continue;
		if (p->pid && thread_lives(p->pid))
			alive = true;
		else
			dead = p;
	}
	procs_unlock(t);
	if (!alive && dead) {
		proc_reap_actors(t, dead->serial, 0);
		proc_remove(t, dead);
		return true;
	}
	return alive;
}

/* Lodgers go by themselves; nobody tells us when. */
static void wait_for_lodgers(struct kthread *t, const struct fw_space_port *sp)
{
	struct {
		int64_t sec, nsec;
	} pause = { 0, 2000000 };

	while (lodger(t, sp) && !system_gone())
		HC2(__NR_nanosleep, &pause, 0);
}

static void agent_check(struct kthread *t, struct fw_space_port *sp)
{
	t->pending = 0;
	t->queued = 0;
	agent_unmask();
	if (system_gone() && guest_lives(sp))
		HC2(__NR_kill, sp->owner_pid, SIGKILL);
	HC5(__NR_prctl, PR_SET_PDEATHSIG, K_SIG_PARENT, 0, 0, 0);
	if (!guest_lives(sp)) {
		wait_for_lodgers(t, sp);
		agent_end(t, !__atomic_load_n(&sp->gone, __ATOMIC_SEQ_CST));
	}
}

static void agent_main(void *arg)
{
	struct kthread *t = arg;
	struct fw_space_port *sp = fw_space_port(t->p->space);

	agent_descriptors(t, sp);
	kthread_adopt(t);
	agent_note(t);
	t->actor->host_tid = t->actor->host_pid = t->tid;
	t->actor->port_ptr = 0;
	HC2(__NR_setpgid, 0, 0);
	HC5(__NR_prctl, PR_SET_NAME, "fw-agent", 0, 0, 0);
	fwp_lock(&sp->life, t->actor->id);
	agent_signals();
	agent_check(t, sp);
	for (;;) {
		/* Now and then it looks by itself: the host does not tell it of
		 * the end of a guest that has given up its privileges. */
		const int64_t pause[2] = { 0, 500000000 };
		uint32_t seen = __atomic_load_n(&sp->mail, __ATOMIC_SEQ_CST);
		long args[6] = { (long)&sp->mail, 0 /* FUTEX_WAIT */,
				 (long)seen, (long)pause, 0, 0 };

		if (__atomic_load_n(&sp->gone, __ATOMIC_SEQ_CST))
			agent_end(t, false);
		if (__atomic_load_n(&sp->want_trim, __ATOMIC_SEQ_CST)) {
			agent_trim(t, sp);
			continue;
		}
		copy_serve(t);
		if (t->pending || !guest_lives(sp))
			agent_check(t, sp);
		host_call_guest(&t->pending, __NR_futex, args);
	}
}

/* The host notes its pid before it runs: an agent that is not known to live is
 * taken for dead. Where processes are few one may end in a moment; the guest,
 * which is there already, could not be told. */
static long agent_clone(struct kthread *a, struct fw_space_port *sp)
{
	const int64_t pause[2] = { 0, 10000000 };
	long pid;

	for (unsigned tries = 0;; tries++) {
		pid = k_clone(CLONE_VM | CLONE_PARENT_SETTID,
			      (uint64_t)a & ~63ull, (uint64_t)&sp->agent_pid,
			      0, 0, agent_main, a);
		if (pid != -EAGAIN || tries == AGENT_TRIES)
			return pid;
		HC2(__NR_nanosleep, pause, 0);
	}
}

long agent_start(struct kthread *t)
{
	struct fw_space_port *sp = fw_space_port(t->p->space);
	struct kthread *a = kthread_create(t->p);
	uint64_t all = ~0ull, old;
	long pid;

	if (!a)
		return -ENOMEM;
	a->is_agent = 1;
	if (kthread_actor(a, t)) {
		kthread_free(a);
		return -ENOMEM;
	}
	/* The guest's, until the agent runs: who reaps a guest that died before
	 * finds it. */
	a->actor->port_ptr = t->p->proc->serial;
	sp->owner_pid = t->p->pid;
	sp->owner_serial = t->p->proc->serial;
	HC4(__NR_rt_sigprocmask, 2, &all, &old, 8);
	pid = agent_clone(a, sp);
	HC4(__NR_rt_sigprocmask, 2, &old, 0, 8);
	if (K_IS_ERR(pid)) {
		fw_actor_destroy(t->p->mm, t->actor, a->actor);
		kthread_free(a);
		return pid;
	}
	a->actor->host_tid = a->actor->host_pid = (uint32_t)pid;
	a->actor->port_ptr = 0; /* who execs at once reaps all that is ours */
	t->p->agent = a;
	__atomic_add_fetch(&t->p->run->n_agents, 1, __ATOMIC_SEQ_CST);
	stop_if_begun(t);
	return 0;
}

void agent_await(struct kthread *t)
{
	struct fw_space_port *sp = fw_space_port(t->p->space);

	while (!__atomic_load_n(&sp->apart, __ATOMIC_SEQ_CST)) {
		fwp_wait(&sp->apart, 0, 0);
		if (!__atomic_load_n(&sp->apart, __ATOMIC_SEQ_CST) &&
		    !thread_lives(sp->agent_pid))
			break;
	}
}

void agent_leave(struct kthread *t, struct fw_space *space)
{
	struct fw_space_port *sp = fw_space_port(space);
	uint32_t *left = t->p->proc->left_agents;

	/* From the first of these stores on the agent may end the space. */
	procs_lock(t);
	for (unsigned i = 0; i < FW_LEFT_AGENTS; i++) {
		if (left[i])
			continue;
		left[i] = sp->agent_pid;
		break;
	}
	__atomic_store_n(&sp->gone, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&sp->mail, 1, __ATOMIC_SEQ_CST);
	fwp_wake(&sp->mail);
	procs_unlock(t);
}

/*
 * An exec leaves its agent as our child (it has to be one, to learn of our
 * end). It ends when it has destroyed what was left; then it would stay a
 * zombie, seen in /proc, as long as we live. So each system call that traps
 * looks, until it is gone. Threads that look at once do not get the same one.
 */
void agents_reap(struct kthread *t)
{
	uint32_t *left = t->p->proc->left_agents;

	for (unsigned i = 0; i < FW_LEFT_AGENTS; i++) {
		uint32_t pid;

		if (!left[i])
			continue;
		pid = __atomic_exchange_n(&left[i], 0, __ATOMIC_SEQ_CST);
		if (pid && HC4(__NR_wait4, pid, 0, HOST_WALL | HOST_WNOHANG,
			       0) == 0)
			left[i] = pid;
	}
}
