#define _GNU_SOURCE
#include "gdb.h"

#include "breakpoint.h"
#include "cpu.h"
#include "memory.h"
#include "nvic.h"
#include "pace.h"
#include "peripheral.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET 8192
#define SIGINT_NUMBER 2
#define SIGTRAP_NUMBER 5
#define SIGSEGV_NUMBER 11

static struct {
	int fd;
	bool attached, stopped;
	/* told to go on: the signal that it stops with is due */
	bool owesStop;
	int signal;
	char in[PACKET];
	int length;
} gdb = { .fd = -1 };

/* ---- packets: $text#checksum ---- */

static void sendText(const char *text)
{
	char packet[PACKET + 8];
	uint8_t sum = 0;
	int length;

	for (const char *at = text; *at; at++)
		sum = (uint8_t)(sum + (uint8_t)*at);
	length = snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	(void)!write(gdb.fd, packet, (size_t)length);
}

static void sendStop(int signal)
{
	char text[8];

	snprintf(text, sizeof(text), "S%02x", signal);
	sendText(text);
}

static void detach(void)
{
	paceForget(gdb.fd);
	close(gdb.fd);
	breakpointClearAll();
	gdb.fd = -1;
	gdb.attached = gdb.stopped = gdb.owesStop = false;
}

/* ---- memory and registers ---- */

static bool readByte(uint32_t address, uint8_t *byte)
{
	const uint8_t *at = memoryRead(address, 1);
	uint32_t word;

	if (at) {
		if (!breakpointHides(address, byte))
			*byte = *at;
		return true;
	}
	if (address >= 0xE000E000 && address < 0xE000F000)
		word = nvicRead(address & ~3u);
	else if (address >= 0x40000000 && address < 0x50001000)
		word = peripheralRead(address & ~3u);
	else
		return false;
	*byte = (uint8_t)(word >> (8 * (address & 3)));
	return true;
}

static void readMemory(const char *arguments)
{
	char text[PACKET] = "", *to = text;
	uint32_t address = 0, length = 0;

	sscanf(arguments, "%x,%x", &address, &length);
	for (uint32_t i = 0; i < length && i < PACKET / 2 - 8; i++) {
		uint8_t byte;

		if (!readByte(address + i, &byte))
			break;
		to += sprintf(to, "%02x", byte);
	}
	sendText(text[0] ? text : "E01");
}

static void writeMemory(const char *arguments)
{
	uint32_t address = 0, length = 0;
	const char *data = strchr(arguments, ':');
	uint8_t *to;

	sscanf(arguments, "%x,%x", &address, &length);
	to = memoryWrite(address, length);
	if (!data || !to || strlen(data + 1) < 2 * length) {
		sendText("E01");
		return;
	}
	for (uint32_t i = 0; i < length; i++) {
		unsigned byte = 0;

		sscanf(data + 1 + 2 * i, "%2x", &byte);
		to[i] = (uint8_t)byte;
	}
	sendText("OK");
}

static char *hexWord(char *to, uint32_t value)
{
	return to + sprintf(to, "%02x%02x%02x%02x", value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >> 24);
}

