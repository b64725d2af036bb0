/* SPDX-License-Identifier: MIT */
#ifndef FAULTWISE_TESTS_TSAN_H
#define FAULTWISE_TESTS_TSAN_H

/*
 * What ThreadSanitizer is to pass over, each in one place: the MMU reads and
 * marks tables while the core changes them, as a CPU does; a page may be
 * written to while its frame is written out or looked at, and is then dirty
 * again; sweep_takes(), clone_flush() and fast_look() look at PTEs that
 * others may turn from one invalid form to another; fw_touch_frames() puts
 * zero where zero is, at once or not at all; the rest reads or counts
 * statistics without a lock.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:fw_bus_read\nrace:fw_bus_swap\n"
	       "race:^copy$\nrace:^fwp_store_write$\nrace:fw_page_is_zero\n"
	       "race:^sweep_takes$\nrace:^clone_flush$\n"
	       "race:^fast_look$\n"
	       "race:^fault_count$\nrace:^fw_pressure$\nrace:^reclaim$\n"
	       "race:^reclaim_ahead$\nrace:^fw_write_modified$\n"
	       "race:^meta_room$\nrace:^thrash_watch$\n"
	       "race:^fw_touch_frames$\nrace:^fw_space_resident$\n";
}

#endif
