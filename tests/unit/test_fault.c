/* SPDX-License-Identifier: MIT */
/*
 * test_fault.c - one fault at a time: the rows of "Windows Internals" table
 * 10-13 and the forms of an invalid PTE, each with its counter.
 */
#include "machine.h"

static struct rig r;

static uint8_t file_data[40 * 4096 + 100];

static uint64_t store_reads(void)
{
	return r.s->ios[SOFT_STORE_READ];
}

/* A violation leaves no trace but its counter. */
static void violates(fw_addr at, uint32_t access, enum fw_kind kind)
{
	uint64_t resident = fw_space_resident(r.cpu->space);
	struct fw_totals before = totals(&r), after;

	is_kind(touch(r.cpu, at, access), kind);
	after = totals(&r);
	is_u64(fw_space_resident(r.cpu->space), resident, "no page came");
	is_u64(frames_in_use(&after), frames_in_use(&before), "no frame");
	is_u64(after.kind_count[kind], before.kind_count[kind] + 1, "counted");
	is_u64(r.cpu->last.addr, at, "CR2");
}

TEST(nothing_there, "A06 B03 B09 B37 A22")
{
	r = rig_start(1024, 1, 4096);
	violates(BASE, FW_ACC_READ, FW_KIND_MAPERR);
	violates(0, FW_ACC_WRITE, FW_KIND_MAPERR);
	violates(TOP - PAGE, FW_ACC_EXEC, FW_KIND_MAPERR);
	map_single(&r, BASE, 2);
	violates(BASE - 1, FW_ACC_READ, FW_KIND_MAPERR);
	violates(BASE + 2 * PAGE, FW_ACC_WRITE, FW_KIND_MAPERR);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_DEMAND_ZERO);
	rig_end(&r);
}

TEST(not_permitted, "A12 A16 A21 B08 B11 B21")
{
	struct fw_map_request rq = {.start = BASE,
				    .len = 4 * PAGE,
				    .kind = FW_VAD_RESERVED,
				    .max_prot = 7};

	r = rig_start(1024, 1, 4096);
	is_u64(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK,
	       "reserve");
	is_u64(totals(&r).committed, 0, "reserving charges nothing");
	touch(r.cpu, BASE, FW_ACC_READ);
	ok(!fw_kind_resolved(r.cpu->last.kind), "reserved: a violation");
	map_flags(&r, BASE + 8 * PAGE, 1, FW_PROT_R, 0);
	map_flags(&r, BASE + 10 * PAGE, 1, FW_PROT_NONE, 0);
	is_kind(touch(r.cpu, BASE + 8 * PAGE, FW_ACC_READ),
		FW_KIND_DEMAND_ZERO);
	violates(BASE + 8 * PAGE, FW_ACC_WRITE, FW_KIND_ACCERR);
	is_u64(r.cpu->last_error, FW_PF_P | FW_PF_W | FW_PF_U, "error code");
	if (FW_PTE_NX) {
		violates(BASE + 8 * PAGE, FW_ACC_EXEC, FW_KIND_ACCERR);
		is_u64(r.cpu->last_error, FW_PF_P | FW_PF_I | FW_PF_U,
		       "error code");
	} else {
		is_kind(touch(r.cpu, BASE + 8 * PAGE, FW_ACC_EXEC), NO_FAULT);
	}
	violates(BASE + 10 * PAGE, FW_ACC_READ, FW_KIND_ACCERR);
	is_u64(r.cpu->last_error, FW_PF_U, "never made valid");
	rig_end(&r);
}

TEST(demand_zero, "A07 B12 B30 C41")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	is_u64(fw_space_resident(r.cpu->space), 0,
	       "mapping makes nothing resident");
	for (uint64_t i = 0; i < 8; i++) {
		ok(is_zero_page(r.cpu, BASE + i * PAGE), "page %d", (int)i);
		is_kind(r.cpu->last.kind, FW_KIND_DEMAND_ZERO);
		is_u64(r.cpu->last.n, 1, "one page");
		is_u64(fw_space_resident(r.cpu->space), i + 1,
		       "in the working set");
	}
	is_u64(totals(&r).kind_count[FW_KIND_DEMAND_ZERO], 8, "counted");
	is_u64(totals(&r).kind_pages[FW_KIND_DEMAND_ZERO], 8, "pages");
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), NO_FAULT);
	rig_end(&r);
}

/* Frames that were used come back as zeros whether they were on the zeroed,
 * the free or the standby lists. */
