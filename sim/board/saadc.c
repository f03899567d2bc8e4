#include "saadc.h"

#include "clock.h"
#include "memory.h"
#include "peripheral.h"
#include "peripherals.h"
#include "say.h"
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

enum { START = 0x000, SAMPLE = 0x004, STOP = 0x008, CALIBRATE = 0x00C };
#define STARTED EVENT(0)
#define END EVENT(1)
#define DONE EVENT(2)
#define RESULTDONE EVENT(3)
#define CALIBRATEDONE EVENT(4)
#define STOPPED EVENT(5)
enum { ENABLE = 0x500, RESOLUTION = 0x5F0, OVERSAMPLE = 0x5F4, PTR = 0x62C, MAXCNT = 0x630, AMOUNT = 0x634 };
#define CHANNELS 8
#define PSELP(n) (0x510u + 16u * (uint32_t)(n))
#define CH_CONFIG(n) (0x518u + 16u * (uint32_t)(n))
enum { INPUT_VDD = 9, INPUT_VDDHDIV5 = 13 };
#define REFERENCE_MV 600
#define CONVERSION (2 * MICROSECOND)

static struct {
	int millivolts;	/* −1: does not answer */
	enum { NOTHING, STARTS, SAMPLES, CALIBRATES, STOPS } doing;
	uint32_t at, left, amount;
} saadc = { .millivolts = 3000 };

static void after(int doing, uint64_t time)
{
	saadc.doing = doing;
	clockSet(ALARM_SAADC, clockNow() + time);
}

/* TACQ of the channels that are on */
static uint64_t acquisition(const Peripheral *p)
{
	static const uint8_t microseconds[] = { 3, 5, 10, 15, 20, 40, 40, 40 };
	uint64_t time = 0;

	for (int n = 0; n < CHANNELS; n++)
		if (REGISTER(p, PSELP(n)))
			time += microseconds[REGISTER(p, CH_CONFIG(n)) >> 16 & 7] * MICROSECOND + CONVERSION;
	return time << (REGISTER(p, OVERSAMPLE) & 0xF);
}

static void task(Peripheral *p, uint32_t offset)
{
	if (saadc.millivolts < 0)
		return;
	switch (offset) {
	case START: after(STARTS, CONVERSION); break;
	case SAMPLE:
		if (saadc.left)
			after(SAMPLES, acquisition(p));
		break;
	case STOP: after(STOPS, CONVERSION); break;
	case CALIBRATE: after(CALIBRATES, 100 * MICROSECOND); break;
	default: refuse("SAADC has no task 0x%03x", offset); break;
	}
}

static Peripheral converter = { .name = "SAADC", .base = 0x40007000, .irq = 7, .task = task };

/* PS: input × gain / reference × 2^resolution, the reference 0.6 V or a quarter of VDD */
static int16_t sample(const Peripheral *p, int channel)
{
	static const int gains[] = { 10, 12, 15, 20, 30, 60, 120, 240 };	/* × 60: 1/6, 1/5, 1/4, 1/3, 1/2, 1, 2, 4 */
	uint32_t config = REGISTER(p, CH_CONFIG(channel)), input = REGISTER(p, PSELP(channel));
	int bits = 8 + 2 * (int)(REGISTER(p, RESOLUTION) & 3);
	int reference = config >> 12 & 1 ? saadc.millivolts / 4 : REFERENCE_MV;
	int millivolts = input == INPUT_VDD ? saadc.millivolts : input == INPUT_VDDHDIV5 ? saadc.millivolts / 5 : 0;
	int64_t value = (int64_t)millivolts * gains[config >> 8 & 7] * (1 << bits) / (60 * (int64_t)(reference ? reference : 1));

	return (int16_t)(value < 1 << bits ? value : (1 << bits) - 1);
}

static void store(Peripheral *p)
{
	for (int n = 0; n < CHANNELS && saadc.left; n++) {
		uint8_t *to;

		if (!REGISTER(p, PSELP(n)))
			continue;
		to = memoryWrite(saadc.at, 2);
		if (to)
			put16(to, (uint16_t)sample(p, n));
		saadc.at += 2;
		saadc.left--;
		saadc.amount++;
	}
	REGISTER(p, AMOUNT) = saadc.amount;
	peripheralEvent(p, DONE);
	peripheralEvent(p, RESULTDONE);
	if (!saadc.left)
		peripheralEvent(p, END);
}

static void onAlarm(int instance)
{
	Peripheral *p = &converter;
	int did = (int)saadc.doing;

	(void)instance;
	saadc.doing = NOTHING;
	switch (did) {
	case STARTS:
		if (!peripheralDma(p, REGISTER(p, PTR), 2 * REGISTER(p, MAXCNT)))
			return;
		saadc.at = REGISTER(p, PTR);
		saadc.left = REGISTER(p, MAXCNT);
		saadc.amount = 0;
		peripheralEvent(p, STARTED);
		break;
	case SAMPLES: store(p); break;
	case CALIBRATES: peripheralEvent(p, CALIBRATEDONE); break;
	case STOPS:
		if (saadc.left) {
			saadc.left = 0;
			peripheralEvent(p, END);
		}
		peripheralEvent(p, STOPPED);
		break;
	default: break;
	}
}

void saadcBattery(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (0 == strcmp(text, "none"))
		saadc.millivolts = -1;
	else if (*end || value < 1700 || value > 3600)
		die("--battery %s: expected millivolts from 1700 to 3600, or none", text);
	else
		saadc.millivolts = (int)value;
}

void saadcBegin(void)
{
	peripheralAdd(&converter, 1);
	clockHandler(ALARM_SAADC, onAlarm, 0);
	snapshotKeep("saadc", &saadc, sizeof(saadc));
}
