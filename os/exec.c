/* SPDX-License-Identifier: MIT */
/*
 * exec.c - execve: everything that can fail is checked first; then the host
 * execs the kernel image anew with the program's own arguments (so that ps
 * shows them), and the new image (start.c) loads the program into a new
 * space. The old space is destroyed by its agent, which outlives it.
 */
#include <asm/stat.h>
#include <linux/elf.h>
#include <linux/stat.h>

#include "arch/host/kernel/trap.h"
#include "os/aside.h"
#include "os/busy.h"
#include "os/image.h"
#include "os/signal.h"
#include "os/view.h"

#define HOST_AT_FDCWD (-100)
#define HOST_AT_EMPTY_PATH 0x1000
#define HOST_AT_NOFOLLOW 0x100
#define HOST_AT_EACCESS 0x200
#define HOST_AT_EXECVE_CHECK 0x10000 /* since Linux 6.14 */
#define HOST_O_NOFOLLOW 0400000
#define HOST_O_CLOEXEC 02000000
#define HOST_O_PATH 010000000
#define HOST_F_GETFD 1
#define HOST_F_GETFL 3
#define HOST_F_DUPFD_CLOEXEC 1030
#define CLONE_FILES 0x400
#define MAX_SCRIPTS 5
#define HEAD_BYTES 256 /* of a file are looked at */
/* Bytes of strings, and of pointers, and of both together: a little more than
 * there may be under any limit of the stack. The host counts exactly. */
#define MAX_STRINGS ((6ull << 20) + 4096)
#define MAX_POINTERS MAX_STRINGS

/* The vectors of an exec under way, in memory of our own. */
struct exec {
	struct kthread *t;
	long dirfd, flags;	/* where `path` begins, as of execveat */
	long fd;		/* the program */
	char *text;		/* strings, one after the other */
	uint64_t used;
	char **argv, **envp;	/* within `pointers` */
	uint64_t argc, envc, n_pointers;
	char **pointers;
	char path[4096];	/* the file, as opened */
	char name[4096 + 32];	/* AT_EXECFN; what a script is called */
	bool hidden;		/* by this name nobody finds it after exec */
};

static long add_text(struct exec *e, const char *s)
{
	uint64_t len = k_strlen(s) + 1;

	if (e->used + len > MAX_STRINGS)
		return -E2BIG;
	memcpy(e->text + e->used, s, len);
	e->used += len;
	return 0;
}

/* Whether n strings more, and their pointers, may follow those of before. */
static bool too_many(const struct exec *e, uint64_t n)
{
	return e->used + (e->n_pointers + n) * sizeof(char *) > MAX_STRINGS;
}

/* Copies a NULL-terminated vector of strings out of the guest. */
static long copy_vector(struct exec *e, uint64_t from, char ***ret,
			uint64_t *ret_n)
{
	uint64_t n = 0;

	*ret = e->pointers + e->n_pointers;
	for (; from; from += 8) {
		uint64_t p;
		long len;

		if (user_read(e->t, &p, from, 8))
			return -EFAULT;
		if (!p)
			break;
		len = user_string(e->t, e->text + e->used, p,
				  MAX_STRINGS - e->used);
		if (len == -ENAMETOOLONG || too_many(e, n + 8))
			return -E2BIG;
		if (len < 0)
			return len;
		(*ret)[n++] = e->text + e->used;
		e->used += (uint64_t)len + 1;
	}
	(*ret)[n] = NULL;
	*ret_n = n;
	e->n_pointers += n + 2; /* one more for never_empty */
	return 0;
}

/* An empty argv becomes { "" }, as in Linux since 5.18. */
static void never_empty(struct exec *e)
{
	if (e->argc)
		return;
	e->argv[0] = e->text + e->used;
	e->text[e->used++] = 0;
	e->argc = 1;
}

/* ---- which file --------------------------------------------------------- */

