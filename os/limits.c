/* SPDX-License-Identifier: MIT */
/*
 * limits.c - resource limits.
 *
 * Those on memory and on the size of files would hit the kernel half's own
 * mappings and the page files: they are kept in the process's record, checked
 * by the calls that they are about, and the host's are as high as the user
 * may set them. That on descriptors is the host's too, but its maximum is
 * kept: the run's own descriptors lie there. All others are the host's.
 */
#include <linux/capability.h>
#include <linux/resource.h>

#include "arch/host/proclist.h"
#include "os/buffers.h"
#include "os/regions.h"
#include "os/view.h"

_Static_assert(RLIMIT_AS == LIMIT_AS && RLIMIT_DATA == LIMIT_DATA &&
		       RLIMIT_MEMLOCK == LIMIT_MEMLOCK &&
		       RLIMIT_FSIZE == LIMIT_FSIZE &&
		       RLIMIT_NOFILE == LIMIT_NOFILE &&
		       RLIMIT_STACK == LIMIT_STACK,
	       "numbers of limits");

#define OUR_LIMITS                                                             \
	(1u << RLIMIT_AS | 1u << RLIMIT_DATA | 1u << RLIMIT_RSS |              \
	 1u << RLIMIT_MEMLOCK | 1u << RLIMIT_FSIZE | 1u << RLIMIT_NOFILE)

struct limit {
	uint64_t cur, max;
};

bool capable(unsigned capability)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0, 0, 0}};

	HC2(__NR_capget, &head, data);
	return data[capability / 32].effective & 1u << capability % 32;
}

static bool limit_is_ours(uint64_t which)
{
	return which < RLIM_NLIMITS && OUR_LIMITS & 1u << which;
}

/* ---- kept for this process ---------------------------------------------- */

void limits_first(struct kthread *t)
{
	const struct fw_run *run = t->p->run;
	struct fw_proc *proc = t->p->proc;

	memcpy(proc->limit_cur, run->limit_cur, sizeof(proc->limit_cur));
	memcpy(proc->limit_max, run->limit_max, sizeof(proc->limit_max));
}

uint64_t limit_now(struct kthread *t, unsigned which)
{
	struct limit l = {~0ull, ~0ull};

	if (limit_is_ours(which))
		return t->p->proc->limit_cur[which];
	HC4(__NR_prlimit64, 0, which, 0, &l);
	return l.cur;
}

static long limit_get(struct kthread *t, struct fw_proc *proc, uint64_t which,
		      struct limit *ret)
{
	if (!limit_is_ours(which))
		return HC4(__NR_prlimit64,
			   proc == t->p->proc ? 0 : proc->pid, which, 0, ret);
	ret->cur = proc->limit_cur[which];
	ret->max = proc->limit_max[which];
	return 0;
}

long limit_read(struct kthread *t, uint32_t pid, uint32_t which,
		uint64_t *ret_cur, uint64_t *ret_max)
{
	const struct fw_proc *p;
	struct limit l;
	long ret = -ESRCH;

	procs_lock(t);
	p = proclist_find(t->p->run, pid);
	if (p && limit_is_ours(which)) {
		l = (struct limit){p->limit_cur[which], p->limit_max[which]};
		ret = 0;
	}
	procs_unlock(t);
	if (!limit_is_ours(which))
		ret = HC4(__NR_prlimit64, pid, which, 0, &l);
	if (ret)
		return ret;
	*ret_cur = l.cur;
	*ret_max = l.max;
	return 0;
}

/* The host knows how many descriptors there may be; the maximum stays. */
static long limit_files(const struct fw_proc *proc, const struct limit *new)
{
	struct limit host;
	long r = HC4(__NR_prlimit64, proc->pid, RLIMIT_NOFILE, 0, &host);

	host.cur = new->cur;
	if (host.max < host.cur)
		host.max = new->max;
	return r ? r
		 : HC4(__NR_prlimit64, proc->pid, RLIMIT_NOFILE, &host, 0);
}

static bool files_are_few(const struct kthread *t)
{
	return t->p->proc->limit_cur[RLIMIT_NOFILE] <=
	       t->p->run->fd_first + FW_FD_COUNT;
}

void limit_files_lift(struct kthread *t)
{
	struct limit host;

	if (!files_are_few(t) ||
	    HC4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &host))
		return;
	host.cur = host.max;
	HC4(__NR_prlimit64, 0, RLIMIT_NOFILE, &host, 0);
}

void limit_files_settle(struct kthread *t)
{
	struct limit host;

	if (!files_are_few(t) ||
	    HC4(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, &host))
		return;
	host.cur = t->p->proc->limit_cur[RLIMIT_NOFILE];
	HC4(__NR_prlimit64, 0, RLIMIT_NOFILE, &host, 0);
}

