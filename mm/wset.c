/* SPDX-License-Identifier: MIT */
/*
 * wset.c - the working set of a space and what leaves it: the driver of all
 * policies, and the choice of `nt`, which needs no list of resident pages:
 * its hand sweeps the page tables in address order. A page
 * with an age gets another lap (fault_trans.c ages what it rescues); pages
 * announced or locked are passed over.
 *
 * Order: choose, drop the translations, then change the PTEs. All under the
 * space lock, so that nobody can load a translation in between.
 */
#include <mm/age.h>
#include <mm/policy.h>
#include <mm/stripe.h>

static bool sweep_takes(struct sweep *s, fw_vpn vpn, fw_pte *pte)
{
	unsigned age;

	if (!pte_is_valid(*pte))
		return false;
	if (announced(&s->who, vpn, false))
		return false;
	if (s->force)
		return true;
	age = page_age(s->mm, *pte);
	if (age > 0)
		page_set_age(s->mm, pte, age - 1);
	return age == 0;
}

/* Collects pages of [at, end); returns where it stopped. */
static fw_vpn sweep_range(struct sweep *s, fw_vpn at, fw_vpn end)
{
	while (at < end && s->n < s->want) {
		fw_pte *pte = table_next(s->space, &at, end);
		fw_vpn stop = table_end(at);

		if (!pte)
			return end;
		if (stop > end)
			stop = end;
		for (; at < stop && s->n < s->want; at++, pte++)
			if (sweep_takes(s, at, pte))
				s->vpn[s->n++] = at;
	}
	return at;
}

/* One pass over [at, end) of the space's regions. */
static fw_vpn sweep_pass(struct sweep *s, fw_vpn at, fw_vpn end)
{
	while (at < end && s->n < s->want) {
		struct fw_vad *vad = vad_above(s->space, at);
		fw_vpn stop;

		if (!vad || vad->start >= end)
			return end;
		if (at < vad->start)
			at = vad->start;
		stop = vad->end < end ? vad->end : end;
		if (vad->flags & FW_VADF_LOCKED)
			at = stop;
		else
			at = sweep_range(s, at, stop);
	}
	return at;
}

void sweep_choose(struct sweep *s)
{
	const fw_vpn top = FW_VPN_END;
	fw_vpn hand = s->space->trim_hand;
	unsigned lap;

	for (lap = 0; lap < 2 && s->n == 0; lap++) {
		fw_vpn at = sweep_pass(s, hand, top);

		if (s->n < s->want)
			at = sweep_pass(s, 0, hand);
		s->space->trim_hand = at;
	}
}

static void sweep_flush(struct sweep *s)
{
	unsigned i = 0;

	while (i < s->n) {
		unsigned k = i + 1;

		while (k < s->n && s->vpn[k] == s->vpn[k - 1] + 1)
			k++;
		fwp_tlb_flush(s->space, s->vpn[i], k - i, FW_FLUSH_DROP);
		i = k;
	}
}

static void sweep_evict(struct sweep *s)
{
	struct fw_vad *vad = NULL;
	unsigned i;

	sweep_flush(s);
	mm_lock(s->mm, s->actor);
	for (i = 0; i < s->n; i++) {
		fw_vpn vpn = s->vpn[i];

		if (!vad || vpn < vad->start || vpn >= vad->end)
			vad = vad_find(s->space, vpn);
		FW_ASSERT(vad);
		page_evict(s->mm, vad, table_find(s->space, vpn));
	}
	space_resident(s->mm, s->space, -(int64_t)s->n);
	s->space->asked = 0;
	s->mm->trims++;
	s->mm->trim_clock++;
	s->mm->pages_trimmed += s->n;
	mm_unlock(s->mm);
}

/* How many of n pages may go. */
static unsigned wset_may_go(const struct fw_space *space, unsigned n)
{
	uint64_t above = fw_space_resident(space);

	if (space->ws_flags & FW_WS_MIN_HARD)
		above -= above < space->ws_min ? above : space->ws_min;
	return above < n ? (unsigned)above : n;
}

unsigned trim_space_locked(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, unsigned n)
{
	struct sweep s;

	s.mm = mm;
	s.actor = actor;
	s.space = space;
	s.want = wset_may_go(space, n < SWEEP_BATCH ? n : SWEEP_BATCH);
	s.n = 0;
	s.force = false;
	if (s.want == 0)
		return 0;
	mm_lock(mm, actor);
	announcers_of(mm, space, &s.who);
	mm_unlock(mm);
	if (actor) {
		s.who.keep = actor->keep;
		s.who.n_keep = actor->n_keep;
	}
	policy_of(mm)->choose(&s);
	if (s.n > 0)
		sweep_evict(&s);
	return s.n;
}

void evict_range_locked(struct fw_mm *mm, struct fw_actor *actor,
			struct fw_space *space, fw_vpn start, fw_vpn end,
			bool spare)
{
	struct sweep s;

	s.mm = mm;
	s.actor = actor;
	s.space = space;
	s.want = SWEEP_BATCH;
	s.force = true;
	announcers_none(&s.who);
	if (spare) {
		mm_lock(mm, actor);
		announcers_of(mm, space, &s.who);
		mm_unlock(mm);
	}
	do {
		s.n = 0;
		start = sweep_range(&s, start, end);
		if (s.n > 0)
			sweep_evict(&s);
	} while (start < end);
}

unsigned fw_trim(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, unsigned n)
{
	unsigned done = 0, got;

	do {
		fw_space_lock(space, actor);
		stripes_drain(mm, actor, space);
		got = trim_space_locked(mm, actor, space, n - done);
		fw_space_unlock(space);
		done += got;
	} while (got > 0 && done < n);
	return done;
}

unsigned wset_make_way(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space)
{
	uint64_t most;

	/* The pages are counted only where it matters: to count them is to
	 * read what the other processors write to. */
	if (!(space->ws_flags & FW_WS_MAX_HARD))
		return 0;
	most = fw_space_resident(space) + FW_BLOCK_PAGES;
	if (most <= space->ws_max)
		return 0;
	return fw_trim(mm, actor, space, (unsigned)(most - space->ws_max));
}

enum fw_status fw_space_set_limits(struct fw_mm *mm, struct fw_actor *actor,
				   struct fw_space *space, uint64_t min,
				   uint64_t max, uint32_t flags)
{
	enum fw_status status = FW_E_LIMIT;
	uint64_t kept, new = flags & FW_WS_MIN_HARD ? min : 0;
	uint64_t old = 0;

	if ((max > 0 && min > max) || flags > 3 ||
	    ((flags & FW_WS_MAX_HARD) && max < FW_WS_MAX_LEAST))
		return FW_E_INVAL;
	mm_lock(mm, actor);
	if (space->ws_flags & FW_WS_MIN_HARD)
		old = space->ws_min;
	kept = mm->ws_kept - old;
	if (new <= mm->page_frames && kept + new <= mm->page_frames / 2) {
		FW_SET(mm, mm->ws_kept, kept + new);
		FW_SET(mm, space->ws_min, min);
		FW_SET(mm, space->ws_max, max);
		FW_SET(mm, space->ws_flags, flags);
		status = FW_OK;
	}
	mm_unlock(mm);
	if (status == FW_OK)
		wset_make_way(mm, actor, space);
	return status;
}
