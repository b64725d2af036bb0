/* SPDX-License-Identifier: MIT */
/*
 * sigframe.c - the frame of a guest's signal handler, byte for byte Linux's.
 *
 *   higher addresses
 *     what the stack held, and the red zone of 128 bytes below it
 *     xstate, aligned to 64: as long as the host's own frame says
 *     siginfo
 *     ucontext: registers, mask, pointer to the xstate
 *     pretcode: the address that the handler returns to   <- rsp
 *   lower addresses
 *
 * Registers and xstate come from the host's frame of the trap and go back
 * into it, so that rt_sigreturn of the host installs what the guest's frame
 * says. What the host would refuse (with SIGSEGV, in the middle of our own
 * return) must not get there: flags, selectors and the xstate header are
 * sanitised.
 *
 * Reference: Linux, Documentation/arch/x86/xstate.rst, and the structures
 * in asm/sigcontext.h.
 */
#include <linux/signal.h>

#include "os/signal.h"

#define RED_ZONE 128
#define XSTATE_ALIGN 64
#define FRAME_ALIGN 16
#define LEGACY_BYTES 512 /* FXSAVE area */
#define HEADER_BYTES 64
#define MXCSR_DEFAULT 0x1f80
#define MXCSR_MASK_DEFAULT 0xffbf
#define FCW_DEFAULT 0x37f
#define XFEATURES_LEGACY 3ull /* x87 and SSE */

#define FLAG_TF 0x100ull
#define FLAG_DF 0x400ull
#define FLAG_RF 0x10000ull
/* AC OF DF TF SF ZF AF PF CF RF: what rt_sigreturn takes from a frame. */
#define FLAGS_FROM_FRAME 0x50dd5ull

struct rt_sigframe {
	uint64_t pretcode;
	struct ucontext uc;
	siginfo_t info;
};

struct xstate_header {
	uint64_t xfeatures;
	uint64_t xcomp_bv;
	uint64_t reserved[6];
};

/* ---- xstate ------------------------------------------------------------- */

static struct _fpstate_64 *host_fpstate(const struct ucontext *uc)
{
	return (struct _fpstate_64 *)uc->uc_mcontext.fpstate;
}

static struct xstate_header *header_of(struct _fpstate_64 *fp)
{
	return (struct xstate_header *)((uint8_t *)fp + LEGACY_BYTES);
}

static bool is_extended(const struct _fpstate_64 *fp)
{
	return fp->sw_reserved.magic1 == FP_XSTATE_MAGIC1;
}

/* Bytes of the host frame's xstate, the trailing magic included. */
static uint64_t fpstate_bytes(const struct _fpstate_64 *fp)
{
	return is_extended(fp) ? fp->sw_reserved.extended_size : LEGACY_BYTES;
}

/* The state in which a handler starts, or a frame without xstate ends. */
static void fpstate_reset(struct _fpstate_64 *fp)
{
	struct _fpx_sw_bytes sw = fp->sw_reserved;
	uint32_t mxcsr_mask = fp->mxcsr_mask;

	memset(fp, 0, LEGACY_BYTES);
	fp->cwd = FCW_DEFAULT;
	fp->mxcsr = MXCSR_DEFAULT;
	fp->mxcsr_mask = mxcsr_mask;
	fp->sw_reserved = sw;
	if (is_extended(fp))
		memset(header_of(fp), 0, HEADER_BYTES);
}

/* True when the guest's area has the form and size of the host's. */
static bool same_form(struct kthread *t, const struct _fpx_sw_bytes *guest,
		      const struct _fpx_sw_bytes *host, uint64_t addr)
{
	uint32_t magic2;

	if (host->magic1 != FP_XSTATE_MAGIC1 ||
	    guest->magic1 != FP_XSTATE_MAGIC1 ||
	    guest->extended_size != host->extended_size ||
	    guest->xstate_size != host->xstate_size)
		return false;
	return !user_read(t, &magic2, addr + guest->xstate_size,
			  sizeof(magic2)) &&
	       magic2 == FP_XSTATE_MAGIC2;
}

/* Loads the guest's xstate at addr into the host's frame. */
static long fpstate_load(struct kthread *t, struct _fpstate_64 *fp,
			 uint64_t addr)
{
	struct _fpx_sw_bytes host = fp->sw_reserved, guest;
	uint32_t mxcsr_mask = fp->mxcsr_mask;
	struct xstate_header *header = header_of(fp);
	uint64_t len = LEGACY_BYTES, from;
	bool same;

	from = addr + offsetof(struct _fpstate_64, sw_reserved);
	if (user_read(t, &guest, from, sizeof(guest)))
		return -EFAULT;
	same = same_form(t, &guest, &host, addr);
	if (same)
		len = host.xstate_size;
	fpstate_reset(fp);
	if (user_read(t, fp, addr, len))
		return -EFAULT;
	fp->sw_reserved = host;
	fp->mxcsr_mask = mxcsr_mask;
	fp->mxcsr &= mxcsr_mask ? mxcsr_mask : MXCSR_MASK_DEFAULT;
	if (host.magic1 != FP_XSTATE_MAGIC1)
		return 0;
	if (!same)
		header->xfeatures = XFEATURES_LEGACY;
	header->xfeatures &= host.xfeatures;
	memset(&header->xcomp_bv, 0, HEADER_BYTES - sizeof(uint64_t));
	return 0;
}

