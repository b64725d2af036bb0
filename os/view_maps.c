/* SPDX-License-Identifier: MIT */
/*
 * view_maps.c - maps, smaps, smaps_rollup and numa_maps, from the regions of a
 * space and its page tables.
 *
 * What the host knows of a mapped file (device, inode, path) is found by the
 * view's window (window.c) in the host's own list of the process's mappings.
 */
#include "os/view.h"

#define LIST_BYTES (20ul << 20) /* the host's lines that matter, at most */
#define LIST_LINES 65536u
#define READ_BYTES 4096
#define NAME_COLUMN 73
#define KIB_OF_PAGES(n) ((n) << (FW_PAGE_SHIFT - 10))
#define PSS_SHIFT 12

/* ---- the host's list ---------------------------------------------------- */

struct host_line {
	uint64_t start, end, offset;
	const char *tail; /* "08:01 1234   /path" */
};

/* Lines of the host's list, one after the other, each with its NUL; only
 * those above the user half are kept. In order of address. */
struct host_list {
	char *text;
	uint64_t used;
	struct host_line *line;
	unsigned n;
};

/* "start-end perms offset device inode path" */
static struct host_line parse_line(const char *s)
{
	struct host_line line;

	line.start = take_hex(&s);
	s++;
	line.end = take_hex(&s);
	s += k_strlen(" rwxp ");
	line.offset = take_hex(&s);
	line.tail = *s ? s + 1 : s;
	return line;
}

/* The line that begins at `from` has ended: keeps it or drops it. */
static void end_line(struct host_list *l, uint64_t from)
{
	struct host_line line;

	l->text[l->used++] = 0;
	line = parse_line(l->text + from);
	if (line.start < FW_USER_TOP || l->n == LIST_LINES)
		l->used = from;
	else
		l->line[l->n++] = line;
}

static void read_list(struct host_list *l, uint32_t pid)
{
	long fd = host_open(pid, "maps"), n;
	char buf[READ_BYTES];
	uint64_t from = 0;

	if (fd < 0)
		return; /* no names */
	while ((n = HC3(__NR_read, fd, buf, sizeof(buf))) > 0) {
		for (long i = 0; i < n; i++) {
			if (buf[i] == '\n') {
				end_line(l, from);
				from = l->used;
			} else if (l->used < LIST_BYTES - 1) {
				l->text[l->used++] = buf[i];
			}
		}
	}
	HC1(__NR_close, fd);
}

#define LIST_MAP (LIST_BYTES + LIST_LINES * sizeof(struct host_line))

static long list_open(struct kthread *t, uint32_t pid, struct host_list *l)
{
	long at = private_map(t, LIST_MAP);

	if (K_IS_ERR(at))
		return -ENOMEM;
	l->text = (char *)at;
	l->line = (struct host_line *)(void *)(l->text + LIST_BYTES);
	l->used = 0;
	l->n = 0;
	read_list(l, pid);
	return 0;
}

static void list_close(struct host_list *l)
{
	window_close((uint64_t)l->text, LIST_MAP);
}

/* The line that holds an address, or NULL. */
static const struct host_line *find_line(const struct host_list *l,
					 uint64_t addr)
{
	unsigned low = 0, high = l->n;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (addr >= l->line[mid].end)
			low = mid + 1;
		else
			high = mid;
	}
	return low < l->n && addr >= l->line[low].start ? &l->line[low] : NULL;
}

/* What the host maps for everybody: vdso, its data, vsyscall. */
static bool is_hosts(const struct host_line *line)
{
	const char *s = line->tail;

	while (*s && *s != '[')
		s++;
	return s[0] == '[' && s[1] == 'v';
}

uint64_t view_vdso_pages(struct kthread *t)
{
	static uint64_t pages; /* the same in all processes of a boot */
	struct host_list l;
	uint64_t sum = 0;

	if (pages || list_open(t, t->p->pid, &l))
		return pages;
	for (unsigned i = 0; i < l.n; i++)
		if (is_hosts(&l.line[i]) && !(l.line[i].start >> 63))
			sum += l.line[i].end - l.line[i].start;
	list_close(&l);
	pages = sum >> FW_PAGE_SHIFT;
	return pages;
}

/* ---- regions ------------------------------------------------------------ */

unsigned view_regions(struct kthread *t, const struct view *v, uint64_t *at,
		      struct fw_vad vad[VIEW_BATCH])
{
	const struct fw_vad *next;
	unsigned n = 0;

	if (!view_enter(t, v))
		return 0;
	fw_space_lock(v->space, t->actor);
	while (n < VIEW_BATCH &&
	       (next = fw_vad_at_or_above(v->space, *at)) != NULL) {
		vad[n++] = *next;
		*at = next->end << FW_PAGE_SHIFT;
	}
	fw_space_unlock(v->space);
	view_leave(t, v);
	return n;
}

