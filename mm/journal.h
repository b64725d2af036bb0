/* SPDX-License-Identifier: MIT */
/*
 * journal.h - the undo journal of the mm lock.
 *
 * Every store to shared state inside a critical section goes through FW_SET,
 * which first saves the aligned word that holds the target. When the
 * holder of the mm lock dies, the next holder puts the words back in reverse
 * order (mm_lock), and so sees the state as of the last consistent point: the
 * start of the section, or its last mm_checkpoint().
 *
 * What need not be journalled: statistics, hints that are checked before use,
 * and memory that was free at the last consistent point and is named by
 * nobody then (its first word excepted in pool objects, see pool.c). For the
 * latter to hold, no section may free memory and then allocate and fill it:
 * allocate first, or checkpoint in between.
 */
#ifndef FW_MM_JOURNAL_H
#define FW_MM_JOURNAL_H

#include <faultwise/port.h>

#define FW_UNDO_MAX 4096

typedef uint64_t __attribute__((may_alias)) fw_word;

/* What is saved at once. No more than a PTE: the next one may change meanwhile,
 * under the lock of its space alone. */
#if FW_LEVELS == 2 || __SIZEOF_POINTER__ == 4
typedef uint32_t __attribute__((may_alias)) fw_undo_word;
#else
typedef fw_word fw_undo_word;
#endif

struct fw_undo {
	uintptr_t at;
	fw_undo_word old;
};

#define FW_ASSERT(cond)                                                  \
	do {                                                             \
		if (__builtin_expect(!(cond), 0))                        \
			fwp_panic("assertion failed: " #cond, __FILE__, \
				  __LINE__);                             \
	} while (0)

#define fw_barrier() __asm__ volatile("" ::: "memory")

/* Stores `value` in `lvalue`, undoably. Wants the mm lock. */
#define FW_SET(mm, lvalue, value)                                \
	do {                                                     \
		journal_log((mm), &(lvalue), sizeof(lvalue));    \
		(lvalue) = (__typeof__(lvalue))(value);          \
	} while (0)
/* The same, where the value is often there already. */
#define FW_PUT(mm, lvalue, value)                                \
	do {                                                     \
		if ((lvalue) != (value))                         \
			FW_SET(mm, lvalue, value);               \
	} while (0)
#define FW_ADD(mm, lvalue, delta) FW_SET(mm, lvalue, (lvalue) + (delta))
#define FW_SUB(mm, lvalue, delta) FW_SET(mm, lvalue, (lvalue) - (delta))

#endif
