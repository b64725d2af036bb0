/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - see buffers.h.
 *
 * Ranges are kept as whole pages, so that buffers which share pages (the
 * pieces of an iovec, mostly) cost one announcement.
 */
#include "arch/host/kernel/trap.h"
#include "os/buffers.h"

#define EFAULT_TRIES 4
#define STRING_MAX 4096u

void buf_init(struct buffers *b, struct kthread *t)
{
	b->t = t;
	b->n = 0;
	b->pages = 0;
	b->bad = false;
	b->pinned = false;
}

static uint64_t page_down(uint64_t addr)
{
	return addr & ~FW_PAGE_MASK;
}

static uint64_t page_up(uint64_t addr)
{
	return page_down(addr + FW_PAGE_MASK);
}

static unsigned pages_in(uint64_t bytes)
{
	return (unsigned)(bytes >> FW_PAGE_SHIFT);
}

/*
 * Extends range q to cover [start, end), which touches it, as far as the
 * budget goes. Returns the end of what is covered from start on; start when
 * nothing could be done.
 */
static uint64_t extend(struct buffers *b, struct fw_range *q, uint64_t start,
		       uint64_t end)
{
	uint64_t low = start < q->start ? start : q->start;
	uint64_t q_end = q->start + q->len;
	uint64_t high = end > q_end ? end : q_end;
	unsigned more = pages_in(high - low - q->len);
	unsigned left = BUF_PAGES - b->pages;

	if (more > left) {
		if (start < q->start)
			return start;
		high = q_end + ((uint64_t)left << FW_PAGE_SHIFT);
		more = left;
	}
	q->start = low;
	q->len = high - low;
	b->pages += more;
	return high < end ? high : end;
}

/* Adds the pages [start, end); returns the end of those that fit. */
static uint64_t add_pages(struct buffers *b, uint64_t start, uint64_t end,
			  uint32_t access)
{
	struct fw_range *q;
	uint64_t fit, reached;

	for (q = b->r; q < b->r + b->n; q++) {
		if (q->start > end || q->start + q->len < start)
			continue;
		if (q->access == access) {
			reached = extend(b, q, start, end);
			if (reached > start)
				return reached;
		} else if (q->access > access && q->start <= start &&
			   q->start + q->len >= end) {
			return end;
		}
	}
	fit = (uint64_t)(BUF_PAGES - b->pages) << FW_PAGE_SHIFT;
	if (b->n == BUF_RANGES || !fit)
		return start;
	if (end - start > fit)
		end = start + fit;
	*q = (struct fw_range){start, end - start, access, 0};
	b->n++;
	b->pages += pages_in(end - start);
	return end;
}

uint64_t buf_add(struct buffers *b, uint64_t addr, uint64_t len,
		 uint32_t access)
{
	uint64_t end, reached;

	if (!addr || !len)
		return len;
	if (!user_range_ok(b->t, addr, 1)) {
		b->bad = true;
		return len;
	}
	end = addr + len;
	if (end < addr || end > FW_KERNEL_BASE) /* the gap stops the host */
		end = addr < FW_USER_TOP ? FW_USER_TOP : page_up(addr + 1);
	reached = add_pages(b, page_down(addr), page_up(end), access);
	if (reached >= end)
		return len;
	return reached > addr ? reached - addr : 0;
}

/* Index of the first NUL in s[0..n), or n. */
static size_t find_nul(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i])
		i++;
	return i;
}

void buf_string(struct buffers *b, uint64_t addr, char *head, size_t size)
{
	char chunk[256];
	uint64_t total = 0;
	size_t n, nul;

	head[0] = 0;
	if (!addr)
		return;
	if (!user_range_ok(b->t, addr, 1)) {
		b->bad = true;
		return;
	}
	do {
		n = (size_t)(FW_PAGE_SIZE - ((addr + total) & FW_PAGE_MASK));
		if (n > sizeof(chunk))
			n = sizeof(chunk);
		if (user_read(b->t, chunk, addr + total, n))
			break;
		nul = find_nul(chunk, n);
		if (total < size - 1) {
			size_t room = size - 1 - (size_t)total;
			size_t copied = nul < room ? nul : room;

			memcpy(head + total, chunk, copied);
			head[total + copied] = 0;
		}
		total += nul < n ? nul + 1 : n;
	} while (nul == n && total < STRING_MAX);
	buf_add(b, addr, total, FW_ACC_READ);
}

