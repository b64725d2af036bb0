/* SPDX-License-Identifier: MIT */
/*
 * probe.c - what tests ask of the kernel: to look at itself, to take pages
 * away, to touch memory in kernel mode, to have a bug.
 */
#include "arch/bare/calls.h"
#include "arch/bare/kernel.h"

#define PAGE 4096u
#define SESSION_PAGES 16
#define TRIES 100
#define ENTRY_BITS 7 /* present, write, user */

static struct fw_space *sessions[2];

static void put_line(void *arg, const char *line)
{
	(void)arg;
	kprintf("# verify: %s\n", line);
}

static int probe_faults(uint32_t to, uint32_t room)
{
	uint32_t n = current->faults, copied = n < room ? n : room;

	if (copied > FAULT_LOG)
		copied = FAULT_LOG;
	current->faults = 0;
	if (copy_to_user(to, current->log, copied * sizeof(current->log[0])))
		return -E_FAULT;
	/* What that took is not what was asked. */
	current->faults = 0;
	return (int)n;
}

/* ---- taking pages away --------------------------------------------------- */

static void trim_all(struct fw_space *space)
{
	for (int i = 0; i < TRIES && fw_space_resident(space) > 0; i++)
		fw_trim(kernel_mm, current->actor, space, 64);
}

/* What is on standby loses its frame: everything is taken, and given back. */
static void drain_standby(void)
{
	struct fw_totals t;
	void **first = NULL, **page;

	for (;;) {
		fw_totals(kernel_mm, current->actor, &t);
		if (t.standby == 0)
			break;
		page = fw_kalloc(kernel_mm, current->actor, PAGE);
		if (!page)
			break;
		*page = first;
		first = page;
	}
	while (first) {
		page = first;
		first = *page;
		fw_kfree(kernel_mm, current->actor, page, PAGE);
	}
}

static int purge(struct fw_space *space)
{
	trim_all(space);
	while (fw_write_modified(kernel_mm, current->actor, 64) > 0)
		;
	drain_standby();
	return 0;
}

static int probe_totals(uint32_t to)
{
	uint32_t n[PROBE_TOTALS_N];
	struct fw_totals t;

	fw_totals(kernel_mm, current->actor, &t);
	n[0] = (uint32_t)t.nframes;
	n[1] = (uint32_t)(t.zeroed + t.free + t.standby);
	n[2] = (uint32_t)t.reads;
	n[3] = (uint32_t)t.writes;
	n[4] = (uint32_t)t.pages_read;
	n[5] = (uint32_t)t.pages_written;
	n[6] = (uint32_t)fw_space_resident(current->space);
	n[7] = (uint32_t)t.committed;
	return copy_to_user(to, n, sizeof(n)) ? -E_FAULT : 0;
}

static int probe_count(uint32_t kind)
{
	struct fw_totals t;

	if (kind >= FW_KIND_COUNT)
		return -E_INVAL;
	fw_totals(kernel_mm, current->actor, &t);
	return (int)t.kind_count[kind];
}

/* ---- tables -------------------------------------------------------------- */

static fw_pte *table_of(fw_pte entry)
{
	return ram_at((uint32_t)fw_pte_pfn(entry) << FW_PAGE_SHIFT);
}

/* The entry for an address: level 0 is the PTE, 1 what names its table. */
static fw_pte *entry_at(uint32_t addr, unsigned level)
{
	fw_pte *table = ram_at((uint32_t)current->space->root * PAGE);
	fw_vpn vpn = addr >> FW_PAGE_SHIFT;

	for (unsigned i = FW_LEVELS - 1;; i--) {
		fw_pte *e = table + (vpn >> FW_TABLE_BITS * i &
				     (FW_TABLE_ENTRIES - 1));

		if (i == level || !(*e & FW_PTE_VALID))
			return i == level ? e : NULL;
		table = table_of(*e);
	}
}

static int probe_pte(uint32_t addr, uint32_t level)
{
	const fw_pte *e = entry_at(addr, level);

	return e ? (int)(*e & 0x7fffffff) : 0;
}

static int probe_pte_set(uint32_t addr, uint32_t bits)
{
	fw_pte *table = entry_at(addr, 1), *pte;

	if (!table || !*table)
		return -E_INVAL;
	pte = table_of(*table) + (addr >> FW_PAGE_SHIFT &
				  (FW_TABLE_ENTRIES - 1));
	*pte = (*pte & ~(fw_pte)ENTRY_BITS) | (bits & ENTRY_BITS);
	*table = (*table & ~(fw_pte)ENTRY_BITS) | (bits >> 3 & ENTRY_BITS);
	paging_flush(current->space);
	return 0;
}

/* ---- memory in kernel mode ----------------------------------------------- */

static int peek(uint32_t addr)
{
	uint32_t word;

	if (copy_raw(&word, (const void *)addr, sizeof(word)))
		return -E_FAULT;
	return (int)(word & 0x7fffffff);
}

static int poke(uint32_t addr, uint32_t word)
{
	return copy_raw((void *)addr, &word, sizeof(word)) ? -E_FAULT : 0;
}

