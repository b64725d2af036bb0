/* SPDX-License-Identifier: MIT */
/*
 * vmcopy.c - process_vm_readv and process_vm_writev.
 *
 * What another guest has not in memory must be brought in, and what is
 * written there may be a copy on write: that is for somebody in that space.
 * So its agent copies, page by page, to and from the run's one mailbox
 * (fw_run.copy), whose lock the asker holds. The host judges whether one
 * process may look into the other. Processes outside the run are the host's.
 */
#include <linux/uio.h>

#include "arch/host/proclist.h"
#include "os/regions.h"

#define PIECES_MAX 1024
#define TOTAL_MAX 0x7ffff000ul
#define WAIT_NS 4000000 /* then the asker looks whether the agent lives */

struct transfer {
	struct kthread *t;
	uint32_t pid;
	bool write, guest;
	uint64_t local, n_local;   /* the guest's vector */
	uint64_t remote, n_remote; /* ... of what lies there */
};

/* ---- the mailbox -------------------------------------------------------- */

/* What may not be read is not, though the CPU would. */
static long copy_here(struct kthread *t, struct fw_copy *c)
{
	uint64_t file[2];
	struct fw_vad v;

	if (c->what == FW_COPY_CUT) {
		memcpy(file, c->data, sizeof(file));
		fw_file_cut(t->p->mm, t->actor, t->p->space, file[0], file[1],
			    c->addr);
		return 0;
	}
	if (c->what == FW_COPY_WRITE)
		return user_write(t, c->addr, c->data, c->len);
	if (region_from(t, c->addr, &v) && vad_start(&v) <= c->addr &&
	    !(v.prot & FW_PROT_R))
		return -EFAULT;
	return user_read(t, c->data, c->addr, c->len);
}

void copy_serve(struct kthread *t)
{
	struct fw_copy *c = &t->p->run->copy;
	uint64_t mine = fw_space_port(t->p->space)->owner_serial;
	long r;

	if (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) != FW_COPY_ASKED ||
	    c->serial != mine)
		return;
	r = copy_here(t, c);
	c->result = (int32_t)r;
	__atomic_store_n(&c->state, FW_COPY_DONE, __ATOMIC_SEQ_CST);
	fwp_wake(&c->state);
}

/* Asks the agent of that process; its pid, or 0 when there is none. */
static uint32_t ask(struct kthread *t, struct fw_copy *c, uint32_t pid)
{
	struct fw_proc *p;
	struct fw_space_port *sp;
	uint32_t agent = 0;

	procs_lock(t);
	p = proclist_find(t->p->run, pid);
	if (p && p->space) {
		sp = fw_space_port(p->space);
		agent = sp->agent_pid;
		c->serial = sp->owner_serial;
	}
	if (agent) {
		__atomic_store_n(&c->state, FW_COPY_ASKED, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&sp->mail, 1, __ATOMIC_SEQ_CST);
		fwp_wake(&sp->mail);
	} else if (p) {
		stop_help_begin(t, p);
	}
	procs_unlock(t);
	return agent;
}

/* Waits until the agent has done it, or cannot any more. */
static void await(struct fw_copy *c, uint32_t agent)
{
	const struct lockw_timespec timeout = {0, WAIT_NS};

	while (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) == FW_COPY_ASKED) {
		if (lockw_futex(&c->state, LOCKW_FUTEX_WAIT, FW_COPY_ASKED,
				&timeout) != -ETIMEDOUT)
			continue;
		if (thread_stopped(agent)) /* by somebody who stops all */
			HC2(__NR_kill, agent, SIGCONT);
		if (thread_lives(agent))
			continue;
		c->result = -EFAULT;
		__atomic_store_n(&c->state, FW_COPY_DONE, __ATOMIC_SEQ_CST);
	}
}

/* Copies between the mailbox and the other guest, within one page of it. One
 * that has just been made has no agent yet. */
static long by_agent(struct kthread *t, struct fw_copy *c, uint32_t pid)
{
	const struct lockw_timespec pause = {0, 1000000};
	uint32_t agent;

	while (!(agent = ask(t, c, pid))) {
		if (!proc_find(t, pid) || !thread_lives(pid))
			return -ESRCH;
		HC2(__NR_nanosleep, &pause, 0);
	}
	c->agent = agent;
	await(c, agent);
	return c->result;
}

static long by_host(const struct transfer *x, struct fw_copy *c)
{
	struct iovec here = {c->data, c->len};
	struct iovec there = {(void *)c->addr, c->len};
	long r = HC6(x->write ? __NR_process_vm_writev : __NR_process_vm_readv,
		     x->pid, &here, 1, &there, 1, 0);

	return r == (long)c->len ? 0 : r < 0 ? r : -EFAULT;
}

/* One piece, within one page on either side. */
static long copy_piece(const struct transfer *x, uint64_t local,
		       uint64_t remote, uint64_t len)
{
	struct kthread *t = x->t;
	struct fw_copy *c = &t->p->run->copy;
	long r = 0;

	if (fwp_lock(&c->lock, t->actor->id) && c->state == FW_COPY_ASKED)
		await(c, c->agent); /* of one who died */
	c->addr = remote;
	c->len = (uint32_t)len;
	c->what = x->write ? FW_COPY_WRITE : FW_COPY_READ;
	if (x->write)
		r = user_read(t, c->data, local, len);
	if (!r && x->pid == t->p->pid)
		r = copy_here(t, c);
	else if (!r)
		r = x->guest ? by_agent(t, c, x->pid) : by_host(x, c);
	if (!r && !x->write)
		r = user_write(t, local, c->data, len);
	c->state = FW_COPY_FREE;
	fwp_unlock(&c->lock);
	return r;
}

