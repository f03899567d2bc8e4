/* The SoftDevice, started without Moddable's BLE modules and without the peer manager. */

#ifndef BOARD_SOFT_DEVICE_H
#define BOARD_SOFT_DEVICE_H

#include "xsmc.h"

/* Starts S140 and its event task once; later calls do nothing. Throws into `the` when the SoftDevice refuses. */
void boardSoftDeviceEnable(xsMachine *the);

#endif
