/* SPDX-License-Identifier: MIT */
/*
 * trap.S - into the kernel and out of it: a stub for each vector, the frame
 * they share (struct frame), and the switch between two tasks.
 */
#include "arch/bare/layout.h"

#define HAS_ERROR(v) (v == 8 || (v >= 10 && v <= 14) || v == 17)

	.text
	.altmacro
	.macro stub num
gate\num:
	.if !HAS_ERROR(\num)
	pushl	$0
	.endif
	pushl	$\num
	jmp	trap_entry
	.endm

	.set	v, 0
	.rept	256
	stub	%v
	.set	v, v + 1
	.endr

trap_entry:
	pushl	%ds
	pushl	%es
	pushal
	cld
	movl	$KERNEL_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	pushl	%esp
	call	trap
	addl	$4, %esp
	.globl	trap_return
trap_return:
	popal
	popl	%es
	popl	%ds
	addl	$8, %esp /* vector, error */
	iret

/* void switch_stacks(uint32_t *save_esp, uint32_t esp) */
	.globl	switch_stacks
switch_stacks:
	movl	4(%esp), %eax
	movl	8(%esp), %edx
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	%esp, (%eax)
	movl	%edx, %esp
	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret

/* uint32_t copy_raw(void *to, const void *from, uint32_t n): bytes left. The
 * instruction keeps count; where it faults for good it is passed over. */
	.globl	copy_raw
copy_raw:
	pushl	%esi
	pushl	%edi
	movl	12(%esp), %edi
	movl	16(%esp), %esi
	movl	20(%esp), %ecx
1:	rep movsb
2:	movl	%ecx, %eax
	popl	%edi
	popl	%esi
	ret
	.section extable, "a"
	.long	1b, 0, 2b, 0, 2b, 0

	.section .rodata
	.globl	trap_vectors
	.macro	entry num
	.long	gate\num
	.endm
trap_vectors:
	.set	v, 0
	.rept	256
	entry	%v
	.set	v, v + 1
	.endr

	.section .note.GNU-stack, "", @progbits
