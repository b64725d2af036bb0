/* SPDX-License-Identifier: MIT */
/*
 * port.c - what the core asks of its host, answered by the machine: see
 * include/faultwise/port.h. One CPU, and kernel code that is not preempted:
 * a lock is never waited for, and a space's translations are used by nobody
 * between two instructions of the core.
 */
#include "arch/bare/kernel.h"

/*
 * The space whose translations were dropped and whose lock is still held. A CPU
 * may read tables ahead of need: between the flush and the stores that it is
 * for, it would read old entries again, and later walk tables that are freed
 * meanwhile. So it has the kernel's own until the lock is released.
 */
static struct fw_space *flushed;

enum { LOCK_FREE, LOCK_HELD, LOCK_DIED };
#define HELD_MAX 2 /* of a space, and the core's */

static struct fw_lock *held[HELD_MAX];
static unsigned n_held;

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	bool died = lock->word == LOCK_DIED;

	if (lock->word == LOCK_HELD || n_held == HELD_MAX)
		panic("a lock of the core is taken twice");
	lock->word = LOCK_HELD;
	lock->owner = actor_id;
	held[n_held++] = lock;
	return died;
}

void fwp_unlock(struct fw_lock *lock)
{
	if (n_held == 0 || held[n_held - 1] != lock)
		panic("a lock of the core is released out of order");
	n_held--;
	lock->word = LOCK_FREE;
	lock->owner = 0;
	if (flushed && lock == &flushed->stripe[0].lock) {
		paging_flush(flushed);
		flushed = NULL;
	}
}

void port_locks_die(void)
{
	while (n_held > 0)
		held[--n_held]->word = LOCK_DIED;
	if (flushed)
		paging_flush(flushed);
	flushed = NULL;
}

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	(void)vpn, (void)n, (void)how;
	if (flushed && flushed != space)
		panic("two spaces are flushed at once");
	flushed = space;
	paging_leave(space);
}

/* The CPU fills its TLB by itself; only entries of a PAE root are copied. */
void fwp_tlb_fill(struct fw_space *space, fw_vpn vpn, unsigned n)
{
	(void)vpn, (void)n;
	paging_notice(space);
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	(void)owner; /* who ends while others wait is reaped by its parent */
	if (n_held > 0)
		panic("a task waits with a lock of the core");
	if (*(volatile uint32_t *)word == seen)
		task_sleep(word, 1);
	return true;
}

void fwp_wake(uint32_t *word)
{
	task_wake(word);
}

static enum fw_status store_io(unsigned file, uint64_t slot, const fw_pfn *pfn,
			       unsigned n, bool write)
{
	uint32_t phys[DISK_PAGES_MAX], slots;
	uint32_t start = files_page_file(&slots);

	if (file != 0 || slot == 0 || slot + n > slots)
		panic("no such slot of the page file");
	for (unsigned i = 0; i < n; i++)
		phys[i] = pfn[i] << FW_PAGE_SHIFT;
	return disk_transfer(start + (uint32_t)slot * SECTORS_PAGE, phys, n,
			     write) ? FW_OK : FW_E_IO;
}

enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	(void)mm;
	return store_io(file, slot, pfn, n, false);
}

enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	(void)mm;
	return store_io(file, slot, pfn, n, true);
}

enum fw_status fwp_section_read(struct fw_section *section, uint64_t cookie,
				uint64_t page, const fw_pfn *pfn, unsigned n,
				unsigned *ret_n)
{
	struct file *f = file_number((uint32_t)cookie);
	uint32_t phys[DISK_PAGES_MAX];

	if (!f || f->section != section || page >= FW_VPN_END)
		panic("a section has another file than its view");
	for (unsigned i = 0; i < n; i++)
		phys[i] = pfn[i] << FW_PAGE_SHIFT;
	return file_read(f, (uint32_t)page, phys, n, ret_n);
}

/* Any task can take pages from any space: there is no CPU to be asked. */
bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	return fw_trim(mm, current->actor, victim, n) > 0;
}

/* One task writes all modified pages. */
void fwp_kick(struct fw_mm *mm, enum fw_kthread who)
{
	(void)mm;
	task_wake(&kicked[who == FW_KTHREAD_MAPPED ? FW_KTHREAD_WRITER : who]);
}

_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	kprintf("Kernel panic - %s:%d: %s\n", file, line, message);
	kernel_exit(2);
}
