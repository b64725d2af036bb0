/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what the core's tests share: a machine on the software MMU, one
 * CPU in one space, patterns that tell every page from every other, and an
 * end that wants everything given back.
 */
#ifndef FAULTWISE_TESTS_MACHINE_H
#define FAULTWISE_TESTS_MACHINE_H

#include "harness.h"

#include "arch/soft/soft.h"

#include <string.h>

#define PAGE FW_PAGE_SIZE
#define RW (FW_PROT_R | FW_PROT_W)
#define BASE UINT64_C(0x10000000) /* where tests map things */
#define TOP (SOFT_USER_TOP << FW_PAGE_SHIFT)
#define WIDE (FW_VA_BITS == 48) /* else a space has 4 GiB */

struct rig {
	struct soft *s;
	struct soft_cpu *cpu;
	uint64_t in_use; /* frames, before the test did anything */
	uint64_t sections;
};

static inline struct fw_totals totals(struct rig *r)
{
	struct fw_totals t;

	fw_totals(r->s->mm, r->s->keeper, &t);
	return t;
}

static inline uint64_t frames_in_use(const struct fw_totals *t)
{
	return t->nframes - t->zeroed - t->free - t->standby - t->bad;
}

static inline struct rig rig_start_config(const struct soft_config *config)
{
	struct rig r = {.s = soft_create(config)};
	struct fw_totals t = totals(&r);

	r.in_use = frames_in_use(&t) - t.pool;
	r.cpu = soft_cpu_create(r.s, NULL);
	return r;
}

/* Of each space lock, in the machines to come. */
static uint32_t rig_stripes;
/* Frames of their compressed store: whole tests are built again with some. */
#ifndef RIG_STORE
#define RIG_STORE 0
#endif

static inline struct rig rig_start(uint32_t nframes, uint32_t page_files,
				   uint64_t slots)
{
	struct soft_config config = {.nframes = nframes,
				     .page_files = page_files,
				     .slots = slots,
				     .stripes = rig_stripes,
				     .store_frames = RIG_STORE};

	return rig_start_config(&config);
}

static inline void rig_verify(struct rig *r)
{
	is_u64(soft_verify(r->s), 0, "discrepancies");
}

/* Verifies, destroys the space, and wants every page, slot and charge back. */
static inline void rig_end(struct rig *r)
{
	struct fw_totals t;

	rig_verify(r);
	soft_cpu_exit(r->cpu);
	for (unsigned i = 0; i < SOFT_FILES; i++)
		if (r->s->files[i].data)
			fw_section_unref(r->s->mm, r->s->keeper,
					 r->s->files[i].section);
	rig_verify(r);
	t = totals(r);
	is_u64(t.spaces, 0, "spaces left");
	is_u64(t.sections, 0, "sections left");
	is_u64(t.committed, 0, "pages charged");
	is_u64(t.slots_used, 0, "slots used");
	is_u64(t.tables, 0, "tables left");
	is_u64(t.modified + t.transition + t.modified_no_write, 0,
	       "pages left");
	is_u64(frames_in_use(&t) - t.pool, r->in_use, "frames in use");
	soft_destroy(r->s);
}

/* Exact counts want no windows of neighbours. */
static inline enum fw_status map_flags(struct rig *r, fw_addr at,
				       uint64_t pages, unsigned prot,
				       uint32_t flags)
{
	struct fw_map_request rq = {.start = at,
				    .len = pages * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = (uint8_t)prot,
				    .max_prot = 7,
				    .flags = flags};

	return fw_map(r->s->mm, r->cpu->actor, r->cpu->space, &rq);
}

static inline void map_single(struct rig *r, fw_addr at, uint64_t pages)
{
	is_u64(map_flags(r, at, pages, RW, FW_VADF_RANDOM), FW_OK, "map");
}

/* A page that differs from that of any other seed in every word. */
static inline void pattern(void *page, uint64_t seed)
{
	uint64_t *word = page, x = seed * 0x9e3779b97f4a7c15 + 1;

	for (unsigned i = 0; i < PAGE / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		word[i] = x;
	}
	/* Most compress then, each to a size of its own. */
	for (unsigned i = 0; RIG_STORE && i < PAGE / 8; i++)
		if (seed % 5 > 0 && i % (4 + seed % 33) > 0)
			word[i] = word[i - 1] + 1;
}

