/* SPDX-License-Identifier: MIT */
/*
 * test_look.c - what is said of pages for display agrees with what was done to
 * them: touched, trimmed, written out, forked, of a file, never there.
 */
#include "machine.h"

static struct rig r;
static uint8_t file_data[8 * 4096];

/* Looks at one page; {0, 0} when nothing is said of it. */
static struct fw_look look_at(struct soft_cpu *cpu, fw_addr at)
{
	struct fw_look all[FW_TABLE_ENTRIES], none = {0, 0};
	fw_vpn vpn = at >> FW_PAGE_SHIFT, want = vpn;
	unsigned n;

	fw_space_lock(cpu->space, cpu->actor);
	n = fw_look_locked(cpu->space, &vpn, want + 1, all);
	fw_space_unlock(cpu->space);
	ok(n <= 1 && (n == 0 || vpn == want), "no more than was asked for");
	return n ? all[0] : none;
}

static void is_look(struct soft_cpu *cpu, fw_addr at, unsigned bits,
		    unsigned share, const char *what)
{
	struct fw_look look = look_at(cpu, at);

	is_u64(look.bits, bits, "%s", what);
	is_u64(look.share, share, "%s", what);
}

TEST(private_pages, "")
{
	uint64_t used = 0;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 16);
	is_look(r.cpu, BASE, 0, 0, "never touched");
	put_pages(r.cpu, BASE, 8, 1);
	is_look(r.cpu, BASE, FW_LOOK_PRESENT | FW_LOOK_DIRTY, 1, "written");
	is_look(r.cpu, BASE + 8 * PAGE, 0, 0, "its neighbour");
	is_u64(fw_page_file_slots(r.s->mm, 0, &used), 4095, "slots");
	is_u64(used, 0, "none in use");
	is_u64(fw_page_file_slots(r.s->mm, 1, &used), 0, "no second file");
	trim_all(&r, r.cpu);
	is_look(r.cpu, BASE, FW_LOOK_AWAY, 0, "trimmed: modified");
	write_all(&r);
	is_look(r.cpu, BASE, FW_LOOK_AWAY, 0, "written out: standby");
	flush_standby(&r);
	is_look(r.cpu, BASE, FW_LOOK_AWAY, 0, "in the page file");
	ok(fw_page_file_slots(r.s->mm, 0, &used) && used >= 8, "slots in use");
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "read again");
	is_look(r.cpu, BASE, FW_LOOK_PRESENT, 1, "clean, as in the file");
	rig_end(&r);
}

TEST(tables_that_are_not_there, "")
{
	struct fw_look all[FW_TABLE_ENTRIES];
	const fw_vpn base = BASE >> FW_PAGE_SHIFT;
	const fw_vpn far = base + 5 * FW_TABLE_ENTRIES;
	fw_vpn vpn = base, end = base + 8 * FW_TABLE_ENTRIES;
	uint64_t present = 0;
	unsigned n, rounds = 0;

	r = rig_start(1024, 1, 4096);
	is_u64(map_flags(&r, BASE, 8 * FW_TABLE_ENTRIES, RW,
			 FW_VADF_RANDOM | FW_VADF_NORESERVE),
	       FW_OK, "map");
	put_pages(r.cpu, far << FW_PAGE_SHIFT, 3, 1);
	fw_space_lock(r.cpu->space, r.cpu->actor);
	while ((n = fw_look_locked(r.cpu->space, &vpn, end, all)) > 0) {
		ok(n <= FW_TABLE_ENTRIES && ++rounds <= 8, "one table");
		for (unsigned i = 0; i < n; i++)
			if (all[i].bits) {
				ok(vpn + i >= far && vpn + i < far + 3,
				   "where they are");
				present++;
			}
		vpn += n;
	}
	fw_space_unlock(r.cpu->space);
	is_u64(present, 3, "pages found");
	ok(rounds <= 3, "and no table that is not there");
	rig_end(&r);
}

