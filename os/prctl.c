/* SPDX-License-Identifier: MIT */
/*
 * prctl.c - prctl by option, and the control calls of System V IPC.
 *
 * Options that would change how the host treats memory or system calls of
 * the whole process, the kernel half included, are refused: with EINVAL, as
 * by a host that has not been built with them.
 */
#include <linux/ipc.h>
#include <linux/msg.h>
#include <linux/prctl.h>
#include <linux/sem.h>
#include <linux/shm.h>

#include "os/buffers.h"

#define NAME_BYTES 16 /* TASK_COMM_LEN */

/* ---- prctl -------------------------------------------------------------- */

static long put_tid_address(struct kthread *t, uint64_t to)
{
	return user_write(t, to, &t->clear_tid, sizeof(t->clear_tid)) ? -EFAULT
								      : 0;
}

static long put_auxv(struct kthread *t, const long a[6])
{
	uint64_t have = t->p->n_auxv * sizeof(t->p->auxv[0]);
	uint64_t want = (uint64_t)a[2];

	if (a[3] || a[4])
		return -EINVAL;
	if (want > have)
		want = have;
	if (user_write(t, (uint64_t)a[1], t->p->auxv, want))
		return -EFAULT;
	return (long)have;
}

long sys_prctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct buffers b;

	(void)uc;
	buf_init(&b, t);
	switch ((int)a[0]) {
	case PR_SET_NAME:
		buf_add(&b, (uint64_t)a[1], NAME_BYTES, FW_ACC_READ);
		break;
	case PR_GET_NAME:
		buf_add(&b, (uint64_t)a[1], NAME_BYTES, FW_ACC_WRITE);
		break;
	case PR_GET_PDEATHSIG:
	case PR_GET_TSC:
	case PR_GET_CHILD_SUBREAPER:
	case PR_GET_UNALIGN:
	case PR_GET_FPEMU:
	case PR_GET_FPEXC:
	case PR_GET_ENDIAN:
		buf_add(&b, (uint64_t)a[1], 4, FW_ACC_WRITE);
		break;
	case PR_GET_TID_ADDRESS:
		return put_tid_address(t, (uint64_t)a[1]);
	case 0x41555856: /* PR_GET_AUXV */
		return put_auxv(t, a);
	case PR_GET_SECCOMP:
		return 0; /* the guest has none of its own */
	case PR_SET_SECCOMP:
		os_refused(t, FW_REFUSED_SECCOMP);
		return -EINVAL;
	case PR_SET_MM:
		return -EPERM;
	case PR_SET_TSC: /* the kernel half reads it, too */
		if ((int)a[1] != PR_TSC_ENABLE)
			return -EINVAL;
		break;
	case PR_SET_DUMPABLE:
	case PR_GET_DUMPABLE:
	case PR_SET_PDEATHSIG:
	case PR_SET_KEEPCAPS:
	case PR_GET_KEEPCAPS:
	case PR_SET_TIMING:
	case PR_GET_TIMING:
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
	case PR_GET_SECUREBITS:
	case PR_SET_SECUREBITS:
	case PR_SET_TIMERSLACK:
	case PR_GET_TIMERSLACK:
	case PR_MCE_KILL_GET:
	case PR_SET_PTRACER:
	case PR_SET_CHILD_SUBREAPER:
	case PR_SET_NO_NEW_PRIVS:
	case PR_GET_NO_NEW_PRIVS:
	case PR_GET_THP_DISABLE:
	case PR_SET_THP_DISABLE:
	case PR_CAP_AMBIENT:
	case PR_GET_SPECULATION_CTRL:
	case PR_SET_SPECULATION_CTRL:
	case PR_SET_IO_FLUSHER:
	case PR_GET_IO_FLUSHER:
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		break;
	default:
		return -EINVAL;
	}
	return buf_call(&b, __NR_prctl, a, BUF_AGAIN);
}

/* ---- System V IPC ------------------------------------------------------- */

/* GETALL and SETALL move one 16-bit value for each semaphore of the set. */
static uint64_t all_bytes(long id)
{
	struct semid64_ds ds;

	if (HC4(__NR_semctl, id, 0, IPC_STAT, &ds))
		return 0;
	return ds.sem_nsems * sizeof(uint16_t);
}

long sys_semctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t arg = (uint64_t)a[3], len = 0;
	uint32_t access = FW_ACC_WRITE;
	struct buffers b;

	(void)uc;
	switch ((int)a[2]) {
	case IPC_SET:
		access = FW_ACC_READ;
		len = sizeof(struct semid64_ds);
		break;
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		len = sizeof(struct semid64_ds);
		break;
	case IPC_INFO:
	case SEM_INFO:
		len = sizeof(struct seminfo);
		break;
	case SETALL:
		access = FW_ACC_READ;
		len = all_bytes(a[0]);
		break;
	case GETALL:
		len = all_bytes(a[0]);
		break;
	default: /* a value */
		arg = 0;
		break;
	}
	buf_init(&b, t);
	buf_add(&b, arg, len, access);
	return buf_call(&b, __NR_semctl, a, BUF_AGAIN);
}

long sys_msgctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint32_t access = (int)a[1] == IPC_SET ? FW_ACC_READ : FW_ACC_WRITE;
	uint64_t len = sizeof(struct msqid64_ds);
	struct buffers b;

	(void)uc;
	if ((int)a[1] == IPC_INFO || (int)a[1] == MSG_INFO)
		len = sizeof(struct msginfo);
	buf_init(&b, t);
	buf_add(&b, (uint64_t)a[2], len, access);
	return buf_call(&b, __NR_msgctl, a, BUF_AGAIN);
}
