/* SPDX-License-Identifier: MIT */
/* layout.h - where things are, for C, assembly and the linker script. */
#ifndef FW_BARE_LAYOUT_H
#define FW_BARE_LAYOUT_H

/*
 *		2-level			PAE
 *	user	00010000 - c0000000	00010000 - 40000000
 *	RAM	c0000000 - c1800000	c0000000 - c1800000
 *	session	e0000000 - e0400000	40000000 - 80000000
 *	system	f0000000 - f0800000	80000000 - c0000000
 *
 * Sessions and the system get whole entries of the root: with PAE, of which
 * there are four, a GiB each.
 */
#define KERNEL_BASE 0xc0000000
#define RAM_MAX 0x1800000 /* so much RAM is used at most; see main.c */
#define HOLE_START 0x9f000 /* of RAM, up to the kernel's image at 1 MiB */

#define USER_MIN 0x10000
#ifdef BARE_PAE
#define USER_TOP 0x40000000
#define SESSION_START 0x40000000
#define SESSION_LEN 0x40000000
#define SYSTEM_START 0x80000000
#define SYSTEM_LEN 0x40000000
#else
#define USER_TOP 0xc0000000
#define SESSION_START 0xe0000000
#define SESSION_LEN 0x400000
#define SYSTEM_START 0xf0000000
#define SYSTEM_LEN 0x800000
#endif
/* A stack of 33 pages, somewhat below the top. */
#define STACK_TOP (USER_TOP - 0xa000)
#define STACK_LEN 0x21000
#define POOL_PAGES 1024

#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PSE 0x10
#define CR4_PAE 0x20

/* Selectors. */
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS 0x1b
#define USER_DS 0x23
#define TSS_SEL 0x28

#define SYSCALL_VECTOR 0x80
#define IRQ_VECTOR 0x20
#define PAGE_FAULT_VECTOR 14

#endif