static long check_file(const struct exec *e)
{
	long flags = e->flags, r;
	struct stat st;

	r = HC2(__NR_fstat, e->fd, &st);

	if (r)
		return r;
	if ((st.st_mode & 0170000) != 0100000)
		return -EACCES;
	if (flags & HOST_AT_EMPTY_PATH && !*e->path)
		return st.st_mode & 0111 ? 0 : -EACCES;
	r = HC4(439 /* faccessat2 */, e->dirfd, e->path, 1 /* X_OK */,
		HOST_AT_EACCESS | (flags & HOST_AT_NOFOLLOW));
	return r == -ENOSYS ? HC3(__NR_faccessat, e->dirfd, e->path, 1) : r;
}

/* As the host's exec does under no_new_privs, a program that would gain
 * rights runs without them: the user is told. */
static void look_for_rights(struct exec *e)
{
	static const char capabilities[] = "security.capability";
	struct stat st;
	bool user, group;

	if (HC2(__NR_fstat, e->fd, &st))
		return;
	user = st.st_mode & 04000 && st.st_uid != HC0(__NR_geteuid);
	group = (st.st_mode & 02010) == 02010 && st.st_gid != HC0(__NR_getegid);
	if (user || group ||
	    (HC0(__NR_geteuid) &&
	     HC4(__NR_fgetxattr, e->fd, capabilities, 0, 0) > 0))
		os_refused(e->t, FW_REFUSED_SETUID);
}

static bool is_32_bit(const char *head, long len)
{
	return len >= SELFMAG + 1 && !memcmp(head, ELFMAG, SELFMAG) &&
	       head[EI_CLASS] == ELFCLASS32;
}

/* One that only names a file (O_PATH) is opened. */
static long open_again(long fd)
{
	char link[48];
	struct text o = {link, 0, sizeof(link) - 1, 0};
	long flags = HC2(__NR_fcntl, fd, HOST_F_GETFL);

	if (flags < 0 || !(flags & HOST_O_PATH))
		return HC3(__NR_fcntl, fd, HOST_F_DUPFD_CLOEXEC, 0);
	text_put(&o, "/proc/thread-self/fd/");
	text_dec(&o, (uint64_t)fd, 0);
	link[o.used] = 0;
	return HC4(__NR_openat, HOST_AT_FDCWD, link, HOST_O_CLOEXEC, 0);
}

