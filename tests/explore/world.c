/* SPDX-License-Identifier: MIT */
/*
 * world.c - the machine of a scenario: built once, then put back to that state
 * for each schedule. All that changes is in the RAM or in the arena, both of
 * which are copied; frames that were never used at the snapshot are zeroed.
 */
#include "explore.h"

#include "mm/mm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES 256u
#define SLOTS 64u
#define ARENA_BYTES (1u << 20)

struct world *w;

static struct {
	size_t used;
	char data[ARENA_BYTES] __attribute__((aligned(64)));
} arena;
static char *saved_arena, *saved_ram;
static size_t saved_used, saved_bytes;

/* ---- the arena -------------------------------------------------------- */

void *arena_alloc(size_t size)
{
	void *p = arena.data + arena.used;

	size = (size + 63) & ~(size_t)63;
	if (size > ARENA_BYTES - arena.used)
		give_up("the arena is full");
	arena.used += size;
	return memset(p, 0, size);
}

bool arena_owns(const void *p)
{
	return (const char *)p >= arena.data &&
	       (const char *)p < arena.data + ARENA_BYTES;
}

/* ---- a page file in the arena ----------------------------------------- */

struct slots {
	struct fw_store base;
	void *page[SLOTS];
};

static enum fw_status slots_read(struct fw_store *store, uint64_t slot,
				 void *const *page, unsigned n)
{
	struct slots *s = (struct slots *)store;

	for (unsigned i = 0; i < n; i++) {
		if (!s->page[slot + i])
			return FW_E_INVAL;
		memcpy(page[i], s->page[slot + i], PAGE);
	}
	return FW_OK;
}

static enum fw_status slots_write(struct fw_store *store, uint64_t slot,
				  void *const *page, unsigned n)
{
	struct slots *s = (struct slots *)store;

	for (unsigned i = 0; i < n; i++) {
		if (!s->page[slot + i])
			s->page[slot + i] = arena_alloc(PAGE);
		memcpy(s->page[slot + i], page[i], PAGE);
	}
	return FW_OK;
}

static void slots_close(struct fw_store *store)
{
	(void)store;
}

static struct fw_store *slots_open(void)
{
	static const struct fw_store_ops ops = {slots_read, slots_write,
						slots_close};
	struct slots *s = arena_alloc(sizeof(*s));

	s->base.ops = &ops;
	s->base.slots = SLOTS;
	return &s->base;
}

/* ---- building, saving, restoring -------------------------------------- */

static struct fw_totals now(void)
{
	struct fw_totals t;

	fw_totals(w->s->mm, w->s->keeper, &t);
	return t;
}

void world_build(const struct scenario *s)
{
	struct soft_config config = {.nframes = FRAMES,
				     .page_files = 1,
				     .slots = SLOTS,
				     .stripes = s->stripes,
				     .policy = s->policy,
				     .store_frames = s->store};
	struct fw_totals t;

	scene = s;
	port_reset();
	arena.used = 0;
	w = arena_alloc(sizeof(*w));
	config.stores[0] = slots_open();
	w->s = soft_create(&config);
	port_attach();
	fw_actor_create(w->s->mm, NULL, &w->judge);
	t = now();
	w->in_use = frames_in_use(&t) - t.pool;
	s->setup();
	memset(w->s->ios, 0, sizeof(w->s->ios));
	saved_used = arena.used;
	saved_bytes = (size_t)w->s->mm->fresh << FW_PAGE_SHIFT;
	saved_arena = malloc(saved_used);
	saved_ram = malloc(saved_bytes);
	if (!saved_arena || !saved_ram)
		give_up("no memory for a snapshot");
	memcpy(saved_arena, arena.data, saved_used);
	memcpy(saved_ram, w->s->ram, saved_bytes);
}

void world_restore(void)
{
	size_t top = (size_t)w->s->mm->fresh << FW_PAGE_SHIFT;

	if (top > w->s->ram_bytes)
		top = w->s->ram_bytes;
	if (top > saved_bytes)
		memset((char *)w->s->ram + saved_bytes, 0, top - saved_bytes);
	memcpy(w->s->ram, saved_ram, saved_bytes);
	memcpy(arena.data, saved_arena, saved_used);
	arena.used = saved_used;
}

void world_free(void)
{
	soft_destroy(w->s);
	free(saved_arena);
	free(saved_ram);
}

/* ---- the end of a schedule -------------------------------------------- */

static bool shared_space(unsigned i)
{
	for (unsigned k = i + 1; k < CPUS; k++)
		if (w->cpu[k] && w->cpu[k]->space == w->cpu[i]->space)
			return true;
	return false;
}

