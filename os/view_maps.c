/* SPDX-License-Identifier: MIT */
/*
 * procview.c - /proc/self/maps of the guest.
 *
 * The host's own list is that of a cache: what is mapped just now, and the
 * kernel half. Programs look there for their stack (pthread_getattr_np),
 * their data (garbage collectors) and their libraries. So opening it gives a
 * memory file instead, written from the regions of the space. What the host
 * knows of a mapped file (device, inode, path) is found by the view's window
 * (window.c) in the host's list.
 */
#include "os/procview.h"
#include "arch/host/kernel/trap.h"

#define HOST_O_CLOEXEC 02000000
#define MFD_CLOEXEC 1
#define LIST_BYTES (16ul << 20) /* the host's lines that matter, at most */
#define NAME_COLUMN 73
#define READ_BYTES 4096
#define BATCH 16

const char *proc_own(struct kthread *t, const char *path)
{
	static const char *const names[] = {"self/", "thread-self/"};
	uint32_t pid = t->p->pid, value = 0;
	size_t n;

	if (k_strncmp(path, "/proc/", 6))
		return NULL;
	path += 6;
	for (size_t i = 0; i < 2; i++) {
		n = k_strlen(names[i]);
		if (!k_strncmp(path, names[i], n))
			return path + n;
	}
	if (*path == '0')
		return NULL;
	for (; *path >= '0' && *path <= '9'; path++)
		value = value * 10 + (uint32_t)(*path - '0');
	return *path == '/' && value == pid ? path + 1 : NULL;
}

/* ---- the host's list ---------------------------------------------------- */

/* Lines of the host's list, one after the other, each with its NUL; only
 * those above the user half are kept. In order of address. */
struct host_list {
	char *text;
	uint64_t used;
};

struct host_line {
	uint64_t start, end, offset;
	const char *device; /* "08:01 1234   /path" */
};

static uint64_t take_hex(const char **s)
{
	uint64_t v = 0;

	for (;; (*s)++) {
		char c = **s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return v;
	}
}

/* "start-end perms offset device inode path" */
static struct host_line parse_line(const char *s)
{
	struct host_line line;

	line.start = take_hex(&s);
	s++;
	line.end = take_hex(&s);
	s += k_strlen(" rwxp ");
	line.offset = take_hex(&s);
	line.device = *s ? s + 1 : s;
	return line;
}

/* The line that begins at `from` has ended: keeps it or drops it. */
static void end_line(struct host_list *l, uint64_t from)
{
	l->text[l->used++] = 0;
	if (parse_line(l->text + from).start < FW_USER_TOP)
		l->used = from;
}

