/* What is at the other end of a UARTE: lines on stderr, this terminal, a pseudo-terminal or a TCP port. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLES 2

/* @param where `stdio`, `pty[:LINK]` or `tcp:PORT`; NULL for lines */
void consoleBegin(int which, const char *where);
/* A byte that the board has sent. A line is printed when it has its end: half a number is no number. */
void consolePut(int which, uint8_t byte);
/* The next byte for the board. @return whether there is one */
bool consoleGet(int which, uint8_t *byte);
bool consoleHasInput(int which);

#endif
