/* SPDX-License-Identifier: MIT */
/* refused.c - in words: what programs of a run asked for and do not get. */
#include <stdio.h>

#include "arch/host/system/system.h"

static const struct {
	const char *name; /* as in --stat */
	const char *what;
	const char *error;
	const char *remedy;
} refused[FW_REFUSALS] = {
	[FW_REFUSED_IO_URING] = {
		"io_uring", "io_uring", "ENOSYS",
		"Most programs then read and write in the ordinary way; some "
		"have an option for it."},
	[FW_REFUSED_AIO] = {
		"aio", "the host's asynchronous I/O (io_setup)", "ENOSYS",
		"Most programs then use threads; some have an option for it."},
	[FW_REFUSED_USERFAULTFD] = {
		"userfaultfd", "userfaultfd", "ENOSYS",
		"Page faults are faultwise's in a run."},
	[FW_REFUSED_PTRACE] = {
		"ptrace", "ptrace", "EPERM",
		"Trace from outside the run: gdb -p PID, strace -p PID."},
	[FW_REFUSED_SECCOMP] = {
		"seccomp", "a seccomp filter of its own", "EINVAL",
		"Browsers and bwrap may have an option to run without a "
		"sandbox."},
	[FW_REFUSED_ZERO_COPY] = {
		"zero_copy", "sending its pages without a copy (vmsplice, "
		"SO_ZEROCOPY)", "ENOSYS or ENOPROTOOPT",
		"Most programs then send copies."},
	[FW_REFUSED_SETUID] = {
		"setuid", "the rights of a setuid, setgid or capable file",
		"none of them, and runs without",
		"Say `sudo faultwise run`, not `faultwise run sudo`."},
	[FW_REFUSED_32_BIT] = {
		"32_bit", "a 32-bit program or system call",
		"ENOEXEC or ENOSYS",
		"Use the 64-bit version of it."},
	[FW_REFUSED_LEAKS] = {
		"leaks", "to look for leaks at its end (LeakSanitizer needs "
		"ptrace)", "LSAN_OPTIONS=detect_leaks=0",
		"Look for leaks outside."},
	[FW_REFUSED_PID_NAMESPACE] = {
		"pid_namespace", "a PID namespace", "EPERM",
		"Make it outside: unshare -pf --mount-proc "
		"faultwise run."},
	[FW_REFUSED_LOW] = {
		"low", "a program that is linked below 64 KiB", "ENOEXEC",
		"Link it higher (-Wl,-Ttext-segment=0x400000)."},
};

const char *refusal_name(enum fw_refusal kind)
{
	return refused[kind].name;
}

void refusals_tell(const struct fw_run *run, uint32_t *told,
		   void (*say)(const char *line))
{
	uint32_t bits = __atomic_load_n(&run->refusals, __ATOMIC_ACQUIRE);
	char line[400];

	for (unsigned kind = 0; kind < FW_REFUSALS; kind++) {
		if (!(bits & ~*told & 1u << kind))
			continue;
		snprintf(line, sizeof(line),
			 "%.15s (process %u) wants %s, which runs do not have, "
			 "and gets %s. %s",
			 run->refused[kind].name, run->refused[kind].pid,
			 refused[kind].what, refused[kind].error,
			 refused[kind].remedy);
		say(line);
	}
	*told |= bits;
}
