/* SPDX-License-Identifier: MIT */
/*
 * test_limits.c - every operation when there is no frame left for it, large
 * page files, and regions of the stack that are cut up.
 */
#include "machine.h"

#include "mm/mm.h"

static struct rig r;

#define LOCKED_AT (BASE * (WIDE ? 64 : 6))

static uint64_t available(void)
{
	struct fw_totals t = totals(&r);

	return t.zeroed + t.free + t.standby;
}

/* Uses up frames by locked pages until `left` are available, or as few as
 * the core lets anybody have. */
static void leave(uint64_t left)
{
	fw_addr at = LOCKED_AT;

	while (available() > left &&
	       fw_kind_resolved(touch(r.cpu, at, FW_ACC_WRITE)))
		at += PAGE;
}

static void start(void)
{
	r = rig_start(400, 0, 0);
	must(map_flags(&r, LOCKED_AT, 1000, RW,
		       FW_VADF_LOCKED | FW_VADF_RANDOM |
			       FW_VADF_NORESERVE) == FW_OK,
	     "map");
}

static bool is_or_nomem(enum fw_status status)
{
	return ok(status == FW_OK || status == FW_E_NOMEM, "%s",
		  fw_status_text(status));
}

/* Maps scattered pages until even regions and tables find no frame. */
static unsigned scatter(void)
{
	unsigned n = 0;
	enum fw_status status = FW_OK;

	while (n < 20000 && status == FW_OK)
		status = map_flags(&r, BASE + n++ * 4 * PAGE, 1, RW, 0);
	is_or_nomem(status);
	return n;
}

TEST(no_frame_for_a_fault, "B03 A22")
{
	start();
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 2, 1);
	leave(0);
	is_kind(touch(r.cpu, BASE + 2 * PAGE, FW_ACC_WRITE), FW_KIND_NOMEM);
	is_u64(wrong_pages(r.cpu, BASE, 2, 1), 0, "those there stay");
	rig_verify(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, LOCKED_AT, 100 * PAGE);
	ok(put_pages(r.cpu, BASE, 8, 1), "with some room it goes on");
	rig_end(&r);
}

TEST(no_frame_for_a_copy, "B03 B16 C68")
{
	struct soft_cpu *child;

	start();
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 1);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	leave(0);
	is_kind(touch(child, BASE, FW_ACC_WRITE), FW_KIND_NOMEM);
	is_u64(wrong_pages(child, BASE, 8, 1), 0, "child reads");
	rig_verify(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, LOCKED_AT, 100 * PAGE);
	ok(put_pages(child, BASE, 8, 100), "child writes");
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "parent's");
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(no_frame_for_regions, "C48")
{
	unsigned n;

	start();
	leave(0);
	n = scatter();
	diag("%u regions", n);
	rig_verify(&r);
	is_or_nomem(fw_protect(r.s->mm, r.cpu->actor, r.cpu->space,
			       LOCKED_AT + PAGE, PAGE, FW_PROT_R));
	is_or_nomem(fw_move(r.s->mm, r.cpu->actor, r.cpu->space,
			    LOCKED_AT + 8 * PAGE, PAGE,
			    BASE * (WIDE ? 512 : 8)));
	rig_verify(&r);
	ok(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, LOCKED_AT,
		    1000 * PAGE) == FW_OK,
	   "unmapping a whole region needs nothing");
	is_u64(map_flags(&r, LOCKED_AT, 8, RW, 0), FW_OK, "room again");
	rig_end(&r);
}

TEST(no_frame_for_a_process, "C63 C78")
{
	struct soft_cpu *child = NULL, *children[64];
	struct fw_space *space = NULL;
	unsigned n = 0;
	enum fw_status status;

	start();
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	leave(40);
	while (n < 32 && soft_fork(r.cpu, &children[n]) == FW_OK)
		n++;
	diag("%u children", n);
	ok(n < 32, "not without end");
	rig_verify(&r);
	leave(0);
	is_u64(soft_fork(r.cpu, &child), FW_E_NOMEM, "fork");
	status = fw_space_create(r.s->mm, r.cpu->actor, &space);
	is_or_nomem(status);
	if (status == FW_OK)
		fw_space_destroy(r.s->mm, r.cpu->actor, space);
	rig_verify(&r);
	while (n) {
		is_u64(wrong_pages(children[--n], BASE, 64, 1), 0, "child");
		soft_cpu_exit(children[n]);
	}
	is_u64(wrong_pages(r.cpu, BASE, 64, 1), 0, "parent");
	rig_end(&r);
}

TEST(no_frame_for_sections, "B44")
{
	struct fw_section *section = NULL;

	start();
	must(fw_section_create(r.s->mm, r.s->keeper, NULL, 200000, &section) ==
		     FW_OK,
	     "section");
	is_u64(soft_map_view(r.cpu, BASE, 200000, RW, FW_VAD_SECTION, section,
			     0, 0),
	       FW_OK, "view");
	leave(0);
	for (uint64_t page = 0; page < 200000; page += 20011)
		is_kind(touch(r.cpu, BASE + page * PAGE, FW_ACC_READ),
			FW_KIND_NOMEM);
	rig_verify(&r);
	fw_section_unref(r.s->mm, r.s->keeper, section);
	rig_end(&r);
}

