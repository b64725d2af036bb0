/* SPDX-License-Identifier: MIT */
/*
 * test_changed.c - files that change under private views of them.
 */
#include "machine.h"

#include "mm/mm.h"

#define PAGES 20

static struct rig r;
static struct soft_cpu *child;
static uint8_t file_data[PAGES * 4096];
static uint64_t buffer[PAGE / 8];
static unsigned reads;
static void (*meanwhile)(void);

static void fill(unsigned page, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++)
		pattern(file_data + (page + i) * PAGE, seed + i);
}

/* What happens meanwhile happens when the old bytes are in the buffer. */
static enum fw_status read_file(struct fw_file_change *c, uint64_t page,
				void *to)
{
	void (*now)(void) = meanwhile;

	(void)c;
	reads++;
	if (page << FW_PAGE_SHIFT >= r.s->files[0].size)
		return FW_E_EOF;
	memcpy(to, file_data + (page << FW_PAGE_SHIFT), PAGE);
	meanwhile = NULL;
	if (now)
		now();
	return FW_OK;
}

static enum fw_status change_by(struct fw_actor *actor, uint64_t page,
				uint64_t n, void *to)
{
	struct fw_file_change c = {.dev = 1, .ino = 1, .page = page, .n = n,
				   .read = read_file, .buffer = to};

	return fw_file_changed(r.s->mm, actor, &c);
}

static enum fw_status change(uint64_t page, uint64_t n)
{
	reads = 0;
	return change_by(r.cpu->actor, page, n, buffer);
}

/* A private view of a file that both have looked at; one has page 3 of its
 * own. */
static void start(void)
{
	struct fw_section *file;
	uint64_t cookie;

	fill(0, PAGES, 1);
	r = rig_start(1024, 1, 4096);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	is_u64(soft_map_view(r.cpu, BASE, PAGES, RW, FW_VAD_PRIVATE_VIEW, file,
			     0, cookie),
	       FW_OK, "view");
	is_u64(wrong_pages(r.cpu, BASE, PAGES, 1), 0, "the file");
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	is_u64(wrong_pages(child, BASE, PAGES, 1), 0, "the child's");
	put_pages(r.cpu, BASE + 3 * PAGE, 1, 777);
}

static void end(void)
{
	soft_cpu_exit(child);
	rig_end(&r);
}

TEST(all_views_show_what_the_file_has, "B05 B16")
{
	start();
	fill(2, 4, 100);
	is_u64(change(2, 3), FW_OK, "changed");
	is_u64(reads, 3, "pages read anew");
	is_u64(wrong_pages(r.cpu, BASE, 2, 1), 0, "below");
	is_u64(wrong_pages(r.cpu, BASE + 2 * PAGE, 1, 100), 0, "new");
	is_u64(wrong_pages(r.cpu, BASE + 3 * PAGE, 1, 777), 0, "its own");
	is_u64(wrong_pages(r.cpu, BASE + 4 * PAGE, 1, 102), 0, "new");
	is_u64(wrong_pages(r.cpu, BASE + 5 * PAGE, 15, 6), 0, "not told of");
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 3, 100), 0, "the child's");
	rig_verify(&r);
	is_u64(change(5, UINT64_MAX), FW_OK, "to the end");
	is_u64(wrong_pages(child, BASE + 5 * PAGE, 1, 103), 0, "the last");
	is_u64(wrong_pages(child, BASE + 6 * PAGE, 14, 7), 0, "as it was");
	end();
}

TEST(what_nobody_maps_is_forgotten, "B05 B16")
{
	uint8_t there[PAGES];

	start();
	trim_all(&r, r.cpu);
	trim_all(&r, child);
	fill(0, PAGES, 200);
	is_u64(change(0, 10), FW_OK, "changed");
	is_u64(reads, 0, "none is read");
	fw_resident(r.s->mm, child->actor, child->space, BASE, PAGES, there);
	for (unsigned i = 0; i < PAGES; i++)
		is_u64(there[i], i >= 10, "page %u is here", i);
	rig_verify(&r);
	is_u64(wrong_pages(child, BASE, 10, 200), 0, "read again");
	is_u64(wrong_pages(r.cpu, BASE + 3 * PAGE, 1, 777), 0, "its own");
	end();
}

static void changes_again(void)
{
	static uint64_t other[PAGE / 8];

	fill(2, 1, 400);
	is_u64(change_by(r.s->keeper, 2, 1, other), FW_OK, "the other");
}

TEST(who_reads_old_bytes_reads_again, "B05 B42")
{
	start();
	fill(2, 1, 300);
	meanwhile = changes_again;
	is_u64(change(2, 1), FW_OK, "changed");
	is_u64(reads, 3, "read again");
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 1, 400), 0, "the newest");
	end();
}

static void trimmed(void)
{
	trim_all(&r, r.cpu);
	trim_all(&r, child);
}

