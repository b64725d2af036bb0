/* SPDX-License-Identifier: MIT */
/* symbol.c - names of the kernel's functions; see tools/ring0-symbols. */
#include "arch/bare/kernel.h"

struct symbol {
	uint32_t addr;
	const char *name;
};

/* By address; the last one is where the text ends. */
extern const struct symbol symbols_start[], symbols_end[];

bool symbol_find(void *ctx, uint64_t addr, struct fw_symbol *ret)
{
	const struct symbol *s = symbols_start;

	(void)ctx;
	if (symbols_end - s < 2 || addr < s->addr)
		return false;
	while (s + 1 < symbols_end && s[1].addr <= addr)
		s++;
	if (s + 1 == symbols_end)
		return false;
	ret->name = s->name;
	ret->module = NULL;
	ret->offset = addr - s->addr;
	ret->size = s[1].addr - s->addr;
	return true;
}
