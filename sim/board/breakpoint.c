#include "breakpoint.h"

#include "cpu.h"
#include "memory.h"

#define BREAKPOINTS 32
#define BKPT 0xBE00

static struct {
	uint32_t address;
	uint16_t instruction;
} breakpoints[BREAKPOINTS];

static void place(uint32_t address, uint16_t instruction)
{
	put16(flashBytes + address, instruction);
	cpuForget(address & ~3u, 4);
}

static int indexOf(uint32_t address)
{
	for (int i = 0; i < BREAKPOINTS; i++)
		if (breakpoints[i].address == address)
			return i;
	return -1;
}

bool breakpointSet(uint32_t address)
{
	int free = indexOf(0);

	if (address == 0 || address >= FLASH_BYTES || free < 0 || indexOf(address) >= 0)
		return address != 0 && indexOf(address) >= 0;
	breakpoints[free].address = address;
	breakpoints[free].instruction = get16(flashBytes + address);
	place(address, BKPT);
	return true;
}

bool breakpointClear(uint32_t address)
{
	int i = address ? indexOf(address) : -1;

	if (i < 0)
		return false;
	place(address, breakpoints[i].instruction);
	breakpoints[i].address = 0;
	return true;
}

void breakpointClearAll(void)
{
	for (int i = 0; i < BREAKPOINTS; i++)
		breakpointClear(breakpoints[i].address);
}

bool breakpointHides(uint32_t address, uint8_t *byte)
{
	int i = address > 1 ? indexOf(address & ~1u) : -1;

	if (i < 0)
		return false;
	*byte = (uint8_t)(breakpoints[i].instruction >> (8 * (address & 1)));
	return true;
}

void breakpointStep(void)
{
	uint32_t pc = cpuGet(PC);
	int i = indexOf(pc);

	if (i >= 0)
		place(pc, breakpoints[i].instruction);
	cpuStep();
	if (i >= 0)
		place(pc, BKPT);
}
