/* SPDX-License-Identifier: MIT */
/*
 * replay_machine.c - one machine of a replay: the core and the software MMU,
 * with exactly as many frames for pages as it is told; tables and records
 * come on top.
 *
 * A trace has no content, so a page holds one word: whether it was ever
 * written. The first touch of a page is demand zero, whatever it is; a page
 * that was only read stands for one that has its content in a file already:
 * its way to the page file is not counted as traffic, its way back is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/soft/soft.h"
#include "cli/replay.h"
#include "mm/mm.h"

#define SLOTS ((uint64_t)1 << 27)
#define CORE_FRAMES ((uint64_t)1 << 20) /* 4 GiB of tables, if need be */
#define FIRST 1 /* page 0 is nobody's in the core; see place_of() */
#define RECENT 1024

enum tag { TAG_NONE, TAG_READ, TAG_WRITTEN };

/* Keeps the first word of each page. */
struct tag_store {
	struct fw_store base;
	uint8_t *tag;
	uint64_t reads, writes, pages_read, pages_written;
};

/* Translations used lately, in front of the TLB: for them an access has no
 * effect whatever. Good until anything is flushed. */
struct recent {
	fw_ref ref;
	uint64_t flushes;
};

struct replay_machine {
	struct soft *soft;
	struct soft_cpu *cpu;
	struct tag_store *store;
	uint64_t kicks;
	uint64_t pages; /* referred to */
	bool full;
	struct recent recent[RECENT];
};

/* ---- the page file ------------------------------------------------------ */

static enum fw_status tag_read(struct fw_store *store, uint64_t slot,
			       void *const *page, unsigned n)
{
	struct tag_store *s = (struct tag_store *)store;

	for (unsigned i = 0; i < n; i++)
		*(uint64_t *)page[i] = s->tag[slot + i];
	s->reads++;
	s->pages_read += n;
	return FW_OK;
}

static enum fw_status tag_write(struct fw_store *store, uint64_t slot,
				void *const *page, unsigned n)
{
	struct tag_store *s = (struct tag_store *)store;
	uint64_t written = 0;

	for (unsigned i = 0; i < n; i++) {
		s->tag[slot + i] = (uint8_t) * (uint64_t *)page[i];
		written += s->tag[slot + i] == TAG_WRITTEN;
	}
	s->pages_written += written;
	s->writes += written > 0;
	return FW_OK;
}

static void tag_close(struct fw_store *store)
{
	struct tag_store *s = (struct tag_store *)store;

	munmap(s->tag, SLOTS);
	free(s);
}

static const struct fw_store_ops tag_ops = {tag_read, tag_write, tag_close};

static struct tag_store *tag_open(void)
{
	struct tag_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct fw_store){.ops = &tag_ops, .slots = SLOTS};
	s->tag = mmap(NULL, SLOTS, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->tag != MAP_FAILED)
		return s;
	free(s);
	return NULL;
}

/* ---- the machine -------------------------------------------------------- */

/* All addresses are one region of memory that nothing is promised of. */
static bool map_everything(struct replay_machine *m, bool ahead)
{
	struct fw_map_request rq = {
		.start = (fw_addr)FIRST << FW_PAGE_SHIFT,
		.len = REF_VPN_END << FW_PAGE_SHIFT,
		.kind = FW_VAD_PRIVATE,
		.prot = FW_PROT_R | FW_PROT_W | FW_PROT_X,
		.max_prot = FW_PROT_R | FW_PROT_W | FW_PROT_X,
		.flags = FW_VADF_NORESERVE | (ahead ? 0 : FW_VADF_RANDOM),
	};

	return fw_map(m->soft->mm, m->cpu->actor, m->cpu->space, &rq) == FW_OK;
}

/* Whether the host has the address space: soft_create ends the process if
 * not. */
static bool has_room(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	munmap(p, bytes);
	return true;
}

