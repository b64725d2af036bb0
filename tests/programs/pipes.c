/* SPDX-License-Identifier: MIT */
/*
 * pipes - system calls with buffers of every size, many of them in pages
 * that were never touched, are shared after a fork, or were evicted: pipes,
 * sockets, vectors, files, descriptors passed, polling.
 */
#include "prog.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define TOTAL (24 * MIB)

static void fill(uint64_t *buffer, size_t words, uint64_t from)
{
	for (size_t i = 0; i < words; i++)
		buffer[i] = mix(from + i);
}

static void check(const uint64_t *buffer, size_t words, uint64_t from)
{
	for (size_t i = 0; i < words; i++)
		must(buffer[i] == mix(from + i));
}

static void read_all(int fd, void *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = read(fd, (char *)buffer + done, bytes - done);

		must(n > 0);
		done += (size_t)n;
	}
}

static void write_all(int fd, const void *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = write(fd, (const char *)buffer + done,
				  bytes - done);

		must(n > 0);
		done += (size_t)n;
	}
}

/* A child sends, the parent receives into fresh memory each time. Each has its
 * end alone: who loses the other, which the soak kills, does not wait. */
static void stream(const int fds[2], size_t piece)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		uint64_t *buffer = map_anon(piece, 0);

		must(!close(fds[0]));
		for (size_t at = 0; at < TOTAL; at += piece) {
			fill(buffer, piece / 8, at / 8);
			write_all(fds[1], buffer, piece);
		}
		_exit(0);
	}
	must(!close(fds[1]));
	for (size_t at = 0; at < TOTAL; at += piece) {
		uint64_t *buffer = map_anon(piece, 0);

		read_all(fds[0], buffer, piece);
		check(buffer, piece / 8, at / 8);
		must(!munmap(buffer, piece));
	}
	must(!close(fds[0]) && wait_for(pid) == 0);
}

static void streams(void)
{
	static const size_t pieces[] = {MIB, 8 * MIB, 16384};
	int fds[2];

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		must(!pipe(fds));
		stream(fds, pieces[i]);
	}
	printf("pipe: ok\n");
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	stream(fds, 4 * MIB);
	printf("socket: ok\n");
}

static void files(void)
{
	uint64_t *out = map_anon(TOTAL, 0), *in = map_anon(TOTAL, 0);
	int fd = temp_file();

	fill(out, TOTAL / 8, 99);
	printf("write: %zd\n", write(fd, out, TOTAL));
	printf("pread: %zd\n", pread(fd, in, TOTAL, 0));
	check(in, TOTAL / 8, 99);
	printf("pread near the end: %zd\n",
	       pread(fd, in, MIB, (off_t)(TOTAL - 100)));
	printf("pread past the end: %zd\n",
	       pread(fd, in, MIB, (off_t)(TOTAL + 100)));
	must(!munmap(in, TOTAL));
	in = mmap(NULL, TOTAL, PROT_READ, MAP_PRIVATE, fd, 0);
	must(in != MAP_FAILED);
	check(in, TOTAL / 8, 99);
	must(!munmap(out, TOTAL) && !munmap(in, TOTAL));
	must(!close(fd));
}

static void vectors(void)
{
	enum { N = 200 };
	struct iovec v[N];
	char *memory = map_anon(N * 3 * PAGE, 0);
	char *copy = map_anon(N * 3 * PAGE, 0);
	size_t bytes = 0;
	int fd = temp_file();

	for (unsigned i = 0; i < N; i++) {
		v[i].iov_base = memory + i * 3 * PAGE + i % 4000;
		v[i].iov_len = 1 + mix(i) % 8000;
		memset(v[i].iov_base, (int)i + 1, v[i].iov_len);
		bytes += v[i].iov_len;
	}
	must(writev(fd, v, N) == (ssize_t)bytes);
	for (unsigned i = 0; i < N; i++)
		v[i].iov_base = copy + ((char *)v[i].iov_base - memory);
	must(preadv(fd, v, N, 0) == (ssize_t)bytes);
	must(!memcmp(memory, copy, N * 3 * PAGE));
	printf("vectors: %zu bytes\n", bytes);
	must(!close(fd));
}

/* A descriptor and some data in one message. */
static void messages(void)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	char text[] = "hello", got[100] = "";
	struct iovec v = {text, sizeof(text)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int pair[2], pipe_fds[2], fd;

	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	must(!pipe(pipe_fds));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pipe_fds[1], sizeof(int));
	must(sendmsg(pair[0], &m, 0) == sizeof(text));
	v.iov_base = got;
	v.iov_len = sizeof(got);
	must(recvmsg(pair[1], &m, 0) == sizeof(text));
	c = CMSG_FIRSTHDR(&m);
	must(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	must(write(fd, "via", 3) == 3);
	must(read(pipe_fds[0], got + 10, 3) == 3);
	printf("message: %s %.3s\n", got, got + 10);
	must(!close(pair[0]) && !close(pair[1]) && !close(fd));
	must(!close(pipe_fds[0]) && !close(pipe_fds[1]));
}

