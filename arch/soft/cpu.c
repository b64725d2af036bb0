/* SPDX-License-Identifier: MIT */
/* cpu.c - CPUs of the machine: accesses that fault, trap and are retried. */
#include "arch/soft/soft.h"

#include <stdlib.h>

#define FORK_TRIES 4
#define MAX_RETRIES 10000 /* of one access, before it counts as a hang */

static void cpu_enlist(struct soft *s, struct soft_cpu *cpu)
{
	unsigned i = 0;

	pthread_mutex_lock(&s->cpus_lock);
	while (i < SOFT_CPUS && s->cpus[i])
		i++;
	if (i == SOFT_CPUS)
		fwp_panic("too many CPUs", __FILE__, __LINE__);
	s->cpus[i] = cpu;
	pthread_mutex_unlock(&s->cpus_lock);
}

static void cpu_delist(struct soft_cpu *cpu)
{
	struct soft *s = cpu->soft;

	pthread_mutex_lock(&s->cpus_lock);
	for (unsigned i = 0; i < SOFT_CPUS; i++)
		if (s->cpus[i] == cpu)
			s->cpus[i] = NULL;
	pthread_mutex_unlock(&s->cpus_lock);
}

struct soft_cpu *soft_cpu_create(struct soft *s, struct fw_space *space)
{
	struct soft_cpu *cpu = calloc(1, sizeof(*cpu));

	if (!cpu)
		fwp_panic("no memory for a CPU", __FILE__, __LINE__);
	cpu->soft = s;
	if (fw_actor_create(s->mm, NULL, &cpu->actor) != FW_OK)
		goto no_actor;
	if (space)
		;
	else if (fw_space_create(s->mm, cpu->actor, &space) == FW_OK)
		fw_space_hand_over(s->mm, cpu->actor, space, NULL);
	else
		goto no_space;
	cpu->space = space;
	pthread_mutex_init(&cpu->lock, NULL);
	cpu->mmu = (struct fw_mmu_cpu){
		.ctl = {.format = FW_MMU_OWN,
			.cr3 = (uint64_t)space->root << FW_PAGE_SHIFT,
			.phys_bits = FW_LEVELS == 2 ? 32 : 52,
			.wp = true,
			.nxe = true},
		.bus = &s->bus,
		.tlb = &cpu->tlb,
		.asid = (uint16_t)space->id,
		.tlb_only = true,
	};
	cpu_enlist(s, cpu);
	return cpu;
no_space:
	fw_actor_destroy(s->mm, NULL, cpu->actor);
no_actor:
	free(cpu);
	return NULL;
}

struct fw_space *soft_cpu_bury(struct soft_cpu *cpu)
{
	struct fw_space *space = cpu->space;

	cpu_delist(cpu);
	pthread_mutex_destroy(&cpu->lock);
	free(cpu);
	return space;
}

void soft_cpu_free(struct soft_cpu *cpu)
{
	struct soft *s = cpu->soft;

	fw_actor_destroy(s->mm, NULL, cpu->actor);
	soft_cpu_bury(cpu);
}

bool soft_is_running(struct soft *s, const struct fw_space *space)
{
	bool found = false;

	pthread_mutex_lock(&s->cpus_lock);
	for (unsigned i = 0; i < SOFT_CPUS; i++)
		found = found || (s->cpus[i] && s->cpus[i]->space == space);
	pthread_mutex_unlock(&s->cpus_lock);
	return found;
}

/* From here on the trimmer does not touch the space: see fwp_ask_trim. */
static void cpu_retire(struct soft_cpu *cpu)
{
	pthread_mutex_lock(&cpu->soft->keeper_lock);
	cpu_delist(cpu);
	pthread_mutex_unlock(&cpu->soft->keeper_lock);
}

void soft_cpu_exit(struct soft_cpu *cpu)
{
	struct soft *s = cpu->soft;

	cpu_retire(cpu);
	fw_space_destroy(s->mm, cpu->actor, cpu->space);
	soft_cpu_free(cpu);
}

