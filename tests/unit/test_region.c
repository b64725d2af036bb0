/* SPDX-License-Identifier: MIT */
/*
 * test_region.c - regions: arguments, splitting and merging, gaps, host
 * views, announcements, limits.
 */
#include "machine.h"

static struct rig r;

static unsigned count_regions(void)
{
	unsigned n = 0;
	struct fw_vad *vad;

	fw_space_lock(r.cpu->space, r.cpu->actor);
	vad = fw_vad_at_or_above(r.cpu->space, 0);
	for (; vad; vad = fw_vad_next(vad))
		n++;
	is_u64(n, r.cpu->space->n_vads, "the count of regions");
	fw_space_unlock(r.cpu->space);
	return n;
}

static enum fw_status unmap(fw_addr at, uint64_t pages)
{
	return fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, at, pages * PAGE);
}

static enum fw_status protect(fw_addr at, uint64_t pages, unsigned prot)
{
	return fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, at,
			  pages * PAGE, prot);
}

TEST(arguments, "C48")
{
	const fw_addr top = TOP;

	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, BASE + 1, 1, RW, 0), FW_E_INVAL, "unaligned");
	is_u64(map_flags(&r, BASE, 0, RW, 0), FW_E_INVAL, "empty");
	is_u64(map_flags(&r, top - PAGE, 2, RW, 0), FW_E_INVAL, "too high");
	is_u64(map_flags(&r, BASE, UINT64_C(1) << 51, RW, 0), FW_E_INVAL,
	       "it wraps");
	is_u64(map_flags(&r, top - PAGE, 1, RW, 0), FW_OK, "the last page");
	is_kind(touch(r.cpu, top - 1, FW_ACC_WRITE), FW_KIND_DEMAND_ZERO);
	is_u64(unmap(BASE + 1, 1), FW_E_INVAL, "unaligned");
	is_u64(unmap(BASE, 1), FW_OK, "nothing there is no error");
	is_u64(map_flags(&r, BASE, WIDE ? UINT64_C(1) << 34 : 1u << 19, RW, 0),
	       FW_E_NOMEM, "more than there could ever be");
	is_u64(count_regions(), 1, "failures leave nothing");
	rig_end(&r);
}

TEST(split_and_merge, "C24")
{
	uint64_t committed;

	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, 64, RW, 0);
	committed = totals(&r).committed;
	is_u64(committed, 64, "charged");
	put_pages(r.cpu, BASE, 64, 1);
	protect(BASE + 16 * PAGE, 8, FW_PROT_R);
	is_u64(count_regions(), 3, "split in three");
	protect(BASE + 16 * PAGE, 8, RW);
	is_u64(count_regions(), 1, "and whole again");
	unmap(BASE + 30 * PAGE, 4);
	is_u64(count_regions(), 2, "a hole");
	is_u64(totals(&r).committed, 60, "given back");
	map_flags(&r, BASE + 30 * PAGE, 4, RW, 0);
	is_u64(count_regions(), 1, "filled: one region");
	is_u64(wrong_pages(r.cpu, BASE, 30, 1), 0, "below");
	ok(is_zero_page(r.cpu, BASE + 30 * PAGE), "new");
	is_u64(wrong_pages(r.cpu, BASE + 34 * PAGE, 30, 35), 0, "above");
	rig_verify(&r);
	for (unsigned i = 0; i < 64; i += 2)
		protect(BASE + i * PAGE, 1, FW_PROT_R);
	is_u64(count_regions(), 64, "every page its own");
	rig_verify(&r);
	protect(BASE, 64, RW);
	is_u64(count_regions(), 1, "one again");
	rig_end(&r);
}

static enum fw_status grow_down(fw_addr start, uint64_t pages)
{
	return fw_extend_down(r.s->mm, r.cpu->actor, r.cpu->space, start,
			      pages * PAGE);
}

