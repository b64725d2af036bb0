/* SPDX-License-Identifier: MIT */
/*
 * scenes_region.c - regions that change, and memory that is short: protect,
 * move, announced pages, frames that must be zeroed first, no frames at all.
 */
#include "explore.h"

#include "mm/mm.h"

#define MOVED (BASE + 64 * PAGE)
#define FRAMES_ALL 256

/* ---- what the actors do ----------------------------------------------- */

static void write_in_order(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 7);
	put(me, PAGE_AT(1), 7);
}

/* Who sees the second write sees the first; and what was seen once stays. */
static void read_in_order(struct soft_cpu *me)
{
	uint64_t before = get(me, PAGE_AT(0));
	uint64_t second = get(me, PAGE_AT(1));
	uint64_t first = get(me, PAGE_AT(0));

	want(first == 7 || (first == value_of(0) && second != 7 && before != 7),
	     "reads %#llx, %#llx, %#llx", (unsigned long long)before,
	     (unsigned long long)second, (unsigned long long)first);
}

static void protect(struct soft_cpu *me)
{
	uint64_t before;

	want(fw_protect(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE,
			FW_PROT_R) == FW_OK,
	     "protect fails");
	before = get(me, PAGE_AT(0));
	want(try_put(me, PAGE_AT(0), 9) == FW_KIND_ACCERR,
	     "a write to what is read-only");
	want_value(me, PAGE_AT(0), before);
	w->note[1] = before;
}

static void write_if_allowed(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, PAGE_AT(0), 7);

	want(kind == DONE || kind == FW_KIND_ACCERR, "a write fails");
	w->note[0] = kind == DONE;
}

static void move(struct soft_cpu *me)
{
	want(fw_move(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE,
		     MOVED) == FW_OK,
	     "move fails");
	want(try_put(me, PAGE_AT(0), 9) == FW_KIND_MAPERR,
	     "a write to where it was");
	w->note[1] = get(me, MOVED);
}

static void write_or_moved(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, PAGE_AT(0), 7);

	want(kind == DONE || kind == FW_KIND_MAPERR, "a write fails");
	if (kind == FW_KIND_MAPERR) {
		want_value(me, MOVED, value_of(0));
		put(me, MOVED, 7);
	}
}

/* As a call that is given a buffer: what is announced stays where it is until
 * it is withdrawn, and is written to by its frame. */
static void call_writes_to(struct soft_cpu *me, bool stays)
{
	struct fw_range range = {
		.start = PAGE_AT(0), .len = 8, .access = FW_ACC_WRITE};
	struct fw_mm *mm = w->s->mm;
	unsigned n;
	uint64_t bytes;
	fw_pte pte;

	want(fw_announce(mm, me->actor, me->space, &range, 1, &n, &bytes) ==
		     FW_OK,
	     "announce fails");
	pte = soft_pte(me, PAGE_AT(0));
	want(pte_is_valid(pte) && (pte & PTE_W), "it was not announced");
	point(AT_IO, NULL, true);
	want(fw_pte_pfn(soft_pte(me, PAGE_AT(0))) == fw_pte_pfn(pte) &&
		     (soft_pte(me, PAGE_AT(0)) & PTE_V),
	     "an announced page has left");
	*(uint64_t *)frame_data(mm, fw_pte_pfn(pte)) = 7;
	fw_withdraw(me->actor);
	if (stays)
		want_value(me, PAGE_AT(0), 7);
}

static void call_writes(struct soft_cpu *me)
{
	call_writes_to(me, true);
}

/* What a call writes to while others discard it is there or is not; what is
 * written behind that is. */
static void call_writes_twice(struct soft_cpu *me)
{
	uint64_t got;

	call_writes_to(me, false);
	got = get(me, PAGE_AT(0));
	want(got == 7 || got == 0, "reads %#llx", (unsigned long long)got);
	put(me, PAGE_AT(1), 7);
}

static void discard_first(struct soft_cpu *me)
{
	uint64_t got;

	want(fw_discard(w->s->mm, me->actor, me->space, BASE, PAGE) == FW_OK,
	     "discard fails");
	got = get(me, PAGE_AT(0));
	want(got == 7 || got == 0, "reads %#llx", (unsigned long long)got);
	w->note[1] = got;
}

static void evict(struct soft_cpu *me)
{
	want(fw_evict(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE) ==
		     FW_OK,
	     "evict fails");
}

