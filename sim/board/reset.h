/* Resets of the board: what they clear and what they leave (PS, POWER, "Reset behavior"). */
#ifndef RESET_H
#define RESET_H

#include <stdint.h>

/* Bits of RESETREAS. */
enum { RESET_BY_WATCHDOG = 1 << 1, RESET_BY_SOFTWARE = 1 << 2 };

/* @param vectorTable where the image begins */
void resetBegin(uint32_t vectorTable);
void resetBoard(void);
/* Says what the next reset is by: software if nobody does. */
void resetBecause(uint32_t reason);
uint32_t resets(void);

#endif
