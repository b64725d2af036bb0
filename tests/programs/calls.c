/* SPDX-License-Identifier: MIT */
/*
 * calls - system calls and their buffers: long ones, partly or wholly bad
 * ones, vectors of many pieces, structures that point to others, and the
 * errors that each gives.
 */
#include "prog.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <termios.h>

#define BIG (3 * MIB)
#define BAD ((void *)0x1000)
#define IN_KERNEL_HALF ((void *)0x780000001000)
#define PIECES 700

static char *big, *other;

/* Prints what a call gave: its value, or the error. */
static void show_result(const char *what, long value, int error)
{
	if (value == -1)
		printf("%s: error %d\n", what, error);
	else
		printf("%s: %ld\n", what, value);
}
#define show(call)                                                             \
	do {                                                                   \
		long value_;                                                   \
		errno = 0;                                                     \
		value_ = (long)(call);                                         \
		show_result(#call, value_, errno);                             \
	} while (0)

/* Two pages of which only the first is there. */
static char *edge(void)
{
	char *p = map_anon(2 * PAGE, 0);

	must(!munmap(p + PAGE, PAGE));
	return p;
}

static void paths(void)
{
	char *e = edge(), name[4097], link[512];
	struct stat st, exe;
	ssize_t n;

	show(open("/nonexistent", O_RDONLY));
	show(open("", O_RDONLY));
	show(open(BAD, O_RDONLY));
	show(open(IN_KERNEL_HALF, O_RDONLY));
	memset(name, 'a', 4096);
	name[4096] = 0;
	show(open(name, O_RDONLY));
	strcpy(e + 4090, "/tmp");
	show(access(e + 4090, F_OK));
	memset(e + 4090, 'x', 6);
	show(access(e + 4090, F_OK));
	show(syscall(SYS_stat, "/tmp", BAD));
	show(readlink("/proc/self/cwd", e + PAGE - 1, 100));
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	must(n > 0);
	link[n] = 0;
	must(!stat("/proc/self/exe", &exe) && !stat(link, &st));
	printf("exe is %s: %d %d\n", strrchr(link, '/'),
	       st.st_ino == exe.st_ino, (int)S_ISREG(exe.st_mode));
	must(!lstat("/proc/self/exe", &exe));
	printf("exe is a link: %d\n", (int)S_ISLNK(exe.st_mode));
	show(readlink("/proc/self/exe", link, 3));
}

static void files(void)
{
	char *e = edge();
	int fd = temp_file(), zero = open("/dev/zero", O_RDONLY);

	show(write(fd, big, BIG));
	show(pread(fd, other, BIG, 0));
	printf("same: %d\n", !memcmp(big, other, BIG));
	show(lseek(fd, 5, SEEK_SET));
	show(read(fd, other, 2500000));
	printf("same: %d\n", !memcmp(big + 5, other, 2500000));
	show(read(fd, other, BIG));
	show(read(zero, other, BIG));
	printf("zero: %d\n", !other[0] && !other[BIG - 1]);
	show(getrandom(other, MIB, 0));
	lseek(fd, 0, SEEK_SET);
	show(read(fd, e + 4000, 200));
	show(read(fd, e + PAGE, 200));
	show(write(fd, e + 4000, 200));
	show(write(fd, BAD, 10));
	show(write(fd, IN_KERNEL_HALF, 10));
	show(read(fd, (void *)-1, 10));
	show(pread(fd, other, 10, -1));
	show(read(-1, other, 10));
	close(zero);
	close(fd);
}

static void vectors(void)
{
	struct iovec v[PIECES];
	int fd = temp_file();

	for (int i = 0; i < PIECES; i++) {
		v[i].iov_base = other + i * PAGE;
		v[i].iov_len = 100;
		memset(v[i].iov_base, i, 100);
	}
	show(pwritev(fd, v, PIECES, 0));
	memset(other, 0, BIG);
	show(preadv(fd, v, PIECES, 0));
	for (int i = 0; i < PIECES; i++)
		must(other[i * PAGE + 99] == (char)i);
	show(syscall(SYS_readv, fd, v, 1025));
	show(readv(fd, BAD, 3));
	v[2].iov_len = (size_t)-1;
	show(preadv(fd, v, 5, 0));
	v[2] = (struct iovec){BAD, 4};
	show(preadv(fd, v, 5, 0));
	show(preadv(fd, v + 2, 1, 0));
	close(fd);
}

static void *drain(void *arg)
{
	int fd = *(int *)arg;
	size_t at = 0;
	char *buf = malloc(MIB);
	ssize_t n;

	while (at < BIG && (n = read(fd, buf, MIB)) > 0) {
		must(!memcmp(buf, big + at, (size_t)n));
		at += (size_t)n;
	}
	free(buf);
	must(at == BIG);
	return NULL;
}

static void streams(void)
{
	pthread_t thread;
	int p[2], s[2];

	must(!pipe(p) && !socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	must(!pthread_create(&thread, NULL, drain, &p[0]));
	show(write(p[1], big, BIG));
	pthread_join(thread, NULL);
	must(!pthread_create(&thread, NULL, drain, &s[0]));
	show(send(s[1], big, BIG, 0));
	pthread_join(thread, NULL);
	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	show(send(s[1], big, 100000, 0));
	show(recv(s[0], other, BIG, 0));
	show(send(s[1], big, 100000, 0));
	show(read(s[0], other, BIG));
	show(write(s[1], big, BIG));
	show(pipe(BAD));
}

static void messages(void)
{
	int s[2], fd = temp_file(), passed;
	struct iovec out[2] = {{"ab", 2}, {"cde", 3}}, in = {other, 100};
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr m = {.msg_iov = out,
			   .msg_iovlen = 2,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct mmsghdr many[3];

	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	*c = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	show(sendmsg(s[0], &m, 0));
	memset(control, 0, sizeof(control));
	m.msg_iov = &in;
	m.msg_iovlen = 1;
	show(recvmsg(s[1], &m, 0));
	memcpy(&passed, CMSG_DATA(c), sizeof(passed));
	show(fcntl(passed, F_GETFD));
	show(m.msg_controllen);
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 3; i++) {
		many[i].msg_hdr.msg_iov = out;
		many[i].msg_hdr.msg_iovlen = 1 + (size_t)(i & 1);
	}
	show(sendmmsg(s[0], many, 3, 0));
	show(many[1].msg_len);
	for (int i = 0; i < 3; i++) {
		many[i].msg_hdr.msg_iov = &in;
		many[i].msg_hdr.msg_iovlen = 1;
	}
	show(recvmmsg(s[1], many, 3, MSG_WAITFORONE, NULL));
	show(many[1].msg_len);
	show(recvmsg(s[1], BAD, 0));
	show(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, BAD, 4));
}

/* Datagrams of many pieces, and long ones, are one message each. */
static void packets(void)
{
	struct iovec v[PIECES], bad[PIECES];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = PIECES};
	int s[2], size = 8 * (int)MIB;

	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	for (int i = 0; i < PIECES; i++) {
		v[i] = bad[i] = (struct iovec){other + i * PAGE, 100};
		memset(v[i].iov_base, i, 100);
	}
	show(writev(s[0], v, PIECES));
	show(recv(s[1], other + PIECES * PAGE, MIB, 0));
	must(other[PIECES * PAGE + 99] == 0);
	must(other[PIECES * PAGE + 69999] == (char)(PIECES - 1));
	show(recv(s[1], other, MIB, MSG_DONTWAIT));
	show(sendmsg(s[0], &m, 0));
	memset(other, 0, PIECES * PAGE);
	show(readv(s[1], v, PIECES));
	show(other[300 * PAGE + 99]);
	show(writev(s[0], v, PIECES));
	memset(other, 0, PIECES * PAGE);
	show(recvmsg(s[1], &m, 0));
	show(other[699 * PAGE + 99]);
	bad[600].iov_base = BAD;
	show(writev(s[0], bad, PIECES));
	bad[600].iov_len = (size_t)-1;
	show(writev(s[0], bad, PIECES));
	show(writev(s[0], v, 300));
	show(recv(s[1], other, 10, MSG_TRUNC));
	if (!setsockopt(s[0], SOL_SOCKET, SO_SNDBUFFORCE, &size,
			sizeof(size))) { /* root's */
		show(send(s[0], big, 400000, 0));
		show(recv(s[1], other, BIG, MSG_DONTWAIT));
		show(write(s[0], big, 400000));
		show(read(s[1], other, 390000));
		printf("same: %d\n", !memcmp(big, other, 390000));
	}
	close(s[0]);
	close(s[1]);
}