/* A device writes to the frame: whoever unmaps it waits for that. */
static void device_writes(struct soft_cpu *me)
{
	struct fw_range range = {.start = PAGE_AT(0),
				 .len = 8,
				 .access = FW_ACC_WRITE,
				 .pinned = true};
	struct fw_mm *mm = w->s->mm;
	enum fw_status status;
	unsigned n;
	uint64_t bytes;
	fw_pfn pfn;

	status = fw_announce(mm, me->actor, me->space, &range, 1, &n, &bytes);
	if (status == FW_OK) {
		pfn = fw_pte_pfn(soft_pte(me, PAGE_AT(0)));
		point(AT_IO, NULL, true);
		want(frame_at(mm, pfn)->state == FRAME_ACTIVE &&
			     fw_pte_pfn(soft_pte(me, PAGE_AT(0))) == pfn,
		     "the frame has been taken away");
		*(uint64_t *)frame_data(mm, pfn) = 7;
	}
	fw_withdraw(me->actor);
}

static void protect_all(struct soft_cpu *me)
{
	want(fw_protect(w->s->mm, me->actor, me->space, BASE, PAGES * PAGE,
			0) == FW_OK,
	     "protect fails");
}

/* Who changes what a call waits with has it back there when he is done. */
static void call_waits(struct soft_cpu *me)
{
	struct fw_range range = {
		.start = PAGE_AT(0), .len = 8, .access = FW_ACC_WRITE};
	enum fw_status status;
	unsigned n;
	uint64_t bytes;

	status = fw_announce(w->s->mm, me->actor, me->space, &range, 1, &n,
			     &bytes);
	point(AT_IO, NULL, true);
	if (status == FW_OK && w->note[1]) {
		fw_pte pte = soft_pte(me, PAGE_AT(0));

		want(pte_is_valid(pte) && (pte & PTE_W), "it is not back");
	}
	fw_withdraw(me->actor);
}

static void protect_and_back(struct soft_cpu *me)
{
	for (unsigned prot = 0; prot <= RW; prot += RW)
		want(fw_protect(w->s->mm, me->actor, me->space, BASE,
				PAGES * PAGE, prot) == FW_OK,
		     "protect fails");
	w->note[1] = 1;
}

static void map_anew(struct soft_cpu *me)
{
	struct fw_map_request rq = {.start = BASE,
				    .len = PAGES * PAGE,
				    .prot = RW,
				    .max_prot = 7,
				    .replace = true};

	want(fw_map(w->s->mm, me->actor, me->space, &rq) == FW_OK,
	     "map fails");
	w->note[1] = 1;
}

/* The call ends at any time, without a lock: not at one at which what the CPU
 * may write to has become the child's as well. */
static void call_and_write(struct soft_cpu *me)
{
	struct fw_range range = {
		.start = PAGE_AT(0), .len = 8, .access = FW_ACC_WRITE};
	unsigned n;
	uint64_t bytes;

	put(me, PAGE_AT(0), 7);
	want(fw_announce(w->s->mm, me->actor, me->space, &range, 1, &n,
			 &bytes) == FW_OK,
	     "announce fails");
	point(AT_IO, NULL, true);
	fw_withdraw(me->actor);
	put(me, PAGE_AT(0), 8);
	want_value(me, PAGE_AT(0), 8);
}

static void fork_and_note(struct soft_cpu *me)
{
	want(soft_fork(me, &w->cpu[3]) == FW_OK, "fork fails");
	w->note[1] = get(w->cpu[3], PAGE_AT(0));
}

static void fork_and_look(struct soft_cpu *me)
{
	uint64_t got;

	want(soft_fork(me, &w->cpu[3]) == FW_OK, "fork fails");
	got = get(w->cpu[3], PAGE_AT(0));
	want(got == value_of(0) || got == 7, "reads %#llx",
	     (unsigned long long)got);
	put(w->cpu[3], PAGE_AT(0), 0xc0);
}

static void just_fork(struct soft_cpu *me)
{
	want(soft_fork(me, &w->cpu[3]) == FW_OK, "fork fails");
}

static void write_own(struct soft_cpu *me)
{
	fw_addr at = PAGE_AT(3) + 8 * running();

	put(me, at, 0xbeef + running());
	want_value(me, at, 0xbeef + running());
}

static void write_eight(struct soft_cpu *me)
{
	put(me, PAGE_AT(0), 8);
	want_value(me, PAGE_AT(0), 8);
}

