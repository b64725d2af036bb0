/* SPDX-License-Identifier: MIT */
/*
 * task.c - tasks, and who has the CPU: each in its turn, until its tick is
 * over (in user mode) or it waits. When all wait, whoever was last stops the
 * CPU until an interrupt makes somebody ready.
 *
 * Stacks lie in the part of the port's area that is below the hole at 640 KiB.
 */
#include "arch/bare/kernel.h"

extern void switch_stacks(uint32_t *save_esp, uint32_t esp); /* trap.S */
extern char trap_return[];

static struct task tasks[TASKS_MAX];
static uint32_t last_pid;
struct task *current = &tasks[0]; /* first the one that boots */
volatile uint32_t ticks;

void task_init(void)
{
	uint32_t at = (uint32_t)fw_mm_port_area(kernel_mm);

	at = (at + STACK_BYTES - 1) / STACK_BYTES * STACK_BYTES;
	for (unsigned i = 0; i < TASKS_MAX; i++, at += STACK_BYTES)
		tasks[i].stack = (char *)at;
	if (phys_of((void *)at) > HOLE_START)
		panic("no room for stacks below the hole");
	current->state = TASK_READY;
	strcopy(current->name, "boot", sizeof(current->name));
	if (fw_actor_create(kernel_mm, NULL, &current->actor) != FW_OK)
		panic("no memory for the first task");
}

struct task *task_create(const char *name)
{
	char *stack;

	for (struct task *t = tasks; t < tasks + TASKS_MAX; t++) {
		if (t->state != TASK_FREE)
			continue;
		stack = t->stack;
		memset(t, 0, sizeof(*t));
		t->stack = stack;
		if (fw_actor_create(kernel_mm, current->actor, &t->actor) !=
		    FW_OK)
			return NULL;
		t->pid = ++last_pid;
		t->parent = current;
		strcopy(t->name, name, sizeof(t->name));
		return t;
	}
	return NULL;
}

struct frame *task_frame(struct task *t)
{
	return (struct frame *)(t->stack + STACK_BYTES) - 1;
}

/* It begins in `first`, and returns from there to its frame. */
void task_ready(struct task *t, void (*first)(void))
{
	uint32_t *esp = (uint32_t *)task_frame(t);

	*--esp = (uint32_t)trap_return;
	*--esp = (uint32_t)first;
	for (unsigned i = 0; i < 4; i++) /* what switch_stacks takes */
		*--esp = 0;
	t->esp = (uint32_t)esp;
	t->state = TASK_READY;
}

struct task *task_start_kernel(const char *name, void (*run)(void))
{
	struct task *t = task_create(name);

	if (!t)
		panic("no memory for a task of the kernel's");
	task_ready(t, run);
	return t;
}

/* The next one that is ready, `current` last; NULL: none. */
static struct task *next_ready(void)
{
	unsigned at = (unsigned)(current - tasks);

	for (unsigned i = 1; i <= TASKS_MAX; i++) {
		struct task *t = &tasks[(at + i) % TASKS_MAX];

		if (t->state == TASK_READY)
			return t;
	}
	return NULL;
}

void task_yield(void)
{
	struct task *next, *before = current;

	while (!(next = next_ready()))
		wait_interrupt();
	if (next == before)
		return;
	current = next;
	desc_set_stack((uint32_t)next->stack + STACK_BYTES);
	if (next->space)
		paging_load(next->space);
	switch_stacks(&before->esp, next->esp);
}

void task_sleep(const void *channel, uint32_t for_ticks)
{
	current->channel = channel;
	current->deadline = for_ticks ? ticks + for_ticks : 0;
	current->state = TASK_SLEEPS;
	task_yield();
}

void task_wake(const void *channel)
{
	for (struct task *t = tasks; t < tasks + TASKS_MAX; t++)
		if (t->state == TASK_SLEEPS && t->channel == channel)
			t->state = TASK_READY;
}

void task_timer(void)
{
	ticks++;
	for (struct task *t = tasks; t < tasks + TASKS_MAX; t++)
		if (t->state == TASK_SLEEPS && t->deadline &&
		    (int32_t)(ticks - t->deadline) >= 0)
			t->state = TASK_READY;
}

/* Orphans are the boot task's, which waits for all. */
_Noreturn void task_exit(uint32_t status)
{
	struct fw_space *space = current->space;

	if (space) {
		current->space = NULL;
		paging_load(NULL);
		fw_space_destroy(kernel_mm, current->actor, space);
	}
	for (struct task *t = tasks; t < tasks + TASKS_MAX; t++)
		if (t->state != TASK_FREE && t->parent == current)
			t->parent = &tasks[0];
	current->status = status;
	current->state = TASK_ENDED;
	task_wake(current->parent);
	task_yield();
	panic("a task that has ended runs");
}

void task_free(struct task *t)
{
	/* It holds nothing, unless it ended by an Oops. */
	fw_actor_reap(kernel_mm, current->actor, t->actor->id);
	t->state = TASK_FREE;
}

uint32_t task_wait(uint32_t *ret_status)
{
	for (;;) {
		bool any = false;

		for (struct task *t = tasks; t < tasks + TASKS_MAX; t++) {
			if (t->state == TASK_FREE || t->parent != current)
				continue;
			any = true;
			if (t->state != TASK_ENDED)
				continue;
			*ret_status = t->status;
			task_free(t);
			return t->pid;
		}
		if (!any)
			return 0;
		task_sleep(current, 0);
	}
}
