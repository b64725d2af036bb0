/* SPDX-License-Identifier: MIT */
/*
 * stepper [-s | -c] [-k KILLS] [-n FROM[:STRIDE]] [-l LIMIT] [-o OP]...
 *	-- COMMAND ...
 *
 * COMMAND runs victim under faultwise (README). For each operation: one
 * attempt steps through all of it and counts the instructions in the kernel
 * half; further ones are killed after instruction FROM, FROM + STRIDE, ...
 * or, with -k, KILLS of them spread evenly. LIMIT bounds how deep it looks.
 * Each operation has a run of its own, whose exit status must be 0. TAP.
 *
 * With -s victims are not killed, but stopped for a while. With -c as well,
 * and those that others have continued, since they hold what is needed, are
 * continued in earnest before they can do anything: they must go on.
 *
 * After each kill the driver's slowest touch says how long the others were
 * held up. It pages meanwhile, and the machine has others to serve: a kill
 * that seems slow is made again at the same instruction, and the best of
 * these is judged, for each instruction.
 */
#include "gate.h"
#include "tests/programs/prog.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define KERNEL_FROM 0x780000000000ul
#define KERNEL_TO 0x780010000000ul
#define PATIENCE_MS 30000
#define SLOW_US 10000 /* what recovery may take ... */
#define AGAIN 20      /* ... in the best of so many */
#define STOP_US 60000 /* how long -s stops */
#define MAX_KILLS 100000

static const char *const op_name[] = {
#define X(op, name) name,
	KILL_OPS(X)
#undef X
};

struct run {
	pid_t front;
	int to;		/* its stdin */
	int from;	/* its stdout */
	char text[256]; /* what was read of it, not yet taken */
	size_t have;
};

enum end { KILLED, COMPLETED, ENDED, STUCK };

static unsigned long from_n = 1, stride, kills = 12, limit = 40000;
static unsigned slow[MAX_KILLS];
static unsigned n_slow, last_us;
static bool stop_only, continue_too;
static unsigned continued; /* while they held something */

/* ---- the run ---------------------------------------------------------- */

static void start_run(struct run *run, char **command)
{
	int in[2], out[2];

	must(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	run->front = fork();
	must(run->front >= 0);
	if (!run->front) {
		must(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
		execv(command[0], command);
		_exit(127);
	}
	must(!close(in[0]) && !close(out[1]));
	run->to = in[1];
	run->from = out[0];
	run->have = 0;
}

/* A line of the driver's into `line`; false when none comes. */
static bool read_line(struct run *run, char *line, size_t size)
{
	struct pollfd p = {.fd = run->from, .events = POLLIN};
	char *end;
	ssize_t n;

	while (!(end = memchr(run->text, '\n', run->have))) {
		if (run->have == sizeof(run->text) ||
		    poll(&p, 1, PATIENCE_MS) != 1)
			return false;
		n = read(run->from, run->text + run->have,
			 sizeof(run->text) - run->have);
		if (n <= 0)
			return false;
		run->have += (size_t)n;
	}
	n = end - run->text;
	snprintf(line, size, "%.*s", (int)n, run->text);
	run->have -= (size_t)n + 1;
	memmove(run->text, end + 1, run->have);
	return true;
}

/* Its exit status, after the driver has checked everything. */
static int end_run(struct run *run, bool broken)
{
	char line[64];
	int st = -1;

	must(!close(run->to));
	if (!broken && (!read_line(run, line, sizeof(line)) ||
			strcmp(line, "end")))
		printf("# the driver did not come to its end\n");
	if (broken)
		kill(run->front, SIGTERM);
	for (unsigned i = 0; i < PATIENCE_MS / 10; i++) {
		pid_t got = waitpid(run->front, &st, WNOHANG);

		if (got == run->front)
			break;
		usleep(10000);
		if (i == PATIENCE_MS / 20)
			kill(run->front, SIGKILL);
	}
	must(!close(run->from));
	return outcome(st);
}

/* ---- one victim ------------------------------------------------------- */

static bool at_gate(pid_t pid, unsigned long number,
		    struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_GETREGS, pid, NULL, regs))
		return false;
	return regs->rip < KERNEL_FROM && regs->r15 == number;
}

/* waitpid that gives up: a step may be a call that blocks. */
static bool wait_stop(pid_t pid, int *st)
{
	bool stopped;

	alarm(PATIENCE_MS / 1000);
	stopped = waitpid(pid, st, __WALL) == pid;
	alarm(0);
	return stopped;
}

static void on_alarm(int sig)
{
	(void)sig; /* waitpid is to return */
}

