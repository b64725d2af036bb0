/* SPDX-License-Identifier: MIT */
/*
 * entry.S - the kernel half's few lines that cannot be C: start, calls of
 * the host, the return to the user half, copies that may fault.
 */
#include "arch/host/kernel/offsets.h"

	.text

/* Process image start. The host's stack holds argc, argv, envp, auxv. */
	.globl	_start
_start:
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	andq	$-16, %rsp
	call	k_start
	ud2

/* long host_call(nr, a, b, c, d, e, f) */
	.globl	host_call
host_call:
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	ret

/*
 * long host_call_guest(volatile uint32_t *pending, long nr, const long *args)
 * A signal that arrives in [call_begin, call_insn] makes trap_async move the
 * instruction pointer to call_abort: the call has not begun.
 */
	.globl	host_call_guest, call_begin, call_insn, call_abort
host_call_guest:
	pushq	%rbx
	movq	%rdi, %rbx
	movq	%rsi, %rax
	movq	%rdx, %rcx
	movq	(%rcx), %rdi
	movq	8(%rcx), %rsi
	movq	16(%rcx), %rdx
	movq	24(%rcx), %r10
	movq	32(%rcx), %r8
	movq	40(%rcx), %r9
call_begin:
	cmpl	$0, (%rbx)
	jne	call_abort
call_insn:
	syscall
	popq	%rbx
	ret
call_abort:
	movq	$-512, %rax
	popq	%rbx
	ret

/*
 * The restorer of all host actions: rsp points to the ucontext. A context of
 * the kernel half is resumed at once. One of the user half is resumed when
 * no signal is pending; a signal that arrives in [ret_begin, ret_insn] sends
 * us back to ret_begin, with rbx, rbp and rsp as they are there.
 *
 * Where nothing but registers is to be restored (t->quick: the signal mask
 * is the guest's, the frame is as the host made it) xrstor and iretq do in
 * 0.1 us what sigreturn does in 0.6. Not while a debugger steps: it would
 * lose track at the iretq.
 */
	.globl	trap_restorer, ret_begin, ret_insn
trap_restorer:
	movq	UC_RIP(%rsp), %rax
	shrq	$32, %rax
	cmpl	$KERNEL_HIGH, %eax
	je	2f
	movq	%rsp, %rbx
	movq	%rsp, %rbp
	orq	$(STACK_STRIDE - 1), %rbp
	subq	$(KTHREAD_BELOW - 1), %rbp
	movq	%rsp, KT_RET_UC(%rbp)
ret_begin:
	cmpl	$0, KT_PENDING(%rbp)
	jne	3f
	cmpl	$0, KT_QUICK(%rbp)
	je	1f
	cmpl	$0, KT_MASKED(%rbp)
	jne	1f
	pushfq
	popq	%rax
	testl	$EFLAGS_TF, %eax
	jz	4f
1:	movl	$15, %eax
	syscall
	ud2
4:	movq	UC_FPSTATE(%rbx), %rsi
	movl	$-1, %eax
	movl	$-1, %edx
	xrstor64 (%rsi)
	leaq	UC_R8(%rbx), %rsi
	movq	128(%rsi), %rax		/* rip */
	movq	%rax, -40(%rbx)
	movzwl	144(%rsi), %eax		/* cs */
	movq	%rax, -32(%rbx)
	movq	136(%rsi), %rax		/* flags */
	movq	%rax, -24(%rbx)
	movq	120(%rsi), %rax		/* rsp */
	movq	%rax, -16(%rbx)
	movzwl	150(%rsi), %eax		/* ss */
	movq	%rax, -8(%rbx)
	movq	(%rsi), %r8
	movq	8(%rsi), %r9
	movq	16(%rsi), %r10
	movq	24(%rsi), %r11
	movq	32(%rsi), %r12
	movq	40(%rsi), %r13
	movq	48(%rsi), %r14
	movq	56(%rsi), %r15
	movq	64(%rsi), %rdi
	movq	80(%rsi), %rbp
	movq	96(%rsi), %rdx
	movq	104(%rsi), %rax
	movq	112(%rsi), %rcx
	movq	72(%rsi), %rsi
	leaq	-40(%rbx), %rsp
	movq	UC_R8+88(%rbx), %rbx
ret_insn:
	iretq
2:	movl	$15, %eax
	syscall
	ud2
3:	movq	%rbx, %rdi
	andq	$-16, %rsp
	call	trap_pending
	movq	%rbx, %rsp
	jmp	ret_begin

/* void k_switch_stack(uint64_t top, void (*fn)(void *), void *arg) */
	.globl	k_switch_stack
k_switch_stack:
	movq	%rdi, %rsp
	movq	%rdx, %rdi
	xorl	%ebp, %ebp
	call	*%rsi
	ud2

/* void k_resume(struct ucontext *uc): continues there, by the host. */
	.globl	k_resume
k_resume:
	movq	%rdi, %rsp
	jmp	trap_restorer

/*
 * long k_clone(flags, child_sp, ptid, ctid, tls, fn, arg)
 * The child runs fn(arg) on child_sp and never returns from it.
 */
	.globl	k_clone
k_clone:
	pushq	%rbx
	pushq	%r12
	movq	%r9, %rbx
	movq	24(%rsp), %r12
	movq	%rcx, %r10
	movl	$56, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	popq	%r12
	popq	%rbx
	ret
1:	xorl	%ebp, %ebp
	andq	$-16, %rsp
	movq	%r12, %rdi
	call	*%rbx
	ud2

/* void k_exit_unmap(addr, len, status): a thread drops its own stack. */
	.globl	k_exit_unmap
k_exit_unmap:
	movq	%rdx, %rbx
	movl	$11, %eax
	syscall
	movq	%rbx, %rdi
	movl	$60, %eax
	syscall
	ud2

/*
 * uint64_t copy_fixup(void *to, const void *from, uint64_t n)
 * memcpy that may fault (SIGSEGV or SIGBUS); returns the bytes not copied.
 */
	.globl	copy_fixup
copy_fixup:
	movq	%rdx, %rcx
1:	rep movsb
2:	movq	%rcx, %rax
	ret
	.section .extable, "a"
	.quad	1b, 2b
	.text

	.section .note.GNU-stack, "", @progbits
