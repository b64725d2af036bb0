/* SPDX-License-Identifier: MIT */
/*
 * start.c - the first instructions of a program image: the host has just
 * exec'ed the kernel image with the program's arguments. Maps the RAM, makes
 * a space, loads the program into it, and goes to the user half.
 */
#include <linux/auxvec.h>

#include "arch/host/kernel/trap.h"
#include "os/busy.h"
#include "os/changes.h"
#include "os/image.h"
#include "os/regions.h"

#define PR_SET_NAME 15
#define STACK_ROOM_MAX (1ull << 40)
#define STACK_BELOW (128ull << 10) /* what it has at first beyond its content */
/* Linux leaves so much more between stack and mappings, since a stack may
 * begin so much lower there: room for limits that are raised later. */
#define MMAP_GAP (16ull << 30)
#define VVAR_PAGES 8
#define VDSO_PAGES 4

/* Found by its magic and filled in by the front end. */
static volatile struct fw_boot boot
	__attribute__((section(".data"))) = { .magic = FW_BOOT_MAGIC };

static struct kproc first; /* the process; vfork children have their own */

/* On the host's first stack, which stays mapped, out of the guest's sight: the
 * host shows a process's command line from there. */
static struct start {
	struct host_stack hs;
} start;

static _Noreturn void fail(struct kthread *t, enum fw_fail why, long error)
{
	struct fw_run *run = t->p->run;

	run->failed_errno = (int32_t)-error;
	__atomic_store_n(&run->failed, why, __ATOMIC_SEQ_CST);
	k_exit_group(t, 125);
}

/* An image for which there is no memory. The first one ends the run; of
 * another the process is ended, as at Linux past the point of no return. */
static _Noreturn void no_memory(struct kthread *t)
{
	if (t->p->run->filtered)
		k_die(t, SIGKILL);
	fail(t, FW_FAIL_US, -ENOMEM);
}

static uint64_t aux(const uint64_t *auxv, uint64_t type)
{
	for (; auxv[0]; auxv += 2)
		if (auxv[0] == type)
			return auxv[1];
	return 0;
}

static void parse_host_stack(uint64_t sp)
{
	uint64_t *p = (uint64_t *)sp;
	uint64_t *q;

	start.hs.argc = *p;
	start.hs.argv = (char **)(p + 1);
	start.hs.envp = (char **)(p + 1) + start.hs.argc + 1;
	for (q = (uint64_t *)start.hs.envp; *q; q++)
		;
	start.hs.auxv = q + 1;
}

static _Noreturn void give_up(const char *why)
{
	k_printf("faultwise: cannot start a program: %s\n", why);
	for (;;)
		HC1(__NR_exit_group, 125);
}

static void map_ram(struct kproc *p)
{
	long r = HC6(__NR_mmap, FW_RAM_BASE, boot.ram_bytes,
		     HOST_PROT_READ | HOST_PROT_WRITE,
		     HOST_MAP_SHARED | HOST_MAP_FIXED, boot.ram_fd, 0);

	if (K_IS_ERR(r))
		give_up("the host does not map the RAM");
	HC3(__NR_madvise, FW_RAM_BASE, boot.ram_bytes, 16 /* DONTDUMP */);
	p->ram_bytes = boot.ram_bytes;
	p->mm = (struct fw_mm *)FW_RAM_BASE;
	p->run = fw_mm_port_area(p->mm);
	if (p->run->magic != FW_RUN_MAGIC)
		give_up("the RAM holds no run");
}

static uint64_t stack_limit(void)
{
	struct {
		uint64_t now, max;
	} limit = { 8 << 20, 0 };

	HC4(__NR_prlimit64, 0, LIMIT_STACK, 0, &limit);
	return limit.now & ~FW_PAGE_MASK;
}

static void layout(struct kproc *p)
{
	uint64_t room = stack_limit();

	if (room > STACK_ROOM_MAX)
		room = STACK_ROOM_MAX;
	p->regions = &p->own_regions;
	p->stack_top = FW_USER_TOP - FW_PAGE_SIZE;
	p->mmap_top = p->stack_top - room - MMAP_GAP;
	p->vdso = aux(start.hs.auxv, AT_SYSINFO_EHDR);
	if (p->vdso) {
		p->vdso_start = p->vdso - VVAR_PAGES * FW_PAGE_SIZE;
		p->vdso_end = p->vdso + VDSO_PAGES * FW_PAGE_SIZE;
	}
}

