/* SPDX-License-Identifier: MIT */
/* ops.c - the operations, each on the core and on the model; see model.h. */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE MODEL_PAGE
/* The pages lie in two tables. */
#define BASE (UINT64_C(0x32c000) + (FW_VA_BITS == 48 ? 2ull << 32 : 1u << 31))

struct soft *soft;
struct space spaces[SPACES];
bool failing, doomed;

static struct section *sections[SECTIONS];
static unsigned n_sections;

struct section *model_file(unsigned i)
{
	return sections[i];
}

struct space *any_space(void)
{
	struct space *sp;

	do
		sp = &spaces[rnd(SPACES)];
	while (!sp->cpu);
	return sp;
}

static unsigned any_prot(void)
{
	static const uint8_t prots[] = {0, 1, 3, 3, 3, 5, 7};

	return prots[rnd(sizeof(prots))];
}

/* A range, more often short than long. */
static void any_range(unsigned *first, unsigned *n)
{
	unsigned max = rnd(4) ? 16 : 128;

	*first = rnd(PAGES);
	*n = 1 + rnd(max);
	if (*n > PAGES - *first)
		*n = PAGES - *first;
}

static fw_addr addr_of(unsigned page)
{
	return BASE + (uint64_t)page * PAGE;
}

static bool is_free(const struct space *sp, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		if (sp->pages[i].kind != NONE)
			return false;
	return true;
}

static unsigned any_page(const struct space *sp)
{
	unsigned page = rnd(PAGES), tries = 8;

	while (tries-- && sp->pages[page].kind == NONE)
		page = rnd(PAGES);
	return page;
}

/* What a page reads as; NULL beyond the end of its section. */
static uint8_t *content(struct page *p)
{
	static uint8_t unknown[PAGE];

	if (p->kind == HOST)
		return unknown;
	if (p->kind == PRIVATE || p->kind == COPIED)
		return p->data;
	return p->section_page < p->section->pages
		       ? p->section->data[p->section_page]
		       : NULL;
}

/* ---- sections ----------------------------------------------------------- */

static void new_section(bool file)
{
	struct section *s = calloc(1, sizeof(*s));

	must(s && n_sections < SECTIONS, "a section");
	s->pages = file ? SECTION_PAGES - rnd(8) : SECTION_PAGES;
	if (file) {
		/* What is written behind the end of a file is nowhere. */
		uint64_t size = (uint64_t)s->pages * PAGE;
		/* The file's own copy must not follow the model's. */
		uint8_t *copy = malloc(size);

		must(copy, "memory");
		for (uint64_t i = 0; i < size; i++)
			copy[i] = s->data[i / PAGE][i % PAGE] =
				(uint8_t)rnd(256);
		s->core = soft_file(soft, copy, size, &s->cookie);
	} else {
		must(fw_section_create(soft->mm, soft->keeper, NULL, s->pages,
				       &s->core) == FW_OK,
		     "section");
	}
	sections[n_sections++] = s;
}

static struct section *any_section(void)
{
	struct section *s;

	do
		s = sections[rnd(n_sections)];
	while (s->dropped);
	return s;
}

static void op_replace(struct space *sp)
{
	unsigned i = 2 + rnd(n_sections - 2); /* not the files */

	(void)sp;
	if (n_sections == SECTIONS || sections[i]->dropped)
		return;
	sections[i]->dropped = true;
	fw_section_unref(soft->mm, soft->keeper, sections[i]->core);
	new_section(false);
}

/* ---- I/O that fails ------------------------------------------------------ */

static enum fw_status maybe_fail(void *arg, enum soft_io io, uint64_t where,
				 unsigned n)
{
	(void)arg, (void)io, (void)where, (void)n;
	return failing && rnd(8) == 0 ? FW_E_IO : FW_OK;
}

/* An operation failed that must not: was an I/O to blame? Then it is to be
 * tried again without failures. */
static bool pardon(void)
{
	bool was = failing;

	failing = false;
	return was;
}

