/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - keeping frames available. A faulting thread can always do it
 * alone: trim its own space, and write modified pages out itself; only when
 * its own space is small it asks others. No memory is allocated on the way.
 *
 * Trimming starts early, so that about a sixteenth of RAM stands on standby
 * and modified: pages that were let go too soon come back from there without
 * I/O.
 */
#include <mm/cstore.h>
#include <mm/policy.h>
#include <mm/stripe.h>

#define BATCH 64
#define SMALL_SPACE 64	 /* pages a space may keep while others have more */
#define SECOND_LEAST 64	 /* pages that get a second chance, in little RAM */
#define ROUNDS_MAX 200	 /* of trying in vain, before a need is given up */
#define ROUNDS_IDLE 10	 /* of those in which nothing at all could be done */
#define ROUNDS_FAILING 4000 /* of those in which writes failed */
#define OVER_MAX 8	 /* times more liable above its maximum */
#define RICHER 2	 /* times its score, to be asked before oneself */
#define STARVED_GAIN 4	 /* frames; see starving() */
#define STARVED_MAX 256
#define TOUCH_MIN 1024	 /* frames touched ahead of their use */
#define TOUCH_MAX 8192
#define KICK_EVERY 256 /* frames taken, when some should be made ready */

uint64_t reclaim_low(const struct fw_mm *mm)
{
	uint64_t low = mm->page_frames / 64;

	return low > 32 ? low : 32;
}

/* Writes to page files fail, but have not for long. */
static bool writes_may_recover(const struct fw_mm *mm)
{
	return mm->write_fails > 0 && !pfile_hopeless(mm);
}

/*
 * Page files full, modified pages that therefore cannot go anywhere, and
 * almost nothing gained, many times in a row: what goes round is the last
 * few clean pages. Each fault would still be resolved, and the program never
 * get anywhere.
 */
static bool starving(struct fw_mm *mm, uint64_t before)
{
	if (mm->modified.count == 0 || !pfile_hopeless(mm) ||
	    frames_available(mm) > before + STARVED_GAIN) {
		mm->starved = 0;
		return false;
	}
	if (++mm->starved < STARVED_MAX)
		return false;
	/* One program is to end; the others get time to profit by it. */
	mm->starved = 0;
	return true;
}

static bool write_some(struct fw_mm *mm, struct fw_actor *actor)
{
	return fw_write_modified(mm, actor, BATCH) > 0 ||
	       fw_write_mapped(mm, actor, BATCH) > 0;
}

/* The larger, the longer idle and the more above its maximum, the better; but
 * who was asked in vain must not keep others from being asked. */
static uint64_t victim_score(const struct fw_mm *mm, const struct fw_space *s)
{
	uint64_t idle = mm->trim_clock - s->trim_epoch, score;
	uint64_t resident = fw_space_resident(s);

	if (resident <= s->ws_min)
		return 0;
	if (turn_keeps(mm, s))
		return 1;
	score = (resident - s->ws_min) * (8 + (idle < 64 ? idle : 64));
	if (s->ws_max > 0 && resident > s->ws_max)
		score *= OVER_MAX;
	return (score >> (s->asked < 32 ? s->asked : 32)) + 1;
}

/* Whose score is the best, and better than `most`. */
static struct fw_space *pick_above(struct fw_mm *mm, struct fw_actor *actor,
				   const struct fw_space *not_this,
				   uint64_t most)
{
	struct fw_space *best = NULL, *s;
	uint64_t score;

	mm_lock(mm, actor);
	for (s = mm->spaces; s; s = s->next) {
		score = s == not_this ? 0 : victim_score(mm, s);
		if (score > most) {
			most = score;
			best = s;
		}
	}
	if (best)
		best->asked++;
	mm_unlock(mm);
	return best;
}

struct fw_space *fw_pick_victim(struct fw_mm *mm, struct fw_actor *actor,
				struct fw_space *not_this)
{
	return pick_above(mm, actor, not_this, 0);
}

/*
 * Who should give up pages for `space`: somebody who is far better off. Its
 * own pages are nearer at hand; but one that is idle, or came first, would
 * keep what it has as long as others live on what is left, each on its own.
 */
static struct fw_space *pick_richer(struct fw_mm *mm, struct fw_actor *actor,
				    const struct fw_space *space)
{
	uint64_t own = turn_keeps(mm, space) ? 0 : victim_score(mm, space);

	if (mm->n_spaces < 2) /* as of a moment ago: no lock for one alone */
		return NULL;
	return pick_above(mm, actor, space, own * RICHER);
}

/* Has another space give up some of its pages; true when anybody did. */
static bool reclaim_others(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *victim, unsigned batch, unsigned n)
{
	uint64_t before = mm->pages_trimmed;

	if (!victim || !fwp_ask_trim(mm, victim, batch))
		return false;
	if (!frames_room(mm, n))
		write_some(mm, actor);
	return frames_room(mm, n) || mm->pages_trimmed != before;
}

/*
 * A space in which the clock does not find a batch has little but pages that
 * are locked or in use: were it to live on those few, it would read them in
 * again and again while others keep pages they do not use.
 */
