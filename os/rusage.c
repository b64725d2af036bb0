/* SPDX-License-Identifier: MIT */
/*
 * rusage.c - faults and memory in getrusage, wait4 and waitid (children.c).
 *
 * Times and switches are the host's. Its faults are those of a cache that is
 * filled and dropped, and its resident memory contains the kernel half: these
 * come from our own counters. A process that ends adds up what it had, for
 * its parent and in a short list of those that ended last (fw_run.ended),
 * before the host knows of its end; its agent does so when it was killed.
 */
#include "os/buffers.h"
#include "os/regions.h"

#define RUSAGE_BYTES 144
#define RU_MAXRSS 32
#define RU_MINFLT 64
#define WHO_CHILDREN (-1)
#define WHO_SELF 0
#define WHO_THREAD 1
#define KIB(pages) ((pages) << (FW_PAGE_SHIFT - 10))

struct sum {
	uint64_t serial;
	uint32_t except;
	struct fw_usage u;
};

static void add_actor(struct fw_usage *u, const struct fw_actor *actor)
{
	for (unsigned k = 0; k < FW_KIND_COUNT; k++) {
		enum fw_fault_class class = fw_kind_class((enum fw_kind)k);

		if (class == FW_CLASS_HARD)
			u->major += actor->fault_count[k];
		else if (class != FW_CLASS_NONE && class != FW_CLASS_VIOLATION)
			u->minor += actor->fault_count[k];
	}
}

static void sum_visit(struct fw_actor *actor, void *arg)
{
	struct sum *s = arg;

	if (actor->port_ptr == s->serial && actor->id != s->except)
		add_actor(&s->u, actor);
}

static void add_usage(struct fw_usage *to, const struct fw_usage *u)
{
	__atomic_add_fetch(&to->minor, u->minor, __ATOMIC_RELAXED);
	__atomic_add_fetch(&to->major, u->major, __ATOMIC_RELAXED);
	if (u->peak > to->peak)
		to->peak = u->peak;
}

/* All of a process: its threads, those that ended, its former images. */
static struct fw_usage usage_of(struct kthread *t, const struct fw_proc *proc,
				const struct fw_space *space)
{
	struct sum s = {.serial = proc->serial};

	fw_actor_each(t->p->mm, t->actor, sum_visit, &s);
	s.u.peak = space ? space->peak : 0;
	if (space && fw_space_resident(space) > s.u.peak)
		s.u.peak = fw_space_resident(space);
	add_usage(&s.u, &proc->past);
	return s.u;
}

/* ---- the ends of threads, images and processes -------------------------- */

void usage_thread_ends(struct kthread *t)
{
	struct fw_usage u = {.minor = 0};

	add_actor(&u, t->actor);
	add_usage(&t->p->proc->past, &u);
}

void usage_image_begins(struct kthread *t)
{
	struct sum s = {.serial = t->p->proc->serial, .except = t->actor->id};

	fw_actor_each(t->p->mm, t->actor, sum_visit, &s);
	if (t->p->proc->old_space)
		s.u.peak = t->p->proc->old_space->peak;
	add_usage(&t->p->proc->past, &s.u);
}

void usage_process_ends(struct kthread *t)
{
	struct fw_proc *proc = t->p->proc, *parent;
	struct fw_run *run = t->p->run;
	struct fw_ended *e;
	struct fw_usage u;

	if (!proc || __atomic_exchange_n(&proc->reported, 1, __ATOMIC_SEQ_CST))
		return;
	u = usage_of(t, proc, t->p->space);
	e = &run->ended[__atomic_fetch_add(&run->n_ended, 1, __ATOMIC_RELAXED) %
			FW_ENDED];
	e->pid = 0;
	e->usage = u;
	__atomic_store_n(&e->pid, proc->pid, __ATOMIC_RELEASE);
	add_usage(&u, &proc->children);
	parent = proc_find(t, proc->parent_pid);
	if (parent)
		add_usage(&parent->children, &u);
}

/* ---- what programs ask -------------------------------------------------- */

static long put_usage(struct kthread *t, uint64_t at, const struct fw_usage *u)
{
	uint64_t rss = KIB(u->peak), faults[2] = {u->minor, u->major};

	return user_write(t, at + RU_MAXRSS, &rss, sizeof(rss)) ||
			       user_write(t, at + RU_MINFLT, faults,
					  sizeof(faults))
		       ? -EFAULT
		       : 0;
}

long sys_getrusage(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct fw_usage u = {.minor = 0};
	struct buffers b;
	long r;

	(void)uc;
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[1], RUSAGE_BYTES, FW_ACC_WRITE);
	r = buf_call(&b, __NR_getrusage, a, BUF_AGAIN);
	if (r)
		return r;
	switch ((int)a[0]) {
	case WHO_CHILDREN:
		u = t->p->proc->children;
		break;
	case WHO_THREAD:
		u = usage_of(t, t->p->proc, t->p->space);
		u.minor = u.major = 0;
		add_actor(&u, t->actor);
		break;
	default:
		u = usage_of(t, t->p->proc, t->p->space);
		break;
	}
	return put_usage(t, (uint64_t)a[1], &u);
}

void usage_put_ended(struct kthread *t, uint32_t pid, uint64_t at)
{
	const struct fw_run *run = t->p->run;
	uint32_t n = run->n_ended;

	for (uint32_t i = 1; i <= FW_ENDED && i <= n; i++) {
		const struct fw_ended *e = &run->ended[(n - i) % FW_ENDED];

		if (e->pid != pid)
			continue;
		put_usage(t, at, &e->usage);
		return;
	}
}
