/* Counts its starts in flash, a word each: what a power cut leaves is seen at the next. */

#include "image.h"

#define PAGE 0xEF000u

static void write(uint32_t address, uint32_t word)
{
	REG(NVMC + 0x504) = 1;
	REG(address) = word;
	while (!REG(NVMC + 0x400))
		;
	REG(NVMC + 0x504) = 0;
}

int main(void)
{
	const volatile uint32_t *page = (const volatile uint32_t *)PAGE;
	uint32_t count = 0;

	while (count < 1024 && page[count] == 0xA5A50000u + count)
		count++;
	print("found ");
	printNumber(count);
	print(" then ");
	printHex((const void *)&page[count], 4);
	endLine();
	for (int i = 0; i < 4; i++, count++)
		write(PAGE + 4 * count, 0xA5A50000u + count);
	print("done\n");
	return 0;
}
