/*
 * Both UARTEs, for hal.ts's Serial. Nothing that was received may be lost to a busy machine, to the SoftDevice's
 * interrupts or to a flash erase, in which the CPU stands still for 85 ms.
 *
 * In: EasyDMA fills two buffers in turn (short ENDRX → STARTRX), each long enough for that at 115,200 baud. EasyDMA
 * tells how far it has come only when a buffer is full. So a buffer is first filled with a mark; bytes that differ
 * from it have come, and so has all that stands before them. RXDRDY interrupts are counted too, which settles a tail
 * that happens to look like the mark. Neither can claim a byte that has not come; when interrupts were late and the
 * tail looks like the mark, its delivery waits for the next byte or for the end of the buffer.
 * What has come moves into a ring from which the machine reads; one wake-up stands for all bytes of some milliseconds.
 *
 * Out: a ring that EasyDMA reads in place.
 *
 * The interrupt handlers stand in for those of nrfx_uarte.c, which Moddable links in any case but which has no use for
 * RXDRDY and gives up at a framing error. The manifest tells the linker to take the first definition (ours); the build
 * script checks the vectors of the image.
 */

#include "xsmc.h"
#include "xsHost.h"
#include "modTimer.h"

#include "FreeRTOS.h"
#include "task.h"

#include "nrf.h"
#include "nrf_delay.h"
#include "nrf_gpio.h"
#include "nrf_uarte.h"

#define PORTS 2
#define DMA_BYTES 1024
#define RECEIVE_BYTES 4096
#define TRANSMIT_BYTES 2048
#define CHUNK_BYTES 256	/* sent at a time, so that room in the ring comes back in steps */
#define WAKE_MS 4
#define REPEATS 1000000000
#define NO_PIN 0xFF
#define PRIORITY 6	/* 0, 1 and 4 are the SoftDevice's; FreeRTOS's calls are allowed from 2 on */

/* How far to look beyond the known bytes for one that differs from the mark: more than comes while interrupts wait. */
#define LOOK_AHEAD 32

typedef struct {
	NRF_UARTE_Type *uarte;
	IRQn_Type irq;
	bool open;
	uint8_t pins[4];	/* transmit, receive, rts, cts */

	uint8_t *dma[2];
	uint8_t mark[2];
	uint8_t filling;		/* the buffer that EasyDMA writes now */
	volatile uint16_t counted;	/* RXDRDY since it began */
	uint16_t taken;			/* bytes of it that are in the ring */

	uint8_t *receive;
	volatile uint16_t receiveHead, receiveTail;
	uint32_t overruns;
	uint32_t errors;

	uint8_t *transmit;
	volatile uint16_t transmitHead, transmitTail;
	volatile uint16_t onWire;	/* bytes that EasyDMA reads now */
	volatile bool wasFull;
	uint32_t baud;			/* to set when all output has left, or 0 */

	volatile bool woken;
	modTimer timer;
	xsMachine *the;
	xsSlot callback;
} Port;

static Port ports[PORTS] = {
	{ .uarte = NRF_UARTE0, .irq = UARTE0_UART0_IRQn },
	{ .uarte = NRF_UARTE1, .irq = UARTE1_IRQn },
};

static uint16_t count(uint16_t head, uint16_t tail, uint16_t size)
{
	return (head - tail) & (size - 1);
}

/* ---- wake-up ---- */

static void deliver(void *the, void *refcon, uint8_t *message, uint16_t messageLength)
{
	Port *port = refcon;

	if (port->open)
		modTimerReschedule(port->timer, WAKE_MS, REPEATS);
}

static void wakeFromISR(Port *port)
{
	if (port->woken)
		return;
	port->woken = true;
	modMessagePostToMachineFromISR(port->the, deliver, port);
}

/* ---- in ---- */

static void fill(Port *port, uint8_t which)
{
	/* another mark each time, so that no pattern in the data is always in doubt */
	port->mark[which] = port->mark[which] * 5 + 0x3D;
	c_memset(port->dma[which], port->mark[which], DMA_BYTES);
}

