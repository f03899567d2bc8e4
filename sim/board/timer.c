/* PS, TIMER: 16 MHz over a prescaler, up to six compare and capture registers; or a counter of its COUNT task. */

#include "clock.h"
#include "peripheral.h"
#include "peripherals.h"
#include "snapshot.h"

#include <string.h>

#define COUNT 5
#define COMPARES 6
enum { START = 0x000, STOP = 0x004, COUNT_TASK = 0x008, CLEAR = 0x00C, SHUTDOWN = 0x010, CAPTURE = 0x040 };
#define COMPARE(n) EVENT(16 + (n))
enum { MODE = 0x504, BITMODE = 0x508, PRESCALER = 0x510 };
#define CC(n) (0x540u + 4u * (uint32_t)(n))

static struct {
	bool runs;
	uint64_t since, seen;
	uint32_t base;
} timers[COUNT];
static Peripheral instances[COUNT];

static uint32_t mask(const Peripheral *p)
{
	static const uint32_t masks[] = { 0xFFFF, 0xFF, 0xFFFFFF, 0xFFFFFFFF };

	return masks[REGISTER(p, BITMODE) & 3];
}

static uint64_t period(const Peripheral *p)
{
	uint32_t prescaler = REGISTER(p, PRESCALER) & 0xF;

	return HFCLK << (prescaler > 9 ? 9 : prescaler);
}

static uint64_t steps(const Peripheral *p)
{
	int i = p->instance;

	return timers[i].runs && !REGISTER(p, MODE) ? (clockNow() - timers[i].since) / period(p) : 0;
}

static uint32_t value(const Peripheral *p)
{
	return (timers[p->instance].base + (uint32_t)steps(p)) & mask(p);
}

static void arm(const Peripheral *p)
{
	int i = p->instance;
	uint64_t next = NEVER;

	clockClear((Alarm)(ALARM_TIMER + i));
	if (!timers[i].runs || REGISTER(p, MODE))
		return;
	for (int n = 0; n < COMPARES; n++) {
		uint32_t at = (timers[i].base + (uint32_t)timers[i].seen) & mask(p), ahead = (REGISTER(p, CC(n)) - at) & mask(p);
		uint64_t when = timers[i].seen + (ahead ? ahead : (uint64_t)mask(p) + 1);

		/* nobody sees a compare that has neither interrupt, short nor PPI: but reading its event does */
		if (when < next)
			next = when;
	}
	clockSet((Alarm)(ALARM_TIMER + i), timers[i].since + next * period(p));
}

static void set(Peripheral *p, uint32_t to)
{
	timers[p->instance].base = to;
	timers[p->instance].since = clockNow();
	timers[p->instance].seen = 0;
}

static void compare(Peripheral *p, uint32_t now)
{
	for (int n = 0; n < COMPARES; n++) {
		if ((REGISTER(p, CC(n)) & mask(p)) != now)
			continue;
		peripheralEvent(p, COMPARE(n));
		if (peripheralShort(p, n))
			set(p, 0);
		if (peripheralShort(p, 8 + n)) {
			timers[p->instance].base = value(p);
			timers[p->instance].runs = false;
		}
	}
}

static void onAlarm(int i)
{
	Peripheral *p = &instances[i];

	timers[i].seen = steps(p);
	compare(p, value(p));
	arm(p);
}

static void task(Peripheral *p, uint32_t offset)
{
	int i = p->instance;

	if (offset >= CAPTURE && offset < CAPTURE + 4 * COMPARES)
		REGISTER(p, CC((offset - CAPTURE) / 4)) = value(p);
	else if (offset == START && !timers[i].runs) {
		set(p, timers[i].base);
		timers[i].runs = true;
	}
	else if ((offset == STOP || offset == SHUTDOWN) && timers[i].runs) {
		timers[i].base = value(p);
		timers[i].runs = false;
	}
	else if (offset == CLEAR)
		set(p, 0);
	else if (offset == COUNT_TASK && REGISTER(p, MODE) && timers[i].runs) {
		timers[i].base = (timers[i].base + 1) & mask(p);
		compare(p, timers[i].base);
	}
	timers[i].seen = steps(p);
	arm(p);
}

static void write(Peripheral *p, uint32_t offset, uint32_t to)
{
	int i = p->instance;
	uint32_t now = value(p);

	REGISTER(p, offset) = to;
	/* another mode, width or prescaler goes on from the value so far */
	if (offset == MODE || offset == BITMODE || offset == PRESCALER)
		set(p, now);
	timers[i].seen = steps(p);
	arm(p);
}

static void reset(Peripheral *p)
{
	int i = p->instance;

	memset(p->registers, 0, 0x1000);
	memset(&timers[i], 0, sizeof(timers[i]));
	clockClear((Alarm)(ALARM_TIMER + i));
}

void timerBegin(void)
{
	static const struct {
		const char *name;
		uint32_t base;
		int irq;
	} each[COUNT] = {
		{ "TIMER0", 0x40008000, 8 }, { "TIMER1", 0x40009000, 9 }, { "TIMER2", 0x4000A000, 10 },
		{ "TIMER3", 0x4001A000, 26 }, { "TIMER4", 0x4001B000, 27 },
	};

	for (int i = 0; i < COUNT; i++) {
		instances[i] = (Peripheral){
			.name = each[i].name, .base = each[i].base, .irq = each[i].irq, .instance = i,
			.owner = i == 0 ? SOFTDEVICE : FREE, .task = task, .write = write, .reset = reset,
		};
		clockHandler((Alarm)(ALARM_TIMER + i), onAlarm, i);
	}
	peripheralAdd(instances, COUNT);
	snapshotKeep("timer", timers, sizeof(timers));
}
