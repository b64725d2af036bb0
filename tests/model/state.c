/* SPDX-License-Identifier: MIT */
/*
 * state.c - the operations that move frames about, or say how: pages of files
 * held back, released and flushed, priorities, limits of working sets, kernel
 * threads, frames that go bad. But for the files, no contents may know of it.
 */
#include "model/model.h"

#include <string.h>

#define RETIRED_MAX 8

static uint8_t *in_file(const struct section *s, unsigned page)
{
	return soft->files[s->cookie - 1].data + (size_t)page * MODEL_PAGE;
}

/* Whether the page can be held; false: what the core is to say. */
static bool can_hold(struct page *p, enum fw_status *why)
{
	*why = FW_E_INVAL;
	if (p->kind != SHARED || !p->section->cookie ||
	    !(p->prot & FW_PROT_W))
		return false;
	*why = FW_E_EOF;
	return p->section_page < p->section->pages;
}

void op_hold(struct space *sp)
{
	unsigned first = rnd(PAGES - 4), n = 1 + rnd(4), good = 0, i;
	enum fw_status status, want = FW_OK;

	while (good < n && can_hold(&sp->pages[first + good], &want))
		good++;
	do
		status = fw_hold(soft->mm, sp->cpu->actor, sp->cpu->space,
				 model_addr(first), (uint64_t)n * MODEL_PAGE);
	while (status == FW_E_IO && model_pardon());
	is_u64(status, good == n ? FW_OK : want, "hold %u+%u", first, n);
	for (i = first; i < first + good; i++) {
		struct section *s = sp->pages[i].section;
		unsigned page = sp->pages[i].section_page;

		if (s->held[page])
			continue;
		s->held[page] = true;
		memcpy(s->before[page], in_file(s, page), MODEL_PAGE);
	}
}

static void release(struct section *s, unsigned first, unsigned n)
{
	uint64_t held = 0;

	for (unsigned i = first; i < first + n && i < s->pages; i++) {
		if (!s->held[i])
			continue;
		held++;
		s->held[i] = false;
		is_mem(in_file(s, i), s->before[i], MODEL_PAGE,
		       "page %u was held back", i);
	}
	is_u64(fw_release(soft->mm, soft->keeper, s->core, first, n), held,
	       "release %u+%u", first, n);
}

void op_release(struct space *sp)
{
	(void)sp;
	release(model_file(rnd(MODEL_FILES)), rnd(SECTION_PAGES),
		1 + rnd(SECTION_PAGES));
}

void op_flush(struct space *sp)
{
	struct section *s = model_file(rnd(MODEL_FILES));
	enum fw_status status;

	(void)sp;
	do
		status = fw_section_flush(soft->mm, soft->keeper, s->core,
					  rnd(SECTION_PAGES),
					  1 + rnd(SECTION_PAGES));
	while (status == FW_E_IO && model_pardon());
	is_u64(status, FW_OK, "flush");
}

void op_priority(struct space *sp)
{
	int prio = (int)rnd(FW_PRIO_LEVELS + 1) - 1;

	switch (rnd(3)) {
	case 0:
		fw_actor_set_priority(sp->cpu->actor, prio);
		break;
	case 1:
		fw_space_set_priority(soft->mm, sp->cpu->actor,
				      sp->cpu->space, prio);
		break;
	default:
		fw_set_priority(soft->mm, sp->cpu->actor, sp->cpu->space,
				model_addr(rnd(PAGES - 64)),
				(uint64_t)(1 + rnd(64)) * MODEL_PAGE, prio);
	}
}

void op_limits(struct space *sp)
{
	uint64_t min = rnd(30), max = rnd(2) ? FW_WS_MAX_LEAST + rnd(100) : 0;
	uint32_t flags = max ? rnd(4) : rnd(2);
	struct fw_space *space = sp->cpu->space;

	is_u64(fw_space_set_limits(soft->mm, sp->cpu->actor, space, min, max,
				   flags),
	       FW_OK, "limits");
	if (flags & FW_WS_MAX_HARD)
		ok(fw_space_resident(space) <= max, "%d pages, at most %d",
		   (int)fw_space_resident(space), (int)max);
}

void op_ticks(struct space *sp)
{
	bool (*const tick[])(struct fw_mm *, struct fw_actor *) = {
		fw_writer_tick, fw_mapped_tick, fw_zero_tick,
		fw_balance_tick};

	(void)sp;
	failing = rnd(2);
	for (unsigned n = rnd(8); n > 0; n--)
		tick[rnd(4)](soft->mm, soft->keeper);
	if (rnd(4) == 0)
		fw_balance_second(soft->mm, soft->keeper, 0);
}

void op_retire(struct space *sp)
{
	struct fw_totals t;
	enum fw_status status;

	(void)sp;
	fw_totals(soft->mm, soft->keeper, &t);
	if (t.bad >= RETIRED_MAX || rnd(50))
		return;
	status = fw_frame_retire(soft->mm, soft->keeper,
				 rnd((uint32_t)t.nframes));
	ok(status == FW_OK || status == FW_E_BUSY || status == FW_E_INVAL,
	   "retire: %s", fw_status_text(status));
}

void model_files_end(void)
{
	for (unsigned i = 0; i < MODEL_FILES; i++) {
		struct section *s = model_file(i);

		release(s, 0, SECTION_PAGES);
		is_u64(fw_section_flush(soft->mm, soft->keeper, s->core, 0,
					SECTION_PAGES),
		       FW_OK, "the last flush");
		for (unsigned page = 0; page < s->pages; page++)
			is_mem(in_file(s, page), s->data[page], MODEL_PAGE,
			       "file %u page %u", i, page);
	}
}