/* ---- who we are --------------------------------------------------------- */

/* The record that exec has left us. One of a dead process that had our pid may
 * still be there. */
static struct fw_proc *left_by_exec(struct kthread *t)
{
	struct fw_proc *p;

	procs_lock(t);
	for (p = t->p->run->procs; p; p = p->next)
		if (p->pid == t->p->pid && p->state == FW_PROC_EXECS)
			break;
	procs_unlock(t);
	return p;
}

static void join_run(struct kthread *t)
{
	struct kproc *p = t->p;

	p->proc = left_by_exec(t);
	if (p->proc) {
		usage_image_begins(t);
		proc_reap_actors(t, p->proc->serial, t->actor->id);
		t->actor->port_ptr = p->proc->serial;
		return;
	}
	p->proc = proc_add(t, p->pid, 0);
	if (!p->proc)
		fail(t, FW_FAIL_US, -ENOMEM);
	t->actor->port_ptr = p->proc->serial;
	memcpy(p->proc->exec_path, p->run->program, sizeof(p->run->program));
	memcpy(p->proc->exec_name, p->run->program, sizeof(p->run->program));
	p->run->main_pid = p->pid;
}

/* Before our record names another one: until then the agent of one that we
 * had with our parent waits for us. */
static void leave_shared_space(struct fw_proc *proc)
{
	struct fw_space *old = proc->old_space;

	if (!old || !proc->exec_shared)
		return;
	proc->old_space = NULL;
	__atomic_sub_fetch(&fw_space_port(old)->users, 1, __ATOMIC_SEQ_CST);
}

static void leave_own_space(struct kthread *t)
{
	struct fw_proc *proc = t->p->proc;
	struct fw_space *old = proc->old_space;

	proc->old_space = NULL;
	if (old)
		agent_leave(t, old);
}

static void enter_new_space(struct kthread *t)
{
	struct kproc *p = t->p;

	while (fw_space_create(p->mm, t->actor, &p->space) != FW_OK) {
		if (!p->run->filtered)
			no_memory(t);
		oom_kill(t);
	}
	fw_space_port(p->space)->users = 1;
	fw_space_port(p->space)->owner_pid = p->pid;
	fw_space_port(p->space)->owner_serial = p->proc->serial;
	leave_shared_space(p->proc);
	fw_space_hand_over(p->mm, t->actor, p->space, &p->proc->space);
	leave_own_space(t);
	t->actor->port_thread = (uint64_t)t;
	if (agent_start(t))
		no_memory(t);
}

/* ---- the program -------------------------------------------------------- */

static long open_program(struct kthread *t, bool is_first)
{
	long fd = run_fd(t->p->run, FW_FD_EXE);

	if (is_first) {
		long r = os_exec_first(t, t->p->proc->exec_path,
				       start.hs.argv, start.hs.envp);

		if (K_IS_ERR(r))
			return r;
		HC3(__NR_dup3, r, fd, 0);
		HC1(__NR_close, r);
	}
	return fd;
}

static void set_comm(const char *path)
{
	const char *base = path;

	for (const char *s = path; *s; s++)
		if (*s == '/')
			base = s + 1;
	HC5(__NR_prctl, PR_SET_NAME, base, 0, 0, 0);
}

/*
 * The stack's region: what is put there before the program starts, and some
 * more. From then on it grows (os_grow_down), as far as the limit of that time
 * says. Its lowest page is never given.
 */
static long map_stack(struct kthread *t, const struct image *im)
{
	uint64_t len, most = stack_limit();

	len = page_up(elf_stack_size(&start.hs, t->p->proc->exec_name));
	if (len < most)
		len += most - len < STACK_BELOW ? most - len : STACK_BELOW;
	len += FW_PAGE_SIZE;
	return map_anon_at(t, t->p->stack_top - len, len,
			   FW_PROT_R | FW_PROT_W |
				   (im->exec_stack ? FW_PROT_X : 0),
			   FW_VADF_STACK);
}

