/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the address space of every process of a run, and what the
 * processes of a run share. Seen by the kernel half and by the hosted side
 * (front end, system process), so that both mean the same thing.
 *
 *   0 .. FW_USER_TOP       the program's; every page put there by us
 *   .. FW_KERNEL_BASE      4 GiB of nothing
 *   FW_KERNEL_BASE         kernel text and data: the image, private data
 *   FW_STACKS_BASE         kernel stacks, private, one a thread
 *   FW_WINDOWS_BASE        file windows: the host's pages of mapped files
 *   FW_RAM_BASE            direct map: frame n at FW_RAM_BASE + n * 4096
 *   0x7f..                 the host's: vdso, first stack (dropped)
 */
#ifndef ARCH_HOST_LAYOUT_H
#define ARCH_HOST_LAYOUT_H

#include <faultwise/mm.h>

#define FW_USER_MIN 0x10000ull
#define FW_USER_TOP 0x77ff00000000ull
#define FW_KERNEL_BASE 0x780000000000ull
#define FW_KERNEL_END 0x780010000000ull
#define FW_STACKS_BASE 0x780100000000ull
#define FW_STACKS_END 0x781100000000ull
#define FW_WINDOWS_BASE 0x782000000000ull
#define FW_WINDOWS_END 0x79f000000000ull
#define FW_RAM_BASE 0x7a0000000000ull
#define FW_RAM_MAX 0x040000000000ull /* 4 TiB */

/* A kernel stack: the lower part of its place is the guard. Above it is what
 * libzstd works with (compress.h), untouched before it does. */
#define FW_STACK_STRIDE 0x40000ull
#define FW_STACK_BYTES 0x10000ull
#define FW_EXPAND_BYTES 0x18000ull
#define FW_STACK_MAPPED (FW_STACK_BYTES + FW_EXPAND_BYTES)

/*
 * Patched into the kernel image by the front end before it is put into a
 * memfd: what the image must know before it can map the RAM. Found by its
 * magic, which occurs once in the image.
 */
#define FW_BOOT_MAGIC "faultwise-boot\n"
struct fw_boot {
	char magic[16];
	uint32_t ram_fd;	/* descriptor of the RAM, in every guest */
	uint32_t spare;
	uint64_t ram_bytes;
};

/*
 * A system call that only runs have: says that there is one. Its number is far
 * beyond the host's, which answers ENOSYS.
 */
#define FW_CALL_INSIDE 0x46570001
#define FW_INSIDE 0x4657

/*
 * Descriptors that belong to the run, at fixed numbers in every guest: from
 * fw_run.fd_first up to and including fd_last. The guest cannot close or
 * replace them.
 */
enum fw_run_fd {
	FW_FD_RAM,	/* memfd: the RAM */
	FW_FD_KERNEL,	/* memfd: the kernel image */
	FW_FD_LIFE,	/* read end of a pipe that the system process holds */
	FW_FD_EXE,	/* the program of this guest; or as FW_FD_LIFE */
	FW_FD_STORE,	/* page file 0; up to 16; the others as FW_FD_LIFE */
	FW_FD_COUNT = FW_FD_STORE + FW_MAX_PAGE_FILES,
};

enum fw_run_flags {
	FW_RUN_CHECK = 1, /* --check */
	FW_RUN_QUIET = 2,
};

/* What programs asked for and do not get (os/refuse.c). */
enum fw_refusal {
	FW_REFUSED_IO_URING,
	FW_REFUSED_AIO,
	FW_REFUSED_USERFAULTFD,
	FW_REFUSED_PTRACE,
	FW_REFUSED_SECCOMP,
	FW_REFUSED_ZERO_COPY,
	FW_REFUSED_SETUID,
	FW_REFUSED_32_BIT,
	FW_REFUSED_LEAKS,
	FW_REFUSED_PID_NAMESPACE,
	FW_REFUSED_LOW,
	FW_REFUSALS
};

enum fw_run_state {
	FW_RUN_STARTING,
	FW_RUN_GOING,
	FW_RUN_ENDING, /* no new processes; all guests are being ended */
};

#define FW_INODE_LOCKS 32

/* What a process has used, as far as it is ours to say (os/rusage.c). */
struct fw_usage {
	uint64_t minor, major; /* faults */
	uint64_t peak;	       /* resident pages */
};

