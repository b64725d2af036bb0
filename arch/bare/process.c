/* SPDX-License-Identifier: MIT */
/*
 * process.c - fork, and exec of ELF32 executables: file pages are views of the
 * file's section, what a page has behind a segment's last byte is zeroed, the
 * rest of .bss is anonymous; the stack grows by its guard page.
 */
#include "arch/bare/kernel.h"

#define PAGE 4096u
#define PAGE_UP(n) (((n) + PAGE - 1) & ~(PAGE - 1))
#define PAGE_DOWN(n) ((n) & ~(PAGE - 1))
#define FORK_TRIES 5
#define SEGMENTS_MAX 8
#define EFLAGS_IF 0x202

struct elf {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version, entry, segments, sections, flags;
	uint16_t size, segment_size, n_segments, rest[3];
};

struct segment {
	uint32_t type, offset, start, phys, file_bytes, bytes, flags, align;
};

enum { ELF_EXEC = 2, ELF_386 = 3, ELF_LOAD = 1 };

/* A program on its way into memory. */
struct program {
	struct file *file;
	struct fw_space *space;
	char *page; /* its first one, then what goes on its stack */
	uint32_t entry, brk, esp;
};

void process_first(void)
{
}

int process_fork(const struct frame *f)
{
	struct fw_space *parent = current->space, *child = NULL;
	enum fw_status status = FW_E_NOMEM;
	struct task *t = task_create(current->name);

	if (!t)
		return -E_AGAIN;
	for (int i = 0; i < FORK_TRIES && status != FW_OK; i++) {
		fw_make_room(kernel_mm, current->actor, parent,
			     fw_space_fork_need(parent));
		fw_space_lock(parent, current->actor);
		status = fw_space_fork_locked(kernel_mm, current->actor,
					      parent, &child);
		fw_space_unlock(parent);
	}
	if (status != FW_OK) {
		task_free(t);
		return -E_NOMEM;
	}
	paging_adopt(child);
	fw_space_hand_over(kernel_mm, current->actor, child, NULL);
	t->space = child;
	t->brk_start = current->brk_start;
	t->brk = current->brk;
	*task_frame(t) = *f;
	task_frame(t)->eax = 0;
	task_ready(t, process_first);
	return (int)t->pid;
}

/* ---- exec ---------------------------------------------------------------- */

static enum fw_status map(struct program *p, uint32_t start, uint32_t end,
			  uint32_t prot, uint32_t flags)
{
	struct fw_map_request rq = {
		.start = start, .len = end - start, .kind = FW_VAD_PRIVATE,
		.prot = (uint8_t)prot, .max_prot = 7, .flags = flags};

	return start == end ? FW_OK : fw_map(kernel_mm, current->actor,
					     p->space, &rq);
}

static enum fw_status map_file(struct program *p, const struct segment *s,
			       uint32_t end, uint32_t prot)
{
	struct fw_map_request rq = {
		.start = PAGE_DOWN(s->start), .len = end - PAGE_DOWN(s->start),
		.kind = FW_VAD_PRIVATE_VIEW, .prot = (uint8_t)prot,
		.max_prot = 7, .section = file_section(p->file),
		.page = s->offset / PAGE, .cookie = file_cookie(p->file)};

	if (rq.len == 0)
		return FW_OK;
	return rq.section ? fw_map(kernel_mm, current->actor, p->space, &rq) :
			    FW_E_NOMEM;
}

static bool segment_valid(const struct program *p, const struct segment *s)
{
	return s->bytes >= s->file_bytes && s->start >= USER_MIN &&
	       s->start + s->bytes >= s->start &&
	       s->start + s->bytes <= STACK_TOP - STACK_LEN &&
	       s->offset % PAGE == s->start % PAGE &&
	       s->offset <= p->file->size &&
	       s->file_bytes <= p->file->size - s->offset;
}

