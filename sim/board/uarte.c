#include "uarte.h"

#include "clock.h"
#include "console.h"
#include "memory.h"
#include "peripheral.h"
#include "peripherals.h"
#include "say.h"
#include "snapshot.h"

#include <string.h>

#define COUNT CONSOLES
enum { STARTRX = 0x000, STOPRX = 0x004, STARTTX = 0x008, STOPTX = 0x00C, FLUSHRX = 0x02C };
#define RXDRDY EVENT(2)
#define ENDRX EVENT(4)
#define TXDRDY EVENT(7)
#define ENDTX EVENT(8)
#define ERROR EVENT(9)
#define RXTO EVENT(17)
#define RXSTARTED EVENT(19)
#define TXSTARTED EVENT(20)
#define TXSTOPPED EVENT(22)
enum { ENDRX_STARTRX = 5, ENDRX_STOPRX = 6 };
enum {
	ERRORSRC = 0x480, ENABLE = 0x500, BAUDRATE = 0x524, RX_PTR = 0x534, RX_MAXCNT = 0x538, RX_AMOUNT = 0x53C,
	TX_PTR = 0x544, TX_MAXCNT = 0x548, TX_AMOUNT = 0x54C, CONFIG = 0x56C,
};
#define ENABLED 8
#define OVERRUN 1u
#define FIFO 6
#define BITS 10	/* start, 8 data bits, stop */

static struct {
	struct {
		bool on;
		uint32_t at, left, amount;
	} out;
	struct {
		/* receives; has a buffer; stops when the FIFO has come out */
		bool on, buffer, stopping;
		uint32_t at, left, amount;
		uint8_t fifo[FIFO];
		int held;
	} in;
	uint32_t sent, received;
} uarte[COUNT];
static Peripheral instances[COUNT];

static bool enabled(const Peripheral *p)
{
	return REGISTER(p, ENABLE) == ENABLED;
}

/* PS: the register is baud × 2^32 / 16 MHz */
static uint64_t byteTime(const Peripheral *p)
{
	uint64_t baud = ((uint64_t)REGISTER(p, BAUDRATE) * 16000000) >> 32;

	return baud ? BITS * SECOND / baud : SECOND;
}

/* ---- out ---- */

static void sendNext(Peripheral *p)
{
	clockSet((Alarm)(ALARM_UARTE_OUT + p->instance), clockNow() + byteTime(p));
}

static void onOut(int i)
{
	Peripheral *p = &instances[i];

	if (uarte[i].out.left) {
		const uint8_t *from = memoryWrite(uarte[i].out.at, 1);

		if (from)
			consolePut(i, *from);
		uarte[i].sent++;
		uarte[i].out.at++;
		uarte[i].out.amount++;
		uarte[i].out.left--;
		peripheralEvent(p, TXDRDY);
	}
	if (uarte[i].out.left) {
		sendNext(p);
		return;
	}
	REGISTER(p, TX_AMOUNT) = uarte[i].out.amount;
	peripheralEvent(p, ENDTX);
}

static void startOut(Peripheral *p)
{
	int i = p->instance;

	if (!peripheralDma(p, REGISTER(p, TX_PTR), REGISTER(p, TX_MAXCNT)))
		return;
	uarte[i].out.on = true;
	uarte[i].out.at = REGISTER(p, TX_PTR);
	uarte[i].out.left = REGISTER(p, TX_MAXCNT) & 0xFFFF;
	uarte[i].out.amount = 0;
	peripheralEvent(p, TXSTARTED);
	sendNext(p);
}

static void stopOut(Peripheral *p)
{
	int i = p->instance;

	clockClear((Alarm)(ALARM_UARTE_OUT + i));
	if (uarte[i].out.left) {
		REGISTER(p, TX_AMOUNT) = uarte[i].out.amount;
		uarte[i].out.left = 0;
	}
	uarte[i].out.on = false;
	peripheralEvent(p, TXSTOPPED);
}

/* ---- in ---- */

static void receiveNext(Peripheral *p)
{
	Alarm alarm = (Alarm)(ALARM_UARTE_IN + p->instance);

	if (consoleHasInput(p->instance) && clockWhen(alarm) == NEVER)
		clockSet(alarm, clockNow() + byteTime(p));
}

static void endIn(Peripheral *p)
{
	int i = p->instance;

	uarte[i].in.buffer = false;
	REGISTER(p, RX_AMOUNT) = uarte[i].in.amount;
	peripheralEvent(p, ENDRX);
}

static void startIn(Peripheral *p);

static void store(Peripheral *p, uint8_t byte)
{
	int i = p->instance;
	uint8_t *to = memoryWrite(uarte[i].in.at, 1);

	if (to)
		*to = byte;
	uarte[i].in.at++;
	uarte[i].in.amount++;
	uarte[i].in.left--;
	peripheralEvent(p, RXDRDY);
	if (uarte[i].in.left)
		return;
	endIn(p);
	if (peripheralShort(p, ENDRX_STOPRX))
		p->task(p, STOPRX);
	else if (peripheralShort(p, ENDRX_STARTRX))
		startIn(p);
}

