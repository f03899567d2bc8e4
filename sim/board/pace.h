/* Virtual time against the wall's: sleeping CPUs wait for it unless --fast is given, and input from sockets, pipes and
 * terminals comes in at the virtual moment that the wall's time stands for. */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

void paceBegin(bool fast);
/* `ready` is called when `fd` can be read. */
void paceWatch(int fd, void (*ready)(int fd));
void paceForget(int fd);
/* The CPU sleeps: time goes on to `next` at most, or to when input came. */
void paceSleep(uint64_t next);
/* Waits for input without virtual time going on: the debugger holds the CPU. */
void paceWaitForInput(void);
double paceWallSeconds(void);

#endif