/* A process that has ended, for who waits for it. */
struct fw_ended {
	uint32_t pid;
	struct fw_usage usage;
};
#define FW_ENDED 64

#define FW_AGENT_PIDS 1024 /* a power of two */
#define FW_STOPS 1024

/* One page's bytes on their way between two guests: see os/vmcopy.c. */
struct fw_copy {
	struct fw_lock lock;	/* held by who asks */
	uint32_t state;		/* futex; enum fw_copy_state */
	uint32_t agent;		/* pid of who was asked */
	uint64_t serial;	/* of the process that owns the space */
	uint64_t addr;
	uint32_t len;
	uint32_t what;		/* enum fw_copy_what */
	int32_t result;		/* 0 or -errno */
	uint8_t data[4096];
};
/* CUT: not a copy; what fw_file_cut() is to be called with. */
enum fw_copy_what { FW_COPY_READ, FW_COPY_WRITE, FW_COPY_CUT };
enum fw_copy_state { FW_COPY_FREE, FW_COPY_ASKED, FW_COPY_DONE };

#define FW_FILE_WORDS 256 /* of a set of files: two bits a file */

/*
 * The run: in the port area of the RAM (fw_mm_port_area). Written by the
 * front end before the first guest starts; afterwards only as said.
 */
struct fw_run {
	uint32_t magic;		/* FW_RUN_MAGIC */
	uint32_t flags;		/* enum fw_run_flags */
	uint32_t state;		/* enum fw_run_state; atomic */
	uint32_t fd_first;	/* number of FW_FD_RAM */
	uint32_t n_stores;
	uint32_t front_pid;
	uint32_t system_pid;
	uint32_t main_pid;	/* the first guest */
	uint32_t kicked[FW_KTHREADS]; /* futexes: enum kick_state */
	uint32_t filtered;	/* first guest has installed the filter */
	uint32_t hwcap2;	/* the host's AT_HWCAP2 (bit 1: FSGSBASE) */
	uint32_t n_procs;	/* guests alive (atomic) */
	uint32_t n_agents;
	uint32_t oom_kills;	/* processes ended for want of memory */
	uint32_t oops;		/* kernel-half bugs met */
	uint32_t failed;	/* FW_FAIL_*: why the first program did not
				 * start; the front end turns it into 126/127
				 * and a message */
	int32_t failed_errno;
	uint32_t oom_pid;	/* last process ended for want of memory */
	uint64_t max_map_count;	/* the host's vm.max_map_count */
	uint64_t next_serial;	/* atomic: of the next fw_proc */
	uint64_t stop_waits;	/* waits for a stopped guest (atomic) ... */
	uint64_t stop_ticks;	/* ... the longest, until he was continued */
	uint64_t repair_ticks;	/* longest section that began with undoing
				 * what a dead one had begun (mm lock) */
	/* Bits 1 << enum fw_refusal (atomic): of kinds that somebody has
	 * met first, and of those whose entry in `refused` is written. */
	uint32_t refusals_claimed, refusals;
	struct {
		char name[16]; /* of the thread that asked first */
		uint32_t pid;
	} refused[FW_REFUSALS];
	/* File systems on which somebody has opened a file that is ours to
	 * answer (os/procview.c); 0 ends them. Atomic. */
	uint64_t view_dev[4];
	uint64_t view_written;	/* 1: one of them can be written to */
	/* One write is one write (os/inode_lock.c): locks, and a bit for
	 * each that is held for several calls (atomic). */
	uint64_t inodes_held;
	struct fw_lock inode_lock[FW_INODE_LOCKS];
	/* Files that somebody has opened for writing, those with private
	 * views, those that somebody has mapped shared for writing: what has
	 * ever been one (os/changes.c). Atomic. */
	uint64_t files_open[FW_FILE_WORDS], files_viewed[FW_FILE_WORDS];
	uint64_t files_shared[FW_FILE_WORDS];
	/* Resource limits of whoever started the run, by RLIMIT_ number. */
	uint64_t limit_cur[16], limit_max[16];
	struct fw_proc *procs;	/* list; guarded by procs_lock */
	struct fw_lock procs_lock;
	struct fw_copy copy;
	uint32_t n_ended;	/* atomic: that have been in `ended` */
	struct fw_ended ended[FW_ENDED];
	/* Pids of agents, at pid % FW_AGENT_PIDS (agent.c). Atomic. */
	uint32_t agent_pids[FW_AGENT_PIDS];
	/* Actors that are to stop themselves, at id % FW_STOPS: the id and,
	 * above it, what `conts` was; and how many SIGCONTs processes have
	 * had from outside, at pid % FW_STOPS (stop.h). Atomic. */
	uint64_t stops[FW_STOPS];
	uint32_t conts[FW_STOPS];
	char message[256];	/* text of the failure or Oops */
	char program[256];	/* path of the first program */
};
#define FW_RUN_MAGIC 0x46575231u

