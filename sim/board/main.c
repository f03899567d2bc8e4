/* An nRF52840 with S140 that runs an application image: puts the parts together, and says at the end what they did. */

#include "air.h"
#include "block.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "elf.h"
#include "flash.h"
#include "gap.h"
#include "gdb.h"
#include "gpio.h"
#include "i2c.h"
#include "memory.h"
#include "options.h"
#include "pace.h"
#include "nvic.h"
#include "peripheral.h"
#include "peripherals.h"
#include "ppi.h"
#include "power.h"
#include "random.h"
#include "reset.h"
#include "saadc.h"
#include "say.h"
#include "snapshot.h"
#include "soc.h"
#include "softdevice.h"
#include "systick.h"
#include "twim.h"
#include "uarte.h"
#include "xs.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

static Options options;

static void onEnd(int instance)
{
	(void)instance;
	cpuEnd(ENDED);
}

static void onSnapshot(int instance)
{
	(void)instance;
	snapshotSave(options.snapshot);
}

/* Since the last such line for the CPU, since the start for the rest. */
static void onStatus(int instance)
{
	static uint64_t busy, since;
	uint64_t passed = clockNow() - since;

	(void)instance;
	say("status cpu %.1f%%, flash erases %u words %u most %u, radio tx %u rx %u missed %u listening %.1f s",
		100.0 * (double)(clockBusy() - busy) / (double)(passed ? passed : 1), flashErases(), flashWords(), flashMostErases(),
		gapSent(), gapReceived(), gapMissed(), (double)gapListened() / (double)SECOND);
	busy = clockBusy();
	since = clockNow();
	if (xsHeapPeak())
		say("status heap %u of at most %u B", xsHeap(), xsHeapPeak());
	clockSet(ALARM_STATUS, clockNow() + (uint64_t)(options.statusEvery * (double)SECOND));
}

static void onWatch(uint32_t address)
{
	char name[80], from[96];

	say("%s(%08x, %08x, %08x, %08x) from %s", cpuNameOf(address, name, sizeof(name)), cpuGet(0), cpuGet(1), cpuGet(2), cpuGet(3),
		cpuNameOf(cpuGet(LR), from, sizeof(from)));
}

static void watchFunctions(void)
{
	for (int i = 0; i < options.watches; i++) {
		uint32_t address;

		if (!elfSymbol(options.watch[i], &address))
			die("%s has no function %s", options.image, options.watch[i]);
		blockWatch(address, onWatch);
	}
}

static uint64_t at(double seconds)
{
	return (uint64_t)(seconds * (double)SECOND);
}

static void beginPeripherals(void)
{
	powerBegin();
	ppiBegin();
	rtcBegin();
	timerBegin();
	wdtBegin();
	rngBegin();
	ecbBegin();
	tempBegin();
	eguBegin();
	nvmcBegin();
	blockedBegin();
	gpioBegin();
	gpioteBegin();
	saadcBegin();
	twimBegin();
	uarteBegin();
	peripheralReset();
}

static void beginBoard(void)
{
	uint32_t vectorTable, bytes, end, functions;

	randomSeed(options.seed);
	flashBegin(options.flash, options.cut, softdeviceFlashDone);
	vectorTable = elfLoad(options.image, flashBytes);
	flashStart();
	elfFigures(&bytes, &end, &functions);
	fprintf(stderr, "%s: flash %u bytes used up to %08x, %u functions\n", options.image, bytes, end, functions);
	memoryBegin();
	cpuBegin((uint32_t)(options.cpi * 1000 + 0.5));
	nvicBegin();
	systickBegin();
	beginPeripherals();
	softdeviceBegin();
	resetBegin(vectorTable);
	sensorsBegin(options.sht3x, options.shtc3, options.si7021);
	saadcBattery(options.battery);
	for (int i = 0; i < options.presses; i++)
		gpioPress(options.press[i]);
	if (options.pins)
		gpioTell();
	for (int i = 0; i < CONSOLES; i++)
		consoleBegin(i, options.uart[i]);
	watchFunctions();
	xsBegin();
	/* when everybody has named its state */
	if (options.restore)
		snapshotRestore(options.restore);
}

static void setAlarms(void)
{
	clockHandler(ALARM_END, onEnd, 0);
	clockHandler(ALARM_SNAPSHOT, onSnapshot, 0);
	clockHandler(ALARM_STATUS, onStatus, 0);
	clockSet(ALARM_END, options.seconds >= 0 ? at(options.seconds) : NEVER);
	clockSet(ALARM_SNAPSHOT, options.snapshotAt >= 0 ? at(options.snapshotAt) : NEVER);
	clockSet(ALARM_STATUS, options.statusEvery > 0 ? clockNow() + at(options.statusEvery) : NEVER);
}

static void tellFigures(void)
{
	fprintf(stderr, "ran %.3f s virtual, %.3f s wall, %.1f M instructions, cpu busy %.1f%%\n", clockMs() / 1000,
		paceWallSeconds(), (double)cpuInstructions() / 1e6, 100.0 * (double)clockBusy() / (double)(clockNow() ? clockNow() : 1));
	fprintf(stderr, "air tx %u rx %u missed %u, ble events dropped %u, aes blocks %u, i2c transfers %u, flash erases %u words %u, "
		"uart0 tx %u rx %u, uart1 tx %u rx %u, resets %u, refused %u\n", gapSent(), gapReceived(), gapMissed(),
		softdeviceEventsDropped(), socBlocks(), twimTransfers(), flashErases(), flashWords(), uarteSent(0), uarteReceived(0),
		uarteSent(1), uarteReceived(1), resets(), refusals());
	fprintf(stderr, "host cpu %.3f s\n", (double)clock() / CLOCKS_PER_SEC);
	if (xsHeapPeak())
		fprintf(stderr, "JavaScript heap %u B at most; flash page erased most: %u times; radio listened %.3f s\n", xsHeapPeak(),
			flashMostErases(), (double)gapListened() / (double)SECOND);
	softdeviceTell();
}

int main(int count, char **arguments)
{
	int status;

	options = optionsFrom(count, arguments);
	verbosity = options.verbosity;
	/* each line leaves at once, in one piece */
	setvbuf(stderr, NULL, _IOLBF, 4096);
	signal(SIGPIPE, SIG_IGN);
	if (options.hubPort)
		airHub(options.hubPort, options.loss, options.log);
	beginBoard();
	paceBegin(options.fast);
	airBegin(options.airPort, options.airLog);
	setAlarms();
	gdbBegin(options.gdbPort);
	status = cpuRun();
	if (options.snapshot && options.snapshotAt < 0)
		snapshotSave(options.snapshot);
	tellFigures();
	return status;
}
