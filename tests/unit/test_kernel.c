/* SPDX-License-Identifier: MIT */
/*
 * test_kernel.c - faults of the kernel itself: brought in, fixed up, or
 * reported; and the two ways to copy from and to user memory, which must not
 * differ in a byte.
 */
#include "machine.h"

#include "mm/mm.h"

#include <stdio.h>
#include <stdlib.h>

#define IN_COPY UINT64_C(0xffffffff81001010) /* of arch/soft/kernel.c */
/* Of a kernel with addresses as wide as the format has them. */
#define OF_KERNEL(addr) (WIDE ? UINT64_C(addr) : UINT64_C(addr) & 0xffffffff)
#define ELSEWHERE OF_KERNEL(0xffffffff81005124)
#define COPY_CALLER OF_KERNEL(0xffffffff81001014)
#define STACK_AT OF_KERNEL(0xffff888000001000)
#if FW_VA_BITS == 48
typedef uint64_t kernel_word;
#else
typedef uint32_t kernel_word;
#endif
#define WORD sizeof(kernel_word)

static struct rig r;
static char report[8192];

static void take_line(void *ctx, const char *line)
{
	size_t n = strlen(report);

	(void)ctx;
	snprintf(report + n, sizeof(report) - n, "%s\n", line);
}

static bool symbol(void *ctx, uint64_t addr, struct fw_symbol *ret)
{
	(void)ctx;
	if (addr >> 12 == ELSEWHERE >> 12)
		*ret = (struct fw_symbol){"oops_init", "oops", addr & 0xff,
					  0x40};
	else if (addr >> 12 == COPY_CALLER >> 12)
		*ret = (struct fw_symbol){"copy_from_user", NULL, addr & 0xfff,
					  0x40};
	else
		return false;
	return true;
}

/* A stack of two frames, and code that counts up. */
static bool read_kernel(void *ctx, uint64_t addr, void *buffer, unsigned n)
{
	static const kernel_word stack[] = {STACK_AT + 4 * WORD,
					    ELSEWHERE + 2, 7, 8, 0,
					    COPY_CALLER};

	(void)ctx;
	if (addr >= STACK_AT && addr + n <= STACK_AT + sizeof(stack)) {
		memcpy(buffer, (const char *)stack + (addr - STACK_AT), n);
		return true;
	}
	if (addr >> 12 != ELSEWHERE >> 12)
		return false;
	for (unsigned i = 0; i < n; i++)
		((uint8_t *)buffer)[i] = (uint8_t)(addr + i);
	return true;
}

static struct fw_kernel kernel_of(bool always_panic)
{
	report[0] = 0;
	return (struct fw_kernel){.always_panic = always_panic,
				  .modules = "oops",
				  .put = take_line,
				  .symbol = symbol,
				  .read = read_kernel};
}

static bool says(const char *what)
{
	return ok(strstr(report, what), "the report says \"%s\":\n%s", what,
		  report);
}

TEST(the_exception_table, "C53")
{
	struct fw_extable t[] = {{10, 20, 1}, {20, 21, 2}, {40, 60, 3}};
	struct fw_extable wrong[] = {{10, 20, 1}, {19, 30, 2}};

	ok(fw_extable_sorted(t, 3), "sorted");
	ok(fw_extable_sorted(NULL, 0), "none");
	ok(!fw_extable_sorted(wrong, 2), "overlapping");
	ok(fw_extable_sorted(soft_extable, soft_extable_n), "the machine's");
	for (uint64_t ip = 0; ip < 100; ip++) {
		const struct fw_extable *e = fw_extable_find(t, 3, ip);
		uint64_t want = ip < 10	  ? 0
				: ip < 20 ? 1
				: ip < 21 ? 2
				: ip < 40 ? 0
				: ip < 60 ? 3
					  : 0;

		is_u64(e ? e->fixup : 0, want, "at %u", (unsigned)ip);
	}
	ok(!fw_extable_find(t, 0, 10), "in an empty one");
}

