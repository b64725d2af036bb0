/* SPDX-License-Identifier: MIT */
/* spoil.c - what fw_verify looks at, spoilt in one way each, with all that it
 * is to say then. */
#include "spoil.h"

#include "mm/stripe.h"

static fw_pte *pte_in(struct fw_space *space, fw_addr at)
{
	return table_find(space, vpn_of(at));
}

static fw_pte *pte_at(fw_addr at)
{
	return pte_in(r.cpu->space, at);
}

static fw_pfn pfn_at(fw_addr at)
{
	return fw_pte_pfn(*pte_at(at));
}

static struct fw_frame *frame_of(fw_addr at)
{
	return mm->frames + pfn_at(at);
}

static struct fw_vad *region_of(fw_addr at)
{
	return vad_find(r.cpu->space, vpn_of(at));
}

/* ---- what is wrong ------------------------------------------------------- */

static fw_pte with_pfn(fw_pte pte, fw_pfn pfn)
{
	return pte - ((fw_pte)fw_pte_pfn(pte) << FW_PAGE_SHIFT) +
	       ((fw_pte)pfn << FW_PAGE_SHIFT);
}

static fw_pfn free_frame(void)
{
	fw_pfn pfn = mm->base;

	while (mm->frames[pfn].state != FRAME_ZEROED &&
	       mm->frames[pfn].state != FRAME_FREE)
		pfn++;
	return pfn;
}

/* An object in the RAM: in which frame it is. */
static struct fw_frame *frame_with(const void *p)
{
	return mm->frames +
	       (((uintptr_t)p - (uintptr_t)mm) >> FW_PAGE_SHIFT);
}

static void held(fw_pfn pfn)
{
	r.cpu->actor->held[0] = pfn;
	r.cpu->actor->n_held = 1;
}

/* -- slots -- */

static uint64_t *bitmap_word(unsigned slot_file, uint64_t slot)
{
	return &mm->pfile[slot_file].dir[0][0][slot / 64];
}

static void slot_lost(void)
{
	fw_pte pte = *pte_at(PAGED_OUT);

	*bitmap_word(pte_file(pte), pte_slot(pte)) &=
		~((uint64_t)1 << pte_slot(pte) % 64);
	mm->pfile[pte_file(pte)].used--;
}

static void slot_leaked(void)
{
	*bitmap_word(1, 1000) |= (uint64_t)1 << 1000 % 64;
	mm->pfile[1].used++;
}

static void slot_of_two(void)
{
	*pte_at(PAGED_OUT) = *pte_at(PAGED_OUT + PAGE);
}

static void slots_miscounted(void)
{
	mm->pfile[1].used++;
}

/* -- entries -- */

static void entry_beyond_ram(void)
{
	*pte_at(VALID) = with_pfn(*pte_at(VALID), mm->nframes);
}

static void entry_below_ram(void)
{
	*pte_at(MODIFIED) = with_pfn(*pte_at(MODIFIED), mm->base - 1);
}

static void entry_of_another(void)
{
	*pte_at(MODIFIED) = *pte_at(MODIFIED + PAGE);
}

static void entry_says_transition(void)
{
	*pte_at(VALID) = pte_make_transition(pfn_at(VALID), RW);
}

static void entry_says_valid(void)
{
	*pte_at(MODIFIED) = pte_make_valid(pfn_at(MODIFIED)) | PTE_U | PTE_A;
}

static void entry_writable_clean(void)
{
	*pte_at(VALID) &= ~PTE_D;
}

static void entry_says_prototype(void)
{
	*pte_at(VALID) |= PTE_PROTO;
}

static void entry_outside(void)
{
	*pte_at(BASE + 24 * PAGE) = pte_make_zero(RW);
}

static void entry_not_users(void)
{
	*pte_at(VALID) &= ~PTE_U;
}

static void entry_of_kernel(void)
{
	fw_pte *root = frame_data(mm, r.cpu->space->root);

	root[vpn_of(SYSTEM) >> table_shift(FW_LEVELS)] ^= (fw_pte)1 << 9;
}

