/* What stands on the I2C bus. */
#ifndef I2C_H
#define I2C_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint8_t address;
	bool (*present)(void);
	/* @return false when it does not acknowledge its address */
	bool (*write)(const uint8_t *bytes, uint32_t length);
	/* Fills what is read, with 0xFF beyond what it has; `hold` gets how long it stretches the clock before. @return the same */
	bool (*read)(uint8_t *bytes, uint32_t length, uint64_t *hold);
} I2cDevice;

/* The device at an address that is there, or NULL. */
const I2cDevice *i2cAt(uint8_t address);

extern const I2cDevice sht3x, shtc3, si7021;

/* What a sensor measures: `T,RH` in °C and %, `@FILE` with such lines, each for one measurement, or `none`. */
typedef struct Climate Climate;
Climate *climateFrom(const char *option, const char *text);
bool climateIsThere(const Climate *climate);
void climateNext(Climate *climate, double *temperature, double *humidity);

/* Command-line values of the three sensors. */
void sensorsBegin(const char *sht3xOption, const char *shtc3Option, const char *si7021Option);
extern Climate *sht3xClimate, *shtc3Climate, *si7021Climate;

/* CRC-8 with the polynomial 0x31, as all three have it. */
uint8_t crc8(uint8_t start, const uint8_t *bytes, int length);

#endif