static bool is_file(const struct fw_vad *v)
{
	return v->kind == FW_VAD_PRIVATE_VIEW || v->kind == FW_VAD_HOST;
}

static const char *own_name(const struct view *v, const struct fw_vad *vad)
{
	uint64_t start = vad->start << FW_PAGE_SHIFT;
	uint64_t end = vad->end << FW_PAGE_SHIFT;
	uint64_t heap = (v->image.start_brk + FW_PAGE_MASK) & ~FW_PAGE_MASK;

	if (vad->kind == FW_VAD_SECTION)
		return "/dev/zero (deleted)";
	if (v->image.start_stack >= start && v->image.start_stack < end)
		return "[stack]";
	if (start < v->image.brk && end > heap)
		return "[heap]";
	return "";
}

/* A name stands in its own column; a line may have none. */
static void put_name(struct text *o, const char *name)
{
	if (*name) {
		text_column(o, NAME_COLUMN);
		text_put(o, name);
	}
	text_char(o, '\n');
}

/* "device inode   name" as the host says it of the window: its addresses are
 * longer than the guest's, the name's column is the same. */
static void put_tail(struct text *o, const char *tail)
{
	unsigned blanks = 0;

	while (*tail && blanks < 2) {
		blanks += *tail == ' ';
		text_char(o, *tail++);
	}
	while (*tail == ' ')
		tail++;
	put_name(o, tail);
}

static void put_range(struct text *o, uint64_t start, uint64_t end)
{
	text_hex(o, start, 8);
	text_char(o, '-');
	text_hex(o, end, 8);
	text_char(o, ' ');
}

static const struct host_line *line_of(const struct host_list *l,
				       const struct fw_vad *vad)
{
	if (!is_file(vad))
		return NULL;
	return find_line(l, vad->cookie + (vad->page << FW_PAGE_SHIFT));
}

static void put_region(struct text *o, const struct view *v,
		       const struct host_list *l, const struct fw_vad *vad)
{
	const struct host_line *line = line_of(l, vad);
	uint64_t window = vad->cookie + (vad->page << FW_PAGE_SHIFT);

	put_range(o, view_start(vad) << FW_PAGE_SHIFT,
		  vad->end << FW_PAGE_SHIFT);
	text_char(o, vad->prot & FW_PROT_R ? 'r' : '-');
	text_char(o, vad->prot & FW_PROT_W ? 'w' : '-');
	text_char(o, vad->prot & FW_PROT_X ? 'x' : '-');
	text_char(o, view_is_shared(vad) ? 's' : 'p');
	text_char(o, ' ');
	if (line) {
		text_hex(o, line->offset + (window - line->start), 8);
		text_char(o, ' ');
		put_tail(o, line->tail);
		return;
	}
	text_put(o, vad->kind == FW_VAD_SECTION ? "00000000 00:01 1 "
						: "00000000 00:00 0 ");
	put_name(o, own_name(v, vad));
}

/* Calls `put` for each region, then `last` for each line of the host's. */
struct walk {
	struct kthread *t;
	const struct view *v;
	struct text *o;
	struct host_list list;
	void (*put)(struct walk *w, const struct fw_vad *vad);
	void (*last)(struct walk *w, const struct host_line *line);
	struct view_sums sums; /* rollup */
	uint64_t low, high;
};

static long walk(struct walk *w)
{
	struct fw_vad vad[VIEW_BATCH];
	uint64_t at = 0;
	unsigned n;
	long ret = list_open(w->t, w->v->pid, &w->list);

	if (ret)
		return ret;
	while ((n = view_regions(w->t, w->v, &at, vad)) > 0)
		for (unsigned i = 0; i < n; i++)
			w->put(w, &vad[i]);
	for (unsigned i = 0; i < w->list.n; i++)
		if (is_hosts(&w->list.line[i]))
			w->last(w, &w->list.line[i]);
	list_close(&w->list);
	return 0;
}

static void maps_put(struct walk *w, const struct fw_vad *vad)
{
	put_region(w->o, w->v, &w->list, vad);
}

/* Lines of the host's stand one after the other, with where they begin. */
static void maps_last(struct walk *w, const struct host_line *line)
{
	const char *from = line == w->list.line ? w->list.text
						: line[-1].tail;

	if (line != w->list.line)
		from += k_strlen(from) + 1;
	text_put(w->o, from);
	text_char(w->o, '\n');
}

long view_maps(struct kthread *t, const struct view *v, long fd, struct text *o)
{
	struct walk w = {.t = t, .v = v, .o = o, .put = maps_put,
			 .last = maps_last};

	(void)fd;
	return walk(&w);
}

