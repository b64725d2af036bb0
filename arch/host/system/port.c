/* SPDX-License-Identifier: MIT */
/*
 * port.c - the core's port for the hosted processes (front end, system
 * process). The same run is served by arch/host/kernel inside the guests:
 * locks and wait words are shared with it, mappings are not, since the
 * hosted processes map nothing of any space but the RAM itself.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/host/kick.h"
#include "arch/host/proclist.h"
#include "arch/host/stop.h"
#include "arch/host/system/system.h"

#define MAX_PAGES_PER_IO 64

static struct {
	struct fw_mm *mm;
	struct fw_run *run;
	void (*say)(const char *line);
	int store[FW_MAX_PAGE_FILES];
	unsigned n_stores;
} port;

static __thread struct fw_robust_head robust;
static __thread uint32_t self_tid, self_actor;

void port_init(struct fw_mm *mm, struct fw_run *run,
	       void (*say)(const char *line))
{
	port.mm = mm;
	port.run = run;
	port.say = say;
}

void port_stores(const int *fds, unsigned n)
{
	for (port.n_stores = 0; port.n_stores < n; port.n_stores++)
		port.store[port.n_stores] = fds[port.n_stores];
}

void port_enter(struct fw_actor *actor)
{
	self_tid = (uint32_t)gettid();
	lockw_head_init(&robust);
	syscall(SYS_set_robust_list, &robust, sizeof(robust));
	self_actor = actor ? actor->id : 0;
	if (actor) {
		actor->host_tid = self_tid;
		actor->host_pid = (uint32_t)getpid();
	}
}

/* ---- locks and waiting ------------------------------------------------- */

long lockw_futex(uint32_t *word, int op, uint32_t value,
		 const struct lockw_timespec *timeout)
{
	int before = errno;
	long result = syscall(SYS_futex, word, op, value, timeout, NULL, 0);

	if (result < 0)
		result = -errno;
	errno = before;
	return result;
}

/* Continues the process of a stopped thread, which then stops itself again when
 * it leaves the kernel half (arch/host/kernel/stop.c). */
static void help_stopped(uint32_t actor_id)
{
	const struct fw_actor *actor = fw_actor_by_id(port.mm, actor_id);
	struct fw_run *run = fw_mm_port_area(port.mm);
	uint32_t pid, tid, conts;
	siginfo_t info;

	if (!actor)
		return; /* the pid is whoever's by now */
	pid = actor->host_pid;
	tid = actor->host_tid;
	conts = stop_conts_seen(run, pid);
	if (fw_actor_by_id(port.mm, actor_id) != actor ||
	    task_state(tid) != 'T')
		return;
	stop_ask(run, actor_id, conts);
	stop_mark(&info);
	syscall(SYS_rt_tgsigqueueinfo, pid, tid, SIGCONT, &info);
}

bool lockw_owner_gone(struct fw_lock *lock, uint32_t tid)
{
	char state = task_state(tid);
	const struct fw_actor *actor;
	uint32_t id = lock->owner;

	if (state != 'T' || !port.mm)
		return !state;
	actor = fw_actor_by_id(port.mm, id);
	if (actor && actor->host_tid == tid)
		help_stopped(id);
	return false;
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	if (!self_tid)
		port_enter(NULL);
	return lockw_acquire(lock, &robust, self_tid, actor_id);
}

void fwp_unlock(struct fw_lock *lock)
{
	lockw_release(lock, &robust);
}

void port_futex_wait(uint32_t *word, uint32_t seen, unsigned milliseconds)
{
	const struct lockw_timespec timeout = {
		.sec = milliseconds / 1000,
		.nsec = milliseconds % 1000 * 1000000L,
	};

	lockw_futex(word, FUTEX_WAIT, seen, &timeout);
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	struct fw_actor *actor;

	port_futex_wait(word, seen, 10);
	if (!owner || __atomic_load_n(word, __ATOMIC_ACQUIRE) != seen)
		return true;
	actor = fw_actor_by_id(port.mm, owner);
	if (actor && task_state(actor->host_tid) == 'T')
		help_stopped(owner);
	return fwp_actor_alive(port.mm, owner);
}

