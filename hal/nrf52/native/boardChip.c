/* hal.board and single lines: what is there once per chip. */

#include "xsAll.h"
#include "xs.h"
#include "xsmc.h"
#include "xsHost.h"

#include "FreeRTOS.h"
#include "task.h"

#include "nrf.h"
#include "nrf_gpio.h"
#include "nrf_saadc.h"

/* ---- identity and reset ---- */

/* (out): 8 bytes, FICR's DEVICEID */
void board_chip_id(xsMachine *the)
{
	uint8_t *out;
	xsUnsignedValue length;
	uint32_t id[2] = { NRF_FICR->DEVICEID[0], NRF_FICR->DEVICEID[1] };

	xsmcGetBufferWritable(xsArg(0), (void **)&out, &length);
	if (length < sizeof(id))
		xsRangeError("output too short");
	c_memcpy(out, id, sizeof(id));
}

/* () -> RESETREAS as it was before start-up cleared it */
void board_chip_reset_reason(xsMachine *the)
{
	xsmcSetNumber(xsResult, nrf52_get_reset_reason());
}

void board_chip_restart(xsMachine *the)
{
	nrf52_reset();
}

/* (text) -> CRC-16/CCITT-FALSE: each line of the console has one, and the language's loops are slow */
void board_crc16(xsMachine *the)
{
	const uint8_t *text = (const uint8_t *)xsmcToString(xsArg(0));
	uint16_t crc = 0xffff;

	for (; *text; text++) {
		int bit;

		crc ^= (uint16_t)(*text << 8);
		for (bit = 0; bit < 8; bit++)
			crc = (uint16_t)((crc << 1) ^ ((crc & 0x8000) ? 0x1021 : 0));
	}
	xsmcSetInteger(xsResult, crc);
}

/* ---- watchdog ---- */

/*
 * (seconds): starts it, running in sleep too. It cannot be stopped or changed until the next reset that resets it: a
 * restart by software does not, so one that runs already is only fed.
 */
void board_watchdog_start(xsMachine *the)
{
	xsIntegerValue seconds = xsmcToInteger(xsArg(0));

	if ((seconds < 1) || (seconds > 36 * 3600))
		xsRangeError("1 second to 36 hours");
	if (!(NRF_WDT->RUNSTATUS & WDT_RUNSTATUS_RUNSTATUS_Msk)) {
		NRF_WDT->CONFIG = (WDT_CONFIG_SLEEP_Run << WDT_CONFIG_SLEEP_Pos) | (WDT_CONFIG_HALT_Pause << WDT_CONFIG_HALT_Pos);
		NRF_WDT->CRV = (uint32_t)seconds * 32768 - 1;
		NRF_WDT->RREN = 1;
		NRF_WDT->TASKS_START = 1;
	}
	NRF_WDT->RR[0] = WDT_RR_RR_Reload;
}

void board_watchdog_feed(xsMachine *the)
{
	/* one that somebody else started (a bootloader) may want more than one channel */
	for (int i = 0; i < 8; i++)
		if (NRF_WDT->RREN & (1u << i))
			NRF_WDT->RR[i] = WDT_RR_RR_Reload;
}

/* ---- supply ---- */

#define SAADC_WAIT_US 200

static bool wait(volatile uint32_t *event)
{
	for (int us = 0; us < SAADC_WAIT_US; us += 5) {
		if (*event)
			return true;
		nrf52_delay_us(5);
	}
	return false;
}

