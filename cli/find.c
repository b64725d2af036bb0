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

#define HEAD_BYTES 256
#define MAX_SCRIPTS 5

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

/* ---- scripts ----------------------------------------------------------- */

/* Reads the start of a file; its length, or -1. NUL-terminated. */
static ssize_t read_head(const char *path, char *head, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, head, size - 1);
	close(fd);
	if (n >= 0)
		head[n] = '\0';
	return n;
}

/* argv becomes INTERPRETER [ARGUMENT] FILE and the arguments. */
static int put_before(struct front *f, const char *interpreter,
		      const char *argument)
{
	size_t n = 0, at = 0;
	char **argv;

	while (f->argv[n])
		n++;
	argv = calloc(n + 4, sizeof(*argv));
	if (!argv)
		return fail(EXIT_US, "no memory is left for the arguments. "
				     "Give fewer.");
	argv[at++] = strdup(interpreter);
	if (argument)
		argv[at++] = strdup(argument);
	argv[at++] = strdup(f->program);
	if (n > 1)
		memcpy(argv + at, f->argv + 1, (n - 1) * sizeof(*argv));
	f->argv = argv;
	return put_path(f, interpreter);
}

/* "#! interpreter [one argument]", as the host's execve reads it. */
static int use_interpreter(struct front *f, char *line)
{
	static const char blanks[] = " \t";
	size_t length = strcspn(line, "\n");
	char *interpreter, *argument = NULL;
	int error;

	while (length && strchr(blanks, line[length - 1]))
		length--;
	line[length] = '\0';
	interpreter = line + strspn(line, blanks);
	line = interpreter + strcspn(interpreter, blanks);
	if (*line) {
		*line++ = '\0';
		argument = line + strspn(line, blanks);
	}
	error = *interpreter ? try_path(interpreter) : ENOEXEC;
	if (error)
		return fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXEC,
			    "cannot run %s: its interpreter '%s' cannot be "
			    "executed (%s). Correct its first line.",
			    f->program, interpreter, strerror(error));
	return put_before(f, interpreter, argument);
}

/*
 * The program itself, or what its first line names. A file that is neither
 * ELF nor "#!" goes to the shell, as execvp has it.
 */
static int found(struct front *f, const char *path)
{
	char head[HEAD_BYTES + 1];
	int status = put_path(f, path);

	f->argv = f->opt.argv;
	for (int depth = 0; !status && depth < MAX_SCRIPTS; depth++) {
		ssize_t n = read_head(f->program, head, sizeof(head));

		if (n < 0 || !memcmp(head, "\177ELF", 4))
			return 0;
		if (memcmp(head, "#!", 2))
			return put_before(f, "/bin/sh", NULL);
		status = use_interpreter(f, head + 2);
	}
	return status;
}

/* ---- where ------------------------------------------------------------- */

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
