/* SPDX-License-Identifier: MIT */
/*
 * vad.c - the regions of a space: an AVL tree by address. `balance` holds the
 * height of the subtree. Regions do not overlap. A stripe's hint is the region
 * found last; it is only ever one that stands in the tree.
 */
#include <mm/mm.h>
#include <mm/stripe.h>

static int vad_height(const struct fw_vad *v)
{
	return v ? v->balance : 0;
}

static void vad_measure(struct fw_mm *mm, struct fw_vad *v)
{
	int l = vad_height(v->left), r = vad_height(v->right);
	int h = 1 + (l > r ? l : r);

	if (h != v->balance)
		FW_SET(mm, v->balance, h);
}

/* Puts `to` in the place of `from` below from's parent. */
static void vad_replace(struct fw_mm *mm, struct fw_space *space,
			struct fw_vad *from, struct fw_vad *to)
{
	struct fw_vad *parent = from->parent;

	if (!parent)
		FW_SET(mm, space->vads, to);
	else if (parent->left == from)
		FW_SET(mm, parent->left, to);
	else
		FW_SET(mm, parent->right, to);
	if (to)
		FW_SET(mm, to->parent, parent);
}

static struct fw_vad *vad_rotate(struct fw_mm *mm, struct fw_space *space,
				 struct fw_vad *v, bool left)
{
	struct fw_vad *up = left ? v->right : v->left;
	struct fw_vad *mid = left ? up->left : up->right;

	vad_replace(mm, space, v, up);
	if (left) {
		FW_SET(mm, v->right, mid);
		FW_SET(mm, up->left, v);
	} else {
		FW_SET(mm, v->left, mid);
		FW_SET(mm, up->right, v);
	}
	if (mid)
		FW_SET(mm, mid->parent, v);
	FW_SET(mm, v->parent, up);
	vad_measure(mm, v);
	vad_measure(mm, up);
	return up;
}

/* Restores heights and balance from v up to the root. */
static void vad_rebalance(struct fw_mm *mm, struct fw_space *space,
			  struct fw_vad *v)
{
	for (; v; v = v->parent) {
		int d = vad_height(v->left) - vad_height(v->right);

		if (d > 1) {
			if (vad_height(v->left->left) <
			    vad_height(v->left->right))
				vad_rotate(mm, space, v->left, true);
			v = vad_rotate(mm, space, v, false);
		} else if (d < -1) {
			if (vad_height(v->right->right) <
			    vad_height(v->right->left))
				vad_rotate(mm, space, v->right, false);
			v = vad_rotate(mm, space, v, true);
		} else {
			vad_measure(mm, v);
		}
	}
}

struct fw_vad *vad_above(struct fw_space *space, fw_vpn vpn)
{
	struct fw_vad *v = space->vads, *best = NULL;

	while (v) {
		if (vpn < v->end) {
			best = v;
			if (vpn >= v->start)
				break;
			v = v->left;
		} else {
			v = v->right;
		}
	}
	return best;
}

struct fw_vad *vad_find(struct fw_space *space, fw_vpn vpn)
{
	return vad_find_near(space, &space->stripe[0], vpn);
}

struct fw_vad *vad_find_near(struct fw_space *space, struct fw_stripe *s,
			     fw_vpn vpn)
{
	struct fw_vad *v = s->hint;

	if (v && vpn >= v->start && vpn < v->end)
		return v;
	v = vad_above(space, vpn);
	if (!v || vpn < v->start)
		return NULL;
	return v;
}

struct fw_vad *fw_vad_next(struct fw_vad *vad)
{
	if (vad->right) {
		vad = vad->right;
		while (vad->left)
			vad = vad->left;
		return vad;
	}
	while (vad->parent && vad->parent->right == vad)
		vad = vad->parent;
	return vad->parent;
}

struct fw_vad *vad_prev(struct fw_vad *vad)
{
	if (vad->left) {
		vad = vad->left;
		while (vad->right)
			vad = vad->right;
		return vad;
	}
	while (vad->parent && vad->parent->left == vad)
		vad = vad->parent;
	return vad->parent;
}

struct fw_vad *fw_vad_at_or_above(struct fw_space *space, fw_addr addr)
{
	return vad_above(space, space->kind ? vpn_of(addr) :
					      addr >> FW_PAGE_SHIFT);
}

