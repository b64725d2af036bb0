/* SPDX-License-Identifier: MIT */
/* death_world.c - the machine, the death, and what must hold afterwards; see
 * death.h. */
#include "model/death.h"

#include <setjmp.h>
#include <stdlib.h>

static jmp_buf out;
static unsigned long steps_left;
uint8_t file_data[N_FILE * 4096];
void (*mate_acts)(struct world *w);

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
	w->mate = mate_acts ? soft_cpu_create(s, w->victim->space) : NULL;
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
		fw_actor_reap(s->mm, s->keeper, reaper->id);
		fw_actor_reap(s->mm, s->keeper, w->victim->actor->id);
		return lived;
	}
	if (m)
		doom(w, m);
	fw_actor_reap(s->mm, reaper, w->victim->actor->id);
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
	if (mate_acts) {
		mate_acts(&w);
		soft_cpu_free(w.mate);
	}
	result.reaper_lived = reap(&w, m);
	result.rollbacks = totals(&w.r).rollbacks;
	if (sc->after)
		sc->after(&w);
	bury_and_check(&w, sc);
	end(&w);
	return result;
}

#define MANY 1000000ul

void die_everywhere(const struct scenario *sc)
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

/* ---- what several scenarios do ---------------------------------------- */

void fork_again(struct world *w)
{
	struct fw_space *child;

	fw_space_lock(w->victim->space, w->victim->actor);
	WANT(fw_space_fork_locked(AT(w), &child));
	fw_space_unlock(w->victim->space);
}

void trim_first(struct world *w)
{
	trim_all(&w->r, w->victim);
}

void write_out(struct world *w)
{
	while (fw_write_modified(w->r.s->mm, w->victim->actor, 16))
		;
}

void touch_all(struct world *w)
{
	for (unsigned i = 0; i < N_PRIVATE; i++)
		touch(w->victim, BASE + i * PAGE, FW_ACC_READ);
	for (unsigned i = 0; i < N_SHARED; i++)
		touch(w->victim, SHARED_AT + i * PAGE, FW_ACC_READ);
}
