/*
 * hal.storage in flash: a log over the pages that Moddable leaves to FDS, which no image of ours uses.
 *
 * Pages are opened in strict rotation, each with the next sequence number, so erases are spread evenly and the
 * sequence number counts them. A record is written once, never changed: what is valid is told by a CRC over its
 * place and contents, so a power cut in the middle of any word leaves the old value or the new one. A torn record is
 * stepped over, word by word, until the next valid one.
 *
 * When the head page is full: the page after it is erased (it holds nothing that is needed) and becomes the head; then
 * what is still needed in the page after that is copied into the head. A cut at any moment of this is found and
 * finished by the next mount. A page counts as erased only when its header was written afterwards: one that merely
 * looks erased may have been torn in the middle of an erase. Its header is spoilt before that, so that a half erased
 * page is never taken for a page.
 *
 * nRF52840 PS, NVMC: 10,000 erases a page; a word may be written twice between erases (only a page's `retired` is).
 */

#include "xsmc.h"
#include "xsHost.h"

#include "boardBearer.h"

#include "FreeRTOS.h"
#include "semphr.h"

#include "nrf_fstorage.h"
#include "nrf_fstorage_sd.h"

#define PAGE_BYTES 4096
#ifdef MODDEF_STORE_PAGES
	#define PAGES MODDEF_STORE_PAGES
#else
	#define PAGES 3
#endif
#define MAGIC 0x31534D4Fu	/* OMS1 */
#define ERASED 0xFFFFFFFFu
#define KEY_MAX 32
#define VALUE_MAX 512
#define DELETED 0xFFFFu		/* as a value's length */
#define KEYS_MAX 96
#define ATTEMPTS 3
/* Of all that is live, so that a full turn of the log always frees room for the largest record. */
#define LIVE_MAX ((PAGES - 2) * 3072)

#define BASE ((uint32_t)&_FSTORAGE_start)

typedef struct {
	uint32_t magic;
	uint32_t sequence;
	uint32_t check;		/* of both */
	uint32_t retired;	/* ERASED until the page is about to be erased */
} PageHeader;

typedef struct {
	uint8_t keyLength;
	uint8_t check;		/* of the lengths: spares a CRC over garbage */
	uint16_t valueLength;
	uint32_t crc;
} RecordHeader;

typedef union {
	RecordHeader header;
	uint32_t words[(sizeof(RecordHeader) + KEY_MAX + VALUE_MAX) / 4];
	uint8_t bytes[sizeof(RecordHeader) + KEY_MAX + VALUE_MAX];
} Record;

static struct {
	bool mounted;
	uint32_t head;			/* sequence number of the page that is written */
	uint32_t at;			/* offset in it */
	uint32_t entries[KEYS_MAX];	/* flash addresses of the newest records */
	uint16_t count;
	SemaphoreHandle_t done;
	ret_code_t result;
	Record record;			/* what is being written: the SoftDevice reads it in place */
	uint32_t recordsWritten, wordsWritten, erases, torn;
} store;

/* ---- flash ---- */

static void onFlash(nrf_fstorage_evt_t *event)
{
	store.result = event->result;
	xSemaphoreGive(store.done);
}

NRF_FSTORAGE_DEF(nrf_fstorage_t boardStoreFlash) = {
	.evt_handler = onFlash,
};

static bool finished(ret_code_t begun)
{
	if (NRF_SUCCESS != begun)
		return false;
	xSemaphoreTake(store.done, portMAX_DELAY);
	return NRF_SUCCESS == store.result;
}

static bool flashWrite(uint32_t address, const void *words, uint32_t length)
{
	bool ok;

	boardBearerHold(true);
	ok = finished(nrf_fstorage_write(&boardStoreFlash, address, words, length, NULL));
	boardBearerHold(false);
	store.wordsWritten += length / 4;
	return ok && (0 == c_memcmp((const void *)address, words, length));
}

static bool flashErase(uint32_t address)
{
	bool ok;

	boardBearerHold(true);
	ok = finished(nrf_fstorage_erase(&boardStoreFlash, address, 1, NULL));
	boardBearerHold(false);
	store.erases += 1;
	return ok;
}

