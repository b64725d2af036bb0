/* SPDX-License-Identifier: MIT */
/*
 * syscall.c - what becomes of a system call of the guest that trapped.
 *
 * The table (syscalls.def) says it: refused, done by a function of ours, or
 * made natively here, by the description of its arguments. The result goes
 * to rax. A call that a signal kept from beginning (K_ERESTART) is set up to
 * be made again: the instruction pointer goes back to the syscall
 * instruction, and the signal is delivered on the way out.
 *
 * Calls of other ABIs do not come here: x32 numbers are beyond the table,
 * int 0x80 is told apart by the trap (si_arch).
 */
#include "os/buffers.h"
#include "os/calls.h"
#include "os/changes.h"
#include "os/procview.h"
#include "os/signal.h"

#define SYSCALL_INSN_BYTES 2
#define HOST_AT_FDCWD (-100)
#define LENGTH_MAX 0x7fffffff /* no buffer of one host call is longer */

/* Adds the buffer of argument i whose length argument k gives. */
static void collect_counted(struct buffers *b, const struct os_arg *d,
			    unsigned i, long args[6])
{
	uint64_t len = (uint64_t)args[d->k];
	uint32_t access = d->kind == ARG_INL ? FW_ACC_READ : FW_ACC_WRITE;
	uint64_t room;

	if (d->kind == ARG_CUT && d->unit == 1 && len > LENGTH_MAX)
		len = LENGTH_MAX;
	if (len > LENGTH_MAX)
		len = 0; /* negative, or more than the host takes */
	len = len * d->unit + d->extra;
	room = buf_add(b, (uint64_t)args[i], len, access);
	if (d->kind == ARG_CUT && room < len)
		args[d->k] = (long)(room / d->unit);
}

static void collect_pointed(struct buffers *b, const struct os_arg *d,
			    unsigned i, const long args[6])
{
	int32_t len;

	if (!args[i] || !args[d->k] ||
	    user_read(b->t, &len, (uint64_t)args[d->k], sizeof(len)) || len < 0)
		return;
	buf_add(b, (uint64_t)args[i], (uint64_t)len, FW_ACC_WRITE);
}

/* A path that means something of the guest's is replaced. */
static long collect_path(struct buffers *b, const struct os_arg *d, unsigned i,
			 long args[6], char path[4096])
{
	unsigned n = b->n, pages = b->pages;
	char head[VIEW_HEAD_BYTES];
	long ret = 0;

	buf_string(b, (uint64_t)args[i], head, sizeof(head));
	if (d->n && (args[d->k] & (long)d->n))
		return 0;
	if (!b->bad && *head && k_strlen(head) < sizeof(head) - 1)
		ret = view_link(b->t, i ? (int)args[0] : HOST_AT_FDCWD, head,
				true, path);
	if (ret <= 0)
		return ret;
	b->n = n;
	b->pages = pages;
	args[i] = (long)path;
	return 0;
}

static long collect(struct buffers *b, const struct os_arg *d, unsigned i,
		    long args[6], char path[4096])
{
	uint64_t addr = (uint64_t)args[i];
	char head[8];

	switch ((enum os_arg_kind)d->kind) {
	case ARG_VALUE:
		break;
	case ARG_IN:
		buf_add(b, addr, d->n, FW_ACC_READ);
		break;
	case ARG_OUT:
		buf_add(b, addr, d->n, FW_ACC_WRITE);
		break;
	case ARG_INL:
	case ARG_OUTL:
	case ARG_CUT:
		collect_counted(b, d, i, args);
		break;
	case ARG_OUTP:
		collect_pointed(b, d, i, args);
		break;
	case ARG_STR:
		buf_string(b, addr, head, sizeof(head));
		break;
	case ARG_PATH:
		return collect_path(b, d, i, args, path);
	case ARG_PAGE:
		buf_add(b, addr, FW_PAGE_SIZE - (addr & FW_PAGE_MASK),
			FW_ACC_READ);
		break;
	}
	return 0;
}

static long call_native(struct kthread *t, const struct os_call *call, long nr,
			const long a[6])
{
	enum buf_mode mode = call->class == OS_ONCE  ? BUF_ONCE
			     : call->class == OS_NOW ? BUF_NOW
						     : BUF_AGAIN;
	struct buffers b;
	char path[4096];
	long args[6], ret = 0;

	memcpy(args, a, sizeof(args));
	buf_init(&b, t);
	for (unsigned i = 0; i < 6 && !ret; i++)
		ret = collect(&b, &call->arg[i], i, args, path);
	if (!ret)
		ret = buf_call(&b, nr, args, mode);
	if (ret >= 0)
		file_call_done(t, nr, a, ret);
	return ret;
}

/* Descriptors of the run are not open, as far as the guest can see: programs
 * look at all numbers to find those that are. */
static bool is_hidden(struct kthread *t, uint64_t nr, long fd)
{
	if (os_calls[nr].class == OS_FD)
		return k_fd_reserved(t, (int)fd);
	switch (nr) {
	case __NR_read:
	case __NR_write:
	case __NR_fstat:
	case __NR_ioctl:
	case __NR_pread64:
	case __NR_pwrite64:
	case __NR_readv:
	case __NR_writev:
	case __NR_fcntl:
	case __NR_getdents64:
	case __NR_fstatfs:
	case __NR_newfstatat:
	case 332: /* statx */
	case __NR_getsockopt:
	case __NR_setsockopt:
	case __NR_getsockname:
	case __NR_getpeername:
	case __NR_fgetxattr:
	case __NR_fsetxattr:
	case __NR_flistxattr:
	case __NR_fremovexattr:
	case __NR_fchownat:
	case __NR_fchmodat:
	case 452: /* fchmodat2 */
	case __NR_utimensat:
		return k_fd_reserved(t, (int)fd);
	default:
		return false;
	}
}

static long dispatch(struct kthread *t, struct ucontext *uc, uint64_t nr)
{
	const struct sigcontext *m = &uc->uc_mcontext;
	long a[6] = {(long)m->rdi, (long)m->rsi, (long)m->rdx,
		     (long)m->r10, (long)m->r8,	 (long)m->r9};
	const struct os_call *call = &os_calls[nr];

	if (is_hidden(t, nr, a[0]))
		return -EBADF;
	switch ((enum os_class)call->class) {
	case OS_OWN:
		return call->fn(t, uc, a);
	case OS_PASS:
	case OS_FD:
	case OS_BUF:
	case OS_ONCE:
	case OS_NOW:
		return call_native(t, call, (long)nr, a);
	case OS_REFUSE:
		os_refused_call(t, nr);
		return -(long)call->error;
	case OS_NONE:
		break;
	}
	return -ENOSYS;
}

void os_syscall(struct kthread *t, struct ucontext *uc)
{
	uint64_t nr = uc->uc_mcontext.rax;
	long ret;

	agents_reap(t);
	ret = nr < OS_CALLS	     ? dispatch(t, uc, nr)
	      : nr == FW_CALL_INSIDE ? FW_INSIDE
				     : -ENOSYS;
	if (ret == K_ERESTART) {
		uc->uc_mcontext.rip -= SYSCALL_INSN_BYTES;
		uc->uc_mcontext.rax = nr;
	} else if (ret != OS_NO_RESULT) {
		uc->uc_mcontext.rax = (uint64_t)ret;
	}
	signal_call_end(t, uc);
}
