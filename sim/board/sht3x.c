/* Sensirion SHT3x-DIS (datasheet 7): single measurements and periodic ones, with and without clock stretching. */

#include "clock.h"
#include "i2c.h"
#include "snapshot.h"

#include <string.h>

enum { BREAK = 0x3093, SOFT_RESET = 0x30A2, HEATER_ON = 0x306D, HEATER_OFF = 0x3066, STATUS = 0xF32D, CLEAR_STATUS = 0x3041, FETCH = 0xE000 };
#define HEATER_BIT 0x2000
#define ALERT_RESET 0x8010	/* alert pending, reset detected: as after power-on */

static struct {
	uint8_t answer[6];
	int length;
	/* when a measurement is ready, and whether it holds the clock until then */
	uint64_t ready;
	bool measuring, stretches;
	uint64_t period;
	uint16_t status;
} state = { .status = ALERT_RESET };

static void word(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	to[2] = crc8(0xFF, to, 2);
}

static uint16_t scaled(double value)
{
	return value <= 0 ? 0 : value >= 1 ? 65535 : (uint16_t)(value * 65535 + 0.5);
}

/* Table 4, longest times: high, medium and low repeatability */
static uint64_t duration(uint8_t low)
{
	switch (low) {
	case 0x00: case 0x06: return 15500 * MICROSECOND;
	case 0x0B: case 0x0D: return 6500 * MICROSECOND;
	default: return 4500 * MICROSECOND;
	}
}

static void measure(uint64_t ready)
{
	double temperature, humidity;

	climateNext(sht3xClimate, &temperature, &humidity);
	word(state.answer, scaled((temperature + 45) / 175));
	word(state.answer + 3, scaled(humidity / 100));
	state.length = 6;
	state.ready = ready;
	state.measuring = true;
}

/* Table 10: measurements a second by the first byte */
static uint64_t period(uint8_t high)
{
	switch (high) {
	case 0x20: return 2 * SECOND;
	case 0x21: return SECOND;
	case 0x22: return SECOND / 2;
	case 0x23: return SECOND / 4;
	case 0x27: return SECOND / 10;
	default: return 0;
	}
}

static bool write(const uint8_t *bytes, uint32_t length)
{
	uint16_t command;

	if (length < 2)
		return true;
	command = (uint16_t)(bytes[0] << 8 | bytes[1]);
	/* what it is busy with, it does not leave for a command */
	if (state.measuring && clockNow() < state.ready && !state.period && command != SOFT_RESET)
		return false;
	state.length = 0;
	switch (command) {
	case BREAK: state.period = 0; state.measuring = false; return true;
	case SOFT_RESET: memset(&state, 0, sizeof(state)); state.status = ALERT_RESET; return true;
	case HEATER_ON: state.status |= HEATER_BIT; return true;
	case HEATER_OFF: state.status &= (uint16_t)~HEATER_BIT; return true;
	case STATUS: word(state.answer, state.status); state.length = 3; state.measuring = false; return true;
	case CLEAR_STATUS: state.status &= HEATER_BIT; return true;
	case FETCH:
		if (state.period && clockNow() >= state.ready) {
			measure(clockNow());
			state.measuring = false;
			state.ready = clockNow() + state.period;
		}
		return true;
	default: break;
	}
	if (bytes[0] == 0x24 || bytes[0] == 0x2C) {
		state.stretches = bytes[0] == 0x2C;
		state.period = 0;
		measure(clockNow() + duration(bytes[1]));
	}
	else if (period(bytes[0])) {
		state.period = period(bytes[0]);
		state.ready = clockNow() + duration(bytes[1]);
		state.measuring = false;
	}
	return true;
}

static bool read(uint8_t *bytes, uint32_t length, uint64_t *hold)
{
	if (state.length == 0)
		return false;
	if (state.measuring && clockNow() < state.ready) {
		if (!state.stretches)
			return false;
		*hold = state.ready - clockNow();
	}
	state.measuring = false;
	memset(bytes, 0xFF, length);
	memcpy(bytes, state.answer, length < (uint32_t)state.length ? length : (uint32_t)state.length);
	state.length = 0;
	return true;
}

static bool present(void)
{
	return climateIsThere(sht3xClimate);
}

__attribute__((constructor)) static void begin(void)
{
	snapshotKeep("sht3x", &state, sizeof(state));
}

const I2cDevice sht3x = { .address = 0x44, .present = present, .write = write, .read = read };
