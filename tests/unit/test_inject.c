/* SPDX-License-Identifier: MIT */
/*
 * test_inject.c - scenarios in which each I/O fails in turn, each allocation
 * (frame, table, record, slot, promise) is refused in turn, and which begin
 * with every small number of frames, so that each allocation is the first
 * that finds none. Each answer is success or the documented status, all
 * records agree afterwards, and what was written before is still there. What
 * was refused once succeeds the next time.
 */
#include "machine.h"

#define FILE_PAGES 24
#define PRIVATE_AT BASE
#define FILE_AT (2 * BASE)
#define SHARED_AT (3 * BASE)
#define OTHER_AT (4 * BASE)
#define HOG_AT ((WIDE ? 64 : 6) * BASE)
#define N 40 /* private pages, there from the start */

static struct rig r;
static struct fw_section *file, *shared;
static uint8_t file_data[FILE_PAGES * 4096];
static bool written[FILE_PAGES]; /* the file's pages, with seed 500 + page */
static bool certain; /* nothing fails now: all must succeed */
static uint32_t strict; /* of the next machine */

#define AT r.s->mm, r.cpu->actor, r.cpu->space

/* ---- what happens ------------------------------------------------------- */

/* Whether it did not. */
static bool may_fail(enum fw_status status)
{
	ok(status == FW_OK ||
		   (!certain && (status == FW_E_NOMEM || status == FW_E_IO)),
	   "%s", fw_status_text(status));
	return status == FW_OK;
}

static bool page_put(struct soft_cpu *cpu, fw_addr at, uint64_t seed)
{
	if (put_pages(cpu, at, 1, seed))
		return true;
	ok(!certain && (cpu->last.kind == FW_KIND_NOMEM ||
			cpu->last.kind == FW_KIND_IOERR),
	   "%s", fw_kind_text(cpu->last.kind));
	return false;
}

static void page_out_and_in(void)
{
	uint8_t byte;

	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, N);
	fw_write_modified(r.s->mm, r.s->keeper, 64);
	if (!may_fail(map_flags(&r, OTHER_AT, 64, RW, FW_VADF_RANDOM)))
		return;
	for (unsigned i = 0; i < 64; i++)
		page_put(r.cpu, OTHER_AT + i * PAGE, i);
	for (unsigned i = 0; i < N; i += 3)
		soft_read(r.cpu, PRIVATE_AT + i * PAGE, &byte, 1);
	may_fail(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, OTHER_AT,
			  64 * PAGE));
}

static void fork_and_write(void)
{
	struct soft_cpu *child = NULL;
	uint64_t copied;

	if (!may_fail(soft_fork(r.cpu, &child)))
		return;
	may_fail(fw_fork_copy(r.s->mm, child->actor, child->space, &copied));
	for (unsigned i = 0; i < N; i += 2)
		page_put(child, PRIVATE_AT + i * PAGE, 9000 + i);
	soft_cpu_exit(child);
}

static void write_a_file(void)
{
	for (unsigned i = 0; i < FILE_PAGES; i += 2)
		written[i] |= page_put(r.cpu, FILE_AT + i * PAGE, 500 + i);
	may_fail(fw_hold(r.s->mm, r.cpu->actor, r.cpu->space, FILE_AT,
			 4 * PAGE));
	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 64);
	may_fail(fw_section_flush(r.s->mm, r.s->keeper, file, 0, FILE_PAGES));
	fw_release(r.s->mm, r.s->keeper, file, 0, FILE_PAGES);
}

static void cut_up(void)
{
	struct fw_mm *mm = r.s->mm;

	if (!may_fail(map_flags(&r, OTHER_AT, 64, RW, FW_VADF_RANDOM)))
		return;
	for (unsigned i = 0; i < 64; i += 8) {
		page_put(r.cpu, OTHER_AT + i * PAGE, i);
		may_fail(fw_protect(AT, OTHER_AT + i * PAGE, PAGE,
				    FW_PROT_R));
	}
	fw_trim(AT, 400);
	may_fail(fw_move(AT, OTHER_AT + 8 * PAGE, PAGE, OTHER_AT * 2));
	may_fail(fw_set_flags(AT, OTHER_AT + 3 * PAGE, PAGE, FW_VADF_GUARD,
			      0));
	may_fail(fw_set_priority(AT, OTHER_AT + 5 * PAGE, PAGE, 2));
	may_fail(fw_extend(AT, OTHER_AT + 64 * PAGE, 8 * PAGE));
	may_fail(fw_unmap(mm, r.cpu->actor, r.cpu->space, OTHER_AT,
			  72 * PAGE));
	may_fail(fw_unmap(mm, r.cpu->actor, r.cpu->space, OTHER_AT * 2,
			  PAGE));
}

