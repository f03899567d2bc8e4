#include "dwarf.h"

#include "elf.h"
#include "memory.h"

#include <string.h>

/* DWARF 5 §7.5 */
enum { TAG_MEMBER = 0x0D, TAG_STRUCTURE = 0x13, AT_NAME = 0x03, AT_LOCATION = 0x38 };
enum {
	FORM_ADDR = 0x01, FORM_BLOCK2 = 0x03, FORM_BLOCK4, FORM_DATA2, FORM_DATA4, FORM_DATA8, FORM_STRING, FORM_BLOCK, FORM_BLOCK1,
	FORM_DATA1, FORM_FLAG, FORM_SDATA, FORM_STRP, FORM_UDATA, FORM_REF_ADDR, FORM_REF1, FORM_REF2, FORM_REF4, FORM_REF8,
	FORM_REF_UDATA, FORM_INDIRECT, FORM_SEC_OFFSET, FORM_EXPRLOC, FORM_FLAG_PRESENT, FORM_STRX, FORM_ADDRX, FORM_REF_SUP4,
	FORM_STRP_SUP, FORM_DATA16, FORM_LINE_STRP, FORM_REF_SIG8, FORM_IMPLICIT_CONST, FORM_LOCLISTX, FORM_RNGLISTX, FORM_REF_SUP8,
	FORM_STRX1, FORM_STRX2, FORM_STRX3, FORM_STRX4, FORM_ADDRX1, FORM_ADDRX2, FORM_ADDRX3, FORM_ADDRX4,
};
#define CODES 4096

typedef struct {
	const uint8_t *at, *end;
} Reader;

static Section info, abbreviations, strings, lineStrings;
/* Of the unit that is read: its abbreviations by code. */
static const uint8_t *table[CODES];

static uint32_t take(Reader *r, uint32_t bytes)
{
	uint32_t value = 0;

	if ((uint32_t)(r->end - r->at) < bytes) {
		r->at = r->end;
		return 0;
	}
	for (uint32_t i = 0; i < bytes && i < 4; i++)
		value |= (uint32_t)r->at[i] << (8 * i);
	r->at += bytes;
	return value;
}

/* LEB128, unsigned or signed: what is used of it is small and positive */
static uint32_t leb(Reader *r)
{
	uint32_t value = 0;

	for (int shift = 0; r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		if (shift < 32)
			value |= (uint32_t)(byte & 0x7F) << shift;
		if (!(byte & 0x80))
			break;
	}
	return value;
}

static void skip(Reader *r, uint32_t bytes)
{
	r->at += (uint32_t)(r->end - r->at) < bytes ? (uint32_t)(r->end - r->at) : bytes;
}

static const char *text(Section section, uint32_t offset)
{
	return offset < section.length ? (const char *)section.bytes + offset : "";
}

/* One attribute: its number, or its string in `name` when it has one. */
static uint32_t attribute(Reader *r, uint32_t form, const char **name)
{
	switch (form) {
	case FORM_FLAG_PRESENT: case FORM_IMPLICIT_CONST: return 0;
	case FORM_DATA1: case FORM_REF1: case FORM_FLAG: case FORM_STRX1: case FORM_ADDRX1: return take(r, 1);
	case FORM_DATA2: case FORM_REF2: case FORM_STRX2: case FORM_ADDRX2: return take(r, 2);
	case FORM_STRX3: case FORM_ADDRX3: return take(r, 3);
	case FORM_ADDR: case FORM_DATA4: case FORM_REF4: case FORM_REF_ADDR: case FORM_SEC_OFFSET: case FORM_REF_SUP4:
	case FORM_STRP_SUP: case FORM_STRX4: case FORM_ADDRX4: return take(r, 4);
	case FORM_DATA8: case FORM_REF8: case FORM_REF_SIG8: case FORM_REF_SUP8: skip(r, 8); return 0;
	case FORM_DATA16: skip(r, 16); return 0;
	case FORM_SDATA: case FORM_UDATA: case FORM_REF_UDATA: case FORM_STRX: case FORM_ADDRX: case FORM_LOCLISTX: case FORM_RNGLISTX:
		return leb(r);
	case FORM_STRP: *name = text(strings, take(r, 4)); return 0;
	case FORM_LINE_STRP: *name = text(lineStrings, take(r, 4)); return 0;
	case FORM_STRING:
		*name = (const char *)r->at;
		while (r->at < r->end && *r->at++)
			;
		return 0;
	case FORM_BLOCK1: skip(r, take(r, 1)); return 0;
	case FORM_BLOCK2: skip(r, take(r, 2)); return 0;
	case FORM_BLOCK4: skip(r, take(r, 4)); return 0;
	case FORM_BLOCK: case FORM_EXPRLOC: skip(r, leb(r)); return 0;
	case FORM_INDIRECT: return attribute(r, leb(r), name);
	default: r->at = r->end; return 0;	/* a form of a later version: no more can be read */
	}
}

