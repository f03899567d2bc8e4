/*
 * hal.clock: FreeRTOS's tick (RTC1, 1,024 Hz) as milliseconds that never go back, and one alarm.
 *
 * Moddable's modMilliseconds() jumps from 2^32 × 1000 / 1024 to 0 after 48.5 days; time-stamps here are of 64 bits.
 */

#include "xsmc.h"
#include "xsHost.h"
#include "modTimer.h"

#include "FreeRTOS.h"
#include "task.h"

/* modTimer removes what does not repeat even when its callback scheduled it anew. */
#define REPEATS 1000000000

static modTimer alarmTimer;
static xsSlot alarmCallback;
static xsMachine *alarmMachine;

static uint64_t ticks(void)
{
	TimeOut_t t;
	/* counts the tick counter's overflows, and takes both in one critical section */
	vTaskSetTimeOutState(&t);
	return ((uint64_t)t.xOverflowCount << 32) | t.xTimeOnEntering;
}

/* () -> whole milliseconds since the start: an integer, which XS counts with much faster, for the first 24 days */
void board_clock_now(xsMachine *the)
{
	uint64_t ms = (ticks() * 1000) / configTICK_RATE_HZ;

	if (ms <= 0x7FFFFFFF)
		xsmcSetInteger(xsResult, (xsIntegerValue)ms);
	else
		xsmcSetNumber(xsResult, (double)ms);
}

static void onAlarm(modTimer timer, void *refcon, int refconSize)
{
	xsMachine *the = alarmMachine;

	modTimerUnschedule(timer);
	xsBeginHost(the);
		xsCallFunction0(alarmCallback, xsUndefined);
	xsEndHost(the);
}

/* (callback) */
void board_clock_start(xsMachine *the)
{
	alarmMachine = the;
	alarmCallback = xsArg(0);
	xsRemember(alarmCallback);
	alarmTimer = modTimerAdd(REPEATS, REPEATS, onAlarm, NULL, 0);
	if (!alarmTimer)
		xsUnknownError("no memory");
	modTimerUnschedule(alarmTimer);
}

/* (milliseconds): calls back once then, in place of what was set before. Without an argument: not at all. */
void board_clock_alarm(xsMachine *the)
{
	if (xsmcArgc < 1)
		modTimerUnschedule(alarmTimer);
	else
		modTimerReschedule(alarmTimer, xsmcToInteger(xsArg(0)), REPEATS);
}
