/* SPDX-License-Identifier: MIT */
/*
 * mm.c - building a manager, and its lock with the undo journal.
 *
 * RAM is laid out as: struct fw_mm, frame records, block records, verify's
 * scratch words, the port's area; then, from a block boundary on, the frames
 * that are managed. Nothing but the struct is touched at the start, so that
 * it takes the same time for any size of RAM.
 */
#include <mm/cstore.h>
#include <mm/mm.h>
#include <mm/order.h>

#define CORE_FRAMES_MIN 64 /* for tables and records, when set apart */

_Static_assert(offsetof(struct fw_mm, lock) == 0, "ports know its lock");

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static void lists_init(struct fw_mm *mm)
{
	struct fw_list empty = { FW_PFN_NONE, FW_PFN_NONE, 0 };
	unsigned i;

	for (i = 0; i < STANDBY_LISTS; i++)
		mm->standby[i] = empty;
	mm->modified = empty;
	mm->mapped = empty;
	mm->no_write = empty;
	mm->store_log = empty;
	mm->store_empty = empty;
	for (i = 0; i < BLOCK_LISTS; i++)
		mm->block_head[i] = FW_PFN_NONE;
	for (i = 0; i < POOL_CLASSES; i++)
		mm->pool_head[i] = FW_PFN_NONE;
}

/* The lists of some policies are not a stripe's own. */
static bool stripes_valid(const struct fw_mm_config *config)
{
	uint32_t n = config->stripes;

	return n <= 1 || (n <= FW_STRIPES_MAX && (n & (n - 1)) == 0 &&
			  config->policy == FW_POLICY_NT);
}

enum fw_status fw_mm_init(void *ram, const struct fw_mm_config *config,
			  struct fw_mm **ret_mm)
{
	struct fw_mm *mm = ram;
	uint64_t n = config->nframes & ~FW_BLOCK_MASK, at, need;
	char *p = ram;

	if (config->strict > 1 ||
	    config->nframes < 256 || config->nframes >= 1u << FW_PFN_BITS ||
	    ((uintptr_t)ram & FW_PAGE_MASK) != 0 ||
	    config->user_min >= config->user_top ||
	    config->user_top > FW_USER_END || config->policy >= FW_POLICIES ||
	    config->store_frames > n / 4 * 3 ||
	    (config->store_frames > 0 && n >> CSTORE_PFN_BITS != 0) ||
	    !stripes_valid(config))
		return FW_E_INVAL;
	at = round_up(sizeof(*mm), 64);
	mm->frames = (struct fw_frame *)(void *)(p + at);
	at += n * sizeof(struct fw_frame);
	mm->blocks = (struct fw_block *)(void *)(p + at);
	at += n / FW_BLOCK_PAGES * sizeof(struct fw_block);
	mm->scratch = (uint32_t *)(void *)(p + at);
	at = round_up(at + n * sizeof(uint32_t), 64);
	mm->port_area = p + at;
	at = round_up(at + config->port_bytes,
		      FW_PAGE_SIZE * FW_BLOCK_PAGES);
	need = (at >> FW_PAGE_SHIFT) + 128;
	if (config->page_frames > 0)
		need = (at >> FW_PAGE_SHIFT) + config->page_frames +
		       FRAMES_EMERGENCY + CORE_FRAMES_MIN;
	if (need > n)
		return FW_E_INVAL;
	mm->nframes = (uint32_t)n;
	mm->base = (uint32_t)(at >> FW_PAGE_SHIFT);
	mm->policy = config->policy;
	mm->page_frames = mm->nframes;
	if (config->page_frames > 0) {
		mm->page_frames = config->page_frames;
		mm->core_frames = (uint32_t)(n - need) + CORE_FRAMES_MIN;
	}
	mm->random = UINT64_C(0x9e3779b97f4a7c15);
	mm->fresh = mm->base;
	mm->touched = mm->base;
	mm->count[FRAME_ZEROED] = (uint32_t)n - mm->base;
	mm->count[FRAME_ACTIVE] = mm->base;
	mm->user_min = config->user_min;
	mm->user_top = config->user_top;
	mm->kernel_low = FW_VPN_END;
	mm->stripes = config->stripes > 1 ? config->stripes : 1;
	mm->next_space_id = 1;
	mm->strict = config->strict;
	mm->store_max = config->store_frames;
	lists_init(mm);
	cstore_init(mm);
	*ret_mm = mm;
	return FW_OK;
}