static void table_no_table(void)
{
	frame_with(pte_at(VALID))->type = FRAME_USER;
}

static void table_of_nobody(void)
{
	mm_lock(mm, r.s->keeper);
	must(frame_take_core(mm, FRAME_TABLE) != FW_PFN_NONE, "a frame");
	mm_unlock(mm);
}

/* -- spaces and regions -- */

static void region_overlaps(void)
{
	struct fw_vad *vad = region_of(CLONE);

	vad->start -= 45;
	vad->end -= 45;
}

static void region_guards(void)
{
	region_of(VALID)->flags |= FW_VADF_GUARD;
}

static void regions_miscounted(void)
{
	r.cpu->space->n_vads++;
}

static void mapped_miscounted(void)
{
	r.cpu->space->mapped++;
}

static void charge_of_space(void)
{
	r.cpu->space->committed++;
}

static void charge_of_all(void)
{
	mm->committed++;
}

static void resident_miscounted(void)
{
	r.cpu->space->resident++;
}

static void tables_of_space(void)
{
	r.cpu->space->table_frames++;
}

static void spaces_miscounted(void)
{
	mm->n_spaces++;
}

static void minima_miscounted(void)
{
	mm->ws_kept++;
}

static void session_miscounted(void)
{
	r.cpu->space->session->users++;
}

static void pool_miscounted(void)
{
	mm->ppool.taken++;
}

static void actors_miscounted(void)
{
	mm->n_actors++;
}

/* -- sections and prototypes -- */

static void prototype_counts(void)
{
	section_proto(mm, shared, 0, false)->refs = 1;
}

static void watched_miscounted(void)
{
	mm->n_watched++;
}

static void references_miscounted(void)
{
	shared->refs = 1;
}

static void sections_miscounted(void)
{
	mm->n_sections++;
}

static void dirty_miscounted(void)
{
	file->dirty++;
}

static void clone_miscounted(void)
{
	((struct fw_proto *)frame_of(CLONE)->pte)->refs++;
}

static void slab_miscounted(void)
{
	frame_with(frame_of(CLONE)->pte)->owner++;
}

/* -- frames -- */

static void frame_points_elsewhere(void)
{
	frame_of(VALID)->pte = pte_at(VALID + PAGE);
}

static void frame_says_prototype(void)
{
	frame_of(VALID)->flags |= FRAME_PROTO;
}

static void prototype_says_not(void)
{
	frame_of(SHARED)->flags &= (uint8_t)~FRAME_PROTO;
}

static void frame_share(void)
{
	frame_of(VALID)->share++;
}

static void frame_reading(void)
{
	frame_of(VALID)->flags |= FRAME_READ;
}

static void frame_of_nobody(void)
{
	bool zero;

	mm_lock(mm, r.s->keeper);
	must(frame_take(mm, true, &zero) != FW_PFN_NONE, "a frame");
	mm_unlock(mm);
}

static void frame_deleted(void)
{
	frame_of(MODIFIED)->flags |= FRAME_DELETED;
}

static void frame_writing(void)
{
	frame_of(MODIFIED)->flags |= FRAME_WRITE;
}

static void standby_dirty(void)
{
	frame_of(STANDBY)->flags |= FRAME_DIRTY;
}

static void standby_nowhere(void)
{
	frame_of(STANDBY)->original = pte_make_zero(RW);
}

static void standby_to_retire(void)
{
	frame_of(STANDBY)->prio |= FRAME_RETIRE;
}

static void modified_clean(void)
{
	frame_of(MODIFIED)->flags &= (uint8_t)~FRAME_DIRTY;
}

static struct fw_frame *file_frame(unsigned page)
{
	return mm->frames +
	       fw_pte_pfn(section_proto(mm, file, page, false)->pte);
}

static void held_on_the_wrong_list(void)
{
	file_frame(2)->flags |= FRAME_HOLD;
}

