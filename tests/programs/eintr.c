/* SPDX-License-Identifier: MIT */
/*
 * eintr - calls that wait, interrupted by a handler with and without
 * SA_RESTART: which begin again and which give EINTR; what arrives with
 * timers, queues and descriptors that carry signals.
 */
#include "prog.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#define MS 1000
#define SECOND 100 /* from the signal to what is waited for */

static volatile int hits;
static volatile int *over; /* shared: the call has returned */
static int fds[2], listener, locked, msgs, sems;
static uint32_t word;

static void hit(int sig)
{
	(void)sig;
	hits++;
}

/* ---- what waits, and what ends the wait --------------------------------- */

static long wait_read(void)
{
	char c;

	return read(fds[0], &c, 1);
}

static long wait_recv(void)
{
	char c;

	return recv(fds[0], &c, 1, 0);
}

static void send_one(void)
{
	must(write(fds[1], "x", 1) == 1);
}

/* Nothing fits in any more. */
static void fill(void)
{
	static char full[65536];

	while (send(fds[1], full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	while (send(fds[1], full, 1, MSG_DONTWAIT) > 0)
		;
}

static void drain(void)
{
	static char some[65536];

	while (recv(fds[0], some, sizeof(some), MSG_DONTWAIT) > 0)
		;
}

static long wait_write(void)
{
	return write(fds[1], "x", 1);
}

static long wait_accept(void)
{
	int fd = accept(listener, NULL, NULL);

	return fd < 0 ? -1 : close(fd);
}

static void connect_one(void)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	must(!getsockname(listener, (void *)&name, &len));
	must(!connect(fd, (void *)&name, len));
}

static pid_t sleeper;

static long wait_child(void)
{
	return waitpid(sleeper, NULL, 0) == sleeper ? 0 : -1;
}

static void end_child(void)
{
	must(!kill(sleeper, SIGKILL));
}

static long wait_flock(void)
{
	return flock(locked, LOCK_EX);
}

static long wait_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static long wait_futex_time(void)
{
	struct timespec ts = {5, 0};

	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts);
}

static long wait_poll(void)
{
	struct pollfd p = {fds[0], POLLIN, 0};

	return poll(&p, 1, 5000);
}

static long wait_select(void)
{
	struct timeval tv = {5, 0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	return select(fds[0] + 1, &set, NULL, NULL, &tv);
}

static long wait_epoll(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = epoll_create1(0);
	long n;

	must(!epoll_ctl(fd, EPOLL_CTL_ADD, fds[0], &e));
	n = epoll_wait(fd, &e, 1, 5000);
	must(!close(fd));
	return n;
}

static long wait_sleep(void)
{
	struct timespec ts = {5, 0}, left = {0, 0};
	long r = nanosleep(&ts, &left);

	must(r < 0 && left.tv_sec < 5 && left.tv_sec >= 2);
	return r;
}

static long wait_clock(void)
{
	struct timespec ts = {5, 0}, left = {0, 0};
	int r = clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &left);

	errno = r;
	return -(r != 0);
}

static long wait_msg(void)
{
	struct {
		long type;
		char text[8];
	} m;

	return msgrcv(msgs, &m, sizeof(m.text), 0, 0);
}

static long wait_sem(void)
{
	struct sembuf op = {0, -1, 0};

	return semop(sems, &op, 1);
}

static long wait_signal(void)
{
	struct timespec ts = {5, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &ts);
}

static long wait_pause(void)
{
	return pause();
}

static long wait_timed_recv(void)
{
	struct timeval tv = {5, 0}, none = {0, 0};
	long r;

	must(!setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	r = wait_recv();
	must(!setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &none,
			 sizeof(none)));
	return r;
}

