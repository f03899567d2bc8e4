/* Of the image's debugging information (DWARF 3 to 5): where a member stands in a structure. */
#ifndef DWARF_H
#define DWARF_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	const uint8_t *bytes;
	uint32_t length;
} Section;

typedef struct {
	const char *name;
	uint32_t offset;
	bool found;
} Member;

/* Looks up `members` of `struct structure`, in the first unit that has it whole. */
void dwarfMembers(const char *structure, Member *members, int count);

#endif