/* Moves bytes of the filling buffer up to `end` into the ring. Interrupts of the port are off, or this is one. */
static void take(Port *port, uint16_t end)
{
	const uint8_t *from = port->dma[port->filling];
	uint16_t head = port->receiveHead;

	while (port->taken < end) {
		uint16_t next = (head + 1) & (RECEIVE_BYTES - 1);
		if (next == port->receiveTail) {
			port->overruns += end - port->taken;
			port->taken = end;
			break;
		}
		port->receive[head] = from[port->taken++];
		head = next;
	}
	port->receiveHead = head;
}

static uint16_t arrived(Port *port)
{
	const volatile uint8_t *from = port->dma[port->filling];
	uint8_t mark = port->mark[port->filling];
	uint16_t counted = port->counted, end = counted > port->taken ? counted : port->taken;
	uint16_t limit;

	if (end > DMA_BYTES)
		end = DMA_BYTES;
	/* nRF52840 PS, UARTE: RXDRDY can come before the byte is in RAM */
	if ((end > port->taken) && (from[end - 1] == mark))
		nrf_delay_us(2);
	limit = end + LOOK_AHEAD;
	for (uint16_t at = end; (at < limit) && (at < DMA_BYTES); at++) {
		if (from[at] != mark) {
			end = at + 1;
			limit = end + LOOK_AHEAD;
		}
	}
	return end;
}

static void collect(Port *port)
{
	NVIC_DisableIRQ(port->irq);
	__DSB();
	__ISB();
	/* with ENDRX pending, the buffer is full and the interrupt will take it */
	if (!nrf_uarte_event_check(port->uarte, NRF_UARTE_EVENT_ENDRX))
		take(port, arrived(port));
	NVIC_EnableIRQ(port->irq);
}

static void onTimer(modTimer timer, void *refcon, int refconSize)
{
	Port *port = *(Port **)refcon;
	xsMachine *the = port->the;
	uint16_t readable, writable = 0;

	modTimerUnschedule(timer);
	port->woken = false;
	if (NO_PIN != port->pins[1])
		collect(port);
	readable = count(port->receiveHead, port->receiveTail, RECEIVE_BYTES);
	if (port->wasFull) {
		uint16_t used = count(port->transmitHead, port->transmitTail, TRANSMIT_BYTES);
		if (used <= TRANSMIT_BYTES / 2) {
			port->wasFull = false;
			writable = TRANSMIT_BYTES - 1 - used;
		}
	}
	if (readable || writable) {
		xsBeginHost(the);
			xsCallFunction2(port->callback, xsUndefined, xsInteger(readable), xsInteger(writable));
		xsEndHost(the);
	}
}

/* ---- out ---- */

static void transmitNext(Port *port)
{
	uint16_t head = port->transmitHead, tail = port->transmitTail;

	port->onWire = head >= tail ? head - tail : TRANSMIT_BYTES - tail;
	if (port->onWire > CHUNK_BYTES)
		port->onWire = CHUNK_BYTES;
	if (port->onWire) {
		nrf_uarte_tx_buffer_set(port->uarte, port->transmit + tail, port->onWire);
		nrf_uarte_task_trigger(port->uarte, NRF_UARTE_TASK_STARTTX);
	}
	else
		nrf_uarte_task_trigger(port->uarte, NRF_UARTE_TASK_STOPTX);	/* the least current */
}

/* ---- interrupts ---- */

static bool event(Port *port, nrf_uarte_event_t which)
{
	if (!nrf_uarte_event_check(port->uarte, which))
		return false;
	nrf_uarte_event_clear(port->uarte, which);
	return true;
}

