/* SPDX-License-Identifier: MIT */
/*
 * wild.c - calls of every kind with any arguments, most of them near each
 * other, on a machine whose page files come and go and whose I/O fails. Each
 * answer is one that its contract names; what is written can be read; and in
 * the end nothing is left.
 */
#include "ops.h"

#include "mm/mm.h"

#include <stdlib.h>
#include <string.h>

#define MOST_OPS 500
#define CPUS 4
#define FILES 2 /* a file and an image */
#define SHARES 3
#define FILE_PAGES 20
#define PIECES 8
#define MOST_SLOTS 4096
#define RETIRED 16

static struct soft_cpu *cpus[CPUS];
static struct fw_section *files[FILES], *shared[SHARES];
static uint64_t cookies[FILES];
static uint8_t file_data[FILES][FILE_PAGES * 4096 - 100];
static void *pieces[PIECES];
static const size_t piece_size[PIECES] = {1,   16,   96,	 100,
					  500, 2048, 4095, 4096};
static unsigned retired;

/* What most calls of the core begin with. */
#define AT(cpu) soft->mm, (cpu)->actor, (cpu)->space
#define CHANGED (ONE(FW_OK) | ONE(FW_E_INVAL) | ONE(FW_E_NOMEM))

static struct soft_cpu *any_cpu(void)
{
	unsigned i = rnd(CPUS);

	while (!cpus[i])
		i = (i + 1) % CPUS;
	return cpus[i];
}

/* Where things begin or end. */
static fw_addr any_edge(void)
{
	const fw_addr edges[] = {
		0, 0x1000, 1 << 22, 1 << 30, 1u << 31, FUZZ_WINDOW,
		UINT64_C(1) << 32, FUZZ_TOP, FW_VPN_END << FW_PAGE_SHIFT,
		UINT64_C(1) << 39, UINT64_C(1) << 47, -(UINT64_C(1) << 47)};

	return edges[rnd(sizeof(edges) / sizeof(*edges))];
}

static fw_addr any_address(void)
{
	switch (rnd(16)) {
	case 0:
		return any_edge();
	case 1:
		return any_edge() + (rnd(5) - 2u) * FUZZ_PAGE;
	case 2:
		return any_edge() + rnd(0x10000) - 0x8000;
	case 3:
		return fuzz_word();
	case 4:
		return fuzz_word() & ~FW_PAGE_MASK;
	default:
		return FUZZ_WINDOW + rnd(128) * FUZZ_PAGE;
	}
}

static uint64_t any_length(fw_addr at)
{
	switch (rnd(16)) {
	case 0:
		return fuzz_word();
	case 1:
		return fuzz_word() & ~FW_PAGE_MASK;
	case 2:
		return any_edge() - at;
	case 3:
		return (1 + rnd(2000)) * FUZZ_PAGE;
	default:
		return (1 + rnd(24)) * FUZZ_PAGE;
	}
}

static uint64_t any_pages(void)
{
	return rnd(8) ? rnd(600) : fuzz_word() >> rnd(40);
}

/* ---- regions ------------------------------------------------------------- */

static void wild_view(struct fw_map_request *rq)
{
	unsigned i = rnd(FILES + SHARES);

	rq->section = i < FILES ? files[i] : shared[i - FILES];
	rq->cookie = i < FILES ? cookies[i] : 0;
	rq->page = any_pages();
	/* Nobody maps an image to be written through. */
	if (i == 1)
		rq->kind = FW_VAD_PRIVATE_VIEW;
}