/* () -> VDD in millivolts, undefined when the converter does not answer */
void board_chip_supply(xsMachine *the)
{
	static int16_t sample;
	bool ok;

	/* gain 1/6 of the internal 0.6 V: full scale is 3.6 V */
	NRF_SAADC->RESOLUTION = SAADC_RESOLUTION_VAL_12bit;
	NRF_SAADC->OVERSAMPLE = SAADC_OVERSAMPLE_OVERSAMPLE_Bypass;
	NRF_SAADC->CH[0].CONFIG = (SAADC_CH_CONFIG_GAIN_Gain1_6 << SAADC_CH_CONFIG_GAIN_Pos) |
		(SAADC_CH_CONFIG_REFSEL_Internal << SAADC_CH_CONFIG_REFSEL_Pos) |
		(SAADC_CH_CONFIG_TACQ_10us << SAADC_CH_CONFIG_TACQ_Pos) |
		(SAADC_CH_CONFIG_MODE_SE << SAADC_CH_CONFIG_MODE_Pos);
	NRF_SAADC->CH[0].PSELN = SAADC_CH_PSELN_PSELN_NC;
	NRF_SAADC->CH[0].PSELP = SAADC_CH_PSELP_PSELP_VDD;
	NRF_SAADC->RESULT.PTR = (uint32_t)&sample;
	NRF_SAADC->RESULT.MAXCNT = 1;
	NRF_SAADC->ENABLE = SAADC_ENABLE_ENABLE_Enabled;
	NRF_SAADC->EVENTS_STARTED = 0;
	NRF_SAADC->EVENTS_END = 0;
	NRF_SAADC->EVENTS_STOPPED = 0;
	NRF_SAADC->TASKS_START = 1;
	ok = wait(&NRF_SAADC->EVENTS_STARTED);
	if (ok) {
		NRF_SAADC->TASKS_SAMPLE = 1;
		ok = wait(&NRF_SAADC->EVENTS_END);
	}
	NRF_SAADC->TASKS_STOP = 1;
	wait(&NRF_SAADC->EVENTS_STOPPED);
	NRF_SAADC->CH[0].PSELP = SAADC_CH_PSELP_PSELP_NC;
	NRF_SAADC->ENABLE = SAADC_ENABLE_ENABLE_Disabled;
	if (ok)
		xsmcSetInteger(xsResult, sample < 0 ? 0 : (sample * 3600 + 2048) / 4096);
}

/* ---- lines ---- */

static uint32_t pin(xsMachine *the)
{
	xsIntegerValue which = xsmcToInteger(xsArg(0));

	if ((which < 0) || (which > 47))
		xsRangeError("no such pin");
	return which;
}

/* (pin, level): makes it an output; open drain when the third argument says so */
void board_line_output(xsMachine *the)
{
	uint32_t p = pin(the);
	bool openDrain = (xsmcArgc > 2) && xsmcToBoolean(xsArg(2));

	nrf_gpio_pin_write(p, xsmcToBoolean(xsArg(1)));
	nrf_gpio_cfg(p, NRF_GPIO_PIN_DIR_OUTPUT, NRF_GPIO_PIN_INPUT_DISCONNECT, NRF_GPIO_PIN_NOPULL,
		openDrain ? NRF_GPIO_PIN_S0D1 : NRF_GPIO_PIN_S0S1, NRF_GPIO_PIN_NOSENSE);
}

/* (pin, level) */
void board_line_write(xsMachine *the)
{
	nrf_gpio_pin_write(pin(the), xsmcToBoolean(xsArg(1)));
}

/* (pin): makes it an input without a pull */
void board_line_input(xsMachine *the)
{
	nrf_gpio_cfg_input(pin(the), NRF_GPIO_PIN_NOPULL);
}

/* (pin) -> whether it is high */
void board_line_read(xsMachine *the)
{
	xsmcSetBoolean(xsResult, nrf_gpio_pin_read(pin(the)));
}

/* ---- measuring ---- */

/* (which) -> bytes: 0 slots in use, 1 chunks in use, garbage included, 2 free in the C heap; 3 collects garbage first */
void board_memory(xsMachine *the)
{
	txMachine *machine = the;

	switch (xsmcToInteger(xsArg(0))) {
	case 0: xsmcSetNumber(xsResult, (double)machine->currentHeapCount * sizeof(txSlot)); break;
	case 1: xsmcSetNumber(xsResult, machine->currentChunksSize); break;
	case 2: xsmcSetNumber(xsResult, nrf52_memory_remaining()); break;
	case 3: xsCollectGarbage(); break;
	default: xsRangeError("no such figure");
	}
}

/* () -> CPU cycles, 32 bits: 64 a microsecond. They stand still in sleep. */
void board_cycles(xsMachine *the)
{
	CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
	DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
	xsmcSetNumber(xsResult, DWT->CYCCNT);
}
