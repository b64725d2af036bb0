/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what the parts of the kernel share. One CPU; kernel code runs
 * with interrupts off and gives the CPU away only where it waits (task_sleep),
 * so nothing in here needs a lock but the disk, whose users wait for it.
 *
 * Read main.c first, then trap.c, port.c (what the core asks), task.c.
 */
#ifndef FW_BARE_KERNEL_H
#define FW_BARE_KERNEL_H

#include <faultwise/kernel.h>
#include <faultwise/mm.h>

#include "arch/bare/cpu.h"
#include "arch/bare/layout.h"

/* What trap.S leaves on the stack. */
struct frame {
	uint32_t edi, esi, ebp, esp_here, ebx, edx, ecx, eax;
	uint32_t es, ds;
	uint32_t vector, error;
	uint32_t eip, cs, eflags;
	uint32_t esp, ss; /* from user mode only */
};

static inline bool frame_is_user(const struct frame *f)
{
	return (f->cs & 3) == 3;
}

/* ---- main.c ----------------------------------------------------------- */

extern struct fw_mm *kernel_mm;
/* what the writer and the zero page thread sleep on (task_sleep) */
extern char kicked[FW_KTHREADS];
extern struct fw_space *kernel_system;
extern bool kernel_always_panic;
extern char kernel_start[], kernel_text_end[], kernel_end[];
uint32_t kernel_ram(void); /* bytes */
_Noreturn void kernel_exit(unsigned code);

/* ---- console.c -------------------------------------------------------- */

void console_init(void);
void console_write(const char *text, size_t n);
/* %s %c %u %d %x, with a width and 0 */
__attribute__((format(printf, 1, 2))) void kprintf(const char *form, ...);
__attribute__((format(printf, 3, 4))) size_t ksnprintf(char *to, size_t size,
							const char *form, ...);
#define panic(message) fwp_panic(message, __FILE__, __LINE__)

/* ---- lib.c ------------------------------------------------------------ */

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool streq(const char *a, const char *b);
void strcopy(char *to, const char *from, size_t size);

/* ---- desc.c: descriptor tables, interrupt controller, timer ------------ */

#define TICKS 100 /* a second */
void desc_init(void);
void desc_set_stack(uint32_t esp);
void irq_enable(unsigned irq);
void irq_end(unsigned irq);

/* ---- paging.c --------------------------------------------------------- */

#define NO_ENTRY ((fw_pte)0)
extern fw_pte kernel_root[];
/* Ends the identity mapping and what lies beyond RAM; NX, if there is one. */
void paging_init(void);
/* The system's tables are there: kernel tasks see them too. */
void paging_share_system(void);
/* The kernel's own entries, into the tables of a new space. */
void paging_adopt(struct fw_space *space);
/* The CPU translates with these tables from now on; NULL: the kernel's. */
void paging_load(struct fw_space *space);
/* Its tables, if it is loaded, are read anew by the CPU. */
void paging_flush(struct fw_space *space);
/* The CPU forgets them, and has no users' tables until paging_flush(). */
void paging_leave(struct fw_space *space);
/* The same if an entry changed that the CPU keeps in a register (PAE). */
void paging_notice(struct fw_space *space);
static inline void *ram_at(uint32_t phys)
{
	return (void *)(phys + KERNEL_BASE);
}
static inline uint32_t phys_of(const void *p)
{
	return (uint32_t)p - KERNEL_BASE;
}

/* ---- disk.c ----------------------------------------------------------- */

#define SECTORS_PAGE 8
#define DISK_PAGES_MAX 64
void disk_init(void);
void disk_interrupt(void);
/* n pages to or from these physical addresses; waits. False: it failed. */
bool disk_transfer(uint32_t sector, const uint32_t *phys, unsigned n,
		   bool write);

/* ---- files.c ---------------------------------------------------------- */

#define FILES_MAX 63
/* As on the disk: one in each 64 bytes of the first page, after a head. */
struct file {
	char name[40];
	uint32_t sector, size, inode, device;
	struct fw_section *section; /* here only: made at its first use */
	uint32_t pad;
};
void files_init(void);
uint32_t files_page_file(uint32_t *ret_slots);
struct file *file_named(const char *name);
struct file *file_number(uint32_t n); /* from 1; NULL: none */
uint32_t file_cookie(const struct file *f);
/* Its section, without a reference of its own. NULL: no memory. */
struct fw_section *file_section(struct file *f);
/* Page `page` of it into this memory, zeros behind the end. */
enum fw_status file_read(const struct file *f, uint32_t page,
			 const uint32_t *phys, unsigned n, unsigned *ret_n);

