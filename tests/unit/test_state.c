/* SPDX-License-Identifier: MIT */
/*
 * test_state.c - the states of a frame: modified no-write, bad frames,
 * priorities on standby, pages of files that go back to their files.
 */
#include "machine.h"

#include "mm/mm.h"

#include <stdlib.h>

#define FILE_PAGES 64

static struct rig r;
static uint8_t file_data[FILE_PAGES * 4096];

static struct fw_section *start_with_file(uint32_t nframes)
{
	struct fw_section *file;
	uint64_t cookie;

	for (unsigned i = 0; i < FILE_PAGES; i++)
		pattern(file_data + i * PAGE, 1 + i);
	r = rig_start(nframes, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	must(soft_map_view(r.cpu, BASE, FILE_PAGES, RW, FW_VAD_SECTION, file,
			   0, cookie) == FW_OK,
	     "view");
	return file;
}

static struct fw_frame *frame_of(struct soft_cpu *cpu, fw_addr at)
{
	fw_pte pte = soft_pte(cpu, at);

	must(pte_is_valid(pte) || pte_is_transition(pte), "in a frame");
	return frame_at(r.s->mm, fw_pte_pfn(pte));
}

static uint64_t moves(enum frame_state from, enum frame_state to)
{
	return r.s->mm->moves[from][to];
}

static bool file_has(unsigned page, uint64_t seed)
{
	uint64_t want[PAGE / 8];

	pattern(want, seed);
	return memcmp(file_data + page * PAGE, want, PAGE) == 0;
}

/* ---- pages of files ------------------------------------------------------ */

TEST(neighbours_are_written_together, "B05 B34")
{
	struct fw_section *file = start_with_file(1024);

	put_pages(r.cpu, BASE, 40, 1000);
	is_u64(wrong_pages(r.cpu, BASE, 40, 1000), 0, "read back");
	trim_all(&r, r.cpu);
	is_u64(totals(&r).mapped, 40, "modified pages of the file");
	is_u64(fw_write_modified(r.s->mm, r.s->keeper, 64), 0,
	       "not the page file's");
	write_all(&r);
	is_u64(r.s->ios[SOFT_FILE_WRITE], 3, "16, 16 and 8 pages");
	is_u64(totals(&r).mapped_pages, 40, "counted");
	for (unsigned i = 0; i < FILE_PAGES; i++)
		ok(file_has(i, i < 40 ? 1000 + i : 1 + i), "page %u", i);
	is_u64(file->dirty, 0, "nothing is dirty");
	rig_end(&r);
}

TEST(a_file_write_that_fails_keeps_the_page, "B05 B34")
{
	struct fw_section *file = start_with_file(1024);

	r.s->fail_ios = 1u << SOFT_FILE_WRITE;
	put_pages(r.cpu, BASE + 3 * PAGE, 1, 77);
	trim_all(&r, r.cpu);
	is_u64(fw_write_mapped(r.s->mm, r.s->keeper, 16), 0, "it fails");
	is_u64(totals(&r).write_errors, 1, "counted");
	is_u64(fw_section_flush(r.s->mm, r.s->keeper, file, 0, FILE_PAGES),
	       FW_E_IO, "so does a flush");
	rig_verify(&r);
	is_u64(totals(&r).mapped, 1, "still modified");
	is_u64(wrong_pages(r.cpu, BASE + 3 * PAGE, 1, 77), 0, "still there");
	trim_all(&r, r.cpu);
	r.s->fail_ios = 0;
	is_u64(fw_section_flush(r.s->mm, r.s->keeper, file, 0, FILE_PAGES),
	       FW_OK, "flush");
	ok(file_has(3, 77), "written");
	rig_end(&r);
}

/* The last view and reference go before the page was written. */
TEST(a_file_closed_dirty_is_written_all_the_same, "B05 B46")
{
	struct fw_section *file = start_with_file(1024), *again;
	struct fw_section_key key = *fw_section_file(file);

	put_pages(r.cpu, BASE, 5, 500);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
		 FILE_PAGES * PAGE);
	fw_section_unref(r.s->mm, r.s->keeper, file);
	is_u64(totals(&r).sections, 1, "the section stays");
	rig_verify(&r);
	must(fw_section_create(r.s->mm, r.s->keeper, &key, FILE_PAGES,
			       &again) == FW_OK, "opened again");
	ok(again == file, "and is found by who opens the file");
	must(soft_map_view(r.cpu, BASE, FILE_PAGES, RW, FW_VAD_SECTION, again,
			   0, 1) == FW_OK,
	     "view");
	is_u64(wrong_pages(r.cpu, BASE, 5, 500), 0, "with what was written");
	is_u64(r.s->ios[SOFT_FILE_READ], 1, "read once");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
		 FILE_PAGES * PAGE);
	fw_section_unref(r.s->mm, r.s->keeper, again);
	write_all(&r);
	is_u64(totals(&r).sections, 0, "gone when written");
	for (unsigned i = 0; i < 5; i++)
		ok(file_has(i, 500 + i), "page %u", i);
	r.s->files[0].data = NULL;
	rig_end(&r);
}

