/* SPDX-License-Identifier: MIT */
/*
 * port.c - the software MMU's port with a scheduler inside. It stands in for
 * arch/soft/lock.c, and before some functions of arch/soft and libc: the linker
 * gives us their callers (--wrap, see tests/meson.build).
 */
#include "explore.h"

#include "mm/mm.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_HELD (FW_STRIPES_MAX + 2)

void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
_Noreturn void __real_abort(void);
unsigned __real_fwp_compress(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room);
bool __real_fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
			   void *page);
unsigned __real_fwp_condense(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room);
bool __real_fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		       void *page);
void __real_fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
			  enum fw_flush how);
enum fw_status __real_fwp_store_read(struct fw_mm *mm, unsigned file,
				     uint64_t slot, const fw_pfn *pfn,
				     unsigned n);
enum fw_status __real_fwp_store_write(struct fw_mm *mm, unsigned file,
				      uint64_t slot, const fw_pfn *pfn,
				      unsigned n);
enum fw_status __real_fwp_section_read(struct fw_section *section,
				       uint64_t cookie, uint64_t page,
				       const fw_pfn *pfn, unsigned n,
				       unsigned *ret_n);
enum fw_status __real_fwp_section_write(struct fw_section *section,
					uint64_t page, const fw_pfn *pfn,
					unsigned n);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);
_Noreturn void __wrap_abort(void);
unsigned __wrap_fwp_compress(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room);
bool __wrap_fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
			   void *page);
unsigned __wrap_fwp_condense(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room);
bool __wrap_fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		       void *page);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
void __wrap_fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
			  enum fw_flush how);
enum fw_status __wrap_fwp_store_read(struct fw_mm *mm, unsigned file,
				     uint64_t slot, const fw_pfn *pfn,
				     unsigned n);
enum fw_status __wrap_fwp_store_write(struct fw_mm *mm, unsigned file,
				      uint64_t slot, const fw_pfn *pfn,
				      unsigned n);
enum fw_status __wrap_fwp_section_read(struct fw_section *section,
				       uint64_t cookie, uint64_t page,
				       const fw_pfn *pfn, unsigned n,
				       unsigned *ret_n);
enum fw_status __wrap_fwp_section_write(struct fw_section *section,
					uint64_t page, const fw_pfn *pfn,
					unsigned n);

/* What each fiber holds; the last is for what is not scheduled. */
static struct held {
	struct fw_lock *lock[MAX_HELD];
	unsigned n;
	bool in_port;
} held[ACTORS + 1];

static struct held *mine(void)
{
	return &held[running()];
}

static bool has(enum defect defect)
{
	return running() < ACTORS && scene->defect == defect;
}

void port_reset(void)
{
	memset(held, 0, sizeof(held));
}

/* ---- locks ------------------------------------------------------------ */

unsigned soft_locks_held(void)
{
	return mine()->n;
}

bool soft_holds(const struct fw_lock *lock)
{
	for (unsigned i = 0; i < mine()->n; i++)
		if (mine()->lock[i] == lock)
			return true;
	return false;
}

bool port_quiet(void)
{
	return w->s->mm->lock.word == 0;
}

bool fwp_lock(struct fw_lock *lock, uint32_t actor_id)
{
	struct held *h = mine();

	if (soft_holds(lock))
		give_up("a lock is taken twice");
	if (h->n == MAX_HELD)
		give_up("too many locks");
	point(AT_LOCK, lock, false);
	if (!has(DEFECT_OPEN_LOCK) || lock == &w->s->mm->lock)
		block_on(&lock->word);
	lock->word = 1;
	lock->owner = actor_id;
	h->lock[h->n++] = lock;
	return false;
}

void fwp_unlock(struct fw_lock *lock)
{
	struct held *h = mine();
	unsigned i = 0;

	while (i < h->n && h->lock[i] != lock)
		i++;
	if (i == h->n)
		give_up("a lock is released that is not held");
	h->lock[i] = h->lock[--h->n];
	lock->owner = 0;
	lock->word = 0;
	point(AT_UNLOCK, lock, false);
}

/* Nobody dies here. */
void soft_locks_die(void)
{
	give_up("death is not explored");
}

bool fwp_wait(uint32_t *word, uint32_t seen, uint32_t owner)
{
	if (mine()->n)
		give_up("waiting under a lock");
	if (running() == ACTORS)
		give_up("waiting, and nobody else runs");
	__atomic_add_fetch(&w->s->waits, 1, __ATOMIC_RELAXED);
	if (!fwp_actor_alive(w->s->mm, owner))
		return false;
	point(AT_WAIT, word, false);
	if (*word == seen || has(DEFECT_SHORT_WAIT))
		wait_for(word, owner == 0);
	return true;
}

void fwp_wake(uint32_t *word)
{
	point(AT_WAKE, word, false);
	if (!has(DEFECT_LOST_WAKE))
		wake_all(word);
}

/* ---- the machine's own mutexes: the first word says whether it is held --- */

static uint32_t *word_of(pthread_mutex_t *mutex)
{
	return (uint32_t *)(void *)mutex;
}

