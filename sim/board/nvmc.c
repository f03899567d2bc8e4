/*
 * PS, NVMC: flash written and erased by the CPU itself, which stands still meanwhile. While CONFIG allows writing, the
 * CPU's stores go to memory as they are; what they have changed is written as flash is when READY is read or CONFIG
 * changes.
 */

#include "bus.h"
#include "flash.h"
#include "memory.h"
#include "peripheral.h"
#include "peripherals.h"
#include "say.h"

#include <string.h>

enum { READY = 0x400, READYNEXT = 0x408, CONFIG = 0x504, ERASEPAGE = 0x508, ERASEALL = 0x50C, ERASEUICR = 0x514 };
enum { READS = 0, WRITES = 1, ERASES = 2 };

static uint8_t before[FLASH_BYTES];

static void settle(void)
{
	for (uint32_t page = 0; page < FLASH_BYTES; page += FLASH_PAGE) {
		if (0 == memcmp(before + page, flashBytes + page, FLASH_PAGE))
			continue;
		for (uint32_t at = page; at < page + FLASH_PAGE; at += 4) {
			uint32_t was = get32(before + at), word = get32(flashBytes + at);

			if (was == word)
				continue;
			put32(flashBytes + at, was);
			flashWriteNow(at, word);
			put32(before + at, get32(flashBytes + at));
		}
	}
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	if (offset == CONFIG) {
		if (REGISTER(p, CONFIG) == WRITES)
			settle();
		if (value == WRITES)
			memcpy(before, flashBytes, FLASH_BYTES);
		busWritableFlash(value == WRITES);
	}
	else if (offset == ERASEPAGE || offset == ERASEALL || offset == ERASEUICR) {
		if (REGISTER(p, CONFIG) != ERASES)
			refuse("NVMC: erase while CONFIG is %u", REGISTER(p, CONFIG));
		else if (offset == ERASEPAGE && value < FLASH_BYTES)
			flashEraseNow(value);
		else if (offset == ERASEUICR)
			memset(uicrBytes, 0xFF, sizeof(uicrBytes));
		else
			refuse("NVMC: ERASEALL, or an erase of 0x%08x, is not modelled", value);
	}
	REGISTER(p, offset) = value;
}

static uint32_t read(Peripheral *p, uint32_t offset)
{
	if (offset != READY && offset != READYNEXT)
		return REGISTER(p, offset);
	if (REGISTER(p, CONFIG) == WRITES)
		settle();
	return 1;
}

static Peripheral nvmc = { .name = "NVMC", .base = 0x4001E000, .irq = -1, .owner = SOFTDEVICE, .write = write, .read = read };

void nvmcBegin(void)
{
	peripheralAdd(&nvmc, 1);
}
