/* SPDX-License-Identifier: MIT */
/*
 * elf.c - loads an x86-64 ELF program: regions for its segments, its
 * interpreter, its first stack. Nothing is read in but headers: pages come
 * when they are touched, and the page where .data ends and .bss begins,
 * whose tail must be zero.
 */
#include <linux/auxvec.h>
#include <linux/elf.h>

#include "arch/host/kernel/trap.h"
#include "os/image.h"

#define STACK_FIXED 2048 /* auxv, its strings, one of ours, alignment */
#define PIE_BASE 0x555555554000ull
#define MAX_PHDRS 64

static uint64_t page_down(uint64_t a)
{
	return a & ~FW_PAGE_MASK;
}

static uint64_t page_up(uint64_t a)
{
	return (a + FW_PAGE_MASK) & ~FW_PAGE_MASK;
}

struct elf_file {
	long fd;
	struct elf64_hdr eh;
	struct elf64_phdr ph[MAX_PHDRS];
	uint64_t low, high; /* page-aligned extent of the segments */
	char interp[256];
};

bool elf_acceptable(const uint8_t *head, long len)
{
	const struct elf64_hdr *eh = (const void *)head;

	return len >= (long)sizeof(*eh) && !memcmp(head, ELFMAG, SELFMAG) &&
	       eh->e_ident[EI_CLASS] == ELFCLASS64 &&
	       eh->e_machine == EM_X86_64 &&
	       (eh->e_type == ET_EXEC || eh->e_type == ET_DYN) &&
	       eh->e_phentsize == sizeof(struct elf64_phdr) && eh->e_phnum &&
	       eh->e_phnum <= MAX_PHDRS;
}

static long read_interp(struct elf_file *f, const struct elf64_phdr *ph)
{
	long n;

	if (ph->p_filesz < 2 || ph->p_filesz > sizeof(f->interp))
		return -ENOEXEC;
	n = HC4(__NR_pread64, f->fd, f->interp, ph->p_filesz, ph->p_offset);
	if (n != (long)ph->p_filesz || f->interp[n - 1])
		return -ENOEXEC;
	return 0;
}

static long read_headers(struct elf_file *f)
{
	long size, n;

	n = HC4(__NR_pread64, f->fd, &f->eh, sizeof(f->eh), 0);
	if (!elf_acceptable((const uint8_t *)&f->eh, n))
		return -ENOEXEC;
	size = (long)(f->eh.e_phnum * sizeof(f->ph[0]));
	if (HC4(__NR_pread64, f->fd, f->ph, size, f->eh.e_phoff) != size)
		return -ENOEXEC;
	f->low = ~0ull;
	f->high = 0;
	f->interp[0] = 0;
	for (unsigned i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *ph = &f->ph[i];
		uint64_t end = page_up(ph->p_vaddr + ph->p_memsz);

		if (ph->p_type == PT_INTERP && read_interp(f, ph))
			return -ENOEXEC;
		if (ph->p_type != PT_LOAD)
			continue;
		if (page_down(ph->p_vaddr) < f->low)
			f->low = page_down(ph->p_vaddr);
		if (end > f->high)
			f->high = end;
	}
	return f->low < f->high ? 0 : -ENOEXEC;
}

long elf_check(struct kthread *t, long fd)
{
	struct elf_file f = { .fd = fd };
	long r = read_headers(&f);

	if (r || f.eh.e_type != ET_EXEC || f.low >= FW_USER_MIN)
		return r;
	os_refused(t, FW_REFUSED_LOW);
	return -ENOEXEC;
}

static unsigned segment_prot(uint32_t flags)
{
	return (flags & PF_R ? FW_PROT_R : 0) | (flags & PF_W ? FW_PROT_W : 0) |
	       (flags & PF_X ? FW_PROT_X : 0);
}

static long zero_user(struct kthread *t, uint64_t at, uint64_t len)
{
	static const uint8_t zeros[512];

	while (len) {
		uint64_t n = len < sizeof(zeros) ? len : sizeof(zeros);

		if (user_write(t, at, zeros, n))
			return -EFAULT;
		at += n;
		len -= n;
	}
	return 0;
}

