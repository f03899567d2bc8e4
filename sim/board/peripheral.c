#include "peripheral.h"

#include "memory.h"
#include "nvic.h"
#include "ppi.h"
#include "say.h"
#include "snapshot.h"
#include "softdevice.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 64
#define REGISTER_BYTES 0x1000u
#define APB 0x40000000u
#define AHB 0x50000000u

/* By bits 12 to 17 of their address; GPIO, alone on the AHB, is the last. */
static Peripheral *pages[PAGES + 1];
static bool toldUnknown[PAGES + 1];
static int depth;

static int pageOf(uint32_t address)
{
	if (address >= APB && address < APB + PAGES * REGISTER_BYTES)
		return (int)((address - APB) / REGISTER_BYTES);
	if (address >= AHB && address < AHB + REGISTER_BYTES)
		return PAGES;
	return -1;
}

void peripheralAdd(Peripheral *p, int count)
{
	for (; count > 0; count--, p++) {
		p->registers = calloc(1, REGISTER_BYTES);
		if (!p->registers)
			die("No memory for %s.", p->name);
		pages[pageOf(p->base)] = p;
		snapshotKeep(p->name, p->registers, REGISTER_BYTES);
	}
}

void peripheralReset(void)
{
	for (int i = 0; i <= PAGES; i++) {
		Peripheral *p = pages[i];

		if (!p)
			continue;
		if (p->reset)
			p->reset(p);
		else
			memset(p->registers, 0, REGISTER_BYTES);
	}
}

void peripheralInterrupt(Peripheral *p)
{
	uint32_t enabled = REGISTER(p, INTEN);
	bool level = false;

	if (p->irq < 0)
		return;
	for (int n = 0; enabled && !level; n++, enabled >>= 1)
		level = (enabled & 1) && REGISTER(p, EVENT(n));
	nvicLine(p->irq, level);
}

void peripheralEvent(Peripheral *p, uint32_t event)
{
	REGISTER(p, event) = 1;
	peripheralInterrupt(p);
	ppiEvent(p->base + event);
}

bool peripheralShort(const Peripheral *p, int bit)
{
	return REGISTER(p, SHORTS) >> bit & 1;
}

static void trigger(Peripheral *p, uint32_t offset)
{
	if (!p->task) {
		refuse("%s is not modelled: task 0x%03x does nothing", p->name, offset);
		return;
	}
	/* events of one peripheral can be tasks of the other, and back */
	if (depth > 16) {
		refuse("PPI in a circle at %s", p->name);
		return;
	}
	depth++;
	p->task(p, offset);
	depth--;
}

void peripheralTask(uint32_t address)
{
	int page = pageOf(address);

	if (page < 0 || !pages[page])
		refuse("task at 0x%08x: there is no such peripheral", address);
	else
		trigger(pages[page], address % REGISTER_BYTES);
}

/* Addresses on the bus that we know nothing of keep what is written, as the board's reserved ones mostly do. */
static uint32_t unknown[PAGES + 1][REGISTER_BYTES / 4];

static void tellUnknown(int page, uint32_t address)
{
	if (toldUnknown[page])
		return;
	toldUnknown[page] = true;
	refuse("peripheral at 0x%08x is not modelled", address & ~(REGISTER_BYTES - 1));
}

uint32_t peripheralRead(uint32_t address)
{
	int page = pageOf(address);
	uint32_t offset = address % REGISTER_BYTES & ~3u;
	Peripheral *p;

	if (page < 0)
		return 0;
	p = pages[page];
	if (!p)
		return unknown[page][offset / 4];
	if (!p->plain && (offset == INTENSET || offset == INTENCLR))
		return REGISTER(p, INTEN);
	return p->read ? p->read(p, offset) : REGISTER(p, offset);
}

void peripheralWrite(uint32_t address, uint32_t value)
{
	int page = pageOf(address);
	uint32_t offset = address % REGISTER_BYTES & ~3u;
	Peripheral *p;

	if (page < 0)
		return;
	p = pages[page];
	if (!p) {
		/* switching a peripheral off, as drivers do with all instances, asks nothing of it */
		if (offset < 0x100 && value)
			tellUnknown(page, address);
		unknown[page][offset / 4] = value;
		return;
	}
	if (p->owner == SOFTDEVICE && softdeviceEnabled()) {
		refuse("write to %s+0x%03x: the SoftDevice owns it", p->name, offset);
		return;
	}
	if (p->plain)
		p->write(p, offset, value);
	else if (offset < 0x100) {
		if (value & 1)
			trigger(p, offset);
	}
	else if (offset < SHORTS) {
		REGISTER(p, offset) = value & 1;
		peripheralInterrupt(p);
	}
	else if (offset >= INTEN && offset <= INTENCLR) {
		uint32_t before = REGISTER(p, INTEN);
		REGISTER(p, INTEN) = offset == INTEN ? value : offset == INTENSET ? before | value : before & ~value;
		peripheralInterrupt(p);
		if (p->enabled)
			p->enabled(p);
	}
	else if (p->write)
		p->write(p, offset, value);
	else
		REGISTER(p, offset) = value;
}

bool peripheralDma(const Peripheral *p, uint32_t address, uint32_t length)
{
	if (length == 0 || memoryIsRam(address, length))
		return true;
	refuse("%s: EasyDMA at 0x%08x, %u bytes: only RAM can be reached", p->name, address, length);
	return false;
}
