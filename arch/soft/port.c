/* SPDX-License-Identifier: MIT */
/*
 * port.c - what the core asks of its host, answered by a machine in memory;
 * see include/faultwise/port.h for the contract of each function.
 */
#include "arch/soft/soft.h"

#include "mm/mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In its own function, so that a debugger can stop at it. */
_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	fflush(stdout);
	fprintf(stderr, "faultwise: %s:%d: %s\n", file, line, message);
	abort();
}

static void want(bool cond, const char *message, int line)
{
	if (!cond)
		fwp_panic(message, __FILE__, line);
}

/* ---- backing stores --------------------------------------------------- */

/* Counts an I/O and asks the test's hook for its result. */
static enum fw_status begin_io(struct soft *s, enum soft_io io, uint64_t where,
			       unsigned n)
{
	want(soft_locks_held() == 0, "I/O under a lock", __LINE__);
	soft_step();
	__atomic_add_fetch(&s->ios[io], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&s->io_pages[io], n, __ATOMIC_RELAXED);
	if (s->fail_ios >> io & 1)
		return FW_E_IO;
	return s->io_hook ? s->io_hook(s->io_arg, io, where, n) : FW_OK;
}

static struct fw_store *store_of(struct soft *s, unsigned file, uint64_t slot,
				 unsigned n)
{
	struct fw_store *store;

	want(file < FW_MAX_PAGE_FILES && s->stores[file], "no such page file",
	     __LINE__);
	store = s->stores[file];
	want(n >= 1 && n <= FW_STORE_MAX, "a cluster is 1 to 64 pages",
	     __LINE__);
	want(slot > 0, "slot 0 is never used", __LINE__);
	want(slot < store->slots && n <= store->slots - slot,
	     "slots beyond the end of the page file", __LINE__);
	return store;
}

static void pages_of(struct fw_mm *mm, const fw_pfn *pfn, unsigned n,
		     void **ret_page)
{
	for (unsigned i = 0; i < n; i++)
		ret_page[i] = fw_frame_data(mm, pfn[i]);
}

/* What a failed read leaves behind: nothing that may be relied on. */
static void spoil(struct fw_mm *mm, const fw_pfn *pfn, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(fw_frame_data(mm, pfn[i]), 0xdb, FW_PAGE_SIZE);
}

enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	struct soft *s = soft_machine();
	struct fw_store *store = store_of(s, file, slot, n);
	enum fw_status status = begin_io(s, SOFT_STORE_READ, slot, n);
	void *page[FW_STORE_MAX];

	pages_of(mm, pfn, n, page);
	if (status == FW_OK)
		status = store_read(store, slot, page, n);
	want(status != FW_E_INVAL, "a slot is read that was never written",
	     __LINE__);
	if (status != FW_OK)
		spoil(mm, pfn, n);
	return status;
}

enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	struct soft *s = soft_machine();
	struct fw_store *store = store_of(s, file, slot, n);
	enum fw_status status = begin_io(s, SOFT_STORE_WRITE, slot, n);
	void *page[FW_STORE_MAX];

	pages_of(mm, pfn, n, page);
	return status == FW_OK ? store_write(store, slot, page, n) : status;
}

enum fw_status fwp_section_read(struct fw_section *section, uint64_t cookie,
				uint64_t page, const fw_pfn *pfn, unsigned n,
				unsigned *ret_n)
{
	struct soft *s = soft_machine();
	struct soft_file *file = &s->files[cookie - 1];
	uint64_t pages = (file->size + FW_PAGE_MASK) >> FW_PAGE_SHIFT;
	enum fw_status status = begin_io(s, SOFT_FILE_READ, page, n);

	want(cookie >= 1 && cookie <= SOFT_FILES && file->section == section,
	     "the cookie is not the section's", __LINE__);
	want(n >= 1 && n <= 16, "a file read is 1 to 16 pages", __LINE__);
	if (status != FW_OK) {
		spoil(s->mm, pfn, n);
		return status;
	}
	if (page >= pages)
		return FW_E_EOF;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (page + i) << FW_PAGE_SHIFT, len = 0;
		uint8_t *frame = fw_frame_data(s->mm, pfn[i]);

		if (at < file->size)
			len = file->size - at < FW_PAGE_SIZE ? file->size - at
							     : FW_PAGE_SIZE;
		memcpy(frame, file->data + (len ? at : 0), len);
		memset(frame + len, 0, FW_PAGE_SIZE - len);
	}
	*ret_n = pages - page < n ? (unsigned)(pages - page) : n;
	return FW_OK;
}

enum fw_status fwp_section_write(struct fw_section *section, uint64_t page,
				 const fw_pfn *pfn, unsigned n)
{
	struct soft *s = soft_machine();
	const struct fw_section_key *key = fw_section_file(section);
	enum fw_status status = begin_io(s, SOFT_FILE_WRITE, page, n);
	struct soft_file *file;

	want(key && key->ino >= 1 && key->ino <= SOFT_FILES, "not a file",
	     __LINE__);
	want(n >= 1 && n <= 16, "a file write is 1 to 16 pages", __LINE__);
	file = &s->files[key->ino - 1];
	want((page + n - 1) << FW_PAGE_SHIFT < file->size,
	     "a write beyond the end of the file", __LINE__);
	for (unsigned i = 0; i < n && status == FW_OK; i++) {
		uint64_t at = (page + i) << FW_PAGE_SHIFT;
		uint64_t len = file->size - at < FW_PAGE_SIZE ? file->size - at
							      : FW_PAGE_SIZE;

		memcpy(file->data + at, fw_frame_data(s->mm, pfn[i]), len);
	}
	return status;
}

