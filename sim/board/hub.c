/* An air without distances: each frame reaches all other members, or is lost to one by chance. */

#include "air.h"
#include "random.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MEMBERS 256
#define HEADER 14
#define RSSI (-50)

static struct sockaddr_in members[MEMBERS];
static int count;

static void join(const struct sockaddr_in *who)
{
	for (int i = 0; i < count; i++)
		if (members[i].sin_port == who->sin_port)
			return;
	if (count < MEMBERS)
		members[count++] = *who;
}

static double milliseconds(void)
{
	static struct timespec start;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!start.tv_sec)
		start = now;
	return (double)(now.tv_sec - start.tv_sec) * 1e3 + (double)(now.tv_nsec - start.tv_nsec) / 1e6;
}

static void note(FILE *file, const uint8_t *frame, ssize_t length)
{
	fprintf(file, "%.3f ", milliseconds());
	for (int i = 10; i >= 5; i--)
		fprintf(file, "%02x", frame[i]);
	fprintf(file, " %u ", frame[11]);
	for (ssize_t i = HEADER; i < length; i++)
		fprintf(file, "%02x", frame[i]);
	fputc('\n', file);
}

void airHub(int port, double loss, const char *log)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	FILE *file = NULL;
	uint8_t bytes[64];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("Hub on UDP port %d: %s", port, strerror(errno));
	if (log && !(file = fopen(log, "w")))
		die("%s: %s", log, strerror(errno));
	if (file)
		setvbuf(file, NULL, _IOLBF, 0);
	milliseconds();
	fprintf(stderr, "air hub on 127.0.0.1:%d\n", port);
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);

		if (length < 11 || memcmp(bytes, "AIR1", 4))
			continue;
		join(&from);
		if (bytes[4] != 'F' || length < HEADER)
			continue;
		bytes[12] = (uint8_t)RSSI;
		if (file)
			note(file, bytes, length);
		for (int i = 0; i < count; i++) {
			if (members[i].sin_port == from.sin_port)
				continue;
			if ((double)(randomNext(RANDOM_RADIO) >> 11) * 0x1p-53 >= loss)
				(void)!sendto(fd, bytes, (size_t)length, 0, (struct sockaddr *)&members[i], sizeof(members[i]));
		}
	}
}
