/* SPDX-License-Identifier: MIT */
/*
 * system.c - the system process: birth, main loop, end.
 *
 * It waits for three things: children (the first guest, orphans, agents
 * whose guest died), the front end (its end of the link closes when it is
 * gone), and time (once a second: --check, spaces without an agent).
 * It ends when it has no children: then nothing of the run is alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arch/host/system/system.h"

#define TICK_MS 1000
#define CLEAN_MS 250	  /* after a child's end; once more then */
#define ASKED_MS 50	  /* at most as often when guests ask for it */
#define FAST_TICK_MS 10	  /* while something is about to end */
#define FINAL_WAIT_MS 900 /* for the first guest's agent to clean up */
#define KILL_ALL_AFTER 20 /* fast ticks until agents are killed as well */

static struct {
	struct fw_mm *mm;
	struct fw_run *run;
	struct fw_actor *actor;
	int link; /* -1: the front end is gone */
	int signals;
	pid_t main_pid;
	bool ended;    /* the first guest has, with `status` */
	bool end_sent; /* ... and the front end was told */
	int status;
	bool final_sent; /* its totals were reported */
	bool ending;	 /* all guests are being ended */
	unsigned end_ticks;
	uint64_t ended_ms;
	uint64_t next_check_ms;
	uint64_t last_clean_ms, next_clean_ms;
	bool clean_due; /* a child has ended */
	uint64_t check_runs, check_failures;
	uint32_t lost_agents;
	uint32_t refusals_told;
} sys;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- talking to the front end ------------------------------------------ */

/* False when the front end does not read (it is stopped) and the link is
 * full: what matters is sent again, the rest is let go. */