static void polling(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.u64 = 77}};
	struct epoll_event got[4];
	struct pollfd p;
	fd_set set;
	struct timeval none = {0, 0};
	int fds[2], ep = epoll_create1(EPOLL_CLOEXEC), n;

	must(ep >= 0 && !pipe(fds));
	must(!epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &e));
	p.fd = fds[0];
	p.events = POLLIN;
	/* Who is stopped meanwhile gets EINTR, signal(7). */
	do
		n = epoll_wait(ep, got, 4, 1);
	while (n < 0 && errno == EINTR);
	printf("idle: %d %d\n", poll(&p, 1, 1), n);
	must(write(fds[1], "x", 1) == 1);
	printf("ready: %d", poll(&p, 1, 1000));
	printf(" %d", epoll_wait(ep, got, 4, 1000));
	printf(" data %lu", (unsigned long)got[0].data.u64);
	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	printf(" select %d", select(fds[0] + 1, &set, NULL, NULL, &none));
	printf(" %d\n", FD_ISSET(fds[0], &set) != 0);
	must(!close(fds[0]) && !close(fds[1]) && !close(ep));
}

/* Reads that block in one process while the other is slow: the buffer must
 * stay good while everything else is pushed out. */
static void blocked(void)
{
	char *room = map_anon(40 * MIB, 0), *buffer = map_anon(PAGE, 0);
	int fds[2];
	pid_t pid;

	must(!pipe(fds));
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		must(!close(fds[0]));
		for (size_t at = 0; at < 40 * MIB; at += PAGE)
			room[at] = 1;
		for (unsigned i = 0; i < 20; i++) {
			usleep(5000);
			must(write(fds[1], "block", 5) == 5);
		}
		_exit(0);
	}
	must(!close(fds[1]));
	for (unsigned i = 0; i < 20; i++) {
		read_all(fds[0], buffer, 5);
		must(!memcmp(buffer, "block", 5));
		memset(buffer, 0, PAGE);
	}
	must(wait_for(pid) == 0);
	printf("blocked reads: ok\n");
}

/* The other end of a pair: sends back all that it gets. */
static pid_t echo(const int pair[2], size_t bytes)
{
	uint64_t *room;
	pid_t pid = fork();

	must(pid >= 0);
	if (pid)
		return pid;
	must(!close(pair[0]));
	room = map_anon(bytes, 0);
	read_all(pair[1], room, bytes);
	write_all(pair[1], room, bytes);
	_exit(0);
}

/* A message of a stream is sent whole, however long, and received whole if
 * one waits for that; looked at, it is what it is when it is read. */
static void long_messages(void)
{
	const size_t words = 3 * MIB / 8, look = 150000;
	uint64_t *out = map_anon(3 * MIB, 0), *in = map_anon(3 * MIB, 0);
	struct iovec v[3] = {{out, PAGE + 8}, {out + 513, MIB},
			     {out + 513 + MIB / 8, 2 * MIB - PAGE - 8}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	int pair[2], room = MIB;
	pid_t pid;

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = echo(pair, 3 * MIB);
	must(!close(pair[1]));
	fill(out, words, 7);
	must(sendmsg(pair[0], &m, 0) == 3 * MIB);
	for (unsigned i = 0; i < 3; i++)
		v[i].iov_base = (char *)in + ((char *)v[i].iov_base -
					      (char *)out);
	must(recvmsg(pair[0], &m, MSG_WAITALL) == 3 * MIB && !m.msg_flags);
	check(in, words, 7);
	must(wait_for(pid) == 0 && !close(pair[0]));
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(!setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	write_all(pair[0], out, look);
	for (unsigned i = 0; i < 3; i++) {
		memset(in, 0, look);
		must(recv(pair[1], in, look, i < 2 ? MSG_PEEK | MSG_WAITALL
						   : MSG_WAITALL) ==
		     (ssize_t)look);
		check(in, look / 8, 7);
	}
	must(!close(pair[0]) && !close(pair[1]));
	must(!munmap(out, 3 * MIB) && !munmap(in, 3 * MIB));
	printf("long messages: ok\n");
}

/* `pipes stopped`: not what is shorter, natively as well, when somebody stops
 * and continues us. */
int main(int argc, char **argv)
{
	bool stopped = argc > 1 && !strcmp(argv[1], "stopped");


	setbuf(stdout, NULL);
	streams();
	files();
	vectors();
	messages();
	if (!stopped)
		long_messages();
	polling();
	blocked();
	return 0;
}
