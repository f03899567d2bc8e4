/* PS, SAADC: what VDD is. */
#ifndef SAADC_H
#define SAADC_H

/* Millivolts, or `none`: a converter that does not answer. */
void saadcBattery(const char *text);

#endif
