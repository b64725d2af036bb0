/* SPDX-License-Identifier: MIT */
/*
 * ioctl.c - calls whose argument means something else for each request.
 *
 * ioctl: a request made by _IOR, _IOW or _IOWR says itself how long its
 * argument is. Older ones stand in the table; of what is in neither, the
 * argument is taken for a pointer to a small structure if it can be one.
 * Announcing too much is harmless, too little would be EFAULT.
 */
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/sockios.h>

#include "os/aside.h"
#include "os/buffers.h"
#include "os/changes.h"
#include "os/view.h"

#define IFREQ_BYTES 40
#define ETHTOOL_BYTES 4096 /* what ifr_data points to, at most */
#define GUESS_BYTES 512
#define FIEMAP_REQUEST 0xc020660bu
#define FIEMAP_BYTES 32
#define FIEMAP_EXTENT_BYTES 56
#define DEDUPE_BYTES 24
#define NEW_USERFAULTFD 0xaa00u
#define DEDUPE_INFO_BYTES 32
#define SCAN_PAGEMAP 0xc0606610u  /* PAGEMAP_SCAN */
#define QUERY_MAPS 0xc0686611u	  /* PROCMAP_QUERY */

/* A request and its argument: size 0 means a value, no pointer. */
struct request {
	uint32_t request;
	uint16_t size;
	uint16_t write; /* the host writes to it */
};

static const struct request requests[] = {
	{TCGETS, 36, 1},      {TCSETS, 36, 0},	     {TCSETSW, 36, 0},
	{TCSETSF, 36, 0},     {TCGETA, 18, 1},	     {TCSETA, 18, 0},
	{TCSETAW, 18, 0},     {TCSETAF, 18, 0},	     {TCSBRK, 0, 0},
	{TCXONC, 0, 0},	      {TCFLSH, 0, 0},	     {TIOCEXCL, 0, 0},
	{TIOCNXCL, 0, 0},     {TIOCSCTTY, 0, 0},     {TIOCGPGRP, 4, 1},
	{TIOCSPGRP, 4, 0},    {TIOCOUTQ, 4, 1},	     {TIOCSTI, 1, 0},
	{TIOCGWINSZ, 8, 1},   {TIOCSWINSZ, 8, 0},    {TIOCMGET, 4, 1},
	{TIOCMBIS, 4, 0},     {TIOCMBIC, 4, 0},	     {TIOCMSET, 4, 0},
	{TIOCGSOFTCAR, 4, 1}, {TIOCSSOFTCAR, 4, 0},  {FIONREAD, 4, 1},
	{TIOCLINUX, 64, 1},   {TIOCCONS, 0, 0},	     {TIOCGSERIAL, 72, 1},
	{TIOCSSERIAL, 72, 0}, {TIOCPKT, 4, 0},	     {FIONBIO, 4, 0},
	{TIOCNOTTY, 0, 0},    {TIOCSETD, 4, 0},	     {TIOCGETD, 4, 1},
	{TCSBRKP, 0, 0},      {TIOCSBRK, 0, 0},	     {TIOCCBRK, 0, 0},
	{TIOCGSID, 4, 1},     {TIOCGRS485, 32, 1},   {TIOCSRS485, 32, 1},
	{FIONCLEX, 0, 0},     {FIOCLEX, 0, 0},	     {FIOASYNC, 4, 0},
	{TIOCMIWAIT, 0, 0},   {TIOCGICOUNT, 80, 1},  {FIOQSIZE, 8, 1},
	{FIBMAP, 4, 1},	      {FIGETBSZ, 4, 1},	     {BLKROSET, 4, 0},
	{BLKROGET, 4, 1},     {BLKRRPART, 0, 0},     {BLKGETSIZE, 8, 1},
	{BLKFLSBUF, 0, 0},    {BLKRASET, 0, 0},	     {BLKRAGET, 8, 1},
	{BLKSECTGET, 2, 1},   {BLKSSZGET, 4, 1},     {BLKDISCARD, 16, 0},
	{BLKIOMIN, 4, 1},     {BLKIOOPT, 4, 1},	     {BLKALIGNOFF, 4, 1},
	{BLKPBSZGET, 4, 1},   {BLKROTATIONAL, 2, 1}, {BLKZEROOUT, 16, 0},
	{FIOSETOWN, 4, 0},    {SIOCSPGRP, 4, 0},     {FIOGETOWN, 4, 1},
	{SIOCGPGRP, 4, 1},    {SIOCATMARK, 4, 1},    {0x8906, 16, 1},
	{0x8907, 16, 1},      {SIOCADDRT, 120, 0},   {SIOCDELRT, 120, 0},
	{FICLONE, 0, 0},
};

static const struct request *request_find(uint32_t request)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (requests[i].request == request)
			return &requests[i];
	}
	return NULL;
}

/* Adds len bytes at the address that stands `at` bytes into the argument,
 * count times (when count_at is given: a 32-bit number there). */
