#include "gap.h"

#include "air.h"
#include "clock.h"
#include "memory.h"
#include "random.h"
#include "snapshot.h"
#include "softdevice.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* ble_gap.h, ble_ranges.h */
enum {
	EVT_TIMEOUT = 27, EVT_ADV_REPORT = 29, EVT_ADV_SET_TERMINATED = 38, TIMEOUT_SCAN = 1, BY_TIMEOUT = 1, BY_LIMIT = 2,
	HANDLE_NOT_SET = 0xFF, CONN_HANDLE_INVALID = 0xFFFF,
};
/* Advertising types of the SoftDevice, and what they are on the air (Core 5.0 Vol 6 Part B §2.3). */
enum { CONNECTABLE = 1, SCANNABLE = 4, NONCONNECTABLE = 5 };
enum { ADV_IND = 0, ADV_NONCONN_IND = 2, ADV_SCAN_IND = 6 };
#define DATA_MAX 31
#define UNIT (625 * MICROSECOND)
#define INTERVAL_MIN 0x20u
#define INTERVAL_MAX 0x4000u
#define SCAN_MIN 4u
/* From the call to the first event, and a frame of 31 bytes on three channels with the changes between them. */
#define FIRST_EVENT (1 * MILLISECOND)
#define EVENT_TIME (1700 * MICROSECOND)
/* Core Vol 6 Part B §4.4.2.2: advDelay */
#define DELAY_MAX (10 * MILLISECOND)

static struct {
	uint8_t address[6], addressType;
	struct {
		bool configured, on;
		uint8_t type, limit, sent;
		uint32_t interval;
		/* how long, and when that is over */
		uint64_t duration, end;
		/* what the SoftDevice reads in place while it advertises */
		uint32_t data, dataLength, response, responseLength;
	} adv;
	struct {
		bool on, paused;
		uint32_t interval, window;
		/* when its windows began to count, and when the receiver came on last */
		uint64_t began, since;
		uint32_t buffer, bufferLength;
	} scan;
	uint64_t transmitsUntil, listened;
	uint32_t sent, received, missed;
} gap;

/* ---- addresses ---- */

static uint32_t addressSet(const Arguments *in)
{
	const uint8_t *from = memoryRead(in->a[0], 7);

	if (!from)
		return INVALID_ADDR;
	if (gap.adv.on || gap.scan.on)
		return INVALID_STATE;
	gap.addressType = from[0] >> 1;
	memcpy(gap.address, from + 1, 6);
	return SUCCESS;
}

static uint32_t addressGet(const Arguments *in)
{
	uint8_t *to = memoryWrite(in->a[0], 7);

	if (!to)
		return INVALID_ADDR;
	to[0] = (uint8_t)(gap.addressType << 1);
	memcpy(to + 1, gap.address, 6);
	return SUCCESS;
}

const uint8_t *gapAddress(void)
{
	return gap.address;
}

/* ---- advertising ---- */

static uint8_t pduType(void)
{
	return gap.adv.type == CONNECTABLE ? ADV_IND : gap.adv.type == SCANNABLE ? ADV_SCAN_IND : ADV_NONCONN_IND;
}

static uint32_t checkParameters(const uint8_t *p)
{
	uint32_t interval = get32(p + 8);

	if (p[0] != CONNECTABLE && p[0] != SCANNABLE && p[0] != NONCONNECTABLE)
		return refusedBecause(NOT_SUPPORTED, "directed and extended advertising are not modelled");
	if (interval < INTERVAL_MIN || interval > INTERVAL_MAX)
		return refusedBecause(INVALID_PARAM, "the interval is not from 20 ms to 10.24 s");
	/* channels 37 to 39 in the last byte of the mask */
	if ((p[19] & 0xE0) == 0xE0)
		return refusedBecause(INVALID_PARAM, "no channel is left");
	return SUCCESS;
}

static uint32_t checkData(const uint8_t *d, uint32_t *address, uint32_t *length)
{
	const uint8_t *bytes;

	*address = get32(d);
	*length = get16(d + 4);
	if (*length > DATA_MAX)
		return refusedBecause(INVALID_LENGTH, "more than 31 bytes of data");
	if (*length == 0)
		return SUCCESS;
	bytes = memoryRead(*address, *length);
	if (!bytes)
		return INVALID_ADDR;
	/* Core Vol 3 Part C §11: structures of a length, a type and data */
	for (uint32_t at = 0; at < *length && bytes[at]; at += 1u + bytes[at])
		if (at + 1u + bytes[at] > *length)
			return refusedBecause(INVALID_DATA, "no sequence of AD structures");
	return SUCCESS;
}