static void waiting(void)
{
	static const struct timespec brief = {0, 1000};
	struct timeval tv = {0, 1000};
	struct epoll_event ev = {EPOLLOUT, {.u64 = 42}};
	struct epoll_event *events = calloc(100000, sizeof(*events));
	int p[2], ep = epoll_create1(0);
	struct pollfd pf[2];
	sigset_t none;
	fd_set set;

	must(!pipe(p));
	sigemptyset(&none);
	pf[0] = (struct pollfd){p[1], POLLOUT, 0};
	pf[1] = (struct pollfd){777, POLLIN, 0};
	show(poll(pf, 2, 0));
	printf("%x %x\n", (unsigned)pf[0].revents, (unsigned)pf[1].revents);
	show(poll(BAD, 1, 0));
	show(syscall(SYS_ppoll, NULL, 0, &brief, &none, 8));
	show(syscall(SYS_ppoll, NULL, 0, &brief, &none, 4));
	show(syscall(SYS_ppoll, NULL, 0, &brief, BAD, 8));
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	show(select(p[0] + 1, &set, NULL, NULL, &tv));
	show(select(p[0] + 1, BAD, NULL, NULL, &tv));
	show(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev));
	show(epoll_pwait(ep, events, 100000, 0, &none));
	show(events[0].data.u64);
	show(epoll_wait(ep, BAD, 10, 0));
	show(epoll_wait(ep, events, 0, 0));
}

