/* SPDX-License-Identifier: MIT */
/*
 * ucopy.c - the guest's memory, as the kernel half reads and writes it.
 *
 * Ordinary memory is reached by walking the tables, through the direct map
 * (fw_copy_in, fw_copy_out): no fault, no host mapping. Host views have no
 * frame; they are reached at their own address, made resident by an
 * announcement, with a copy that may fault. The vdso is simply there.
 */
#include "arch/host/kernel/trap.h"

static bool in_vdso(const struct kthread *t, uint64_t addr, uint64_t len)
{
	return addr >= t->p->vdso_start && addr + len <= t->p->vdso_end &&
	       addr + len >= addr;
}

bool user_range_ok(struct kthread *t, uint64_t addr, uint64_t len)
{
	if (addr + len < addr)
		return false;
	return addr + len <= FW_USER_TOP || in_vdso(t, addr, len);
}

/* Copies what lies in a host view or the vdso; the bytes copied. */
static uint64_t copy_direct(struct kthread *t, uint64_t user, void *ours,
			    uint64_t len, bool write)
{
	struct fw_range r = { user, len, write ? FW_ACC_WRITE : FW_ACC_READ,
			      0 };
	uint64_t page_left = FW_PAGE_SIZE - (user & FW_PAGE_MASK), left;
	unsigned ok = 0;
	uint64_t bytes = 0;

	if (r.len > page_left)
		r.len = page_left;
	if (in_vdso(t, user, r.len))
		return write ? 0
			     : r.len -
				       copy_fixup(ours, (void *)user, r.len);
	if (user_announce(t, &r, 1, &ok, &bytes)) {
		user_withdraw(t);
		return 0;
	}
	left = write ? copy_fixup((void *)user, ours, r.len)
		     : copy_fixup(ours, (void *)user, r.len);
	user_withdraw(t);
	return r.len - left;
}

static long copy(struct kthread *t, uint64_t user, void *ours, uint64_t len,
		 bool write)
{
	struct kproc *p = t->p;

	if (!user_range_ok(t, user, len))
		return -EFAULT;
	while (len) {
		uint64_t n = write ? fw_copy_out(p->mm, t->actor, p->space,
						 user, ours, len)
				   : fw_copy_in(p->mm, t->actor, p->space, ours,
						user, len);

		if (n == 0)
			n = copy_direct(t, user, ours, len, write);
		if (n == 0)
			return -EFAULT;
		user += n;
		ours = (uint8_t *)ours + n;
		len -= n;
	}
	return 0;
}

long user_read(struct kthread *t, void *to, uint64_t from, uint64_t len)
{
	return copy(t, from, to, len, false);
}

long user_write(struct kthread *t, uint64_t to, const void *from, uint64_t len)
{
	return copy(t, to, (void *)(uintptr_t)from, len, true);
}

long user_string(struct kthread *t, char *to, uint64_t from, uint64_t size)
{
	uint64_t got = 0;

	while (got < size) {
		uint64_t n = FW_PAGE_SIZE - ((from + got) & FW_PAGE_MASK);

		if (n > size - got)
			n = size - got;
		if (user_read(t, to + got, from + got, n))
			return -EFAULT;
		for (uint64_t i = got; i < got + n; i++)
			if (!to[i])
				return (long)i;
		got += n;
	}
	return -ENAMETOOLONG;
}

long user_announce(struct kthread *t, const struct fw_range *r, unsigned n,
		   unsigned *ret_ok, uint64_t *ret_bytes)
{
	enum fw_status s = fw_announce(t->p->mm, t->actor, t->p->space, r, n,
				       ret_ok, ret_bytes);

	while (s == FW_E_NOMEM ||
	       (s == FW_E_FAULT && os_grow_down(t, r[*ret_ok].start +
							   *ret_bytes))) {
		if (s == FW_E_NOMEM)
			oom_kill(t);
		s = fw_announce(t->p->mm, t->actor, t->p->space, r, n, ret_ok,
				ret_bytes);
	}
	if (s == FW_OK)
		return 0;
	return s == FW_E_LIMIT ? -E2BIG : -EFAULT;
}

void user_withdraw(struct kthread *t)
{
	fw_withdraw(t->actor);
}
