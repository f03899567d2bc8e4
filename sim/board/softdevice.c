#include "softdevice.h"

#include "clock.h"
#include "cpu.h"
#include "flash.h"
#include "gap.h"
#include "memory.h"
#include "nvic.h"
#include "say.h"
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

#define SD_EVENT_IRQ 22	/* SWI2 */
#define BLE_EVENTS 64
#define BLE_EVENT_MAX 64
#define SOC_EVENTS 16
/* S140 7.2 with the configuration that it was built for: least RAM that it takes, above 0x20000000 */
#define LEAST_RAM 0x20001628u

/* Calls that the SoftDevice knows and we do not: connections, security, GATT, L2CAP. */
enum { FIRST_BLE = 0x60, LAST_BLE = 0xBF };

static struct {
	bool enabled, bleEnabled;
	uint32_t dropped;
	uint8_t socHead, socCount, bleHead, bleCount;
	uint8_t soc[SOC_EVENTS];
	struct {
		uint16_t length;
		uint8_t bytes[BLE_EVENT_MAX];
	} ble[BLE_EVENTS];
	uint32_t calls[256], errors[256];
} sd;
static const Call *table[256];

static const char *reason;

uint32_t refusedBecause(uint32_t error, const char *why)
{
	reason = why;
	return error;
}

/* ---- events ---- */

void softdeviceSocEvent(int event)
{
	if (sd.socCount < SOC_EVENTS)
		sd.soc[(sd.socHead + sd.socCount++) % SOC_EVENTS] = (uint8_t)event;
	nvicPend(FIRST_IRQ + SD_EVENT_IRQ);
}

bool softdeviceBleEvent(uint16_t id, const uint8_t *event, uint16_t length)
{
	uint8_t *to;

	if (sd.bleCount == BLE_EVENTS) {
		sd.dropped++;
		return false;
	}
	to = sd.ble[(sd.bleHead + sd.bleCount) % BLE_EVENTS].bytes;
	sd.ble[(sd.bleHead + sd.bleCount) % BLE_EVENTS].length = (uint16_t)(4 + length);
	sd.bleCount++;
	put16(to, id);
	put16(to + 2, length);
	memcpy(to + 4, event, length);
	nvicPend(FIRST_IRQ + SD_EVENT_IRQ);
	return true;
}

uint32_t softdeviceEventsDropped(void)
{
	return sd.dropped;
}

bool softdeviceEnabled(void)
{
	return sd.enabled;
}

void softdeviceFlashDone(void)
{
	softdeviceSocEvent(EVENT_FLASH_SUCCESS);
}

/* ---- nrf_sdm.h ---- */

static uint32_t enable(const Arguments *in)
{
	const uint8_t *clock = in->a[0] ? memoryRead(in->a[0], 4) : NULL;

	if (sd.enabled)
		return refusedBecause(INVALID_STATE, "the SoftDevice is enabled already");
	if (in->a[0] && !clock)
		return INVALID_ADDR;
	/* source RC, crystal or synthesized; accuracy up to 1 ppm */
	if (clock && (clock[0] > 2 || clock[3] > 11))
		return INVALID_PARAM;
	if (!in->a[1] || !memoryRead(in->a[1] & ~1u, 2))
		return INVALID_ADDR;
	/* priorities 0, 1 and 4 are the SoftDevice's own (S140 SDS, "Interrupt priorities") */
	for (int irq = 0; irq < IRQS; irq++) {
		int level = nvicPriority(FIRST_IRQ + irq) >> 5;

		if (nvicEnabled(irq) && (level == 0 || level == 1 || level == 4)) {
			refuse("interrupt %d is enabled with priority %d, one of the SoftDevice's own", irq, level);
			return 0x1001;	/* NRF_ERROR_SDM_INCORRECT_INTERRUPT_CONFIGURATION */
		}
	}
	sd.enabled = true;
	/* its events come at a priority that the application may have */
	nvicWrite(0xE000E400 + SD_EVENT_IRQ, 6 << 5, 1);
	sd.socCount = sd.bleCount = 0;
	return SUCCESS;
}

static uint32_t disable(const Arguments *in)
{
	(void)in;
	sd.enabled = sd.bleEnabled = false;
	gapReset();
	return SUCCESS;
}

static uint32_t isEnabled(const Arguments *in)
{
	uint8_t *to = memoryWrite(in->a[0], 1);

	if (!to)
		return INVALID_ADDR;
	*to = sd.enabled;
	return SUCCESS;
}

static uint32_t setVectorTable(const Arguments *in)
{
	nvicWrite(0xE000ED08, in->a[0], 4);
	return SUCCESS;
}

/* ---- ble.h ---- */

static uint32_t bleEnable(const Arguments *in)
{
	uint8_t *ram = memoryWrite(in->a[0], 4);
	uint32_t asked;

	if (!ram)
		return INVALID_ADDR;
	if (sd.bleEnabled)
		return INVALID_STATE;
	asked = get32(ram);
	if (asked < LEAST_RAM) {
		put32(ram, LEAST_RAM);
		return NO_MEM;
	}
	put32(ram, LEAST_RAM);
	sd.bleEnabled = true;
	return SUCCESS;
}

