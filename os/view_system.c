/* SPDX-License-Identifier: MIT */
/*
 * view_system.c - how much memory there is: the run's, where the host would
 * speak of its own. sysinfo(2), /proc/meminfo, swaps and vmstat, and the files
 * of the memory cgroup in which the run is.
 *
 *   total       the RAM of the run
 *   free        frames that hold nothing
 *   available   those, and frames on standby: what is in them can be had again
 *   swap        the page files
 */
#include <asm/stat.h>
#include <linux/sysinfo.h>

#include "os/view.h"

#define HOST_BYTES 12288
#define KIB(pages) ((pages) << (FW_PAGE_SHIFT - 10))
#define BYTES(pages) ((pages) << FW_PAGE_SHIFT)

struct memory {
	struct fw_totals n;
	uint64_t free, available, used, faults, major;
	uint64_t swapped; /* of swap in use: in page files, or compressed in
			   * front of them */
};

static void memory_now(struct kthread *t, struct memory *m)
{
	fw_totals(t->p->mm, t->actor, &m->n);
	m->free = m->n.zeroed + m->n.free;
	m->available = m->free + m->n.standby;
	m->used = m->n.nframes - m->available;
	m->swapped = m->n.slots_used + m->n.store_pages;
	if (m->swapped > m->n.slots)
		m->swapped = m->n.slots;
	m->faults = m->major = 0;
	for (unsigned k = 0; k < FW_KIND_COUNT; k++) {
		enum fw_fault_class class = fw_kind_class((enum fw_kind)k);

		if (class != FW_CLASS_NONE && class != FW_CLASS_VIOLATION)
			m->faults += m->n.kind_count[k];
		if (class == FW_CLASS_HARD)
			m->major += m->n.kind_count[k];
	}
}

void view_sysinfo(struct kthread *t, struct sysinfo *s)
{
	struct memory m;

	memory_now(t, &m);
	s->mem_unit = 1;
	s->totalram = BYTES(m.n.nframes);
	s->freeram = BYTES(m.free);
	s->sharedram = 0;
	s->bufferram = 0;
	s->totalswap = BYTES(m.n.slots);
	s->freeswap = BYTES(m.n.slots - m.swapped);
	s->totalhigh = s->freehigh = 0;
}

/* ---- lines with a number ------------------------------------------------- */

/* A key of the host's text, and what is said instead. */
struct entry {
	const char *key;
	uint64_t value;
};

static const struct entry *find_entry(const struct entry *e, size_t n,
				      const char *line, const char *end)
{
	for (size_t i = 0; i < n; i++)
		if (line_key(line, end, e[i].key))
			return &e[i];
	return NULL;
}