static long load(struct kthread *t, struct image *im, uint64_t *ret_sp,
		 bool is_first)
{
	struct kproc *p = t->p;
	long fd = open_program(t, is_first), r;

	if (K_IS_ERR(fd))
		return fd;
	r = elf_load(t, fd, im);
	os_exe_name(t, fd, p->proc->exec_path);
	busy_note(p->proc, fd);
	if (r)
		return r;
	set_comm(p->proc->exec_name);
	p->regions->brk_start = p->regions->brk_end = im->brk;
	r = map_stack(t, im);
	if (r)
		return r;
	return elf_stack(t, im, &start.hs, p->proc->exec_name, ret_sp);
}

static void first_context(struct kthread *t, struct ucontext *uc, uint64_t rip,
			  uint64_t sp)
{
	memset(uc, 0, sizeof(*uc));
	uc->uc_flags = 6; /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
	uc->uc_stack.ss_sp = (void *)(K_STACK_TOP(t) - FW_STACK_MAPPED);
	uc->uc_stack.ss_size = ((uint64_t)t & ~63ull) -
			       (uint64_t)uc->uc_stack.ss_sp;
	uc->uc_mcontext.rip = rip;
	uc->uc_mcontext.rsp = sp;
	uc->uc_mcontext.eflags = 0x202;
	uc->uc_mcontext.cs = 0x33;
	uc->uc_mcontext.ss = 0x2b;
	uc->uc_sigmask = stop_host_mask(t, t->guest_mask);
}

static bool join(struct kthread *t, uint64_t *ret_mask)
{
	const uint64_t cont = K_SIG_BIT(SIGCONT);
	struct fw_proc *proc;
	bool is_first;

	/* From now on none is missed (stop.c). */
	HC4(__NR_rt_sigprocmask, SIG_BLOCK, &cont, ret_mask, 8);
	join_run(t);
	proc = t->p->proc;
	is_first = proc->state != FW_PROC_EXECS;
	if (is_first)
		proc->exec_mask = *ret_mask;
	if (is_first) {
		limits_first(t);
		files_first(t);
	} else {
		limit_files_settle(t);
	}
	*ret_mask = proc->exec_mask;
	return is_first;
}

/* Of the first program; later ones are told by exec (62 calls less). */
static uint64_t ignored_signals(void)
{
	uint64_t set = 0, act[4];

	for (int sig = 1; sig <= K_NSIG; sig++)
		if (!HC4(__NR_rt_sigaction, sig, 0, act, 8) && act[0] == 1)
			set |= K_SIG_BIT(sig);
	return set;
}

static void image_main(void *arg)
{
	struct kthread *t = arg;
	struct ucontext uc __attribute__((aligned(16)));
	uint64_t sp;
	struct image im;
	bool is_first;
	long r;

	kthread_adopt(t);
	if (kthread_actor(t, NULL))
		no_memory(t);
	is_first = join(t, &t->guest_mask);
	os_signals_init(t, t->guest_mask,
			is_first ? ignored_signals()
				 : t->p->proc->exec_ignored);
	trap_install();
	enter_new_space(t);
	r = load(t, &im, &sp, is_first);
	if (r && is_first)
		fail(t, r == -ENOENT ? FW_FAIL_NOT_FOUND : FW_FAIL_NOT_EXEC, r);
	if (r)
		k_die(t, SIGKILL); /* as Linux, past the point of no return */
	if (!__atomic_exchange_n(&t->p->run->filtered, 1, __ATOMIC_SEQ_CST))
		if (os_filter_install(t))
			fail(t, FW_FAIL_US, -EPERM);
	t->p->proc->state = FW_PROC_RUNS;
	t->p->run->state = FW_RUN_GOING;
	first_context(t, &uc, im.start, sp);
	agent_await(t);
	fs_leave(t);
	k_resume(&uc);
}

void k_start(uint64_t sp);
void k_start(uint64_t sp)
{
	struct kproc *p = &first;
	struct kthread *t;

	parse_host_stack(sp);
	map_ram(p);
	p->pid = (uint32_t)HC0(__NR_getpid);
	p->n_threads = 1;
	p->next_window = FW_WINDOWS_BASE;
	if (!p->run->hwcap2)
		p->run->hwcap2 = (uint32_t)aux(start.hs.auxv, AT_HWCAP2);
	layout(p);
	t = kthread_create(p);
	if (!t)
		give_up("no memory for a kernel stack");
	k_switch_stack((uint64_t)t & ~63ull, image_main, t);
}