static bool tell(const struct sys_message *m, size_t size)
{
	return sys.link < 0 ||
	       send(sys.link, m, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
	       errno != EAGAIN;
}

static bool tell_value(enum sys_message_type type, int value)
{
	struct sys_message m = {.type = type, .value = value};

	return tell(&m, offsetof(struct sys_message, text));
}

static void tell_text(enum sys_message_type type, int value, const char *text)
{
	struct sys_message m = {.type = type, .value = value};

	snprintf(m.text, sizeof(m.text), "%s", text);
	tell(&m, offsetof(struct sys_message, text) + strlen(m.text) + 1);
}

static void say(const char *line)
{
	tell_text(SYS_TEXT, 0, line);
}

static void tell_end(void)
{
	if (sys.ended && !sys.end_sent)
		sys.end_sent = tell_value(SYS_ENDED, sys.status);
}

static void tell_final(bool last)
{
	struct sys_message m = {.type = SYS_FINAL, .value = last};

	tell_end();
	if (sys.final_sent || !sys.end_sent)
		return;
	fw_totals(sys.mm, sys.actor, &m.final.totals);
	m.final.check_runs = sys.check_runs;
	m.final.check_failures = sys.check_failures;
	m.final.lost_agents = sys.lost_agents;
	m.final.procs_left = sys.run->n_procs;
	sys.final_sent = tell(&m, sizeof(m));
}

static void tell_refusals(void)
{
	if (!(sys.run->flags & FW_RUN_QUIET))
		refusals_tell(sys.run, &sys.refusals_told, say);
}

/* ---- checking ---------------------------------------------------------- */

static void report_line(void *arg, const char *line)
{
	char text[360];

	(void)arg;
	snprintf(text, sizeof(text), "check: %s", line);
	say(text);
}

static void check(void)
{
	if (!(sys.run->flags & FW_RUN_CHECK))
		return;
	sys.check_runs++;
	sys.check_failures += fw_verify(sys.mm, sys.actor, report_line, NULL);
}

/* False: there is no process any more, but something that only they had. */
static bool all_gone(struct fw_totals *t)
{
	fw_totals(sys.mm, sys.actor, t);
	return __atomic_load_n(&sys.run->n_procs, __ATOMIC_RELAXED) > 0 ||
	       (!t->spaces && !t->sections && !t->slots_used &&
		!t->store_pages);
}

static void check_end(void)
{
	struct fw_totals t;
	char text[160];

	check();
	if (!(sys.run->flags & FW_RUN_CHECK) || all_gone(&t))
		return;
	sys.check_failures++;
	snprintf(text, sizeof(text),
		 "check: when all processes had ended, %llu spaces, "
		 "%llu sections, %llu slots and %llu compressed pages were "
		 "left",
		 (unsigned long long)t.spaces, (unsigned long long)t.sections,
		 (unsigned long long)t.slots_used,
		 (unsigned long long)t.store_pages);
	say(text);
}

/* ---- ends -------------------------------------------------------------- */

/* Waits until the front end reads again, or is gone. */
static void wait_for_link(void)
{
	struct pollfd fd = {.fd = sys.link, .events = POLLOUT};

	poll(&fd, 1, TICK_MS);
}

/* No child is left, so no guest and no agent is. A write may be under way. */
_Noreturn static void finish(void)
{
	uint64_t start = now_ms();
	struct fw_totals t;

	procs_clean(sys.mm, sys.run, sys.actor, true, say);
	while (!sys.final_sent && !all_gone(&t) &&
	       now_ms() - start < FINAL_WAIT_MS)
		poll(NULL, 0, FAST_TICK_MS);
	check_end();
	tell_refusals();
	for (tell_final(true); sys.ended && !sys.final_sent; tell_final(true))
		wait_for_link();
	_exit(0);
}

/* The first guest has ended, others may live: reports once its agent has
 * cleaned up, or after a while. */
static void after_end(void)
{
	struct fw_totals t;

	if (sys.final_sent)
		return;
	if ((procs_known(sys.run, sys.actor, (uint32_t)sys.main_pid) ||
	     !all_gone(&t)) &&
	    now_ms() - sys.ended_ms < FINAL_WAIT_MS)
		return;
	check_end();
	tell_refusals();
	tell_final(false);
}

/* Ends all guests; agents, too, when they do not follow soon. */
static void end_all(void)
{
	uint32_t pids[256];
	unsigned n;

	sys.ending = true;
	__atomic_store_n(&sys.run->state, FW_RUN_ENDING, __ATOMIC_SEQ_CST);
	procs_kill(sys.run, sys.actor);
	if (!sys.ended)
		kill(sys.main_pid, SIGKILL);
	if (++sys.end_ticks < KILL_ALL_AFTER)
		return;
	n = task_children(pids, sizeof(pids) / sizeof(*pids));
	for (unsigned i = 0; i < n; i++)
		kill((pid_t)pids[i], SIGKILL);
}

/* ---- events ------------------------------------------------------------ */

static void main_changed(int status)
{
	if (WIFSTOPPED(status)) {
		tell_value(SYS_STOPPED, WSTOPSIG(status));
	} else if (WIFEXITED(status) || WIFSIGNALED(status)) {
		sys.ended = true;
		sys.ended_ms = now_ms();
		sys.status = status;
		tell_end();
	}
}

/* Looks again when the time of grace for the dead has passed. */
static void child_ended(void)
{
	uint64_t soon = now_ms() + CLEAN_MS;

	sys.clean_due = true;
	if (sys.next_clean_ms > soon)
		sys.next_clean_ms = soon;
}

static void reap_children(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status,
			      __WALL | WNOHANG | WUNTRACED | WCONTINUED)) > 0)
		if (pid == sys.main_pid)
			main_changed(status);
		else if (!WIFSTOPPED(status) && !WIFCONTINUED(status))
			child_ended();
	if (pid < 0 && errno == ECHILD)
		finish();
}

/* A guest that needs frames has met something that nobody cleans up. */
static void clean_asked(void)
{
	if (sys.next_clean_ms > sys.last_clean_ms + ASKED_MS)
		sys.next_clean_ms = sys.last_clean_ms + ASKED_MS;
}

static void drain_signals(void)
{
	struct signalfd_siginfo info;

	while (read(sys.signals, &info, sizeof(info)) > 0)
		if (info.ssi_code == SI_USER)
			clean_asked();
}