static bool reclaim_some(struct fw_mm *mm, struct fw_actor *actor,
			 struct fw_space *space, unsigned n, unsigned round,
			 uint32_t *trimmed)
{
	const bool early = policy_of(mm)->early;
	const unsigned batch = early ? BATCH : n;
	struct fw_space *victim;
	uint32_t seen = mm->progress;
	unsigned got = 0;
	bool tight;

	if (space && !turn_keeps(mm, space) &&
	    fw_space_resident(space) > (early ? SMALL_SPACE : 0) &&
	    fw_space_resident(space) > space->ws_min)
		got = fw_trim(mm, actor, space, batch);
	*trimmed += got;
	if (space && turn_keeps(mm, space) &&
	    mm->store_frames > turn_leaves(mm) && cstore_shrink(mm, actor) > 0)
		return true;
	tight = early && got > 0 && got < batch;
	if (!tight && (frames_room(mm, n) || write_some(mm, actor)))
		return true;
	victim = fw_pick_victim(mm, actor, space);
	if (reclaim_others(mm, actor, victim, batch, n))
		return true;
	if (tight && (frames_room(mm, n) || write_some(mm, actor)))
		return true;
	if (cstore_shrink(mm, actor) > 0)
		return true;
	if (space && (got = fw_trim(mm, actor, space, batch)) > 0) {
		*trimmed += got;
		return true;
	}
	/* Somebody who does not answer may only be slow, or about to end. */
	if (!victim && round >= ROUNDS_IDLE &&
	    mm->count[FRAME_TRANSITION] == 0 && !writes_may_recover(mm))
		return frames_room(mm, n);
	mm_wait(mm, &mm->progress, seen, 0);
	return true;
}

/*
 * How many pages a fault should let go: twice what it took from the free,
 * a block at least. One that took nothing (the pages were in frames already)
 * lets nothing go; else those who share a library would trim it from each
 * other for ever.
 */
static unsigned reclaim_due(const struct fw_fault *f)
{
	switch (f->kind) {
	case FW_KIND_DEMAND_ZERO:
	case FW_KIND_COW:
	case FW_KIND_HOST_VIEW:
	case FW_KIND_STACK:
		break;
	case FW_KIND_PAGE_FILE:
	case FW_KIND_COMPRESSED:
	case FW_KIND_MAPPED_FILE:
		return f->io_pages * 2 + FW_BLOCK_PAGES;
	default:
		return 0;
	}
	return f->n * 2 > FW_BLOCK_PAGES ? f->n * 2 : FW_BLOCK_PAGES;
}

/* How many pages are to stand on standby and modified, for those that were let
 * go too soon. */
static uint64_t second_share(const struct fw_mm *mm)
{
	uint64_t share = mm->page_frames / 16;

	return share > SECOND_LEAST ? share : SECOND_LEAST;
}

/* Zeroed frames that exist on the host: those that cost nothing to take. */
static uint64_t frames_ready(const struct fw_mm *mm)
{
	uint32_t top = mm->touched > mm->fresh ? mm->touched : mm->fresh;
	uint64_t zeroed = mm->count[FRAME_ZEROED], not_yet = mm->nframes - top;

	return zeroed > not_yet ? zeroed - not_yet : 0;
}

/* Frames to be touched: half as many ahead as are in use. */
static uint64_t touch_due(const struct fw_mm *mm)
{
	uint32_t ahead = (mm->fresh - mm->base) / 2;
	uint32_t room = mm->nframes - mm->touched;

	if (ahead < TOUCH_MIN)
		ahead = TOUCH_MIN;
	if (ahead > TOUCH_MAX)
		ahead = TOUCH_MAX;
	if (mm->touched >= mm->fresh + ahead)
		return 0;
	return room < ahead ? room : ahead;
}

/* Free frames worth zeroing now. */
static uint64_t zero_due(const struct fw_mm *mm)
{
	return frames_ready(mm) < reclaim_low(mm) * 2 ? mm->count[FRAME_FREE]
						      : 0;
}

/* Frames go faster than a look once a second would replace them. */
static void kick_ready(struct fw_mm *mm)
{
	if (mm->taken < KICK_EVERY)
		return;
	mm->taken = 0;
	if (touch_due(mm) > 0 || zero_due(mm) > 0)
		fwp_kick(mm, FW_KTHREAD_ZERO);
}

/* Each has a list of its own, and need not be woken for the other's. */
static void kick_writers(struct fw_mm *mm, uint64_t enough)
{
	if (mm->modified.count > enough)
		fwp_kick(mm, FW_KTHREAD_WRITER);
	if (mm->mapped.count > enough)
		fwp_kick(mm, FW_KTHREAD_MAPPED);
}

static void trim_ahead(struct fw_mm *mm, struct fw_actor *actor,
		       struct fw_space *space, struct fw_fault *f, unsigned due)
{
	struct fw_space *richer = pick_richer(mm, actor, space);

	if (richer && fwp_post_trim(mm, richer, BATCH))
		return;
	if (fw_space_resident(space) <= SMALL_SPACE || turn_keeps(mm, space))
		return;
	/* Where all others are locked, what has just come would go, and the
	 * access be made in vain for ever. */
	actor->keep = f->window;
	actor->n_keep = f->n;
	f->trimmed += fw_trim(mm, actor, space, due);
	actor->n_keep = 0;
}

