#include "clock.h"

#include "snapshot.h"

static struct {
	uint64_t now, busy, next;
	/* the time that an alarm is due at, while its handler runs: the CPU may be some instructions further */
	uint64_t firing;
	uint64_t at[ALARMS];
} time;
static struct {
	AlarmHandler handler;
	int instance;
} handlers[ALARMS];

static void findNext(void)
{
	time.next = NEVER;
	for (int i = 0; i < ALARMS; i++)
		if (time.at[i] < time.next)
			time.next = time.at[i];
}

__attribute__((constructor)) static void begin(void)
{
	for (int i = 0; i < ALARMS; i++)
		time.at[i] = NEVER;
	time.next = NEVER;
	snapshotKeep("clock", &time, sizeof(time));
}

void clockHandler(Alarm alarm, AlarmHandler handler, int instance)
{
	handlers[alarm].handler = handler;
	handlers[alarm].instance = instance;
}

void clockSet(Alarm alarm, uint64_t at)
{
	bool wasNext = time.at[alarm] == time.next;

	time.at[alarm] = at;
	if (at <= time.next)
		time.next = at;
	else if (wasNext)
		findNext();
}

void clockClear(Alarm alarm)
{
	clockSet(alarm, NEVER);
}

uint64_t clockWhen(Alarm alarm)
{
	return time.at[alarm];
}

uint64_t clockNow(void)
{
	return time.firing ? time.firing : time.now;
}

double clockMs(void)
{
	return (double)clockNow() / (double)MILLISECOND;
}

uint64_t clockBusy(void)
{
	return time.busy;
}

bool clockWork(uint64_t duration)
{
	time.now += duration;
	time.busy += duration;
	return time.now >= time.next;
}

uint64_t clockNext(void)
{
	return time.next;
}

void clockSleepUntil(uint64_t at)
{
	if (at > time.now)
		time.now = at;
}

void clockFire(void)
{
	while (time.next <= time.now) {
		int due = 0;

		for (int i = 1; i < ALARMS; i++)
			if (time.at[i] < time.at[due])
				due = i;
		time.firing = time.at[due];
		time.at[due] = NEVER;
		findNext();
		if (handlers[due].handler)
			handlers[due].handler(handlers[due].instance);
	}
	time.firing = 0;
}
