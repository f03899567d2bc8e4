/* The SoftDevice's SoC library (nRF5 SDK, nrf_soc.h): flash, random numbers, AES, PPI, power and clock by calls. */

#include "aes.h"
#include "clock.h"
#include "cpu.h"
#include "flash.h"
#include "memory.h"
#include "power.h"
#include "ppi.h"
#include "random.h"
#include "softdevice.h"
#include "soc.h"

#include <string.h>

#define POOL 64
#define PPI_CHANNELS 17	/* 17 to 31 are the SoftDevice's (S140 SDS) */
#define PPI_GROUPS 4	/* 4 and 5 are */
#define CODE_BEGIN 0x27000u
#define PAGE_WORDS (FLASH_PAGE / 4)

static uint32_t blocks;

void socCountBlock(void)
{
	blocks++;
}

uint32_t socBlocks(void)
{
	return blocks;
}

/* ---- flash ---- */

static uint32_t erase(const Arguments *in)
{
	uint32_t page = in->a[0];

	if (page >= FLASH_BYTES / FLASH_PAGE)
		return INVALID_ADDR;
	if (page * FLASH_PAGE < CODE_BEGIN)
		return refusedBecause(FORBIDDEN, "flash of the SoftDevice");
	if (flashBusy())
		return refusedBecause(BUSY, "another flash operation is not over");
	if (softdeviceEnabled())
		flashErase(page * FLASH_PAGE);
	else
		flashEraseNow(page * FLASH_PAGE);
	return SUCCESS;
}

static uint32_t write(const Arguments *in)
{
	uint32_t to = in->a[0], from = in->a[1], words = in->a[2];
	const uint8_t *source;

	if (words == 0 || words > PAGE_WORDS)
		return refusedBecause(INVALID_LENGTH, "1 to 1,024 words");
	source = memoryRead(from, 4 * words);
	if ((to | from) & 3 || !source || to >= FLASH_BYTES || 4 * words > FLASH_BYTES - to)
		return refusedBecause(INVALID_ADDR, "not of whole words, or not flash");
	if (to < CODE_BEGIN)
		return refusedBecause(FORBIDDEN, "flash of the SoftDevice");
	if (flashBusy())
		return refusedBecause(BUSY, "another flash operation is not over");
	if (softdeviceEnabled())
		flashWrite(to, from, words);
	else
		for (uint32_t i = 0; i < words; i++)
			flashWriteNow(to + 4 * i, get32(source + 4 * i));
	return SUCCESS;
}

/* ---- random numbers, AES, temperature ---- */

static uint32_t putByte(uint32_t address, uint8_t value)
{
	uint8_t *to = memoryWrite(address, 1);

	if (!to)
		return INVALID_ADDR;
	*to = value;
	return SUCCESS;
}

static uint32_t putWord(uint32_t address, uint32_t value)
{
	uint8_t *to = memoryWrite(address, 4);

	if (!to)
		return INVALID_ADDR;
	put32(to, value);
	return SUCCESS;
}

/* The pool is filled again at once: it takes some milliseconds on the board, which no image of ours waits for. */
static uint32_t randomCapacity(const Arguments *in)
{
	return putByte(in->a[0], POOL);
}

static uint32_t randomVector(const Arguments *in)
{
	uint32_t length = in->a[1] & 0xFF;
	uint8_t *to = memoryWrite(in->a[0], length);

	if (!to)
		return INVALID_ADDR;
	if (length > POOL)
		return SOC_RAND_NOT_ENOUGH;
	randomBytes(RANDOM_IMAGE, to, length);
	return SUCCESS;
}

/* nrf_ecb_hal_data_t: key, cleartext, ciphertext */
static uint32_t encrypt(const Arguments *in)
{
	uint8_t *data = memoryWrite(in->a[0], 48);

	if (!data)
		return INVALID_ADDR;
	aesEncrypt(data, data + 16, data + 32);
	blocks++;
	return SUCCESS;
}

/* nrf_ecb_hal_data_block_t: three pointers */
static uint32_t encryptBlocks(const Arguments *in)
{
	uint32_t count = in->a[0] & 0xFF;
	const uint8_t *list = memoryRead(in->a[1], 12 * count);

	if (!list)
		return INVALID_ADDR;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *key = memoryRead(get32(list + 12 * i), 16), *clear = memoryRead(get32(list + 12 * i + 4), 16);
		uint8_t *cipher = memoryWrite(get32(list + 12 * i + 8), 16);

		if (!key || !clear || !cipher)
			return INVALID_ADDR;
		aesEncrypt(key, clear, cipher);
		blocks++;
	}
	return SUCCESS;
}

static uint32_t temperature(const Arguments *in)
{
	return putWord(in->a[0], 4 * 25);
}

/* ---- mutexes ---- */

static uint32_t mutexNew(const Arguments *in)
{
	return putByte(in->a[0], 0);
}

static uint32_t mutexAcquire(const Arguments *in)
{
	uint8_t *mutex = memoryWrite(in->a[0], 1);

	if (!mutex)
		return INVALID_ADDR;
	if (*mutex)
		return SOC_MUTEX_TAKEN;
	*mutex = 1;
	return SUCCESS;
}

/* ---- power and clock ---- */

static uint32_t wait(const Arguments *in)
{
	(void)in;
	cpuWaitForEvent();
	return SUCCESS;
}