void reclaim_ahead(struct fw_mm *mm, struct fw_actor *actor,
		   struct fw_space *space, struct fw_fault *f)
{
	uint64_t low = reclaim_low(mm), share = second_share(mm);
	uint64_t fresh = frames_idle(mm);
	uint64_t avail = fresh + mm->count[FRAME_STANDBY];
	uint64_t modified = mm->count[FRAME_MODIFIED];
	uint64_t second = mm->count[FRAME_STANDBY] + modified;
	unsigned due = reclaim_due(f);

	kick_ready(mm);
	if (fresh >= low || !policy_of(mm)->early)
		return;
	if (due > 0 && (second < share || avail < low))
		trim_ahead(mm, actor, space, f, due);
	if ((modified > share || (avail < low && modified > 0)) &&
	    fw_write_modified(mm, actor, BATCH) == 0)
		fw_write_mapped(mm, actor, BATCH);
	else
		kick_writers(mm, share / 2);
	if (zero_due(mm) >= BATCH)
		fwp_kick(mm, FW_KTHREAD_ZERO);
}

/* Many rounds, and a few pages at most from each: it is time that helps. */
static void reclaim_nap(struct fw_mm *mm, unsigned n, unsigned round)
{
	uint32_t nobody = 0;

	if (round >= ROUNDS_IDLE && !frames_room(mm, n))
		fwp_wait(&nobody, 0, 0);
}

/* Pages that others map as well free no frame until all let go. */
static unsigned rounds_most(const struct fw_mm *mm, uint32_t trimmed)
{
	unsigned most = writes_may_recover(mm) ? ROUNDS_FAILING : ROUNDS_MAX;

	return most + trimmed / BATCH;
}

bool reclaim(struct fw_mm *mm, struct fw_actor *actor, struct fw_space *space,
	     unsigned n, unsigned round, uint32_t *trimmed)
{
	uint64_t before = frames_available(mm);
	uint32_t own = *trimmed;

	if (frames_room(mm, n))
		return true;
	if (round >= rounds_most(mm, *trimmed))
		return false;
	if (space && space->n_stripes > 1) {
		fw_space_lock(space, actor);
		stripes_drain(mm, actor, space);
		fw_space_unlock(space);
	}
	if (!reclaim_some(mm, actor, space, n, round, trimmed) ||
	    starving(mm, before))
		return false;
	if (*trimmed == own)
		reclaim_nap(mm, n, round);
	return true;
}

void fw_pressure(struct fw_mm *mm, struct fw_pressure *ret)
{
	uint64_t modified = mm->modified.count, mapped = mm->mapped.count;
	uint64_t idle = frames_idle(mm), low = reclaim_low(mm);

	fw_memzero(ret, sizeof(*ret));
	ret->low = low;
	ret->available = idle + mm->count[FRAME_STANDBY];
	if (idle < low * 2 && modified > mm->page_frames / 32)
		ret->want_write = modified - mm->page_frames / 32;
	ret->want_mapped = mapped < mm->mapped_due ? mapped : mm->mapped_due;
	if (idle < low * 2 || mapped > mm->page_frames / 32)
		ret->want_mapped = mapped;
	ret->want_zero = zero_due(mm);
	ret->want_touch = touch_due(mm);
}

unsigned fw_zero_frames(struct fw_mm *mm, struct fw_actor *actor, unsigned n)
{
	fw_pfn pfn[FW_MAX_ACTOR_FRAMES];
	unsigned k = 0, i;

	if (n > FW_MAX_ACTOR_FRAMES)
		n = FW_MAX_ACTOR_FRAMES;
	mm_lock(mm, actor);
	while (k < n && (pfn[k] = frame_take_free(mm)) != FW_PFN_NONE)
		k++;
	actor_hold(mm, actor, HELD_RESERVED, pfn, k);
	mm_unlock(mm);
	for (i = 0; i < k; i++)
		fw_memzero(frame_data(mm, pfn[i]), FW_PAGE_SIZE);
	if (k == 0)
		return 0;
	mm_lock(mm, actor);
	actor_unhold(mm, actor);
	for (i = 0; i < k; i++)
		frame_free_zeroed(mm, frame_at(mm, pfn[i]));
	mm_unlock(mm);
	return k;
}

unsigned fw_touch_frames(struct fw_mm *mm, struct fw_actor *actor, unsigned n)
{
	uint32_t from, i;

	mm_lock(mm, actor);
	if (mm->touched < mm->fresh)
		mm->touched = mm->fresh;
	from = mm->touched;
	if (n > mm->nframes - from)
		n = mm->nframes - from;
	mm->touched = from + n;
	mm_unlock(mm);
	for (i = 0; i < n; i++) {
		uint64_t *word = frame_data(mm, from + i), zero = 0;

		/* Somebody may use the frame already: write to it without
		 * changing it. */
		__atomic_compare_exchange_n(word, &zero, 0, false,
					    __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
	return n;
}
