/* SPDX-License-Identifier: MIT */
/*
 * test_basics.c - what everything else presupposes: pages and frames of one
 * size, each fault handed to the core, and fork as it was before copy on
 * write.
 */
#include "machine.h"

static struct rig r;

TEST(pages_and_frames_are_of_one_size, "A01 A02")
{
	struct fw_totals t;
	char *first;

	is_u64(FW_PAGE_SIZE, 4096, "the size of a page on x86");
	is_u64(FW_PAGE_MASK, FW_PAGE_SIZE - 1, "the offset's bits");
	r = rig_start(1024, 1, 4096);
	t = totals(&r);
	is_u64(t.nframes * FW_PAGE_SIZE, r.s->ram_bytes, "all of RAM");
	first = fw_frame_data(r.s->mm, 0);
	for (fw_pfn i = 0; i < t.nframes; i++)
		ok((char *)fw_frame_data(r.s->mm, i) ==
			   first + i * FW_PAGE_SIZE,
		   "frame %u", i);
	map_single(&r, BASE, 64);
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t offset = i * 64;

		touch(r.cpu, BASE + i * PAGE + offset, FW_ACC_WRITE);
		is_u64(fw_space_resident(r.cpu->space), i + 1,
		       "one page a page");
		is_u64(((uint8_t *)fw_frame_data(
			       r.s->mm, fw_pte_pfn(soft_pte(
						r.cpu, BASE + i * PAGE)))
			       )[offset],
		       0xa5, "at its offset in its frame");
	}
	rig_end(&r);
}

/* Every trap of the machine is a fault of the core, in the space and by the
 * actor that had it, and ends in one of the kinds. */
TEST(each_trap_reaches_the_core, "B01 B02 B03")
{
	struct soft_cpu *other;
	uint64_t sum = 0;

	r = rig_start(1024, 1, 4096);
	other = soft_cpu_create(r.s, NULL);
	map_single(&r, BASE, 40);
	for (uint64_t i = 0; i < 60; i++)
		touch(r.cpu, BASE + i * PAGE, i & 1 ? FW_ACC_WRITE : 0);
	touch(other, BASE, FW_ACC_READ);
	is_u64(r.cpu->faults, 60, "traps here");
	is_u64(other->faults, 1, "traps there");
	is_u64(fw_space_faults(r.cpu->space), 60, "faults of this space");
	is_u64(fw_space_faults(other->space), 1, "of the other one");
	for (unsigned k = 0; k < FW_KIND_COUNT; k++) {
		is_u64(r.cpu->actor->fault_count[k], r.cpu->count[k],
		       "of this actor, %s", fw_kind_key(k));
		sum += totals(&r).kind_count[k];
	}
	is_u64(sum, 61, "each is of one kind");
	is_u64(r.cpu->count[FW_KIND_DEMAND_ZERO], 40, "resolved");
	is_u64(r.cpu->count[FW_KIND_MAPERR], 20, "exceptions");
	is_u64(other->count[FW_KIND_MAPERR], 1, "exceptions there");
	is_u64(fw_space_resident(other->space), 0, "and nothing came there");
	soft_cpu_exit(other);
	rig_end(&r);
}

TEST(fork_that_copies, "C65")
{
	struct soft_cpu *child;
	uint64_t copied = 0, active;

	r = rig_start(2048, 1, 4096);
	map_single(&r, BASE, 300);
	put_pages(r.cpu, BASE, 100, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	put_pages(r.cpu, BASE + 100 * PAGE, 100, 101);
	is_u64(map_flags(&r, 2 * BASE, 10, FW_PROT_R, 0), FW_OK, "map");
	touch(r.cpu, 2 * BASE, FW_ACC_READ);
	is_u64(soft_fork(r.cpu, &child), FW_OK, "fork");
	active = totals(&r).active;
	is_u64(fw_fork_copy(r.s->mm, child->actor, child->space, &copied),
	       FW_OK, "copy");
	is_u64(copied, 200, "each writable page there is");
	ok(totals(&r).active >= active + 200, "in frames of their own");
	is_u64(wrong_pages(child, BASE, 200, 1), 0, "the same contents");
	/* Nobody faults to write any more, and nobody sees the other. */
	child->count[FW_KIND_COW] = 0;
	put_pages(child, BASE, 200, 500);
	is_u64(child->count[FW_KIND_COW], 0, "copies");
	put_pages(r.cpu, BASE, 200, 700);
	is_u64(r.cpu->count[FW_KIND_COW], 0, "copies of the parent's");
	is_u64(wrong_pages(child, BASE, 200, 500), 0, "the child's");
	is_u64(wrong_pages(r.cpu, BASE, 200, 700), 0, "the parent's");
	soft_cpu_exit(child);
	rig_end(&r);
}
