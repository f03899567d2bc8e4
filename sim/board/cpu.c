#include "cpu.h"

#include "block.h"
#include "bus.h"
#include "clock.h"
#include "elf.h"
#include "exception.h"
#include "gdb.h"
#include "memory.h"
#include "nvic.h"
#include "pace.h"
#include "reset.h"
#include "say.h"
#include "snapshot.h"
#include "softdevice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

/* Interrupts of Unicorn's ARM: QEMU's EXCP_SWI, EXCP_BKPT and EXCP_EXCEPTION_EXIT */
enum { UNICORN_SVC = 2, UNICORN_BKPT = 7, UNICORN_RETURN = 8 };
enum { WFE = 0xBF20, WFI = 0xBF30, YIELD = 0xBF10 };

static const int REGISTERS[] = {
	UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3, UC_ARM_REG_R4, UC_ARM_REG_R5, UC_ARM_REG_R6,
	UC_ARM_REG_R7, UC_ARM_REG_R8, UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11, UC_ARM_REG_R12, UC_ARM_REG_SP,
	UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_XPSR, UC_ARM_REG_MSP, UC_ARM_REG_PSP, UC_ARM_REG_CONTROL,
	UC_ARM_REG_FPSCR, UC_ARM_REG_PRIMASK, UC_ARM_REG_BASEPRI, UC_ARM_REG_FAULTMASK,
};

static uc_engine *unicorn;
static uint32_t perInstruction;

static struct {
	uint64_t instructions;
	enum { RUNS, SLEEPS_FOR_INTERRUPT, SLEEPS_FOR_EVENT } sleep;
	bool event, resetRequested;
} cpu;
static bool ended;
static int exitStatus;

/* Why Unicorn has stopped. */
static int interrupt;
static bool stopped;
/* While one instruction is executed: the blocks that were begun. */
static int blocksOfStep;
static char faultText[160];

/* ---- registers ---- */

uint32_t cpuGet(int which)
{
	uint32_t value = 0;

	uc_reg_read(unicorn, which < S0 ? REGISTERS[which] : UC_ARM_REG_S0 + which - S0, &value);
	return value;
}

void cpuSet(int which, uint32_t value)
{
	uc_reg_write(unicorn, which < S0 ? REGISTERS[which] : UC_ARM_REG_S0 + which - S0, &value);
}

uint32_t cpuIpsr(void)
{
	return cpuGet(XPSR) & 0x1FF;
}

uint32_t cpuPrimask(void)
{
	return cpuGet(PRIMASK) & 1;
}

uint32_t cpuBasepri(void)
{
	return cpuGet(BASEPRI) & 0xFF;
}

uint32_t cpuFaultmask(void)
{
	return cpuGet(FAULTMASK) & 1;
}

uint64_t cpuInstructions(void)
{
	return cpu.instructions;
}

const char *cpuNameOf(uint32_t address, char *buffer, size_t length)
{
	uint32_t offset;
	const char *name = elfFunction(address & ~1u, &offset);

	if (name && offset)
		snprintf(buffer, length, "%s+0x%x", name, offset);
	else if (name)
		snprintf(buffer, length, "%s", name);
	else
		snprintf(buffer, length, "0x%08x", address);
	return buffer;
}

const char *cpuPlace(char *buffer, size_t length)
{
	char name[80];
	uint32_t pc = unicorn ? cpuGet(PC) : 0, lr = unicorn ? cpuGet(LR) : 0;
	uint32_t offset;
	const char *function = elfFunction(pc, &offset);

	/* the SDK's functions for the SoftDevice are an SVC and a return: who called them says more */
	if (function && 0 == strncmp(function, "sd_", 3))
		pc = lr;
	snprintf(buffer, length, "from %s", cpuNameOf(pc, name, sizeof(name)));
	return buffer;
}

/* ---- what Unicorn tells ---- */

static void stop(void)
{
	stopped = true;
	uc_emu_stop(unicorn);
}

static void onBlock(uc_engine *uc, uint64_t address, uint32_t bytes, void *user)
{
	uint32_t at = (uint32_t)address, count;
	bool sends = false;

	(void)uc;
	(void)user;
	if (blocksOfStep && blocksOfStep++ > 1)
		stop();
	/* Stopped here, the block has not begun, and the whole state, IT bits too, is that of its first instruction. */
	if (stopped || clockNow() >= clockNext() || cpu.resetRequested || ended || (nvicWakes() && nvicNext())) {
		stop();
		return;
	}
	count = blockInstructions(at, bytes, &sends);
	if (sends)
		cpu.event = true;
	cpu.instructions += count;
	clockWork(count * perInstruction);
}