static void wild_map(struct soft_cpu *cpu)
{
	struct fw_map_request rq = {.start = any_address(),
				    .kind = (uint8_t)rnd(6),
				    .prot = (uint8_t)rnd(9),
				    .max_prot = 7,
				    .replace = (uint8_t)rnd(2)};

	if (rq.prot == 8)
		rq.prot = RW_PROT;
	rq.len = any_length(rq.start);
	rq.flags = rnd(4) ? 0 : 1u << rnd(9);
	if (rnd(16) == 0)
		rq.flags |= FW_VADF_STACK | FW_VADF_GUARD;
	if (rq.kind == FW_VAD_SECTION || rq.kind == FW_VAD_PRIVATE_VIEW)
		wild_view(&rq);
	among(fw_map(AT(cpu), &rq), CHANGED | ONE(FW_E_EXIST));
}

static void wild_image(struct soft_cpu *cpu)
{
	struct fw_map_request rq = {.start = any_address(),
				    .section = files[1],
				    .cookie = cookies[1]};

	among(fw_image_map(AT(cpu), &rq), CHANGED | ONE(FW_E_EXIST));
}

static void wild_change(struct soft_cpu *cpu)
{
	fw_addr at = any_address();
	uint64_t len = any_length(at);
	uint32_t set = rnd(2) ? 1u << rnd(9) : 0;

	switch (rnd(9)) {
	case 0:
		among(fw_unmap(AT(cpu), at, len), CHANGED);
		break;
	case 1:
		among(fw_protect(AT(cpu), at, len, rnd(9)),
		      CHANGED | ONE(FW_E_NOENT) | ONE(FW_E_FAULT));
		break;
	case 2:
		among(fw_discard(AT(cpu), at, len),
		      ONE(FW_OK) | ONE(FW_E_INVAL) | ONE(FW_E_NOENT));
		break;
	case 3:
		among(fw_set_flags(AT(cpu), at, len, set, 1u << rnd(9)),
		      CHANGED | ONE(FW_E_NOENT));
		break;
	case 4:
		among(fw_set_priority(AT(cpu), at, len, (int)rnd(11) - 2),
		      CHANGED | ONE(FW_E_NOENT));
		break;
	case 5:
		among(fw_move(AT(cpu), at, len, any_address()),
		      CHANGED | ONE(FW_E_FAULT) | ONE(FW_E_EXIST));
		break;
	case 6:
		among(fw_move_over(AT(cpu), at, len, any_address(),
				   len + rnd(9) * FUZZ_PAGE),
		      CHANGED | ONE(FW_E_FAULT));
		break;
	case 7:
		among(fw_extend_down(AT(cpu), at, len),
		      CHANGED | ONE(FW_E_EXIST) | ONE(FW_E_NOENT));
		break;
	default:
		among(fw_extend(AT(cpu), at, len),
		      CHANGED | ONE(FW_E_EXIST) | ONE(FW_E_NOENT));
	}
}

/* ---- accesses ------------------------------------------------------------ */

static void wild_touch(struct soft_cpu *cpu)
{
	static const uint32_t access[] = {FW_ACC_READ, FW_ACC_WRITE,
					  FW_ACC_EXEC};
	fw_addr at = any_address() + (rnd(2) ? FW_PAGE_MASK : 0);
	unsigned n = 1 + rnd(rnd(4) ? 2 : 40), kind = rnd(3);
	uint8_t byte, put = (uint8_t)rnd(256);

	for (; n > 0; n--, at += FUZZ_PAGE) {
		byte = put;
		/* With 32 bits there are no more addresses. */
		if (FW_VA_BITS < 48 && at >> FW_VA_BITS)
			return;
		if (!soft_access(cpu, at, &byte, 1, access[kind])) {
			ok(!fw_kind_resolved(cpu->last.kind), "%s, but no",
			   fw_kind_text(cpu->last.kind));
			continue;
		}
		/* What may be written can be read back, unless it is the
		 * host's or another view of the same page came first. */
		if (kind == 1 && soft_access(cpu, at, &byte, 1, FW_ACC_READ))
			ok(byte == put || cpu->last.kind == FW_KIND_HOST_VIEW,
			   "%u was written, %u read", put, byte);
	}
}

