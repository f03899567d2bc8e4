#define _GNU_SOURCE
#include "pace.h"

#include "clock.h"
#include "cpu.h"

#include <poll.h>
#include <time.h>

#define INPUTS 16
/* How often a CPU that does not sleep looks for input. */
#define LOOK (1 * MILLISECOND)
/* A board that is further behind than this does not catch up: it was stopped, or the machine is too slow for it. */
#define MAXIMUM_LAG (250 * MILLISECOND)
#define MAXIMUM_LEAD (2 * MILLISECOND)

static struct {
	bool fast;
	struct timespec start;
	/* virtual time of the wall's start */
	int64_t origin;
	struct pollfd fds[INPUTS];
	void (*ready[INPUTS])(int fd);
	int count;
} pace;

static uint64_t sinceStart(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - pace.start.tv_sec) * 1000000000u + (uint64_t)now.tv_nsec - (uint64_t)pace.start.tv_nsec;
}

double paceWallSeconds(void)
{
	return (double)sinceStart() / 1e9;
}

/* The virtual time that the wall's stands for. */
static int64_t wall(void)
{
	return (int64_t)(sinceStart() * (MICROSECOND / 1000)) + pace.origin;
}

static void look(int64_t nanoseconds)
{
	struct timespec limit = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	if (ppoll(pace.fds, (nfds_t)pace.count, &limit, NULL) <= 0)
		return;
	for (int i = pace.count - 1; i >= 0; i--)
		if (i < pace.count && pace.fds[i].revents)
			pace.ready[i](pace.fds[i].fd);
}

/* Rounded up: a wait that ends before its moment would be asked for again without end where time only passes in waits. */
static int64_t toNanoseconds(int64_t duration)
{
	return (duration + (int64_t)(MICROSECOND / 1000) - 1) / (int64_t)(MICROSECOND / 1000);
}

static void lookAgain(void)
{
	if (pace.count > 0 || !pace.fast)
		clockSet(ALARM_POLL, clockNow() + LOOK);
}

static void onLook(int instance)
{
	int64_t lead = pace.fast ? 0 : (int64_t)clockNow() - wall();

	(void)instance;
	if (lead < -(int64_t)MAXIMUM_LAG)
		pace.origin += lead;
	look(lead > (int64_t)MAXIMUM_LEAD ? toNanoseconds(lead) : 0);
	lookAgain();
}

void paceBegin(bool fast)
{
	pace.fast = fast;
	clock_gettime(CLOCK_MONOTONIC, &pace.start);
	pace.origin = (int64_t)clockNow();
	clockHandler(ALARM_POLL, onLook, 0);
	lookAgain();
}

void paceWatch(int fd, void (*ready)(int fd))
{
	if (pace.count == INPUTS)
		return;
	pace.fds[pace.count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	pace.ready[pace.count++] = ready;
	if (clockWhen(ALARM_POLL) == NEVER)
		lookAgain();
}

void paceForget(int fd)
{
	for (int i = 0; i < pace.count; i++) {
		if (pace.fds[i].fd != fd)
			continue;
		pace.fds[i] = pace.fds[--pace.count];
		pace.ready[i] = pace.ready[pace.count];
		return;
	}
}

void paceSleep(uint64_t next)
{
	int64_t now;

	if (pace.fast) {
		if (next == NEVER) {
			/* nothing but the end of the run can come */
			cpuEnd(ENDED);
			return;
		}
		clockSleepUntil(next);
		return;
	}
	clockClear(ALARM_POLL);
	next = clockNext();
	now = wall();
	if (now - (int64_t)clockNow() > (int64_t)MAXIMUM_LAG) {
		pace.origin -= now - (int64_t)clockNow();
		now = (int64_t)clockNow();
	}
	if (next == NEVER || (int64_t)next > now) {
		int64_t wait = next == NEVER ? (int64_t)SECOND : (int64_t)next - now;

		for (int i = 0; i < pace.count; i++)
			pace.fds[i].revents = 0;
		struct timespec limit = { toNanoseconds(wait) / 1000000000, toNanoseconds(wait) % 1000000000 };
		int ready = ppoll(pace.fds, (nfds_t)pace.count, &limit, NULL);

		now = wall();
		clockSleepUntil(next != NEVER && (int64_t)next < now ? next : (uint64_t)now);
		if (ready > 0)
			look(0);
	}
	else
		clockSleepUntil(next);
	clockSet(ALARM_POLL, clockNow() + LOOK);
}

void paceWaitForInput(void)
{
	uint64_t before = sinceStart();

	look(100000000);
	pace.origin -= (int64_t)((sinceStart() - before) * (MICROSECOND / 1000));
}
