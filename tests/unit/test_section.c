/* SPDX-License-Identifier: MIT */
/*
 * test_section.c - sections: identity, size, sparse and huge ones, writes to
 * views of files.
 */
#include "machine.h"

static struct rig r;
static uint8_t file_data[20 * 4096];

static struct fw_section *anonymous(uint64_t pages)
{
	struct fw_section *section = NULL;

	must(fw_section_create(r.s->mm, r.s->keeper, NULL, pages, &section) ==
		     FW_OK,
	     "a section");
	return section;
}

static void view(fw_addr at, uint64_t pages, struct fw_section *section,
		 uint64_t page, enum fw_vad_kind kind)
{
	is_u64(soft_map_view(r.cpu, at, pages, RW, kind, section, page, 0),
	       FW_OK, "view");
}

static void drop(struct fw_section *section)
{
	fw_section_unref(r.s->mm, r.s->keeper, section);
}

static void resize(struct fw_section *section, uint64_t pages)
{
	is_u64(fw_section_resize(r.s->mm, r.s->keeper, section, pages), FW_OK,
	       "resize");
	is_u64(fw_section_pages(section), pages, "its new size");
}

TEST(equal_keys_are_one_file, "C45 B05")
{
	struct fw_section_key key = {8, 4072226, 1};
	struct fw_section *s[40], *again;

	r = rig_start(1024, 1, 4096);
	/* More files than buckets would tell apart. */
	for (unsigned i = 0; i < 40; i++) {
		key.ino = 5000 + i;
		must(fw_section_create(r.s->mm, r.s->keeper, &key, 10,
				       &s[i]) == FW_OK,
		     "a file");
	}
	is_u64(totals(&r).sections, 40, "files");
	for (unsigned i = 0; i < 40; i++) {
		key.ino = 5000 + i;
		must(fw_section_create(r.s->mm, r.s->keeper, &key, 12 + i,
				       &again) == FW_OK,
		     "the same file");
		ok(again == s[i], "is the same section");
		is_u64(fw_section_pages(again), 12 + i, "it has grown");
		drop(again);
	}
	key.version = 2;
	must(fw_section_create(r.s->mm, r.s->keeper, &key, 10, &again) ==
		     FW_OK,
	     "a newer version");
	ok(again != s[39], "is another section");
	drop(again);
	for (unsigned i = 0; i < 40; i++) {
		fw_section_ref(r.s->mm, r.s->keeper, s[i]);
		drop(s[i]);
		is_u64(totals(&r).sections, 40 - i, "still there");
		drop(s[i]);
	}
	is_u64(totals(&r).sections, 0, "gone");
	rig_end(&r);
}

TEST(a_new_size, "C75")
{
	struct fw_section *section;

	r = rig_start(1024, 1, 4096);
	section = anonymous(16);
	view(BASE, 32, section, 0, FW_VAD_SECTION);
	put_pages(r.cpu, BASE, 16, 1);
	is_kind(touch(r.cpu, BASE + 16 * PAGE, FW_ACC_READ), FW_KIND_EOF);
	resize(section, 32);
	ok(is_zero_page(r.cpu, BASE + 16 * PAGE), "new pages are zero");
	put_pages(r.cpu, BASE, 32, 1);
	is_u64(totals(&r).committed, 32, "charged");
	trim_all(&r, r.cpu);
	resize(section, 8);
	is_kind(touch(r.cpu, BASE + 8 * PAGE, FW_ACC_READ), FW_KIND_EOF);
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "what remains");
	resize(section, 32);
	ok(is_zero_page(r.cpu, BASE + 8 * PAGE), "what was cut off is zero");
	ok(is_zero_page(r.cpu, BASE + 31 * PAGE), "all of it");
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "what remained");
	rig_verify(&r);
	drop(section);
	rig_end(&r);
}