static void wild_copy(struct soft_cpu *cpu)
{
	static uint8_t buffer[3 * 4096];
	fw_addr at = any_address();
	uint64_t len = rnd(sizeof(buffer)), got;
	struct fw_range range[2] = {
		{at, any_length(at), rnd(2) ? FW_ACC_WRITE : 0, 0},
		{any_address(), rnd(3 * 4096), rnd(2) ? FW_ACC_WRITE : 0, 0}};
	unsigned good = 0;
	uint64_t bytes = 0;

	switch (rnd(3)) {
	case 0:
		got = fw_copy_in(AT(cpu), buffer, at, len);
		ok(got <= len, "no more than wanted");
		break;
	case 1:
		got = fw_copy_out(AT(cpu), at, buffer, len);
		ok(got <= len, "no more than wanted");
		break;
	default:
		among(fw_announce(AT(cpu), range, 1 + rnd(2), &good, &bytes),
		      CHANGED | ONE(FW_E_FAULT) | ONE(FW_E_IO) |
			      ONE(FW_E_EOF) | ONE(FW_E_LIMIT));
		fw_trim(AT(cpu), rnd(64));
		fw_withdraw(cpu->actor);
	}
}

/* ---- processes ----------------------------------------------------------- */

static void wild_fork(struct soft_cpu *cpu)
{
	struct soft_cpu *child = NULL;
	enum fw_status status;
	uint64_t copied;
	unsigned i = 0;

	while (i < CPUS && cpus[i])
		i++;
	if (i == CPUS)
		return;
	status = soft_fork(cpu, &child);
	among(status, ONE(FW_OK) | ONE(FW_E_NOMEM) | ONE(FW_E_LIMIT));
	if (status != FW_OK)
		return;
	cpus[i] = child;
	if (rnd(4) == 0)
		among(fw_fork_copy(AT(child), &copied),
		      ONE(FW_OK) | ONE(FW_E_NOMEM) | ONE(FW_E_IO));
}

static void wild_exit(struct soft_cpu *cpu)
{
	unsigned living = 0, i;

	for (i = 0; i < CPUS; i++)
		living += cpus[i] != NULL;
	for (i = 0; i < CPUS && living > 1; i++)
		if (cpus[i] == cpu) {
			soft_cpu_exit(cpu);
			cpus[i] = NULL;
		}
}

static void wild_limits(struct soft_cpu *cpu)
{
	uint64_t min = rnd(4) ? rnd(60) : fuzz_word();
	uint64_t max = rnd(4) ? 100 + rnd(200) : fuzz_word();

	among(fw_space_set_limits(AT(cpu), min, rnd(2) ? max : 0, rnd(5)),
	      ONE(FW_OK) | ONE(FW_E_INVAL) | ONE(FW_E_LIMIT));
	fw_space_set_priority(AT(cpu), (int)rnd(11) - 2);
	fw_actor_set_priority(cpu->actor, (int)rnd(11) - 2);
}

/* ---- the machine --------------------------------------------------------- */

static void wild_background(struct soft_cpu *cpu)
{
	bool (*const tick[])(struct fw_mm *, struct fw_actor *) = {
		fw_writer_tick, fw_mapped_tick, fw_zero_tick,
		fw_balance_tick};

	switch (rnd(6)) {
	case 0:
		fw_write_modified(soft->mm, soft->keeper, rnd(65));
		break;
	case 1:
		fw_write_mapped(soft->mm, soft->keeper, rnd(17));
		break;
	case 2:
		fw_balance_second(soft->mm, soft->keeper, 0);
		break;
	case 3:
		fw_trim(AT(cpu), rnd(400));
		break;
	default:
		for (unsigned n = rnd(4); n > 0; n--)
			tick[rnd(4)](soft->mm, soft->keeper);
	}
}

