/* SPDX-License-Identifier: MIT */
/*
 * stop.h - requests to guests that are stopped while others need them: for
 * the kernel half (kernel/stop.c) and the hosted system process. No libc;
 * whoever includes it has siginfo_t and memset.
 */
#ifndef ARCH_HOST_STOP_H
#define ARCH_HOST_STOP_H

#include "arch/host/layout.h"

/*
 * Who is stopped while others need what he holds is continued, and is to stop
 * himself again as soon as he holds nothing, unless somebody from outside has
 * continued him meanwhile. That is not noted in the actor's record,
 * which its owner may have left behind, and which may be another's, or a
 * guest's page, when the asker gets to write. Of two with one place the one
 * who was asked first goes on.
 */
static inline uint32_t *stop_conts(struct fw_run *run, uint32_t pid)
{
	return &run->conts[pid % FW_STOPS];
}

/* How many SIGCONTs from outside the process has noted. */
static inline uint32_t stop_conts_seen(struct fw_run *run, uint32_t pid)
{
	return __atomic_load_n(stop_conts(run, pid), __ATOMIC_SEQ_CST);
}

/* `conts`: stop_conts_seen() before the process was found stopped. */
static inline void stop_ask(struct fw_run *run, uint32_t actor_id,
			    uint32_t conts)
{
	__atomic_store_n(&run->stops[actor_id % FW_STOPS],
			 (uint64_t)conts << 32 | actor_id, __ATOMIC_SEQ_CST);
}

/* What he was asked, not 0, with the request taken out; 0 for nothing. */
static inline uint64_t stop_take(struct fw_run *run, uint32_t actor_id)
{
	uint64_t *place = &run->stops[actor_id % FW_STOPS];
	uint64_t asked = __atomic_load_n(place, __ATOMIC_RELAXED);

	if ((uint32_t)asked != actor_id ||
	    !__atomic_compare_exchange_n(place, &asked, 0, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return 0;
	return asked;
}

/* The SIGCONT of who needs a stopped process, told from all others by its
 * value. It goes to a thread, whose queue is not that of the process. */
#define STOP_MARK 0x6661756c74776973 /* "faultwis" */

static inline void stop_mark(siginfo_t *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->si_signo = SIGCONT;
	ret->si_code = SI_QUEUE;
	ret->si_value.sival_ptr = (void *)STOP_MARK;
}

static inline bool stop_is_ours(const siginfo_t *info)
{
	return info->si_signo == SIGCONT && info->si_code == SI_QUEUE &&
	       info->si_value.sival_ptr == (void *)STOP_MARK;
}

#endif
