/* SPDX-License-Identifier: MIT */
/*
 * death.c - an actor dies at every point of an operation, in turn.
 *
 * The core is built with FW_STEP: each journalled store calls the machine's
 * step hook, as do lock, unlock, flush and I/O. For N = 1, 2, ... an operation
 * is begun on a fresh machine and left by a jump at its N-th step, which is
 * all that the others ever see of a death. Then the dead actor is reaped, and
 * fw_verify must find nothing, every other space its contents, and in the end
 * every frame, slot and charge must be back.
 */
#include "unit/machine.h"

#include "mm/mm.h"

#include <setjmp.h>
#include <stdlib.h>

#define SHARED_AT (BASE + 100 * PAGE)
#define FILE_AT (BASE + 200 * PAGE)
#define FREE_AT (BASE + 300 * PAGE)
#define N_PRIVATE 24
#define N_SHARED 12
#define N_FILE 8

/* The victim, a relative of its by fork, and somebody without relation. */
struct world {
	struct rig r;
	struct soft_cpu *victim, *relative, *stranger;
	struct fw_section *section, *file;
	struct fw_section *extra; /* one more, or NULL */
	uint64_t cookie;
};

struct scenario {
	void (*prepare)(struct world *w);
	void (*act)(struct world *w);
	uint32_t nframes;
	/* What the victim itself must still find if it dies: its private
	 * pages from here on have not been touched by the operation. */
	unsigned intact_from;
};

static jmp_buf out;
static unsigned long steps_left;
static uint8_t file_data[N_FILE * 4096];

static void step(void *arg)
{
	struct world *w = arg;

	if (--steps_left)
		return;
	w->r.s->step_hook = NULL;
	soft_locks_die();
	longjmp(out, 1);
}

static void build(struct world *w, const struct scenario *sc)
{
	struct soft *s;

	w->extra = NULL;
	w->r = rig_start(sc->nframes ? sc->nframes : 500, 1, 1024);
	s = w->r.s;
	w->victim = w->r.cpu;
	w->stranger = soft_cpu_create(s, NULL);
	must(w->stranger, "a stranger");
	for (unsigned i = 0; i < N_FILE; i++)
		pattern(file_data + i * PAGE, 4000 + i);
	w->file = soft_file(s, file_data, sizeof(file_data), &w->cookie);
	must(fw_section_create(s->mm, s->keeper, NULL, N_SHARED,
			       &w->section) == FW_OK,
	     "a section");
	must(soft_map(w->victim, BASE, N_PRIVATE, RW) == FW_OK, "map");
	soft_map_view(w->victim, SHARED_AT, N_SHARED, RW, FW_VAD_SECTION,
		      w->section, 0, 0);
	soft_map_view(w->stranger, SHARED_AT, N_SHARED, RW, FW_VAD_SECTION,
		      w->section, 0, 0);
	soft_map_view(w->victim, FILE_AT, N_FILE, RW, FW_VAD_PRIVATE_VIEW,
		      w->file, 0, w->cookie);
	must(soft_map(w->stranger, BASE, N_PRIVATE, RW) == FW_OK, "map");
	put_pages(w->victim, BASE, N_PRIVATE, 1000);
	put_pages(w->stranger, BASE, N_PRIVATE, 2000);
	put_pages(w->stranger, SHARED_AT, N_SHARED, 3000);
	must(soft_fork(w->victim, &w->relative) == FW_OK, "a relative");
	put_pages(w->victim, BASE, N_PRIVATE / 2, 1000);
	if (sc->prepare)
		sc->prepare(w);
}

/* The contents that nobody's death may change. */
static void check_others(struct world *w)
{
	is_u64(wrong_pages(w->stranger, BASE, N_PRIVATE, 2000), 0, "stranger");
	is_u64(wrong_pages(w->stranger, SHARED_AT, N_SHARED, 3000), 0,
	       "what it shares");
	if (w->relative) {
		is_u64(wrong_pages(w->relative, BASE, N_PRIVATE, 1000), 0,
		       "relative");
		is_u64(wrong_pages(w->relative, FILE_AT, N_FILE, 4000), 0,
		       "its file");
	}
}

/* All spaces but those of living CPUs: the victim's, a half-made child's. */
static void destroy_orphans(struct world *w)
{
	struct soft *s = w->r.s;
	struct fw_space *space = s->mm->spaces, *next;

	for (; space; space = next) {
		next = space->next;
		if (space != w->stranger->space &&
		    !(w->relative && space == w->relative->space))
			fw_space_destroy(s->mm, s->keeper, space);
	}
}

