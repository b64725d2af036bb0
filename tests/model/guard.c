/* SPDX-License-Identifier: MIT */
/*
 * guard.c - the operation on guard pages: some pages become guards, some of
 * these are met, by one access or another, and what is left is cleared. No
 * page's contents may know of it.
 */
#include "model/model.h"

static enum fw_kind touch(struct space *sp, unsigned page, uint32_t access,
			  uint8_t *byte)
{
	sp->cpu->last.kind = FW_KIND_COUNT;
	soft_access(sp->cpu, model_addr(page) + 9, byte, 1, access);
	return sp->cpu->last.kind;
}

/* A guard page: one violation, unless the access is not permitted anyway. */
static void meet(struct space *sp, unsigned page)
{
	struct page *p = &sp->pages[page];
	bool fetch = rnd(4) == 0;
	uint8_t byte = 0;
	enum fw_kind kind = touch(sp, page, fetch ? FW_ACC_EXEC : FW_ACC_READ,
				  &byte);

	if (p->kind == NONE)
		is_u64(kind, FW_KIND_MAPERR, "page %u is not there", page);
	else if (!p->prot || (fetch && !(p->prot & SOFT_FETCH_PROT)))
		is_u64(kind, FW_KIND_ACCERR, "page %u is not permitted", page);
	else
		is_u64(kind, FW_KIND_GUARD, "page %u is a guard", page);
	if (kind != FW_KIND_GUARD || !model_content(p))
		return;
	while (!soft_access(sp->cpu, model_addr(page) + 9, &byte, 1,
			    FW_ACC_READ))
		must(model_pardon(), "page %u after its guard: %s", page,
		     fw_kind_text(sp->cpu->last.kind));
	if (p->kind != HOST)
		is_u64(byte, model_content(p)[9], "page %u after its guard",
		       page);
}

void op_guard(struct space *sp)
{
	unsigned first = rnd(PAGES - 12), n = 1 + rnd(12), i;
	struct fw_mm *mm = soft->mm;

	fw_set_flags(mm, sp->cpu->actor, sp->cpu->space, model_addr(first),
		     (uint64_t)n * MODEL_PAGE, FW_VADF_GUARD, 0);
	if (rnd(4) == 0)
		fw_trim(mm, sp->cpu->actor, sp->cpu->space, 64);
	for (i = first; i < first + n; i++)
		if (rnd(2))
			meet(sp, i);
	fw_set_flags(mm, sp->cpu->actor, sp->cpu->space, model_addr(first),
		     (uint64_t)n * MODEL_PAGE, 0, FW_VADF_GUARD);
}
