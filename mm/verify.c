/* SPDX-License-Identifier: MIT */
/*
 * verify.c - fw_verify: recounts everything from the page tables and the
 * prototypes, and compares it with what frame records, lists, bitmaps and
 * counters claim. Here is what is seen on the way there, in verify_frames.c
 * what it is compared with, frame by frame.
 *
 * One scratch word a frame collects what was seen of it. Slots are compared
 * by number and by a sum of hashes of their names, so that no second bitmap
 * is needed: a slot with two owners, or none, changes the sum.
 */
#include <mm/stripe.h>
#include <mm/verify.h>

#define REPORT_MAX 32

void complain(struct verify *v, const char *what, uint64_t a, uint64_t b)
{
	char line[160] = "", *end = line + sizeof(line) - 1, *to = line;

	if (v->errors++ >= REPORT_MAX || !v->report)
		return;
	to = fw_put_text(to, end, what);
	to = fw_put_text(to, end, ": ");
	to = fw_put_number(to, end, a);
	to = fw_put_text(to, end, ", ");
	to = fw_put_number(to, end, b);
	*to = 0;
	v->report(v->arg, line);
}

void expect(struct verify *v, const char *what, uint64_t is,
	    uint64_t should)
{
	if (is != should)
		complain(v, what, is, should);
}

/* ---- what a PTE or prototype says ---------------------------------------- */

static uint64_t slot_hash(unsigned file, uint64_t slot)
{
	uint64_t h = (slot << 4 | file) * 0x9e3779b97f4a7c15u;
	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
}

static void slot_owned(void *arg, unsigned file, uint64_t slot)
{
	struct verify *v = arg;

	if (!slot_is_used(v->mm, file, slot))
		complain(v, "a slot that is named is free", file, slot);
	v->slots++;
	v->slot_sum += slot_hash(file, slot);
}

void slot_seen(struct verify *v, fw_pte pte)
{
	if (pte_has_slot(pte))
		slot_owned(v, pte_file(pte), pte_slot(pte));
}

static struct fw_frame *frame_named(struct verify *v, fw_pte pte)
{
	fw_pfn pfn = fw_pte_pfn(pte);

	if (pfn < v->mm->base || pfn >= v->mm->fresh) {
		complain(v, "a PTE names a frame that cannot be", pfn, pte);
		return NULL;
	}
	return frame_at(v->mm, pfn);
}

/* A frame whose record must point back at `loc`. */
static void content_named(struct verify *v, fw_pte *loc, bool proto)
{
	struct fw_frame *f = frame_named(v, *loc);
	fw_pfn pfn;

	if (!f)
		return;
	pfn = frame_pfn(v->mm, f);
	if (f->pte != loc)
		complain(v, "frame does not point back", pfn, *loc);
	if (((f->flags & FRAME_PROTO) != 0) != proto)
		complain(v, "frame has the wrong prototype flag", pfn, *loc);
	if (v->mm->scratch[pfn] & SEEN_NAMED)
		complain(v, "frame is named twice", pfn, *loc);
	v->mm->scratch[pfn] |= SEEN_NAMED;
	if (pte_is_transition(*loc) && f->state != FRAME_STANDBY &&
	    f->state != FRAME_MODIFIED && f->state != FRAME_TRANSITION &&
	    f->state != FRAME_MODIFIED_NO_WRITE)
		complain(v, "transition names a frame in state", pfn,
			 f->state);
	if (pte_is_valid(*loc) && f->state != FRAME_ACTIVE)
		complain(v, "valid names a frame in state", pfn, f->state);
}

static void proto_content(struct verify *v, struct fw_proto *p)
{
	if (pte_is_valid(p->pte) || pte_is_transition(p->pte))
		content_named(v, &p->pte, true);
	else if (pte_is_soft(p->pte))
		slot_seen(v, p->pte);
}

static void pte_valid(struct verify *v, fw_pte *pte)
{
	struct fw_frame *f = frame_named(v, *pte);
	struct fw_proto *p;

	v->resident++;
	if (!f)
		return;
	if ((*pte & PTE_W) && !(*pte & PTE_D))
		complain(v, "writable but not dirty", frame_pfn(v->mm, f),
			 *pte);
	v->mm->scratch[frame_pfn(v->mm, f)]++;
	if (!(*pte & PTE_PROTO)) {
		content_named(v, pte, false);
		return;
	}
	if (!(f->flags & FRAME_PROTO) || !f->pte) {
		complain(v, "prototype bit, but no prototype",
			 frame_pfn(v->mm, f), *pte);
		return;
	}
	p = (struct fw_proto *)f->pte;
	if (p->refs > 0)
		p->seen++;
}

