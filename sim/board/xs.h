/* What the XS machine in the image tells by the functions that it calls. */
#ifndef XS_H
#define XS_H

#include <stdint.h>

/* Watches those of its functions that the image has. */
void xsBegin(void);
/* Bytes of slots and chunks in use now, garbage with them, and the most there ever were; 0 when the image has no machine. */
uint32_t xsHeap(void);
uint32_t xsHeapPeak(void);

#endif
