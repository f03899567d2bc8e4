/* The SoftDevice's radio: one advertising set and one scanner (nRF5 SDK, ble_gap.h). */
#ifndef GAP_H
#define GAP_H

#include <stdint.h>

void gapBegin(void);
void gapReset(void);
/* A frame from the air. @param from advertiser's address, least significant byte first */
void gapReceive(const uint8_t from[6], uint8_t pduType, int8_t rssi, const uint8_t *data, uint8_t length);
/* The address that it advertises with. */
const uint8_t *gapAddress(void);

uint32_t gapSent(void);
uint32_t gapReceived(void);
/* Frames that came while nothing listened. */
uint32_t gapMissed(void);
/* Whether the receiver is on, and how long it was, in thousandths of a cycle. */
int gapListening(void);
uint64_t gapListened(void);

#endif
