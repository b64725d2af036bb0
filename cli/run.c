/* SPDX-License-Identifier: MIT */
/*
 * run.c - `faultwise run`: sets a run up, waits for it, reports, and ends as
 * the program did.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

static void take_time(uint64_t *ret_ns, uint64_t *ret_ticks)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	*ret_ticks = __builtin_ia32_rdtsc();
	*ret_ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

double ticks_to_ns(const struct front *f, uint64_t ticks)
{
	double run_ticks = (double)(f->end_ticks - f->start_ticks);

	if (run_ticks <= 0)
		return 0;
	return (double)ticks * (double)(f->end_ns - f->start_ns) / run_ticks;
}

static int set_up(struct front *f)
{
	int status;

	if ((status = find_program(f)) || (status = choose_descriptors(f)) ||
	    (status = open_stat(f)) || (status = make_ram(f)) ||
	    (status = open_stores(f)) || (status = make_kernel_fd(f)))
		return status;
	return 0;
}

/* The kernel half could not start the program: says why. */
static int not_started(const struct front *f)
{
	const struct fw_run *run = f->run;
	const char *why =
		run->message[0] ? run->message : strerror(run->failed_errno);

	if (run->failed == FW_FAIL_NOT_FOUND)
		return fail(EXIT_NOT_FOUND,
			    "cannot run %s: %s. Check its path, and that of "
			    "the interpreter it names.",
			    f->program, why);
	if (run->failed == FW_FAIL_NOT_EXEC)
		return fail(EXIT_NOT_EXEC,
			    "cannot run %s: %s. It must be a program for "
			    "64-bit x86 or a script.",
			    f->program, why);
	return fail(EXIT_US,
		    "cannot start %s: %s failed (%s). This machine or its "
		    "limits do not permit it: faultwise doctor says which.",
		    f->program, why, strerror(run->failed_errno));
}

/* What the user must know, summary or not. */
static void print_warnings(const struct front *f)
{
	const struct fw_run *run = f->run;

	if (run->oom_kills)
		note("%u process%s ended for want of memory (the last one was "
		     "process %u): %s of RAM and %s of page file were full. "
		     "Give more: -m %lluM, or -b file:PATH,SIZE.",
		     run->oom_kills, run->oom_kills == 1 ? " was" : "es were",
		     run->oom_pid, size_text(f->ram_bytes),
		     size_text(f->store_bytes),
		     (unsigned long long)(f->ram_bytes >> 19));
	if (run->oops)
		note("%u internal error%s in the kernel half: %s. The results "
		     "of these processes are lost; please report it.",
		     run->oops, run->oops == 1 ? "" : "s",
		     run->message[0] ? run->message : "see above");
	if (f->final.check_failures)
		note("--check found %llu discrepanc%s in %llu runs. Do not "
		     "trust this run; please report it.",
		     (unsigned long long)f->final.check_failures,
		     f->final.check_failures == 1 ? "y" : "ies",
		     (unsigned long long)f->final.check_runs);
	if (f->ended && f->final.procs_left && !f->opt.quiet)
		note("%u process%s still in the background, in the same RAM.",
		     f->final.procs_left,
		     f->final.procs_left == 1 ? " is" : "es are");
}

static int finish(struct front *f)
{
	int status = 0;

	if (!f->end_ns)
		take_time(&f->end_ns, &f->end_ticks);
	if (f->failed || f->system_died || !f->ended)
		status = EXIT_US;
	else if (f->run->failed != FW_FAIL_NONE)
		status = not_started(f);
	else if (f->opt.check && !f->have_final)
		status = fail(EXIT_US, "--check: the last verification did not "
				       "end in time. Run it again.");
	if (f->ended && f->run->failed == FW_FAIL_NONE)
		print_warnings(f);
	if (!status && f->final.check_failures)
		status = EXIT_US;
	if (f->ended && f->run->failed == FW_FAIL_NONE && !f->opt.quiet)
		print_summary(f);
	write_stat(f, status);
	if (!status)
		end_like(f->status);
	return status;
}

/* Who looks after guests finds them in /proc by their pids. */
static bool proc_is_foreign(void)
{
	char self[16];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n < 0)
		return false; /* none at all will do */
	self[n] = 0;
	return atoi(self) != getpid();
}

int run_main(char **argv)
{
	static struct front f;
	int status = run_options_parse(argv + 1, &f.opt);

	if (status)
		return status;
	if (syscall(FW_CALL_INSIDE) == FW_INSIDE)
		return fail(EXIT_US,
			    "cannot run %s: this is inside a run already, and "
			    "runs do not nest. Start it without faultwise, or "
			    "from outside.", f.opt.argv[0]);
	if (proc_is_foreign())
		return fail(EXIT_US,
			    "cannot run %s: /proc is that of another PID "
			    "namespace. Mount it anew: unshare -pf "
			    "--mount-proc.", f.opt.argv[0]);
	take_time(&f.start_ns, &f.start_ticks);
	f.stat_fd = -1;
	lift_limits(&f);
	status = set_up(&f);
	if (!status)
		status = start_system(&f, argv);
	if (status)
		return status;
	watch(&f);
	return finish(&f);
}