static const struct wait {
	const char *name;
	long (*wait)(void);
	void (*come)(void); /* NULL: nothing but the signal ends it */
} waits[] = {{"read", wait_read, send_one},
	     {"recv", wait_recv, send_one},
	     {"recv with a limit", wait_timed_recv, NULL},
	     {"write", wait_write, drain},
	     {"accept", wait_accept, connect_one},
	     {"waitpid", wait_child, end_child},
	     {"flock", wait_flock, NULL},
	     {"futex", wait_futex, NULL},
	     {"futex with a limit", wait_futex_time, NULL},
	     {"poll", wait_poll, NULL},
	     {"select", wait_select, NULL},
	     {"epoll_wait", wait_epoll, NULL},
	     {"nanosleep", wait_sleep, NULL},
	     {"clock_nanosleep", wait_clock, NULL},
	     {"msgrcv", wait_msg, NULL},
	     {"semop", wait_sem, NULL},
	     {"sigtimedwait", wait_signal, NULL},
	     {"pause", wait_pause, NULL}};

static void set_up(void)
{
	static struct sockaddr_un any = {.sun_family = AF_UNIX};

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	must(!bind(listener, (void *)&any, sizeof(any.sun_family)));
	must(!listen(listener, 5));
	msgs = msgget(IPC_PRIVATE, 0600);
	sems = semget(IPC_PRIVATE, 1, 0600);
	must(msgs >= 0 && sems >= 0);
}

/* Waits until a process has slept for a while. */
static void until_asleep(pid_t pid)
{
	char name[32], line[512], *end;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	for (int asleep = 0; asleep < 4; usleep(4 * MS)) {
		int fd = open(name, O_RDONLY);
		ssize_t n = read(fd, line, sizeof(line) - 1);

		must(n > 0 && !close(fd));
		line[n] = 0;
		end = strrchr(line, ')');
		must(end);
		asleep = end[2] == 'S' ? asleep + 1 : 0;
	}
}

/* One that never gets what it waits for is interrupted for good: the second
 * signal has no SA_RESTART. */
static void one(const struct wait *w, int restart)
{
	struct sigaction sa = {.sa_handler = hit,
			       .sa_flags = restart ? SA_RESTART : 0};
	bool finishes = restart && w->come;
	pid_t self = getpid(), helper;
	int status;
	long r;

	must(!sigaction(SIGUSR1, &sa, NULL));
	sa.sa_flags = 0;
	must(!sigaction(SIGALRM, &sa, NULL));
	if (w->wait == wait_child) {
		sleeper = fork();
		if (!sleeper)
			for (;;)
				pause();
	}
	if (w->wait == wait_write)
		fill();
	hits = 0;
	*over = 0;
	helper = fork();
	must(helper >= 0);
	if (!helper) {
		until_asleep(self);
		must(!kill(self, SIGUSR1));
		usleep(SECOND * MS);
		if (finishes)
			w->come();
		else if (restart && !*over)
			kill(self, SIGALRM);
		_exit(0);
	}
	errno = 0;
	r = w->wait();
	*over = 1;
	printf("%s%s: %ld errno %d, %d signals\n", w->name,
	       restart ? " with SA_RESTART" : "", r, r < 0 ? errno : 0, hits);
	while (waitpid(helper, &status, 0) < 0)
		must(errno == EINTR);
	must(outcome(status) == 0);
	if (w->wait == wait_child && !restart) {
		end_child();
		must(wait_for(sleeper) == 1000 + SIGKILL);
	}
	drain();
}

/* The lock is another description's. */
static void take_lock(void)
{
	char name[] = "lock-XXXXXX";
	int other = mkstemp(name);

	locked = open(name, O_RDWR);
	must(other >= 0 && locked >= 0 && !unlink(name));
	must(!flock(other, LOCK_EX));
}

static void interrupted(void)
{
	over = map_anon(PAGE, 1);
	set_up();
	take_lock();
	for (unsigned i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		one(&waits[i], 0);
		one(&waits[i], 1);
	}
	must(!msgctl(msgs, IPC_RMID, NULL) && !semctl(sems, 0, IPC_RMID));
}

/* ---- timers, queues, descriptors ---------------------------------------- */

static volatile struct got {
	int code, value, band, fd, n;
	char order[8];
} got;

static void take(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got.code = info->si_code;
	got.value = info->si_value.sival_int;
	got.band = (int)info->si_band;
	got.fd = info->si_fd;
	if (got.n < 7)
		got.order[got.n] = (char)('a' + sig - SIGRTMIN);
	got.n++;
}

