/* SPDX-License-Identifier: MIT */
/*
 * summary.c - what `faultwise run` prints at the end: faults by kind with
 * their time, frames, page file. The sums that are printed agree.
 */
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"

#define WORD_MAX_SHOWN 40

static const char *const kind_source[FW_KIND_COUNT] = {
	[FW_KIND_DEMAND_ZERO] = "fresh anonymous memory",
	[FW_KIND_TRANSITION] = "still in memory: standby, modified list",
	[FW_KIND_PROTOTYPE] = "shared page, already in memory",
	[FW_KIND_COW] = "private copy of a shared page",
	[FW_KIND_COW_REUSE] = "last owner took the page, no copy",
	[FW_KIND_DIRTY] = "first write to a clean page",
	[FW_KIND_PAGE_FILE] = "written earlier, then reused",
	[FW_KIND_COMPRESSED] = "left earlier, kept compressed in RAM",
	[FW_KIND_MAPPED_FILE] = "first use of a file's pages",
	[FW_KIND_HOST_VIEW] = "page of a shared file of the host",
	[FW_KIND_STACK] = "the stack grew",
	[FW_KIND_GUARD] = "touched a guard page",
	[FW_KIND_COLLIDED] = "another thread was reading the page",
	[FW_KIND_REFILL] = "page was valid, host mapping was not",
	[FW_KIND_MAPERR] = "no such address: SIGSEGV",
	[FW_KIND_ACCERR] = "access not permitted: SIGSEGV",
	[FW_KIND_OVERFLOW] = "the stack is full: SIGSEGV",
	[FW_KIND_EOF] = "beyond the end of a file: SIGBUS",
	[FW_KIND_IOERR] = "reading failed: SIGBUS",
	[FW_KIND_NOMEM] = "no frame could be had",
};

static const char *time_text(double ns)
{
	static char texts[8][24];
	static unsigned turn;
	char *text = texts[turn++ % 8];

	if (ns < 1e3)
		snprintf(text, sizeof(texts[0]), "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(text, sizeof(texts[0]), "%.1f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, sizeof(texts[0]), "%.1f ms", ns / 1e6);
	else
		snprintf(text, sizeof(texts[0]), "%.2f s", ns / 1e9);
	return text;
}

/* The start of an argument, on one line. */
static void put_word(const char *word)
{
	fputc(' ', stderr);
	for (int i = 0; i < WORD_MAX_SHOWN && word[i]; i++)
		fputc((unsigned char)word[i] < ' ' || word[i] == 127 ? ' '
								     : word[i],
		      stderr);
}

static void print_head(const struct front *f)
{
	double seconds = (double)(f->end_ns - f->start_ns) / 1e9;

	fprintf(stderr, "faultwise:");
	for (char **arg = f->opt.argv; *arg; arg++) {
		if (arg - f->opt.argv == 6) {
			fprintf(stderr, " ...");
			break;
		}
		put_word(*arg);
	}
	if (WIFSIGNALED(f->status))
		fprintf(stderr, "   signal %d (%s)", WTERMSIG(f->status),
			strsignal(WTERMSIG(f->status)));
	else
		fprintf(stderr, "   exit %d", WEXITSTATUS(f->status));
	fprintf(stderr, "   %.2f s   %s (%llu frames)   %s\n\n", seconds,
		size_text(f->ram_bytes),
		(unsigned long long)(f->ram_bytes >> FW_PAGE_SHIFT),
		f->store_text);
}

static void print_faults(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;
	uint64_t all = kinds_sum(t->kind_count), hard = 0, ticks = 0;

	for (int kind = 0; kind < FW_KIND_COUNT; kind++) {
		if (kind_is_hard((enum fw_kind)kind))
			hard += t->kind_count[kind];
		ticks += t->kind_ticks[kind];
	}
	fprintf(stderr, "  %s faults, %s hard (%.1f%%); %s spent in them\n\n",
		count_text(all), count_text(hard),
		all ? 100.0 * (double)hard / (double)all : 0.0,
		time_text(ticks_to_ns(f, ticks)));
}