/* To open a device or a FIFO would tell others, and may take for ever. */
static bool is_special(const struct exec *e)
{
	struct stat st;
	long r = HC4(__NR_newfstatat, e->dirfd, e->path, &st,
		     e->flags & (HOST_AT_NOFOLLOW | HOST_AT_EMPTY_PATH));

	return !r && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) ||
		      S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static long open_program(struct exec *e)
{
	long r;

	if (is_special(e))
		return -EACCES;
	if (!*e->path && e->flags & HOST_AT_EMPTY_PATH)
		e->fd = open_again(e->dirfd);
	else if (e->flags & HOST_AT_NOFOLLOW)
		e->fd = HC4(__NR_openat, e->dirfd, e->path,
			    HOST_O_CLOEXEC | HOST_O_NOFOLLOW, 0);
	else
		e->fd = HC4(__NR_openat, e->dirfd, e->path, HOST_O_CLOEXEC, 0);
	if (e->fd < 0)
		return e->fd;
	r = check_file(e);
	if (!r)
		r = busy_for_running(e->fd, *e->path != 0);
	if (r)
		HC1(__NR_close, e->fd);
	return r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

/* Behind a name: at a blank or a NUL, or at `end`. */
static char *skip_name(char *p, const char *end)
{
	while (p < end && *p && !is_blank(*p))
		p++;
	return p;
}

/* Where the first line ends; a line that is longer than the head ends where
 * that does, as long as the interpreter's name is whole. NULL: it is not. */
static char *line_end(char *head)
{
	char *last = head + HEAD_BYTES - 1, *p;

	for (p = head; p <= last && *p; p++)
		if (*p == '\n')
			return p;
	p = skip_name(skip_blanks(head + 2, last + 1), last + 1);
	return p > last ? NULL : last;
}

/* Splits "#! interpreter [argument]"; the argument may be NULL. `head` has
 * HEAD_BYTES, zeros behind those of a shorter file. */
static long parse_script(char *head, char **interp, char **arg)
{
	char *p = head + 2, *stop = line_end(head);

	if (!stop)
		return -ENOEXEC;
	while (is_blank(stop[-1]))
		stop--;
	p = skip_blanks(p, stop);
	if (p >= stop)
		return -ENOEXEC;
	*interp = p;
	p = skip_name(p, stop);
	*arg = p < stop && *p ? skip_blanks(p, stop) : NULL;
	*stop = 0;
	*p = 0;
	return 0;
}

/*
 * The program is a script: argv becomes interpreter, argument, script, rest.
 * argv[0] is dropped; two slots are kept free in front of argv for this.
 */
static long apply_script(struct exec *e, const char *name, char *interp,
			 char *arg)
{
	char *script = e->text + e->used;
	long r = add_text(e, name);
	char *a = e->text + e->used;

	if (!r && arg)
		r = add_text(e, arg);
	if (r)
		return r;
	e->argv[0] = script;
	if (arg) {
		*--e->argv = a;
		e->argc++;
	}
	a = e->text + e->used;
	r = add_text(e, interp);
	if (r)
		return r;
	*--e->argv = a;
	e->argc++;
	memcpy(e->path, interp, k_strlen(interp) + 1);
	return 0;
}

/* Opens the file to load, following #! lines. */
static long find_program(struct exec *e)
{
	for (unsigned depth = 0; depth <= MAX_SCRIPTS; depth++) {
		char head[HEAD_BYTES] = {0}, *interp, *arg;
		long len, r = open_program(e);

		if (r)
			return r;
		len = HC4(__NR_pread64, e->fd, head, HEAD_BYTES, 0);
		if (len >= 2 && head[0] == '#' && head[1] == '!') {
			HC1(__NR_close, e->fd);
			r = parse_script(head, &interp, &arg);
			if (!r && !depth && e->hidden)
				r = -ENOENT;
			if (!r)
				r = apply_script(e, depth ? e->path : e->name,
						 interp, arg);
			if (r)
				return r;
			e->dirfd = HOST_AT_FDCWD;
			e->flags = 0;
			continue;
		}
		if (elf_acceptable((const uint8_t *)head, len)) {
			r = elf_check(e->t, e->fd);
			if (r)
				HC1(__NR_close, e->fd);
			else
				look_for_rights(e);
			return r;
		}
		if (is_32_bit(head, len))
			os_refused(e->t, FW_REFUSED_32_BIT);
		HC1(__NR_close, e->fd);
		return len < 0 ? len : -ENOEXEC;
	}
	return -40; /* ELOOP */
}

static long try_program(void *arg)
{
	struct exec *e = arg;
	long r = find_program(e);

	if (!r)
		HC1(__NR_close, e->fd);
	return r;
}

/* Record locks on scripts, and on what cannot be run, stay. */
static long find_and_keep(struct exec *e)
{
	long r;

	if (!aside_needed(e->t))
		return find_program(e);
	r = aside(e->t, try_program, e);
	return r ? r : open_program(e);
}

/* ---- the change of images ----------------------------------------------- */

static void copy_name(char to[256], const char *from)
{
	size_t n = k_strlen(from);

	if (n > 255)
		n = 255;
	memcpy(to, from, n);
	to[n] = 0;
}

/* Makes an absolute path of one relative to the current directory. */
static void absolute_path(char to[256], const char *path)
{
	long n = 0;

	if (path[0] != '/') {
		n = HC2(__NR_getcwd, to, 200);
		n = n > 1 ? n - 1 : 0;
		to[n++] = '/';
		while (path[0] == '.' && path[1] == '/')
			path += 2;
	}
	if (n + (long)k_strlen(path) > 255)
		n = 0;
	copy_name(to + n, path);
}

static void leave_note(struct exec *e)
{
	struct kproc *p = e->t->p;
	struct fw_proc *proc = p->proc;
	uint64_t ignored = 0;

	for (int sig = 1; sig <= K_NSIG; sig++)
		if (p->actions[sig].handler == 1)
			ignored |= K_SIG_BIT(sig);
	absolute_path(proc->exec_path, e->path);
	copy_name(proc->exec_name, e->name);
	proc->exec_mask = e->t->guest_mask;
	proc->exec_ignored = ignored;
	proc->old_space = p->space;
	proc->exec_shared = p->vfork_child;
	__atomic_store_n(&proc->state, FW_PROC_EXECS, __ATOMIC_SEQ_CST);
}

/* The program's descriptor takes the place of the one that there is, in a table
 * that is no other process's: the host's exec makes it so anyway. */
static long put_program(struct exec *e, long exe, long *ret_old)
{
	if (e->t->p->n_threads == 1)
		HC1(__NR_unshare, CLONE_FILES);
	*ret_old = HC3(__NR_fcntl, exe, HOST_F_DUPFD_CLOEXEC, 0);
	return HC3(__NR_dup3, e->fd, exe, 0);
}

static void put_back(struct kthread *t, long exe, long old)
{
	if (old < 0) {
		HC3(__NR_dup3, run_fd(t->p->run, FW_FD_LIFE), exe, 0);
		return;
	}
	HC3(__NR_dup3, old, exe, 0);
	HC1(__NR_close, old);
}

static long replace_image(struct exec *e)
{
	struct kthread *t = e->t;
	struct fw_proc_image *image = &t->p->proc->image;
	uint64_t dev = image->exe_dev, ino = image->exe_ino;
	long exe = run_fd(t->p->run, FW_FD_EXE), r, old;

	leave_note(e);
	busy_note(t->p->proc, e->fd);
	r = put_program(e, exe, &old);
	if (r >= 0)
		r = HC5(__NR_execveat, run_fd(t->p->run, FW_FD_KERNEL), "",
			e->argv, e->envp, HOST_AT_EMPTY_PATH);
	put_back(t, exe, old);
	t->p->proc->state = FW_PROC_RUNS;
	t->p->proc->old_space = NULL;
	image->exe_dev = dev;
	image->exe_ino = ino;
	return r;
}

/* A signal that has come is handled by this program; one that comes from here
 * on waits at the host, and meets the next one's action for it. */
static long change_image(struct exec *e)
{
	uint64_t old = signals_block();
	long r = e->t->pending ? K_ERESTART : replace_image(e);

	signals_restore(old);
	return r;
}

static long exec_memory(struct kthread *t, struct exec **ret)
{
	uint64_t total = sizeof(struct exec) + MAX_STRINGS + MAX_POINTERS;
	long at = private_map(t, total);
	struct exec *e = (struct exec *)at;

	if (K_IS_ERR(at))
		return -ENOMEM;
	e->t = t;
	e->dirfd = HOST_AT_FDCWD;
	e->text = (char *)(e + 1);
	e->pointers = (char **)(void *)(e->text + MAX_STRINGS);
	e->n_pointers = 2 * (MAX_SCRIPTS + 1); /* room for apply_script */
	*ret = e;
	return 0;
}

/* What the host calls the program: /dev/fd/N/path for a path that begins at a
 * descriptor. */
static void name_program(struct exec *e)
{
	struct text o = {e->name, 0, sizeof(e->name) - 1, 0};

	if (e->dirfd != HOST_AT_FDCWD && e->path[0] != '/') {
		text_put(&o, "/dev/fd/");
		text_dec(&o, (uint64_t)(uint32_t)e->dirfd, 0);
		if (*e->path)
			text_char(&o, '/');
		e->hidden = HC2(__NR_fcntl, e->dirfd, HOST_F_GETFD) & 1;
	}
	text_put(&o, e->path);
	e->name[o.used] = 0;
}

/* A name of the program that a guest runs, or of another that is ours. */
static long substitute(struct exec *e)
{
	char to[4096];
	long n = e->flags & HOST_AT_NOFOLLOW
			 ? 0
			 : view_link(e->t, e->dirfd, e->path, true, to);

	if (n < 0)
		return n;
	name_program(e);
	if (n)
		memcpy(e->path, to, (size_t)n + 1);
	return 0;
}

/* The numbers that a guest may have can all be taken: ours come on top. */
static long replace(struct exec *e)
{
	long r;

	limit_files_lift(e->t);
	r = find_and_keep(e);
	if (!r) {
		r = change_image(e);
		HC1(__NR_close, e->fd);
	}
	limit_files_settle(e->t);
	return r;
}

/* The host looks at the file, not at what a script names, and runs nothing;
 * one that does not know the flag says so. */
static long check_only(struct exec *e)
{
	static char *const none[] = {"", NULL};

	return HC5(__NR_execveat, e->dirfd, e->path, none, none + 1, e->flags);
}

static long do_exec(struct kthread *t, long dirfd, uint64_t path,
		    uint64_t argv, uint64_t envp, long flags)
{
	uint64_t total = sizeof(struct exec) + MAX_STRINGS + MAX_POINTERS;
	struct exec *e;
	long r = exec_memory(t, &e);

	if (r)
		return r;
	e->dirfd = dirfd;
	e->flags = flags;
	r = user_string(t, e->path, path, sizeof(e->path));
	if (r >= 0)
		r = substitute(e);
	if (!r)
		r = copy_vector(e, argv, &e->argv, &e->argc);
	if (!r) {
		never_empty(e);
		r = copy_vector(e, envp, &e->envp, &e->envc);
	}
	if (!r)
		r = flags & HOST_AT_EXECVE_CHECK ? check_only(e) : replace(e);
	window_close((uint64_t)e, total);
	return r;
}

/* The same for vectors that lie in our own memory. */
static long take_vector(struct exec *e, char *const *from, char ***ret,
			uint64_t *ret_n)
{
	uint64_t n = 0;

	*ret = e->pointers + e->n_pointers;
	for (; from[n]; n++) {
		(*ret)[n] = e->text + e->used;
		if (too_many(e, n + 8) || add_text(e, from[n]))
			return -E2BIG;
	}
	(*ret)[n] = NULL;
	*ret_n = n;
	e->n_pointers += n + 2;
	return 0;
}

long os_exec_first(struct kthread *t, const char *path, char *const *argv,
		   char *const *envp)
{
	uint64_t total = sizeof(struct exec) + MAX_STRINGS + MAX_POINTERS;
	struct exec *e;
	long r = exec_memory(t, &e), fd;

	if (r)
		return r;
	memcpy(e->path, path, k_strlen(path) + 1);
	memcpy(e->name, path, k_strlen(path) + 1);
	r = take_vector(e, argv, &e->argv, &e->argc);
	if (!r) {
		never_empty(e);
		r = take_vector(e, envp, &e->envp, &e->envc);
	}
	limit_files_lift(t);
	if (!r)
		r = find_program(e);
	if (!r && k_strcmp(e->path, path))
		r = change_image(e);
	limit_files_settle(t);
	fd = e->fd;
	window_close((uint64_t)e, total);
	return r ? r : fd;
}

long sys_execve(struct kthread *t, struct ucontext *uc, const long a[6])
{
	(void)uc;
	return do_exec(t, HOST_AT_FDCWD, (uint64_t)a[0], (uint64_t)a[1],
		       (uint64_t)a[2], 0);
}

long sys_execveat(struct kthread *t, struct ucontext *uc, const long a[6])
{
	const uint32_t known = HOST_AT_NOFOLLOW | HOST_AT_EMPTY_PATH |
			       HOST_AT_EXECVE_CHECK;

	(void)uc;
	if ((uint32_t)a[4] & ~known)
		return -EINVAL;
	if (k_fd_reserved(t, (int)a[0]))
		return -EBADF;
	return do_exec(t, (int)a[0], (uint64_t)a[1], (uint64_t)a[2],
		       (uint64_t)a[3], (uint32_t)a[4]);
}
