/* SPDX-License-Identifier: MIT */
/*
 * stripe.c - the space lock, in stripes, so that threads of one space fault
 * in parallel. A fault locks the stripe of its page; whoever changes regions
 * or takes pages away locks all of them, in order. A stripe is a set of whole
 * page tables.
 *
 * Each stripe has a stock of zeroed frames, taken many at a time under the mm
 * lock. A first touch of anonymous memory needs nothing else (fault_fast.c),
 * so that it touches nothing that other processors write to.
 *
 * Death. A page is mapped from the stock in three stores: the frame's record,
 * the PTE, then one word that both shortens the stock and counts the page as
 * resident. Whoever gets the lock of a dead owner first has the mm lock's
 * section of his undone, if there was one; then, if the PTE was set, he does
 * the third store.
 */
#include <mm/order.h>
#include <mm/stripe.h>

/* Frames that must stay zeroed for others when a stock is filled. */
static uint64_t stripe_reserve(const struct fw_mm *mm)
{
	return mm->nframes / 8 + FW_STRIPE_BLOCKS * FW_BLOCK_PAGES;
}

static uint64_t stock_make(fw_pfn base, uint32_t left, uint32_t mapped)
{
	return (uint64_t)base << 32 | left << 16 | mapped;
}

uint64_t fw_space_resident(const struct fw_space *space)
{
	uint64_t n = space->resident;
	uint32_t i, k;

	for (i = 0; i < space->n_stripes; i++)
		for (k = 0; k < FW_STRIPE_BLOCKS; k++)
			n += stock_mapped(__atomic_load_n(
				&space->stripe[i].stock[k], __ATOMIC_RELAXED));
	return n;
}

uint64_t fw_space_faults(const struct fw_space *space)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < space->n_stripes; i++)
		n += space->stripe[i].faults;
	return n;
}

static struct fw_stripe *stripe_of(struct fw_space *space, fw_vpn vpn)
{
	uint32_t hash = (uint32_t)(vpn >> FW_STRIPE_SHIFT) * 0x9e3779b1u;

	return &space->stripe[(hash >> 16) & (space->n_stripes - 1)];
}

/* A frame of the stock again, whatever its dead taker wrote. */
static void stock_untake(struct fw_frame *f)
{
	f->original = 0;
	f->share = 0;
	f->type = FRAME_USER;
	f->state = FRAME_ZEROED;
	fw_barrier();
	f->pte = NULL;
}

static void stock_repair(struct fw_mm *mm, uint64_t *stock)
{
	fw_pfn base = stock_base(*stock);
	uint32_t left = stock_left(*stock), i;

	for (i = 0; i < FW_BLOCK_PAGES; i++) {
		struct fw_frame *f = &mm->frames[base + i];

		if (!(left >> i & 1) || !f->pte)
			continue;
		if (pte_is_valid(*f->pte) && fw_pte_pfn(*f->pte) == base + i)
			*stock = stock_make(base, left & ~(1u << i),
					    stock_mapped(*stock) + 1);
		else
			stock_untake(f);
	}
}

/* A dead owner left translations and tables in step: it flushed before it
 * changed, and filled after. */
static void stripe_take(struct fw_space *space, struct fw_stripe *s,
			struct fw_actor *actor)
{
	unsigned k;

	lock_order_take(actor, (unsigned)(s - space->stripe));
	if (!fwp_lock(&s->lock, actor_id(actor)))
		return;
	mm_lock(space->mm, actor);
	for (k = 0; k < FW_STRIPE_BLOCKS; k++)
		stock_repair(space->mm, &s->stock[k]);
	mm_unlock(space->mm);
}

struct fw_stripe *stripe_lock(struct fw_space *space, fw_vpn vpn,
			      struct fw_actor *actor)
{
	struct fw_stripe *s = stripe_of(space, vpn);

	stripe_take(space, s, actor);
	return s;
}

void stripe_unlock(struct fw_space *space, struct fw_stripe *s)
{
	lock_order_release(space->mm, &s->lock, (unsigned)(s - space->stripe));
	fwp_unlock(&s->lock);
}

void fw_space_lock(struct fw_space *space, struct fw_actor *actor)
{
	uint32_t i;

	for (i = 0; i < space->n_stripes; i++)
		stripe_take(space, &space->stripe[i], actor);
}

