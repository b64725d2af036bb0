/* SPDX-License-Identifier: MIT */
/*
 * fault.c - the driver of a fault: classify, perform, and what must be done
 * without locks in between. The order of the tests is that of NT's access
 * fault (Windows Internals 6e part 2 ch. 10).
 */
#include <mm/plan.h>
#include <mm/policy.h>
#include <mm/stripe.h>

unsigned plan_block(const struct fw_plan *p, fw_vpn *ret_lo)
{
	fw_vpn skew = 0, lo, hi, table;

	if (p->vad->section)
		skew = (p->vad->page - p->vad->start) & FW_BLOCK_MASK;
	lo = ((p->vpn + skew) & ~(fw_vpn)FW_BLOCK_MASK);
	lo = lo > skew ? lo - skew : 0;
	hi = ((p->vpn + skew) | FW_BLOCK_MASK) + 1 - skew;
	table = p->vpn & ~(fw_vpn)(FW_TABLE_ENTRIES - 1);
	if (lo < p->vad->start)
		lo = p->vad->start;
	if (lo < table)
		lo = table;
	if (hi > p->vad->end)
		hi = p->vad->end;
	if (hi > table + FW_TABLE_ENTRIES)
		hi = table + FW_TABLE_ENTRIES;
	*ret_lo = lo;
	return (unsigned)(hi - lo);
}

static fw_pfn cluster_base(const fw_pte *first, unsigned stride, bool proto,
			   unsigned n)
{
	unsigned j;

	for (j = 0; j < n; j++) {
		fw_pte v = first[j * stride];
		fw_pfn pfn = fw_pte_pfn(v);

		if (!pte_is_valid(v) && !pte_is_transition(v))
			continue;
		if (!proto && pte_is_valid(v) && (v & PTE_PROTO))
			continue;
		if (((pfn ^ j) & FW_BLOCK_MASK) == 0)
			return pfn - j;
	}
	return FW_PFN_NONE;
}

struct frame_cluster plan_cluster(const struct fw_plan *p, fw_pte *loc,
				  bool proto, fw_vpn vpn, unsigned *ret_index)
{
	const unsigned stride = sizeof(struct fw_proto) / sizeof(fw_pte);
	struct frame_cluster c = { FW_PFN_NONE, false };
	fw_pte *pte = p->pte + ((int64_t)vpn - (int64_t)p->vpn);
	unsigned i;

	if (proto && p->vad->section && pte_asks_region(*pte)) {
		/* A page of the section: by its prototype's neighbours. */
		i = (unsigned)(p->vad->page + (vpn - p->vad->start)) &
		    FW_BLOCK_MASK;
		c.base = cluster_base(loc - stride * i, stride, true,
				      FW_BLOCK_PAGES);
	} else {
		i = (unsigned)vpn & FW_BLOCK_MASK;
		c.base = cluster_base(pte - i, 1, false, FW_BLOCK_PAGES);
	}
	*ret_index = i;
	return c;
}

unsigned plan_room(struct fw_plan *p, unsigned n)
{
	if (refused(p->mm, FW_NEED_FRAME))
		return 0;
	if (frames_room(p->mm, n))
		return n;
	p->need = 1;
	return frames_room(p->mm, 1) ? 1 : 0;
}

unsigned plan_room_read(struct fw_plan *p, unsigned n)
{
	n = plan_room(p, n);
	if (n > 0 || !p->last)
		return n;
	return frames_available(p->mm) > FRAMES_LAST ? 1 : 0;
}

void plan_window(struct fw_plan *p, fw_vpn lo, unsigned n, enum fw_kind kind)
{
	struct fw_fault *f = p->f;

	f->window = lo;
	f->n = n;
	f->kind = kind;
	if (p->did_io)
		f->kind = p->io_kind;
	else if (f->collisions > 0 &&
		 (kind == FW_KIND_TRANSITION || kind == FW_KIND_PROTOTYPE))
		f->kind = FW_KIND_COLLIDED;
}

