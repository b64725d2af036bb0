/* SPDX-License-Identifier: MIT */
/*
 * hostmap.c - the host's mappings of the user half, used as a TLB.
 *
 * A page may be mapped only while its PTE is valid, with no more rights than
 * the PTE gives; bits 52 and 53 of the PTE say what is mapped. Everything
 * here runs under the space lock. Losing a mapping is harmless, so when the
 * host has no mapping left (vm.max_map_count) part of them is dropped.
 *
 * The host's price is by call, not by page: runs of pages whose frames are
 * consecutive are mapped by one.
 */
#include "arch/host/kernel/trap.h"

#define PTES 512u
#define POPULATE_MIN 3 /* pages; see map_frames() */
#define USER_PAGES (FW_USER_TOP >> FW_PAGE_SHIFT)
/* How often room for a mapping is made: so that nothing announced goes; at
 * all. */
#define SPARE_TRIES 2
#define ROOM_TRIES 4

static unsigned pte_prot(fw_pte pte)
{
	unsigned prot = HOST_PROT_READ;

	if (pte & FW_PTE_WRITE)
		prot |= HOST_PROT_WRITE;
	if (!(pte & FW_PTE_NX))
		prot |= HOST_PROT_EXEC;
	return prot;
}

static fw_pte cached_bits(unsigned prot)
{
	return prot & HOST_PROT_WRITE ? FW_PTE_CACHED | FW_PTE_CACHED_W
				      : FW_PTE_CACHED;
}

/* True when the cache already holds all that the PTE allows. */
static bool is_cached(fw_pte pte)
{
	fw_pte want = cached_bits(pte_prot(pte));

	return (pte & want) == want;
}

/* As buffers of system calls mostly are. */
static bool all_cached(const fw_pte *pte, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (pte[i] & FW_PTE_VALID && !is_cached(pte[i]))
			return false;
	return true;
}

/* ---- room for mappings ------------------------------------------------- */

static fw_pte *next_level(struct fw_mm *mm, fw_pte entry)
{
	return fw_frame_data(mm, fw_pte_pfn(entry));
}

/*
 * Calls visit for each page table that holds PTEs of [from, to), skipping
 * what is absent at every level. Stops when visit returns false.
 */
typedef bool table_fn(void *arg, fw_vpn first, fw_pte *table);
static bool each_table(struct fw_space *space, fw_vpn from, fw_vpn to,
		       table_fn *visit, void *arg)
{
	struct fw_mm *mm = space->mm;
	fw_vpn vpn = from & ~(fw_vpn)(PTES - 1);

	while (vpn < to) {
		fw_pte *table = fw_frame_data(mm, space->root);
		unsigned shift;

		for (shift = 27; shift; shift -= 9) {
			fw_pte entry = table[vpn >> shift & (PTES - 1)];

			if (!(entry & FW_PTE_VALID))
				break;
			table = next_level(mm, entry);
		}
		if (!shift && !visit(arg, vpn, table))
			return false;
		if (!shift)
			shift = 9;
		vpn = ((vpn >> shift) + 1) << shift;
	}
	return true;
}

struct cached {
	fw_vpn from, to;
	bool any;
};

static bool forget_visit(void *arg, fw_vpn first, fw_pte *table)
{
	struct cached *c = arg;

	for (unsigned i = 0; i < PTES; i++) {
		if (!(table[i] & FW_PTE_CACHED) || first + i < c->from ||
		    first + i >= c->to)
			continue;
		c->any = true;
		table[i] &= ~(FW_PTE_CACHED | FW_PTE_CACHED_W);
	}
	return true;
}

/* Clears the cached bits of [from, to); whether there was any. */
static bool forget(struct fw_space *space, fw_vpn from, fw_vpn to)
{
	struct cached c = { from, to, false };

	each_table(space, from, to, forget_visit, &c);
	return c.any;
}

