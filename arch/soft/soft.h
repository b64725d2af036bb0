/* SPDX-License-Identifier: MIT */
/*
 * soft.h - the software MMU as a port of the core, hosted.
 *
 * A machine is RAM, page files and files in plain memory, and CPUs whose
 * every access goes through the software TLB and walker; a page fault calls
 * the core as a trap handler would, and the access is made again. A process
 * works on one machine at a time (soft_switch). Threads may each drive CPUs of
 * it.
 *
 * It also distrusts the core: a call made under a lock that its contract
 * forbids, a slot read that was never written, a flush without the space lock
 * end the process with a message.
 *
 * Files: soft.c (machine, files), cpu.c (accesses), port.c (what the core
 * asks), lock.c (locks that survive their owner).
 */
#ifndef FAULTWISE_ARCH_SOFT_H
#define FAULTWISE_ARCH_SOFT_H

#include <faultwise/kernel.h>
#include <faultwise/mm.h>
#include <faultwise/mmu.h>

#include "store/store.h"

#include <pthread.h>

#define SOFT_CPUS 64
#define SOFT_FILES 64
#define SOFT_DEAD 64
/* What a fetch wants: without NX (2-level tables) it is a read. */
#define SOFT_FETCH_PROT (FW_PTE_NX ? FW_PROT_X : FW_PROT_R)
/* As systems do: half of a 48-bit space, three quarters of a 32-bit one. */
#define SOFT_USER_TOP (FW_VA_BITS == 48 ? FW_USER_END : (fw_vpn)0xc0000)

/* ---- the machine ------------------------------------------------------ */

enum soft_io {
	SOFT_STORE_READ,
	SOFT_STORE_WRITE,
	SOFT_FILE_READ,
	SOFT_FILE_WRITE,
	SOFT_IOS
};

struct soft_config {
	uint32_t nframes;	/* of RAM; the managed ones are fewer */
	uint32_t page_files;	/* 0..16 */
	uint64_t slots;		/* of each */
	struct fw_store *stores[FW_MAX_PAGE_FILES]; /* NULL: in memory */
	uint32_t strict;	/* commit */
	fw_vpn user_min, user_top; /* 0: pages 1 to SOFT_USER_TOP */
	uint32_t policy;	/* enum fw_policy_id */
	uint32_t page_frames;	/* see struct fw_mm_config */
	uint32_t stripes;	/* of each space lock; 0: one */
	uint32_t store_frames;	/* of the compressed store; 0: none */
};

struct soft_file {
	uint8_t *data; /* the owner's; changed through shared views as well */
	uint64_t size; /* bytes */
	struct fw_section *section;
};

struct soft_cpu;

struct soft {
	struct fw_mm *mm;
	void *ram;
	uint64_t ram_bytes;
	struct fw_mmu_bus bus;
	struct fw_actor *keeper; /* who runs background work */
	struct fw_actor *trimmer; /* who trims for others: keeper_lock */
	pthread_mutex_t keeper_lock;
	pthread_mutex_t cpus_lock;
	struct soft_cpu *cpus[SOFT_CPUS];
	struct fw_store *stores[FW_MAX_PAGE_FILES];
	struct soft_file files[SOFT_FILES]; /* by cookie - 1 */
	uint32_t dead[SOFT_DEAD]; /* ids of the last actors that died */
	uint32_t n_dead;

	bool alone; /* no other thread: nothing comes of waiting */
	struct fw_space *deaf; /* does not answer when asked for its pages */

	/* Called without locks before each I/O; anything but FW_OK is its
	 * result. NULL: all I/O succeeds. */
	enum fw_status (*io_hook)(void *arg, enum soft_io io, uint64_t where,
				  unsigned n);
	void *io_arg;
	uint32_t fail_ios; /* one bit an enum soft_io: all of those fail */
	/* Called at each journalled store (FW_STEP builds) and, always, where
	 * the core takes or releases a lock, flushes, or does I/O. */
	void (*step_hook)(void *arg);
	void *step_arg;

	/* Asked before each allocation (FW_STEP builds): see fwp_refuse. */
	bool (*refuse_hook)(void *arg, enum fw_need need);
	void *refuse_arg;
	bool granted; /* what follows under the mm lock */

	uint64_t ios[SOFT_IOS], io_pages[SOFT_IOS];
	uint64_t flushes, kicks, asked_trims, views_gone, waits;
	uint64_t kicked[FW_KTHREADS]; /* the kicks, by whom they were for */
};

/* Ends the process with a message when there is no memory for it. The new
 * machine is the one that is switched to. Stores given to it become its own:
 * each has at least config->slots slots. */
struct soft *soft_create(const struct soft_config *config);
/* From here on the process works on this machine. */
void soft_switch(struct soft *s);
/* Frees the machine, not what its files hold. CPUs must have been freed. */
void soft_destroy(struct soft *s);
/* The machine that there is, or NULL. */
struct soft *soft_machine(void);