static void check_victim(struct world *w, const struct scenario *sc)
{
	struct soft_cpu *heir;

	if (sc->intact_from >= N_PRIVATE)
		return;
	heir = soft_cpu_create(w->r.s, w->victim->space);
	must(heir, "an heir");
	is_u64(wrong_pages(heir, BASE + sc->intact_from * PAGE,
			   N_PRIVATE - sc->intact_from,
			   1000 + sc->intact_from),
	       0, "the victim's own");
	soft_cpu_free(heir);
}

/* Whoever is running dies at his n-th step from now. */
static void doom(struct world *w, unsigned long n)
{
	steps_left = n;
	w->r.s->step_arg = w;
	w->r.s->step_hook = step;
}

static unsigned long pardon(struct world *w)
{
	w->r.s->step_hook = NULL;
	return steps_left;
}

/* The reaper may die as well, at his m-th step (0: he does not); the next one
 * buries both. Returns whether the first one lived. */
static bool reap(struct world *w, unsigned long m)
{
	struct soft *s = w->r.s;
	struct fw_actor *reaper;
	volatile bool lived = true;

	must(fw_actor_create(s->mm, s->keeper, &reaper) == FW_OK, "a reaper");
	if (m && setjmp(out)) {
		lived = false;
		soft_actor_died(s, reaper);
		fw_actor_reap(s->mm, s->keeper, reaper);
		fw_actor_reap(s->mm, s->keeper, w->victim->actor);
		return lived;
	}
	if (m)
		doom(w, m);
	fw_actor_reap(s->mm, reaper, w->victim->actor);
	pardon(w);
	fw_actor_destroy(s->mm, s->keeper, reaper);
	return lived;
}

static void bury_and_check(struct world *w, const struct scenario *sc)
{
	rig_verify(&w->r);
	check_victim(w, sc);
	check_others(w);
	rig_verify(&w->r);
	soft_cpu_bury(w->victim);
	destroy_orphans(w);
	rig_verify(&w->r);
	check_others(w);
}

static void end(struct world *w)
{
	struct soft *s = w->r.s;

	if (w->relative)
		soft_cpu_exit(w->relative);
	fw_section_unref(s->mm, s->keeper, w->section);
	if (w->extra)
		fw_section_unref(s->mm, s->keeper, w->extra);
	w->r.cpu = w->stranger;
	rig_end(&w->r);
}

struct result {
	bool lived, reaper_lived;
	unsigned long left; /* of the steps that were granted */
	uint64_t rollbacks;
};

/* The victim dies at its n-th step, its reaper at his m-th. */
static struct result die_at(const struct scenario *sc, unsigned long n,
			    unsigned long m)
{
	static struct world w; /* survives the jump */
	static struct result result;

	result = (struct result){.lived = false};
	build(&w, sc);
	if (!setjmp(out)) {
		doom(&w, n);
		sc->act(&w);
		result.left = pardon(&w);
		result.lived = true;
	}
	soft_actor_died(w.r.s, w.victim->actor);
	result.reaper_lived = reap(&w, m);
	result.rollbacks = totals(&w.r).rollbacks;
	bury_and_check(&w, sc);
	end(&w);
	return result;
}

#define MANY 1000000ul

/* Every step in turn, or with FW_LONG unset about a hundred of them. */
static void die_everywhere(const struct scenario *sc)
{
	bool all = *test_env("FW_LONG", "0") == '1';
	struct result result = die_at(sc, MANY, 0);
	unsigned long steps = MANY - result.left, stride, n, m, deaths = 0;
	uint64_t rollbacks = 0;

	must(result.lived && steps > 3, "the operation has steps");
	stride = all || steps < 100 ? 1 : steps / 100 | 1;
	for (n = 1; n <= steps && !test_failures(); n += stride, deaths++) {
		result = die_at(sc, n, 0);
		rollbacks += result.rollbacks;
		ok(!result.lived, "it died");
	}
	if (test_failures())
		diag("it died at step %lu of %lu", n - stride, steps);
	stride = steps / (all ? 40 : 4) + 1;
	for (n = stride / 2 + 1; n <= steps && !test_failures(); n += stride) {
		for (m = 1; !test_failures(); m += all ? 1 : 5, deaths++)
			if (die_at(sc, n, m).reaper_lived)
				break;
		if (test_failures())
			diag("it died at step %lu, its reaper at %lu", n, m);
	}
	diag("%lu deaths, %lu rolled back", deaths, (unsigned long)rollbacks);
	ok(rollbacks > 0 || rig_stripes, "some left something to roll back");
}

/* ---- scenarios ---------------------------------------------------------- */

#define WANT(expr) ok((expr) == FW_OK, #expr)
#define AT(w) (w)->r.s->mm, (w)->victim->actor, (w)->victim->space

static void map_more(struct world *w)
{
	WANT(soft_map(w->victim, FREE_AT, 40, RW));
}

static void write_new(struct world *w)
{
	put_pages(w->victim, FREE_AT, 20, 5000);
}

TEST(death_in_demand_zero, "B12")
{
	die_everywhere(&(struct scenario){map_more, write_new, 0, 0});
}

