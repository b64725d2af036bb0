/* SPDX-License-Identifier: MIT */
/*
 * shm.c - System V shared memory.
 *
 * Segments are the host's: their keys, identifiers, owners and lives, seen
 * inside and outside the run, and ipcs(1) shows them. Attaching one maps it
 * into a window of the kernel half, of which the region shows pages (a host
 * view, as of a shared file); the region's tag says of which segment. So the
 * host destroys a segment when its last window goes, as it should.
 *
 * Only its count of attachments is not the guests': each window and each run
 * of pages shown counts there. What a guest asks for is put right: less what
 * the host maps in guests, more the attachments that their regions are. The
 * same goes for the list in /proc.
 */
#include <asm/shmbuf.h>
#include <linux/shm.h>

#include "os/buffers.h"
#include "os/regions.h"
#include "os/view.h"

#define READ_BYTES 1024
#define OTHERS_TRIES 20 /* milliseconds */
#define MODE_LOCKED 02000 /* of a segment: by SHM_LOCK */

/* ---- attachments, counted ----------------------------------------------- */

struct count {
	uint32_t tag;
	uint64_t n;
};

/* Regions of one attachment lie side by side or apart: as at Linux, each one
 * counts. */
static void count_regions(struct fw_space *space, void *arg)
{
	struct count *c = arg;

	for (struct fw_vad *v = fw_vad_at_or_above(space, 0); v;
	     v = fw_vad_next(v))
		c->n += v->tag == c->tag;
}

/* "start-end perms offset dev inode   /SYSV..." of segment `id`? */
static bool is_segment_line(const char *line, uint64_t id)
{
	unsigned blanks = 0;
	uint64_t inode = 0;

	for (; *line && blanks < 4; line++)
		blanks += *line == ' ';
	for (; *line >= '0' && *line <= '9'; line++)
		inode = inode * 10 + (uint64_t)(*line - '0');
	while (*line == ' ')
		line++;
	return inode == id && !k_strncmp(line, "/SYSV", 5);
}

static void put_number(char *to, uint64_t n)
{
	char digits[20];
	unsigned i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*to++ = digits[--i];
	*to = 0;
}

