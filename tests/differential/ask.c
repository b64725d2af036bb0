/* SPDX-License-Identifier: MIT */
/* ask.c - advice, questions, locks and limits. */
#include "differential.h"

#include <fcntl.h>
#include <sys/resource.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Advice that destroys is given to what is mapped, or the arena would soon
 * be empty of content. */
void op_advise(void)
{
	static const int advice[] = {
		MADV_NORMAL,	 MADV_RANDOM,	     MADV_SEQUENTIAL,
		MADV_WILLNEED,	 MADV_DONTNEED,	     MADV_REMOVE,
		MADV_DONTFORK,	 MADV_DOFORK,	     MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_DONTDUMP,	     MADV_DODUMP,
		MADV_COLD,	 MADV_PAGEOUT,	     MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_HUGEPAGE,  MADV_NOHUGEPAGE,
		24 /* DONTNEED_LOCKED */, 7, 26, 1000, -1,
	};
	struct range r = one_in(2) ? alike_range() : any_range();
	int which = advice[below(sizeof(advice) / sizeof(advice[0]))];
	long len = r.n * PAGE;

	if (one_in(20))
		len = one_in(2) ? -PAGE : (long)below(2) * 50;
	say(" %ld+%ld advice %d", r.start, len / PAGE, which);
	say_result(madvise(at(r.start) + (one_in(20) ? 7 : 0), (size_t)len,
			   which));
	model_change(r, -1);
}

/* Of pages that were written to just now: they are here. Others may be. */
void op_mincore(void)
{
	struct range r = one_in(3) ? any_range() : alike_range();
	unsigned char vec[PAGES] = {0};
	long res, in = 0, of = 0;

	for (long i = r.start; i < r.start + r.n; i++)
		if (touch(at(i), T_READ, 0))
			model[i].touched |= 4;
	say(" %ld+%ld", r.start, r.n);
	if (one_in(10)) {
		say_result(mincore(at(r.start) + 1, PAGE, vec));
		say_result(mincore(at(r.start), 0, vec));
		say_result(mincore(at(r.start), -1ul, vec));
		say_result(mincore(at(r.start), (size_t)(r.n * PAGE), NULL));
		res = -1; /* what was touched may go before the next time */
	} else {
		res = mincore(at(r.start), (size_t)(r.n * PAGE), vec);
		say_result(res);
	}
	for (long i = 0; i < r.n; i++) {
		struct page *p = &model[r.start + i];

		of += (p->touched & 4) != 0;
		in += p->touched & 4 && vec[i] & 1;
		p->touched &= (uint8_t)~4;
	}
	if (res == 0)
		say(" %ld of %ld", in, of);
}

void op_msync(void)
{
	struct range r = any_range();
	static const int flags[] = {MS_ASYNC, MS_SYNC, MS_INVALIDATE,
				    MS_SYNC | MS_INVALIDATE, 0,
				    MS_ASYNC | MS_SYNC, 8};
	int which = flags[below(7)];
	long len = one_in(20) ? -PAGE : r.n * PAGE;

	say(" %ld+%ld flags %d", r.start, len / PAGE, which);
	say_result(msync(at(r.start) + one_in(20), (size_t)len, which));
}

/* ---- locks -------------------------------------------------------------- */

void op_lock(void)
{
	struct range r = one_in(2) ? alike_range() : any_range();
	unsigned what = (unsigned)below(8);
	char *p = at(r.start) + (one_in(3) ? below(PAGE) : 0);
	size_t len = (size_t)(one_in(20) ? -PAGE : r.n * PAGE);
	int flags = (int)below(10);

	say(" %u %ld+%ld", what, r.start, r.n);
	switch (what) {
	case 0:
	case 1:
		say_result(mlock(p, len));
		break;
	case 2:
		say(" flags %d", flags & 3);
		say_result(syscall(SYS_mlock2, p, len, flags & 3));
		break;
	case 3:
	case 4:
		say_result(munlock(p, len));
		break;
	case 5:
		say_result(munlockall());
		break;
	case 6:
		say(" flags %d", flags);
		/* All of a program is more than a common limit: only where
		 * that does not count is it known what comes. */
		if (flags & ~7 || !flags || flags == 4 || privileged)
			say_result(mlockall(flags));
		munlockall();
		break;
	default:
		say_result(mlock(p, 0));
		break;
	}
	model_change(r, -1);
}

