/* The image: its segments and the names of its functions. */
#ifndef ELF_H
#define ELF_H

#include "dwarf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Copies the segments of an ELF for ARM into `flash` by their physical addresses. Ends the emulator with a sentence
 * when it is none, or does not fit. @return the address of its vector table: its first byte in flash
 */
uint32_t elfLoad(const char *file, uint8_t *flash);
/* Of the function that `address` lies in; NULL when there is none. */
const char *elfFunction(uint32_t address, uint32_t *offset);
/* A symbol's value. @return whether there is one of this name */
bool elfSymbol(const char *name, uint32_t *address);
/* A section by its name. @return whether there is one */
bool elfSection(const char *name, Section *section);
/* How many bytes of flash the image takes, where it ends, and its number of functions. */
void elfFigures(uint32_t *bytes, uint32_t *end, uint32_t *functions);

#endif
