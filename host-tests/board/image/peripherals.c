/* Sleep, timers, PPI, sensors, pins, converter, random numbers: each says something that only a working one can. */

#include "image.h"

static volatile uint32_t ticks, presses;

void onRtc1(void)
{
	EVENT(RTC1, 16) = 0;
	(void)EVENT(RTC1, 16);
	ticks++;
}

static void sleep(void)
{
	REG(RTC1 + 0x508) = 31;	/* 1,024 Hz */
	REG(RTC1 + 0x540) = 512;
	INTENSET(RTC1) = 1u << 16;
	enableInterrupt(RTC1_IRQ, 6);
	TASK(RTC1, 0) = 1;
	while (!ticks)
		__asm volatile("wfi");
	check("WFI sleeps until RTC1's compare", REG(RTC1 + 0x504) == 512);
	REG(RTC1 + 0x540) = 1024;
	__asm volatile("sev\n wfe");	/* takes the event that is there */
	while (ticks < 2)
		__asm volatile("wfe");
	check("WFE sleeps until RTC1's compare", REG(RTC1 + 0x504) == 1024);
	/* with the exception masked, it ends the sleep all the same */
	REG(RTC1 + 0x540) = 1100;
	__asm volatile("cpsid i\n wfi\n");
	check("WFI ends with PRIMASK set, and nothing is taken", ticks == 2 && REG(RTC1 + 0x504) == 1100);
	__asm volatile("cpsie i\n isb");
	check("the interrupt comes when PRIMASK is cleared", ticks == 3);
}

/* TIMER1's compare captures TIMER2, with no CPU in between, and stops it by a fork. */
static void ppi(void)
{
	REG(TIMER1 + 0x508) = REG(TIMER2 + 0x508) = 3;
	REG(TIMER1 + 0x510) = REG(TIMER2 + 0x510) = 4;	/* 1 MHz */
	REG(TIMER1 + 0x544) = 250;
	REG(PPI + 0x510 + 8 * 3) = TIMER1 + 0x144;
	REG(PPI + 0x514 + 8 * 3) = TIMER2 + 0x044;
	REG(PPI + 0x910 + 4 * 3) = TIMER2 + 0x004;
	REG(PPI + 0x504) = 1u << 3;
	TASK(TIMER2, 0) = 1;
	TASK(TIMER1, 0) = 1;
	while (!EVENT(TIMER1, 17))
		;
	for (volatile int i = 0; i < 1000; i++)
		;
	TASK(TIMER2, 0x40 / 4) = 1;
	check("PPI: captures and stops a timer without the CPU", REG(TIMER2 + 0x544) == 250 && REG(TIMER2 + 0x540) == 250);
	TASK(TIMER1, 1) = 1;
}

/* ---- sensors ---- */

static uint8_t buffer[8];

static bool transfer(uint8_t address, bool read, uint32_t length)
{
	REG(TWIM0 + 0x500) = 6;
	REG(TWIM0 + 0x588) = address;
	REG(TWIM0 + (read ? 0x534 : 0x544)) = P(buffer);
	REG(TWIM0 + (read ? 0x538 : 0x548)) = length;
	EVENT(TWIM0, 1) = EVENT(TWIM0, 9) = 0;
	SHORTS(TWIM0) = read ? 1u << 12 : 1u << 9;
	TASK(TWIM0, read ? 0 : 2) = 1;
	while (!EVENT(TWIM0, 1))
		if (EVENT(TWIM0, 9)) {
			EVENT(TWIM0, 9) = 0;
			TASK(TWIM0, 5) = 1;
			while (!EVENT(TWIM0, 1))
				;
			return false;
		}
	return true;
}

static bool command(uint8_t address, uint8_t high, uint8_t low)
{
	buffer[0] = high;
	buffer[1] = low;
	return transfer(address, false, 2);
}

static void tell(const char *name, uint32_t length)
{
	print(name);
	print(" ");
	printHex(buffer, length);
	endLine();
}

