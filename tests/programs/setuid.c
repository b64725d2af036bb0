/* SPDX-License-Identifier: MIT */
/*
 * setuid - gives up root's privileges and ends, as does a child of its. The
 * run must end then as well.
 */
#include "prog.h"

#include <sys/wait.h>

int main(void)
{
	pid_t pid = fork();
	int st;

	must(pid >= 0);
	if (!getuid())
		must(!setresgid(65534, 65534, 65534) &&
		     !setresuid(65534, 65534, 65534));
	if (!pid)
		_exit(7);
	must(waitpid(pid, &st, 0) == pid && WIFEXITED(st) &&
	     WEXITSTATUS(st) == 7);
	puts("unprivileged");
	return 0;
}
