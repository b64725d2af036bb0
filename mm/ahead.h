/* SPDX-License-Identifier: MIT */
/*
 * ahead.h - what is read along with a page: ahead.c.
 */
#ifndef FW_MM_AHEAD_H
#define FW_MM_AHEAD_H

#include <mm/plan.h>

/* How many pages, from *ret_lo on, a read from a slot should bring,
 * the faulting one among them. */
unsigned ahead_window(struct fw_plan *p, fw_vpn *ret_lo);
/* Those are going to be read. */
void ahead_note(struct fw_plan *p);
/* Whether a page that has been read is to be taken as written to. */
bool ahead_writes(const struct fw_plan *p, fw_vpn vpn);
/* Whether the page may be mapped; false: it waits to be touched itself. */
bool ahead_touched(struct fw_plan *p, struct fw_frame *f, fw_vpn vpn);

#endif