static void onInterrupt(Port *port)
{
	if (event(port, NRF_UARTE_EVENT_ERROR)) {
		/* framing, break and parity: the byte is there all the same; an overrun of the hardware lost some */
		uint32_t source = nrf_uarte_errorsrc_get_and_clear(port->uarte);
		port->errors += 1;
		if (source & NRF_UARTE_ERROR_OVERRUN_MASK)
			port->overruns += 1;
	}
	if (event(port, NRF_UARTE_EVENT_RXDRDY)) {
		if (port->counted < DMA_BYTES)
			port->counted += 1;
		wakeFromISR(port);
	}
	if (event(port, NRF_UARTE_EVENT_ENDRX)) {
		take(port, DMA_BYTES);
		fill(port, port->filling);
		port->filling ^= 1;
		port->taken = 0;
		port->counted = 0;
		wakeFromISR(port);
	}
	if (event(port, NRF_UARTE_EVENT_RXSTARTED))
		nrf_uarte_rx_buffer_set(port->uarte, port->dma[port->filling ^ 1], DMA_BYTES);
	if (event(port, NRF_UARTE_EVENT_ENDTX)) {
		port->transmitTail = (port->transmitTail + port->onWire) & (TRANSMIT_BYTES - 1);
		transmitNext(port);
		if (port->wasFull)
			wakeFromISR(port);
	}
	if (event(port, NRF_UARTE_EVENT_TXSTOPPED)) {
		if (port->baud && !port->onWire) {
			nrf_uarte_baudrate_set(port->uarte, (nrf_uarte_baudrate_t)port->baud);
			port->baud = 0;
		}
	}
}

void boardUarte0Interrupt(void)
{
	onInterrupt(&ports[0]);
}

void boardUarte1Interrupt(void)
{
	onInterrupt(&ports[1]);
}

void UARTE0_UART0_IRQHandler(void) __attribute__((alias("boardUarte0Interrupt")));
void UARTE1_IRQHandler(void) __attribute__((alias("boardUarte1Interrupt")));

/* ---- the machine's side ---- */

static Port *portOf(xsMachine *the)
{
	xsIntegerValue which = xsmcToInteger(xsArg(0));

	if ((which < 0) || (which >= PORTS))
		xsRangeError("no such port");
	return &ports[which];
}

static Port *openPort(xsMachine *the)
{
	Port *port = portOf(the);

	if (!port->open)
		xsUnknownError("port is closed");
	return port;
}

/* Speeds as the register wants them; others come out within its resolution of 16 MHz / 2^32. */
static uint32_t baudRegister(xsMachine *the, xsIntegerValue baud)
{
	switch (baud) {
	case 9600: return NRF_UARTE_BAUDRATE_9600;
	case 19200: return NRF_UARTE_BAUDRATE_19200;
	case 38400: return NRF_UARTE_BAUDRATE_38400;
	case 57600: return NRF_UARTE_BAUDRATE_57600;
	case 115200: return NRF_UARTE_BAUDRATE_115200;
	case 230400: return NRF_UARTE_BAUDRATE_230400;
	case 460800: return NRF_UARTE_BAUDRATE_460800;
	case 921600: return NRF_UARTE_BAUDRATE_921600;
	}
	xsRangeError("unsupported baud rate");
	return 0;
}

static void release(Port *port)
{
	for (int i = 0; i < 2; i++) {
		c_free(port->dma[i]);
		port->dma[i] = NULL;
	}
	c_free(port->receive);
	c_free(port->transmit);
	port->receive = port->transmit = NULL;
	if (port->timer)
		modTimerRemove(port->timer);
	port->timer = NULL;
}