/* ---- limits ------------------------------------------------------------- */

static const int resource[] = {RLIMIT_AS,  RLIMIT_DATA,	  RLIMIT_STACK,
			       RLIMIT_RSS, RLIMIT_MEMLOCK, RLIMIT_FSIZE,
			       RLIMIT_NOFILE};

static void say_limit(const struct rlimit *l)
{
	say(" %ld/%ld", (long)l->rlim_cur, (long)l->rlim_max);
}

/* What can be asked and set; put back at the end. */
void op_limit(void)
{
	int which = one_in(12) ? (one_in(2) ? 77 : -1) : resource[below(7)];
	struct rlimit old = {7, 7}, new, now = {8, 8};

	say(" %d", which);
	say_result(getrlimit(which, &old));
	say_limit(&old);
	new = old;
	new.rlim_cur = old.rlim_max == RLIM_INFINITY ? 1ul << 40
						     : old.rlim_max / 2;
	if (which == RLIMIT_NOFILE)
		new.rlim_cur = 100;
	if (one_in(8))
		new.rlim_cur = new.rlim_max, new.rlim_max /= 2;
	if (one_in(8) && old.rlim_max != RLIM_INFINITY)
		new.rlim_max++;
	say_limit(&new);
	say_result(prlimit(one_in(2) ? 0 : getpid(), which, &new, &now));
	say_limit(&now);
	say_result(getrlimit(which, &now));
	say_limit(&now);
	old.rlim_max = now.rlim_max;
	if (old.rlim_cur > old.rlim_max)
		old.rlim_cur = old.rlim_max;
	say_result(setrlimit(which, &old));
	say_result(prlimit(one_in(2) ? 0 : 0x7ffffff, which, NULL, NULL));
	say_result(syscall(SYS_prlimit64, 0, which, NULL, 8l));
}

static void try_under(int which, struct range r)
{
	char *p;

	switch (which) {
	case RLIMIT_AS:
	case RLIMIT_DATA:
		p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		say_addr(p);
		if (p != MAP_FAILED)
			munmap(p, 1 << 20);
		p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		say_addr(p);
		if (p != MAP_FAILED)
			munmap(p, 1 << 20);
		say_result(mprotect(at(r.start), (size_t)(r.n * PAGE),
				    PROT_READ | PROT_WRITE));
		p = (char *)syscall(SYS_brk, 0);
		say(" %d", (char *)syscall(SYS_brk, p + 8192) == p);
		syscall(SYS_brk, p);
		break;
	case RLIMIT_FSIZE:
		say_result(pwrite(file_fd[4], "abcdefgh", 8, 19996));
		say_result(pwrite(file_fd[4], "abcdefgh", 8, 30000));
		say_result(ftruncate(file_fd[4], 30000));
		break;
	case RLIMIT_NOFILE:
		say_result(dup(1) >= 0 ? 0 : -1);
		say_result(dup2(1, 19) >= 0 ? 0 : -1);
		say_result(fcntl(1, F_DUPFD, 18) >= 0 ? 0 : -1);
		break;
	default:
		say_result(mlock(at(r.start), (size_t)(r.n * PAGE)));
		p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
						 MAP_LOCKED, -1, 0);
		say_addr(p);
		if (p != MAP_FAILED)
			munmap(p, 65536);
		break;
	}
}

/* A child with little of something. */
void op_limited(void)
{
	static const int which[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE,
				    RLIMIT_NOFILE, RLIMIT_MEMLOCK};
	static const rlim_t much[] = {0, 0, 20000, 17, 8 * PAGE};
	unsigned i = (unsigned)below(5);
	struct range r = alike_range();
	struct rlimit l = {much[i], RLIM_INFINITY};
	int status = 0;
	pid_t pid;

	if (i == 4 && one_in(3))
		l.rlim_cur = 0;
	pid = fork();
	if (pid == 0) {
		struct rlimit old;

		getrlimit(which[i], &old);
		l.rlim_max = old.rlim_max;
		signal(SIGXFSZ, SIG_IGN);
		say(" %d %ld+%ld", which[i], r.start, r.n);
		say_result(munlockall());
		say_result(setrlimit(which[i], &l));
		try_under(which[i], r);
		say_done();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	say(" ended %x", (unsigned)status);
}
