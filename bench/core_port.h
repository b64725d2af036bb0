/* SPDX-License-Identifier: MIT */
/* core_port.h - the least port the core runs on: RAM, no MMU, no page file. */
#ifndef FW_BENCH_CORE_PORT_H
#define FW_BENCH_CORE_PORT_H

#include <faultwise/mm.h>

/* A manager of so many frames, all touched before. One at a time. */
struct fw_mm *port_start(uint32_t nframes);
void port_end(void);

#endif
