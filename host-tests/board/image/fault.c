/* Ends in a fault. */

#include "image.h"

__attribute__((noinline)) static uint32_t lookAway(uint32_t address)
{
	return REG(address);
}

int main(void)
{
	print("before\n");
	return (int)lookAway(0x30000000);
}
