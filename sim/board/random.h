/* Random numbers that depend on --seed alone. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Streams do not disturb each other: what the radio draws changes nothing in what the image gets. */
typedef enum { RANDOM_IMAGE, RANDOM_RADIO, RANDOM_IDENTITY, RANDOM_CUT, RANDOM_STREAMS } RandomStream;

void randomSeed(uint64_t seed);
uint64_t randomNext(RandomStream stream);
void randomBytes(RandomStream stream, uint8_t *to, size_t length);

#endif
