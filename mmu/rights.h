/* SPDX-License-Identifier: MIT */
/*
 * rights.h - what an access needs of the rights that the tables give, by the
 * rules of SDM vol. 3A, 4.6.1.
 */
#ifndef FAULTWISE_MMU_RIGHTS_H
#define FAULTWISE_MMU_RIGHTS_H

#include <faultwise/mmu.h>

static inline bool rights_permit(const struct fw_mmu_ctl *ctl, uint32_t access,
				 bool write, bool user, bool exec)
{
	bool fetch = access & FW_ACC_EXEC;

	if (fetch && !exec)
		return false;
	if (access & FW_ACC_USER)
		return user && (write || !(access & FW_ACC_WRITE));
	if (user && fetch && ctl->smep)
		return false;
	if (user && !fetch && ctl->smap && !ctl->ac)
		return false;
	return write || !(access & FW_ACC_WRITE) || !ctl->wp;
}

#endif
