/* SPDX-License-Identifier: MIT */
/* soft.c - the machine: RAM, page files, files, background work. */
#include "arch/soft/soft.h"

#include "mm/mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct soft *machine;

struct soft *soft_machine(void)
{
	return machine;
}

/* Zeroed memory that costs nothing until it is touched. */
static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fwp_panic("no memory for the machine", __FILE__, __LINE__);
	return p;
}

static void must_be_ok(enum fw_status status, int line)
{
	if (status != FW_OK)
		fwp_panic(fw_status_text(status), __FILE__, line);
}

static void add_store(struct soft *s, struct fw_store *store, uint64_t slots)
{
	unsigned file;

	if (!store)
		store = store_ram_open(slots);
	if (!store || store->slots < slots)
		fwp_panic("no room for a page file", __FILE__, __LINE__);
	must_be_ok(fw_page_file_add(s->mm, s->keeper, slots, &file), __LINE__);
	s->stores[file] = store;
}

void soft_switch(struct soft *s)
{
	machine = s;
}

struct soft *soft_create(const struct soft_config *config)
{
	struct fw_mm_config core = {
		.nframes = config->nframes,
		.user_min = config->user_min ? config->user_min : 1,
		.user_top = config->user_top ? config->user_top
					     : SOFT_USER_TOP,
		.port_bytes = 64,
		.strict = config->strict,
		.policy = config->policy,
		.page_frames = config->page_frames,
		.stripes = config->stripes,
		.store_frames = config->store_frames,
	};
	struct soft *s = calloc(1, sizeof(*s));

	if (!s)
		fwp_panic("no memory for the machine", __FILE__, __LINE__);
	machine = s;
	s->ram_bytes = config->nframes * FW_PAGE_SIZE;
	s->ram = reserve(s->ram_bytes);
	s->bus.base = s->ram;
	s->bus.size = s->ram_bytes;
	pthread_mutex_init(&s->keeper_lock, NULL);
	pthread_mutex_init(&s->cpus_lock, NULL);
	must_be_ok(fw_mm_init(s->ram, &core, &s->mm), __LINE__);
	must_be_ok(fw_actor_create(s->mm, NULL, &s->keeper), __LINE__);
	must_be_ok(fw_actor_create(s->mm, NULL, &s->trimmer), __LINE__);
	for (uint32_t i = 0; i < config->page_files; i++)
		add_store(s, config->stores[i], config->slots);
	return s;
}

void soft_destroy(struct soft *s)
{
	for (unsigned i = 0; i < FW_MAX_PAGE_FILES; i++)
		store_close(s->stores[i]);
	munmap(s->ram, s->ram_bytes);
	pthread_mutex_destroy(&s->keeper_lock);
	pthread_mutex_destroy(&s->cpus_lock);
	if (machine == s)
		machine = NULL;
	free(s);
}

struct fw_section *soft_file(struct soft *s, void *data, uint64_t size,
			     uint64_t *ret_cookie)
{
	return soft_image(s, data, size, NULL, 0, ret_cookie);
}

struct fw_section *soft_image(struct soft *s, void *data, uint64_t size,
			      const struct fw_segment *segment, unsigned n,
			      uint64_t *ret_cookie)
{
	struct fw_section_key key = {.dev = 1};
	struct fw_section **made;
	uint64_t i = 0;

	while (i < SOFT_FILES && s->files[i].data)
		i++;
	if (i == SOFT_FILES)
		fwp_panic("too many files", __FILE__, __LINE__);
	key.ino = i + 1;
	made = &s->files[i].section;
	if (n > 0)
		must_be_ok(fw_image_create(s->mm, s->keeper, &key, segment, n,
					   made),
			   __LINE__);
	else
		must_be_ok(fw_section_create(s->mm, s->keeper, &key,
					     (size + FW_PAGE_MASK) >>
						     FW_PAGE_SHIFT,
					     made),
			   __LINE__);
	s->files[i].data = data;
	s->files[i].size = size;
	*ret_cookie = i + 1;
	return s->files[i].section;
}

void soft_actor_died(struct soft *s, struct fw_actor *actor)
{
	uint32_t n = s->n_dead;

	s->dead[n % SOFT_DEAD] = actor->id;
	__atomic_store_n(&s->n_dead, n + 1, __ATOMIC_RELEASE);
}

void soft_background(struct soft *s)
{
	struct fw_mm *mm = s->mm;
	bool more;

	pthread_mutex_lock(&s->keeper_lock);
	fw_balance_second(mm, s->keeper, 0);
	do {
		more = fw_writer_tick(mm, s->keeper);
		more |= fw_mapped_tick(mm, s->keeper);
		more |= fw_zero_tick(mm, s->keeper);
	} while (more);
	pthread_mutex_unlock(&s->keeper_lock);
	fw_balance_tick(mm, s->keeper);
}

static void print_line(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "# verify: %s\n", line);
}

/* Zeroed frames are zero. */
static unsigned verify_zeroed(struct soft *s)
{
	struct fw_mm *mm = s->mm;
	unsigned wrong = 0;

	mm_lock(mm, s->keeper);
	for (fw_pfn pfn = mm->base; pfn < mm->fresh; pfn++) {
		if (mm->frames[pfn].state != FRAME_ZEROED ||
		    fw_page_is_zero(fw_frame_data(mm, pfn)))
			continue;
		wrong++;
		fprintf(stderr, "# verify: zeroed frame %u is not\n", pfn);
	}
	mm_unlock(mm);
	return wrong;
}

unsigned soft_verify(struct soft *s)
{
	return fw_verify(s->mm, s->keeper, print_line, NULL) +
	       verify_zeroed(s);
}