/* ---- modified no-write --------------------------------------------------- */

TEST(held_pages_are_not_written, "B41 B34")
{
	struct fw_section *file = start_with_file(600);
	const uint64_t others = 800;

	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 2 * PAGE,
		       3 * PAGE), FW_OK, "hold");
	put_pages(r.cpu, BASE, 8, 300);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified_no_write, 3, "modified no-write");
	is_u64(totals(&r).modified, 5, "modified");
	rig_verify(&r);
	write_all(&r);
	is_u64(fw_section_flush(r.s->mm, r.s->keeper, file, 0, FILE_PAGES),
	       FW_OK, "a flush passes them over");
	for (unsigned i = 0; i < 8; i++)
		ok(file_has(i, i >= 2 && i < 5 ? 1 + i : 300 + i),
		   "page %u in the file", i);
	/* However short frames are. */
	must(soft_map(r.cpu, 2 * BASE, others, RW) == FW_OK, "map");
	ok(put_pages(r.cpu, 2 * BASE, others, 1), "use all memory");
	is_u64(totals(&r).modified_no_write, 3, "they stay");
	ok(file_has(2, 3), "and are not written");
	rig_verify(&r);
	/* Touched, they come back, by a soft fault, and stay held. */
	is_kind(touch(r.cpu, BASE + 2 * PAGE, FW_ACC_READ),
		FW_KIND_TRANSITION);
	ok(moves(FRAME_MODIFIED_NO_WRITE, FRAME_ACTIVE) > 0, "from that list");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
		 FILE_PAGES * PAGE);
	is_u64(totals(&r).modified_no_write, 3, "unmapped, still held");
	is_u64(fw_release(r.s->mm, r.s->keeper, file, 0, FILE_PAGES), 3,
	       "released");
	is_u64(moves(FRAME_MODIFIED_NO_WRITE, FRAME_MODIFIED), 3, "moved");
	write_all(&r);
	for (unsigned i = 0; i < 8; i++)
		ok(file_has(i, 300 + i), "page %u written", i);
	rig_end(&r);
}

TEST(hold_refuses_what_no_file_is_behind, "B41")
{
	start_with_file(1024);
	map_single(&r, 2 * BASE, 4);
	put_pages(r.cpu, 2 * BASE, 4, 1);
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, 2 * BASE, PAGE),
	       FW_E_INVAL, "private");
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, 9 * BASE, PAGE),
	       FW_E_INVAL, "nothing");
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, 0 - PAGE, PAGE - 1),
	       FW_E_INVAL, "the last page, which is no user's");
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 0),
	       FW_E_INVAL, "no page");
	is_u64(fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, BASE, PAGE,
			  FW_PROT_R), FW_OK, "protect");
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, BASE, PAGE),
	       FW_E_INVAL, "read only");
	r.s->fail_ios = 1u << SOFT_FILE_READ;
	is_u64(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, BASE + 8 * PAGE,
		       PAGE), FW_E_IO, "cannot be read");
	r.s->fail_ios = 0;
	rig_end(&r);
}

/* ---- bad frames ---------------------------------------------------------- */