TEST(demand_zero_from_used_frames, "B30 B31 B32")
{
	uint64_t pages;

	r = rig_start(1024, 1, 8192);
	pages = totals(&r).zeroed - 64;
	for (unsigned round = 0; round < 3; round++) {
		map_single(&r, BASE, pages);
		for (uint64_t i = 0; i < pages; i++)
			ok(is_zero_page(r.cpu, BASE + i * PAGE),
			   "round %u page %u", round, (unsigned)i);
		ok(put_pages(r.cpu, BASE, pages, round), "dirty all");
		if (round == 1) {
			trim_all(&r, r.cpu);
			write_all(&r);
			ok(totals(&r).standby > pages / 2, "on standby");
			map_single(&r, BASE + pages * PAGE, pages);
			for (uint64_t i = pages; i < 2 * pages; i++)
				ok(is_zero_page(r.cpu, BASE + i * PAGE),
				   "over standby, page %u", (unsigned)i);
			is_u64(wrong_pages(r.cpu, BASE, pages, round), 0,
			       "and the former owner's are intact");
		}
		fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
			 2 * pages * PAGE);
		rig_verify(&r);
	}
	rig_end(&r);
}

TEST(zeroing_ahead, "B30 B31")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 500);
	put_pages(r.cpu, BASE, 500, 1);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 500 * PAGE);
	ok(totals(&r).free >= 500, "freed frames are not zeroed");
	while (fw_zero_frames(r.s->mm, r.s->keeper, 64))
		;
	is_u64(totals(&r).free, 0, "all zeroed");
	map_single(&r, BASE, 500);
	for (uint64_t i = 0; i < 500; i++)
		ok(is_zero_page(r.cpu, BASE + i * PAGE), "page");
	rig_end(&r);
}

TEST(transition_from_modified, "B07 B40 B38 B43")
{
	fw_pte pte;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 4, 7);
	pte = soft_pte(r.cpu, BASE);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 4, "modified");
	is_u64(fw_pte_form(FW_MMU_OWN, 0, soft_pte(r.cpu, BASE)),
	       FW_PTE_FORM_TRANSITION, "a transition PTE");
	is_u64(fw_pte_pfn(soft_pte(r.cpu, BASE)), fw_pte_pfn(pte),
	       "it names the frame");
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_TRANSITION);
	is_u64(totals(&r).modified, 3, "off the list");
	is_u64(fw_pte_pfn(soft_pte(r.cpu, BASE)), fw_pte_pfn(pte),
	       "the same frame");
	is_u64(store_reads(), 0, "no I/O");
	/* It is still dirty: it must reach the page file before it goes. */
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 4, "modified again");
	is_u64(wrong_pages(r.cpu, BASE, 4, 7), 0, "contents");
	rig_end(&r);
}

TEST(transition_from_standby, "B06 B39")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 4, 7);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(totals(&r).standby, 4, "standby");
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_READ), FW_KIND_TRANSITION);
	is_u64(totals(&r).standby, 3, "off the list");
	is_u64(fw_space_resident(r.cpu->space), 1, "in the working set");
	is_u64(store_reads(), 0, "no I/O");
	is_u64(wrong_pages(r.cpu, BASE, 4, 7), 0, "contents");
	rig_end(&r);
}

TEST(page_file, "B04 B23 B24 B25 B33 A04")
{
	uint64_t before;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 4, 7);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	is_u64(fw_pte_form(FW_MMU_OWN, 0, soft_pte(r.cpu, BASE)),
	       FW_PTE_FORM_PAGE_FILE, "a page-file PTE");
	before = store_reads();
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_PAGE_FILE);
	ok(store_reads() > before, "a hard fault reads");
	ok(r.cpu->last.io_pages >= 1, "and says how much");
	is_u64(wrong_pages(r.cpu, BASE, 4, 7), 0, "contents");
	ok(totals(&r).kind_count[FW_KIND_PAGE_FILE] >= 1, "counted");
	rig_end(&r);
}

