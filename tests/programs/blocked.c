/* SPDX-License-Identifier: MIT */
/*
 * blocked - what others do to the memory that a waiting call is to write to.
 * A datagram that cannot be delivered there is lost: so whatever leaves the
 * buffer usable must not come between.
 *
 *	blocked			advice, protections, mappings, a fork
 *	blocked maps N		N mappings of the host are made, then a fork
 *	blocked direct N	a disk writes to what is unmapped, N times
 */
#include "prog.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define BYTES (48 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
/* Where in the region the call writes to: nobody touches a page near it. */
#define AT (20 * PAGE + 100)

static int ends[2];
static char *area;
static volatile int tid;
static ssize_t got;
static int error;

static void *receive(void *arg)
{
	(void)arg;
	tid = (int)syscall(SYS_gettid);
	got = recv(ends[0], area + AT, PAGE, 0);
	error = got < 0 ? errno : 0;
	return NULL;
}

/* Until the thread sleeps, twice in a row: it may wait for a lock before. */
static void until_it_waits(void)
{
	char name[64], text[512], *state;

	while (!tid)
		usleep(100);
	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", tid);
	for (unsigned asleep = 0; asleep < 20;) {
		int fd = open(name, O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		must(fd >= 0 && n > 0 && !close(fd));
		text[n] = 0;
		state = strrchr(text, ')');
		asleep = state && state[2] == 'S' ? asleep + 1 : 0;
		usleep(1000);
	}
}

/* What is done while the call waits; whatever it returns. */
typedef long act(void);

static void meanwhile(const char *name, act *does)
{
	pthread_t t;
	long r;

	tid = 0;
	must(!pthread_create(&t, NULL, receive, NULL));
	until_it_waits();
	r = does();
	must(send(ends[1], "hello", 6, 0) == 6);
	must(!pthread_join(t, NULL));
	printf("%s: %ld, received %zd, error %d", name, r, got, error);
	if (got > 0)
		printf(", %.8s", area + AT);
	printf("; before it %d, behind it %d\n", area[AT - 1], area[AT + 9]);
	/* Nothing is left over. */
	must(recv(ends[0], area, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

/* The region, with 1 in each byte. */
static void fresh(int flags, int fd)
{
	if (area)
		must(!munmap(area, BYTES));
	area = mmap(NULL, BYTES, RW, flags, fd, 0);
	must(area != MAP_FAILED);
	memset(area, 1, BYTES);
}

static long nothing(void)
{
	return 0;
}

static long page_out(void)
{
	long r = madvise(area, BYTES, 21 /* MADV_PAGEOUT */);

	return r && errno == EINVAL ? 0 : r;
}

static long cold(void)
{
	long r = madvise(area, BYTES, 20 /* MADV_COLD */);

	return r && errno == EINVAL ? 0 : r;
}

static long dont_need(void)
{
	return madvise(area, BYTES, MADV_DONTNEED);
}

static long dont_need_twice(void)
{
	return dont_need() + dont_need();
}

static long may_be_executed(void)
{
	return mprotect(area, BYTES, RW | PROT_EXEC);
}

static long there_and_back(void)
{
	return may_be_executed() + mprotect(area, BYTES, RW);
}

static long read_only_and_back(void)
{
	return mprotect(area, BYTES, PROT_READ) + mprotect(area, BYTES, RW);
}

static long none_and_back(void)
{
	return mprotect(area, BYTES, PROT_NONE) + mprotect(area, BYTES, RW);
}

static long map_anew(void)
{
	return mmap(area, BYTES, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) != area;
}

static long unmap_and_map_anew(void)
{
	return munmap(area, BYTES) + map_anew();
}

static long lock_it(void)
{
	long r = mlock(area, BYTES);

	return r + munlock(area, BYTES);
}

static long fork_it(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (!pid) {
		must(area[AT] == 1 && area[0] == 1);
		memset(area, 3, BYTES);
		_exit(0);
	}
	return wait_for(pid);
}

static long fork_and_dont_need(void)
{
	return fork_it() + dont_need();
}

static void advice(void)
{
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;

	fresh(anon, -1);
	meanwhile("nothing", nothing);
	meanwhile("pageout", page_out);
	meanwhile("cold", cold);
	fresh(anon, -1);
	meanwhile("dontneed", dont_need);
	fresh(anon, -1);
	meanwhile("dontneed twice", dont_need_twice);
	fresh(anon, -1);
	meanwhile("fork", fork_it);
	fresh(anon, -1);
	meanwhile("fork, dontneed", fork_and_dont_need);
	fresh(anon, -1);
	meanwhile("mlock", lock_it);
}

/* Anonymous memory and a file's, which others see as well. */
static void shared(void)
{
	int fd = temp_file();

	must(!ftruncate(fd, BYTES));
	for (unsigned i = 0; i < 2; i++) {
		if (i)
			fresh(MAP_SHARED, fd);
		else
			fresh(MAP_SHARED | MAP_ANONYMOUS, -1);
		meanwhile("shared: pageout", page_out);
		meanwhile("shared: dontneed", dont_need);
		meanwhile("shared: rwx", may_be_executed);
	}
	fresh(MAP_PRIVATE, fd);
	meanwhile("private: dontneed", dont_need);
	must(!close(fd));
}

static void protections(void)
{
	fresh(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	meanwhile("rwx", may_be_executed);
	meanwhile("rwx again", may_be_executed);
	must(!mprotect(area, BYTES, RW));
	meanwhile("rwx and back", there_and_back);
	meanwhile("r and back", read_only_and_back);
	meanwhile("none and back", none_and_back);
	meanwhile("mapped anew", map_anew);
	memset(area, 1, BYTES);
	meanwhile("unmapped, mapped anew", unmap_and_map_anew);
}

/* n pages that are no neighbours: a mapping of the host each. */
static const size_t step = 16 * PAGE;
static size_t n_maps;
static char *all;

static long touch_all(void)
{
	for (size_t i = 0; i < n_maps; i++)
		all[i * step] = 1;
	return 0;
}

static void maps(void)
{
	all = map_anon(n_maps * step, 0);
	fresh(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	meanwhile("many mappings", touch_all);
	fresh(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	meanwhile("fork", fork_it);
	must(!munmap(all, n_maps * step));
}

/*
 * What a disk is writing to may be unmapped; it is not other memory then. Who
 * reads says so at once, and is somewhere in the call when that happens.
 */
#define DIRECT (64 * PAGE)
static int disk = -1;
static char *volatile target;

static void *read_target(void *arg)
{
	char *to = target;

	target = NULL;
	must(pread(disk, to, DIRECT, 0) > 0 || errno == EFAULT);
	return arg;
}

static void unmap_while_it_reads(unsigned round)
{
	char *to = map_anon(DIRECT, 0), *other = map_anon(DIRECT, 0);
	pthread_t t;

	memset(to, 1, DIRECT);
	target = to;
	must(!pthread_create(&t, NULL, read_target, NULL));
	while (target)
		;
	for (volatile uint64_t i = mix(round) % 20000; i > 0; i--)
		;
	must(!munmap(to, DIRECT));
	memset(other, 2, DIRECT);
	must(!pthread_join(t, NULL));
	for (size_t i = 0; i < DIRECT; i++)
		must(other[i] == 2);
	must(!munmap(other, DIRECT));
}

static void direct(unsigned rounds)
{
	char name[] = "tmp-XXXXXX", *from = map_anon(DIRECT, 0);
	int fd = mkstemp(name);

	must(fd >= 0);
	memset(from, 3, DIRECT);
	must(write(fd, from, DIRECT) == (ssize_t)DIRECT && !fsync(fd));
	disk = open(name, O_RDONLY | O_DIRECT);
	must(!unlink(name) && !close(fd));
	/* Not every file system can. */
	for (unsigned i = 0; disk >= 0 && i < rounds; i++)
		unmap_while_it_reads(i);
	printf("other memory is as it was\n");
}

int main(int argc, char **argv)
{
	must(!socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	if (argc == 3 && !strcmp(argv[1], "direct")) {
		direct((unsigned)atoi(argv[2]));
		return 0;
	}
	if (argc == 3) {
		n_maps = (size_t)atoi(argv[2]);
		maps();
		return 0;
	}
	advice();
	shared();
	protections();
	return 0;
}
