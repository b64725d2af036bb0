/* SPDX-License-Identifier: MIT */
/*
 * mmu.h - x86 page tables walked in software, exactly as the CPU does it.
 *
 * Three parts, each usable alone: the walker (fw_mmu_walk), a TLB (fw_tlb_*)
 * and a CPU's memory accesses through both (fw_mmu_access). And the text of a
 * page-table entry for people (fw_pte_text).
 *
 * Reference: Intel SDM vol. 3A, chapter 4. Not modelled: protection keys,
 * 5-level tables, shadow stacks, and the PDPTE registers of PAE (PDPTEs are
 * read from memory at each walk, and a reserved bit in one is a page fault
 * when it is used rather than #GP when CR3 is loaded).
 */
#ifndef FAULTWISE_MMU_H
#define FAULTWISE_MMU_H

#include <faultwise/types.h>

enum fw_mmu_format { FW_MMU_X64, FW_MMU_PAE, FW_MMU_X32, FW_MMU_FORMATS };
/* What the core was built for; walker and decoder know all formats always. */
#define FW_MMU_OWN                       \
	(FW_LEVELS == 4	  ? FW_MMU_X64   \
	 : FW_LEVELS == 3 ? FW_MMU_PAE   \
			  : FW_MMU_X32)

/* Page-fault error code (SDM 4.7). */
enum fw_mmu_error {
	FW_PF_P = 1,	/* a protection was violated; clear: not present */
	FW_PF_W = 2,	/* it was a write */
	FW_PF_U = 4,	/* made at CPL 3 */
	FW_PF_RSVD = 8, /* a reserved bit was set */
	FW_PF_I = 16,	/* an instruction fetch, where NX or SMEP is on */
};

/* The control registers and CPU features that matter to a walk. */
struct fw_mmu_ctl {
	enum fw_mmu_format format;
	uint64_t cr3;
	uint8_t phys_bits; /* MAXPHYADDR: 32..52 */
	bool wp;	   /* CR0.WP */
	bool nxe;	   /* EFER.NXE */
	bool smep, smap;   /* CR4 */
	bool ac;	   /* EFLAGS.AC: lifts SMAP */
	bool pse;	   /* CR4.PSE: 4 MiB pages in 2-level tables */
	bool pge;	   /* CR4.PGE: there are global pages */
	bool gib_pages;	   /* the CPU has 1 GiB pages */
};

/*
 * Physical memory. With ops == NULL it is `size` bytes at `base`, and entries
 * are changed by atomic compare-and-swap, so that several CPUs may walk one
 * RAM. Each function returns false when the address is not memory.
 */
struct fw_mmu_bus_ops {
	/* An entry of 4 or 8 bytes, naturally aligned. */
	bool (*read)(void *ctx, uint64_t phys, unsigned bytes, uint64_t *ret);
	/* Stores `value` if the entry is `*seen`; else *seen := the entry. */
	bool (*swap)(void *ctx, uint64_t phys, unsigned bytes, uint64_t *seen,
		     uint64_t value);
	/* Data; never crosses a page. */
	bool (*copy)(void *ctx, uint64_t phys, void *buffer, uint64_t len,
		     bool write);
};

struct fw_mmu_bus {
	void *base;
	uint64_t size;
	const struct fw_mmu_bus_ops *ops;
	void *ctx;
};

enum fw_walk_end {
	FW_WALK_OK,
	FW_WALK_FAULT,	      /* #PF: error and cr2 are set */
	FW_WALK_NONCANONICAL, /* #GP or #SS, which is not a page fault */
	FW_WALK_BUS,	      /* a table or the page is not in memory */
	FW_WALK_MISS,	      /* not in the TLB of a CPU that does not walk */
};

/* What a walk found. On FW_WALK_OK all but error and cr2 are set; entry and
 * level only by a walk, not from a TLB. */
struct fw_walk {
	uint64_t phys;	  /* of the byte asked for */
	uint64_t entry;	  /* the last entry, with the bits that were set */
	uint64_t cr2;	  /* the address that faulted */
	uint32_t error;	  /* enum fw_mmu_error bits */
	uint32_t pad;
	/* From here on as in struct fw_tlb_entry. */
	uint8_t level;	  /* of `entry`; 0 is the PTE */
	uint8_t pad2;
	uint8_t shift;	  /* page size: 12, 21, 22 or 30 */
	bool write, user, exec; /* what the tables allow together */
	bool dirty, global;
};

/*
 * Translates one address for one access (enum fw_access bits). Sets accessed
 * bits in all entries used and the dirty bit on a write, as one atomic change
 * per entry; begins anew when an entry changed meanwhile. A walk that faults
 * changes nothing (the SDM permits that, 4.8).
 */
enum fw_walk_end fw_mmu_walk(const struct fw_mmu_ctl *ctl,
			     const struct fw_mmu_bus *bus, fw_addr addr,
			     uint32_t access, struct fw_walk *ret);

/* May the access be made, given what tables allow? The rules of SDM 4.6. */
bool fw_mmu_permits(const struct fw_mmu_ctl *ctl, uint32_t access, bool write,
		    bool user, bool exec);

/* ---- TLB -------------------------------------------------------------- */

#define FW_TLB_SETS 64
#define FW_TLB_WAYS 4