static void share(void)
{
	struct soft_cpu *other = soft_cpu_create(r.s, NULL);

	for (unsigned i = 0; i < N; i += 5)
		page_put(r.cpu, SHARED_AT + i * 100 * PAGE, 700 + i);
	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 64);
	fw_write_modified(r.s->mm, r.s->keeper, 64);
	ok(other || !certain, "another process");
	if (!other)
		return;
	may_fail(soft_map_view(other, SHARED_AT, 4096, RW, FW_VAD_SECTION,
			       shared, 0, 0));
	touch(other, SHARED_AT + 500 * PAGE, FW_ACC_READ);
	soft_cpu_exit(other);
}

/* A section that grows deep, an image, an announcement. */
static void use_sections(void)
{
	static const struct fw_segment segment = {0, 2, 0, 8192, FW_PROT_R, 0,
						  {0}};
	const struct fw_section_key key = {7, 7, 7};
	struct fw_range range = {PRIVATE_AT, 3 * PAGE, FW_ACC_WRITE, 0};
	struct fw_section *s;
	uint64_t bytes;
	unsigned n;

	if (may_fail(fw_section_create(r.s->mm, r.s->keeper, NULL, 64, &s))) {
		if (may_fail(fw_section_resize(r.s->mm, r.s->keeper, s,
					       2000)) &&
		    may_fail(soft_map_view(r.cpu, OTHER_AT, 4, RW,
					   FW_VAD_PRIVATE_VIEW, s, 1000, 0))) {
			page_put(r.cpu, OTHER_AT, 1);
			may_fail(fw_unmap(AT, OTHER_AT, 4 * PAGE));
		}
		fw_section_unref(r.s->mm, r.s->keeper, s);
	}
	if (may_fail(fw_image_create(r.s->mm, r.s->keeper, &key, &segment, 1,
				     &s)))
		fw_section_unref(r.s->mm, r.s->keeper, s);
	may_fail(fw_announce(AT, &range, 1, &n, &bytes));
	fw_withdraw(r.cpu->actor);
}

/* Records of the port's, an actor, a page file. */
static void make_records(void)
{
	void *small = fw_kalloc(r.s->mm, r.s->keeper, 200);
	void *large = fw_kalloc(r.s->mm, r.s->keeper, 4096);
	struct fw_actor *actor;
	enum fw_status status;
	unsigned n;

	ok(!certain || (small && large), "records");
	if (small)
		fw_kfree(r.s->mm, r.s->keeper, small, 200);
	if (large)
		fw_kfree(r.s->mm, r.s->keeper, large, 4096);
	if (may_fail(fw_actor_create(r.s->mm, r.s->keeper, &actor)))
		fw_actor_destroy(r.s->mm, r.s->keeper, actor);
	/* So large that nobody could ever promise all of it. */
	if (!may_fail(fw_page_file_add(r.s->mm, r.s->keeper, 100000, &n)))
		return;
	status = fw_page_file_remove(r.s->mm, r.s->keeper, n);
	if (status == FW_E_LIMIT && !certain) /* what is promised needs it */
		status = fw_page_file_remove(r.s->mm, r.s->keeper, n);
	is_u64(status, FW_OK, "a page file goes");
}

static void (*const scenarios[])(void) = {
	page_out_and_in, fork_and_write, write_a_file, cut_up,
	share,		 use_sections,	 make_records};
#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

/* ---- before and after --------------------------------------------------- */

static void begin(void)
{
	struct soft_config config = {.nframes = 400,
				     .page_files = 1,
				     .slots = 8192,
				     .strict = strict};
	uint64_t cookie;

	for (unsigned i = 0; i < FILE_PAGES; i++) {
		pattern(file_data + i * PAGE, 100 + i);
		written[i] = false;
	}
	certain = false;
	r = rig_start_config(&config);
	r.s->alone = true;
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	must(fw_section_create(r.s->mm, r.s->keeper, NULL, 4096, &shared) ==
		     FW_OK &&
	     soft_map(r.cpu, PRIVATE_AT, N, RW) == FW_OK &&
	     map_flags(&r, HOG_AT, 1000, RW,
		       FW_VADF_LOCKED | FW_VADF_RANDOM) == FW_OK &&
	     soft_map_view(r.cpu, FILE_AT, FILE_PAGES, RW, FW_VAD_SECTION,
			   file, 0, cookie) == FW_OK &&
	     soft_map_view(r.cpu, SHARED_AT, 4096, RW, FW_VAD_SECTION, shared,
			   0, 0) == FW_OK,
	     "regions");
	put_pages(r.cpu, PRIVATE_AT, N, 1);
}

