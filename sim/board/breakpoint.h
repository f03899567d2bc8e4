/* Breakpoints of the debugger: BKPT in place of an instruction in flash. */
#ifndef BREAKPOINT_H
#define BREAKPOINT_H

#include <stdbool.h>
#include <stdint.h>

/* @return whether there is one now */
bool breakpointSet(uint32_t address);
/* @return whether there was one */
bool breakpointClear(uint32_t address);
void breakpointClearAll(void);
/* The byte of the instruction that is there for the program. @return whether a breakpoint hides it */
bool breakpointHides(uint32_t address, uint8_t *byte);
/* Executes one instruction, the one beneath a breakpoint too. */
void breakpointStep(void);

#endif
