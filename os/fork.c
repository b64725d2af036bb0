/* SPDX-License-Identifier: MIT */
/*
 * fork.c - fork, vfork, clone.
 *
 * A fork is the host's fork, made in the kernel half: the child goes on in
 * the same C frame on its own copy of the kernel stack. Before it, under the
 * parent's space lock, the core makes the child's space and write-protects
 * what both now share; after it, before its first user instruction, the
 * child drops every mapping that it inherited. A vfork child lives in its
 * parent's space, on a kernel stack of its own, until it execs or exits.
 */
#include "arch/host/kernel/trap.h"
#include "os/regions.h"
#include "os/signal.h"
#include "os/thread.h"

#define CSIGNAL 0xffull
#define CLONE_VM 0x100ull
#define CLONE_SIGHAND 0x800ull
#define CLONE_PIDFD 0x1000ull
#define CLONE_VFORK 0x4000ull
#define CLONE_PARENT 0x8000ull
#define CLONE_THREAD 0x10000ull
#define CLONE_SETTLS 0x80000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_CHILD_CLEARTID 0x200000ull
#define CLONE_CHILD_SETTID 0x1000000ull
#define CLONE_NEWPID 0x20000000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_INTO_CGROUP 0x200000000ull

/* Flags that we act on ourselves and keep from the host. */
#define CLONE_OURS                                                           \
	(CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |         \
	 CLONE_CHILD_SETTID | CLONE_PIDFD | CLONE_CLEAR_SIGHAND)

#define FORK_TRIES 16
#define CLONE_ARGS_FIRST 64 /* bytes of the first struct clone_args */

/* ---- fork --------------------------------------------------------------- */

/* In the child: becomes a process of its own in its own space. */
static void fork_child(struct kthread *t, struct fw_proc *proc,
		       struct fw_space *space, struct ucontext *uc,
		       const struct clone_request *rq)
{
	struct kproc *p = t->p;
	struct fw_space_port *sp = fw_space_port(space);

	kthread_adopt(t);
	agent_is_not(t, t->tid);
	t->depth = 0;
	t->pending = 0;
	t->queued = 0;
	t->masked = 1; /* until we are back in the user half */
	t->held = 0;
	t->actor = NULL;
	p->pid = (uint32_t)HC0(__NR_getpid);
	p->n_threads = 1;
	p->vfork_child = 0;
	p->odd_children = 0;
	p->sig_lock = 0;
	p->proc = proc;
	memset(&p->regions->lock, 0, sizeof(p->regions->lock));
	p->regions->lock_future = 0;
	p->space = space;
	hostmap_forked(t, rq->inherited);
	if (p->agent) {
		kthread_free(p->agent);
		p->agent = NULL;
	}
	proc->pid = p->pid;
	proc->state = FW_PROC_RUNS;
	sp->users = 1;
	if (kthread_actor(t, NULL) || agent_start(t))
		k_die(t, SIGKILL);
	t->guest_robust = 0;
	t->clear_tid = rq->flags & CLONE_CHILD_CLEARTID ? rq->ctid : 0;
	if (rq->flags & CLONE_SETTLS)
		t->guest_fs = rq->tls;
	if (rq->flags & CLONE_CHILD_SETTID)
		user_write(t, rq->ctid, &p->pid, 4);
	if (rq->stack)
		uc->uc_mcontext.rsp = rq->stack;
	if (rq->flags & CLONE_CLEAR_SIGHAND)
		signals_default(t);
	agent_await(t);
}

/* In the parent, when the host refused. */
static long fork_failed(struct kthread *t, struct fw_proc *proc,
			struct fw_space *child, long error)
{
	if (proc_leave_space(t, proc, child, proc->serial, true))
		fw_space_destroy_ref(t->p->mm, t->actor, &proc->old_space);
	proc_remove(t, proc);
	return error;
}

static long space_fork(struct kthread *t, struct fw_proc *proc,
		       struct fw_space **ret)
{
	enum fw_status s;