static void pte_visit(struct verify *v, fw_vpn vpn, fw_pte *pte)
{
	if (!v->vad || vpn >= v->vad->end || vpn < v->vad->start)
		v->vad = vad_above(v->space, vpn);
	if (!v->vad || vpn < v->vad->start)
		complain(v, "a PTE outside any region", vpn, *pte);
	else if (pte_is_valid(*pte) && ((*pte & PTE_U) == 0) !=
		 (v->space->kind != FW_SPACE_PROCESS))
		complain(v, "user bit of a page", vpn, *pte);
	else if (pte_is_valid(*pte) && (v->vad->flags & FW_VADF_GUARD) &&
		 (!(v->vad->flags & FW_VADF_STACK) ||
		  vpn < v->vad->stack_low))
		complain(v, "a guard page is valid", vpn, *pte);
	if (pte_is_valid(*pte))
		pte_valid(v, pte);
	else if (pte_is_pointer(*pte))
		pte_pointer(v->mm, *pte)->seen++;
	else if (pte_is_transition(*pte))
		content_named(v, pte, false);
	else
		slot_seen(v, *pte);
}

/* ---- spaces -------------------------------------------------------------- */

/* An entry of a process's root that names a table of the kernel half; but for
 * the accessed bit, which some emulators set even in those of PAE. */
static void root_shared(struct verify *v, fw_pte entry, unsigned index)
{
	const struct fw_space *owner = root_owner(v->space, index);
	const fw_pte *root = frame_data(v->mm, owner->root);

	expect(v, "kernel half of a process", entry & ~PTE_A,
	       root[index] & ~PTE_A);
}

/* Nobody's that the core knows: the port's own kernel. */
static bool root_is_port(const struct fw_space *space, fw_vpn vpn)
{
	return space->kind == FW_SPACE_PROCESS && vpn >= space->user_top;
}

static void table_visit(struct verify *v, fw_pfn table, unsigned level,
			fw_vpn base)
{
	fw_pte *e = frame_data(v->mm, table);
	struct fw_frame *f = frame_at(v->mm, table);
	unsigned i;

	v->tables++;
	if (f->state != FRAME_ACTIVE || f->type != FRAME_TABLE ||
	    (v->mm->scratch[table] & SEEN_TABLE))
		complain(v, "bad table frame", table, level);
	v->mm->scratch[table] |= SEEN_TABLE;
	for (i = 0; i < FW_TABLE_ENTRIES; i++) {
		fw_vpn vpn = base + ((fw_vpn)i << table_shift(level));

		if (level == FW_LEVELS && root_owner(v->space, i)) {
			root_shared(v, e[i], i);
			continue;
		}
		if (e[i] == 0 ||
		    (level == FW_LEVELS && root_is_port(v->space, vpn)))
			continue;
		if (level == 1)
			pte_visit(v, vpn, &e[i]);
		else
			table_visit(v, fw_pte_pfn(e[i]), level - 1, vpn);
	}
}

static void section_named(struct fw_section *s)
{
	if (s)
		s->seen++;
}

static void space_regions(struct verify *v)
{
	struct fw_vad *vad = vad_above(v->space, 0);
	uint64_t n = 0, mapped = 0, charge = 0;
	fw_vpn last = 0;

	for (; vad; vad = fw_vad_next(vad)) {
		if (vad->start < last || vad->end <= vad->start)
			complain(v, "regions out of order", vad->start, last);
		last = vad->end;
		n++;
		mapped += vad->end - vad->start;
		charge += vad_charge(vad, vad->end - vad->start);
		section_named(vad->section);
	}
	expect(v, "regions of a space", v->space->n_vads, n);
	expect(v, "mapped pages of a space", v->space->mapped, mapped);
	expect(v, "charge of a space", v->space->committed, charge);
	v->committed += charge;
}

/* Does the PTE stand in a table of the space? */
static bool pte_in_space(const struct fw_space *space, const fw_pte *pte)
{
	const struct fw_mm *mm = space->mm;
	fw_pfn pfn = FW_PFN_NONE;

	while (pte) {
		pfn = (fw_pfn)(((uintptr_t)pte - (uintptr_t)mm) / FW_PAGE_SIZE);
		pte = frame_at((struct fw_mm *)mm, pfn)->pte;
	}
	return pfn == space->root;
}

