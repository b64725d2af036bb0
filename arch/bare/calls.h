/* SPDX-License-Identifier: MIT */
/*
 * calls.h - int 0x80: %eax says which call, %ebx, %ecx, %edx are its
 * arguments; %eax is the result, or minus an errno. For the kernel and for
 * programs.
 */
#ifndef FW_BARE_CALLS_H
#define FW_BARE_CALLS_H

#include <stdint.h>

enum call {
	CALL_EXIT = 1, /* status */
	CALL_FORK,
	CALL_READ,     /* struct read_args *: a file's bytes */
	CALL_WRITE,    /* 1, buffer, bytes: to the console */
	CALL_OPEN,     /* name: the file's number */
	CALL_WAIT,     /* uint32_t *status: the child's pid */
	CALL_EXEC,     /* name, argv */
	CALL_MMAP,     /* struct mmap_args * */
	CALL_MUNMAP,   /* start, length */
	CALL_MPROTECT, /* start, length, protection */
	CALL_BRK,      /* end, or 0: where it is */
	CALL_YIELD,
	CALL_MAPS,     /* buffer, size: text of that length */
	CALL_CATCH,    /* where the next violation goes; 0: nowhere */
	CALL_PROBE,    /* enum probe, and what it wants */
	CALLS
};

struct read_args {
	uint32_t file, buffer, bytes, offset;
};

struct mmap_args {
	uint32_t start, len;
	uint32_t prot;	/* 1 read, 2 write, 4 execute */
	uint32_t flags; /* enum map_flags */
	uint32_t file, page;
};

enum map_flags {
	MAP_SHARED = 1,	  /* seen by children as well */
	MAP_FILE = 2,
	MAP_GUARD = 4,	  /* the first access to each page is told */
	MAP_RESERVE = 8,  /* address space only */
	MAP_SINGLE = 16,  /* no page but the one that is touched comes in */
};

/* What tests ask of the kernel. */
enum probe {
	PROBE_VERIFY,	/* discrepancies found by fw_verify */
	PROBE_FAULTS,	/* struct fault_record *, room: how many there were
			 * since the last time */
	PROBE_COUNT,	/* enum fw_kind: so many faults ended so, in all */
	PROBE_TRIM,	/* takes n pages from this process; 0: all */
	PROBE_PURGE,	/* ... and sees that they must be read again */
	PROBE_TOTALS,	/* uint32_t[PROBE_TOTALS_N] */
	PROBE_PTE,	/* address, 0: its PTE, 1: its table's entry */
	PROBE_PTE_SET,	/* address, P W U of table and PTE, 3 bits each */
	PROBE_RAW,	/* 1: faults go to the handler, not to the core */
	PROBE_PEEK,	/* address: kernel mode reads there; -EFAULT */
	PROBE_POKE,	/* address, word: ... and writes */
	PROBE_WP,	/* CR0.WP := 0 or 1 */
	PROBE_COPIES,	/* address, bytes: both ways to read it; how many
			 * bytes the same, -EINVAL if they differ */
	PROBE_OOPS,	/* how: see probe.c */
	PROBE_POOL,	/* bytes: an address of the pageable pool */
	PROBE_POOL_FREE,
	PROBE_POOL_PURGE,
	PROBE_SESSION,	/* joins session 0 or 1; see probe.c */
	PROBE_SESSION_PURGE, /* takes all pages of session 0 or 1 */
	PROBE_ROOT,	/* index: an entry of the process's root */
};
#define PROBE_TOTALS_N 8 /* frames, available, reads, writes, pages read,
			  * pages written, resident, committed */
enum oops_how {
	OOPS_NULL,   /* reads address 4 */
	OOPS_LOCKED, /* ... under the core's lock */
	OOPS_TIMER,  /* ... in the timer interrupt */
	OOPS_WRITE,  /* writes to the kernel's own address space, where there
		      * is nothing */
};

#endif