	if (t->p->host_maps > 4096)
		hostmap_drop_spare(t);
	s = fw_space_fork_locked(t->p->mm, t->actor, t->p->space, ret);
	if (s != FW_OK)
		return -ENOMEM;
	/* Before anybody can see the record: whose space it is, is how a child
	 * that lives in its parent's is told from one that has its own. */
	fw_space_port(*ret)->owner_serial = proc->serial;
	fw_space_hand_over(t->p->mm, t->actor, *ret, &proc->space);
	return 0;
}

/*
 * Makes the child's space; on success the parent's lock is held. The frames
 * that were made available may be gone before the lock is ours: then again.
 */
static long fork_space_locking(struct kthread *t, struct fw_proc *proc,
			       struct fw_space **ret)
{
	struct fw_space *mine = t->p->space;

	for (unsigned tries = 0; tries < FORK_TRIES; tries++) {
		if (!fw_make_room(t->p->mm, t->actor, mine,
				  fw_space_fork_need(mine)))
			break;
		fw_space_lock(mine, t->actor);
		if (!space_fork(t, proc, ret))
			return 0;
		fw_space_unlock(mine);
	}
	return -ENOMEM;
}

static long after_fork(struct kthread *t, const struct clone_request *rq,
		       long pid)
{
	uint32_t tid = (uint32_t)pid;

	if (rq->flags & CLONE_PARENT_SETTID)
		user_write(t, rq->ptid, &tid, 4);
	if (rq->flags & CLONE_PIDFD) {
		int32_t fd = (int32_t)HC2(434 /* pidfd_open */, pid, 0);

		user_write(t, rq->pidfd, &fd, 4);
	}
	return pid;
}

/*
 * The host's fork. A signal that came before it is handled before it, as at
 * Linux: the child is not to be without it. One for the child waits at the
 * host until the child is a process of its own that can take it. The host
 * itself notes the child's pid, before the child runs: it may be dead and its
 * record another's when we run again.
 */
static long host_fork(struct kthread *t, struct fw_proc *proc,
		      const struct clone_request *rq)
{
	uint64_t old = signals_block();
	long pid = K_ERESTART;

	if (!t->pending)
		pid = HC5(__NR_clone,
			  (rq->flags & ~CLONE_OURS) | rq->exit_signal |
				  CLONE_PARENT_SETTID,
			  0, &proc->pid, 0, 0);
	if (pid != 0)
		signals_restore(old);
	return pid;
}

static long do_fork(struct kthread *t, struct ucontext *uc,
		    struct clone_request *rq)
{
	struct kproc *p = t->p;
	struct fw_proc *proc = proc_add(t, 0, p->pid);
	struct fw_space *child = NULL, *mine = p->space;
	long pid;

	if (!proc)
		return -ENOMEM;
	regions_lock(t);
	pid = fork_space_locking(t, proc, &child);
	if (pid) {
		regions_unlock(t);
		proc_remove(t, proc);
		return pid;
	}
	rq->inherited = hostmap_inherited(t);
	pid = host_fork(t, proc, rq);
	if (pid == 0) {
		fork_child(t, proc, child, uc, rq);
		return 0;
	}
	fw_space_unlock(mine);
	regions_unlock(t);
	if (K_IS_ERR(pid))
		return fork_failed(t, proc, child, pid);
	return after_fork(t, rq, pid);
}

/* ---- vfork -------------------------------------------------------------- */

struct vchild {
	struct kthread *t;
	struct ucontext *uc;
	struct fw_proc *proc;
	uint64_t serial;
	bool clears; /* CLONE_CLEAR_SIGHAND */
	struct kproc p;
};

static void vfork_main(void *arg)
{
	struct vchild *v = arg;
	struct kthread *t = v->t;

	kthread_adopt(t);
	agent_is_not(t, t->tid);
	v->p.pid = (uint32_t)HC0(__NR_getpid);
	v->proc->pid = v->p.pid;
	v->proc->state = FW_PROC_RUNS;
	t->actor->host_tid = t->tid;
	t->actor->host_pid = v->p.pid;
	if (v->clears)
		signals_default(t);
	fs_leave(t);
	k_resume(v->uc);
}

static bool has_exited(long pid)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	/* P_PID, WEXITED | WNOHANG | WNOWAIT | __WALL */
	return HC5(__NR_waitid, 1, pid, &info, 0x41000005, 0) != 0 ||
	       info.si_signo != 0;
}

