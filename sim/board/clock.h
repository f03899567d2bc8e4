/*
 * Virtual time, in thousandths of a CPU cycle at 64 MHz, and what is due at a moment of it. Time passes with the
 * instructions that the CPU executes, and jumps to the next alarm while it sleeps; nothing else moves it, so that a
 * run without live peers is the same each time.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CYCLE UINT64_C(1000)
#define MICROSECOND (64 * CYCLE)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND (1000 * MILLISECOND)
/* a period of the 32.768 kHz crystal, exactly */
#define LFCLK UINT64_C(1953125)
/* a period of the 16 MHz clock of the timers */
#define HFCLK (4 * CYCLE)

#define NEVER UINT64_MAX

/* Each can be set once; an index and not a pointer, so that a snapshot can hold them. */
typedef enum {
	ALARM_END, ALARM_SNAPSHOT, ALARM_POLL, ALARM_STATUS,
	ALARM_WDT, ALARM_SYSTICK, ALARM_CLOCK,
	ALARM_RTC, ALARM_TIMER = ALARM_RTC + 3,
	ALARM_UARTE_OUT = ALARM_TIMER + 5, ALARM_UARTE_IN = ALARM_UARTE_OUT + 2,
	ALARM_TWIM = ALARM_UARTE_IN + 2,
	ALARM_RNG = ALARM_TWIM + 2, ALARM_ECB, ALARM_TEMP, ALARM_SAADC, ALARM_NVMC, ALARM_BUTTON,
	ALARM_FLASH, ALARM_ADVERTISE, ALARM_SCAN, ALARM_RADIO,
	ALARMS
} Alarm;

typedef void (*AlarmHandler)(int instance);

/* What is called when the alarm is due; `instance` is given back. */
void clockHandler(Alarm alarm, AlarmHandler handler, int instance);
void clockSet(Alarm alarm, uint64_t at);
void clockClear(Alarm alarm);
uint64_t clockWhen(Alarm alarm);

/* In an alarm's handler: when it was due. */
uint64_t clockNow(void);
double clockMs(void);
/* Thousandths of a cycle in which the CPU did not sleep. */
uint64_t clockBusy(void);
/* The CPU executes for so long. @return whether an alarm is due */
bool clockWork(uint64_t duration);
/* When the next alarm is due, NEVER if none is set. */
uint64_t clockNext(void);
/* The CPU sleeps until `at`. */
void clockSleepUntil(uint64_t at);
/* Calls the handlers of all alarms that are due, in the order of time. */
void clockFire(void);

#endif
