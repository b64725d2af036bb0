/* SPDX-License-Identifier: MIT */
/*
 * kick.h - how a guest wakes a kernel thread, which is one of the system
 * process's (system/worker.c): a word that says whether the thread sleeps, so
 * that who kicks one that is awake makes no host call. Three states, as in a
 * futex mutex: a kick that comes while the thread works makes it look again.
 *
 * Who dies or is stopped within kick() may keep the wake-up to himself, and
 * the kicks after his do not wake either: until the thread's second is up.
 */
#ifndef ARCH_HOST_KICK_H
#define ARCH_HOST_KICK_H

#include <faultwise/port.h>

enum kick_state {
	KICK_ASLEEP, /* or about to be: the futex waits for this value */
	KICK_AWAKE,
	KICK_AGAIN
};

static inline void kick(uint32_t *word)
{
	/* Looked at first: the line stays with who works. */
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == KICK_AGAIN)
		return;
	if (__atomic_exchange_n(word, KICK_AGAIN, __ATOMIC_SEQ_CST) ==
	    KICK_ASLEEP)
		fwp_wake(word);
}

/* The thread, before it looks for work: what is kicked from here on counts. */
static inline void kick_awake(uint32_t *word)
{
	__atomic_exchange_n(word, KICK_AWAKE, __ATOMIC_SEQ_CST);
}

/* The thread, when it found none: true if it may sleep on the word. */
static inline bool kick_asleep(uint32_t *word)
{
	uint32_t awake = KICK_AWAKE;

	return __atomic_compare_exchange_n(word, &awake, KICK_ASLEEP, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#endif