static uint32_t configure(const Arguments *in)
{
	uint8_t *handle = memoryWrite(in->a[0], 1);
	const uint8_t *data = in->a[1] ? memoryRead(in->a[1], 16) : NULL;
	const uint8_t *parameters = in->a[2] ? memoryRead(in->a[2], 24) : NULL;
	uint32_t where = 0, length = 0, response = 0, responseLength = 0, error;

	if (!handle || (in->a[1] && !data) || (in->a[2] && !parameters))
		return INVALID_ADDR;
	if (*handle == HANDLE_NOT_SET && gap.adv.configured)
		return refusedBecause(NO_MEM, "a second advertising set: S140 has one");
	if (*handle != HANDLE_NOT_SET && (*handle != 0 || !gap.adv.configured))
		return BLE_INVALID_ADV_HANDLE;
	if (gap.adv.on && parameters)
		return refusedBecause(INVALID_STATE, "parameters while it advertises");
	if (!gap.adv.configured && !parameters)
		return INVALID_PARAM;
	if (parameters && (error = checkParameters(parameters)))
		return error;
	if (data && ((error = checkData(data, &where, &length)) || (error = checkData(data + 8, &response, &responseLength))))
		return error;
	if (gap.adv.on && length && where == gap.adv.data)
		return refusedBecause(INVALID_STATE, "the same data buffer while it advertises");
	if (parameters) {
		gap.adv.type = parameters[0];
		gap.adv.interval = get32(parameters + 8);
		gap.adv.duration = get16(parameters + 12) * 10 * MILLISECOND;
		gap.adv.limit = parameters[14];
	}
	gap.adv.data = where;
	gap.adv.dataLength = length;
	gap.adv.response = response;
	gap.adv.responseLength = responseLength;
	gap.adv.configured = true;
	*handle = 0;
	return SUCCESS;
}

static uint64_t delay(void)
{
	return randomNext(RANDOM_RADIO) % DELAY_MAX;
}

static uint32_t start(const Arguments *in)
{
	if ((in->a[0] & 0xFF) != 0 || !gap.adv.configured)
		return BLE_INVALID_ADV_HANDLE;
	if (gap.adv.on)
		return refusedBecause(INVALID_STATE, "it advertises already");
	gap.adv.on = true;
	gap.adv.sent = 0;
	gap.adv.end = gap.adv.duration ? clockNow() + gap.adv.duration : NEVER;
	clockSet(ALARM_ADVERTISE, clockNow() + FIRST_EVENT + delay());
	return SUCCESS;
}

static uint32_t stop(const Arguments *in)
{
	if ((in->a[0] & 0xFF) != 0 || !gap.adv.configured)
		return BLE_INVALID_ADV_HANDLE;
	if (!gap.adv.on)
		return INVALID_STATE;
	gap.adv.on = false;
	clockClear(ALARM_ADVERTISE);
	return SUCCESS;
}

static void terminated(uint8_t reason)
{
	uint8_t event[24] = { 0 };

	gap.adv.on = false;
	put16(event, CONN_HANDLE_INVALID);
	event[4] = reason;
	event[5] = 0;	/* the set */
	event[6] = gap.adv.sent;
	put32(event + 8, gap.adv.data);
	put16(event + 12, (uint16_t)gap.adv.dataLength);
	put32(event + 16, gap.adv.response);
	put16(event + 20, (uint16_t)gap.adv.responseLength);
	softdeviceBleEvent(EVT_ADV_SET_TERMINATED, event, sizeof(event));
}

/* One event of the set, and the end of the last one. */
static void onAdvertise(int instance)
{
	const uint8_t *data = gap.adv.dataLength ? memoryRead(gap.adv.data, gap.adv.dataLength) : NULL;

	(void)instance;
	if (gap.adv.limit && gap.adv.sent == gap.adv.limit) {
		terminated(BY_LIMIT);
		return;
	}
	if (clockNow() >= gap.adv.end) {
		terminated(BY_TIMEOUT);
		return;
	}
	airSend(gap.address, pduType(), data, (uint8_t)gap.adv.dataLength);
	gap.sent++;
	if (gap.adv.sent < 255)
		gap.adv.sent++;
	gap.transmitsUntil = clockNow() + EVENT_TIME;
	if (gap.adv.limit && gap.adv.sent == gap.adv.limit)
		clockSet(ALARM_ADVERTISE, gap.transmitsUntil);
	else {
		uint64_t next = clockNow() + gap.adv.interval * UNIT + delay();

		clockSet(ALARM_ADVERTISE, next < gap.adv.end ? next : gap.adv.end);
	}
}

/* ---- scanning ---- */

static void receiver(bool on)
{
	if (on && !(gap.scan.on && !gap.scan.paused))
		gap.scan.since = clockNow();
	else if (!on && gap.scan.on && !gap.scan.paused)
		gap.listened += clockNow() - gap.scan.since;
}

