/* SPDX-License-Identifier: MIT */
/*
 * test_table.c - the ten reasons for an access fault, as Windows Internals 6e
 * part 2 lists them in table 10-13, each with its result and with what it
 * changes in all counters: of kinds, classes, working set, frames and I/O.
 */
#include "machine.h"

#include "mm/mm.h"

#if FW_LEVELS == 4
#define KERNEL UINT64_C(0xffff800000000000)
#define SPAN (UINT64_C(1) << 39)
#define USER_TOP 0
#else
#define KERNEL UINT64_C(0xc0000000)
#define SPAN (UINT64_C(1) << 30)
#define USER_TOP (UINT64_C(0xc0000000) >> FW_PAGE_SHIFT)
#endif

static struct rig r;
static uint8_t file_data[8 * 4096];

struct counters {
	struct fw_totals t;
	uint64_t resident, reads, writes;
};

static struct counters look(void)
{
	return (struct counters){totals(&r), fw_space_resident(r.cpu->space),
				 r.s->ios[SOFT_STORE_READ] +
					 r.s->ios[SOFT_FILE_READ],
				 r.s->ios[SOFT_STORE_WRITE]};
}

/* One access, one fault of this kind and class, and nothing else. */
static void one_fault(fw_addr at, uint32_t access, enum fw_kind kind,
		      enum fw_fault_class class, int resident, int active,
		      unsigned reads)
{
	struct counters a = look(), b;

	is_kind(touch(r.cpu, at, access), kind);
	b = look();
	for (unsigned k = 0; k < FW_KIND_COUNT; k++)
		is_u64(b.t.kind_count[k] - a.t.kind_count[k], k == kind,
		       "faults: %s", fw_kind_key(k));
	is_u64(fw_kind_class(kind), class, "its class");
	is_u64(b.resident - a.resident, (uint64_t)(int64_t)resident,
	       "working set");
	is_u64(b.t.active - a.t.active, (uint64_t)(int64_t)active,
	       "active frames");
	is_u64(b.reads - a.reads, reads, "reads");
	is_u64(b.writes, a.writes, "writes");
	rig_verify(&r);
}

static void ready(void)
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	/* The tables are there, so that only pages are counted. */
	touch(r.cpu, BASE, FW_ACC_WRITE);
}

/* A PTE whose slot is all ones: the region says what the page is. */
static void plant(fw_addr at)
{
	fw_pte *pte;

	fw_space_lock(r.cpu->space, r.cpu->actor);
	pte = table_find(r.cpu->space, vpn_of(at));
	must(pte != NULL, "a table");
	*pte = pte_make_slot(0, PTE_SLOT_VAD, FW_PROT_R);
	fw_space_unlock(r.cpu->space);
}

