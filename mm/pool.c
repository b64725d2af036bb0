/* SPDX-License-Identifier: MIT */
/*
 * pool.c - small objects in frames. A slab is one frame of objects of one
 * class; its bookkeeping is in the frame record (pte: first free object,
 * original: bytes carved so far, owner: objects in use, prio: class), so that
 * 256 prototypes fill a frame exactly. Slabs with room are on the list of
 * their class; an empty one is given back at once.
 *
 * A free object's first word links to the next. It is journalled whenever an
 * object changes hands; the rest of a free object means nothing.
 */
#include <mm/mm.h>

/* Class 0 is that of clone prototypes, which verify.c visits slab by slab. */
static const uint16_t class_size[POOL_CLASSES] = {
	16, 16, 32, 64, 96, 128, 256, 512, 1024, 2048, 4096
};

size_t pool_class_size(unsigned class)
{
	return class_size[class];
}

static unsigned pool_class(size_t size)
{
	unsigned c = 1;

	if (size == POOL_PROTO)
		return 0;
	FW_ASSERT(size <= FW_PAGE_SIZE);
	while (class_size[c] < size)
		c++;
	return c;
}

static void pool_link(struct fw_mm *mm, struct fw_frame *f)
{
	uint32_t head = mm->pool_head[frame_prio(f)];

	FW_SET(mm, f->next, head);
	FW_SET(mm, f->prev, FW_PFN_NONE);
	if (head != FW_PFN_NONE)
		FW_SET(mm, frame_at(mm, head)->prev, frame_pfn(mm, f));
	FW_SET(mm, mm->pool_head[frame_prio(f)], frame_pfn(mm, f));
}

static void pool_unlink(struct fw_mm *mm, struct fw_frame *f)
{
	if (f->prev == FW_PFN_NONE)
		FW_SET(mm, mm->pool_head[frame_prio(f)], f->next);
	else
		FW_SET(mm, frame_at(mm, f->prev)->next, f->next);
	if (f->next != FW_PFN_NONE)
		FW_SET(mm, frame_at(mm, f->next)->prev, f->prev);
}

static bool pool_full(const struct fw_frame *f, size_t size)
{
	return f->pte == NULL && f->original + size > FW_PAGE_SIZE;
}

static struct fw_frame *pool_slab(struct fw_mm *mm, unsigned class)
{
	struct fw_frame *f;
	fw_pfn pfn = mm->pool_head[class];

	if (pfn != FW_PFN_NONE)
		return frame_at(mm, pfn);
	pfn = frame_take_core(mm, FRAME_POOL);
	if (pfn == FW_PFN_NONE)
		return NULL;
	f = frame_at(mm, pfn);
	frame_set_prio(mm, f, class);
	pool_link(mm, f);
	return f;
}

void *pool_alloc(struct fw_mm *mm, size_t size)
{
	unsigned class = pool_class(size);
	size_t osize = class_size[class];
	struct fw_frame *f = refused(mm, FW_NEED_POOL) ? NULL :
							 pool_slab(mm, class);
	fw_word *p;

	if (!f)
		return NULL;
	if (f->pte) {
		p = (fw_word *)f->pte;
		FW_SET(mm, f->pte, (fw_pte *)(uintptr_t)p[0]);
		FW_SET(mm, p[0], 0);
		fw_memzero(p + 1, osize - sizeof(*p));
	} else {
		char *data = frame_data(mm, frame_pfn(mm, f));

		/* Never used since the frame was zeroed, or carved before a
		 * rollback: then with old content. */
		p = (fw_word *)(void *)(data + f->original);
		FW_ADD(mm, f->original, osize);
		fw_memzero(p, osize);
	}
	FW_ADD(mm, f->owner, 1);
	if (pool_full(f, osize))
		pool_unlink(mm, f);
	return p;
}

void pool_free(struct fw_mm *mm, void *p, size_t size)
{
	unsigned class = pool_class(size);
	size_t osize = class_size[class];
	uintptr_t off = (uintptr_t)p - (uintptr_t)mm;
	struct fw_frame *f = frame_at(mm, (fw_pfn)(off >> FW_PAGE_SHIFT));
	fw_word *w = p;
	bool was_full = pool_full(f, osize);

	FW_ASSERT(f->state == FRAME_ACTIVE && f->type == FRAME_POOL);
	FW_ASSERT(frame_prio(f) == class && f->owner > 0);
	if (f->owner == 1) {
		if (!was_full)
			pool_unlink(mm, f);
		frame_free(mm, f);
		return;
	}
	FW_SET(mm, w[0], (uint64_t)(uintptr_t)f->pte);
	FW_SET(mm, f->pte, (fw_pte *)p);
	FW_SUB(mm, f->owner, 1);
	if (was_full)
		pool_link(mm, f);
}

/* The links of a slab are not used as long as it is full. */
void pool_set_note(struct fw_mm *mm, const void *p, uint64_t note)
{
	uintptr_t off = (uintptr_t)p - (uintptr_t)mm;
	struct fw_frame *f = frame_at(mm, (fw_pfn)(off >> FW_PAGE_SHIFT));

	FW_ASSERT(f->type == FRAME_POOL && pool_full(f, FW_PAGE_SIZE));
	FW_SET(mm, f->next, (uint32_t)note);
	FW_SET(mm, f->prev, (uint32_t)(note >> 32));
}

uint64_t pool_note(struct fw_mm *mm, const void *p)
{
	uintptr_t off = (uintptr_t)p - (uintptr_t)mm;
	const struct fw_frame *f =
		frame_at(mm, (fw_pfn)(off >> FW_PAGE_SHIFT));

	return f->next | (uint64_t)f->prev << 32;
}

void *fw_kalloc(struct fw_mm *mm, struct fw_actor *actor, size_t size)
{
	void *p;

	if (size == 0 || size > FW_PAGE_SIZE)
		return NULL;
	mm_lock(mm, actor);
	p = pool_alloc(mm, size);
	mm_unlock(mm);
	return p;
}

void fw_kfree(struct fw_mm *mm, struct fw_actor *actor, void *p, size_t size)
{
	if (!p)
		return;
	mm_lock(mm, actor);
	pool_free(mm, p, size);
	mm_unlock(mm);
}