TEST(grown_downwards, "B14 C24")
{
	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE + 32 * PAGE, 8, RW, FW_VADF_STACK);
	map_flags(&r, BASE, 8, RW, 0);
	put_pages(r.cpu, BASE + 33 * PAGE, 7, 1);
	is_kind(touch(r.cpu, BASE + 32 * PAGE, FW_ACC_WRITE), FW_KIND_MAPERR);
	is_u64(grow_down(BASE + 32 * PAGE, 8), FW_OK, "a stack");
	is_u64(totals(&r).committed, 24, "charged");
	put_pages(r.cpu, BASE + 25 * PAGE, 8, 1);
	is_kind(touch(r.cpu, BASE + 24 * PAGE, FW_ACC_WRITE), FW_KIND_MAPERR);
	is_u64(wrong_pages(r.cpu, BASE + 33 * PAGE, 7, 1), 0, "as before");
	is_u64(grow_down(BASE + 24 * PAGE, 17), FW_E_EXIST, "not over others");
	is_u64(grow_down(BASE + 24 * PAGE, 16), FW_OK, "up to them");
	is_u64(count_regions(), 2, "two still");
	map_flags(&r, BASE + 60 * PAGE, 4, RW, 0);
	map_flags(&r, BASE + 50 * PAGE, 4, RW, 0);
	is_u64(grow_down(BASE + 60 * PAGE, 6), FW_OK, "no stack");
	is_u64(count_regions(), 3, "one with what it has reached");
	rig_verify(&r);
	rig_end(&r);
}

TEST(many_regions, "C24")
{
	enum { MANY = 1500 };
	uint64_t x = 7;

	r = rig_start(2048, 1, 4096);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t at = i * 611 % MANY;

		is_u64(map_flags(&r, BASE + at * 2 * PAGE, 1, RW, 0), FW_OK,
		       "map");
	}
	is_u64(count_regions(), MANY, "regions");
	rig_verify(&r);
	for (unsigned i = 0; i < 2000; i++) {
		fw_addr at;

		x = x * 6364136223846793005 + 1;
		at = BASE + (x >> 33) % (2 * MANY) * PAGE;
		is_kind(touch(r.cpu, at, FW_ACC_WRITE),
			(at / PAGE & 1) ? FW_KIND_MAPERR
			: soft_pte(r.cpu, at) ? r.cpu->last.kind
					      : FW_KIND_DEMAND_ZERO);
	}
	for (uint64_t i = 0; i < MANY; i += 2)
		unmap(BASE + i * 2 * PAGE, 1);
	is_u64(count_regions(), MANY / 2, "half of them");
	rig_verify(&r);
	unmap(BASE, 2 * MANY);
	is_u64(count_regions(), 0, "none");
	is_u64(fw_space_resident(r.cpu->space), 0, "no page");
	rig_end(&r);
}

TEST(nothing_lies_below_the_first_page, "C24")
{
	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, 0, 2, RW, 0), FW_E_INVAL, "map");
	is_u64(map_flags(&r, PAGE, 1, RW, 0), FW_OK, "the first page");
	is_u64(fw_move(r.s->mm, r.cpu->actor, r.cpu->space, PAGE, PAGE, 0),
	       FW_E_INVAL, "move");
	is_u64(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, 0, 2 * PAGE),
	       FW_OK, "unmap may begin there");
	rig_end(&r);
}

TEST(gaps, "C24")
{
	fw_addr at = 1;

	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, 4, RW, 0);
	map_flags(&r, BASE + 8 * PAGE, 4, RW, 0);
	fw_space_lock(r.cpu->space, r.cpu->actor);
	is_u64(fw_find_gap_locked(r.cpu->space, 4 * PAGE, BASE,
				  BASE + 16 * PAGE, false, &at),
	       FW_OK, "lowest");
	is_u64(at, BASE + 4 * PAGE, "between the two");
	is_u64(fw_find_gap_locked(r.cpu->space, 4 * PAGE, BASE,
				  BASE + 16 * PAGE, true, &at),
	       FW_OK, "highest");
	is_u64(at, BASE + 12 * PAGE, "above both");
	is_u64(fw_find_gap_locked(r.cpu->space, 5 * PAGE, BASE,
				  BASE + 16 * PAGE, true, &at),
	       FW_E_NOMEM, "too long");
	is_u64(at, BASE + 12 * PAGE, "output untouched on failure");
	is_u64(fw_find_gap_locked(r.cpu->space, PAGE, ~(fw_addr)99,
				  ~(fw_addr)0, false, &at),
	       FW_E_NOMEM, "not below `low`, if that can't be rounded up");
	is_u64(fw_find_gap_locked(r.cpu->space, ~(uint64_t)99, 0,
				  ~(fw_addr)0, false, &at),
	       FW_E_NOMEM, "not for a length that can't be");
	fw_space_unlock(r.cpu->space);
	rig_end(&r);
}

