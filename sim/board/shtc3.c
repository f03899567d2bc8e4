/* Sensirion SHTC3 (datasheet 3): sleeps until it is woken, measures on command. */

#include "clock.h"
#include "i2c.h"
#include "snapshot.h"

#include <string.h>

enum { WAKE = 0x3517, SLEEP = 0xB098, SOFT_RESET = 0x805D, READ_ID = 0xEFC8 };
#define ID 0x0887
/* table 5, longest times */
#define NORMAL (12100 * MICROSECOND)
#define LOW_POWER (800 * MICROSECOND)

static struct {
	uint8_t answer[6];
	int length;
	uint64_t ready;
	bool asleep, stretches;
} state = { .asleep = true };

static void word(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	to[2] = crc8(0xFF, to, 2);
}

static uint16_t scaled(double value)
{
	return value <= 0 ? 0 : value >= 65535.0 / 65536 ? 65535 : (uint16_t)(value * 65536 + 0.5);
}

static void measure(bool humidityFirst, bool stretches, uint64_t duration)
{
	double temperature, humidity;

	climateNext(shtc3Climate, &temperature, &humidity);
	word(state.answer + (humidityFirst ? 3 : 0), scaled((temperature + 45) / 175));
	word(state.answer + (humidityFirst ? 0 : 3), scaled(humidity / 100));
	state.length = 6;
	state.stretches = stretches;
	state.ready = clockNow() + duration;
}

static bool write(const uint8_t *bytes, uint32_t length)
{
	uint16_t command;

	if (length < 2)
		return !state.asleep;
	command = (uint16_t)(bytes[0] << 8 | bytes[1]);
	if (state.asleep && command != WAKE)
		return false;
	if (clockNow() < state.ready)
		return false;
	state.length = 0;
	switch (command) {
	case WAKE: state.asleep = false; break;
	case SLEEP: state.asleep = true; break;
	case SOFT_RESET: break;
	case READ_ID: word(state.answer, ID); state.length = 3; break;
	/* table 9: temperature or humidity first, with and without clock stretching */
	case 0x7CA2: measure(false, true, NORMAL); break;
	case 0x5C24: measure(true, true, NORMAL); break;
	case 0x7866: measure(false, false, NORMAL); break;
	case 0x58E0: measure(true, false, NORMAL); break;
	case 0x6458: measure(false, true, LOW_POWER); break;
	case 0x44DE: measure(true, true, LOW_POWER); break;
	case 0x609C: measure(false, false, LOW_POWER); break;
	case 0x401A: measure(true, false, LOW_POWER); break;
	default: break;
	}
	return true;
}

static bool read(uint8_t *bytes, uint32_t length, uint64_t *hold)
{
	if (state.asleep || state.length == 0)
		return false;
	if (clockNow() < state.ready) {
		if (!state.stretches)
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
	return climateIsThere(shtc3Climate);
}

__attribute__((constructor)) static void begin(void)
{
	snapshotKeep("shtc3", &state, sizeof(state));
}

const I2cDevice shtc3 = { .address = 0x70, .present = present, .write = write, .read = read };
