/* The watchdog: fed it waits, starved it resets, in work and in sleep alike. */

#include "image.h"

#define RETAINED REG(POWER + 0x51C)

static void delay(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

int main(void)
{
	uint32_t reason = REG(POWER + 0x400), life = RETAINED;

	print("life ");
	printNumber(life);
	print(" reason ");
	printNumber(reason);
	endLine();
	REG(POWER + 0x400) = reason;
	RETAINED = life + 1;
	if (life == 0) {
		AIRCR = 0x05FA0004;
		__asm volatile("dsb");
		for (;;)
			;
	}
	if (life == 3)
		return 0;
	REG(WDT + 0x504) = 32768 / 10;
	REG(WDT + 0x508) = 1;
	REG(WDT + 0x50C) = 1;
	TASK(WDT, 0) = 1;
	for (int i = 0; i < 100; i++) {
		delay();
		REG(WDT + 0x600) = 0x6E524635;
	}
	print("fed\n");
	if (life == 1)
		for (;;)
			__asm volatile("wfi");
	for (;;)
		delay();
}
