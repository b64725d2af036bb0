/* SPDX-License-Identifier: MIT */
/*
 * image.h - from a program file to a running image: elf.c and exec.c for
 * the start of the kernel half (start.c).
 */
#ifndef OS_IMAGE_H
#define OS_IMAGE_H

#include "os/os.h"

/* argc, argv, envp and auxv as the host's exec left them on its stack. */
struct host_stack {
	uint64_t argc;
	char **argv;
	char **envp;
	const uint64_t *auxv;
};

/* What loading found out; enough to fill auxv and start. */
struct image {
	uint64_t entry, base, phdr, phnum, phent;
	uint64_t interp_base, start; /* start: where the first rip points */
	uint64_t brk;
	bool exec_stack;
	bool seeks_leaks; /* LeakSanitizer would run at its end */
};

/*
 * Maps the program behind descriptor `fd` and its interpreter into the
 * (empty) space. -ENOEXEC when it is no x86-64 ELF, -errno otherwise.
 */
long elf_load(struct kthread *t, long fd, struct image *ret);
/* Whether the first bytes are an ELF header that elf_load would take. */
bool elf_acceptable(const uint8_t *head, long len);
/* The rest that can be said before it is loaded: 0, -ENOEXEC. */
long elf_check(struct kthread *t, long fd);
/* leaks.c */
struct elf64_phdr;
bool elf_seeks_leaks(long fd, const struct elf64_phdr *ph, unsigned n);
/* How much elf_stack puts there, at most; bytes. */
uint64_t elf_stack_size(const struct host_stack *hs, const char *exec_name);
/* Makes the stack with strings, argv, envp, auxv; *ret_sp is the first rsp. */
long elf_stack(struct kthread *t, const struct image *im,
	       const struct host_stack *hs, const char *exec_name,
	       uint64_t *ret_sp);

/*
 * exec.c: a descriptor of the program at `path`, which the front end asked
 * for. When it is a script, its interpreter is executed and there is no
 * return. -errno.
 */
long os_exec_first(struct kthread *t, const char *path, char *const *argv,
		   char *const *envp);

/* mem.c: maps len bytes of the file at offset; fixed address. */
long map_file_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 long fd, uint64_t offset);
long map_anon_at(struct kthread *t, uint64_t at, uint64_t len, unsigned prot,
		 uint32_t flags);
/* place.c: a free place for a mapping, as mmap chooses it; -ENOMEM. */
long find_place(struct kthread *t, uint64_t len);
/* Brings in the pages of a range as far as that goes. */
void populate(struct kthread *t, uint64_t start, uint64_t len, bool write);

#endif