struct fw_tlb_entry {
	uint64_t key;  /* 0: the entry is empty; else page number + 1 */
	uint64_t page; /* where these 4 KiB are, also within a large page */
	/* The rest is 8 bytes that are compared at once: mmu/tlb.h. */
	uint16_t asid; /* not compared where global */
	uint8_t shift; /* the page's size */
	bool write, user, exec, dirty, global;
};

/*
 * Zero bytes are an empty TLB. One user at a time. Large pages are held in
 * pieces of 4 KiB, as the SDM allows (4.10.2.3).
 */
struct fw_tlb {
	struct fw_tlb_entry entries[FW_TLB_SETS][FW_TLB_WAYS];
	uint8_t victim[FW_TLB_SETS];
	uint32_t large; /* entries of large pages were loaded */
	uint64_t misses; /* of the looks at it; hits are not counted */
};

struct fw_tlb_entry *fw_tlb_find(struct fw_tlb *tlb, uint16_t asid,
				 fw_addr addr);
void fw_tlb_load(struct fw_tlb *tlb, uint16_t asid, fw_addr addr,
		 const struct fw_walk *walk);
/* INVLPG: whatever translates the address for this ASID, and global ones. */
void fw_tlb_drop_page(struct fw_tlb *tlb, uint16_t asid, fw_addr addr);
/* The pages [vpn, vpn + n) of an ASID, and global ones. */
void fw_tlb_drop_range(struct fw_tlb *tlb, uint16_t asid, fw_vpn vpn,
		       uint64_t n);
/* INVPCID of one address: not the global ones. */
void fw_tlb_drop_own_page(struct fw_tlb *tlb, uint16_t asid, fw_addr addr);
/* MOV CR3, INVPCID of a context: everything of the ASID but what is global. */
void fw_tlb_drop_asid(struct fw_tlb *tlb, uint16_t asid);
/* INVPCID of all contexts but for global pages, or with them. */
void fw_tlb_drop_local(struct fw_tlb *tlb);
void fw_tlb_drop_all(struct fw_tlb *tlb);

/* ---- a CPU's accesses ------------------------------------------------- */

struct fw_mmu_cpu {
	struct fw_mmu_ctl ctl;
	const struct fw_mmu_bus *bus;
	struct fw_tlb *tlb; /* NULL: each access walks */
	uint16_t asid;
	bool tlb_only; /* do not walk: FW_WALK_MISS instead */
};

/* Like fw_mmu_walk, through the TLB. A TLB entry that would not permit the
 * access is dropped and the tables decide. */
enum fw_walk_end fw_mmu_translate(struct fw_mmu_cpu *cpu, fw_addr addr,
				  uint32_t access, struct fw_walk *ret);
/*
 * Reads or writes (FW_ACC_WRITE) `len` bytes, 1..4096. All of it is
 * translated before a byte moves, so a fault leaves memory and buffer as
 * they were; cr2 is the first byte that cannot be accessed.
 */
enum fw_walk_end fw_mmu_access(struct fw_mmu_cpu *cpu, fw_addr addr,
			       void *buffer, uint64_t len, uint32_t access,
			       struct fw_walk *ret);

/* ---- text for people -------------------------------------------------- */

/* What an entry is. In a table's entry everything not present is EMPTY. */
enum fw_pte_form {
	FW_PTE_FORM_TABLE,
	FW_PTE_FORM_LEAF,
	FW_PTE_FORM_EMPTY,	 /* all zero: ask the VAD */
	FW_PTE_FORM_DEMAND_ZERO, /* slot 0 with a protection */
	FW_PTE_FORM_VAD,	 /* slot all ones */
	FW_PTE_FORM_PAGE_FILE,
	FW_PTE_FORM_TRANSITION,
	FW_PTE_FORM_PROTO,
	FW_PTE_FORM_SECTION, /* in a prototype PTE: page of a mapped file */
	FW_PTE_FORM_COUNT
};

/* Instead of a level: the entry is a prototype PTE, in no table. */
#define FW_LEVEL_PROTOTYPE 255u

enum fw_pte_form fw_pte_form(enum fw_mmu_format format, unsigned level,
			     uint64_t entry);
const char *fw_pte_form_text(enum fw_pte_form form);
/*
 * Writes one line, such as "P=0 T=0 proto=0 page file 0, slot 41778, prot rw",
 * into `text` (at most `size` bytes with the NUL). Returns its length.
 */
size_t fw_pte_text(enum fw_mmu_format format, unsigned level, uint64_t entry,
		   char *text, size_t size);

/* A field of an entry by its name, as in the line above. */
struct fw_pte_field {
	const char *name;
	uint64_t value;
	uint8_t bits; /* of the field */
};
#define FW_PTE_FIELDS_MAX 20
/*
 * Takes an entry apart into `ret` (FW_PTE_FIELDS_MAX of them): each field that
 * its form has in this format and, if not zero, as "other" the bits that
 * belong to none, in their places. Returns how many.
 */
unsigned fw_pte_fields(enum fw_mmu_format format, unsigned level,
		       uint64_t entry, struct fw_pte_field *ret);
/*
 * Puts an entry of this form together; fields that are not among the n are
 * zero. False: a name that the form has not, a value that does not fit, or
 * "other" bits that belong to a field.
 */
bool fw_pte_from_fields(enum fw_mmu_format format, unsigned level,
			enum fw_pte_form form, const struct fw_pte_field *f,
			unsigned n, uint64_t *ret);
/* Levels of a format: 4, 3 or 2. */
unsigned fw_mmu_levels(enum fw_mmu_format format);

#endif
