/* PS, RNG: a byte in some 30 µs, in 120 µs with bias correction. */

#include "clock.h"
#include "peripheral.h"
#include "peripherals.h"
#include "random.h"

#define VALRDY EVENT(0)
enum { START = 0x000, STOP = 0x004, CONFIG = 0x504, VALUE = 0x508 };
#define BYTE_TIME (30 * MICROSECOND)
#define CORRECTED_TIME (120 * MICROSECOND)

static void task(Peripheral *p, uint32_t offset)
{
	if (offset == START)
		clockSet(ALARM_RNG, clockNow() + (REGISTER(p, CONFIG) & 1 ? CORRECTED_TIME : BYTE_TIME));
	else if (offset == STOP)
		clockClear(ALARM_RNG);
}

static Peripheral rng = { .name = "RNG", .base = 0x4000D000, .irq = 13, .owner = SOFTDEVICE, .task = task };

static void onAlarm(int instance)
{
	(void)instance;
	REGISTER(&rng, VALUE) = (uint8_t)randomNext(RANDOM_IMAGE);
	if (!peripheralShort(&rng, 0))
		task(&rng, START);
	peripheralEvent(&rng, VALRDY);
}

void rngBegin(void)
{
	peripheralAdd(&rng, 1);
	clockHandler(ALARM_RNG, onAlarm, 0);
}