/* The host lets us go on before a child that ends can be seen to have ended;
 * but one that does not exec cannot leave otherwise. */
static bool has_not_execed(struct kthread *t, const struct vchild *v)
{
	const struct fw_proc *p;
	bool is;

	procs_lock(t);
	for (p = t->p->run->procs; p && p != v->proc; p = p->next)
		;
	is = p && p->serial == v->serial && p->space == t->p->space &&
	     p->state != FW_PROC_EXECS;
	procs_unlock(t);
	return is;
}

/*
 * The child is out of our space: it has exec'ed (its new image looks after
 * the record and the count of users) or died (we do).
 */
static void vfork_done(struct kthread *t, struct vchild *v, long pid)
{
	struct fw_space *space = t->p->space;

	if ((has_not_execed(t, v) || has_exited(pid)) &&
	    proc_leave_space(t, v->proc, space, v->serial, false)) {
		proc_reap_actors(t, v->serial, 0);
		__atomic_sub_fetch(&fw_space_port(space)->users, 1,
				   __ATOMIC_SEQ_CST);
		proc_remove(t, v->proc);
	}
	t->p->proc->image.brk = t->p->regions->brk_end;
	kthread_free(v->t);
	window_close((uint64_t)v, sizeof(*v));
}

static struct vchild *vfork_prepare(struct kthread *t,
				    const struct ucontext *uc,
				    const struct clone_request *rq)
{
	long at = private_map(t, sizeof(struct vchild));
	struct vchild *v = (struct vchild *)at;

	if (K_IS_ERR(at))
		return NULL;
	memcpy(&v->p, t->p, sizeof(v->p));
	v->p.vfork_child = 1;
	v->clears = rq->flags & CLONE_CLEAR_SIGHAND;
	v->p.odd_children = 0;
	v->p.n_threads = 1;
	v->p.sig_lock = 0;
	v->proc = proc_add(t, 0, t->p->pid);
	v->p.proc = v->proc;
	v->t = v->proc ? kthread_create(&v->p) : NULL;
	if (!v->t || kthread_actor(v->t, t))
		return NULL; /* memory is exhausted: the little is let go */
	v->serial = v->proc->serial;
	v->proc->space = t->p->space;
	v->t->guest_mask = t->guest_mask;
	v->t->guest_fs = rq->flags & CLONE_SETTLS ? rq->tls : t->guest_fs;
	v->t->alt_sp = t->alt_sp;
	v->t->alt_size = t->alt_size;
	v->t->alt_flags = t->alt_flags;
	v->uc = kthread_copy_frame(v->t, uc);
	v->uc->uc_mcontext.rax = 0;
	if (rq->stack)
		v->uc->uc_mcontext.rsp = rq->stack;
	return v;
}

static long do_vfork(struct kthread *t, const struct ucontext *uc,
		     const struct clone_request *rq)
{
	struct fw_space_port *sp = fw_space_port(t->p->space);
	struct vchild *v = vfork_prepare(t, uc, rq);
	uint64_t all = ~0ull, old;
	long pid;

	if (!v)
		return -ENOMEM;
	__atomic_add_fetch(&sp->users, 1, __ATOMIC_SEQ_CST);
	HC4(__NR_rt_sigprocmask, 2, &all, &old, 8);
	pid = k_clone((rq->flags & ~CLONE_OURS) | CLONE_VM | CLONE_VFORK |
			      CLONE_PARENT_SETTID | rq->exit_signal,
		      (uint64_t)v->uc - 256, (uint64_t)&v->proc->pid, 0, 0,
		      vfork_main, v);
	HC4(__NR_rt_sigprocmask, 2, &old, 0, 8);
	if (K_IS_ERR(pid)) {
		__atomic_sub_fetch(&sp->users, 1, __ATOMIC_SEQ_CST);
		fw_actor_destroy(t->p->mm, t->actor, v->t->actor);
		proc_remove(t, v->proc);
		kthread_free(v->t);
		window_close((uint64_t)v, sizeof(*v));
		return pid;
	}
	vfork_done(t, v, pid);
	return after_fork(t, rq, pid);
}

/* ---- the calls ---------------------------------------------------------- */

