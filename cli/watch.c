/* SPDX-License-Identifier: MIT */
/*
 * watch.c - the front end while the program runs: job control, signals, and
 * the way it ends.
 *
 * The front end stands in the user's job for the program, which is in the
 * same session and process group but not its child. Signals from the
 * terminal reach the program by themselves; what was sent to the front end
 * alone is passed on. When the program stops, so does the front end, and the
 * shell sees its job stopped.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define FINAL_WAIT_MS 1500
#define KILL_ROUNDS 150
#define ROUND_NS 20000000

static void sleep_ns(long ns)
{
	const struct timespec pause = {.tv_nsec = ns};

	nanosleep(&pause, NULL);
}

/* ---- start ------------------------------------------------------------- */

/* The area that the kernel shows as the command line. */
static void find_title(struct sys_start *start, char **argv)
{
	char *end = argv[0];

	for (size_t i = 0; argv[i]; i++)
		if (argv[i] == end)
			end += strlen(end) + 1;
	start->title = argv[0];
	start->title_size = (size_t)(end - argv[0]);
}

static void take_signals(struct front *f)
{
	struct sigaction old;
	sigset_t all;

	sigaction(SIGCHLD, NULL, &old);
	f->chld_ignored = old.sa_handler == SIG_IGN;
	signal(SIGCHLD, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &f->mask);
	f->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void prepare(struct front *f, struct sys_start *start, int link)
{
	*start = (struct sys_start){
		.mm = f->mm,
		.run = f->run,
		.actor = f->actor,
		.ram_fd = f->ram_fd,
		.kernel_fd = f->kernel_fd,
		.link = link,
		.n_stores = f->n_stores,
		.argv = f->argv,
		.envp = environ,
		.mask = f->mask,
		.chld_ignored = f->chld_ignored,
	};
	memcpy(start->store_fd, f->store_fd, sizeof(start->store_fd));
}

int start_system(struct front *f, char **main_argv)
{
	struct sys_start start;
	int link[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link))
		return fail(EXIT_US, "cannot make a socket: %s. See ulimit -n.",
			    strerror(errno));
	take_signals(f);
	f->link = link[0];
	f->system_pid = fork();
	if (f->system_pid < 0)
		return fail(EXIT_US,
			    "cannot make a process: %s. See ulimit "
			    "-u.",
			    strerror(errno));
	if (f->system_pid == 0) {
		prepare(f, &start, link[1]);
		find_title(&start, main_argv);
		close(link[0]);
		system_main(&start);
	}
	close(link[1]);
	return 0;
}

/* ---- signals ----------------------------------------------------------- */

/* The first guest's pid; 0 when it has ended, or does not start. */
static pid_t guest(const struct front *f)
{
	for (int i = 0; i < 1000 && !f->run->main_pid; i++)
		sleep_ns(100000);
	return f->ended ? 0 : (pid_t)f->run->main_pid;
}

static bool guest_stopped(const struct front *f)
{
	pid_t pid = guest(f);

	return pid && task_state((uint32_t)pid) == 'T';
}

/* True for what a process sent, not the terminal or the kernel. */
static bool was_sent(const struct signalfd_siginfo *info)
{
	return info->ssi_code <= 0 && info->ssi_code != SI_TIMER;
}

/* The system process is never to stop; that it ended the link tells. */
static void continue_system(const struct front *f)
{
	siginfo_t info = {.si_pid = 0};

	if (!waitid(P_PID, (id_t)f->system_pid, &info, WSTOPPED | WNOHANG) &&
	    info.si_pid)
		kill(f->system_pid, SIGCONT);
}

static void on_signal(struct front *f, const struct signalfd_siginfo *info)
{
	int sig = (int)info->ssi_signo;

	if (sig == SIGCHLD) {
		continue_system(f);
	} else if (sig == SIGCONT) {
		if (guest_stopped(f))
			kill(guest(f), SIGCONT);
	} else if (was_sent(info) && guest(f)) {
		kill(guest(f), sig);
	}
}

static void read_signals(struct front *f)
{
	struct signalfd_siginfo info;

	while (read(f->signals, &info, sizeof(info)) == sizeof(info))
		on_signal(f, &info);
}

