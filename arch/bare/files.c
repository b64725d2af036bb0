/* SPDX-License-Identifier: MIT */
/*
 * files.c - the named files, which only the maker of the disk can write. The
 * disk's first page: a head, then an entry for each file. Files begin on
 * page boundaries; the page file lies behind them.
 */
#include "arch/bare/kernel.h"

#define MAGIC 0x30676e72u /* "rng0" */

struct head {
	uint32_t magic, files, page_file, slots; /* sector, pages */
	uint32_t unused[12];
};

static struct {
	struct head head;
	struct file file[FILES_MAX];
} table __attribute__((aligned(4096)));
_Static_assert(sizeof(table) == FW_PAGE_SIZE, "it is read as a page");

void files_init(void)
{
	uint32_t phys = phys_of(&table);

	if (!disk_transfer(0, &phys, 1, false) || table.head.magic != MAGIC ||
	    table.head.files > FILES_MAX)
		panic("the disk has no table of files");
}

uint32_t files_page_file(uint32_t *ret_slots)
{
	*ret_slots = table.head.slots;
	return table.head.page_file;
}

struct file *file_named(const char *name)
{
	for (uint32_t i = 0; i < table.head.files; i++)
		if (streq(table.file[i].name, name))
			return &table.file[i];
	return NULL;
}

struct file *file_number(uint32_t n)
{
	return n >= 1 && n <= table.head.files ? &table.file[n - 1] : NULL;
}

uint32_t file_cookie(const struct file *f)
{
	return (uint32_t)(f - table.file) + 1;
}

struct fw_section *file_section(struct file *f)
{
	struct fw_section_key key = {f->device, f->inode, 0};
	uint32_t pages = (f->size + 4095) / 4096;

	if (!f->section &&
	    fw_section_create(kernel_mm, current->actor, &key, pages,
			      &f->section) != FW_OK)
		return NULL;
	return f->section;
}

enum fw_status file_read(const struct file *f, uint32_t page,
			 const uint32_t *phys, unsigned n, unsigned *ret_n)
{
	uint32_t pages = (f->size + 4095) / 4096, tail = f->size % 4096;
	unsigned have;

	if (page >= pages)
		return FW_E_EOF;
	have = pages - page < n ? pages - page : n;
	if (!disk_transfer(f->sector + page * SECTORS_PAGE, phys, have, false))
		return FW_E_IO;
	if (tail > 0 && page + have == pages)
		memset((char *)ram_at(phys[have - 1]) + tail, 0, 4096 - tail);
	for (unsigned i = have; i < n; i++)
		memset(ram_at(phys[i]), 0, 4096);
	*ret_n = have;
	return FW_OK;
}