TEST(sixteen_page_files, "B24 B26 B27 B28")
{
	unsigned file = 99, used = 0, files = 0;
	void *nothing = NULL;

	r = rig_start(2048, 16, 64);
	is_u64(fw_page_file_add(r.s->mm, r.s->keeper, 64, &file), FW_E_LIMIT,
	       "the 17th");
	is_u64(file, 99, "output untouched on failure");
	map_single(&r, BASE, 700);
	put_pages(r.cpu, BASE, 700, 9);
	trim_all(&r, r.cpu);
	write_all(&r);
	for (unsigned i = 0; i < 16; i++) {
		unsigned before = used;

		used += (unsigned)r.s->stores[i]->pages_written;
		files += used > before;
		is_u64(store_read(r.s->stores[i], 0, &nothing, 1), FW_E_INVAL,
		       "slot 0 of file %u", i);
	}
	is_u64(used, 700, "slots written");
	ok(files >= 12, "in %u files", files);
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 700, 9), 0, "contents");
	rig_end(&r);
}

TEST(first_write_after_cleaning, "A15 B19 B20")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 1);
	put_pages(r.cpu, BASE, 1, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_TRANSITION);
	ok(!(soft_pte(r.cpu, BASE) & FW_PTE_DIRTY), "clean");
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_DIRTY);
	ok(soft_pte(r.cpu, BASE) & FW_PTE_DIRTY, "dirty");
	put_pages(r.cpu, BASE, 1, 2);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 1, "modified: the old slot is stale");
	write_all(&r);
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 1, 2), 0, "the newer contents");
	rig_end(&r);
}

static void fill_file(void)
{
	for (size_t i = 0; i < sizeof(file_data); i += 4)
		memcpy(file_data + i, &i, 4);
}

TEST(mapped_file, "B05 B36 C01")
{
	struct fw_section *file;
	uint64_t cookie;
	uint8_t page[4096];

	fill_file();
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	is_u64(soft_map_view(r.cpu, BASE, 50, FW_PROT_R, FW_VAD_PRIVATE_VIEW,
			     file, 0, cookie),
	       FW_OK, "map");
	is_kind(touch(r.cpu, BASE + 5 * PAGE, FW_ACC_READ),
		FW_KIND_MAPPED_FILE);
	for (uint64_t i = 0; i < 40; i++) {
		soft_read(r.cpu, BASE + i * PAGE, page, PAGE);
		is_mem(page, file_data + i * PAGE, PAGE, "page %d", (int)i);
	}
	must(soft_read(r.cpu, BASE + 40 * PAGE, page, PAGE), "the last page");
	is_mem(page, file_data + 40 * PAGE, 100, "its bytes");
	for (unsigned i = 100; i < PAGE; i++)
		is_u64(page[i], 0, "zero behind the end");
	is_kind(touch(r.cpu, BASE + 41 * PAGE, FW_ACC_READ), FW_KIND_EOF);
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), FW_KIND_ACCERR);
	is_u64(store_reads(), 0, "not from the page file");
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 0, "a clean page of a file is not written");
	flush_standby(&r);
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_MAPPED_FILE);
	rig_end(&r);
}

