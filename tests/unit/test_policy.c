/* SPDX-License-Identifier: MIT */
/*
 * test_policy.c - the replacement policies. On a machine whose pages have
 * exactly n frames, one fault brings one page and one page leaves, so that
 * fault counts are those of the textbooks.
 */
#include "machine.h"

#include "mm/mm.h"

#define MOST_PAGES 64

/* Room for exactly `frames` pages. */
static struct rig start(enum fw_policy_id policy, uint32_t frames)
{
	struct soft_config config = {.nframes = 2048,
				     .page_files = 1,
				     .slots = 4096,
				     .policy = policy,
				     .page_frames = frames};
	struct rig r = {.s = soft_create(&config)};
	struct fw_totals t = totals(&r);

	r.in_use = frames_in_use(&t) - t.pool;
	r.cpu = soft_cpu_create(r.s, NULL);
	return r;
}

/* Whether page i of BASE had to be brought in. */
static bool missed(struct rig *r, unsigned i, uint32_t access)
{
	switch (touch(r->cpu, BASE + i * PAGE, access)) {
	case FW_KIND_DEMAND_ZERO:
	case FW_KIND_PAGE_FILE:
	case FW_KIND_TRANSITION:
		return true;
	default:
		return false;
	}
}

/* References pages by their digits; the number of faults. */
static uint64_t faults(enum fw_policy_id policy, uint32_t frames,
		       const char *pages, uint32_t access)
{
	struct rig r = start(policy, frames);
	uint64_t n = 0;

	map_single(&r, BASE, MOST_PAGES);
	for (; *pages; pages++)
		n += missed(&r, (unsigned)(*pages - '0'), access);
	rig_end(&r);
	return n;
}

/* Belady, Nelson and Shedler 1969: more frames, more faults. */
TEST(fifo_has_beladys_anomaly, "")
{
	const char *pages = "123412512345";

	is_u64(faults(FW_POLICY_FIFO, 3, pages, FW_ACC_WRITE), 9, "3 frames");
	is_u64(faults(FW_POLICY_FIFO, 4, pages, FW_ACC_WRITE), 10, "4 frames");
	is_u64(faults(FW_POLICY_FIFO, 5, pages, FW_ACC_WRITE), 5, "5 frames");
	is_u64(faults(FW_POLICY_FIFO, 3, pages, FW_ACC_READ), 9,
	       "3 frames, pages that are never written");
	is_u64(faults(FW_POLICY_FIFO, 4, pages, FW_ACC_READ), 10,
	       "4 frames, pages that are never written");
}

/* The reference string of Silberschatz et al., "Operating System Concepts",
 * with 3 frames: 15 faults by FIFO. */
TEST(fifo_counts_as_the_textbook, "")
{
	is_u64(faults(FW_POLICY_FIFO, 3, "70120304230321201701",
		      FW_ACC_WRITE), 15, "FIFO");
}

/* By hand, * is the used bit, the oldest first: 1* 2* 3* | 4: all lose the
 * bit, 1 goes: 2 3 4* | 2: 2* 3 4* | 5: 2 passes, 3 goes: 4* 2 5* | 2: hit,
 * 4* 2* 5* | 1: all lose the bit, 4 goes: 2 5 1* | 2 hit. */
TEST(clock_gives_a_second_chance, "")
{
	is_u64(faults(FW_POLICY_CLOCK, 3, "1234252124", FW_ACC_WRITE), 7,
	       "clock");
	is_u64(faults(FW_POLICY_FIFO, 3, "1234252124", FW_ACC_WRITE), 8,
	       "fifo");
}

TEST(what_fits_faults_once, "")
{
	for (unsigned p = 0; p < FW_POLICIES; p++)
		is_u64(faults((enum fw_policy_id)p, 200, "01234567890123456789",
			      FW_ACC_READ), 10, "%s",
		       fw_policy_name((enum fw_policy_id)p));
}

/* ---- against a model ---------------------------------------------------- */

struct model {
	unsigned page[MOST_PAGES], n, frames; /* oldest first */
	bool used[MOST_PAGES], chance;
};

static void model_drop_first(struct model *m)
{
	m->n--;
	memmove(m->page, m->page + 1, m->n * sizeof(*m->page));
}

