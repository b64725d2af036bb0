/* SPDX-License-Identifier: MIT */
/*
 * ahead.c - what is read along with a page that has left memory.
 *
 * A read takes a window of neighbours, aligned to its size, so that those who
 * go upwards, those who go downwards, and several of them at once profit
 * alike. Its size follows what it has been good for in that region: of each
 * cluster the page farthest from the fault stays unmapped (fault_trans.c). A
 * cluster costs the region a point, the touch of that page earns two; so the
 * window grows to a whole block where more than half of them are used, and
 * shrinks to the page that is needed where they are not. There nothing more
 * can be learnt from what is read along; a run of pages in memory on one side
 * of the fault, and none on the other, is the sign to try again.
 *
 * In the same way a region learns whether pages that are read are then written
 * to. If most are, they are taken as written to at once: that loses the copy on
 * the disk, and saves a fault for each. Some are always left as they are, to
 * be witnesses.
 */
#include <mm/ahead.h>

_Static_assert(FW_BLOCK_PAGES < 256, "vad->window is a byte");

#define POINTS_LEAST (-6)
#define POINTS_MOST 9
#define POINTS_STEP 3 /* for twice the window */
#define RUN 4	      /* pages side by side, that mean somebody walks */
#define WRITES_SURE 3  /* points */
#define WITNESS 7     /* one page in eight */

/* Hints: what another stripe's fault writes at the same time is as good. */
static void points_add(int8_t *points, int n)
{
	n += __atomic_load_n(points, __ATOMIC_RELAXED);
	if (n < POINTS_LEAST)
		n = POINTS_LEAST;
	if (n > POINTS_MOST)
		n = POINTS_MOST;
	__atomic_store_n(points, (int8_t)n, __ATOMIC_RELAXED);
}

/* A page of this region, in the same table, is mapped here. */
static bool is_mapped(const struct fw_plan *p, int64_t offset)
{
	fw_vpn vpn = p->vpn + (fw_vpn)offset;

	return vpn >= p->vad->start && vpn < p->vad->end &&
	       vpn / FW_TABLE_ENTRIES == p->vpn / FW_TABLE_ENTRIES &&
	       pte_is_valid(p->pte[offset]);
}

/* Whether the pages before this one, in that direction, are there, and the
 * next one is not. */
static bool somebody_walks(const struct fw_plan *p, int direction)
{
	int i;

	for (i = 1; i <= RUN; i++)
		if (!is_mapped(p, -i * direction))
			return false;
	return !is_mapped(p, direction);
}

static bool walked_to(const struct fw_plan *p)
{
	return p->vad->last_fault == p->vpn || somebody_walks(p, 1) ||
	       somebody_walks(p, -1);
}

static unsigned window_size(const struct fw_vad *vad)
{
	unsigned n = 1u << (vad->ahead - POINTS_LEAST) / POINTS_STEP;

	return n < FW_BLOCK_PAGES ? n : FW_BLOCK_PAGES;
}

unsigned ahead_window(struct fw_plan *p, fw_vpn *ret_lo)
{
	struct fw_vad *vad = p->vad;
	unsigned block = plan_block(p, ret_lo), n;
	fw_vpn end = *ret_lo + block, lo;

	*ret_lo = p->vpn;
	if (p->single || (vad->flags & FW_VADF_RANDOM))
		return 1;
	n = vad->flags & FW_VADF_SEQUENTIAL ? FW_BLOCK_PAGES :
					      window_size(vad);
	if (n == 1)
		points_add(&vad->ahead, walked_to(p) ? 1 : -1);
	lo = end - block;
	if (n < FW_BLOCK_PAGES) {
		fw_vpn from = p->vpn & ~(fw_vpn)(n - 1);

		lo = from > lo ? from : lo;
		end = from + n < end ? from + n : end;
	}
	*ret_lo = lo;
	return (unsigned)(end - lo);
}

void ahead_note(struct fw_plan *p)
{
	const unsigned n = p->n_read;
	bool up = plan_upwards(p);
	struct fw_frame *f = frame_at(p->mm, p->pfn[up ? n - 1 : 0]);

	if (n == 1)
		return;
	FW_SET(p->mm, f->prio, f->prio | FRAME_AHEAD);
	points_add(&p->vad->ahead, -1);
	p->mm->ahead++;
}

bool ahead_touched(struct fw_plan *p, struct fw_frame *f, fw_vpn vpn)
{
	if (!(f->prio & FRAME_AHEAD))
		return true;
	if (vpn != p->vpn)
		return false;
	FW_SET(p->mm, f->prio, f->prio & ~FRAME_AHEAD);
	points_add(&p->vad->ahead, 2);
	p->mm->ahead_used++;
	return true;
}

void ahead_note_use(struct fw_vad *vad, bool written)
{
	points_add(&vad->writes, written ? 1 : -1);
}

bool ahead_writes(const struct fw_plan *p, fw_vpn vpn)
{
	const struct fw_vad *vad = p->vad;

	return vad->writes >= WRITES_SURE && p->did_io &&
	       vad->kind == FW_VAD_PRIVATE && (vad->prot & FW_PROT_W) &&
	       (vpn & WITNESS) != 0;
}