static long map_segment(struct kthread *t, const struct elf_file *f,
			const struct elf64_phdr *ph, uint64_t bias)
{
	uint64_t va = ph->p_vaddr + bias, start = page_down(va);
	uint64_t file_end = va + ph->p_filesz, end = va + ph->p_memsz;
	unsigned prot = segment_prot(ph->p_flags);
	long r = 0;

	if ((ph->p_vaddr - ph->p_offset) & FW_PAGE_MASK)
		return -ENOEXEC;
	if (ph->p_filesz)
		r = map_file_at(t, start, page_up(file_end) - start, prot,
				f->fd, page_down(ph->p_offset));
	else
		file_end = start;
	if (!r && page_up(end) > page_up(file_end))
		r = map_anon_at(t, page_up(file_end),
				page_up(end) - page_up(file_end), prot, 0);
	if (!r && end > file_end && ph->p_filesz && prot & FW_PROT_W)
		r = zero_user(t, file_end, page_up(file_end) - file_end);
	return r;
}

static long map_segments(struct kthread *t, const struct elf_file *f,
			 uint64_t bias)
{
	for (unsigned i = 0; i < f->eh.e_phnum; i++) {
		long r;

		if (f->ph[i].p_type != PT_LOAD)
			continue;
		r = map_segment(t, f, &f->ph[i], bias);
		if (r)
			return r;
	}
	return 0;
}

static uint64_t phdr_address(const struct elf_file *f, uint64_t bias)
{
	for (unsigned i = 0; i < f->eh.e_phnum; i++) {
		const struct elf64_phdr *ph = &f->ph[i];

		if (ph->p_type == PT_PHDR)
			return ph->p_vaddr + bias;
		if (ph->p_type == PT_LOAD && f->eh.e_phoff >= ph->p_offset &&
		    f->eh.e_phoff < ph->p_offset + ph->p_filesz)
			return ph->p_vaddr + bias + f->eh.e_phoff -
			       ph->p_offset;
	}
	return 0;
}

/* Where code and data lie, as /proc/PID/stat says. */
static void show_extent(struct kproc *p, const struct elf_file *f,
			uint64_t bias)
{
	struct fw_proc_image *im = &p->proc->image;

	im->start_code = ~0ull;
	im->end_code = im->start_data = im->end_data = 0;
	for (unsigned i = 0; i < f->eh.e_phnum; i++) {
		uint64_t start = f->ph[i].p_vaddr + bias;
		uint64_t end = start + f->ph[i].p_filesz;

		if (f->ph[i].p_type != PT_LOAD)
			continue;
		if (f->ph[i].p_flags & PF_X) {
			im->start_code = start < im->start_code
						 ? start
						 : im->start_code;
			im->end_code = end > im->end_code ? end : im->end_code;
		}
		im->start_data = start > im->start_data ? start
							: im->start_data;
		im->end_data = end > im->end_data ? end : im->end_data;
	}
	if (im->start_code > im->end_code)
		im->start_code = im->end_code;
}

static long load_interp(struct kthread *t, const char *path, struct image *im)
{
	struct elf_file f;
	long r, at;

	f.fd = HC3(__NR_open, path, 02000000 /* O_CLOEXEC */, 0);
	if (f.fd < 0)
		return f.fd;
	r = read_headers(&f);
	if (!r) {
		at = find_place(t, f.high - f.low);
		r = K_IS_ERR(at) ? at : 0;
	}
	if (!r) {
		im->interp_base = (uint64_t)at - f.low;
		im->start = f.eh.e_entry + im->interp_base;
		r = map_segments(t, &f, im->interp_base);
	}
	HC1(__NR_close, f.fd);
	return r;
}

static bool wants_exec_stack(const struct elf_file *f)
{
	for (unsigned i = 0; i < f->eh.e_phnum; i++)
		if (f->ph[i].p_type == PT_GNU_STACK)
			return f->ph[i].p_flags & PF_X;
	return true; /* no note: an old program, as Linux takes it */
}