/* Frames leave in every state, and contents do not suffer. */
TEST(frames_are_retired_in_any_state, "A04 B34")
{
	struct fw_mm *mm;
	uint64_t seen[FRAME_STATES] = {0}, out = 0, later = 0;
	struct fw_section *file = start_with_file(700);

	mm = r.s->mm;
	is_u64(fw_frame_retire(mm, r.s->keeper, 0), FW_E_INVAL, "the core's");
	is_u64(fw_frame_retire(mm, r.s->keeper, mm->nframes), FW_E_INVAL,
	       "beyond the end");
	must(soft_map(r.cpu, 2 * BASE, 300, RW) == FW_OK, "map");
	put_pages(r.cpu, 2 * BASE, 300, 5);
	put_pages(r.cpu, BASE, 20, 900);
	fw_hold(mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE);
	trim_all(&r, r.cpu);
	fw_write_modified(mm, r.s->keeper, 64);
	wrong_pages(r.cpu, 2 * BASE + 200 * PAGE, 40, 205);
	fw_unmap(mm, r.cpu->actor, r.cpu->space, 2 * BASE + 280 * PAGE,
		 20 * PAGE);
	for (fw_pfn pfn = mm->base; pfn < mm->nframes; pfn += 3) {
		enum fw_status status;
		unsigned state = mm->frames[pfn].state;

		seen[pfn < mm->fresh ? state : FRAME_ZEROED]++;
		status = fw_frame_retire(mm, r.s->keeper, pfn);
		out += status == FW_OK;
		later += status == FW_E_BUSY;
		is_u64(fw_frame_retire(mm, r.s->keeper, pfn), status,
		       "again: the same answer");
	}
	rig_verify(&r);
	is_u64(totals(&r).bad, out, "bad frames");
	ok(seen[FRAME_ZEROED] && seen[FRAME_FREE] && seen[FRAME_STANDBY] &&
		   seen[FRAME_MODIFIED] && seen[FRAME_MODIFIED_NO_WRITE] &&
		   seen[FRAME_ACTIVE],
	   "all states that last were there");
	is_u64(wrong_pages(r.cpu, 2 * BASE, 280, 5), 0, "private pages");
	is_u64(wrong_pages(r.cpu, BASE, 20, 900), 0, "pages of the file");
	rig_verify(&r);
	/* What was in use goes as it is let go. */
	is_u64(fw_release(mm, r.s->keeper, file, 0, 8), 8, "release");
	trim_all(&r, r.cpu);
	write_all(&r);
	ok(totals(&r).bad > out, "more when written");
	is_u64(wrong_pages(r.cpu, 2 * BASE, 280, 5), 0, "private pages");
	is_u64(wrong_pages(r.cpu, BASE, 20, 900), 0, "pages of the file");
	out += later;
	ok(totals(&r).bad <= out, "no more than those");
	rig_end(&r);
}

/* ---- priorities ---------------------------------------------------------- */

#define LOW_AT (2 * BASE)
#define HIGH_AT (3 * BASE)

static unsigned still_there(fw_addr at, unsigned pages)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pages; i++)
		n += pte_is_transition(soft_pte(r.cpu, at + i * PAGE));
	return n;
}

/* Takes n frames from standby. */
static void press(fw_addr at, uint64_t n)
{
	must(map_flags(&r, at, 4096, RW, FW_VADF_LOCKED | FW_VADF_RANDOM) ==
		     FW_OK, "map");
	for (uint64_t i = 0, until = totals(&r).standby - n;
	     i < 4096 && totals(&r).standby > until; i++)
		touch(r.cpu, at + i * PAGE, FW_ACC_WRITE);
}

TEST(the_lowest_priority_is_repurposed_first, "B32")
{
	r = rig_start(1024, 1, 8192);
	map_single(&r, HIGH_AT, 100);
	map_single(&r, LOW_AT, 100);
	is_u64(fw_set_priority(r.s->mm, r.cpu->actor, r.cpu->space, HIGH_AT,
			       100 * PAGE, 7), FW_OK, "set");
	is_u64(fw_set_priority(r.s->mm, r.cpu->actor, r.cpu->space, LOW_AT,
			       100 * PAGE, 2), FW_OK, "set");
	put_pages(r.cpu, HIGH_AT, 100, 1);
	put_pages(r.cpu, LOW_AT, 100, 2);
	trim_all(&r, r.cpu);
	write_all(&r);
	is_u64(r.s->mm->standby[7].count, 100, "the high ones");
	is_u64(r.s->mm->standby[2].count, 100, "the low ones");
	rig_verify(&r);
	press(8 * BASE, 60);
	is_u64(still_there(HIGH_AT, 100), 100, "all high ones are there");
	is_u64(still_there(LOW_AT, 100), 40, "low ones went");
	is_u64(still_there(LOW_AT, 60), 0, "the oldest of them");
	is_u64(wrong_pages(r.cpu, HIGH_AT, 100, 1), 0, "contents");
	is_u64(wrong_pages(r.cpu, LOW_AT, 100, 2), 0, "contents");
	rig_end(&r);
}

