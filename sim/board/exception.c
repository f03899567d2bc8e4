#include "exception.h"

#include "cpu.h"
#include "memory.h"
#include "nvic.h"

#include <string.h>

#define FRAME 0x20u
#define FRAME_FP 0x68u
#define CONTROL_SPSEL 2u
#define CONTROL_FPCA 4u
#define XPSR_T (1u << 24)
/* IT and ICI bits: a handler begins outside of any IT block, and what it interrupted goes on inside of its own */
#define XPSR_IT 0x0600FC00u
#define XPSR_ALIGNED (1u << 9)
#define EXC_RETURN_NO_FP (1u << 4)
#define EXC_RETURN_THREAD (1u << 3)
#define EXC_RETURN_PSP (1u << 2)

static uint8_t *stack(uint32_t address, uint32_t length, const char *what)
{
	uint8_t *bytes = memoryWrite(address, length);

	if (!bytes)
		cpuFault("exception %s with the stack at 0x%08x, outside of RAM", what, address);
	return bytes;
}

void exceptionEnter(int exception)
{
	uint32_t xpsr = cpuGet(XPSR), control = cpuGet(CONTROL), sp = cpuGet(SP), handler;
	bool fp = control & CONTROL_FPCA, thread = 0 == (xpsr & 0x1FF), process = thread && (control & CONTROL_SPSEL);
	uint32_t size = fp ? FRAME_FP : FRAME, frame = (sp - size) & ~7u;
	const uint8_t *vector = memoryRead(nvicVectorTable() + 4 * (uint32_t)exception, 4);
	uint8_t *to = stack(frame, size, "entry");

	if (!to || !vector)
		return;
	for (int i = 0; i < 4; i++)
		put32(to + 4 * i, cpuGet(i));
	put32(to + 0x10, cpuGet(12));
	put32(to + 0x14, cpuGet(LR));
	put32(to + 0x18, cpuGet(PC));
	put32(to + 0x1C, xpsr | XPSR_T | (sp & 4 ? XPSR_ALIGNED : 0));
	if (fp) {
		for (int i = 0; i < 16; i++)
			put32(to + 0x20 + 4 * i, cpuGet(S0 + i));
		put32(to + 0x60, cpuGet(FPSCR));
	}
	/* the stack pointer first: changing to handler mode changes which one it is */
	cpuSet(SP, frame);
	cpuSet(XPSR, (xpsr & ~(XPSR_IT | 0x1FFu)) | XPSR_T | (uint32_t)exception);
	cpuSet(CONTROL, control & ~(CONTROL_FPCA | CONTROL_SPSEL));
	cpuSet(LR, 0xFFFFFFE1u | (fp ? 0 : EXC_RETURN_NO_FP) | (thread ? EXC_RETURN_THREAD : 0) | (process ? EXC_RETURN_PSP : 0));
	handler = get32(vector);
	if (!(handler & 1)) {
		cpuFault("vector of exception %d is 0x%08x: not in Thumb state", exception, handler);
		return;
	}
	cpuSet(PC, handler & ~1u);
	nvicEnter(exception);
	cpuEvent();
}

void exceptionReturn(uint32_t value)
{
	bool thread = value & EXC_RETURN_THREAD, process = value & EXC_RETURN_PSP, fp = !(value & EXC_RETURN_NO_FP);
	int exception = (int)cpuIpsr();
	uint32_t size = fp ? FRAME_FP : FRAME, frame, xpsr, control, after;
	const uint8_t *from;

	if ((value & 0xFFFFFFE0u) != 0xFFFFFFE0u || (process && !thread)) {
		cpuFault("EXC_RETURN is 0x%08x", value);
		return;
	}
	if (!nvicLeave(exception) || (thread && nvicActiveCount() > 0)) {
		cpuFault("return from exception %d, which is not active, by 0x%08x", exception, value);
		return;
	}
	if (exception != NMI)
		cpuSet(FAULTMASK, 0);
	frame = cpuGet(process ? PSP : MSP);
	from = stack(frame, size, "return");
	if (!from)
		return;
	xpsr = get32(from + 0x1C);
	for (int i = 0; i < 4; i++)
		cpuSet(i, get32(from + 4 * i));
	cpuSet(12, get32(from + 0x10));
	if (fp) {
		for (int i = 0; i < 16; i++)
			cpuSet(S0 + i, get32(from + 0x20 + 4 * i));
		cpuSet(FPSCR, get32(from + 0x60));
	}
	after = frame + size + (xpsr & XPSR_ALIGNED ? 4 : 0);
	control = cpuGet(CONTROL) & ~(CONTROL_FPCA | CONTROL_SPSEL);
	/* to the mode that goes on, then its stack */
	cpuSet(XPSR, (xpsr & ~XPSR_ALIGNED) | XPSR_T);
	cpuSet(CONTROL, control | (process ? CONTROL_SPSEL : 0) | (fp ? CONTROL_FPCA : 0));
	cpuSet(process ? PSP : MSP, after);
	cpuSet(SP, after);
	cpuSet(LR, get32(from + 0x14));
	cpuSet(PC, get32(from + 0x18) & ~1u);
	cpuEvent();
}
