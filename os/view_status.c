/* SPDX-License-Identifier: MIT */
/*
 * view_status.c - status, stat, statm and the smaller texts of a process. What
 * the host says of everything but memory and signals is right, and stays: its
 * text is taken line by line, or number by number.
 */
#include <linux/resource.h>

#include "os/regions.h"
#include "os/view.h"

#define HOST_BYTES 8192

/* ---- sizes -------------------------------------------------------------- */

struct measures {
	struct view_sizes z;
	struct view_sums s; /* of what `look` says */
	uint64_t rss, peak_rss, peak_size, tables;
};

enum look { LOOK_SIZES, LOOK_VIEWS, LOOK_ALL };

static void add_sizes(struct view_sizes *z, const struct fw_vad *vad)
{
	uint64_t n = vad->end - view_start(vad);
	bool shared = view_is_shared(vad);
	bool stack = vad_grows(vad);

	z->size += n;
	if (stack)
		z->stack += n;
	else if (!shared && vad->prot & FW_PROT_W)
		z->data += n;
	else if (vad->prot & FW_PROT_X && !(vad->prot & FW_PROT_W))
		z->exec += n;
	if (vad->flags & FW_VADF_LOCKED)
		z->locked += n;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void measure(struct kthread *t, const struct view *v, enum look look,
		    struct measures *m)
{
	struct fw_vad vad[VIEW_BATCH];
	uint64_t at = 0, mapped = 0, hidden;
	unsigned n;

	memset(m, 0, sizeof(*m));
	while ((n = view_regions(t, v, &at, vad)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			add_sizes(&m->z, &vad[i]);
			mapped += vad[i].end - vad[i].start;
			if (look == LOOK_ALL ||
			    (look == LOOK_VIEWS &&
			     vad[i].kind != FW_VAD_PRIVATE))
				view_sum(t, v, &vad[i], &m->s);
		}
	}
	hidden = mapped - m->z.size;
	m->z.size += view_vdso_pages(t);
	m->z.exec += view_vdso_pages(t) ? 2 : 0; /* the code among it */
	if (!view_enter(t, v))
		return;
	m->rss = fw_space_resident(v->space);
	m->peak_rss = v->space->peak;
	m->peak_size = v->space->mapped_peak - min_u64(hidden, mapped) +
		       view_vdso_pages(t);
	m->tables = v->space->table_frames;
	view_leave(t, v);
	if (m->rss < m->s.file + m->s.shmem)
		m->rss = m->s.file + m->s.shmem;
	if (m->peak_rss < m->rss)
		m->peak_rss = m->rss;
	if (m->peak_size < m->z.size)
		m->peak_size = m->z.size;
}

/* Pages of the program's own code. */
static uint64_t text_pages(const struct view *v)
{
	return ((v->image.end_code + FW_PAGE_MASK) >> FW_PAGE_SHIFT) -
	       (v->image.start_code >> FW_PAGE_SHIFT);
}

long view_statm(struct kthread *t, const struct view *v, long fd,
		struct text *o)
{
	struct measures m;
	uint64_t n[7];

	(void)fd;
	measure(t, v, LOOK_VIEWS, &m);
	n[0] = m.z.size;
	n[1] = m.rss;
	n[2] = m.s.file + m.s.shmem;
	n[3] = text_pages(v);
	n[4] = n[6] = 0;
	n[5] = m.z.data + m.z.stack;
	for (unsigned i = 0; i < 7; i++) {
		text_dec(o, n[i], 0);
		text_char(o, i < 6 ? ' ' : '\n');
	}
	return 0;
}

/* ---- signals ------------------------------------------------------------ */

struct masks {
	uint64_t blocked, ignored, caught;
};

/* What the host says of masks and actions, made right. */
static void correct_masks(struct kthread *t, const struct view *v,
			  struct masks *m)
{
	m->ignored = (m->ignored & ~K_MASK_NEVER) | v->image.ignored;
	m->caught = (m->caught & ~K_MASK_NEVER) | v->image.caught;
	if (v->own && (v->tid ? v->tid == t->tid : t->tid == t->p->pid))
		m->blocked = t->guest_mask;
	else if (!(m->caught & K_SIG_BIT(SIGCONT))) /* stop.c */
		m->blocked &= ~K_SIG_BIT(SIGCONT);
}

/* A SIGCONT that nobody blocks is not pending. */
static uint64_t pending(uint64_t at_host, const struct masks *m)
{
	return at_host & ~(K_SIG_BIT(SIGCONT) & ~m->blocked);
}

void view_action(struct kproc *p, int sig, uint64_t handler)
{
	struct fw_proc_image *image = &p->proc->image;
	uint64_t bit = K_SIG_BIT(sig);

	if (!(bit & K_MASK_NEVER))
		return;
	image->caught = handler > 1 ? image->caught | bit
				    : image->caught & ~bit;
	image->ignored = handler == 1 ? image->ignored | bit
				      : image->ignored & ~bit;
}

/* ---- status ------------------------------------------------------------- */

static void put_kib(struct text *o, const char *key, uint64_t pages)
{
	text_put(o, key);
	text_put(o, ":\t");
	text_dec(o, pages << (FW_PAGE_SHIFT - 10), 8);
	text_put(o, " kB\n");
}

static void put_memory(struct text *o, const struct view *v,
		       const struct measures *m)
{
	uint64_t text = text_pages(v);
	uint64_t views = m->s.file + m->s.shmem;

	put_kib(o, "VmPeak", m->peak_size);
	put_kib(o, "VmSize", m->z.size);
	put_kib(o, "VmLck", m->z.locked);
	put_kib(o, "VmPin", 0);
	put_kib(o, "VmHWM", m->peak_rss);
	put_kib(o, "VmRSS", m->rss);
	put_kib(o, "RssAnon", m->rss - views);
	put_kib(o, "RssFile", m->s.file);
	put_kib(o, "RssShmem", m->s.shmem);
	put_kib(o, "VmData", m->z.data);
	put_kib(o, "VmStk", m->z.stack);
	put_kib(o, "VmExe", text);
	put_kib(o, "VmLib", m->z.exec > text ? m->z.exec - text : 0);
	put_kib(o, "VmPTE", m->tables);
	put_kib(o, "VmSwap", m->s.away);
}

static uint64_t hex_value(const char *s)
{
	while (*s == ':' || *s == '\t' || *s == ' ')
		s++;
	return take_hex(&s);
}

static void put_mask(struct text *o, const char *key, uint64_t mask)
{
	text_put(o, key);
	text_put(o, ":\t");
	text_hex(o, mask, 16);
	text_char(o, '\n');
}

static bool is_memory(const char *line, const char *end)
{
	static const char *const keys[] = {
		"VmPeak", "VmSize", "VmLck",   "VmPin",	 "VmHWM",
		"VmRSS",  "RssAnon", "RssFile", "RssShmem", "VmData",
		"VmStk",  "VmExe",  "VmLib",   "VmPTE",	 "VmSwap"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (line_key(line, end, keys[i]))
			return true;
	return false;
}

/* One line that is not about memory. */
static void put_line(struct text *o, const char *line, const char *end,
		     const struct masks *m)
{
	const char *value;

	if ((value = line_key(line, end, "SigPnd")) != NULL)
		put_mask(o, "SigPnd", pending(hex_value(value), m));
	else if ((value = line_key(line, end, "ShdPnd")) != NULL)
		put_mask(o, "ShdPnd", pending(hex_value(value), m));
	else if (line_key(line, end, "SigBlk"))
		put_mask(o, "SigBlk", m->blocked);
	else if (line_key(line, end, "SigIgn"))
		put_mask(o, "SigIgn", m->ignored);
	else if (line_key(line, end, "SigCgt"))
		put_mask(o, "SigCgt", m->caught);
	else if (line_key(line, end, "Seccomp"))
		text_put(o, "Seccomp:\t0\n");
	else if (line_key(line, end, "Seccomp_filters"))
		text_put(o, "Seccomp_filters:\t0\n");
	else
		text_bytes(o, line, (uint64_t)(end - line) + 1);
}

static struct masks masks_of(const char *s, const char *end)
{
	const char *line, *stop, *value;
	struct masks m = {0, 0, 0};

	while ((line = take_line(&s, end, &stop)) != NULL) {
		if ((value = line_key(line, stop, "SigBlk")) != NULL)
			m.blocked = hex_value(value);
		if ((value = line_key(line, stop, "SigIgn")) != NULL)
			m.ignored = hex_value(value);
		if ((value = line_key(line, stop, "SigCgt")) != NULL)
			m.caught = hex_value(value);
	}
	return m;
}

long view_status(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	char host[HOST_BYTES];
	const char *s = host, *end, *line, *stop;
	long n = host_text(fd, host, sizeof(host));
	struct measures m;
	struct masks masks;
	bool done = false;

	if (n < 0)
		return n;
	end = host + n;
	masks = masks_of(host, end);
	correct_masks(t, v, &masks);
	measure(t, v, LOOK_ALL, &m);
	while ((line = take_line(&s, end, &stop)) != NULL) {
		if (!is_memory(line, stop)) {
			put_line(o, line, stop, &masks);
		} else if (!done) {
			put_memory(o, v, &m);
			done = true;
		}
	}
	return 0;
}

/* ---- stat --------------------------------------------------------------- */

struct faults {
	uint64_t serial;
	uint32_t tid;
	uint64_t minor, major;
};

static void count_faults(struct fw_actor *actor, void *arg)
{
	struct faults *f = arg;

	if (actor->port_ptr != f->serial ||
	    (f->tid && actor->host_tid != f->tid))
		return;
	for (unsigned k = 0; k < FW_KIND_COUNT; k++) {
		enum fw_fault_class class = fw_kind_class((enum fw_kind)k);

		if (class == FW_CLASS_HARD)
			f->major += actor->fault_count[k];
		else if (class != FW_CLASS_NONE && class != FW_CLASS_VIOLATION)
			f->minor += actor->fault_count[k];
	}
}

#define STAT_FIELDS 64

/* The numbers that are ours; field[i] is what the manual calls field i. */
static void replace_fields(struct kthread *t, const struct view *v,
			   uint64_t field[STAT_FIELDS],
			   bool ours[STAT_FIELDS])
{
	const struct fw_proc_image *im = &v->image;
	struct faults f = {.serial = v->serial, .tid = v->tid};
	struct masks masks = {field[32], field[33], field[34]};
	struct measures m;
	const struct {
		unsigned i;
		uint64_t value;
	} set[] = {
		{26, im->start_code}, {27, im->end_code},
		{28, im->start_stack}, {29, 0}, {30, 0},
		{45, im->start_data}, {46, im->end_data}, {47, im->start_brk},
		{48, im->arg_start},  {49, im->arg_end},
		{50, im->env_start},  {51, im->env_end}};

	measure(t, v, LOOK_SIZES, &m);
	fw_actor_each(t->p->mm, t->actor, count_faults, &f);
	correct_masks(t, v, &masks);
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++) {
		field[set[i].i] = set[i].value;
		ours[set[i].i] = true;
	}
	field[10] = f.minor + (v->tid ? 0 : v->past.minor);
	field[11] = v->children.minor;
	field[12] = f.major + (v->tid ? 0 : v->past.major);
	field[13] = v->children.major;
	field[23] = m.z.size << FW_PAGE_SHIFT;
	field[24] = m.rss;
	field[31] = pending(field[31], &masks);
	field[32] = masks.blocked & 0x7fffffff;
	field[33] = masks.ignored & 0x7fffffff;
	field[34] = masks.caught & 0x7fffffff;
	ours[10] = ours[11] = ours[12] = ours[13] = ours[23] = ours[24] = true;
	ours[31] = ours[32] = ours[33] = ours[34] = true;
}

/* Where each field begins, the name being field 2 whatever is in it. */
static unsigned split_fields(char *host, long n, const char *at[STAT_FIELDS])
{
	char *close = host + n;
	unsigned i = 3;

	while (close > host && *close != ')')
		close--;
	if (close == host)
		return 0;
	at[1] = host;
	for (char *s = close + 1; s < host + n && i < STAT_FIELDS; s++)
		if (*s == ' ')
			at[i++] = s + 1;
	return i;
}

long view_stat(struct kthread *t, const struct view *v, long fd,
	       struct text *o)
{
	char host[HOST_BYTES];
	const char *at[STAT_FIELDS], *s;
	uint64_t field[STAT_FIELDS] = {0};
	bool ours[STAT_FIELDS];
	long n = host_text(fd, host, sizeof(host));
	unsigned fields;

	if (n < 0)
		return n;
	fields = split_fields(host, n, at);
	if (fields < 4)
		return -EIO;
	memset(ours, 0, sizeof(ours));
	for (unsigned i = 4; i < fields; i++) {
		s = at[i];
		field[i] = take_dec(&s);
	}
	replace_fields(t, v, field, ours);
	text_bytes(o, host, (uint64_t)(at[3] - host));
	for (unsigned i = 3; i < fields; i++) {
		if (ours[i])
			text_dec(o, field[i], 0);
		else
			for (s = at[i]; *s && *s != ' ' && *s != '\n'; s++)
				text_char(o, *s);
		text_char(o, i + 1 < fields ? ' ' : '\n');
	}
	return 0;
}

/* ---- limits ------------------------------------------------------------- */

#define LIMIT_COLUMN 26
#define LIMIT_WIDTH 20

static void put_limit(struct text *o, uint64_t value)
{
	uint64_t from = o->used;

	if (value == ~0ull)
		text_put(o, "unlimited");
	else
		text_dec(o, value, 0);
	while (o->used - from < LIMIT_WIDTH)
		text_char(o, ' ');
	text_char(o, ' ');
}

/* "Max file size    unlimited    unlimited    bytes", in wider columns */
static bool put_own_limit(struct kthread *t, uint32_t pid, struct text *o,
			  const char *line, const char *end)
{
	static const struct {
		const char *name;
		uint32_t which;
	} names[] = {{"Max address space ", RLIMIT_AS},
		     {"Max data size ", RLIMIT_DATA},
		     {"Max stack size ", RLIMIT_STACK},
		     {"Max file size ", RLIMIT_FSIZE},
		     {"Max resident set ", RLIMIT_RSS},
		     {"Max open files ", RLIMIT_NOFILE},
		     {"Max locked memory ", RLIMIT_MEMLOCK}};
	uint64_t cur, max;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (end - line < LIMIT_COLUMN + 2 * (LIMIT_WIDTH + 1) ||
		    memcmp(line, names[i].name, k_strlen(names[i].name)))
			continue;
		if (limit_read(t, pid, names[i].which, &cur, &max))
			return false;
		text_bytes(o, line, LIMIT_COLUMN);
		put_limit(o, cur);
		put_limit(o, max);
		line += LIMIT_COLUMN + 2 * (LIMIT_WIDTH + 1);
		text_bytes(o, line, (uint64_t)(end - line) + 1);
		return true;
	}
	return false;
}

