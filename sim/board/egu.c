/* PS, EGU: tasks that are events, 16 each; their interrupts are the software interrupts SWI0 to SWI5. */

#include "peripheral.h"
#include "peripherals.h"

#define COUNT 6
#define CHANNELS 16

static void task(Peripheral *p, uint32_t offset)
{
	if (offset < 4 * CHANNELS)
		peripheralEvent(p, EVENT(offset / 4));
}

void eguBegin(void)
{
	static const char *names[COUNT] = { "EGU0", "EGU1", "EGU2", "EGU3", "EGU4", "EGU5" };
	static Peripheral instances[COUNT];

	for (uint32_t i = 0; i < COUNT; i++)
		instances[i] = (Peripheral){
			.name = names[i], .base = 0x40014000 + 0x1000 * i, .irq = (int)(20 + i), .instance = (int)i,
			.owner = i == 1 || i == 2 || i == 5 ? SOFTDEVICE : FREE, .task = task,
		};
	peripheralAdd(instances, COUNT);
}