TEST(one_page_of_a_file_twice, "C31 C32 C79 B16")
{
	struct fw_section *file;
	uint64_t cookie;
	uint8_t byte = 0xee, got;

	fill_file();
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	soft_map_view(r.cpu, BASE, 1, FW_PROT_R | FW_PROT_X,
		      FW_VAD_PRIVATE_VIEW, file, 0, cookie);
	soft_map_view(r.cpu, BASE + PAGE, 1, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	is_kind(touch(r.cpu, BASE, FW_ACC_EXEC), FW_KIND_MAPPED_FILE);
	is_kind(touch(r.cpu, BASE + PAGE, FW_ACC_READ), FW_KIND_PROTOTYPE);
	is_u64(fw_pte_pfn(soft_pte(r.cpu, BASE)),
	       fw_pte_pfn(soft_pte(r.cpu, BASE + PAGE)), "one frame");
	ok(!(soft_pte(r.cpu, BASE + PAGE) & FW_PTE_WRITE), "read-only");
	soft_write(r.cpu, BASE + PAGE + 9, &byte, 1);
	is_kind(r.cpu->last.kind, FW_KIND_COW);
	soft_read(r.cpu, BASE + PAGE + 9, &got, 1);
	is_u64(got, byte, "written");
	soft_read(r.cpu, BASE + 9, &got, 1);
	is_u64(got, file_data[9], "the other view is unchanged");
	ok(file_data[9] != byte, "and so is the file");
	ok(fw_pte_pfn(soft_pte(r.cpu, BASE)) !=
		   fw_pte_pfn(soft_pte(r.cpu, BASE + PAGE)),
	   "two frames");
	rig_verify(&r);
	/* The copy is the page file's now, not the file's. */
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	soft_read(r.cpu, BASE + PAGE + 9, &got, 1);
	is_kind(r.cpu->last.kind, FW_KIND_PAGE_FILE);
	is_u64(got, byte, "still written");
	rig_end(&r);
}

/* A write to a page of a private view that is nowhere resident. */
TEST(a_write_is_the_first_access, "B05 B16 C18")
{
	struct fw_section *file;
	uint64_t cookie, before;
	uint32_t value = 0xfeedbeef, got;

	fill_file();
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	soft_map_view(r.cpu, BASE, 40, RW, FW_VAD_PRIVATE_VIEW, file, 0,
		      cookie);
	before = r.cpu->faults;
	ok(soft_access(r.cpu, BASE + PAGE - 2, &value, 4, FW_ACC_WRITE),
	   "across two absent pages");
	ok(r.cpu->faults - before >= 2, "two faults at least");
	soft_access(r.cpu, BASE + PAGE - 2, &got, 4, FW_ACC_READ);
	is_u64(got, value, "written");
	soft_access(r.cpu, BASE + PAGE - 6, &got, 4, FW_ACC_READ);
	is_mem(&got, file_data + PAGE - 6, 4, "before it: the file");
	rig_end(&r);
}

TEST(shared_section, "B44 B45 B46 C75")
{
	struct fw_section *section;
	struct soft_cpu *other;
	uint64_t slots;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, NULL);
	is_u64(fw_section_create(r.s->mm, r.s->keeper, NULL, 300, &section),
	       FW_OK, "create");
	is_u64(fw_section_pages(section), 300, "its size");
	soft_map_view(r.cpu, BASE, 300, RW, FW_VAD_SECTION, section, 0, 0);
	soft_map_view(other, 4 * BASE, 200, RW, FW_VAD_SECTION, section, 100,
		      0);
	fw_section_unref(r.s->mm, r.s->keeper, section);
	put_pages(r.cpu, BASE, 300, 5);
	is_kind(touch(other, 4 * BASE, FW_ACC_READ), FW_KIND_PROTOTYPE);
	is_u64(fw_pte_pfn(soft_pte(other, 4 * BASE)),
	       fw_pte_pfn(soft_pte(r.cpu, BASE + 100 * PAGE)), "one frame");
	is_u64(wrong_pages(other, 4 * BASE, 200, 105), 0, "shared contents");
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 100, "those that only one had");
	trim_all(&r, other);
	is_u64(totals(&r).modified, 300, "the others when both let go, once");
	is_u64(fw_pte_form(FW_MMU_OWN, 0, soft_pte(other, 4 * BASE)),
	       FW_PTE_FORM_EMPTY, "the region leads to the prototype");
	is_kind(touch(other, 4 * BASE, FW_ACC_READ), FW_KIND_TRANSITION);
	trim_all(&r, other);
	write_all(&r);
	flush_standby(&r);
	slots = totals(&r).slots_used;
	is_u64(slots, 300, "one slot a page");
	is_u64(wrong_pages(other, 4 * BASE, 200, 105), 0, "from the page file");
	is_u64(wrong_pages(r.cpu, BASE, 300, 5), 0, "for both");
	soft_cpu_exit(other);
	is_u64(wrong_pages(r.cpu, BASE, 300, 5), 0, "after one is gone");
	rig_end(&r);
}

TEST(stack_grows, "B14 B15 C34")
{
	const uint64_t pages = 64;
	const fw_addr top = BASE + pages * PAGE;

	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, BASE, pages, RW, FW_VADF_STACK), FW_OK, "map");
	ok(fw_kind_resolved(touch(r.cpu, top - 8, FW_ACC_WRITE)), "the top");
	for (uint64_t i = 2; i < pages; i++) {
		touch(r.cpu, top - i * PAGE, FW_ACC_WRITE);
		ok(r.cpu->last.kind == FW_KIND_STACK ||
			   r.cpu->last.kind == NO_FAULT ||
			   r.cpu->last.kind == FW_KIND_DEMAND_ZERO,
		   "page %d grows it", (int)i);
	}
	ok(r.cpu->count[FW_KIND_STACK] > 0, "growth is counted");
	touch(r.cpu, BASE, FW_ACC_WRITE);
	ok(!fw_kind_resolved(r.cpu->last.kind), "overflow is a violation");
	is_u64(fw_space_resident(r.cpu->space), pages - 1,
	       "all but the guard page");
	rig_end(&r);
}