/* For operations in other files. */
fw_addr model_addr(unsigned page)
{
	return addr_of(page);
}

const uint8_t *model_content(struct page *p)
{
	return content(p);
}

bool model_pardon(void)
{
	return pardon();
}

/* ---- operations --------------------------------------------------------- */

static void model_unmap(struct space *sp, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		sp->pages[i].kind = NONE;
}

static void op_map(struct space *sp)
{
	struct fw_map_request rq = {.max_prot = 7};
	struct section *s = NULL;
	unsigned first, n;
	enum kind kind = rnd(2) ? PRIVATE : (enum kind)(PRIVATE + rnd(4));
	enum fw_status status;
	bool clash;

	any_range(&first, &n);
	rq.start = addr_of(first);
	rq.len = (uint64_t)n * PAGE;
	rq.prot = (uint8_t)any_prot();
	rq.replace = (uint8_t)rnd(2);
	rq.flags = rnd(3) ? 0 : FW_VADF_RANDOM;
	rq.kind = kind == HOST ? FW_VAD_HOST : FW_VAD_PRIVATE;
	if (kind == SHARED || kind == VIEW) {
		s = any_section();
		kind = kind == SHARED ? SHARED : VIEW;
		rq.kind = kind == SHARED ? FW_VAD_SECTION : FW_VAD_PRIVATE_VIEW;
		rq.section = s->core;
		rq.page = rnd(SECTION_PAGES - 8);
		rq.cookie = s->cookie;
	}
	clash = !rq.replace && !is_free(sp, first, n);
	status = fw_map(soft->mm, sp->cpu->actor, sp->cpu->space, &rq);
	is_u64(status, clash ? FW_E_EXIST : FW_OK, "map %u+%u", first, n);
	if (status != FW_OK)
		return;
	for (unsigned i = 0; i < n; i++) {
		struct page *p = &sp->pages[first + i];

		memset(p, 0, sizeof(*p));
		p->kind = kind;
		p->prot = rq.prot;
		p->section = s;
		p->section_page = (uint16_t)(rq.page + i);
	}
}

static void op_unmap(struct space *sp)
{
	unsigned first, n;

	any_range(&first, &n);
	is_u64(fw_unmap(soft->mm, sp->cpu->actor, sp->cpu->space,
			addr_of(first), (uint64_t)n * PAGE),
	       FW_OK, "unmap %u+%u", first, n);
	model_unmap(sp, first, n);
}

static void op_protect(struct space *sp)
{
	unsigned first, n, i, prot = any_prot();
	enum fw_status status;

	any_range(&first, &n);
	status = fw_protect(soft->mm, sp->cpu->actor, sp->cpu->space,
			    addr_of(first), (uint64_t)n * PAGE, prot);
	for (i = first; i < first + n && sp->pages[i].kind != NONE; i++)
		sp->pages[i].prot = (uint8_t)prot;
	is_u64(status, i == first + n ? FW_OK : FW_E_NOENT, "protect %u+%u",
	       first, n);
}

static void op_discard(struct space *sp)
{
	unsigned first, n;
	enum fw_status status;
	bool hole = false;

	any_range(&first, &n);
	status = fw_discard(soft->mm, sp->cpu->actor, sp->cpu->space,
			    addr_of(first), (uint64_t)n * PAGE);
	for (unsigned i = first; i < first + n; i++) {
		struct page *p = &sp->pages[i];

		hole |= p->kind == NONE;
		if (p->kind == PRIVATE)
			memset(p->data, 0, PAGE);
		else if (p->kind == COPIED)
			p->kind = VIEW;
	}
	is_u64(status, hole ? FW_E_NOENT : FW_OK, "discard %u+%u", first, n);
}

static bool same_region(const struct page *a, const struct page *b)
{
	bool view_a = a->kind == COPIED || a->kind == VIEW;
	bool view_b = b->kind == COPIED || b->kind == VIEW;

	return (a->kind == b->kind || (view_a && view_b)) &&
	       a->prot == b->prot && a->section == b->section;
}