static uint32_t bleEvent(const Arguments *in)
{
	uint8_t *length = memoryWrite(in->a[1], 2), *to;
	uint16_t room, size;

	if (!length || (in->a[0] && (in->a[0] & 3 || !memoryIsRam(in->a[0], 4))))
		return INVALID_ADDR;
	if (!sd.bleCount)
		return NOT_FOUND;
	room = get16(length);
	size = sd.ble[sd.bleHead].length;
	put16(length, size);
	if (!in->a[0])
		return SUCCESS;
	to = memoryWrite(in->a[0], size);
	if (!to)
		return INVALID_ADDR;
	if (room < size)
		return DATA_SIZE;
	memcpy(to, sd.ble[sd.bleHead].bytes, size);
	sd.bleHead = (uint8_t)((sd.bleHead + 1) % BLE_EVENTS);
	sd.bleCount--;
	/* the interrupt comes again for what is left */
	if (sd.bleCount)
		nvicPend(FIRST_IRQ + SD_EVENT_IRQ);
	return SUCCESS;
}

static uint32_t configure(const Arguments *in)
{
	if (sd.bleEnabled)
		return INVALID_STATE;
	return memoryRead(in->a[1], 4) ? SUCCESS : INVALID_ADDR;
}

static uint32_t version(const Arguments *in)
{
	uint8_t *to = memoryWrite(in->a[0], 6);

	if (!to)
		return INVALID_ADDR;
	to[0] = 9;		/* Bluetooth 5.0 */
	put16(to + 2, 0x0059);	/* Nordic Semiconductor */
	put16(to + 4, 0x0101);
	return SUCCESS;
}

/* Set and answered without anything that a radio without connections would show. */
static uint32_t accept(const Arguments *in)
{
	(void)in;
	return SUCCESS;
}

static uint32_t socEvent(const Arguments *in)
{
	uint8_t *to = memoryWrite(in->a[0], 4);

	if (!to)
		return INVALID_ADDR;
	if (!sd.socCount)
		return NOT_FOUND;
	put32(to, sd.soc[sd.socHead]);
	sd.socHead = (uint8_t)((sd.socHead + 1) % SOC_EVENTS);
	sd.socCount--;
	return SUCCESS;
}

static const Call calls[] = {
	{ 0x10, enable }, { 0x11, disable }, { 0x12, isEnabled }, { 0x13, setVectorTable }, { 0x4B, socEvent },
	{ 0x60, bleEnable }, { 0x61, bleEvent }, { 0x65, version }, { 0x67, accept }, { 0x69, configure },
};

/* ---- calls ---- */

/* Those that look for something find nothing as a rule: no mistake of the image. */
static bool isMistake(uint32_t answer)
{
	return answer != SUCCESS && answer != NOT_FOUND && answer != SOC_RAND_NOT_ENOUGH && answer != SOC_MUTEX_TAKEN;
}

static bool availableAlways(uint8_t number)
{
	return number < 0x2C || number == 0x41;
}

void softdeviceCall(uint8_t number)
{
	Arguments in = { { cpuGet(0), cpuGet(1), cpuGet(2), cpuGet(3) } };
	uint32_t answer;
	char place[96];

	sd.calls[number]++;
	if (!sd.enabled && !availableAlways(number)) {
		refuse("svc 0x%02x before sd_softdevice_enable", number);
		answer = NOT_ENABLED;
	}
	else if (number >= FIRST_BLE && number <= LAST_BLE && !sd.bleEnabled && number != 0x60 && number != 0x61 && number != 0x69) {
		refuse("svc 0x%02x before sd_ble_enable", number);
		answer = BLE_NOT_ENABLED;
	}
	else if (!table[number]) {
		refuse("SVC 0x%02x is not modelled", number);
		answer = number >= FIRST_BLE ? NOT_SUPPORTED : 1;	/* NRF_ERROR_SVC_HANDLER_MISSING */
	}
	else {
		reason = NULL;
		answer = table[number]->call(&in);
		if (isMistake(answer))
			refuse("svc 0x%02x(0x%x, 0x%x, 0x%x) -> %u%s%s", number, in.a[0], in.a[1], in.a[2], answer, reason ? ": " : "",
				reason ? reason : "");
	}
	if (answer != SUCCESS)
		sd.errors[number]++;
	if (verbosity > 1)
		say("svc 0x%02x -> %u %s", number, answer, cpuPlace(place, sizeof(place)));
	cpuSet(0, answer);
}

static void addCalls(const Call *list, int count)
{
	for (int i = 0; i < count; i++)
		table[list[i].number] = &list[i];
}

void softdeviceBegin(void)
{
	addCalls(calls, (int)(sizeof(calls) / sizeof(calls[0])));
	addCalls(socCalls, socCallCount);
	addCalls(gapCalls, gapCallCount);
	/* nrf_sdm.h: what an application reads of the SoftDevice in flash */
	put32(flashBytes + 0x3000, 0x3C);
	put32(flashBytes + 0x3004, 0x51B1E5DB);
	put32(flashBytes + 0x3008, 0x27000);
	put32(flashBytes + 0x300C, 0x0100);
	put32(flashBytes + 0x3010, 140);
	put32(flashBytes + 0x3014, 7002000);
	snapshotKeep("softdevice", &sd, sizeof(sd));
	gapBegin();
}

void softdeviceReset(void)
{
	sd.enabled = sd.bleEnabled = false;
	sd.socCount = sd.bleCount = 0;
	gapReset();
}

void softdeviceTell(void)
{
	for (int i = 0; i < 256; i++)
		if (sd.calls[i])
			fprintf(stderr, "  svc 0x%02x: %u calls, %u errors\n", (unsigned)i, sd.calls[i], sd.errors[i]);
}