static void sensors(void)
{
	bool early;

	check("I2C: nobody at 0x23", !command(0x23, 0, 0));
	check("SHT3x: takes a command", command(0x44, 0x24, 0x00));
	early = transfer(0x44, true, 6);
	while (!transfer(0x44, true, 6))
		;
	check("SHT3x: does not answer before it has measured", !early);
	tell("sht3x", 6);
	check("SHTC3: sleeps until it is woken", !command(0x70, 0x7C, 0xA2) && command(0x70, 0x35, 0x17));
	check("SHTC3: holds the clock until it has measured", command(0x70, 0x7C, 0xA2) && transfer(0x70, true, 6));
	tell("shtc3", 6);
	buffer[0] = 0xE5;
	check("Si7021: humidity", transfer(0x40, false, 1) && transfer(0x40, true, 3));
	tell("si7021 humidity", 3);
	buffer[0] = 0xE0;
	check("Si7021: temperature of the same measurement", transfer(0x40, false, 1) && transfer(0x40, true, 3));
	tell("si7021 temperature", 3);
}

/* ---- pins, converter ---- */

void onGpiote(void)
{
	EVENT(GPIOTE, 0) = 0;
	(void)EVENT(GPIOTE, 0);
	presses++;
}

static void pins(void)
{
	REG(P0 + 0x700 + 4 * 11) = 3u << 2;			/* P0.11: input, pulled up */
	REG(GPIOTE + 0x510) = 1 | 11u << 8 | 2u << 16;		/* event when it falls */
	INTENSET(GPIOTE) = 1;
	enableInterrupt(GPIOTE_IRQ, 6);
	check("button: not pressed reads high", REG(P0 + 0x510) >> 11 & 1);
	while (presses < 2)
		__asm volatile("wfi");
	check("button: pressed reads low", !(REG(P0 + 0x510) >> 11 & 1));
	REG(P0 + 0x518) = 1u << 13;
	REG(P0 + 0x508) = 1u << 13;
	REG(P0 + 0x50C) = 1u << 13;
}

static void converter(void)
{
	static int16_t sample;

	REG(SAADC + 0x5F0) = 2;
	REG(SAADC + 0x518) = 2u << 16;	/* gain 1/6, 0.6 V: 3.6 V in 4,096 steps */
	REG(SAADC + 0x510) = 9;
	REG(SAADC + 0x62C) = P(&sample);
	REG(SAADC + 0x630) = 1;
	REG(SAADC + 0x500) = 1;
	TASK(SAADC, 0) = 1;
	while (!EVENT(SAADC, 0))
		;
	TASK(SAADC, 1) = 1;
	while (!EVENT(SAADC, 1))
		;
	print("battery ");
	printNumber((uint32_t)sample * 3600 / 4096);
	endLine();
}

static void randomness(void)
{
	uint8_t bytes[8];

	TASK(RNG, 0) = 1;
	for (int i = 0; i < 8; i++) {
		EVENT(RNG, 0) = 0;
		while (!EVENT(RNG, 0))
			;
		bytes[i] = (uint8_t)REG(RNG + 0x508);
	}
	TASK(RNG, 1) = 1;
	print("random ");
	printHex(bytes, 8);
	endLine();
}

/* ---- flash by the CPU itself ---- */

static void nvmc(void)
{
	volatile uint32_t *word = (volatile uint32_t *)0xF2000;

	REG(NVMC + 0x504) = 2;
	REG(NVMC + 0x508) = 0xF2000;
	while (!REG(NVMC + 0x400))
		;
	REG(NVMC + 0x504) = 1;
	word[0] = 0x12345678;
	while (!REG(NVMC + 0x400))
		;
	word[1] = 0xFFFF0000;
	REG(NVMC + 0x504) = 0;
	check("NVMC: what was written is there", word[0] == 0x12345678 && word[1] == 0xFFFF0000 && word[2] == 0xFFFFFFFF);
}

int main(void)
{
	sleep();
	ppi();
	sensors();
	pins();
	converter();
	randomness();
	nvmc();
	print("done\n");
	return 0;
}