static void onInterrupt(uc_engine *uc, uint32_t number, void *user)
{
	(void)uc;
	(void)user;
	interrupt = (int)number;
	stop();
}

static bool onInvalid(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
	const char *what = type == UC_MEM_READ_UNMAPPED || type == UC_MEM_READ_PROT ? "read from"
		: type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT ? "write to" : "fetch from";

	(void)uc;
	(void)user;
	if ((type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT) && (uint32_t)address >= 0xFFFFFFE0u)
		interrupt = UNICORN_RETURN;
	else if (type == UC_MEM_WRITE_PROT && address < FLASH_BYTES)
		snprintf(faultText, sizeof(faultText), "write to flash at 0x%08x, %d bytes of 0x%x", (uint32_t)address, size, (uint32_t)value);
	else
		snprintf(faultText, sizeof(faultText), "%s 0x%08x, %d bytes: nothing is there", what, (uint32_t)address, size);
	return false;
}

/* ---- start ---- */

static void must(uc_err error, const char *what)
{
	if (error != UC_ERR_OK)
		die("Unicorn: %s: %s", what, uc_strerror(error));
}

void cpuBegin(uint32_t milliCycles)
{
	uc_hook hook;

	perInstruction = milliCycles;
	must(uc_open(UC_ARCH_ARM, (uc_mode)(UC_MODE_THUMB | UC_MODE_MCLASS), &unicorn), "open");
	must(uc_ctl_set_cpu_model(unicorn, UC_CPU_ARM_CORTEX_M4), "Cortex-M4");
	busMap(unicorn);
	must(uc_hook_add(unicorn, &hook, UC_HOOK_BLOCK, (void *)onBlock, NULL, 1, 0), "hook");
	must(uc_hook_add(unicorn, &hook, UC_HOOK_INTR, (void *)onInterrupt, NULL, 1, 0), "hook");
	must(uc_hook_add(unicorn, &hook, UC_HOOK_MEM_INVALID, (void *)onInvalid, NULL, 1, 0), "hook");
	snapshotKeep("cpu", &cpu, sizeof(cpu));
}

void cpuReset(uint32_t vectorTable)
{
	const uint8_t *vectors = memoryRead(vectorTable, 8);

	if (!vectors)
		die("There is no vector table at 0x%08x.", vectorTable);
	nvicReset();
	nvicWrite(0xE000ED08, vectorTable, 4);
	cpuSet(XPSR, 1u << 24);
	cpuSet(CONTROL, 0);
	cpuSet(PRIMASK, 0);
	cpuSet(BASEPRI, 0);
	cpuSet(FAULTMASK, 0);
	for (int i = 0; i < 13; i++)
		cpuSet(i, 0);
	cpuSet(FPSCR, 0);
	cpuSet(PSP, 0);
	cpuSet(MSP, get32(vectors));
	cpuSet(SP, get32(vectors));
	cpuSet(LR, 0xFFFFFFFF);
	cpuSet(PC, get32(vectors + 4) & ~1u);
	cpu.sleep = RUNS;
	cpu.event = cpu.resetRequested = false;
}

void cpuForget(uint32_t address, uint32_t length)
{
	blockForget(address, length);
	uc_ctl_remove_cache(unicorn, (uint64_t)address, (uint64_t)address + length);
}

/* ---- sleep, reset, end ---- */

void cpuEvent(void)
{
	cpu.event = true;
}

void cpuWaitForEvent(void)
{
	if (cpu.event)
		cpu.event = false;
	else
		cpu.sleep = SLEEPS_FOR_EVENT;
}

void cpuRequestReset(void)
{
	cpu.resetRequested = true;
}

void cpuEnd(int status)
{
	ended = true;
	exitStatus = status;
}

void cpuFault(const char *format, ...)
{
	char text[160], at[80], from[80];
	va_list arguments;

	if (ended)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	say("FAULT %s; at %s, called from %s", text, cpuNameOf(cpuGet(PC), at, sizeof(at)), cpuNameOf(cpuGet(LR), from, sizeof(from)));
	if (verbosity)
		for (int i = 0; i < 16; i += 4)
			fprintf(stderr, "    r%-2d %08x %08x %08x %08x\n", i, cpuGet(i), cpuGet(i + 1), cpuGet(i + 2), cpuGet(i + 3));
	if (!gdbFault())
		cpuEnd(FAULTED);
}

