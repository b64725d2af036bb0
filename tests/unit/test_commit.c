/* SPDX-License-Identifier: MIT */
/*
 * test_commit.c - strict commit: what is promised can be had, and the rest is
 * refused at the call.
 */
#include "machine.h"

#include "mm/mm.h"

#include <stdlib.h>

static struct rig r;

static void start(uint32_t nframes, uint64_t slots)
{
	struct soft_config config = {.nframes = nframes,
				     .page_files = 1,
				     .slots = slots,
				     .strict = 1};

	r = rig_start_config(&config);
}

static enum fw_status protect(fw_addr at, uint64_t pages, unsigned prot)
{
	return fw_protect(r.s->mm, r.cpu->actor, r.cpu->space, at,
			  pages * PAGE, prot);
}

static void unmap(fw_addr at, uint64_t pages)
{
	is_u64(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, at,
			pages * PAGE), FW_OK, "unmap");
}

/* Maps as much as can be had; returns how many pages. */
static uint64_t map_all(struct soft_cpu *cpu, fw_addr at)
{
	uint64_t step = 4096, done = 0;

	for (; step > 0; step /= 2)
		while (soft_map(cpu, at + done * PAGE, step, RW) == FW_OK)
			done += step;
	return done;
}

TEST(what_is_promised_can_be_had, "A04 B34 C78")
{
	uint64_t n;

	start(512, 1024);
	n = map_all(r.cpu, BASE);
	diag("%d pages of %d", (int)n, (int)totals(&r).commit_limit);
	ok(n > 1200 && n < totals(&r).commit_limit, "most of what there is");
	for (unsigned round = 0; round < 3; round++) {
		ok(put_pages(r.cpu, BASE, n, round), "all can be written");
		is_u64(wrong_pages(r.cpu, BASE, n, round), 0, "and read");
	}
	is_u64(totals(&r).kind_count[FW_KIND_NOMEM], 0, "no fault fails");
	is_u64(soft_map(r.cpu, BASE * 8, 64, RW), FW_E_NOMEM, "no more");
	unmap(BASE, 100);
	is_u64(soft_map(r.cpu, BASE * 8, 64, RW), FW_OK, "given back");
	ok(put_pages(r.cpu, BASE * 8, 64, 1), "and had again");
	rig_end(&r);
}

/* Pages scattered so that each needs tables of its own. */
TEST(tables_are_thought_of, "C78 B34")
{
	unsigned n = 0;

	start(1024, 8192);
	while (n < 10000 &&
	       soft_map(r.cpu, BASE + n * UINT64_C(0x200000), 1, RW) == FW_OK)
		n++;
	diag("%u regions", n);
	ok(n > 50 && n < 1000, "refused in time");
	for (unsigned i = 0; i < n; i++)
		ok(put_pages(r.cpu, BASE + i * UINT64_C(0x200000), 1, i),
		   "page %u", i);
	is_u64(totals(&r).kind_count[FW_KIND_NOMEM], 0, "no fault fails");
	rig_end(&r);
}

TEST(what_cannot_be_written_costs_nothing, "C78")
{
	const uint64_t most = 100000;

	start(512, 1024);
	is_u64(soft_map(r.cpu, BASE, most, 0), FW_OK, "no access");
	is_u64(totals(&r).committed, 0, "not charged");
	is_u64(protect(BASE, most, FW_PROT_R), FW_OK, "readable");
	is_u64(totals(&r).committed, 0, "nor that");
	is_u64(protect(BASE, most, RW), FW_E_NOMEM, "writable: refused");
	is_u64(totals(&r).committed, 0, "and nothing charged");
	is_u64(protect(BASE, 100, RW), FW_OK, "less");
	is_u64(totals(&r).committed, 100, "charged");
	put_pages(r.cpu, BASE, 100, 1);
	is_u64(protect(BASE, 100, FW_PROT_R), FW_OK, "back");
	is_u64(totals(&r).committed, 100, "still charged: it has content");
	is_u64(wrong_pages(r.cpu, BASE, 100, 1), 0, "contents");
	unmap(BASE, most);
	is_u64(totals(&r).committed, 0, "all back");
	/* MAP_NORESERVE is no way around it. */
	is_u64(map_flags(&r, BASE, most, RW, FW_VADF_NORESERVE), FW_E_NOMEM,
	       "nobody is exempt");
	rig_end(&r);
}

