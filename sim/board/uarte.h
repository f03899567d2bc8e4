/* PS, UARTE: both, EasyDMA in both directions, bytes at the speed of the configured baud rate. */
#ifndef UARTE_H
#define UARTE_H

#include <stdint.h>

/* The other end has sent something. */
void uarteInput(int which);
uint32_t uarteSent(int which);
uint32_t uarteReceived(int which);

#endif