long elf_load(struct kthread *t, long fd, struct image *im)
{
	struct elf_file f = { .fd = fd };
	long r = read_headers(&f);
	uint64_t bias;

	if (r)
		return r;
	bias = f.eh.e_type == ET_DYN ? PIE_BASE - f.low : 0;
	if (f.eh.e_type == ET_DYN && !f.interp[0]) {
		long at = find_place(t, f.high - f.low); /* ld.so itself */

		if (K_IS_ERR(at))
			return at;
		bias = (uint64_t)at - f.low;
	}
	if (f.high + bias > FW_USER_TOP || f.low + bias < FW_USER_MIN)
		return -ENOEXEC;
	memset(im, 0, sizeof(*im));
	im->base = bias;
	im->entry = im->start = f.eh.e_entry + bias;
	im->phdr = phdr_address(&f, bias);
	im->phnum = f.eh.e_phnum;
	im->phent = f.eh.e_phentsize;
	im->brk = f.high + bias;
	if (f.eh.e_type == ET_DYN && !f.interp[0])
		im->brk = PIE_BASE;
	im->exec_stack = wants_exec_stack(&f);
	im->seeks_leaks = elf_seeks_leaks(fd, f.ph, f.eh.e_phnum);
	show_extent(t->p, &f, bias);
	r = map_segments(t, &f, bias);
	if (!r && f.interp[0])
		r = load_interp(t, f.interp, im);
	return r;
}

/* ---- the first stack ---------------------------------------------------- */

struct stack {
	struct kthread *t;
	uint64_t sp;
	long error;
};

static void push_bytes(struct stack *s, const void *data, uint64_t len)
{
	s->sp -= len;
	if (!s->error)
		s->error = user_write(s->t, s->sp, data, len);
}

static uint64_t push_string(struct stack *s, const char *text)
{
	push_bytes(s, text, k_strlen(text) + 1);
	return s->sp;
}

static uint64_t host_aux(const struct host_stack *hs, uint64_t type)
{
	for (const uint64_t *a = hs->auxv; a[0]; a += 2)
		if (a[0] == type)
			return a[1];
	return 0;
}

static void aux(struct kproc *p, uint64_t type, uint64_t value)
{
	if (p->n_auxv + 2 <= sizeof(p->auxv) / sizeof(p->auxv[0])) {
		p->auxv[p->n_auxv++] = type;
		p->auxv[p->n_auxv++] = value;
	}
}

static void make_auxv(struct kproc *p, const struct image *im,
		      const struct host_stack *hs, const uint64_t strings[3])
{
	static const uint16_t from_host[] = {
		AT_HWCAP, AT_HWCAP2, AT_CLKTCK, AT_UID, AT_EUID,
		AT_GID,	  AT_EGID,   AT_SECURE, 51 /* AT_MINSIGSTKSZ */
	};

	p->n_auxv = 0;
	if (p->vdso)
		aux(p, AT_SYSINFO_EHDR, p->vdso);
	for (unsigned i = 0; i < sizeof(from_host) / sizeof(*from_host); i++)
		if (from_host[i] != 51 || host_aux(hs, 51))
			aux(p, from_host[i], host_aux(hs, from_host[i]));
	aux(p, AT_PAGESZ, FW_PAGE_SIZE);
	aux(p, AT_PHDR, im->phdr);
	aux(p, AT_PHENT, im->phent);
	aux(p, AT_PHNUM, im->phnum);
	aux(p, AT_BASE, im->interp_base);
	aux(p, AT_FLAGS, 0);
	aux(p, AT_ENTRY, im->entry);
	aux(p, AT_RANDOM, strings[0]);
	aux(p, AT_PLATFORM, strings[1]);
	aux(p, AT_EXECFN, strings[2]);
	aux(p, AT_NULL, 0);
}

static uint64_t count(char *const *v)
{
	uint64_t n = 0;

	while (v[n])
		n++;
	return n;
}

/*
 * Writes one vector of pointers at `at`: the strings were pushed one after
 * the other, the first one lowest, and lie at `text` on. `more`: behind them
 * lies one that v does not know.
 */