/* The list of arrival: each frame on it is a private page of this space. */
static void listed_visit(struct verify *v)
{
	struct fw_mm *mm = v->mm;
	fw_pfn root = v->space->root, prev = root, pfn;

	if (frame_at(mm, root)->owner == 0)
		return;
	for (pfn = frame_at(mm, root)->next; pfn != root;
	     pfn = frame_at(mm, pfn)->next) {
		struct fw_frame *f = frame_at(mm, pfn);

		if (!(f->flags & FRAME_LISTED) || f->owner != prev ||
		    v->listed++ > mm->nframes) {
			complain(v, "bad frame on a list of arrival", pfn,
				 f->flags);
			return;
		}
		if (!pte_in_space(v->space, f->pte))
			complain(v, "listed frame of another space", pfn, 0);
		prev = pfn;
	}
	expect(v, "tail of a list of arrival", frame_at(mm, root)->owner,
	       prev);
}

/* How many processes are in a session; what is taken of the pool. */
static void kernel_visit(struct verify *v)
{
	const struct fw_space *s, *p;
	uint64_t users, errors;

	for (s = v->mm->spaces; s; s = s->next) {
		users = 0;
		for (p = v->mm->spaces; p; p = p->next)
			users += p->session == s;
		expect(v, "processes in a session", s->users, users);
	}
	v->committed += ppool_count(v->mm, &errors);
	expect(v, "pages of the pageable pool in disorder", errors, 0);
}

static void stock_visit(struct verify *v, uint64_t stock)
{
	unsigned i;

	for (i = 0; i < FW_BLOCK_PAGES; i++) {
		fw_pfn pfn = stock_base(stock) + i;

		if (!(stock_left(stock) >> i & 1))
			continue;
		if (frame_at(v->mm, pfn)->state != FRAME_ZEROED ||
		    (v->mm->scratch[pfn] & SEEN_STOCK))
			complain(v, "bad frame in a stock", pfn, stock);
		v->mm->scratch[pfn] |= SEEN_STOCK;
	}
}

static void stocks_visit(struct verify *v)
{
	uint32_t i, k;

	for (i = 0; i < v->space->n_stripes; i++)
		for (k = 0; k < FW_STRIPE_BLOCKS; k++)
			stock_visit(v, v->space->stripe[i].stock[k]);
}

static void spaces_visit(struct verify *v)
{
	struct fw_space *s;
	uint64_t n = 0, kept = 0;

	for (s = v->mm->spaces; s; s = s->next) {
		v->space = s;
		v->vad = NULL;
		v->resident = v->tables = 0;
		space_regions(v);
		table_visit(v, s->root, FW_LEVELS, 0);
		listed_visit(v);
		expect(v, "resident pages of a space", fw_space_resident(s),
		       v->resident);
		stocks_visit(v);
		expect(v, "tables of a space", s->table_frames, v->tables);
		if (s->ws_flags & FW_WS_MIN_HARD)
			kept += s->ws_min;
		n++;
	}
	expect(v, "spaces", v->mm->n_spaces, n);
	expect(v, "hard minima of spaces", v->mm->ws_kept, kept);
}

/* ---- prototypes ---------------------------------------------------------- */

static void dir_visit(struct verify *v, const struct fw_section *s, void *dir,
		      uint32_t depth)
{
	struct fw_proto *chunk = dir;
	unsigned i;

	if (!dir)
		return;
	for (i = 0; depth > 0 && i < 512; i++)
		dir_visit(v, s, ((void **)dir)[i], depth - 1);
	for (i = 0; depth == 0 && i < PROTO_CHUNK; i++) {
		if (chunk[i].refs != 0)
			complain(v, "a section's prototype counts", i,
				 chunk[i].refs);
		proto_content(v, &chunk[i]);
	}
}

static void sections_visit(struct verify *v)
{
	struct fw_section *s;
	uint64_t n = 0, watched = 0;

	for (s = v->mm->sections; s; s = s->next, n++) {
		dir_visit(v, s, s->dir, s->depth);
		v->committed += s->is_file || !s->refs ? 0 : s->pages;
		v->section_dirty += s->dirty;
		watched += s->watched;
	}
	expect(v, "sections watched", v->mm->n_watched, watched);
	expect(v, "sections", v->mm->n_sections, n);
}

