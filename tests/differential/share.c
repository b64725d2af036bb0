/* SPDX-License-Identifier: MIT */
/* share.c - children, memory shared with them, files, buffers of calls. */
#include "differential.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/uio.h>

#define SEGMENTS 4

void op_fork(void)
{
	uint64_t salt = draw();
	unsigned n = 1 + (unsigned)below(6);
	int status = 0;
	pid_t pid;

	if (depth >= 2) {
		say(" no deeper");
		return;
	}
	say(" %u", n);
	say_done();
	pid = fork();
	if (pid == 0) {
		depth++;
		run_ops(0, n, salt);
		say("child");
		sweep();
		say_done();
		_exit((int)below(100));
	}
	waitpid(pid, &status, 0);
	say(" ended %x", (unsigned)status);
	sweep();
}

/* ---- process_vm_readv, process_vm_writev -------------------------------- */

/* Pieces of the arena, some longer than what is mapped. */
static unsigned any_pieces(struct iovec *v, unsigned max)
{
	unsigned n = 1 + (unsigned)below(max);

	for (unsigned i = 0; i < n; i++) {
		struct range r = one_in(3) ? any_range() : alike_range();

		v[i].iov_base = at(r.start) + below(PAGE);
		v[i].iov_len = below((uint64_t)(r.n * PAGE) + 1);
		say(" %ld.%ld+%ld", r.start,
		    (long)((uint64_t)v[i].iov_base % PAGE),
		    (long)v[i].iov_len);
	}
	return n;
}

static void transfer(pid_t pid, bool write)
{
	static char buffer[60000];
	struct iovec remote[4], local[2];
	unsigned n = any_pieces(remote, 4);
	uint64_t h = 1;
	long r;

	local[0] = (struct iovec){buffer, below(30000)};
	local[1] = (struct iovec){buffer + 30000, below(30000)};
	memset(buffer, write ? (int)below(256) : 0, sizeof(buffer));
	say(" %s", write ? "write" : "read");
	r = write ? process_vm_writev(pid, local, 2, remote, n, 0)
		  : process_vm_readv(pid, local, 2, remote, n, 0);
	say_result(r);
	say(" %lx", (unsigned long)hash(h, buffer, sizeof(buffer)));
}

void op_vm(void)
{
	bool write = one_in(2);
	int go[2], status = 0;
	char c;
	pid_t pid;

	if (pipe(go))
		return;
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &c, 1) != 0)
			_exit(1);
		say(" child");
		sweep();
		say_done();
		_exit(0);
	}
	close(go[0]);
	transfer(pid, write);
	say_done();
	close(go[1]);
	waitpid(pid, &status, 0);
	say(" ended %x", (unsigned)status);
}

void op_vm_wrong(void)
{
	char buffer[8] = {0}, other[8] = {1};
	struct iovec local = {buffer, 8}, remote = {other, 8};
	struct iovec negative = {buffer, -1ul};

	say_result(process_vm_readv(0x7ffffff, &local, 1, &remote, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 1, &remote, 1, 1));
	say_result(process_vm_readv(getpid(), &local, 2000, &remote, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 1, &remote, 2000, 0));
	say_result(process_vm_readv(getpid(), (void *)8, 1, &remote, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 1, (void *)8, 1, 0));
	say_result(process_vm_readv(getpid(), &negative, 1, &remote, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 1, &negative, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 0, &remote, 1, 0));
	say_result(process_vm_readv(getpid(), &local, 1, &remote, 0, 0));
	say_result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	say(" %d", buffer[0]);
}

/* ---- System V shared memory --------------------------------------------- */

static int segment[SEGMENTS] = {-1, -1, -1, -1};
static void *attached[SEGMENTS];

static void say_segment(int id)
{
	struct shmid_ds d;
	int r = shmctl(id, IPC_STAT, &d);

	say_result(r);
	if (r == 0)
		say(" size %ld mode %o attached %lu %d",
		    (long)d.shm_segsz, d.shm_perm.mode,
		    (unsigned long)d.shm_nattch, d.shm_cpid == getpid());
}

static void shm_attach(unsigned i)
{
	struct range r = any_range();
	unsigned how = (unsigned)below(5);
	char *to = how == 0 ? NULL : at(r.start) + (how == 1 ? 100 : 0);
	int flags = (one_in(4) ? SHM_RDONLY : 0) | (one_in(2) ? SHM_RND : 0) |
		    (one_in(2) ? SHM_REMAP : 0) | (one_in(8) ? SHM_EXEC : 0);
	struct shmid_ds d = {.shm_segsz = 0};
	char *p;

	if (how == 0)
		flags &= one_in(3) ? -1 : ~SHM_REMAP;
	p = shmat(segment[i], to, flags);
	say(" at %ld how %u flags %x", r.start, how, (unsigned)flags);
	say_addr(p);
	if (p == MAP_FAILED)
		return;
	shmctl(segment[i], IPC_STAT, &d);
	r.n = (long)((d.shm_segsz + PAGE - 1) / PAGE);
	if (p >= ARENA && p < at(PAGES)) {
		r.start = (p - ARENA) / PAGE;
		model_map(r, K_SHM, flags & SHM_RDONLY ? 1 : 3, 0);
	} else {
		if (!touch(p + 10, T_WRITE, (char)i))
			say(" code %d", caught.code);
		say(" %02x", p[5]);
		say_segment(segment[i]);
		say_result(shmdt(p));
		return;
	}
	attached[i] = p;
}