/* Device and inode are the two first words of what follows. */
static bool same_words(const char *a, const char *b)
{
	unsigned blanks = 0;

	for (; *a && *a == *b && blanks < 2; a++, b++)
		blanks += *a == ' ';
	return blanks == 2;
}

bool view_same_file(struct kthread *t, uint64_t a, uint64_t b)
{
	const struct host_line *la, *lb;
	struct host_list l;
	bool same;

	if (list_open(t, t->p->pid, &l))
		return false;
	la = find_line(&l, a);
	lb = find_line(&l, b);
	same = la && lb && same_words(la->tail, lb->tail);
	list_close(&l);
	return same;
}

/* ---- sums --------------------------------------------------------------- */

static void sum_page(struct view_sums *s, const struct fw_vad *vad,
		     struct fw_look look)
{
	bool dirty = look.bits & FW_LOOK_DIRTY, object, shmem;
	unsigned share = look.share ? look.share : 1;
	uint64_t part = (1u << PSS_SHIFT) / share;

	s->away += !!(look.bits & FW_LOOK_AWAY);
	if (!(look.bits & FW_LOOK_PRESENT))
		return;
	object = look.bits & FW_LOOK_OBJECT;
	shmem = object && vad->kind == FW_VAD_SECTION;
	s->present++;
	s->shmem += shmem;
	s->file += object && !shmem;
	s->pss += part;
	s->pss_shmem += shmem ? part : 0;
	s->pss_file += object && !shmem ? part : 0;
	s->pss_dirty += dirty ? part : 0;
	s->locked += vad->flags & FW_VADF_LOCKED ? part : 0;
	if (share > 1)
		*(dirty ? &s->shared_dirty : &s->shared_clean) += 1;
	else
		*(dirty ? &s->private_dirty : &s->private_clean) += 1;
}

void view_sum(struct kthread *t, const struct view *v, const struct fw_vad *vad,
	      struct view_sums *sums)
{
	struct fw_look look[FW_TABLE_ENTRIES];
	fw_vpn vpn = vad->start;
	unsigned n;

	do {
		if (!view_enter(t, v))
			return;
		fw_space_lock(v->space, t->actor);
		n = fw_look_locked(v->space, &vpn, vad->end, look);
		fw_space_unlock(v->space);
		view_leave(t, v);
		for (unsigned i = 0; i < n; i++)
			sum_page(sums, vad, look[i]);
		vpn += n;
	} while (n);
}

/* ---- smaps -------------------------------------------------------------- */

/* "Key:              12 kB", the number's end in one column. */
static void put_kib(struct text *o, const char *key, uint64_t kib)
{
	uint64_t width = k_strlen(key) + 1;

	text_put(o, key);
	text_char(o, ':');
	text_dec(o, kib, width < 24 ? (unsigned)(24 - width) : 0);
	text_put(o, " kB\n");
}

static void put_pages(struct text *o, const char *key, uint64_t pages)
{
	put_kib(o, key, KIB_OF_PAGES(pages));
}

static void put_pss(struct text *o, const char *key, uint64_t pss)
{
	put_kib(o, key, KIB_OF_PAGES(pss) >> PSS_SHIFT);
}

static void put_sums(struct text *o, const struct view_sums *s, bool rollup)
{
	static const char *const none[] = {
		"KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
		"FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb"};

	put_pages(o, "Rss", s->present);
	put_pss(o, "Pss", s->pss);
	put_pss(o, "Pss_Dirty", s->pss_dirty);
	if (rollup) {
		put_pss(o, "Pss_Anon", s->pss - s->pss_file - s->pss_shmem);
		put_pss(o, "Pss_File", s->pss_file);
		put_pss(o, "Pss_Shmem", s->pss_shmem);
	}
	put_pages(o, "Shared_Clean", s->shared_clean);
	put_pages(o, "Shared_Dirty", s->shared_dirty);
	put_pages(o, "Private_Clean", s->private_clean);
	put_pages(o, "Private_Dirty", s->private_dirty);
	put_pages(o, "Referenced", s->present);
	put_pages(o, "Anonymous", s->present - s->file - s->shmem);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		put_kib(o, none[i], 0);
	put_pages(o, "Swap", s->away);
	put_pages(o, "SwapPss", s->away);
	put_pss(o, "Locked", s->locked);
}

