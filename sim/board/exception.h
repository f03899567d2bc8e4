/* ARMv7-M exception entry and return (ARM DDI 0403E B1.5.6 to B1.5.8). */
#ifndef EXCEPTION_H
#define EXCEPTION_H

#include <stdint.h>

/* Stacks what runs and goes to the handler of `exception`. */
void exceptionEnter(int exception);
/* @param value EXC_RETURN, what was branched to */
void exceptionReturn(uint32_t value);

#endif
