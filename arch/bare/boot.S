/* SPDX-License-Identifier: MIT */
/*
 * boot.S - from the multiboot loader to kmain. The loader leaves us in
 * protected mode without paging, %ebx naming what it has to tell. The first
 * tables map all of RAM twice, with large pages: where it is, which lasts for
 * a few instructions, and at KERNEL_BASE, which stays.
 */
#include "arch/bare/layout.h"

#define MAGIC 0x1badb002
#define FLAGS 3 /* modules aligned; memory sizes wanted */
#define PRESENT_WRITE_LARGE 0x83

	.section .multiboot, "a"
	.balign 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.globl start
start:	cli
	cld
	movl	$(boot_stack_end - KERNEL_BASE), %esp
#ifdef BARE_PAE
	movl	$(kernel_pd - KERNEL_BASE), %edi
	movl	$PRESENT_WRITE_LARGE, %eax
1:	movl	%eax, (%edi)
	addl	$8, %edi
	addl	$0x200000, %eax
	cmpl	$(RAM_MAX + PRESENT_WRITE_LARGE), %eax
	jb	1b
	movl	$(kernel_root - KERNEL_BASE), %edi
	movl	$(kernel_pd - KERNEL_BASE + 1), %eax
	movl	%eax, (%edi)
	movl	%eax, 24(%edi)
	movl	$CR4_PAE, %eax
#else
	movl	$(kernel_root - KERNEL_BASE), %edi
	movl	$PRESENT_WRITE_LARGE, %eax
1:	movl	%eax, (%edi)
	movl	%eax, (KERNEL_BASE >> 20)(%edi)
	addl	$4, %edi
	addl	$0x400000, %eax
	cmpl	$(RAM_MAX + PRESENT_WRITE_LARGE), %eax
	jb	1b
	movl	$CR4_PSE, %eax
#endif
	movl	%eax, %cr4
	movl	$(kernel_root - KERNEL_BASE), %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$(CR0_PG | CR0_WP), %eax
	movl	%eax, %cr0
	movl	$high, %eax
	jmp	*%eax
high:	movl	$boot_stack_end, %esp
	xorl	%ebp, %ebp
	pushl	%ebx
	call	kmain

	.bss
	.balign	4096
	.globl	kernel_root, kernel_pd
kernel_root:
	.skip	4096
kernel_pd:
	.skip	4096
boot_stack:
	.skip	8192
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