void fwp_wake(uint32_t *word)
{
	lockw_futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}

bool fwp_actor_alive(struct fw_mm *mm, uint32_t actor_id)
{
	struct fw_actor *actor = fw_actor_by_id(mm, actor_id);

	if (!actor)
		return false;
	if (syscall(SYS_tgkill, actor->host_pid, actor->host_tid, 0) &&
	    errno == ESRCH)
		return false;
	return task_state(actor->host_tid) != 0;
}

/* ---- page files -------------------------------------------------------- */

/* One iovec for each run of consecutive frames; returns how many. */
static int gather(struct fw_mm *mm, const fw_pfn *pfn, unsigned n,
		  struct iovec *iov)
{
	int count = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i && pfn[i] == pfn[i - 1] + 1) {
			iov[count - 1].iov_len += FW_PAGE_SIZE;
			continue;
		}
		iov[count].iov_base = fw_frame_data(mm, pfn[i]);
		iov[count++].iov_len = FW_PAGE_SIZE;
	}
	return count;
}

/* Drops `done` bytes from the front of the vector; returns what is left. */
static struct iovec *advance(struct iovec *iov, int *count, size_t done)
{
	while (*count && done >= iov->iov_len) {
		done -= iov->iov_len;
		iov++;
		--*count;
	}
	if (*count) {
		iov->iov_base = (char *)iov->iov_base + done;
		iov->iov_len -= done;
	}
	return iov;
}

/* Says so, once for each page file. */
static void io_failed(unsigned file, bool write, int error)
{
	static bool said[FW_MAX_PAGE_FILES];
	char text[200];

	if (said[file] || !port.say)
		return;
	said[file] = true;
	snprintf(text, sizeof(text),
		 "page file %u: %s fails: %s. Pages stay in RAM as far as it "
		 "reaches; name another disk with -b.",
		 file, write ? "writing" : "reading", strerror(error));
	port.say(text);
}

static enum fw_status transfer(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n, bool write)
{
	struct iovec vector[MAX_PAGES_PER_IO], *iov = vector;
	off_t at = (off_t)(slot * FW_PAGE_SIZE);
	int count;

	if (file >= port.n_stores || n > MAX_PAGES_PER_IO)
		return FW_E_IO;
	count = gather(mm, pfn, n, iov);
	while (count) {
		ssize_t done = write ? pwritev(port.store[file], iov, count, at)
				     : preadv(port.store[file], iov, count, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			bool full = done < 0 &&
				    (errno == ENOSPC || errno == EDQUOT ||
				     errno == EFBIG);

			io_failed(file, write, done ? errno : ENODATA);
			return full ? FW_E_FULL : FW_E_IO;
		}
		at += done;
		iov = advance(iov, &count, (size_t)done);
	}
	return FW_OK;
}

enum fw_status fwp_store_read(struct fw_mm *mm, unsigned file, uint64_t slot,
			      const fw_pfn *pfn, unsigned n)
{
	return transfer(mm, file, slot, pfn, n, false);
}

enum fw_status fwp_store_write(struct fw_mm *mm, unsigned file, uint64_t slot,
			       const fw_pfn *pfn, unsigned n)
{
	return transfer(mm, file, slot, pfn, n, true);
}

/* ---- the rest ---------------------------------------------------------- */

void fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
		   enum fw_flush how)
{
	/* nothing of any space is mapped here */
	(void)space;
	(void)vpn;
	(void)n;
	(void)how;
}

void fwp_panic(const char *message, const char *file, int line)
{
	char text[300];

	snprintf(text, sizeof(text), "internal error: %s (%s:%d)", message,
		 file, line);
	if (port.say)
		port.say(text);
	abort();
}

bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	bool posted;

	(void)mm;
	return victim &&
	       agent_ask_trim(port.run, self_actor, victim, n, &posted);
}

void fwp_kick(struct fw_mm *mm, enum fw_kthread who)
{
	(void)mm;
	kick(&port.run->kicked[who]);
}
