/* SPDX-License-Identifier: MIT */
/*
 * views - makes memory whose nature it knows, and checks what /proc says of
 * it, field by field. Nothing in here knows of faultwise: what must hold
 * natively must hold under it.
 */
#include "views.h"

#include <sys/resource.h>

/* ---- the list ----------------------------------------------------------- */

/* The list is in order, shows no kernel half, and adds up to VmSize. */
static void whole_list(void)
{
	uint64_t last = 0, sum = 0, fields[2];
	struct region r;
	long size;

	slurp("/proc/self/maps");
	for (const char *s = text; s && *s; s = strchr(s, '\n'), s += !!s) {
		must(parse(s, &r));
		must(r.start >= last && r.end > r.start);
		must(r.end <= 0x780000000000 || r.start >= 0x7e0000000000);
		last = r.end;
		if (strcmp(r.name, "[vsyscall]"))
			sum += r.end - r.start;
	}
	size = status_kib("VmSize");
	must((uint64_t)size == KIB_OF(sum));
	must(status_kib("VmPeak") >= size);
	slurp("/proc/self/statm");
	must(sscanf(text, "%lu", &fields[0]) == 1);
	must(fields[0] * PAGE == sum);
	slurp("/proc/self/stat");
	must(sscanf(strrchr(text, ')') + 1,
		    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
		    "%*d %*d %*d %*d %*d %*u %lu", &fields[1]) == 1);
	must(fields[1] == sum);
	printf("the list is whole\n");
}

static void own_regions(void)
{
	char exe[512], here = 0, *heap = sbrk(64 * 1024);
	struct region r;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	must(n > 0);
	exe[n] = 0;
	must(heap != (void *)-1);
	r = mapped((void *)own_regions);
	must(!strcmp(r.perms, "r-xp") && !strcmp(r.name, exe) && r.inode);
	r = mapped(&in_data);
	must(!strcmp(r.perms, "rw-p"));
	r = mapped(heap);
	must(!strcmp(r.name, "[heap]") && !strcmp(r.perms, "rw-p"));
	r = mapped(&here);
	must(!strcmp(r.name, "[stack]") && !strncmp(r.perms, "rw", 2));
	must(status_kib("VmStk") == (long)KIB_OF(r.end - r.start));
	must(status_kib("VmExe") > 0 && status_kib("VmLib") > 0);
	must(status_kib("VmData") >= 64 && status_kib("VmPTE") > 0);
	printf("text, data, heap and stack have their names\n");
}

/* ---- what was made ------------------------------------------------------ */

static void private_region(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = map_alone(MIB, PROT_READ | PROT_WRITE, flags, -1, 0);
	struct region r = mapped(p);

	exactly(&r, p, MIB, "rw-p");
	must(!r.offset && !r.inode && !r.name[0]);
	r = smapped(p);
	exactly(&r, p, MIB, "rw-p");
	must(value_of(r.line, "Size") == 1024 && content(&r) == 0);
	must(value_of(r.line, "KernelPageSize") == 4);
	must(strstr(r.line, "VmFlags: rd wr mr mw me"));
	memset(p, 1, MIB);
	r = smapped(p);
	must(content(&r) == 1024);
	must(value_of(r.line, "Anonymous") + value_of(r.line, "Swap") == 1024);
	must(value_of(r.line, "Private_Dirty") +
		     value_of(r.line, "Private_Clean") ==
	     value_of(r.line, "Rss"));
	must(value_of(r.line, "Shared_Dirty") == 0);
	must(value_of(r.line, "Pss") == value_of(r.line, "Rss"));
	must(!mprotect(p + 256 * PAGE - 64 * PAGE, 64 * PAGE, PROT_READ));
	r = mapped(p + MIB - 1);
	exactly(&r, p + 192 * PAGE, 64 * PAGE, "r--p");
	must(!madvise(p, 192 * PAGE, MADV_DONTNEED));
	r = smapped(p);
	must(content(&r) == 0);
	must(!munmap(p, MIB));
	p = map_alone(MIB, PROT_NONE, flags, -1, 0);
	r = smapped(p);
	exactly(&r, p, MIB, "---p");
	must(content(&r) == 0);
	must(!munmap(p, MIB));
	printf("private memory, and memory without rights\n");
}

