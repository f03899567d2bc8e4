/* Each adds the peripherals of its file to the bus. */
#ifndef PERIPHERALS_H
#define PERIPHERALS_H

void rtcBegin(void);
void timerBegin(void);
void wdtBegin(void);
void rngBegin(void);
void ecbBegin(void);
void tempBegin(void);
void eguBegin(void);
void nvmcBegin(void);
void blockedBegin(void);
void gpioBegin(void);
void gpioteBegin(void);
void saadcBegin(void);
void twimBegin(void);
void uarteBegin(void);

#endif
