#include "gpio.h"

#include "clock.h"
#include "peripheral.h"
#include "peripherals.h"
#include "say.h"
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

/* P1 begins at 0x300 behind P0, in the same page */
#define PORT_SPAN 0x300u
enum {
	OUT = 0x504, OUTSET = 0x508, OUTCLR = 0x50C, IN = 0x510, DIR = 0x514, DIRSET = 0x518, DIRCLR = 0x51C, LATCH = 0x520,
	DETECTMODE = 0x524, PIN_CNF = 0x700,
};
#define CNF_OUTPUT 1u
enum { PULL_NONE = 0, PULL_DOWN = 1, PULL_UP = 3 };
enum { SENSE_HIGH = 2, SENSE_LOW = 3 };
#define PRESSES 32
#define BIT(n) (UINT64_C(1) << (n))

static struct {
	uint64_t out, levels, grounded;
	uint32_t config[PINS];
} gpio;
static struct {
	int pin;
	uint64_t at;
	bool down;
} presses[2 * PRESSES];
static int pressCount;
static uint64_t pressesSeen;
static bool tells;

static bool isOutput(int pin)
{
	return gpio.config[pin] & CNF_OUTPUT;
}

/* Who holds a pin that no button grounds: its driver, its pull, or nobody, which reads as low. */
static bool levelOf(int pin)
{
	uint32_t pull = gpio.config[pin] >> 2 & 3, drive = gpio.config[pin] >> 8 & 7;
	bool high = gpio.out >> pin & 1;

	if (isOutput(pin)) {
		/* DRIVE 4 and 5 leave a 0 open, 6 and 7 a 1 (S0D1, H0D1): then the pull, or what is connected, which holds it high */
		if (high && drive >= 6)
			return !(gpio.grounded & BIT(pin));
		return high;
	}
	if (gpio.grounded & BIT(pin))
		return false;
	return pull == PULL_UP;
}

static void settle(void)
{
	uint64_t before = gpio.levels, now = 0;

	for (int pin = 0; pin < PINS; pin++)
		if (levelOf(pin))
			now |= BIT(pin);
	if (now == before)
		return;
	gpio.levels = now;
	if (tells)
		for (int pin = 0; pin < PINS; pin++)
			if ((now ^ before) & BIT(pin) && isOutput(pin))
				say("pin P%d.%02d is %s", pin / 32, pin % 32, now & BIT(pin) ? "high" : "low");
	gpioteLevels(before, now);
}

bool gpioLevel(int pin)
{
	return gpio.levels & BIT(pin);
}

void gpioDrive(int pin, bool level)
{
	gpio.out = level ? gpio.out | BIT(pin) : gpio.out & ~BIT(pin);
	gpio.config[pin] |= CNF_OUTPUT;
	settle();
}

bool gpioDetects(void)
{
	for (int pin = 0; pin < PINS; pin++) {
		uint32_t sense = gpio.config[pin] >> 16 & 3;

		if ((sense == SENSE_HIGH && gpioLevel(pin)) || (sense == SENSE_LOW && !gpioLevel(pin)))
			return true;
	}
	return false;
}

/* ---- registers ---- */

static uint32_t directions(int port)
{
	uint32_t bits = 0;

	for (int n = 0; n < 32 && 32 * port + n < PINS; n++)
		if (isOutput(32 * port + n))
			bits |= 1u << n;
	return bits;
}

static void setDirections(int port, uint32_t bits)
{
	for (int n = 0; n < 32 && 32 * port + n < PINS; n++)
		gpio.config[32 * port + n] = (gpio.config[32 * port + n] & ~CNF_OUTPUT) | (bits >> n & 1);
}

static void setOutputs(int port, uint32_t bits)
{
	gpio.out = (gpio.out & ~((uint64_t)0xFFFFFFFF << (32 * port))) | (uint64_t)bits << (32 * port);
}