/* (port, baud, transmit, receive, rts, cts, callback): pins as numbers 0 to 47, or −1; callback(readable, writable) */
void board_uarte_open(xsMachine *the)
{
	Port *port = portOf(the);
	uint32_t baud = baudRegister(the, xsmcToInteger(xsArg(1)));
	NRF_UARTE_Type *uarte = port->uarte;
	uint32_t interrupts = NRF_UARTE_INT_ENDTX_MASK | NRF_UARTE_INT_TXSTOPPED_MASK;
	uint8_t *p = port->pins;

	if (port->open)
		xsUnknownError("port is open");
	for (int i = 0; i < 4; i++) {
		xsIntegerValue pin = xsmcToInteger(xsArg(2 + i));
		if (pin > 47)
			xsRangeError("no such pin");
		p[i] = pin < 0 ? NO_PIN : pin;
	}

	if (NO_PIN != p[1]) {
		port->dma[0] = c_malloc(DMA_BYTES);
		port->dma[1] = c_malloc(DMA_BYTES);
		port->receive = c_malloc(RECEIVE_BYTES);
	}
	port->transmit = c_malloc(TRANSMIT_BYTES);
	port->timer = modTimerAdd(REPEATS, REPEATS, onTimer, &port, sizeof(port));
	if (!port->transmit || !port->timer || ((NO_PIN != p[1]) && !(port->dma[0] && port->dma[1] && port->receive))) {
		release(port);
		xsUnknownError("no memory");
	}
	modTimerUnschedule(port->timer);
	port->filling = port->counted = port->taken = 0;
	port->receiveHead = port->receiveTail = port->transmitHead = port->transmitTail = port->onWire = 0;
	port->overruns = port->errors = port->baud = 0;
	port->woken = port->wasFull = false;
	port->the = the;
	port->callback = xsArg(6);
	xsRemember(port->callback);
	port->open = true;

	if (NO_PIN != p[0]) {
		nrf_gpio_pin_set(p[0]);
		nrf_gpio_cfg_output(p[0]);
	}
	if (NO_PIN != p[1])
		nrf_gpio_cfg_input(p[1], NRF_GPIO_PIN_PULLUP);
	if (NO_PIN != p[2]) {
		nrf_gpio_pin_set(p[2]);
		nrf_gpio_cfg_output(p[2]);
	}
	if (NO_PIN != p[3])
		nrf_gpio_cfg_input(p[3], NRF_GPIO_PIN_PULLDOWN);
	nrf_uarte_txrx_pins_set(uarte, NO_PIN == p[0] ? NRF_UARTE_PSEL_DISCONNECTED : p[0],
		NO_PIN == p[1] ? NRF_UARTE_PSEL_DISCONNECTED : p[1]);
	nrf_uarte_hwfc_pins_set(uarte, NO_PIN == p[2] ? NRF_UARTE_PSEL_DISCONNECTED : p[2],
		NO_PIN == p[3] ? NRF_UARTE_PSEL_DISCONNECTED : p[3]);
	nrf_uarte_configure(uarte, NRF_UARTE_PARITY_EXCLUDED,
		(NO_PIN != p[2]) || (NO_PIN != p[3]) ? NRF_UARTE_HWFC_ENABLED : NRF_UARTE_HWFC_DISABLED);
	nrf_uarte_baudrate_set(uarte, (nrf_uarte_baudrate_t)baud);

	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_ERROR);
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_RXDRDY);
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_ENDRX);
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_RXSTARTED);
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_ENDTX);
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_TXSTOPPED);
	if (NO_PIN != p[1])
		interrupts |= NRF_UARTE_INT_RXDRDY_MASK | NRF_UARTE_INT_ENDRX_MASK | NRF_UARTE_INT_RXSTARTED_MASK |
			NRF_UARTE_INT_ERROR_MASK;
	nrf_uarte_int_enable(uarte, interrupts);
	nrf_uarte_enable(uarte);
	NVIC_SetPriority(port->irq, PRIORITY);
	NVIC_ClearPendingIRQ(port->irq);
	NVIC_EnableIRQ(port->irq);

	if (NO_PIN != p[1]) {
		fill(port, 0);
		fill(port, 1);
		nrf_uarte_shorts_enable(uarte, NRF_UARTE_SHORT_ENDRX_STARTRX);
		nrf_uarte_rx_buffer_set(uarte, port->dma[0], DMA_BYTES);
		nrf_uarte_task_trigger(uarte, NRF_UARTE_TASK_STARTRX);
	}
}