/* ---- pages and records ---- */

static uint32_t pageOf(uint32_t sequence)
{
	return BASE + (sequence % PAGES) * PAGE_BYTES;
}

static uint32_t pageCheck(uint32_t sequence)
{
	return ~(MAGIC ^ (sequence * 0x9E3779B1u));
}

static bool isPage(uint32_t page, uint32_t sequence)
{
	const PageHeader *h = (const PageHeader *)page;

	return (h->magic == MAGIC) && (h->sequence == sequence) && (h->check == pageCheck(sequence)) && (h->retired == ERASED);
}

/* CRC-32 (IEEE 802.3) */
static uint32_t crc(uint32_t c, const void *data, uint32_t length)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
		0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
	};
	const uint8_t *b = data;

	c = ~c;
	while (length--) {
		c ^= *b++;
		c = (c >> 4) ^ table[c & 15];
		c = (c >> 4) ^ table[c & 15];
	}
	return ~c;
}

static uint32_t valueBytes(const RecordHeader *h)
{
	return h->valueLength == DELETED ? 0 : h->valueLength;
}

static uint32_t sizeOf(const RecordHeader *h)
{
	return sizeof(RecordHeader) + ((h->keyLength + valueBytes(h) + 3) & ~3u);
}

static const uint8_t *keyOf(const RecordHeader *h)
{
	return (const uint8_t *)(h + 1);
}

static const uint8_t *valueOf(const RecordHeader *h)
{
	return keyOf(h) + h->keyLength;
}

static uint8_t lengthCheck(const RecordHeader *h)
{
	return (uint8_t)(0xA5 ^ h->keyLength ^ h->valueLength ^ (h->valueLength >> 8));
}

/* The place is part of it: bytes that look like a record inside of another one's torn value never count as one. */
static uint32_t recordCrc(const RecordHeader *h, uint32_t sequence, uint32_t at)
{
	uint32_t place[2] = { sequence, at };
	uint32_t c = crc(0, place, sizeof(place));

	c = crc(c, h, 4);
	return crc(c, h + 1, h->keyLength + valueBytes(h));
}

static bool isRecord(const RecordHeader *h, uint32_t sequence, uint32_t at)
{
	if (!h->keyLength || (h->keyLength > KEY_MAX) || (h->check != lengthCheck(h)))
		return false;
	if ((valueBytes(h) > VALUE_MAX) || (at + sizeOf(h) > PAGE_BYTES))
		return false;
	return h->crc == recordCrc(h, sequence, at);
}

/* ---- the index ---- */

static const RecordHeader *entry(int i)
{
	return (const RecordHeader *)store.entries[i];
}

static int find(const uint8_t *key, uint8_t length)
{
	for (int i = 0; i < store.count; i++)
		if ((entry(i)->keyLength == length) && (0 == c_memcmp(keyOf(entry(i)), key, length)))
			return i;
	return -1;
}

/* Whether there was room in the index. */
static bool note(const RecordHeader *h)
{
	int i = find(keyOf(h), h->keyLength);

	if (h->valueLength == DELETED) {
		if (i >= 0)
			store.entries[i] = store.entries[--store.count];
		return true;
	}
	if (i < 0) {
		if (store.count == KEYS_MAX)
			return false;
		i = store.count++;
	}
	store.entries[i] = (uint32_t)h;
	return true;
}

/* Reads a page's records in their order. -> the offset from which it is erased */
static uint32_t scan(uint32_t sequence)
{
	uint32_t page = pageOf(sequence), at = sizeof(PageHeader), end = PAGE_BYTES, torn = 0;

	while ((end > at) && (*(const uint32_t *)(page + end - 4) == ERASED))
		end -= 4;
	while (at < end) {
		const RecordHeader *h = (const RecordHeader *)(page + at);
		if (isRecord(h, sequence, at)) {
			note(h);
			at += sizeOf(h);
			torn = 0;
		}
		else {
			if (!torn++)
				store.torn += 1;
			at += 4;
		}
	}
	return at;
}

/* ---- writing ---- */

