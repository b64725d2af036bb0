/* SPDX-License-Identifier: MIT */
/*
 * page.c - what happens to one page of a space, whatever form its PTE has.
 */
#include <mm/mm.h>

fw_pte page_pte(const struct fw_vad *vad, fw_pfn pfn, bool proto, bool dirty)
{
	fw_pte pte = pte_make_valid(pfn) | PTE_U | PTE_A;

	if (vad->flags & FW_VADF_KERNEL)
		pte &= ~PTE_U;
	if (!(vad->prot & FW_PROT_X))
		pte |= PTE_NX;
	if (proto)
		pte |= PTE_PROTO;
	if (dirty)
		pte |= PTE_D;
	if (!(vad->prot & FW_PROT_W))
		return pte;
	if (proto && vad->kind != FW_VAD_SECTION)
		return pte | PTE_COW;
	return pte | PTE_SWW | (dirty ? PTE_W : 0);
}

fw_pte *page_locate(struct fw_mm *mm, const struct fw_vad *vad, fw_vpn vpn,
		    fw_pte *pte, bool *ret_proto)
{
	struct fw_proto *proto;
	uint64_t page;

	*ret_proto = false;
	if (pte_is_valid(*pte))
		return NULL;
	if (pte_is_pointer(*pte)) {
		*ret_proto = true;
		return &pte_pointer(mm, *pte)->pte;
	}
	if (!pte_asks_region(*pte) || !vad->section)
		return pte;
	page = vad->page + (vpn - vad->start);
	if (page >= vad->section->pages)
		return NULL;
	*ret_proto = true;
	proto = section_proto(mm, vad->section, page, false);
	return proto ? &proto->pte : NULL;
}

/* Whether a touch of the page would find its content in a frame. */
static bool page_is_resident(struct fw_mm *mm, struct fw_space *space,
			     const struct fw_vad *vad, fw_vpn vpn)
{
	fw_pte none = 0, *pte = table_find(space, vpn), *loc;
	bool proto;

	if (pte && pte_is_valid(*pte))
		return true;
	loc = page_locate(mm, vad, vpn, pte ? pte : &none, &proto);
	if (!loc)
		return false;
	if (!pte_is_transition(*loc))
		return pte_is_valid(*loc);
	return !(frame_at(mm, fw_pte_pfn(*loc))->flags & FRAME_READ);
}

void fw_resident(struct fw_mm *mm, struct fw_actor *actor,
		 struct fw_space *space, fw_addr start, uint64_t n,
		 uint8_t *ret)
{
	fw_vpn vpn = vpn_of(start);
	struct fw_vad *vad = NULL;

	fw_space_lock(space, actor);
	mm_lock(mm, actor);
	for (uint64_t i = 0; i < n; i++, vpn++) {
		if (i % 64 == 63)
			mm_breathe(mm, actor);
		if (!vad || vpn >= vad->end)
			vad = vad_above(space, vpn);
		ret[i] = vad && vpn >= vad->start &&
			 page_is_resident(mm, space, vad, vpn);
	}
	mm_unlock(mm);
	fw_space_unlock(space);
}

void space_resident(struct fw_mm *mm, struct fw_space *space, int64_t delta)
{
	if (delta == 0)
		return;
	FW_SET(mm, space->resident, space->resident + (uint64_t)delta);
	if (space->resident > space->peak)
		space->peak = space->resident;
}

void proto_clear(struct fw_mm *mm, struct fw_proto *p)
{
	fw_pte v = p->pte;

	FW_ASSERT(!pte_is_valid(v));
	if (pte_is_transition(v))
		frame_discard(mm, frame_at(mm, fw_pte_pfn(v)));
	else if (pte_has_slot(v))
		slot_free(mm, pte_file(v), pte_slot(v));
	FW_SET(mm, p->pte, 0);
}

void proto_unref(struct fw_mm *mm, struct fw_proto *p)
{
	FW_ASSERT(p->refs > 0);
	if (p->refs > 1) {
		FW_SUB(mm, p->refs, 1);
		return;
	}
	proto_clear(mm, p);
	FW_SET(mm, p->refs, 0);
	pool_free(mm, p, POOL_PROTO);
}

/* A valid PTE goes away. */
static void page_drop_valid(struct fw_mm *mm, fw_pte v)
{
	struct fw_frame *f = frame_at(mm, fw_pte_pfn(v));
	struct fw_proto *p;

	FW_ASSERT(f->state == FRAME_ACTIVE && f->type == FRAME_USER);
	if (!(v & PTE_PROTO)) {
		frame_discard(mm, f);
		return;
	}
	p = (struct fw_proto *)f->pte;
	if (p->refs == 1 && f->share == 1) {
		/* Nobody else: spare the way over a list. */
		frame_discard(mm, f);
		FW_SET(mm, p->pte, 0);
		FW_SET(mm, p->refs, 0);
		pool_free(mm, p, POOL_PROTO);
		return;
	}
	frame_unshare(mm, f, (v & PTE_D) != 0, pte_prot(f->original));
	if (p->refs > 0)
		proto_unref(mm, p);
}

unsigned page_drop(struct fw_mm *mm, fw_pte *pte)
{
	fw_pte v = *pte;

	if (v == 0)
		return 0;
	FW_SET(mm, *pte, 0);
	if (pte_is_valid(v))
		page_drop_valid(mm, v);
	else if (pte_is_pointer(v))
		proto_unref(mm, pte_pointer(mm, v));
	else if (pte_is_transition(v))
		frame_discard(mm, frame_at(mm, fw_pte_pfn(v)));
	else if (pte_has_slot(v))
		slot_free(mm, pte_file(v), pte_slot(v));
	return pte_is_valid(v);
}

void page_evict(struct fw_mm *mm, struct fw_vad *vad, fw_pte *pte)
{
	fw_pte v = *pte;
	struct fw_frame *f = frame_at(mm, fw_pte_pfn(v));
	struct fw_proto *p;

	FW_ASSERT(pte_is_valid(v));
	if (!(v & PTE_PROTO)) {
		if (f->flags & FRAME_HOST) {
			FW_SET(mm, *pte, 0);
			frame_discard(mm, f);
			return;
		}
		if (!(v & PTE_D) && pte_has_slot(f->original))
			ahead_note_use(vad, false);
		frame_unshare(mm, f, (v & PTE_D) != 0, vad->prot);
		return;
	}
	p = (struct fw_proto *)f->pte;
	FW_SET(mm, *pte, p->refs > 0 ? pte_make_pointer(mm, p) : 0);
	frame_unshare(mm, f, (v & PTE_D) != 0, pte_prot(f->original));
}
