/* PS, GPIOTE: eight channels of a pin each, as event or as task, and the PORT event of all pins that SENSE. */

#include "gpio.h"
#include "peripheral.h"
#include "peripherals.h"

#include <stdbool.h>

#define CHANNELS 8
enum { OUT = 0x000, SET = 0x030, CLR = 0x060 };
#define IN(n) EVENT(n)
#define PORT EVENT(31)
#define CONFIG(n) (0x510u + 4u * (uint32_t)(n))
enum { MODE_EVENT = 1, MODE_TASK = 3 };
enum { RISING = 1, FALLING = 2 };

static bool detected;

static int pinOf(uint32_t config)
{
	int pin = (int)(config >> 8 & 0x3F);

	return pin < PINS ? pin : 0;
}

static void task(Peripheral *p, uint32_t offset)
{
	int n = (int)(offset % 0x30 / 4);
	uint32_t config = REGISTER(p, CONFIG(n)), polarity = config >> 16 & 3;

	if (n >= CHANNELS || (config & 3) != MODE_TASK)
		return;
	if (offset >= CLR)
		gpioDrive(pinOf(config), false);
	else if (offset >= SET)
		gpioDrive(pinOf(config), true);
	else if (polarity)
		gpioDrive(pinOf(config), polarity == RISING || (polarity != FALLING && !gpioLevel(pinOf(config))));
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	REGISTER(p, offset) = value;
	if (offset >= CONFIG(0) && offset < CONFIG(CHANNELS) && (value & 3) == MODE_TASK)
		gpioDrive(pinOf(value), value >> 20 & 1);
}

static Peripheral gpiote = { .name = "GPIOTE", .base = 0x40006000, .irq = 6, .task = task, .write = write };

void gpioteLevels(uint64_t before, uint64_t now)
{
	bool detects = gpioDetects();

	if (!gpiote.registers)
		return;
	for (int n = 0; n < CHANNELS; n++) {
		uint32_t config = REGISTER(&gpiote, CONFIG(n)), polarity = config >> 16 & 3;
		uint64_t bit = UINT64_C(1) << pinOf(config);

		if ((config & 3) != MODE_EVENT || !((before ^ now) & bit))
			continue;
		if (polarity & (now & bit ? RISING : FALLING))
			peripheralEvent(&gpiote, IN(n));
	}
	if (detects && !detected)
		peripheralEvent(&gpiote, PORT);
	detected = detects;
}

void gpioteBegin(void)
{
	peripheralAdd(&gpiote, 1);
}