static void shared_region(void)
{
	char *p = map_alone(MIB, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct region r = mapped(p);

	exactly(&r, p, MIB, "rw-s");
	must(!strcmp(r.name, "/dev/zero (deleted)") && r.inode);
	memset(p, 1, MIB);
	r = smapped(p);
	must(value_of(r.line, "Rss") > 0 && value_of(r.line, "Rss") <= 1024);
	must(value_of(r.line, "Anonymous") == 0);
	must(status_kib("RssShmem") > 0);
	must(!munmap(p, MIB));
	printf("shared memory\n");
}

static void file_region(void)
{
	char name[] = "views-XXXXXX", full[512], want[600];
	int fd = mkstemp(name);
	struct region r;
	struct stat st;
	long own;
	char *p, sum = 0;

	must(fd >= 0 && getcwd(full, sizeof(full)));
	snprintf(want, sizeof(want), "%s/%s", full, name);
	must(ftruncate(fd, 32 * PAGE) == 0 && !fstat(fd, &st));
	must(pwrite(fd, "x", 1, 20 * PAGE) == 1);
	p = map_alone(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		      16 * PAGE);
	r = mapped(p);
	exactly(&r, p, 16 * PAGE, "rw-p");
	must(r.offset == 16 * PAGE && r.inode == st.st_ino);
	must(!strcmp(r.name, want));
	for (unsigned i = 0; i < 16; i++)
		sum += p[i * PAGE];
	must(sum == 'x');
	r = smapped(p);
	must(value_of(r.line, "Rss") > 0);
	must(value_of(r.line, "Anonymous") == 0);
	p[0] = 'y';
	r = smapped(p);
	own = value_of(r.line, "Anonymous") + value_of(r.line, "Swap");
	must(own == 4);
	must(!munmap(p, 16 * PAGE));
	p = map_alone(16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'z';
	r = mapped(p);
	exactly(&r, p, 16 * PAGE, "rw-s");
	must(!strcmp(r.name, want));
	must(status_kib("RssFile") > 0);
	must(!munmap(p, 16 * PAGE));
	must(!unlink(name) && !close(fd));
	printf("a file, privately and shared\n");
}

/* The kernel counts by CPU and sums up late: not to the page. */
static void resident_sizes(void)
{
	long before = status_kib("VmRSS") + status_kib("VmSwap"), size;
	char *p = map(BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	unsigned long statm[3];

	size = status_kib("VmSize");
	memset(p, 1, BIG);
	must(status_kib("VmRSS") + status_kib("VmSwap") - before >= 7 * 1024);
	must(status_kib("VmHWM") >= status_kib("VmRSS") - 1024);
	must(status_kib("VmSize") <= size + 1024);
	slurp("/proc/self/status");
	must(labs(value_of(text, "RssAnon") + value_of(text, "RssFile") +
		  value_of(text, "RssShmem") - value_of(text, "VmRSS")) <=
	     16);
	slurp("/proc/self/statm");
	must(sscanf(text, "%lu %lu %lu", &statm[0], &statm[1], &statm[2]) == 3);
	must(statm[1] <= statm[0] && statm[2] <= statm[1]);
	slurp("/proc/self/smaps_rollup");
	must(value_of(text, "Rss") + value_of(text, "Swap") >= 8 * 1024);
	must(value_of(text, "Pss") <= value_of(text, "Rss"));
	must(!munmap(p, BIG));
	must(status_kib("VmPeak") >= size);
	must(status_kib("VmSize") <= size - 8 * 1024 + 1024);
	printf("sizes grow and shrink\n");
}

/* The peak can be set back. */
static void peak_size(void)
{
	char *p = map(BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	int fd = open("/proc/self/clear_refs", O_WRONLY);
	long peak;

	must(fd >= 0);
	memset(p, 1, BIG);
	must(!munmap(p, BIG));
	peak = status_kib("VmHWM");
	must(write(fd, "9", 1) == -1 && errno == EINVAL);
	must(status_kib("VmHWM") >= peak - 1024);
	must(write(fd, " 5\n", 3) == 3);
	must(status_kib("VmHWM") <= status_kib("VmRSS") + 1024);
	must(status_kib("VmHWM") <= peak - 4 * 1024);
	must(!close(fd));
	printf("the peak\n");
}

static bool fits(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED || errno == ENOMEM);
	return p != MAP_FAILED;
}

/* What is said of the size is what the limit is about. */
static void limited_size(void)
{
	struct rlimit limit = {0, RLIM_INFINITY};
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		limit.rlim_cur = (rlim_t)status_kib("VmSize") * 1024 +
				 16 * PAGE;
		must(!setrlimit(RLIMIT_AS, &limit));
		must(!fits(17) && fits(16) && !fits(1));
		_exit(0);
	}
	must(wait_for(pid) == 0);
	printf("the size and its limit\n");
}

/* ---- children ----------------------------------------------------------- */

static void copy_on_write(void)
{
	char *p = map_alone(MIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct region r;
	long shared;
	pid_t pid;

	memset(p, 1, MIB);
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		r = smapped(p);
		exactly(&r, p, MIB, "rw-p");
		shared = value_of(r.line, "Shared_Dirty") +
			 value_of(r.line, "Shared_Clean");
		must(shared + value_of(r.line, "Swap") == 1024);
		memset(p, 2, MIB / 2);
		r = smapped(p);
		shared = value_of(r.line, "Shared_Dirty") +
			 value_of(r.line, "Shared_Clean");
		must(shared <= 512 && content(&r) == 1024);
		_exit(0);
	}
	must(wait_for(pid) == 0);
	/* What a process leaves may go a moment after it was waited for. */
	for (int tries = 0; tries < 500; tries++) {
		r = smapped(p);
		if (!value_of(r.line, "Shared_Dirty"))
			break;
		usleep(10000);
	}
	must(value_of(r.line, "Shared_Dirty") == 0 && content(&r) == 1024);
	must(!munmap(p, MIB));
	printf("pages shared by fork\n");
}

/* ---- pagemap ------------------------------------------------------------ */

#define PM_PRESENT (1ull << 63)
#define PM_SWAP (1ull << 62)
#define PM_FILE (1ull << 61)

static uint64_t entry(int fd, const void *p)
{
	uint64_t e = 0;

	must(pread(fd, &e, 8, (off_t)((uint64_t)p / PAGE * 8)) == 8);
	must(!!(e & PM_PRESENT) + !!(e & PM_SWAP) <= 1);
	return e;
}

static void pagemap(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	char *p = map(64 * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none = map(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = map(PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t all[64];

	must(fd >= 0);
	must(!entry(fd, p + 40 * PAGE));
	memset(p, 1, 32 * PAGE);
	must(pread(fd, all, sizeof(all), (off_t)((uint64_t)p / PAGE * 8)) ==
	     sizeof(all));
	for (unsigned i = 0; i < 32; i++) {
		must(all[i] & (PM_PRESENT | PM_SWAP) && !(all[i] & PM_FILE));
		if (getuid())
			must(!(all[i] & ((1ull << 55) - 1)));
	}
	must(!entry(fd, none));
	shared[0] = 1;
	must(entry(fd, shared) & PM_FILE || !(entry(fd, shared) & PM_PRESENT));
	must(pread(fd, all, 12, 0) == -1 && errno == EINVAL);
	must(!madvise(p, 32 * PAGE, MADV_DONTNEED));
	must(!entry(fd, p));
	must(lseek(fd, (off_t)((uint64_t)none / PAGE * 8), SEEK_SET) > 0);
	must(read(fd, all, 8) == 8 && !all[0]);
	must(!close(fd));
	printf("pagemap\n");
}

/* What newer kernels tell of mappings by ioctl is true, if it is told. */
static void asked_by_ioctl(void)
{
	char *p = map_alone(4 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t found[3] = {0};
	uint64_t scan[12] = {sizeof(scan), 0, (uint64_t)p,
			     (uint64_t)(p + 4 * PAGE), 0, (uint64_t)found, 1, 0,
			     0, 0, 8 | 16, 8 | 16};
	uint64_t query[13] = {sizeof(query), 0, (uint64_t)p};
	int fd = open("/proc/self/pagemap", O_RDONLY), r;

	memset(p, 1, 4 * PAGE);
	must(fd >= 0);
	r = ioctl(fd, 0xc0606610, scan);
	must((r == -1 && errno == ENOTTY) ||
	     (r == 1 && found[0] >= (uint64_t)p && found[1] > found[0]));
	must(!close(fd));
	fd = open("/proc/self/maps", O_RDONLY);
	must(fd >= 0);
	r = ioctl(fd, 0xc0686611, query);
	must((r == -1 && errno == ENOTTY) ||
	     (r == 0 && query[3] == (uint64_t)p &&
	      query[4] == (uint64_t)(p + 4 * PAGE)));
	must(!close(fd) && !munmap(p, 4 * PAGE));
	printf("asked by ioctl\n");
}

/* ---- mem ---------------------------------------------------------------- */

static void mem(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	int fd = open("/proc/self/mem", O_RDWR);
	char *p = map_alone(4 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	char buf[64];

	must(fd >= 0);
	memset(p, 'a', 4 * PAGE);
	must(pread(fd, buf, 16, (off_t)(p + PAGE - 8)) == 16);
	must(!memcmp(buf, "aaaaaaaaaaaaaaaa", 16));
	must(pwrite(fd, "hello", 5, (off_t)(p + PAGE - 2)) == 5);
	must(!memcmp(p + PAGE - 3, "ahelloa", 7));
	must(pread(fd, buf, 16, (off_t)(p + 4 * PAGE - 8)) == 8);
	must(pread(fd, buf, 16, (off_t)(p + 4 * PAGE)) == -1 && errno == EIO);
	must(!mprotect(p, PAGE, PROT_READ));
	must(!mprotect(p + PAGE, PAGE, PROT_NONE));
	must(pwrite(fd, "read-only", 9, (off_t)p) == 9);
	must(!memcmp(p, "read-onlya", 10));
	must(pread(fd, buf, 4, (off_t)(p + PAGE)) == 4);
	must(!memcmp(buf, "lloa", 4));
	must(lseek(fd, (off_t)(p + 2 * PAGE), SEEK_SET) == (off_t)p + 8192);
	must(read(fd, buf, 3) == 3 && !memcmp(buf, "aaa", 3));
	must(lseek(fd, 0, SEEK_CUR) == (off_t)p + 8195);
	must(!close(fd) && !munmap(p, 4 * PAGE));
	printf("mem\n");
}

/* Negative offsets are none, but for the newer calls: -1 means here. */
static void offsets(void)
{
	int fd = open("/proc/self/statm", O_RDONLY);
	int mem_fd = open("/proc/self/mem", O_RDWR);
	char buf[4] = "ab";
	struct iovec v = {buf, 2};

	must(fd >= 0 && mem_fd >= 0);
	for (long at = -2; at < 0; at++) {
		must(pread(fd, buf, 2, at) == -1 && errno == EINVAL);
		must(preadv(fd, &v, 1, at) == -1 && errno == EINVAL);
		must(pwrite(mem_fd, buf, 2, at) == -1 && errno == EINVAL);
		must(pwritev(mem_fd, &v, 1, at) == -1 && errno == EINVAL);
	}
	must(lseek(fd, 0, SEEK_CUR) == 0);
	must(syscall(SYS_preadv2, fd, &v, 1, -2l, 0, 0) == -1 &&
	     errno == EINVAL);
	must(syscall(SYS_preadv2, fd, &v, 1, -1l, 0, 0) == 2);
	must(lseek(fd, 0, SEEK_CUR) == 2);
	must(lseek(mem_fd, (off_t)(uintptr_t)&in_data, SEEK_SET) > 0);
	buf[0] = 'n';
	v.iov_len = 1;
	must(syscall(SYS_pwritev2, mem_fd, &v, 1, -1l, 0, 0) == 1);
	must(*(volatile char *)&in_data == 'n');
	must(!close(fd) && !close(mem_fd));
	printf("offsets\n");
}

int main(void)
{
	memset(text, 1, sizeof(text));
	whole_list();
	own_regions();
	private_region();
	shared_region();
	file_region();
	resident_sizes();
	peak_size();
	limited_size();
	copy_on_write();
	pagemap();
	asked_by_ioctl();
	mem();
	offsets();
	return 0;
}