/* Moves a single page or a few; whether those are one region in the core is
 * only sure for a page alone, so FW_E_FAULT may be the answer for more. */
static void op_move(struct space *sp)
{
	unsigned first, n, to;
	enum fw_status status;
	bool can = true;

	any_range(&first, &n);
	n = n > 16 ? 1 : n;
	to = rnd(PAGES - n + 1);
	for (unsigned i = first; i < first + n; i++)
		can = can && sp->pages[i].kind != NONE &&
		      same_region(&sp->pages[first], &sp->pages[i]);
	status = fw_move(soft->mm, sp->cpu->actor, sp->cpu->space,
			 addr_of(first), (uint64_t)n * PAGE, addr_of(to));
	if (!can)
		ok(status != FW_OK, "move of what is not one region");
	else if (!is_free(sp, to, n))
		ok(status == FW_E_EXIST || (n > 1 && status == FW_E_FAULT),
		   "move onto something");
	else
		ok(status == FW_OK || (n > 1 && status == FW_E_FAULT),
		   "move %u+%u to %u: %s", first, n, to,
		   fw_status_text(status));
	if (status != FW_OK)
		return;
	memcpy(&sp->pages[to], &sp->pages[first], n * sizeof(struct page));
	model_unmap(sp, first, n);
}

/* A run of pages, as programs touch them: so that windows open. */
static void op_stride(struct space *sp)
{
	unsigned page = any_page(sp), n = 1 + rnd(48);
	uint32_t access = rnd(2) ? FW_ACC_READ : FW_ACC_EXEC;
	unsigned need = access == FW_ACC_READ ? FW_PROT_R : FW_PROT_X;
	uint8_t got;

	for (; n-- && page < PAGES; page++) {
		struct page *p = &sp->pages[page];

		if (p->kind == NONE || !(p->prot & need) || !content(p))
			return;
		while (!soft_access(sp->cpu, addr_of(page) + 7, &got, 1,
				    access))
			must(pardon(), "page %u of a run: %s", page,
			     fw_kind_text(sp->cpu->last.kind));
		if (p->kind != HOST)
			is_u64(got, content(p)[7], "page %u of a run", page);
	}
}

static void op_read(struct space *sp)
{
	uint8_t got[PAGE];
	unsigned page = any_page(sp), at = rnd(PAGE), n = 1 + rnd(PAGE - at);
	struct page *p = &sp->pages[page];
	bool by_core = !doomed && rnd(8) == 0, good, want;

	want = p->kind != NONE && (p->prot & FW_PROT_R) && content(p);
	do {
		if (by_core && p->kind != HOST)
			good = fw_copy_in(soft->mm, sp->cpu->actor,
					  sp->cpu->space, got,
					  addr_of(page) + at, n) == n;
		else
			good = soft_read(sp->cpu, addr_of(page) + at, got, n);
	} while (!good && want && pardon());
	is_u64(good, want, "read of page %u, kind %d prot %d", page, p->kind,
	       p->prot);
	if (good && want && p->kind != HOST)
		is_mem(got, content(p) + at, n, "page %u, kind %d, from %u",
		       page, p->kind, at);
}

static void op_fetch(struct space *sp)
{
	unsigned page = any_page(sp);
	struct page *p = &sp->pages[page];
	uint8_t got = 0;
	bool want = p->kind != NONE && (p->prot & SOFT_FETCH_PROT) &&
		    content(p);
	bool good;

	do
		good = soft_fetch(sp->cpu, addr_of(page), &got, 1);
	while (!good && want && pardon());
	is_u64(good, want, "fetch from page %u", page);
	if (want && p->kind != HOST)
		is_u64(got, content(p)[0], "byte of page %u", page);
}