/* Everything is to be had again once nothing fails any more. */
static void end(void)
{
	uint64_t want[PAGE / 8];

	r.s->io_hook = NULL;
	rig_verify(&r);
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, HOG_AT, 1000 * PAGE);
	is_u64(wrong_pages(r.cpu, PRIVATE_AT, N, 1), 0, "private pages");
	for (unsigned i = 0; i < FILE_PAGES; i++)
		is_u64(wrong_pages(r.cpu, FILE_AT + i * PAGE, 1,
				   written[i] ? 500 + i : 100 + i),
		       0, "page %u of the file's view", i);
	trim_all(&r, r.cpu);
	is_u64(fw_section_flush(r.s->mm, r.s->keeper, file, 0, FILE_PAGES),
	       FW_OK, "flush");
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		pattern(want, written[i] ? 500 + i : 100 + i);
		is_mem(file_data + i * PAGE, want, PAGE, "page %u of the file",
		       i);
	}
	fw_section_unref(r.s->mm, r.s->keeper, shared);
	rig_end(&r);
}

/* ---- each I/O in turn --------------------------------------------------- */

static unsigned countdown, ios;

static enum fw_status fail_one(void *arg, enum soft_io io, uint64_t where,
			       unsigned n)
{
	(void)arg, (void)io, (void)where, (void)n;
	ios++;
	return countdown > 0 && --countdown == 0 ? FW_E_IO : FW_OK;
}

/* With few frames, so that there is much I/O. */
static bool run_failing(unsigned scenario, unsigned which)
{
	fw_addr at = HOG_AT;

	begin();
	for (struct fw_totals t = totals(&r);
	     t.zeroed + t.free + t.standby > 40; t = totals(&r), at += PAGE)
		touch(r.cpu, at, FW_ACC_WRITE);
	ios = 0;
	countdown = which;
	r.s->io_hook = fail_one;
	scenarios[scenario]();
	scenarios[scenario]();
	countdown = 0;
	end();
	return which <= ios && !test_failures();
}

TEST(each_io_of_a_scenario_fails, "A22 B03 B05 B34 C77")
{
	for (unsigned i = 0; i < SCENARIOS; i++) {
		unsigned which = 1;

		while (which < 200 && run_failing(i, which))
			which++;
		diag("scenario %u: %u I/Os", i, which - 1);
		if (test_failures()) {
			diag("scenario %u, I/O %u", i, which);
			return;
		}
	}
}

/* ---- each allocation in turn -------------------------------------------- */

static unsigned asked[FW_NEEDS], asked_all, refuse_at;

static bool refuse(void *arg, enum fw_need need)
{
	(void)arg;
	asked[need]++;
	return ++asked_all == refuse_at;
}

/* Its n-th allocation is refused; n = 0: none. How many there were. */
static unsigned run_refused(unsigned scenario, unsigned n)
{
	begin();
	asked_all = 0;
	refuse_at = n;
	r.s->refuse_hook = refuse;
	scenarios[scenario]();
	r.s->refuse_hook = NULL;
	rig_verify(&r);
	certain = true;
	scenarios[scenario]();
	end();
	return asked_all;
}

static void refuse_each(void)
{
	for (unsigned i = 0; i < SCENARIOS; i++) {
		unsigned n, all = run_refused(i, 0);

		for (n = 1; n <= all && !test_failures(); n++)
			run_refused(i, n);
		diag("scenario %u: %u allocations", i, all);
		if (!test_failures())
			continue;
		diag("allocation %u", n - 1);
		return;
	}
	for (unsigned i = 0; i < FW_NEEDS; i++)
		ok(asked[i] > 0, "need %u was asked for", i);
}

TEST(each_allocation_is_refused, "A22 B03 C63 C78")
{
	refuse_each();
}

TEST(each_allocation_is_refused_under_strict_commit, "A22 C78")
{
	strict = 1;
	refuse_each();
	strict = 0;
}

TEST(each_allocation_of_a_scenario_fails, "A22 B03 C63 C78")
{
	const unsigned step = *test_env("FW_LONG", "0") == '1' ? 1 : 8;

	/* Each refusal takes a while: all of them are tried in long runs. */
	for (unsigned i = 0; i < SCENARIOS; i++)
		for (unsigned left = i % 8; left < 40; left += step) {
			struct fw_totals t;
			fw_addr at = HOG_AT;

			begin();
			r.s->fail_ios = 1u << SOFT_STORE_WRITE;
			while (t = totals(&r),
			       t.zeroed + t.free + t.standby > left &&
				       fw_kind_resolved(touch(r.cpu, at,
							      FW_ACC_WRITE)))
				at += PAGE;
			scenarios[i]();
			r.s->fail_ios = 0;
			end();
			if (!test_failures())
				continue;
			diag("scenario %u with %u frames", i, left);
			return;
		}
}
