/* PS, TEMP: the die's temperature in quarters of a degree. */

#include "clock.h"
#include "peripheral.h"
#include "peripherals.h"

#define DATARDY EVENT(0)
enum { START = 0x000, VALUE = 0x508 };
#define TIME (36 * MICROSECOND)
#define QUARTERS (4 * 25)

static void task(Peripheral *p, uint32_t offset)
{
	(void)p;
	if (offset == START)
		clockSet(ALARM_TEMP, clockNow() + TIME);
}

static Peripheral temp = { .name = "TEMP", .base = 0x4000C000, .irq = 12, .owner = SOFTDEVICE, .task = task };

static void onAlarm(int instance)
{
	(void)instance;
	REGISTER(&temp, VALUE) = QUARTERS;
	peripheralEvent(&temp, DATARDY);
}

void tempBegin(void)
{
	peripheralAdd(&temp, 1);
	clockHandler(ALARM_TEMP, onAlarm, 0);
}