static void shm_make(unsigned i)
{
	size_t size = one_in(12) ? 0 : 1 + below(9 * PAGE);
	int flags = 0600 | (one_in(2) ? IPC_CREAT : 0);

	segment[i] = shmget(IPC_PRIVATE, size, flags);
	say(" make %ld", (long)size);
	if (segment[i] < 0)
		say_result(-1);
	else
		say_segment(segment[i]);
}

/* Keys, looked for twice, that are nobody's and this process's alone. */
static void shm_keys(void)
{
	key_t key = (key_t)(0x51000000 + getpid());
	int a, b;

	say_result(shmget(key, 4096, 0600));
	a = shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0600);
	b = shmget(key, 4096, IPC_CREAT | 0600);
	say(" key %d %d", a >= 0, a == b);
	say_result(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600));
	say_result(shmget(key, 9000, 0600));
	say_result(shmctl(a, IPC_RMID, NULL));
	say_result(shmctl(a, IPC_RMID, NULL));
	say_result(shmget(key, 4096, 0600));
	say_result(shmdt(at(0) + 5));
	say_result((long)shmat(-1, NULL, 0));
}

void op_shm(void)
{
	unsigned i = (unsigned)below(SEGMENTS), what = (unsigned)below(10);

	say(" %u", i);
	if (segment[i] < 0) {
		shm_make(i);
		if (segment[i] < 0 || depth == 0)
			return;
		say_result(shmctl(segment[i], IPC_RMID, NULL));
		segment[i] = -1;
	} else if (what < 4) {
		shm_attach(i);
	} else if (what < 6) {
		say(" detach");
		say_result(shmdt(attached[i]));
		for (long p = 0; p < PAGES; p++)
			if (model[p].kind == K_SHM)
				model_change((struct range){p, 1}, -1);
	} else if (what < 7) {
		shm_keys();
	} else if (what < 8 && depth == 0) {
		say(" remove");
		say_result(shmctl(segment[i], IPC_RMID, NULL));
		say_segment(segment[i]);
		if (one_in(2))
			shm_attach(i);
		segment[i] = -1;
	} else {
		say(" what of it");
		say_segment(segment[i]);
	}
}

static __attribute__((destructor)) void shm_end(void)
{
	for (unsigned i = 0; i < SEGMENTS; i++)
		if (segment[i] >= 0)
			shmctl(segment[i], IPC_RMID, NULL);
}

/* ---- files -------------------------------------------------------------- */

/* Those that are mapped shared: written, cut, read, grown. */
void op_file(void)
{
	int fd = file_fd[4 + below(3)];
	char buffer[5000];
	long where = (long)below(24000), n = (long)below(sizeof(buffer));
	long r;

	switch (below(4)) {
	case 0:
		memset(buffer, (int)draw(), sizeof(buffer));
		say(" write %ld+%ld", where, n);
		say_result(pwrite(fd, buffer, (size_t)n, where));
		break;
	case 1:
		say(" size %ld", where);
		say_result(ftruncate(fd, where));
		break;
	case 2:
		say(" hole %ld+%ld", where, n);
		say_result(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
						 FALLOC_FL_KEEP_SIZE,
				     where, n));
		break;
	default:
		r = pread(fd, buffer, (size_t)n, where);
		say(" read %ld+%ld", where, n);
		say_result(r);
		say(" %lx", (unsigned long)hash(1, buffer,
						r > 0 ? (size_t)r : 0));
	}
}

/* Calls whose buffers lie in the arena, in part or not at all mapped. */
void op_buffer(void)
{
	static char other[PAGES * PAGE];
	struct range r = one_in(2) ? alike_range() : any_range();
	char *p = at(r.start) + below(PAGE);
	size_t len = below((uint64_t)(r.n * PAGE) + PAGE);
	int fd[2];
	long n;

	len = len > 60000 ? 60000 : len;
	say(" %ld.%ld+%ld", r.start, (long)((uint64_t)p % PAGE), (long)len);
	if (pipe(fd))
		return;
	if (one_in(2)) {
		n = write(fd[1], p, len);
		say(" write");
		say_result(n);
		if (n > 0) {
			n = read(fd[0], other, sizeof(other));
			say(" %lx", (unsigned long)hash(1, other, (size_t)n));
		}
	} else {
		memset(other, (int)draw(), len);
		if (write(fd[1], other, len) != (ssize_t)len)
			say(" short");
		say(" read");
		n = len ? read(fd[0], p, len) : 0;
		say_result(n);
	}
	close(fd[0]);
	close(fd[1]);
}
