/* SPDX-License-Identifier: MIT */
/* map.c - mmap, munmap, mprotect, mremap, brk. */
#include "differential.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define MAP_SHARED_VALIDATE_ 3

static int any_prot(void)
{
	static const int often[] = {PROT_READ | PROT_WRITE, PROT_READ,
				    PROT_READ | PROT_WRITE, PROT_NONE,
				    PROT_READ | PROT_EXEC};

	return one_in(6) ? (int)below(8) & ~PROT_WRITE : often[below(5)];
}

/* What a request maps, and what it says in flags. */
struct request {
	struct range r;
	int prot, flags, fd;
	long offset;
	enum kind kind;
	int file;
};

static int any_extra(void)
{
	static const int extra[] = {
		MAP_NORESERVE, MAP_POPULATE, MAP_LOCKED,    MAP_STACK,
		MAP_NONBLOCK,  MAP_POPULATE, MAP_DENYWRITE, MAP_EXECUTABLE,
	};
	int flags = 0;

	while (one_in(3))
		flags |= extra[below(8)];
	return flags;
}

/* Files that somebody writes to are mapped shared only: whether a private
 * page sees a later write is left open by POSIX. */
static void choose_file(struct request *q)
{
	q->file = (int)below(FILES);
	q->fd = file_fd[q->file];
	q->offset = one_in(2) ? 0 : (long)below(5) * PAGE;
	q->flags = q->file >= 4 || one_in(4) ? MAP_SHARED : MAP_PRIVATE;
	q->kind = q->flags == MAP_SHARED ? K_FILE_SHARED : K_FILE;
	if (q->flags == MAP_SHARED && one_in(4))
		q->flags = MAP_SHARED_VALIDATE_;
	if (q->file < 4 && q->kind == K_FILE_SHARED)
		q->prot &= ~PROT_WRITE;
	if (q->file < 4 && one_in(6))
		q->prot |= PROT_WRITE; /* open for reading only */
}

static struct request any_request(void)
{
	struct request q = {any_range(), any_prot(), 0, -1, 0, K_PRIVATE, 0};

	if (one_in(2)) {
		choose_file(&q);
	} else {
		q.flags = MAP_ANONYMOUS | MAP_PRIVATE;
		if (one_in(3)) {
			q.flags = MAP_ANONYMOUS | MAP_SHARED;
			q.kind = K_SHARED;
		}
		if (one_in(16))
			q.flags |= MAP_SHARED_VALIDATE_;
	}
	q.flags |= any_extra();
	return q;
}

static void say_request(const struct request *q, const char *how)
{
	say(" %ld+%ld prot %d flags %x file %d+%ld %s", q->r.start, q->r.n,
	    q->prot, (unsigned)q->flags, q->fd < 0 ? -1 : q->file,
	    q->offset / PAGE, how);
}

/* At a place of the arena: replacing, not replacing, or as a hint. */
void op_map(void)
{
	struct request q = any_request();
	unsigned how = (unsigned)below(8);
	long len = q.r.n * PAGE - (one_in(4) ? (long)below(PAGE) : 0);
	char *p;

	q.flags |= how == 0 ? MAP_FIXED_NOREPLACE : how == 1 ? 0 : MAP_FIXED;
	say_request(&q, how == 0 ? "unless taken" : how == 1 ? "hint" : "");
	p = mmap(at(q.r.start), (size_t)len, q.prot, q.flags, q.fd, q.offset);
	say_addr(p);
	if (p == MAP_FAILED)
		return;
	if (p == at(q.r.start))
		model_map(q.r, q.kind, q.prot, q.file);
	else
		munmap(p, (size_t)len);
}

/* Where the kernel likes: used and unmapped. */
void op_map_anywhere(void)
{
	struct request q = any_request();
	long len = q.r.n * PAGE;
	uint64_t h = 0;
	char *p;

	if (one_in(4))
		q.flags |= MAP_32BIT;
	say_request(&q, "anywhere");
	p = mmap(NULL, (size_t)len, q.prot, q.flags, q.fd, q.offset);
	say_addr(p);
	if (p == MAP_FAILED)
		return;
	say(" %s", (uint64_t)p + len <= 1ul << 31 ? "low" : "high");
	for (long i = 0; i < q.r.n; i++) {
		char *page = p + i * PAGE;

		if (q.prot & PROT_WRITE && one_in(2) && q.file < 4 &&
		    !touch(page + 5, T_WRITE, (char)i))
			say(" w%d", caught.code);
		if (touch(page, T_READ, 0))
			h = hash(h, page, PAGE);
		else
			h = h * 3 + (uint64_t)caught.sig * 8 + caught.code;
	}
	say(" %016lx", (unsigned long)h);
	say_result(munmap(p, (size_t)len));
}