void world_check(const struct scenario *s)
{
	struct fw_totals t;

	verify("when all have ended");
	w->errors = 0;
	if (s->finish)
		s->finish();
	for (unsigned i = 0; i < CPUS; i++) {
		if (!w->cpu[i])
			continue;
		if (shared_space(i))
			soft_cpu_free(w->cpu[i]);
		else
			soft_cpu_exit(w->cpu[i]);
		w->cpu[i] = NULL;
	}
	if (w->section)
		fw_section_unref(w->s->mm, w->s->keeper, w->section);
	while (now().modified > 0 &&
	       fw_write_mapped(w->s->mm, w->s->keeper, 16))
		;
	want(soft_verify(w->s) == 0, "discrepancies when all spaces are gone");
	t = now();
	want(t.spaces == 0, "%llu spaces left", (unsigned long long)t.spaces);
	want(t.sections == 0, "a section left");
	want(t.committed == 0, "%llu pages charged",
	     (unsigned long long)t.committed);
	want(t.slots_used == 0, "%llu slots used",
	     (unsigned long long)t.slots_used);
	want(t.tables == 0, "tables left");
	want(t.modified + t.transition + t.modified_no_write == 0,
	     "pages left");
	want(frames_in_use(&t) - t.pool == w->in_use, "frames left");
}

/* ---- what scenarios are made of --------------------------------------- */

void want(bool cond, const char *format, ...)
{
	char text[200];
	va_list ap;

	if (cond)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (running() < ACTORS)
		give_up("actor %u: %s", running(), text);
	give_up("%s", text);
}

void add_cpu(unsigned i, unsigned of)
{
	w->cpu[i] = soft_cpu_create(w->s, i == of ? NULL : w->cpu[of]->space);
	want(w->cpu[i] != NULL, "no CPU");
}

void map_at(struct soft_cpu *cpu, fw_addr at, uint32_t flags)
{
	struct fw_map_request rq = {.start = at,
				    .len = PAGES * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = flags};

	want(fw_map(w->s->mm, cpu->actor, cpu->space, &rq) == FW_OK, "no map");
}

uint64_t value_of(unsigned page)
{
	return 0x1000 + page;
}

void fill(struct soft_cpu *cpu, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		put(cpu, PAGE_AT(i), value_of(i));
}

void push_out(struct soft_cpu *cpu)
{
	for (unsigned i = 0; i < 100 && fw_space_resident(cpu->space); i++)
		fw_trim(w->s->mm, cpu->actor, cpu->space, 64);
	want(!fw_space_resident(cpu->space), "pages are not trimmed");
}

void write_out(void)
{
	struct fw_mm *mm = w->s->mm;

	for (unsigned i = 0; i < 100 && now().modified; i++)
		if (!fw_write_modified(mm, w->s->keeper, 64))
			fw_write_mapped(mm, w->s->keeper, 16);
	want(now().modified == 0, "pages are not written");
}

void drop_standby(struct fw_actor *actor)
{
	struct fw_mm *mm = w->s->mm;

	mm_lock(mm, actor);
	frames_prime(mm, frames_available(mm));
	mm_unlock(mm);
}

void page_out(struct soft_cpu *cpu)
{
	push_out(cpu);
	write_out();
	drop_standby(w->s->keeper);
}

enum fw_kind try_put(struct soft_cpu *cpu, fw_addr at, uint64_t value)
{
	return soft_access(cpu, at, &value, 8, FW_ACC_WRITE) ? DONE
							     : cpu->last.kind;
}

enum fw_kind try_get(struct soft_cpu *cpu, fw_addr at, uint64_t *ret)
{
	return soft_access(cpu, at, ret, 8, FW_ACC_READ) ? DONE
							 : cpu->last.kind;
}

void put(struct soft_cpu *cpu, fw_addr at, uint64_t value)
{
	enum fw_kind kind = try_put(cpu, at, value);

	want(kind == DONE, "a write fails: %s",
	     kind == DONE ? "" : fw_kind_text(kind));
}

uint64_t get(struct soft_cpu *cpu, fw_addr at)
{
	uint64_t value = 0;
	enum fw_kind kind = try_get(cpu, at, &value);

	want(kind == DONE, "a read fails: %s",
	     kind == DONE ? "" : fw_kind_text(kind));
	return value;
}

void want_value(struct soft_cpu *cpu, fw_addr at, uint64_t value)
{
	uint64_t got = get(cpu, at);

	want(got == value, "reads %#llx at %#llx, not %#llx",
	     (unsigned long long)got, (unsigned long long)at,
	     (unsigned long long)value);
}

/* ---- where scenarios begin --------------------------------------------- */

void three_cpus(void)
{
	add_cpu(0, 0);
	add_cpu(1, 0);
	add_cpu(2, 0);
}

void three_with(uint32_t flags, unsigned pages)
{
	three_cpus();
	map_at(w->cpu[0], BASE, flags);
	fill(w->cpu[0], pages);
}

void two_pages(void)
{
	three_with(FW_VADF_RANDOM, 2);
}

void two_pages_out(void)
{
	two_pages();
	page_out(w->cpu[0]);
}

void two_pages_modified(void)
{
	two_pages();
	push_out(w->cpu[0]);
}
