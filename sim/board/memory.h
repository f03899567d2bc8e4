/* RAM, flash, FICR and UICR as the CPU, EasyDMA and the SoftDevice see them. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define FLASH_BYTES 0x100000u
#define FLASH_PAGE 0x1000u
#define RAM_BASE 0x20000000u
#define RAM_BYTES 0x40000u
/* the same RAM on the code bus (PS, Memory map) */
#define CODE_RAM_BASE 0x00800000u
#define FICR_BASE 0x10000000u
#define UICR_BASE 0x10001000u

extern uint8_t *flashBytes, ramBytes[RAM_BYTES], ficrBytes[FLASH_PAGE], uicrBytes[FLASH_PAGE];

/* Where the bytes are on this machine; NULL when not all of them are memory that can be read. */
const uint8_t *memoryRead(uint32_t address, uint32_t length);
/* The same for RAM only: what EasyDMA and the SoftDevice can write. */
uint8_t *memoryWrite(uint32_t address, uint32_t length);
bool memoryIsRam(uint32_t address, uint32_t length);

uint16_t get16(const uint8_t *from);
uint32_t get32(const uint8_t *from);
void put16(uint8_t *to, uint16_t value);
void put32(uint8_t *to, uint32_t value);

/* FICR of a chip that --seed stands for, UICR as the first start of an image leaves it. */
void memoryBegin(void);

#endif
