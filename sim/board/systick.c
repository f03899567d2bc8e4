#include "systick.h"

#include "clock.h"
#include "nvic.h"
#include "snapshot.h"

#define ENABLE 1u
#define TICKINT 2u
#define COUNTFLAG (1u << 16)

static struct {
	uint32_t ctrl, load, counted;
	/* CPU time at which the counter was `load` */
	uint64_t since;
} tick;

static uint64_t period(void)
{
	return (tick.load + 1) * CYCLE;
}

/* Sleep does not count: the alarm comes too early by what the CPU slept, and is set again. */
static void arm(void)
{
	if ((tick.ctrl & ENABLE) && tick.load)
		clockSet(ALARM_SYSTICK, clockNow() + period() - (clockBusy() - tick.since));
	else
		clockClear(ALARM_SYSTICK);
}

static void onAlarm(int instance)
{
	(void)instance;
	if (clockBusy() - tick.since >= period()) {
		tick.since += period();
		tick.ctrl |= COUNTFLAG;
		if (tick.ctrl & TICKINT)
			nvicPend(SYSTICK);
	}
	arm();
}

void systickBegin(void)
{
	snapshotKeep("systick", &tick, sizeof(tick));
	clockHandler(ALARM_SYSTICK, onAlarm, 0);
}

void systickReset(void)
{
	tick.ctrl = tick.load = 0;
	clockClear(ALARM_SYSTICK);
}

uint32_t systickRead(uint32_t offset)
{
	uint32_t value;

	switch (offset) {
	case 0x010:
		value = tick.ctrl | 4;
		tick.ctrl &= ~COUNTFLAG;
		return value;
	case 0x014: return tick.load;
	case 0x018:
		if (!(tick.ctrl & ENABLE))
			return tick.counted;
		return tick.load - (uint32_t)((clockBusy() - tick.since) / CYCLE) % (tick.load + 1);
	default: return 0x80000000;	/* CALIB: no reference clock */
	}
}

void systickWrite(uint32_t offset, uint32_t value)
{
	switch (offset) {
	case 0x010:
		if (!(tick.ctrl & ENABLE) && (value & ENABLE))
			tick.since = clockBusy();
		tick.ctrl = value & 7;
		break;
	case 0x014: tick.load = value & 0xFFFFFF; break;
	case 0x018:
		tick.since = clockBusy();
		tick.counted = 0;
		tick.ctrl &= ~COUNTFLAG;
		break;
	default: break;
	}
	arm();
}