static long read_list(struct host_list *l)
{
	long fd = HC3(__NR_open, "/proc/self/maps", HOST_O_CLOEXEC, 0), n;
	char buf[READ_BYTES];
	uint64_t from = 0;

	if (fd < 0)
		return fd;
	while ((n = HC3(__NR_read, fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < n && l->used < LIST_BYTES - 1; i++) {
			if (buf[i] != '\n') {
				l->text[l->used++] = buf[i];
				continue;
			}
			end_line(l, from);
			from = l->used;
		}
	}
	l->used = from;
	HC1(__NR_close, fd);
	return n < 0 ? n : 0;
}

static bool find_line(const struct host_list *l, uint64_t addr,
		      struct host_line *ret)
{
	for (uint64_t at = 0; at < l->used; at += k_strlen(l->text + at) + 1) {
		*ret = parse_line(l->text + at);
		if (addr >= ret->start && addr < ret->end)
			return true;
	}
	return false;
}

/* ---- output ------------------------------------------------------------- */

struct out {
	long fd;
	unsigned n, column;
	char buf[READ_BYTES];
};

static void out_flush(struct out *o)
{
	if (o->n)
		HC3(__NR_write, o->fd, o->buf, o->n);
	o->n = 0;
}

static void out_char(struct out *o, char c)
{
	if (o->n == sizeof(o->buf))
		out_flush(o);
	o->buf[o->n++] = c;
	o->column = c == '\n' ? 0 : o->column + 1;
}

static void out_text(struct out *o, const char *s)
{
	while (*s)
		out_char(o, *s++);
}

static void out_hex(struct out *o, uint64_t v)
{
	unsigned digits = 8;

	while (digits < 16 && v >> (4 * digits))
		digits++;
	while (digits--)
		out_char(o, "0123456789abcdef"[v >> (4 * digits) & 15]);
}

/* A name stands in its own column; a line may have none. */
static void out_name(struct out *o, const char *name)
{
	if (*name) {
		while (o->column < NAME_COLUMN)
			out_char(o, ' ');
		out_text(o, name);
	}
	out_char(o, '\n');
}

/* "device inode   name" as the host says it of the window: its addresses are
 * longer than the guest's, the name's column is the same. */
static void out_tail(struct out *o, const char *tail)
{
	unsigned blanks = 0;

	while (*tail && blanks < 2) {
		blanks += *tail == ' ';
		out_char(o, *tail++);
	}
	while (*tail == ' ')
		tail++;
	out_name(o, tail);
}

/* ---- the guest's list --------------------------------------------------- */

static bool is_view(const struct fw_vad *v)
{
	return v->kind == FW_VAD_PRIVATE_VIEW || v->kind == FW_VAD_HOST;
}

static const char *own_name(const struct kproc *p, const struct fw_vad *v)
{
	if (v->flags & FW_VADF_STACK && v->end << FW_PAGE_SHIFT == p->stack_top)
		return "[stack]";
	if (p->brk_start < p->brk_end &&
	    v->start << FW_PAGE_SHIFT < p->brk_end &&
	    v->end << FW_PAGE_SHIFT > p->brk_start)
		return "[heap]";
	return v->kind == FW_VAD_SECTION ? "/dev/zero (deleted)" : "";
}

static void out_region(struct out *o, const struct kproc *p,
		       const struct host_list *l, const struct fw_vad *v)
{
	bool shared = v->kind == FW_VAD_SECTION || v->kind == FW_VAD_HOST;
	bool grown = v->flags & FW_VADF_STACK && v->stack_low > v->start;
	uint64_t window = v->cookie + (v->page << FW_PAGE_SHIFT);
	struct host_line line;

	out_hex(o, (grown ? v->stack_low : v->start) << FW_PAGE_SHIFT);
	out_char(o, '-');
	out_hex(o, v->end << FW_PAGE_SHIFT);
	out_char(o, ' ');
	out_char(o, v->prot & FW_PROT_R ? 'r' : '-');
	out_char(o, v->prot & FW_PROT_W ? 'w' : '-');
	out_char(o, v->prot & FW_PROT_X ? 'x' : '-');
	out_char(o, shared ? 's' : 'p');
	out_char(o, ' ');
	if (is_view(v) && find_line(l, window, &line)) {
		out_hex(o, line.offset + (window - line.start));
		out_char(o, ' ');
		out_tail(o, line.device);
		return;
	}
	out_text(o, shared ? "00000000 00:01 1 " : "00000000 00:00 0 ");
	out_name(o, own_name(p, v));
}

/* Copies the next regions from *at on; how many. */
static unsigned take_regions(struct kthread *t, uint64_t *at,
			     struct fw_vad v[BATCH])
{
	struct fw_space *space = t->p->space;
	const struct fw_vad *next;
	unsigned n = 0;

	fw_space_lock(space, t->actor);
	while (n < BATCH && (next = fw_vad_at_or_above(space, *at)) != NULL) {
		v[n++] = *next;
		*at = next->end << FW_PAGE_SHIFT;
	}
	fw_space_unlock(space);
	return n;
}

/* What the host maps for everybody: vdso, its data, vsyscall. */
static void out_host(struct out *o, const struct host_list *l)
{
	for (uint64_t at = 0; at < l->used; at += k_strlen(l->text + at) + 1) {
		const char *s = l->text + at;
		size_t len = k_strlen(s);

		while (len && s[len - 1] != '[' && s[len - 1] != ' ')
			len--;
		if (len && s[len - 1] == '[' && s[len] == 'v') {
			out_text(o, s);
			out_char(o, '\n');
		}
	}
}

static void write_maps(struct kthread *t, struct out *o,
		       const struct host_list *l)
{
	struct fw_vad v[BATCH];
	uint64_t at = 0;
	unsigned n;

	while ((n = take_regions(t, &at, v)) > 0)
		for (unsigned i = 0; i < n; i++)
			out_region(o, t->p, l, &v[i]);
	out_host(o, l);
	out_flush(o);
}

long proc_maps(struct kthread *t, long open_flags)
{
	long mfd = open_flags & HOST_O_CLOEXEC ? MFD_CLOEXEC : 0;
	long at = private_map(t, LIST_BYTES);
	struct host_list l = {.text = (char *)at};
	struct out o = {.n = 0, .column = 0};
	long ret;

	if (K_IS_ERR(at))
		return -ENOMEM;
	ret = read_list(&l);
	if (!ret)
		ret = o.fd = HC2(__NR_memfd_create, "maps", mfd);
	if (ret >= 0) {
		write_maps(t, &o, &l);
		HC3(__NR_lseek, o.fd, 0, 0);
	}
	window_close((uint64_t)at, LIST_BYTES);
	return ret;
}