/* Which of the four ends a fault has. */
TEST(where_a_kernel_fault_ends, "C46 C53 C55 C56 C57 C58")
{
	struct fw_kernel k = kernel_of(false);
	uint64_t resident;

	r = rig_start(1024, 1, 4096);
	map_single(&r, BASE, 4);
	is_u64(soft_kernel_at(r.cpu, IN_COPY, BASE, FW_ACC_WRITE, false, &k),
	       FW_TRAP_RETRY, "user memory, by the copy routine");
	is_u64(fw_space_resident(r.cpu->space), 1, "came in");
	is_u64(soft_kernel_at(r.cpu, IN_COPY, BASE + 9 * PAGE, 0, false, &k),
	       FW_TRAP_FIXUP, "nobody's memory, by the copy routine");
	is_str(report, "", "nothing is reported");
	resident = fw_space_resident(r.cpu->space);
	is_u64(soft_kernel_at(r.cpu, ELSEWHERE, BASE + PAGE, 0, false, &k),
	       FW_TRAP_OOPS, "user memory by other code, although it is good");
	is_u64(fw_space_resident(r.cpu->space), resident, "nothing came in");
	is_u64(soft_kernel_at(r.cpu, IN_COPY, BASE + PAGE, 0, true, &k),
	       FW_TRAP_FIXUP, "in an interrupt nothing is brought in");
	is_u64(fw_space_resident(r.cpu->space), resident, "nothing came in");
	k = kernel_of(false);
	is_u64(soft_kernel_at(r.cpu, ELSEWHERE, BASE + PAGE, 0, true, &k),
	       FW_TRAP_PANIC, "a bug in an interrupt");
	says("Kernel panic - not syncing: Fatal exception in interrupt\n");
	k = kernel_of(true);
	is_u64(soft_kernel_at(r.cpu, ELSEWHERE, 4, 0, false, &k),
	       FW_TRAP_PANIC, "a bug, where each one ends the system");
	says("Kernel panic - not syncing: Fatal exception\n");
	/* The process is ended; the system goes on. */
	soft_cpu_exit(r.cpu);
	rig_verify(&r);
	r.cpu = soft_cpu_create(r.s, NULL);
	map_single(&r, BASE, 4);
	ok(put_pages(r.cpu, BASE, 4, 1), "the next one runs");
	rig_end(&r);
}

static void says_wide(void)
{
	says("BUG: unable to handle kernel NULL pointer dereference at "
	     "0000000000000004\n");
	says("IP: [<ffffffff81005124>] oops_init+0x24/0x40 [oops]\n");
	says("RIP: 0010:[<ffffffff81005124>] oops_init+0x24/0x40 [oops]\n");
	says("RSP: 0018:ffff888000001010 EFLAGS: 00010286\n");
	says("RAX: 0000000000000000 RBX: 3333333333333333 "
	     "RCX: 1111111111111111\n");
	says("R13: dddddddddddddddd R14: eeeeeeeeeeeeeeee "
	     "R15: ffffffffffffffff\n");
	says("CR0: 000000008005003b\n");
	says("CR2: 0000000000000004 CR3: 0000000001234000 "
	     "CR4: 00000000000006f0\n");
	says("Stack:\n 0000000000000007 0000000000000008 0000000000000000 "
	     "ffffffff81001014\n");
	says("Call Trace:\n [<ffffffff81005126>] oops_init+0x26/0x40 [oops]\n"
	     " [<ffffffff81001014>] copy_from_user+0x14/0x40\n");
}

/* The registers, words and digits of an i386. */
static void says_narrow(void)
{
	says("BUG: unable to handle kernel NULL pointer dereference at "
	     "00000004\n");
	says("IP: [<81005124>] oops_init+0x24/0x40 [oops]\n");
	says("EIP: 0010:[<81005124>] oops_init+0x24/0x40 [oops]\n");
	says("ESP: 0018:00001008 EFLAGS: 00010286\n");
	says("EAX: 00000000 EBX: 33333333 ECX: 11111111\n");
	says("EBP: 00001000 CS: 0010 CR0: 8005003b\n");
	says("CR2: 00000004 CR3: 01234000 CR4: 000006f0\n");
	says("Stack:\n 00000007 00000008 00000000 81001014\n");
	says("Call Trace:\n [<81005126>] oops_init+0x26/0x40 [oops]\n"
	     " [<81001014>] copy_from_user+0x14/0x40\n");
	ok(!strstr(report, "R08"), "no more registers than there are");
}

