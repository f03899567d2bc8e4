#include "bus.h"

#include "clock.h"
#include "memory.h"
#include "nvic.h"
#include "peripheral.h"
#include "say.h"

#include <unicorn/unicorn.h>

#define PPB_BASE 0xE0000000u
#define PPB_BYTES 0x100000u

static uc_engine *engine;

static uint64_t readPeripheral(uc_engine *uc, uint64_t offset, unsigned size, void *base)
{
	uint32_t address = (uint32_t)(uintptr_t)base + (uint32_t)offset;
	uint32_t value = peripheralRead(address);

	(void)uc;
	(void)size;
	return value >> (8 * (address & 3));
}

static void writePeripheral(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *base)
{
	uint32_t address = (uint32_t)(uintptr_t)base + (uint32_t)offset;

	(void)uc;
	if (size != 4)
		refuse("write of %u bytes to 0x%08x: registers are words", size, address);
	else
		peripheralWrite(address, (uint32_t)value);
}

static uint64_t readPrivate(uc_engine *uc, uint64_t offset, unsigned size, void *base)
{
	(void)uc;
	(void)size;
	(void)base;
	if (offset >= 0xE000 && offset < 0xF000)
		return nvicRead(PPB_BASE + (uint32_t)offset);
	if (offset == 0x1004)	/* DWT CYCCNT: stands still in sleep */
		return (uint32_t)(clockBusy() / CYCLE);
	return 0;
}

static void writePrivate(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *base)
{
	(void)uc;
	(void)base;
	if (offset >= 0xE000 && offset < 0xF000)
		nvicWrite(PPB_BASE + (uint32_t)offset, (uint32_t)value, (int)size);
}

static void must(uc_err error, const char *what)
{
	if (error != UC_ERR_OK)
		die("Unicorn: %s: %s", what, uc_strerror(error));
}

static void map(uint32_t address, uint32_t length, uint32_t rights, void *memory)
{
	must(uc_mem_map_ptr(engine, address, length, rights, memory), "memory");
}

void busMap(uc_engine *unicorn)
{
	engine = unicorn;
	map(0, FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC, flashBytes);
	map(CODE_RAM_BASE, RAM_BYTES, UC_PROT_ALL, ramBytes);
	map(RAM_BASE, RAM_BYTES, UC_PROT_ALL, ramBytes);
	map(FICR_BASE, FLASH_PAGE, UC_PROT_READ, ficrBytes);
	map(UICR_BASE, FLASH_PAGE, UC_PROT_READ, uicrBytes);
	must(uc_mmio_map(engine, 0x40000000, 0x40000, readPeripheral, (void *)(uintptr_t)0x40000000,
		writePeripheral, (void *)(uintptr_t)0x40000000), "peripherals");
	must(uc_mmio_map(engine, 0x50000000, 0x1000, readPeripheral, (void *)(uintptr_t)0x50000000,
		writePeripheral, (void *)(uintptr_t)0x50000000), "GPIO");
	must(uc_mmio_map(engine, PPB_BASE, PPB_BYTES, readPrivate, NULL, writePrivate, NULL), "system control space");
}

void busWritableFlash(bool writable)
{
	uint32_t rights = UC_PROT_READ | UC_PROT_EXEC | (writable ? UC_PROT_WRITE : 0);

	must(uc_mem_protect(engine, 0, FLASH_BYTES, rights), "flash");
	must(uc_mem_protect(engine, UICR_BASE, FLASH_PAGE, UC_PROT_READ | (writable ? UC_PROT_WRITE : 0)), "UICR");
}