static void descriptors(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
	struct f_owner_ex owner = {F_OWNER_PID, getpid()};
	int fd = temp_file(), n = 1, p[2];
	struct termios tio;

	must(!pipe(p));
	show(fcntl(fd, F_SETLK, &lock));
	show(fcntl(fd, F_GETLK, &lock));
	show(lock.l_type);
	show(fcntl(fd, F_SETLK, BAD));
	show(fcntl(fd, F_SETOWN_EX, &owner));
	show(fcntl(fd, F_GETOWN_EX, &owner));
	show(fcntl(fd, F_DUPFD, 100));
	show(dup2(1, 50));
	show(dup3(1, 1, 0));
	show(close(500));
	show(syscall(SYS_close_range, 50, 60, 0));
	show(fcntl(50, F_GETFD));
	show(ioctl(fd, TCGETS, &tio));
	show(ioctl(p[0], FIONBIO, &n));
	show(read(p[0], other, 1));
	show(ioctl(p[0], FIONBIO, BAD));
	show(ioctl(fd, 0x12345678, &n));
}

static void ipc(void)
{
	unsigned short values[5] = {1, 2, 3, 4, 5};
	struct {
		long type;
		char text[100];
	} m = {1, "text"};
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 5, 0600);
	struct sembuf op = {0, -1, 0};
	struct timespec brief = {0, 1000000};

	show(msgsnd(q, &m, 4, 0));
	show(msgrcv(q, &m, 100, 0, 0));
	show(msgrcv(q, &m, 100, 0, IPC_NOWAIT));
	show(msgctl(q, IPC_RMID, NULL));
	show(semctl(s, 0, SETALL, values));
	memset(values, 0, sizeof(values));
	show(semctl(s, 0, GETALL, values));
	show(values[4]);
	show(semctl(s, 2, GETVAL));
	show(semop(s, &op, 1));
	show(semtimedop(s, &op, 1, &brief));
	show(semctl(s, 0, GETALL, BAD));
	show(semctl(s, 0, IPC_RMID));
}

static void process(void)
{
	struct rlimit limit, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct utsname name;
	char comm[16];
	int st;

	show(uname(&name));
	show(uname(BAD));
	show(prctl(PR_SET_NAME, "calls"));
	show(prctl(PR_GET_NAME, comm));
	printf("%s\n", comm);
	show(prctl(PR_SET_NAME, BAD));
	limit = (struct rlimit){MIB << 10, RLIM_INFINITY};
	show(setrlimit(RLIMIT_AS, &limit));
	show(getrlimit(RLIMIT_AS, &limit));
	show(limit.rlim_cur >> 20);
	show(setrlimit(RLIMIT_AS, &all));
	limit = (struct rlimit){5, 4};
	show(setrlimit(RLIMIT_AS, &limit));
	show(getrlimit(99, &limit));
	if (!fork())
		_exit(3);
	show(syscall(SYS_wait4, -1, BAD, 0, NULL));
	if (!fork())
		_exit(4);
	must(wait(&st) > 0);
	show(WEXITSTATUS(st));
	show(wait(&st));
	show(syscall(9999));
}

static bool is_bad(long result)
{
	return result == -1 && errno == EBADF;
}

/* What is not open, no call finds. */
static void not_open(int fd)
{
	socklen_t len = sizeof(int);
	int value;

	must(is_bad(dup(fd)) && is_bad(lseek(fd, 0, SEEK_CUR)));
	must(is_bad(fchmod(fd, 0600)) && is_bad(fchown(fd, 0, 0)));
	must(is_bad(fchownat(fd, "", 0, 0, AT_EMPTY_PATH)));
	must(is_bad(fsync(fd)) && is_bad(fdatasync(fd)) && is_bad(syncfs(fd)));
	must(is_bad(flock(fd, LOCK_UN)) && is_bad(fchdir(fd)));
	must(is_bad(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len)));
	must(is_bad(ftruncate(fd, 0)) && is_bad(fallocate(fd, 0, 0, 1)));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL) == EBADF);
}

/* Each descriptor that can be had can be used, and closed. */
static void all_descriptors(void)
{
	struct rlimit limit;
	int *got, n = 0, fd;

	must(!getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur > 1 << 20)
		limit.rlim_cur = 1 << 20;
	got = calloc(limit.rlim_cur, sizeof(*got));
	while (n < (int)limit.rlim_cur && (fd = dup(0)) >= 0)
		got[n++] = fd;
	must(n > (int)limit.rlim_cur - 64);
	for (int i = 0; i < n; i++)
		must(fcntl(got[i], F_GETFD) == 0 && !close(got[i]));
	printf("all descriptors were closed\n");
	for (int i = 0; i < n + 64; i++) {
		struct stat st;

		fd = got[0] + i;
		if (fcntl(fd, F_GETFD) >= 0)
			continue; /* inherited */
		must(fstat(fd, &st) && errno == EBADF);
		not_open(fd);
	}
	printf("none is left\n");
	fflush(stdout);
	show(system("exit 3"));
	free(got);
}

int main(void)
{
	big = map_anon(BIG, 0);
	other = map_anon(BIG, 0);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)mix(i);
	paths();
	files();
	vectors();
	streams();
	messages();
	packets();
	waiting();
	descriptors();
	ipc();
	process();
	all_descriptors();
	return 0;
}
