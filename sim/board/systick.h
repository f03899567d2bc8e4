/* ARMv7-M's SysTick (B3.3) at the CPU's clock; it stands still while the CPU sleeps, as on the nRF52. */
#ifndef SYSTICK_H
#define SYSTICK_H

#include <stdint.h>

void systickBegin(void);
void systickReset(void);
uint32_t systickRead(uint32_t offset);
void systickWrite(uint32_t offset, uint32_t value);

#endif