static void wild_page_file(struct soft_cpu *cpu)
{
	uint64_t slots = rnd(4) ? 2 + rnd(MOST_SLOTS - 1) : rnd(3);
	enum fw_status status;
	unsigned file = 0;

	if (rnd(2)) {
		among(fw_page_file_remove(soft->mm, cpu->actor, rnd(18)),
		      ONE(FW_OK) | ONE(FW_E_NOENT) | ONE(FW_E_BUSY) |
			      ONE(FW_E_LIMIT));
		return;
	}
	status = fw_page_file_add(soft->mm, cpu->actor, slots, &file);
	among(status, CHANGED | ONE(FW_E_LIMIT));
	if (status != FW_OK)
		return;
	store_close(soft->stores[file]);
	soft->stores[file] = store_ram_open(slots);
	must(soft->stores[file], "memory");
}

static void wild_section(struct soft_cpu *cpu)
{
	unsigned i = rnd(SHARES);
	struct fw_section *s = NULL;

	switch (rnd(4)) {
	case 0:
		among(fw_section_zero(soft->mm, cpu->actor, shared[i],
				      any_pages(), any_pages()),
		      ONE(FW_OK) | ONE(FW_E_INVAL));
		return;
	case 1:
		among(fw_section_resize(soft->mm, cpu->actor, shared[i],
					any_pages()),
		      CHANGED);
		return;
	default:
		break;
	}
	if (fw_section_create(soft->mm, cpu->actor, NULL, any_pages(), &s) !=
	    FW_OK)
		return;
	fw_section_unref(soft->mm, cpu->actor, shared[i]);
	shared[i] = s;
}

static void wild_file(struct soft_cpu *cpu)
{
	fw_addr at = any_address();

	switch (rnd(3)) {
	case 0:
		among(fw_hold(AT(cpu), at, any_length(at)),
		      CHANGED | ONE(FW_E_FAULT) | ONE(FW_E_IO) |
			      ONE(FW_E_EOF));
		break;
	case 1:
		fw_release(soft->mm, cpu->actor, files[0], any_pages(),
			   any_pages());
		break;
	default:
		among(fw_section_flush(soft->mm, cpu->actor, files[0],
				       any_pages(), any_pages()),
		      ONE(FW_OK) | ONE(FW_E_IO) | ONE(FW_E_INVAL));
	}
}

static void wild_pieces(struct soft_cpu *cpu)
{
	unsigned i = rnd(PIECES);
	uint8_t *p;

	if (pieces[i]) {
		fw_kfree(soft->mm, cpu->actor, pieces[i], piece_size[i]);
		pieces[i] = NULL;
		return;
	}
	p = pieces[i] = fw_kalloc(soft->mm, cpu->actor, piece_size[i]);
	for (size_t k = 0; p && k < piece_size[i]; k++)
		must(p[k] == 0, "zeroed memory");
	if (p)
		memset(p, 0xa5, piece_size[i]);
}

static void wild_trouble(struct soft_cpu *cpu)
{
	if (rnd(4)) {
		/* A quarter of the kinds of I/O. */
		soft->fail_ios = rnd(1u << SOFT_IOS);
		soft->fail_ios &= rnd(1u << SOFT_IOS);
		return;
	}
	if (retired++ < RETIRED)
		among(fw_frame_retire(soft->mm, cpu->actor, rnd(600)),
		      ONE(FW_OK) | ONE(FW_E_BUSY) | ONE(FW_E_INVAL));
}

static void wild_op(struct soft_cpu *cpu)
{
	static void (*const ops[])(struct soft_cpu *) = {
		wild_map, wild_map, wild_map, wild_touch, wild_touch,
		wild_touch, wild_touch, wild_change, wild_change, wild_copy,
		wild_fork, wild_exit, wild_limits, wild_background,
		wild_background, wild_page_file, wild_section, wild_file,
		wild_pieces, wild_trouble, wild_image, absurd_access,
		kernel_op, kernel_op};

	ops[rnd(sizeof(ops) / sizeof(*ops))](cpu);
}

/* ---- from start to end --------------------------------------------------- */