/* Up to a page, from or to memory of ours. */
static long exchange(struct kthread *t, uint32_t pid, uint64_t addr, void *ours,
		     uint64_t len, enum fw_copy_what what)
{
	struct fw_copy *c = &t->p->run->copy;
	long r;

	if (fwp_lock(&c->lock, t->actor->id) && c->state == FW_COPY_ASKED)
		await(c, c->agent); /* of one who died */
	c->addr = addr;
	c->len = (uint32_t)len;
	c->what = what;
	if (what != FW_COPY_READ)
		memcpy(c->data, ours, len);
	r = by_agent(t, c, pid);
	if (!r && what == FW_COPY_READ)
		memcpy(ours, c->data, len);
	c->state = FW_COPY_FREE;
	fwp_unlock(&c->lock);
	return r;
}

long guest_copy(struct kthread *t, uint32_t pid, uint64_t remote, void *ours,
		uint64_t len, bool write)
{
	return exchange(t, pid, remote, ours, len,
			write ? FW_COPY_WRITE : FW_COPY_READ);
}

void guest_cut(struct kthread *t, uint32_t pid, uint64_t dev, uint64_t ino,
	       uint64_t page)
{
	uint64_t file[2] = {dev, ino};

	exchange(t, pid, page, file, sizeof(file), FW_COPY_CUT);
}

/* ---- vectors ------------------------------------------------------------ */

static long vector_check(struct kthread *t, uint64_t at, uint64_t n, bool ours,
			 uint64_t *ret_total)
{
	struct iovec v;

	if (n > PIECES_MAX)
		return -EINVAL;
	*ret_total = 0;
	for (uint64_t i = 0; i < n; i++) {
		if (user_read(t, &v, at + i * sizeof(v), sizeof(v)))
			return -EFAULT;
		if ((int64_t)v.iov_len < 0)
			return -EINVAL;
		if (ours && !user_range_ok(t, (uint64_t)v.iov_base, v.iov_len))
			return -EFAULT;
		*ret_total += v.iov_len;
	}
	if (*ret_total > TOTAL_MAX)
		*ret_total = TOTAL_MAX;
	return 0;
}

/* Where one stands in a vector. */
struct cursor {
	uint64_t at, n, index, offset;
	struct iovec v;
};

/* Bytes up to the end of this piece and page; 0 at the end of the vector. */
static uint64_t cursor_room(struct kthread *t, struct cursor *c)
{
	uint64_t left, page;

	while (c->index < c->n) {
		if (user_read(t, &c->v, c->at + c->index * sizeof(c->v),
			      sizeof(c->v)))
			return 0;
		left = c->v.iov_len - c->offset;
		page = FW_PAGE_SIZE -
		       (((uint64_t)c->v.iov_base + c->offset) & FW_PAGE_MASK);
		if (c->v.iov_len > c->offset)
			return left < page ? left : page;
		c->index++;
		c->offset = 0;
	}
	return 0;
}

static long transfer(const struct transfer *x, uint64_t total)
{
	struct cursor local = {.at = x->local, .n = x->n_local};
	struct cursor remote = {.at = x->remote, .n = x->n_remote};
	uint64_t done = 0;
	long r = 0;

	while (!r && done < total) {
		uint64_t n = cursor_room(x->t, &local);
		uint64_t m = cursor_room(x->t, &remote);

		if (m < n)
			n = m;
		if (!n)
			break;
		if (n > total - done)
			n = total - done;
		r = copy_piece(x, (uint64_t)local.v.iov_base + local.offset,
			       (uint64_t)remote.v.iov_base + remote.offset, n);
		if (r)
			break;
		local.offset += n;
		remote.offset += n;
		done += n;
	}
	return done ? (long)done : r;
}

/* Asks the host by a byte of the kernel half, which every guest has. */
static long allowed(struct transfer *x)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)FW_KERNEL_BASE, 1};
	long r;

	x->guest = proc_find(x->t, x->pid) != NULL;
	if (x->pid == x->t->p->pid)
		return 0;
	if (!x->guest)
		there.iov_base = NULL;
	r = HC6(__NR_process_vm_readv, x->pid, &here, 1, &there, 1, 0);

	return r == -ESRCH || r == -EPERM ? r : 0;
}

static long vm_call(struct kthread *t, const long a[6], bool write)
{
	struct transfer x = {.t = t, .write = write,
			     .pid = proc_of_thread(t, (uint32_t)a[0]),
			     .local = (uint64_t)a[1],
			     .n_local = (uint64_t)a[2],
			     .remote = (uint64_t)a[3],
			     .n_remote = (uint64_t)a[4]};
	uint64_t here, there;
	long r = a[5] ? -EINVAL
		      : vector_check(t, x.local, x.n_local, true, &here);

	if (r || !here)
		return r;
	r = vector_check(t, x.remote, x.n_remote, false, &there);
	if (r || !there)
		return r;
	r = allowed(&x);
	return r ? r : transfer(&x, here < there ? here : there);
}

long sys_process_vm_readv(struct kthread *t, struct ucontext *uc,
			  const long a[6])
{
	(void)uc;
	return vm_call(t, a, false);
}

long sys_process_vm_writev(struct kthread *t, struct ucontext *uc,
			   const long a[6])
{
	(void)uc;
	return vm_call(t, a, true);
}