/* ---- one run ---- */

static void supervisorCall(void)
{
	uint32_t pc = cpuGet(PC);
	const uint8_t *code = memoryRead(pc - 2, 2);
	uint8_t number = code ? code[0] : 0;

	if (number >= SOFTDEVICE_CALLS) {
		/* S140 takes its calls at priority 4; what is not below that cannot ask (ARM DDI 0403E B1.5.4) */
		if (nvicExecutionPriority() <= SOFTDEVICE_PRIORITY)
			cpuFault("SVC 0x%02x where its exception is masked: a HardFault", number);
		else
			softdeviceCall(number);
		return;
	}
	if (nvicPriority(SVCALL) >= nvicExecutionPriority())
		cpuFault("SVC 0x%02x where its exception is masked: a HardFault", number);
	else
		exceptionEnter(SVCALL);
}

/* WFI, WFE and YIELD end Unicorn's run, each in its way. @return whether it was one of them */
static bool sleepInstruction(void)
{
	uint32_t pc = cpuGet(PC);
	const uint8_t *code = memoryRead(pc - 4, 4);
	uint16_t op;

	if (!code)
		return false;
	op = get16(code + 2);
	/* the wide encodings end in 0x8001 to 0x8003 */
	if (get16(code) == 0xF3AF && op >= 0x8001 && op <= 0x8003)
		op = op == 0x8001 ? YIELD : op == 0x8002 ? WFE : WFI;
	if (op == WFI)
		cpu.sleep = SLEEPS_FOR_INTERRUPT;
	else if (op == WFE)
		cpuWaitForEvent();
	return op == WFI || op == WFE || op == YIELD;
}

/* @param until where to stop if the code comes there, 0xFFFFFFFF for nowhere */
static void execute(uint32_t until)
{
	uc_err error;

	interrupt = 0;
	stopped = false;
	faultText[0] = 0;
	error = uc_emu_start(unicorn, cpuGet(PC) | 1u, until, 0, 0);
	switch (interrupt) {
	case UNICORN_SVC: supervisorCall(); return;
	case UNICORN_RETURN: exceptionReturn(cpuGet(PC) | 1u); return;
	case UNICORN_BKPT:
		if (!gdbBreakpoint())
			cpuFault("BKPT: without a debugger a HardFault");
		return;
	case 0: break;
	default: cpuFault("Unicorn's exception %d", interrupt); return;
	}
	if (faultText[0])
		cpuFault("%s", faultText);
	else if (!stopped && !sleepInstruction() && (error != UC_ERR_OK || !blocksOfStep))
		cpuFault("%s", error == UC_ERR_INSN_INVALID ? "undefined instruction" : uc_strerror(error));
}

static void takeException(void)
{
	int exception = nvicNext();

	if (exception) {
		cpu.sleep = RUNS;
		exceptionEnter(exception);
	}
}

static bool awake(void)
{
	if (cpu.sleep == SLEEPS_FOR_EVENT && cpu.event) {
		cpu.event = false;
		cpu.sleep = RUNS;
	}
	if (nvicWakes())
		cpu.sleep = RUNS;
	return cpu.sleep == RUNS;
}

int cpuRun(void)
{
	while (!ended) {
		clockFire();
		if (cpu.resetRequested) {
			cpu.resetRequested = false;
			resetBoard();
			continue;
		}
		if (ended)
			break;
		if (!awake()) {
			paceSleep(clockNext());
			continue;
		}
		takeException();
		if (gdbWants()) {
			gdbServe();
			continue;
		}
		if (!ended)
			execute(0xFFFFFFFF);
	}
	return exitStatus;
}

/* ---- the debugger's ---- */

/*
 * Not by Unicorn's count of instructions: its hook would stay in what is translated meanwhile, and slow it down for
 * good. The translation of this instruction alone ends where the next begins; a branch ends its block by itself.
 */
void cpuStep(void)
{
	uint32_t pc = cpuGet(PC), page = pc & ~(FLASH_PAGE - 1);
	const uint8_t *code = memoryRead(pc, 2);

	uc_ctl_remove_cache(unicorn, (uint64_t)page, (uint64_t)page + 2 * FLASH_PAGE);
	blocksOfStep = 1;
	execute(pc + (code && blockIsLong(get16(code)) ? 4 : 2));
	blocksOfStep = 0;
	uc_ctl_remove_cache(unicorn, (uint64_t)page, (uint64_t)page + 2 * FLASH_PAGE);
}
