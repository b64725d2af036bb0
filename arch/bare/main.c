/* SPDX-License-Identifier: MIT */
/*
 * main.c - from the loader to the first program. RAM, frame 0 first:
 *
 *	0		struct fw_mm, the frame database: the core's
 *	behind them	the port's area: stacks of tasks, up to 636 KiB;
 *			the hole of the PC up to 1 MiB; the kernel's image
 *	behind it	the frames that are managed
 *
 * The database must fit below the hole, which is why RAM_MAX is what it is.
 *
 * Boot options: init=NAME, the first program; policy=clock (by the CPU's
 * accessed bits, the default) or nt; oops=panic, an Oops ends the system. When
 * the first program ends, so does the machine: QEMU's exit status is
 * 2 * status + 1.
 */
#include "arch/bare/kernel.h"

#define DEBUG_EXIT 0xf4
#define BLOCK 0x10000u
#define MEM_VALID 1
#define CMDLINE_VALID 4

/* What the loader tells. */
struct multiboot {
	uint32_t flags, mem_lower, mem_upper; /* KiB */
	uint32_t boot_device, cmdline;
};

struct fw_mm *kernel_mm;
char kicked[FW_KTHREADS];
struct fw_space *kernel_system;
bool kernel_always_panic;
static uint32_t ram;
static char options[128];

uint32_t kernel_ram(void)
{
	return ram;
}

_Noreturn void kernel_exit(unsigned code)
{
	outb(DEBUG_EXIT, (uint8_t)code);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void must(enum fw_status status)
{
	if (status != FW_OK)
		panic(fw_status_text(status));
}

/* The value of "key=" among the options, up to a blank; or `other`. */
static const char *option(const char *key, const char *other)
{
	static char value[64];
	const char *at = options;
	size_t n = 0;

	while (*at && !(memcmp(at, key, strlen(key)) == 0 &&
			(at == options || at[-1] == ' ')))
		at++;
	if (!*at)
		return other;
	for (at += strlen(key); *at && *at != ' ' && n + 1 < sizeof(value);)
		value[n++] = *at++;
	value[n] = 0;
	return value;
}

static void loader_says(uint32_t info)
{
	const struct multiboot *m = ram_at(info);

	if (!(m->flags & MEM_VALID))
		panic("the loader does not tell how much RAM there is");
	ram = (0x100000 + m->mem_upper * 1024) & ~(BLOCK - 1);
	if (ram > RAM_MAX)
		ram = RAM_MAX;
	if (m->flags & CMDLINE_VALID)
		strcopy(options, ram_at(m->cmdline), sizeof(options));
}

/* The core is asked twice: first where the port's area would begin, then for
 * one that ends with the kernel's image. */
static void core_init(void)
{
	struct fw_mm_config config = {
		.nframes = ram / 4096,
		.user_min = USER_MIN / 4096,
		.user_top = USER_TOP / 4096,
		.policy = streq(option("policy=", "clock"), "nt") ?
				  FW_POLICY_NT : FW_POLICY_CLOCK,
	};
	const struct fw_system_config system = {
		.start = SYSTEM_START, .len = SYSTEM_LEN,
		.session_start = SESSION_START, .session_len = SESSION_LEN};

	memset(ram_at(0), 0, HOLE_START);
	memset(kernel_end, 0, ram - phys_of(kernel_end));
	must(fw_mm_init(ram_at(0), &config, &kernel_mm));
	config.port_bytes = (uint32_t)(kernel_end -
				       (char *)fw_mm_port_area(kernel_mm));
	must(fw_mm_init(ram_at(0), &config, &kernel_mm));
	task_init();
	must(fw_system_create(kernel_mm, current->actor, &system));
	kernel_system = fw_system_space(kernel_mm);
	paging_share_system();
	must(fw_pool_create(kernel_mm, current->actor, SYSTEM_START,
			    POOL_PAGES));
}

/* ---- the kernel's own tasks ---------------------------------------------- */

static void write_pages(void)
{
	for (;;) {
		while (fw_writer_tick(kernel_mm, current->actor) ||
		       fw_mapped_tick(kernel_mm, current->actor))
			task_yield();
		task_sleep(&kicked[FW_KTHREAD_WRITER], TICKS);
	}
}

static void zero_frames(void)
{
	for (;;) {
		while (fw_zero_tick(kernel_mm, current->actor))
			task_yield();
		task_sleep(&kicked[FW_KTHREAD_ZERO], TICKS);
	}
}

static void balance(void)
{
	for (;;) {
		fw_balance_second(kernel_mm, current->actor, 0);
		while (fw_balance_tick(kernel_mm, current->actor))
			task_yield();
		task_sleep(&balance, TICKS);
	}
}

/* Becomes the first process. */
static void init(void)
{
	const char *name = option("init=", "/init");
	uint32_t slots;
	unsigned file;

	disk_init();
	files_init();
	files_page_file(&slots);
	must(fw_page_file_add(kernel_mm, current->actor, slots, &file));
	if (process_exec(task_frame(current), name, name,
			 strlen(name) + 1) != 0)
		panic("the first program cannot be run");
}

static void line(void *arg, const char *text)
{
	(void)arg;
	kprintf("# verify: %s\n", text);
}

_Noreturn void kmain(uint32_t info);
_Noreturn void kmain(uint32_t info)
{
	uint32_t status, first, pid;

	console_init();
	loader_says(info);
	kernel_always_panic = streq(option("oops=", ""), "panic");
	desc_init();
	paging_init();
	core_init();
	kprintf("# faultwise in ring 0: %u KiB of RAM, kernel %u KiB, "
		"%u levels\n", ram / 1024,
		(uint32_t)(kernel_end - kernel_start) / 1024, FW_LEVELS);
	task_start_kernel("writer", write_pages);
	task_start_kernel("zero", zero_frames);
	task_start_kernel("balance", balance);
	first = task_start_kernel("init", init)->pid;
	while ((pid = task_wait(&status)) != first)
		if (pid == 0)
			task_sleep(current, 0);
	pid = fw_verify(kernel_mm, current->actor, line, NULL);
	kprintf("# the first program ended with %u; records: %u wrong\n",
		status, pid);
	kernel_exit(pid ? 3 : status & 0x3f);
}