/* A file of these bytes as a section, with one reference. Its cookie is what
 * a view of it must be mapped with. */
struct fw_section *soft_file(struct soft *s, void *data, uint64_t size,
			     uint64_t *ret_cookie);
/* The same as an image of n segments. */
struct fw_section *soft_image(struct soft *s, void *data, uint64_t size,
			      const struct fw_segment *segment, unsigned n,
			      uint64_t *ret_cookie);
/* The actor's thread is gone; its locks were marked by soft_locks_die(). */
void soft_actor_died(struct soft *s, struct fw_actor *actor);
/* Writes modified pages out and zeroes frames until nothing is wanted. */
void soft_background(struct soft *s);
/* Calls the step hook. */
void soft_step(void);
/* fw_verify with the discrepancies printed to stderr. */
unsigned soft_verify(struct soft *s);

/* ---- CPUs ------------------------------------------------------------- */

struct soft_cpu {
	struct soft *soft;
	struct fw_actor *actor;
	struct fw_space *space;
	pthread_mutex_t lock; /* held during an access, and by a flush */
	struct fw_tlb tlb;
	struct fw_mmu_cpu mmu;
	struct fw_fault last; /* the last fault taken */
	uint32_t last_error;  /* and its error code */
	uint64_t faults;
	uint64_t count[FW_KIND_COUNT];
};

/* A CPU that runs in this space, with an actor of its own. NULL space: a new
 * one is made. NULL when the core has no memory. */
struct soft_cpu *soft_cpu_create(struct soft *s, struct fw_space *space);
/* Ends the CPU and its actor; the space stays. */
void soft_cpu_free(struct soft_cpu *cpu);
/* Ends it and destroys its space, which no other CPU may be running in. */
void soft_cpu_exit(struct soft_cpu *cpu);
/* Forgets a CPU whose actor died and was reaped; returns its space. */
struct fw_space *soft_cpu_bury(struct soft_cpu *cpu);
/* Is there a CPU in this space? */
bool soft_is_running(struct soft *s, const struct fw_space *space);
/* A child by fork, with a CPU of its own; FW_E_* when it cannot be. */
enum fw_status soft_fork(struct soft_cpu *parent, struct soft_cpu **ret);

/*
 * Accesses by user code, of any length; page by page, as instructions would.
 * False: a violation (or no memory, or an I/O error); cpu->last tells which,
 * and all before the page of cpu->last.addr was done.
 */
bool soft_read(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len);
bool soft_write(struct soft_cpu *cpu, fw_addr addr, const void *buffer,
		uint64_t len);
bool soft_fetch(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len);
/* One access of up to 4096 bytes that is all or nothing. */
bool soft_access(struct soft_cpu *cpu, fw_addr addr, void *buffer, uint64_t len,
		 uint32_t access);
/* The same by kernel code, which has no fixups. */
bool soft_kernel_access(struct soft_cpu *cpu, fw_addr addr, void *buffer,
			uint64_t len, uint32_t access);
/* One access as the CPU makes it: done, or the fault in *walk. */
enum fw_walk_end soft_try(struct soft_cpu *cpu, fw_addr addr, void *buffer,
			  uint64_t len, uint32_t access, struct fw_walk *walk);
/*
 * The kernel's copies to and from user memory, by access and fixup (kernel.c):
 * the counterpart of fw_copy_in and fw_copy_out. Bytes copied.
 */
uint64_t soft_copy_in(struct soft_cpu *cpu, void *to, fw_addr from,
		      uint64_t len);
uint64_t soft_copy_out(struct soft_cpu *cpu, fw_addr to, const void *from,
		       uint64_t len);
/* An access of the kernel's at this address of its code; how it ended.
 * `report` gets what an Oops says. */
enum fw_trap_end soft_kernel_at(struct soft_cpu *cpu, uint64_t ip,
				fw_addr addr, uint32_t access, bool interrupt,
				struct fw_kernel *kernel);
extern const struct fw_extable soft_extable[];
extern const unsigned soft_extable_n;
/* Anonymous private memory at `addr`. */
enum fw_status soft_map(struct soft_cpu *cpu, fw_addr addr, uint64_t pages,
			unsigned prot);
/* A view of a section; `kind` is shared or private. */
enum fw_status soft_map_view(struct soft_cpu *cpu, fw_addr addr, uint64_t pages,
			     unsigned prot, enum fw_vad_kind kind,
			     struct fw_section *section, uint64_t page,
			     uint64_t cookie);
fw_pte soft_pte(struct soft_cpu *cpu, fw_addr addr);

/* ---- locks (lock.c) --------------------------------------------------- */

/* How many locks of the core this thread holds. */
unsigned soft_locks_held(void);
bool soft_holds(const struct fw_lock *lock);
/* This thread died as far as the core can tell: whoever takes one of its
 * locks next is told so. */
void soft_locks_die(void);

#endif
