/*
 * hal.bearer: raw advertisements through the SoftDevice's GAP calls.
 *
 * Out: S140 has one advertising set. A queued frame becomes one run of it with `max_adv_evts` = count; the next one
 * starts when BLE_GAP_EVT_ADV_SET_TERMINATED says that the run is over. The SoftDevice reads the data in place until
 * then, hence two buffers in turn.
 *
 * In: every report pauses the scanner until it is given its buffer again, so that is done first, in the SoftDevice's
 * own task, which preempts JavaScript. Frames of other AD types end here. The rest waits in a ring, and one message
 * wakes the machine however many there are: modMessagePostToMachine blocks for ever on a full queue.
 */

#include "xsmc.h"
#include "xsHost.h"

#include "boardBearer.h"
#include "boardSoftDevice.h"

#include "FreeRTOS.h"
#include "task.h"

#include "ble_gap.h"
#include "nrf_sdh_ble.h"

#define FRAME_MAX 31
#define SEND_FRAMES 16
#define RECEIVE_FRAMES 64
#define TYPES_MAX 4

/* interval and window alike: the receiver is on all the time that it does not send */
#define SCAN_UNITS 48	/* × 0.625 ms = 30 ms */

typedef struct {
	uint8_t length;
	uint8_t count;
	uint16_t interval;	/* × 0.625 ms */
	uint8_t data[FRAME_MAX];
} SendFrame;

typedef struct {
	uint8_t length;
	int8_t rssi;
	uint8_t address[BLE_GAP_ADDR_LEN];
	uint8_t data[FRAME_MAX];
} ReceivedFrame;

static struct {
	SendFrame queue[SEND_FRAMES];
	uint8_t first, used;
	bool sending;
	uint8_t handle;
	uint8_t turn;
	uint8_t onAir[2][FRAME_MAX];
} out = { .handle = BLE_GAP_ADV_SET_HANDLE_NOT_SET };

static struct {
	ReceivedFrame ring[RECEIVE_FRAMES];
	volatile uint16_t head, tail;	/* written by the SoftDevice's task and by the machine's, one each */
	volatile bool woken;
	bool scanning, held;
	uint8_t types[TYPES_MAX];
	uint8_t typeCount;
	uint8_t report[BLE_GAP_SCAN_BUFFER_MIN];
	xsMachine *the;
	xsSlot callback;
} in;

static struct {
	uint32_t sent;		/* runs that ended */
	uint32_t refused;	/* runs that the SoftDevice did not take */
	uint32_t received;	/* frames put into the ring */
	uint32_t other;		/* reports without a wanted AD type */
	uint32_t overruns;	/* frames lost because the ring was full */
} counters;

static ble_data_t report = { .p_data = in.report, .len = sizeof(in.report) };

/* ---- out ---- */

static void sendNext(void)
{
	for (;;) {
		static ble_gap_adv_params_t parameters;
		static ble_gap_adv_data_t data;
		SendFrame *frame;

		/* the SoftDevice must not be called in a critical region, which would mask its SVC */
		taskENTER_CRITICAL();
		out.sending = out.used > 0;
		frame = &out.queue[out.first];
		taskEXIT_CRITICAL();
		if (!out.sending)
			return;

		out.turn ^= 1;
		c_memcpy(out.onAir[out.turn], frame->data, frame->length);
		c_memset(&data, 0, sizeof(data));
		data.adv_data.p_data = out.onAir[out.turn];
		data.adv_data.len = frame->length;
		c_memset(&parameters, 0, sizeof(parameters));
		parameters.properties.type = BLE_GAP_ADV_TYPE_NONCONNECTABLE_NONSCANNABLE_UNDIRECTED;
		parameters.interval = frame->interval;
		parameters.max_adv_evts = frame->count;
		parameters.primary_phy = BLE_GAP_PHY_1MBPS;
		parameters.filter_policy = BLE_GAP_ADV_FP_ANY;

		taskENTER_CRITICAL();
		out.first = (out.first + 1) % SEND_FRAMES;
		out.used -= 1;
		taskEXIT_CRITICAL();

		if ((NRF_SUCCESS == sd_ble_gap_adv_set_configure(&out.handle, &data, &parameters)) &&
			(NRF_SUCCESS == sd_ble_gap_adv_start(out.handle, BLE_CONN_CFG_TAG_DEFAULT)))
			return;
		counters.refused += 1;
	}
}

