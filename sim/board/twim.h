/* PS, TWIM. */
#ifndef TWIM_H
#define TWIM_H

#include <stdint.h>

uint32_t twimTransfers(void);

#endif
