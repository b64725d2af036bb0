/* SPDX-License-Identifier: MIT */
/*
 * store.h - where pages live when they are not in RAM: page files behind one
 * small interface, hosted. The software MMU's port, replay and the system
 * process use it; the kernel half of a guest, which has no libc, does the
 * same for files by itself (arch/host/kernel/port.c).
 *
 *   ram.c    memory, which costs nothing until it is written
 *   file.c   a file or device, past the host's page cache where it can be
 *   sum.c    around another one: notices content that is not what was written
 *   faulty.c around another one: misbehaves by seed
 *
 * A store has slots of one page, numbered from 0; slot 0 is never used. All
 * functions may block, and may be called by several threads at once for
 * different slots. Statuses:
 *
 *   FW_OK       all pages were transferred
 *   FW_E_IO     some were not; which ones is not known. Pages that were to be
 *               read have no content that may be relied on, slots that were
 *               to be written neither
 *   FW_E_FULL   a write found no space behind the store; as FW_E_IO
 *   FW_E_INVAL  n is not 1..FW_STORE_MAX, or slots lie outside [1, slots):
 *               the caller's mistake, never the medium's
 */
#ifndef FAULTWISE_STORE_H
#define FAULTWISE_STORE_H

#include <faultwise/types.h>

#define FW_STORE_MAX 64 /* pages of one transfer */

struct fw_store;

struct fw_store_ops {
	/* 1..FW_STORE_MAX pages from `slot` on, all inside the store, into or
	 * from memory that is page aligned. */
	enum fw_status (*read)(struct fw_store *store, uint64_t slot,
			       void *const *page, unsigned n);
	enum fw_status (*write)(struct fw_store *store, uint64_t slot,
				void *const *page, unsigned n);
	/* Frees it and what it wraps. */
	void (*close)(struct fw_store *store);
};

struct fw_store {
	const struct fw_store_ops *ops;
	uint64_t slots;
	/* Counted by store_read and store_write, failures too. */
	uint64_t reads, pages_read, writes, pages_written, failures;
};

/* The range is checked, the transfer counted. */
enum fw_status store_read(struct fw_store *store, uint64_t slot,
			  void *const *page, unsigned n);
enum fw_status store_write(struct fw_store *store, uint64_t slot,
			   void *const *page, unsigned n);
void store_close(struct fw_store *store); /* NULL is allowed */

/* ---- ram.c ------------------------------------------------------------- */

/* NULL when the host has no address space for it. Reading a slot that was
 * never written is FW_E_INVAL. */
struct fw_store *store_ram_open(uint64_t slots);

/* ---- file.c ------------------------------------------------------------ */

/*
 * The file at `path`, which is made if need be, or a nameless file when it is
 * a folder, with `slots` slots. Past the page cache (O_DIRECT) unless the file
 * system can't do that. NULL: errno says why.
 */
struct fw_store *store_file_open(const char *path, uint64_t slots);
/* The same for an open descriptor, which stays the caller's. */
struct fw_store *store_file_from_fd(int fd, uint64_t slots);
/* Whether transfers go past the host's page cache. */
bool store_file_is_direct(const struct fw_store *store);

/* ---- sum.c ------------------------------------------------------------- */

/* Wraps `inner`: keeps a 64-bit sum of each slot in memory, and reading what
 * was not written there last is FW_E_IO. NULL: no memory; inner stays. */
struct fw_store *store_sum_open(struct fw_store *inner);

/* ---- faulty.c ---------------------------------------------------------- */

/* Chances are in 1/1024 of the requests (delay, reorder too). */
struct fw_store_faults {
	uint64_t seed;
	uint32_t read_error;  /* fails before any page */
	uint32_t write_error;
	uint32_t short_read;  /* fails after some pages */
	uint32_t short_write;
	uint32_t torn_write;  /* fails within a page, at 512 bytes */
	uint32_t lost_write;  /* says FW_OK, and does nothing */
	uint32_t torn_lie;    /* says FW_OK, with half of a page written */
	uint32_t reorder;     /* pages go one by one, in any order */
	uint32_t delay;	      /* waits before and amid the pages */
	uint32_t delay_us;    /* for up to so long */
	uint64_t vanish_after; /* requests, then all fail; 0: never */
	uint64_t full_at;      /* writes at or beyond this slot find no
				* space; 0: none */
	/* Called instead of sleeping, when set. */
	void (*wait)(void *arg, unsigned us);
	void *wait_arg;
};

/* Wraps `inner`. What happens to a request follows from the seed and the
 * number of the request alone. NULL: no memory; inner stays. */
struct fw_store *store_faulty_open(struct fw_store *inner,
				   const struct fw_store_faults *faults);
/* Other faults from now on; the requests count on. */
void store_faulty_set(struct fw_store *store,
		      const struct fw_store_faults *faults);

#endif