static void zero_frames(struct soft_cpu *me)
{
	fw_zero_frames(w->s->mm, me->actor, 8);
}

static void use_two(struct soft_cpu *me)
{
	fw_addr at = BASE + (64 + 32 * running()) * PAGE;

	put(me, at, 1 + running());
	put(me, at + PAGE, 3 + running());
	want_value(me, at, 1 + running());
}

/* The kernel's copies, page by page under the space lock. */
static void copy_out(struct soft_cpu *me)
{
	const uint64_t seven[2] = {7, 7};

	want(fw_copy_out(w->s->mm, me->actor, me->space, PAGE_AT(1) - 8, seven,
			 16) == 16,
	     "a copy ends early");
	put(me, PAGE_AT(0), 7);
}

static void copy_in(struct soft_cpu *me)
{
	uint64_t got[2];

	want(fw_copy_in(w->s->mm, me->actor, me->space, got, PAGE_AT(1) - 8,
			16) == 16,
	     "a copy ends early");
	want((got[0] == 0 || got[0] == 7) &&
		     (got[1] == value_of(1) || got[1] == 7),
	     "copies %#llx and %#llx", (unsigned long long)got[0],
	     (unsigned long long)got[1]);
}

/* The first access to a guard page is told so, one of all; then it is an
 * ordinary page. */
static void touch_guard(struct soft_cpu *me)
{
	enum fw_kind kind = try_put(me, PAGE_AT(1) + 8 * running(), 7);

	want(kind == DONE || kind == FW_KIND_GUARD, "a write fails");
	w->note[running()] = kind == FW_KIND_GUARD;
	if (kind == FW_KIND_GUARD)
		put(me, PAGE_AT(1) + 8 * running(), 7);
	want_value(me, PAGE_AT(1) + 8 * running(), 7);
}

static void touch_stack(struct soft_cpu *me)
{
	put(me, PAGE_AT(PAGES - 2) + 8 * running(), 7);
	put(me, PAGE_AT(PAGES - 3) + 8 * running(), 7);
	want_value(me, PAGE_AT(PAGES - 2) + 8 * running(), 7);
}

/* The frame of the first page goes out of use when it can. */
static void retire_first(struct soft_cpu *me)
{
	want(fw_frame_retire(w->s->mm, me->actor, (fw_pfn)w->note[2]) ==
		     FW_E_BUSY,
	     "nothing is in it");
}

/* ---- where they begin ------------------------------------------------- */

static void guarded(void)
{
	three_cpus();
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM | FW_VADF_GUARD);
}

static void stack(void)
{
	three_cpus();
	map_at(w->cpu[0], BASE, FW_VADF_STACK | FW_VADF_GUARD);
	put(w->cpu[0], PAGE_AT(PAGES - 1), 7);
}

static void retiring(void)
{
	two_pages();
	w->note[2] = fw_pte_pfn(soft_pte(w->cpu[0], PAGE_AT(0)));
}

/* As many pages resident as may be. */
static void limited(void)
{
	struct fw_map_request rq = {.start = BASE + 64 * PAGE,
				    .len = 128 * PAGE,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = FW_VADF_RANDOM};
	struct soft_cpu *cpu;

	two_pages();
	cpu = w->cpu[0];
	want(fw_map(w->s->mm, cpu->actor, cpu->space, &rq) == FW_OK, "no map");
	want(fw_space_set_limits(w->s->mm, cpu->actor, cpu->space, 0,
				 FW_WS_MAX_LEAST, FW_WS_MAX_HARD) == FW_OK,
	     "no limit");
	for (unsigned i = 0; i < FW_WS_MAX_LEAST; i++)
		put(cpu, BASE + (64 + 127 - i) * PAGE, i);
}

/* CPUs 0 and 2 in the parent, 1 in the child. */
static void forked(void)
{
	add_cpu(0, 0);
	map_at(w->cpu[0], BASE, FW_VADF_RANDOM);
	fill(w->cpu[0], 2);
	want(soft_fork(w->cpu[0], &w->cpu[1]) == FW_OK, "fork fails");
	add_cpu(2, 0);
}

