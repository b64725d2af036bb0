/* SPDX-License-Identifier: MIT */
/*
 * strict.c - asks for memory until it is refused, and uses all that it was
 * granted. Says for each way of asking whether it was granted; a refusal is
 * ENOMEM, at the call, and what was granted can be written and read in full.
 *
 *	strict MIB	the most it asks for
 *
 * Where memory is promised freely (as Linux does by default) all is granted.
 */
#include "prog.h"

#define CHUNK (4 * MIB)
#define CHUNKS_MAX 1024

static char *chunk[CHUNKS_MAX];
static size_t chunks;

static void say(const char *what, bool granted)
{
	must(granted || errno == ENOMEM);
	printf("%s: %s\n", what, granted ? "granted" : "refused");
	fflush(stdout);
}

static void *map(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A way of asking; what is granted is given back. */
static void try_map(const char *what, size_t len, int prot, int flags)
{
	void *p = map(len, prot, flags);

	say(what, p != NULL);
	must(!p || munmap(p, len) == 0);
}

static void fill(uint64_t seed)
{
	for (size_t i = 0; i < chunks; i++)
		for (size_t at = 0; at < CHUNK; at += 512)
			*(uint64_t *)(chunk[i] + at) = mix(seed + i + at);
}

static void check(uint64_t seed)
{
	for (size_t i = 0; i < chunks; i++)
		for (size_t at = 0; at < CHUNK; at += 512)
			must(*(uint64_t *)(chunk[i] + at) ==
			     mix(seed + i + at));
}

/* The child may write to all it has, as the parent may. */
static void try_fork(const char *what)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fill(77);
		check(77);
		_exit(0);
	}
	say(what, pid > 0);
	if (pid < 0)
		return;
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Address space alone is free; to make it writable is to ask. */
static void try_protect(size_t len)
{
	char *p = map(16 * 1024 * MIB, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	int r;

	say("16 GiB of nothing", p != NULL);
	r = mprotect(p, len, PROT_READ | PROT_WRITE);
	say("made writable", r == 0);
	must(munmap(p, 16 * 1024 * MIB) == 0);
}

int main(int argc, char **argv)
{
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 0) * MIB : 256 * MIB;
	const int rw = PROT_READ | PROT_WRITE;

	must(most / CHUNK <= CHUNKS_MAX);
	while (chunks * CHUNK < most &&
	       (chunk[chunks] = map(CHUNK, rw, MAP_PRIVATE)) != NULL)
		chunks++;
	say("private memory", chunks * CHUNK >= most);
	printf("%zu MiB of it\n", chunks * CHUNK / MIB);
	try_map("MAP_NORESERVE", most, rw, MAP_PRIVATE | MAP_NORESERVE);
	try_map("shared memory", most, rw, MAP_SHARED);
	try_map("to be read only", most, PROT_READ, MAP_PRIVATE);
	try_protect(most);
	say("the heap", sbrk((intptr_t)most) != (void *)-1);
	fill(1);
	check(1);
	try_fork("fork of all of it");
	check(1);
	fill(2);
	check(2);
	must(chunks > 4);
	for (; chunks > 4; chunks--)
		must(munmap(chunk[chunks - 1], CHUNK) == 0);
	try_fork("fork of 16 MiB");
	check(2);
	chunk[chunks] = map(CHUNK, rw, MAP_PRIVATE);
	say("what was given back", chunk[chunks++] != NULL);
	fill(3);
	check(3);
	return 0;
}
