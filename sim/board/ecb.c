/* PS, ECB: one AES-128 block by EasyDMA. */

#include "aes.h"
#include "clock.h"
#include "memory.h"
#include "peripheral.h"
#include "peripherals.h"
#include "soc.h"

#define ENDECB EVENT(0)
#define ERRORECB EVENT(1)
enum { START = 0x000, STOP = 0x004, POINTER = 0x504 };
#define BLOCK_TIME (7200 * MICROSECOND / 1000)
#define DATA 48u

static void task(Peripheral *p, uint32_t offset)
{
	if (offset == STOP) {
		if (clockWhen(ALARM_ECB) != NEVER)
			peripheralEvent(p, ERRORECB);
		clockClear(ALARM_ECB);
	}
	else if (offset == START && peripheralDma(p, REGISTER(p, POINTER), DATA))
		clockSet(ALARM_ECB, clockNow() + BLOCK_TIME);
}

static Peripheral ecb = { .name = "ECB", .base = 0x4000E000, .irq = 14, .owner = SOFTDEVICE, .task = task };

static void onAlarm(int instance)
{
	uint8_t *data = memoryWrite(REGISTER(&ecb, POINTER), DATA);

	(void)instance;
	if (!data)
		return;
	aesEncrypt(data, data + 16, data + 32);
	socCountBlock();
	peripheralEvent(&ecb, ENDECB);
}

void ecbBegin(void)
{
	peripheralAdd(&ecb, 1);
	clockHandler(ALARM_ECB, onAlarm, 0);
}