/* ---- translations ----------------------------------------------------- */

/* Can the CPU have translations of this space? */
static bool soft_sees(const struct soft_cpu *cpu, const struct fw_space *space)
{
	return cpu->space == space || space->kind == FW_SPACE_SYSTEM ||
	       (space->kind == FW_SPACE_SESSION &&
		cpu->space->session == space);
}

/* A CPU's lock is held during each of its accesses: when this returns, none
 * of them uses the old translation. To write-protect is to drop: the next
 * access reads the tables. */
void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	struct soft *s = soft_machine();

	(void)how;
	want(soft_holds(fw_space_lock_of(space, vpn)),
	     "a flush without the space lock", __LINE__);
	want(!soft_holds(&s->mm->lock), "a flush under the mm lock", __LINE__);
	__atomic_add_fetch(&s->flushes, 1, __ATOMIC_RELAXED);
	soft_step();
	pthread_mutex_lock(&s->cpus_lock);
	for (unsigned i = 0; i < SOFT_CPUS; i++) {
		struct soft_cpu *cpu = s->cpus[i];

		if (!cpu || !soft_sees(cpu, space))
			continue;
		pthread_mutex_lock(&cpu->lock);
		fw_tlb_drop_range(&cpu->tlb, cpu->mmu.asid,
				  addr_of(vpn) >> FW_PAGE_SHIFT, n);
		pthread_mutex_unlock(&cpu->lock);
	}
	pthread_mutex_unlock(&s->cpus_lock);
}

/* The TLB fills itself by walking. */
void fwp_tlb_fill(struct fw_space *space, fw_vpn vpn, unsigned n)
{
	want(soft_holds(fw_space_lock_of(space, vpn)),
	     "a fill without the space lock", __LINE__);
	want(!soft_holds(&space->mm->lock), "a fill under the mm lock",
	     __LINE__);
	want(n >= 1 && n <= 64 && vpn + n > vpn, "a fill of 1 to 64 pages",
	     __LINE__);
}

void fwp_view_gone(struct fw_space *space, uint64_t cookie, uint64_t page,
		   uint64_t n)
{
	(void)cookie, (void)page;
	want(soft_holds(fw_space_lock_of(space, 0)) &&
		     !soft_holds(&space->mm->lock),
	     "a view goes with the space lock held alone", __LINE__);
	__atomic_add_fetch(&soft_machine()->views_gone, n, __ATOMIC_RELAXED);
}

/* ---- reclaim ---------------------------------------------------------- */

/* Any thread can flush any space here, so whoever asks trims himself, as an
 * actor kept for that: the keeper may be at work in a thread of its own. The
 * core holds no reference to the victim: it must have a CPU, and none of those
 * leaves while keeper_lock is held. */
bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	struct soft *s = soft_machine();
	bool runs;

	want(soft_locks_held() == 0, "asking under a lock", __LINE__);
	__atomic_add_fetch(&s->asked_trims, 1, __ATOMIC_RELAXED);
	if (!s->trimmer || !victim || victim == s->deaf ||
	    pthread_mutex_trylock(&s->keeper_lock))
		return false;
	runs = soft_is_running(s, victim);
	if (runs)
		fw_trim(mm, s->trimmer, victim, n);
	pthread_mutex_unlock(&s->keeper_lock);
	return runs;
}

void fwp_kick(struct fw_mm *mm, enum fw_kthread who)
{
	(void)mm;
	want(soft_locks_held() == 0, "a kick under a lock", __LINE__);
	__atomic_add_fetch(&soft_machine()->kicks, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&soft_machine()->kicked[who], 1, __ATOMIC_RELAXED);
}

/* ---- actors ----------------------------------------------------------- */

void soft_step(void)
{
	struct soft *s = soft_machine();

	if (s->step_hook)
		s->step_hook(s->step_arg);
}

void fwp_step(struct fw_mm *mm)
{
	(void)mm;
	soft_step();
}

bool fwp_refuse(const struct fw_mm *mm, enum fw_need need)
{
	struct soft *s = soft_machine();

	(void)mm;
	if (!s->refuse_hook || s->granted)
		return false;
	if (s->refuse_hook(s->refuse_arg, need))
		return true;
	s->granted = need == FW_NEED_ROOM;
	return false;
}

bool fwp_actor_alive(struct fw_mm *mm, uint32_t actor_id)
{
	struct soft *s = soft_machine();
	uint32_t n = __atomic_load_n(&s->n_dead, __ATOMIC_ACQUIRE);

	(void)mm;
	for (uint32_t i = 0; i < n && i < SOFT_DEAD; i++)
		if (s->dead[i] == actor_id)
			return false;
	return true;
}