static const struct {
	const char *name;
	long start, len, prot, flags, file, offset;
} wrong[] = {
	{"no length", 0, 0, 3, 0x22, -1, 0},
	{"no type", 0, 4096, 3, 0x20, -1, 0},
	{"type 7", 0, 4096, 3, 0x27, -1, 0},
	{"not open", 0, 4096, 3, 2, 19, 0},
	{"descriptor -1", 0, 4096, 3, 1, -1, 0},
	{"huge", 0, 1l << 60, 3, 0x22, -1, 0},
	{"most", 0, -1, 3, 0x22, -1, 0},
	{"all of user space", 0, 1l << 47, 0, 0x4022, -1, 0},
	{"odd place", 5, 4096, 3, 0x32, -1, 0},
	{"odd place not replacing", 5, 4096, 3, 0x100022, -1, 0},
	{"odd offset", 0, 4096, 3, 2, 22, 100},
	{"odd anonymous offset", 0, 4096, 3, 0x22, -1, 100},
	{"anonymous offset", 0, 4096, 3, 0x22, -1, 8192},
	{"far offset", 0, 8192, 3, 2, 22, -4096},
	{"large offset", 0, 4096, 1, 2, 22, 1l << 50},
	{"kernel's place", 1l << 62, 4096, 3, 0x32, -1, 0},
	{"hint too high", 1l << 62, 4096, 3, 0x22, -1, 0},
	{"large pages", 0, 1l << 21, 3, 0x40022, -1, 0},
	{"large pages of a file", 0, 1l << 21, 1, 0x40002, 22, 0},
	{"unknown flags", 0, 4096, 1, 0x10000002, 22, 0},
	{"unknown flags, validated", 0, 4096, 1, 0x10000003, 22, 0},
	{"sync", 0, 4096, 1, 0x80003, 22, 0},
	{"sync, not validated", 0, 4096, 1, 0x80001, 22, 0},
	{"a pipe", 0, 4096, 1, 2, 1, 0},
	{"protection 8", 0, 4096, 0x8 | 3, 0x22, -1, 0},
	{"protection 0x4000000", 0, 4096, 0x4000003, 0x22, -1, 0},
	{"page 0", 0, 4096, 3, 0x32, -1, 0},
	{"grows down, shared", 0, 4096, 3, 0x121, -1, 0},
	{"grows down, a file", 0, 4096, 1, 0x102, 22, 0},
};

void op_map_wrong(void)
{
	unsigned i = (unsigned)below(sizeof(wrong) / sizeof(wrong[0]));
	long r;

	if (wrong[i].flags == 0x32 && !wrong[i].start && privileged)
		return; /* page 0 is for those who may: not here */
	r = syscall(SYS_mmap, wrong[i].start, wrong[i].len, wrong[i].prot,
		    wrong[i].flags, wrong[i].file, wrong[i].offset);
	say(" %s", wrong[i].name);
	say_addr((void *)r);
	if (r != -1)
		say_result(munmap((void *)r, (size_t)wrong[i].len));
}

void op_unmap(void)
{
	struct range r = any_range();

	if (one_in(12)) {
		static const long bad[][2] = {{1, 4096}, {0, 0}, {0, -1},
					      {1l << 62, 4096}, {0, 1l << 48}};
		unsigned i = (unsigned)below(5);
		char *p = i < 3 ? ARENA + bad[i][0] : (char *)bad[i][0];

		say(" wrong %u", i);
		say_result(munmap(p, (size_t)bad[i][1]));
		return;
	}
	say(" %ld+%ld", r.start, r.n);
	say_result(munmap(at(r.start),
			  (size_t)(r.n * PAGE - (long)below(2) * 100)));
	model_unmap(r);
}

void op_protect(void)
{
	struct range r = one_in(2) ? alike_range() : any_range();
	int prot = any_prot();
	long len = r.n * PAGE, res;

	if (one_in(12)) {
		unsigned i = (unsigned)below(5);
		static const int odd[] = {8, 0x10, 0x1000003, 0x2000003,
					  0x3000001};

		prot = odd[i];
	}
	if (one_in(20))
		len = one_in(2) ? -PAGE : 0;
	say(" %ld+%ld prot %x", r.start, len / PAGE, (unsigned)prot);
	res = mprotect(at(r.start) + one_in(20), (size_t)len, prot);
	say_result(res);
	model_change(r, res == 0 ? prot & 7 : -1);
}

/* ---- mremap ------------------------------------------------------------- */

/* True when the next page lies in another mapping for certain. */
static bool parted(struct range r)
{
	const struct page *a = &model[r.start + r.n - 1], *b = a + 1;

	return b->kind != a->kind || b->prot != a->prot;
}

