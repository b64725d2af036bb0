/* SPDX-License-Identifier: MIT */
/*
 * user.c - the memory of users, by access and fixup: what is not there is
 * brought in by the fault, and where it cannot be, copy_raw ends early
 * (trap.S has its entry of the exception table). Nothing but addresses of
 * users is touched.
 */
#include "arch/bare/kernel.h"

uint32_t copy_from_user(void *to, uint32_t from, uint32_t n)
{
	if (!fw_user_range(current->space, from, n))
		return n;
	return copy_raw(to, (const void *)from, n);
}

uint32_t copy_to_user(uint32_t to, const void *from, uint32_t n)
{
	if (!fw_user_range(current->space, to, n))
		return n;
	return copy_raw((void *)to, from, n);
}

int string_from_user(char *to, uint32_t from, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		if (copy_from_user(to + i, from + i, 1) > 0)
			return -E_FAULT;
		if (!to[i])
			return (int)i;
	}
	return -E_NAMETOOLONG;
}
