#include "power.h"

#include "clock.h"
#include "cpu.h"
#include "peripheral.h"
#include "say.h"
#include "snapshot.h"

#include <string.h>

enum { HFCLKSTART = 0x000, HFCLKSTOP = 0x004, LFCLKSTART = 0x008, LFCLKSTOP = 0x00C, CAL = 0x010 };
#define HFCLKSTARTED EVENT(0)
#define LFCLKSTARTED EVENT(1)
#define CAL_DONE EVENT(3)
enum {
	RESETREAS = 0x400, HFCLKRUN = 0x408, HFCLKSTAT = 0x40C, LFCLKRUN = 0x414, LFCLKSTAT = 0x418, LFCLKSRCCOPY = 0x41C,
	SYSTEMOFF = 0x500, GPREGRET = 0x51C, GPREGRET2 = 0x520, LFCLKSRC = 0x518, MAINREGSTATUS = 0x640,
};
/* PS, CLOCK: HFXO within 360 µs; the 32.768 kHz crystal takes a quarter of a second, its first cycles come at once here */
#define START_TIME (360 * MICROSECOND)

static struct {
	uint32_t resetReason;
	uint8_t retained[2];
	/* events that are due at the alarm */
	bool crystal, slow, calibrated;
} power;

static void task(Peripheral *p, uint32_t offset)
{
	switch (offset) {
	case HFCLKSTART:
		REGISTER(p, HFCLKRUN) = 1;
		power.crystal = true;
		break;
	case LFCLKSTART:
		REGISTER(p, LFCLKRUN) = 1;
		REGISTER(p, LFCLKSRCCOPY) = REGISTER(p, LFCLKSRC);
		power.slow = true;
		break;
	case CAL: power.calibrated = true; break;
	case HFCLKSTOP: REGISTER(p, HFCLKRUN) = REGISTER(p, HFCLKSTAT) = 0; return;
	case LFCLKSTOP: REGISTER(p, LFCLKRUN) = REGISTER(p, LFCLKSTAT) = 0; return;
	default: return;	/* CONSTLAT, LOWPWR and the calibration timer show nothing */
	}
	clockSet(ALARM_CLOCK, clockNow() + START_TIME);
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case RESETREAS: power.resetReason &= ~value; break;
	case GPREGRET: power.retained[0] = (uint8_t)value; break;
	case GPREGRET2: power.retained[1] = (uint8_t)value; break;
	case SYSTEMOFF: powerSystemOff(); break;
	default: REGISTER(p, offset) = value; break;
	}
}

static uint32_t read(Peripheral *p, uint32_t offset)
{
	switch (offset) {
	case RESETREAS: return power.resetReason;
	case GPREGRET: return power.retained[0];
	case GPREGRET2: return power.retained[1];
	case MAINREGSTATUS: return 0;	/* normal voltage */
	default: return REGISTER(p, offset);
	}
}

static Peripheral clockPower = {
	.name = "CLOCK/POWER", .base = 0x40000000, .irq = 0, .owner = SOFTDEVICE, .task = task, .write = write, .read = read,
};

static void onAlarm(int instance)
{
	Peripheral *p = &clockPower;

	(void)instance;
	if (power.crystal) {
		power.crystal = false;
		REGISTER(p, HFCLKSTAT) = 0x10001;
		peripheralEvent(p, HFCLKSTARTED);
	}
	if (power.slow) {
		power.slow = false;
		REGISTER(p, LFCLKSTAT) = 0x10000 | (REGISTER(p, LFCLKSRC) & 3);
		peripheralEvent(p, LFCLKSTARTED);
	}
	if (power.calibrated) {
		power.calibrated = false;
		peripheralEvent(p, CAL_DONE);
	}
}

void powerBegin(void)
{
	peripheralAdd(&clockPower, 1);
	clockHandler(ALARM_CLOCK, onAlarm, 0);
	snapshotKeep("power", &power, sizeof(power));
}

void powerReset(uint32_t reason)
{
	power.resetReason |= reason;
	power.crystal = power.slow = power.calibrated = false;
	clockClear(ALARM_CLOCK);
}

uint32_t powerResetReason(void)
{
	return power.resetReason;
}

void powerClearResetReason(uint32_t bits)
{
	power.resetReason &= ~bits;
}

uint8_t *powerRetained(int which)
{
	return &power.retained[which];
}

void powerSystemOff(void)
{
	say("SYSTEM OFF");
	cpuEnd(ENDED);
}