TEST(growing_is_charged, "C78")
{
	struct fw_section *s = NULL;

	start(512, 1024);
	must(soft_map(r.cpu, BASE, 800, RW) == FW_OK, "map");
	is_u64(fw_extend(r.s->mm, r.cpu->actor, r.cpu->space,
			 BASE + 800 * PAGE, 800 * PAGE), FW_E_NOMEM, "extend");
	is_u64(fw_extend(r.s->mm, r.cpu->actor, r.cpu->space,
			 BASE + 800 * PAGE, 100 * PAGE), FW_OK, "by less");
	is_u64(fw_section_create(r.s->mm, r.s->keeper, NULL, 800, &s),
	       FW_E_NOMEM, "a section");
	is_u64(fw_section_create(r.s->mm, r.s->keeper, NULL, 50, &s), FW_OK,
	       "a smaller one");
	is_u64(fw_section_resize(r.s->mm, r.s->keeper, s, 800), FW_E_NOMEM,
	       "grown");
	is_u64(totals(&r).committed, 950, "charged");
	is_u64(fw_page_file_remove(r.s->mm, r.s->keeper, 0), FW_E_LIMIT,
	       "the page file has been promised");
	rig_verify(&r);
	fw_section_unref(r.s->mm, r.s->keeper, s);
	rig_end(&r);
}

TEST(fork_is_charged, "C78")
{
	struct soft_cpu *child = NULL;
	uint64_t before;

	start(1024, 1024);
	must(soft_map(r.cpu, BASE, 500, RW) == FW_OK, "map");
	put_pages(r.cpu, BASE, 500, 1);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(child->space->committed, 500, "the child's charge");
	is_u64(totals(&r).committed, 1000, "together");
	ok(put_pages(child, BASE, 500, 77), "it can have what it was charged");
	is_u64(wrong_pages(r.cpu, BASE, 500, 1), 0, "the parent's");
	soft_cpu_exit(child);
	must(soft_map(r.cpu, 4 * BASE, 600, RW) == FW_OK, "map");
	put_pages(r.cpu, 4 * BASE, 600, 5);
	before = totals(&r).spaces;
	is_u64(soft_fork(r.cpu, &child), FW_E_NOMEM, "refused");
	is_u64(totals(&r).spaces, before, "no child");
	is_u64(totals(&r).committed, 1100, "no charge");
	rig_verify(&r);
	is_u64(wrong_pages(r.cpu, BASE, 500, 1), 0, "contents");
	is_u64(wrong_pages(r.cpu, 4 * BASE, 600, 5), 0, "contents");
	rig_end(&r);
}

/* Random requests of several processes, all at the limit: whatever is granted
 * holds. */
TEST(never_a_fault_that_fails, "A04 A22 C78")
{
	struct soft_cpu *cpu[4] = {NULL};
	uint64_t x = 1, refused = 0, seed[4][64] = {{0}};

	start(800, 1500);
	cpu[0] = r.cpu;
	for (unsigned i = 1; i < 4; i++)
		must((cpu[i] = soft_cpu_create(r.s, NULL)) != NULL, "a cpu");
	for (unsigned step = 1; step < 3000; step++) {
		unsigned c, slot, what;
		fw_addr at;

		x = x * 6364136223846793005 + 1442695040888963407;
		c = (unsigned)(x >> 33) % 4;
		slot = (unsigned)(x >> 40) % 64;
		what = (unsigned)(x >> 50) % 4;
		at = BASE + slot * 64 * PAGE;
		if (what == 0 && !seed[c][slot]) {
			enum fw_status s = soft_map(cpu[c], at, 40, RW);

			refused += s == FW_E_NOMEM;
			seed[c][slot] = s == FW_OK ? step : 0;
			if (s == FW_OK)
				ok(put_pages(cpu[c], at, 40, step), "write");
		} else if (what == 1 && seed[c][slot] && step % 3 == 0) {
			fw_unmap(r.s->mm, cpu[c]->actor, cpu[c]->space, at,
				 40 * PAGE);
			seed[c][slot] = 0;
		} else if (seed[c][slot]) {
			is_u64(wrong_pages(cpu[c], at, 40, seed[c][slot]), 0,
			       "step %u", step);
		}
		if (test_failures())
			break;
	}
	ok(refused > 50, "%d refused", (int)refused);
	is_u64(totals(&r).kind_count[FW_KIND_NOMEM], 0, "no fault fails");
	rig_verify(&r);
	for (unsigned i = 1; i < 4; i++)
		soft_cpu_exit(cpu[i]);
	rig_end(&r);
}