static void timers(void)
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL};
	struct itimerspec ts = {{0, 0}, {0, 10 * MS * 1000}};
	struct signalfd_siginfo si;
	uint64_t ticks = 0;
	sigset_t set;
	timer_t id;
	int fd;

	ev.sigev_signo = SIGRTMIN + 1;
	ev.sigev_value.sival_int = 99;
	must(!sigaction(SIGRTMIN + 1, &sa, NULL));
	must(!timer_create(CLOCK_MONOTONIC, &ev, &id));
	must(!timer_settime(id, 0, &ts, NULL));
	while (!got.n)
		usleep(1000);
	printf("timer: code %d value %d\n", got.code, got.value);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	ts.it_interval = ts.it_value = (struct timespec){0, 2 * MS * 1000};
	must(!timer_settime(id, 0, &ts, NULL));
	usleep(60 * MS);
	fd = signalfd(-1, &set, 0);
	must(read(fd, &si, sizeof(si)) == sizeof(si));
	printf("signalfd of a timer: %d code %d value %d missed %d\n",
	       si.ssi_signo == (uint32_t)SIGRTMIN + 1, si.ssi_code, si.ssi_int,
	       si.ssi_overrun > 5);
	must(!timer_delete(id) && !close(fd));
	must(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	must(!timerfd_settime(fd, 0, &ts, NULL));
	usleep(20 * MS);
	must(read(fd, &ticks, 8) == 8);
	printf("timerfd: %d\n", ticks >= 5);
	must(!close(fd));
}

static void queues(void)
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	static const int sent[] = {2, 1, 3, 1, 2};
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigfillset(&sa.sa_mask);
	for (int i = 1; i <= 3; i++) {
		must(!sigaction(SIGRTMIN + i, &sa, NULL));
		sigaddset(&set, SIGRTMIN + i);
	}
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < 5; i++)
		must(!sigqueue(getpid(), SIGRTMIN + sent[i],
			       (union sigval){.sival_int = i}));
	must(sigwaitinfo(&set, &info) == SIGRTMIN + 1);
	printf("first: %d\n", info.si_value.sival_int);
	memset((void *)&got, 0, sizeof(got));
	must(!sigprocmask(SIG_UNBLOCK, &set, NULL));
	printf("then: %s last %d\n", (const char *)got.order, got.value);
}

static void descriptors(void)
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	int sig = SIGRTMIN + 4, pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	must(!sigaction(sig, &sa, NULL));
	must(!fcntl(pair[0], F_SETSIG, sig));
	must(!fcntl(pair[0], F_SETOWN, getpid()));
	must(!fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	memset((void *)&got, 0, sizeof(got));
	must(write(pair[1], "x", 1) == 1);
	while (!got.n)
		usleep(1000);
	printf("O_ASYNC: code %d the descriptor %d band %#x\n", got.code,
	       got.fd == pair[0], (unsigned)got.band & POLLIN);
}

/* ppoll's mask lets the signal in, and it is as before afterwards. */
static void masked_waits(void)
{
	struct sigaction sa = {.sa_handler = hit};
	struct timespec ts = {5, 0};
	sigset_t set, none, now;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!sigaction(SIGUSR1, &sa, NULL));
	must(!sigprocmask(SIG_BLOCK, &set, NULL));
	must(!raise(SIGUSR1));
	hits = 0;
	printf("ppoll: %d", ppoll(NULL, 0, &ts, &none));
	printf(" %d, %d signals", errno, hits);
	must(!sigprocmask(SIG_SETMASK, NULL, &now));
	printf(", blocked %d\n", sigismember(&now, SIGUSR1));
	must(!raise(SIGUSR1));
	printf("pselect: %d", pselect(0, NULL, NULL, NULL, &ts, &none));
	printf(" %d, %d signals\n", errno, hits);
}

int main(void)
{
	setbuf(stdout, NULL);
	interrupted();
	timers();
	queues();
	descriptors();
	masked_waits();
	return 0;
}
