/* SPDX-License-Identifier: MIT */
/*
 * batch.c - no critical section grows with what it works on: a process of
 * 100,000 pages is forked, paged out and back, unmapped and ended, and between
 * two consistent points the core never stores more words than a batch needs.
 *
 * The core is built with FW_STEP: each journalled store calls the machine's
 * step hook, as do lock and unlock.
 */
#include "unit/machine.h"

#include "mm/mm.h"

#define PAGES_ALL 100000u
/* 64 pages, some 20 words each, and tables. */
#define WORDS_MOST 2048u

static struct rig r;
static uint64_t words, most;

static void step(void *arg)
{
	(void)arg;
	words = r.s->mm->undo_count;
	if (words > most)
		most = words;
}

static void begin(void)
{
	most = 0;
	r.s->step_hook = step;
}

static void end(const char *what)
{
	r.s->step_hook = NULL;
	diag("%s: at most %lu words at a time", what, (unsigned long)most);
	ok(most > 0 && most <= WORDS_MOST, "%s works in batches", what);
	rig_verify(&r);
}

static void write_word(struct soft_cpu *cpu, uint64_t page, uint64_t value)
{
	must(soft_write(cpu, BASE + page * PAGE, &value, sizeof(value)),
	     "write");
}

static uint64_t wrong_words(struct soft_cpu *cpu, uint64_t plus)
{
	uint64_t wrong = 0, got;

	for (uint64_t i = 0; i < PAGES_ALL; i++)
		wrong += !soft_read(cpu, BASE + i * PAGE, &got, sizeof(got)) ||
			 got != i + plus;
	return wrong;
}

TEST(a_large_process_in_batches, "A04 B04 C71 C76")
{
	struct soft_cpu *child;

	r = rig_start(1u << 17, 1, 1u << 18);
	must(soft_map(r.cpu, BASE, PAGES_ALL, RW) == FW_OK, "map");
	begin();
	for (uint64_t i = 0; i < PAGES_ALL; i++)
		write_word(r.cpu, i, i + 1);
	end("touching");
	begin();
	must(soft_fork(r.cpu, &child) == FW_OK, "fork");
	end("fork");
	begin();
	while (fw_trim(r.s->mm, r.cpu->actor, r.cpu->space, 64) > 0 ||
	       fw_trim(r.s->mm, child->actor, child->space, 64) > 0)
		;
	end("trimming");
	begin();
	while (fw_write_modified(r.s->mm, r.s->keeper, 64) > 0)
		;
	end("writing");
	flush_standby(&r);
	begin();
	is_u64(wrong_words(child, 1), 0, "words of the child");
	is_u64(wrong_words(r.cpu, 1), 0, "words of the parent");
	end("reading back");
	ok(r.s->io_pages[SOFT_STORE_READ] >= PAGES_ALL, "it was paged out");
	begin();
	soft_cpu_exit(child);
	must(fw_unmap(r.s->mm, r.cpu->actor, r.cpu->space, BASE,
		      PAGES_ALL * PAGE) == FW_OK, "unmap");
	end("ending");
	rig_end(&r);
}