static void add_pointed(struct buffers *b, uint64_t arg, unsigned at,
			uint64_t len)
{
	uint64_t addr;

	if (!user_read(b->t, &addr, arg + at, sizeof(addr)))
		buf_add(b, addr, len, FW_ACC_WRITE);
}

/* SIOCGIFCONF: a length and a pointer to so many bytes. */
static void add_ifconf(struct buffers *b, uint64_t arg)
{
	int32_t len;

	buf_add(b, arg, 16, FW_ACC_WRITE);
	if (!user_read(b->t, &len, arg, sizeof(len)) && len > 0)
		add_pointed(b, arg, 8, (uint32_t)len);
}

/* Requests with something behind their structure. True when it was one. */
static bool add_special(struct buffers *b, uint32_t request, uint64_t arg)
{
	uint32_t n = 0;

	switch (request) {
	case SIOCGIFCONF:
		add_ifconf(b, arg);
		return true;
	case SIOCETHTOOL:
		buf_add(b, arg, IFREQ_BYTES, FW_ACC_WRITE);
		add_pointed(b, arg, 16, ETHTOOL_BYTES);
		return true;
	case FIEMAP_REQUEST:
		user_read(b->t, &n, arg + 24, sizeof(n));
		buf_add(b, arg,
			FIEMAP_BYTES + (uint64_t)n * FIEMAP_EXTENT_BYTES,
			FW_ACC_WRITE);
		return true;
	case FIDEDUPERANGE:
		user_read(b->t, &n, arg + 16, sizeof(uint16_t));
		buf_add(b, arg, DEDUPE_BYTES + (uint64_t)n * DEDUPE_INFO_BYTES,
			FW_ACC_WRITE);
		return true;
	default:
		return false;
	}
}

/* What the host would tell of its own mappings in the guest's place. */
static bool about_mappings(struct kthread *t, long fd, uint32_t request)
{
	struct view v;

	return (request == SCAN_PAGEMAP || request == QUERY_MAPS) &&
	       view_any(t) && view_find(t, fd, &v);
}

long sys_ioctl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint32_t request = (uint32_t)a[1];
	const struct request *r = request_find(request);
	uint64_t arg = (uint64_t)a[2];
	struct buffers b;
	long ret;

	(void)uc;
	if (request == NEW_USERFAULTFD) { /* of /dev/userfaultfd */
		os_refused(t, FW_REFUSED_USERFAULTFD);
		return -EPERM;
	}
	if (about_mappings(t, a[0], request))
		return -ENOTTY; /* as before Linux 6.7 and 6.11 */
	buf_init(&b, t);
	if (r)
		buf_add(&b, r->size ? arg : 0, r->size,
			r->write ? FW_ACC_WRITE : FW_ACC_READ);
	else if (add_special(&b, request, arg))
		;
	else if (_IOC_DIR(request) != _IOC_NONE)
		buf_add(&b, arg, _IOC_SIZE(request),
			_IOC_DIR(request) & _IOC_READ ? FW_ACC_WRITE
						      : FW_ACC_READ);
	else if (request >> 8 == 0x89)
		buf_add(&b, arg, IFREQ_BYTES, FW_ACC_WRITE);
	else if (arg >= FW_USER_MIN)
		buf_add(&b, arg, GUESS_BYTES, FW_ACC_WRITE);
	ret = buf_call(&b, __NR_ioctl, a, BUF_AGAIN);
	if (!ret && (request == FICLONE || request == FICLONERANGE))
		file_changed(t, a[0], 0);
	return ret;
}

/* ---- fcntl -------------------------------------------------------------- */

long sys_fcntl(struct kthread *t, struct ucontext *uc, const long a[6])
{
	uint32_t first = t->p->run->fd_first;
	long args[6] = {a[0], a[1], a[2]};
	struct buffers b;

	(void)uc;
	if (k_fd_reserved(t, (int)a[0]))
		return -EBADF;
	buf_init(&b, t);
	switch ((int)a[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC: /* never into the reserved numbers */
		if ((uint64_t)a[2] >= first &&
		    (uint64_t)a[2] < first + FW_FD_COUNT)
			args[2] = first + FW_FD_COUNT;
		break;
	case F_SETLK:
	case F_SETLKW:
	case F_GETLK:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		if ((int)a[1] == F_SETLK || (int)a[1] == F_SETLKW)
			aside_locks(t);
		buf_add(&b, (uint64_t)a[2], sizeof(struct flock), FW_ACC_WRITE);
		break;
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_GETOWNER_UIDS:
	case F_GET_RW_HINT:
	case F_SET_RW_HINT:
	case F_GET_FILE_RW_HINT:
	case F_SET_FILE_RW_HINT:
		buf_add(&b, (uint64_t)a[2], 8, FW_ACC_WRITE);
		break;
	default:
		break;
	}
	return buf_call(&b, __NR_fcntl, args, BUF_AGAIN);
}
