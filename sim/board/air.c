#include "air.h"

#include "clock.h"
#include "gap.h"
#include "pace.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER 14
#define DATA_MAX 31
#define OWN_RSSI (-40)

static int hub = -1;
static FILE *file;

static void note(const char *direction, uint8_t type, const uint8_t *data, uint8_t length)
{
	if (!file)
		return;
	fprintf(file, "%.3f %s %u ", clockMs(), direction, type);
	for (int i = 0; i < length; i++)
		fprintf(file, "%02x", data[i]);
	fputc('\n', file);
}

static void onReadable(int fd)
{
	uint8_t bytes[HEADER + DATA_MAX + 1];
	ssize_t length = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (length < HEADER || memcmp(bytes, "AIR1F", 5) || bytes[13] > DATA_MAX || length < HEADER + bytes[13])
		return;
	note("rx", bytes[11], bytes + HEADER, bytes[13]);
	gapReceive(bytes + 5, bytes[11], (int8_t)bytes[12], bytes + HEADER, bytes[13]);
}

void airBegin(int port, const char *log)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (log && !(file = fopen(log, "w")))
		die("%s: %s", log, strerror(errno));
	if (file)
		setvbuf(file, NULL, _IOLBF, 0);
	if (port == 0)
		return;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	hub = socket(AF_INET, SOCK_DGRAM, 0);
	if (hub < 0 || connect(hub, (struct sockaddr *)&address, sizeof(address)))
		die("Air on UDP port %d: %s", port, strerror(errno));
	paceWatch(hub, onReadable);
	airJoin();
}

void airJoin(void)
{
	uint8_t bytes[11] = "AIR1J";

	if (hub < 0)
		return;
	memcpy(bytes + 5, gapAddress(), 6);
	/* a hub that is not there yet is an air without others */
	(void)!send(hub, bytes, sizeof(bytes), 0);
}

void airSend(const uint8_t address[6], uint8_t type, const uint8_t *data, uint8_t length)
{
	uint8_t bytes[HEADER + DATA_MAX] = "AIR1F";

	note("tx", type, data, length);
	if (hub < 0)
		return;
	memcpy(bytes + 5, address, 6);
	bytes[11] = type;
	bytes[12] = (uint8_t)OWN_RSSI;
	bytes[13] = length;
	if (length)
		memcpy(bytes + HEADER, data, length);
	(void)!send(hub, bytes, (size_t)(HEADER + length), 0);
}
