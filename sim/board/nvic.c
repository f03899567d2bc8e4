#include "nvic.h"

#include "clock.h"
#include "cpu.h"
#include "say.h"
#include "snapshot.h"
#include "systick.h"

#include <string.h>

/* nRF52840: three bits of priority */
#define PRIORITY_BITS 3
#define BIT(n) (UINT64_C(1) << (n))

static struct {
	uint64_t pending, enabled, active, level;
	uint8_t priority[EXCEPTIONS];
	uint32_t vtor, aircr, scr, ccr, shcsr, cfsr, hfsr, mmfar, bfar, cpacr, fpccr;
} nvic;

void nvicBegin(void)
{
	snapshotKeep("nvic", &nvic, sizeof(nvic));
}

void nvicReset(void)
{
	memset(&nvic, 0, sizeof(nvic));
	nvic.enabled = BIT(FIRST_IRQ) - 1;
	nvic.ccr = 0x200;	/* STKALIGN */
	nvic.fpccr = 0xC0000000;
	systickReset();
}

uint32_t nvicVectorTable(void)
{
	return nvic.vtor;
}

/* ---- pending ---- */

void nvicPend(int exception)
{
	nvic.pending |= BIT(exception);
	if (nvic.scr & 0x10)	/* SEVONPEND */
		cpuEvent();
}

bool nvicIsPending(int exception)
{
	return nvic.pending & BIT(exception);
}

void nvicLine(int irq, bool level)
{
	uint64_t bit = BIT(FIRST_IRQ + irq);

	if (level && !(nvic.level & bit))
		nvicPend(FIRST_IRQ + irq);
	nvic.level = level ? nvic.level | bit : nvic.level & ~bit;
}

static void unpend(uint64_t bits)
{
	/* a line that is still high pends again at once */
	nvic.pending = (nvic.pending & ~bits) | (nvic.level & bits & ~nvic.active);
}

/* ---- priorities ---- */

int nvicPriority(int exception)
{
	switch (exception) {
	case RESET: return -3;
	case NMI: return -2;
	case HARD_FAULT: return -1;
	default: return nvic.priority[exception];
	}
}

bool nvicEnabled(int irq)
{
	return nvic.enabled & BIT(FIRST_IRQ + irq);
}

/* The part of a priority that preempts (AIRCR.PRIGROUP). */
static int group(int priority)
{
	return priority < 0 ? priority : priority & ~((2 << (nvic.aircr >> 8 & 7)) - 1);
}

static int activePriority(void)
{
	int least = 256;
	uint64_t active = nvic.active;

	while (active) {
		int n = __builtin_ctzll(active);

		active &= active - 1;
		if (group(nvicPriority(n)) < least)
			least = group(nvicPriority(n));
	}
	return least;
}

int nvicExecutionPriority(void)
{
	int priority = activePriority(), base = (int)cpuBasepri();

	if (base && group(base) < priority)
		priority = group(base);
	if (cpuPrimask() && priority > 0)
		priority = 0;
	if (cpuFaultmask() && priority > -1)
		priority = -1;
	return priority;
}

bool nvicWakes(void)
{
	return nvic.pending & nvic.enabled;
}

int nvicNext(void)
{
	uint64_t candidates = nvic.pending & nvic.enabled;
	int best = 0;

	if (!candidates)
		return 0;
	while (candidates) {
		int n = __builtin_ctzll(candidates);

		candidates &= candidates - 1;
		if (!best || nvicPriority(n) < nvicPriority(best))
			best = n;
	}
	return group(nvicPriority(best)) < nvicExecutionPriority() ? best : 0;
}

void nvicEnter(int exception)
{
	nvic.pending &= ~BIT(exception);
	nvic.active |= BIT(exception);
}

bool nvicLeave(int exception)
{
	bool was = nvic.active & BIT(exception);

	nvic.active &= ~BIT(exception);
	if (nvic.level & BIT(exception))
		nvicPend(exception);
	return was;
}

int nvicActiveCount(void)
{
	return __builtin_popcountll(nvic.active);
}

/* ---- registers ---- */

/* 32 interrupts of a bank of registers: only the first two words exist on the nRF52840 */
static uint64_t interrupts(uint32_t value, uint32_t offset)
{
	uint32_t word = offset / 4 & 0x1F;

	return word < 2 ? (uint64_t)value << (FIRST_IRQ + 32 * word) : 0;
}

static uint32_t bank(uint64_t bits, uint32_t offset)
{
	uint32_t word = offset / 4 & 0x1F;

	return word < 2 ? (uint32_t)(bits >> FIRST_IRQ >> (32 * word)) : 0;
}

static uint32_t icsr(void)
{
	uint64_t all = nvic.pending & nvic.enabled;
	uint32_t value = cpuIpsr();

	if (all)
		value |= (uint32_t)__builtin_ctzll(all) << 12;
	if (nvic.pending >> FIRST_IRQ)
		value |= 1u << 22;
	if (nvicActiveCount() <= 1)
		value |= 1u << 11;	/* RETTOBASE */
	if (nvicIsPending(SYSTICK))
		value |= 1u << 26;
	if (nvicIsPending(PENDSV))
		value |= 1u << 28;
	return value;
}

