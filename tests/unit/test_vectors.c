/* SPDX-License-Identifier: MIT */
/*
 * test_vectors.c - the walker against 60,000 recorded 4-level accesses.
 *
 * Each vector is one access with its tables, the fault that it takes and the
 * entries afterwards; the README beside the vectors says how one is run. They
 * are looked for in the first argument, $FW_VECTORS, ../shared/vectors beside
 * the source tree; without them the test is skipped. Needs xz(1).
 */
#include "harness.h"

#include <faultwise/mmu.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "x86-4level-maxphyaddr40.txt.xz"
#define N_VECTORS 60000

#define VADDR UINT64_C(0xffff923400000000)
#define PML4 UINT64_C(0x2000000)
#define PDPT UINT64_C(0x2001000)
#define PD UINT64_C(0x2002000)
#define PT UINT64_C(0x2102000)

enum { E_P = 1, E_W = 2, E_U = 4, E_A = 32, E_PS = 128 };

struct vector {
	unsigned nxe, wp, user, write, fetch, twice, pdpte_w, fault;
	uint64_t error, pde, pte, want_pde, want_pte, ignore_pde;
	bool has_pte;
};

/* Memory of four entries, by table. */
struct memory {
	uint64_t pml4e, pdpte, pde, pte;
};

static uint64_t *entry_at(struct memory *m, uint64_t phys)
{
	const uint64_t pml4_at = PML4 + (VADDR >> 39 & 511) * 8;
	const uint64_t pdpt_at = PDPT + (VADDR >> 30 & 511) * 8;

	if (phys == pml4_at)
		return &m->pml4e;
	if (phys == pdpt_at)
		return &m->pdpte;
	if (phys == PD)
		return &m->pde;
	return phys == PT ? &m->pte : NULL;
}

static bool mem_read(void *ctx, uint64_t phys, unsigned bytes, uint64_t *ret)
{
	const uint64_t *entry = entry_at(ctx, phys);

	if (!entry || bytes != 8)
		return false;
	*ret = *entry;
	return true;
}

static bool mem_swap(void *ctx, uint64_t phys, unsigned bytes, uint64_t *seen,
		     uint64_t value)
{
	uint64_t *entry = entry_at(ctx, phys);

	if (!entry || bytes != 8)
		return false;
	if (*entry != *seen) {
		*seen = *entry;
		return false;
	}
	*entry = value;
	return true;
}

static bool mem_copy(void *ctx, uint64_t phys, void *buffer, uint64_t len,
		     bool write)
{
	(void)ctx, (void)phys, (void)buffer, (void)len, (void)write;
	return false;
}

static const struct fw_mmu_bus_ops ops = {mem_read, mem_swap, mem_copy};

static bool parse(const char *line, struct vector *v)
{
	char pte[32], want_pte[32];
	int n = sscanf(line,
		       "%u %u %u %u %u %u %u %u %" SCNx64 " %" SCNx64
		       " %31s %" SCNx64 " %31s %" SCNx64,
		       &v->nxe, &v->wp, &v->user, &v->write, &v->fetch,
		       &v->twice, &v->pdpte_w, &v->fault, &v->error, &v->pde,
		       pte, &v->want_pde, want_pte, &v->ignore_pde);

	if (n != 14)
		return false;
	v->has_pte = sscanf(pte, "%" SCNx64, &v->pte) == 1 &&
		     sscanf(want_pte, "%" SCNx64, &v->want_pte) == 1;
	return true;
}

static bool run(const struct vector *v, unsigned long number)
{
	struct memory memory = {
		.pml4e = PDPT | E_P | E_W | E_U,
		.pdpte = PD | E_P | E_U | (v->pdpte_w ? E_W : 0),
		.pde = v->pde,
		.pte = v->pte,
	};
	const struct fw_mmu_bus bus = {.ops = &ops, .ctx = &memory};
	const struct fw_mmu_ctl ctl = {
		.format = FW_MMU_X64,
		.cr3 = PML4,
		.phys_bits = 40,
		.wp = v->wp,
		.nxe = v->nxe,
		.gib_pages = true,
	};
	uint32_t access = (v->user ? FW_ACC_USER : 0) |
			  (v->write ? FW_ACC_WRITE : 0) |
			  (v->fetch ? FW_ACC_EXEC : 0);
	struct fw_walk walk;
	enum fw_walk_end end;
	bool good;

	if (v->twice)
		fw_mmu_walk(&ctl, &bus, VADDR, FW_ACC_READ, &walk);
	end = fw_mmu_walk(&ctl, &bus, VADDR, access, &walk);
	good = is_u64(end, v->fault ? FW_WALK_FAULT : FW_WALK_OK,
		      "vector %lu: fault", number);
	if (end == FW_WALK_FAULT) {
		good &= is_u64(walk.error, v->error, "vector %lu: error",
			       number);
		good &= is_u64(walk.cr2, VADDR, "vector %lu: CR2", number);
	} else if (end == FW_WALK_OK) {
		good &= is_u64(walk.phys & ~UINT64_C(0x1fffff), 0x2000000,
			       "vector %lu: address", number);
	}
	if (v->has_pte)
		good &= is_u64(memory.pte, v->want_pte, "vector %lu: PTE",
			       number);
	good &= is_u64(memory.pde & ~v->ignore_pde,
		       v->want_pde & ~v->ignore_pde, "vector %lu: PDE", number);
	return good;
}

static bool find_file(char *path, size_t size)
{
	char beside[600];
	const char *slash = strrchr(__FILE__, '/');
	int n = slash ? (int)(slash - __FILE__) : 0;
	const char *dirs[] = {
		test_argc > 1 ? test_argv[1] : "",
		test_env("FW_VECTORS", ""),
		beside,
		"../shared/vectors",
	};

	snprintf(beside, sizeof(beside), "%.*s/../../../shared/vectors", n,
		 __FILE__);
	for (unsigned i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		if (!*dirs[i])
			continue;
		snprintf(path, size, "%s/" FILE_NAME, dirs[i]);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

TEST(recorded_accesses, "C02 C07 C13 A09 A10 A11 A12 A13 A14 B21 B22")
{
	char path[700], command[800], line[400];
	unsigned long lines = 0, good = 0;
	FILE *in;

	if (!find_file(path, sizeof(path)))
		skip("no vectors: give their folder as FW_VECTORS");
	snprintf(command, sizeof(command), "xz -dc '%s'", path);
	in = popen(command, "r");
	must(in, "xz starts");
	while (fgets(line, sizeof(line), in)) {
		struct vector v = {0};

		if (line[0] == '#')
			continue;
		lines++;
		if (!ok(parse(line, &v), "line %lu is understood", lines))
			continue;
		good += run(&v, lines);
	}
	ok(pclose(in) == 0, "xz succeeds");
	is_u64(lines, N_VECTORS, "vectors run");
	is_u64(good, lines, "vectors passed");
}
