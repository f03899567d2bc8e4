/*
 * The whole board in a file, to go on from there at another time: every module names its state once, at start, and it
 * is written and read back as it lies in memory. So a snapshot fits the emulator's build that wrote it, and no other.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stddef.h>

/* `state` must hold no pointers. */
void snapshotKeep(const char *name, void *state, size_t length);
/* Both end the emulator with a sentence when the file cannot be written, or does not fit. */
void snapshotSave(const char *file);
void snapshotRestore(const char *file);

#endif
