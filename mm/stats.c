/* SPDX-License-Identifier: MIT */
/*
 * stats.c - the totals, and the names of statuses and outcomes.
 */
#include <mm/mm.h>

const char *fw_status_text(enum fw_status status)
{
	switch (status) {
#define X(name, text)    \
	case name:       \
		return text;
		FW_STATUS_LIST(X)
#undef X
	case FW_STATUS_COUNT:
		break;
	}
	return "unknown status";
}

const char *fw_kind_key(enum fw_kind kind)
{
	switch (kind) {
#define X(name, key, text) \
	case name:         \
		return key;
		FW_KIND_LIST(X)
#undef X
	case FW_KIND_COUNT:
		break;
	}
	return "unknown";
}

const char *fw_kind_text(enum fw_kind kind)
{
	switch (kind) {
#define X(name, key, text) \
	case name:         \
		return text;
		FW_KIND_LIST(X)
#undef X
	case FW_KIND_COUNT:
		break;
	}
	return "unknown";
}

enum fw_fault_class fw_kind_class(enum fw_kind kind)
{
	switch (kind) {
	case FW_KIND_TRANSITION:
	case FW_KIND_PROTOTYPE:
	case FW_KIND_COLLIDED:
		return FW_CLASS_TRANSITION;
	case FW_KIND_DEMAND_ZERO:
		return FW_CLASS_DEMAND_ZERO;
	case FW_KIND_COW:
	case FW_KIND_COW_REUSE:
		return FW_CLASS_COPY_ON_WRITE;
	case FW_KIND_STACK:
	case FW_KIND_GUARD:
	case FW_KIND_OVERFLOW:
		return FW_CLASS_GUARD;
	case FW_KIND_PAGE_FILE:
	case FW_KIND_COMPRESSED:
	case FW_KIND_MAPPED_FILE:
	case FW_KIND_HOST_VIEW:
		return FW_CLASS_HARD;
	case FW_KIND_MAPERR:
	case FW_KIND_ACCERR:
		return FW_CLASS_VIOLATION;
	default:
		return FW_CLASS_NONE;
	}
}

static void totals_frames(const struct fw_mm *mm, struct fw_totals *t)
{
	uint32_t touched = mm->touched > mm->fresh ? mm->touched : mm->fresh;

	t->nframes = mm->nframes;
	t->zeroed = mm->count[FRAME_ZEROED];
	t->free = mm->count[FRAME_FREE];
	t->standby = mm->count[FRAME_STANDBY];
	t->modified = mm->count[FRAME_MODIFIED];
	t->modified_no_write = mm->count[FRAME_MODIFIED_NO_WRITE];
	t->transition = mm->count[FRAME_TRANSITION];
	t->active = mm->count[FRAME_ACTIVE];
	t->bad = mm->count[FRAME_BAD];
	t->untouched = mm->nframes - touched;
	t->tables = mm->tables;
	t->pool = mm->pool;
	t->peak_active = mm->peak_active;
}

static void totals_kinds(const struct fw_mm *mm, struct fw_totals *t)
{
	uint32_t i;
	unsigned k;

	for (k = 0; k < FW_KIND_COUNT; k++) {
		t->kind_count[k] = mm->dead_count[k];
		t->kind_ticks[k] = mm->dead_ticks[k];
		t->kind_pages[k] = mm->dead_pages[k];
	}
	for (i = 0; i < mm->actor_top; i++) {
		const struct fw_actor *a = mm->actor[i];

		for (k = 0; a && k < FW_KIND_COUNT; k++) {
			t->kind_count[k] += a->fault_count[k];
			t->kind_ticks[k] += a->fault_ticks[k];
			t->kind_pages[k] += a->pages_count[k];
		}
	}
}

void fw_totals(struct fw_mm *mm, struct fw_actor *actor, struct fw_totals *ret)
{
	unsigned i;

	fw_memzero(ret, sizeof(*ret));
	mm_lock(mm, actor);
	totals_frames(mm, ret);
	totals_kinds(mm, ret);
	ret->spaces = mm->n_spaces;
	ret->actors = mm->n_actors;
	ret->sections = mm->n_sections;
	ret->committed = mm->committed;
	ret->commit_limit = commit_limit(mm);
	ret->slots = pfile_slots(mm);
	for (i = 0; i < mm->n_pfiles; i++)
		ret->slots_used += mm->pfile[i].used;
	ret->pages_read = mm->pages_read;
	ret->reads = mm->reads;
	ret->pages_written = mm->pages_written;
	ret->writes = mm->writes;
	ret->pages_zero_elided = mm->pages_zero_elided;
	ret->mapped_pages = mm->mapped_pages;
	ret->mapped_writes = mm->mapped_writes;
	ret->write_errors = mm->write_errors;
	ret->store_frames = mm->store_frames;
	ret->store_max = mm->store_max;
	ret->store_pages = mm->store_pages;
	ret->store_bytes = mm->store_bytes;
	ret->store_in = mm->store_in;
	ret->store_in_bytes = mm->store_in_bytes;
	ret->store_condensed = mm->store_condensed;
	ret->store_packed = mm->store_packed;
	ret->store_loads = mm->store_loads;
	ret->store_moved = mm->store_moved;
	ret->mapped = mm->mapped.count;
	ret->refaults = mm->refaults;
	ret->refaults_near = mm->refaults_near;
	for (i = 0; i < FW_DISTANCES; i++)
		ret->refault_distance[i] = mm->refault_distance[i];
	ret->thrash = mm->thrash;
	ret->turns = mm->turns;
	ret->ahead = mm->ahead;
	ret->ahead_used = mm->ahead_used;
	ret->ahead_wasted = mm->ahead_wasted;
	ret->trims = mm->trims;
	ret->pages_trimmed = mm->pages_trimmed;
	ret->rollbacks = mm->rollbacks;
	ret->reaps = mm->reaps;
	mm_unlock(mm);
}