TEST(shared_by_fork, "")
{
	struct soft_cpu *child = NULL;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	put_pages(r.cpu, BASE, 2, 1);
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(wrong_pages(child, BASE, 2, 1), 0, "the child reads");
	is_u64(look_at(r.cpu, BASE).share, 2, "in both");
	ok(!(look_at(child, BASE).bits & FW_LOOK_OBJECT), "its own");
	put_pages(child, BASE, 1, 9);
	is_u64(look_at(r.cpu, BASE).share, 1, "no more");
	is_u64(look_at(child, BASE).share, 1, "a copy");
	is_u64(look_at(r.cpu, BASE + PAGE).share, 2, "the other still");
	is_u64(child->space->mapped_peak, 4, "the child's peak");
	soft_cpu_exit(child);
	rig_end(&r);
}

static uint64_t weight(const struct soft_cpu *cpu)
{
	return fw_space_weight(r.s->mm, r.s->keeper, cpu->space->id);
}

/* Wherever its pages are, a space weighs the same. */
TEST(weight, "")
{
	const uint64_t far = 20 * FW_TABLE_ENTRIES;
	struct soft_cpu *child = NULL;
	uint64_t tables;
	uint32_t id;

	r = rig_start(1024, 1, 4096);
	is_u64(weight(r.cpu), 1, "a root table");
	is_u64(map_flags(&r, BASE, far + 16, RW,
			 FW_VADF_RANDOM | FW_VADF_NORESERVE),
	       FW_OK, "map");
	is_u64(weight(r.cpu), 1, "what is mapped only weighs nothing");
	put_pages(r.cpu, BASE, 8, 1);
	for (uint64_t i = 0; i < 20; i++)
		put_pages(r.cpu, BASE + i * FW_TABLE_ENTRIES * PAGE, 1, i);
	put_pages(r.cpu, BASE + far * PAGE, 8, 100);
	tables = r.cpu->space->table_frames;
	ok(tables > 20, "many tables");
	is_u64(weight(r.cpu), tables + 35, "in the working set");
	fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 10);
	is_u64(weight(r.cpu), tables + 35, "some of them trimmed");
	trim_all(&r, r.cpu);
	is_u64(weight(r.cpu), tables + 35, "modified");
	write_all(&r);
	flush_standby(&r);
	is_u64(weight(r.cpu), tables + 35, "in the page file");
	is_u64(wrong_pages(r.cpu, BASE + far * PAGE, 8, 100), 0, "read again");
	is_u64(weight(r.cpu), tables + 35, "some of them back");
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(weight(child), child->space->table_frames + 35, "a child's");
	is_u64(weight(r.cpu), tables + 35, "and still its parent's");
	fw_discard(r.s->mm, r.cpu->actor, r.cpu->space, BASE, far * PAGE);
	is_u64(weight(r.cpu), r.cpu->space->table_frames + 8, "discarded");
	id = child->space->id;
	soft_cpu_exit(child);
	is_u64(fw_space_weight(r.s->mm, r.s->keeper, id), 0, "it has ended");
	rig_end(&r);
}

TEST(of_a_file, "")
{
	struct fw_section *file;
	uint64_t cookie;

	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	is_u64(soft_map_view(r.cpu, BASE, 8, RW, FW_VAD_PRIVATE_VIEW, file, 0,
			     cookie),
	       FW_OK, "map");
	fw_set_flags(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE,
		     FW_VADF_RANDOM, 0);
	touch(r.cpu, BASE, FW_ACC_READ);
	is_look(r.cpu, BASE, FW_LOOK_PRESENT | FW_LOOK_OBJECT, 1, "read");
	touch(r.cpu, BASE, FW_ACC_WRITE);
	is_look(r.cpu, BASE, FW_LOOK_PRESENT | FW_LOOK_DIRTY, 1,
		"written: the process's own");
	touch(r.cpu, BASE + PAGE, FW_ACC_READ);
	trim_all(&r, r.cpu);
	is_look(r.cpu, BASE, FW_LOOK_AWAY, 0, "its own, trimmed");
	is_look(r.cpu, BASE + PAGE, 0, 0, "the file's: it is in the file");
	is_u64(r.cpu->space->mapped_peak, 8, "pages mapped");
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE);
	is_u64(r.cpu->space->mapped, 0, "gone");
	is_u64(r.cpu->space->mapped_peak, 8, "the peak stays");
	rig_end(&r);
}