TEST(sparse_and_huge, "B44")
{
	const uint64_t pages = WIDE ? 1u << 28 : 1u << 19; /* a TiB, 2 GiB */
	struct fw_section *section;
	struct fw_totals before, after;

	r = rig_start(1024, 1, 4096);
	before = totals(&r);
	section = anonymous(pages);
	is_u64(soft_map_view(r.cpu, BASE, pages, RW, FW_VAD_SECTION, section,
			     0, 0),
	       FW_OK, "view");
	for (uint64_t at = 0; at < pages; at += pages / 16)
		ok(put_pages(r.cpu, BASE + at * PAGE, 1, at), "page");
	ok(put_pages(r.cpu, BASE + (pages - 1) * PAGE, 1, 99), "the last");
	after = totals(&r);
	ok(after.pool - before.pool < 80, "%d frames of prototypes",
	   (int)(after.pool - before.pool));
	trim_all(&r, r.cpu);
	for (uint64_t at = 0; at < pages; at += pages / 16)
		is_u64(wrong_pages(r.cpu, BASE + at * PAGE, 1, at), 0, "page");
	is_u64(wrong_pages(r.cpu, BASE + (pages - 1) * PAGE, 1, 99), 0,
	       "the last");
	rig_verify(&r);
	drop(section);
	rig_end(&r);
}

/* Pages become zero for all who map them, wherever they are. */
TEST(cleared, "B44 C75")
{
	const struct fw_section_key key = {6, 6, 6};
	struct fw_section *section, *file;
	struct soft_cpu *other;

	r = rig_start(1024, 1, 4096);
	section = anonymous(1000);
	other = soft_cpu_create(r.s, NULL);
	must(other, "another");
	view(BASE, 1000, section, 0, FW_VAD_SECTION);
	is_u64(soft_map_view(other, BASE, 1000, RW, FW_VAD_SECTION, section, 0,
			     0),
	       FW_OK, "its view");
	put_pages(r.cpu, BASE, 64, 1);
	trim_all(&r, r.cpu);
	write_all(&r); /* 0: page file and standby */
	is_u64(wrong_pages(other, BASE + 16 * PAGE, 16, 17), 0, "clean");
	put_pages(other, BASE + 32 * PAGE, 16, 33);
	put_pages(r.cpu, BASE + 48 * PAGE, 16, 49);
	put_pages(r.cpu, BASE + 999 * PAGE, 1, 7);
	is_u64(fw_section_zero(r.s->mm, r.cpu->actor, section, 2, 60), FW_OK,
	       "cleared");
	rig_verify(&r);
	for (unsigned i = 0; i < 2; i++) {
		for (fw_addr at = BASE + 2 * PAGE; at < BASE + 62 * PAGE;
		     at += PAGE)
			ok(is_zero_page(i ? other : r.cpu, at), "zero");
		is_u64(wrong_pages(r.cpu, BASE, 2, 1), 0, "below");
		is_u64(wrong_pages(other, BASE + 62 * PAGE, 2, 63), 0,
		       "above");
		is_u64(wrong_pages(r.cpu, BASE + 999 * PAGE, 1, 7), 0, "far");
		/* And so they come back. */
		trim_all(&r, r.cpu);
		trim_all(&r, other);
		write_all(&r);
		flush_standby(&r);
	}
	must(fw_section_create(r.s->mm, r.s->keeper, &key, 4, &file) == FW_OK,
	     "a file");
	is_u64(fw_section_zero(r.s->mm, r.cpu->actor, file, 0, 4),
	       FW_E_INVAL, "not of a file");
	is_u64(fw_section_zero(r.s->mm, r.cpu->actor, section, 2,
				UINT64_MAX),
	       FW_E_INVAL, "too far");
	drop(file);
	drop(section);
	soft_cpu_exit(other);
	rig_end(&r);
}