/* What is free has been used, and must be zeroed when it is needed. */
static void spoil_zeroed(void)
{
	struct fw_mm *mm = w->s->mm;
	fw_pfn pfn[FRAMES_ALL];
	unsigned n = 0;
	bool zero;

	mm_lock(mm, w->s->keeper);
	while (mm->count[FRAME_ZEROED] > 0) {
		pfn[n++] = frame_take(mm, true, &zero);
		mm_checkpoint(mm);
	}
	while (n > 0) {
		memset(frame_data(mm, pfn[--n]), 0xee, PAGE);
		frame_free(mm, frame_at(mm, pfn[n]));
		mm_checkpoint(mm);
	}
	mm_unlock(mm);
}

static void none_zeroed(void)
{
	two_pages();
	spoil_zeroed();
}

static void shared_none_zeroed(void)
{
	struct fw_map_request rq = {.start = BASE,
				    .len = PAGES * PAGE,
				    .kind = FW_VAD_SECTION,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = FW_VADF_RANDOM};

	add_cpu(0, 0);
	add_cpu(1, 1);
	add_cpu(2, 0);
	want(fw_section_create(w->s->mm, w->s->keeper, NULL, PAGES,
			       &w->section) == FW_OK,
	     "no section");
	rq.section = w->section;
	for (unsigned i = 0; i < 2; i++)
		want(fw_map(w->s->mm, w->cpu[i]->actor, w->cpu[i]->space,
			    &rq) == FW_OK,
		     "no view");
	put(w->cpu[0], PAGE_AT(0), 1);
	put(w->cpu[1], PAGE_AT(1), 1);
	spoil_zeroed();
}

/* Whatever is free belongs to a third space, locked; two others have a few
 * pages, which may go. */
static void frames_short(void)
{
	struct fw_map_request rq = {.start = BASE + 64 * PAGE,
				    .len = 40 * PAGE,
				    .prot = RW,
				    .max_prot = 7,
				    .flags = FW_VADF_RANDOM};
	struct fw_totals t;

	for (unsigned i = 0; i < 3; i++) {
		add_cpu(i, i);
		map_at(w->cpu[i], BASE, FW_VADF_RANDOM);
		if (i == 2) {
			rq.flags |= FW_VADF_LOCKED;
			rq.len = 230 * PAGE;
		}
		want(fw_map(w->s->mm, w->cpu[i]->actor, w->cpu[i]->space,
			    &rq) == FW_OK,
		     "no map");
		put(w->cpu[i], rq.start + 39 * PAGE, 1);
		fill(w->cpu[i], PAGES);
	}
	for (unsigned i = 0;; i++) {
		fw_totals(w->s->mm, w->s->keeper, &t);
		if (t.zeroed + t.free + t.standby <= FRAMES_EMERGENCY + 2)
			break;
		put(w->cpu[2], rq.start + i * PAGE, 1);
	}
}

/* ---- what must be there in the end ------------------------------------ */

static void in_and_out(struct soft_cpu *cpu, fw_addr at, uint64_t value)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		want_value(cpu, at, value);
		page_out(cpu);
	}
}

static void both_seven(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), 7);
	in_and_out(w->cpu[0], PAGE_AT(1), 7);
}

static void seven_and_eight(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), 7);
	in_and_out(w->cpu[1], PAGE_AT(0), 8);
}

static void eight_and_noted(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), 8);
	in_and_out(w->cpu[3], PAGE_AT(0), w->note[1]);
}

static void all_there(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), value_of(0));
	in_and_out(w->cpu[0], PAGE_AT(1), value_of(1));
}

static void all_zero(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), 0);
	in_and_out(w->cpu[0], PAGE_AT(1), 0);
}

static void seven_or_zero(void)
{
	uint64_t got = get(w->cpu[0], PAGE_AT(0));

	want(got == 0 || got == 7, "reads %#llx", (unsigned long long)got);
	in_and_out(w->cpu[0], PAGE_AT(0), got);
	in_and_out(w->cpu[0], PAGE_AT(1), 7);
}

static void as_it_was_written(void)
{
	uint64_t value = w->note[0] ? 7 : value_of(0);

	want(w->note[1] == value, "another value under protection");
	in_and_out(w->cpu[0], PAGE_AT(0), value);
}

static void seven_there(void)
{
	in_and_out(w->cpu[0], MOVED, 7);
	in_and_out(w->cpu[0], MOVED + PAGE, value_of(1));
}

static void seven_here(void)
{
	in_and_out(w->cpu[0], PAGE_AT(0), 7);
	in_and_out(w->cpu[0], PAGE_AT(1), value_of(1));
}