void fw_space_unlock(struct fw_space *space)
{
	uint32_t i = space->n_stripes;

	while (i-- > 0)
		stripe_unlock(space, &space->stripe[i]);
}

struct fw_lock *fw_space_lock_of(struct fw_space *space, fw_vpn vpn)
{
	return &stripe_of(space, vpn)->lock;
}

/* A store that the death of this actor may come after. */
static inline void stripe_store(struct fw_mm *mm)
{
	fw_barrier();
#ifdef FW_STEP
	fwp_step(mm);
#else
	(void)mm;
#endif
}

bool stripe_has(const struct fw_stripe *s)
{
	unsigned k;

	for (k = 0; k < FW_STRIPE_BLOCKS; k++)
		if (stock_left(s->stock[k]) != 0)
			return true;
	return false;
}

/* Neighbours get neighbouring frames where they can. */
static unsigned stock_pick(uint32_t left, fw_vpn vpn)
{
	unsigned i = (unsigned)vpn & FW_BLOCK_MASK;

	return left >> i & 1 ? i : (unsigned)__builtin_ctz(left);
}

void stripe_map(struct fw_mm *mm, struct fw_stripe *s,
		const struct fw_vad *vad, fw_vpn vpn, fw_pte *pte, bool dirty,
		unsigned prio)
{
	uint64_t *stock = s->stock;
	struct fw_frame *f;
	unsigned i;
	fw_pfn pfn;

	while (stock_left(*stock) == 0)
		stock++;
	i = stock_pick(stock_left(*stock), vpn);
	pfn = stock_base(*stock) + i;
	f = frame_at(mm, pfn);
	f->pte = pte;
	stripe_store(mm);
	f->original = pte_make_zero(vad->prot);
	f->share = 1;
	/* Somebody may be retiring the frame. */
	__atomic_fetch_xor(&f->prio,
			   (uint8_t)((f->prio ^ prio) & ~FRAME_RETIRE),
			   __ATOMIC_RELAXED);
	f->state = FRAME_ACTIVE;
	stripe_store(mm);
	*pte = page_pte(vad, pfn, false, dirty);
	stripe_store(mm);
	*stock = stock_make(stock_base(*stock),
			    stock_left(*stock) & ~(1u << i),
			    stock_mapped(*stock) + 1);
	stripe_store(mm);
}

/* What was mapped from a block is the space's; what is left goes back. */
static bool stock_end(struct fw_mm *mm, struct fw_space *space,
		      uint64_t *stock)
{
	uint32_t left = stock_left(*stock);
	fw_pfn base = stock_base(*stock);

	if (*stock == 0)
		return false;
	space_resident(mm, space, stock_mapped(*stock));
	FW_SET(mm, *stock, 0);
	if (left != 0)
		frames_return(mm, base, left);
	return left != 0;
}

void stripe_fill(struct fw_mm *mm, struct fw_space *space, struct fw_stripe *s)
{
	unsigned k;

	if (stripe_has(s) || mm->count[FRAME_ZEROED] < stripe_reserve(mm))
		return;
	for (k = 0; k < FW_STRIPE_BLOCKS; k++) {
		fw_pfn base;

		stock_end(mm, space, &s->stock[k]);
		base = frames_lend(mm);
		if (base == FW_PFN_NONE)
			return;
		FW_SET(mm, s->stock[k], stock_make(base, 0xffff, 0));
	}
}

bool stripes_drain(struct fw_mm *mm, struct fw_actor *actor,
		   struct fw_space *space)
{
	bool any = false;
	uint32_t i, k;

	if (space->n_stripes == 1)
		return false;
	mm_lock(mm, actor);
	for (i = 0; i < space->n_stripes; i++) {
		for (k = 0; k < FW_STRIPE_BLOCKS; k++)
			any |= stock_end(mm, space,
					 &space->stripe[i].stock[k]);
		mm_checkpoint(mm);
	}
	mm_unlock(mm);
	return any;
}

void stripes_forget(struct fw_mm *mm, struct fw_space *space)
{
	uint32_t i;

	for (i = 0; i < space->n_stripes; i++)
		FW_PUT(mm, space->stripe[i].hint, NULL);
}
