/*
 * The part of ARMv7-M's System Control Space that is about exceptions: which are pending, enabled, active, with what
 * priority, and which of them the CPU takes next (ARM DDI 0403E B1.5, B3.4).
 */
#ifndef NVIC_H
#define NVIC_H

#include <stdbool.h>
#include <stdint.h>

enum { RESET = 1, NMI, HARD_FAULT, MEM_FAULT, BUS_FAULT, USAGE_FAULT, SVCALL = 11, DEBUG_MONITOR, PENDSV = 14, SYSTICK };
#define FIRST_IRQ 16
#define IRQS 48
#define EXCEPTIONS (FIRST_IRQ + IRQS)

void nvicBegin(void);
void nvicReset(void);

/* The interrupt line of a peripheral. */
void nvicLine(int irq, bool level);
/* Pends an exception by its number. */
void nvicPend(int exception);
bool nvicIsPending(int exception);

/* Whether anything that is enabled is pending, whatever masks it: what ends WFI. */
bool nvicWakes(void);
/* @return the exception that preempts what runs now, 0 for none */
int nvicNext(void);
/* Priority that runs now with masks taken in: lower is more urgent. */
int nvicExecutionPriority(void);
int nvicPriority(int exception);
bool nvicEnabled(int irq);

/* The CPU has taken one, and has returned from one. @return false when it was not active */
void nvicEnter(int exception);
bool nvicLeave(int exception);
int nvicActiveCount(void);
uint32_t nvicVectorTable(void);

/* Addresses from 0xE000E000 on. */
uint32_t nvicRead(uint32_t address);
void nvicWrite(uint32_t address, uint32_t value, int size);

#endif