static void put_flags(struct text *o, const struct fw_vad *vad)
{
	const struct {
		bool on;
		const char *name;
	} flag[] = {
		{vad->prot & FW_PROT_R, "rd "},
		{vad->prot & FW_PROT_W, "wr "},
		{vad->prot & FW_PROT_X, "ex "},
		{view_is_shared(vad), "sh "},
		{vad->max_prot & FW_PROT_R, "mr "},
		{vad->max_prot & FW_PROT_W, "mw "},
		{vad->max_prot & FW_PROT_X, "me "},
		{view_is_shared(vad), "ms "},
		{vad->flags & FW_VADF_STACK, "gd "},
		{vad->flags & FW_VADF_LOCKED, "lo "},
		{vad->flags & FW_VADF_SEQUENTIAL, "sr "},
		{vad->flags & FW_VADF_RANDOM, "rr "},
		{vad->flags & FW_VADF_DONTFORK, "dc "},
		{vad->flags & FW_VADF_NORESERVE, "nr "},
		{vad->flags & FW_VADF_WIPEONFORK, "wf "},
	};

	text_put(o, "VmFlags: ");
	for (size_t i = 0; i < sizeof(flag) / sizeof(*flag); i++)
		if (flag[i].on)
			text_put(o, flag[i].name);
	text_char(o, '\n');
}

static void put_size(struct text *o, uint64_t pages)
{
	put_pages(o, "Size", pages);
	put_pages(o, "KernelPageSize", 1);
	put_pages(o, "MMUPageSize", 1);
}

static void smaps_put(struct walk *w, const struct fw_vad *vad)
{
	struct view_sums s;

	memset(&s, 0, sizeof(s));
	put_region(w->o, w->v, &w->list, vad);
	put_size(w->o, vad->end - view_start(vad));
	view_sum(w->t, w->v, vad, &s);
	put_sums(w->o, &s, false);
	text_put(w->o, "THPeligible:           0\n");
	put_flags(w->o, vad);
}

static void smaps_last(struct walk *w, const struct host_line *line)
{
	struct view_sums s;

	memset(&s, 0, sizeof(s));
	maps_last(w, line);
	put_size(w->o, (line->end - line->start) >> FW_PAGE_SHIFT);
	put_sums(w->o, &s, false);
	text_put(w->o, "THPeligible:           0\nVmFlags: rd mr me de \n");
}

long view_smaps(struct kthread *t, const struct view *v, long fd,
		struct text *o)
{
	struct walk w = {.t = t, .v = v, .o = o, .put = smaps_put,
			 .last = smaps_last};

	(void)fd;
	return walk(&w);
}

static void rollup_put(struct walk *w, const struct fw_vad *vad)
{
	if (!w->high)
		w->low = view_start(vad) << FW_PAGE_SHIFT;
	w->high = vad->end << FW_PAGE_SHIFT;
	view_sum(w->t, w->v, vad, &w->sums);
}

static void rollup_last(struct walk *w, const struct host_line *line)
{
	if (!(line->start >> 63))
		w->high = line->end;
}

long view_rollup(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	struct walk w = {.t = t, .v = v, .o = o, .put = rollup_put,
			 .last = rollup_last};
	long ret = walk(&w);

	(void)fd;
	put_range(o, w.low, w.high);
	text_put(o, "---p 00000000 00:00 0 ");
	put_name(o, "[rollup]");
	put_sums(o, &w.sums, true);
	return ret;
}

/* ---- numa_maps ----------------------------------------------- */

static void numa_put(struct walk *w, const struct fw_vad *vad)
{
	const struct host_line *line = line_of(&w->list, vad);
	struct view_sums s;

	memset(&s, 0, sizeof(s));
	view_sum(w->t, w->v, vad, &s);
	text_hex(w->o, view_start(vad) << FW_PAGE_SHIFT, 8);
	text_put(w->o, " default");
	if (line) {
		const char *name = line->tail;

		while (*name && *name != '/')
			name++;
		text_put(w->o, " file=");
		text_put(w->o, name);
	}
	if (s.present > s.file + s.shmem) {
		text_put(w->o, " anon=");
		text_dec(w->o, s.present - s.file - s.shmem, 0);
	}
	if (s.private_dirty + s.shared_dirty) {
		text_put(w->o, " dirty=");
		text_dec(w->o, s.private_dirty + s.shared_dirty, 0);
	}
	if (s.present) {
		text_put(w->o, " N0=");
		text_dec(w->o, s.present, 0);
		text_put(w->o, " kernelpagesize_kB=4");
	}
	text_char(w->o, '\n');
}

static void numa_last(struct walk *w, const struct host_line *line)
{
	(void)w;
	(void)line;
}

long view_numa(struct kthread *t, const struct view *v, long fd, struct text *o)
{
	struct walk w = {.t = t, .v = v, .o = o, .put = numa_put,
			 .last = numa_last};

	(void)fd;
	return walk(&w);
}
