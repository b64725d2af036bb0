/* SPDX-License-Identifier: MIT */
/* offsets.h - what entry.S knows of C structures; checked in trap.c. */
#ifndef ARCH_HOST_OFFSETS_H
#define ARCH_HOST_OFFSETS_H

#define KERNEL_HIGH 0x7800
#define STACK_STRIDE 0x40000
#define UC_R8 40 /* and the others in the order of struct sigcontext */
#define UC_RIP 168
#define UC_FPSTATE 224
#define KT_RET_UC 8
#define KT_QUICK 16
#define KT_MASKED 20
#define KT_PENDING 96
#define EFLAGS_TF 0x100
#define KTHREAD_ROOM 4352 /* bytes for a kthread, at its stack's end */
#define KTHREAD_BELOW (KTHREAD_ROOM + 0x18000) /* ... and FW_EXPAND_BYTES */

#endif