static bool drop(struct kthread *t, fw_vpn from, fw_vpn to)
{
	if (HC2(__NR_munmap, from << FW_PAGE_SHIFT,
		(to - from) << FW_PAGE_SHIFT))
		return false;
	forget(t->p->space, from, to);
	return true;
}

/* Drops what lies between announced pages: a call of the host that found its
 * buffer unmapped would fail, and what it had for it would be lost. False:
 * some of it is still there. */
static bool drop_spare(struct kthread *t, fw_vpn from, fw_vpn to)
{
	struct fw_space *space = t->p->space;
	bool done = true;

	while (from < to) {
		fw_vpn start = to, end = to;

		if (!fw_announced_next(space->mm, space, from, &start, &end) ||
		    start > to)
			start = end = to;
		if (from < start && !drop(t, from, start))
			done = false;
		from = end;
	}
	return done;
}

void hostmap_drop_spare(struct kthread *t)
{
	drop_spare(t, 0, USER_PAGES);
	t->p->host_maps = 0;
}

static void drop_all(struct kthread *t)
{
	drop(t, 0, USER_PAGES);
	t->p->host_maps = 0;
}

/*
 * Drops the mappings of 64 MiB around the clock hand's place, then more: a
 * range whose ends cut no mapping in two can be unmapped even at the limit.
 * `tries` counts the calls of one need; should all be announced that is
 * mapped, that goes too. False: nothing is left.
 */
static bool make_room(struct kthread *t, unsigned tries)
{
	fw_vpn at = t->p->space->trim_hand & ~(fw_vpn)0x3fff;

	if (tries >= SPARE_TRIES) {
		drop_all(t);
		return tries < ROOM_TRIES;
	}
	for (uint64_t pages = 0x4000; pages < 0x40000000; pages <<= 2) {
		fw_vpn from = at > pages ? at - pages : 0;
		fw_vpn to = at + pages;

		if (to > USER_PAGES)
			break;
		if (drop_spare(t, from, to)) {
			if (t->p->host_maps > 60000)
				break;
			return true;
		}
	}
	hostmap_drop_spare(t);
	return true;
}

/* ---- filling ------------------------------------------------------------ */

/*
 * The host fills its own page table here and now (MAP_POPULATE) for several
 * pages; for one or two it is left to their first access, whose exception
 * costs the host less (1 us) than looking for the pages does (2 us).
 */
static long map_frames(struct kthread *t, fw_vpn vpn, unsigned n, fw_pfn pfn,
		       unsigned prot)
{
	unsigned flags = HOST_MAP_SHARED | HOST_MAP_FIXED;

	if (n >= POPULATE_MIN)
		flags |= HOST_MAP_POPULATE;
	return HC6(__NR_mmap, vpn << FW_PAGE_SHIFT,
		   (uint64_t)n << FW_PAGE_SHIFT, prot, flags,
		   run_fd(t->p->run, FW_FD_RAM),
		   (uint64_t)pfn << FW_PAGE_SHIFT);
}

static long map_view(const struct fw_vad *vad, fw_vpn vpn, unsigned n)
{
	uint64_t page = vad->page + (vpn - vad->start);

	return window_clone(vad->cookie + (page << FW_PAGE_SHIFT),
			    (uint64_t)n << FW_PAGE_SHIFT, vpn << FW_PAGE_SHIFT,
			    vad->prot);
}

/* Pages from i on that one call can map: their frames are consecutive (in a
 * host view any will do) and their rights the same. */
static unsigned run_length(const fw_pte *pte, unsigned i, unsigned n, bool view)
{
	unsigned prot = pte_prot(pte[i]), last = i + 1, j;

	for (j = i + 1; j < n && pte[j] & FW_PTE_VALID; j++) {
		if (view)
			last = j + 1;
		else if (pte_prot(pte[j]) != prot ||
			 fw_pte_pfn(pte[j]) != fw_pte_pfn(pte[i]) + j - i)
			break;
		if (!is_cached(pte[j]))
			last = j + 1;
	}
	return last - i;
}

