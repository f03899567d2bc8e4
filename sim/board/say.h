/* What the emulator says: everything goes to stderr, each line with its virtual time. */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>
#include <stdint.h>

/* 0 quiet, 1 resets and faults (-v), 2 every SoftDevice call (-vv) */
extern int verbosity;

/* `[   123.456 ms] text` */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What the hardware or the SoftDevice would refuse, with the place that asked for it; counted. */
void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint32_t refusals(void);
/* A mistake in how the emulator was started, or on this machine: says so and ends with status 2. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
