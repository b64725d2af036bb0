/* SPDX-License-Identifier: MIT */
/*
 * announce.c - pages that must stay while somebody outside the core (the
 * host's kernel, a copy loop) accesses them. The ranges stand in the actor's
 * record before their pages are faulted in, so that no trim can get between:
 * both a trim and the final check here run under the space lock.
 */
#include <mm/mm.h>

void announcers_none(struct announcers *ret)
{
	ret->n = 0;
	ret->all = false;
	ret->keep = 0;
	ret->n_keep = 0;
}

void announcers_of(struct fw_mm *mm, const struct fw_space *space,
		   struct announcers *ret)
{
	uint32_t i;

	announcers_none(ret);
	ret->mm = mm;
	ret->space = space;
	for (i = 0; i < mm->actor_top; i++) {
		const struct fw_actor *a = mm->actor[i];

		if (!a || a->space != space || a->n_announced == 0)
			continue;
		if (ret->n == ANNOUNCERS_MAX)
			ret->all = true;
		else
			ret->actor[ret->n++] = a;
	}
}

static bool range_has(const struct fw_range *r, fw_vpn vpn)
{
	return r->len > 0 && vpn >= r->start >> FW_PAGE_SHIFT &&
	       vpn <= (r->start + r->len - 1) >> FW_PAGE_SHIFT;
}

static bool actor_announces(const struct fw_actor *actor, fw_vpn vpn,
			    bool writes_only)
{
	unsigned n = __atomic_load_n(&actor->n_announced, __ATOMIC_ACQUIRE);
	unsigned k;

	for (k = 0; k < n && k < FW_MAX_ANNOUNCE; k++) {
		const struct fw_range *r = &actor->announced[k];

		if (writes_only && !(r->access & FW_ACC_WRITE))
			continue;
		if (range_has(r, vpn))
			return true;
	}
	return false;
}

/* A record that is being freed may say anything; one that counts stays. */
static bool any_announces(const struct announcers *a, fw_vpn vpn,
			  bool writes_only)
{
	uint32_t top = __atomic_load_n(&a->mm->actor_top, __ATOMIC_ACQUIRE);
	uint32_t i;

	for (i = 0; i < top; i++) {
		const struct fw_actor *actor =
			__atomic_load_n(&a->mm->actor[i], __ATOMIC_ACQUIRE);

		if (actor && actor->space == a->space &&
		    actor_announces(actor, vpn, writes_only))
			return true;
	}
	return false;
}

/* Which ranges next_range() looks at. */
struct wanted_ranges {
	const struct fw_space *space;
	const struct fw_actor *not_of; /* or NULL */
	bool pinned;		       /* only those */
};

/* The lowest range that ends above `vpn`. A record that is being freed may say
 * anything; one that counts stays. */
static bool next_range(const struct fw_mm *mm, const struct wanted_ranges *w,
		       fw_vpn vpn, fw_vpn *ret_start, fw_vpn *ret_end)
{
	uint32_t top = __atomic_load_n(&mm->actor_top, __ATOMIC_ACQUIRE);
	bool found = false;
	uint32_t i;

	for (i = 0; i < top; i++) {
		const struct fw_actor *a =
			__atomic_load_n(&mm->actor[i], __ATOMIC_ACQUIRE);
		const struct fw_range *r;
		unsigned n;

		if (!a || a == w->not_of || a->space != w->space)
			continue;
		r = a->announced;
		n = __atomic_load_n(&a->n_announced, __ATOMIC_ACQUIRE);
		for (; n > 0 && r < a->announced + FW_MAX_ANNOUNCE; n--, r++) {
			fw_vpn start = vpn_of(r->start);
			fw_vpn end = vpn_of(r->start + r->len - 1) + 1;

			if (r->len == 0 || end <= vpn ||
			    (w->pinned && !r->pinned) ||
			    (found && start >= *ret_start))
				continue;
			*ret_start = start;
			*ret_end = end;
			found = true;
		}
	}
	return found;
}

bool fw_announced_next(const struct fw_mm *mm, const struct fw_space *space,
		       fw_vpn vpn, fw_vpn *ret_start, fw_vpn *ret_end)
{
	const struct wanted_ranges w = {.space = space};

	return next_range(mm, &w, vpn, ret_start, ret_end);
}

bool announced(const struct announcers *a, fw_vpn vpn, bool writes_only)
{
	unsigned i;

	if (!writes_only && vpn - a->keep < a->n_keep)
		return true;
	if (a->all)
		return any_announces(a, vpn, writes_only);
	for (i = 0; i < a->n; i++)
		if (actor_announces(a->actor[i], vpn, writes_only))
			return true;
	return false;
}

static void announce_set(struct fw_actor *actor, struct fw_space *space,
			 const struct fw_range *r, unsigned n)
{
	unsigned i;

	actor->n_announced = 0;
	fw_barrier();
	for (i = 0; i < n; i++)
		actor->announced[i] = r[i];
	actor->space = space;
	fw_barrier();
	__atomic_store_n(&actor->n_announced, n, __ATOMIC_SEQ_CST);
}

void fw_withdraw(struct fw_actor *actor)
{
	__atomic_store_n(&actor->n_announced, 0, __ATOMIC_RELEASE);
}

static bool announce_check(const struct fw_range *r, unsigned n)
{
	uint64_t pages = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (r[i].start + r[i].len < r[i].start)
			return false;
		if (r[i].len > 0)
			pages += ((r[i].start + r[i].len - 1) >>
				  FW_PAGE_SHIFT) -
				 (r[i].start >> FW_PAGE_SHIFT) + 1;
	}
	return n <= FW_MAX_ANNOUNCE && pages <= 64 + n;
}

