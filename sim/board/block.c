#include "block.h"

#include "memory.h"

#define SEV 0xBF40

/* A block's instructions are counted once; `bytes` says for which length. */
static struct {
	uint16_t bytes, instructions;
} blocks[FLASH_BYTES / 2];
enum { WATCHED = 1, SENDS_EVENT = 2 };
static uint8_t marks[FLASH_BYTES / 2];
static struct {
	uint32_t address;
	BlockWatch watch;
} watches[64];
static int watchCount;

bool blockIsLong(uint16_t halfword)
{
	return halfword >= 0xE800;
}

/* @param sends whether SEV is among them: Unicorn does not say when it executes that */
static uint16_t countInstructions(uint32_t address, uint32_t bytes, bool *sends)
{
	const uint8_t *code = memoryRead(address, bytes);
	uint16_t count = 0;

	*sends = false;
	for (uint32_t at = 0; code && at < bytes; count++) {
		uint16_t op = get16(code + at);
		*sends |= op == SEV;
		at += blockIsLong(op) ? 4 : 2;
	}
	return count;
}

static void tellWatch(uint32_t address)
{
	for (int i = 0; i < watchCount; i++)
		if (watches[i].address == address)
			watches[i].watch(address);
}

uint32_t blockInstructions(uint32_t address, uint32_t bytes, bool *sends)
{
	if (address >= FLASH_BYTES)
		return countInstructions(address, bytes, sends);
	if (blocks[address / 2].bytes != bytes) {
		blocks[address / 2].bytes = (uint16_t)bytes;
		blocks[address / 2].instructions = countInstructions(address, bytes, sends);
		marks[address / 2] = (uint8_t)((marks[address / 2] & WATCHED) | (*sends ? SENDS_EVENT : 0));
	}
	if (marks[address / 2] & WATCHED)
		tellWatch(address);
	*sends = marks[address / 2] & SENDS_EVENT;
	return blocks[address / 2].instructions;
}

void blockForget(uint32_t address, uint32_t length)
{
	for (uint32_t at = address; at < address + length && at < FLASH_BYTES; at += 2)
		blocks[at / 2].bytes = 0;
}

void blockWatch(uint32_t address, BlockWatch watch)
{
	address &= ~1u;
	if (address >= FLASH_BYTES || watchCount == (int)(sizeof(watches) / sizeof(watches[0])))
		return;
	watches[watchCount].address = address;
	watches[watchCount++].watch = watch;
	marks[address / 2] |= WATCHED;
}