/* In steps that count what is there, not what there could be. */
TEST(the_largest_shrinks_at_once, "B44 C75")
{
	const struct fw_section_key key = {5, 5, 5};
	struct fw_section *section, *large;

	r = rig_start(1024, 1, 4096);
	must(fw_section_create(r.s->mm, r.s->keeper, &key,
			       (UINT64_C(1) << 44) - 1, &large) == FW_OK,
	     "a large file");
	is_u64(fw_section_flush(r.s->mm, r.s->keeper, large, 0,
				UINT64_C(1) << 44),
	       FW_OK, "flushed");
	drop(large);
	section = anonymous(16);
	view(BASE, 16, section, 0, FW_VAD_SECTION);
	view(BASE * 2, 1, section, UINT64_C(1) << 42, FW_VAD_SECTION);
	put_pages(r.cpu, BASE, 16, 1);
	resize(section, (UINT64_C(1) << 44) - 1);
	put_pages(r.cpu, BASE * 2, 1, 2);
	trim_all(&r, r.cpu);
	is_u64(fw_release(r.s->mm, r.s->keeper, section, 0, UINT64_MAX), 0,
	       "nothing is held");
	resize(section, 8);
	resize(section, (UINT64_C(1) << 44) - 1);
	is_u64(wrong_pages(r.cpu, BASE, 8, 1), 0, "what remained");
	ok(is_zero_page(r.cpu, BASE + 8 * PAGE), "what was cut off");
	ok(is_zero_page(r.cpu, BASE * 2), "far above as well");
	drop(section);
	rig_end(&r);
}

/* What a shared view changes goes to the file, and nothing else does. */
TEST(a_shared_view_of_a_file_is_written, "B05")
{
	uint64_t cookie, page[PAGE / 8];
	struct fw_section *file;

	for (unsigned i = 0; i < 20; i++)
		pattern(file_data + i * PAGE, 1 + i);
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	is_u64(soft_map_view(r.cpu, BASE, 20, RW, FW_VAD_SECTION, file, 0,
			     cookie),
	       FW_OK, "view");
	is_u64(wrong_pages(r.cpu, BASE, 20, 1), 0, "the file");
	put_pages(r.cpu, BASE + 5 * PAGE, 5, 100);
	trim_all(&r, r.cpu);
	is_u64(totals(&r).modified, 5, "modified");
	write_all(&r);
	flush_standby(&r);
	is_u64(wrong_pages(r.cpu, BASE, 5, 1), 0, "below");
	is_u64(wrong_pages(r.cpu, BASE + 5 * PAGE, 5, 100), 0, "written");
	is_u64(wrong_pages(r.cpu, BASE + 10 * PAGE, 10, 11), 0, "above");
	pattern(page, 5);
	is_mem(file_data + 4 * PAGE, page, PAGE, "the page below is as it was");
	pattern(page, 100);
	is_mem(file_data + 5 * PAGE, page, PAGE, "the file has the new one");
	is_u64(r.s->io_pages[SOFT_FILE_WRITE], 5, "five pages");
	is_u64(r.s->ios[SOFT_FILE_WRITE], 1, "in one write");
	is_u64(totals(&r).slots_used, 0, "and no slot");
	rig_end(&r);
}

TEST(a_private_view_sees_the_section_until_it_writes, "B16")
{
	struct fw_section *section;

	r = rig_start(1024, 1, 4096);
	section = anonymous(8);
	view(BASE, 8, section, 0, FW_VAD_SECTION);
	view(2 * BASE, 8, section, 0, FW_VAD_PRIVATE_VIEW);
	drop(section);
	put_pages(r.cpu, BASE, 8, 1);
	is_u64(wrong_pages(r.cpu, 2 * BASE, 8, 1), 0, "the same");
	put_pages(r.cpu, 2 * BASE, 4, 100);
	put_pages(r.cpu, BASE, 8, 200);
	is_u64(wrong_pages(r.cpu, 2 * BASE, 4, 100), 0, "its own");
	is_u64(wrong_pages(r.cpu, 2 * BASE + 4 * PAGE, 4, 204), 0, "shared");
	fw_discard(r.s->mm, r.cpu->actor, r.cpu->space, 2 * BASE, 8 * PAGE);
	is_u64(wrong_pages(r.cpu, 2 * BASE, 8, 200), 0, "the section again");
	/* Written first, read never: the copy is made of zeros. */
	fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE, 8 * PAGE);
	rig_end(&r);
}

