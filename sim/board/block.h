/* What is known of translated blocks: how many instructions they have, and which begin a function that is watched. */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* @param sends whether SEV is among them: Unicorn does not say when it executes that. Tells who watches the address. */
uint32_t blockInstructions(uint32_t address, uint32_t bytes, bool *sends);
/* Whether an instruction that begins so has 32 bits. */
bool blockIsLong(uint16_t halfword);
/* Instructions at these flash addresses have changed. */
void blockForget(uint32_t address, uint32_t length);

/* Tells of each call of the function there. */
typedef void (*BlockWatch)(uint32_t address);
void blockWatch(uint32_t address, BlockWatch watch);

#endif