static bool openPage(uint32_t sequence)
{
	static PageHeader header;	/* the SoftDevice reads it in place */
	uint32_t page = pageOf(sequence);
	const PageHeader *old = (const PageHeader *)page;

	if ((old->magic == MAGIC) && (old->retired == ERASED)) {
		header.retired = 0;
		flashWrite((uint32_t)&old->retired, &header.retired, 4);
	}
	header.magic = MAGIC;
	header.sequence = sequence;
	header.check = pageCheck(sequence);
	if (!flashErase(page) || !flashWrite(page, &header, offsetof(PageHeader, retired)))
		return false;
	store.head = sequence;
	store.at = sizeof(PageHeader);
	return true;
}

/* Writes store.record, whose lengths, key and value are set, to the head page, where it fits. */
static bool append(void)
{
	RecordHeader *h = &store.record.header;
	uint32_t size = sizeOf(h), at = store.at, address = pageOf(store.head) + at;

	h->check = lengthCheck(h);
	h->crc = recordCrc(h, store.head, at);
	store.at += size;	/* whatever becomes of it, these words are used */
	if (!flashWrite(address, h, size))
		return false;
	store.recordsWritten += 1;
	return note((const RecordHeader *)address);
}

/* Copies what is live in the page that the next rotation erases. -> false when the head page has no room for it */
static bool evacuate(void)
{
	uint32_t victim = pageOf(store.head + 1);

	for (int i = 0; i < store.count; ) {
		uint32_t address = store.entries[i], size = sizeOf(entry(i));
		if ((address - victim) >= PAGE_BYTES) {
			i++;
			continue;
		}
		if (store.at + size > PAGE_BYTES)
			return false;
		c_memcpy(store.record.bytes, (const void *)address, size);
		append();	/* replaces the entry, or is tried again further on */
	}
	return true;
}

static bool mount(void)
{
	uint32_t newest = 0;

	store.count = 0;
	for (int i = 0; i < PAGES; i++) {
		uint32_t sequence = ((const PageHeader *)(BASE + i * PAGE_BYTES))->sequence;
		if (sequence && (sequence % PAGES == (uint32_t)i) && isPage(BASE + i * PAGE_BYTES, sequence) && (sequence > newest))
			newest = sequence;
	}
	if (!newest)
		return openPage(PAGES);
	store.head = newest;
	for (uint32_t back = PAGES; back-- > 0; ) {
		uint32_t sequence = newest - back;
		if ((sequence <= newest) && isPage(pageOf(sequence), sequence))
			store.at = scan(sequence);
	}
	/*
	 * A cut while the victim was copied. No record but copies can have come into the head page by then, so when torn
	 * copies have used it up, it can be begun anew.
	 */
	while (!evacuate()) {
		if (!openPage(store.head))
			return false;
		store.count = 0;
		for (uint32_t back = PAGES; back-- > 1; ) {
			uint32_t sequence = store.head - back;
			if (isPage(pageOf(sequence), sequence))
				scan(sequence);
		}
	}
	return true;
}

static void ready(xsMachine *the)
{
	if (store.mounted)
		return;
	if (!store.done) {
		store.done = xSemaphoreCreateBinary();
		boardStoreFlash.start_addr = BASE;
		boardStoreFlash.end_addr = BASE + PAGES * PAGE_BYTES;
		if (!store.done || (NRF_SUCCESS != nrf_fstorage_init(&boardStoreFlash, &nrf_fstorage_sd, NULL)))
			xsUnknownError("flash not available");
	}
	if (!mount())
		xsUnknownError("flash failed");
	store.mounted = true;
}

/* Puts store.record into the log. */
static void commit(xsMachine *the)
{
	uint32_t size = sizeOf(&store.record.header);
	Record *kept = NULL;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int turns = 0;
		while (store.at + size > PAGE_BYTES) {
			/* evacuation uses store.record too */
			if (!kept) {
				kept = c_malloc(size);
				if (!kept)
					xsUnknownError("no memory");
				c_memcpy(kept, &store.record, size);
			}
			if ((turns++ > PAGES) || !openPage(store.head + 1) || !evacuate()) {
				c_free(kept);
				store.mounted = false;
				xsUnknownError("flash failed");
			}
		}
		if (kept)
			c_memcpy(&store.record, kept, size);
		if (append()) {
			c_free(kept);
			return;
		}
	}
	c_free(kept);
	xsUnknownError("flash failed");
}