static void let_go_on_the_wrong_list(void)
{
	file_frame(1)->flags &= (uint8_t)~FRAME_HOLD;
}

static void held_without_a_file(void)
{
	frame_of(VALID)->flags |= FRAME_HOLD;
}

static void frame_listed(void)
{
	frame_of(MODIFIED)->flags |= FRAME_LISTED;
}

static void free_but_held(void)
{
	held(free_frame());
}

static void bad_but_used(void)
{
	fw_pfn pfn = free_frame();

	must(fw_frame_retire(mm, r.s->keeper, pfn) == FW_OK, "bad");
	mm->frames[pfn].pte = pte_at(VALID);
}

static void states_miscounted(void)
{
	mm->count[FRAME_STANDBY]++;
}

static void pools_miscounted(void)
{
	mm->pool++;
}

static void tables_miscounted(void)
{
	mm->tables++;
}

/* -- lists and blocks -- */

static struct fw_list *standby_list(void)
{
	return &mm->standby[frame_prio(frame_of(STANDBY))];
}

static void list_back_link(void)
{
	mm->frames[standby_list()->tail].prev ^= 1;
}

static void list_count(void)
{
	standby_list()->count++;
}

static void list_tail(void)
{
	standby_list()->tail = standby_list()->head;
}

static void list_cut(void)
{
	mm->frames[standby_list()->head].next = FW_PFN_NONE;
}

static void list_mixed(void)
{
	mm->frames[mm->modified.head].original =
		mm->frames[mm->mapped.head].original;
}

static void block_bit(void)
{
	uint32_t b = mm->base / FW_BLOCK_PAGES;

	while (__builtin_popcount(mm->blocks[b].free) < 2)
		b++;
	must(b * FW_BLOCK_PAGES < mm->fresh, "a block with free frames");
	mm->blocks[b].free &= (uint16_t)(mm->blocks[b].free - 1);
}

static unsigned some_block_list(void)
{
	unsigned list = 0;

	while (mm->block_head[list] == FW_PFN_NONE)
		list++;
	return list;
}

static void block_list(void)
{
	mm->blocks[mm->block_head[some_block_list()]].list++;
}

static void block_lost(void)
{
	mm->block_head[some_block_list()] = FW_PFN_NONE;
}

/* -- stocks and lists of arrival -- */

static uint64_t some_stock(void)
{
	for (uint32_t i = 0; i < r.cpu->space->n_stripes; i++)
		for (unsigned k = 0; k < FW_STRIPE_BLOCKS; k++) {
			uint64_t stock = r.cpu->space->stripe[i].stock[k];

			if (stock_left(stock))
				return stock;
		}
	must(false, "a stock");
	return 0;
}

static fw_pfn stocked(void)
{
	uint64_t stock = some_stock();

	return stock_base(stock) + (fw_pfn)__builtin_ctz(stock_left(stock));
}

static void stock_of_used(void)
{
	mm->frames[stocked()].state = FRAME_FREE;
}

static void stock_held(void)
{
	held(stocked());
}

static void arrival_link(void)
{
	frame_of(VALID)->owner ^= 1;
}

static void arrival_elsewhere(void)
{
	frame_of(VALID)->pte = pte_in(child->space, SHARED);
}

static void arrival_tail(void)
{
	mm->frames[r.cpu->space->root].owner ^= 1;
}

/* ---- all in turn --------------------------------------------------------- */