static void own_words(void)
{
	want_value(w->cpu[0], PAGE_AT(3), 0xbeef);
	want_value(w->cpu[1], PAGE_AT(3) + 8, 0xbeef + 1);
	want_value(w->cpu[0], PAGE_AT(3) + 64, 0);
}

static void all_used(void)
{
	for (unsigned i = 0; i < 2; i++) {
		fw_addr at = BASE + (64 + 32 * i) * PAGE;

		want_value(w->cpu[i], at, 1 + i);
		want_value(w->cpu[i], at + PAGE, 3 + i);
		for (unsigned k = 0; k < PAGES; k++)
			want_value(w->cpu[i], PAGE_AT(k), value_of(k));
	}
}

static void told_once(void)
{
	uint64_t told = w->note[0] + w->note[1] + w->note[2];

	want(told == 1, "%llu were told of the guard page",
	     (unsigned long long)told);
	want_value(w->cpu[0], PAGE_AT(1), 7);
	want(try_put(w->cpu[0], PAGE_AT(2), 7) == FW_KIND_GUARD,
	     "the next one guards no more");
}

static void stack_there(void)
{
	for (unsigned i = 0; i < 2; i++) {
		want_value(w->cpu[0], PAGE_AT(PAGES - 2) + 8 * i, 7);
		want_value(w->cpu[0], PAGE_AT(PAGES - 3) + 8 * i, 7);
	}
}

static void seven_and_retired(void)
{
	struct fw_totals t;

	in_and_out(w->cpu[0], PAGE_AT(0), 7);
	fw_totals(w->s->mm, w->s->keeper, &t);
	want(t.bad == 1, "the frame is still in use");
	in_and_out(w->cpu[0], PAGE_AT(1), value_of(1));
}

static void within_limit(void)
{
	uint64_t resident = fw_space_resident(w->cpu[0]->space);

	/* Each of two may have come in when the other had. */
	want(resident <= FW_WS_MAX_LEAST + FW_BLOCK_PAGES, "%llu resident",
	     (unsigned long long)resident);
	for (unsigned i = 0; i < 2; i++)
		want_value(w->cpu[i], BASE + (64 + 32 * i) * PAGE, 1 + i);
}

/* ---- the order of writes ---------------------------------------------- */

SCENARIOS(order_trim, "A18", .actors = 3, .setup = two_pages,
	  .run = {write_in_order, read_in_order, trim_and_reuse},
	  .finish = both_seven)
SCENARIO(order_out, "A18 B42", .actors = 2, .setup = two_pages_out,
	 .run = {write_in_order, read_in_order}, .finish = both_seven)
SCENARIO(order_cow, "A17 A18", .actors = 3, .setup = forked,
	 .run = {write_in_order, write_eight, read_in_order},
	 .finish = seven_and_eight)

/* ---- regions ---------------------------------------------------------- */

SCENARIOS(protect_write, "A18", .actors = 2, .setup = two_pages,
	  .run = {write_if_allowed, protect}, .finish = as_it_was_written)
SCENARIO(protect_out, "A18 B42", .actors = 2, .setup = two_pages_out,
	 .run = {write_if_allowed, protect}, .finish = as_it_was_written)
SCENARIO(protect_trim, "A18", .actors = 3, .setup = two_pages,
	 .run = {write_if_allowed, protect, trim_and_reuse},
	 .finish = as_it_was_written)
SCENARIOS(move_write, "A18", .actors = 2, .setup = two_pages,
	  .run = {write_or_moved, move}, .finish = seven_there)
SCENARIO(move_out, "A18 B42", .actors = 2, .setup = two_pages_out,
	 .run = {write_or_moved, move}, .finish = seven_there)
SCENARIO(move_writer, "B34", .actors = 3, .setup = two_pages_modified,
	 .run = {write_or_moved, move, write_and_reuse}, .finish = seven_there)

SCENARIOS(guard, "B03", .actors = 2, .setup = guarded,
	  .run = {touch_guard, touch_guard}, .finish = told_once)
SCENARIO(guard_three, "B03", .actors = 3, .setup = guarded,
	 .run = {touch_guard, touch_guard, trim}, .finish = told_once)
SCENARIOS(guard_stack, "B03", .actors = 2, .setup = stack,
	  .run = {touch_stack, touch_stack}, .finish = stack_there)

/* ---- announced pages -------------------------------------------------- */

