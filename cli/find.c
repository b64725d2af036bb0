/* SPDX-License-Identifier: MIT */
/*
 * find.c - which file a program's name means: as execvp(3) decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/* 0 when the file can be executed, as far as can be told; else errno. */
static int try_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return access(path, X_OK) ? errno : 0;
}

/* Neither ELF nor "#!": execvp gives such a file to the shell. */
static bool is_plain_script(const char *path)
{
	char head[4] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return false; /* executable but not readable: not a script */
	n = read(fd, head, sizeof(head));
	close(fd);
	return n >= 0 && memcmp(head, "\177ELF", 4) && memcmp(head, "#!", 2);
}

static int put_path(struct front *f, const char *path)
{
	if (strlen(path) >= sizeof(f->program))
		return fail(EXIT_US,
			    "cannot run %s: its path is longer than %zu bytes. "
			    "Start it by a shorter path.",
			    f->opt.argv[0], sizeof(f->program) - 1);
	strcpy(f->program, path);
	return 0;
}

/* Runs the file by the shell: sh FILE ARGUMENTS. */
static int use_shell(struct front *f)
{
	size_t n = 0;
	char **argv;

	while (f->opt.argv[n])
		n++;
	argv = calloc(n + 2, sizeof(*argv));
	if (!argv)
		return fail(EXIT_US, "no memory is left for the arguments.");
	argv[0] = "/bin/sh";
	argv[1] = strdup(f->program);
	memcpy(argv + 2, f->opt.argv + 1, n * sizeof(*argv));
	f->argv = argv;
	strcpy(f->program, "/bin/sh");
	return 0;
}

static int found(struct front *f, const char *path)
{
	int status = put_path(f, path);

	f->argv = f->opt.argv;
	if (!status && is_plain_script(path))
		status = use_shell(f);
	return status;
}

static int not_found(const char *name, int error)
{
	if (error == ENOENT && !strchr(name, '/'))
		return fail(EXIT_NOT_FOUND,
			    "cannot run %s: there is no such program in PATH. "
			    "Check the name, or give a path: ./%s",
			    name, name);
	if (error == ENOENT || error == ENOTDIR)
		return fail(EXIT_NOT_FOUND,
			    "cannot run %s: there is no such file. Check the "
			    "path.",
			    name);
	if (error == EACCES)
		return fail(EXIT_NOT_EXEC,
			    "cannot run %s: it is not an executable file, or "
			    "not yours to execute. See: ls -l, chmod +x",
			    name);
	return fail(EXIT_NOT_EXEC, "cannot run %s: %s. Check the path.", name,
		    strerror(error));
}

/* The next folder of a PATH-like list with the name behind it; false when it
 * does not fit. An empty entry is the working directory. */
static bool join(const char **list, const char *name, char *path, size_t size)
{
	const char *entry = *list, *end = strchrnul(entry, ':');
	int length = (int)(end - entry);
	int n = length ? snprintf(path, size, "%.*s/%s", length, entry, name)
		       : snprintf(path, size, "%s", name);

	*list = *end ? end + 1 : NULL;
	return n > 0 && (size_t)n < size;
}

int find_program(struct front *f)
{
	const char *name = f->opt.argv[0], *list = getenv("PATH");
	char path[4096];
	int error, worst = ENOENT;

	if (strchr(name, '/')) {
		error = try_path(name);
		return error ? not_found(name, error) : found(f, name);
	}
	if (!*name)
		return fail(EXIT_NOT_FOUND, "cannot run '': that is no name. "
					    "Name a program.");
	if (!list)
		list = "/bin:/usr/bin";
	while (list) {
		if (!join(&list, name, path, sizeof(path)))
			continue;
		error = try_path(path);
		if (!error)
			return found(f, path);
		if (error == EACCES)
			worst = EACCES;
	}
	return not_found(name, worst);
}
