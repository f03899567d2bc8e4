/* The command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define WATCHED 32
#define PRESSED 32

typedef struct {
	const char *image;
	int hubPort, airPort, gdbPort;
	double loss, seconds, cpi, snapshotAt, statusEvery;
	const char *log, *airLog, *uart[2], *sht3x, *shtc3, *si7021, *battery, *flash, *snapshot, *restore;
	const char *watch[WATCHED], *press[PRESSED];
	int watches, presses;
	uint32_t cut, seed;
	bool fast, pins;
	int verbosity;
} Options;

/* Says what is wrong and ends with 2, or with 0 after --help. */
Options optionsFrom(int count, char **arguments);

#endif
