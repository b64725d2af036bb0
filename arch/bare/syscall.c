/* SPDX-License-Identifier: MIT */
/* syscall.c - the calls of calls.h, but for maps.c and probe.c. */
#include "arch/bare/calls.h"
#include "arch/bare/kernel.h"

#define PAGE 4096u
#define CONSOLE 1
#define ARGS_MAX 16

int errno_of(enum fw_status status)
{
	switch (status) {
	case FW_OK:
		return 0;
	case FW_E_INVAL:
		return -E_INVAL;
	case FW_E_EXIST:
		return -E_EXIST;
	case FW_E_FAULT:
		return -E_FAULT;
	case FW_E_IO:
		return -E_IO;
	default:
		return -E_NOMEM;
	}
}

static int sys_write(uint32_t fd, uint32_t from, uint32_t n)
{
	uint32_t done = 0;
	char buffer[128];

	if (fd != CONSOLE)
		return -E_BADF;
	while (done < n) {
		uint32_t part = n - done < sizeof(buffer) ? n - done :
							    sizeof(buffer);
		uint32_t left = copy_from_user(buffer, from + done, part);

		console_write(buffer, part - left);
		done += part - left;
		if (left > 0)
			return done > 0 ? (int)done : -E_FAULT;
	}
	return (int)done;
}

/* Page by page, through one of the kernel's. */
static int read_pages(const struct file *f, const struct read_args *a,
		      char *page)
{
	uint32_t done = 0, phys = phys_of(page);
	unsigned got;

	while (done < a->bytes && a->offset + done < f->size) {
		uint32_t at = a->offset + done, part = PAGE - at % PAGE, left;

		if (part > a->bytes - done)
			part = a->bytes - done;
		if (part > f->size - at)
			part = f->size - at;
		if (file_read(f, at / PAGE, &phys, 1, &got) != FW_OK)
			return -E_IO;
		left = copy_to_user(a->buffer + done, page + at % PAGE, part);
		done += part - left;
		if (left > 0)
			return done > 0 ? (int)done : -E_FAULT;
	}
	return (int)done;
}

static int sys_read(uint32_t args)
{
	struct read_args a;
	struct file *f;
	char *page;
	int n;

	if (copy_from_user(&a, args, sizeof(a)) > 0)
		return -E_FAULT;
	f = file_number(a.file);
	if (!f)
		return -E_BADF;
	page = fw_kalloc(kernel_mm, current->actor, PAGE);
	if (!page)
		return -E_NOMEM;
	n = read_pages(f, &a, page);
	fw_kfree(kernel_mm, current->actor, page, PAGE);
	return n;
}

static int sys_open(uint32_t name)
{
	char text[sizeof(((struct file *)0)->name)];
	struct file *f;
	int n = string_from_user(text, name, sizeof(text));

	if (n < 0)
		return n;
	f = file_named(text);
	return f ? (int)file_cookie(f) : -E_NOENT;
}

static int sys_wait(uint32_t to)
{
	uint32_t status = 0, pid = task_wait(&status);

	if (pid == 0)
		return -E_CHILD;
	if (to && copy_to_user(to, &status, sizeof(status)) > 0)
		return -E_FAULT;
	return (int)pid;
}

/* The strings of a vector, one after the other; their bytes. */
static int gather(char *to, uint32_t vector)
{
	uint32_t n = 0, p;

	for (uint32_t i = 0; i < ARGS_MAX; i++, vector += 4) {
		int len;

		if (copy_from_user(&p, vector, 4) > 0)
			return -E_FAULT;
		if (!p)
			return (int)n;
		len = string_from_user(to + n, p, PAGE / 2 - n);
		if (len < 0)
			return len;
		n += (uint32_t)len + 1;
	}
	return -E_2BIG;
}

static int sys_exec(struct frame *f, uint32_t name, uint32_t vector)
{
	char text[sizeof(((struct file *)0)->name)], *args;
	int n = string_from_user(text, name, sizeof(text));

	if (n < 0)
		return n;
	args = fw_kalloc(kernel_mm, current->actor, PAGE / 2);
	if (!args)
		return -E_NOMEM;
	n = gather(args, vector);
	if (n >= 0)
		n = process_exec(f, text, args, (uint32_t)n);
	fw_kfree(kernel_mm, current->actor, args, PAGE / 2);
	return n;
}

