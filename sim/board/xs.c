#include "xs.h"

#include "block.h"
#include "cpu.h"
#include "dwarf.h"
#include "elf.h"
#include "memory.h"
#include "say.h"
#include "snapshot.h"

/* Moddable SDK, xs/includes/xs.h: why a machine gives up */
static const char *const REASONS[] = {
	"debugger", "not enough memory", "JavaScript stack overflow", "fatal check", "dead strip", "unhandled exception",
	"no more keys", "too much computation", "unhandled rejection", "native stack overflow",
};
#define SLOT 16u

/* xs/sources/xsAll.h */
static Member members[] = { { .name = "currentHeapCount" }, { .name = "currentChunksSize" } };

static struct {
	uint32_t machine, peak;
} xs;

/* fxAbort(machine, status) */
static void onAbort(uint32_t address)
{
	uint32_t status = cpuGet(1);
	char from[96];

	(void)address;
	say("XS ABORT %u: %s, from %s", status, status < sizeof(REASONS) / sizeof(REASONS[0]) ? REASONS[status] : "unknown",
		cpuNameOf(cpuGet(LR), from, sizeof(from)));
}

static uint32_t field(int which)
{
	const uint8_t *at = memoryRead(xs.machine + members[which].offset, 4);

	return at ? get32(at) : 0;
}

uint32_t xsHeap(void)
{
	return xs.machine && members[0].found && members[1].found ? field(0) * SLOT + field(1) : 0;
}

uint32_t xsHeapPeak(void)
{
	uint32_t now = xsHeap();

	if (now > xs.peak)
		xs.peak = now;
	return xs.peak;
}

/* fxCollect(machine, flags), before it has freed anything: there is never more than then */
static void onCollect(uint32_t address)
{
	(void)address;
	xs.machine = cpuGet(0);
	xsHeapPeak();
}

static void watch(const char *function, BlockWatch does)
{
	uint32_t address;

	if (elfSymbol(function, &address))
		blockWatch(address, does);
}

void xsBegin(void)
{
	uint32_t address;

	snapshotKeep("xs", &xs, sizeof(xs));
	watch("fxAbort", onAbort);
	if (!elfSymbol("fxCollect", &address))
		return;
	dwarfMembers("sxMachine", members, sizeof(members) / sizeof(members[0]));
	blockWatch(address, onCollect);
	/* tells which machine it is before there is any garbage */
	watch("fxRunID", onCollect);
}
