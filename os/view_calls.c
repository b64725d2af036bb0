/* SPDX-License-Identifier: MIT */
/* view_calls.c - sysinfo, and listing folders. */
#include <linux/sysinfo.h>

#include "os/buffers.h"
#include "os/view.h"

long sys_sysinfo(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct sysinfo s;
	long ret = HC1(__NR_sysinfo, &s);

	(void)uc;
	if (ret)
		return ret;
	view_sysinfo(t, &s);
	return user_write(t, (uint64_t)a[0], &s, sizeof(s)) ? -EFAULT : 0;
}

/* Entries that do not fit are given by the next call. */
static long list(struct kthread *t, long nr, const long a[6])
{
	long args[6] = {a[0], a[1], (uint32_t)a[2]}, ret = view_list(t, nr, a);
	struct buffers b;

	if (ret != VIEW_NOT)
		return ret;
	buf_init(&b, t);
	args[2] = (long)buf_add(&b, (uint64_t)a[1], (uint64_t)args[2],
				FW_ACC_WRITE);
	return buf_call(&b, nr, args, BUF_AGAIN);
}

long sys_getdents(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return list(t, __NR_getdents, a);
}

long sys_getdents64(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return list(t, __NR_getdents64, a);
}