/* NULL + 4, read: the sample of the textbook, and twice. */
TEST(what_an_oops_says, "C13 C59 C60")
{
	struct fw_kernel k = kernel_of(false);
	struct fw_trap trap = {
		.ip = ELSEWHERE,
		.cr0 = 0x8005003b,
		.cr2 = 4,
		.cr3 = 0x1234000,
		.cr4 = 0x6f0,
		.cs = 0x10,
		.ss = 0x18,
		.flags = 0x10286,
		.cpu = 2,
		.pid = 4242,
		.comm = "insmod",
	};

	r = rig_start(1024, 1, 4096);
	for (unsigned i = 0; i < FW_REGS; i++)
		trap.reg[i] = OF_KERNEL(0x1111111111111111) * i;
	trap.reg[FW_RSP] = STACK_AT + 2 * WORD;
	trap.reg[FW_RBP] = STACK_AT;
	is_u64(fw_kernel_fault(r.s->mm, r.cpu->actor, r.cpu->space, &k, &trap),
	       FW_TRAP_OOPS, "an Oops");
	says("PGD 0\n");
	says("Oops: 0000 [#1]\n");
	says("Modules linked in: oops\n");
	says("CPU: 2 PID: 4242 Comm: insmod\n");
	says("CS: 0010 CR0: ");
	says("Code: 1c 1d 1e 1f 20 21 22 23 <24> 25 ");
	if (WIDE)
		says_wide();
	else
		says_narrow();
	ok(!strstr(report, "panic"), "no panic");
	/* A write, to where tables and a page are. */
	map_single(&r, BASE, 1);
	touch(r.cpu, BASE, FW_ACC_READ);
	k = kernel_of(false);
	k.symbol = NULL;
	trap.cr2 = BASE + 8;
	trap.error = FW_PF_P | FW_PF_W;
	fw_kernel_fault(r.s->mm, r.cpu->actor, r.cpu->space, &k, &trap);
	says(WIDE ? "BUG: unable to handle kernel paging request at "
		    "0000000010000008\n" :
		    "BUG: unable to handle kernel paging request at "
		    "10000008\n");
	says(WIDE ? "IP: [<ffffffff81005124>]\n" : "IP: [<81005124>]\n");
	says("Oops: 0003 [#2]\n");
	says(" PTE ");
	ok(!strstr(report, "PGD 0\n"), "the tables are there");
	/* Without a process, and with as little as a kernel can tell. */
	k = (struct fw_kernel){.put = take_line};
	report[0] = 0;
	trap.comm = NULL;
	fw_kernel_fault(r.s->mm, r.cpu->actor, NULL, &k, &trap);
	says("PGD none: no process\n");
	says("Oops: 0003 [#3]\n");
	says("Modules linked in: none\n");
	rig_end(&r);
}

/* ---- the two ways to copy ------------------------------------------------ */

#define ARENA_PAGES 48
#define MAX_LEN (6 * 4096)

static uint8_t file_data[12 * 4096 + 100];

/* Good, read-only, absent, guarded, file, COW and reserved pages in a row. */
static void build_arena(void)
{
	struct fw_section *file;
	uint64_t cookie;
	struct fw_map_request rq = {.start = BASE + 40 * PAGE,
				    .len = 4 * PAGE,
				    .kind = FW_VAD_RESERVED,
				    .max_prot = 7};

	for (size_t i = 0; i < sizeof(file_data); i++)
		file_data[i] = (uint8_t)(i * 7 + i / 251);
	file = soft_file(r.s, file_data, sizeof(file_data), &cookie);
	map_single(&r, BASE, 12);
	put_pages(r.cpu, BASE, 12, 1);
	map_flags(&r, BASE + 12 * PAGE, 2, FW_PROT_R, FW_VADF_RANDOM);
	/* A hole of two pages. */
	soft_map_view(r.cpu, BASE + 16 * PAGE, 14, RW, FW_VAD_PRIVATE_VIEW,
		      file, 0, cookie);
	map_flags(&r, BASE + 30 * PAGE, 4, FW_PROT_NONE, FW_VADF_RANDOM);
	map_single(&r, BASE + 34 * PAGE, 6);
	is_u64(fw_map(r.s->mm, r.cpu->actor, r.cpu->space, &rq), FW_OK,
	       "reserve");
	map_single(&r, BASE + 44 * PAGE, 4);
}