/* A limit of ours: checked as Linux checks it, then kept. */
static long limit_set(struct kthread *t, struct fw_proc *proc, uint64_t which,
		      const struct limit *new, const struct limit *old)
{
	long r = 0;

	if (!limit_is_ours(which))
		return HC4(__NR_prlimit64,
			   proc == t->p->proc ? 0 : proc->pid, which, new, 0);
	if (new->cur > new->max)
		return -EINVAL;
	if (new->max > old->max && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (which == RLIMIT_NOFILE)
		r = limit_files(proc, new);
	if (r)
		return r;
	proc->limit_cur[which] = new->cur;
	proc->limit_max[which] = new->max;
	return 0;
}

/* set and get are the guest's addresses; NULL for neither. */
static long limit_call(struct kthread *t, struct fw_proc *proc, uint64_t which,
		       uint64_t set, uint64_t get)
{
	struct limit new, old;
	long ret;

	if (set && user_read(t, &new, set, sizeof(new)))
		return -EFAULT;
	ret = limit_get(t, proc, which, &old);
	if (!ret && set)
		ret = limit_set(t, proc, which, &new, &old);
	if (!ret && get && user_write(t, get, &old, sizeof(old)))
		return -EFAULT;
	return ret;
}

/* Another guest's record, when the host lets us at its limits. */
static struct fw_proc *other_guest(struct kthread *t, uint32_t pid)
{
	struct limit l;

	if (HC4(__NR_prlimit64, pid, RLIMIT_NOFILE, 0, &l))
		return NULL;
	return proc_find(t, pid);
}

long sys_prlimit64(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint32_t pid = proc_of_thread(t, (uint32_t)a[0]);
	struct fw_proc *proc = t->p->proc;
	struct buffers b;

	(void)uc;
	if (pid && pid != t->p->pid)
		proc = other_guest(t, pid);
	if (proc)
		return limit_call(t, proc, (uint32_t)a[1], (uint64_t)a[2],
				  (uint64_t)a[3]);
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[2], sizeof(struct limit), FW_ACC_READ);
	buf_add(&b, (uint64_t)a[3], sizeof(struct limit), FW_ACC_WRITE);
	return buf_call(&b, __NR_prlimit64, a, BUF_AGAIN);
}

long sys_setrlimit(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return a[1] ? limit_call(t, t->p->proc, (uint32_t)a[0], (uint64_t)a[1],
				 0)
		    : -EFAULT;
}

long sys_getrlimit(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct limit l;
	long r = limit_get(t, t->p->proc, (uint32_t)a[0], &l);

	(void)uc;
	if (!r && user_write(t, (uint64_t)a[1], &l, sizeof(l)))
		r = -EFAULT;
	return r;
}

/* ---- memory ------------------------------------------------------------- */

/* Pages of data, as Linux counts them: private and writable. */
static uint64_t data_pages(struct kthread *t)
{
	uint64_t pages = 0;

	fw_space_lock(t->p->space, t->actor);
	for (struct fw_vad *v = fw_vad_at_or_above(t->p->space, 0); v;
	     v = fw_vad_next(v))
		if (vad_is_data(v))
			pages += v->end - v->start;
	fw_space_unlock(t->p->space);
	return pages;
}

uint64_t mapped_pages(struct kthread *t)
{
	uint64_t pages = t->p->space->mapped + view_vdso_pages(t);
	struct fw_vad v;

	if (region_from(t, t->p->stack_top - 1, &v) &&
	    v.flags & FW_VADF_STACK && v.stack_low > v.start)
		pages -= v.stack_low - v.start;
	return pages;
}

uint64_t mapped_within(struct kthread *t, uint64_t start, uint64_t len)
{
	uint64_t end = start + len, bytes = 0, from, to;
	struct fw_vad *v;

	fw_space_lock(t->p->space, t->actor);
	v = fw_vad_at_or_above(t->p->space, start);
	for (; v && vad_start(v) < end; v = fw_vad_next(v)) {
		from = vad_start(v) > start ? vad_start(v) : start;
		to = vad_end(v) < end ? vad_end(v) : end;
		if (v->flags & FW_VADF_STACK && from < v->stack_low
							  << FW_PAGE_SHIFT)
			from = v->stack_low << FW_PAGE_SHIFT;
		bytes += to > from ? to - from : 0;
	}
	fw_space_unlock(t->p->space);
	return bytes;
}

bool limits_allow(struct kthread *t, uint64_t more, bool data)
{
	uint64_t as = limit_now(t, RLIMIT_AS), most = limit_now(t, RLIMIT_DATA);
	uint64_t pages = more >> FW_PAGE_SHIFT, sum;

	if (as != ~0ull && mapped_pages(t) + pages > as >> FW_PAGE_SHIFT)
		return false;
	if (!data || most == ~0ull)
		return true;
	sum = data_pages(t) + pages;
	if (sum <= most >> FW_PAGE_SHIFT)
		return true;
	/* A soft limit of 0 counts as the hard one, as at Linux. */
	return !most &&
	       sum <= t->p->proc->limit_max[RLIMIT_DATA] >> FW_PAGE_SHIFT;
}

/* ---- the size of files -------------------------------------------------- */

long limit_file_end(struct kthread *t, uint64_t end)
{
	if (end <= limit_now(t, RLIMIT_FSIZE))
		return 0;
	HC3(__NR_tgkill, t->p->pid, t->tid, SIGXFSZ);
	return -EFBIG;
}
