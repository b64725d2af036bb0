/* SPDX-License-Identifier: MIT */
/* maps.c - the map of a process as text, in the form of /proc/PID/maps. */
#include "arch/bare/kernel.h"

#define NAME_COLUMN 49

/* The line of the first region at or above *at, which moves behind it; 0: there
 * is none. */
static size_t line_at(uint32_t *at, char *line, size_t size)
{
	struct fw_vad *v = fw_vad_at_or_above(current->space, *at);
	const struct file *f;
	size_t n;

	if (!v)
		return 0;
	*at = (uint32_t)(v->end << FW_PAGE_SHIFT);
	f = v->section ? file_number((uint32_t)v->cookie) : NULL;
	n = ksnprintf(line, size, "%08x-%08x %c%c%c%c %08x %02x:%02x %u",
		      (uint32_t)(v->start << FW_PAGE_SHIFT), *at,
		      v->prot & FW_PROT_R ? 'r' : '-',
		      v->prot & FW_PROT_W ? 'w' : '-',
		      v->prot & FW_PROT_X ? 'x' : '-',
		      v->kind == FW_VAD_SECTION ? 's' : 'p',
		      f ? (uint32_t)(v->page << FW_PAGE_SHIFT) : 0,
		      f ? f->device >> 8 : 0, f ? f->device & 0xff : 0,
		      f ? f->inode : 0);
	if (f || v->flags & FW_VADF_STACK) {
		while (n < NAME_COLUMN)
			line[n++] = ' ';
		n += ksnprintf(line + n, size - n, "%s",
			       f ? f->name : "[stack]");
	}
	line[n++] = '\n';
	return n;
}

int sys_maps(uint32_t buffer, uint32_t size)
{
	uint32_t at = 0, done = 0;
	char line[128];

	for (;;) {
		size_t n;

		fw_space_lock(current->space, current->actor);
		n = line_at(&at, line, sizeof(line));
		fw_space_unlock(current->space);
		if (n == 0 || done + n > size)
			return (int)done;
		if (copy_to_user(buffer + done, line, n) > 0)
			return -E_FAULT;
		done += n;
	}
}
