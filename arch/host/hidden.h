/* SPDX-License-Identifier: MIT */
/*
 * hidden.h - included before everything else in the kernel image: all names,
 * declared or defined, are its own. So they are reached relative to the
 * instruction, never through a table of addresses that somebody would have
 * to fill in, and the image may stand far above 4 GiB.
 */
#pragma GCC visibility push(hidden)