/* Both on one processor: a step is then two switches and no wake-up. */
static void share_processor(pid_t pid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(pid, sizeof(set), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void any_processor(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

/* Stops it, unless it has stopped already: an interrupt of a process that
 * is stopped would stop it once more as soon as it is continued. */
static bool interrupt(pid_t pid, int *st)
{
	if (waitpid(pid, st, __WALL | WNOHANG) == pid)
		return WIFSTOPPED(*st);
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	return wait_stop(pid, st) && WIFSTOPPED(*st);
}

static bool seize(pid_t pid, long options)
{
	return !ptrace(PTRACE_SEIZE, pid, NULL, options);
}

/* Stops the victim at its first gate and opens it. */
static bool take_at_gate(pid_t pid, long options)
{
	struct user_regs_struct regs;
	int st;

	if (!seize(pid, options))
		return false;
	for (unsigned i = 0; i < PATIENCE_MS / 2; i++) {
		if (!interrupt(pid, &st))
			return false;
		if (at_gate(pid, GATE_BEFORE, &regs)) {
			regs.rax = 1;
			return !ptrace(PTRACE_SETREGS, pid, NULL, &regs);
		}
		st = WSTOPSIG(st) == SIGTRAP ? 0 : WSTOPSIG(st);
		ptrace(PTRACE_CONT, pid, NULL, st);
		usleep(2000);
	}
	return false;
}

static pid_t new_child(pid_t pid)
{
	unsigned long message = 0;
	int st;

	if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &message))
		return 0;
	return wait_stop((pid_t)message, &st) ? (pid_t)message : 0;
}

/* What to give to the next step for a stop; *pid may become the child's. */
static int handle_stop(pid_t *pid, int st, bool follow)
{
	int event = st >> 16;

	if (event == PTRACE_EVENT_FORK) {
		pid_t child = new_child(*pid);

		if (child && follow) {
			ptrace(PTRACE_DETACH, *pid, NULL, NULL);
			*pid = child;
		} else if (child) {
			ptrace(PTRACE_DETACH, child, NULL, NULL);
		}
	}
	if (event || WSTOPSIG(st) == SIGTRAP)
		return 0;
	return WSTOPSIG(st);
}

static bool is_stopped(pid_t pid)
{
	char path[64], text[256] = "";
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	at = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return at && at[2] == 'T';
}

static bool wait_stopped(pid_t pid, bool stopped, unsigned us)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (is_stopped(pid) != stopped) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000000 +
			    (now.tv_nsec - start.tv_nsec) / 1000 >
		    (long)us)
			return false;
		if (stopped) /* it needs the processor to get there */
			usleep(100);
	}
	return true;
}

/*
 * It is on our processor, and of so little weight that it hardly ever runs
 * while we look at it: who is continued by others has done nothing when we see
 * that. To give it its weight back wants privileges.
 */
static enum end continue_here(pid_t pid)
{
	const struct sched_param none = {0};
	bool by_others;

	must(wait_stopped(pid, true, PATIENCE_MS * 1000));
	must(!sched_setscheduler(pid, SCHED_IDLE, &none));
	by_others = wait_stopped(pid, false, STOP_US);
	kill(pid, SIGCONT);
	must(!sched_setscheduler(pid, SCHED_OTHER, &none));
	if (!by_others)
		return KILLED;
	continued++;
	usleep(STOP_US);
	if (!is_stopped(pid))
		return KILLED;
	printf("# it has stopped itself although it was continued\n");
	kill(pid, SIGCONT);
	return STUCK;
}

/* Stopped, and, should others need what it holds, continued by them. */
static enum end stop_here(pid_t pid)
{
	int st;

	/* Let go only where no trap of a step is left to be delivered. */
	kill(pid, SIGSTOP);
	do {
		if (ptrace(PTRACE_CONT, pid, NULL, 0) || !wait_stop(pid, &st))
			return STUCK;
	} while (WIFSTOPPED(st) && WSTOPSIG(st) != SIGSTOP);
	if (!WIFSTOPPED(st))
		return ENDED;
	if (ptrace(PTRACE_DETACH, pid, NULL, SIGSTOP))
		return STUCK;
	if (continue_too)
		return continue_here(pid);
	usleep(STOP_US);
	kill(pid, SIGCONT);
	return KILLED;
}

static enum end kill_here(pid_t pid)
{
	int st;

	if (stop_only)
		return stop_here(pid);
	kill(pid, SIGKILL);
	do {
		if (!wait_stop(pid, &st))
			return STUCK;
	} while (WIFSTOPPED(st));
	return KILLED;
}

