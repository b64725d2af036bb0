/* SPDX-License-Identifier: MIT */
/*
 * types.h - scalar types, statuses and fault outcomes of the core.
 *
 * Freestanding: usable in a kernel, an emulator or a hosted program. Read
 * this first, then port.h (what the core needs), then mm.h (what it gives).
 */
#ifndef FAULTWISE_TYPES_H
#define FAULTWISE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_PAGE_SHIFT 12
#define FW_PAGE_SIZE ((uint64_t)1 << FW_PAGE_SHIFT)
#define FW_PAGE_MASK (FW_PAGE_SIZE - 1)

/* A block: 16 pages, 64 KiB, aligned. The unit of frame contiguity. */
#define FW_BLOCK_SHIFT 4
#define FW_BLOCK_PAGES ((uint32_t)1 << FW_BLOCK_SHIFT)
#define FW_BLOCK_MASK (FW_BLOCK_PAGES - 1)

/*
 * The format of the page tables is chosen when the core, its port and its
 * user are compiled, the same for all: -DFW_FORMAT=2level, =pae or =4level
 * (the default). A space has FW_VA_BITS bits of address, a frame number at
 * most FW_PFN_BITS (what a prototype pointer in a PTE can reach, too).
 */
#ifndef FW_FORMAT
#define FW_FORMAT 4level
#endif
#define FW_PASTE_NOW(a, b) a##b
#define FW_PASTE(a, b) FW_PASTE_NOW(a, b)
#define FW_LEVELS_2level 2
#define FW_LEVELS_pae 3
#define FW_LEVELS_4level 4
#define FW_LEVELS FW_PASTE(FW_LEVELS_, FW_FORMAT)

#if FW_LEVELS == 2
#define FW_VA_BITS 32
#define FW_PFN_BITS 20
#define FW_TABLE_BITS 10 /* entries of a table of PTEs, as a power of two */
typedef uint32_t fw_pte;
#elif FW_LEVELS == 3
#define FW_VA_BITS 32
#define FW_PFN_BITS 24
#define FW_TABLE_BITS 9
typedef uint64_t fw_pte;
#elif FW_LEVELS == 4
#define FW_VA_BITS 48
#define FW_PFN_BITS 31
#define FW_TABLE_BITS 9
typedef uint64_t fw_pte; /* a page-table entry, as the CPU defines it */
#else
#error "FW_FORMAT is 2level, pae or 4level"
#endif
#define FW_TABLE_ENTRIES (1u << FW_TABLE_BITS)

typedef uint32_t fw_pfn;  /* page frame number: index of a frame of RAM */
typedef uint64_t fw_vpn;  /* virtual page number: address >> FW_PAGE_SHIFT */
typedef uint64_t fw_addr; /* virtual address in a space, in bytes */

#define FW_PFN_NONE UINT32_MAX
/* All page numbers are below it; those of a space's user half are below the
 * second (the lower half of a 48-bit space; with 32 bits as configured). */
#define FW_VPN_END ((fw_vpn)1 << (FW_VA_BITS - FW_PAGE_SHIFT))
#define FW_USER_END (FW_VA_BITS == 48 ? FW_VPN_END / 2 : FW_VPN_END)

/*
 * Statuses. Every function of the core that can fail returns one of these;
 * outputs named ret_* are untouched unless it is FW_OK. The second argument
 * is for people.
 */
#define FW_STATUS_LIST(X)                                                  \
	X(FW_OK, "done")                                                   \
	X(FW_E_INVAL, "an argument is outside its documented range")       \
	X(FW_E_NOMEM, "no frame or commit is left, and none can be freed") \
	X(FW_E_FAULT, "the address is not mapped, or not for this access") \
	X(FW_E_EXIST, "the range is already mapped")                       \
	X(FW_E_NOENT, "there is no such region, section or object")        \
	X(FW_E_IO, "the backing store failed to read or write")            \
	X(FW_E_EOF, "the page lies wholly beyond the end of the file")     \
	X(FW_E_FULL, "the page files are full")                            \
	X(FW_E_LIMIT, "a limit of the space or of the system is reached")  \
	X(FW_E_BUSY, "the object is in use; try again")                    \
	X(FW_E_DEAD, "the owner of the object died")                       \
	X(FW_E_PORT, "the port gave an answer that its contract forbids")

