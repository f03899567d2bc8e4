/*
 * Nordic's SoftDevice S140 as its calls show it (nRF5 SDK, ble.h, ble_gap.h, nrf_sdm.h, nrf_soc.h): no code of it runs.
 * Calls take no time. What it would refuse is answered with the documented error and said as REFUSED.
 */
#ifndef SOFTDEVICE_H
#define SOFTDEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Supervisor calls below are the application's. */
#define SOFTDEVICE_CALLS 0x10
#define SOFTDEVICE_PRIORITY (4 << 5)

/* nrf_error.h, ble_err.h */
enum {
	SUCCESS = 0, NOT_ENABLED = 2, INTERNAL = 3, NO_MEM = 4, NOT_FOUND = 5, NOT_SUPPORTED = 6, INVALID_PARAM = 7,
	INVALID_STATE = 8, INVALID_LENGTH = 9, INVALID_DATA = 11, DATA_SIZE = 12, FORBIDDEN = 15, INVALID_ADDR = 16,
	BUSY = 17, RESOURCES = 19, SOC_MUTEX_TAKEN = 0x2000, SOC_RAND_NOT_ENOUGH = 0x2007, SOC_PPI_INVALID_CHANNEL = 0x2008,
	SOC_PPI_INVALID_GROUP = 0x2009, BLE_NOT_ENABLED = 0x3001, BLE_INVALID_ADV_HANDLE = 0x3004,
};

/* nrf_soc.h, NRF_SOC_EVTS */
enum { EVENT_HFCLK_STARTED = 0, EVENT_FLASH_SUCCESS = 2, EVENT_FLASH_ERROR = 3 };

/* R0 to R3 of a call. */
typedef struct {
	uint32_t a[4];
} Arguments;
typedef struct {
	uint8_t number;
	uint32_t (*call)(const Arguments *arguments);
} Call;

void softdeviceBegin(void);
void softdeviceReset(void);
/* A supervisor call of the CPU: takes R0 to R3, answers in R0. */
void softdeviceCall(uint8_t number);
bool softdeviceEnabled(void);
void softdeviceFlashDone(void);

/* The error of a call, with words for what is wrong. */
uint32_t refusedBecause(uint32_t error, const char *why);

/* Event queues, which raise SWI2. */
void softdeviceSocEvent(int event);
/* @return false when the queue is full: the event is lost */
bool softdeviceBleEvent(uint16_t id, const uint8_t *event, uint16_t length);

uint32_t softdeviceEventsDropped(void);
/* Lines of calls and errors by number, as the last words of a run. */
void softdeviceTell(void);

/* Calls of nrf_soc.h and of ble_gap.h. */
extern const Call socCalls[], gapCalls[];
extern const int socCallCount, gapCallCount;

#endif