TEST(protect, "A15 A16 B11 B43")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 8);
	put_pages(r.cpu, BASE, 8, 3);
	is_u64(fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE + PAGE,
			  2 * PAGE, FW_PROT_R),
	       FW_OK, "read-only in the middle");
	is_kind(touch(r.cpu, BASE, FW_ACC_WRITE), NO_FAULT);
	violates(BASE + PAGE, FW_ACC_WRITE, FW_KIND_ACCERR);
	is_kind(touch(r.cpu, BASE + 3 * PAGE, FW_ACC_WRITE), NO_FAULT);
	put_pages(r.cpu, BASE, 1, 3);
	put_pages(r.cpu, BASE + 3 * PAGE, 1, 6);
	trim_all(&r, r.cpu);
	violates(BASE + PAGE, FW_ACC_WRITE, FW_KIND_ACCERR);
	is_u64(wrong_pages(r.cpu, BASE, 8, 3), 0, "contents");
	fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE,
		   FW_PROT_NONE);
	violates(BASE, FW_ACC_READ, FW_KIND_ACCERR);
	fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE, RW);
	is_u64(wrong_pages(r.cpu, BASE, 8, 3), 0, "contents survive NONE");
	is_u64(fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 9 * PAGE,
			  FW_PROT_R),
	       FW_E_NOENT, "a hole behind");
	violates(BASE + 7 * PAGE, FW_ACC_WRITE, FW_KIND_ACCERR);
	rig_end(&r);
}

TEST(discard_and_move, "B12")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 32);
	put_pages(r.cpu, BASE, 32, 3);
	trim_all(&r, r.cpu);
	write_all(&r);
	put_pages(r.cpu, BASE + 16 * PAGE, 16, 19);
	is_u64(fw_discard(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 8 * PAGE,
			  16 * PAGE),
	       FW_OK, "discard");
	ok(is_zero_page(r.cpu, BASE + 8 * PAGE), "written ones read as zero");
	ok(is_zero_page(r.cpu, BASE + 23 * PAGE), "resident ones, too");
	is_u64(wrong_pages(r.cpu, BASE, 8, 3), 0, "below");
	is_u64(wrong_pages(r.cpu, BASE + 24 * PAGE, 8, 27), 0, "above");
	is_u64(fw_move(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE,
		       BASE + 100 * PAGE),
	       FW_OK, "move");
	is_u64(wrong_pages(r.cpu, BASE + 100 * PAGE, 8, 3), 0, "moved");
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(fw_move(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 8 * PAGE,
		       8 * PAGE, BASE + 100 * PAGE),
	       FW_E_EXIST, "not over something");
	is_u64(fw_move(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE,
		       BASE + 200 * PAGE),
	       FW_E_FAULT, "nothing there to move");
	is_u64(fw_extend(r.s->mm, r.cpu->actor, r.cpu->space,
			 BASE + 108 * PAGE, 4 * PAGE),
	       FW_OK, "extend");
	ok(is_zero_page(r.cpu, BASE + 111 * PAGE), "new pages");
	rig_end(&r);
}

static enum fw_status move_over(fw_addr from, uint64_t n, fw_addr to,
				uint64_t room)
{
	return fw_move_over(r.s->mm, r.cpu->actor, r.cpu->space, from,
			    n * PAGE, to, room * PAGE);
}

TEST(moved_over_others, "B12 C24")
{
	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 32);
	map_single(&r, BASE + 100 * PAGE, 40);
	put_pages(r.cpu, BASE, 32, 3);
	put_pages(r.cpu, BASE + 100 * PAGE, 40, 500);
	trim_all(&r, r.cpu);
	write_all(&r);
	put_pages(r.cpu, BASE + 102 * PAGE, 4, 502);
	is_u64(move_over(BASE, 8, BASE + 104 * PAGE, 16), FW_OK, "over");
	is_u64(wrong_pages(r.cpu, BASE + 100 * PAGE, 4, 500), 0, "below");
	is_u64(wrong_pages(r.cpu, BASE + 104 * PAGE, 8, 3), 0, "moved");
	is_kind(touch(r.cpu, BASE + 112 * PAGE, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(wrong_pages(r.cpu, BASE + 120 * PAGE, 20, 520), 0, "above");
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_MAPERR);
	is_u64(move_over(BASE + 8 * PAGE, 8, BASE + 24 * PAGE, 8), FW_OK,
	       "within one region");
	is_u64(wrong_pages(r.cpu, BASE + 24 * PAGE, 8, 11), 0, "it moved");
	is_u64(wrong_pages(r.cpu, BASE + 16 * PAGE, 8, 19), 0, "it did not");
	is_u64(move_over(BASE + 16 * PAGE, 8, BASE + 200 * PAGE, 8), FW_OK,
	       "over nothing");
	is_u64(wrong_pages(r.cpu, BASE + 200 * PAGE, 8, 19), 0, "it moved");
	rig_verify(&r);
	rig_end(&r);
}

