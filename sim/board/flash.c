#include "flash.h"

#include "clock.h"
#include "cpu.h"
#include "memory.h"
#include "random.h"
#include "say.h"
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES (FLASH_BYTES / FLASH_PAGE)
/* What the board's store and Moddable's preferences take; the rest of the file is the image. */
#define DATA_BEGIN 0xEF000u
#define DATA_END 0xF4000u
/* PS, NVMC: erase 85 ms, write 41 µs a word. The SoftDevice needs a gap in the radio's schedule before it writes. */
#define ERASE_TIME (85 * MILLISECOND)
#define WORD_TIME (41 * MICROSECOND)
#define GAP (1500 * MICROSECOND)
/* PS, NVMC: n_WRITE */
#define WRITES_PER_WORD 2

static struct {
	enum { IDLE, ERASES, WRITES } operation;
	uint32_t address, source, words;
	uint32_t erases, wordsWritten, operations;
	uint32_t pageErases[PAGES];
	uint8_t writes[FLASH_BYTES / 4];
} flash;
static void (*whenDone)(void);
static uint8_t kept[DATA_END - DATA_BEGIN];
static bool hasKept;
static uint32_t cutAt;

/* ---- one word, one page ---- */

static void writeWord(uint32_t address, uint32_t word)
{
	uint8_t *at = flashBytes + address;
	uint32_t before = get32(at);

	if (word & ~before)
		refuse("flash write of 0x%08x over 0x%08x at 0x%08x: bits can only be cleared", word, before, address);
	if (++flash.writes[address / 4] > WRITES_PER_WORD) {
		flash.writes[address / 4] = WRITES_PER_WORD;
		refuse("flash word at 0x%08x written more than %d times since its page was erased", address, WRITES_PER_WORD);
	}
	put32(at, before & word);
	flash.wordsWritten++;
	cpuForget(address, 4);
}

static void erasePage(uint32_t address)
{
	uint32_t page = address & ~(FLASH_PAGE - 1);

	memset(flashBytes + page, 0xFF, FLASH_PAGE);
	memset(flash.writes + page / 4, 0, FLASH_PAGE / 4);
	flash.erases++;
	flash.pageErases[page / FLASH_PAGE]++;
	cpuForget(page, FLASH_PAGE);
}

/* ---- power cuts ---- */

static bool cutHere(void)
{
	if (++flash.operations != cutAt)
		return false;
	say("POWER CUT at flash operation %u", cutAt);
	cpuEnd(POWER_CUT);
	return true;
}

/* Some of the bits that should have become 0 have. */
static void tearWord(uint32_t address, uint32_t word)
{
	uint8_t *at = flashBytes + address;

	put32(at, get32(at) & (word | (uint32_t)randomNext(RANDOM_CUT)));
}

/* Some words are erased, some not, some neither. */
static void tearPage(uint32_t address)
{
	for (uint32_t at = address; at < address + FLASH_PAGE; at += 4) {
		uint64_t chance = randomNext(RANDOM_CUT);
		uint32_t bits = chance & 1 ? 0xFFFFFFFF : chance & 2 ? 0 : (uint32_t)(chance >> 32);

		put32(flashBytes + at, get32(flashBytes + at) | bits);
	}
}

/* ---- operations that take their time ---- */

static void finish(void)
{
	flash.operation = IDLE;
	whenDone();
}

static void onAlarm(int instance)
{
	const uint8_t *source;

	(void)instance;
	if (flash.operation == ERASES) {
		/* a cut comes in the middle */
		if (flash.operations + 1 == cutAt) {
			cutHere();
			tearPage(flash.address);
			return;
		}
		flash.operations++;
		erasePage(flash.address);
		finish();
		return;
	}
	source = memoryRead(flash.source, 4);
	if (cutHere()) {
		tearWord(flash.address, get32(source));
		return;
	}
	writeWord(flash.address, get32(source));
	flash.address += 4;
	flash.source += 4;
	if (--flash.words)
		clockSet(ALARM_FLASH, clockNow() + WORD_TIME);
	else
		finish();
}

bool flashBusy(void)
{
	return flash.operation != IDLE;
}

void flashErase(uint32_t address)
{
	flash.operation = ERASES;
	flash.address = address;
	clockSet(ALARM_FLASH, clockNow() + (flash.operations + 1 == cutAt ? ERASE_TIME / 2 : ERASE_TIME));
}

void flashWrite(uint32_t address, uint32_t source, uint32_t words)
{
	flash.operation = WRITES;
	flash.address = address;
	flash.source = source;
	flash.words = words;
	clockSet(ALARM_FLASH, clockNow() + GAP + WORD_TIME);
}

void flashEraseNow(uint32_t address)
{
	clockWork(ERASE_TIME);
	if (cutHere())
		tearPage(address & ~(FLASH_PAGE - 1));
	else
		erasePage(address);
}

void flashWriteNow(uint32_t address, uint32_t word)
{
	clockWork(WORD_TIME);
	if (cutHere())
		tearWord(address, word);
	else
		writeWord(address, word);
}

uint32_t flashErases(void)
{
	return flash.erases;
}

uint32_t flashWords(void)
{
	return flash.wordsWritten;
}

uint32_t flashMostErases(void)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		if (flash.pageErases[i] > most)
			most = flash.pageErases[i];
	return most;
}

/* ---- start ---- */

static void mapFile(const char *file)
{
	struct stat status;
	int fd = open(file, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || fstat(fd, &status))
		die("%s: %s", file, strerror(errno));
	if (status.st_size != 0 && status.st_size != FLASH_BYTES)
		die("%s has %lld bytes: a flash has %u", file, (long long)status.st_size, FLASH_BYTES);
	if (ftruncate(fd, FLASH_BYTES))
		die("%s: %s", file, strerror(errno));
	flashBytes = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	hasKept = status.st_size != 0;
}

void flashBegin(const char *file, uint32_t cut, void (*done)(void))
{
	if (file)
		mapFile(file);
	else
		flashBytes = mmap(NULL, FLASH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (flashBytes == MAP_FAILED)
		die("Flash: %s", strerror(errno));
	/* a kill at this moment must leave the data pages as they were */
	if (hasKept)
		memcpy(kept, flashBytes + DATA_BEGIN, sizeof(kept));
	else
		memset(flashBytes + DATA_BEGIN, 0xFF, sizeof(kept));
	memset(flashBytes, 0xFF, DATA_BEGIN);
	memset(flashBytes + DATA_END, 0xFF, FLASH_BYTES - DATA_END);
	whenDone = done;
	cutAt = cut;
	clockHandler(ALARM_FLASH, onAlarm, 0);
}

void flashStart(void)
{
	if (hasKept)
		memcpy(flashBytes + DATA_BEGIN, kept, sizeof(kept));
	snapshotKeep("flash", &flash, sizeof(flash));
	snapshotKeep("flash contents", flashBytes, FLASH_BYTES);
}

void flashReset(void)
{
	flash.operation = IDLE;
	clockClear(ALARM_FLASH);
}
