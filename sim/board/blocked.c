/* What the SoftDevice has for itself (S140 SDS, "Hardware peripherals: blocked"), and is not modelled by its registers. */

#include "peripheral.h"
#include "peripherals.h"

void blockedBegin(void)
{
	static Peripheral blocked[] = {
		{ .name = "RADIO", .base = 0x40001000, .irq = -1, .owner = SOFTDEVICE },
		{ .name = "CCM/AAR", .base = 0x4000F000, .irq = -1, .owner = SOFTDEVICE },
		{ .name = "MWU", .base = 0x40020000, .irq = -1, .owner = SOFTDEVICE },
	};

	peripheralAdd(blocked, sizeof(blocked) / sizeof(blocked[0]));
}
