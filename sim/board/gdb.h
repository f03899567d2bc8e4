/* GDB's remote protocol over TCP: registers, memory, breakpoints, steps. The board stands still while GDB has it. */
#ifndef GDB_H
#define GDB_H

#include <stdbool.h>
#include <stdint.h>

/* Waits for a debugger, which then has the board before its first instruction. @param port 0 for any free one, −1 for no debugger */
void gdbBegin(int port);
/* Whether the debugger is to be asked before the next instruction. */
bool gdbWants(void);
/* Answers the debugger until it lets the board go on. */
void gdbServe(void);
/* A fault, and a BKPT: @return whether a debugger takes it */
bool gdbFault(void);
bool gdbBreakpoint(void);

#endif