TEST(a_huge_reservation, "C44")
{
	const uint64_t pages = WIDE ? UINT64_C(1) << 32 : 1u << 19;
	struct fw_totals before;

	r = rig_start(1024, 1, 4096);
	before = totals(&r);
	is_u64(map_flags(&r, BASE, pages, RW, FW_VADF_NORESERVE),
	       FW_OK, "16 TiB, or 2 GiB");
	is_u64(totals(&r).tables, before.tables, "no table page");
	is_kind(touch(r.cpu, BASE + pages / 2 * PAGE, FW_ACC_WRITE),
		FW_KIND_DEMAND_ZERO);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, pages * PAGE);
	is_u64(fw_space_resident(r.cpu->space), 0, "gone");
	rig_end(&r);
}

/* What the CPU counted is what the core counts. */
TEST(every_fault_is_counted, "B47 B49")
{
	struct fw_totals t;

	r = rig_start(512, 1, 4096);
	soft_map(r.cpu, BASE, 1000, RW);
	for (unsigned round = 0; round < 3; round++)
		put_pages(r.cpu, BASE, 1000, round);
	touch(r.cpu, 0, FW_ACC_READ);
	t = totals(&r);
	for (unsigned kind = 0; kind < FW_KIND_COUNT; kind++)
		is_u64(t.kind_count[kind], r.cpu->count[kind], "%s",
		       fw_kind_key((enum fw_kind)kind));
	is_u64(fw_space_faults(r.cpu->space), r.cpu->faults, "all kinds");
	ok(t.kind_count[FW_KIND_PAGE_FILE] > 100, "it did page");
	is_u64(t.pages_read, r.s->io_pages[SOFT_STORE_READ], "pages read");
	is_u64(t.reads, r.s->ios[SOFT_STORE_READ], "reads");
	is_u64(t.pages_written, r.s->io_pages[SOFT_STORE_WRITE], "written");
	is_u64(t.writes, r.s->ios[SOFT_STORE_WRITE], "writes");
	rig_end(&r);
}

/* Walking the tables in software gives what the MMU gives. */
TEST(copying_for_the_kernel, "C46 C47 C49 C50 C51 C52 C54")
{
	static uint8_t buffer[20 * 4096], back[20 * 4096];
	struct fw_section *file;
	uint64_t cookie;

	fill_file();
	r = rig_start(512, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	map_single(&r, BASE, 1000);
	soft_map_view(r.cpu, BASE + 1000 * PAGE, 10, RW, FW_VAD_PRIVATE_VIEW,
		      file, 0, cookie);
	soft_map_view(r.cpu, BASE + 1010 * PAGE, 1, FW_PROT_R,
		      FW_VAD_PRIVATE_VIEW, file, 0, cookie);
	put_pages(r.cpu, BASE, 1000, 1);
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer,
			  BASE + 100, 10000),
	       10000, "from pages that are out");
	soft_read(r.cpu, BASE + 100, back, 10000);
	is_mem(buffer, back, 10000, "the same bytes");
	memset(buffer, 0x77, sizeof(buffer));
	is_u64(fw_copy_out(r.s->mm, r.cpu->actor, r.cpu->space,
			   BASE + 1005 * PAGE, buffer, sizeof(buffer)),
	       5 * PAGE, "up to the read-only page");
	soft_read(r.cpu, BASE + 1005 * PAGE, back, 5 * PAGE);
	is_mem(back, buffer, 5 * PAGE, "copied, COW broken");
	is_mem(file_data + 5 * PAGE, "\0\x50\0\0\4\x50\0\0", 8, "not the file");
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer,
			  BASE + 1010 * PAGE + 5, 2 * PAGE),
	       PAGE - 5, "up to the hole");
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, buffer, 0, 1), 0,
	       "nothing at a bad address");
	rig_end(&r);
}
