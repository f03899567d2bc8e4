#include "reset.h"

#include "air.h"
#include "cpu.h"
#include "flash.h"
#include "peripheral.h"
#include "power.h"
#include "say.h"
#include "snapshot.h"
#include "softdevice.h"

#define LIMIT 20

static struct {
	uint32_t count, vectorTable, reason;
} state;

void resetBegin(uint32_t vectorTable)
{
	state.vectorTable = vectorTable;
	snapshotKeep("reset", &state, sizeof(state));
	cpuReset(vectorTable);
}

void resetBecause(uint32_t reason)
{
	state.reason = reason;
}

void resetBoard(void)
{
	uint32_t reason = state.reason ? state.reason : RESET_BY_SOFTWARE;
	char place[96];

	state.reason = 0;
	if (reason == RESET_BY_WATCHDOG)
		say("WATCHDOG not fed: reset");
	else
		say("reset requested %s", cpuPlace(place, sizeof(place)));
	if (++state.count > LIMIT) {
		say("more than %d resets", LIMIT);
		cpuEnd(TOO_MANY_RESETS);
		return;
	}
	softdeviceReset();
	flashReset();
	peripheralReset();
	powerReset(reason);
	cpuReset(state.vectorTable);
	airJoin();
}

uint32_t resets(void)
{
	return state.count;
}
