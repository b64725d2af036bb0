/* SPDX-License-Identifier: MIT */
/*
 * fuzz_trace.c - any bytes as a trace. However they are cut, the references
 * are the same; a machine that replays them has as many faults as a list in
 * order of arrival says, and its records are right at the end.
 *
 * The first byte chooses the policy and the number of frames.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/replay.h"

#define MOST_REFS 4096
#define MOST_FRAMES 32

struct list {
	fw_ref ref[MOST_REFS];
	size_t n;
};

static void collect(void *arg, const fw_ref *ref, size_t n)
{
	struct list *l = arg;

	for (size_t i = 0; i < n && l->n < MOST_REFS; i++)
		l->ref[l->n++] = ref[i];
}

static void want(bool cond)
{
	if (!cond)
		abort();
}

static void parse(struct trace *t, struct list *l, const uint8_t *data,
		  size_t n, size_t piece)
{
	memset(t, 0, sizeof(*t));
	l->n = 0;
	t->take = collect;
	t->arg = l;
	for (size_t at = 0; at < n; at += piece)
		trace_feed(t, (const char *)data + at,
			   n - at < piece ? n - at : piece);
	trace_end(t);
}

/* Faults of FIFO or second chance. */
static uint64_t model(const struct list *l, unsigned frames, bool chance)
{
	fw_vpn page[MOST_FRAMES + 1] = {0};
	bool used[MOST_FRAMES + 1] = {0}, was;
	unsigned n = 0, k;
	uint64_t misses = 0;

	for (size_t i = 0; i < l->n; i++) {
		fw_vpn vpn = l->ref[i] >> REF_SHIFT;

		for (k = 0; k < n && page[k] != vpn; k++)
			;
		if (k < n) {
			used[k] = true;
			continue;
		}
		for (misses++, was = true; n == frames && was;) {
			fw_vpn first = page[0];

			was = chance && used[0];
			n--;
			memmove(page, page + 1, n * sizeof(*page));
			memmove(used, used + 1, n * sizeof(*used));
			if (was) {
				page[n] = first;
				used[n++] = false;
			}
		}
		page[n] = vpn;
		used[n++] = true;
	}
	return misses;
}

static void replay(const struct list *l, uint8_t choice)
{
	struct replay_config config = {
		.policy = (enum fw_policy_id)(choice % FW_POLICIES),
		.pages = 1 + choice / FW_POLICIES % MOST_FRAMES,
		.ahead = choice >= 0xc0,
	};
	struct replay_machine *m = replay_machine_open(&config);
	struct replay_result r;
	uint64_t misses;

	want(m);
	replay_machine_run(m, l->ref, l->n);
	replay_machine_result(m, &r);
	misses = r.kind[FW_KIND_DEMAND_ZERO] + r.kind[FW_KIND_PAGE_FILE];
	want(!r.full && !r.crowded);
	want(r.kind[FW_KIND_PAGE_FILE] == r.reads);
	if (!config.ahead && (config.policy == FW_POLICY_FIFO ||
			      config.policy == FW_POLICY_CLOCK))
		want(misses == model(l, (unsigned)config.pages,
				     config.policy == FW_POLICY_CLOCK));
	want(replay_machine_verify(m) == 0);
	replay_machine_close(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct trace whole, pieces;
	static struct list refs, again;

	if (n == 0)
		return 0;
	parse(&whole, &refs, data + 1, n - 1, n);
	parse(&pieces, &again, data + 1, n - 1, 1 + data[0] % 7);
	want(whole.lines == pieces.lines &&
	     whole.malformed == pieces.malformed &&
	     whole.outside == pieces.outside &&
	     !memcmp(whole.count, pieces.count, sizeof(whole.count)));
	want(refs.n == again.n &&
	     !memcmp(refs.ref, again.ref, refs.n * sizeof(*refs.ref)));
	replay(&refs, data[0]);
	return 0;
}