SCENARIOS(announce_trim, "B34", .actors = 2, .setup = two_pages,
	  .run = {call_writes, trim_and_reuse}, .finish = seven_here)
SCENARIO(announce_out, "B34 B42", .actors = 3, .setup = two_pages_modified,
	 .run = {call_writes, trim_and_reuse, write_and_reuse},
	 .finish = seven_here)
SCENARIO(announce_evict, "C46", .actors = 3, .setup = two_pages,
	 .run = {call_writes, evict, write_and_reuse}, .finish = seven_here)
SCENARIO(announce_discard, "C46", .actors = 3, .setup = two_pages_out,
	 .run = {call_writes_twice, discard_first, write_and_reuse},
	 .finish = seven_or_zero)
SCENARIO(announce_protect, "C46", .actors = 3, .setup = two_pages,
	 .run = {call_waits, protect_and_back, trim_and_reuse},
	 .finish = all_there)
SCENARIO(announce_map, "C46", .actors = 3, .setup = two_pages,
	 .run = {call_waits, map_anew, trim_and_reuse}, .finish = all_zero)
SCENARIO(pinned_unmap, "B34 C48", .actors = 3, .setup = two_pages,
	 .run = {device_writes, unmap, trim_and_reuse})
SCENARIO(pinned_map, "B34 C48", .actors = 2, .setup = two_pages,
	 .run = {device_writes, map_anew})
SCENARIO(pinned_discard, "B34 C48", .actors = 2, .setup = two_pages,
	 .run = {device_writes, discard_first})
SCENARIO(pinned_protect, "B34 C48", .actors = 3, .setup = two_pages,
	 .run = {device_writes, protect_all, write_and_reuse})
SCENARIOS(announce_fork, "C77", .actors = 2, .setup = two_pages,
	  .run = {call_writes, fork_and_look}, .finish = seven_here)
SCENARIOS(announce_fork_write, "C77", .actors = 2, .setup = two_pages,
	  .run = {call_and_write, fork_and_note}, .finish = eight_and_noted)

/* ---- copies by the kernel --------------------------------------------- */

SCENARIOS(copy_trim, "A18 B34", .actors = 2, .setup = two_pages,
	  .run = {copy_out, trim_and_reuse}, .finish = both_seven)
SCENARIO(copy_both, "B42", .actors = 2, .setup = two_pages_out,
	 .run = {copy_out, copy_in}, .finish = both_seven)
SCENARIO(copy_fork, "C77", .actors = 3, .setup = two_pages,
	 .run = {copy_out, just_fork, copy_in}, .finish = both_seven)

/* ---- a policy with a list of what is resident -------------------------- */

SCENARIO(clock_trim, "B07 B34", .actors = 3, .setup = two_pages_modified,
	 .policy = FW_POLICY_CLOCK,
	 .run = {write_in_order, trim_and_reuse, write_and_reuse},
	 .finish = both_seven)
SCENARIO(clock_fork, "C77", .actors = 3, .setup = two_pages,
	 .policy = FW_POLICY_CLOCK,
	 .run = {write_in_order, trim_and_reuse, just_fork},
	 .finish = both_seven)
SCENARIO(clock_cow, "A17", .actors = 3, .setup = forked,
	 .policy = FW_POLICY_CLOCK,
	 .run = {write_in_order, write_eight, trim_and_reuse},
	 .finish = seven_and_eight)

/* ---- frames ----------------------------------------------------------- */

SCENARIO(zero_shared, "B45", .actors = 2, .setup = shared_none_zeroed,
	 .run = {write_own, write_own}, .finish = own_words)
SCENARIO(zero_shared_unmap, "B45 C48", .actors = 3, .setup = shared_none_zeroed,
	 .run = {zero_frames, write_own, unmap})
SCENARIOS(zero_thread, "B12", .actors = 2, .setup = none_zeroed,
	  .run = {write_own, zero_frames})
SCENARIO(short_touch, "B34", .actors = 2, .setup = frames_short,
	 .run = {use_two, use_two}, .finish = all_used)
SCENARIO(retire_trim, "B34", .actors = 3, .setup = retiring,
	 .run = {write_first, trim_and_reuse, retire_first},
	 .finish = seven_and_retired)
SCENARIOS(limit_touch, "B34", .actors = 2, .setup = limited,
	  .run = {use_two, use_two}, .finish = within_limit)
