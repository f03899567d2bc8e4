#include "say.h"

#include "clock.h"
#include "cpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int verbosity;
static uint32_t refused;

static void line(const char *before, const char *format, va_list arguments, bool withPlace)
{
	char text[512], place[96];

	vsnprintf(text, sizeof(text), format, arguments);
	if (withPlace)
		fprintf(stderr, "[%10.3f ms] %s%s, %s\n", clockMs(), before, text, cpuPlace(place, sizeof(place)));
	else
		fprintf(stderr, "[%10.3f ms] %s%s\n", clockMs(), before, text);
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line("", format, arguments, false);
	va_end(arguments);
}

void refuse(const char *format, ...)
{
	va_list arguments;

	refused++;
	va_start(arguments, format);
	line("REFUSED ", format, arguments, true);
	va_end(arguments);
}

uint32_t refusals(void)
{
	return refused;
}

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}
