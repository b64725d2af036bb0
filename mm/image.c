/* SPDX-License-Identifier: MIT */
/*
 * image.c - image sections: a program file as its segments are to be in
 * memory, each with its place in the file and its protection. A section of its
 * own beside the file's data section, since its pages differ: they lie
 * elsewhere, and what the file has behind the last byte of a segment reads as
 * zero.
 *
 * Pages that come from the file are in file form in their prototypes, those
 * wholly behind the segment's bytes are demand zero. Nothing that is written
 * goes to the file: writable segments are copied on write, and shared ones
 * belong to the page file once they are written.
 *
 * Nt-facts a.8, "Image vs data"; a section's reading is fault_io.c's.
 */
#include <mm/region.h>

#define SEGMENTS_MAX \
	((FW_PAGE_SIZE - sizeof(struct fw_image)) / sizeof(struct fw_segment))

static size_t image_size(uint64_t n)
{
	return sizeof(struct fw_image) + (size_t)n * sizeof(struct fw_segment);
}

const struct fw_segment *image_segment(const struct fw_section *s,
				       uint64_t page)
{
	const struct fw_image *image = s->image;
	unsigned i;

	for (i = 0; i < image->n; i++)
		if (page >= image->segment[i].page &&
		    page - image->segment[i].page < image->segment[i].pages)
			return &image->segment[i];
	return NULL;
}

/* Pages of a segment that have bytes of the file. */
static uint64_t segment_backed(const struct fw_segment *seg)
{
	return (seg->bytes + FW_PAGE_MASK) >> FW_PAGE_SHIFT;
}

fw_pte image_proto(const struct fw_mm *mm, const struct fw_section *s,
		   uint64_t page)
{
	const struct fw_segment *seg = image_segment(s, page);

	if (!seg || page - seg->page >= segment_backed(seg))
		return 0;
	return pte_make_file(mm, s, seg->prot);
}

void image_clip(const struct fw_section *s, uint64_t page, uint64_t *low,
		uint64_t *high)
{
	const struct fw_segment *seg = image_segment(s, page);

	if (*low < seg->page)
		*low = seg->page;
	if (*high > seg->page + segment_backed(seg))
		*high = seg->page + segment_backed(seg);
}

uint64_t image_file_page(const struct fw_section *s, uint64_t page)
{
	const struct fw_segment *seg = image_segment(s, page);

	return seg->file_page + (page - seg->page);
}

void image_zero_tail(struct fw_mm *mm, const struct fw_section *s,
		     uint64_t page, const fw_pfn *pfn, unsigned n)
{
	const struct fw_segment *seg = image_segment(s, page);
	uint64_t tail = seg->bytes & FW_PAGE_MASK;
	uint64_t last = seg->page + segment_backed(seg) - 1;

	if (tail != 0 && last >= page && last < page + n)
		fw_memzero((char *)frame_data(mm, pfn[last - page]) + tail,
			   (size_t)(FW_PAGE_SIZE - tail));
}

static bool segments_valid(const struct fw_segment *seg, unsigned n)
{
	uint64_t end = 0;
	unsigned i;

	if (n == 0 || n > SEGMENTS_MAX)
		return false;
	for (i = 0; i < n; end = seg[i].page + seg[i].pages, i++)
		if (seg[i].page < end || seg[i].pages == 0 ||
		    seg[i].page >= (uint64_t)1 << 44 ||
		    seg[i].page + seg[i].pages >= (uint64_t)1 << 44 ||
		    seg[i].pages >= (uint64_t)1 << 44 ||
		    segment_backed(&seg[i]) > seg[i].pages || seg[i].prot > 7)
			return false;
	return true;
}

enum fw_status fw_image_create(struct fw_mm *mm, struct fw_actor *actor,
			       const struct fw_section_key *key,
			       const struct fw_segment *segment, unsigned n,
			       struct fw_section **ret)
{
	struct fw_section *s;
	struct fw_image *image = NULL;

	if (!key || !segments_valid(segment, n))
		return FW_E_INVAL;
	if (!meta_room(mm, actor, NULL))
		return FW_E_NOMEM;
	mm_lock(mm, actor);
	s = section_lookup(mm, key, true);
	if (s) {
		FW_ADD(mm, s->refs, 1);
	} else {
		image = pool_alloc(mm, image_size(n));
		if (image)
			s = section_make(mm, key,
					 segment[n - 1].page +
						 segment[n - 1].pages);
		if (image && !s)
			pool_free(mm, image, image_size(n));
	}
	if (s && image) {
		image->n = n;
		fw_memcpy(image->segment, segment, n * sizeof(*segment));
		FW_SET(mm, s->image, image);
	}
	mm_unlock(mm);
	if (!s)
		return FW_E_NOMEM;
	*ret = s;
	return FW_OK;
}

void image_free(struct fw_mm *mm, struct fw_image *image)
{
	pool_free(mm, image, image_size(image->n));
}

static enum fw_status segment_map(struct fw_mm *mm, struct fw_actor *actor,
				  struct fw_space *space,
				  struct fw_section *s, unsigned i,
				  const struct fw_map_request *at)
{
	const struct fw_segment *seg = &s->image->segment[i];
	struct fw_map_request rq = *at;

	rq.start = at->start + (seg->page << FW_PAGE_SHIFT);
	rq.len = seg->pages << FW_PAGE_SHIFT;
	rq.kind = seg->shared ? FW_VAD_SECTION : FW_VAD_PRIVATE_VIEW;
	rq.prot = seg->prot;
	rq.max_prot = seg->shared ? seg->prot : 7;
	rq.replace = 0;
	rq.section = s;
	rq.page = seg->page;
	return fw_map(mm, actor, space, &rq);
}

enum fw_status fw_image_map(struct fw_mm *mm, struct fw_actor *actor,
			    struct fw_space *space,
			    const struct fw_map_request *rq)
{
	struct fw_section *s = rq->section;
	enum fw_status status = FW_OK;
	unsigned i;

	if (!s || !s->image)
		return FW_E_INVAL;
	for (i = 0; i < s->image->n && status == FW_OK; i++)
		status = segment_map(mm, actor, space, s, i, rq);
	if (status == FW_OK)
		return FW_OK;
	/* All or nothing: those before the one that failed. */
	for (i--; i-- > 0;)
		fw_unmap(mm, actor, space,
			 rq->start + (s->image->segment[i].page
				      << FW_PAGE_SHIFT),
			 s->image->segment[i].pages << FW_PAGE_SHIFT);
	return status;
}