static bool model_missed(struct model *m, unsigned page)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->page[i] == page) {
			m->used[page] = true;
			return false;
		}
	while (m->n == m->frames) {
		unsigned first = m->page[0];

		model_drop_first(m);
		if (m->chance && m->used[first]) {
			m->used[first] = false;
			m->page[m->n++] = first;
		} else {
			break;
		}
	}
	m->page[m->n++] = page;
	m->used[page] = true;
	return true;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

static void agree(enum fw_policy_id policy, uint32_t frames, uint64_t seed)
{
	struct model m = {.frames = frames,
			  .chance = policy == FW_POLICY_CLOCK};
	struct rig r = start(policy, frames);
	uint64_t x = seed * 2 + 1, wrong = 0;

	map_single(&r, BASE, MOST_PAGES);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t draw = next_random(&x) >> 20;
		unsigned page = (unsigned)(draw % 7 ? draw % (frames + 3)
						    : draw % MOST_PAGES);

		wrong += missed(&r, page, draw & 1024 ? FW_ACC_WRITE
						      : FW_ACC_READ) !=
			 model_missed(&m, page);
	}
	is_u64(wrong, 0, "%s, %u frames, seed %u", fw_policy_name(policy),
	       frames, (unsigned)seed);
	rig_end(&r);
}

TEST(fifo_and_clock_agree_with_a_model, "")
{
	for (uint32_t frames = 1; frames < 40; frames += 6) {
		agree(FW_POLICY_FIFO, frames, frames);
		agree(FW_POLICY_CLOCK, frames, frames);
	}
}

/* Whichever way a page becomes resident, the list of arrival has it. */
TEST(every_private_page_is_on_the_list, "")
{
	struct rig r = start(FW_POLICY_FIFO, 600);
	struct fw_mm *mm = r.s->mm;
	uint64_t listed = 0;

	is_u64(soft_map(r.cpu, BASE, 500, RW), FW_OK, "map");
	put_pages(r.cpu, BASE, 500, 1);
	for (fw_pfn pfn = mm->base; pfn < mm->fresh; pfn++)
		listed += (mm->frames[pfn].flags & FRAME_LISTED) != 0;
	is_u64(listed, 500, "listed");
	rig_end(&r);
}

/* ---- content ------------------------------------------------------------ */

/* Pages keep their content under every policy, through forks and unmapping,
 * on a machine of little memory. */
TEST(no_policy_loses_a_page, "")
{
	for (unsigned p = 0; p < FW_POLICIES; p++) {
		struct rig r = start((enum fw_policy_id)p, 300);
		struct soft_cpu *child = NULL;

		is_u64(soft_map(r.cpu, BASE, 400, RW), FW_OK, "map");
		ok(put_pages(r.cpu, BASE, 400, p), "write");
		is_u64(soft_fork(r.cpu, &child), FW_OK, "fork");
		must(child, "a child");
		ok(put_pages(child, BASE, 200, 1000 + p), "child writes");
		is_u64(wrong_pages(r.cpu, BASE, 400, p), 0, "parent, %s",
		       fw_policy_name((enum fw_policy_id)p));
		is_u64(wrong_pages(child, BASE, 200, 1000 + p), 0, "child");
		rig_verify(&r);
		is_u64(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space,
				BASE + 100 * PAGE, 100 * PAGE), FW_OK, "unmap");
		is_u64(wrong_pages(r.cpu, BASE + 200 * PAGE, 200, 200 + p), 0,
		       "the rest");
		soft_cpu_exit(child);
		is_u64(wrong_pages(r.cpu, BASE, 100, p), 0, "after its end");
		rig_end(&r);
	}
}

TEST(a_policy_that_is_not_there_is_refused, "")
{
	static uint8_t ram[4096 * 1024] __attribute__((aligned(4096)));
	struct fw_mm_config config = {.nframes = 1024, .user_min = 1,
				      .user_top = 1000,
				      .policy = FW_POLICIES};
	struct fw_mm *mm;

	is_u64(fw_mm_init(ram, &config, &mm), FW_E_INVAL, "policy");
	config.policy = FW_POLICY_NT;
	config.page_frames = 1020;
	is_u64(fw_mm_init(ram, &config, &mm), FW_E_INVAL, "no room beside");
	ok(!fw_policy_name(FW_POLICIES), "no name");
}