static void op_write(struct space *sp)
{
	uint8_t bytes[PAGE];
	unsigned page = any_page(sp), at = rnd(PAGE), n = 1 + rnd(PAGE - at);
	struct page *p = &sp->pages[page];
	bool by_core = !doomed && rnd(8) == 0, good, want;

	if (rnd(16) == 0)
		at = 0, n = PAGE;
	memset(bytes, rnd(3) ? (int)rnd(256) : 0, n);
	bytes[0] = (uint8_t)rnd(256);
	want = p->kind != NONE && (p->prot & FW_PROT_W) && content(p);
	do {
		if (by_core && p->kind != HOST)
			good = fw_copy_out(soft->mm, sp->cpu->actor,
					   sp->cpu->space, addr_of(page) + at,
					   bytes, n) == n;
		else
			good = soft_write(sp->cpu, addr_of(page) + at, bytes,
					  n);
	} while (!good && want && pardon());
	is_u64(good, want, "write to page %u, kind %d prot %d", page, p->kind,
	       p->prot);
	if (!good || !want)
		return;
	if (p->kind == VIEW) {
		memcpy(p->data, content(p), PAGE);
		p->kind = COPIED;
	}
	memcpy(content(p) + at, bytes, n);
}

static void op_fork(struct space *sp)
{
	struct space *child = NULL;

	for (unsigned i = 0; i < SPACES; i++)
		if (!spaces[i].cpu)
			child = &spaces[i];
	if (!child)
		return;
	must(soft_fork(sp->cpu, &child->cpu) == FW_OK, "fork");
	memcpy(child->pages, sp->pages, sizeof(sp->pages));
}

void model_forget(struct space *sp)
{
	sp->cpu = NULL;
	memset(sp->pages, 0, sizeof(sp->pages));
}

static void op_exit(struct space *sp)
{
	unsigned living = 0;

	for (unsigned i = 0; i < SPACES; i++)
		living += spaces[i].cpu != NULL;
	if (living < 2)
		return;
	soft_cpu_exit(sp->cpu);
	model_forget(sp);
}

/* Grows the region that ends at a page that nothing is mapped at. */
static void op_extend(struct space *sp)
{
	unsigned at = 1 + rnd(PAGES - 1), n = 1 + rnd(16);
	struct page *last = &sp->pages[at - 1];
	enum fw_status status;
	unsigned i;

	if (n > PAGES - at)
		n = PAGES - at;
	if (last->kind == NONE || sp->pages[at].kind != NONE)
		return;
	status = fw_extend(soft->mm, sp->cpu->actor, sp->cpu->space,
			   addr_of(at), (uint64_t)n * PAGE);
	is_u64(status, is_free(sp, at, n) ? FW_OK : FW_E_EXIST,
	       "extend at %u by %u", at, n);
	for (i = at; i < at + n && status == FW_OK; i++) {
		struct page *p = &sp->pages[i];

		memset(p, 0, sizeof(*p));
		p->kind = last->kind == COPIED ? VIEW : last->kind;
		p->prot = last->prot;
		p->section = last->section;
		p->section_page =
			(uint16_t)(last->section_page + (i - at) + 1);
	}
}

/* A gap is free, long enough, and the first or the last one. */
static void op_gap(struct space *sp)
{
	unsigned n = 1 + rnd(32), want = PAGES, run = 0;
	bool down = rnd(2);
	fw_addr start = 0;
	enum fw_status status;

	for (unsigned i = 0; i < PAGES; i++) {
		run = sp->pages[i].kind == NONE ? run + 1 : 0;
		if (run >= n && (down || want == PAGES))
			want = i + 1 - n;
	}
	fw_space_lock(sp->cpu->space, sp->cpu->actor);
	status = fw_find_gap_locked(sp->cpu->space, (uint64_t)n * PAGE, BASE,
				    addr_of(PAGES), down, &start);
	fw_space_unlock(sp->cpu->space);
	is_u64(status, want == PAGES ? FW_E_NOMEM : FW_OK, "a gap of %u", n);
	if (status == FW_OK)
		is_u64(start, addr_of(want), "gap of %u pages, down %d", n,
		       down);
}