/* Lets `sig` act on this process as it does by default. */
static void take_default(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The guest was stopped by `sig`: so are we, unless it goes on already. */
static void stop_like(struct front *f, int sig)
{
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGCONT) || !guest_stopped(f))
		return;
	if (sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		take_default(sig);
	else
		raise(SIGSTOP);
}

/* ---- messages ---------------------------------------------------------- */

/* False at the link's end. */
static bool read_link(struct front *f)
{
	struct sys_message m;
	ssize_t n = recv(f->link, &m, sizeof(m), 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n < (ssize_t)offsetof(struct sys_message, text))
		return false;
	switch (m.type) {
	case SYS_ENDED:
		f->ended = true;
		f->status = m.value;
		break;
	case SYS_STOPPED:
		stop_like(f, m.value);
		break;
	case SYS_TEXT:
		note("%s", m.text);
		break;
	case SYS_FINAL:
		f->have_final = true;
		f->final = m.final;
		if (m.value) /* it ends now: nothing is to be left */
			waitpid(f->system_pid, NULL, 0);
		break;
	case SYS_FAILED:
		f->failed = true;
		fail(EXIT_US,
		     "%s failed: %s. See the limits of processes and "
		     "descriptors (ulimit -u, -n).",
		     m.text, strerror(m.value));
		break;
	}
	return true;
}

/* Kills guests until none is left; their new parent reaps them. */
static void kill_guests(struct front *f)
{
	for (int i = 0; i < KILL_ROUNDS; i++) {
		unsigned left = procs_kill(f->run, NULL);
		uint32_t pid = f->run->main_pid;

		if (!f->ended && pid && task_state(pid) && task_is_ours(pid))
			left += !kill((pid_t)pid, SIGKILL);
		if (!left)
			return;
		sleep_ns(ROUND_NS);
	}
}

/* The system process is gone and nobody takes care of the guests. */
static void system_died(struct front *f)
{
	int status = 0;

	if (waitpid(f->system_pid, &status, 0) != f->system_pid)
		status = 0;
	if (f->failed)
		return;
	f->system_died = true;
	__atomic_store_n(&f->run->state, FW_RUN_ENDING, __ATOMIC_SEQ_CST);
	if (WIFSIGNALED(status))
		fail(EXIT_US,
		     "the run's system process (process %d) was ended by "
		     "signal %d (%s). Its programs are ended as well.",
		     (int)f->system_pid, WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	else
		fail(EXIT_US,
		     "the run's system process (process %d) ended early. "
		     "Its programs are ended as well.",
		     (int)f->system_pid);
	kill_guests(f);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Without anybody to show them to, nobody waits for the cleaning up. */
static bool wants_figures(const struct front *f)
{
	return !f->opt.quiet || f->opt.check || f->opt.stat;
}

/* Reads messages and signals until the guest has ended and the final figures
 * are there, or do not come in time. */
void watch(struct front *f)
{
	struct pollfd fds[2] = {
		{.fd = f->link, .events = POLLIN},
		{.fd = f->signals, .events = POLLIN},
	};
	int timeout = -1;

	while (!f->have_final) {
		int n = poll(fds, 2, timeout);

		if (n == 0 && f->ended)
			return;
		if (n > 0 && fds[1].revents)
			read_signals(f);
		if (n > 0 && fds[0].revents && !read_link(f)) {
			system_died(f);
			return;
		}
		if (f->ended && timeout < 0) {
			f->end_ns = now_ns();
			f->end_ticks = __builtin_ia32_rdtsc();
			timeout = FINAL_WAIT_MS;
			if (!wants_figures(f))
				return;
		}
	}
}

/* ---- end --------------------------------------------------------------- */

void end_like(int wait_status)
{
	const struct rlimit none = {0, 0};
	sigset_t set;
	int sig;

	if (WIFEXITED(wait_status))
		exit(WEXITSTATUS(wait_status));
	sig = WTERMSIG(wait_status);
	fflush(NULL);
	setrlimit(RLIMIT_CORE, &none); /* the program's core says it all */
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	exit(128 + sig);
}