/* ---- delivery ----------------------------------------------------------- */

/*
 * Where the frame goes: below the red zone of the current stack, or on the
 * alternate one. 0 when a nested handler has run out of the latter.
 */
static uint64_t frame_place(struct kthread *t, const struct ucontext *uc,
			    const struct k_action *act, uint64_t fp_bytes,
			    uint64_t *ret_fp)
{
	uint64_t sp = uc->uc_mcontext.rsp;
	bool nested = signal_on_altstack(t, sp);
	bool on_alt = nested;

	sp -= RED_ZONE;
	if ((act->flags & SA_ONSTACK) && t->alt_size && !nested) {
		sp = t->alt_sp + t->alt_size;
		on_alt = true;
	}
	sp = (sp - fp_bytes) & ~(uint64_t)(XSTATE_ALIGN - 1);
	*ret_fp = sp;
	sp -= sizeof(struct rt_sigframe);
	sp = (sp & ~(uint64_t)(FRAME_ALIGN - 1)) - 8;
	if (on_alt && (sp <= t->alt_sp || sp - t->alt_sp > t->alt_size))
		return 0;
	return sp;
}

/* Sets the context to the first instruction of the handler. */
static void enter_handler(struct ucontext *uc, int sig, uint64_t frame,
			  const struct k_action *act)
{
	struct sigcontext *m = &uc->uc_mcontext;

	m->rdi = (uint64_t)sig;
	m->rsi = frame + offsetof(struct rt_sigframe, info);
	m->rdx = frame + offsetof(struct rt_sigframe, uc);
	m->rax = 0;
	m->rsp = frame;
	m->rip = act->handler;
	m->eflags &= ~(FLAG_TF | FLAG_DF | FLAG_RF);
	fpstate_reset(host_fpstate(uc));
}

long sigframe_push(struct kthread *t, struct ucontext *uc, int sig,
		   const siginfo_t *info, const struct k_action *act,
		   uint64_t old_mask)
{
	struct _fpstate_64 *fp = host_fpstate(uc);
	uint64_t fp_bytes = fpstate_bytes(fp), fp_at, at;
	struct rt_sigframe f;

	at = frame_place(t, uc, act, fp_bytes, &fp_at);
	if (!at || !(act->flags & SIGNAL_RESTORER))
		return -EFAULT;
	f.pretcode = act->restorer;
	f.uc = *uc;
	f.uc.uc_link = NULL;
	signal_get_altstack(t, &f.uc.uc_stack);
	f.uc.uc_mcontext.fpstate = (void *)fp_at;
	f.uc.uc_mcontext.oldmask = old_mask;
	memcpy(&f.uc.uc_sigmask, &old_mask, sizeof(old_mask));
	f.info = *info;
	if (user_write(t, fp_at, fp, fp_bytes) ||
	    user_write(t, at, &f, sizeof(f)))
		return -EFAULT;
	if (t->alt_flags & SS_AUTODISARM) {
		t->alt_sp = 0;
		t->alt_size = 0;
		t->alt_flags = 0;
	}
	enter_handler(uc, sig, at, act);
	return 0;
}

/* ---- return ------------------------------------------------------------- */

static void registers_load(struct sigcontext *m, const struct sigcontext *from)
{
	struct sigcontext keep = *m;

	*m = *from;
	m->cs = keep.cs;
	m->gs = keep.gs;
	m->fs = keep.fs;
	m->ss = keep.ss;
	m->err = keep.err;
	m->trapno = keep.trapno;
	m->cr2 = keep.cr2;
	m->oldmask = keep.oldmask;
	m->fpstate = keep.fpstate;
	m->eflags = (keep.eflags & ~FLAGS_FROM_FRAME) |
		    (from->eflags & FLAGS_FROM_FRAME);
}

/*
 * The handler has returned through its restorer: rsp points behind pretcode,
 * to the ucontext. An instruction pointer into the kernel half would be a
 * kernel context to the return path: it is refused here.
 */
long sys_rt_sigreturn(struct kthread *t, struct ucontext *uc, const long a[6])
{
	struct _fpstate_64 *fp = host_fpstate(uc);
	struct ucontext from;
	uint64_t mask, fp_at;

	(void)a;
	if (user_read(t, &from, uc->uc_mcontext.rsp, sizeof(from)))
		goto bad;
	memcpy(&mask, &from.uc_sigmask, sizeof(mask));
	fp_at = (uint64_t)from.uc_mcontext.fpstate;
	if (!fp_at)
		fpstate_reset(fp);
	else if (fpstate_load(t, fp, fp_at))
		goto bad;
	if (from.uc_mcontext.rip >> 32 == FW_KERNEL_BASE >> 32)
		goto bad;
	registers_load(&uc->uc_mcontext, &from.uc_mcontext);
	signal_set_mask(t, uc, mask);
	signal_set_altstack(t, &from.uc_stack, uc->uc_mcontext.rsp);
	return OS_NO_RESULT;
bad:
	signal_force_segv(t, uc, 0);
	return OS_NO_RESULT;
}