/* References to sections: reset (check false) or check. Those of the port are
 * not known here. */
static void references_visit(struct verify *v, bool check)
{
	struct fw_section *s;

	for (s = v->mm->sections; s; s = s->next) {
		if (check && s->seen > s->refs)
			complain(v, "references to a section", s->seen,
				 s->refs);
		s->seen = 0;
	}
}

/* Calls for each carved prototype: reset (check false) or check. */
static void clones_visit(struct verify *v, bool check)
{
	struct fw_mm *mm = v->mm;
	fw_pfn pfn;

	for (pfn = mm->base; pfn < mm->fresh; pfn++) {
		struct fw_frame *f = frame_at(mm, pfn);
		struct fw_proto *p = frame_data(mm, pfn), *end;
		uint64_t live = 0;

		if (f->state != FRAME_ACTIVE || f->type != FRAME_POOL ||
		    frame_prio(f) != 0)
			continue;
		end = p + f->original / sizeof(*p);
		for (; p < end; p++) {
			if (!check) {
				p->seen = 0;
				continue;
			}
			if (p->refs == 0 && p->seen == 0)
				continue;
			live++;
			expect(v, "references to a clone prototype", p->refs,
			       p->seen);
			proto_content(v, p);
		}
		if (check)
			expect(v, "prototypes in a slab", f->owner, live);
	}
}

/* ---- actors -------------------------------------------------------------- */

static void actors_visit(struct verify *v)
{
	uint64_t n = 0;
	uint32_t i, k;

	for (i = 0; i < v->mm->actor_top; i++) {
		const struct fw_actor *a = v->mm->actor[i];

		if (!a)
			continue;
		n++;
		section_named(a->held_section);
		section_named(a->own_section);
		for (k = 0; k < a->n_held + a->n_log; k++)
			v->mm->scratch[k < a->n_held ? a->held[k] :
					       a->log[k - a->n_held]] |=
				SEEN_HELD;
	}
	expect(v, "actors", v->mm->n_actors, n);
}

/* ---- slots --------------------------------------------------------------- */

static void slots_visit(struct verify *v)
{
	uint64_t used = 0, sum = 0, s;
	unsigned i;

	for (i = 0; i < FW_MAX_PAGE_FILES; i++) {
		const struct fw_pfile *pf = &v->mm->pfile[i];
		uint64_t top = pf->slots < pf->limit ? pf->slots : pf->limit;
		uint64_t n = 0;

		for (s = 1; s < top; s++) {
			if (s % 64 == 0 && slot_word_empty(v->mm, i, s))
				s += 63;
			if (!slot_is_used(v->mm, i, s) || s >= top)
				continue;
			n++;
			sum += slot_hash(i, s);
		}
		expect(v, "slots of a file", pf->used, n);
		expect(v, "usable ones", pf->usable, top - (top > 0));
		used += n;
	}
	expect(v, "slots owned", v->slots, used);
	if (v->slots == used)
		expect(v, "sum of slots owned", v->slot_sum, sum);
}

/* Ends what actors who died under a stripe's lock left half done. */
static void spaces_settle(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_space *s;

	for (s = mm->spaces; s && mm->stripes > 1; s = s->next) {
		fw_space_lock(s, actor);
		fw_space_unlock(s);
	}
}

unsigned fw_verify(struct fw_mm *mm, struct fw_actor *actor,
		   void (*report)(void *arg, const char *line), void *arg)
{
	struct verify v;

	fw_memzero(&v, sizeof(v));
	v.mm = mm;
	v.report = report;
	v.arg = arg;
	spaces_settle(mm, actor);
	mm_lock(mm, actor);
	fw_memzero(mm->scratch + mm->base,
		   (size_t)(mm->fresh - mm->base) * sizeof(*mm->scratch));
	clones_visit(&v, false);
	references_visit(&v, false);
	spaces_visit(&v);
	kernel_visit(&v);
	sections_visit(&v);
	clones_visit(&v, true);
	actors_visit(&v);
	references_visit(&v, true);
	expect(&v, "compressed", cstore_audit(mm, slot_owned, &v), 0);
	verify_frames(&v);
	slots_visit(&v);
	expect(&v, "dirty pages of files", v.section_dirty, v.dirty);
	expect(&v, "pages charged", mm->committed, v.committed);
	mm_unlock(mm);
	return v.errors;
}
