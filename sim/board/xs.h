/* What the XS machine in the image tells by the functions that it calls. */
#ifndef XS_H
#define XS_H

#include <stdint.h>

/* Watches those of its functions that the image has. */
void xsBegin(void);

#endif