/* ---- the machine's side ---- */

static uint8_t keyLength(xsMachine *the, const char *key)
{
	xsUnsignedValue length = c_strlen(key);

	if ((length < 1) || (length > KEY_MAX))
		xsRangeError("key of 1 to 32 characters needed");
	return length;
}

/* (key) -> ArrayBuffer or undefined */
void board_store_get(xsMachine *the)
{
	char *key = xsmcToString(xsArg(0));
	int i;

	ready(the);
	i = find((uint8_t *)key, keyLength(the, key));
	if (i >= 0)
		xsmcSetArrayBuffer(xsResult, (void *)valueOf(entry(i)), entry(i)->valueLength);
}

/* (key, value): returns when it is in flash */
void board_store_set(xsMachine *the)
{
	RecordHeader *h = &store.record.header;
	char *key = xsmcToString(xsArg(0));
	uint8_t length = keyLength(the, key);
	uint8_t *value;
	xsUnsignedValue valueLength;
	uint32_t live = 0;
	int i;

	ready(the);
	xsmcGetBufferReadable(xsArg(1), (void **)&value, &valueLength);
	if (valueLength > VALUE_MAX)
		xsRangeError("value of at most 512 bytes");
	i = find((uint8_t *)key, length);
	if ((i >= 0) && (entry(i)->valueLength == valueLength) && (0 == c_memcmp(valueOf(entry(i)), value, valueLength)))
		return;
	c_memset(&store.record, 0, sizeof(store.record));
	h->keyLength = length;
	h->valueLength = valueLength;
	c_memcpy(store.record.bytes + sizeof(RecordHeader), key, length);
	c_memcpy(store.record.bytes + sizeof(RecordHeader) + length, value, valueLength);
	for (int j = 0; j < store.count; j++)
		if (j != i)
			live += sizeOf(entry(j));
	if ((live + sizeOf(h) > LIVE_MAX) || ((i < 0) && (store.count == KEYS_MAX)))
		xsRangeError("storage full");
	commit(the);
}

/* (key): returns when it is gone from flash */
void board_store_delete(xsMachine *the)
{
	RecordHeader *h = &store.record.header;
	char *key = xsmcToString(xsArg(0));
	uint8_t length = keyLength(the, key);

	ready(the);
	if (find((uint8_t *)key, length) < 0)
		return;
	c_memset(&store.record, 0, sizeof(store.record));
	h->keyLength = length;
	h->valueLength = DELETED;
	c_memcpy(store.record.bytes + sizeof(RecordHeader), key, length);
	commit(the);
}

/* (index) -> key or undefined */
void board_store_key(xsMachine *the)
{
	xsIntegerValue i = xsmcToInteger(xsArg(0));

	ready(the);
	if ((i >= 0) && (i < store.count))
		xsmcSetStringBuffer(xsResult, (char *)keyOf(entry(i)), entry(i)->keyLength);
}

/* (which) -> a figure: 0 erases of all pages since they were new, 1 pages, 2 live bytes, and since the start
 * 3 records written, 4 words written, 5 pages erased, 6 torn records found */
void board_store_figure(xsMachine *the)
{
	uint32_t figure = 0;

	ready(the);
	switch (xsmcToInteger(xsArg(0))) {
	case 0: figure = store.head - PAGES + 1; break;
	case 1: figure = PAGES; break;
	case 2:
		for (int i = 0; i < store.count; i++)
			figure += sizeOf(entry(i));
		break;
	case 3: figure = store.recordsWritten; break;
	case 4: figure = store.wordsWritten; break;
	case 5: figure = store.erases; break;
	case 6: figure = store.torn; break;
	default: xsRangeError("no such figure");
	}
	xsmcSetNumber(xsResult, figure);
}