/* A CPU takes its own for each access. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (mine()->n == 0)
		point(AT_ACCESS, mutex, false);
	if (*word_of(mutex))
		block_on(word_of(mutex));
	*word_of(mutex) = 1;
	return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	point(AT_ACCESS, mutex, false);
	if (*word_of(mutex))
		return 1;
	*word_of(mutex) = 1;
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	*word_of(mutex) = 0;
	return 0;
}

/* ---- stores under locks ------------------------------------------------ */

/* The core's own step: at each journalled store, and at each of a stripe's. */
static void step(void *arg)
{
	struct held *h = mine();

	(void)arg;
	if (h->in_port || h->n == 0)
		return;
	if (scene->fine || !soft_holds(&w->s->mm->lock))
		point(AT_STORE, NULL, false);
}

/* ---- flushes and I/O -------------------------------------------------- */

void __wrap_fwp_tlb_flush(struct fw_space *space, fw_vpn vpn, uint64_t n,
			  enum fw_flush how)
{
	point(AT_FLUSH, &space->mm->lock, false);
	if (has(DEFECT_LOST_FLUSH))
		return;
	mine()->in_port = true;
	__real_fwp_tlb_flush(space, vpn, n, how);
	mine()->in_port = false;
}

/* Between the copy of an object and what is made of it, and before. */
unsigned __wrap_fwp_compress(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room)
{
	point(AT_ACCESS, page, false);
	return __real_fwp_compress(mm, page, to, room);
}

bool __wrap_fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
			   void *page)
{
	point(AT_ACCESS, page, false);
	return __real_fwp_decompress(mm, from, n, page);
}

unsigned __wrap_fwp_condense(const struct fw_mm *mm, const void *page, void *to,
			     unsigned room)
{
	point(AT_ACCESS, page, false);
	return __real_fwp_condense(mm, page, to, room);
}

bool __wrap_fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		       void *page)
{
	point(AT_ACCESS, page, false);
	return __real_fwp_expand(mm, from, n, page);
}

/* Who does I/O sleeps until it has ended, and then until he is chosen. */
static void io_begin(void)
{
	point(AT_IO, NULL, true);
	mine()->in_port = true;
}

static enum fw_status io_end(enum fw_status status)
{
	mine()->in_port = false;
	point(AT_IO_DONE, NULL, true);
	return status;
}

enum fw_status __wrap_fwp_store_read(struct fw_mm *mm, unsigned file,
				     uint64_t slot, const fw_pfn *pfn,
				     unsigned n)
{
	io_begin();
	return io_end(__real_fwp_store_read(mm, file, slot, pfn, n));
}

enum fw_status __wrap_fwp_store_write(struct fw_mm *mm, unsigned file,
				      uint64_t slot, const fw_pfn *pfn,
				      unsigned n)
{
	enum fw_status status;

	io_begin();
	status = __real_fwp_store_write(mm, file, slot, pfn, n);
	return io_end(status);
}

enum fw_status __wrap_fwp_section_read(struct fw_section *section,
				       uint64_t cookie, uint64_t page,
				       const fw_pfn *pfn, unsigned n,
				       unsigned *ret_n)
{
	io_begin();
	return io_end(
		__real_fwp_section_read(section, cookie, page, pfn, n, ret_n));
}

enum fw_status __wrap_fwp_section_write(struct fw_section *section,
					uint64_t page, const fw_pfn *pfn,
					unsigned n)
{
	io_begin();
	return io_end(__real_fwp_section_write(section, page, pfn, n));
}

/* Requests of the scenario's kind fail as long as it says. */
static enum fw_status io_result(void *arg, enum soft_io io, uint64_t where,
				unsigned n)
{
	(void)arg, (void)where, (void)n;
	if (w->errors == 0 || io != (enum soft_io)w->fail_io)
		return FW_OK;
	w->errors--;
	return FW_E_IO;
}

void port_attach(void)
{
	w->s->step_hook = step;
	w->s->io_hook = io_result;
}

/* ---- memory, and the end ---------------------------------------------- */

void *__wrap_calloc(size_t n, size_t size)
{
	return arena_alloc(n * size);
}

void __wrap_free(void *p)
{
	if (!arena_owns(p))
		__real_free(p);
}

/* fwp_panic() has said why. */
_Noreturn void __wrap_abort(void)
{
	if (scene)
		give_up("panic (see standard error)");
	__real_abort();
}

const char *port_name(const void *what, char *buffer, size_t size)
{
	struct fw_mm *mm = w->s->mm;

	*buffer = '\0';
	if (what == &mm->lock)
		return "mm";
	if (what == &mm->progress)
		return "progress";
	for (struct fw_space *s = mm->spaces; s; s = s->next)
		for (unsigned i = 0; i < s->n_stripes; i++)
			if (what == &s->stripe[i].lock)
				snprintf(buffer, size, "space %u.%u", s->id, i);
	for (unsigned i = 0; i < WAIT_WORDS; i++)
		if (what == &mm->wait[i])
			snprintf(buffer, size, "word %u", i);
	return buffer;
}