/* The section that is to be mapped: with a reference of its own if it is
 * anonymous. */
static int mmap_section(const struct mmap_args *a, struct fw_map_request *rq)
{
	struct file *f = file_number(a->file);

	if (a->flags & MAP_FILE) {
		if (!f || (a->flags & MAP_SHARED && a->prot & FW_PROT_W))
			return -E_BADF; /* files are only read */
		rq->section = file_section(f);
		rq->cookie = a->file;
		rq->page = a->page;
		return rq->section ? 0 : -E_NOMEM;
	}
	if (!(a->flags & MAP_SHARED))
		return 0;
	return errno_of(fw_section_create(kernel_mm, current->actor, NULL,
					  a->len / PAGE, &rq->section));
}

static int sys_mmap(uint32_t args)
{
	struct fw_map_request rq = {.max_prot = 7};
	struct mmap_args a;
	int error;

	if (copy_from_user(&a, args, sizeof(a)) > 0)
		return -E_FAULT;
	rq.start = a.start;
	rq.len = a.len;
	rq.prot = a.prot & 7;
	rq.replace = 1;
	rq.flags = (a.flags & MAP_GUARD ? FW_VADF_GUARD : 0u) |
		   (a.flags & MAP_SINGLE ? FW_VADF_RANDOM : 0u);
	if (a.flags & MAP_SHARED && a.flags & MAP_FILE)
		rq.max_prot = FW_PROT_R | FW_PROT_X;
	error = mmap_section(&a, &rq);
	if (error)
		return error;
	rq.kind = a.flags & MAP_RESERVE ? FW_VAD_RESERVED :
		  a.flags & MAP_SHARED ? FW_VAD_SECTION :
		  rq.section ? FW_VAD_PRIVATE_VIEW : FW_VAD_PRIVATE;
	error = errno_of(fw_map(kernel_mm, current->actor, current->space,
				&rq));
	if (rq.section && !(a.flags & MAP_FILE))
		fw_section_unref(kernel_mm, current->actor, rq.section);
	return error;
}

static int sys_brk(uint32_t end)
{
	uint32_t from = (current->brk + PAGE - 1) & ~(PAGE - 1);
	uint32_t to = (end + PAGE - 1) & ~(PAGE - 1);
	struct fw_map_request rq = {
		.start = from, .len = to - from, .kind = FW_VAD_PRIVATE,
		.prot = FW_PROT_R | FW_PROT_W, .max_prot = 7};
	enum fw_status status = FW_OK;

	if (end < current->brk_start || end > STACK_TOP - STACK_LEN)
		return (int)current->brk;
	if (to > from)
		status = fw_map(kernel_mm, current->actor, current->space,
				&rq);
	else if (to < from)
		status = fw_unmap(kernel_mm, current->actor, current->space,
				  to, from - to);
	if (status == FW_OK)
		current->brk = end;
	return (int)current->brk;
}

static int dispatch(struct frame *f)
{
	uint32_t a = f->ebx, b = f->ecx, c = f->edx;

	switch (f->eax) {
	case CALL_EXIT:
		task_exit(a & 0xff);
	case CALL_FORK:
		return process_fork(f);
	case CALL_READ:
		return sys_read(a);
	case CALL_WRITE:
		return sys_write(a, b, c);
	case CALL_OPEN:
		return sys_open(a);
	case CALL_WAIT:
		return sys_wait(a);
	case CALL_MMAP:
		return sys_mmap(a);
	case CALL_MUNMAP:
		return errno_of(fw_unmap(kernel_mm, current->actor,
					 current->space, a, b));
	case CALL_MPROTECT:
		return errno_of(fw_protect(kernel_mm, current->actor,
					   current->space, a, b, c & 7));
	case CALL_BRK:
		return sys_brk(a);
	case CALL_YIELD:
		task_yield();
		return 0;
	case CALL_MAPS:
		return sys_maps(a, b);
	case CALL_CATCH:
		current->handler = a;
		return 0;
	case CALL_PROBE:
		return sys_probe(a, b, c);
	default:
		return -E_NOSYS;
	}
}

void syscall(struct frame *f)
{
	int error;

	if (f->eax != CALL_EXEC) {
		f->eax = (uint32_t)dispatch(f);
		return;
	}
	/* On success the frame is another program's. */
	error = sys_exec(f, f->ebx, f->ecx);
	if (error)
		f->eax = (uint32_t)error;
}