static int load_segment(struct program *p, const struct segment *s)
{
	static const char zeros[PAGE];
	uint32_t prot = (s->flags & 4 ? FW_PROT_R : 0u) |
			(s->flags & 2 ? FW_PROT_W : 0u) |
			(s->flags & 1 ? FW_PROT_X : 0u);
	uint32_t data_end = s->start + s->file_bytes, end = s->start + s->bytes;
	uint32_t views_end = s->file_bytes ? PAGE_UP(data_end) :
					     PAGE_DOWN(s->start);
	uint32_t tail = views_end - data_end;

	if (!segment_valid(p, s))
		return -E_NOEXEC;
	if (map_file(p, s, views_end, prot) != FW_OK ||
	    map(p, views_end, end > views_end ? PAGE_UP(end) : views_end, prot,
		0) != FW_OK)
		return -E_NOMEM;
	if (s->file_bytes && end > data_end && tail > 0 &&
	    fw_copy_out(kernel_mm, current->actor, p->space, data_end, zeros,
			tail) != tail)
		return -E_NOEXEC;
	if (PAGE_UP(end) > p->brk)
		p->brk = PAGE_UP(end);
	return 0;
}

static int load(struct program *p)
{
	const struct elf *e = (const struct elf *)(void *)p->page;
	uint32_t phys = phys_of(p->page);
	unsigned got;
	int error = 0;

	if (file_read(p->file, 0, &phys, 1, &got) != FW_OK)
		return -E_IO;
	if (memcmp(e->ident, "\177ELF\1\1", 6) || e->type != ELF_EXEC ||
	    e->machine != ELF_386 || e->n_segments > SEGMENTS_MAX ||
	    e->segments > PAGE - SEGMENTS_MAX * sizeof(struct segment))
		return -E_NOEXEC;
	for (unsigned i = 0; i < e->n_segments && !error; i++) {
		const struct segment *s =
			(const void *)(p->page + e->segments +
				       i * sizeof(*s));

		if (s->type == ELF_LOAD && s->bytes > 0)
			error = load_segment(p, s);
	}
	p->entry = e->entry;
	return error;
}

/* argc, argv[], NULL; the strings above them. */
static int push_args(struct program *p, const char *args, uint32_t n)
{
	uint32_t *vector = (uint32_t *)(void *)p->page, argc = 0;
	uint32_t strings = (STACK_TOP - n) & ~15u, bytes, i;

	for (i = 0; i < n; i += strlen(args + i) + 1)
		vector[1 + argc++] = strings + i;
	vector[0] = argc;
	vector[1 + argc] = 0;
	bytes = (argc + 2) * 4;
	p->esp = (strings - bytes) & ~15u;
	if (map(p, STACK_TOP - STACK_LEN, STACK_TOP, FW_PROT_R | FW_PROT_W,
		FW_VADF_STACK | FW_VADF_GUARD) != FW_OK ||
	    fw_copy_out(kernel_mm, current->actor, p->space, strings, args,
			n) != n ||
	    fw_copy_out(kernel_mm, current->actor, p->space, p->esp, vector,
			bytes) != bytes)
		return -E_NOMEM;
	return 0;
}

/* The new space takes the place of the old one. */
static void commit(struct frame *f, const struct program *p)
{
	struct fw_space *old = current->space;

	fw_space_hand_over(kernel_mm, current->actor, p->space, NULL);
	current->space = p->space;
	current->brk_start = current->brk = p->brk;
	current->handler = 0;
	strcopy(current->name, p->file->name, sizeof(current->name));
	paging_load(p->space);
	if (old)
		fw_space_destroy(kernel_mm, current->actor, old);
	memset(f, 0, sizeof(*f));
	f->ds = f->es = f->ss = USER_DS;
	f->cs = USER_CS;
	f->eflags = EFLAGS_IF;
	f->eip = p->entry;
	f->esp = p->esp;
}

int process_exec(struct frame *f, const char *name, const char *args,
		 uint32_t n)
{
	struct program p = {.file = file_named(name)};
	int error;

	if (!p.file)
		return -E_NOENT;
	p.page = fw_kalloc(kernel_mm, current->actor, PAGE);
	if (!p.page)
		return -E_NOMEM;
	error = fw_space_create(kernel_mm, current->actor, &p.space) == FW_OK ?
			0 : -E_NOMEM;
	if (!error) {
		paging_adopt(p.space);
		error = load(&p);
		if (!error)
			error = push_args(&p, args, n);
		if (error)
			fw_space_destroy(kernel_mm, current->actor, p.space);
	}
	fw_kfree(kernel_mm, current->actor, p.page, PAGE);
	if (!error)
		commit(f, &p);
	return error;
}
