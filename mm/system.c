/* SPDX-License-Identifier: MIT */
/*
 * system.c - the kernel half: one system space, and sessions.
 *
 * The kernel half is the same in all processes: the root of a process's tables
 * names, for the system's range, the very tables that the system space's own
 * root names, and for the session's range those of its session. These tables,
 * one level below the root, are made with the space and stay until it ends, so
 * whatever is mapped later is seen by all at once. Nothing has to be copied
 * when the kernel half changes.
 *
 * A kernel space is a struct fw_space like a process's: regions, working set,
 * clock, copy on write. Its pages have U=0. A fault is handled in the space
 * that its address belongs to (space_of), under that space's lock; so a page
 * of it is in its working set, and a private copy is the session's, or the
 * system's. User mode has no business in the kernel half: any access is a
 * violation, whatever is mapped there.
 *
 * Addresses of the kernel half are canonical (sign-extended); page numbers
 * are not, they are below FW_VPN_END.
 */
#include <mm/region.h>
#include <mm/stripe.h>

static bool range_has(fw_vpn start, fw_vpn end, fw_vpn vpn)
{
	return vpn >= start && vpn < end;
}

bool vpn_is_kernel(const struct fw_mm *mm, fw_vpn vpn)
{
	return vpn >= mm->kernel_low;
}

struct fw_space *space_of(struct fw_mm *mm, struct fw_space *space, fw_vpn vpn)
{
	if (!vpn_is_kernel(mm, vpn))
		return space;
	if (range_has(mm->system_start, mm->system_end, vpn))
		return mm->system;
	if (!space || !range_has(mm->session_start, mm->session_end, vpn))
		return NULL;
	return space->kind == FW_SPACE_SESSION ? space : space->session;
}

struct fw_space *fw_space_of(struct fw_space *space, fw_addr addr)
{
	return space_of(space->mm, space, vpn_of(addr));
}

struct fw_space *fw_system_space(struct fw_mm *mm)
{
	return mm->system;
}

/* ---- sharing ------------------------------------------------------------- */

static unsigned root_index(fw_vpn vpn)
{
	return (unsigned)(vpn >> table_shift(FW_LEVELS)) &
	       (FW_TABLE_ENTRIES - 1);
}

static fw_vpn root_span(void)
{
	return (fw_vpn)1 << table_shift(FW_LEVELS);
}

/* The entries of `to` for [start, end) become those of `from`, or none. */
static void root_share(struct fw_mm *mm, struct fw_space *to,
		       const struct fw_space *from, fw_vpn start, fw_vpn end)
{
	fw_pte *target = frame_data(mm, to->root), *source = NULL;

	if (from)
		source = frame_data(mm, from->root);
	for (; start < end; start += root_span()) {
		unsigned i = root_index(start);

		FW_SET(mm, target[i], source ? source[i] : 0);
	}
}

void space_share_kernel(struct fw_mm *mm, struct fw_space *s)
{
	if (mm->system)
		root_share(mm, s, mm->system, mm->system_start,
			   mm->system_end);
}

void space_join(struct fw_mm *mm, struct fw_space *s,
		struct fw_space *session)
{
	if (!session)
		return;
	root_share(mm, s, session, mm->session_start, mm->session_end);
	FW_SET(mm, s->session, session);
	FW_ADD(mm, session->users, 1);
}

void space_unshare_kernel(struct fw_mm *mm, struct fw_space *s)
{
	if (s->kind != FW_SPACE_PROCESS || !mm->system)
		return;
	root_share(mm, s, NULL, mm->system_start, mm->system_end);
	if (!s->session)
		return;
	root_share(mm, s, NULL, mm->session_start, mm->session_end);
	FW_SUB(mm, s->session->users, 1);
	FW_SET(mm, s->session, NULL);
}

void root_clear_port(struct fw_mm *mm, struct fw_space *s)
{
	fw_pte *root = frame_data(mm, s->root);
	unsigned i = root_index(s->user_top + root_span() - 1);

	if (s->kind != FW_SPACE_PROCESS)
		return;
	for (; i < FW_TABLE_ENTRIES; i++)
		if (root[i] != 0)
			FW_SET(mm, root[i], 0);
}

struct fw_space *root_owner(const struct fw_space *s, unsigned index)
{
	const struct fw_mm *mm = s->mm;
	fw_vpn vpn = (fw_vpn)index << table_shift(FW_LEVELS);

	if (s->kind != FW_SPACE_PROCESS)
		return NULL;
	if (range_has(mm->system_start, mm->system_end, vpn))
		return mm->system;
	if (range_has(mm->session_start, mm->session_end, vpn))
		return s->session;
	return NULL;
}

/* ---- making and ending --------------------------------------------------- */

/* The tables that others' roots will name. */
static bool root_fill(struct fw_mm *mm, struct fw_space *s)
{
	fw_pte *root = frame_data(mm, s->root);
	fw_vpn at;

	for (at = s->low; at < s->user_top; at += root_span()) {
		fw_pfn pfn = frame_take_core(mm, FRAME_TABLE);
		fw_pte *e = root + root_index(at);

		if (pfn == FW_PFN_NONE)
			return false;
		FW_SET(mm, frame_at(mm, pfn)->pte, e);
		FW_SET(mm, *e, pte_make_table(pfn, FW_LEVELS) & ~PTE_U);
		FW_ADD(mm, s->table_frames, 1);
		mm_checkpoint(mm);
		frames_prime(mm, FRAMES_EMERGENCY);
	}
	return true;
}

