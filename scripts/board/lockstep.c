/*
 * Loaded into an emulator (LD_PRELOAD): the wall's clock that it keeps to is ours. When it would wait for time to pass,
 * it says until when, on the descriptor that LOCKSTEP_FD names, and gets the time up to which it may go on. Numbers are
 * nanoseconds, 64 bits. scripts/board/lockstep.ts is the other side.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks at input that find some, before time has to go on all the same: nobody may read it. */
#define LOOKS 1000
#define MS 1000000u
/*
 * `nrf52840` lets its processor run ahead of the wall by some 2 ms. When it then sleeps, it takes the wall's time for
 * its own as soon as poll returns, though that be earlier: time goes back, and a tick counter that does goes once round.
 */
#define LEAD (2300000u)

static int channel;
static uint64_t now;
static unsigned looks;
/* How often the air was looked at since it slept: once in each turn of its loop. */
static unsigned turns;

__attribute__((constructor)) static void begin(void)
{
	channel = atoi(getenv("LOCKSTEP_FD"));
	now = strtoull(getenv("LOCKSTEP_NOW"), NULL, 10);
}

static void waitUntil(uint64_t until)
{
	looks = 0;
	if (write(channel, &until, sizeof until) != sizeof until)
		_exit(1);
	for (size_t have = 0; have < sizeof now;) {
		ssize_t count = read(channel, (char *)&now + have, sizeof now - have);
		if (count <= 0)
			_exit(1);
		have += count;
	}
}

int clock_gettime(clockid_t which, struct timespec *time)
{
	if (which != CLOCK_MONOTONIC)
		return syscall(SYS_clock_gettime, which, time);
	time->tv_sec = now / 1000000000u;
	time->tv_nsec = now % 1000000000u;
	return 0;
}

int usleep(useconds_t us)
{
	waitUntil(now + us * 1000ull);
	return 0;
}

static int look(struct pollfd *fds, nfds_t count)
{
	struct timespec none = { 0 };
	return syscall(SYS_ppoll, fds, count, &none, NULL, 0);
}

static int lookAndWait(struct pollfd *fds, nfds_t count, uint64_t ns)
{
	int ready = look(fds, count);

	if ((ready && ++looks < LOOKS) || !ns)
		return ready;
	waitUntil(now + ns);
	return look(fds, count);
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
	ssize_t count = syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);

	if (count < 0 && errno == EAGAIN)
		turns++;
	return count;
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
	int slept = turns == 1;

	turns = 0;
	if (slept)
		return lookAndWait(fds, count, ms < 0 ? 1000ull * MS : (uint64_t)ms * MS);
	for (uint64_t end = now + LEAD; now < end;)
		waitUntil(end);
	return look(fds, count);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
	(void)mask;
	return lookAndWait(fds, count, limit ? limit->tv_sec * 1000000000ull + limit->tv_nsec : 1000ull * MS);
}
