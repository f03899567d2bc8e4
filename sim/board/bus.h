/* What the CPU reaches by addresses, as Unicorn is told. */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
struct uc_struct;

void busMap(struct uc_struct *unicorn);
/* Whether stores reach flash and UICR: while the NVMC allows it. */
void busWritableFlash(bool writable);

#endif
