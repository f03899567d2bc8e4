/* Calls of the SoftDevice, its events, flash and radio; and what it refuses. */

#include "image.h"

CALL(softdeviceEnable, 0x10)
CALL(softdeviceIsEnabled, 0x12)
CALL(flashErase, 0x28)
CALL(flashWrite, 0x29)
CALL(randomAvailable, 0x30)
CALL(randomVector, 0x31)
CALL(eventWait, 0x41)
CALL(encryptBlock, 0x46)
CALL(socEvent, 0x4B)
CALL(bleEnable, 0x60)
CALL(bleEvent, 0x61)
CALL(advConfigure, 0x72)
CALL(advStart, 0x73)
CALL(scanStart, 0x8A)
CALL(scanStop, 0x8B)

enum { NOT_ENABLED = 2, NO_MEM = 4, NOT_FOUND = 5, INVALID_PARAM = 7, INVALID_STATE = 8, INVALID_LENGTH = 9, FORBIDDEN = 15, INVALID_ADDR = 16, BUSY = 17 };
enum { FLASH_SUCCESS = 2, ADV_REPORT = 29, ADV_TERMINATED = 38 };
#define PAGE 0xEF000u

typedef struct {
	uint8_t *data;
	uint16_t length;
} Data;

static const uint8_t clock[4] = { 1, 0, 0, 7 };
static volatile uint32_t flashDone, terminated, reports;
static uint8_t heard[31], heardLength;
static union {
	uint8_t bytes[64];
	uint32_t words[16];
} event;
static uint8_t report[31];
static const Data reportBuffer = { report, sizeof(report) };

void onEvents(void)
{
	uint32_t soc;
	uint16_t length = sizeof(event);

	while (0 == socEvent(P(&soc), 0, 0))
		flashDone += soc == FLASH_SUCCESS;
	while (0 == bleEvent(P(event.bytes), P(&length), 0)) {
		uint16_t id = (uint16_t)event.words[0];

		if (id == ADV_TERMINATED)
			terminated = event.bytes[10];	/* events that were sent */
		if (id == ADV_REPORT && !reports) {
			heardLength = event.bytes[36];
			for (int i = 0; i < heardLength; i++)
				heard[i] = report[i];
			reports = 1;
		}
		length = sizeof(event);
	}
}

static void fault(uint32_t id, uint32_t pc, uint32_t info)
{
	(void)id;
	(void)pc;
	(void)info;
}

static void start(void)
{
	uint8_t enabled = 9;
	uint32_t ram = 0x20004000, bytes;
	static uint8_t random[8], available;

	check("before it is enabled, calls say so", NOT_ENABLED == randomAvailable(P(&available), 0, 0));
	check("enabled once, not twice", 0 == softdeviceEnable(P(clock), P(fault), 0) && INVALID_STATE == softdeviceEnable(P(clock), P(fault), 0));
	check("says that it is", 0 == softdeviceIsEnabled(P(&enabled), 0, 0) && enabled == 1);
	check("no event yet", NOT_FOUND == socEvent(P(&bytes), 0, 0));
	check("BLE enabled, with the RAM that it takes", 0 == bleEnable(P(&ram), 0, 0) && ram > 0x20000000 && ram <= 0x20004000);
	check("random numbers", 0 == randomAvailable(P(&available), 0, 0) && available >= 8 && 0 == randomVector(P(random), 8, 0));
	print("random ");
	printHex(random, 8);
	endLine();
	enableInterrupt(EVENTS_IRQ, 6);
}

/* FIPS 197, appendix C.1 */
static void aes(void)
{
	static struct {
		uint8_t key[16], clear[16], cipher[16];
	} ecb;

	for (int i = 0; i < 16; i++) {
		ecb.key[i] = (uint8_t)i;
		ecb.clear[i] = (uint8_t)(0x11 * i);
	}
	check("AES: takes a block", 0 == encryptBlock(P(&ecb), 0, 0));
	print("aes ");
	printHex(ecb.cipher, 16);
	endLine();
}

static void flash(void)
{
	static const uint32_t words[3] = { 0x01020304, 0xFFFFFFFF, 0xCAFE0000 };
	static uint32_t more[2] = { 0x01020304, 0xF0F0F0F0 };
	const volatile uint32_t *page = (const volatile uint32_t *)PAGE;

	flashDone = 0;
	check("flash: takes an erase, and no second operation with it",
		0 == flashErase(PAGE >> 12, 0, 0) && BUSY == flashWrite(PAGE, P(words), 3));
	while (flashDone < 1)
		eventWait(0, 0, 0);
	check("flash: erased", page[0] == 0xFFFFFFFF && page[1023] == 0xFFFFFFFF);
	check("flash: takes a write", 0 == flashWrite(PAGE, P(words), 3));
	check("flash: nothing is there before it is done", page[0] == 0xFFFFFFFF);
	while (flashDone < 2)
		eventWait(0, 0, 0);
	check("flash: written", page[0] == words[0] && page[2] == words[2]);
	check("flash: refuses what is none", INVALID_ADDR == flashWrite(PAGE + 2, P(words), 1) && INVALID_LENGTH == flashWrite(PAGE, P(words), 0) &&
		FORBIDDEN == flashErase(1, 0, 0));
	check("flash: a second write of a word", 0 == flashWrite(PAGE + 4, P(more), 2));
	while (flashDone < 3)
		eventWait(0, 0, 0);
	/* 0xF0F0F0F0 over 0xCAFE0000: REFUSED, and only bits that were set can be */
	check("flash: bits are cleared, never set", page[2] == (0xCAFE0000 & 0xF0F0F0F0));
}

static void radio(void)
{
	static uint8_t frame[] = { 5, 0x2A, 'p', 'i', 'n', 'g' };
	static const Data data[2] = { { frame, sizeof(frame) } };
	static uint8_t parameters[24] = { [0] = 5, [8] = 32, [14] = 3, [21] = 1 };
	static uint8_t scan[14] = { [1] = 1, [2] = 48, [4] = 48 };
	uint8_t handle = 0xFF, second = 0xFF;

	parameters[8] = 31;
	check("radio: no interval below 20 ms", INVALID_PARAM == advConfigure(P(&handle), P(data), P(parameters)));
	parameters[8] = 32;
	check("radio: one set", 0 == advConfigure(P(&handle), P(data), P(parameters)) && handle == 0);
	check("radio: no second set", NO_MEM == advConfigure(P(&second), P(data), P(parameters)));
	check("radio: nothing to go on with", INVALID_STATE == scanStart(0, P(&reportBuffer), 0));
	check("radio: scans", 0 == scanStart(P(scan), P(&reportBuffer), 0));
	/* until somebody answers */
	for (int turns = 0; !reports; turns++) {
		terminated = 0;
		advStart(handle, 0, 0);
		while (!terminated)
			eventWait(0, 0, 0);
		if (turns == 0)
			check("radio: three events, then it is told", terminated == 3);
	}
	check("radio: pauses after a report, until it gets its buffer", 0 == scanStart(0, P(&reportBuffer), 0) && 0 == scanStop(0, 0, 0));
	print("heard ");
	printHex(heard, heardLength);
	endLine();
}

/* What the SoftDevice owns is written by its calls only. */
static void owned(void)
{
	REG(RNG + 0x504) = 1;
	REG(0x40001508) = 1;	/* RADIO */
}

int main(void)
{
	start();
	aes();
	flash();
	radio();
	owned();
	print("done\n");
	return 0;
}