/* How often the host maps the segment in one process. */
static uint64_t host_maps(uint32_t pid, uint64_t id)
{
	char path[40] = "/proc/", line[160], buf[READ_BYTES];
	uint64_t n = 0;
	unsigned used = 0;
	long fd, got;

	put_number(path + 6, pid);
	memcpy(path + k_strlen(path), "/maps", 6);
	fd = HC3(__NR_open, path, 02000000 /* O_CLOEXEC */, 0);
	if (fd < 0)
		return 0;
	while ((got = HC3(__NR_read, fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < got; i++) {
			if (buf[i] != '\n') {
				if (used < sizeof(line) - 1)
					line[used++] = buf[i];
				continue;
			}
			line[used] = 0;
			n += is_segment_line(line, id);
			used = 0;
		}
	}
	HC1(__NR_close, fd);
	return n;
}

#define PIDS 64

/* The guests that have a space of their own, some at a time. */
static unsigned guest_pids(struct kthread *t, unsigned skip,
			   uint32_t pid[PIDS])
{
	unsigned n = 0;

	procs_lock(t);
	for (struct fw_proc *p = t->p->run->procs; p && n < PIDS; p = p->next) {
		if (!p->space || fw_space_port(p->space)->owner_pid != p->pid)
			continue;
		if (skip)
			skip--;
		else
			pid[n++] = p->pid;
	}
	procs_unlock(t);
	return n;
}

/* How often the host maps it in guests that live. */
static uint64_t mapped_in_guests(struct kthread *t, uint32_t id)
{
	uint32_t pid[PIDS];
	uint64_t mapped = 0;
	unsigned n, done = 0;

	while ((n = guest_pids(t, done, pid)) > 0) {
		for (unsigned i = 0; i < n; i++)
			mapped += host_maps(pid[i], id);
		done += n;
	}
	return mapped;
}

static uint64_t regions_of(struct kthread *t, uint32_t id)
{
	struct count c = {.tag = id + 1, .n = 0};

	fw_space_each(t->p->mm, t->actor, count_regions, &c);
	return c.n;
}

/* How many there are; agents of others are told to look. */
static unsigned living_guests(struct kthread *t)
{
	struct fw_space_port *sp;
	unsigned n = 0;

	procs_lock(t);
	for (struct fw_proc *p = t->p->run->procs; p; p = p->next) {
		sp = p->space ? fw_space_port(p->space) : NULL;
		if (!sp || sp->owner_pid != p->pid)
			continue;
		if (thread_lives(p->pid)) {
			n++;
			continue;
		}
		__atomic_add_fetch(&sp->mail, 1, __ATOMIC_SEQ_CST);
		fwp_wake(&sp->mail);
	}
	procs_unlock(t);
	return n;
}

static void nap(void)
{
	const struct {
		int64_t sec, nsec;
	} pause = {0, 1000000};

	HC2(__NR_nanosleep, &pause, 0);
}

/* What has ended or exec'ed is taken down by its agent, which keeps its
 * attachments alive for a moment. */
static void settle(struct kthread *t)
{
	const uint32_t *agents = &t->p->run->n_agents;

	for (unsigned tries = 0; tries < 500; tries++) {
		if (__atomic_load_n(agents, __ATOMIC_SEQ_CST) <=
		    living_guests(t))
			return;
		nap();
	}
}

/* The host's answer to a command, with attachments as guests know them. What
 * it maps beside that in guests is of others, or of one that is about to be
 * gone: that is looked at again for a while. */
static long segment_look(struct kthread *t, long which, long command,
			 struct shmid64_ds *ds)
{
	uint64_t mapped, others;
	uint32_t id;
	long r;

	for (unsigned tries = 0;; tries++) {
		r = HC3(__NR_shmctl, which, command, ds);
		if (r < 0)
			return r;
		id = (int)command == IPC_STAT ? (uint32_t)which : (uint32_t)r;
		mapped = mapped_in_guests(t, id);
		others = ds->shm_nattch > mapped ? ds->shm_nattch - mapped : 0;
		if (!others || tries == OTHERS_TRIES)
			break;
		nap();
	}
	ds->shm_nattch = others + regions_of(t, id);
	return r;
}

/* ---- /proc/sysvipc/shm -------------------------------------------------- */

#define LIST_BYTES (1ul << 20)
#define ATTACHED 6 /* the column of attachments, counted from 0 */

/* Where a line's column ends. */
static const char *column_end(const char *s, const char *end, unsigned column)
{
	for (unsigned i = 0; i <= column; i++) {
		while (s < end && *s == ' ')
			s++;
		while (s < end && *s != ' ')
			s++;
	}
	return s;
}

static void put_segment(struct kthread *t, struct text *o, const char *line,
			const char *end)
{
	const char *before = column_end(line, end, ATTACHED - 1);
	const char *after = column_end(line, end, ATTACHED);
	const char *s = column_end(line, end, 0);
	struct shmid64_ds ds;

	while (s < end && *s == ' ')
		s++;
	if (s < end && *s >= '0' && *s <= '9' &&
	    segment_look(t, (long)take_dec(&s), IPC_STAT, &ds) >= 0) {
		text_bytes(o, line, (uint64_t)(before - line));
		text_put(o, "  ");
		text_dec(o, ds.shm_nattch, 5);
		line = after;
	}
	text_bytes(o, line, (uint64_t)(end - line));
	text_char(o, '\n');
}

long view_segments(struct kthread *t, const struct view *v, long fd,
		   struct text *o)
{
	long at = private_map(t, LIST_BYTES), n;
	const char *s = (const char *)at, *line, *end;

	(void)v;
	if (K_IS_ERR(at))
		return -ENOMEM;
	settle(t);
	n = host_text(fd, (char *)at, LIST_BYTES);
	while (n > 0 &&
	       (line = take_line(&s, (const char *)at + n, &end)) != NULL)
		put_segment(t, o, line, end);
	window_close((uint64_t)at, LIST_BYTES);
	return n < 0 ? n : 0;
}

/* ---- shmctl ------------------------------------------------------------- */

static long segment_status(struct kthread *t, const long a[6])
{
	struct shmid64_ds ds;
	long r;

	settle(t);
	r = segment_look(t, a[0], a[1], &ds);
	if (r < 0)
		return r;
	return user_write(t, (uint64_t)a[2], &ds, sizeof(ds)) ? -EFAULT : r;
}

/* SHM_LOCK by its owner, who may lock no more than that. What else is wrong
 * the host says. */
static long segment_lock_allows(struct kthread *t, long which)
{
	uint64_t limit = limit_now(t, LIMIT_MEMLOCK);
	uint32_t uid = (uint32_t)HC0(__NR_geteuid);
	struct shmid64_ds ds;

	if (capable(CAP_IPC_LOCK) || HC3(__NR_shmctl, which, IPC_STAT, &ds) ||
	    (uid != ds.shm_perm.uid && uid != ds.shm_perm.cuid))
		return 0;
	if (!limit)
		return -EPERM;
	return ds.shm_perm.mode & MODE_LOCKED ||
			       page_up(ds.shm_segsz) <= (limit & ~FW_PAGE_MASK)
		       ? 0
		       : -ENOMEM;
}

long sys_shmctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t arg = (uint64_t)a[2], len = 0;
	uint32_t access = FW_ACC_WRITE;
	struct buffers b;
	long r;

	(void)uc;
	switch ((int)a[1]) {
	case SHM_LOCK:
		r = segment_lock_allows(t, a[0]);
		if (r)
			return r;
		arg = 0;
		break;
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return segment_status(t, a);
	case IPC_SET:
		access = FW_ACC_READ;
		len = sizeof(struct shmid64_ds);
		break;
	case IPC_INFO:
		len = sizeof(struct shminfo64);
		break;
	case SHM_INFO:
		len = sizeof(struct shm_info);
		break;
	default:
		arg = 0;
		break;
	}
	buf_init(&b, t);
	buf_add(&b, arg, len, access);
	return buf_call(&b, __NR_shmctl, a, BUF_AGAIN);
}

