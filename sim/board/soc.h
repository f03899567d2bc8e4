/* Figures of the SoC library that the last lines name. */
#ifndef SOC_H
#define SOC_H

#include <stdint.h>

/* One more AES block, by call or by the ECB peripheral. */
void socCountBlock(void);
uint32_t socBlocks(void);

#endif
