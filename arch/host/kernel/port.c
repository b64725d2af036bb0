/* SPDX-License-Identifier: MIT */
/*
 * port.c - the core's port in guests: page files by pread and pwrite on the
 * faulting thread's own account, requests to other spaces, panic.
 */
#include "arch/host/kernel/trap.h"
#include "arch/host/kick.h"
#include "arch/host/proclist.h"

struct iov {
	uint64_t base, len;
};

/* One iovec for each run of consecutive frames. */
static unsigned make_iov(struct fw_mm *mm, struct iov *iov, const fw_pfn *pfn,
			 unsigned n)
{
	unsigned used = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i && pfn[i] == pfn[i - 1] + 1) {
			iov[used - 1].len += FW_PAGE_SIZE;
			continue;
		}
		iov[used].base = (uint64_t)fw_frame_data(mm, pfn[i]);
		iov[used++].len = FW_PAGE_SIZE;
	}
	return used;
}

/* Drops the first `done` bytes of a transfer that came short. */
static unsigned advance(struct iov *iov, unsigned n, uint64_t done)
{
	unsigned skip = 0;

	while (skip < n && done >= iov[skip].len)
		done -= iov[skip++].len;
	for (unsigned i = skip; i < n; i++)
		iov[i - skip] = iov[i];
	if (skip < n) {
		iov[0].base += done;
		iov[0].len -= done;
	}
	return n - skip;
}

static enum fw_status transfer(struct fw_mm *mm, long nr, unsigned file,
			       uint64_t slot, const fw_pfn *pfn, unsigned n)
{
	struct fw_run *run = fw_mm_port_area(mm);
	long fd = run_fd(run, FW_FD_STORE + file);
	struct iov iov[FW_MAX_ACTOR_FRAMES];
	uint64_t at = slot << FW_PAGE_SHIFT;
	unsigned left = make_iov(mm, iov, pfn, n);

	while (left) {
		long r = HC5(nr, fd, iov, left, at, 0);

		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			return r == -ENOSPC || r == -EDQUOT || r == -EFBIG ?
				       FW_E_FULL : FW_E_IO;
		at += (uint64_t)r;
		left = advance(iov, left, (uint64_t)r);
	}
	return FW_OK;
}

enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	return transfer(mm, __NR_preadv, file, slot, pfn, n);
}

enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	return transfer(mm, __NR_pwritev, file, slot, pfn, n);
}

_Noreturn void fwp_panic(const char *message, const char *file, int line)
{
	struct kthread *t = k_self();

	__atomic_add_fetch(&t->p->run->oops, 1, __ATOMIC_RELAXED);
	k_printf("faultwise: internal error: %s (%s:%d), pid %u\n", message,
		 file, line, t->p->pid);
	k_die(t, SIGABRT);
}

bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	struct kthread *t = k_self();
	bool posted, answered;

	(void)mm;
	answered = agent_ask_trim(t->p->run, t->actor ? t->actor->id : 0,
				  victim, n, &posted);
	if (!posted) /* something is left for the system process to clean up */
		HC2(__NR_kill, t->p->run->system_pid, SIGCHLD);
	t->wait_since = 0; /* agents are not stopped with their guests */
	return answered;
}

bool fwp_post_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	struct kthread *t = k_self();
	uint32_t done;

	(void)mm;
	return agent_post(t->p->run, t->actor ? t->actor->id : 0, victim, n,
			  &done);
}

void fwp_kick(struct fw_mm *mm, enum fw_kthread who)
{
	struct fw_run *run = fw_mm_port_area(mm);

	kick(&run->kicked[who]);
}