/* Slot bitmaps come in chunks of 32768. */
TEST(a_large_page_file, "B26 B28")
{
	const uint64_t pages = 70000;
	uint64_t value, wrong = 0;

	r = rig_start(4096, 2, 45000);
	must(map_flags(&r, BASE, pages, RW, 0) == FW_OK, "map");
	for (uint64_t i = 0; i < pages; i++) {
		value = i * 77 + 1;
		soft_write(r.cpu, BASE + i * PAGE + 8 * (i % 512), &value, 8);
	}
	rig_verify(&r);
	ok(totals(&r).slots_used > 65000, "%d slots",
	   (int)totals(&r).slots_used);
	for (uint64_t i = 0; i < pages; i++) {
		soft_read(r.cpu, BASE + i * PAGE + 8 * (i % 512), &value, 8);
		wrong += value != i * 77 + 1;
	}
	is_u64(wrong, 0, "wrong pages");
	rig_end(&r);
}

/* Its bitmaps are more than one critical section can free. */
TEST(the_largest_page_file_is_removed, "B28")
{
	uint64_t slots = 1000 * UINT64_C(32768);
	struct fw_pfile *pf;
	struct fw_totals t;
	unsigned file;

	if (slots > PTE_SLOT_VAD)
		slots = PTE_SLOT_VAD;
	r = rig_start(4096, 1, 1024);
	t = totals(&r);
	is_u64(fw_page_file_add(r.s->mm, r.s->keeper, slots, &file), FW_OK,
	       "added");
	pf = &r.s->mm->pfile[file];
	mm_lock(r.s->mm, r.s->keeper);
	while (pf->limit < pf->slots) {
		pf->used = pf->usable; /* as if they were */
		pfile_grow(r.s->mm);
		mm_checkpoint(r.s->mm);
	}
	pf->used = 0;
	mm_unlock(r.s->mm);
	ok(totals(&r).pool > t.pool + slots / 32768, "bitmaps");
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, file), FW_OK,
	       "removed");
	is_u64(totals(&r).pool, t.pool, "frames of the core");
	is_u64(totals(&r).slots, t.slots, "slots");
	rig_verify(&r);
	rig_end(&r);
}

TEST(a_stack_in_pieces, "B14 B15")
{
	const fw_addr top = BASE + 64 * PAGE;

	r = rig_start(1024, 1, 4096);
	must(map_flags(&r, BASE, 64, RW, FW_VADF_STACK) == FW_OK, "map");
	for (unsigned i = 1; i <= 16; i++)
		touch(r.cpu, top - i * PAGE, FW_ACC_WRITE);
	/* mprotect in the grown part; then below it. */
	fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, top - 8 * PAGE, PAGE,
		   FW_PROT_R);
	is_kind(touch(r.cpu, top - 8 * PAGE, FW_ACC_WRITE), FW_KIND_ACCERR);
	ok(fw_kind_resolved(touch(r.cpu, top - 20 * PAGE, FW_ACC_WRITE)),
	   "it still grows");
	fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 8 * PAGE, PAGE,
		   FW_PROT_R);
	rig_verify(&r);
	for (unsigned i = 21; i < 50; i++)
		ok(fw_kind_resolved(touch(r.cpu, top - i * PAGE,
					  FW_ACC_WRITE)) ||
			   r.cpu->last.kind == NO_FAULT,
		   "page %u below the top", i);
	touch(r.cpu, BASE, FW_ACC_WRITE);
	ok(!fw_kind_resolved(r.cpu->last.kind), "the guard page holds");
	rig_end(&r);
}

/* What the port's bits of a PTE hold. */
#if FW_LEVELS == 4
TEST(cached_bits, "A18")
{
	struct soft_cpu *child;
	const fw_vpn vpn = BASE >> FW_PAGE_SHIFT;
	fw_pte *table;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 4, 1);
	fw_space_lock(r.cpu->space, r.cpu->actor);
	fw_pte_set_cached_locked(r.cpu->space, vpn, 8,
				 FW_PTE_CACHED | FW_PTE_CACHED_W);
	table = fw_pte_table_locked(r.cpu->space, vpn);
	must(table, "a table");
	for (unsigned i = 0; i < 8; i++)
		is_u64((table[(vpn & 511) + i] & FW_PTE_CACHED) != 0, i < 4,
		       "only valid ones");
	ok(!fw_pte_table_locked(r.cpu->space, vpn + (UINT64_C(1) << 30)),
	   "no table there");
	fw_space_unlock(r.cpu->space);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	touch(child, BASE, FW_ACC_READ);
	ok(!(soft_pte(child, BASE) & FW_PTE_CACHED_W),
	   "not cached for writing in the child");
	ok(!(soft_pte(r.cpu, BASE) & FW_PTE_CACHED_W),
	   "the parent's is not writable any more");
	trim_all(&r, r.cpu);
	touch(r.cpu, BASE, FW_ACC_READ);
	ok(!(soft_pte(r.cpu, BASE) & FW_PTE_CACHED), "clear when made valid");
	soft_cpu_exit(child);
	rig_end(&r);
}
#endif