static int portOf(uint32_t *offset)
{
	if (*offset < OUT + PORT_SPAN - 4 || (*offset >= PIN_CNF && *offset < PIN_CNF + 4 * 32))
		return 0;
	*offset -= PORT_SPAN;
	return 1;
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	int port = portOf(&offset);
	uint32_t out = (uint32_t)(gpio.out >> (32 * port));

	if (offset >= PIN_CNF && offset < PIN_CNF + 4 * 32) {
		int pin = 32 * port + (int)(offset - PIN_CNF) / 4;
		if (pin < PINS)
			gpio.config[pin] = value;
	}
	else
		switch (offset) {
		case OUT: setOutputs(port, value); break;
		case OUTSET: setOutputs(port, out | value); break;
		case OUTCLR: setOutputs(port, out & ~value); break;
		case DIR: setDirections(port, value); break;
		case DIRSET: setDirections(port, directions(port) | value); break;
		case DIRCLR: setDirections(port, directions(port) & ~value); break;
		default: REGISTER(p, offset + PORT_SPAN * (uint32_t)port) = value; return;
		}
	settle();
}

static uint32_t read(Peripheral *p, uint32_t offset)
{
	int port = portOf(&offset);

	if (offset >= PIN_CNF && offset < PIN_CNF + 4 * 32) {
		int pin = 32 * port + (int)(offset - PIN_CNF) / 4;
		return pin < PINS ? gpio.config[pin] : 0;
	}
	switch (offset) {
	case OUT: case OUTSET: case OUTCLR: return (uint32_t)(gpio.out >> (32 * port));
	case IN: return (uint32_t)(gpio.levels >> (32 * port));
	case DIR: case DIRSET: case DIRCLR: return directions(port);
	default: return REGISTER(p, offset + PORT_SPAN * (uint32_t)port);
	}
}

static void reset(Peripheral *p)
{
	memset(p->registers, 0, 0x1000);
	gpio.out = 0;
	for (int pin = 0; pin < PINS; pin++)
		gpio.config[pin] = 2;	/* input buffer disconnected */
	settle();
}

static Peripheral ports = {
	.name = "GPIO", .base = 0x50000000, .irq = -1, .plain = true, .write = write, .read = read, .reset = reset,
};

/* ---- buttons ---- */

static void next(void)
{
	uint64_t at = NEVER;

	for (int i = 0; i < pressCount; i++)
		if (presses[i].at > pressesSeen && presses[i].at < at)
			at = presses[i].at;
	clockSet(ALARM_BUTTON, at);
}

static void onAlarm(int instance)
{
	(void)instance;
	for (int i = 0; i < pressCount; i++) {
		if (presses[i].at <= pressesSeen || presses[i].at > clockNow())
			continue;
		gpio.grounded = presses[i].down ? gpio.grounded | BIT(presses[i].pin) : gpio.grounded & ~BIT(presses[i].pin);
	}
	pressesSeen = clockNow();
	settle();
	next();
}

void gpioPress(const char *text)
{
	int pin;
	double at, duration = 0.1;
	int fields = sscanf(text, "%d@%lf+%lf", &pin, &at, &duration);

	if (fields < 2 || pin < 0 || pin >= PINS || at < 0 || duration <= 0)
		die("--press %s: expected PIN@SECONDS[+SECONDS], as 11@2.5+0.1", text);
	if (pressCount == 2 * PRESSES)
		die("--press: at most %d", PRESSES);
	for (int down = 1; down >= 0; down--) {
		presses[pressCount].pin = pin;
		presses[pressCount].at = (uint64_t)((at + (down ? 0 : duration)) * (double)SECOND) + 1;
		presses[pressCount++].down = down;
	}
	next();
}

void gpioTell(void)
{
	tells = true;
}

void gpioBegin(void)
{
	peripheralAdd(&ports, 1);
	reset(&ports);
	clockHandler(ALARM_BUTTON, onAlarm, 0);
	snapshotKeep("gpio", &gpio, sizeof(gpio));
}
