#include "xs.h"

#include "cpu.h"
#include "elf.h"
#include "say.h"

/* Moddable SDK, xs/includes/xs.h: why a machine gives up */
static const char *const REASONS[] = {
	"debugger", "not enough memory", "JavaScript stack overflow", "fatal check", "dead strip", "unhandled exception",
	"no more keys", "too much computation", "unhandled rejection", "native stack overflow",
};

/* fxAbort(machine, status) */
static void onAbort(uint32_t address)
{
	uint32_t status = cpuGet(1);
	char from[96];

	(void)address;
	say("XS ABORT %u: %s, from %s", status, status < sizeof(REASONS) / sizeof(REASONS[0]) ? REASONS[status] : "unknown",
		cpuNameOf(cpuGet(LR), from, sizeof(from)));
}

void xsBegin(void)
{
	uint32_t address;

	if (elfSymbol("fxAbort", &address))
		cpuWatch(address, onAbort);
}
