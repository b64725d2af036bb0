/* SPDX-License-Identifier: MIT */
#include "core_port.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *ram;
static size_t ram_bytes;

struct fw_mm *port_start(uint32_t nframes)
{
	struct fw_mm_config config = {.nframes = nframes, .user_min = 16,
				      .user_top = (fw_vpn)1 << 35,
				      .stripes = FW_STRIPES_MAX};
	struct fw_mm *mm;

	ram_bytes = (size_t)nframes << FW_PAGE_SHIFT;
	ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ram == MAP_FAILED || fw_mm_init(ram, &config, &mm) != FW_OK) {
		fprintf(stderr, "bench-core: no RAM\n");
		exit(1);
	}
	return mm;
}

void port_end(void)
{
	munmap(ram, ram_bytes);
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	unsigned tries = 0;

	while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0)
		while (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0)
			if (++tries % 256 == 0)
				sched_yield();
			else
				__builtin_ia32_pause();
	lock->owner = actor_id;
	return false;
}

void fwp_unlock(struct fw_lock *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	(void)word, (void)seen, (void)owner;
	sched_yield();
	return true;
}

void fwp_wake(uint32_t *word)
{
	(void)word;
}

enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	(void)mm, (void)file, (void)slot, (void)pfn, (void)n;
	return FW_E_IO;
}

enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	(void)mm, (void)file, (void)slot, (void)pfn, (void)n;
	return FW_E_IO;
}

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	(void)space, (void)vpn, (void)n, (void)how;
}

_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	fprintf(stderr, "bench-core: %s:%d: %s\n", file, line, message);
	abort();
}
