#include "elf.h"

#include "memory.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* System V ABI, "Object Files"; ELF for the Arm Architecture */
enum { PROGRAM_LOAD = 1, SECTION_SYMBOLS = 2, SYMBOL_FUNCTION = 2, MACHINE_ARM = 40 };

typedef struct {
	uint32_t address, size;
	const char *name;
	bool function;
} Symbol;

static struct {
	uint8_t *bytes;
	size_t length;
	Symbol *symbols;
	int count;
	uint32_t begin, end, taken, functions;
} elf;

static void read(const char *file)
{
	FILE *f = fopen(file, "rb");
	long length;

	if (!f || fseek(f, 0, SEEK_END) || (length = ftell(f)) < 0)
		die("%s: %s", file, strerror(errno));
	rewind(f);
	elf.length = (size_t)length;
	elf.bytes = calloc(1, elf.length + 1);
	if (!elf.bytes || fread(elf.bytes, 1, elf.length, f) != elf.length)
		die("%s: cannot be read", file);
	fclose(f);
}

/* `length` bytes of the file at `offset`. */
static const uint8_t *part(const char *file, uint64_t offset, uint64_t length)
{
	if (offset > elf.length || length > elf.length - offset)
		die("%s: ends too early for an ELF file", file);
	return elf.bytes + offset;
}

static void loadSegment(const char *file, const uint8_t *header, uint8_t *flash)
{
	uint32_t offset = get32(header + 4), address = get32(header + 12), bytes = get32(header + 16);

	if (get32(header) != PROGRAM_LOAD || bytes == 0)
		return;
	if (address >= FLASH_BYTES || bytes > FLASH_BYTES - address)
		die("%s: a segment of %u bytes at 0x%08x is not in the flash of an nRF52840", file, bytes, address);
	memcpy(flash + address, part(file, offset, bytes), bytes);
	if (address < elf.begin)
		elf.begin = address;
	if (address + bytes > elf.end)
		elf.end = address + bytes;
	elf.taken += bytes;
}

static int byAddress(const void *a, const void *b)
{
	const Symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void loadSymbols(const char *file, const uint8_t *section, const uint8_t *strings)
{
	uint32_t size = get32(section + 20), link = get32(section + 24);
	const uint8_t *table = part(file, get32(section + 16), size), *names = strings + 40 * (uint64_t)link;
	uint32_t namesAt = get32(names + 16), namesSize = get32(names + 20);

	part(file, namesAt, namesSize);
	elf.symbols = calloc(size / 16 + 1, sizeof(Symbol));
	if (!elf.symbols)
		die("No memory for the symbols of %s.", file);
	for (uint32_t at = 0; at + 16 <= size; at += 16) {
		const uint8_t *entry = table + at;
		uint32_t name = get32(entry), value = get32(entry + 4);
		bool function = (entry[12] & 0xF) == SYMBOL_FUNCTION;

		if (name == 0 || name >= namesSize)
			continue;
		elf.symbols[elf.count++] = (Symbol){
			function ? value & ~1u : value, get32(entry + 8), (const char *)elf.bytes + namesAt + name, function
		};
		elf.functions += function;
	}
	qsort(elf.symbols, (size_t)elf.count, sizeof(Symbol), byAddress);
}

uint32_t elfLoad(const char *file, uint8_t *flash)
{
	const uint8_t *header, *programs, *sections;
	uint32_t programCount, sectionCount;

	read(file);
	header = part(file, 0, 52);
	if (memcmp(header, "\177ELF\1\1", 6) || get16(header + 18) != MACHINE_ARM)
		die("%s is no ELF file for ARM", file);
	programCount = get16(header + 44);
	sectionCount = get16(header + 48);
	programs = part(file, get32(header + 28), 32 * (uint64_t)programCount);
	sections = part(file, get32(header + 32), 40 * (uint64_t)sectionCount);
	elf.begin = FLASH_BYTES;
	for (uint32_t i = 0; i < programCount; i++)
		loadSegment(file, programs + 32 * i, flash);
	if (elf.taken == 0)
		die("%s has nothing for the flash", file);
	for (uint32_t i = 0; i < sectionCount; i++) {
		const uint8_t *section = sections + 40 * i;

		if (get32(section + 4) == SECTION_SYMBOLS && get32(section + 24) < sectionCount && !elf.symbols)
			loadSymbols(file, section, sections);
	}
	return elf.begin;
}

const char *elfFunction(uint32_t address, uint32_t *offset)
{
	int low = 0, high = elf.count;

	while (low < high) {
		int middle = (low + high) / 2;

		if (elf.symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* the nearest function at or below; data may stand between */
	for (int i = low - 1; i >= 0 && i > low - 64; i--) {
		const Symbol *s = &elf.symbols[i];

		if (!s->function)
			continue;
		*offset = address - s->address;
		return *offset < (s->size ? s->size : 4) ? s->name : NULL;
	}
	return NULL;
}

bool elfSymbol(const char *name, uint32_t *address)
{
	for (int i = 0; i < elf.count; i++) {
		if (strcmp(elf.symbols[i].name, name))
			continue;
		*address = elf.symbols[i].address;
		return true;
	}
	return false;
}

bool elfSection(const char *name, Section *section)
{
	uint32_t table = get32(elf.bytes + 32), count = get16(elf.bytes + 48), names = get16(elf.bytes + 50);
	const uint8_t *strings = elf.bytes + table + 40 * names;

	if (names >= count)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *header = elf.bytes + table + 40 * i;
		uint64_t at = (uint64_t)get32(strings + 16) + get32(header), offset = get32(header + 16), length = get32(header + 20);

		if (at >= elf.length || strcmp((const char *)elf.bytes + at, name) || offset + length > elf.length)
			continue;
		section->bytes = elf.bytes + offset;
		section->length = (uint32_t)length;
		return true;
	}
	return false;
}

void elfFigures(uint32_t *bytes, uint32_t *end, uint32_t *functions)
{
	*bytes = elf.taken;
	*end = elf.end;
	*functions = elf.functions;
}
