/* SPDX-License-Identifier: MIT */
/* offsets.h - what entry.S knows of C structures; checked in trap.c. */
#ifndef ARCH_HOST_OFFSETS_H
#define ARCH_HOST_OFFSETS_H

#define KERNEL_HIGH 0x7800
#define STACK_STRIDE 0x20000
#define UC_RIP 168
#define KT_PENDING 96
#define KTHREAD_BELOW 3584 /* bytes from the kthread to its stack's end */

#endif