static void trimmed_and_read(void)
{
	trimmed();
	is_u64(change_by(r.s->keeper, 0, PAGES, file_data), FW_OK, "forgotten");
	fill(2, 1, 600);
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 1, 600), 0, "read");
}

TEST(a_page_goes_while_its_bytes_are_read, "B05 B42")
{
	start();
	fill(2, 1, 500);
	meanwhile = trimmed;
	is_u64(change(2, 1), FW_OK, "changed");
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 1, 500), 0, "not the old");
	fill(2, 1, 501);
	meanwhile = trimmed_and_read;
	is_u64(change(2, 1), FW_OK, "changed");
	is_u64(wrong_pages(child, BASE + 2 * PAGE, 1, 600), 0, "nor here");
	end();
}

static pthread_t thread;
static enum fw_status told;

static void *tell(void *arg)
{
	static uint64_t other[PAGE / 8];

	(void)arg;
	told = change_by(r.s->keeper, 0, PAGES, other);
	return NULL;
}

/* Begins while a page is read, and must wait for that. */
static enum fw_status read_begins(void *arg, enum soft_io io, uint64_t at,
				  unsigned n)
{
	uint64_t before = __atomic_load_n(&r.s->waits, __ATOMIC_RELAXED);

	(void)arg, (void)io, (void)at, (void)n;
	r.s->io_hook = NULL;
	pthread_create(&thread, NULL, tell, NULL);
	while (__atomic_load_n(&r.s->waits, __ATOMIC_RELAXED) == before)
		sched_yield();
	return FW_OK;
}

TEST(a_read_that_runs_is_waited_for, "B42")
{
	start();
	trimmed();
	is_u64(change(0, PAGES), FW_OK, "forgotten");
	r.s->io_hook = read_begins;
	touch(child, BASE, FW_ACC_READ);
	pthread_join(thread, NULL);
	is_u64(told, FW_OK, "told");
	is_u64(wrong_pages(child, BASE, PAGES, 1), 0, "the file");
	end();
}

TEST(what_is_cut_off_is_gone_for_all, "B05 B16")
{
	start();
	put_pages(child, BASE + 12 * PAGE, 1, 888);
	r.s->files[0].size = 10 * PAGE;
	is_u64(change(0, PAGES), FW_E_EOF, "some lie past the end");
	is_u64(wrong_pages(child, BASE + 10 * PAGE, 2, 11), 0, "still there");
	fw_file_cut(r.s->mm, r.cpu->actor, r.cpu->space, 1, 1, 10);
	is_u64(change(0, PAGES), FW_E_EOF, "the child's");
	fw_file_cut(r.s->mm, child->actor, child->space, 1, 2, 0);
	is_u64(change(0, PAGES), FW_E_EOF, "that was another file");
	fw_file_cut(r.s->mm, child->actor, child->space, 1, 1, 10);
	is_u64(change(0, PAGES), FW_OK, "none");
	is_kind(touch(child, BASE + 10 * PAGE, FW_ACC_READ), FW_KIND_EOF);
	is_kind(touch(child, BASE + 12 * PAGE, FW_ACC_READ), FW_KIND_EOF);
	is_u64(wrong_pages(child, BASE, 10, 1), 0, "what remains");
	is_u64(wrong_pages(r.cpu, BASE + 3 * PAGE, 1, 777), 0, "its own");
	r.s->files[0].size = PAGES * PAGE;
	is_u64(wrong_pages(child, BASE + 10 * PAGE, 10, 11), 0, "grown");
	end();
}

TEST(files_are_watched_until_they_end, "B05")
{
	struct fw_section_key key = {5, 6, 7};
	struct fw_section *old, *new;
	struct fw_mm *mm;

	start();
	mm = r.s->mm;
	ok(!fw_files_watched(mm), "none");
	must(fw_section_create(mm, r.s->keeper, &key, 1, &old) == FW_OK,
	     "a file");
	fw_file_watch(mm, r.s->keeper, 5, 7);
	fw_file_watch(mm, r.s->keeper, 6, 6);
	ok(!fw_files_watched(mm), "others are not it");
	fw_file_watch(mm, r.s->keeper, 5, 6);
	fw_file_watch(mm, r.s->keeper, 5, 6);
	ok(fw_files_watched(mm), "it is");
	key.version = 8;
	must(fw_section_create(mm, r.s->keeper, &key, 1, &new) == FW_OK,
	     "a newer version");
	ok(fw_file_is_watched(mm, r.s->keeper, 5, 6), "it");
	ok(!fw_file_is_watched(mm, r.s->keeper, 1, 1), "and nothing else");
	fw_section_unref(mm, r.s->keeper, old);
	ok(!fw_files_watched(mm), "gone");
	ok(!fw_file_is_watched(mm, r.s->keeper, 5, 6), "the new one is not");
	fw_file_watch(mm, r.s->keeper, 5, 6);
	rig_verify(&r);
	fw_section_unref(mm, r.s->keeper, new);
	ok(!fw_files_watched(mm), "gone as well");
	end();
}
