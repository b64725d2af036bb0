/* SPDX-License-Identifier: MIT */
/* death_state.c - operations on pages of files, frames, page files and limits
 * in which the actor dies at every step; see death.h. */
#include "model/death.h"

#define VIEW_AT (BASE + 400 * PAGE)
#define N_VIEW 12
#define OLD 6000 /* seeds of what the file held, and of what was written */
#define NEW 7000

static struct fw_section *written;
static uint8_t written_data[N_VIEW * 4096];

static void view_file(struct world *w)
{
	uint64_t cookie;

	for (unsigned i = 0; i < N_VIEW; i++)
		pattern(written_data + i * PAGE, OLD + i);
	written = soft_file(w->r.s, written_data, sizeof(written_data),
			    &cookie);
	soft_map_view(w->victim, VIEW_AT, N_VIEW, RW, FW_VAD_SECTION, written,
		      0, cookie);
}

static bool file_has(unsigned page, uint64_t seed)
{
	uint64_t want[PAGE / 8];

	pattern(want, seed + page);
	return memcmp(written_data + page * PAGE, want, PAGE) == 0;
}

static void flush(struct world *w)
{
	struct soft *s = w->r.s;
	struct soft_cpu *heir = soft_cpu_create(s, w->victim->space);

	must(heir, "an heir");
	trim_all(&w->r, heir);
	soft_cpu_free(heir);
	WANT(fw_section_flush(s->mm, s->keeper, written, 0, N_VIEW));
}

/* ---- writing to files ---------------------------------------------------- */

static void write_view(struct world *w)
{
	view_file(w);
	put_pages(w->victim, VIEW_AT, N_VIEW, NEW);
	fw_trim(AT(w), 400);
}

static void write_mapped(struct world *w)
{
	while (fw_write_mapped(w->r.s->mm, w->victim->actor, 5))
		;
}

/* What was written before is not lost, however far it got. */
static void all_is_written(struct world *w)
{
	rig_verify(&w->r);
	flush(w);
	for (unsigned i = 0; i < N_VIEW; i++)
		ok(file_has(i, NEW), "page %u is in the file", i);
}

TEST(death_in_mapped_writing, "B05 B34")
{
	die_everywhere(&(struct scenario){write_view, write_mapped, 0, 0,
					  all_is_written});
}

static void flush_some(struct world *w)
{
	WANT(fw_section_flush(w->r.s->mm, w->victim->actor, written, 1, 8));
}

TEST(death_in_flush, "B05 B34")
{
	die_everywhere(&(struct scenario){write_view, flush_some, 0, 0,
					  all_is_written});
}

/* ---- holding back -------------------------------------------------------- */

#define HELD_FROM 2
#define N_HELD 4
static bool held_once; /* from here on none of them may reach the file */

static void before_hold(struct world *w)
{
	view_file(w);
	held_once = false;
}

static void hold_and_write(struct world *w)
{
	WANT(fw_hold(AT(w), VIEW_AT + HELD_FROM * PAGE, N_HELD * PAGE));
	held_once = true;
	put_pages(w->victim, VIEW_AT, N_VIEW, NEW);
	fw_trim(AT(w), 400);
}

/* They stay back until somebody else lets them go. */
static void held_until_released(struct world *w)
{
	struct soft *s = w->r.s;
	uint64_t n;

	rig_verify(&w->r);
	flush(w);
	for (unsigned i = HELD_FROM; i < HELD_FROM + N_HELD; i++)
		ok(!held_once || file_has(i, OLD), "page %u is held back", i);
	n = fw_release(s->mm, s->keeper, written, 0, N_VIEW);
	ok(n <= N_HELD && (!held_once || n == N_HELD), "%d were held", (int)n);
	rig_verify(&w->r);
	flush(w);
	for (unsigned i = 0; i < N_VIEW; i++)
		ok(file_has(i, OLD) || file_has(i, NEW),
		   "page %u is one or the other", i);
}

TEST(death_in_hold, "B41")
{
	die_everywhere(&(struct scenario){before_hold, hold_and_write, 0, 0,
					  held_until_released});
}

static void before_release(struct world *w)
{
	view_file(w);
	hold_and_write(w);
}

static void release(struct world *w)
{
	is_u64(fw_release(w->r.s->mm, w->victim->actor, written, 0, N_VIEW),
	       N_HELD, "released");
}

static void all_is_released(struct world *w)
{
	rig_verify(&w->r);
	fw_release(w->r.s->mm, w->r.s->keeper, written, 0, N_VIEW);
	all_is_written(w);
}

TEST(death_in_release, "B41")
{
	die_everywhere(&(struct scenario){before_release, release, 0, 0,
					  all_is_released});
}

/* ---- frames that go bad -------------------------------------------------- */

#define N_BAD 6
static fw_pfn bad[N_BAD];

