/* SPDX-License-Identifier: MIT */
/*
 * embed_min.c - the memory manager in a program of yours: demand paging, a
 * page file, and fork, in 2 MiB of RAM. Built with nothing but a C compiler
 * and the installed library; see the Makefile and docs/embedding.md.
 *
 * First the port, the eight functions that the core cannot do without; then a
 * CPU, whose every access goes through the page tables; then what a kernel
 * would do with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <faultwise/mm.h>
#include <faultwise/mmu.h>

#define FRAMES 512
#define SLOTS 4096
#define PAGES 1000
#define BASE ((fw_addr)0x10000000)

static _Alignas(4096) uint8_t ram[FRAMES][FW_PAGE_SIZE];
static uint8_t page_file[SLOTS][FW_PAGE_SIZE];
static struct fw_mm *mm;
static struct fw_actor *actor;

/* ---- the port: one thread, so locks and waiting are nothing -------------- */

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	lock->owner = actor_id;
	return false; /* no previous owner died */
}

void fwp_unlock(struct fw_lock *lock)
{
	lock->owner = 0;
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	(void)word, (void)seen, (void)owner;
	return true;
}

void fwp_wake(uint32_t *word)
{
	(void)word;
}

enum fw_status fwp_store_read(struct fw_mm *m, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	(void)file;
	for (unsigned i = 0; i < n; i++)
		memcpy(fw_frame_data(m, pfn[i]), page_file[slot + i],
		       FW_PAGE_SIZE);
	return FW_OK;
}

enum fw_status fwp_store_write(struct fw_mm *m, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	(void)file;
	for (unsigned i = 0; i < n; i++)
		memcpy(page_file[slot + i], fw_frame_data(m, pfn[i]),
		       FW_PAGE_SIZE);
	return FW_OK;
}

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	(void)space, (void)vpn, (void)n, (void)how; /* this CPU has no TLB */
}

_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, message);
	abort();
}

/* ---- a CPU: an access, or a trap and the access again -------------------- */

static void access_word(struct fw_space *space, fw_addr addr, uint64_t *word,
			uint32_t access)
{
	struct fw_mmu_bus bus = {.base = ram, .size = sizeof(ram)};
	struct fw_mmu_cpu cpu = {
		.ctl = {.format = FW_MMU_X64, .phys_bits = 52, .wp = true,
			.nxe = true,
			.cr3 = (uint64_t)space->root << FW_PAGE_SHIFT},
		.bus = &bus};
	struct fw_walk walk;

	access |= FW_ACC_USER;
	while (fw_mmu_access(&cpu, addr, word, 8, access, &walk) !=
	       FW_WALK_OK) {
		struct fw_fault fault = {.addr = walk.cr2, .access = access};

		fw_fault(mm, actor, space, &fault);
		if (!fw_kind_resolved(fault.kind))
			fwp_panic(fw_kind_text(fault.kind), __FILE__, __LINE__);
	}
}

static void must(enum fw_status status)
{
	if (status != FW_OK)
		fwp_panic(fw_status_text(status), __FILE__, __LINE__);
}

/* Writes i + seed into page i, of the first n. */
static void fill(struct fw_space *space, uint64_t n, uint64_t seed)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = i + seed;

		access_word(space, BASE + i * FW_PAGE_SIZE, &word,
			    FW_ACC_WRITE);
	}
}

static unsigned wrong(struct fw_space *space, uint64_t n, uint64_t seed)
{
	unsigned bad = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t word = 0;

		access_word(space, BASE + i * FW_PAGE_SIZE, &word,
			    FW_ACC_READ);
		bad += word != i + seed;
	}
	return bad;
}

static struct fw_space *fork_space(struct fw_space *parent)
{
	struct fw_space *child;

	fw_make_room(mm, actor, parent, fw_space_fork_need(parent));
	fw_space_lock(parent, actor);
	must(fw_space_fork_locked(mm, actor, parent, &child));
	fw_space_unlock(parent);
	return child;
}

int main(void)
{
	struct fw_mm_config config = {.nframes = FRAMES, .user_min = 16,
				      .user_top = (fw_vpn)1 << 35};
	struct fw_map_request heap = {.start = BASE,
				      .len = PAGES * FW_PAGE_SIZE,
				      .kind = FW_VAD_PRIVATE,
				      .prot = FW_PROT_R | FW_PROT_W,
				      .max_prot = FW_PROT_R | FW_PROT_W};
	struct fw_space *parent, *child;
	struct fw_totals t;
	unsigned bad, file;

	must(fw_mm_init(ram, &config, &mm));
	must(fw_actor_create(mm, NULL, &actor));
	must(fw_page_file_add(mm, actor, SLOTS, &file));
	must(fw_space_create(mm, actor, &parent));
	must(fw_map(mm, actor, parent, &heap));
	fill(parent, PAGES, 7);
	bad = wrong(parent, PAGES, 7);
	printf("%d pages in %d frames: %u wrong\n", PAGES, FRAMES, bad);
	child = fork_space(parent);
	fill(child, 100, 5000);
	bad = wrong(child, 100, 5000) + wrong(parent, PAGES, 7);
	printf("after a fork: %u wrong\n", bad);
	fw_totals(mm, actor, &t);
	for (int kind = 0; kind < FW_KIND_COUNT; kind++)
		if (t.kind_count[kind])
			printf("  %-18s %6llu\n",
			       fw_kind_text((enum fw_kind)kind),
			       (unsigned long long)t.kind_count[kind]);
	fw_space_destroy(mm, actor, child);
	fw_space_destroy(mm, actor, parent);
	printf("records: %u wrong\n", fw_verify(mm, actor, NULL, NULL));
	return 0;
}