/* There is to be a descriptor for the child before there is the child. */
static long look_for_room(const struct kthread *t,
			  const struct clone_request *rq)
{
	long fd;

	if (!(rq->flags & CLONE_PIDFD))
		return 0;
	fd = HC2(434 /* pidfd_open */, t->p->pid, 0);
	return fd < 0 ? fd : HC1(__NR_close, fd);
}

static long do_clone(struct kthread *t, struct ucontext *uc,
		     struct clone_request *rq)
{
	long r;

	if (t->p->run->state == FW_RUN_ENDING)
		return -EAGAIN;
	if ((rq->flags & CLONE_INTO_CGROUP) ||
	    ((rq->flags & CLONE_SIGHAND) && (rq->flags & CLONE_CLEAR_SIGHAND)))
		return -EINVAL;
	if (rq->flags & CLONE_THREAD)
		return thread_clone(t, uc, rq);
	if (rq->flags & CLONE_SIGHAND)
		return -EINVAL;
	if (rq->flags & CLONE_NEWPID) {
		os_refused(t, FW_REFUSED_PID_NAMESPACE);
		return -EPERM;
	}
	r = look_for_room(t, rq);
	if (r)
		return r;
	if (rq->exit_signal != SIGCHLD)
		t->p->odd_children = 1;
	if ((rq->flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK))
		return do_vfork(t, uc, rq);
	if (rq->flags & CLONE_VM)
		return -EINVAL;
	return do_fork(t, uc, rq);
}

long sys_fork(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct clone_request rq = { .exit_signal = SIGCHLD };

	(void)a;
	return do_clone(t, uc, &rq);
}

long sys_vfork(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct clone_request rq = { .flags = CLONE_VM | CLONE_VFORK,
				    .exit_signal = SIGCHLD };

	(void)a;
	return do_clone(t, uc, &rq);
}

long sys_clone(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct clone_request rq = {
		.flags = (uint32_t)a[0] & ~CSIGNAL,
		.exit_signal = (uint32_t)((uint64_t)a[0] & CSIGNAL),
		.stack = (uint64_t)a[1],
		.ptid = (uint64_t)a[2],
		.ctid = (uint64_t)a[3],
		.tls = (uint64_t)a[4],
		.pidfd = (uint64_t)a[2],
	};

	/* One word for the two. */
	if ((rq.flags & CLONE_PIDFD) && (rq.flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	return do_clone(t, uc, &rq);
}

struct k_clone_args { /* struct clone_args, third version */
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
	uint64_t stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

/* As the host reads it: what it does not know must be 0. */
static long read_clone_args(struct kthread *t, uint64_t at, uint64_t size,
			    struct k_clone_args *ret)
{
	uint64_t known = size < sizeof(*ret) ? size : sizeof(*ret);
	uint8_t byte;

	memset(ret, 0, sizeof(*ret));
	if (size > FW_PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_FIRST)
		return -EINVAL;
	for (uint64_t i = known; i < size; i++) {
		if (user_read(t, &byte, at + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return user_read(t, ret, at, known) ? -EFAULT : 0;
}

/* -EPERM: a thread's number cannot be chosen in a run. */
static long check_clone_args(const struct k_clone_args *args)
{
	if (args->exit_signal & ~CSIGNAL || args->flags & CSIGNAL)
		return -EINVAL;
	if (!args->stack != !args->stack_size ||
	    !args->set_tid != !args->set_tid_size)
		return -EINVAL;
	if ((args->flags & (CLONE_THREAD | CLONE_PARENT)) && args->exit_signal)
		return -EINVAL;
	return args->set_tid ? -EPERM : 0;
}

long sys_clone3(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct k_clone_args args;
	struct clone_request rq;
	long r = read_clone_args(t, (uint64_t)a[0], (uint64_t)a[1], &args);

	if (!r)
		r = check_clone_args(&args);
	if (r)
		return r;
	rq = (struct clone_request){
		.flags = args.flags,
		.exit_signal = (uint32_t)args.exit_signal,
		.stack = args.stack ? args.stack + args.stack_size : 0,
		.ptid = args.parent_tid,
		.ctid = args.child_tid,
		.tls = args.tls,
		.pidfd = args.pidfd,
	};
	return do_clone(t, uc, &rq);
}
