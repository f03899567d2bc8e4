/*
 * A program around a machine with preloaded modules, for -p x-cli-lin. It speaks as the worker of @agoric/xsnap does, so
 * that the simulator drives both alike: netstrings on file descriptors 3 and 4, `?` for `handleCommand` and for
 * `issueCommand`, `/` for the answer to the latter, `.` and `!` for how the former ended.
 *
 * A write to a preloaded object fails the command: on the chip it either throws (typed arrays, Map, Set, which are in
 * flash) or takes RAM for a copy that nobody planned for.
 */

#include "xs.h"
#include "xsHost.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void* xsPreparationAndCreation(xsCreation** creation);
extern int aliasesInUse(xsMachine* the);

static FILE* fromParent;
static FILE* toParent;

/* The message, ended by 0, for free(); NULL at the end of the input. */
static char* readNetstring(size_t* length)
{
	if (fscanf(fromParent, "%9zu", length) < 1 || fgetc(fromParent) != ':') return NULL;
	char* bytes = malloc(*length + 1);
	if (!bytes) return NULL;
	if (fread(bytes, 1, *length, fromParent) < *length || fgetc(fromParent) != ',') {
		free(bytes);
		return NULL;
	}
	bytes[*length] = 0;
	return bytes;
}

static void writeNetstring(const char* kind, const void* bytes, size_t length)
{
	fprintf(toParent, "%zu:%s", strlen(kind) + length, kind);
	fwrite(bytes, 1, length, toParent);
	fputc(',', toParent);
	fflush(toParent);
}

void fxAbort(xsMachine* the, int status)
{
	char text[64];
	int length = snprintf(text, sizeof text, "XS gave up with status %d", status);
	(void)the;
	writeNetstring("!", text, length);
	exit(status);
}

static void issueCommand(xsMachine* the)
{
	size_t length;
	writeNetstring("?", xsToArrayBuffer(xsArg(0)), xsGetArrayBufferLength(xsArg(0)));
	char* answer = readNetstring(&length);
	if (!answer || length == 0 || answer[0] != '/') exit(1);
	xsResult = xsArrayBuffer(answer + 1, length - 1);
	free(answer);
}

/* 0, or 1 when it threw; the promise jobs that it leaves run too. */
static int handle(xsMachine* the, void* bytes, size_t length, int allowed)
{
	int failed = 0;
	xsBeginHost(the);
	xsVars(2);
	xsTry {
		xsVar(0) = xsArrayBuffer(bytes, length);
		xsVar(1) = xsCall1(xsGlobal, xsID("handleCommand"), xsVar(0));
		while (g_main_context_iteration(NULL, FALSE));
		int written = aliasesInUse(the) - allowed;
		if (written > 0) xsUnknownError("%d preloaded objects or variables were written to", written);
		/* 1 ends the figures of a meter, which there is none of here. */
		writeNetstring(".\1", xsToArrayBuffer(xsVar(1)), xsGetArrayBufferLength(xsVar(1)));
	}
	xsCatch {
		const char* text = xsToString(xsException);
		writeNetstring("!", text, strlen(text));
		failed = 1;
	}
	xsEndHost(the);
	return failed;
}

int main(void)
{
	fromParent = fdopen(3, "rb");
	toParent = fdopen(4, "wb");
	if (!fromParent || !toParent) {
		fprintf(stderr, "file descriptors 3 and 4 are where the simulator is\n");
		return 2;
	}
	xsCreation* creation;
	void* preparation = xsPreparationAndCreation(&creation);
	xsMachine* machine = xsPrepareMachine(creation, preparation, "oscore-mesh", NULL, NULL);
	if (!machine) return 1;
	int failed = 0;
	xsBeginHost(machine);
	xsTry {
		xsResult = xsNewHostFunction(issueCommand, 1);
		xsSet(xsGlobal, xsID("issueCommand"), xsResult);
		xsResult = xsAwaitImport("sim/xs/device/main", XS_IMPORT_DEFAULT);
	}
	xsCatch {
		fprintf(stderr, "%s\n", xsToString(xsException));
		failed = 1;
	}
	xsEndHost(machine);
	if (failed) return 1;
	/* What the main module has set up is no fault: it is not preloaded, and runs once. */
	int allowed = aliasesInUse(machine);
	for (;;) {
		size_t length;
		char* message = readNetstring(&length);
		if (!message || length == 0 || message[0] != '?') break;
		handle(machine, message + 1, length - 1, allowed);
		free(message);
	}
	xsDeleteMachine(machine);
	return 0;
}
