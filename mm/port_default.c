/* SPDX-License-Identifier: MIT */
/*
 * port_default.c - what a port need not provide. Weak: a port's own function
 * of the same name is taken instead.
 */
#include <faultwise/port.h>

#define WEAK __attribute__((weak))

WEAK void fwp_tlb_fill(struct fw_space *space, fw_vpn vpn, unsigned n)
{
	(void)space, (void)vpn, (void)n;
}

WEAK void fwp_tlb_replace(struct fw_space *space, fw_vpn vpn)
{
	fwp_tlb_flush(space, vpn, 1, FW_FLUSH_DROP);
}

WEAK unsigned fwp_compress(const struct fw_mm *mm, const void *page, void *to,
			   unsigned room)
{
	(void)mm, (void)page, (void)to, (void)room;
	return 0;
}

WEAK bool fwp_decompress(const struct fw_mm *mm, const void *from, unsigned n,
			 void *page)
{
	(void)mm, (void)from, (void)n, (void)page;
	return false;
}

WEAK unsigned fwp_condense(const struct fw_mm *mm, const void *page, void *to,
			   unsigned room)
{
	(void)mm, (void)page, (void)to, (void)room;
	return 0;
}

WEAK bool fwp_expand(const struct fw_mm *mm, const void *from, unsigned n,
		     void *page)
{
	(void)mm, (void)from, (void)n, (void)page;
	return false;
}

WEAK enum fw_status fwp_section_read(struct fw_section *section,
				     uint64_t cookie, uint64_t page,
				     const fw_pfn *pfn, unsigned n,
				     unsigned *ret_n)
{
	(void)section, (void)cookie, (void)page, (void)pfn, (void)n;
	(void)ret_n;
	return FW_E_IO;
}

WEAK enum fw_status fwp_section_write(struct fw_section *section,
				      uint64_t page, const fw_pfn *pfn,
				      unsigned n)
{
	(void)section, (void)page, (void)pfn, (void)n;
	return FW_E_IO;
}

WEAK void fwp_view_gone(struct fw_space *space, uint64_t cookie,
			uint64_t page, uint64_t n)
{
	(void)space, (void)cookie, (void)page, (void)n;
}

WEAK bool fwp_ask_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	(void)mm, (void)victim, (void)n;
	return false;
}

WEAK void fwp_kick(struct fw_mm *mm, enum fw_kthread who)
{
	(void)mm, (void)who;
}

WEAK bool fwp_post_trim(struct fw_mm *mm, struct fw_space *victim, unsigned n)
{
	return fwp_ask_trim(mm, victim, n);
}

WEAK void fwp_thrash(struct fw_mm *mm, unsigned percent)
{
	(void)mm, (void)percent;
}

WEAK void fwp_step(struct fw_mm *mm)
{
	(void)mm;
}

WEAK bool fwp_refuse(const struct fw_mm *mm, enum fw_need need)
{
	(void)mm, (void)need;
	return false;
}

WEAK bool fwp_actor_alive(struct fw_mm *mm, uint32_t actor_id)
{
	(void)mm, (void)actor_id;
	return true;
}