/*
 * Steps until instruction n of the kernel half, counted from where it is, and
 * kills there. *ret_n is how many there were.
 */
static enum end step(pid_t pid, unsigned long n, bool follow,
		     unsigned long *ret_n)
{
	struct user_regs_struct regs;
	bool following = follow;
	int signal = 0, st;

	for (*ret_n = 0;;) {
		pid_t before = pid;

		/* The parent of a child to be killed just runs. */
		if (ptrace(following ? PTRACE_CONT : PTRACE_SINGLESTEP, pid,
			   NULL, signal) ||
		    !wait_stop(pid, &st))
			return STUCK;
		if (!WIFSTOPPED(st))
			return ENDED;
		signal = handle_stop(&pid, st, following);
		if (pid != before) {
			*ret_n = 0;
			following = false;
		}
		if (at_gate(pid, GATE_AFTER, &regs)) {
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
			return COMPLETED;
		}
		if (following || regs.rip < KERNEL_FROM ||
		    regs.rip >= KERNEL_TO)
			continue;
		if (++*ret_n >= n)
			return kill_here(pid);
	}
}

/* It is ending: its parent can hear of that only after its tracer has. */
static void hear_of_end(pid_t pid)
{
	int st;

	while (wait_stop(pid, &st) && WIFSTOPPED(st))
		ptrace(PTRACE_CONT, pid, NULL, 0);
}

/* Opens the last gate, if the victim came to it, so that it ends. It may be
 * ended by others at any time, for want of its agent. */
static void let_go(pid_t pid)
{
	struct user_regs_struct regs;
	int st;

	for (unsigned i = 0; i < 200 && seize(pid, 0); i++) {
		if (!interrupt(pid, &st))
			return;
		if (at_gate(pid, GATE_AFTER, &regs) ||
		    at_gate(pid, GATE_BEFORE, &regs)) {
			regs.rax = 1;
			regs.r15 = 0;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
		}
		st = WSTOPSIG(st) == SIGTRAP ? 0 : WSTOPSIG(st);
		if (ptrace(PTRACE_DETACH, pid, NULL, st)) {
			hear_of_end(pid);
			return;
		}
		usleep(1000 + i * 1000);
	}
}

/* The agent of a process: its child of the same memory. 0 while there is none,
 * or none that sleeps: a process that has just been made does not have it. */
static pid_t look_for_agent(pid_t pid)
{
	DIR *d = opendir("/proc");
	pid_t found = 0;

	must(d);
	for (struct dirent *e; (e = readdir(d));) {
		char path[300], text[512];
		FILE *f;
		char *at;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f) && (at = strrchr(text, ')')))
			if (at[2] == 'S' && atoi(at + 4) == pid)
				found = atoi(e->d_name);
		fclose(f);
	}
	closedir(d);
	return found;
}

static pid_t agent_of(pid_t pid)
{
	pid_t found = 0;

	for (unsigned i = 0; i < PATIENCE_MS && !found; i++) {
		found = look_for_agent(pid);
		if (!found)
			usleep(1000);
	}
	return found;
}

/* ---- attempts --------------------------------------------------------- */

/*
 * The agent is killed while it trims for somebody who wants frames, or while
 * it cleans up after its guest. It is asleep until the one or the other.
 */
static enum end step_agent(pid_t victim, enum kill_op op, unsigned long n,
			   unsigned long *ret)
{
	pid_t agent = agent_of(victim);
	int st;

	if (!agent || !seize(agent, 0) || !interrupt(agent, &st))
		return STUCK;
	if (op == OP_AGENT_END)
		kill(victim, SIGKILL);
	else if (!take_at_gate(victim, 0) ||
		 ptrace(PTRACE_DETACH, victim, NULL, NULL))
		return STUCK;
	return step(agent, n, false, ret);
}

/* One victim, killed after n instructions. False when the run is broken. */
static bool try_one(struct run *run, enum kill_op op, unsigned long n,
		    enum end *ret_end, unsigned long *ret_n)
{
	long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC;
	char line[64];
	int pid, ended;
	unsigned us;

