/*
 * The air around a board: UDP datagrams to a hub on this machine. "AIR1J" and the board's address to join; "AIR1F",
 * advertiser's address, PDU type, RSSI, length and advertising data for a frame, in both directions.
 */
#ifndef AIR_H
#define AIR_H

#include <stdint.h>

/* @param port of the hub, 0 for none @param log a file for every frame, NULL for none */
void airBegin(int port, const char *log);
/* Joins, with the address that the board has now. */
void airJoin(void);
void airSend(const uint8_t address[6], uint8_t pduType, const uint8_t *data, uint8_t length);

/* `--hub`: forwards each frame to all other members. Does not return. */
void airHub(int port, double loss, const char *log) __attribute__((noreturn));

#endif