/* Range i can be accessed for `bytes` bytes only: cuts it there. One that
 * cannot even begin is tried for reading: a time-out that the host would
 * write back, but need not, may stand in read-only memory. */
static void cut_range(struct buffers *b, unsigned i, uint64_t bytes)
{
	struct fw_range *q = &b->r[i];

	bytes = page_down(bytes);
	if (bytes) {
		q->len = bytes;
	} else if (q->access == FW_ACC_WRITE) {
		q->access = FW_ACC_READ;
	} else {
		b->n--;
		memmove(q, q + 1, (b->n - i) * sizeof(*q));
	}
}

/*
 * Announces all ranges. What cannot be accessed is cut off: the range from
 * its first bad page on; then the rest is tried again. True when nothing
 * had to be cut.
 */
static bool announce(struct buffers *b)
{
	bool fine = true;
	unsigned ok;
	uint64_t bytes;

	for (unsigned i = 0; i < b->n; i++)
		b->r[i].pinned = b->pinned;
	while (b->n) {
		ok = 0;
		bytes = 0;
		if (!user_announce(b->t, b->r, b->n, &ok, &bytes))
			return fine;
		fine = false;
		user_withdraw(b->t);
		if (ok >= b->n)
			return false;
		cut_range(b, ok, bytes);
	}
	return fine;
}

long buf_call(struct buffers *b, long nr, const long args[6],
	      enum buf_mode mode)
{
	struct kthread *t = b->t;
	unsigned tries = 0;
	bool fine, loose;
	long ret;

	if (b->bad)
		return -EFAULT;
	do {
		fine = announce(b);
		loose = mode == BUF_LOOSE && !tries;
		if (loose && b->n)
			user_withdraw(t);
		if (mode == BUF_NOW)
			ret = host_call(nr, args[0], args[1], args[2], args[3],
					args[4], args[5]);
		else
			ret = host_call_guest(&t->pending, nr, args);
		if (!loose && b->n)
			user_withdraw(t);
	} while (ret == -EFAULT && fine && mode != BUF_ONCE &&
		 ++tries < EFAULT_TRIES);
	return ret;
}

/*
 * When a signal ends the wait, its handler runs under the mask of the call,
 * and the old one stands in its frame: os_signal finds it in saved_mask.
 */
long buf_call_masked(struct buffers *b, long nr, long args[6], long *mask_arg,
		     uint64_t size)
{
	struct kthread *t = b->t;
	uint64_t *host_mask = (uint64_t *)(void *)t->scratch;
	uint64_t mask, old = t->guest_mask;
	long ret;

	if (!*mask_arg)
		return buf_call(b, nr, args, BUF_ONCE);
	if (size != sizeof(mask))
		return -EINVAL;
	if (user_read(t, &mask, (uint64_t)*mask_arg, sizeof(mask)))
		return -EFAULT;
	mask &= ~(K_SIG_BIT(SIGKILL) | K_SIG_BIT(SIGSTOP));
	*host_mask = stop_host_mask(t, mask);
	*mask_arg = (long)host_mask;
	t->guest_mask = mask;
	if (t->held & ~mask)
		ret = -EINTR; /* os_syscall's end delivers it */
	else
		ret = buf_call(b, nr, args, BUF_ONCE);
	if (ret == -EINTR) {
		t->saved_mask = old;
		t->saved_valid = 1;
	} else {
		t->guest_mask = old;
	}
	return ret;
}