/* As mm.h prescribes: room first, and again when others took it. */
static enum fw_status fork_space(struct soft_cpu *parent,
				 struct fw_space **ret_child)
{
	struct fw_mm *mm = parent->soft->mm;
	struct fw_space *space = parent->space;
	enum fw_status status = FW_E_NOMEM;

	for (unsigned i = 0; i < FORK_TRIES && status == FW_E_NOMEM; i++) {
		if (!fw_make_room(mm, parent->actor, space,
				  fw_space_fork_need(space)))
			return FW_E_NOMEM;
		fw_space_lock(space, parent->actor);
		status = fw_space_fork_locked(mm, parent->actor, space,
					      ret_child);
		fw_space_unlock(space);
	}
	if (status == FW_OK)
		fw_space_hand_over(mm, parent->actor, *ret_child, NULL);
	return status;
}

enum fw_status soft_fork(struct soft_cpu *parent, struct soft_cpu **ret)
{
	struct soft *s = parent->soft;
	struct fw_space *child;
	enum fw_status status = fork_space(parent, &child);

	if (status != FW_OK)
		return status;
	*ret = soft_cpu_create(s, child);
	if (*ret)
		return FW_OK;
	fw_space_destroy(s->mm, parent->actor, child);
	return FW_E_NOMEM;
}

/* The trap handler. It knows what the error code says and no more: without
 * NX (2-level tables) a fetch looks like a read. */
static bool handle(struct soft_cpu *cpu, const struct fw_walk *walk)
{
	const uint32_t told = FW_ACC_WRITE | FW_ACC_USER | FW_ACC_EXEC;

	cpu->last = (struct fw_fault){.addr = walk->cr2,
				      .access = walk->error & told};
	cpu->last_error = walk->error;
	fw_fault(cpu->soft->mm, cpu->actor, cpu->space, &cpu->last);
	cpu->faults++;
	cpu->count[cpu->last.kind]++;
	return fw_kind_resolved(cpu->last.kind);
}

/*
 * Loads the TLB from the tables for the first and the last byte. Under the
 * space lock, as the core wants it (mm.h): it flushes before it changes a
 * PTE, and nobody may load the old one in between.
 */
static enum fw_walk_end load_tlb(struct soft_cpu *cpu, fw_addr addr,
				 uint64_t len, uint32_t access,
				 struct fw_walk *walk)
{
	struct fw_space *space = fw_space_of(cpu->space, addr);
	enum fw_walk_end end;

	if (!space)
		space = cpu->space;
	fw_space_lock(space, cpu->actor);
	pthread_mutex_lock(&cpu->lock);
	cpu->mmu.tlb_only = false;
	end = fw_mmu_translate(&cpu->mmu, addr, access, walk);
	if (end == FW_WALK_OK && ((addr ^ (addr + len - 1)) >> FW_PAGE_SHIFT))
		end = fw_mmu_translate(&cpu->mmu,
				       (addr | FW_PAGE_MASK) + 1, access,
				       walk);
	cpu->mmu.tlb_only = true;
	pthread_mutex_unlock(&cpu->lock);
	fw_space_unlock(space);
	return end;
}

/* One try: through the TLB, else by loading it. FW_WALK_MISS: try again. */
static enum fw_walk_end try_access(struct soft_cpu *cpu, fw_addr addr,
				   void *buffer, uint64_t len, uint32_t access,
				   struct fw_walk *walk)
{
	enum fw_walk_end end;

	pthread_mutex_lock(&cpu->lock);
	end = fw_mmu_access(&cpu->mmu, addr, buffer, len, access, walk);
	pthread_mutex_unlock(&cpu->lock);
	if (end != FW_WALK_MISS)
		return end;
	end = load_tlb(cpu, addr, len, access, walk);
	return end == FW_WALK_OK ? FW_WALK_MISS : end;
}