/* ---- task.c ----------------------------------------------------------- */

#define TASKS_MAX 40
#define STACK_BYTES 8192
#define FAULT_LOG 32

enum task_state { TASK_FREE, TASK_READY, TASK_SLEEPS, TASK_ENDED };

/* A page fault as the CPU told of it, and what became of it. */
struct fault_record {
	uint32_t address, error, eip, kind;
};

/* A process, or a thread of the kernel's (space == NULL). */
struct task {
	enum task_state state;
	uint32_t pid;
	uint32_t esp;		/* while it does not run */
	char *stack;
	struct task *parent;
	struct fw_space *space;
	struct fw_actor *actor;
	const void *channel;	/* what it waits for */
	uint32_t deadline;	/* tick at which it waits no longer; 0: none */
	uint32_t status;	/* when it has ended */
	uint32_t brk_start, brk;
	uint32_t handler;	/* of the next violation; 0: it is the end */
	bool raw;		/* faults go to the handler, not to the core */
	char name[16];
	uint32_t faults;	/* so many; the first of them are in log */
	struct fault_record log[FAULT_LOG];
};

extern struct task *current;
extern volatile uint32_t ticks;

void task_init(void);
/* NULL: too many. */
struct task *task_create(const char *name);
struct task *task_start_kernel(const char *name, void (*run)(void));
/* A task's first frame, to be returned through. */
struct frame *task_frame(struct task *t);
void task_ready(struct task *t, void (*first)(void));
void task_yield(void);
/* Until task_wake() of the channel, or that many ticks (0: for ever). */
void task_sleep(const void *channel, uint32_t for_ticks);
void task_wake(const void *channel);
void task_timer(void); /* at each tick */
/* What waits for a child gets it, or what it was: 0 none, else a pid. */
uint32_t task_wait(uint32_t *ret_status);
void task_free(struct task *t); /* one that has ended or never ran */
_Noreturn void task_exit(uint32_t status);

/* ---- process.c -------------------------------------------------------- */

/* Statuses of processes: what they say, or 128 and a signal's number. */
enum { SIG_KILL = 9, SIG_BUS = 7, SIG_SEGV = 11, SIG_ILL = 4 };
int process_fork(const struct frame *f);
/* On success the frame is that of the new program. `args`: strings, one
 * after the other, n bytes in all. */
int process_exec(struct frame *f, const char *name, const char *args,
		 uint32_t n);
/* Begins where its frame says. */
void process_first(void);

/* ---- user.c: memory of users ------------------------------------------ */

/* Bytes that could not be copied. */
uint32_t copy_from_user(void *to, uint32_t from, uint32_t n);
uint32_t copy_to_user(uint32_t to, const void *from, uint32_t n);
/* Length, or -EFAULT, or -ENAMETOOLONG. */
int string_from_user(char *to, uint32_t from, uint32_t size);
/* Any addresses, no look at them before: bytes left. */
uint32_t copy_raw(void *to, const void *from, uint32_t n);
extern const struct fw_extable extable_start[], extable_end[];

/* ---- port.c ----------------------------------------------------------- */

/* The current task ends where it is: who takes one of its locks of the core
 * next is told so, and undoes what was half done. */
void port_locks_die(void);

/* ---- trap.c, symbol.c ------------------------------------------------- */

extern bool trap_bug_in_timer; /* the next tick has a bug */
bool symbol_find(void *ctx, uint64_t addr, struct fw_symbol *ret);
/* Reads address 4, as a kernel must not. */
uint32_t kernel_bug(void);

/* ---- syscall.c, maps.c, probe.c --------------------------------------- */

enum { E_PERM = 1, E_NOENT = 2, E_IO = 5, E_2BIG = 7, E_NOEXEC = 8,
       E_BADF = 9, E_CHILD = 10, E_AGAIN = 11, E_NOMEM = 12, E_FAULT = 14,
       E_EXIST = 17, E_INVAL = 22, E_NAMETOOLONG = 36, E_NOSYS = 38 };

void syscall(struct frame *f);
int errno_of(enum fw_status status); /* negative, or 0 */
int sys_maps(uint32_t buffer, uint32_t size);
int sys_probe(uint32_t what, uint32_t a, uint32_t b);

#endif