long view_limits(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	char host[HOST_BYTES];
	const char *s = host, *line, *end;
	long n = host_text(fd, host, sizeof(host));

	if (n < 0)
		return n;
	while ((line = take_line(&s, host + n, &end)) != NULL)
		if (!put_own_limit(t, v->pid, o, line, end))
			text_bytes(o, line, (uint64_t)(end - line) + 1);
	return 0;
}

/* ---- children ----------------------------------------------------------- */

bool view_is_agent(const struct fw_run *run, uint32_t pid)
{
	const struct fw_proc *p;

	for (p = run->procs; p; p = p->next) {
		if (p->space && fw_space_port(p->space)->agent_pid == pid)
			return true;
		if (p->old_space &&
		    fw_space_port(p->old_space)->agent_pid == pid)
			return true;
		for (unsigned i = 0; i < FW_LEFT_AGENTS; i++)
			if (p->left_agents[i] == pid)
				return true;
	}
	return false;
}

/* "12 34 56 ", without the agents. */
long view_children(struct kthread *t, const struct view *v, long fd,
		   struct text *o)
{
	char host[HOST_BYTES];
	const char *s = host;
	long n = host_text(fd, host, sizeof(host));

	(void)v;
	if (n < 0)
		return n;
	procs_lock(t);
	while (*s >= '0' && *s <= '9') {
		uint32_t pid = (uint32_t)take_dec(&s);

		if (!view_is_agent(t->p->run, pid)) {
			text_dec(o, pid, 0);
			text_char(o, ' ');
		}
		s += *s == ' ';
	}
	procs_unlock(t);
	return 0;
}