/* (data, count, interval in ms) -> whether there was room */
void board_bearer_send(xsMachine *the)
{
	uint8_t *bytes;
	xsUnsignedValue length;
	xsIntegerValue count = xsmcToInteger(xsArg(1));
	xsNumberValue interval = xsmcToNumber(xsArg(2));
	bool start, room;

	xsmcGetBufferReadable(xsArg(0), (void **)&bytes, &length);
	if ((length < 2) || (length > FRAME_MAX) || (bytes[0] + 1 != length))
		xsRangeError("not one AD structure of at most 31 bytes");
	if ((count < 1) || (count > 255))
		xsRangeError("count of 1 to 255 needed");
	if (interval < 20)
		interval = 20;	/* the controller's least for these advertisements */
	if (interval > 10240)
		interval = 10240;

	taskENTER_CRITICAL();
	room = out.used < SEND_FRAMES;
	start = room && !out.sending;
	if (room) {
		SendFrame *frame = &out.queue[(out.first + out.used) % SEND_FRAMES];
		frame->length = length;
		frame->count = count;
		frame->interval = interval / 0.625;
		c_memcpy(frame->data, bytes, length);
		out.used += 1;
		out.sending = true;
	}
	taskEXIT_CRITICAL();
	if (start)
		sendNext();
	xsmcSetBoolean(xsResult, room);
}

/* () -> frames that can still be queued */
void board_bearer_free(xsMachine *the)
{
	xsmcSetInteger(xsResult, SEND_FRAMES - out.used);
}

/* ---- in ---- */

static void deliver(void *machine, void *refcon, uint8_t *message, uint16_t messageLength)
{
	xsMachine *the = machine;

	in.woken = false;
	xsBeginHost(the);
		xsCallFunction0(in.callback, xsUndefined);
	xsEndHost(the);
}

static bool wanted(uint8_t type)
{
	for (int i = 0; i < in.typeCount; i++)
		if (in.types[i] == type)
			return true;
	return false;
}

static bool put(const ble_gap_evt_adv_report_t *from, const uint8_t *structure, uint8_t length)
{
	uint16_t head = in.head, next = (head + 1) % RECEIVE_FRAMES;
	ReceivedFrame *frame = &in.ring[head];

	if (next == in.tail) {
		counters.overruns += 1;
		return false;
	}
	frame->length = length;
	frame->rssi = from->rssi;
	c_memcpy(frame->address, from->peer_addr.addr, BLE_GAP_ADDR_LEN);
	c_memcpy(frame->data, structure, length);
	__DMB();
	in.head = next;
	counters.received += 1;
	return true;
}

static void onReport(const ble_gap_evt_adv_report_t *r)
{
	uint8_t data[FRAME_MAX];
	uint16_t length = r->data.len <= FRAME_MAX ? r->data.len : FRAME_MAX, at = 0;
	bool any = false, mine = false;

	c_memcpy(data, r->data.p_data, length);
	if (in.scanning && !in.held)
		sd_ble_gap_scan_start(NULL, &report);

	/* Mesh Protocol §3.3.1: a mesh bearer's advertisements are neither connectable nor scannable */
	if (!r->type.connectable && !r->type.scannable && !r->type.scan_response) {
		while ((at + 1 < length) && data[at] && (at + 1 + data[at] <= length)) {
			if (wanted(data[at + 1])) {
				mine = true;
				any |= put(r, data + at, data[at] + 1);
			}
			at += data[at] + 1;
		}
	}
	if (!mine)
		counters.other += 1;
	if (any && !in.woken) {
		in.woken = true;
		modMessagePostToMachine(in.the, NULL, 0, deliver, NULL);
	}
}