/* One that is active, modified, on standby, free, a table, and a record. */
static void choose_bad(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;
	fw_pfn pfn = mm->base;

	bad[0] = fw_pte_pfn(soft_pte(w->stranger, BASE));
	fw_space_lock(w->relative->space, w->relative->actor);
	evict_range_locked(mm, w->relative->actor, w->relative->space,
			   BASE >> FW_PAGE_SHIFT,
			   (BASE >> FW_PAGE_SHIFT) + N_PRIVATE, false);
	fw_space_unlock(w->relative->space);
	fw_write_modified(mm, w->r.s->keeper, 3);
	bad[1] = mm->modified.head;
	bad[2] = mm->standby[STANDBY_NORMAL].head;
	while (mm->frames[pfn].state != FRAME_FREE &&
	       mm->frames[pfn].state != FRAME_ZEROED)
		pfn++;
	bad[3] = pfn;
	bad[4] = w->victim->space->root;
	bad[5] = (fw_pfn)(((uintptr_t)w->victim->space - (uintptr_t)mm) >>
			  FW_PAGE_SHIFT);
	must(bad[1] != FW_PFN_NONE && bad[2] != FW_PFN_NONE, "all of these");
}

static void retire(struct world *w)
{
	for (unsigned i = 0; i < N_BAD; i++) {
		enum fw_status status = fw_frame_retire(
			w->r.s->mm, w->victim->actor, bad[i]);

		ok(status == (i == 2 || i == 3 ? FW_OK : FW_E_BUSY),
		   "frame %u: %s", i, fw_status_text(status));
	}
}

TEST(death_in_retiring, "A04 B34")
{
	die_everywhere(&(struct scenario){choose_bad, retire, 0, 0, NULL});
}

/* ---- page files that come and go ----------------------------------------- */

static void page_file_life(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;
	unsigned n = 99;

	WANT(fw_page_file_add(mm, w->victim->actor, 40000, &n));
	is_u64(n, 1, "the second");
	is_u64(fw_page_file_remove(mm, w->victim->actor, 0), FW_E_BUSY,
	       "the first is in use");
	WANT(fw_page_file_remove(mm, w->victim->actor, 1));
}

/* Gone, or as it was and to be removed. */
static void page_file_end(struct world *w)
{
	enum fw_status status;

	rig_verify(&w->r);
	status = fw_page_file_remove(w->r.s->mm, w->r.s->keeper, 1);
	ok(status == FW_OK || status == FW_E_NOENT, "%s",
	   fw_status_text(status));
	is_u64(totals(&w->r).slots, 1023, "slots of the first alone");
}

static void use_page_file(struct world *w)
{
	trim_all(&w->r, w->victim);
	write_all(&w->r);
}

TEST(death_with_a_page_file, "B34 C78")
{
	die_everywhere(&(struct scenario){use_page_file, page_file_life, 0, 0,
					  page_file_end});
}

/* One that has four bitmaps, as if its slots had been in use. */
static void large_page_file(struct world *w)
{
	struct fw_mm *mm = w->r.s->mm;
	struct fw_pfile *pf = &mm->pfile[1];
	unsigned n = 99;

	WANT(fw_page_file_add(mm, w->r.s->keeper, 100000, &n));
	mm_lock(mm, w->r.s->keeper);
	while (pf->limit < pf->slots) {
		pf->used = pf->usable;
		pfile_grow(mm);
		mm_checkpoint(mm);
	}
	pf->used = 0;
	mm_unlock(mm);
}

static void remove_page_file(struct world *w)
{
	WANT(fw_page_file_remove(w->r.s->mm, w->victim->actor, 1));
}

TEST(death_in_removing_a_page_file, "B34 C78")
{
	die_everywhere(&(struct scenario){large_page_file, remove_page_file,
					  0, 0, page_file_end});
}

/* ---- limits of working sets ---------------------------------------------- */

#define HARD_MAX 130

static void grow(struct world *w)
{
	WANT(soft_map(w->victim, FREE_AT, 160, RW));
	put_pages(w->victim, FREE_AT, 160, 1);
}

static void limit(struct world *w)
{
	WANT(fw_space_set_limits(AT(w), 20, HARD_MAX,
				 FW_WS_MIN_HARD | FW_WS_MAX_HARD));
	ok(fw_space_resident(w->victim->space) <= HARD_MAX, "within it");
	put_pages(w->victim, FREE_AT, 4, 1);
	ok(fw_space_resident(w->victim->space) <= HARD_MAX, "still");
	WANT(fw_space_set_limits(AT(w), 0, 0, 0));
}

/* What the space was promised is what all are promised. */
static void minima_agree(struct world *w)
{
	const struct fw_space *s = w->victim->space;

	is_u64(w->r.s->mm->ws_kept,
	       s->ws_flags & FW_WS_MIN_HARD ? s->ws_min : 0, "hard minima");
	ok(s->ws_min == 0 || s->ws_max == HARD_MAX, "all of it, or nothing");
}

TEST(death_in_limits, "B46 C76")
{
	die_everywhere(&(struct scenario){grow, limit, 700, 0, minima_agree});
}