unsigned plan_prio(const struct fw_plan *p)
{
	if (p->vad->prio)
		return p->vad->prio - 1u;
	if (p->actor->prio)
		return p->actor->prio - 1u;
	if (p->space->prio)
		return p->space->prio - 1u;
	/* What is read once is not worth much. */
	return STANDBY_NORMAL - (p->vad->flags & FW_VADF_SEQUENTIAL ? 2u : 0);
}

/* The page is used: by the first user as he says, by others upwards. */
static void plan_set_prio(const struct fw_plan *p, struct fw_frame *f,
			  bool shared)
{
	unsigned prio = plan_prio(p);

	if (shared && f->type == FRAME_USER && prio < frame_prio(f))
		return;
	frame_set_prio(p->mm, f, prio);
}

void plan_map(struct fw_plan *p, fw_pte *pte, fw_pte *loc, bool proto,
	      fw_pfn pfn, bool dirty)
{
	struct fw_mm *mm = p->mm;
	struct fw_frame *f = frame_at(mm, pfn);
	bool shared = !proto || p->vad->kind == FW_VAD_SECTION;

	if (f->state != FRAME_ACTIVE) {
		frame_move(mm, f, FRAME_ACTIVE);
		FW_SET(mm, f->share, 1);
	} else {
		FW_ADD(mm, f->share, 1);
	}
	plan_set_prio(p, f, proto);
	FW_PUT(mm, f->type, FRAME_USER);
	if (proto && !pte_is_valid(*loc))
		FW_SET(mm, *loc, pte_make_proto_valid(pfn));
	if (dirty && shared)
		frame_drop_slot(mm, f);
	/* A page that is dirty already may be written without a fault. */
	if (f->flags & FRAME_DIRTY)
		dirty = true;
	FW_SET(mm, *pte, page_pte(p->vad, pfn, proto, dirty && shared));
}

static enum plan_what classify_valid(const struct fw_plan *p)
{
	fw_pte v = *p->pte;

	if (!plan_writes(p) || (v & PTE_W))
		return PLAN_REFILL;
	return v & PTE_COW ? PLAN_COW : PLAN_DIRTY;
}

static enum plan_what classify_content(const struct fw_plan *p)
{
	fw_pte v = *p->loc;

	if (pte_is_valid(v))
		return PLAN_RESIDENT;
	if (pte_is_transition(v)) {
		fw_pfn pfn = fw_pte_pfn(v);

		return frame_at(p->mm, pfn)->flags & FRAME_READ ?
			       PLAN_COLLIDED : PLAN_RESIDENT;
	}
	if (pte_is_pointer(v))
		return PLAN_READ_FILE;
	return pte_has_slot(v) ? PLAN_READ_SLOT : PLAN_ZERO;
}

static enum plan_what classify(struct fw_plan *p)
{
	if (pte_is_valid(*p->pte))
		return classify_valid(p);
	if (p->vad->kind == FW_VAD_HOST)
		return PLAN_HOST;
	return classify_content(p);
}

static bool access_allowed(const struct fw_vad *vad, uint32_t access)
{
	if (vad->kind == FW_VAD_RESERVED || vad->prot == 0)
		return false;
	if ((access & FW_ACC_WRITE) && !(vad->prot & FW_PROT_W))
		return false;
	return !(access & FW_ACC_EXEC) || (vad->prot & FW_PROT_X);
}

bool plan_permitted(struct fw_plan *p)
{
	struct fw_vad *vad = vad_find_near(p->space, p->stripe, p->vpn);
	enum guard_says says;

	p->vad = vad;
	p->grow = p->guard = false;
	p->f->kind = FW_KIND_MAPERR;
	if (!vad)
		return false;
	p->stripe->hint = vad;
	says = guard_stack(vad, p->vpn);
	if (says == GUARD_NOT_MAPPED)
		return false;
	p->grow = says == GUARD_GROWS;
	p->f->kind = FW_KIND_ACCERR;
	if (!access_allowed(vad, p->f->access) || says == GUARD_DENIED)
		return false;
	p->guard = says == GUARD_OVERFLOW || guard_region(vad);
	if (p->guard)
		return true;
	p->f->kind = FW_KIND_EOF;
	return !vad->section || p->grow ||
	       vad->page + (p->vpn - vad->start) < vad->section->pages ||
	       fw_pte_read_locked(p->space, p->vpn) != 0;
}