static inline bool put_pages(struct soft_cpu *cpu, fw_addr at, uint64_t pages,
			     uint64_t seed)
{
	uint64_t page[PAGE / 8];

	for (uint64_t i = 0; i < pages; i++) {
		pattern(page, seed + i);
		if (!soft_write(cpu, at + i * PAGE, page, PAGE))
			return false;
	}
	return true;
}

/* How many pages do not hold what put_pages() wrote. */
static inline uint64_t wrong_pages(struct soft_cpu *cpu, fw_addr at,
				   uint64_t pages, uint64_t seed)
{
	uint64_t want[PAGE / 8], got[PAGE / 8], wrong = 0;

	for (uint64_t i = 0; i < pages; i++) {
		pattern(want, seed + i);
		wrong += !soft_read(cpu, at + i * PAGE, got, PAGE) ||
			 memcmp(got, want, PAGE) != 0;
	}
	return wrong;
}

static inline bool is_zero_page(struct soft_cpu *cpu, fw_addr at)
{
	uint64_t got[PAGE / 8];

	if (!soft_read(cpu, at, got, PAGE))
		return false;
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (got[i])
			return false;
	return true;
}

/* One byte read or written; the kind of its last fault. */
static inline enum fw_kind touch(struct soft_cpu *cpu, fw_addr at,
				 uint32_t access)
{
	uint8_t byte = 0xa5;

	cpu->last.kind = FW_KIND_COUNT;
	soft_access(cpu, at, &byte, 1, access);
	return cpu->last.kind;
}

#define is_kind(got, want)                                         \
	do {                                                       \
		enum fw_kind kind_ = (got);                        \
		is_str(kind_ < FW_KIND_COUNT ? fw_kind_key(kind_)  \
					     : "no fault",         \
		       (want) < FW_KIND_COUNT ? fw_kind_key(want)  \
					      : "no fault",        \
		       "kind of fault");                           \
	} while (0)
#define NO_FAULT FW_KIND_COUNT

/* Takes all pages out of the working set. */
static inline void trim_all(struct rig *r, struct soft_cpu *cpu)
{
	for (unsigned i = 0; i < 1000 && fw_space_resident(cpu->space); i++)
		fw_trim(r->s->mm, cpu->actor, cpu->space, 64);
	is_u64(fw_space_resident(cpu->space), 0, "trimmed");
}

static inline void write_all(struct rig *r)
{
	for (unsigned i = 0; i < 1000 && totals(r).modified; i++)
		if (!fw_write_modified(r->s->mm, r->s->keeper, 64))
			fw_write_mapped(r->s->mm, r->s->keeper, 16);
	is_u64(totals(r).modified, 0, "written");
}

/* Takes the frames of all that is on standby now: locks all that is free and
 * then the oldest on standby. The core keeps its last frames for itself, so
 * some younger pages of another space are put behind ours before. */
static inline void flush_standby(struct rig *r)
{
	struct rig other = *r;
	struct fw_totals t = totals(r);
	uint64_t n = t.zeroed + t.free + t.standby, behind = 40, i;
	const fw_addr locked = BASE + behind * PAGE;

	other.cpu = soft_cpu_create(r->s, NULL);
	must(other.cpu, "another space");
	map_single(&other, BASE, behind);
	is_u64(map_flags(&other, locked, n, RW,
			 FW_VADF_LOCKED | FW_VADF_RANDOM), FW_OK, "map");
	put_pages(other.cpu, BASE, behind, ~n);
	trim_all(&other, other.cpu);
	write_all(r);
	for (i = 0; i < n && totals(r).standby >= behind; i++)
		touch(other.cpu, locked + i * PAGE, FW_ACC_READ);
	ok(totals(r).standby < behind, "standby is used up");
	soft_cpu_exit(other.cpu);
}

#endif