static void op_flags(struct space *sp)
{
	static const uint32_t flags[] = {FW_VADF_RANDOM, FW_VADF_SEQUENTIAL,
					 FW_VADF_LOCKED};
	uint32_t set = flags[rnd(3)], clear = flags[rnd(3)];
	unsigned first, n;

	any_range(&first, &n);
	if (set == FW_VADF_LOCKED && rnd(4))
		set = 0;
	fw_set_flags(soft->mm, sp->cpu->actor, sp->cpu->space, addr_of(first),
		     (uint64_t)n * PAGE, set, clear & ~set);
	/* Few pages may stay locked, or all of memory will be. */
	fw_set_flags(soft->mm, sp->cpu->actor, sp->cpu->space, addr_of(64),
		     (uint64_t)(PAGES - 64) * PAGE, 0, FW_VADF_LOCKED);
}

/* Pages of a range that can be announced stay put while others trim. */
static void op_announce(struct space *sp)
{
	unsigned first = rnd(PAGES - 4), n = 1 + rnd(4), ranges = 0;
	struct fw_range range = {addr_of(first), (uint64_t)n * PAGE,
				 rnd(2) ? FW_ACC_WRITE : FW_ACC_READ, 0};
	unsigned need = range.access == FW_ACC_WRITE ? FW_PROT_W : FW_PROT_R;
	enum fw_status status;
	uint64_t bytes = 0;
	unsigned good = 0;

	while (good < n && sp->pages[first + good].kind != NONE &&
	       (sp->pages[first + good].prot & need) &&
	       content(&sp->pages[first + good]))
		good++;
	do
		status = fw_announce(soft->mm, sp->cpu->actor, sp->cpu->space,
				     &range, 1, &ranges, &bytes);
	while (status == FW_E_IO && pardon());
	is_u64(status == FW_OK, good == n, "announce %u+%u", first, n);
	for (unsigned i = 0; i < good; i++) {
		struct page *p = &sp->pages[first + i];

		if (range.access != FW_ACC_WRITE || p->kind != VIEW)
			continue;
		memcpy(p->data, content(p), PAGE);
		p->kind = COPIED;
	}
	fw_trim(soft->mm, sp->cpu->actor, sp->cpu->space, 64);
	for (unsigned i = 0; i < good && good == n; i++)
		ok(soft_pte(sp->cpu, addr_of(first + i)) & FW_PTE_VALID,
		   "an announced page was trimmed");
	fw_withdraw(sp->cpu->actor);
}

static void op_keep(struct space *sp)
{
	(void)sp;
	failing = rnd(2);
	switch (rnd(3)) {
	case 0:
		fw_write_modified(soft->mm, soft->keeper, 1 + rnd(64));
		break;
	case 1:
		fw_zero_frames(soft->mm, soft->keeper, 1 + rnd(32));
		break;
	default:
		soft_background(soft);
	}
}

static void op_trim(struct space *sp)
{
	fw_trim(soft->mm, sp->cpu->actor, sp->cpu->space,
		1 + rnd(rnd(4) ? 64 : 400));
}

/* Of a thousand operations, so many of each. */
static const struct {
	unsigned weight;
	bool mortal; /* all of it is done by the process itself */
	void (*run)(struct space *sp);
} operations[] = {
	{270, true, op_write},	 {220, true, op_read},
	{10, true, op_guard},
	{20, true, op_fetch},	 {80, true, op_stride},
	{80, true, op_map},	 {25, true, op_unmap},
	{45, true, op_protect},	 {25, true, op_discard},
	{30, true, op_move},	 {15, true, op_extend},
	{15, true, op_gap},	 {40, true, op_trim},
	{9, true, op_flags},	 {16, true, op_announce},
	{40, false, op_keep},	 {10, false, op_fork},
	{8, false, op_exit},	 {2, false, op_replace},
	{6, false, op_hold},	 {6, false, op_release},
	{6, false, op_flush},	 {8, true, op_priority},
	{5, true, op_limits},	 {8, false, op_ticks},
	{1, false, op_retire},
};