static void page_out(uint64_t pages)
{
	put_pages(r.cpu, BASE, pages, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
}

TEST(row_1_in_the_page_file, "B47 B04 B25 B49")
{
	ready();
	page_out(3);
	one_fault(BASE + PAGE, FW_ACC_READ, FW_KIND_PAGE_FILE, FW_CLASS_HARD,
		  1, 1, 1);
	is_u64(r.cpu->last.io_pages, 1, "pages read");
	is_u64(wrong_pages(r.cpu, BASE + PAGE, 1, 2), 0, "contents");
	rig_end(&r);
}

TEST(row_1_in_a_mapped_file, "B47 B05 B36 B49")
{
	struct fw_map_request rq = {.start = 2 * BASE,
				    .len = 8 * PAGE,
				    .kind = FW_VAD_PRIVATE_VIEW,
				    .prot = RW,
				    .max_prot = RW,
				    .flags = FW_VADF_RANDOM};

	ready();
	pattern(file_data + 3 * PAGE, 9);
	rq.section = soft_file(r.s, file_data, sizeof(file_data), &rq.cookie);
	is_u64(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK, "map");
	touch(r.cpu, rq.start, FW_ACC_READ);
	one_fault(rq.start + 3 * PAGE, FW_ACC_READ, FW_KIND_MAPPED_FILE,
		  FW_CLASS_HARD, 1, 1, 1);
	is_u64(wrong_pages(r.cpu, rq.start + 3 * PAGE, 1, 9), 0, "contents");
	rig_end(&r);
}

TEST(a_pte_that_asks_the_region, "B35 B36 B37 C24")
{
	struct fw_map_request rq = {.start = BASE + 32 * PAGE,
				    .len = 8 * PAGE,
				    .kind = FW_VAD_PRIVATE_VIEW,
				    .prot = RW,
				    .max_prot = RW,
				    .flags = FW_VADF_RANDOM};
	uint64_t vads;

	ready();
	for (unsigned i = 0; i < 8; i++)
		pattern(file_data + i * PAGE, 20 + i);
	rq.section = soft_file(r.s, file_data, sizeof(file_data), &rq.cookie);
	is_u64(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK, "map");
	plant(BASE + PAGE);
	one_fault(BASE + PAGE, FW_ACC_READ, FW_KIND_DEMAND_ZERO,
		  FW_CLASS_DEMAND_ZERO, 1, 1, 0);
	touch(r.cpu, rq.start, FW_ACC_READ);
	plant(rq.start + 2 * PAGE);
	one_fault(rq.start + 2 * PAGE, FW_ACC_READ, FW_KIND_MAPPED_FILE,
		  FW_CLASS_HARD, 1, 1, 1);
	is_u64(wrong_pages(r.cpu, rq.start + 2 * PAGE, 1, 22), 0, "its file");
	plant(rq.start + 3 * PAGE);
	is_kind(touch(r.cpu, rq.start + 3 * PAGE, FW_ACC_WRITE),
		FW_KIND_MAPPED_FILE);
	ok(soft_pte(r.cpu, rq.start + 3 * PAGE) & FW_PTE_WRITE, "and copied");
	/* No region: the same PTE is a violation. */
	vads = r.cpu->space->n_vads;
	plant(BASE + 20 * PAGE);
	is_kind(touch(r.cpu, BASE + 20 * PAGE, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(r.cpu->space->n_vads, vads, "nor does it make one");
	*table_find(r.cpu->space, vpn_of(BASE + 20 * PAGE)) = 0;
	rig_end(&r);
}

TEST(row_2_on_standby_and_on_modified, "B47 B06 B07 B39 B40 B49")
{
	ready();
	put_pages(r.cpu, BASE, 4, 1);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 4, "modified");
	one_fault(BASE, FW_ACC_READ, FW_KIND_TRANSITION, FW_CLASS_TRANSITION,
		  1, 1, 0);
	is_u64(totals(&r).modified, 3, "off the list");
	write_all(&r);
	is_u64(totals(&r).standby, 3, "standby");
	one_fault(BASE + PAGE, FW_ACC_READ, FW_KIND_TRANSITION,
		  FW_CLASS_TRANSITION, 1, 1, 0);
	is_u64(totals(&r).standby, 2, "off the list");
	rig_end(&r);
}

TEST(row_3_not_committed, "B47 B08 B09 B49")
{
	struct fw_map_request rq = {.start = 2 * BASE,
				    .len = 8 * PAGE,
				    .kind = FW_VAD_RESERVED,
				    .max_prot = 7};

	ready();
	is_u64(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK,
	       "reserve");
	one_fault(2 * BASE, FW_ACC_WRITE, FW_KIND_ACCERR, FW_CLASS_VIOLATION,
		  0, 0, 0);
	one_fault(3 * BASE, FW_ACC_READ, FW_KIND_MAPERR, FW_CLASS_VIOLATION,
		  0, 0, 0);
	rig_end(&r);
}

TEST(row_4_only_for_the_kernel, "B47 B10 B49")
{
	struct soft_config config = {.nframes = 2048,
				     .page_files = 1,
				     .slots = 64,
				     .user_top = USER_TOP};
	struct fw_system_config kernel = {KERNEL, SPAN, 0, 0};
	struct fw_map_request rq = {.start = KERNEL,
				    .len = PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = RW};
	uint8_t byte = 1;

	r = (struct rig){.s = soft_create(&config)};
	must(fw_system_create(r.s->mm, r.s->keeper, &kernel) == FW_OK,
	     "a system");
	r.cpu = soft_cpu_create(r.s, NULL);
	fw_map(r.s->mm, r.s->keeper, fw_system_space(r.s->mm), &rq);
	ok(soft_kernel_access(r.cpu, KERNEL, &byte, 1, FW_ACC_WRITE),
	   "the kernel may");
	one_fault(KERNEL, FW_ACC_READ, FW_KIND_ACCERR, FW_CLASS_VIOLATION, 0,
		  0, 0);
	one_fault(KERNEL, FW_ACC_WRITE, FW_KIND_ACCERR, FW_CLASS_VIOLATION, 0,
		  0, 0);
	soft_cpu_exit(r.cpu);
	is_u64(fw_system_destroy(r.s->mm, r.s->keeper), FW_OK, "end");
	soft_destroy(r.s);
}

TEST(row_5_read_only, "B47 B11 B49")
{
	ready();
	fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE, PAGE,
		   FW_PROT_R);
	one_fault(BASE, FW_ACC_WRITE, FW_KIND_ACCERR, FW_CLASS_VIOLATION, 0, 0,
		  0);
	rig_end(&r);
}

TEST(row_6_demand_zero, "B47 B12 B30 B49")
{
	ready();
	one_fault(BASE + PAGE, FW_ACC_READ, FW_KIND_DEMAND_ZERO,
		  FW_CLASS_DEMAND_ZERO, 1, 1, 0);
	ok(is_zero_page(r.cpu, BASE + PAGE), "zeros");
	rig_end(&r);
}

TEST(row_7_guard_page, "B47 B13 B14 B49")
{
	const fw_addr top = 2 * BASE + 16 * PAGE;

	ready();
	fw_set_flags(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 7 * PAGE,
		     PAGE, FW_VADF_GUARD, 0);
	one_fault(BASE + 7 * PAGE, FW_ACC_WRITE, FW_KIND_GUARD,
		  FW_CLASS_GUARD, 0, 0, 0);
	one_fault(BASE + 7 * PAGE, FW_ACC_WRITE, FW_KIND_DEMAND_ZERO,
		  FW_CLASS_DEMAND_ZERO, 1, 1, 0);
	map_flags(&r, 2 * BASE, 16, RW, FW_VADF_STACK | FW_VADF_GUARD);
	touch(r.cpu, top - 8, FW_ACC_WRITE);
	one_fault(top - PAGE - 8, FW_ACC_WRITE, FW_KIND_STACK, FW_CLASS_GUARD,
		  1, 1, 0);
	rig_end(&r);
}

TEST(row_8_copy_on_write, "B47 B16 B49")
{
	struct soft_cpu *child;

	ready();
	put_pages(r.cpu, BASE, 2, 1);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	one_fault(BASE, FW_ACC_WRITE, FW_KIND_COW, FW_CLASS_COPY_ON_WRITE, 0,
		  1, 0);
	is_u64(wrong_pages(child, BASE, 2, 1), 0, "the other's");
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(row_9_first_write, "B47 B19 B20 B49")
{
	ready();
	put_pages(r.cpu, BASE, 1, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	touch(r.cpu, BASE, FW_ACC_READ);
	ok(!(soft_pte(r.cpu, BASE) & FW_PTE_DIRTY), "clean");
	one_fault(BASE, FW_ACC_WRITE, FW_KIND_DIRTY, FW_CLASS_NONE, 0, 0, 0);
	ok(soft_pte(r.cpu, BASE) & FW_PTE_DIRTY, "dirty");
	rig_end(&r);
}

TEST(row_10_no_execute, "B47 B21 B49")
{
	ready();
	if (FW_PTE_NX)
		one_fault(BASE, FW_ACC_EXEC, FW_KIND_ACCERR,
			  FW_CLASS_VIOLATION, 0, 0, 0);
	else
		is_kind(touch(r.cpu, BASE, FW_ACC_EXEC), NO_FAULT);
	is_u64(map_flags(&r, 2 * BASE, 1, FW_PROT_R | FW_PROT_X, 0), FW_OK,
	       "map");
	is_kind(touch(r.cpu, 2 * BASE, FW_ACC_EXEC), FW_KIND_DEMAND_ZERO);
	rig_end(&r);
}
