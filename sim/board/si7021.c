/* Silicon Labs Si7021-A20 (datasheet 1.2). */

#include "clock.h"
#include "i2c.h"
#include "snapshot.h"

#include <string.h>

enum {
	HUMIDITY_HOLD = 0xE5, HUMIDITY = 0xF5, TEMPERATURE_HOLD = 0xE3, TEMPERATURE = 0xF3, LAST_TEMPERATURE = 0xE0,
	RESET = 0xFE, WRITE_USER = 0xE6, READ_USER = 0xE7, ID_FIRST = 0xFA, ID_SECOND = 0xFC, FIRMWARE = 0x84,
};
#define USER_DEFAULT 0x3A
/* table 2: conversion of humidity, which takes a temperature too, and of temperature */
#define HUMIDITY_TIME (22800 * MICROSECOND)
#define TEMPERATURE_TIME (10800 * MICROSECOND)

static struct {
	uint8_t answer[8];
	int length;
	uint64_t ready;
	bool holds;
	double temperature;
	uint8_t user;
} state = { .user = USER_DEFAULT };

static void word(double value, double offset, double span)
{
	double code = (value + offset) / span * 65536;
	uint16_t raw = code <= 0 ? 0 : code >= 65532 ? 65532 : (uint16_t)((uint16_t)code & ~3);

	state.answer[0] = (uint8_t)(raw >> 8);
	state.answer[1] = (uint8_t)raw;
	state.answer[2] = crc8(0, state.answer, 2);
	state.length = 3;
}

static void measure(bool ofHumidity, bool holds)
{
	double humidity;

	climateNext(si7021Climate, &state.temperature, &humidity);
	if (ofHumidity)
		word(humidity, 6, 125);
	else
		word(state.temperature, 46.85, 175.72);
	state.holds = holds;
	state.ready = clockNow() + (ofHumidity ? HUMIDITY_TIME : TEMPERATURE_TIME);
}

static void answer(const uint8_t *bytes, int length)
{
	memcpy(state.answer, bytes, (size_t)length);
	state.length = length;
}

static bool write(const uint8_t *bytes, uint32_t length)
{
	if (clockNow() < state.ready)
		return false;
	if (length == 0)
		return true;
	state.length = 0;
	switch (bytes[0]) {
	case HUMIDITY_HOLD: measure(true, true); break;
	case HUMIDITY: measure(true, false); break;
	case TEMPERATURE_HOLD: measure(false, true); break;
	case TEMPERATURE: measure(false, false); break;
	case LAST_TEMPERATURE: word(state.temperature, 46.85, 175.72); break;
	case RESET: state.user = USER_DEFAULT; break;
	case WRITE_USER: state.user = length > 1 ? bytes[1] : state.user; break;
	case READ_USER: answer(&state.user, 1); break;
	case ID_FIRST: answer((const uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0 }, 8); break;
	case ID_SECOND: answer((const uint8_t[]){ 0x15, 0xFF, 0, 0xFF, 0xFF, 0 }, 6); break;
	case FIRMWARE: answer((const uint8_t[]){ 0x20 }, 1); break;
	default: break;
	}
	return true;
}

static bool read(uint8_t *bytes, uint32_t length, uint64_t *hold)
{
	if (state.length == 0)
		return false;
	if (clockNow() < state.ready) {
		if (!state.holds)
			return false;
		*hold = state.ready - clockNow();
	}
	memset(bytes, 0xFF, length);
	memcpy(bytes, state.answer, length < (uint32_t)state.length ? length : (uint32_t)state.length);
	state.length = 0;
	return true;
}

static bool present(void)
{
	return climateIsThere(si7021Climate);
}

__attribute__((constructor)) static void begin(void)
{
	snapshotKeep("si7021", &state, sizeof(state));
}

const I2cDevice si7021 = { .address = 0x40, .present = present, .write = write, .read = read };
