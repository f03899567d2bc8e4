/*
 * The Cortex-M4F: Unicorn executes instructions, everything else of the processor is ours (exceptions, sleep, reset).
 * Time is counted and exceptions are taken between translated blocks of a few instructions.
 */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* R0 to R15 by number, then these */
enum { SP = 13, LR = 14, PC = 15, XPSR = 16, MSP, PSP, CONTROL, FPSCR, PRIMASK, BASEPRI, FAULTMASK, S0 };

/* Exit statuses, as the scripts know them. */
enum { ENDED = 0, FAULTED = 3, TOO_MANY_RESETS = 4, POWER_CUT = 5 };

/* @param milliCycles per instruction */
void cpuBegin(uint32_t milliCycles);
/* Starts from a vector table. */
void cpuReset(uint32_t vectorTable);
/* Runs until cpuEnd. @return the exit status */
int cpuRun(void);
/* Ends the emulator after what happens now. */
void cpuEnd(int status);

uint32_t cpuGet(int which);
void cpuSet(int which, uint32_t value);
uint32_t cpuIpsr(void);
uint32_t cpuPrimask(void);
uint32_t cpuBasepri(void);
uint32_t cpuFaultmask(void);

/* Sets the event register, which ends WFE. */
void cpuEvent(void);
/* Sleeps until something happens, at once if it did already: WFE and sd_app_evt_wait. */
void cpuWaitForEvent(void);
/* A reset by software or the watchdog, after the block that runs now. */
void cpuRequestReset(void);
/* A fault that nothing handles: says what happened and where, ends with FAULTED. */
void cpuFault(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Instructions at these flash addresses have changed. */
void cpuForget(uint32_t address, uint32_t length);

uint64_t cpuInstructions(void);
/* "from function+0x12", of the instruction that runs. */
const char *cpuPlace(char *buffer, size_t length);
/* Like printf's %s of an address in code: "function+0x12". */
const char *cpuNameOf(uint32_t address, char *buffer, size_t length);

/* Executes one instruction, for the debugger. */
void cpuStep(void);

#endif
