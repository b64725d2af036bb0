/* SPDX-License-Identifier: MIT */
/*
 * refuse.c - what Linux offers and a run does not: the program gets the error
 * that Linux gives where it is off, the user one sentence for each kind and
 * run. Noted here, in the run's record; told by the system process.
 */
#include <linux/prctl.h>

#include "os/os.h"

void os_refused(struct kthread *t, enum fw_refusal kind)
{
	struct fw_run *run = t->p->run;
	uint32_t bit = 1u << kind;

	if (__atomic_load_n(&run->refusals_claimed, __ATOMIC_RELAXED) & bit ||
	    __atomic_fetch_or(&run->refusals_claimed, bit, __ATOMIC_RELAXED) &
		    bit)
		return;
	HC2(__NR_prctl, PR_GET_NAME, run->refused[kind].name);
	run->refused[kind].pid = t->p->pid;
	__atomic_fetch_or(&run->refusals, bit, __ATOMIC_RELEASE);
}

/* The kind of thing that a refused call belongs to; FW_REFUSALS for those
 * that programs try and do without. */
static enum fw_refusal kind_of(uint64_t nr)
{
	switch (nr) {
	case 425: /* io_uring_setup */
	case 426: /* io_uring_enter */
	case 427: /* io_uring_register */
		return FW_REFUSED_IO_URING;
	case __NR_io_setup:
	case __NR_io_destroy:
	case __NR_io_getevents:
	case __NR_io_submit:
	case __NR_io_cancel:
	case 333: /* io_pgetevents */
		return FW_REFUSED_AIO;
	case __NR_userfaultfd:
		return FW_REFUSED_USERFAULTFD;
	case __NR_ptrace:
		return FW_REFUSED_PTRACE;
	case __NR_vmsplice:
		return FW_REFUSED_ZERO_COPY;
	default:
		return FW_REFUSALS;
	}
}

void os_refused_call(struct kthread *t, uint64_t nr)
{
	enum fw_refusal kind = kind_of(nr);

	if (kind != FW_REFUSALS)
		os_refused(t, kind);
}

/*
 * seccomp(2): asking what the host's filters can do would be harmless, but the
 * answer would be that they can do what is refused then.
 */
long sys_seccomp(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	if ((uint32_t)a[0] <= 1 /* strict or a filter */)
		os_refused(t, FW_REFUSED_SECCOMP);
	return -EINVAL;
}