/* As the bytes of `want` say: which pages need no read to be touched. */
static void resident_pages(struct soft_cpu *cpu, fw_addr at, const char *want)
{
	uint8_t got[16];
	unsigned n = (unsigned)strlen(want);

	fw_resident(r.s->mm, cpu->actor, cpu->space, at, n, got);
	for (unsigned i = 0; i < n; i++)
		is_u64(got[i], want[i] == '1', "page %u of %s", i, want);
}

TEST(what_is_resident, "B05 B16 B06")
{
	struct fw_section *section;
	struct soft_cpu *child;

	r = rig_start(1024, 1, 4096);
	section = anonymous(8);
	view(BASE, 6, section, 0, FW_VAD_SECTION);
	view(2 * BASE, 10, section, 0, FW_VAD_PRIVATE_VIEW);
	drop(section);
	map_single(&r, 3 * BASE, 4);
	put_pages(r.cpu, BASE + PAGE, 1, 1);
	put_pages(r.cpu, BASE + 4 * PAGE, 1, 1);
	put_pages(r.cpu, 3 * BASE, 2, 1);
	resident_pages(r.cpu, BASE, "01001000");
	/* Whoever brought it there; nothing past the end. */
	resident_pages(r.cpu, 2 * BASE, "010010000000");
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	resident_pages(child, 3 * BASE, "1100");
	/* Trimmed pages are here until somebody takes the frame. */
	trim_all(&r, r.cpu);
	trim_all(&r, child);
	resident_pages(child, 3 * BASE, "1100");
	write_all(&r);
	flush_standby(&r);
	resident_pages(child, 3 * BASE, "0000");
	touch(r.cpu, 3 * BASE + PAGE, FW_ACC_READ);
	resident_pages(child, 3 * BASE, "0100");
	resident_pages(r.cpu, BASE, "000000");
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(an_untouched_page_is_written_privately, "B12 B16")
{
	struct fw_section *section;
	uint8_t byte = 9;

	r = rig_start(1024, 1, 4096);
	section = anonymous(8);
	view(BASE, 8, section, 0, FW_VAD_PRIVATE_VIEW);
	view(2 * BASE, 8, section, 0, FW_VAD_SECTION);
	drop(section);
	soft_write(r.cpu, BASE + 5, &byte, 1);
	ok(is_zero_page(r.cpu, 2 * BASE), "the section stays zero");
	soft_read(r.cpu, BASE + 5, &byte, 1);
	is_u64(byte, 9, "the copy does not");
	rig_end(&r);
}

/* A page that is read while its section is cut or dropped. */
static enum fw_status cut_meanwhile(void *arg, enum soft_io io, uint64_t at,
				    unsigned n)
{
	(void)at, (void)n;
	r.s->io_hook = NULL;
	if (io == SOFT_STORE_READ)
		fw_section_resize(r.s->mm, r.s->keeper, arg, 0);
	return FW_OK;
}

TEST(cut_while_it_is_read, "B42")
{
	struct fw_section *section;

	r = rig_start(1024, 1, 4096);
	section = anonymous(8);
	view(BASE, 8, section, 0, FW_VAD_SECTION);
	put_pages(r.cpu, BASE, 8, 1);
	trim_all(&r, r.cpu);
	write_all(&r);
	flush_standby(&r);
	r.s->io_arg = section;
	r.s->io_hook = cut_meanwhile;
	is_kind(touch(r.cpu, BASE, FW_ACC_READ), FW_KIND_EOF);
	is_u64(totals(&r).slots_used, 0, "its slots are free");
	drop(section);
	rig_end(&r);
}