/* A page of the host's: the core counts a frame for it and no more. */
TEST(host_views, "B48")
{
	struct fw_map_request rq = {.start = BASE,
				    .len = 64 * PAGE,
				    .kind = FW_VAD_HOST,
				    .prot = RW,
				    .max_prot = 7,
				    .cookie = 5};
	struct fw_totals before, after;
	uint8_t byte;

	r = rig_start(1024, 1, 4096);
	must(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq) == FW_OK, "map");
	before = totals(&r);
	is_kind(touch(r.cpu, BASE + 3 * PAGE, FW_ACC_WRITE),
		FW_KIND_HOST_VIEW);
	after = totals(&r);
	ok(fw_space_resident(r.cpu->space) >= 1, "resident");
	is_u64(frames_in_use(&after) - frames_in_use(&before) -
		       (after.tables - before.tables),
	       fw_space_resident(r.cpu->space), "a frame for each page");
	is_u64(fw_copy_in(r.s->mm, r.cpu->actor, r.cpu->space, &byte,
			  BASE + 3 * PAGE, 1),
	       0, "its content is not the core's to read");
	rig_verify(&r);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified + totals(&r).standby, 0,
	       "nothing to write: the frames are free");
	is_kind(touch(r.cpu, BASE + 3 * PAGE, FW_ACC_READ),
		FW_KIND_HOST_VIEW);
	unmap(BASE, 64);
	is_u64(r.s->views_gone, 64, "the port is told");
	rig_end(&r);
}

TEST(announcements, "C46 C47 C51")
{
	struct fw_range range[3] = {
		{BASE + 100, 10, FW_ACC_READ, 0},
		{BASE + 10 * PAGE - 8, 16, FW_ACC_WRITE, 0},
		{BASE + 63 * PAGE, 2 * PAGE, FW_ACC_READ, 0},
	};
	unsigned done = 9;
	uint64_t bytes = 9;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 64);
	put_pages(r.cpu, BASE, 64, 1);
	trim_all(&r, r.cpu);
	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, range, 2,
			   &done, &bytes),
	       FW_OK, "two ranges");
	is_u64(done, 2, "both");
	is_u64(fw_space_resident(r.cpu->space), 3, "their pages are there");
	ok(soft_pte(r.cpu, BASE + 10 * PAGE) & FW_PTE_WRITE, "to write to");
	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 100);
	is_u64(fw_space_resident(r.cpu->space), 3, "and stay");
	fw_withdraw(r.cpu->actor);
	trim_all(&r, r.cpu);
	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, range, 3,
			   &done, &bytes),
	       FW_E_FAULT, "the third leaves its region");
	is_u64(done, 2, "two whole ones");
	is_u64(bytes, PAGE, "and one page of it");
	fw_withdraw(r.cpu->actor);
	range[0].len = 100 * PAGE;
	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, range, 1,
			   &done, &bytes),
	       FW_E_LIMIT, "too much at once");
	rig_end(&r);
}

static void announce(fw_addr at, uint32_t access)
{
	struct fw_range range = {at, 8, access, 0};
	unsigned done;
	uint64_t bytes;

	is_u64(fw_announce(r.s->mm, r.cpu->actor, r.cpu->space, &range, 1,
			   &done, &bytes),
	       FW_OK, "announced");
}

/* All pages are in the page file, and nowhere else. */
static void out(void)
{
	const fw_addr at = BASE + 4096 * PAGE;

	put_pages(r.cpu, at, 600, 5000);
	is_u64(wrong_pages(r.cpu, at, 600, 5000), 0, "other pages");
}

/* Who discards what a call is using, discards it where it is; advice to let it
 * go is not taken. */