static uint32_t wordFromHex(const char *text)
{
	unsigned bytes[4] = { 0 };

	sscanf(text, "%2x%2x%2x%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3]);
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24;
}

/* In the order of the description below. */
static int registerOf(int number)
{
	static const int system[] = { MSP, PSP, PRIMASK, BASEPRI, FAULTMASK, CONTROL };

	if (number <= PC)
		return number;
	if (number == 16)
		return XPSR;
	return number < 17 + 6 ? system[number - 17] : -1;
}

static void readRegisters(void)
{
	char text[PACKET], *to = text;

	for (int i = 0; i < 17; i++)
		to = hexWord(to, cpuGet(registerOf(i)));
	sendText(text);
}

static void readRegister(const char *arguments)
{
	int which = registerOf((int)strtol(arguments, NULL, 16));
	char text[16];

	if (which < 0) {
		sendText("E01");
		return;
	}
	hexWord(text, cpuGet(which));
	sendText(text);
}

static void writeRegister(const char *arguments)
{
	char *value;
	int which = registerOf((int)strtol(arguments, &value, 16));

	if (which < 0 || *value != '=') {
		sendText("E01");
		return;
	}
	cpuSet(which, wordFromHex(value + 1));
	sendText("OK");
}

/* ---- commands ---- */

static void describe(const char *arguments)
{
	static const char TARGET[] =
		"<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
		"<architecture>arm</architecture><feature name=\"org.gnu.gdb.arm.m-profile\">"
		"<reg name=\"r0\" bitsize=\"32\"/><reg name=\"r1\" bitsize=\"32\"/><reg name=\"r2\" bitsize=\"32\"/>"
		"<reg name=\"r3\" bitsize=\"32\"/><reg name=\"r4\" bitsize=\"32\"/><reg name=\"r5\" bitsize=\"32\"/>"
		"<reg name=\"r6\" bitsize=\"32\"/><reg name=\"r7\" bitsize=\"32\"/><reg name=\"r8\" bitsize=\"32\"/>"
		"<reg name=\"r9\" bitsize=\"32\"/><reg name=\"r10\" bitsize=\"32\"/><reg name=\"r11\" bitsize=\"32\"/>"
		"<reg name=\"r12\" bitsize=\"32\"/><reg name=\"sp\" bitsize=\"32\" type=\"data_ptr\"/>"
		"<reg name=\"lr\" bitsize=\"32\"/><reg name=\"pc\" bitsize=\"32\" type=\"code_ptr\"/>"
		"<reg name=\"xpsr\" bitsize=\"32\"/></feature><feature name=\"org.gnu.gdb.arm.m-system\">"
		"<reg name=\"msp\" bitsize=\"32\" type=\"data_ptr\"/><reg name=\"psp\" bitsize=\"32\" type=\"data_ptr\"/>"
		"<reg name=\"primask\" bitsize=\"32\"/><reg name=\"basepri\" bitsize=\"32\"/>"
		"<reg name=\"faultmask\" bitsize=\"32\"/><reg name=\"control\" bitsize=\"32\"/></feature></target>";
	unsigned offset = 0, length = 0;
	char text[PACKET];

	sscanf(arguments, "%x,%x", &offset, &length);
	if (offset >= sizeof(TARGET) - 1)
		snprintf(text, sizeof(text), "l");
	else if (length >= sizeof(TARGET) - 1 - offset)
		snprintf(text, sizeof(text), "l%s", TARGET + offset);
	else
		snprintf(text, sizeof(text), "m%.*s", (int)length, TARGET + offset);
	sendText(text);
}

static void query(const char *packet)
{
	if (0 == strncmp(packet, "qSupported", 10))
		sendText("PacketSize=1000;qXfer:features:read+");
	else if (0 == strncmp(packet, "qXfer:features:read:target.xml:", 31))
		describe(packet + 31);
	else if (0 == strcmp(packet, "qAttached"))
		sendText("1");
	else
		sendText("");
}

static void goOn(const char *address)
{
	if (*address)
		cpuSet(PC, (uint32_t)strtoul(address, NULL, 16));
	gdb.stopped = false;
	gdb.owesStop = true;
	breakpointStep();
}

static void breakpoint(const char *packet)
{
	unsigned kind = 9, address = 0;

	sscanf(packet + 1, "%u,%x", &kind, &address);
	if (kind > 1)
		sendText("");	/* watchpoints are not modelled */
	else
		sendText((packet[0] == 'Z' ? breakpointSet(address) : breakpointClear(address)) ? "OK" : "E01");
}

static void step(const char *address)
{
	goOn(address);
	gdb.stopped = true;
	gdb.owesStop = false;
	sendStop(SIGTRAP_NUMBER);
}

static void command(const char *packet)
{
	switch (packet[0]) {
	case '?': sendStop(gdb.signal); break;
	case 'g': readRegisters(); break;
	case 'p': readRegister(packet + 1); break;
	case 'P': writeRegister(packet + 1); break;
	case 'm': readMemory(packet + 1); break;
	case 'M': writeMemory(packet + 1); break;
	case 'c': goOn(packet + 1); break;
	case 's': step(packet + 1); break;
	case 'Z': case 'z': breakpoint(packet); break;
	case 'q': query(packet); break;
	case 'H': sendText("OK"); break;
	case 'D': sendText("OK"); detach(); break;
	case 'k': detach(); cpuEnd(ENDED); break;
	default: sendText(""); break;
	}
}

/* Whole packets of what has come. */
static void take(void)
{
	while (gdb.length > 0) {
		char *end;

		if (gdb.in[0] == 3) {
			/* Ctrl-C */
			gdb.signal = SIGINT_NUMBER;
			gdb.stopped = true;
		}
		if (gdb.in[0] != '$') {
			memmove(gdb.in, gdb.in + 1, (size_t)--gdb.length);
			continue;
		}
		gdb.in[gdb.length] = 0;
		end = memchr(gdb.in, '#', (size_t)gdb.length);
		if (!end || end + 3 > gdb.in + gdb.length)
			return;
		*end = 0;
		(void)!write(gdb.fd, "+", 1);
		command(gdb.in + 1);
		gdb.length -= (int)(end + 3 - gdb.in);
		memmove(gdb.in, end + 3, (size_t)gdb.length);
	}
}

static void onReadable(int fd)
{
	ssize_t length = recv(fd, gdb.in + gdb.length, sizeof(gdb.in) - 1 - (size_t)gdb.length, MSG_DONTWAIT);

	if (length == 0 || (length < 0 && errno != EAGAIN)) {
		detach();
		return;
	}
	if (length > 0) {
		gdb.length += (int)length;
		take();
	}
}

void gdbBegin(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	socklen_t size = sizeof(address);
	int listener, yes = 1;

	if (port < 0)
		return;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		die("GDB on TCP port %d: %s", port, strerror(errno));
	getsockname(listener, (struct sockaddr *)&address, &size);
	fprintf(stderr, "waiting for GDB: target remote 127.0.0.1:%d\n", ntohs(address.sin_port));
	gdb.fd = accept(listener, NULL, NULL);
	setsockopt(gdb.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	close(listener);
	gdb.attached = gdb.stopped = true;
	gdb.signal = SIGTRAP_NUMBER;
	paceWatch(gdb.fd, onReadable);
}

bool gdbWants(void)
{
	return gdb.attached && gdb.stopped;
}

void gdbServe(void)
{
	if (gdb.owesStop) {
		gdb.owesStop = false;
		sendStop(gdb.signal);
	}
	while (gdb.attached && gdb.stopped)
		paceWaitForInput();
}

bool gdbFault(void)
{
	if (!gdb.attached)
		return false;
	gdb.signal = SIGSEGV_NUMBER;
	gdb.stopped = true;
	return true;
}

bool gdbBreakpoint(void)
{
	if (!gdb.attached)
		return false;
	gdb.signal = SIGTRAP_NUMBER;
	gdb.stopped = true;
	return true;
}