	if (dprintf(run->to, "%d\n", op) < 0 ||
	    !read_line(run, line, sizeof(line)) ||
	    sscanf(line, "pid %d", &pid) != 1)
		return false;
	*ret_n = 0;
	share_processor(pid);
	if (op == OP_AGENT_TRIM || op == OP_AGENT_END)
		*ret_end = step_agent(pid, op, n, ret_n);
	else if (take_at_gate(pid, options))
		*ret_end = step(pid, n, op == OP_FORK_CHILD, ret_n);
	else
		*ret_end = STUCK;
	any_processor();
	if (stop_only && is_stopped(pid)) {
		printf("# the victim is stopped, and nobody continues it\n");
		*ret_end = STUCK;
	}
	let_go(pid);
	if (!read_line(run, line, sizeof(line)) ||
	    sscanf(line, "done %d %u", &ended, &us) != 2)
		return false;
	last_us = us;
	return *ret_end != STUCK;
}

/*
 * A victim killed after exactly n instructions: again when the path was
 * shorter this time (the page was there already), or when it seemed slow.
 */
static bool kill_at(struct run *run, enum kill_op op, unsigned long n,
		    enum end *ret_end, unsigned long *ret_n)
{
	unsigned best = UINT32_MAX;
	bool good = true;

	for (unsigned i = 0; good && i < AGAIN && best > SLOW_US; i++) {
		good = try_one(run, op, n, ret_end, ret_n);
		if (good && *ret_end == KILLED && last_us < best)
			best = last_us;
		if (*ret_end != KILLED && i >= 2 && best == UINT32_MAX)
			break;
	}
	if (best == UINT32_MAX)
		return good;
	*ret_end = KILLED;
	if (n_slow < MAX_KILLS)
		slow[n_slow++] = best;
	if (best > SLOW_US)
		printf("# %s: %u us after instruction %lu\n", op_name[op], best,
		       n);
	return good;
}

static int by_value(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* Sweeps one operation; true when all went well. */
static bool sweep(enum kill_op op, char **command)
{
	struct run run;
	unsigned long length, n, at = 0, killed = 0, by;
	enum end end = STUCK;
	bool good;
	int status;

	n_slow = 0;
	start_run(&run, command);
	/* Now and then the page is there already: then the next one. */
	good = true;
	length = 0;
	for (n = 0; good && !length && n < 20; n++)
		good = try_one(&run, op, limit, &end, &length);
	by = stride ? stride : length / kills + 1;
	for (n = from_n; good && n < length; n += by) {
		good = kill_at(&run, op, n, &end, &at);
		killed += good && end == KILLED;
	}
	if (!good)
		printf("# %s: broken at instruction %lu (end %d after %lu)\n",
		       op_name[op], n, end, at);
	status = end_run(&run, !good);
	if (status)
		printf("# %s: the run ended with %d\n", op_name[op], status);
	qsort(slow, n_slow, sizeof(*slow), by_value);
	printf("# %s: %lu instructions, %lu kills, slowest touch after one:"
	       " median %u us, 90%% %u us, worst %u us\n",
	       op_name[op], length, killed, n_slow ? slow[n_slow / 2] : 0,
	       n_slow ? slow[n_slow * 9 / 10] : 0,
	       n_slow ? slow[n_slow - 1] : 0);
	if (continue_too)
		printf("# %u continued while others needed them\n", continued);
	if (n_slow && slow[n_slow - 1] > SLOW_US) {
		printf("# recovery took too long\n");
		good = false;
	}
	return good && !status && killed;
}

static bool choose(bool *only, const char *name)
{
	int op = 0;

	while (op < KILL_OPS_COUNT && strcmp(name, op_name[op]))
		op++;
	must(op < KILL_OPS_COUNT);
	only[op] = true;
	return true;
}

int main(int argc, char **argv)
{
	struct sigaction patience = {.sa_handler = on_alarm};
	bool only[KILL_OPS_COUNT] = {false}, some = false;
	int c, number = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	must(!sigaction(SIGALRM, &patience, NULL));
	while ((c = getopt(argc, argv, "+sck:n:l:o:")) != -1) {
		if (c == 's' || c == 'c')
			stop_only = true;
		if (c == 'c')
			continue_too = true;
		else if (c == 'k')
			kills = strtoul(optarg, NULL, 0);
		else if (c == 'l')
			limit = strtoul(optarg, NULL, 0);
		else if (c == 'o')
			some = choose(only, optarg);
		else if (c == 'n' &&
			 sscanf(optarg, "%lu:%lu", &from_n, &stride) == 1)
			stride = 1;
	}
	must(optind < argc && kills > 0);
	for (int op = 0; op < KILL_OPS_COUNT; op++) {
		bool good;

		if (some && !only[op])
			continue;
		good = sweep((enum kill_op)op, argv + optind);
		failed |= !good;
		printf("%sok %d - %s\n", good ? "" : "not ", ++number,
		       op_name[op]);
	}
	printf("1..%d\n", number);
	return failed;
}