static void onBleEvent(const ble_evt_t *event, void *context)
{
	switch (event->header.evt_id) {
	case BLE_GAP_EVT_ADV_REPORT:
		onReport(&event->evt.gap_evt.params.adv_report);
		break;
	case BLE_GAP_EVT_ADV_SET_TERMINATED:
		counters.sent += 1;
		sendNext();
		break;
	}
}
NRF_SDH_BLE_OBSERVER(boardBearerObserver, 3, onBleEvent, NULL);

/* (callback, AD types): the callback is called without arguments when board_bearer_next has something */
void board_bearer_start(xsMachine *the)
{
	uint8_t *types;
	xsUnsignedValue count;

	xsmcGetBufferReadable(xsArg(1), (void **)&types, &count);
	if (count > TYPES_MAX)
		xsRangeError("at most 4 AD types");
	c_memcpy(in.types, types, count);
	in.typeCount = count;
	in.the = the;
	in.callback = xsArg(0);
	xsRemember(in.callback);
	boardSoftDeviceEnable(the);
}

static bool scan(bool on)
{
	static const ble_gap_scan_params_t parameters = {
		.active = 0,
		.interval = SCAN_UNITS,
		.window = SCAN_UNITS,
		.timeout = BLE_GAP_SCAN_TIMEOUT_UNLIMITED,
		.scan_phys = BLE_GAP_PHY_1MBPS,
		.filter_policy = BLE_GAP_SCAN_FP_ACCEPT_ALL,
	};

	return NRF_SUCCESS == (on ? sd_ble_gap_scan_start(&parameters, &report) : sd_ble_gap_scan_stop());
}

/* (on): whether to listen */
void board_bearer_listen(xsMachine *the)
{
	bool on = xsmcToBoolean(xsArg(0));

	if (on == in.scanning)
		return;
	if (!on)
		in.scanning = false;
	if (!scan(on) && on)
		xsUnknownError("scan not started");
	in.scanning = on;
}

void boardBearerHold(bool hold)
{
	if (!in.scanning || (hold == in.held))
		return;
	if (hold) {
		in.held = true;
		scan(false);
	}
	else {
		scan(true);
		in.held = false;
	}
}

/*
 * (record): takes the next frame out of the ring into a record of 38 bytes: address (6), rssi (1, signed), AD
 * structure. -> its length, 0 when there is none
 */
void board_bearer_next(xsMachine *the)
{
	uint8_t *record;
	xsUnsignedValue length;
	uint16_t tail = in.tail;
	ReceivedFrame *frame = &in.ring[tail];

	if (tail == in.head) {
		xsmcSetInteger(xsResult, 0);
		return;
	}
	xsmcGetBufferWritable(xsArg(0), (void **)&record, &length);
	if (length < 7 + FRAME_MAX)
		xsRangeError("record too short");
	c_memcpy(record, frame->address, BLE_GAP_ADDR_LEN);
	record[6] = frame->rssi;
	c_memcpy(record + 7, frame->data, frame->length);
	xsmcSetInteger(xsResult, frame->length);
	__DMB();
	in.tail = (tail + 1) % RECEIVE_FRAMES;
}

/* (which) -> a counter, in the order of the struct */
void board_bearer_counter(xsMachine *the)
{
	xsIntegerValue which = xsmcToInteger(xsArg(0));

	if ((which < 0) || (which >= (xsIntegerValue)(sizeof(counters) / sizeof(uint32_t))))
		xsRangeError("no such counter");
	xsmcSetNumber(xsResult, ((uint32_t *)&counters)[which]);
}