enum fw_walk_end soft_try(struct soft_cpu *cpu, fw_addr addr, void *buffer,
			  uint64_t len, uint32_t access, struct fw_walk *walk)
{
	enum fw_walk_end end;

	do
		end = try_access(cpu, addr, buffer, len, access, walk);
	while (end == FW_WALK_MISS);
	return end;
}

/* Until it is done or cannot be. */
static bool do_access(struct soft_cpu *cpu, fw_addr addr, void *buffer,
		      uint64_t len, uint32_t access)
{
	struct fw_walk walk;
	enum fw_walk_end end;

	for (unsigned i = 0; i < MAX_RETRIES; i++) {
		end = try_access(cpu, addr, buffer, len, access, &walk);
		if (end == FW_WALK_OK)
			return true;
		if (end == FW_WALK_MISS)
			continue;
		if (end == FW_WALK_NONCANONICAL) {
			cpu->last = (struct fw_fault){.addr = addr,
						      .access = access,
						      .kind = FW_KIND_MAPERR};
			return false;
		}
		if (end == FW_WALK_BUS)
			fwp_panic("a table names a frame that is not RAM",
				  __FILE__, __LINE__);
		if (walk.error & FW_PF_RSVD)
			fwp_panic("a table entry has a reserved bit set",
				  __FILE__, __LINE__);
		if (!handle(cpu, &walk))
			return false;
	}
	fwp_panic("an access faults without end", __FILE__, __LINE__);
}

bool soft_access(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len,
		 uint32_t access)
{
	return do_access(cpu, addr, buffer, len, access | FW_ACC_USER);
}

bool soft_kernel_access(struct soft_cpu *cpu, fw_addr addr, void *buffer,
			uint64_t len, uint32_t access)
{
	return do_access(cpu, addr, buffer, len, access);
}

/* Page by page. */
static bool run(struct soft_cpu *cpu, fw_addr addr, uint8_t *buffer,
		uint64_t len, uint32_t access)
{
	while (len) {
		uint64_t n = FW_PAGE_SIZE - (addr & FW_PAGE_MASK);

		if (n > len)
			n = len;
		if (!soft_access(cpu, addr, buffer, n, access))
			return false;
		addr += n;
		buffer += n;
		len -= n;
	}
	return true;
}

bool soft_read(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len)
{
	return run(cpu, addr, buffer, len, FW_ACC_READ);
}

bool soft_write(struct soft_cpu *cpu, fw_addr addr, const void *buffer,
		uint64_t len)
{
	return run(cpu, addr, (uint8_t *)(uintptr_t)buffer, len, FW_ACC_WRITE);
}

bool soft_fetch(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len)
{
	return run(cpu, addr, buffer, len, FW_ACC_EXEC);
}

enum fw_status soft_map_view(struct soft_cpu *cpu, fw_addr addr, uint64_t pages,
			     unsigned prot, enum fw_vad_kind kind,
			     struct fw_section *section, uint64_t page,
			     uint64_t cookie)
{
	struct fw_map_request rq = {
		.start = addr,
		.len = pages << FW_PAGE_SHIFT,
		.kind = (uint8_t)kind,
		.prot = (uint8_t)prot,
		.max_prot = FW_PROT_R | FW_PROT_W | FW_PROT_X,
		.section = section,
		.page = page,
		.cookie = cookie,
	};

	return fw_map(cpu->soft->mm, cpu->actor, cpu->space, &rq);
}

enum fw_status soft_map(struct soft_cpu *cpu, fw_addr addr, uint64_t pages,
			unsigned prot)
{
	return soft_map_view(cpu, addr, pages, prot, FW_VAD_PRIVATE, NULL, 0,
			     0);
}

fw_pte soft_pte(struct soft_cpu *cpu, fw_addr addr)
{
	fw_pte pte;

	fw_space_lock(cpu->space, cpu->actor);
	pte = fw_pte_read_locked(cpu->space, addr >> FW_PAGE_SHIFT);
	fw_space_unlock(cpu->space);
	return pte;
}