/* Of the host's memory alone: zero, here. */
static bool is_meminfo_zero(const char *line, const char *end)
{
	static const char *const keys[] = {
		"Buffers", "SwapCached", "Active(file)", "Inactive(file)",
		"Unevictable", "Mlocked", "Mapped",
		"Shmem", "KReclaimable", "SReclaimable", "KernelStack",
		"SecPageTables", "NFS_Unstable", "Bounce", "WritebackTmp",
		"Percpu", "AnonHugePages", "ShmemHugePages", "ShmemPmdMapped",
		"FileHugePages", "FilePmdMapped", "Balloon", "HugePages_Total",
		"HugePages_Free", "HugePages_Rsvd", "HugePages_Surp",
		"Hugetlb", "CmaTotal", "CmaFree", "HardwareCorrupted"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (line_key(line, end, keys[i]))
			return true;
	return false;
}

static void put_meminfo(struct text *o, const char *line, const char *end,
			uint64_t kib)
{
	while (line < end && *line != ':')
		text_char(o, *line++);
	text_char(o, ':');
	text_column(o, 16);
	text_dec(o, kib, (unsigned)(24 - (o->used - o->line)));
	text_put(o, end[-1] == 'B' ? " kB\n" : "\n");
}

long view_meminfo(struct kthread *t, const struct view *v, long fd,
		  struct text *o)
{
	char host[HOST_BYTES];
	const char *s = host, *line, *end;
	long n = host_text(fd, host, sizeof(host));
	struct memory m;

	(void)v;
	if (n < 0)
		return n;
	memory_now(t, &m);
	const struct entry e[] = {
		{"MemTotal", m.n.nframes}, {"MemFree", m.free},
		{"MemAvailable", m.available}, {"Cached", m.n.standby},
		{"Active", m.n.active}, {"Active(anon)", m.n.active},
		{"Inactive", m.n.standby + m.n.modified},
		{"Inactive(anon)", m.n.standby + m.n.modified},
		{"SwapTotal", m.n.slots},
		{"SwapFree", m.n.slots - m.swapped},
		{"Zswap", m.n.store_frames}, {"Zswapped", m.n.store_pages},
		{"Dirty", m.n.mapped}, {"Writeback", m.n.transition},
		{"AnonPages", m.n.active - m.n.tables - m.n.pool},
		{"Slab", m.n.pool}, {"SUnreclaim", m.n.pool},
		{"PageTables", m.n.tables},
		{"CommitLimit", m.n.commit_limit},
		{"Committed_AS", m.n.committed}};
	while ((line = take_line(&s, host + n, &end)) != NULL) {
		const struct entry *known =
			find_entry(e, sizeof(e) / sizeof(*e), line, end);

		if (known || is_meminfo_zero(line, end))
			put_meminfo(o, line, end,
				    known ? KIB(known->value) : 0);
		else
			text_bytes(o, line, (uint64_t)(end - line) + 1);
	}
	return 0;
}

/* "key value": those that are known are replaced, of the others `zero` says
 * whether they are 0 or the host's. */
static long put_pairs(struct text *o, const char *host, long n,
		      const struct entry *e, size_t n_e, bool zero)
{
	const char *s = host, *line, *end;

	while ((line = take_line(&s, host + n, &end)) != NULL) {
		const struct entry *known = find_entry(e, n_e, line, end);

		if (!known && !zero) {
			text_bytes(o, line, (uint64_t)(end - line) + 1);
			continue;
		}
		while (line < end && *line != ' ')
			text_char(o, *line++);
		text_char(o, ' ');
		text_dec(o, known ? known->value : 0, 0);
		text_char(o, '\n');
	}
	return 0;
}

long view_vmstat(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	char host[HOST_BYTES];
	long n = host_text(fd, host, sizeof(host));
	struct memory m;

	(void)v;
	if (n < 0)
		return n;
	memory_now(t, &m);
	const struct entry e[] = {
		{"nr_free_pages", m.free},
		{"nr_anon_pages", m.n.active - m.n.tables - m.n.pool},
		{"nr_active_anon", m.n.active},
		{"nr_inactive_anon", m.n.standby + m.n.modified},
		{"nr_active_file", 0}, {"nr_inactive_file", 0},
		{"nr_file_pages", m.n.standby}, {"nr_mapped", 0},
		{"nr_dirty", m.n.mapped}, {"nr_writeback", m.n.transition},
		{"nr_page_table_pages", m.n.tables},
		{"pgpgin", KIB(m.n.pages_read)},
		{"pgpgout", KIB(m.n.pages_written)},
		{"pswpin", m.n.pages_read}, {"pswpout", m.n.pages_written},
		{"pgfault", m.faults}, {"pgmajfault", m.major},
		{"workingset_refault_anon", m.n.refaults},
		{"oom_kill", t->p->run->oom_kills}};
	return put_pairs(o, host, n, e, sizeof(e) / sizeof(*e), false);
}

/* ---- swaps -------------------------------------------------------------- */

#define SWAP_COLUMN 40

/* Names in this list have no blanks: \040. */
static void put_escaped(struct text *o, const char *name, long n)
{
	for (long i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c != ' ' && c != '\t' && c != '\n' && c != '\\') {
			text_char(o, name[i]);
			continue;
		}
		text_char(o, '\\');
		text_char(o, (char)('0' + (c >> 6)));
		text_char(o, (char)('0' + (c >> 3 & 7)));
		text_char(o, (char)('0' + (c & 7)));
	}
}

static void put_swap(struct kthread *t, struct text *o, unsigned file,
		     uint64_t slots, uint64_t used)
{
	static const char gone[] = " (deleted)";
	char link[48] = "/proc/thread-self/fd/", name[VIEW_PATH_BYTES];
	struct text l = {link, k_strlen(link), sizeof(link) - 1, 0};
	long fd = run_fd(t->p->run, FW_FD_STORE + file), n;
	long cut = (long)sizeof(gone) - 1;
	struct stat st;

	text_dec(&l, (uint64_t)fd, 0);
	link[l.used] = 0;
	n = HC3(__NR_readlink, link, name, sizeof(name));
	if (n <= 0 || HC2(__NR_fstat, fd, &st))
		return;
	if (n > cut && !memcmp(name + n - cut, gone, (size_t)cut))
		n -= cut;
	put_escaped(o, name, n);
	text_char(o, ' ');
	text_column(o, SWAP_COLUMN);
	text_put(o, (st.st_mode & 0170000) == 0060000 ? "partition\t"
						      : "file\t\t");
	text_dec(o, KIB(slots), 0);
	text_put(o, KIB(slots) < 10000000 ? "\t\t" : "\t");
	text_dec(o, KIB(used), 0);
	text_put(o, KIB(used) < 10000000 ? "\t\t" : "\t");
	text_put(o, "-2\n");
}

long view_swaps(struct kthread *t, const struct view *v, long fd,
		struct text *o)
{
	uint64_t slots, used = 0;

