/* PS, GPIO: 48 pins, with what the world outside does to them. */
#ifndef GPIO_H
#define GPIO_H

#include <stdbool.h>
#include <stdint.h>

#define PINS 48

/* `PIN@SECONDS[+SECONDS]`: a button to ground that is pressed then, for so long (0.1 s). */
void gpioPress(const char *text);
/* Tells of each output that changes. */
void gpioTell(void);

bool gpioLevel(int pin);
/* An output by GPIOTE. */
void gpioDrive(int pin, bool level);
/* Whether a pin is at the level that its SENSE waits for. */
bool gpioDetects(void);

/* In gpiote.c: levels have changed, from `before`. */
void gpioteLevels(uint64_t before, uint64_t now);

#endif
