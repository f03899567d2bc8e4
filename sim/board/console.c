#define _GNU_SOURCE
#include "console.h"

#include "pace.h"
#include "say.h"
#include "snapshot.h"
#include "uarte.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 400
#define INPUT_BYTES 65536

static struct {
	enum { LINES, STDIO, PTY, TCP } kind;
	/* where bytes come from and go to; −1 while nobody is connected */
	int in, out, listener;
	uint8_t input[INPUT_BYTES];
	uint32_t head, tail;
} consoles[CONSOLES] = { { .in = -1, .out = -1, .listener = -1 }, { .in = -1, .out = -1, .listener = -1 } };

/* What a board has sent of a line. */
static struct {
	char text[LINE_MAX_BYTES];
	int length;
} lines[CONSOLES];

/* ---- in ---- */

static void hangUp(int which)
{
	paceForget(consoles[which].in);
	close(consoles[which].in);
	consoles[which].in = consoles[which].out = -1;
}

static void onReadable(int fd)
{
	int which = fd == consoles[0].in ? 0 : 1;
	uint8_t bytes[1024];
	uint32_t room = INPUT_BYTES - 1 - (consoles[which].head - consoles[which].tail);
	ssize_t length = read(fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes));

	if (length <= 0) {
		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (consoles[which].kind == TCP)
			hangUp(which);
		else
			paceForget(fd);	/* end of stdin; a pseudo-terminal that nobody has open */
		return;
	}
	for (ssize_t i = 0; i < length; i++)
		consoles[which].input[consoles[which].head++ % INPUT_BYTES] = bytes[i];
	uarteInput(which);
}

bool consoleHasInput(int which)
{
	return consoles[which].head != consoles[which].tail;
}

bool consoleGet(int which, uint8_t *byte)
{
	if (!consoleHasInput(which))
		return false;
	*byte = consoles[which].input[consoles[which].tail++ % INPUT_BYTES];
	return true;
}

/* ---- out ---- */

static void endLine(int which)
{
	while (lines[which].length > 0 && lines[which].text[lines[which].length - 1] == '\r')
		lines[which].length--;
	say("uart%d> %.*s", which, lines[which].length, lines[which].text);
	lines[which].length = 0;
}

void consolePut(int which, uint8_t byte)
{
	if (consoles[which].kind != LINES) {
		/* nobody there: it is lost, as on a wire */
		if (consoles[which].out >= 0)
			(void)!write(consoles[which].out, &byte, 1);
		return;
	}
	if (byte == '\n')
		endLine(which);
	else {
		/* whatever it is, a line stays one */
		lines[which].text[lines[which].length++] = (char)((byte >= 0x20 && byte < 0x7F) || byte == '\r' ? byte : '.');
		if (lines[which].length == LINE_MAX_BYTES)
			endLine(which);
	}
}

/* ---- the other end ---- */

static void use(int which, int in, int out)
{
	consoles[which].in = in;
	consoles[which].out = out;
	fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK);
	paceWatch(in, onReadable);
}

static void onConnect(int listener)
{
	int which = listener == consoles[0].listener ? 0 : 1, fd = accept(listener, NULL, NULL), yes = 1;

	if (fd < 0)
		return;
	/* the newest has the wire */
	if (consoles[which].in >= 0)
		hangUp(which);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	use(which, fd, fd);
}

static void listenTcp(int which, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4))
		die("UARTE %d on TCP port %d: %s", which, port, strerror(errno));
	consoles[which].listener = fd;
	paceWatch(fd, onConnect);
}

static void openPty(int which, const char *link)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct termios raw;
	const char *name;

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || !(name = ptsname(fd)) || (slave = open(name, O_RDWR | O_NOCTTY)) < 0)
		die("UARTE %d on a pseudo-terminal: %s", which, strerror(errno));
	/* held open, so that readers may come and go */
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	fprintf(stderr, "uart%d on %s\n", which, name);
	if (link) {
		unlink(link);
		if (symlink(name, link))
			die("%s: %s", link, strerror(errno));
	}
	use(which, fd, fd);
}

__attribute__((constructor)) static void begin(void)
{
	snapshotKeep("console", lines, sizeof(lines));
}

void consoleBegin(int which, const char *where)
{
	if (!where)
		return;
	if (0 == strcmp(where, "stdio")) {
		consoles[which].kind = STDIO;
		use(which, STDIN_FILENO, STDOUT_FILENO);
	}
	else if (0 == strcmp(where, "pty") || 0 == strncmp(where, "pty:", 4)) {
		consoles[which].kind = PTY;
		openPty(which, where[3] ? where + 4 : NULL);
	}
	else if (0 == strncmp(where, "tcp:", 4) && atoi(where + 4) > 0 && atoi(where + 4) < 65536) {
		consoles[which].kind = TCP;
		listenTcp(which, atoi(where + 4));
	}
	else
		die("--uart %d=%s: expected stdio, pty[:LINK] or tcp:PORT", which, where);
}
