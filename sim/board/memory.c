#include "memory.h"

#include "random.h"
#include "snapshot.h"

#include <string.h>

uint8_t *flashBytes, ramBytes[RAM_BYTES], ficrBytes[FLASH_PAGE], uicrBytes[FLASH_PAGE];

uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] | from[1] << 8);
}

uint32_t get32(const uint8_t *from)
{
	return (uint32_t)get16(from) | (uint32_t)get16(from + 2) << 16;
}

void put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)value;
	to[1] = (uint8_t)(value >> 8);
}

void put32(uint8_t *to, uint32_t value)
{
	put16(to, (uint16_t)value);
	put16(to + 2, (uint16_t)(value >> 16));
}

static bool within(uint32_t address, uint32_t length, uint32_t base, uint32_t size)
{
	return address >= base && length <= size && address - base <= size - length;
}

bool memoryIsRam(uint32_t address, uint32_t length)
{
	return within(address, length, RAM_BASE, RAM_BYTES);
}

uint8_t *memoryWrite(uint32_t address, uint32_t length)
{
	return memoryIsRam(address, length) ? ramBytes + (address - RAM_BASE) : NULL;
}

const uint8_t *memoryRead(uint32_t address, uint32_t length)
{
	if (within(address, length, 0, FLASH_BYTES))
		return flashBytes + address;
	if (within(address, length, CODE_RAM_BASE, RAM_BYTES))
		return ramBytes + (address - CODE_RAM_BASE);
	if (within(address, length, FICR_BASE, FLASH_PAGE))
		return ficrBytes + (address - FICR_BASE);
	if (within(address, length, UICR_BASE, FLASH_PAGE))
		return uicrBytes + (address - UICR_BASE);
	return memoryWrite(address, length);
}

/* PS, FICR */
static void ficrBegin(void)
{
	memset(ficrBytes, 0xFF, sizeof(ficrBytes));
	put32(ficrBytes + 0x010, FLASH_PAGE);
	put32(ficrBytes + 0x014, FLASH_BYTES / FLASH_PAGE);
	randomBytes(RANDOM_IDENTITY, ficrBytes + 0x060, 8);	/* DEVICEID */
	randomBytes(RANDOM_IDENTITY, ficrBytes + 0x080, 32);	/* ER, IR */
	put32(ficrBytes + 0x0A0, 1);				/* DEVICEADDRTYPE: random */
	put32(ficrBytes + 0x0A4, 0);
	put32(ficrBytes + 0x0A8, 0xFFFF0000u);
	randomBytes(RANDOM_IDENTITY, ficrBytes + 0x0A4, 6);	/* DEVICEADDR */
	put32(ficrBytes + 0x100, 0x52840);			/* INFO.PART */
	put32(ficrBytes + 0x104, 0x41414330);			/* VARIANT: AAC0 */
	put32(ficrBytes + 0x108, 0x2004);			/* PACKAGE: QI */
	put32(ficrBytes + 0x10C, RAM_BYTES / 1024);
	put32(ficrBytes + 0x110, FLASH_BYTES / 1024);
}

void memoryBegin(void)
{
	ficrBegin();
	memset(uicrBytes, 0xFF, sizeof(uicrBytes));
	/* PSELRESET: start-up code that finds none writes it and resets, once in a chip's life */
	put32(uicrBytes + 0x200, 18);
	put32(uicrBytes + 0x204, 18);
	snapshotKeep("ram", ramBytes, sizeof(ramBytes));
	snapshotKeep("ficr", ficrBytes, sizeof(ficrBytes));
	snapshotKeep("uicr", uicrBytes, sizeof(uicrBytes));
}