	(void)v;
	(void)fd;
	text_put(o, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	for (unsigned i = 0; i < FW_MAX_PAGE_FILES; i++) {
		slots = fw_page_file_slots(t->p->mm, i, &used);
		if (slots)
			put_swap(t, o, i, slots, used);
	}
	return 0;
}

/* ---- cgroups ------------------------------------------------------------ */

/*
 * Whether the folder is that of a process's cgroup `path` or of one above it,
 * wherever the hierarchy is mounted: it ends in the path, or in a beginning of
 * it, or it is the mount itself.
 */
static bool folder_holds(const char *folder, size_t n, const char *path,
			 size_t path_n)
{
	static const char *const mounts[] = {"/sys/fs/cgroup",
					     "/sys/fs/cgroup/memory",
					     "/sys/fs/cgroup/unified"};

	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++)
		if (k_strlen(mounts[i]) == n && !memcmp(mounts[i], folder, n))
			return true;
	for (size_t at = 0; at < n; at++) {
		size_t tail = n - at;

		if (folder[at] == '/' && tail <= path_n &&
		    !memcmp(folder + at, path, tail) &&
		    (tail == path_n || path[tail] == '/'))
			return true;
	}
	return false;
}

/* "4:memory:/path" (v1) or "0::/path" (v2) */
static bool is_own_cgroup(struct kthread *t, const struct view *v)
{
	char host[4096];
	const char *s = host, *line, *end;
	long fd = host_open(t->p->pid, "cgroup"), n;
	size_t folder = (size_t)(v->name - v->path) - 1;

	if (fd < 0)
		return false;
	n = host_text(fd, host, sizeof(host));
	HC1(__NR_close, fd);
	while (n > 0 && (line = take_line(&s, host + n, &end)) != NULL) {
		const char *path = line;
		bool memory;

		take_dec(&path);
		memory = !k_strncmp(path, "::", 2) ||
			 !k_strncmp(path, ":memory:", 8);
		for (path++; path < end && *path != ':'; path++)
			;
		path++;
		if (memory && path < end &&
		    folder_holds(v->path, folder, path, (size_t)(end - path)))
			return true;
	}
	return false;
}

/* A limit is the host's, when that is less. */
static void put_least(struct text *o, const char *host, uint64_t ours)
{
	const char *s = host;
	uint64_t limit = *s >= '0' && *s <= '9' ? take_dec(&s) : ~0ull;

	text_dec(o, limit < ours ? limit : ours, 0);
	text_char(o, '\n');
}

static long put_cgroup_stat(struct text *o, const char *host, long n,
			    const struct memory *m)
{
	uint64_t anon = BYTES(m->n.active - m->n.tables - m->n.pool);
	uint64_t swap = BYTES(m->swapped);
	const struct entry e[] = {
		{"anon", anon}, {"rss", anon}, {"total_rss", anon},
		{"active_anon", anon}, {"total_active_anon", anon},
		{"kernel", BYTES(m->n.tables + m->n.pool)},
		{"pagetables", BYTES(m->n.tables)},
		{"swap", swap}, {"total_swap", swap},
		{"pgfault", m->faults}, {"total_pgfault", m->faults},
		{"pgmajfault", m->major}, {"total_pgmajfault", m->major},
		{"hierarchical_memory_limit", BYTES(m->n.nframes)},
		{"hierarchical_memsw_limit",
		 BYTES(m->n.nframes + m->n.slots)}};

	return put_pairs(o, host, n, e, sizeof(e) / sizeof(*e), true);
}

long view_cgroup(struct kthread *t, const struct view *v, long fd,
		 struct text *o)
{
	char host[HOST_BYTES];
	long n = host_text(fd, host, sizeof(host));
	struct memory m;

	if (n < 0)
		return n;
	memory_now(t, &m);
	const struct {
		const char *name;
		uint64_t pages;
		bool limit;
	} file[] = {
		{"memory.max", m.n.nframes, true},
		{"memory.limit_in_bytes", m.n.nframes, true},
		{"memory.swap.max", m.n.slots, true},
		{"memory.memsw.limit_in_bytes", m.n.nframes + m.n.slots, true},
		{"memory.current", m.used, false},
		{"memory.usage_in_bytes", m.used, false},
		{"memory.peak", m.n.peak_active, false},
		{"memory.max_usage_in_bytes", m.n.peak_active, false},
		{"memory.swap.current", m.swapped, false},
		{"memory.memsw.usage_in_bytes", m.used + m.swapped,
		 false}};

	if (!is_own_cgroup(t, v)) {
		text_bytes(o, host, (uint64_t)n);
		return 0;
	}
	if (!k_strcmp(v->name, "memory.stat"))
		return put_cgroup_stat(o, host, n, &m);
	for (size_t i = 0; i < sizeof(file) / sizeof(*file); i++) {
		if (k_strcmp(v->name, file[i].name))
			continue;
		put_least(o, file[i].limit ? host : "max",
			  BYTES(file[i].pages));
		return 0;
	}
	text_bytes(o, host, (uint64_t)n);
	return 0;
}