static bool page_ready(struct fw_space *space, fw_vpn vpn, uint32_t access)
{
	fw_pte pte;

	if (vpn >= space->user_top)
		return false;
	pte = fw_pte_read_locked(space, vpn);
	if (!pte_is_valid(pte))
		return false;
	return !(access & FW_ACC_WRITE) || (pte & PTE_W);
}

/* The first page of the ranges that is not ready; true when all are. Space
 * lock. With `fill`, loads those that are. */
static bool announce_scan(struct fw_space *space, const struct fw_range *r,
			  unsigned n, bool fill, unsigned *ret_range,
			  fw_vpn *ret_vpn)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		fw_vpn vpn = r[i].start >> FW_PAGE_SHIFT, last;

		if (r[i].len == 0)
			continue;
		last = (r[i].start + r[i].len - 1) >> FW_PAGE_SHIFT;
		if (fill) {
			for (; vpn <= last; vpn += 64)
				fwp_tlb_fill(space, vpn,
					     (unsigned)(last - vpn < 63 ?
							last - vpn + 1 : 64));
			continue;
		}
		for (; vpn <= last; vpn++) {
			if (page_ready(space, vpn, r[i].access))
				continue;
			*ret_range = i;
			*ret_vpn = vpn;
			return false;
		}
	}
	return true;
}

enum fw_status kind_status(enum fw_kind kind)
{
	switch (kind) {
	case FW_KIND_EOF:
		return FW_E_EOF;
	case FW_KIND_IOERR:
		return FW_E_IO;
	case FW_KIND_NOMEM:
		return FW_E_NOMEM;
	default:
		return FW_E_FAULT;
	}
}

enum fw_status fw_announce(struct fw_mm *mm, struct fw_actor *actor,
			   struct fw_space *space, const struct fw_range *r,
			   unsigned n, unsigned *ret_ok, uint64_t *ret_bytes)
{
	enum fw_status status = FW_OK;
	uint64_t bytes = 0;
	struct fw_fault f;
	unsigned at = 0;
	fw_vpn vpn = 0;
	struct fw_range part;

	if (!announce_check(r, n))
		return FW_E_LIMIT;
	fw_space_lock(space, actor);
	announce_set(actor, space, r, n);
	while (!announce_scan(space, actor->announced, actor->n_announced,
			      false, &at, &vpn)) {
		fw_space_unlock(space);
		f.addr = vpn << FW_PAGE_SHIFT;
		if (f.addr < r[at].start)
			f.addr = r[at].start;
		f.access = r[at].access | FW_ACC_USER;
		fw_fault(mm, actor, space, &f);
		fw_space_lock(space, actor);
		if (fw_kind_resolved(f.kind))
			continue;
		/* What comes before the bad page stays announced. */
		status = kind_status(f.kind);
		bytes = f.addr - r[at].start;
		part = r[at];
		part.len = bytes;
		announce_set(actor, space, r, at);
		actor->announced[at] = part;
		fw_barrier();
		n = at;
		__atomic_store_n(&actor->n_announced, at + 1,
				 __ATOMIC_SEQ_CST);
	}
	announce_scan(space, actor->announced, actor->n_announced, true, &at,
		      &vpn);
	fw_space_unlock(space);
	*ret_ok = n;
	*ret_bytes = bytes;
	return status;
}

bool announced_within(const struct fw_mm *mm, const struct fw_space *space,
		      fw_vpn start, fw_vpn end)
{
	fw_vpn from, to;

	return fw_announced_next(mm, space, start, &from, &to) && from < end;
}

bool pinned_within(const struct fw_mm *mm, const struct fw_actor *actor,
		   const struct fw_space *space, fw_vpn start, fw_vpn end)
{
	const struct wanted_ranges w = {space, actor, true};
	fw_vpn from, to;

	return next_range(mm, &w, start, &from, &to) && from < end;
}

/* Not an access that would be refused, nor one to a guard page. */
static bool page_wanted(struct fw_space *space, fw_vpn vpn, uint32_t access)
{
	const struct fw_vad *v = vad_find(space, vpn);
	unsigned need = access & FW_ACC_WRITE ? FW_PROT_W : 7;

	return v && (v->prot & need) && !(v->flags & FW_VADF_GUARD) &&
	       !page_ready(space, vpn, access);
}

/* The first announced page of [*at, end) that is gone; loads those before it.
 * Space lock. */
static bool refill_next(struct fw_mm *mm, struct fw_space *space, fw_vpn *at,
			fw_vpn end, uint32_t *ret_access)
{
	struct announcers who = { .mm = mm, .space = space };
	fw_vpn start, stop;

	while (fw_announced_next(mm, space, *at, &start, &stop) &&
	       start < end) {
		if (*at < start)
			*at = start;
		for (; *at < stop && *at < end; ++*at) {
			*ret_access = any_announces(&who, *at, true) ?
					      FW_ACC_WRITE :
					      FW_ACC_READ;
			if (page_wanted(space, *at, *ret_access))
				return true;
			fwp_tlb_fill(space, *at, 1);
		}
		if (*at == end)
			break;
	}
	return false;
}

void announced_refill(struct fw_mm *mm, struct fw_actor *actor,
		      struct fw_space *space, fw_vpn at, fw_vpn end)
{
	struct fw_fault f;

	fw_space_lock(space, actor);
	while (refill_next(mm, space, &at, end, &f.access)) {
		fw_space_unlock(space);
		f.addr = addr_of(at);
		f.access |= FW_ACC_USER;
		fw_fault(mm, actor, space, &f);
		if (!fw_kind_resolved(f.kind))
			at++;
		fw_space_lock(space, actor);
	}
	fw_space_unlock(space);
}
