/* PS, RTC: a counter of 24 bits at 32.768 kHz, which runs while the CPU sleeps. */

#include "clock.h"
#include "peripheral.h"
#include "peripherals.h"
#include "snapshot.h"

#include <string.h>

#define COUNT 3
#define COMPARES 4
#define MASK 0xFFFFFFu
enum { START = 0x000, STOP = 0x004, CLEAR = 0x008, TRIGOVRFLW = 0x00C };
#define TICK EVENT(0)
#define OVRFLW EVENT(1)
#define COMPARE(n) EVENT(16 + (n))
enum { EVTEN = 0x340, EVTENSET = 0x344, EVTENCLR = 0x348, COUNTER = 0x504, PRESCALER = 0x508 };
#define CC(n) (0x540u + 4u * (uint32_t)(n))

static struct {
	bool runs;
	/* the counter was `base` at the edge of the crystal's clock at `since` */
	uint64_t since;
	uint32_t base;
	/* up to here its steps have been looked at */
	uint64_t seen;
} rtc[COUNT];

static uint64_t period(const Peripheral *p)
{
	return LFCLK * ((REGISTER(p, PRESCALER) & 0xFFF) + 1);
}

static uint64_t steps(const Peripheral *p)
{
	int i = p->instance;

	return rtc[i].runs && clockNow() > rtc[i].since ? (clockNow() - rtc[i].since) / period(p) : 0;
}

static uint32_t counter(const Peripheral *p)
{
	return (rtc[p->instance].base + (uint32_t)steps(p)) & MASK;
}

/* An event that neither EVTEN nor INTEN asks for is not generated. */
static bool asked(const Peripheral *p, int bit)
{
	return (REGISTER(p, EVTEN) | REGISTER(p, INTEN)) >> bit & 1;
}

/* Steps from `from` until the counter comes to `value` next. */
static uint64_t stepsTo(const Peripheral *p, uint64_t from, uint32_t value)
{
	uint32_t at = (rtc[p->instance].base + (uint32_t)from) & MASK, ahead = (value - at) & MASK;

	return from + (ahead ? ahead : MASK + 1);
}

static void arm(const Peripheral *p)
{
	int i = p->instance;
	uint64_t from = rtc[i].seen, next = NEVER, at;

	clockClear((Alarm)(ALARM_RTC + i));
	if (!rtc[i].runs)
		return;
	if (asked(p, 0))
		next = from + 1;
	if (asked(p, 1) && (at = stepsTo(p, from, 0)) < next)
		next = at;
	for (int n = 0; n < COMPARES; n++)
		if (asked(p, 16 + n) && (at = stepsTo(p, from, REGISTER(p, CC(n)) & MASK)) < next)
			next = at;
	if (next != NEVER)
		clockSet((Alarm)(ALARM_RTC + i), rtc[i].since + next * period(p));
}

static Peripheral instances[COUNT];

static void onAlarm(int i)
{
	Peripheral *p = &instances[i];
	uint32_t value = counter(p);

	rtc[i].seen = steps(p);
	if (asked(p, 0))
		peripheralEvent(p, TICK);
	if (value == 0 && asked(p, 1))
		peripheralEvent(p, OVRFLW);
	for (int n = 0; n < COMPARES; n++)
		if (value == (REGISTER(p, CC(n)) & MASK) && asked(p, 16 + n))
			peripheralEvent(p, COMPARE(n));
	arm(p);
}

static void set(Peripheral *p, uint32_t value)
{
	int i = p->instance;

	rtc[i].base = value;
	/* the next edge of the clock that all of them count */
	rtc[i].since = (clockNow() + LFCLK - 1) / LFCLK * LFCLK;
	rtc[i].seen = 0;
}

static void task(Peripheral *p, uint32_t offset)
{
	int i = p->instance;

	switch (offset) {
	case START:
		if (!rtc[i].runs) {
			set(p, rtc[i].base);
			rtc[i].runs = true;
		}
		break;
	case STOP:
		rtc[i].base = counter(p);
		rtc[i].runs = false;
		break;
	case CLEAR: set(p, 0); break;
	case TRIGOVRFLW: set(p, 0xFFFFF0); break;
	default: break;
	}
	arm(p);
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case EVTENSET: REGISTER(p, EVTEN) |= value; break;
	case EVTENCLR: REGISTER(p, EVTEN) &= ~value; break;
	case COUNTER: return;
	case PRESCALER:
		if (rtc[p->instance].runs)
			return;
		REGISTER(p, offset) = value & 0xFFF;
		break;
	default: REGISTER(p, offset) = value; break;
	}
	rtc[p->instance].seen = steps(p);
	arm(p);
}

static uint32_t read(Peripheral *p, uint32_t offset)
{
	return offset == COUNTER ? counter(p) : offset == EVTENSET || offset == EVTENCLR ? REGISTER(p, EVTEN) : REGISTER(p, offset);
}

static void reset(Peripheral *p)
{
	int i = p->instance;

	memset(p->registers, 0, 0x1000);
	memset(&rtc[i], 0, sizeof(rtc[i]));
	clockClear((Alarm)(ALARM_RTC + i));
}

/* INTEN decides what is generated, too. */
static void enabled(Peripheral *p)
{
	rtc[p->instance].seen = steps(p);
	arm(p);
}

void rtcBegin(void)
{
	static const struct {
		const char *name;
		uint32_t base;
		int irq;
		Owner owner;
	} each[COUNT] = {
		{ "RTC0", 0x4000B000, 11, SOFTDEVICE }, { "RTC1", 0x40011000, 17, FREE }, { "RTC2", 0x40024000, 36, FREE },
	};

	for (int i = 0; i < COUNT; i++) {
		instances[i] = (Peripheral){
			.name = each[i].name, .base = each[i].base, .irq = each[i].irq, .instance = i, .owner = each[i].owner,
			.task = task, .write = write, .read = read, .reset = reset, .enabled = enabled,
		};
		clockHandler((Alarm)(ALARM_RTC + i), onAlarm, i);
	}
	peripheralAdd(instances, COUNT);
	snapshotKeep("rtc", rtc, sizeof(rtc));
}
