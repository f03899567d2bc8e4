/* Vector table, start, and lines on UARTE0. */

#include "image.h"

extern uint32_t stackTop, dataBegin, dataEnd, dataFrom, bssBegin, bssEnd;

void *memset(void *to, int value, size_t length)
{
	uint8_t *at = to;

	while (length--)
		*at++ = (uint8_t)value;
	return to;
}

void *memcpy(void *to, const void *from, size_t length)
{
	uint8_t *at = to;
	const uint8_t *source = from;

	while (length--)
		*at++ = *source++;
	return to;
}

CALL(softdeviceIsEnabled, 0x12)
CALL(systemOff, 0x33)

/* ---- lines ---- */

static void put(const char *text, uint32_t length)
{
	static char line[64];

	for (uint32_t i = 0; i < length; i++)
		line[i] = text[i];
	EVENT(UARTE0, 8) = 0;
	REG(UARTE0 + 0x544) = P(line);
	REG(UARTE0 + 0x548) = length;
	TASK(UARTE0, 2) = 1;
	while (!EVENT(UARTE0, 8))
		;
}

void print(const char *text)
{
	uint32_t length = 0;

	while (text[length])
		length++;
	for (uint32_t at = 0; at < length; at += 64)
		put(text + at, length - at < 64 ? length - at : 64);
}

void printNumber(uint32_t value)
{
	char text[11];
	int at = 10;

	text[10] = 0;
	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	print(text + at);
}

void printHex(const void *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (; length--; at++) {
		char text[3] = { digits[*at >> 4], digits[*at & 15], 0 };
		print(text);
	}
}

void endLine(void)
{
	print("\n");
}

void check(const char *name, bool holds)
{
	print(holds ? "PASS " : "FAIL ");
	print(name);
	endLine();
}

void off(void)
{
	uint8_t enabled = 0;

	softdeviceIsEnabled(P(&enabled), 0, 0);
	if (enabled)
		systemOff(0, 0, 0);
	REG(POWER + 0x500) = 1;
	for (;;)
		;
}

/* ---- start ---- */

static void unexpected(void)
{
	print("FAIL unexpected exception ");
	printNumber(ICSR & 0x1FF);
	endLine();
	off();
}

#define WEAK __attribute__((weak, alias("unexpected")))
WEAK void onTimer2(void);
WEAK void onRtc1(void);
WEAK void onEvents(void);
WEAK void onEgu3(void);
WEAK void onGpiote(void);
WEAK void onPendSv(void);
WEAK void onSysTick(void);
__attribute__((weak)) void onTimer1(uint32_t *frame)
{
	(void)frame;
	unexpected();
}
__attribute__((weak)) void onSvc(uint32_t *frame)
{
	(void)frame;
	unexpected();
}

/* Handlers that look at what was stacked. */
#define WITH_FRAME(name, handler) \
	__attribute__((naked)) static void name(void) { __asm volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n b " #handler); }
WITH_FRAME(timer1, onTimer1)
WITH_FRAME(svc, onSvc)

void reset(void);
void reset(void)
{
	uint32_t *from = &dataFrom;

	CPACR |= 0xFu << 20;
	__asm volatile("dsb\n isb");
	for (uint32_t *to = &dataBegin; to < &dataEnd;)
		*to++ = *from++;
	for (uint32_t *to = &bssBegin; to < &bssEnd;)
		*to++ = 0;
	REG(UARTE0 + 0x524) = 0x10000000;	/* 1 Mbaud */
	REG(UARTE0 + 0x500) = 8;
	main();
	off();
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 48] = {
	[0] = &stackTop, [1] = reset, [2 ... 10] = unexpected, [11] = svc, [12 ... 13] = unexpected, [14] = onPendSv, [15] = onSysTick,
	[16 ... 63] = unexpected,
	[16 + GPIOTE_IRQ] = onGpiote, [16 + TIMER1_IRQ] = timer1, [16 + TIMER2_IRQ] = onTimer2, [16 + RTC1_IRQ] = onRtc1,
	[16 + EVENTS_IRQ] = onEvents, [16 + EGU3_IRQ] = onEgu3,
};
