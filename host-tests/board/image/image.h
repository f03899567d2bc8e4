/*
 * A tiny application for an nRF52840 with S140, without any SDK: what its tests need of registers and calls (nRF52840
 * Product Specification; nRF5 SDK's ble_gap.h, nrf_soc.h, nrf_sdm.h for the numbers of the calls).
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

#define POWER 0x40000000u
#define UARTE0 0x40002000u
#define TWIM0 0x40003000u
#define GPIOTE 0x40006000u
#define SAADC 0x40007000u
#define TIMER1 0x40009000u
#define TIMER2 0x4000A000u
#define RNG 0x4000D000u
#define WDT 0x40010000u
#define RTC1 0x40011000u
#define NVMC 0x4001E000u
#define PPI 0x4001F000u
#define EGU3 0x40017000u
#define P0 0x50000000u

#define TASK(base, n) REG((base) + 4u * (n))
#define EVENT(base, n) REG((base) + 0x100u + 4u * (n))
#define SHORTS(base) REG((base) + 0x200u)
#define INTENSET(base) REG((base) + 0x304u)
#define INTENCLR(base) REG((base) + 0x308u)

#define NVIC_ISER(irq) REG(0xE000E100u + 4u * ((irq) / 32))
#define NVIC_ICER(irq) REG(0xE000E180u + 4u * ((irq) / 32))
#define NVIC_IPR(irq) (*(volatile uint8_t *)(0xE000E400u + (irq)))
#define ICSR REG(0xE000ED04u)
#define AIRCR REG(0xE000ED0Cu)
#define CPACR REG(0xE000ED88u)

enum { TIMER1_IRQ = 9, TIMER2_IRQ = 10, RTC1_IRQ = 17, EVENTS_IRQ = 22, EGU3_IRQ = 23, GPIOTE_IRQ = 6 };

static inline void enableInterrupt(unsigned irq, unsigned priority)
{
	NVIC_IPR(irq) = (uint8_t)(priority << 5);
	NVIC_ISER(irq) = 1u << (irq % 32);
}

/* ---- calls of the SoftDevice ---- */

#define CALL(name, number) \
	__attribute__((naked, noinline)) static uint32_t name(__attribute__((unused)) uint32_t a, __attribute__((unused)) uint32_t b, \
		__attribute__((unused)) uint32_t c) { __asm volatile("svc %0\n bx lr" : : "i"(number)); }

#define P(pointer) ((uint32_t)(uintptr_t)(pointer))

/* ---- start.c ---- */

void print(const char *text);
void printNumber(uint32_t value);
void printHex(const void *bytes, size_t length);
void endLine(void);
/* `PASS name` or `FAIL name` as a line. */
void check(const char *name, bool holds);
/* The end of the run: SYSTEM OFF. */
void off(void) __attribute__((noreturn));

int main(void);

/* Each image may have some of these; the others end in a line that says so. */
void onTimer1(uint32_t *frame);
void onTimer2(void);
void onRtc1(void);
void onEvents(void);
void onEgu3(void);
void onGpiote(void);
void onPendSv(void);
void onSysTick(void);
void onSvc(uint32_t *frame);

#endif