static uint64_t wild_start(void)
{
	static const struct fw_segment segments[] = {
		{0, 2, 0, 4097, FW_PROT_R | FW_PROT_X, 0, {0}},
		{2, 3, 3, 4096 + 100, RW_PROT, 0, {0}},
		{6, 2, 5, 8192, RW_PROT, 1, {0}},
	};
	struct soft_config config = {.nframes = 300 + rnd(256),
				     .page_files = rnd(4),
				     .slots = 2 + rnd(300),
				     .strict = rnd(2),
				     .store_frames = rnd(2) * rnd(100),
				     .user_top = kernel_user_top(),
				     .policy = rnd(FW_POLICIES)};
	struct fw_totals t;

	if (config.policy == FW_POLICY_NT)
		config.stripes = 1u << rnd(4);
	if (rnd(4) == 0)
		config.page_frames = 80;
	soft = soft_create(&config);
	fuzz_top = soft->mm->user_top << FW_PAGE_SHIFT;
	fw_totals(soft->mm, soft->keeper, &t);
	memset(file_data, 0x42, sizeof(file_data));
	files[0] = soft_file(soft, file_data[0], sizeof(file_data[0]),
			     &cookies[0]);
	files[1] = soft_image(soft, file_data[1], sizeof(file_data[1]),
			      segments, 3, &cookies[1]);
	for (unsigned i = 0; i < SHARES; i++)
		must(fw_section_create(soft->mm, soft->keeper, NULL,
				       8u << i, &shared[i]) == FW_OK,
		     "a section");
	kernel_start();
	cpus[0] = soft_cpu_create(soft, NULL);
	must(cpus[0], "a process");
	retired = 0;
	return t.nframes - t.zeroed - t.free - t.pool;
}

static void wild_end(uint64_t in_use)
{
	struct fw_mm *mm = soft->mm;
	struct fw_totals t;

	soft->fail_ios = 0;
	is_u64(soft_verify(soft), 0, "discrepancies");
	for (unsigned i = 0; i < CPUS; i++) {
		if (cpus[i])
			soft_cpu_exit(cpus[i]);
		cpus[i] = NULL;
	}
	kernel_end();
	for (unsigned i = 0; i < PIECES; i++) {
		if (pieces[i])
			fw_kfree(mm, soft->keeper, pieces[i], piece_size[i]);
		pieces[i] = NULL;
	}
	fw_release(mm, soft->keeper, files[0], 0, FILE_PAGES);
	among(fw_section_flush(mm, soft->keeper, files[0], 0, FILE_PAGES),
	      ONE(FW_OK));
	for (unsigned i = 0; i < FILES; i++)
		fw_section_unref(mm, soft->keeper, files[i]);
	for (unsigned i = 0; i < SHARES; i++)
		fw_section_unref(mm, soft->keeper, shared[i]);
	is_u64(soft_verify(soft), 0, "discrepancies at the end");
	for (unsigned i = 0; i < FW_MAX_PAGE_FILES; i++)
		among(fw_page_file_remove(mm, soft->keeper, i),
		      ONE(FW_OK) | ONE(FW_E_NOENT));
	fw_totals(mm, soft->keeper, &t);
	is_u64(t.spaces + t.sections + t.tables, 0, "objects left");
	is_u64(t.slots + t.slots_used + t.committed, 0, "slots, charges");
	is_u64(t.modified + t.transition + t.modified_no_write, 0, "pages");
	is_u64(t.nframes - t.zeroed - t.free - t.standby - t.bad - t.pool,
	       in_use, "frames in use");
	soft_destroy(soft);
}

void wild_run(void)
{
	uint64_t in_use = wild_start();

	for (unsigned i = 1; model_source_left() && i < MOST_OPS; i++) {
		wild_op(any_cpu());
		if (i % VERIFY_OPS == 0)
			is_u64(soft_verify(soft), 0, "discrepancies");
	}
	wild_end(in_use);
}
