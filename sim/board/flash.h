/*
 * Flash (PS, NVMC): writes clear bits only, an erase takes a page. Kept in a file, it is what the file says at every
 * moment, so that killing the emulator is a power cut.
 */
#ifndef FLASH_H
#define FLASH_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the flash, and keeps its data pages in `file` if one is given. @param cut the operation to end in, 0 for
 * none @param done called when an operation that takes its time is over */
void flashBegin(const char *file, uint32_t cut, void (*done)(void));
/* When the image is in it. */
void flashStart(void);
void flashReset(void);

bool flashBusy(void);
/* Begin an operation. The words are read while they are written. */
void flashErase(uint32_t address);
void flashWrite(uint32_t address, uint32_t source, uint32_t words);
/* The same at once, the CPU standing still meanwhile. */
void flashEraseNow(uint32_t address);
void flashWriteNow(uint32_t address, uint32_t word);

uint32_t flashErases(void);
uint32_t flashWords(void);
/* Erases of the page that was erased most since the start. */
uint32_t flashMostErases(void);

#endif