void *fw_mm_port_area(struct fw_mm *mm)
{
	return mm->port_area;
}

/* A frame that is zeroed once more may have been filled since: what goes into
 * new memory is not journalled. */
static void rollback_zero(struct fw_mm *mm, uintptr_t at)
{
	uintptr_t first = (uintptr_t)(mm->frames + mm->base);
	uintptr_t end = (uintptr_t)(mm->frames + mm->nframes);
	fw_pfn pfn;

	if (at < first || at >= end)
		return;
	pfn = (fw_pfn)((at - (uintptr_t)mm->frames) /
		       sizeof(struct fw_frame));
	if (mm->frames[pfn].state == FRAME_ZEROED)
		fw_memzero(frame_data(mm, pfn), FW_PAGE_SIZE);
}

static void journal_rollback(struct fw_mm *mm)
{
	uint32_t n = mm->undo_count;

	while (n-- > 0) {
		uintptr_t at = mm->undo[n].at;

		*(fw_undo_word *)at = mm->undo[n].old;
		rollback_zero(mm, at);
		fw_barrier();
		/* Dying here in turn repeats harmless stores only. */
		*(volatile uint32_t *)&mm->undo_count = n;
	}
	mm->rollbacks++;
}

/* By whoever the port says holds it, before he lets it go. */
void lock_order_release(struct fw_mm *mm, const struct fw_lock *lock,
			unsigned rank)
{
#ifdef FW_LOCK_ORDER
	struct fw_actor *a = fw_actor_by_id(mm, lock->owner);

	if (lock->owner != 0 && a)
		a->locks &= ~(1u << rank);
#else
	(void)mm, (void)lock, (void)rank;
#endif
}

void mm_lock(struct fw_mm *mm, struct fw_actor *actor)
{
	lock_order_take(actor, LOCK_RANK_MM);
	if (fwp_lock(&mm->lock, actor_id(actor)))
		journal_rollback(mm);
	FW_ASSERT(mm->undo_count == 0);
	if (mm->store_empty.head != FW_PFN_NONE)
		cstore_reap(mm);
	frames_prime(mm, FRAMES_LAST);
}

void mm_checkpoint(struct fw_mm *mm)
{
	fw_barrier();
	*(volatile uint32_t *)&mm->undo_count = 0;
	fw_barrier();
}

void mm_unlock(struct fw_mm *mm)
{
	mm_checkpoint(mm);
	lock_order_release(mm, &mm->lock, LOCK_RANK_MM);
	fwp_unlock(&mm->lock);
}

void mm_breathe(struct fw_mm *mm, struct fw_actor *actor)
{
	mm_unlock(mm);
	mm_lock(mm, actor);
}

bool mm_wait(struct fw_mm *mm, uint32_t *word, uint32_t seen, uint32_t owner)
{
	bool alive;

	__atomic_add_fetch(&mm->waiting, 1, __ATOMIC_SEQ_CST);
	alive = fwp_wait(word, seen, owner);
	__atomic_sub_fetch(&mm->waiting, 1, __ATOMIC_SEQ_CST);
	return alive;
}

void mm_wake(struct fw_mm *mm, uint32_t *word)
{
	if (__atomic_load_n(&mm->waiting, __ATOMIC_SEQ_CST) != 0)
		fwp_wake(word);
}