static uint32_t rnd(uint64_t *state, uint32_t n)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 33) % n;
}

static fw_addr any_address(uint64_t *state)
{
	switch (rnd(state, 12)) {
	case 0:
		return r.cpu->space->user_top * PAGE - rnd(state, 9000);
	case 1:
		return ~UINT64_C(0) - rnd(state, 5000);
	case 2:
		return UINT64_C(0xffff800000000000) + rnd(state, 5000);
	case 3:
		return rnd(state, 5000);
	default:
		return BASE - PAGE + rnd(state, (ARENA_PAGES + 2) * 4096);
	}
}

/* The same copy both ways, each in one of two equal children. */
static void copy_both_ways(struct soft_cpu *walk, struct soft_cpu *direct,
			   uint64_t *state)
{
	static uint8_t from[MAX_LEN], a[MAX_LEN], b[MAX_LEN];
	struct fw_mm *mm = r.s->mm;
	fw_addr at = any_address(state);
	uint64_t len = rnd(state, rnd(state, 4) ? 5000 : MAX_LEN), n, m;

	if (rnd(state, 8) == 0)
		fw_trim(mm, walk->actor, walk->space, 16);
	if (rnd(state, 8) == 0)
		fw_trim(mm, direct->actor, direct->space, 16);
	for (uint64_t i = 0; i < len; i++)
		from[i] = (uint8_t)rnd(state, 256);
	memset(a, 0xcc, sizeof(a));
	memset(b, 0xcc, sizeof(b));
	if (rnd(state, 2)) {
		n = fw_copy_in(mm, walk->actor, walk->space, a, at, len);
		m = soft_copy_in(direct, b, at, len);
		is_mem(a, b, sizeof(a), "what was read at %#llx",
		       (unsigned long long)at);
	} else {
		n = fw_copy_out(mm, walk->actor, walk->space, at, from, len);
		m = soft_copy_out(direct, at, from, len);
	}
	is_u64(n, m, "bytes of %u at %#llx", (unsigned)len,
	       (unsigned long long)at);
}

static void same_memory(struct soft_cpu *walk, struct soft_cpu *direct)
{
	uint64_t a[PAGE / 8], b[PAGE / 8];

	for (uint64_t i = 0; i < ARENA_PAGES; i++) {
		bool x = soft_read(walk, BASE + i * PAGE, a, PAGE);
		bool y = soft_read(direct, BASE + i * PAGE, b, PAGE);

		is_u64(x, y, "page %u can be read", (unsigned)i);
		if (x && y)
			is_mem(a, b, PAGE, "page %u", (unsigned)i);
	}
}

TEST(two_ways_to_copy, "C46 C47 C49 C50 C51 C52 C53 C54")
{
	unsigned long n = strcmp(test_env("FW_LONG", ""), "") ? 200000 : 4000;
	uint64_t state = 42;
	struct soft_cpu *walk, *direct;

	r = rig_start(1024, 1, 8192);
	build_arena();
	must(soft_fork(r.cpu, &walk) == FW_OK, "a child");
	must(soft_fork(r.cpu, &direct) == FW_OK, "another");
	for (unsigned long i = 0; i < n && !test_failures(); i++) {
		copy_both_ways(walk, direct, &state);
		if (i % 500 == 0) {
			same_memory(walk, direct);
			rig_verify(&r);
			write_all(&r);
		}
	}
	same_memory(walk, direct);
	is_u64(wrong_pages(r.cpu, BASE, 12, 1), 0, "the parent's");
	soft_cpu_exit(walk);
	soft_cpu_exit(direct);
	rig_end(&r);
}