enum fw_status {
#define X(name, text) name,
	FW_STATUS_LIST(X)
#undef X
	FW_STATUS_COUNT
};

/* What an access wants; the bits combine. Values match the x86 error code
 * where it has them (W is bit 1, I is bit 4). */
enum fw_access {
	FW_ACC_READ = 0,
	FW_ACC_WRITE = 2,
	FW_ACC_USER = 4, /* made at CPL 3; always set on arch/host */
	FW_ACC_EXEC = 16,
};

/* Protection of a region: what its pages may be used for. */
enum fw_prot {
	FW_PROT_NONE = 0,
	FW_PROT_R = 1,
	FW_PROT_W = 2,
	FW_PROT_X = 4,
};

/*
 * How a fault ended. The same names are used in counters, traces, summaries
 * and reports. Columns: enumerator, key in JSON, text in the summary.
 * The order is the order of the summary.
 */
#define FW_KIND_LIST(X)                                                   \
	X(FW_KIND_DEMAND_ZERO, "demand_zero", "demand zero")              \
	X(FW_KIND_TRANSITION, "transition", "transition")                 \
	X(FW_KIND_PROTOTYPE, "prototype", "prototype")                    \
	X(FW_KIND_COW, "copy_on_write", "copy on write")                  \
	X(FW_KIND_COW_REUSE, "cow_sole_owner", "COW, sole owner")         \
	X(FW_KIND_DIRTY, "first_write", "first write")                    \
	X(FW_KIND_PAGE_FILE, "page_file", "page file")                    \
	X(FW_KIND_COMPRESSED, "compressed", "compressed")                 \
	X(FW_KIND_MAPPED_FILE, "mapped_file", "mapped file")              \
	X(FW_KIND_HOST_VIEW, "host_view", "host view")                    \
	X(FW_KIND_STACK, "stack_growth", "stack growth")                  \
	X(FW_KIND_GUARD, "guard_page", "guard page")                      \
	X(FW_KIND_COLLIDED, "collided", "collided")                       \
	X(FW_KIND_REFILL, "refill", "mapping refilled")                   \
	X(FW_KIND_MAPERR, "not_mapped", "not mapped")                     \
	X(FW_KIND_ACCERR, "not_permitted", "not permitted")               \
	X(FW_KIND_OVERFLOW, "stack_overflow", "stack overflow")           \
	X(FW_KIND_EOF, "past_end_of_file", "past end of file")            \
	X(FW_KIND_IOERR, "in_page_error", "in-page error")                \
	X(FW_KIND_NOMEM, "out_of_memory", "out of memory")

enum fw_kind {
#define X(name, key, text) name,
	FW_KIND_LIST(X)
#undef X
	FW_KIND_COUNT
};

/* True when the instruction can be restarted: the fault was resolved. */
static inline bool fw_kind_resolved(enum fw_kind kind)
{
	return kind < FW_KIND_MAPERR && kind != FW_KIND_GUARD;
}

/*
 * The coarser classes by which NT's event tracing tells faults apart; the
 * numbers are its event types. 0: none of them (a first write, a mapping
 * refilled, an error of the store).
 */
enum fw_fault_class {
	FW_CLASS_NONE = 0,
	FW_CLASS_TRANSITION = 10,
	FW_CLASS_DEMAND_ZERO = 11,
	FW_CLASS_COPY_ON_WRITE = 12,
	FW_CLASS_GUARD = 13,
	FW_CLASS_HARD = 14,
	FW_CLASS_VIOLATION = 15,
};
enum fw_fault_class fw_kind_class(enum fw_kind kind);

const char *fw_status_text(enum fw_status status);
const char *fw_kind_key(enum fw_kind kind);
const char *fw_kind_text(enum fw_kind kind);

#endif
