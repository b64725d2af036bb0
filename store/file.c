/* SPDX-License-Identifier: MIT */
/*
 * file.c - a store in a file or on a device, by preadv and pwritev. Adjacent
 * pages of memory go as one piece; a transfer that comes short is continued.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct file_store {
	struct fw_store base;
	int fd;
	bool owned, direct;
};

static struct file_store *file_of(struct fw_store *s)
{
	return (struct file_store *)s;
}

static int gather(struct iovec *iov, void *const *page, unsigned n)
{
	int used = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i && (char *)page[i] ==
				 (char *)page[i - 1] + FW_PAGE_SIZE) {
			iov[used - 1].iov_len += FW_PAGE_SIZE;
			continue;
		}
		iov[used].iov_base = page[i];
		iov[used++].iov_len = FW_PAGE_SIZE;
	}
	return used;
}

/* Leaves out the first `done` bytes. */
static struct iovec *advance(struct iovec *iov, int *n, size_t done)
{
	while (*n > 0 && done >= iov->iov_len) {
		done -= iov->iov_len;
		iov++;
		--*n;
	}
	if (*n > 0) {
		iov->iov_base = (char *)iov->iov_base + done;
		iov->iov_len -= done;
	}
	return iov;
}

static enum fw_status failure(bool write, ssize_t r)
{
	bool full = r < 0 && (errno == ENOSPC || errno == EFBIG ||
			      errno == EDQUOT);

	/* A read that ends early: the file has been cut. */
	return write && full ? FW_E_FULL : FW_E_IO;
}

static enum fw_status transfer(struct fw_store *s, bool write, uint64_t slot,
			       void *const *page, unsigned n)
{
	struct iovec vector[FW_STORE_MAX], *iov = vector;
	off_t at = (off_t)(slot << FW_PAGE_SHIFT);
	int fd = file_of(s)->fd, left = gather(iov, page, n);

	while (left > 0) {
		ssize_t r = write ? pwritev(fd, iov, left, at)
				  : preadv(fd, iov, left, at);

		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (r <= 0)
			return failure(write, r);
		at += r;
		iov = advance(iov, &left, (size_t)r);
	}
	return FW_OK;
}

static enum fw_status file_read(struct fw_store *s, uint64_t slot,
				void *const *page, unsigned n)
{
	return transfer(s, false, slot, page, n);
}

static enum fw_status file_write(struct fw_store *s, uint64_t slot,
				 void *const *page, unsigned n)
{
	return transfer(s, true, slot, page, n);
}

static void file_close(struct fw_store *s)
{
	if (file_of(s)->owned)
		close(file_of(s)->fd);
	free(s);
}

static const struct fw_store_ops file_ops = {file_read, file_write,
					     file_close};

struct fw_store *store_file_from_fd(int fd, uint64_t slots)
{
	struct file_store *f = calloc(1, sizeof(*f));
	int flags = fcntl(fd, F_GETFL);

	if (!f)
		return NULL;
	f->base = (struct fw_store){.ops = &file_ops, .slots = slots};
	f->fd = fd;
	f->direct = flags != -1 && (flags & O_DIRECT);
	return &f->base;
}

/* With these flags: O_DIRECT first, then without, where it is refused. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT, 0600);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags, 0600);
	return fd;
}

static int open_path(const char *path)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return open_direct(path, flags | O_TMPFILE);
	return open_direct(path, flags | O_CREAT);
}

struct fw_store *store_file_open(const char *path, uint64_t slots)
{
	struct fw_store *s;
	int fd;

	if (slots < 2 || slots > INT64_MAX / FW_PAGE_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	fd = open_path(path);
	if (fd < 0)
		return NULL;
	s = store_file_from_fd(fd, slots);
	if (!s)
		close(fd);
	else
		file_of(s)->owned = true;
	return s;
}

bool store_file_is_direct(const struct fw_store *s)
{
	return ((const struct file_store *)s)->direct;
}