TEST(whose_priority_counts, "B32")
{
	struct soft_cpu *other;
	struct fw_mm *mm;
	fw_addr at = BASE;

	r = rig_start(1024, 1, 4096);
	mm = r.s->mm;
	map_single(&r, at, 16);
	touch(r.cpu, at, FW_ACC_WRITE);
	is_u64(frame_prio(frame_of(r.cpu, at)), FW_PRIO_NORMAL, "none");
	fw_space_set_priority(mm, r.cpu->actor, r.cpu->space, 3);
	touch(r.cpu, at + PAGE, FW_ACC_WRITE);
	is_u64(frame_prio(frame_of(r.cpu, at + PAGE)), 3, "the space's");
	fw_actor_set_priority(r.cpu->actor, 1);
	touch(r.cpu, at + 2 * PAGE, FW_ACC_WRITE);
	is_u64(frame_prio(frame_of(r.cpu, at + 2 * PAGE)), 1, "actor's");
	fw_set_priority(mm, r.cpu->actor, r.cpu->space, at + 3 * PAGE, PAGE,
			6);
	touch(r.cpu, at + 3 * PAGE, FW_ACC_WRITE);
	is_u64(frame_prio(frame_of(r.cpu, at + 3 * PAGE)), 6, "region's");
	is_u64(fw_set_priority(mm, r.cpu->actor, r.cpu->space, at, PAGE, 8),
	       FW_E_INVAL, "eight levels");
	is_u64(fw_actor_set_priority(r.cpu->actor, -2), FW_E_INVAL, "no");
	is_u64(fw_space_set_priority(mm, r.cpu->actor, r.cpu->space, 8),
	       FW_E_INVAL, "no");
	is_u64(fw_set_priority(mm, r.cpu->actor, r.cpu->space, 9 * BASE, PAGE,
			       1), FW_E_NOENT, "a hole");
	/* A shared page keeps the highest. */
	must(soft_fork(r.cpu, &other) == FW_OK, "fork");
	fw_space_set_priority(mm, r.cpu->actor, r.cpu->space, FW_PRIO_NONE);
	is_u64(other->space->prio, 4, "the child has its parent's");
	trim_all(&r, r.cpu);
	trim_all(&r, other);
	fw_actor_set_priority(r.cpu->actor, 6);
	touch(r.cpu, at + 2 * PAGE, FW_ACC_READ);
	is_u64(frame_prio(frame_of(r.cpu, at + 2 * PAGE)), 6, "raised");
	touch(other, at + 2 * PAGE, FW_ACC_READ);
	is_u64(frame_prio(frame_of(other, at + 2 * PAGE)), 6, "and kept");
	soft_cpu_exit(other);
	rig_end(&r);
}

/* All that may happen between the states does, and is counted. */
TEST(every_move_of_the_diagram, "B30 B31 B32 B39 B40 B41")
{
	static const enum frame_state moved[][2] = {
		{FRAME_ZEROED, FRAME_ACTIVE},
		{FRAME_FREE, FRAME_ACTIVE},
		{FRAME_STANDBY, FRAME_ACTIVE},
		{FRAME_MODIFIED, FRAME_ACTIVE},
		{FRAME_MODIFIED_NO_WRITE, FRAME_ACTIVE},
		{FRAME_ACTIVE, FRAME_TRANSITION},
		{FRAME_ACTIVE, FRAME_STANDBY},
		{FRAME_ACTIVE, FRAME_MODIFIED},
		{FRAME_ACTIVE, FRAME_MODIFIED_NO_WRITE},
		{FRAME_ACTIVE, FRAME_FREE},
		{FRAME_ACTIVE, FRAME_ZEROED},
		{FRAME_ACTIVE, FRAME_BAD},
		{FRAME_TRANSITION, FRAME_STANDBY},
		{FRAME_TRANSITION, FRAME_ZEROED},
		{FRAME_MODIFIED, FRAME_TRANSITION},
		{FRAME_MODIFIED_NO_WRITE, FRAME_MODIFIED},
		{FRAME_STANDBY, FRAME_FREE},
		{FRAME_MODIFIED, FRAME_FREE},
	};
	struct fw_section *file = start_with_file(600);
	const fw_addr at = 2 * BASE;
	uint64_t zero[PAGE / 8] = {0};

	must(soft_map(r.cpu, at, 900, RW) == FW_OK, "map");
	fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 2 * PAGE);
	put_pages(r.cpu, at, 900, 1);
	fw_zero_frames(r.s->mm, r.s->keeper, 64);
	wrong_pages(r.cpu, at, 900, 1);
	soft_write(r.cpu, at, zero, PAGE);
	trim_all(&r, r.cpu);
	fw_release(r.s->mm, r.s->keeper, file, 1, 1);
	touch(r.cpu, BASE, FW_ACC_READ);
	fw_release(r.s->mm, r.s->keeper, file, 0, 1);
	touch(r.cpu, at + 64 * PAGE, FW_ACC_WRITE);
	fw_frame_retire(r.s->mm, r.s->keeper,
			fw_pte_pfn(soft_pte(r.cpu, at + 64 * PAGE)));
	write_all(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, at, 300 * PAGE);
	put_pages(r.cpu, at + 300 * PAGE, 20, 1);
	trim_all(&r, r.cpu);
	touch(r.cpu, at + 310 * PAGE, FW_ACC_READ);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, at, 900 * PAGE);
	rig_verify(&r);
	write_all(&r);
	for (unsigned i = 0; i < sizeof(moved) / sizeof(*moved); i++)
		ok(moves(moved[i][0], moved[i][1]) > 0, "%u to %u",
		   moved[i][0], moved[i][1]);
	for (unsigned from = 0; from < FRAME_STATES; from++)
		for (unsigned to = 0; to < FRAME_STATES; to++)
			if (from == to || from == FRAME_BAD)
				is_u64(moves(from, to), 0, "%u to %u", from,
				       to);
	rig_end(&r);
}