enum fw_fail { FW_FAIL_NONE, FW_FAIL_NOT_FOUND, FW_FAIL_NOT_EXEC, FW_FAIL_US };

/* What agent, guests and system process say to each other about one space:
 * overlaid on space->port[8]. */
struct fw_space_port {
	struct fw_lock life;	/* held by the agent as long as it lives */
	uint32_t mail;		/* futex: incremented for each request */
	uint32_t want_trim;	/* pages asked for (atomic) */
	uint32_t done;		/* futex: incremented after each request */
	uint32_t users;		/* guest processes living in it (atomic) */
	uint32_t agent_pid;	/* 0 before it exists */
	uint32_t owner_pid;	/* the guest whose space it is */
	uint32_t gone;		/* 1: the guest has left (exec): destroy */
	uint32_t apart;		/* futex; 1: the agent has let go of files */
	uint64_t owner_serial;
};
_Static_assert(sizeof(struct fw_space_port) <= 64, "fits space->port");

static inline struct fw_space_port *fw_space_port(struct fw_space *space)
{
	return (struct fw_space_port *)(void *)space->port;
}

/* What /proc shows of a program: set when it is loaded, handed to children by
 * fork. For display alone, so that plain stores will do. */
struct fw_proc_image {
	uint64_t start_code, end_code, start_data, end_data;
	uint64_t start_brk, brk;
	uint64_t start_stack, arg_start, arg_end, env_start, env_end;
	/* Actions for the signals that the host's action does not mirror. */
	uint64_t caught, ignored;
	uint64_t n_auxv; /* words */
	uint64_t auxv[48];
	uint64_t exe_dev, exe_ino; /* not for display: os/busy.c */
	char exe[512];
};

#define FW_LEFT_AGENTS 4

/* A guest process, as others see it (fw_kalloc'ed, in run->procs). */
struct fw_proc {
	struct fw_proc *next, *prev;
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t serial; /* never reused, as pids are; the port_ptr of the
			  * actors of its threads */
	struct fw_space *space; /* NULL between spaces */
	struct fw_space *old_space; /* exec: the space being left; after
				     * death: the one being destroyed */
	uint32_t state;		/* enum fw_proc_state */
	uint32_t exec_shared;	/* old_space is another's: a vfork child */
	/* Was continued to get its agent: FW_STOP_AGAIN and, below it, what the
	 * run's `conts` was for it. Atomic. */
	uint64_t stop_again;
	/* Agents of spaces left by exec, still our children: to be reaped by
	 * this process, 0 for none (agent.c). Its own business. */
	uint32_t left_agents[FW_LEFT_AGENTS];
	/* exec: handed from the old image to the new one */
	char exec_path[256];	/* file that is executed, absolute if known */
	char exec_name[256];	/* AT_EXECFN */
	uint64_t exec_mask;	/* guest's signal mask, survives exec */
	uint64_t exec_ignored;	/* signals that are ignored, survive exec */
	/* Resource limits, by RLIMIT_ number, as far as os/limits.c keeps them
	 * here instead of at the host. */
	uint64_t limit_cur[16], limit_max[16];
	struct fw_proc_image image;
	struct fw_usage past;	/* of threads and images that are gone */
	struct fw_usage children; /* ... and processes */
	uint32_t reported;	/* usage_process_ends() was here */
	uint32_t record_locks;	/* it has asked for some (os/aside.c); also
				 * before an exec. Atomic. */
};
#define FW_STOP_AGAIN (1ull << 32)
enum fw_proc_state { FW_PROC_NEW, FW_PROC_RUNS, FW_PROC_EXECS, FW_PROC_DEAD };

#endif