static void drain(Peripheral *p)
{
	int i = p->instance;

	while (uarte[i].in.held && uarte[i].in.buffer) {
		uint8_t byte = uarte[i].in.fifo[0];

		memmove(uarte[i].in.fifo, uarte[i].in.fifo + 1, (size_t)--uarte[i].in.held);
		store(p, byte);
	}
}

static void startIn(Peripheral *p)
{
	int i = p->instance;

	if (!peripheralDma(p, REGISTER(p, RX_PTR), REGISTER(p, RX_MAXCNT)) || !REGISTER(p, RX_MAXCNT))
		return;
	uarte[i].in.on = uarte[i].in.buffer = true;
	uarte[i].in.stopping = false;
	uarte[i].in.at = REGISTER(p, RX_PTR);
	uarte[i].in.left = REGISTER(p, RX_MAXCNT) & 0xFFFF;
	uarte[i].in.amount = 0;
	peripheralEvent(p, RXSTARTED);
	drain(p);
	receiveNext(p);
}

static void onIn(int i)
{
	Peripheral *p = &instances[i];
	uint8_t byte;

	if (uarte[i].in.stopping) {
		uarte[i].in.on = uarte[i].in.stopping = false;
		if (uarte[i].in.buffer)
			endIn(p);
		peripheralEvent(p, RXTO);
		receiveNext(p);
		return;
	}
	if (!consoleGet(i, &byte))
		return;
	/* nobody listens: the byte is gone */
	if (enabled(p) && uarte[i].in.on) {
		uarte[i].received++;
		if (uarte[i].in.buffer)
			store(p, byte);
		else if (uarte[i].in.held < FIFO)
			uarte[i].in.fifo[uarte[i].in.held++] = byte;
		else {
			REGISTER(p, ERRORSRC) |= OVERRUN;
			peripheralEvent(p, ERROR);
		}
	}
	receiveNext(p);
}

void uarteInput(int which)
{
	receiveNext(&instances[which]);
}

/* ---- registers ---- */

static void task(Peripheral *p, uint32_t offset)
{
	int i = p->instance;

	if (!enabled(p)) {
		refuse("%s: task 0x%03x while ENABLE is %u", p->name, offset, REGISTER(p, ENABLE));
		return;
	}
	switch (offset) {
	case STARTTX: startOut(p); break;
	case STOPTX: stopOut(p); break;
	case STARTRX: startIn(p); break;
	case STOPRX:
		/* PS: up to four bytes more can come; none does here */
		uarte[i].in.stopping = true;
		clockSet((Alarm)(ALARM_UARTE_IN + i), clockNow() + byteTime(p));
		break;
	case FLUSHRX:
		drain(p);
		endIn(p);
		break;
	default: refuse("%s has no task 0x%03x", p->name, offset); break;
	}
}

static void write(Peripheral *p, uint32_t offset, uint32_t value)
{
	int i = p->instance;

	if (offset == ERRORSRC)
		REGISTER(p, ERRORSRC) &= ~value;
	else {
		/* a UART without EasyDMA answers at the same address */
		if (offset == ENABLE && value != 0 && value != ENABLED)
			refuse("%s: ENABLE %u (the UART without EasyDMA) is not modelled", p->name, value);
		if (offset == CONFIG && value & 0x1F)
			refuse("%s: CONFIG 0x%x (flow control, parity or a second stop bit) is not modelled", p->name, value);
		REGISTER(p, offset) = value;
	}
	if (offset == ENABLE && value != ENABLED) {
		memset(&uarte[i].in, 0, sizeof(uarte[i].in));
		uarte[i].out.on = false;
		uarte[i].out.left = 0;
		clockClear((Alarm)(ALARM_UARTE_OUT + i));
	}
}

static void reset(Peripheral *p)
{
	int i = p->instance;
	uint32_t sent = uarte[i].sent, received = uarte[i].received;

	memset(p->registers, 0, 0x1000);
	memset(&uarte[i], 0, sizeof(uarte[i]));
	uarte[i].sent = sent;
	uarte[i].received = received;
	REGISTER(p, BAUDRATE) = 0x04000000;
	clockClear((Alarm)(ALARM_UARTE_OUT + i));
	clockClear((Alarm)(ALARM_UARTE_IN + i));
	receiveNext(p);
}

uint32_t uarteSent(int which)
{
	return uarte[which].sent;
}

uint32_t uarteReceived(int which)
{
	return uarte[which].received;
}

void uarteBegin(void)
{
	static const struct {
		const char *name;
		uint32_t base;
		int irq;
	} each[COUNT] = { { "UARTE0", 0x40002000, 2 }, { "UARTE1", 0x40028000, 40 } };

	for (int i = 0; i < COUNT; i++) {
		instances[i] = (Peripheral){
			.name = each[i].name, .base = each[i].base, .irq = each[i].irq, .instance = i,
			.task = task, .write = write, .reset = reset,
		};
		clockHandler((Alarm)(ALARM_UARTE_OUT + i), onOut, i);
		clockHandler((Alarm)(ALARM_UARTE_IN + i), onIn, i);
	}
	peripheralAdd(instances, COUNT);
	for (int i = 0; i < COUNT; i++)
		reset(&instances[i]);
	snapshotKeep("uarte", uarte, sizeof(uarte));
}