static void put_vector(struct stack *s, uint64_t at, uint64_t text,
		       char *const *v, uint64_t n, bool more)
{
	uint64_t batch[64], tail[2];
	uint64_t used = 0;

	for (uint64_t i = 0; i < n && !s->error; i++) {
		batch[used++] = text;
		text += k_strlen(v[i]) + 1;
		if (used == 64 || i + 1 == n) {
			s->error = user_write(s->t, at, batch, used * 8);
			at += used * 8;
			used = 0;
		}
	}
	tail[0] = more ? text : 0;
	tail[1] = 0;
	if (!s->error)
		s->error = user_write(s->t, at, tail, more ? 16 : 8);
}

/*
 * LeakSanitizer needs ptrace, and ends a program with an error where it may
 * not have it. It is told not to run, unless the user has told it something.
 */
static bool no_leaks(struct kthread *t, const struct image *im,
		     const struct host_stack *hs)
{
	if (!im->seeks_leaks)
		return false;
	for (char **e = hs->envp; *e; e++)
		if (!k_strncmp(*e, "LSAN_OPTIONS=", 13))
			return false;
	os_refused(t, FW_REFUSED_LEAKS);
	return true;
}

static uint64_t push_strings(struct stack *s, char *const *v, uint64_t n)
{
	while (n--)
		push_string(s, v[n]);
	return s->sp;
}

/* What /proc shows of the stack: the strings lie from args to the name. */
static void show_stack(struct kproc *p, const struct image *im, uint64_t sp,
		       const uint64_t strings[3], uint64_t args, uint64_t envs)
{
	struct fw_proc_image *show = &p->proc->image;

	show->start_brk = show->brk = im->brk;
	show->start_stack = sp;
	show->arg_start = args;
	show->arg_end = show->env_start = envs;
	show->env_end = strings[2];
	show->n_auxv = p->n_auxv;
	if (show->n_auxv > sizeof(show->auxv) / sizeof(show->auxv[0]))
		show->n_auxv = sizeof(show->auxv) / sizeof(show->auxv[0]);
	memcpy(show->auxv, p->auxv, show->n_auxv * sizeof(show->auxv[0]));
}

static uint64_t vector_size(char *const *v)
{
	uint64_t bytes = 8;

	for (; *v; v++)
		bytes += k_strlen(*v) + 1 + 8;
	return bytes;
}

uint64_t elf_stack_size(const struct host_stack *hs, const char *exec_name)
{
	return vector_size(hs->argv) + vector_size(hs->envp) +
	       k_strlen(exec_name) + STACK_FIXED;
}

long elf_stack(struct kthread *t, const struct image *im,
	       const struct host_stack *hs, const char *exec_name,
	       uint64_t *ret_sp)
{
	struct stack s = { t, t->p->stack_top - 16, 0 };
	uint64_t envc = count(hs->envp), strings[3], args, envs, at;
	bool more = no_leaks(t, im, hs);

	strings[2] = push_string(&s, exec_name);
	if (more)
		push_string(&s, "LSAN_OPTIONS=detect_leaks=0");
	envs = push_strings(&s, hs->envp, envc);
	args = push_strings(&s, hs->argv, hs->argc);
	strings[1] = push_string(&s, "x86_64");
	s.sp &= ~15ull;
	push_bytes(&s, (const void *)host_aux(hs, AT_RANDOM), 16);
	strings[0] = s.sp;
	make_auxv(t->p, im, hs, strings);
	s.sp -= (hs->argc + envc + more + 3 + t->p->n_auxv) * 8;
	s.sp &= ~15ull;
	at = s.sp;
	if (!s.error)
		s.error = user_write(t, at, &hs->argc, 8);
	at += 8;
	put_vector(&s, at, args, hs->argv, hs->argc, false);
	at += (hs->argc + 1) * 8;
	put_vector(&s, at, envs, hs->envp, envc, more);
	at += (envc + more + 1) * 8;
	if (!s.error)
		s.error = user_write(t, at, t->p->auxv, t->p->n_auxv * 8);
	show_stack(t->p, im, s.sp, strings, args, envs);
	*ret_sp = s.sp;
	return s.error ? -ENOMEM : 0;
}
