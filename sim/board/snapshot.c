#include "snapshot.h"

#include "cpu.h"
#include "say.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PARTS 128
#define REGISTER_COUNT (S0 + 32)

static const char MAGIC[16] = "oscore-mesh nRF1";
static struct {
	const char *name;
	void *state;
	size_t length;
} parts[PARTS];
static int count;

void snapshotKeep(const char *name, void *state, size_t length)
{
	if (count == PARTS)
		die("Too many parts for a snapshot: %s", name);
	parts[count].name = name;
	parts[count].state = state;
	parts[count++].length = length;
}

static void put(FILE *f, const char *file, const void *bytes, size_t length)
{
	if (fwrite(bytes, 1, length, f) != length)
		die("%s: %s", file, strerror(errno));
}

static void get(FILE *f, const char *file, void *bytes, size_t length)
{
	if (fread(bytes, 1, length, f) != length)
		die("%s: ends too early for a snapshot", file);
}

/* The processor's registers, in an order in which they can be set again: who changes the mode comes first. */
static const int ORDER[] = { XPSR, CONTROL, MSP, PSP, SP, LR, PC, FPSCR, PRIMASK, BASEPRI, FAULTMASK };
#define ORDERED ((int)(sizeof(ORDER) / sizeof(ORDER[0])))

void snapshotSave(const char *file)
{
	FILE *f = fopen(file, "wb");

	if (!f)
		die("%s: %s", file, strerror(errno));
	put(f, file, MAGIC, sizeof(MAGIC));
	for (int i = 0; i < count; i++) {
		char name[24] = { 0 };
		uint64_t length = parts[i].length;

		snprintf(name, sizeof(name), "%s", parts[i].name);
		put(f, file, name, sizeof(name));
		put(f, file, &length, sizeof(length));
		put(f, file, parts[i].state, parts[i].length);
	}
	for (int i = 0; i < REGISTER_COUNT; i++) {
		uint32_t value = cpuGet(i);
		put(f, file, &value, sizeof(value));
	}
	if (fclose(f))
		die("%s: %s", file, strerror(errno));
	say("snapshot in %s", file);
}

void snapshotRestore(const char *file)
{
	FILE *f = fopen(file, "rb");
	char magic[sizeof(MAGIC)];
	uint32_t registers[REGISTER_COUNT];

	if (!f)
		die("%s: %s", file, strerror(errno));
	get(f, file, magic, sizeof(magic));
	if (memcmp(magic, MAGIC, sizeof(MAGIC)))
		die("%s is no snapshot", file);
	for (int i = 0; i < count; i++) {
		char name[24], expected[24] = { 0 };
		uint64_t length;

		snprintf(expected, sizeof(expected), "%s", parts[i].name);
		get(f, file, name, sizeof(name));
		get(f, file, &length, sizeof(length));
		if (memcmp(name, expected, sizeof(name)) || length != parts[i].length)
			die("%s is a snapshot of another build of the emulator (%.23s)", file, name);
		get(f, file, parts[i].state, parts[i].length);
	}
	get(f, file, registers, sizeof(registers));
	fclose(f);
	for (int i = 0; i < ORDERED; i++)
		cpuSet(ORDER[i], registers[ORDER[i]]);
	for (int i = 0; i < 13; i++)
		cpuSet(i, registers[i]);
	for (int i = S0; i < REGISTER_COUNT; i++)
		cpuSet(i, registers[i]);
}