static uint32_t scanStart(const Arguments *in)
{
	const uint8_t *parameters = in->a[0] ? memoryRead(in->a[0], 14) : NULL, *buffer = memoryRead(in->a[1], 8);

	if (!buffer || (in->a[0] && !parameters))
		return INVALID_ADDR;
	if (parameters ? gap.scan.on : !gap.scan.on)
		return refusedBecause(INVALID_STATE, parameters ? "it scans already" : "nothing to continue: it does not scan");
	if (get16(buffer + 4) < DATA_MAX)
		return refusedBecause(INVALID_LENGTH, "a buffer of less than 31 bytes");
	if (!memoryIsRam(get32(buffer), get16(buffer + 4)))
		return INVALID_ADDR;
	if (parameters) {
		uint32_t interval = get16(parameters + 2), window = get16(parameters + 4), timeout = get16(parameters + 6);

		if (parameters[0] & 1)
			return refusedBecause(NOT_SUPPORTED, "extended scanning is not modelled");
		if (interval < SCAN_MIN || interval > INTERVAL_MAX || window < SCAN_MIN || window > interval)
			return refusedBecause(INVALID_PARAM, "interval or window: from 2.5 ms to 10.24 s, the window within the interval");
		gap.scan.interval = interval;
		gap.scan.window = window;
		gap.scan.began = clockNow();
		clockSet(ALARM_SCAN, timeout ? clockNow() + timeout * 10 * MILLISECOND : NEVER);
	}
	receiver(true);
	gap.scan.on = true;
	gap.scan.paused = false;
	gap.scan.buffer = get32(buffer);
	gap.scan.bufferLength = get16(buffer + 4);
	return SUCCESS;
}

static uint32_t scanStop(const Arguments *in)
{
	(void)in;
	if (!gap.scan.on)
		return refusedBecause(INVALID_STATE, "it does not scan");
	receiver(false);
	gap.scan.on = gap.scan.paused = false;
	clockClear(ALARM_SCAN);
	return SUCCESS;
}

static void onScanTimeout(int instance)
{
	uint8_t event[16] = { 0 };

	(void)instance;
	receiver(false);
	gap.scan.on = gap.scan.paused = false;
	put16(event, CONN_HANDLE_INVALID);
	event[4] = TIMEOUT_SCAN;
	put32(event + 8, gap.scan.buffer);
	put16(event + 12, (uint16_t)gap.scan.bufferLength);
	softdeviceBleEvent(EVT_TIMEOUT, event, sizeof(event));
}

/* Within the window, and not while the radio sends. */
static bool hears(void)
{
	if (!gap.scan.on || gap.scan.paused || clockNow() < gap.transmitsUntil)
		return false;
	return (clockNow() - gap.scan.began) % (gap.scan.interval * UNIT) < gap.scan.window * UNIT;
}

void gapReceive(const uint8_t from[6], uint8_t type, int8_t rssi, const uint8_t *data, uint8_t length)
{
	uint8_t event[40] = { 0 }, *to;

	if (!hears() || length > DATA_MAX) {
		gap.missed++;
		return;
	}
	receiver(false);
	gap.scan.paused = true;
	gap.received++;
	to = memoryWrite(gap.scan.buffer, length);
	if (to)
		memcpy(to, data, length);
	put16(event, CONN_HANDLE_INVALID);
	/* connectable and scannable in bits 0 and 1 of the report's type */
	put16(event + 4, type == ADV_IND ? 3 : type == ADV_SCAN_IND ? 2 : 0);
	event[6] = 1 << 1;	/* random static address */
	memcpy(event + 7, from, 6);
	event[20] = 1;		/* 1 Mbit/s */
	event[22] = 127;	/* no transmit power known */
	event[23] = (uint8_t)rssi;
	event[24] = 37;
	event[25] = 0xFF;	/* no set */
	put32(event + 28, gap.scan.buffer);
	put16(event + 32, length);
	softdeviceBleEvent(EVT_ADV_REPORT, event, sizeof(event));
}

/* ---- figures, calls ---- */

uint32_t gapSent(void)
{
	return gap.sent;
}

uint32_t gapReceived(void)
{
	return gap.received;
}

uint32_t gapMissed(void)
{
	return gap.missed;
}

int gapListening(void)
{
	return gap.scan.on && !gap.scan.paused;
}

uint64_t gapListened(void)
{
	return gap.listened + (gapListening() ? clockNow() - gap.scan.since : 0);
}

static uint32_t accept(const Arguments *in)
{
	(void)in;
	return SUCCESS;
}

const Call gapCalls[] = {
	{ 0x6C, addressSet }, { 0x6D, addressGet }, { 0x72, configure }, { 0x73, start }, { 0x74, stop },
	{ 0x77, accept },	/* tx_power_set */
	{ 0x78, accept }, { 0x7A, accept }, { 0x7C, accept },	/* appearance, ppcp, device name: of GATT's server */
	{ 0x8A, scanStart }, { 0x8B, scanStop }, { 0x93, addressGet },
};
const int gapCallCount = sizeof(gapCalls) / sizeof(gapCalls[0]);

void gapBegin(void)
{
	memcpy(gap.address, ficrBytes + 0xA4, 6);
	gap.address[5] |= 0xC0;	/* random static (Core Vol 6 Part B §1.3.2.1) */
	gap.addressType = 1;
	clockHandler(ALARM_ADVERTISE, onAdvertise, 0);
	clockHandler(ALARM_SCAN, onScanTimeout, 0);
	snapshotKeep("gap", &gap, sizeof(gap));
}

void gapReset(void)
{
	receiver(false);
	gap.adv.configured = gap.adv.on = gap.scan.on = gap.scan.paused = false;
	clockClear(ALARM_ADVERTISE);
	clockClear(ALARM_SCAN);
}