/* From the stripe's stock: nothing is journalled, so nothing rolled back but
 * where the stock is filled. */
TEST(death_in_demand_zero_in_stripes, "B12")
{
	rig_stripes = sizeof(fw_pte) == 8 ? 4 : 0;
	die_everywhere(&(struct scenario){map_more, write_new, 0, 0});
	rig_stripes = 0;
}

TEST(death_in_map, "C48")
{
	die_everywhere(&(struct scenario){NULL, map_more, 0, 0});
}

static void map_over(struct world *w)
{
	struct fw_map_request rq = {.start = BASE + 2 * PAGE,
				    .len = 300 * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = 7,
				    .replace = 1};

	WANT(fw_map(AT(w), &rq));
}

TEST(death_in_replacing, "C48")
{
	die_everywhere(&(struct scenario){NULL, map_over, 0, N_PRIVATE});
}

static void unmap(struct world *w)
{
	WANT(fw_unmap(AT(w), BASE + 2 * PAGE, 4 * PAGE));
	WANT(fw_unmap(AT(w), SHARED_AT + PAGE, N_SHARED * PAGE));
}

TEST(death_in_unmap, "C48")
{
	die_everywhere(&(struct scenario){NULL, unmap, 0, 6});
}

static void protect(struct world *w)
{
	WANT(fw_protect(AT(w), BASE + PAGE, 4 * PAGE, FW_PROT_R));
	WANT(fw_protect(AT(w), BASE, N_PRIVATE * PAGE, FW_PROT_R));
	WANT(fw_set_flags(AT(w), BASE + 3 * PAGE, PAGE, FW_VADF_RANDOM, 0));
}

TEST(death_in_protect, "C48")
{
	die_everywhere(&(struct scenario){NULL, protect, 0, 0});
}

static void discard(struct world *w)
{
	WANT(fw_discard(AT(w), BASE, 8 * PAGE));
	WANT(fw_discard(AT(w), SHARED_AT, N_SHARED * PAGE));
}

TEST(death_in_discard, "C48")
{
	die_everywhere(&(struct scenario){NULL, discard, 0, 8});
}

static void move(struct world *w)
{
	WANT(fw_move(AT(w), BASE, 8 * PAGE, FREE_AT));
}

TEST(death_in_move, "C48")
{
	die_everywhere(&(struct scenario){NULL, move, 0, 8});
}

static void copy_on_write(struct world *w)
{
	put_pages(w->victim, BASE + 12 * PAGE, 8, 1012);
	put_pages(w->victim, FILE_AT, 3, 7000);
}

TEST(death_in_copy_on_write, "B16 C68")
{
	die_everywhere(&(struct scenario){NULL, copy_on_write, 0, 20});
}

static void fork_again(struct world *w)
{
	struct fw_space *child;

	fw_space_lock(w->victim->space, w->victim->actor);
	WANT(fw_space_fork_locked(AT(w), &child));
	fw_space_unlock(w->victim->space);
}

TEST(death_in_fork, "C63")
{
	die_everywhere(&(struct scenario){NULL, fork_again, 0, 0});
}

static void trim(struct world *w)
{
	fw_trim(AT(w), 30);
}

TEST(death_in_trim, "B46")
{
	die_everywhere(&(struct scenario){NULL, trim, 0, 0});
}

TEST(death_in_trim_in_stripes, "B46")
{
	rig_stripes = sizeof(fw_pte) == 8 ? 4 : 0;
	die_everywhere(&(struct scenario){NULL, trim, 0, 0});
	rig_stripes = 0;
}

static void trim_first(struct world *w)
{
	trim_all(&w->r, w->victim);
}

static void write_out(struct world *w)
{
	while (fw_write_modified(w->r.s->mm, w->victim->actor, 16))
		;
}

TEST(death_in_writing, "B34")
{
	die_everywhere(&(struct scenario){trim_first, write_out, 0, 0});
}

static void touch_all(struct world *w)
{
	for (unsigned i = 0; i < N_PRIVATE; i++)
		touch(w->victim, BASE + i * PAGE, FW_ACC_READ);
	for (unsigned i = 0; i < N_SHARED; i++)
		touch(w->victim, SHARED_AT + i * PAGE, FW_ACC_READ);
}

TEST(death_in_transition, "B06 B07")
{
	die_everywhere(&(struct scenario){trim_first, touch_all, 0, 0});
}

static void to_page_file(struct world *w)
{
	trim_all(&w->r, w->victim);
	trim_all(&w->r, w->relative);
	trim_all(&w->r, w->stranger);
	write_all(&w->r);
	flush_standby(&w->r);
}

TEST(death_in_page_file_read, "B04 B42")
{
	die_everywhere(&(struct scenario){to_page_file, touch_all, 0, 0});
}