/* The tables and prototypes that any further step needs. False: frames. */
static bool plan_prepare(struct fw_plan *p)
{
	struct fw_mm *mm = p->mm;

	p->need = 4;
	p->pte = table_find(p->space, p->vpn);
	if (!p->pte) {
		if (refused(mm, FW_NEED_ROOM) || frames_available(mm) < 8)
			return false;
		p->pte = table_make(mm, p->space, p->vpn);
		FW_ASSERT(p->pte);
		mm_checkpoint(mm);
		frames_prime(mm, FRAMES_LAST);
	}
	if (pte_asks_region(*p->pte) && p->vad->section) {
		uint64_t page = p->vad->page + (p->vpn - p->vad->start);

		if (!section_proto(mm, p->vad->section, page, false)) {
			if (frames_available(mm) < 12 ||
			    !section_proto(mm, p->vad->section, page, true))
				return false;
			mm_checkpoint(mm);
		}
	}
	if (pte_is_pointer(*p->pte))
		clone_take_back(mm, p->pte);
	p->loc = page_locate(p->mm, p->vad, p->vpn, p->pte, &p->proto);
	return true;
}

static enum fw_step fault_refill(struct fw_plan *p)
{
	fw_vpn lo;
	unsigned n = plan_block(p, &lo);

	plan_window(p, lo, n, FW_KIND_REFILL);
	return FW_STEP_DONE;
}

static enum fw_step fault_dirty(struct fw_plan *p)
{
	struct fw_frame *f = frame_at(p->mm, fw_pte_pfn(*p->pte));

	FW_ASSERT(*p->pte & PTE_SWW);
	if (pte_has_slot(f->original))
		ahead_note_use(p->vad, true);
	frame_drop_slot(p->mm, f);
	FW_SET(p->mm, *p->pte, *p->pte | PTE_D | PTE_W);
	plan_window(p, p->vpn, 1, FW_KIND_DIRTY);
	return FW_STEP_DONE;
}

static enum fw_step fault_perform(struct fw_plan *p)
{
	switch (p->what) {
	case PLAN_REFILL:
		return fault_refill(p);
	case PLAN_DIRTY:
		return fault_dirty(p);
	case PLAN_COW:
		return fault_cow(p);
	case PLAN_ZERO:
		return fault_zero(p);
	case PLAN_RESIDENT:
		return fault_resident(p);
	case PLAN_COLLIDED:
		return fault_collided(p);
	case PLAN_READ_SLOT:
		return fault_read_slot(p);
	case PLAN_READ_FILE:
		return fault_read_file(p);
	case PLAN_HOST:
		return fault_host(p);
	}
	return FW_STEP_DONE;
}

/* The long way. The stripe's and the mm lock. */
static enum fw_step fault_full(struct fw_plan *p)
{
	struct fw_fault *f = p->f;
	enum fw_step step;

	if (!plan_permitted(p))
		return FW_STEP_DONE;
	if (p->guard && p->space->n_stripes > 1 && !p->whole) {
		p->want_whole = true;
		return FW_STEP_AGAIN;
	}
	if (p->guard)
		return fault_guard(p);
	if (!plan_prepare(p))
		return FW_STEP_FRAMES;
	if (read_failed(p))
		return FW_STEP_DONE;
	p->what = classify(p);
	step = fault_perform(p);
	if (f->n > 0)
		policy_note(p->mm, p->space,
			    p->pte - (p->vpn - f->window), f->n);
	if (p->what == PLAN_ZERO && p->space->n_stripes > 1)
		stripe_fill(p->mm, p->space, p->stripe);
	return step;
}

/* One look at the fault. The stripe's lock. */
static enum fw_step fault_attempt(struct fw_plan *p)
{
	enum fw_step step = FW_STEP_DONE;
	struct fw_fault *f = p->f;

	f->n = 0;
	p->fast = p->space->n_stripes > 1 && fault_fast(p);
	if (!p->fast) {
		mm_lock(p->mm, p->actor);
		step = fault_full(p);
		mm_unlock(p->mm);
	}
	if (f->n > 0 && step == FW_STEP_DONE)
		fwp_tlb_fill(p->space, f->window, f->n);
	return step;
}

