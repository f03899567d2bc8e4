/*
 * In place of parts of the C library that bring much with them; the first of two definitions is taken (LDFLAGS of
 * manifests/base.json).
 */

#include <math.h>
#include <stdarg.h>

#include "xsmc.h"
#include "xsHost.h"

/* Whole powers, of 2 and 256, are all that our JavaScript asks for: exact wherever the result is. */
double pow(double x, double y)
{
	double result = 1;
	uint32_t n = (uint32_t)(y < 0 ? -y : y);

	if ((double)n != (y < 0 ? -y : y))
		return 0.0 / 0.0;
	for (; n != 0; n >>= 1, x *= x)
		if (n & 1)
			result *= x;
	return y < 0 ? 1 / result : result;
}

/* Kahan's: as exact as the logarithm that it asks. */
double log1p(double x)
{
	volatile double sum = 1 + x;

	return sum == 1 ? x : log(sum) * (x / (sum - 1));
}

/* What XS reports to, beside its debugger: there is nothing that it would come out of. */
int vprintf(const char *format, va_list arguments)
{
	return 0;
}

/* The library's own would print, and bring files and signals with it. */
void __assert_func(const char *file, int line, const char *function, const char *expression)
{
	nrf52_reset();
	for (;;)
		;
}

/* XS asks for it where nobody sorts: typed arrays, the names of a module. In place, by insertion. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	char *first = base, *end = first + count * size;

	for (char *next = first + size; next < end; next += size)
		for (char *at = next; at > first && compare(at - size, at) > 0; at -= size)
			for (size_t i = 0; i < size; i++) {
				char byte = at[i];
				at[i] = at[i - size];
				at[i - size] = byte;
			}
}

/* Module sources made by programs, of compartments, are none of ours. */
void fxLoadVirtualModuleSource(xsMachine *the, void *record, void *instance)
{
	xsUnknownError("no virtual modules");
}

void fxMapModuleDescriptor(xsMachine *the, void *realm, uint16_t id, void *module, void *queue, void *result,
	void *descriptor)
{
	xsUnknownError("no virtual modules");
}