static void writeIcsr(uint32_t value)
{
	if (value & 1u << 31)
		nvicPend(NMI);
	if (value & 1u << 28)
		nvicPend(PENDSV);
	if (value & 1u << 27)
		nvic.pending &= ~BIT(PENDSV);
	if (value & 1u << 26)
		nvicPend(SYSTICK);
	if (value & 1u << 25)
		nvic.pending &= ~BIT(SYSTICK);
}

static void writeAircr(uint32_t value)
{
	if (value >> 16 != 0x05FA)
		return;
	nvic.aircr = value & 0x700;
	if (value & 4)
		cpuRequestReset();
}

uint32_t nvicRead(uint32_t address)
{
	uint32_t offset = address & 0xFFC, value = 0;

	if (offset >= 0x010 && offset < 0x020)
		return systickRead(offset);
	if (offset >= 0x100 && offset < 0x200)
		return bank(nvic.enabled, offset);
	if (offset >= 0x200 && offset < 0x300)
		return bank(nvic.pending, offset);
	if (offset >= 0x300 && offset < 0x380)
		return bank(nvic.active, offset);
	if ((offset >= 0x400 && offset < 0x400 + IRQS) || (offset >= 0xD18 && offset < 0xD24)) {
		uint32_t first = offset >= 0xD18 ? offset - 0xD18 + 4 : offset - 0x400 + FIRST_IRQ;
		for (uint32_t i = 0; i < 4; i++)
			value |= (uint32_t)nvic.priority[first + i] << (8 * i);
		return value >> (8 * (address & 3));
	}
	switch (offset) {
	case 0x004: return 1;			/* ICTR */
	case 0xD00: return 0x410FC241;		/* CPUID: Cortex-M4 r0p1 */
	case 0xD04: return icsr();
	case 0xD08: return nvic.vtor;
	case 0xD0C: return 0xFA050000 | nvic.aircr;
	case 0xD10: return nvic.scr;
	case 0xD14: return nvic.ccr;
	case 0xD24: return nvic.shcsr;
	case 0xD28: return nvic.cfsr >> (8 * (address & 3));
	case 0xD2C: return nvic.hfsr;
	case 0xD34: return nvic.mmfar;
	case 0xD38: return nvic.bfar;
	case 0xD88: return nvic.cpacr;
	case 0xF34: return nvic.fpccr;
	case 0xF40: return 0x10110021;		/* MVFR0, MVFR1: FPv4-SP */
	case 0xF44: return 0x11000011;
	default: return 0;
	}
}

static void writePriority(uint32_t first, uint32_t address, uint32_t value, int size)
{
	for (int i = 0; i < size; i++) {
		uint32_t n = first + (address & 3) + (uint32_t)i;

		if (n >= 4 && n < EXCEPTIONS)
			nvic.priority[n] = (uint8_t)(value >> (8 * i)) & (uint8_t)(0xFF << (8 - PRIORITY_BITS));
	}
}

void nvicWrite(uint32_t address, uint32_t value, int size)
{
	uint32_t offset = address & 0xFFC;

	if (offset >= 0x010 && offset < 0x020)
		systickWrite(offset, value);
	else if (offset >= 0x100 && offset < 0x180)
		nvic.enabled |= interrupts(value, offset);
	else if (offset >= 0x180 && offset < 0x200)
		nvic.enabled &= ~interrupts(value, offset);
	else if (offset >= 0x200 && offset < 0x280)
		nvic.pending |= interrupts(value, offset);
	else if (offset >= 0x280 && offset < 0x300)
		unpend(interrupts(value, offset));
	else if (offset >= 0x400 && offset < 0x400 + IRQS)
		writePriority(offset - 0x400 + FIRST_IRQ, address, value, size);
	else if (offset >= 0xD18 && offset < 0xD24)
		writePriority(offset - 0xD18 + 4, address, value, size);
	else
		switch (offset) {
		case 0xD04: writeIcsr(value); break;
		case 0xD08: nvic.vtor = value & ~0x7Fu; break;
		case 0xD0C: writeAircr(value); break;
		case 0xD10: nvic.scr = value; break;
		case 0xD14: nvic.ccr = value; break;
		case 0xD24: nvic.shcsr = value; break;
		case 0xD28: nvic.cfsr &= ~value; break;
		case 0xD2C: nvic.hfsr &= ~value; break;
		case 0xD88: nvic.cpacr = value; break;
		case 0xF34: nvic.fpccr = value; break;
		case 0xF00:
			if ((value & 0x1FF) < IRQS)
				nvicPend(FIRST_IRQ + (int)(value & 0x1FF));
			break;
		default: break;
		}
}
