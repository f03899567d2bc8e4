/* A transfer is done as a whole when the time that its bits take has passed. */

#include "twim.h"

#include "clock.h"
#include "i2c.h"
#include "memory.h"
#include "peripheral.h"
#include "peripherals.h"
#include "say.h"
#include "snapshot.h"

#include <string.h>

#define COUNT 2
enum { STARTRX = 0x000, STARTTX = 0x008, STOP = 0x014, SUSPEND = 0x01C, RESUME = 0x020 };
#define STOPPED EVENT(1)
#define ERROR EVENT(9)
#define SUSPENDED EVENT(18)
#define RXSTARTED EVENT(19)
#define TXSTARTED EVENT(20)
#define LASTRX EVENT(23)
#define LASTTX EVENT(24)
enum { LASTTX_STARTRX = 7, LASTTX_SUSPEND = 8, LASTTX_STOP = 9, LASTRX_STARTTX = 10, LASTRX_SUSPEND = 11, LASTRX_STOP = 12 };
enum {
	ERRORSRC = 0x4C4, ENABLE = 0x500, FREQUENCY = 0x524, RX_PTR = 0x534, RX_MAXCNT = 0x538, RX_AMOUNT = 0x53C,
	TX_PTR = 0x544, TX_MAXCNT = 0x548, TX_AMOUNT = 0x54C, ADDRESS = 0x588,
};
#define ENABLED 6
#define ADDRESS_NACK 2u

typedef enum { NOTHING, SENDS, RECEIVES, STOPS } Doing;
static struct {
	Doing doing;
	bool nack;
} twim[COUNT];
static uint32_t transfers;
static Peripheral instances[COUNT];

/* PS: 100, 250 and 400 kbit/s are FREQUENCY 0x01980000, 0x04000000 and 0x06400000 */
static uint64_t bitTime(const Peripheral *p)
{
	uint64_t hertz = ((uint64_t)REGISTER(p, FREQUENCY) * 16000000) >> 32;

	return SECOND / (hertz ? hertz : 100000);
}

static void after(Peripheral *p, Doing doing, uint64_t time)
{
	twim[p->instance].doing = doing;
	clockSet((Alarm)(ALARM_TWIM + p->instance), clockNow() + time);
}

static void begin(Peripheral *p, bool receives)
{
	uint32_t pointer = REGISTER(p, receives ? RX_PTR : TX_PTR), length = REGISTER(p, receives ? RX_MAXCNT : TX_MAXCNT) & 0xFFFF;
	const I2cDevice *device = i2cAt((uint8_t)(REGISTER(p, ADDRESS) & 0x7F));
	uint64_t hold = 0;
	bool acknowledged;
	uint8_t *bytes;

	if (!peripheralDma(p, pointer, length))
		return;
	bytes = length ? memoryWrite(pointer, length) : NULL;
	transfers++;
	/* a write acts at its end; what is read is there at the end, too */
	if (!device)
		acknowledged = false;
	else if (receives)
		acknowledged = device->read(bytes, length, &hold);
	else
		acknowledged = device->write(bytes, length);
	twim[p->instance].nack = !acknowledged;
	REGISTER(p, receives ? RX_AMOUNT : TX_AMOUNT) = acknowledged ? length : 0;
	peripheralEvent(p, receives ? RXSTARTED : TXSTARTED);
	after(p, receives ? RECEIVES : SENDS, hold + bitTime(p) * 9 * (1 + (acknowledged ? length : 0)));
}

static void task(Peripheral *p, uint32_t offset)
{
	if (REGISTER(p, ENABLE) != ENABLED) {
		refuse("%s: task 0x%03x while ENABLE is %u", p->name, offset, REGISTER(p, ENABLE));
		return;
	}
	switch (offset) {
	case STARTTX: begin(p, false); break;
	case STARTRX: begin(p, true); break;
	case STOP: after(p, STOPS, bitTime(p)); break;
	case SUSPEND: peripheralEvent(p, SUSPENDED); break;
	case RESUME: break;
	default: refuse("%s has no task 0x%03x", p->name, offset); break;
	}
}

static void onAlarm(int i)
{
	Peripheral *p = &instances[i];
	Doing did = twim[i].doing;

	twim[i].doing = NOTHING;
	if (did == STOPS)
		peripheralEvent(p, STOPPED);
	else if (twim[i].nack) {
		REGISTER(p, ERRORSRC) |= ADDRESS_NACK;
		peripheralEvent(p, ERROR);
	}
	else if (did == SENDS) {
		peripheralEvent(p, LASTTX);
		if (peripheralShort(p, LASTTX_STARTRX))
			task(p, STARTRX);
		if (peripheralShort(p, LASTTX_SUSPEND))
			task(p, SUSPEND);
		if (peripheralShort(p, LASTTX_STOP))
			task(p, STOP);
	}
	else if (did == RECEIVES) {
		peripheralEvent(p, LASTRX);
		if (peripheralShort(p, LASTRX_STARTTX))
			task(p, STARTTX);
		if (peripheralShort(p, LASTRX_SUSPEND))
			task(p, SUSPEND);
		if (peripheralShort(p, LASTRX_STOP))
			task(p, STOP);
	}
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	if (offset == ERRORSRC)
		REGISTER(p, ERRORSRC) &= ~value;
	else {
		/* SPI and slaves share the address */
		if (offset == ENABLE && value != 0 && value != ENABLED)
			refuse("%s: ENABLE %u (SPI, a slave or the TWI without EasyDMA) is not modelled", p->name, value);
		REGISTER(p, offset) = value;
	}
}

static void reset(Peripheral *p)
{
	memset(p->registers, 0, 0x1000);
	memset(&twim[p->instance], 0, sizeof(twim[0]));
	REGISTER(p, FREQUENCY) = 0x04000000;
	clockClear((Alarm)(ALARM_TWIM + p->instance));
}

uint32_t twimTransfers(void)
{
	return transfers;
}

void twimBegin(void)
{
	static const char *names[COUNT] = { "TWIM0", "TWIM1" };

	for (int i = 0; i < COUNT; i++) {
		instances[i] = (Peripheral){
			.name = names[i], .base = 0x40003000 + 0x1000 * (uint32_t)i, .irq = 3 + i, .instance = i,
			.task = task, .write = write, .reset = reset,
		};
		clockHandler((Alarm)(ALARM_TWIM + i), onAlarm, i);
	}
	peripheralAdd(instances, COUNT);
	for (int i = 0; i < COUNT; i++)
		reset(&instances[i]);
	snapshotKeep("twim", twim, sizeof(twim));
}