static void remapped(struct range r, long new_n, char *to, int flags)
{
	struct range moved = {r.start, r.n < new_n ? r.n : new_n};
	struct page p = model[r.start];
	long page = (to - ARENA) / PAGE;

	if (page < 0 || page + new_n > ALL_PAGES) {
		sweep(); /* elsewhere: it is not looked for again */
		munmap(to, (size_t)(new_n * PAGE));
		if (!(flags & MREMAP_DONTUNMAP))
			model_unmap(r);
		return;
	}
	if (page == r.start) {
		model_unmap((struct range){r.start + new_n,
					   r.n > new_n ? r.n - new_n : 0});
		model_map((struct range){r.start, new_n}, p.kind, p.prot,
			  p.file);
		return;
	}
	if (r.n)
		model_move(moved, page);
	if (flags & MREMAP_DONTUNMAP)
		model_map(r, p.kind, p.prot, p.file);
	else
		model_unmap(r);
	model_map((struct range){page, new_n}, p.kind, p.prot, p.file);
}

void op_remap(void)
{
	struct range r = one_in(8) ? any_range() : alike_range(), old = r;
	long new_n = one_in(3) ? r.n : 1 + (long)below(24);
	int flags = one_in(4) ? 0 : MREMAP_MAYMOVE;
	long to = (long)below(PAGES - 24);
	char *p;

	if (!r.n)
		return;
	if (one_in(3))
		flags |= MREMAP_FIXED;
	if (one_in(6))
		flags |= MREMAP_DONTUNMAP, new_n = one_in(4) ? new_n : r.n;
	if (one_in(10))
		old.n = 0;
	if (one_in(10) && parted(r))
		old.n = r.n + 1;
	if (one_in(30))
		new_n = 0;
	if (one_in(40))
		flags |= 8;
	say(" %ld+%ld to %ld+%ld flags %d", r.start, old.n, to, new_n, flags);
	p = (char *)syscall(SYS_mremap, at(r.start) + (one_in(30) ? 8 : 0),
			    old.n * PAGE, new_n * PAGE, flags,
			    at(to) + (one_in(30) ? 8 : 0));
	say_addr(p);
	if (p != MAP_FAILED)
		remapped(old, new_n, p, flags);
}

/* ---- brk ---------------------------------------------------------------- */

void op_brk(void)
{
	char *base = (char *)syscall(SYS_brk, 0);
	long more = (long)below(20) * PAGE + (long)below(PAGE);
	char *end = (char *)syscall(SYS_brk, base + more);
	uint64_t h = 0;

	say(" %ld %ld", more, (long)(end - base));
	for (char *p = base; p < end; p += 1000) {
		*p = (char)(p - base);
		h = hash(h, p, 1);
	}
	end = (char *)syscall(SYS_brk, base + more / 2);
	say(" %ld", (long)(end - base));
	/* What comes again is zero. */
	end = (char *)syscall(SYS_brk, base + more);
	for (char *p = base; p < end; p++)
		h = hash(h, p, 1);
	say(" %lx", (unsigned long)h);
	say(" %ld", (long)((char *)syscall(SYS_brk, base) - base));
	end = (char *)syscall(SYS_brk, one_in(2) ? 4096 : 1l << 62);
	say(" %ld", (long)(end - base));
}

/* ---- growing downwards -------------------------------------------------- */

#define DOWN_TOP 2000
#define DOWN_LOW 200

void op_grows_down(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED;
	long low = DOWN_LOW + (long)below(1400), n = 1 + (long)below(4);
	int prot = one_in(3) ? PROT_NONE : PROT_READ;
	long page = DOWN_TOP - n;

	munmap(at(DOWN_LOW), (ALL_PAGES - DOWN_LOW) * PAGE);
	say_addr(mmap(at(page), (size_t)(n * PAGE), PROT_READ | PROT_WRITE,
		      flags, -1, 0));
	say(" low %ld prot %d", low, prot);
	(void)!mmap(at(low), PAGE, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (unsigned i = 0; i < 5; i++) {
		page -= 1 + (long)below(one_in(2) ? 4 : 400);
		if (page <= low)
			break;
		say(" %ld", page);
		if (!touch(at(page), one_in(2) ? T_READ : T_WRITE, 1)) {
			say_caught();
			break;
		}
	}
	say_result(mprotect(at(DOWN_TOP - 1), PAGE,
			    PROT_READ | PROT_GROWSDOWN));
	if (!touch(at(page), T_WRITE, 1))
		say_caught();
	say_result(munmap(at(DOWN_LOW), (ALL_PAGES - DOWN_LOW) * PAGE));
}

void op_remap_file_pages(void)
{
	struct range r = one_in(4) ? any_range() : alike_range();
	long page = (long)below(4);
	int prot = one_in(10) ? PROT_READ : 0;

	if (!r.n)
		return;
	say(" %ld+%ld page %ld prot %d", r.start, r.n, page, prot);
	say_result(syscall(SYS_remap_file_pages, at(r.start), r.n * PAGE, prot,
			   page, one_in(4) ? MAP_NONBLOCK : 0));
	model_change(r, -1);
}
