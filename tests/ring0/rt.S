/* SPDX-License-Identifier: MIT */
/* rt.S - how a program starts, and how it survives what it must not do. */

	.text
	.globl	_start
_start:	popl	%eax
	movl	%esp, %edx
	andl	$-16, %esp
	subl	$8, %esp
	pushl	%edx
	pushl	%eax
	call	main
	movl	%eax, %ebx
	movl	$1, %eax /* exit */
	int	$0x80

/* int attempt(void (*f)(uint32_t), uint32_t arg): 1 if f had a violation,
 * which `caught` then tells of; 0 if it returned. */
	.globl	attempt
attempt:
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	%esp, saved_esp
	movl	$14, %eax /* catch */
	movl	$handler, %ebx
	int	$0x80
	pushl	24(%esp)
	call	*24(%esp)
	addl	$4, %esp
	movl	$14, %eax
	xorl	%ebx, %ebx
	int	$0x80
	xorl	%eax, %eax
1:	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret
handler:
	movl	saved_esp, %esp
	cld
	movl	%eax, caught
	movl	%edx, caught + 4
	movl	%ecx, caught + 8
	movl	%ebx, caught + 12
	movl	$1, %eax
	jmp	1b

	.bss
	.balign	4
saved_esp:
	.skip	4
	.globl	caught
caught:	.skip	16

	.section .note.GNU-stack, "", @progbits
