/* Exceptions while the core works: nothing that was interrupted may notice. */

#include "image.h"

static volatile uint32_t interrupts, insideIt, pended, supervised;

/* An IT block over the boundary of two pages, where translated code ends, among others. @return r0 to r3, the same each */
extern void storm(uint32_t rounds, uint32_t counts[4]);
__asm(
	"	.section .text.storm, \"ax\"\n"
	"	.balign 4096\n"
	"	.space 4096 - 16\n"
	"	.thumb_func\n	.global storm\n	.type storm, %function\n"
	"storm:	push {r4-r7, lr}\n"
	"	movs r7, r0\n	mov r12, r1\n	movs r0, #0\n	movs r1, #0\n	movs r2, #0\n	movs r3, #0\n"
	"	.size storm, . - storm\n"
	"	.thumb_func\n	.type turn, %function\n"
	/* at the last halfword of the page */
	"turn:	itttt pl\n"
	"	addpl r0, #1\n	addpl r1, #1\n	addpl r2, #1\n	addpl r3, #1\n"
	"	cmp r7, #0\n	ite eq\n	addeq r0, #100\n	addne r4, #1\n"
	"	subs r7, #1\n	bne turn\n"
	"	mov r4, r12\n	stmia r4!, {r0-r3}\n	pop {r4-r7, pc}\n"
	"	.size turn, . - turn\n"
	"	.text\n");

void onTimer1(uint32_t *frame)
{
	EVENT(TIMER1, 16) = 0;
	(void)EVENT(TIMER1, 16);
	interrupts++;
	/* xPSR: IT[7:2] in bits 15 to 10, IT[1:0] in 26 and 25 */
	if (frame[7] & 0x0600FC00)
		insideIt++;
	/* flags and IT state of its own */
	__asm volatile("cmp %0, #0\n itte mi\n addmi r0, #1\n addmi r1, #1\n addpl r2, #1" : : "r"(-1) : "r0", "r1", "r2", "cc");
	/* and registers of the floating-point unit */
	__asm volatile("vmov s0, %0\n vmov s15, %0\n vmov s16, s16" : : "r"(interrupts) : "s0", "s15");
}

static void every(uint32_t sixteenths)
{
	REG(TIMER1 + 0x508) = 3;
	REG(TIMER1 + 0x510) = 0;
	REG(TIMER1 + 0x540) = sixteenths;
	SHORTS(TIMER1) = 1;
	INTENSET(TIMER1) = 1u << 16;
	enableInterrupt(TIMER1_IRQ, 3);
	TASK(TIMER1, 0) = 1;
}

static void stopTimer(void)
{
	TASK(TIMER1, 1) = 1;
	TASK(TIMER1, 3) = 1;
}

static void inItBlocks(void)
{
	uint32_t counts[4];
	bool same = true;

	interrupts = insideIt = 0;
	every(101);
	for (int i = 0; i < 20; i++) {
		storm(1000, counts);
		same &= counts[0] == counts[1] && counts[1] == counts[2] && counts[2] == counts[3] && counts[0] == 1000;
	}
	stopTimer();
	print("interrupts ");
	printNumber(interrupts);
	print(" inside ");
	printNumber(insideIt);
	endLine();
	check("IT blocks: interrupted inside and go on", interrupts > 100 && insideIt > 10);
	check("IT blocks: no instruction lost or done that should not be", same);
}

static void floatingPoint(void)
{
	float sum = 0, expected = 0;

	interrupts = 0;
	every(97);
	for (int i = 1; i <= 20000; i++) {
		float one = 1.0f;

		__asm volatile("vadd.f32 %0, %0, %1" : "+t"(sum) : "t"(one));
		expected = (float)i;
	}
	stopTimer();
	check("floating point: kept over interrupts that use it", sum == expected && interrupts > 50);
}

/* ---- priorities ---- */

static volatile char order[8];
static volatile int orderCount;

void onEgu3(void)
{
	EVENT(EGU3, 0) = 0;
	(void)EVENT(EGU3, 0);
	order[orderCount++] = 'e';
	/* of lower priority: comes when this is over */
	ICSR = 1u << 28;
	/* of higher priority: comes at once */
	NVIC_ISER(TIMER2_IRQ) = 1u << TIMER2_IRQ;
	REG(0xE000E200u) = 1u << TIMER2_IRQ;
	__asm volatile("dsb\n isb");
	order[orderCount++] = 'E';
}

void onTimer2(void)
{
	order[orderCount++] = 't';
}

void onPendSv(void)
{
	order[orderCount++] = 'p';
	pended++;
}

static void priorities(void)
{
	uint32_t base = 5 << 5, none = 0;

	*(volatile uint8_t *)0xE000ED22u = 7 << 5;	/* PendSV */
	NVIC_IPR(TIMER2_IRQ) = 2 << 5;
	enableInterrupt(EGU3_IRQ, 5);
	__asm volatile("msr basepri, %0\n isb" : : "r"(base));
	TASK(EGU3, 0) = 1;
	INTENSET(EGU3) = 1;
	__asm volatile("dsb\n isb");
	order[orderCount++] = 'm';
	__asm volatile("msr basepri, %0\n isb" : : "r"(none));
	order[orderCount++] = 'M';
	check("priorities: masked by BASEPRI, then nested and chained in order",
		order[0] == 'm' && order[1] == 'e' && order[2] == 't' && order[3] == 'E' && order[4] == 'p' && order[5] == 'M');
}

void onSvc(uint32_t *frame)
{
	const uint8_t *after = (const uint8_t *)(uintptr_t)frame[6];

	supervised = after[-2];
	frame[0] += 1;
}

/* The process stack, as an operating system has it. */
static uint32_t other[64];

static void supervisor(void)
{
	uint32_t value = 41;

	__asm volatile("mov r0, %0\n svc 5\n mov %0, r0" : "+r"(value) : : "r0");
	check("SVC below 0x10: the application's, with its frame", supervised == 5 && value == 42);
	__asm volatile(
		"msr psp, %1\n movs r5, #2\n msr control, r5\n isb\n"
		"movs r0, #7\n svc 6\n mov %0, r0\n movs r5, #0\n msr control, r5\n isb\n"
		: "=&r"(value) : "r"(&other[64]) : "r0", "r5", "memory");
	check("SVC on the process stack", supervised == 6 && value == 8);
}

int main(void)
{
	supervisor();
	priorities();
	inItBlocks();
	floatingPoint();
	print("done\n");
	return 0;
}
