/* SPDX-License-Identifier: MIT */
/*
 * stat.c - the summary as JSON (--stat FILE): one object of the schema
 * "faultwise.stat/1". Fields are added, never renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

/* The file is made before the program starts: a path that cannot be written
 * is an error then, not after hours. */
int open_stat(struct front *f)
{
	if (!f->opt.stat)
		return 0;
	f->stat_fd =
		open(f->opt.stat,
		     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (f->stat_fd < 0)
		return fail(EXIT_US,
			    "cannot write %s: %s. Name another file "
			    "with --stat.",
			    f->opt.stat, strerror(errno));
	return 0;
}

static void put_number(FILE *out, const char *key, uint64_t value,
		       const char *behind)
{
	fprintf(out, "\"%s\":%llu%s", key, (unsigned long long)value, behind);
}

static void put_argv(FILE *out, char **argv)
{
	fprintf(out, "\"argv\":[");
	for (char **arg = argv; *arg; arg++) {
		if (arg != argv)
			fputc(',', out);
		put_json_string(out, *arg);
	}
	fprintf(out, "],\n");
}

/* How the program ended: null where it did not, or not in this way. */
static void put_outcome(FILE *out, const struct front *f, int exit_status)
{
	bool ran = f->ended && f->run->failed == FW_FAIL_NONE;

	if (ran && WIFEXITED(f->status))
		fprintf(out, "\"exit\":%d,\"signal\":null,\n",
			WEXITSTATUS(f->status));
	else if (ran)
		fprintf(out, "\"exit\":null,\"signal\":%d,\n",
			WTERMSIG(f->status));
	else
		fprintf(out, "\"exit\":null,\"signal\":null,\n");
	fprintf(out, "\"own_failure\":%d,\n", exit_status);
	fprintf(out, "\"wall_s\":%.6f,\n",
		(double)(f->end_ns - f->start_ns) / 1e9);
}

static void put_kinds(FILE *out, const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;
	uint64_t hard = 0;
	double ns = 0;

	fprintf(out, "\"kinds\":{");
	for (int kind = 0; kind < FW_KIND_COUNT; kind++) {
		double own = ticks_to_ns(f, t->kind_ticks[kind]);

		ns += (double)(uint64_t)own;
		if (kind_is_hard((enum fw_kind)kind))
			hard += t->kind_count[kind];
		fprintf(out, "%s\n \"%s\":{", kind ? "," : "",
			fw_kind_key((enum fw_kind)kind));
		put_number(out, "count", t->kind_count[kind], ",");
		put_number(out, "pages", t->kind_pages[kind], ",");
		put_number(out, "ns", (uint64_t)own, "}");
	}
	fprintf(out, "},\n\"faults\":{");
	put_number(out, "total", kinds_sum(t->kind_count), ",");
	put_number(out, "hard", hard, ",");
	put_number(out, "pages", kinds_sum(t->kind_pages), ",");
	put_number(out, "ns", (uint64_t)ns, "},\n");
}

static void put_frames(FILE *out, const struct fw_totals *t)
{
	fprintf(out, "\"frames\":{");
	put_number(out, "total", t->nframes, ",");
	put_number(out, "active", t->active, ",");
	put_number(out, "standby", t->standby, ",");
	put_number(out, "modified", t->modified, ",");
	put_number(out, "modified_no_write", t->modified_no_write, ",");
	put_number(out, "transition", t->transition, ",");
	put_number(out, "free", t->free, ",");
	put_number(out, "zeroed", t->zeroed, ",");
	put_number(out, "bad", t->bad, ",");
	put_number(out, "untouched", t->untouched, ",");
	put_number(out, "tables", t->tables, ",");
	put_number(out, "pool", t->pool, ",");
	put_number(out, "peak_active", t->peak_active, "},\n");
}

static void put_page_file(FILE *out, const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	fprintf(out, "\"page_file\":{");
	put_number(out, "bytes", f->store_bytes, ",");
	put_number(out, "slots", t->slots, ",");
	put_number(out, "slots_used", t->slots_used, ",");
	put_number(out, "pages_written", t->pages_written, ",");
	put_number(out, "writes", t->writes, ",");
	put_number(out, "pages_read", t->pages_read, ",");
	put_number(out, "reads", t->reads, ",");
	put_number(out, "pages_zero_elided", t->pages_zero_elided, "},\n");
}

static void put_refusals(FILE *out, const struct fw_run *run)
{
	const char *before = "";

	fprintf(out, "\"refused\":[");
	for (unsigned kind = 0; kind < FW_REFUSALS; kind++)
		if (run->refusals & 1u << kind) {
			fprintf(out, "%s\"%s\"", before,
				refusal_name((enum fw_refusal)kind));
			before = ",";
		}
	fprintf(out, "],\n");
}

static void put_compressed(FILE *out, const struct fw_totals *t)
{
	fprintf(out, "\"compressed\":{");
	put_number(out, "frames", t->store_frames, ",");
	put_number(out, "max_frames", t->store_max, ",");
	put_number(out, "pages", t->store_pages, ",");
	put_number(out, "bytes", t->store_bytes, ",");
	put_number(out, "pages_in", t->store_in, ",");
	put_number(out, "bytes_in", t->store_in_bytes, ",");
	put_number(out, "pages_read", t->store_loads, ",");
	put_number(out, "pages_moved", t->store_moved, ",");
	put_number(out, "pages_condensed", t->store_condensed, ",");
	put_number(out, "pages_packed", t->store_packed, "},\n");
}

static void put_rest(FILE *out, const struct front *f)
{
	const struct fw_totals *t = &f->final.totals;

	put_number(out, "trims", t->trims, ",\n");
	put_number(out, "pages_trimmed", t->pages_trimmed, ",\n");
	put_number(out, "turns", t->turns, ",\n");
	put_number(out, "oom_kills", f->run->oom_kills, ",\n");
	put_number(out, "oops", f->run->oops, ",\n");
	put_number(out, "rollbacks", t->rollbacks, ",\n");
	put_number(out, "longest_rollback_ns",
		   (uint64_t)ticks_to_ns(f, f->run->repair_ticks), ",\n");
	put_number(out, "reaps", t->reaps, ",\n");
	put_number(out, "stop_waits", f->run->stop_waits, ",\n");
	put_number(out, "longest_stop_wait_ns",
		   (uint64_t)ticks_to_ns(f, f->run->stop_ticks), ",\n");
	put_number(out, "agents_lost", f->final.lost_agents, ",\n");
	put_number(out, "procs_left", f->final.procs_left, ",\n");
	put_number(out, "leaked_spaces", f->final.procs_left ? 0 : t->spaces,
		   ",\n");
	put_number(out, "leaked_sections",
		   f->final.procs_left ? 0 : t->sections, ",\n");
	put_refusals(out, f->run);
	fprintf(out, "\"check\":{");
	put_number(out, "runs", f->final.check_runs, ",");
	put_number(out, "failures", f->final.check_failures, "}\n");
}

void write_stat(const struct front *f, int exit_status)
{
	FILE *out;

	if (f->stat_fd < 0)
		return;
	out = fdopen(f->stat_fd, "w");
	if (!out)
		return;
	fprintf(out, "{\"schema\":\"faultwise.stat/1\",\n\"program\":");
	put_json_string(out, f->program);
	fprintf(out, ",\n");
	put_argv(out, f->opt.argv);
	put_outcome(out, f, exit_status);
	put_number(out, "ram_bytes", f->ram_bytes, ",\n");
	fprintf(out, "\"complete\":%s,\n", f->have_final ? "true" : "false");
	put_kinds(out, f);
	put_frames(out, &f->final.totals);
	put_page_file(out, f);
	put_compressed(out, &f->final.totals);
	put_rest(out, f);
	fprintf(out, "}\n");
	if (fclose(out))
		fail(EXIT_US, "cannot write %s: %s. The figures are lost.",
		     f->opt.stat, strerror(errno));
}