static enum fw_step fault_wait(struct fw_plan *p)
{
	p->f->collisions++;
	if (!mm_wait(p->mm, p->wait_word, p->wait_seen, p->wait_owner))
		fw_actor_reap(p->mm, p->actor, p->wait_owner);
	return FW_STEP_AGAIN;
}

/* Frames are short. False: and stay so. */
static bool fault_reclaim(struct fw_plan *p, unsigned round)
{
	bool reads = p->what == PLAN_READ_SLOT || p->what == PLAN_READ_FILE;
	bool more = reclaim(p->mm, p->actor, p->space, p->need, round,
			    &p->f->trimmed);

	if (!reads || (more && !pfile_full(p->mm)))
		return more;
	more |= !p->last;
	p->last = true;
	return more;
}

/* The stripe of the page is enough, but for a fault that changes regions. */
static void fault_lock(struct fw_plan *p)
{
	p->whole = p->want_whole;
	if (p->whole)
		fw_space_lock(p->space, p->actor);
	else
		p->stripe = stripe_lock(p->space, p->vpn, p->actor);
}

static void fault_unlock(struct fw_plan *p)
{
	if (p->whole)
		fw_space_unlock(p->space);
	else
		stripe_unlock(p->space, p->stripe);
}

static void fault_count(struct fw_plan *p)
{
	struct fw_fault *f = p->f;
	struct fw_stripe *s = p->stripe;

	if (!s && p->space)
		s = &p->space->stripe[0];
	if (s)
		s->faults++;
	if (p->space && !p->fast && p->space->trim_epoch != p->mm->trim_clock)
		p->space->trim_epoch = p->mm->trim_clock;
	p->actor->fault_count[f->kind]++;
	p->actor->pages_count[f->kind] += f->n;
}

/* The page and the space that it belongs to. False: it is nobody's, or not
 * for user mode; f->kind says which. */
static bool plan_place(struct fw_plan *p, fw_addr addr)
{
	struct fw_mm *mm = p->mm;
	struct fw_space *owner;
	fw_vpn vpn = vpn_of(addr);

	/* An address that is not canonical is nobody's. */
	if (addr_of(vpn) != (addr & ~FW_PAGE_MASK))
		vpn = addr >> FW_PAGE_SHIFT;
	p->vpn = p->f->window = vpn;
	owner = space_of(mm, p->space, vpn);
	if (vpn_is_kernel(mm, vpn) && (p->f->access & FW_ACC_USER)) {
		p->f->kind = mm->system ? FW_KIND_ACCERR : FW_KIND_MAPERR;
		return false;
	}
	p->f->kind = FW_KIND_MAPERR;
	if (!owner)
		return false;
	p->space = owner;
	return true;
}

void fw_fault(struct fw_mm *mm, struct fw_actor *actor, struct fw_space *space,
	      struct fw_fault *f)
{
	struct fw_plan p;
	enum fw_step step;
	unsigned rounds = 0;

	fw_memzero(&p, offsetof(struct fw_plan, pfn));
	p.mm = mm;
	p.actor = actor;
	p.space = space;
	p.f = f;
	f->n = f->collisions = f->io_pages = f->trimmed = 0;
	f->status = FW_OK;
	f->distance = 0;
	if (!plan_place(&p, f->addr)) {
		fault_count(&p);
		return;
	}
	space = p.space;
	f->trimmed += wset_make_way(mm, actor, space);
	do {
		fault_lock(&p);
		step = fault_attempt(&p);
		fault_unlock(&p);
		if (step == FW_STEP_READ)
			step = fault_read(&p);
		else if (step == FW_STEP_WAIT)
			step = fault_wait(&p);
		if (step == FW_STEP_FRAMES && !fault_reclaim(&p, rounds++)) {
			f->kind = FW_KIND_NOMEM;
			step = FW_STEP_DONE;
		}
	} while (step != FW_STEP_DONE);
	fault_count(&p);
	if (!p.fast)
		reclaim_ahead(mm, actor, space, f);
}