TEST(announced_pages_stay_where_they_are, "C46")
{
	static const uint32_t access[] = {FW_ACC_READ, FW_ACC_WRITE};
	struct fw_mm *mm;

	r = rig_start(512, 1, 4096);
	mm = r.s->mm;
	map_single(&r, BASE, 64);
	map_single(&r, BASE + 4096 * PAGE, 600);
	for (unsigned i = 0; i < 2; i++) {
		fw_addr at = BASE + 20 * PAGE;
		fw_pte was;

		put_pages(r.cpu, BASE, 64, 1);
		out();
		trim_all(&r, r.cpu);
		announce(at, access[i]);
		was = soft_pte(r.cpu, at);
		is_u64(fw_evict(mm, r.cpu->actor, r.cpu->space, BASE,
				64 * PAGE),
		       FW_OK, "evicted");
		ok(soft_pte(r.cpu, at) == was, "but for it");
		is_u64(wrong_pages(r.cpu, BASE, 64, 1), 0, "all as it was");
		is_u64(fw_discard(mm, r.cpu->actor, r.cpu->space, BASE,
				  64 * PAGE),
		       FW_OK, "discarded");
		is_u64(fw_space_resident(r.cpu->space), 1, "but for it");
		is_u64(fw_pte_pfn(soft_pte(r.cpu, at)), fw_pte_pfn(was),
		       "which is in its frame");
		fw_withdraw(r.cpu->actor);
		rig_verify(&r);
		/* And is not what was written out before. */
		out();
		for (unsigned k = 0; k < 64; k++)
			ok(is_zero_page(r.cpu, BASE + k * PAGE),
			   "page %u is zero", k);
		rig_verify(&r);
	}
	rig_end(&r);
}

TEST(windows_open_for_a_sequential_program, "B12")
{
	r = rig_start(2048, 1, 4096);
	map_flags(&r, BASE, 512, RW, 0);
	for (unsigned i = 0; i < 512; i++)
		touch(r.cpu, BASE + i * PAGE, FW_ACC_WRITE);
	ok(r.cpu->faults < 512 / 8, "%d faults for 512 pages",
	   (int)r.cpu->faults);
	is_u64(fw_space_resident(r.cpu->space), 512, "all resident");
	rig_end(&r);
}

TEST(windows_do_not_leave_their_region, "B09")
{
	r = rig_start(1024, 1, 4096);
	map_flags(&r, BASE, 3, RW, FW_VADF_SEQUENTIAL);
	map_flags(&r, BASE + 3 * PAGE, 3, FW_PROT_R, FW_VADF_SEQUENTIAL);
	touch(r.cpu, BASE, FW_ACC_WRITE);
	is_u64(fw_space_resident(r.cpu->space), 3, "the region's pages");
	is_kind(touch(r.cpu, BASE + 3 * PAGE, FW_ACC_WRITE), FW_KIND_ACCERR);
	rig_end(&r);
}

TEST(small_records, "C62")
{
	enum { N = 300 };
	static void *p[N];
	uint64_t x = 3;

	r = rig_start(1024, 1, 4096);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < N; i++) {
			size_t size = 1 + (x = x * 6364136223846793005 + 1) %
						  (i % 7 ? 200 : 4096);

			p[i] = fw_kalloc(r.s->mm, r.s->keeper, 4096 - size);
			must(p[i], "a record");
			ok(((uintptr_t)p[i] & 15) == 0, "aligned");
			fw_kfree(r.s->mm, r.s->keeper, p[i], 4096 - size);
			p[i] = fw_kalloc(r.s->mm, r.s->keeper, 8 + i);
			must(p[i], "a record");
			for (unsigned k = 0; k < 8 + i; k++)
				ok(((uint8_t *)p[i])[k] == 0, "zeroed");
			memset(p[i], 0xff, 8 + i);
		}
		rig_verify(&r);
		for (unsigned i = 0; i < N; i++)
			fw_kfree(r.s->mm, r.s->keeper, p[i], 8 + i);
	}
	rig_end(&r);
}

TEST(actors, "B02")
{
	struct fw_actor *a, *b;
	uint32_t id;

	r = rig_start(1024, 1, 4096);
	must(fw_actor_create(r.s->mm, r.s->keeper, &a) == FW_OK, "one");
	must(fw_actor_create(r.s->mm, r.s->keeper, &b) == FW_OK, "two");
	ok(a != b && a->id != b->id && a->id && b->id, "different");
	ok(fw_actor_by_id(r.s->mm, a->id) == a, "found");
	id = a->id;
	fw_actor_destroy(r.s->mm, r.s->keeper, a);
	ok(!fw_actor_by_id(r.s->mm, id), "gone");
	must(fw_actor_create(r.s->mm, r.s->keeper, &a) == FW_OK, "three");
	ok(a->id != id, "an id is not used again");
	ok(!fw_actor_by_id(r.s->mm, id), "nor found");
	fw_actor_reap(r.s->mm, r.s->keeper, id);
	ok(fw_actor_by_id(r.s->mm, a->id) == a,
	   "who was dead before is nobody");
	fw_actor_reap(r.s->mm, r.s->keeper, a->id);
	fw_actor_destroy(r.s->mm, r.s->keeper, b);
	rig_end(&r);
}