/* The front end never sends anything: what comes is its end. */
static void link_ready(void)
{
	char byte;
	ssize_t n = recv(sys.link, &byte, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(sys.link);
	sys.link = -1;
	if (!sys.ended)
		end_all();
}

/* Each second, and soon after a child has ended: it may have left a guest
 * without an agent, or something that only we can clean up. */
static void clean(void)
{
	uint64_t now = now_ms();

	if (now < sys.next_clean_ms)
		return;
	sys.lost_agents += procs_clean(sys.mm, sys.run, sys.actor, false, say);
	sys.last_clean_ms = now;
	sys.next_clean_ms = now + (sys.clean_due ? CLEAN_MS : TICK_MS);
	sys.clean_due = false;
}

static void each_second(void)
{
	if (now_ms() < sys.next_check_ms)
		return;
	sys.next_check_ms = now_ms() + TICK_MS;
	check();
	tell_refusals();
}

static void tick(void)
{
	if (sys.ending)
		end_all();
	else if (sys.ended)
		after_end();
	clean();
	each_second();
}

static int tick_length(void)
{
	uint64_t now = now_ms(), next = sys.next_check_ms;

	if (sys.ending || (sys.ended && !sys.final_sent))
		return FAST_TICK_MS;
	if (sys.next_clean_ms < next)
		next = sys.next_clean_ms;
	return next > now ? (int)(next - now) : 0;
}

_Noreturn static void serve(void)
{
	struct pollfd fds[2] = {
		{.fd = sys.signals, .events = POLLIN},
		{.events = POLLIN},
	};

	for (;;) {
		fds[1].fd = sys.link;
		poll(fds, 2, tick_length());
		if (fds[0].revents)
			drain_signals();
		reap_children();
		if (sys.link >= 0 && fds[1].revents)
			link_ready();
		tick();
	}
}

/* ---- birth ------------------------------------------------------------- */

_Noreturn static void not_started(const char *what)
{
	int error = errno;

	if (sys.main_pid)
		end_all();
	tell_text(SYS_FAILED, error, what);
	_exit(125);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Closes all descriptors but the n given ones. */
static void close_others(int *keep, size_t n)
{
	unsigned next = 0;

	qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned)keep[i] > next)
			close_range(next, (unsigned)keep[i] - 1, 0);
		next = (unsigned)keep[i] + 1;
	}
	close_range(next, ~0u, 0);
}

/* Holds on to nothing of the user's: no terminal, pipe, file or folder. */
static void detach(const struct sys_start *start, int life)
{
	int keep[FW_MAX_PAGE_FILES + 3];
	size_t n = 0;

	for (unsigned i = 0; i < start->n_stores; i++)
		keep[n++] = start->store_fd[i];
	keep[n++] = start->link;
	keep[n++] = sys.signals;
	keep[n++] = life;
	close_others(keep, n);
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);
	setsid();
	if (chdir("/"))
		return; /* then it stays where it is */
}

static void rename_self(const struct sys_start *start)
{
	static const char name[] = "faultwise-sys";

	prctl(PR_SET_NAME, name);
	if (!start->title || start->title_size < 2)
		return;
	memset(start->title, 0, start->title_size);
	snprintf(start->title, start->title_size, "%s", name);
}

/* The front end has blocked all signals: they reach this process as data
 * only, and SIGKILL alone ends it. */
static void open_signals(void)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sys.signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sys.signals < 0)
		not_started("making a signal descriptor");
}

static void start_guest(const struct sys_start *start, int *ret_life)
{
	int life[2];

	if (pipe2(life, O_CLOEXEC))
		not_started("making a pipe");
	sys.main_pid = fork();
	if (sys.main_pid < 0) {
		sys.main_pid = 0;
		not_started("making a process");
	}
	if (sys.main_pid == 0)
		guest_start(start, life[0]);
	close(life[0]);
	*ret_life = life[1];
}

void system_main(const struct sys_start *start)
{
	int life, error;

	sys.mm = start->mm;
	sys.run = start->run;
	sys.actor = start->actor;
	sys.link = start->link;
	sys.run->system_pid = (uint32_t)getpid();
	port_init(sys.mm, sys.run, say);
	port_stores(start->store_fd, start->n_stores);
	port_enter(sys.actor);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	open_signals();
	start_guest(start, &life);
	detach(start, life);
	rename_self(start);
	error = workers_start(sys.mm, sys.run, sys.actor);
	if (error) {
		errno = error;
		not_started("starting a thread of the system process");
	}
	sys.next_check_ms = now_ms() + TICK_MS;
	serve();
}