/* ---- shmat -------------------------------------------------------------- */

/* The segment in a window, which shows pages and is not written through. */
static long segment_window(struct kthread *t, const long a[6],
			   uint64_t *ret_len)
{
	struct shmid64_ds ds;
	long at, to, r;

	at = HC3(__NR_shmat, a[0], 0, a[2] & (SHM_RDONLY | SHM_EXEC));
	if (K_IS_ERR(at))
		return at;
	r = HC3(__NR_shmctl, a[0], IPC_STAT, &ds);
	*ret_len = page_up(ds.shm_segsz);
	to = r ? r : window_place(t, *ret_len);
	if (!K_IS_ERR(to))
		r = HC5(__NR_mremap, at, *ret_len, *ret_len,
			3 /* MAYMOVE | FIXED */, to);
	if (K_IS_ERR(to) || K_IS_ERR(r)) {
		HC1(__NR_shmdt, at);
		return -ENOMEM;
	}
	HC3(__NR_mprotect, to, *ret_len, HOST_PROT_READ);
	return to;
}

static long attach_at(struct kthread *t, const struct fw_vad *v, uint64_t at,
		      uint64_t len, bool replace)
{
	long r;

	regions_lock(t);
	if (!at)
		at = (uint64_t)place_for(t, len, false);
	r = K_IS_ERR(at) ? (long)at
			 : map_like(t, v, at, len, v->flags, replace);
	regions_unlock(t);
	return r ? r : (long)at;
}

/* As mmap finds them. */
static long attach_allowed(struct kthread *t, uint64_t at, uint64_t len,
			   bool replace)
{
	struct fw_vad v;

	if (at && !replace && region_from(t, at, &v) &&
	    vad_start(&v) < at + len)
		return -EINVAL;
	if (at && !range_ok(at, len))
		return replace ? -ENOMEM : -EINVAL;
	if (at && at < FW_USER_MIN)
		return -EPERM;
	if (locked_future(t) && lock_allows(t, len))
		return -EAGAIN;
	if (replace)
		len -= mapped_within(t, at, len);
	return limits_allow(t, len, false) ? 0 : -ENOMEM;
}

long sys_shmat(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t at = (uint64_t)a[1], len = 0;
	bool replace = a[2] & SHM_REMAP;
	struct fw_vad v = {.kind = FW_VAD_HOST, .tag = (uint32_t)a[0] + 1,
			   .flags = locked_future(t)};
	long r;

	(void)uc;
	if ((int)a[0] < 0)
		return -EINVAL;
	if (at & FW_PAGE_MASK) {
		if (!(a[2] & SHM_RND))
			return -EINVAL;
		at &= ~FW_PAGE_MASK;
	}
	if (!at && (replace || a[1]))
		return -EINVAL;
	v.prot = (uint8_t)(FW_PROT_R | (a[2] & SHM_RDONLY ? 0 : FW_PROT_W) |
			   (a[2] & SHM_EXEC ? FW_PROT_X : 0));
	v.max_prot = FW_PROT_R | FW_PROT_X | v.prot;
	r = segment_window(t, a, &len);
	if (K_IS_ERR(r))
		return r;
	v.cookie = (uint64_t)r;
	r = attach_allowed(t, at, len, replace);
	if (!r)
		r = attach_at(t, &v, at, len, replace);
	if (K_IS_ERR(r))
		window_close(v.cookie, len);
	return r;
}

/* ---- shmdt -------------------------------------------------------------- */

/* All parts of the attachment that began at `base`. */
long sys_shmdt(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint64_t base = (uint64_t)a[0];
	struct fw_vad v;
	uint32_t tag = 0;
	long r = -EINVAL;

	(void)uc;
	if (base & FW_PAGE_MASK)
		return -EINVAL;
	for (uint64_t at = base; region_from(t, at, &v); at = vad_end(&v)) {
		bool part = v.tag && vad_start(&v) >= base &&
			    vad_start(&v) - base == v.page << FW_PAGE_SHIFT;

		if (!part || (tag && v.tag != tag))
			continue;
		tag = v.tag;
		r = map_errno(fw_unmap(t->p->mm, t->actor, t->p->space,
				       vad_start(&v),
				       vad_end(&v) - vad_start(&v)));
		if (r)
			break;
	}
	return r;
}
