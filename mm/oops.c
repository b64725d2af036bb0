/* SPDX-License-Identifier: MIT */
/*
 * oops.c - the report of a fault that is a bug of the kernel, line by line,
 * in the form that kernel people know from Linux: what and where, the entries
 * of the tables on the way, registers, stack, callers, code. Kernels with
 * 32-bit addresses have the registers of the i386.
 */
#include <faultwise/kernel.h>
#include <mm/mm.h>

#define WIDE (FW_VA_BITS > 32)
#define DIGITS (WIDE ? 16u : 8u) /* of a register or an address */
#define WORD_BYTES (WIDE ? 8u : 4u)
#define LINE_WORDS (WIDE ? 4u : 8u)
#define STACK_WORDS (3 * LINE_WORDS)
#define CALLERS 16
#define CODE_BEFORE 8
#define CODE_BYTES 24

struct oops {
	const struct fw_kernel *k;
	const struct fw_trap *t;
	unsigned n;
	char line[160];
};

static void text(struct oops *o, const char *s)
{
	while (*s && o->n + 1 < sizeof(o->line))
		o->line[o->n++] = *s++;
}

static void hex(struct oops *o, uint64_t value, unsigned digits)
{
	char s[17];
	unsigned n = digits, i;

	while (n < 16 && value >> 4 * n != 0)
		n++;
	for (i = 0; i < n; i++)
		s[i] = "0123456789abcdef"[value >> 4 * (n - 1 - i) & 15];
	s[n] = 0;
	text(o, s);
}

static void number(struct oops *o, uint64_t value)
{
	char s[21], *at = s + 20;

	*at = 0;
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	text(o, at);
}

static void end(struct oops *o)
{
	o->line[o->n] = 0;
	o->k->put(o->k->ctx, o->line);
	o->n = 0;
}

static void say(struct oops *o, const char *s)
{
	text(o, s);
	end(o);
}

/* "[<address>] name+0xoffset/0xsize [module]" */
static void place(struct oops *o, uint64_t addr)
{
	struct fw_symbol s = { NULL, NULL, 0, 0 };

	text(o, "[<");
	hex(o, addr, DIGITS);
	text(o, ">]");
	if (!o->k->symbol || !o->k->symbol(o->k->ctx, addr, &s))
		return;
	text(o, " ");
	text(o, s.name);
	text(o, "+0x");
	hex(o, s.offset, 1);
	text(o, "/0x");
	hex(o, s.size, 1);
	if (s.module) {
		text(o, " [");
		text(o, s.module);
		text(o, "]");
	}
}

static void field(struct oops *o, const char *name, uint64_t value,
		  unsigned digits)
{
	if (o->n > 0)
		text(o, " ");
	text(o, name);
	text(o, ": ");
	hex(o, value, digits);
}

static void oops_head(struct oops *o)
{
	uint64_t addr = o->t->cr2;

	text(o, "BUG: unable to handle kernel ");
	text(o, addr < FW_PAGE_SIZE ? "NULL pointer dereference" :
				      "paging request");
	text(o, " at ");
	hex(o, addr, DIGITS);
	end(o);
	text(o, "IP: ");
	place(o, o->t->ip);
	end(o);
}

/* The entries from the root on, down to the first that is not there. */
static void oops_tables(struct oops *o, struct fw_space *space)
{
	static const char *const name[] = { "PTE", "PMD", "PUD", "PGD" };
	fw_pte entry[FW_LEVELS];
	unsigned n, i;

	text(o, "PGD");
	if (!space) {
		say(o, " none: no process");
		return;
	}
	n = table_path(space, vpn_of(o->t->cr2), entry);
	for (i = 0; i < n && i < FW_LEVELS; i++) {
		if (i > 0) {
			text(o, " ");
			text(o, name[FW_LEVELS - 1 - i]);
		}
		text(o, " ");
		hex(o, entry[i], 1);
	}
	end(o);
}

static void oops_what(struct oops *o, uint64_t count)
{
	text(o, "Oops: ");
	hex(o, o->t->error, 4);
	text(o, " [#");
	number(o, count);
	say(o, "]");
	text(o, "Modules linked in: ");
	say(o, o->k->modules ? o->k->modules : "none");
	text(o, "CPU: ");
	number(o, o->t->cpu);
	text(o, " PID: ");
	number(o, o->t->pid);
	text(o, " Comm: ");
	say(o, o->t->comm ? o->t->comm : "?");
}