static enum fw_status kernel_space_make(struct fw_mm *mm,
					struct fw_actor *actor,
					enum fw_space_kind kind, fw_vpn start,
					fw_vpn end, struct fw_space **ret)
{
	uint64_t need = (end - start) / root_span() + 8;
	struct fw_space *s;
	bool filled;

	if (!fw_make_room(mm, actor, NULL, need + FRAMES_EMERGENCY) ||
	    space_create_now(mm, actor, true, &s) != FW_OK)
		return FW_E_NOMEM;
	/* Should the actor die now, it is ended as an unfinished child. */
	mm_lock(mm, actor);
	space_unshare_kernel(mm, s);
	FW_SET(mm, s->kind, kind);
	FW_SET(mm, s->low, start);
	FW_SET(mm, s->user_top, end);
	mm_checkpoint(mm);
	filled = root_fill(mm, s);
	mm_unlock(mm);
	if (!filled) {
		fw_space_destroy(mm, actor, s);
		return FW_E_NOMEM;
	}
	*ret = s;
	return FW_OK;
}

static bool range_fits(fw_addr start, uint64_t len, fw_vpn user_top,
		       fw_vpn *ret_start, fw_vpn *ret_end)
{
	fw_addr span = root_span() << FW_PAGE_SHIFT;

	*ret_start = vpn_of(start);
	*ret_end = *ret_start + (len >> FW_PAGE_SHIFT);
	return (start & (span - 1)) == 0 && (len & (span - 1)) == 0 &&
	       addr_of(*ret_start) == start && *ret_start >= user_top &&
	       *ret_end >= *ret_start && *ret_end <= FW_VPN_END;
}

/* Nobody runs in it any more: its stocks go back. Then it is ended like a
 * child that was never finished, of which it is taken that it has none. */
static void kernel_space_drain(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *s)
{
	fw_space_lock(s, actor);
	stripes_drain(mm, actor, s);
	fw_space_unlock(s);
}

enum fw_status fw_system_create(struct fw_mm *mm, struct fw_actor *actor,
				const struct fw_system_config *c)
{
	fw_vpn start, end, s_start, s_end;
	enum fw_status status;
	struct fw_space *s;

	if (!range_fits(c->start, c->len, mm->user_top, &start, &end) ||
	    start == end)
		return FW_E_INVAL;
	if (!range_fits(c->session_start, c->session_len,
			c->session_len ? mm->user_top : 0, &s_start, &s_end) ||
	    (s_start < end && start < s_end))
		return FW_E_INVAL;
	if (mm->n_spaces > 0)
		return FW_E_BUSY;
	status = kernel_space_make(mm, actor, FW_SPACE_SYSTEM, start, end, &s);
	if (status != FW_OK)
		return status;
	mm_lock(mm, actor);
	FW_SET(mm, mm->system_start, start);
	FW_SET(mm, mm->system_end, end);
	FW_SET(mm, mm->session_start, s_start);
	FW_SET(mm, mm->session_end, s_end);
	FW_SET(mm, mm->kernel_low,
	       s_end > s_start && s_start < start ? s_start : start);
	FW_SET(mm, mm->system, s);
	FW_SET(mm, actor->forking, NULL);
	mm_unlock(mm);
	return FW_OK;
}

enum fw_status fw_system_destroy(struct fw_mm *mm, struct fw_actor *actor)
{
	struct fw_space *s = mm->system;

	if (!s)
		return FW_E_NOENT;
	if (mm->n_spaces > 1)
		return FW_E_BUSY;
	fw_pool_destroy(mm, actor);
	kernel_space_drain(mm, actor, s);
	mm_lock(mm, actor);
	FW_SET(mm, mm->system, NULL);
	FW_SET(mm, mm->kernel_low, FW_VPN_END);
	FW_SET(mm, mm->system_end, mm->system_start);
	FW_SET(mm, mm->session_end, mm->session_start);
	/* Whoever reaps the actor goes on where it stopped. */
	FW_SET(mm, actor->forking, s);
	mm_unlock(mm);
	fw_space_destroy(mm, actor, s);
	return FW_OK;
}

enum fw_status fw_session_create(struct fw_mm *mm, struct fw_actor *actor,
				 struct fw_space **ret_session)
{
	enum fw_status status;
	struct fw_space *s;

	if (!mm->system || mm->session_start == mm->session_end)
		return FW_E_NOENT;
	status = kernel_space_make(mm, actor, FW_SPACE_SESSION,
				   mm->session_start, mm->session_end, &s);
	if (status != FW_OK)
		return status;
	actor->forking = NULL;
	*ret_session = s;
	return FW_OK;
}

enum fw_status fw_session_destroy(struct fw_mm *mm, struct fw_actor *actor,
				  struct fw_space *session)
{
	if (session->kind != FW_SPACE_SESSION)
		return FW_E_INVAL;
	kernel_space_drain(mm, actor, session);
	mm_lock(mm, actor);
	if (session->users > 0) {
		mm_unlock(mm);
		return FW_E_BUSY;
	}
	FW_SET(mm, actor->forking, session);
	mm_unlock(mm);
	fw_space_destroy(mm, actor, session);
	return FW_OK;
}

enum fw_status fw_session_join(struct fw_mm *mm, struct fw_actor *actor,
			       struct fw_space *process,
			       struct fw_space *session)
{
	enum fw_status status = FW_OK;

	if (process->kind != FW_SPACE_PROCESS ||
	    session->kind != FW_SPACE_SESSION)
		return FW_E_INVAL;
	mm_lock(mm, actor);
	if (process->session)
		status = FW_E_BUSY;
	else
		space_join(mm, process, session);
	mm_unlock(mm);
	return status;
}