static void readTable(uint32_t offset)
{
	Reader r = { abbreviations.bytes + offset, abbreviations.bytes + abbreviations.length };

	memset(table, 0, sizeof(table));
	if (offset >= abbreviations.length)
		return;
	for (uint32_t code; (code = leb(&r)) != 0;) {
		uint32_t name, form;

		if (code < CODES)
			table[code] = r.at;
		leb(&r);
		take(&r, 1);
		do {
			name = leb(&r);
			form = leb(&r);
			if (form == FORM_IMPLICIT_CONST)
				leb(&r);
		} while ((name || form) && r.at < r.end);
	}
}

/* @return whether the structure was in this unit, whole */
static bool readUnit(Reader r, const char *structure, Member *members, int count)
{
	int depth = 0, inside = 0;

	while (r.at < r.end) {
		uint32_t code = leb(&r), tag, where = 0, form, which;
		bool children;
		const char *name = NULL;
		Reader a = { NULL, abbreviations.bytes + abbreviations.length };

		if (code == 0) {
			depth--;
			if (inside && depth < inside)
				return true;
			continue;
		}
		if (code >= CODES || !table[code])
			return false;
		a.at = table[code];
		tag = leb(&a);
		children = take(&a, 1);
		for (;;) {
			const char *string = NULL;
			uint32_t value;

			which = leb(&a);
			form = leb(&a);
			if (!which && !form)
				break;
			if (form == FORM_IMPLICIT_CONST) {
				uint32_t constant = leb(&a);

				if (which == AT_LOCATION)
					where = constant;
				continue;
			}
			value = attribute(&r, form, &string);
			if (which == AT_NAME)
				name = string;
			else if (which == AT_LOCATION)
				where = value;
		}
		if (!inside && tag == TAG_STRUCTURE && children && name && 0 == strcmp(name, structure))
			inside = depth + 1;
		else if (inside && depth == inside && tag == TAG_MEMBER && name)
			for (int i = 0; i < count; i++)
				if (0 == strcmp(name, members[i].name)) {
					members[i].offset = where;
					members[i].found = true;
				}
		if (children)
			depth++;
	}
	return false;
}

void dwarfMembers(const char *structure, Member *members, int count)
{
	Reader r;

	if (!elfSection(".debug_info", &info) || !elfSection(".debug_abbrev", &abbreviations) || !elfSection(".debug_str", &strings))
		return;
	elfSection(".debug_line_str", &lineStrings);
	r = (Reader){ info.bytes, info.bytes + info.length };
	while (r.at < r.end) {
		uint32_t length = take(&r, 4), version, offset;
		Reader unit = { r.at, r.at + ((uint32_t)(r.end - r.at) < length ? (uint32_t)(r.end - r.at) : length) };

		r.at = unit.end;
		version = take(&unit, 2);
		if (version < 3 || version > 5)
			continue;
		if (version == 5)
			take(&unit, 2);	/* unit type, size of addresses */
		offset = take(&unit, 4);
		if (version < 5)
			take(&unit, 1);
		readTable(offset);
		if (readUnit(unit, structure, members, count))
			return;
	}
}