static uint32_t powerMode(const Arguments *in)
{
	return (in->a[0] & 0xFF) <= 1 ? SUCCESS : 0x2004;	/* NRF_ERROR_SOC_POWER_MODE_UNKNOWN */
}

static uint32_t systemOff(const Arguments *in)
{
	(void)in;
	powerSystemOff();
	return SUCCESS;
}

static uint32_t resetReason(const Arguments *in)
{
	return putWord(in->a[0], powerResetReason());
}

static uint32_t clearResetReason(const Arguments *in)
{
	powerClearResetReason(in->a[0]);
	return SUCCESS;
}

static uint32_t retained(const Arguments *in)
{
	return in->a[0] > 1 ? INVALID_PARAM : putWord(in->a[1], *powerRetained((int)in->a[0]));
}

static uint32_t setRetained(const Arguments *in)
{
	if (in->a[0] > 1)
		return INVALID_PARAM;
	*powerRetained((int)in->a[0]) |= (uint8_t)in->a[1];
	return SUCCESS;
}

static uint32_t clearRetained(const Arguments *in)
{
	if (in->a[0] > 1)
		return INVALID_PARAM;
	*powerRetained((int)in->a[0]) &= (uint8_t)~in->a[1];
	return SUCCESS;
}

static uint32_t crystalRequest(const Arguments *in)
{
	(void)in;
	softdeviceSocEvent(EVENT_HFCLK_STARTED);
	return SUCCESS;
}

static uint32_t crystalRuns(const Arguments *in)
{
	return putWord(in->a[0], 1);
}

static uint32_t noUsb(const Arguments *in)
{
	return putWord(in->a[0], 0);
}

/* Set, and of no effect here: brown-out comparator, DC/DC converters, RAM power, USB events. */
static uint32_t accept(const Arguments *in)
{
	(void)in;
	return SUCCESS;
}

/* ---- PPI ---- */

static uint32_t channels(const Arguments *in)
{
	return putWord(in->a[0], ppiEnabled());
}

static uint32_t enableChannels(const Arguments *in)
{
	if (in->a[0] >> PPI_CHANNELS)
		return SOC_PPI_INVALID_CHANNEL;
	ppiEnable(in->a[0], 0);
	return SUCCESS;
}

static uint32_t disableChannels(const Arguments *in)
{
	if (in->a[0] >> PPI_CHANNELS)
		return SOC_PPI_INVALID_CHANNEL;
	ppiEnable(0, in->a[0]);
	return SUCCESS;
}

static uint32_t assign(const Arguments *in)
{
	if ((in->a[0] & 0xFF) >= PPI_CHANNELS)
		return SOC_PPI_INVALID_CHANNEL;
	ppiAssign((int)(in->a[0] & 0xFF), in->a[1], in->a[2]);
	return SUCCESS;
}

static uint32_t group(const Arguments *in, void (*does)(int group, const Arguments *in))
{
	if ((in->a[0] & 0xFF) >= PPI_GROUPS)
		return SOC_PPI_INVALID_GROUP;
	does((int)(in->a[0] & 0xFF), in);
	return SUCCESS;
}

static void on(int which, const Arguments *in)
{
	(void)in;
	ppiGroupTask(which, 1);
}

static void off(int which, const Arguments *in)
{
	(void)in;
	ppiGroupTask(which, 0);
}

static void set(int which, const Arguments *in)
{
	ppiSetGroup(which, in->a[1]);
}

static uint32_t enableGroup(const Arguments *in)
{
	return group(in, on);
}

static uint32_t disableGroup(const Arguments *in)
{
	return group(in, off);
}

static uint32_t assignGroup(const Arguments *in)
{
	return group(in, set);
}

static uint32_t getGroup(const Arguments *in)
{
	return (in->a[0] & 0xFF) >= PPI_GROUPS ? SOC_PPI_INVALID_GROUP : putWord(in->a[1], ppiGroup((int)(in->a[0] & 0xFF)));
}

const Call socCalls[] = {
	{ 0x20, channels }, { 0x21, enableChannels }, { 0x22, disableChannels }, { 0x23, assign },
	{ 0x24, enableGroup }, { 0x25, disableGroup }, { 0x26, assignGroup }, { 0x27, getGroup },
	{ 0x28, erase }, { 0x29, write },
	{ 0x2C, mutexNew }, { 0x2D, mutexAcquire }, { 0x2E, mutexNew },
	{ 0x2F, randomCapacity }, { 0x30, randomCapacity }, { 0x31, randomVector },
	{ 0x32, powerMode }, { 0x33, systemOff }, { 0x34, resetReason }, { 0x35, clearResetReason },
	{ 0x36, accept }, { 0x37, accept }, { 0x38, accept }, { 0x39, accept }, { 0x3A, accept },
	{ 0x3C, setRetained }, { 0x3D, clearRetained }, { 0x3E, retained }, { 0x3F, accept }, { 0x40, accept },
	{ 0x41, wait }, { 0x42, crystalRequest }, { 0x43, accept }, { 0x44, crystalRuns },
	{ 0x46, encrypt }, { 0x47, encryptBlocks }, { 0x4C, temperature },
	{ 0x4D, accept }, { 0x4E, accept }, { 0x4F, accept }, { 0x50, noUsb },
};
const int socCallCount = sizeof(socCalls) / sizeof(socCalls[0]);
