#include "i2c.h"

#include "say.h"
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENSORS 3

struct Climate {
	double (*rows)[2];
	int count;
	int next;
};

static Climate climates[SENSORS];
static int positions[SENSORS];
Climate *sht3xClimate, *shtc3Climate, *si7021Climate;

static void row(Climate *climate, const char *option, const char *text)
{
	double values[2];

	if (sscanf(text, "%lf,%lf", &values[0], &values[1]) != 2 || values[0] < -45 || values[0] > 130 || values[1] < 0 || values[1] > 100)
		die("%s: \"%.40s\" is no temperature from −45 to 130 °C and humidity from 0 to 100 %%, as 21.5,45", option, text);
	climate->rows = realloc(climate->rows, (size_t)(climate->count + 1) * sizeof(*climate->rows));
	if (!climate->rows)
		die("No memory for %s.", option);
	memcpy(climate->rows[climate->count++], values, sizeof(values));
}

Climate *climateFrom(const char *option, const char *text)
{
	static int used;
	Climate *climate = &climates[used++];
	char line[128];
	FILE *file;

	if (0 == strcmp(text, "none"))
		return climate;
	if (text[0] != '@') {
		row(climate, option, text);
		return climate;
	}
	file = fopen(text + 1, "r");
	if (!file)
		die("%s: %s: %s", option, text + 1, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (line[0] != '\n' && line[0] != '#')
			row(climate, option, line);
	fclose(file);
	if (climate->count == 0)
		die("%s: %s has no line", option, text + 1);
	return climate;
}

bool climateIsThere(const Climate *climate)
{
	return climate->count > 0;
}

void climateNext(Climate *climate, double *temperature, double *humidity)
{
	int *at = &positions[climate - climates];

	*temperature = climate->rows[*at][0];
	*humidity = climate->rows[*at][1];
	*at = (*at + 1) % climate->count;
}

uint8_t crc8(uint8_t start, const uint8_t *bytes, int length)
{
	uint8_t crc = start;

	for (int i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint8_t)(crc << 1 ^ (crc & 0x80 ? 0x31 : 0));
	}
	return crc;
}

const I2cDevice *i2cAt(uint8_t address)
{
	static const I2cDevice *const all[SENSORS] = { &sht3x, &shtc3, &si7021 };

	for (int i = 0; i < SENSORS; i++)
		if (all[i]->address == address && all[i]->present())
			return all[i];
	return NULL;
}

void sensorsBegin(const char *sht3xOption, const char *shtc3Option, const char *si7021Option)
{
	sht3xClimate = climateFrom("--sht3x", sht3xOption);
	shtc3Climate = climateFrom("--shtc3", shtc3Option);
	si7021Climate = climateFrom("--si7021", si7021Option);
	snapshotKeep("climate", positions, sizeof(positions));
}