static void print_row(const char *name, uint64_t count, uint64_t pages,
		      double ns, const char *source)
{
	fprintf(stderr, "  %-17s %11s %11s %9s %9s%s%s\n", name,
		count_text(count), count_text(pages),
		count ? time_text(ns / (double)count) : "-", time_text(ns),
		*source ? "   " : "", source);
}

static void print_kinds(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	fprintf(stderr, "  %-17s %11s %11s %9s %9s   %s\n", "kind", "count",
		"pages", "avg", "total", "where it came from");
	for (int kind = 0; kind < FW_KIND_COUNT; kind++)
		if (t->kind_count[kind])
			print_row(fw_kind_text((enum fw_kind)kind),
				  t->kind_count[kind], t->kind_pages[kind],
				  ticks_to_ns(f, t->kind_ticks[kind]),
				  kind_source[kind]);
	print_row("all", kinds_sum(t->kind_count), kinds_sum(t->kind_pages),
		  ticks_to_ns(f, kinds_sum(t->kind_ticks)), "");
}

static void print_frames(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	fprintf(stderr,
		"\n  frames at end  active %s  standby %s  modified %s  "
		"transition %s  free %s  zeroed %s",
		count_text(t->active), count_text(t->standby),
		count_text(t->modified + t->modified_no_write),
		count_text(t->transition), count_text(t->free),
		count_text(t->zeroed));
	if (t->bad)
		fprintf(stderr, "  bad %s", count_text(t->bad));
	fprintf(stderr, "   of %s; most active %s (%s)\n",
		count_text(t->nframes), count_text(t->peak_active),
		size_text(t->peak_active << FW_PAGE_SHIFT));
}

static void print_page_file(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	fprintf(stderr, "  page file      wrote %s pages in %s writes",
		count_text(t->pages_written), count_text(t->writes));
	if (t->writes)
		fprintf(stderr, " (%.1f each)",
			(double)t->pages_written / (double)t->writes);
	fprintf(stderr, "; %s of %s used\n",
		size_text(t->slots_used << FW_PAGE_SHIFT),
		size_text(t->slots << FW_PAGE_SHIFT));
	if (t->pages_zero_elided)
		fprintf(stderr,
			"                 %s pages of zeros needed no "
			"writing\n",
			count_text(t->pages_zero_elided));
	fprintf(stderr,
		"  reading        %s pages in %s reads, from page file and "
		"mapped files\n",
		count_text(t->pages_read), count_text(t->reads));
}

static void print_compressed(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	if (!t->store_in)
		return;
	fprintf(stderr,
		"  compressed     %s pages (%.1f:1), %s read again, %s moved "
		"on to the page file\n",
		count_text(t->store_in),
		(double)(t->store_in << FW_PAGE_SHIFT) /
			(double)t->store_in_bytes,
		count_text(t->store_loads), count_text(t->store_moved));
	if (t->store_pages)
		fprintf(stderr,
			"                 at end %s pages in %s of RAM, of at "
			"most %s\n",
			count_text(t->store_pages),
			size_text(t->store_frames << FW_PAGE_SHIFT),
			size_text(t->store_max << FW_PAGE_SHIFT));
}

static void print_rest(const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	fprintf(stderr, "  trimming       %s pages in %s steps\n",
		count_text(t->pages_trimmed), count_text(t->trims));
	if (t->turns)
		fprintf(stderr,
			"  thrashing      programs together wanted more than "
			"there is: %s turns\n", count_text(t->turns));
	if (t->rollbacks || f->final.lost_agents)
		fprintf(stderr,
			"  recovery       %s rollbacks, %s dead cleaned up, "
			"%u agents lost\n",
			count_text(t->rollbacks), count_text(t->reaps),
			f->final.lost_agents);
	if (f->opt.check)
		fprintf(stderr, "  check          %s runs, %s discrepancies\n",
			count_text(f->final.check_runs),
			count_text(f->final.check_failures));
}

void print_summary(const struct front *f)
{
	print_head(f);
	if (!f->have_final) {
		fprintf(stderr, "  no figures: the system process did not "
				"deliver them in time\n");
		return;
	}
	print_faults(f);
	print_kinds(f);
	print_frames(f);
	print_page_file(f);
	print_compressed(f);
	print_rest(f);
}
