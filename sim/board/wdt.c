/* PS, WDT: once started it runs until a reset of its own, whether the CPU works, sleeps or hangs. */

#include "clock.h"
#include "cpu.h"
#include "peripheral.h"
#include "peripherals.h"
#include "reset.h"
#include "snapshot.h"

#include <string.h>

#define START 0x000
#define TIMEOUT EVENT(0)
enum { RUNSTATUS = 0x400, REQSTATUS = 0x404, CRV = 0x504, RREN = 0x508, CONFIG = 0x50C, RR = 0x600 };
#define RELOAD 0x6E524635u
#define CONFIG_SLEEP 1u
/* from the interrupt to the reset */
#define LAST_CYCLES (2 * LFCLK)

static struct {
	bool runs, bites;
	/* of the time that it counts: all of it, or that in which the CPU does not sleep */
	uint64_t due;
} wdt;

static void task(Peripheral *p, uint32_t offset);
static void write(Peripheral *p, uint32_t offset, uint32_t value);
static void reset(Peripheral *p);
static Peripheral watchdog = { .name = "WDT", .base = 0x40010000, .irq = 16, .task = task, .write = write, .reset = reset };

static bool countsSleep(void)
{
	return REGISTER(&watchdog, CONFIG) & CONFIG_SLEEP;
}

static uint64_t counted(void)
{
	return countsSleep() ? clockNow() : clockBusy();
}

static void arm(void)
{
	clockSet(ALARM_WDT, clockNow() + wdt.due - counted());
}

static void feed(void)
{
	wdt.due = counted() + LFCLK * ((uint64_t)REGISTER(&watchdog, CRV) + 1);
	REGISTER(&watchdog, REQSTATUS) = REGISTER(&watchdog, RREN);
	arm();
}

static void onAlarm(int instance)
{
	(void)instance;
	if (wdt.bites) {
		wdt.runs = wdt.bites = false;
		resetBecause(RESET_BY_WATCHDOG);
		cpuRequestReset();
	}
	else if (counted() < wdt.due)
		arm();
	else {
		wdt.bites = true;
		peripheralEvent(&watchdog, TIMEOUT);
		clockSet(ALARM_WDT, clockNow() + LAST_CYCLES);
	}
}

static void task(Peripheral *p, uint32_t offset)
{
	if (offset != START || wdt.runs)
		return;
	wdt.runs = true;
	REGISTER(p, RUNSTATUS) = 1;
	feed();
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	if (offset >= RR && offset < RR + 4 * 8) {
		if (value != RELOAD || !wdt.runs || wdt.bites)
			return;
		REGISTER(p, REQSTATUS) &= ~(1u << (offset - RR) / 4);
		if (!REGISTER(p, REQSTATUS))
			feed();
	}
	/* what is set holds until the reset */
	else if (!wdt.runs || (offset != CRV && offset != RREN && offset != CONFIG))
		REGISTER(p, offset) = value;
}

static void reset(Peripheral *p)
{
	/* a reset by software leaves it running */
	if (wdt.runs)
		return;
	memset(p->registers, 0, 0x1000);
	REGISTER(p, CRV) = 0xFFFFFFFF;
	REGISTER(p, RREN) = REGISTER(p, REQSTATUS) = REGISTER(p, CONFIG) = 1;
	clockClear(ALARM_WDT);
}

void wdtBegin(void)
{
	peripheralAdd(&watchdog, 1);
	reset(&watchdog);
	clockHandler(ALARM_WDT, onAlarm, 0);
	snapshotKeep("wdt", &wdt, sizeof(wdt));
}