/* Maps n pages from vpn on; on success, and only then, sets their bits. */
static void fill_run(struct kthread *t, fw_vpn vpn, fw_pte *pte, unsigned n,
		     const struct fw_vad *view)
{
	unsigned prot = view ? view->prot : pte_prot(*pte);
	fw_pte bits = cached_bits(prot);
	unsigned tries = 0;
	long r;

	do {
		for (unsigned i = 0; i < n; i++)
			pte[i] |= bits;
		r = view ? map_view(view, vpn, n)
			 : map_frames(t, vpn, n, fw_pte_pfn(*pte), prot);
	} while (r == -ENOMEM && make_room(t, tries++));
	if (K_IS_ERR(r))
		fwp_panic("the host refuses a mapping", __FILE__, (int)-r);
	t->p->host_maps++;
}

static void fill_table(struct kthread *t, fw_vpn vpn, fw_pte *pte, unsigned n,
		       const struct fw_vad *vad)
{
	bool view = vad && vad->kind == FW_VAD_HOST;

	for (unsigned i = 0; i < n;) {
		unsigned run = 1;

		if (pte[i] & FW_PTE_VALID && !is_cached(pte[i])) {
			run = run_length(pte, i, n, view);
			fill_run(t, vpn + i, pte + i, run, view ? vad : NULL);
		}
		i += run;
	}
}

/* The pages of [vpn, vpn + n) that lie in this table, up to a region's end. */
static unsigned fill_part(struct fw_space *space, fw_vpn vpn, unsigned n,
			  fw_pte *pte)
{
	const struct fw_vad *vad =
		fw_vad_at_or_above(space, vpn << FW_PAGE_SHIFT);

	if (vad && vad->start <= vpn && vad->end < vpn + n)
		n = (unsigned)(vad->end - vpn);
	fill_table(k_self(), vpn, pte, n, vad);
	return n;
}

void fwp_tlb_fill(struct fw_space *space, fw_vpn vpn, unsigned n)
{
	while (n) {
		fw_pte *table = fw_pte_table_locked(space, vpn);
		unsigned in = (unsigned)(vpn & (PTES - 1));
		unsigned m = n < PTES - in ? n : PTES - in;

		if (table && !all_cached(table + in, m))
			m = fill_part(space, vpn, m, table + in);
		vpn += m;
		n -= m;
	}
}

/* ---- flushing ----------------------------------------------------------- */

static void unmap_pages(struct kthread *t, fw_vpn vpn, uint64_t n)
{
	unsigned tries = 0;

	while (HC2(__NR_munmap, vpn << FW_PAGE_SHIFT, n << FW_PAGE_SHIFT) ==
	       -ENOMEM)
		make_room(t, tries++);
	if (t->p->host_maps > 0)
		t->p->host_maps--;
}

/* What is mapped gets other rights where it is: it is there all the time.
 * False: the host could not, and it is mapped no more. */
static bool change_rights(struct kthread *t, fw_vpn vpn, unsigned n,
			  unsigned prot)
{
	unsigned tries = 0;
	long r;

	do
		r = HC3(__NR_mprotect, vpn << FW_PAGE_SHIFT,
			(uint64_t)n << FW_PAGE_SHIFT, prot);
	while (r == -ENOMEM && tries < SPARE_TRIES && make_room(t, tries++));
	if (r)
		unmap_pages(t, vpn, n);
	return !r;
}

struct flush {
	struct kthread *t;
	fw_vpn from, to;
	fw_pte which; /* pages that are cached so */
	const struct fw_vad *view; /* of the host's pages */
	unsigned taken; /* rights */
};

static unsigned rights_of(const struct flush *f, fw_pte pte)
{
	return (f->view ? f->view->prot : pte_prot(pte)) & ~f->taken;
}

