/* SPDX-License-Identifier: MIT */
/*
 * disk.c - the first ATA disk, by bus-master DMA: one transfer at a time, each
 * to or from up to 64 pages anywhere in RAM. Who asked sleeps meanwhile.
 */
#include "arch/bare/kernel.h"

#define ATA 0x1f0
#define ATA_CONTROL 0x3f6
#define ATA_IRQ 14
#define STATUS_BUSY 0x80
#define STATUS_BAD 0x21 /* error, fault */
#define READ_DMA_EXT 0x25
#define WRITE_DMA_EXT 0x35

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define CLASS_IDE 0x0101
#define BUS_MASTER 5 /* with I/O, in the command register */
#define SECONDS 10   /* until a transfer is given up */

/* Where a page is; the last one is marked. */
struct prd {
	uint32_t phys;
	uint16_t bytes, flags;
};
#define PRD_LAST 0x8000

static struct prd prds[DISK_PAGES_MAX] __attribute__((aligned(512)));
static uint16_t master; /* I/O ports of the bus master */
static bool busy, done;

static uint32_t pci_select(unsigned function, unsigned reg)
{
	return 0x80000000u | function << 8 | reg;
}

static uint32_t pci_read(unsigned function, unsigned reg)
{
	outl(PCI_ADDRESS, pci_select(function, reg));
	return inl(PCI_DATA);
}

void disk_init(void)
{
	for (unsigned f = 0; f < 256 && !master; f++) {
		if (pci_read(f, 8) >> 16 != CLASS_IDE)
			continue;
		outl(PCI_ADDRESS, pci_select(f, 4));
		outl(PCI_DATA, (pci_read(f, 4) & 0xffff) | BUS_MASTER);
		master = (uint16_t)(pci_read(f, 0x20) & 0xfffc);
	}
	if (!master)
		panic("there is no IDE controller");
	outb(ATA_CONTROL, 0); /* interrupts on */
	irq_enable(2);
	irq_enable(ATA_IRQ);
}

void disk_interrupt(void)
{
	inb(ATA + 7); /* reading the status takes the interrupt back */
	outb(master + 2, 4);
	done = true;
	task_wake(&done);
}

static void describe(const uint32_t *phys, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		prds[i] = (struct prd){phys[i], (uint16_t)FW_PAGE_SIZE,
				       i + 1 == n ? PRD_LAST : 0};
}

/* 48 bits of address and 16 of length, the high bytes first. */
static void command(uint32_t sector, unsigned sectors, bool write)
{
	while (inb(ATA + 7) & STATUS_BUSY)
		;
	outb(ATA + 6, 0x40);
	outb(ATA + 2, (uint8_t)(sectors >> 8));
	outb(ATA + 3, (uint8_t)(sector >> 24));
	outb(ATA + 4, 0);
	outb(ATA + 5, 0);
	outb(ATA + 2, (uint8_t)sectors);
	outb(ATA + 3, (uint8_t)sector);
	outb(ATA + 4, (uint8_t)(sector >> 8));
	outb(ATA + 5, (uint8_t)(sector >> 16));
	outb(ATA + 7, write ? WRITE_DMA_EXT : READ_DMA_EXT);
}

static bool transfer(uint32_t sector, const uint32_t *phys, unsigned n,
		     bool write)
{
	uint8_t direction = write ? 0 : 8;

	describe(phys, n);
	done = false;
	outl(master + 4, phys_of(prds));
	outb(master, direction);
	outb(master + 2, 6); /* forget old errors */
	command(sector, n * SECTORS_PAGE, write);
	outb(master, direction | 1);
	for (unsigned i = 0; !done && i < SECONDS; i++)
		task_sleep(&done, TICKS);
	outb(master, direction);
	return done && !(inb(ATA + 7) & STATUS_BAD) && !(inb(master + 2) & 2);
}

bool disk_transfer(uint32_t sector, const uint32_t *phys, unsigned n,
		   bool write)
{
	bool good;

	if (n == 0 || n > DISK_PAGES_MAX)
		panic("a transfer is 1 to 64 pages");
	while (busy)
		task_sleep(&busy, 0);
	busy = true;
	good = transfer(sector, phys, n, write);
	busy = false;
	task_wake(&busy);
	return good;
}