/* "RAX" or "EAX" */
static const char *reg_name(const char *wide, char name[4])
{
	unsigned i;

	for (i = 0; i < 4; i++)
		name[i] = wide[i];
	if (!WIDE)
		name[0] = 'E';
	return name;
}

static void oops_registers(struct oops *o)
{
	static const struct {
		const char *name;
		enum fw_reg reg;
	} r[] = { { "RAX", FW_RAX }, { "RBX", FW_RBX }, { "RCX", FW_RCX },
		  { "RDX", FW_RDX }, { "RSI", FW_RSI }, { "RDI", FW_RDI },
		  { "RBP", FW_RBP }, { "R08", FW_R8 },	{ "R09", FW_R9 },
		  { "R10", FW_R10 }, { "R11", FW_R11 }, { "R12", FW_R12 },
		  { "R13", FW_R13 }, { "R14", FW_R14 }, { "R15", FW_R15 } };
	unsigned i, n = WIDE ? sizeof(r) / sizeof(r[0]) : 7;
	char name[4];

	text(o, reg_name("RIP", name));
	text(o, ": ");
	hex(o, o->t->cs, 4);
	text(o, ":");
	place(o, o->t->ip);
	end(o);
	text(o, reg_name("RSP", name));
	text(o, ": ");
	hex(o, o->t->ss, 4);
	text(o, ":");
	hex(o, o->t->reg[FW_RSP], DIGITS);
	field(o, "EFLAGS", o->t->flags, 8);
	end(o);
	for (i = 0; i < n; i++) {
		field(o, reg_name(r[i].name, name), o->t->reg[r[i].reg],
		      DIGITS);
		if (i % 3 == 2)
			end(o);
	}
	field(o, "CS", o->t->cs, 4);
	field(o, "CR0", o->t->cr0, DIGITS);
	end(o);
	field(o, "CR2", o->t->cr2, DIGITS);
	field(o, "CR3", o->t->cr3, DIGITS);
	field(o, "CR4", o->t->cr4, DIGITS);
	end(o);
}

static bool word(const struct oops *o, uint64_t addr, uint64_t *ret)
{
	*ret = 0;
	return o->k->read && o->k->read(o->k->ctx, addr, ret, WORD_BYTES);
}

static void oops_stack(struct oops *o)
{
	uint64_t at = o->t->reg[FW_RSP], value;
	unsigned i;

	say(o, "Stack:");
	for (i = 0; i < STACK_WORDS; i++, at += WORD_BYTES) {
		if (!word(o, at, &value))
			break;
		text(o, " ");
		hex(o, value, DIGITS);
		if (i % LINE_WORDS == LINE_WORDS - 1)
			end(o);
	}
	if (o->n > 0)
		end(o);
}

/* By frame pointers, upwards. */
static void oops_callers(struct oops *o)
{
	uint64_t frame = o->t->reg[FW_RBP], next, ret;
	unsigned i;

	say(o, "Call Trace:");
	for (i = 0; i < CALLERS; i++) {
		if (!word(o, frame, &next) ||
		    !word(o, frame + WORD_BYTES, &ret))
			break;
		text(o, " ");
		place(o, ret);
		end(o);
		if (next <= frame)
			break;
		frame = next;
	}
}

/* The bytes around the instruction, its first one in <>. */
static void oops_code(struct oops *o)
{
	uint64_t at = o->t->ip - CODE_BEFORE;
	unsigned i;
	uint8_t byte;

	text(o, "Code:");
	for (i = 0; i < CODE_BYTES; i++, at++) {
		if (!o->k->read || !o->k->read(o->k->ctx, at, &byte, 1)) {
			text(o, " ??");
			continue;
		}
		text(o, i == CODE_BEFORE ? " <" : " ");
		hex(o, byte, 2);
		if (i == CODE_BEFORE)
			text(o, ">");
	}
	end(o);
}

void fw_oops(struct fw_mm *mm, struct fw_space *space,
	     const struct fw_kernel *kernel, const struct fw_trap *trap)
{
	struct oops o = { .k = kernel, .t = trap };
	uint64_t count = __atomic_add_fetch(&mm->oopses, 1, __ATOMIC_RELAXED);

	oops_head(&o);
	oops_tables(&o, space);
	oops_what(&o, count);
	oops_registers(&o);
	oops_stack(&o);
	oops_callers(&o);
	oops_code(&o);
	if (trap->interrupt)
		say(&o, "Kernel panic - not syncing: "
			"Fatal exception in interrupt");
	else if (kernel->always_panic)
		say(&o, "Kernel panic - not syncing: Fatal exception");
}
