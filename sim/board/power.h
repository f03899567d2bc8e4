/* CLOCK and POWER, which share an address (PS, CLOCK and POWER). */
#ifndef POWER_H
#define POWER_H

#include <stdint.h>

void powerBegin(void);
/* @param reason bits for RESETREAS, which collects them until they are cleared */
void powerReset(uint32_t reason);
uint32_t powerResetReason(void);
void powerClearResetReason(uint32_t bits);
/* GPREGRET and GPREGRET2: kept over resets by software. */
uint8_t *powerRetained(int which);
/* The chip stops until it is reset: the end of a run. */
void powerSystemOff(void);

#endif
