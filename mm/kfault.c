/* SPDX-License-Identifier: MIT */
/*
 * kfault.c - a page fault in kernel mode: brought in, fixed up, or a bug. The
 * report of a bug is oops.c's.
 */
#include <faultwise/kernel.h>
#include <mm/mm.h>

bool fw_extable_sorted(const struct fw_extable *table, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (table[i].start >= table[i].end ||
		    (i > 0 && table[i - 1].end > table[i].start))
			return false;
	return true;
}

const struct fw_extable *fw_extable_find(const struct fw_extable *table,
					 unsigned n, uint64_t ip)
{
	unsigned low = 0;

	while (low < n) {
		unsigned mid = low + (n - low) / 2;

		if (ip < table[mid].start)
			n = mid;
		else if (ip >= table[mid].end)
			low = mid + 1;
		else
			return table + mid;
	}
	return NULL;
}

bool fw_user_range(const struct fw_space *space, fw_addr addr, uint64_t len)
{
	uint64_t top = space->user_top << FW_PAGE_SHIFT;

	return len <= top && addr <= top - len;
}

/* Whether the access may be made after all. */
static bool trap_resolve(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space, const struct fw_trap *t,
			 bool listed)
{
	bool kernel = vpn_is_kernel(mm, vpn_of(t->cr2));
	struct fw_fault f = { .addr = t->cr2 };

	if (t->interrupt || (!kernel && (!listed || !space)))
		return false;
	f.access = t->error & (FW_ACC_WRITE | FW_ACC_EXEC);
	if (!kernel)
		f.access |= FW_ACC_USER;
	fw_fault(mm, actor, space, &f);
	return fw_kind_resolved(f.kind);
}

enum fw_trap_end fw_kernel_fault(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_space *space,
				 const struct fw_kernel *kernel,
				 struct fw_trap *trap)
{
	const struct fw_extable *e =
		fw_extable_find(kernel->table, kernel->n, trap->ip);

	if (trap_resolve(mm, actor, space, trap, e != NULL))
		return FW_TRAP_RETRY;
	if (e) {
		trap->ip = e->fixup;
		return FW_TRAP_FIXUP;
	}
	fw_oops(mm, space, kernel, trap);
	return trap->interrupt || kernel->always_panic ? FW_TRAP_PANIC :
							 FW_TRAP_OOPS;
}