/* (port, buffer) -> how many bytes were put into the buffer */
void board_uarte_read(xsMachine *the)
{
	Port *port = openPort(the);
	uint8_t *to;
	xsUnsignedValue length, at = 0;
	uint16_t tail = port->receiveTail;

	xsmcGetBufferWritable(xsArg(1), (void **)&to, &length);
	while ((at < length) && (tail != port->receiveHead)) {
		to[at++] = port->receive[tail];
		tail = (tail + 1) & (RECEIVE_BYTES - 1);
	}
	port->receiveTail = tail;
	xsmcSetInteger(xsResult, at);
}

/* (port) -> bytes that can be read */
void board_uarte_readable(xsMachine *the)
{
	Port *port = openPort(the);

	if (NO_PIN != port->pins[1])
		collect(port);
	xsmcSetInteger(xsResult, count(port->receiveHead, port->receiveTail, RECEIVE_BYTES));
}

/* (port) -> bytes that can be written */
void board_uarte_writable(xsMachine *the)
{
	Port *port = openPort(the);

	xsmcSetInteger(xsResult, TRANSMIT_BYTES - 1 - count(port->transmitHead, port->transmitTail, TRANSMIT_BYTES));
}

/* (port, data) -> whether there was room for all of it */
void board_uarte_write(xsMachine *the)
{
	Port *port = openPort(the);
	uint8_t *from;
	xsUnsignedValue length;
	uint16_t head = port->transmitHead, room;

	xsmcGetBufferReadable(xsArg(1), (void **)&from, &length);
	room = TRANSMIT_BYTES - 1 - count(head, port->transmitTail, TRANSMIT_BYTES);
	if (length > room) {
		port->wasFull = true;
		xsmcSetFalse(xsResult);
		return;
	}
	for (xsUnsignedValue at = 0; at < length; at++) {
		port->transmit[head] = from[at];
		head = (head + 1) & (TRANSMIT_BYTES - 1);
	}
	NVIC_DisableIRQ(port->irq);
	__DSB();
	__ISB();
	port->transmitHead = head;
	if (length == room)
		port->wasFull = true;
	if (!port->onWire)
		transmitNext(port);
	NVIC_EnableIRQ(port->irq);
	xsmcSetTrue(xsResult);
}

/* (port, baud) */
void board_uarte_baud(xsMachine *the)
{
	Port *port = openPort(the);
	uint32_t baud = baudRegister(the, xsmcToInteger(xsArg(1)));

	NVIC_DisableIRQ(port->irq);
	__DSB();
	__ISB();
	if (port->onWire)
		port->baud = baud;
	else
		nrf_uarte_baudrate_set(port->uarte, (nrf_uarte_baudrate_t)baud);
	NVIC_EnableIRQ(port->irq);
}

/* (port) -> bytes lost since it was opened */
void board_uarte_overruns(xsMachine *the)
{
	xsmcSetNumber(xsResult, openPort(the)->overruns);
}

/* (port): what has not left is lost */
void board_uarte_close(xsMachine *the)
{
	Port *port = portOf(the);
	NRF_UARTE_Type *uarte = port->uarte;

	if (!port->open)
		return;
	NVIC_DisableIRQ(port->irq);
	nrf_uarte_int_disable(uarte, 0xFFFFFFFF);
	nrf_uarte_shorts_disable(uarte, NRF_UARTE_SHORT_ENDRX_STARTRX);
	if (NO_PIN != port->pins[1]) {
		nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_RXTO);
		nrf_uarte_task_trigger(uarte, NRF_UARTE_TASK_STOPRX);
		while (!nrf_uarte_event_check(uarte, NRF_UARTE_EVENT_RXTO))
			;
	}
	nrf_uarte_event_clear(uarte, NRF_UARTE_EVENT_TXSTOPPED);
	nrf_uarte_task_trigger(uarte, NRF_UARTE_TASK_STOPTX);
	while (!nrf_uarte_event_check(uarte, NRF_UARTE_EVENT_TXSTOPPED))
		;
	nrf_uarte_disable(uarte);
	for (int i = 0; i < 4; i++)
		if (NO_PIN != port->pins[i])
			nrf_gpio_cfg_default(port->pins[i]);
	port->open = false;
	xsForget(port->callback);
	release(port);
}