static void touch_file(struct world *w)
{
	for (unsigned i = 0; i < N_FILE; i++)
		touch(w->victim, FILE_AT + i * PAGE, FW_ACC_READ);
}

TEST(death_in_file_read, "B05 B36")
{
	die_everywhere(&(struct scenario){NULL, touch_file, 0, 0});
}

static void leave(struct world *w)
{
	fw_space_destroy(w->r.s->mm, w->victim->actor, w->victim->space);
	w->victim->space = NULL;
}

TEST(death_in_exit, "C48")
{
	die_everywhere(&(struct scenario){NULL, leave, 0, N_PRIVATE});
}

/* A guard page in the middle of a region, and in a stack. */
static void guard_pages(struct world *w)
{
	struct fw_map_request rq = {.start = FREE_AT + 64 * PAGE,
				    .len = 16 * PAGE,
				    .kind = FW_VAD_PRIVATE,
				    .prot = RW,
				    .max_prot = RW,
				    .flags = FW_VADF_STACK | FW_VADF_GUARD};
	fw_addr top = rq.start + rq.len;

	WANT(fw_set_flags(AT(w), BASE, 4 * PAGE, FW_VADF_GUARD, 0));
	is_kind(touch(w->victim, BASE + PAGE, FW_ACC_READ), FW_KIND_GUARD);
	is_kind(touch(w->victim, BASE + 2 * PAGE, FW_ACC_READ),
		FW_KIND_GUARD);
	WANT(fw_set_flags(AT(w), BASE, 4 * PAGE, 0, FW_VADF_GUARD));
	WANT(fw_map(w->r.s->mm, w->victim->actor, w->victim->space, &rq));
	for (uint64_t i = 1; i < 5; i++)
		put_pages(w->victim, top - i * PAGE, 1, i);
}

TEST(death_at_guard_pages, "B13 B14")
{
	die_everywhere(&(struct scenario){NULL, guard_pages, 0, 4});
}

static struct fw_map_request image_view;

static void make_image(struct world *w)
{
	static const struct fw_segment segments[] = {
		{0, 2, 0, 4097, FW_PROT_R | FW_PROT_X, 0, {0}},
		{2, 3, 3, 4096 + 100, RW, 0, {0}},
	};

	image_view = (struct fw_map_request){.start = FREE_AT};
	image_view.section = soft_image(w->r.s, file_data, sizeof(file_data),
					segments, 2, &image_view.cookie);
}

static void run_image(struct world *w)
{
	WANT(fw_image_map(AT(w), &image_view));
	touch(w->victim, FREE_AT, FW_ACC_EXEC);
	put_pages(w->victim, FREE_AT + 2 * PAGE, 3, 6000);
	WANT(fw_unmap(AT(w), FREE_AT, 5 * PAGE));
}

TEST(death_in_an_image, "B16 B36")
{
	die_everywhere(&(struct scenario){make_image, run_image, 0, 0});
}

static void make_section(struct world *w)
{
	WANT(fw_section_create(w->r.s->mm, w->r.s->keeper, NULL, 600,
			       &w->extra));
}

static void map_section(struct world *w)
{
	WANT(soft_map_view(w->victim, FREE_AT, 600, RW, FW_VAD_SECTION,
			   w->extra, 0, 0));
	put_pages(w->victim, FREE_AT + 250 * PAGE, 8, 8000);
	WANT(fw_unmap(AT(w), FREE_AT, 600 * PAGE));
}

TEST(death_in_section, "B44 B45 B46")
{
	die_everywhere(&(struct scenario){make_section, map_section, 0, 0});
}

static void zero(struct world *w)
{
	while (fw_zero_frames(w->r.s->mm, w->victim->actor, 8))
		;
}

static void free_some(struct world *w)
{
	WANT(soft_map(w->victim, FREE_AT, 40, RW));
	put_pages(w->victim, FREE_AT, 40, 1);
	WANT(fw_unmap(AT(w), FREE_AT, 40 * PAGE));
}

TEST(death_in_zeroing, "B31")
{
	die_everywhere(&(struct scenario){free_some, zero, 0, 0});
}

/* Frames are so short that each write has to take other pages away. */
static void fill_memory(struct world *w)
{
	struct fw_totals t = totals(&w->r);
	uint64_t n = t.zeroed + t.free + t.standby;

	WANT(soft_map(w->victim, FREE_AT, n + 100, RW));
	put_pages(w->victim, FREE_AT, n, 1);
}

static void write_under_pressure(struct world *w)
{
	put_pages(w->victim, FREE_AT, 12, 9000);
	put_pages(w->victim, BASE + 12 * PAGE, 2, 1012);
}

TEST(death_in_reclaim, "B32 B34")
{
	die_everywhere(&(struct scenario){fill_memory, write_under_pressure,
					  300, 14});
}