void vad_insert(struct fw_mm *mm, struct fw_space *space, struct fw_vad *vad)
{
	struct fw_vad *at = space->vads, *parent = NULL;

	while (at) {
		FW_ASSERT(vad->end <= at->start || vad->start >= at->end);
		parent = at;
		at = vad->start < at->start ? at->left : at->right;
	}
	FW_SET(mm, vad->left, NULL);
	FW_SET(mm, vad->right, NULL);
	FW_SET(mm, vad->parent, parent);
	FW_SET(mm, vad->balance, 1);
	if (!parent)
		FW_SET(mm, space->vads, vad);
	else if (vad->start < parent->start)
		FW_SET(mm, parent->left, vad);
	else
		FW_SET(mm, parent->right, vad);
	vad_rebalance(mm, space, parent);
	FW_ADD(mm, space->n_vads, 1);
	space_grown(mm, space, vad->end - vad->start);
}

void vad_remove(struct fw_mm *mm, struct fw_space *space, struct fw_vad *vad)
{
	struct fw_vad *from;

	stripes_forget(mm, space);
	if (vad->left && vad->right) {
		/* The successor takes its place. */
		struct fw_vad *next = fw_vad_next(vad);

		from = next->parent == vad ? next : next->parent;
		if (next->parent != vad) {
			vad_replace(mm, space, next, next->right);
			FW_SET(mm, next->right, vad->right);
			FW_SET(mm, next->right->parent, next);
		}
		vad_replace(mm, space, vad, next);
		FW_SET(mm, next->left, vad->left);
		FW_SET(mm, next->left->parent, next);
	} else {
		from = vad->parent;
		vad_replace(mm, space, vad,
			    vad->left ? vad->left : vad->right);
	}
	vad_rebalance(mm, space, from);
	FW_SUB(mm, space->n_vads, 1);
	FW_SUB(mm, space->mapped, vad->end - vad->start);
}

struct fw_vad *vad_split(struct fw_mm *mm, struct fw_space *space,
			 struct fw_vad *vad, fw_vpn at)
{
	struct fw_vad *upper;

	FW_ASSERT(at > vad->start && at < vad->end);
	upper = pool_alloc(mm, sizeof(*upper));
	if (!upper)
		return NULL;
	fw_memcpy((char *)upper + sizeof(fw_word),
		  (char *)vad + sizeof(fw_word),
		  sizeof(*vad) - sizeof(fw_word));
	upper->start = at;
	upper->page = vad->page + (at - vad->start);
	if (upper->stack_low < at)
		upper->stack_low = at;
	if (vad->section)
		section_get(mm, vad->section);
	FW_SUB(mm, space->mapped, vad->end - at);
	FW_SET(mm, vad->end, at);
	if (vad->flags & FW_VADF_STACK) {
		if (vad->stack_low > at)
			FW_SET(mm, vad->stack_low, at);
		if (upper->stack_low == at)
			upper->flags &= ~(uint32_t)(FW_VADF_STACK |
						    FW_VADF_GUARD);
	}
	vad_insert(mm, space, upper);
	return upper;
}

static bool vad_alike(const struct fw_vad *a, const struct fw_vad *b)
{
	return a->end == b->start && a->kind == b->kind &&
	       a->prot == b->prot && a->max_prot == b->max_prot &&
	       a->flags == b->flags && a->section == b->section &&
	       a->cookie == b->cookie && a->tag == b->tag &&
	       a->prio == b->prio &&
	       !(a->flags & FW_VADF_STACK) &&
	       ((a->kind == FW_VAD_PRIVATE || a->kind == FW_VAD_RESERVED) ||
		b->page == a->page + (a->end - a->start));
}

/* Both parts have the section, so that its last reference is not dropped. */
static void vad_join(struct fw_mm *mm, struct fw_space *space,
		     struct fw_vad *low, struct fw_vad *high)
{
	fw_vpn end = high->end;

	mm_checkpoint(mm);
	vad_remove(mm, space, high);
	if (high->section)
		section_put(mm, high->section);
	FW_ADD(mm, space->mapped, end - low->end);
	FW_SET(mm, low->end, end);
	pool_free(mm, high, sizeof(*high));
	mm_checkpoint(mm);
}

struct fw_vad *vad_merge(struct fw_mm *mm, struct fw_space *space,
			 struct fw_vad *vad)
{
	struct fw_vad *prev = vad_prev(vad), *next = fw_vad_next(vad);

	if (next && vad_alike(vad, next))
		vad_join(mm, space, vad, next);
	if (prev && vad_alike(prev, vad)) {
		vad_join(mm, space, prev, vad);
		return prev;
	}
	return vad;
}

uint64_t vad_charge(const struct fw_vad *vad, uint64_t pages)
{
	if (vad->flags & FW_VADF_NORESERVE)
		return 0;
	if (vad->kind == FW_VAD_PRIVATE)
		return pages;
	if (vad->kind == FW_VAD_PRIVATE_VIEW &&
	    ((vad->prot | vad->max_prot) & FW_PROT_W))
		return pages;
	return 0;
}