/* Run by run, the pages of one table get the rights that they are to have. */
static bool rights_visit(void *arg, fw_vpn first, fw_pte *table)
{
	const struct flush *f = arg;
	unsigned i = f->from > first ? (unsigned)(f->from - first) : 0;
	unsigned end = f->to < first + PTES ? (unsigned)(f->to - first) : PTES;

	while (i < end) {
		unsigned j = i, prot = rights_of(f, table[i]);
		fw_pte bits = 0;

		if (!(table[i] & f->which)) {
			i++;
			continue;
		}
		while (j < end && table[j] & f->which &&
		       rights_of(f, table[j]) == prot)
			j++;
		if (change_rights(f->t, first + i, j - i, prot))
			bits = cached_bits(prot);
		for (; i < j; i++)
			table[i] = (table[i] & ~(FW_PTE_CACHED |
						 FW_PTE_CACHED_W)) | bits;
	}
	return true;
}

/* To write-protect, or to give what the PTEs give now. */
static void flush_rights(struct kthread *t, fw_vpn vpn, uint64_t n,
			 enum fw_flush how)
{
	const struct fw_vad *v =
		fw_vad_at_or_above(t->p->space, vpn << FW_PAGE_SHIFT);
	struct flush f = { .t = t, .from = vpn, .to = vpn + n,
			   .which = FW_PTE_CACHED };

	if (how == FW_FLUSH_WRPROT) {
		f.which = FW_PTE_CACHED_W;
		f.taken = HOST_PROT_WRITE;
	} else if (v && v->kind == FW_VAD_HOST) {
		f.view = v;
	}
	each_table(t->p->space, vpn, vpn + n, rights_visit, &f);
}

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	struct kthread *t = k_self();

	if (t->p->space != space)
		fwp_panic("flush of a foreign space", __FILE__, __LINE__);
	if (how != FW_FLUSH_DROP)
		flush_rights(t, vpn, n, how);
	/* The bits are cleared first: a stale 0 would be wrong only if the
	 * unmapping could be left out, and it cannot. */
	else if (forget(space, vpn, vpn + n))
		unmap_pages(t, vpn, n);
}

/* One thread in the space: the old mapping is not used before the new one
 * replaces it. */
void fwp_tlb_replace(struct fw_space *space, fw_vpn vpn)
{
	struct kthread *t = k_self();

	if (t->p->n_threads > 1 || fw_space_port(space)->users > 1)
		fwp_tlb_flush(space, vpn, 1, FW_FLUSH_DROP);
}

/* Whether the child may go on with the host mappings of this region. */
static bool inherits(const struct fw_vad *v)
{
	return v->kind != FW_VAD_HOST && !(v->flags & FW_VADF_WIPEONFORK);
}

bool hostmap_inherited(struct kthread *t)
{
	const struct fw_vad *v = fw_vad_at_or_above(t->p->space, 0);

	while (v && inherits(v) && !(v->flags & FW_VADF_DONTFORK))
		v = fw_vad_next((struct fw_vad *)(uintptr_t)v);
	return !v;
}

void hostmap_forked(struct kthread *t, bool inherited)
{
	const struct fw_vad *v = fw_vad_at_or_above(t->p->space, 0);
	fw_vpn at = 0, top = USER_PAGES;

	if (t->p->space->eager) {
		drop_all(t);
		return;
	}
	if (inherited)
		return;
	for (; v; v = fw_vad_next((struct fw_vad *)(uintptr_t)v)) {
		if (!inherits(v))
			continue;
		if (v->start > at)
			HC2(__NR_munmap, at << FW_PAGE_SHIFT,
			    (v->start - at) << FW_PAGE_SHIFT);
		at = v->end;
	}
	HC2(__NR_munmap, at << FW_PAGE_SHIFT, (top - at) << FW_PAGE_SHIFT);
}
