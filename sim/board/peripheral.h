/*
 * What nRF52 peripherals have in common (PS, Peripheral interface): tasks at 0x000, events at 0x100, SHORTS at 0x200,
 * INTEN at 0x300, and registers of their own. A module describes one and adds it; register files, interrupts and PPI
 * are done here.
 */
#ifndef PERIPHERAL_H
#define PERIPHERAL_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT(n) (0x100u + 4u * (uint32_t)(n))
#define SHORTS 0x200u
#define INTEN 0x300u
#define INTENSET 0x304u
#define INTENCLR 0x308u

typedef enum {
	FREE,
	/* by calls only while the SoftDevice is enabled (S140 SDS, "Hardware peripherals": restricted and blocked) */
	SOFTDEVICE
} Owner;

typedef struct Peripheral {
	const char *name;
	uint32_t base;
	int irq;	/* −1 for none */
	int instance;
	Owner owner;
	/* Triggered by the CPU or PPI. Without it the peripheral is not modelled, and a task is refused. */
	void (*task)(struct Peripheral *p, uint32_t offset);
	/* Any write but to tasks, events and INTEN; without it the register keeps what is written. */
	void (*write)(struct Peripheral *p, uint32_t offset, uint32_t value);
	/* Any read but of INTEN; without it the register's value. */
	uint32_t (*read)(struct Peripheral *p, uint32_t offset);
	void (*reset)(struct Peripheral *p);
	/* After INTEN has changed, where that decides more than the interrupt. */
	void (*enabled)(struct Peripheral *p);
	/* All offsets are registers: there are no tasks, events and interrupts. */
	bool plain;
	uint32_t *registers;
} Peripheral;

/* Adds `count` of a kind; their registers are made here. */
void peripheralAdd(Peripheral *p, int count);
void peripheralReset(void);

#define REGISTER(p, offset) ((p)->registers[(offset) / 4])

/* Sets an event register: interrupt and PPI follow. */
void peripheralEvent(Peripheral *p, uint32_t event);
bool peripheralShort(const Peripheral *p, int bit);
/* Triggers a task as PPI does. */
void peripheralTask(uint32_t address);
/* Interrupt line anew, after events or INTEN changed. */
void peripheralInterrupt(Peripheral *p);

uint32_t peripheralRead(uint32_t address);
void peripheralWrite(uint32_t address, uint32_t value);

/* Whether EasyDMA may read or write there: RAM only. Refuses otherwise, in the name of `p`. */
bool peripheralDma(const Peripheral *p, uint32_t address, uint32_t length);

#endif