struct replay_machine *replay_machine_open(const struct replay_config *config)
{
	/* Behind the pages: the frame database and what it points to. */
	uint64_t nframes = config->pages + config->pages / 64 + CORE_FRAMES;
	struct soft_config machine = {
		.nframes = (uint32_t)nframes,
		.page_files = 1,
		.slots = SLOTS,
		.user_min = FIRST,
		.user_top = REF_VPN_END + FIRST,
		.policy = config->policy,
		.page_frames = (uint32_t)config->pages,
	};
	struct replay_machine *m = calloc(1, sizeof(*m));

	if (!m || config->pages < 1 || config->pages > REPLAY_PAGES_MAX ||
	    !has_room(nframes << FW_PAGE_SHIFT))
		goto no_machine;
	m->store = tag_open();
	if (!m->store)
		goto no_machine;
	machine.stores[0] = &m->store->base;
	m->soft = soft_create(&machine);
	m->cpu = soft_cpu_create(m->soft, NULL);
	if (m->cpu && map_everything(m, config->ahead))
		return m;
	if (m->cpu)
		soft_cpu_exit(m->cpu);
	soft_destroy(m->soft);
no_machine:
	free(m);
	return NULL;
}

void replay_machine_close(struct replay_machine *m)
{
	if (!m)
		return;
	soft_switch(m->soft);
	soft_cpu_free(m->cpu);
	soft_destroy(m->soft);
	free(m);
}

/* ---- references --------------------------------------------------------- */

/* Page 0 stands behind the last one. */
static fw_addr place_of(fw_vpn vpn)
{
	return (vpn >= FIRST ? vpn : REF_VPN_END) << FW_PAGE_SHIFT;
}

/* A page that was never touched is marked at once, by a write: read first and
 * then marked, it would take two faults. */
static bool access_page(struct replay_machine *m, fw_ref ref)
{
	fw_addr at = place_of(ref >> REF_SHIFT);
	const uint32_t access =
		(ref & 3) == REF_EXEC ? FW_ACC_EXEC : FW_ACC_READ;
	const bool fresh = soft_pte(m->cpu, at) == 0;
	uint64_t tag = TAG_WRITTEN;

	m->pages += fresh;
	if ((ref & 3) != REF_WRITE) {
		tag = TAG_NONE;
		if (!fresh && !soft_access(m->cpu, at, &tag, 8, access))
			return false;
		if (tag != TAG_NONE)
			return true;
		tag = TAG_READ;
	}
	return soft_access(m->cpu, at, &tag, 8, FW_ACC_WRITE);
}

/* A reference that the translations used lately don't answer. */
static void refer(struct replay_machine *m, fw_ref ref, struct recent *r)
{
	if (!access_page(m, ref))
		m->full = true;
	if (m->soft->kicks != m->kicks) {
		m->kicks = m->soft->kicks;
		soft_background(m->soft);
	}
	*r = (struct recent){.ref = ref + 1, .flushes = m->soft->flushes};
}

void replay_machine_run(struct replay_machine *m, const fw_ref *ref, size_t n)
{
	soft_switch(m->soft);
	for (size_t i = 0; i < n; i++) {
		fw_vpn vpn = ref[i] >> REF_SHIFT;
		struct recent *r = &m->recent[(vpn ^ vpn >> 10 ^ ref[i] << 8) %
					      RECENT];

		if (r->ref != ref[i] + 1 || r->flushes != m->soft->flushes)
			refer(m, ref[i], r);
	}
}

void replay_machine_result(struct replay_machine *m, struct replay_result *ret)
{
	const struct fw_mm *mm = m->soft->mm;

	*ret = (struct replay_result){
		.pages = m->pages,
		.pages_read = m->store->pages_read,
		.pages_written = m->store->pages_written,
		.reads = m->store->reads,
		.writes = m->store->writes,
		.tables = mm->tables + mm->pool,
		.crowded = mm->tables + mm->pool > mm->core_frames,
		.full = m->full,
	};
	memcpy(ret->kind, m->cpu->count, sizeof(ret->kind));
}

unsigned replay_machine_verify(struct replay_machine *m)
{
	soft_switch(m->soft);
	return soft_verify(m->soft);
}