void op(struct space *sp, bool mortal)
{
	unsigned i, what;

	do {
		what = rnd(1000);
		for (i = 0; what >= operations[i].weight; i++)
			what -= operations[i].weight;
	} while (mortal && !operations[i].mortal);
	operations[i].run(sp);
}

/* Every page of every space is what the model says. */
void check_all(void)
{
	uint8_t got[PAGE];

	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned i = 0; spaces[s].cpu && i < PAGES; i++) {
			struct page *p = &spaces[s].pages[i];
			bool want = p->kind != NONE &&
				    (p->prot & FW_PROT_R) && content(p);

			is_u64(soft_read(spaces[s].cpu, addr_of(i), got, PAGE),
			       want, "space %u page %u", s, i);
			if (want && p->kind != HOST)
				is_mem(got, content(p), PAGE,
				       "space %u page %u", s, i);
		}
}

void tear_down(void)
{
	struct fw_totals t;

	for (unsigned i = 0; i < SPACES; i++)
		if (spaces[i].cpu)
			soft_cpu_exit(spaces[i].cpu);
	model_files_end();
	for (unsigned i = 0; i < n_sections; i++)
		if (!sections[i]->dropped)
			fw_section_unref(soft->mm, soft->keeper,
					 sections[i]->core);
	is_u64(soft_verify(soft), 0, "discrepancies at the end");
	fw_totals(soft->mm, soft->keeper, &t);
	for (unsigned i = 0; i < FW_KIND_COUNT; i++)
		if (t.kind_count[i])
			diag("%8lu %s", (unsigned long)t.kind_count[i],
			     fw_kind_text((enum fw_kind)i));
	diag("%8lu compressed, %lu of them read, %lu moved on",
	     (unsigned long)t.store_in, (unsigned long)t.store_loads,
	     (unsigned long)t.store_moved);
	diag("%8lu pages read, %lu written, %lu zero",
	     (unsigned long)t.pages_read, (unsigned long)t.pages_written,
	     (unsigned long)t.pages_zero_elided);
	is_u64(t.spaces + t.sections + t.tables, 0, "objects left");
	is_u64(t.slots_used + t.committed, 0, "slots and charges left");
	is_u64(t.modified + t.transition + t.modified_no_write, 0, "pages");
	for (unsigned i = 0; i < SOFT_FILES; i++)
		free(soft->files[i].data);
	soft_destroy(soft);
	for (unsigned i = 0; i < n_sections; i++)
		free(sections[i]);
	n_sections = 0;
	memset(spaces, 0, sizeof(spaces));
}

unsigned long argument(int i, unsigned long otherwise)
{
	return test_argc > i ? strtoul(test_argv[i], NULL, 0) : otherwise;
}

unsigned long long_run(unsigned long otherwise, unsigned long with_long)
{
	if (*test_env("FW_LONG", "0") != '1')
		return otherwise;
#ifdef __SANITIZE_ADDRESS__
	with_long /= 5; /* which takes as long */
#endif
	return with_long;
}

void model_start(uint64_t seed, uint32_t nframes)
{
	model_start_on(&(struct soft_config){
		.nframes = nframes,
		.page_files = 2,
		.slots = 16384,
		.stripes = seed % 2 == 0 ? 8 : 0,
		.store_frames = seed % 3 != 1 ? nframes / 8 : 0}, seed);
}

void model_start_on(const struct soft_config *config, uint64_t seed)
{
	model_seed(seed, 0);
	soft = soft_create(config);
	soft->io_hook = maybe_fail;
	for (unsigned i = 0; i < 6; i++)
		new_section(i < 2);
	spaces[0].cpu = soft_cpu_create(soft, NULL);
	must(spaces[0].cpu, "a process");
}
