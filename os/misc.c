/* SPDX-License-Identifier: MIT */
/*
 * misc.c - calls that must not touch what belongs to the run.
 *
 * The run's descriptors (FW_FD_*) lie at fixed high numbers in every guest:
 * closing or replacing one is EBADF, as if it were not open. Limits on
 * memory would hit the kernel half's own mappings and the page files: they
 * are kept here and shown to the guest, and the host's stay as they are.
 */
#include <linux/fcntl.h>
#include <linux/resource.h>

#include "os/buffers.h"
#include "os/procview.h"

/* ---- descriptors -------------------------------------------------------- */

long sys_close(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (k_fd_reserved(t, (int)a[0]))
		return -EBADF;
	return HC1(__NR_close, a[0]);
}

long sys_dup2(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (k_fd_reserved(t, (int)a[0]) || k_fd_reserved(t, (int)a[1]))
		return -EBADF;
	return HC2(__NR_dup2, a[0], a[1]);
}

long sys_dup3(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if (k_fd_reserved(t, (int)a[0]) || k_fd_reserved(t, (int)a[1]))
		return -EBADF;
	return HC3(__NR_dup3, a[0], a[1], a[2]);
}

/* The range is closed in two parts, below and above the reserved ones. */
long sys_close_range(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint32_t low = (uint32_t)a[0], high = (uint32_t)a[1];
	uint32_t first = t->p->run->fd_first;
	uint32_t after = first + FW_FD_COUNT;
	long ret = 0;

	(void)uc;
	if (low > high || high < first || low >= after)
		return HC3(__NR_close_range, low, high, a[2]);
	if (low < first)
		ret = HC3(__NR_close_range, low, first - 1, a[2]);
	if (!ret && high >= after)
		ret = HC3(__NR_close_range, after, high, a[2]);
	return ret;
}

/* ---- the program's own name --------------------------------------------- */

void os_exe_name(struct kthread *t, long fd, const char *otherwise)
{
	char link[32] = "/proc/self/fd/", digits[12];
	size_t at = k_strlen(link), n = 0;
	long len;

	do
		digits[n++] = (char)('0' + fd % 10);
	while (fd /= 10);
	while (n)
		link[at++] = digits[--n];
	link[at] = 0;
	len = HC3(__NR_readlink, link, t->p->exe, sizeof(t->p->exe) - 1);
	if (len > 0 && t->p->exe[0] == '/')
		t->p->exe[len] = 0;
	else
		memcpy(t->p->exe, otherwise, k_strlen(otherwise) + 1);
	view_exe(t->p);
}

/* ---- limits ------------------------------------------------------------- */

#define OUR_LIMITS                                                             \
	(1u << RLIMIT_AS | 1u << RLIMIT_DATA | 1u << RLIMIT_RSS |              \
	 1u << RLIMIT_MEMLOCK | 1u << RLIMIT_FSIZE)

struct limit {
	uint64_t cur, max;
};

static bool limit_is_ours(uint64_t which)
{
	return which < 16 && (OUR_LIMITS & 1u << which);
}

static long limit_get(struct kthread *t, uint64_t which, struct limit *ret)
{
	struct kproc *p = t->p;

	if (limit_is_ours(which) && (p->limits_set & 1u << which)) {
		ret->cur = p->limit_cur[which];
		ret->max = p->limit_max[which];
		return 0;
	}
	return HC4(__NR_prlimit64, 0, which, 0, ret);
}

long limit_read(struct kthread *t, uint32_t which, uint64_t *ret_cur,
		uint64_t *ret_max)
{
	struct limit l;
	long ret = limit_get(t, which, &l);

	if (ret)
		return ret;
	*ret_cur = l.cur;
	*ret_max = l.max;
	return 0;
}

/* A limit of ours: checked as Linux checks it, then kept. */
static long limit_set(struct kthread *t, uint64_t which,
		      const struct limit *new)
{
	struct kproc *p = t->p;
	struct limit old;
	long ret;

	if (!limit_is_ours(which))
		return HC4(__NR_prlimit64, 0, which, new, 0);
	ret = limit_get(t, which, &old);
	if (ret)
		return ret;
	if (new->cur > new->max)
		return -EINVAL;
	if (new->max > old.max && HC0(__NR_geteuid) != 0)
		return -EPERM;
	p->limit_cur[which] = new->cur;
	p->limit_max[which] = new->max;
	__atomic_fetch_or(&p->limits_set, 1u << which, __ATOMIC_RELEASE);
	return 0;
}

bool limit_allows(struct kthread *t, uint64_t more)
{
	const struct kproc *p = t->p;

	return !(p->limits_set & 1u << RLIMIT_AS) ||
	       (p->space->mapped << FW_PAGE_SHIFT) + more <=
		       p->limit_cur[RLIMIT_AS];
}

void limits_leave(const struct kproc *p)
{
	struct fw_proc *proc = p->proc;

	memcpy(proc->exec_limit_cur, p->limit_cur, sizeof(p->limit_cur));
	memcpy(proc->exec_limit_max, p->limit_max, sizeof(p->limit_max));
	proc->exec_limits = p->limits_set;
}

void limits_join(struct kproc *p)
{
	const struct fw_proc *proc = p->proc;

	memcpy(p->limit_cur, proc->exec_limit_cur, sizeof(p->limit_cur));
	memcpy(p->limit_max, proc->exec_limit_max, sizeof(p->limit_max));
	p->limits_set = proc->exec_limits;
}

/* set and ret are the guest's addresses; NULL for neither. */
static long limit_call(struct kthread *t, uint64_t which, uint64_t set,
		       uint64_t get)
{
	struct limit new, old;
	long ret;

	if (set && user_read(t, &new, set, sizeof(new)))
		return -EFAULT;
	ret = limit_get(t, which, &old);
	if (!ret && set)
		ret = limit_set(t, which, &new);
	if (!ret && get && user_write(t, get, &old, sizeof(old)))
		return -EFAULT;
	return ret;
}

long sys_prlimit64(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct buffers b;

	(void)uc;
	if (!a[0] || (uint32_t)a[0] == t->p->pid)
		return limit_call(t, (uint32_t)a[1], (uint64_t)a[2],
				  (uint64_t)a[3]);
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[2], sizeof(struct limit), FW_ACC_READ);
	buf_add(&b, (uint64_t)a[3], sizeof(struct limit), FW_ACC_WRITE);
	return buf_call(&b, __NR_prlimit64, a, BUF_AGAIN);
}

long sys_setrlimit(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return a[1] ? limit_call(t, (uint32_t)a[0], (uint64_t)a[1], 0)
		    : -EFAULT;
}

long sys_getrlimit(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return a[1] ? limit_call(t, (uint32_t)a[0], 0, (uint64_t)a[1])
		    : -EFAULT;
}
