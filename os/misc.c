/* SPDX-License-Identifier: MIT */
/*
 * misc.c - calls that must not touch what belongs to the run.
 *
 * The run's descriptors (FW_FD_*) lie at fixed high numbers in every guest:
 * closing or replacing one is EBADF, as if it were not open.
 */
#include <linux/fcntl.h>

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