static int set_wp(uint32_t on)
{
	write_cr0(on ? read_cr0() | CR0_WP : read_cr0() & ~CR0_WP);
	return 0;
}

/* The same bytes by walking the tables and by access and fixup. */
static int both_copies(uint32_t addr, uint32_t n)
{
	char walked[256], accessed[256];
	uint32_t done = 0, part, a, b;

	do {
		part = n - done < sizeof(walked) ? n - done : sizeof(walked);
		a = (uint32_t)fw_copy_in(kernel_mm, current->actor,
					 current->space, walked, addr + done,
					 part);
		b = part - copy_from_user(accessed, addr + done, part);
		if (a != b || memcmp(walked, accessed, a))
			return -E_INVAL;
		done += a;
	} while (a == part && done < n);
	return (int)done;
}

static void bug_at(struct fw_space *space, void *arg)
{
	(void)space, (void)arg;
	kernel_bug();
}

static int oops(uint32_t how)
{
	volatile uint32_t *nowhere = (uint32_t *)(SYSTEM_START - PAGE);

	if (how == OOPS_NULL)
		return (int)kernel_bug();
	if (how == OOPS_LOCKED)
		fw_space_each(kernel_mm, current->actor, bug_at, NULL);
	else if (how == OOPS_TIMER)
		trap_bug_in_timer = true;
	else if (how == OOPS_WRITE)
		*nowhere = 1;
	return 0;
}

/* ---- the kernel half ----------------------------------------------------- */

static int pool_get(uint32_t bytes)
{
	fw_addr addr;
	enum fw_status status =
		fw_pool_alloc(kernel_mm, current->actor, bytes, &addr);

	/* Addresses are not negative numbers here: from the pool's start. */
	return status == FW_OK ? (int)(addr - SYSTEM_START) :
				 errno_of(status);
}

/* A session: 16 pages of its own, and a copy-on-write view of a file. */
static enum fw_status session_make(struct fw_space **ret)
{
	struct file *f = file_number(1);
	struct fw_map_request rq = {
		.start = SESSION_START, .len = SESSION_PAGES * PAGE,
		.kind = FW_VAD_PRIVATE, .prot = FW_PROT_R | FW_PROT_W,
		.max_prot = 7};
	enum fw_status status =
		fw_session_create(kernel_mm, current->actor, ret);

	if (status != FW_OK)
		return status;
	status = fw_map(kernel_mm, current->actor, *ret, &rq);
	rq.start += rq.len;
	rq.len = PAGE;
	rq.kind = FW_VAD_PRIVATE_VIEW;
	rq.section = file_section(f);
	rq.cookie = file_cookie(f);
	if (status == FW_OK && rq.section)
		status = fw_map(kernel_mm, current->actor, *ret, &rq);
	return status;
}

static int session_join(uint32_t which)
{
	enum fw_status status = FW_OK;

	if (which > 1)
		return -E_INVAL;
	if (!sessions[which])
		status = session_make(&sessions[which]);
	if (status == FW_OK)
		status = fw_session_join(kernel_mm, current->actor,
					 current->space, sessions[which]);
	paging_flush(current->space);
	return errno_of(status);
}

int sys_probe(uint32_t what, uint32_t a, uint32_t b)
{
	switch (what) {
	case PROBE_VERIFY:
		return (int)fw_verify(kernel_mm, current->actor, put_line,
				      NULL);
	case PROBE_FAULTS:
		return probe_faults(a, b);
	case PROBE_COUNT:
		return probe_count(a);
	case PROBE_TRIM:
		if (a > 0)
			return (int)fw_trim(kernel_mm, current->actor,
					    current->space, a);
		trim_all(current->space);
		return 0;
	case PROBE_PURGE:
		return purge(current->space);
	case PROBE_TOTALS:
		return probe_totals(a);
	case PROBE_PTE:
		return probe_pte(a, b);
	case PROBE_PTE_SET:
		return probe_pte_set(a, b);
	case PROBE_RAW:
		current->raw = a;
		return 0;
	case PROBE_PEEK:
		return peek(a);
	case PROBE_POKE:
		return poke(a, b);
	case PROBE_WP:
		return set_wp(a);
	case PROBE_COPIES:
		return both_copies(a, b);
	case PROBE_OOPS:
		return oops(a);
	case PROBE_POOL:
		return pool_get(a);
	case PROBE_POOL_FREE:
		return errno_of(fw_pool_free(kernel_mm, current->actor,
					     SYSTEM_START + (fw_addr)a));
	case PROBE_POOL_PURGE:
		return purge(kernel_system);
	case PROBE_SESSION:
		return session_join(a);
	case PROBE_SESSION_PURGE:
		return a < 2 && sessions[a] ? purge(sessions[a]) : -E_INVAL;
	case PROBE_ROOT:
		return (int)(((uint32_t *)ram_at((uint32_t)
				current->space->root * PAGE))[a & 1023] &
			     0x7fffffff);
	default:
		return -E_NOSYS;
	}
}