const struct spoil spoil_always[] = {
	{slot_lost, "a slot that is named is free; slots owned"},
	{slot_leaked, "slots owned"},
	{slot_of_two, "sum of slots owned"},
	{slots_miscounted, "slots of a file"},
	{entry_beyond_ram, "a PTE names a frame that cannot be; active frame "
			   "is not named; share count of frame"},
	{entry_below_ram, "a PTE names a frame that cannot be; named and "
			  "deleted, or neither"},
	{entry_of_another, "frame does not point back; frame is named twice; "
			   "named and deleted, or neither"},
	{entry_says_transition, "resident pages of a space; share count of "
				"frame; transition names a frame in state"},
	{entry_says_valid, "mapped, but in state; resident pages of a space; "
			   "valid names a frame in state"},
	{entry_writable_clean, "writable but not dirty"},
	{entry_says_prototype, "active frame is not named; prototype bit, but "
			       "no prototype"},
	{entry_outside, "a PTE outside any region"},
	{entry_not_users, "user bit of a page"},
	{entry_of_kernel, "kernel half of a process"},
	{table_no_table, "active frame is not named; bad table frame; share "
			 "count of frame"},
	{table_of_nobody, "table belongs to no space; table frames"},
	{region_overlaps, "a PTE outside any region; regions out of order"},
	{region_guards, "a guard page is valid"},
	{regions_miscounted, "regions of a space"},
	{mapped_miscounted, "mapped pages of a space"},
	{charge_of_space, "charge of a space"},
	{charge_of_all, "pages charged"},
	{resident_miscounted, "resident pages of a space"},
	{tables_of_space, "tables of a space"},
	{spaces_miscounted, "spaces"},
	{minima_miscounted, "hard minima of spaces"},
	{session_miscounted, "processes in a session"},
	{pool_miscounted, "pages of the pageable pool in disorder"},
	{actors_miscounted, "actors"},
	{prototype_counts, "a section's prototype counts"},
	{references_miscounted, "references to a section"},
	{sections_miscounted, "sections"},
	{watched_miscounted, "sections watched"},
	{dirty_miscounted, "dirty pages of files"},
	{clone_miscounted, "references to a clone prototype"},
	{slab_miscounted, "prototypes in a slab"},
	{frame_points_elsewhere, "frame does not point back"},
	{frame_says_prototype, "frame has the wrong prototype flag"},
	{prototype_says_not, "frame has the wrong prototype flag; prototype "
			     "bit, but no prototype"},
	{frame_share, "share count of frame"},
	{frame_reading, "active frame has flags"},
	{frame_of_nobody, "nobody holds frame"},
	{frame_deleted, "named and deleted, or neither"},
	{frame_writing, "I/O flags do not fit"},
	{standby_dirty, "dirty on standby"},
	{standby_nowhere, "slots owned; standby without a home"},
	{standby_to_retire, "on standby, though to be retired"},
	{modified_clean, "modified, but clean"},
	{held_on_the_wrong_list, "held back, or not"},
	{let_go_on_the_wrong_list, "held back, or not"},
	{held_without_a_file, "held back, but not a file's"},
	{frame_listed, "frames on lists of arrival; listed, but in state"},
	{free_but_held, "free, but seen"},
	{bad_but_used, "bad, but in use"},
	{states_miscounted, "frames in a state"},
	{pools_miscounted, "pool frames"},
	{tables_miscounted, "table frames"},
	{list_back_link, "bad frame on a list"},
	{list_count, "frames on a list"},
	{list_tail, "tail of a list"},
	{list_cut, "frames on a list; not on its list; tail of a list"},
	{list_mixed, "bad frame on a list; dirty pages of files"},
	{block_bit, "block bits of frame"},
	{block_list, "block on a wrong list"},
	{block_lost, "blocks on lists"},
};

const struct spoil spoil_stripes[] = {
	{stock_of_used, "bad frame in a stock"},
	{stock_held, "frame in a stock is seen"},
};

const struct spoil spoil_order[] = {
	{arrival_link, "bad frame on a list of arrival; frames on lists of "
		       "arrival"},
	{arrival_elsewhere, "frame does not point back; listed frame of "
			    "another space"},
	{arrival_tail, "tail of a list of arrival"},
};

#define LENGTH(list) (sizeof(list) / sizeof(*(list)))
const unsigned n_always = LENGTH(spoil_always);
const unsigned n_stripes = LENGTH(spoil_stripes);
const unsigned n_order = LENGTH(spoil_order);
